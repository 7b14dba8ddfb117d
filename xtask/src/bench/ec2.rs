//! What a build costs beside the machine's own work: time, calls and memory, beside Packer's in the same run; and what many builds cost.

use super::Bench;
use crate::chaos::{shape, world::World};
use crate::setup;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// What one run against moto gave.
#[derive(Debug, Clone, Default)]
struct Run {
    wall: f64,
    calls: usize,
    copies: usize,
    /// When the last look at the image was, in seconds.
    reported: f64,
    rss_mib: f64,
    pss_mib: f64,
    processes: usize,
}

impl Bench {
    /// Against moto, beside packer.
    pub fn build(&self) -> Result<()> {
        let ours = self.against_moto("imgbuild", &self.program, "", "tpl.json", self.repeat.min(3))?;
        let theirs = self.against_moto("packer", Path::new("packer"), "", "tpl.json", self.repeat.min(3))?;
        ratio(&ours, &theirs);
        goal("time", ours.wall, 0.4, "s");
        goal("calls", ours.calls as f64, 18.0, "");
        goal("memory", ours.rss_mib, 40.0, "MiB");
        Ok(())
    }

    /// With AWS's waits: AWS itself takes 14 + 25 + 90 s until the image is available, and 25 s to end the instance.
    pub fn waits(&self) -> Result<()> {
        let hold = "instance=14,shutdown=25,image=90";
        let ours = self.against_moto("imgbuild", &self.program, hold, "tpl.json", 1)?;
        let theirs = self.against_moto("packer", Path::new("packer"), hold, "tpl.json", 1)?;
        ratio(&ours, &theirs);
        goal("AMI reported", ours.reported, 131.0, "s");
        goal("whole run", ours.wall, 156.0, "s");
        goal("calls", ours.calls as f64, 60.0, "");
        Ok(())
    }

    /// Encrypted, and in two more regions.
    pub fn encrypt(&self) -> Result<()> {
        let ours = self.against_moto("imgbuild", &self.program, "", "tpl-copy.json", 1)?;
        let theirs = self.against_moto("packer", Path::new("packer"), "", "tpl-copy.json", 1)?;
        ratio(&ours, &theirs);
        println!("copies: imgbuild {}, packer {}", ours.copies, theirs.copies);
        goal("copies", ours.copies as f64, 2.0, "");
        Ok(())
    }

    fn against_moto(&self, name: &str, tool: &Path, hold: &str, template: &str, times: usize) -> Result<Run> {
        let script =
            self.scripts.join("packer/baseline.sh").canonicalize().context("the peers' scripts (--scripts)")?;
        let template = script.with_file_name(template);
        ensure!(template.exists(), "{} is not there (--scripts)", template.display());
        let moto = setup::venv("moto", &["moto[ec2,server]==5.2.5"])?;
        let home = self.work.join("packer-bench");
        std::fs::create_dir_all(&home)?;
        let link = home.join("moto");
        if !link.exists() {
            std::os::unix::fs::symlink(moto, &link)?;
        }
        let mut runs = Vec::new();
        for n in 0..times {
            // In namespaces of its own: its ports are fixed, and it counts the processes of a name.
            let inside = "ip link set lo up && exec bash \"$@\"";
            let mut command = Command::new("unshare");
            command.args(["-n", "-p", "-f", "--mount-proc", "sh", "-c", inside, "sh"]).arg(&script);
            command.arg(format!("{name}{n}")).arg(hold).arg(&template);
            let output = command.env("TOOL", tool).env("BENCH", &home).output()?;
            let text = String::from_utf8_lossy(&output.stdout);
            let run = parse(&text).with_context(|| format!("{name} against moto:\n{text}"))?;
            println!(
                "{name:10} {:7.2} s   {:3} calls   image seen at {:6.2} s   {:5.1} MiB resident, {:5.1} MiB PSS in {} process(es)",
                run.wall, run.calls, run.reported, run.rss_mib, run.pss_mib, run.processes
            );
            runs.push(run);
        }
        runs.sort_by(|a, b| a.wall.total_cmp(&b.wall));
        let rss_mib = runs.iter().map(|r| r.rss_mib).fold(0.0, f64::max);
        let middle = runs.len() / 2;
        Ok(Run { rss_mib, ..runs.swap_remove(middle) })
    }

