//! ansible-core's integration suite. It comes from PyPI when it is wanted (it is GPL, and no part of this repository); which
//! targets, and what each gives today, stands in `tests/conformance/ansible.txt`. Each target runs as root in a layer of its own:
//! what it does to users, files and processes is gone when it ends.

use crate::{cargo, root, run as go, setup, target_dir};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::ToSocketAddrs as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Instant;

const VERSION: &str = "2.19.14";

/// Where the suite's authors serve files, and the targets that fetch some.
const CI_FILES: (&str, [&str; 4]) =
    ("ci-files.testing.ansible.com", ["apt", "deb822_repository", "dpkg_selections", "unarchive"]);

/// Targets that clone from github.com.
const CLONING: [&str; 2] = ["git", "pip"];

/// What is called under the names of Ansible's programs.
const NAMES: [&str; 5] = ["ansible", "ansible-playbook", "ansible-inventory", "ansible-vault", "ansible-galaxy"];

#[derive(clap::Args)]
pub struct Options {
    /// Targets; those of the tiers if none is named
    targets: Vec<String>,
    /// A: language and templating; B: modules for files and commands, flow of plays; C: system and network
    #[arg(long, value_delimiter = ',', default_value = "A,B")]
    tier: Vec<char>,
    /// Targets at a time; the number of processors if not given
    #[arg(long)]
    jobs: Option<usize>,
    /// Record the results as the expected ones; those of a peer as the number of asserts that there are
    #[arg(long)]
    update: bool,
    /// Folder with another `ansible-playbook` to run instead, for comparison; nothing is expected of it
    #[arg(long)]
    peer: Option<PathBuf>,
    /// Folder with bare clones (OWNER/NAME.git) to use in the place of github.com, for machines without a way to it
    #[arg(long)]
    github: Option<PathBuf>,
}

impl Options {
    /// The tier that takes a minute and needs nothing but Python.
    pub fn for_tests() -> Self {
        Self { targets: Vec::new(), tier: vec!['A'], jobs: None, update: false, peer: None, github: None }
    }
}

/// A line of the table: what is expected of a target.
struct Row {
    tier: char,
    target: String,
    passes: bool,
    asserts: usize,
    /// Asserts that ansible-core itself comes to.
    of: usize,
    note: String,
}

/// What a target gave.
struct Outcome {
    passes: bool,
    tasks: usize,
    asserts: usize,
    /// Asserts that ended it, of behaviour and of the text of messages.
    wrong: Wrong,
    seconds: f64,
    /// The task that ended it, with its message, and the end of the output.
    failure: String,
}

/// An assert that imgbuild is not meant to fulfil: it is passed over, and counts as wrong.
struct Difference {
    target: String,
    /// File of the target and line.
    place: String,
    why: String,
}

/// Asserts that do not hold.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Wrong {
    behaviour: usize,
    text: usize,
    /// Not meant to hold.
    known: usize,
}

/// Runs them. 1 if a result is another than the recorded one.
pub fn run(options: &Options) -> Result<u8> {
    ensure!(
        setup::is_root(),
        "the suite changes users, files and processes: it needs root, in a layer that is thrown away"
    );
    let mut rows = table()?;
    // What a peer is meant to fulfil is its own affair.
    let known = if options.peer.is_some() { Vec::new() } else { known_differences()? };
    let wanted: Vec<usize> = (0..rows.len()).filter(|&i| chosen(options, &rows[i])).collect();
    for name in &options.targets {
        ensure!(rows.iter().any(|r| r.target == *name), "{} has no target \"{name}\"", table_path().display());
    }
    let suite = suite()?;
    let fetching: Vec<&str> =
        wanted.iter().map(|&i| rows[i].target.as_str()).filter(|t| CI_FILES.1.contains(t)).collect();
    let stand_ins = !fetching.is_empty() && (CI_FILES.0, 443).to_socket_addrs().is_err();
    if stand_ins {
        println!("{} has no address here: files made here stand in for its in {}", CI_FILES.0, fetching.join(", "));
    }
    let tester = if stand_ins || options.github.is_some() || wanted.iter().any(|&i| rows[i].tier == 'C') {
        setup::packages(&[setup::CONFORMANCE])?;
        setup::venv("httptester", &["httpbin==0.10.4", "trustme==1.2.1"])?
    } else {
        PathBuf::new()
    };
    let programs = match &options.peer {
        Some(folder) => folder.canonicalize().with_context(|| format!("no folder {}", folder.display()))?,
        None => programs()?,
    };
    let github = match &options.github {
        Some(folder) => folder.canonicalize().with_context(|| format!("no folder {}", folder.display()))?,
        None => PathBuf::new(),
    };
    let logs = target_dir().join(if options.peer.is_some() { "conformance/peer-logs" } else { "conformance/logs" });
    std::fs::create_dir_all(&logs)?;
    let jobs = options.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)).max(1);
    let queue = Mutex::new(wanted.iter().copied());
    let done = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(index) = queue.lock().ok().and_then(|mut q| q.next()) {
                    let outcome = target([&suite, &programs, &tester, &github], stand_ins, &known, &logs, &rows[index]);
                    if let Ok(outcome) = &outcome {
                        show(&rows[index], outcome);
                    }
                    if let Ok(mut done) = done.lock() {
                        done.insert(index, outcome);
                    }
                }
            });
        }
    });
    let mut outcomes = BTreeMap::new();
    for (index, outcome) in done.into_inner().unwrap_or_default() {
        outcomes.insert(index, outcome.with_context(|| rows[index].target.clone())?);
    }
    totals(&rows, &outcomes);
    println!("logs: {}", logs.display());
    if options.peer.is_some() {
        if options.update {
            for (index, outcome) in &outcomes {
                rows[*index].of = outcome.asserts.max(rows[*index].asserts);
            }
            write(&rows)?;
        }
        return Ok(0);
    }
    let differences = differences(&rows, &outcomes);
    if options.update {
        for (index, outcome) in &outcomes {
            rows[*index].passes = outcome.passes;
            rows[*index].asserts = outcome.asserts;
            rows[*index].of = if outcome.passes { outcome.asserts } else { rows[*index].of.max(outcome.asserts) };
        }
        return write(&rows).map(|()| 0);
    }
    for line in &differences {
        println!("{line}");
    }
    Ok(u8::from(!differences.is_empty()))
}

