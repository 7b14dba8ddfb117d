//! One fault at a time in an HCL2 configuration (`tests/fixtures/packer/hcl`): the exit code, the place and the words. Each row of
//! `mutations.json` replaces one text by another; the error must stand on the lines that this changed, unless the row names another
//! line or `any`. `cargo xtask conformance packer` compares the exit codes with Packer's.

use crate::support::{Env, root};
use serde_json::Value;

#[test]
fn one_fault_at_a_time_in_hcl() {
    let dir = root().join("tests/fixtures/packer/hcl");
    let rows: Vec<Value> = serde_json::from_slice(&std::fs::read(dir.join("mutations.json")).unwrap()).unwrap();
    assert!(rows.len() >= 150, "{}", rows.len());
    let mut wrong = Vec::new();
    for row in &rows {
        wrong.extend(fault(&dir, row).map(|why| format!("{}: {why}", row["name"])));
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n\n"));
}

/// What is wrong with a row's outcome.
fn fault(dir: &std::path::Path, row: &Value) -> Option<String> {
    let env = Env::new();
    for name in ["variables.pkr.hcl", "image.pkr.hcl", "values.auto.pkrvars.hcl"] {
        env.write(name, &std::fs::read_to_string(dir.join(name)).unwrap());
    }
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let own = [row["file"].clone(), row["from"].clone(), row["to"].clone()];
    let more = row["more"].as_array().into_iter().flatten().map(|m| m.as_array().unwrap().clone());
    let mut lines = 0..=0;
    for change in more.chain([own.to_vec()]) {
        let [file, from, to] = [0, 1, 2].map(|i| text(&change[i]));
        let before = std::fs::read_to_string(env.work().join(&file)).unwrap();
        let at = before.find(&from).unwrap_or_else(|| panic!("{}: {from:?} is not in {file}", row["name"]));
        let alike = from.bytes().zip(to.bytes()).take_while(|(a, b)| a == b).count();
        let count = |text: &[u8]| text.iter().filter(|b| **b == b'\n').count();
        let first = 1 + count(&before.as_bytes()[..at]) + count(&to.as_bytes()[..alike]);
        lines = first..=first.max(1 + count(&before.as_bytes()[..at]) + count(to.as_bytes()));
        env.write(&file, &before.replacen(&from, &to, 1));
    }
    let output = env.run(["validate", "."]);
    let said = format!("{}{}", output.stdout, output.stderr);
    let exit = row["exit"].as_i64().unwrap();
    if i64::from(output.code) != exit {
        return Some(format!("exit {}, not {exit}\n{said}", output.code));
    }
    for words in row["says"].as_array().into_iter().flatten().map(text) {
        if !said.contains(&words) {
            return Some(format!("{words:?} is not said\n{said}"));
        }
    }
    if exit == 0 {
        return None;
    }
    let place = format!("on ./{}:", text(&row["file"]));
    let any_file = row["line"].as_str() == Some("any");
    let named = row["line"].as_u64();
    let fits = |rest: &str| {
        let mut parts = rest.split(':').map(|n| n.trim().parse::<usize>().ok());
        let (Some(Some(line)), Some(Some(_column))) = (parts.next(), parts.next()) else { return false };
        named.map_or(lines.contains(&line), |named| line as u64 == named)
    };
    let found = said.lines().map(str::trim).any(|line| match any_file {
        true => line.starts_with("on ./"),
        // The line may be one of another file where the row names it.
        false if named.is_some() => {
            line.strip_prefix("on ./").and_then(|l| l.split_once(':')).is_some_and(|(_, r)| fits(r))
        }
        false => line.strip_prefix(&place).is_some_and(fits),
    });
    (!found).then(|| format!("not on lines {lines:?} of {}\n{said}", row["file"]))
}
