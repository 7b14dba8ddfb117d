//! From a requirement to files: git, URL, archive on this machine, Galaxy.

use super::api::{self, Api};
use super::unpack::Files;
use super::{Fetched, Locked, Options, Requirement};
use sha2::{Digest as _, Sha256};
use std::path::Path;
use std::process::Command;

type Say<'a> = &'a mut dyn FnMut(String);

/// A role's files. A lock entry decides the version and must fit the hash.
pub fn role(wanted: &Requirement, options: &Options, pin: Option<&Locked>, say: Say<'_>) -> Result<Fetched, String> {
    let source = wanted.source().unwrap_or(wanted.name());
    let asked = wanted.version().filter(|v| !v.is_empty());
    if is_git(source, wanted.scm())? {
        return git(source, asked, pin, say);
    }
    let (bytes, version, resolved) = if is_url(source) {
        say(format!("- downloading role from {source}"));
        (api::download(source)?, asked.unwrap_or_default().to_owned(), source.to_owned())
    } else if let Some(path) = local(source, &options.dir) {
        let bytes = fs_err::read(&path).map_err(|e| e.to_string())?;
        (bytes, asked.unwrap_or_default().to_owned(), source.to_owned())
    } else {
        let (version, url) = match pin {
            Some(pin) => (pin.version.clone(), pin.resolved.clone()),
            None => Api::new(&options.server).role(source, asked)?,
        };
        say(format!("- downloading role from {url}"));
        (api::download(&url)?, version, url)
    };
    let files = Files::read(&bytes, 1)?;
    let files = Files(files.0.into_iter().filter(|(p, ..)| !p.starts_with(".git")).collect());
    if files.text("meta/main.yml").is_none()
        && files.text("meta/main.yaml").is_none()
        && files.text("tasks/main.yml").is_none()
    {
        return Err("this role does not appear to have a meta/main.yml file.".into());
    }
    Ok(Fetched { files, locked: checked(version, resolved, hash(&bytes), pin)? })
}

/// A collection's name and files.
pub fn collection(
    wanted: &Requirement,
    options: &Options,
    pin: Option<&Locked>,
    say: Say<'_>,
) -> Result<(String, Fetched), String> {
    let source = wanted.source().filter(|s| !s.is_empty() && wanted.scm() != Some("galaxy"));
    let named = |fetched: Fetched| {
        let (name, version) =
            fetched.files.collection().ok_or("it holds neither MANIFEST.json nor galaxy.yml: it is no collection")?;
        let mut fetched = fetched;
        if version != "*" {
            fetched.locked.version = version;
        }
        Ok::<_, String>((name, fetched))
    };
    let place = source.unwrap_or(wanted.name());
    if is_git(place, wanted.scm())? {
        return named(git(place, wanted.version().filter(|v| *v != "*"), pin, say)?);
    }
    let (bytes, resolved, expected) = if is_url(place) {
        say(format!("Downloading {place}"));
        (api::download(place)?, place.to_owned(), String::new())
    } else if let Some(path) = local(place, &options.dir) {
        (fs_err::read(&path).map_err(|e| e.to_string())?, place.to_owned(), String::new())
    } else {
        let (_, url, sum) = match pin {
            Some(pin) => (pin.version.clone(), pin.resolved.clone(), pin.hash.replace("sha256:", "")),
            None => Api::new(&options.server).collection(wanted.name(), wanted.version().unwrap_or("*"), false)?,
        };
        say(format!("Downloading {url}"));
        (api::download(&url)?, url, sum)
    };
    let sum = hash(&bytes);
    if !expected.is_empty() && sum != format!("sha256:{expected}") {
        return Err(format!("the download is another than the server says: {sum} instead of sha256:{expected}"));
    }
    let files = Files::read(&bytes, 0)?;
    named(Fetched { files, locked: checked(String::new(), resolved, sum, pin)? })
}