fn chosen(options: &Options, row: &Row) -> bool {
    if options.targets.is_empty() { options.tier.contains(&row.tier) } else { options.targets.contains(&row.target) }
}

fn show(row: &Row, outcome: &Outcome) {
    let result = if outcome.passes { "pass" } else { "FAIL" };
    let of = if outcome.passes { outcome.asserts } else { row.of.max(outcome.asserts) };
    println!(
        "{} {:28} {result} {:4} tasks {:4} of {of:4} asserts {:6.1} s{}",
        row.tier,
        row.target,
        outcome.tasks,
        outcome.asserts,
        outcome.seconds,
        told(outcome.wrong, of - outcome.asserts)
    );
    for line in outcome.failure.lines() {
        println!("    {line}");
    }
}

fn totals(rows: &[Row], outcomes: &BTreeMap<usize, Outcome>) {
    for tier in ['A', 'B', 'C'] {
        let all: Vec<_> = outcomes.iter().map(|(i, o)| (&rows[*i], o)).filter(|(r, _)| r.tier == tier).collect();
        if all.is_empty() {
            continue;
        }
        let held: usize = all.iter().map(|(_, o)| o.asserts).sum();
        let of: usize = all.iter().map(|(r, o)| if o.passes { o.asserts } else { r.of.max(o.asserts) }).sum();
        let wrong = all.iter().fold(Wrong::default(), |sum, (_, o)| Wrong {
            behaviour: sum.behaviour + o.wrong.behaviour,
            text: sum.text + o.wrong.text,
            known: sum.known + o.wrong.known,
        });
        println!(
            "tier {tier}: {} of {} targets pass, {} tasks, {held} of {of} asserts hold ({:.1} %), {:.0} s{}",
            all.iter().filter(|(_, o)| o.passes).count(),
            all.len(),
            all.iter().map(|(_, o)| o.tasks).sum::<usize>(),
            100.0 * held as f64 / of.max(1) as f64,
            all.iter().map(|(_, o)| o.seconds).sum::<f64>(),
            told(wrong, of - held),
        );
    }
}

/// What became of the asserts that do not hold. A target ends with the first that is not ignored: what comes after it was
/// not reached.
fn told(wrong: Wrong, missing: usize) -> String {
    if missing == 0 && wrong == Wrong::default() {
        return String::new();
    }
    let reached = wrong.behaviour + wrong.text + wrong.known;
    format!(
        " (wrong: {} of behaviour, {} of text, {} on purpose; not reached: {})",
        wrong.behaviour,
        wrong.text,
        wrong.known,
        missing.saturating_sub(reached)
    )
}

/// What differs from the table: worse is a regression; better must be recorded, or it would be lost unseen.
fn differences(rows: &[Row], outcomes: &BTreeMap<usize, Outcome>) -> Vec<String> {
    let mut lines = Vec::new();
    for (index, outcome) in outcomes {
        let row = &rows[*index];
        match (row.passes, outcome.passes) {
            (true, false) => lines.push(format!("regression: {} passed", row.target)),
            (false, true) => lines.push(format!("better: {} passes; record it with --update", row.target)),
            _ if outcome.asserts < row.asserts => {
                lines.push(format!("regression: {}: {} asserts held, now {}", row.target, row.asserts, outcome.asserts))
            }
            _ => {}
        }
    }
    lines
}

