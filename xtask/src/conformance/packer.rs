//! Beside Packer. Parts: mutations of an amazon-ebs template and of an HCL2
//! configuration (`validate`, exit codes), our fixtures (any command: exit codes,
//! files, output), and, where the user brings their sources, the tables of Packer's own tests, read from there when they run.
//!
//! Nothing of Packer's is kept here: its licences forbid it, or it is no business of ours.

mod fixtures;
mod go;
mod hcl_mutations;
mod interpolate;
mod mutations;
mod programs;
mod sources;
mod tables;

use super::expected::Table;
use crate::{cargo, root, run as go_run, setup, target_dir};
use anyhow::Result;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Options {
    /// The program under test; built if not given
    #[arg(long, value_name = "FILE")]
    imgbuild: Option<PathBuf>,
    /// The peer
    #[arg(long, value_name = "FILE", default_value = "packer")]
    packer: PathBuf,
    /// A checkout of hashicorp/packer: the tables of its tests are run as well
    #[arg(long, value_name = "DIR")]
    packer_source: Option<PathBuf>,
    /// A checkout of hashicorp/packer-plugin-sdk: the same
    #[arg(long, value_name = "DIR")]
    sdk_source: Option<PathBuf>,
    /// Only cases whose names hold this
    #[arg(long, value_name = "TEXT", default_value = "")]
    filter: String,
    /// Print what both programs said about each difference
    #[arg(long)]
    verbose: bool,
}

/// One case's outcome.
pub struct Outcome {
    /// `part/name`.
    pub case: String,
    /// What we did: the exit code, or what else was compared.
    pub ours: String,
    /// What is asked for: the peer's, or what its own tests want.
    pub theirs: String,
    /// What both said, to be shown with a difference.
    pub said: String,
}

impl Outcome {
    /// Of two exit codes.
    pub fn codes(case: String, ours: &programs::Done, theirs: &programs::Done) -> Self {
        let said = format!("imgbuild:\n{}\npacker:\n{}", ours.text(), theirs.text());
        Outcome { case, ours: ours.code.to_string(), theirs: theirs.code.to_string(), said }
    }
}

/// Entry. Fails on differences that `docs/compat/packer.md` does not explain, and on rows of it that explain nothing.
pub fn run(options: &Options) -> Result<u8> {
    let ours = match &options.imgbuild {
        Some(path) => path.clone(),
        None => {
            go_run(cargo().arg("build"))?;
            target_dir().join("debug/imgbuild")
        }
    };
    if options.packer.as_os_str() == "packer" {
        setup::packages(&[setup::TEST])?;
    }
    let pair = programs::Pair { ours: std::path::absolute(ours)?, theirs: options.packer.clone() };
    let mut table = Table::read(&root().join("docs/compat/packer.md"))?;
    let mut ran = vec!["mutation/", "hcl mutation/", "fixture/"];
    let mut parts = vec![
        ("mutations of amazon-ebs", mutations::run(&pair, &options.filter)?),
        ("mutations of an HCL2 configuration", hcl_mutations::run(&pair, &options.filter)?),
        ("fixtures", fixtures::run(&pair, &options.filter)?),
    ];
    if let Some(source) = &options.packer_source {
        ran.push("packer/");
        parts.push(("packer's own tests", sources::packer(&pair, &std::path::absolute(source)?, &options.filter)?));
    }
    if let Some(source) = &options.sdk_source {
        ran.push("sdk/");
        let source = std::path::absolute(source)?;
        parts.push(("the SDK's own tests, templates", sources::sdk(&pair, &source, &options.filter)?));
        parts.push(("the SDK's own tests, interpolation", interpolate::sdk(&pair, &source, &options.filter)?));
    }
    let mut unexplained = 0;
    for (title, outcomes) in &parts {
        unexplained += report(title, outcomes, &mut table, options.verbose);
    }
    let stale: Vec<_> = if options.filter.is_empty() { table.stale(&ran).collect() } else { Vec::new() };
    for row in &stale {
        println!("docs/compat/packer.md explains nothing with: {} ({} | {})", row.case, row.ours, row.theirs);
    }
    Ok(u8::from(unexplained > 0 || !stale.is_empty()))
}

/// Prints one part's totals and differences; returns how many differences are not explained.
fn report(title: &str, outcomes: &[Outcome], table: &mut Table, verbose: bool) -> usize {
    let mut explained = 0;
    let mut open = Vec::new();
    for outcome in outcomes.iter().filter(|o| o.ours != o.theirs) {
        if table.explains(&outcome.case, &outcome.ours, &outcome.theirs) {
            explained += 1;
        } else {
            open.push(outcome);
        }
    }
    let same = outcomes.len() - explained - open.len();
    let percent = 100.0 * same as f64 / outcomes.len().max(1) as f64;
    println!(
        "{title}: {} cases, {same} the same ({percent:.1} %), {explained} explained differences, {} others",
        outcomes.len(),
        open.len()
    );
    for outcome in &open {
        println!("  {}: imgbuild {}, packer {}", outcome.case, outcome.ours, outcome.theirs);
        if verbose {
            outcome.said.lines().for_each(|line| println!("      {line}"));
        }
    }
    open.len()
}
