//! `cargo xtask chaos`: whole builds by the built program, over HTTP, against the sandbox's endpoint, while it misbehaves or while the
//! program is killed. Each trial ends with a look at the account: what is there beside the images that the build said it made
//! is a leak. The table is committed (docs/compat/chaos.md), and a run that differs from it fails.

mod cases;
mod kills;
mod network;
pub mod shape;
mod table;
mod trials;
pub mod world;

use crate::{cargo, root, run as go, setup, target_dir};
use anyhow::{Result, ensure};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::time::Instant;
use table::{Row, Table};
use world::World;

#[derive(clap::Args)]
pub struct Options {
    /// Classes; all if none is named
    classes: Vec<String>,
    /// The part that takes a minute
    #[arg(long)]
    quick: bool,
    /// Classes at a time
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Write the table instead of comparing with it
    #[arg(long, conflicts_with = "quick")]
    update: bool,
    /// Kills at every N-th write only; such a run is compared with nothing
    #[arg(long, default_value_t = 1, conflicts_with = "update", value_name = "N")]
    stride: usize,
    /// Use this program instead of building one
    #[arg(long)]
    program: Option<PathBuf>,
    /// Show each trial
    #[arg(long)]
    verbose: bool,
}

/// A class of faults: how its trials are run.
pub struct Class {
    /// As the table names it.
    pub name: &'static str,
    /// What surviving means here.
    pub survived_means: &'static str,
    /// Its trials. With `quick` some of them.
    pub run: fn(&mut Trials<'_>) -> Result<()>,
    /// Whether the quick part has any.
    pub quick: bool,
}

/// The trials of one class, with what came of them.
pub struct Trials<'a> {
    /// The account and the program.
    pub world: &'a World,
    /// Only some.
    pub quick: bool,
    /// Kills at every N-th write.
    pub stride: usize,
    verbose: bool,
    class: &'static str,
    injected: usize,
    survived: usize,
    leaks: usize,
    failures: Vec<String>,
}

impl Trials<'_> {
    /// Counts a trial: `Ok` if it ended as it should, and what is left in the account beside what may be there.
    pub fn count(&mut self, name: &str, outcome: std::result::Result<(), String>, left: &[String]) {
        self.injected += 1;
        self.leaks += left.len();
        let sound = outcome.is_ok() && left.is_empty();
        self.survived += usize::from(sound);
        if self.verbose || !sound {
            println!("  {} {name}: {}", self.class, if sound { "ok" } else { "FAILED" });
        }
        // At once, too: a class takes its time.
        if let Err(why) = &outcome {
            println!("{why}");
        }
        if !left.is_empty() {
            println!("left in the account: {}", left.join(", "));
        }
        if let Err(why) = outcome {
            self.failures.push(format!("{} {name}: {why}", self.class));
        }
        if !left.is_empty() {
            self.failures.push(format!("{} {name}: left in the account: {}", self.class, left.join(", ")));
        }
    }
}

/// Runs them. 1 if a result is another than the recorded one.
pub fn run(options: &Options) -> Result<u8> {
    ensure!(setup::is_root(), "the sandbox starts machines in namespaces: it needs root");
    setup::packages(&[setup::BUILD, setup::SANDBOX])?;
    let program = match &options.program {
        Some(program) => program.canonicalize()?,
        None => {
            go(cargo().args(["build", "-p", "imgbuild"]))?;
            target_dir().join("debug/imgbuild")
        }
    };
    go(Command::new(&program).args(["sandbox", "prepare", "debian-12"]))?;
    let all = cases::CLASSES.iter().chain(kills::CLASSES);
    for name in &options.classes {
        ensure!(all.clone().any(|c| c.name == *name), "there is no class {name:?}");
    }
    let wanted: Vec<&Class> = all
        .filter(|c| options.classes.is_empty() || options.classes.iter().any(|n| n == c.name))
        .filter(|c| !options.quick || c.quick)
        .collect();
    let queue = Mutex::new(wanted.iter().rev().copied().collect::<Vec<_>>());
    let done: Mutex<Vec<(Row, Vec<String>)>> = Mutex::default();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| {
                loop {
                    let Some(class) = queue.lock().unwrap_or_else(|e| e.into_inner()).pop() else { return };
                    let result = one(class, &program, options);
                    done.lock().unwrap_or_else(|e| e.into_inner()).push(result);
                }
            });
        }
    });
    let done = done.into_inner().unwrap_or_else(|e| e.into_inner());
    let (mut rows, failures): (Vec<Row>, Vec<Vec<String>>) = done.into_iter().unzip();
    rows.sort_by_key(|row| wanted.iter().position(|c| c.name == row.class));
    let table = Table { rows };
    println!("\n{}", table.text());
    println!("{:.0} s", begun.elapsed().as_secs_f64());
    for failure in failures.iter().flatten() {
        println!("{failure}");
    }
    let path = root().join("docs/compat/chaos.md");
    if options.update {
        table.write(&path, options.classes.is_empty())?;
        println!("written: {}", path.display());
    }
    let sound = failures.iter().all(Vec::is_empty);
    let same = options.quick || options.update || options.stride > 1 || table.compare(&Table::read(&path)?);
    Ok(u8::from(!sound || !same))
}

fn one(class: &Class, program: &std::path::Path, options: &Options) -> (Row, Vec<String>) {
    let begun = Instant::now();
    let world = match World::start(program) {
        Ok(world) => world,
        Err(error) => {
            let row = Row { class: class.name.into(), injected: 0, survived: 0, leaks: 0, means: String::new() };
            return (row, vec![format!("{}: {error:#}", class.name)]);
        }
    };
    let mut trials = Trials {
        world: &world,
        quick: options.quick,
        stride: options.stride.max(1),
        verbose: options.verbose,
        class: class.name,
        injected: 0,
        survived: 0,
        leaks: 0,
        failures: Vec::new(),
    };
    if let Err(error) = (class.run)(&mut trials) {
        trials.failures.push(format!("{}: {error:#}", class.name));
    }
    println!(
        "{}: {} of {} survived, {} leak(s), {:.0} s",
        class.name,
        trials.survived,
        trials.injected,
        trials.leaks,
        begun.elapsed().as_secs_f64()
    );
    let row = Row {
        class: class.name.into(),
        injected: trials.injected,
        survived: trials.survived,
        leaks: trials.leaks,
        means: class.survived_means.into(),
    };
    (row, trials.failures)
}