/// Runs one target. `tester`: the virtual environment of the HTTP server that some want; `github`: clones, or empty.
fn target(
    [suite, programs, tester, github]: [&Path; 4],
    stand_ins: bool,
    known: &[Difference],
    logs: &Path,
    row: &Row,
) -> Result<Outcome> {
    let known: Vec<&Difference> = known.iter().filter(|d| d.target == row.target).collect();
    // The last one first: each adds a line to its file.
    let places: Vec<&str> = known.iter().rev().map(|d| d.place.as_str()).collect();
    let log_path = logs.join(format!("{}.log", row.target));
    let log = std::fs::File::create(&log_path)?;
    let layer = tempdir(&row.target)?;
    let start = Instant::now();
    let status = Command::new("unshare")
        .args(["--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--propagation", "private"])
        .args(["sh", "-eu", "-c", include_str!("ansible-target.sh"), &row.target])
        .env("LAYER", &layer)
        .env("SUITE", suite)
        .env("PROGRAMS", programs)
        .env("PROGRAM", target_dir().join("debug/imgbuild"))
        .env("GITHUB", if CLONING.contains(&row.target.as_str()) { github } else { Path::new("") })
        .env("PASS_OVER", places.join(" "))
        .env("CI_FILES", if stand_ins && CI_FILES.1.contains(&row.target.as_str()) { "1" } else { "" })
        .env("HTTPTESTER_PYTHON", tester.join("bin/python"))
        .env("HTTPTESTER_PROGRAM", include_str!("httptester.py"))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .status()?;
    let seconds = start.elapsed().as_secs_f64();
    std::fs::remove_dir(&layer)?;
    let output = String::from_utf8_lossy(&std::fs::read(&log_path)?).into_owned();
    let passes = status.success() && known.is_empty();
    let mut wrong = if passes { Wrong::default() } else { wrong(&output) };
    wrong.known = known.len();
    let mut failure = if status.success() { String::new() } else { failure(&output) };
    for difference in known {
        let _ = writeln!(failure, "passed over: {}: {}", difference.place, difference.why);
    }
    Ok(Outcome {
        passes,
        tasks: output.lines().filter(|l| l.starts_with("TASK [") || l.starts_with("RUNNING HANDLER [")).count(),
        asserts: output.matches("All assertions passed").count(),
        wrong,
        seconds,
        failure,
    })
}

/// An empty folder, on which the layer is mounted in a namespace of its own: outside it stays empty.
fn tempdir(target: &str) -> Result<PathBuf> {
    let path = std::env::temp_dir().join(format!("imgbuild-conformance-{}-{target}", std::process::id()));
    std::fs::create_dir(&path).with_context(|| format!("can't make {}", path.display()))?;
    Ok(path)
}

/// Whether the failure in this line is passed over.
fn ignored(lines: &[&str], index: usize) -> bool {
    lines[index..].iter().take(40).skip(1).take_while(|l| !l.is_empty()).any(|l| *l == "...ignoring")
}

/// The asserts that failed where no failure was to be expected, by what they look at.
fn wrong(output: &str) -> Wrong {
    let lines: Vec<&str> = output.lines().collect();
    let mut out = Wrong::default();
    for (index, line) in lines.iter().enumerate() {
        if !(line.starts_with("fatal: ") || line.starts_with("failed: ")) || ignored(&lines, index) {
            continue;
        }
        let result = lines[index..].iter().take(8).take_while(|l| !l.is_empty());
        if let Some(assertion) = result.filter_map(|l| l.split_once("\"assertion\": ")).map(|(_, a)| a).next() {
            let text = ["msg", "stderr", "warnings", "deprecations", "exception"].iter().any(|w| assertion.contains(w));
            out.behaviour += usize::from(!text);
            out.text += usize::from(text);
        }
    }
    out
}

/// The last failed task that was not ignored, with its message; for a script that stopped for another reason, its last lines.
fn failure(output: &str) -> String {
    let lines: Vec<&str> = output.lines().collect();
    let mut found = None;
    let mut task = "";
    for (index, line) in lines.iter().enumerate() {
        if line.starts_with("TASK [") || line.starts_with("RUNNING HANDLER [") {
            task = line.trim_end_matches('*');
        }
        let failed = line.starts_with("fatal: ") || line.starts_with("failed: ");
        if failed && !ignored(&lines, index) {
            found = Some((index, task));
        }
    }
    let mut text = String::new();
    if let Some((index, task)) = found {
        let _ = writeln!(text, "{task}");
        for line in lines[index..].iter().take(8).take_while(|l| !l.is_empty()) {
            let _ = writeln!(text, "{}", line.chars().take(400).collect::<String>());
        }
    }
    let last: Vec<&str> = lines.iter().rev().filter(|l| !l.is_empty()).take(3).copied().collect();
    for line in last.iter().rev() {
        let _ = writeln!(text, "… {}", line.chars().take(200).collect::<String>());
    }
    text
}