/// The lock entry of what was fetched, if it is what was locked.
fn checked(version: String, resolved: String, hash: String, pin: Option<&Locked>) -> Result<Locked, String> {
    if let Some(pin) = pin.filter(|p| p.hash != hash) {
        return Err(format!(
            "its content is not what the lock file names: {hash} instead of {}; if that is wanted, remove its entry there",
            pin.hash
        ));
    }
    let empty = String::new;
    Ok(Locked { kind: empty(), name: empty(), source: empty(), wanted: empty(), version, resolved, hash })
}

fn hash(bytes: &[u8]) -> String {
    let sum: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256:{sum}")
}

fn is_url(source: &str) -> bool {
    source.starts_with("http://") || source.starts_with("https://")
}

/// Whether git fetches it. Other systems are refused.
fn is_git(source: &str, scm: Option<&str>) -> Result<bool, String> {
    match scm {
        Some("git") => return Ok(true),
        Some("hg") => return Err("Mercurial is not supported: only git".into()),
        Some("url" | "file" | "galaxy") | None => {}
        Some(other) => return Err(format!("the type {other:?} is not one of git, url, file, galaxy")),
    }
    if source.starts_with("hg+") {
        return Err("Mercurial is not supported: only git".into());
    }
    let github =
        source.starts_with("https://github.com/") && !source.ends_with(".tar.gz") && !source.contains("/archive/");
    Ok(scm.is_none()
        && (source.starts_with("git+") || source.starts_with("git@") || source.ends_with(".git") || github))
}

fn local(source: &str, dir: &Path) -> Option<std::path::PathBuf> {
    let path = dir.join(source.strip_prefix("file://").unwrap_or(source));
    path.is_file().then_some(path)
}

/// A commit's files, without history.
fn git(source: &str, version: Option<&str>, pin: Option<&Locked>, say: Say<'_>) -> Result<Fetched, String> {
    // `URL#folder`: the collection lies in a folder of the repository.
    let source = source.strip_prefix("git+").unwrap_or(source);
    let (url, folder) = source.split_once('#').map_or((source, None), |(u, f)| (u, Some(f.trim_matches('/'))));
    let version = version.filter(|v| !v.is_empty());
    if url.starts_with('-') || version.is_some_and(|v| v.starts_with('-')) {
        return Err("a source or version must not begin with a dash".into());
    }
    say(format!("- cloning {url}"));
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    let run = |words: &[&str]| -> Result<Vec<u8>, String> {
        let mut program = Command::new("git");
        program.args(words).current_dir(dir.path()).env("GIT_TERMINAL_PROMPT", "0");
        let output = program.output().map_err(|e| format!("git can't be started: {e}"))?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(format!("git {}: {}", words[0], String::from_utf8_lossy(&output.stderr).trim()))
    };
    run(&["clone", "-q", "--", url, "."])?;
    let commit = match (pin, version) {
        (Some(pin), _) => pin.resolved.clone(),
        (None, Some(version)) => version.to_owned(),
        (None, None) => "HEAD".to_owned(),
    };
    // A branch that is only on the other side.
    if run(&["checkout", "-q", &commit, "--"]).is_err() {
        run(&["checkout", "-q", &format!("origin/{commit}"), "--"])?;
    }
    let line = |words: &[&str]| run(words).map(|o| String::from_utf8_lossy(&o).trim().to_owned());
    let resolved = line(&["rev-parse", "HEAD"])?;
    let tree = line(&["rev-parse", "HEAD^{tree}"])?;
    let what = folder.map_or_else(|| "HEAD".to_owned(), |f| format!("HEAD:{f}"));
    let files = Files::read(&run(&["archive", "--format=tar", &what])?, 0)?;
    let branch = || line(&["rev-parse", "--abbrev-ref", "origin/HEAD"]).map(|b| b.replace("origin/", ""));
    let version = match version {
        Some(version) => version.to_owned(),
        None => branch().unwrap_or_else(|_| resolved.clone()),
    };
    Ok(Fetched { files, locked: checked(version, resolved, format!("git-tree:{tree}"), pin)? })
}
