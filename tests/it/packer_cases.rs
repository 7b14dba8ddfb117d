//! The fixtures of `cargo xtask conformance packer`, with this program alone: what each says it must leave.

use crate::support::{Env, finish, root};
use serde_json::{Map, Value, json};
use std::path::Path;
use std::process::Stdio;

fn read(path: &Path) -> Value {
    let text = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn texts<'a>(case: &'a Value, key: &str) -> impl Iterator<Item = &'a str> {
    case[key].as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// Runs the cases whose number leaves this remainder; what is wrong with each.
fn cases(part: usize, of: usize) {
    let dir = root().join("tests/fixtures/packer/cases");
    let mut names: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert!(names.len() >= 70);
    let mut wrong = Vec::new();
    for name in names.iter().skip(part).step_by(of) {
        if let Err(why) = one(&dir.join(name)) {
            wrong.push(format!("{}: {why}", name.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn one(dir: &Path) -> Result<(), String> {
    let case = read(&dir.join("case.json"));
    let env = Env::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, env.work().join(path.file_name().unwrap())).unwrap();
    }
    let mut command = env.imgbuild(texts(&case, "args"));
    if let Some(file) = case["stdin"].as_str() {
        command.stdin(Stdio::from(std::fs::File::open(dir.join(file)).unwrap()));
    }
    let done = finish(&mut command);
    let said = format!("{}{}", done.stdout, done.stderr);
    if i64::from(done.code) != case["exit"].as_i64().unwrap() {
        return Err(format!("exit code {}\n{said}", done.code));
    }
    for (file, content) in case["files"].as_object().unwrap_or(&Map::new()) {
        match (std::fs::read_to_string(env.work().join(file)), content.as_str()) {
            (Err(e), _) if e.kind() != std::io::ErrorKind::InvalidData => return Err(format!("{file}: {e}\n{said}")),
            (Ok(text), Some(wanted)) if text != wanted => return Err(format!("{file} holds {text:?}\n{said}")),
            _ => {}
        }
    }
    if let Some(file) = texts(&case, "absent").find(|file| env.work().join(file).exists()) {
        return Err(format!("{file} is there\n{said}"));
    }
    if let Some(text) = texts(&case, "silent").find(|text| said.contains(text)) {
        return Err(format!("{text:?} is in\n{said}"));
    }
    texts(&case, "says").find(|text| !said.contains(text)).map_or(Ok(()), |text| Err(format!("no {text:?} in\n{said}")))
}

// In parts, so that they run side by side.
#[test]
fn fixtures_leave_what_they_say_1() {
    cases(0, 3);
}

#[test]
fn fixtures_leave_what_they_say_2() {
    cases(1, 3);
}

#[test]
fn fixtures_leave_what_they_say_3() {
    cases(2, 3);
}

/// RFC 7396, as in `xtask/src/conformance/packer/mutations.rs`.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let target = target.as_object_mut().unwrap();
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

#[test]
fn every_fault_of_a_template_is_found() {
    let dir = root().join("tests/fixtures/packer");
    let (base, all) = (read(&dir.join("amazon-ebs.json")), read(&dir.join("mutations.json")));
    let env = Env::new();
    let mut wrong = Vec::new();
    for (name, change) in all.as_object().unwrap() {
        let mut template = base.clone();
        merge(&mut template["builders"][0], change.get("builder").unwrap_or(&json!({})));
        merge(&mut template, change.get("template").unwrap_or(&json!({})));
        for (place, value) in change.get("set").and_then(Value::as_object).unwrap_or(&Map::new()) {
            let (parent, key) = place.rsplit_once('/').unwrap();
            template.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(key.to_owned(), value.clone());
        }
        // Without a code it is left to the comparison with Packer.
        let Some(exit) = change["exit"].as_i64() else { continue };
        env.write("template.json", &serde_json::to_string_pretty(&template).unwrap());
        let done = env.run(["validate", "template.json"]);
        if i64::from(done.code) != exit {
            wrong.push(format!("{name}: exit code {}\n{}{}", done.code, done.stdout, done.stderr));
        } else if done.code != 0 && !done.stdout.contains("template.json:") && !name.contains("min version") {
            wrong.push(format!("{name}: no place is named\n{}", done.stdout));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
