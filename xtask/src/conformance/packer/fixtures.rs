//! Our own cases: folders of `tests/fixtures/packer/cases`, each with a `case.json` that says what is run and what it must leave.
//! The integration tests run them with our program alone; here both programs run them, and exit code, files and output are
//! compared. What the peer's version can't do says `"peer": false`.

use super::Outcome;
use super::programs::{Done, Pair, copy, each, run as go};
use crate::root;
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// All cases whose names hold `filter`.
pub fn run(pair: &Pair, filter: &str) -> Result<Vec<Outcome>> {
    let dir = root().join("tests/fixtures/packer/cases");
    let mut names: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(&dir).with_context(|| dir.display().to_string())? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    names.retain(|name| format!("fixture/{name}").contains(filter));
    Ok(each(&names, |name| case(pair, &dir.join(name), name))?.into_iter().flatten().collect())
}

fn case(pair: &Pair, dir: &Path, name: &str) -> Result<Vec<Outcome>> {
    let text = std::fs::read(dir.join("case.json")).with_context(|| dir.display().to_string())?;
    let case: Value = serde_json::from_slice(&text).with_context(|| dir.display().to_string())?;
    let args: Vec<&str> = case["args"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let run = |program: &Path| -> Result<(Done, BTreeMap<String, Vec<u8>>)> {
        let scratch = tempfile::tempdir()?;
        copy(dir, scratch.path())?;
        let input = case["stdin"].as_str().map(|file| dir.join(file));
        let done = go(program, &args, scratch.path(), input.as_deref())?;
        let mut files = BTreeMap::new();
        contents(scratch.path(), scratch.path(), &mut files)?;
        Ok((done, files))
    };
    let (ours, our_files) = run(&pair.ours)?;
    let wanted = case["exit"].as_i64().context("case.json says no \"exit\"")?;
    if case["peer"] == Value::Bool(false) {
        return Ok(vec![Outcome {
            case: format!("fixture/{name}"),
            ours: ours.code.to_string(),
            theirs: wanted.to_string(),
            said: ours.text(),
        }]);
    }
    let (mut theirs, mut their_files) = run(&pair.theirs)?;
    for _ in 0..2 {
        if plain(&ours.stdout) == plain(&theirs.stdout) {
            break;
        }
        // Where one build ends and the next begins, Packer's lines come in no order of their own.
        (theirs, their_files) = run(&pair.theirs)?;
    }
    let mut outcomes = vec![Outcome::codes(format!("fixture/{name}"), &ours, &theirs)];
    let compare = |what: &str, ours: String, theirs: String| Outcome {
        case: format!("fixture/{name} {what}"),
        ours: if ours == theirs { "the same" } else { "differs" }.into(),
        theirs: "the same".into(),
        said: format!("imgbuild:\n{ours}\npacker:\n{theirs}"),
    };
    outcomes.push(compare("files", listing(&our_files), listing(&their_files)));
    if case["output"] != Value::Bool(false) {
        outcomes.push(compare("output", plain(&ours.stdout), plain(&theirs.stdout)));
    }
    Ok(outcomes)
}

fn contents(root: &Path, dir: &Path, files: &mut BTreeMap<String, Vec<u8>>) -> Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.strip_prefix(root)?.display().to_string();
        if path.is_dir() {
            if name != ".home" {
                contents(root, &path, files)?;
            }
        } else {
            files.insert(name, std::fs::read(&path)?);
        }
    }
    Ok(())
}

/// Names, and the contents of what is text; archives differ in their times.
fn listing(files: &BTreeMap<String, Vec<u8>>) -> String {
    let mut out = String::new();
    for (name, bytes) in files {
        let text = std::str::from_utf8(bytes).ok().filter(|t| !t.contains('\0'));
        let text = text.map_or_else(|| "(binary)".to_owned(), plain);
        out.push_str(&format!("{name}: {text}\n"));
    }
    out
}

/// Without what differs from run to run: times, ids, scratch files.
fn plain(text: &str) -> String {
    let mut out: Vec<String> = text.lines().filter(|l| !l.starts_with("  at ")).map(line).collect();
    while out.last().is_some_and(String::is_empty) {
        out.pop();
    }
    out.join("\n")
}

fn line(line: &str) -> String {
    // `-machine-readable` begins with the time.
    let line = match line.split_once(',') {
        Some((time, rest)) if time.len() == 10 && time.bytes().all(|b| b.is_ascii_digit()) => format!("TIME,{rest}"),
        _ => line.to_owned(),
    };
    let mut line = line;
    for head in ["finished after ", "errored after ", "Wait completed after "] {
        if let Some((before, after)) = line.split_once(head) {
            let rest = after.find([':', '.']).map_or("", |i| &after[i..]);
            line = format!("{before}{head}TIME{rest}");
        }
    }
    if let Some((before, after)) = line.split_once("/tmp/packer-shell") {
        let rest = after.find(|c: char| !c.is_alphanumeric() && c != '/' && c != '_').map_or("", |i| &after[i..]);
        line = format!("{before}/tmp/packer-shellN{rest}");
    }
    // Ours say where the provisioner stands in the template; an older version lacks a blank.
    let line = line.split("\\n  at ").next().unwrap_or_default().replace(".Allowed", ". Allowed");
    let mut line = line;
    for key in ["\"build_time\": ", "\"packer_run_uuid\": ", "\"last_run_uuid\": "] {
        if let Some((before, after)) = line.split_once(key) {
            line = format!("{before}{key}X{}", if after.ends_with(',') { "," } else { "" });
        }
    }
    line
}
