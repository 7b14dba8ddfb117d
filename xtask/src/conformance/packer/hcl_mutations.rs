//! One fault at a time in an HCL2 configuration: the rows of `tests/fixtures/packer/hcl/mutations.json` that the peer's version can
//! judge. Places and words are the integration tests' business; here the exit codes of `validate` are compared.

use super::Outcome;
use super::programs::{Pair, copy, each, run as go};
use crate::root;
use anyhow::{Context, Result};
use serde_json::Value;

/// All rows through both programs; where the peer can't judge, ours beside what the row wants.
pub fn run(pair: &Pair, filter: &str) -> Result<Vec<Outcome>> {
    let dir = root().join("tests/fixtures/packer/hcl");
    let path = dir.join("mutations.json");
    let text = std::fs::read(&path).with_context(|| path.display().to_string())?;
    let mut rows: Vec<Value> = serde_json::from_slice(&text).with_context(|| path.display().to_string())?;
    let name = |row: &Value| format!("hcl mutation/{}", row["name"].as_str().unwrap_or_default());
    rows.retain(|row| name(row).contains(filter));
    each(&rows, |row| {
        let scratch = tempfile::tempdir()?;
        copy(&dir, scratch.path())?;
        let own = Value::Array(vec![row["file"].clone(), row["from"].clone(), row["to"].clone()]);
        for change in row["more"].as_array().into_iter().flatten().chain([&own]) {
            let part = |i: usize| change[i].as_str().context("a change is a file and two texts");
            let file = scratch.path().join(part(0)?);
            let before = std::fs::read_to_string(&file)?;
            anyhow::ensure!(before.contains(part(1)?), "{}: the text is not there", name(row));
            std::fs::write(&file, before.replacen(part(1)?, part(2)?, 1))?;
        }
        let args = ["validate", "."];
        let ours = go(&pair.ours, &args, scratch.path(), None)?;
        if row["peer"] == Value::Bool(false) {
            let (ours, said) = (ours.code.to_string(), ours.text());
            return Ok(Outcome { case: name(row), ours, theirs: row["exit"].to_string(), said });
        }
        let theirs = go(&pair.theirs, &args, scratch.path(), None)?;
        Ok(Outcome::codes(name(row), &ours, &theirs))
    })
}
