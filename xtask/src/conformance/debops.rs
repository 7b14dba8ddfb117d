//! DebOps: hundreds of playbooks and roles that people run on real servers. Each is listed (`--list-tasks`) by imgbuild and by
//! ansible-core with the collections that DebOps needs; what ansible-core lists must be listed equally. Both programs' answers
//! stay below `target/conformance/debops`; ansible-core is asked once for each playbook, because it takes half an hour for all.

use crate::{cargo, run as go, setup, target_dir};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

const VERSION: &str = "3.3.2";
/// ansible-core 2.19 with the collections of that time.
const PEER: [&str; 2] = ["ansible-core==2.19.14", "ansible==12.3.0"];

#[derive(clap::Args)]
pub struct Options {
    /// Only what has this in its name: `service/nginx`, `role:postgresql`
    only: Vec<String>,
    /// List with imgbuild alone
    #[arg(long)]
    no_peer: bool,
    /// Programs at a time; the number of processors if not given
    #[arg(long)]
    jobs: Option<usize>,
}

/// One playbook, or a playbook that was made for one role.
struct Case {
    name: String,
    path: PathBuf,
}

/// What came of a case.
enum Outcome {
    Same,
    /// The peer lists it, imgbuild does not or otherwise: the first differing lines.
    Differs(String),
    /// The peer can't list it; whether imgbuild can.
    PeerFails(bool),
    /// Not compared: whether imgbuild lists it.
    Alone(bool),
}

/// Lists all and compares. 1 if a listing differs.
pub fn run(options: &Options) -> Result<u8> {
    let collections = source()?;
    let peer = match options.no_peer {
        true => None,
        false => Some(setup::venv("debops-peer", &PEER)?.join("bin/ansible-playbook")),
    };
    go(cargo().args(["build", "-p", "imgbuild"]))?;
    let cases = cases(&collections)?;
    let wanted: Vec<&Case> = cases
        .iter()
        .filter(|c| options.only.is_empty() || options.only.iter().any(|o| c.name.contains(o.as_str())))
        .collect();
    let jobs = options.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)).max(1);
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(BTreeMap::new());
    let missing = Mutex::new(BTreeMap::<String, usize>::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(case) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = one(case, &collections, peer.as_deref(), &missing);
                    if let Ok(mut all) = outcomes.lock() {
                        all.insert(case.name.clone(), outcome);
                    }
                }
            });
        }
    });
    let missing = missing.into_inner().unwrap_or_default();
    println!("what a playbook names and imgbuild does not have (it fails where a host reaches it):");
    for (what, times) in &missing {
        println!("  {times:5}  {what}");
    }
    let (mut same, mut differs, mut alone) = (0, 0, 0);
    let mut peer_fails = [0, 0];
    let mut unlisted = Vec::new();
    for (name, outcome) in outcomes.into_inner().unwrap_or_default() {
        match outcome.with_context(|| name.clone())? {
            Outcome::Same => same += 1,
            Outcome::Differs(how) => {
                differs += 1;
                println!("DIFFERS {name}\n{how}");
            }
            Outcome::PeerFails(listed) => {
                peer_fails[usize::from(listed)] += 1;
                if !listed {
                    unlisted.push(name);
                }
            }
            Outcome::Alone(true) => alone += 1,
            Outcome::Alone(false) => unlisted.push(name),
        }
    }
    for name in &unlisted {
        println!("NOT LISTED {name}");
    }
    println!(
        "{} playbooks and roles: {same} listed equally, {differs} differ, {} that ansible-core can't list (imgbuild lists {}), {alone} not compared",
        wanted.len(),
        peer_fails[0] + peer_fails[1],
        peer_fails[1],
    );
    Ok(u8::from(differs > 0))
}

/// The folder to give as `ANSIBLE_COLLECTIONS_PATH`.
fn source() -> Result<PathBuf> {
    let base = target_dir().join("conformance/debops");
    let tree = base.join(format!("debops-{VERSION}"));
    let collections = tree.join("src/debops/_data/ansible/collections");
    if !collections.is_dir() {
        setup::packages(&[setup::TEST])?;
        std::fs::create_dir_all(&base)?;
        let package = format!("debops=={VERSION}");
        go(Command::new("python3")
            .args(["-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", "--no-binary", ":all:"])
            .arg("-d")
            .arg(&base)
            .arg(package))?;
        go(Command::new("tar").arg("-xzf").arg(base.join(format!("debops-{VERSION}.tar.gz"))).arg("-C").arg(&base))?;
    }
    ensure!(collections.is_dir(), "{} is not what it was", tree.display());
    Ok(collections)
}