/// The suite, from PyPI, unpacked once.
fn suite() -> Result<PathBuf> {
    let folder = target_dir().join("conformance").canonicalize().unwrap_or_else(|_| target_dir().join("conformance"));
    let name = format!("ansible_core-{VERSION}");
    let suite = folder.join(&name);
    if suite.join("test/integration/targets").is_dir() {
        return Ok(suite.canonicalize()?);
    }
    std::fs::create_dir_all(&folder)?;
    let venv = setup::venv("pip", &["setuptools"])?;
    println!("Fetching ansible-core {VERSION} with its integration suite from PyPI into {}", folder.display());
    go(Command::new(venv.join("bin/pip"))
        .args(["download", "-q", "--disable-pip-version-check", "--no-binary", ":all:", "--no-deps", "--dest"])
        .arg(&folder)
        .arg(format!("ansible-core=={VERSION}")))?;
    go(Command::new("tar").arg("-xzf").arg(folder.join(format!("{name}.tar.gz"))).arg("-C").arg(&folder))?;
    Ok(suite.canonicalize()?)
}

/// A folder with imgbuild under the names of Ansible's programs. The links' target is where the layer shows it.
fn programs() -> Result<PathBuf> {
    go(cargo().args(["build", "--workspace", "--bin", "imgbuild"]))?;
    let folder = target_dir().join("conformance/bin");
    std::fs::create_dir_all(&folder)?;
    for name in NAMES {
        let link = folder.join(name);
        if link.is_symlink() {
            std::fs::remove_file(&link)?;
        }
        std::os::unix::fs::symlink("/conformance/imgbuild", &link)?;
    }
    Ok(folder.canonicalize()?)
}

/// Reads the asserts that are not meant to hold.
fn known_differences() -> Result<Vec<Difference>> {
    let path = root().join("tests/conformance/ansible-differences.txt");
    let text = std::fs::read_to_string(&path).with_context(|| format!("can't read {}", path.display()))?;
    let lines = text.lines().enumerate().filter(|(_, l)| !l.is_empty() && !l.starts_with('#'));
    lines
        .map(|(number, line)| {
            let mut words = line.splitn(3, ' ').map(str::to_owned);
            let mut word =
                || words.next().with_context(|| format!("{}:{}: a column is missing", path.display(), number + 1));
            Ok(Difference { target: word()?, place: word()?, why: word()? })
        })
        .collect()
}

fn table_path() -> PathBuf {
    root().join("tests/conformance/ansible.txt")
}

/// Reads the table: tier, target, pass or fail, asserts that hold, asserts that there are, and why it fails.
fn table() -> Result<Vec<Row>> {
    let path = table_path();
    let text = std::fs::read_to_string(&path).with_context(|| format!("can't read {}", path.display()))?;
    let mut rows = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, l)| !l.is_empty() && !l.starts_with('#')) {
        let mut words = line.split_whitespace();
        let mut word =
            || words.next().with_context(|| format!("{}:{}: a column is missing", path.display(), number + 1));
        let (tier, target, result, asserts, of) = (word()?, word()?, word()?, word()?, word()?);
        let number_of = |text: &str| text.parse().with_context(|| format!("{}:{}", path.display(), number + 1));
        rows.push(Row {
            tier: tier.chars().next().unwrap_or('?'),
            target: target.to_owned(),
            passes: result == "pass",
            asserts: number_of(asserts)?,
            of: number_of(of)?,
            note: words.collect::<Vec<_>>().join(" "),
        });
    }
    Ok(rows)
}

/// Writes the table; the comment at its head stays.
fn write(rows: &[Row]) -> Result<()> {
    let path = table_path();
    let mut text: String =
        std::fs::read_to_string(&path)?.lines().take_while(|l| l.starts_with('#')).map(|l| format!("{l}\n")).collect();
    for row in rows {
        let result = if row.passes { "pass" } else { "fail" };
        let note = if row.passes { "" } else { &row.note };
        let line = format!("{} {:28} {result} {:4} {:4} {note}", row.tier, row.target, row.asserts, row.of);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    std::fs::write(&path, text).with_context(|| format!("can't write {}", path.display()))
}