    /// Many builds in one run, against the sandbox with real machines and an endpoint that throttles above 20 requests a second.
    pub fn parallel(&self) -> Result<()> {
        for builds in [1, 10, 50] {
            let world = World::start(&self.program)?;
            let template = many(&world.url, builds);
            let limit = r#"[{"action":"*","kind":{"rate-limit":{"per_second":20.0,"burst":40.0}}}]"#;
            world.faults(limit)?;
            world.forget_calls()?;
            let path = world.write("many.json", &template.to_string())?;
            let time = world.path("time");
            let mut command = world.command("/usr/bin/time");
            let build = world.imgbuild(&[], &[]);
            command.args(["-f", "%M", "-o", &time]).arg(build.get_program()).args(["build", "-color=false", &path]);
            let begun = Instant::now();
            let ended = crate::chaos::world::finish_within(&mut command, Duration::from_secs(1200))?;
            let seconds = begun.elapsed().as_secs_f64();
            ensure!(ended.code == 0, "{builds} builds:\n{}", ended.text);
            let calls = world.calls()?;
            let throttled = calls.iter().filter(|c| c["fault"] == "rate-limit").count();
            let looks =
                calls.iter().filter(|c| ["DescribeInstances", "DescribeImages"].iter().any(|a| c["action"] == *a));
            let looks = looks.count() as f64 / seconds * 60.0;
            let mib = std::fs::read_to_string(&time)?.trim().parse::<f64>()? / 1024.0;
            println!(
                "{builds:3} builds  {seconds:6.1} s   {:4} calls, {looks:5.1} looks a minute   {throttled} throttled   {mib:6.1} MiB",
                calls.len()
            );
            if builds == 50 {
                goal("memory", mib, 120.0, "MiB");
                goal("looks a minute", looks, 120.0, "");
                goal("throttled", throttled as f64, 0.0, "");
            }
        }
        Ok(())
    }
}

/// A template with so many builders that differ by name only.
fn many(url: &str, builds: usize) -> Value {
    let mut template = shape::template(url, json!({}));
    let builder = template["builders"][0].clone();
    let all = (0..builds).map(|n| {
        let mut one = builder.clone();
        one["name"] = json!(format!("build-{n}"));
        one["ami_name"] = json!(format!("parallel-{n}-{{{{timestamp}}}}"));
        one["ssh_timeout"] = json!("15m");
        one
    });
    template["builders"] = all.collect();
    template
}

pub fn goal(what: &str, measured: f64, goal: f64, unit: &str) {
    let met = if measured <= goal { "met" } else { "MISSED" };
    println!("goal       {what}: {measured:.2} of at most {goal} {unit} {met}");
}

fn ratio(ours: &Run, theirs: &Run) {
    println!(
        "ratio      time {:.1}x   calls {:.1}x   memory {:.1}x (resident), {:.1}x (PSS)",
        theirs.wall / ours.wall,
        theirs.calls as f64 / ours.calls as f64,
        theirs.rss_mib / ours.rss_mib,
        theirs.pss_mib / ours.pss_mib
    );
}

/// Reads what the script printed.
fn parse(text: &str) -> Option<Run> {
    ensure_ok(text)?;
    let wall = text.lines().find(|l| l.starts_with("wall "))?;
    let mut words = wall.split_whitespace();
    let seconds = words.nth(1)?.parse().ok()?;
    let calls = words.nth(1)?.parse().ok()?;
    let peak = text.lines().find(|l| l.starts_with("peak sum"))?.rsplit_once(": ")?.1;
    let peak: Vec<f64> = peak.split_whitespace().filter_map(|n| n.parse().ok()).collect();
    let [rss, pss, processes] = peak.as_slice() else { return None };
    let looks = text.lines().filter(|l| l.starts_with('+') && l.contains(" DescribeImages "));
    let at = |line: &str| line[1..].split_whitespace().next().and_then(|n| n.parse::<f64>().ok());
    let copies = text.lines().filter(|l| l.starts_with('+') && l.contains(" CopyImage ")).count();
    Some(Run {
        wall: seconds,
        calls,
        copies,
        reported: looks.filter_map(at).next_back().unwrap_or_default(),
        rss_mib: rss / 1024.0,
        pss_mib: pss / 1024.0,
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of processes")]
        processes: *processes as usize,
    })
}

fn ensure_ok(text: &str) -> Option<()> {
    text.lines().any(|l| l.trim() == "build rc=0").then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_output_is_read() {
        let text = "build rc=0\npeak sum RSS kB / sum PSS kB / packer procs: 30720 20480 1\nwall 0.20 s, 18 EC2 calls, 0.1 s inside API\n\
                    +   0.05 (gap   0.05) DescribeImages 200 \n+   0.15 (gap   0.05) CopyImage 200 \n+   0.18 (gap   0.05) DescribeImages 200 \n";
        let run = parse(text).unwrap();
        assert_eq!((run.wall, run.calls, run.copies, run.reported), (0.2, 18, 1, 0.18));
        assert_eq!((run.rss_mib, run.pss_mib, run.processes), (30.0, 20.0, 1));
        assert!(parse("build rc=1\n").is_none());
    }
}
