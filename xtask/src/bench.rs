//! `cargo xtask bench`: the figures, beside their peers in the same run, with the machine's description.

mod ec2;
mod validate;

use crate::{cargo, root, run as go, setup, show, target_dir};
use anyhow::{Context, Result, ensure};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

#[derive(clap::Args)]
pub struct Options {
    /// validate, build, encrypt, waits, parallel, playbook or job; all if none is named
    what: Vec<String>,
    /// Folder with the peers' scripts (ansible/, packer/)
    #[arg(long, default_value = "../shared/bench")]
    scripts: PathBuf,
    /// Repetitions
    #[arg(long, default_value_t = 5)]
    repeat: usize,
    /// Measure the debug build: quick to make, slow to run
    #[arg(long)]
    debug: bool,
}

/// Runs them.
pub fn run(options: &Options) -> Result<u8> {
    setup::packages(&[setup::BUILD, setup::SANDBOX, setup::TEST])?;
    let mut build = cargo();
    // The workspace's choice of features, as in the tests: another one compiles the SDK again.
    build.args(["build", "--workspace", "--bin", "imgbuild"]);
    if !options.debug {
        build.arg("--release");
    }
    go(&mut build)?;
    let bench = Bench {
        program: target_dir().join(if options.debug { "debug/imgbuild" } else { "release/imgbuild" }),
        scripts: root().join(&options.scripts),
        work: target_dir().join("bench"),
        repeat: options.repeat.max(1),
    };
    std::fs::create_dir_all(&bench.work)?;
    machine(options.debug);
    let wanted = |name: &str| options.what.is_empty() || options.what.iter().any(|w| w == name);
    for (name, one) in [
        ("validate", Bench::validate as fn(&Bench) -> Result<()>),
        ("build", Bench::build),
        ("encrypt", Bench::encrypt),
        ("waits", Bench::waits),
        ("parallel", Bench::parallel),
        ("playbook", Bench::playbook),
        ("job", Bench::job),
    ] {
        if wanted(name) {
            println!("\n== {name}");
            one(&bench)?;
        }
    }
    Ok(0)
}

/// What the figures were measured on.
fn machine(debug: bool) {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        text.lines().find(|l| l.starts_with(name)).and_then(|l| l.split(':').nth(1)).unwrap_or("?").trim().to_owned()
    };
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "machine: {cpus} x {}, {} memory",
        field(&read("/proc/cpuinfo"), "model name"),
        field(&read("/proc/meminfo"), "MemTotal")
    );
    println!("kernel:  {}", read("/proc/sys/kernel/osrelease").trim());
    println!("load:    {}", read("/proc/loadavg").trim());
    println!("profile: {}", if debug { "dev (not optimised)" } else { "release" });
}

struct Bench {
    program: PathBuf,
    scripts: PathBuf,
    work: PathBuf,
    repeat: usize,
}

/// Wall time in ms and peak memory in KiB of one run.
struct Sample {
    ms: f64,
    kib: u64,
}

impl Bench {
    fn sample(&self, command: &mut Command) -> Result<Sample> {
        let file = self.work.join("time");
        let mut timed = Command::new("/usr/bin/time");
        timed.args(["-f", "%M", "-o"]).arg(&file).arg(command.get_program()).args(command.get_args());
        timed.envs(command.get_envs().filter_map(|(k, v)| Some((k, v?)))).stdout(Stdio::null()).stderr(Stdio::null());
        timed.current_dir(root());
        let start = Instant::now();
        let status = timed.status()?;
        let ms = start.elapsed().as_secs_f64() * 1000.0;
        ensure!(status.success(), "{:?} failed", command.get_program());
        let text = std::fs::read_to_string(&file)?;
        Ok(Sample { ms, kib: text.trim().parse().context("no memory figure")? })
    }

    fn median(&self, name: &str, mut command: impl FnMut() -> Command) -> Result<Sample> {
        let mut all = Vec::new();
        for _ in 0..self.repeat {
            all.push(self.sample(&mut command())?);
        }
        all.sort_by(|a, b| a.ms.total_cmp(&b.ms));
        let kib = all.iter().map(|s| s.kib).max().unwrap_or(0);
        let middle = all.swap_remove(all.len() / 2);
        println!("{name:12} median {:8.1} ms   peak {:6.1} MiB   (n={})", middle.ms, kib as f64 / 1024.0, self.repeat);
        Ok(Sample { ms: middle.ms, kib })
    }

    /// mix100 on one host, beside ansible with pipelining and with mitogen.
    fn playbook(&self) -> Result<()> {
        let from = self.scripts.join("ansible");
        ensure!(from.exists(), "{} is not there (--scripts)", from.display());
        let here = self.work.join("ansible");
        if !here.exists() {
            go(Command::new("cp").arg("-r").arg(&from).arg(&here))?;
        }
        let script = |name: &str| {
            let mut c = Command::new("bash");
            c.arg(here.join(name))
                .env("BENCH", self.work.join("ansible-bench"))
                .env("IMGBUILD", &self.program)
                .current_dir(&here);
            c
        };
        go(script("setup.sh").arg("1"))?;
        for tool in ["imgbuild", "ansible-pipe", "ansible-mitogen"] {
            for net in ["local", "rtt50"] {
                let reps = if tool == "imgbuild" { self.repeat } else { 1 };
                go(script("run.sh").args([tool, "mix100", net, &reps.to_string(), "1"]))?;
            }
        }
        show(Command::new("python3").arg(here.join("show.py")).current_dir(&here)).status()?;
        go(&mut script("stop.sh"))
    }

    /// The original job in the sandbox: total, and what of it is ours (all but the machine's own work).
    fn job(&self) -> Result<()> {
        let dir = self.work.join("sandbox");
        for n in 0..self.repeat.min(3) {
            let start = Instant::now();
            let output = setup::as_root(&self.program.display().to_string())
                .current_dir(root())
                .args(["build", "--sandbox", "--sandbox-dir"])
                .arg(&dir)
                .args(["--timings", "templates/ubuntu_1404_aufs3.json"])
                .output()?;
            let total = start.elapsed().as_secs_f64();
            ensure!(output.status.success(), "the job failed:\n{}", String::from_utf8_lossy(&output.stdout));
            println!("run {n}: {total:.2} s in all");
            for line in String::from_utf8_lossy(&output.stdout).lines().filter(|l| l.contains("phase ")) {
                println!("  {line}");
            }
        }
        Ok(())
    }
}