fn cases(collections: &Path) -> Result<Vec<Case>> {
    let home = collections.join("ansible_collections/debops/debops");
    let mut cases = Vec::new();
    let mut playbooks = Vec::new();
    walk(&home, &mut playbooks)?;
    playbooks.sort();
    for path in playbooks {
        let name = path.strip_prefix(&home).unwrap_or(&path).display().to_string();
        cases.push(Case { name, path });
    }
    let made = target_dir().join("conformance/debops/roles");
    std::fs::create_dir_all(&made)?;
    let mut roles: Vec<_> = std::fs::read_dir(home.join("roles"))?.collect::<std::io::Result<_>>()?;
    roles.sort_by_key(std::fs::DirEntry::file_name);
    for role in roles.into_iter().filter(|r| r.path().join("tasks").is_dir()) {
        let role = role.file_name().to_string_lossy().into_owned();
        let path = made.join(format!("{role}.yml"));
        std::fs::write(&path, format!("- hosts: localhost\n  roles:\n    - role: debops.debops.{role}\n"))?;
        cases.push(Case { name: format!("role:{role}"), path });
    }
    Ok(cases)
}

/// All `.yml` below a folder named `playbooks`.
fn walk(dir: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, found)?;
        } else if path.extension().is_some_and(|e| e == "yml")
            && path.ancestors().skip(1).any(|d| d.file_name().is_some_and(|n| n == "playbooks"))
        {
            found.push(path);
        }
    }
    Ok(())
}

fn one(
    case: &Case,
    collections: &Path,
    peer: Option<&Path>,
    missing: &Mutex<BTreeMap<String, usize>>,
) -> Result<Outcome> {
    let list = |program: &mut Command| -> Result<(Option<String>, String)> {
        let dir = case.path.parent().unwrap_or(Path::new("/"));
        program.args(["-i", "localhost,", "--list-tasks"]).arg(&case.path).current_dir(dir);
        program.env("ANSIBLE_COLLECTIONS_PATH", collections).env("ANSIBLE_DEPRECATION_WARNINGS", "false");
        let output = program.stdin(Stdio::null()).output().with_context(|| format!("{:?}", program.get_program()))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok((output.status.success().then(|| sorted(&text)), String::from_utf8_lossy(&output.stderr).into_owned()))
    };
    let (mine, notes) = list(Command::new(target_dir().join("debug/imgbuild")).arg("playbook"))?;
    let unknown = notes.lines().filter_map(|l| l.strip_prefix("[WARNING]: "));
    if let Ok(mut missing) = missing.lock() {
        for line in unknown.filter(|l| l.starts_with("the module ") || l.starts_with("No ") || l.starts_with("Syntax"))
        {
            *missing.entry(line.to_owned()).or_default() += 1;
        }
    }
    let Some(peer) = peer else { return Ok(Outcome::Alone(mine.is_some())) };
    let kept = target_dir().join("conformance/debops/peer").join(case.name.replace('/', "_"));
    let theirs = match std::fs::read_to_string(&kept) {
        Ok(text) => text,
        Err(_) => {
            let (listing, notes) = list(&mut Command::new(peer))?;
            let text = listing.unwrap_or_else(|| format!("FAILED\n{notes}"));
            std::fs::create_dir_all(kept.parent().unwrap_or(Path::new("/")))?;
            std::fs::write(&kept, &text)?;
            text
        }
    };
    Ok(match mine {
        _ if theirs.starts_with("FAILED\n") => Outcome::PeerFails(mine.is_some()),
        Some(mine) if mine == theirs => Outcome::Same,
        Some(mine) => Outcome::Differs(difference(&theirs, &mine)),
        None => Outcome::Differs(notes.lines().take(6).collect::<Vec<_>>().join("\n")),
    })
}

/// ansible-core prints a play's tags in the order of a hash: sorted, they can be compared.
fn sorted(text: &str) -> String {
    let line = |line: &str| match line.split_once("\tTAGS: [") {
        Some((head, tags)) if line.starts_with("  play #") => {
            let mut tags: Vec<&str> = tags.trim_end_matches(']').split(',').collect();
            tags.sort_unstable();
            format!("{head}\tTAGS: [{}]\n", tags.join(","))
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// The first lines that differ.
fn difference(theirs: &str, mine: &str) -> String {
    let (mut a, mut b) = (theirs.lines(), mine.lines());
    loop {
        match (a.next(), b.next()) {
            (Some(x), Some(y)) if x == y => {}
            (None, None) => return String::new(),
            (x, y) => return format!("  theirs: {}\n  mine:   {}", x.unwrap_or("(end)"), y.unwrap_or("(end)")),
        }
    }
}
