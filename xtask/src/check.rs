//! `cargo xtask check`: what a machine can see. Every check runs, every failure is listed.

use crate::{cargo, root, setup, show};
use anyhow::Result;
use cargo_metadata::{DependencyKind, MetadataCommand};
use std::path::Path;

#[derive(clap::Args)]
pub struct Options {
    /// Leave out what needs a full compile or an installation: clippy and cargo-deny
    #[arg(long)]
    quick: bool,
}

/// Who may depend on whom (docs/ARCHITECTURE.md). An arrow that is not here is wrong.
const ARROWS: &[(&str, &[&str])] = &[
    ("imgbuild-diag", &[]),
    ("imgbuild-proto", &[]),
    ("imgbuild-agent", &["proto"]),
    ("imgbuild-jinja", &["diag"]),
    ("imgbuild-template", &["diag"]),
    ("imgbuild-playbook", &["diag", "proto", "jinja"]),
    ("imgbuild-engine", &["diag", "proto", "jinja", "template", "playbook"]),
    ("imgbuild-builders", &["diag", "template", "engine"]),
    ("imgbuild-ssh", &["diag", "engine"]),
    ("imgbuild-aws", &["diag", "engine", "builders"]),
    ("imgbuild-sandbox", &["diag"]),
    ("imgbuild-testkit", &["diag", "engine", "builders"]),
    ("imgbuild", &["diag", "proto", "jinja", "template", "playbook", "engine", "builders", "ssh", "aws", "sandbox"]),
    ("xtask", &[]),
];

/// Third-party crates that only one member may name.
const OWNED: &[(&str, &[&str])] = &[("aws-", &["imgbuild-aws"]), ("russh", &["imgbuild-ssh", "imgbuild-testkit"])];

/// Lines after which a file needs a line `//! size: why` to pass.
const LONGEST: usize = 800;

/// Runs all checks.
pub fn run(options: &Options) -> Result<u8> {
    let mut failures = Vec::new();
    let mut step = |name: &str, failed: Vec<String>| {
        println!("{} {name}", if failed.is_empty() { "ok  " } else { "FAIL" });
        failures.extend(failed.into_iter().map(|f| format!("{name}: {f}")));
    };
    step("fmt", command(cargo().args(["fmt", "--all", "--check"])));
    step("dependencies", dependencies()?);
    step("file sizes", sizes(&root())?);
    if !options.quick {
        step("docs/options", command(&mut crate::docs::command(true)));
        step("clippy", command(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])));
        if !setup::have("cargo-deny") {
            println!("Installing cargo-deny from crates.io");
            crate::run(cargo().args(["install", "--locked", "--quiet", "cargo-deny"]))?;
        }
        // Not "advisories": their database is no package of a registry, so that check belongs where it can be fetched.
        step("cargo-deny", command(cargo().args(["deny", "check", "licenses", "bans", "sources"])));
    }
    for failure in &failures {
        println!("{failure}");
    }
    println!("{} failure(s)", failures.len());
    Ok(u8::from(!failures.is_empty()))
}

fn command(command: &mut std::process::Command) -> Vec<String> {
    match show(command).status() {
        Ok(status) if status.success() => Vec::new(),
        Ok(status) => vec![format!("ended with {status}")],
        Err(e) => vec![e.to_string()],
    }
}

/// Wrong arrows, and third-party crates in the wrong place.
pub fn dependencies() -> Result<Vec<String>> {
    let metadata = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec()?;
    let mut wrong = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        let Some((_, allowed)) = ARROWS.iter().find(|(n, _)| *n == name) else {
            wrong.push(format!("{name} is not in the table of arrows (xtask/src/check.rs)"));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development) {
            let to = dependency.name.as_str();
            if let Some(short) = to.strip_prefix("imgbuild-")
                && !allowed.contains(&short)
            {
                wrong.push(format!("{name} must not depend on {to}"));
            }
            for (prefix, owners) in OWNED {
                if to.starts_with(prefix) && !owners.contains(&name) {
                    wrong.push(format!("{name} must not depend on {to}: only {} may", owners.join(", ")));
                }
            }
        }
    }
    Ok(wrong)
}

/// Files in which a reader gets lost.
pub fn sizes(root: &Path) -> Result<Vec<String>> {
    let output = std::process::Command::new("git").current_dir(root).args(["ls-files", "*.rs"]).output()?;
    let mut long = Vec::new();
    for name in String::from_utf8_lossy(&output.stdout).lines() {
        let Ok(text) = std::fs::read_to_string(root.join(name)) else { continue };
        let lines = text.lines().count();
        if lines > LONGEST && !text.contains("//! size:") {
            long.push(format!("{name} has {lines} lines, at most {LONGEST} (or say why in a line `//! size: …`)"));
        }
    }
    Ok(long)
}

#[cfg(test)]
mod tests {
    #[test]
    fn arrows_and_sizes_hold() {
        assert_eq!(super::dependencies().unwrap(), Vec::<String>::new());
        assert_eq!(super::sizes(&crate::root()).unwrap(), Vec::<String>::new());
    }
}
