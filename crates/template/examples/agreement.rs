//! Says where we and Debian's Packer differ on template files: `cargo run -p imgbuild-template --example agreement -- FILE…`.
//!
//! For each file: `validate -syntax-only` (exit code), `inspect -machine-readable` (variables, builders, provisioners), and
//! whether we refuse what Packer's full `validate` accepts. Without packer it says so and fails.
#![expect(clippy::print_stdout, reason = "a program for people")]

use imgbuild_template::{Ambient, LoadOptions, parse_file};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;

fn packer(args: &[&str], file: &str) -> Option<(bool, String)> {
    let output = Command::new("packer").args(args).arg(file).env("CHECKPOINT_DISABLE", "1").output().ok()?;
    Some((output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// The lines of `inspect -machine-readable` that hold facts, without their time, sorted (Packer's order is random in parts).
fn facts(text: &str) -> Vec<String> {
    let line = |l: &str| l.splitn(3, ',').nth(2).filter(|l| l.starts_with("template-")).map(str::to_owned);
    let mut facts: Vec<_> = text.lines().filter_map(line).collect();
    facts.sort();
    facts
}

fn our_facts(template: &imgbuild_template::json::JsonTemplate) -> Vec<String> {
    let escape = |text: &str| text.replace(',', "%!(PACKER_COMMA)").replace('\r', "\\r").replace('\n', "\\n");
    let secret = |text: &str| {
        let same = |v: &imgbuild_template::variables::Variable| {
            v.sensitive && v.default.as_ref().map_or("", |d| d.value.as_str()) == text
        };
        template.variables.values().any(same)
    };
    let mut facts = Vec::new();
    for (name, variable) in &template.variables {
        let default = variable.default.as_ref().map_or("", |d| d.value.as_str());
        let required = u8::from(variable.default.is_none());
        // 1.6.6 hides equal defaults of optional variables only.
        let shown = if required == 0 && secret(default) { "<sensitive>" } else { default };
        facts.push(format!("template-variable,{},{},{required}", escape(name), escape(shown)));
    }
    facts.extend(template.builders.iter().map(|b| format!("template-builder,{},{}", escape(&b.name), escape(&b.kind))));
    facts.extend(template.provisioners.iter().map(|p| format!("template-provisioner,{}", escape(&p.kind))));
    facts.sort();
    facts
}

fn main() -> ExitCode {
    let files: Vec<String> = std::env::args().skip(1).collect();
    if packer(&["version"], "").is_none() {
        println!("packer is not installed: nothing was compared");
        return ExitCode::FAILURE;
    }
    let mut ambient = Ambient::new(jiff::Timestamp::now(), std::env::current_dir().unwrap_or_default());
    ambient.env = std::env::vars().collect();
    let options = LoadOptions::new(Arc::new(ambient));
    let (mut agree, mut differ) = (0, 0);
    for file in &files {
        let parsed = parse_file(Path::new(file), &options.ambient);
        let theirs = packer(&["validate", "-syntax-only"], file).is_some_and(|(good, _)| good);
        let mut notes = Vec::new();
        if parsed.is_ok() != theirs {
            notes.push(format!("syntax: packer says {theirs}, we say {}", parsed.is_ok()));
        }
        match parsed {
            Err(errors) if theirs => notes.push(errors.to_string()),
            Err(_) => {}
            Ok(parsed) => {
                let inspected = packer(&["inspect", "-machine-readable"], file).map(|(_, text)| facts(&text));
                let ours = our_facts(&parsed.json);
                if inspected.as_ref() != Some(&ours) {
                    notes.push(format!("inspect: packer {inspected:?}\n         we     {ours:?}"));
                }
                let valid = packer(&["validate"], file).is_some_and(|(good, _)| good);
                if let (true, Err(errors)) = (valid, parsed.resolve(&options)) {
                    notes.push(format!("packer accepts it, we refuse it:\n{errors}"));
                }
            }
        }
        if notes.is_empty() {
            agree += 1;
        } else {
            differ += 1;
            println!("{file}\n  {}", notes.join("\n  "));
        }
    }
    println!("{agree} agree, {differ} differ");
    ExitCode::from(u8::from(differ > 0))
}
