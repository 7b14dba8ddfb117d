//! `pacman`: packages of Arch Linux.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::run::Ran;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What pacman knows of the host and of the repositories.
#[derive(Default)]
struct Inventory {
    installed: BTreeMap<String, String>,
    installed_groups: BTreeMap<String, BTreeSet<String>>,
    available: BTreeSet<String>,
    groups: BTreeMap<String, BTreeSet<String>>,
    upgradable: BTreeMap<String, (String, String)>,
    reasons: BTreeMap<String, &'static str>,
}

/// `group package` lines.
fn groups(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut out: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (group, package) in text.lines().filter_map(|l| l.trim().split_once(' ')) {
        out.entry(group.to_string()).or_default().insert(package.to_string());
    }
    out
}

/// `name 1.0 -> 2.0`; what pacman.conf ignores is marked.
fn upgrades(text: &str) -> BTreeMap<String, (String, String)> {
    text.lines()
        .filter(|l| !l.contains("[ignored]") && !l.contains("Avoid running"))
        .filter_map(|l| match l.split_whitespace().collect::<Vec<_>>().as_slice() {
            [name, old, "->", new] => Some((name.to_string(), (old.to_string(), new.to_string()))),
            _ => None,
        })
        .collect()
}

/// A package that is meant, and what pacman gets for it: its name, a file or an address.
struct Wanted {
    name: String,
    source: String,
    file: bool,
}

struct Pacman<'a> {
    ctx: &'a Ctx,
    program: String,
    out: Outcome,
    msgs: Vec<String>,
    stdout: Vec<String>,
    stderr: Vec<String>,
    changed: bool,
}

impl Pacman<'_> {
    fn call(&self, words: &[String]) -> Result<Ran, Fail> {
        self.ctx.cmd(&self.program).args(words).env("LC_ALL", "C").run()
    }

    fn list(&self, words: &[&str]) -> Result<String, Fail> {
        Ok(self.call(&strings(words))?.stdout)
    }

    fn must(&mut self, words: &[String], failed: &str) -> Result<Ran, Fail> {
        let ran = self.call(words)?;
        if !ran.ok() {
            self.msgs.push(failed.into());
            return Err(ran
                .fail(self.msgs.join("\n"))
                .with("cmd", json!([std::slice::from_ref(&self.program), words].concat())));
        }
        Ok(ran)
    }

    fn note(&mut self, msg: impl Into<String>, ran: Option<Ran>) {
        self.msgs.push(msg.into());
        if let Some(ran) = ran {
            self.stdout.extend(Some(ran.stdout).filter(|t| !t.is_empty()));
            self.stderr.extend(Some(ran.stderr).filter(|t| !t.is_empty()));
        }
    }

    fn finish(mut self) -> Outcome {
        for (name, texts) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !texts.is_empty() {
                self.out.insert(name.into(), texts.join("\n").into());
            }
        }
        self.out.insert("msg".into(), self.msgs.join("\n").into());
        self.out.insert("changed".into(), self.changed.into());
        self.out
    }

    fn inventory(&self) -> Result<Inventory, Fail> {
        let pairs = |text: String| -> BTreeMap<String, String> {
            text.lines().filter_map(|l| l.trim().split_once(' ')).map(|(n, v)| (n.into(), v.into())).collect()
        };
        let mut reasons = BTreeMap::new();
        for (option, reason) in [("--explicit", "explicit"), ("--deps", "dependency")] {
            let list = self.list(&["--query", option])?;
            reasons.extend(list.lines().filter_map(|l| l.split(' ').next()).map(|n| (n.to_string(), reason)));
        }
        let available = self.list(&["--sync", "--list"])?;
        Ok(Inventory {
            installed: pairs(self.list(&["--query"])?),
            installed_groups: groups(&self.list(&["--query", "--groups"])?),
            available: available.lines().filter_map(|l| l.split(' ').nth(1)).map(str::to_string).collect(),
            groups: groups(&self.list(&["--sync", "--groups", "--groups"])?),
            upgradable: upgrades(&self.list(&["--query", "--upgrades"])?),
            reasons,
        })
    }

    fn refresh(&mut self) -> Result<(), Fail> {
        if self.ctx.check {
            self.note("Would have updated the package db", None);
            self.changed = true;
            self.out.insert("cache_updated".into(), true.into());
            return Ok(());
        }
        let force = self.ctx.args.bool("force");
        let mut words = strings(&["--sync", "--refresh"]);
        words.extend(extra(self.ctx, "update_cache_extra_args"));
        if force {
            words.push("--refresh".into());
        }
        let sorted = |text: String| text.lines().map(str::to_string).collect::<BTreeSet<_>>();
        let before = if force { BTreeSet::new() } else { sorted(self.list(&["--sync", "--list"])?) };
        let ran = self.must(&words, "could not update package db")?;
        let updated = force || before != sorted(self.list(&["--sync", "--list"])?);
        self.out.insert("cache_updated".into(), updated.into());
        self.changed |= updated;
        self.note("Updated package db", Some(ran));
        Ok(())
    }

    fn upgrade(&mut self, inventory: &Inventory) -> Result<(), Fail> {
        if inventory.upgradable.is_empty() {
            self.note("Nothing to upgrade", None);
            return Ok(());
        }
        self.changed = true;
        let list = |new: bool| -> String {
            let line = |(n, (a, b)): (&String, &(String, String))| format!("{n}-{}\n", if new { b } else { a });
            inventory.upgradable.iter().map(line).collect()
        };
        self.out.insert("diff".into(), json!({"before": list(false), "after": list(true)}));
        self.out.insert("packages".into(), inventory.upgradable.keys().cloned().collect());
        if self.ctx.check {
            self.note(format!("{} packages would have been upgraded", inventory.upgradable.len()), None);
            return Ok(());
        }
        let mut words = strings(&["--sync", "--sysupgrade", "--quiet", "--noconfirm"]);
        words.extend(extra(self.ctx, "upgrade_extra_args"));
        let ran = self.must(&words, "Could not upgrade")?;
        self.note("System upgraded", Some(ran));
        Ok(())
    }

    /// Groups become their packages; files and addresses are asked for their names.
    fn wanted(&mut self, inventory: &Inventory, absent: bool) -> Result<Vec<Wanted>, Fail> {
        let mut out = Vec::new();
        let plain = |name: &String| Wanted { name: name.clone(), source: name.clone(), file: false };
        for name in self.ctx.args.strs("name").iter().filter(|n| !n.is_empty()) {
            let known = if absent { &inventory.installed_groups } else { &inventory.groups };
            if let Some(members) = known.get(name).or_else(|| inventory.groups.get(name)) {
                out.extend(members.iter().map(plain));
            } else if inventory.available.contains(name) || inventory.installed.contains_key(name) {
                out.push(plain(name));
            } else {
                let ask = |how: &str| strings(&[how, "--print-format", "%n", name]);
                let ran = self.call(&ask("--sync"))?;
                if ran.ok() {
                    out.push(Wanted { name: ran.stdout.trim().into(), source: name.clone(), file: false });
                    continue;
                }
                let ran = self.call(&ask("--upgrade"))?;
                if ran.ok() {
                    let found = ran.stdout.lines().last().unwrap_or_default().trim().to_string();
                    out.push(Wanted { name: found, source: name.clone(), file: true });
                } else if !absent {
                    return Err(ran.fail(format!("Failed to list package {name}")));
                }
            }
        }
        Ok(out)
    }

    fn install(&mut self, inventory: &Inventory, latest: bool) -> Result<(), Fail> {
        let args = &self.ctx.args;
        let (reason, all) = (args.str("reason"), args.text("reason_for") == "all");
        let wanted = self.wanted(inventory, false)?;
        let marks = |w: &Wanted| {
            let have = inventory.reasons.get(&w.name);
            reason.as_deref().is_some_and(|r| have.is_none_or(|h| all && *h != r))
        };
        let to_mark: Vec<String> = wanted.iter().filter(|w| marks(w)).map(|w| w.name.clone()).collect();
        let needs = |w: &&Wanted| {
            !inventory.installed.contains_key(&w.name) || latest && inventory.upgradable.contains_key(&w.name)
        };
        let named: Vec<String> = wanted.iter().filter(|w| !w.file).filter(needs).map(|w| w.source.clone()).collect();
        let files: Vec<String> = wanted.iter().filter(|w| w.file).map(|w| w.source.clone()).collect();
        let mut base = strings(&["--noconfirm", "--noprogressbar", "--needed"]);
        base.extend(extra(self.ctx, "extra_args"));
        let (mut before, mut after, mut installs) = (Vec::new(), Vec::new(), Vec::new());
        for (verb, list) in [("--sync", &named), ("--upgrade", &files)] {
            if list.is_empty() {
                continue;
            }
            let mut words = base.clone();
            words.extend(strings(&[verb, "--print-format", "%n %v"]));
            words.extend(list.iter().cloned());
            let ran = self.must(&words, "Failed to list package(s) to install")?;
            for line in ran.stdout.lines().map(str::trim) {
                let Some((name, version)) = line.split_once(' ').filter(|(_, v)| !v.contains(' ')) else { continue };
                let have = inventory.reasons.get(name).copied();
                if let Some(old) = inventory.installed.get(name) {
                    before.push(format!("{name}-{old}-{}", have.unwrap_or_default()));
                }
                let why = if to_mark.iter().any(|m| m == name) { reason.as_deref() } else { have };
                after.push(why.map_or_else(|| format!("{name}-{version}"), |w| format!("{name}-{version}-{w}")));
                installs.push(name.to_string());
            }
        }
        if installs.is_empty() && to_mark.is_empty() {
            self.out.insert("packages".into(), json!([]));
            self.note("package(s) already installed", None);
            return Ok(());
        }
        self.changed = true;
        let text = |mut list: Vec<String>| {
            list.sort();
            list.iter().map(|l| format!("{l}\n")).collect::<String>()
        };
        self.out.insert("diff".into(), json!({"before": text(before), "after": text(after)}));
        let mut all: Vec<String> = installs.clone();
        all.extend(to_mark.iter().filter(|m| !installs.contains(m)).cloned());
        all.sort();
        self.out.insert("packages".into(), json!(all));
        if self.ctx.check {
            self.note(format!("Would have installed {} packages", all.len()), None);
            return Ok(());
        }
        for (verb, list) in [("--sync", named), ("--upgrade", files)] {
            if !list.is_empty() {
                let mut words = base.clone();
                words.push(verb.into());
                words.extend(list);
                let ran = self.must(&words, "Failed to install package(s)")?;
                self.stdout.extend(Some(ran.stdout).filter(|t| !t.is_empty()));
                self.stderr.extend(Some(ran.stderr).filter(|t| !t.is_empty()));
            }
        }
        if !to_mark.is_empty() {
            let how = if reason.as_deref() == Some("dependency") { "--asdeps" } else { "--asexplicit" };
            let mut words = strings(&["--noconfirm", "--database", how]);
            words.extend(to_mark);
            self.must(&words, "Failed to install package(s)")?;
        }
        self.note(format!("Installed {} package(s)", all.len()), None);
        Ok(())
    }

    fn remove(&mut self, inventory: &Inventory) -> Result<(), Fail> {
        let wanted = self.wanted(inventory, true)?;
        let names: Vec<String> =
            wanted.into_iter().map(|w| w.name).filter(|n| inventory.installed.contains_key(n)).collect();
        if names.is_empty() {
            self.out.insert("packages".into(), json!([]));
            self.note("package(s) already absent", None);
            return Ok(());
        }
        self.changed = true;
        let mut base = strings(&["--remove", "--noconfirm", "--noprogressbar"]);
        base.extend(extra(self.ctx, "extra_args"));
        if self.ctx.args.bool("force") {
            base.extend(strings(&["--nodeps", "--nodeps"]));
        }
        let mut ask = base.clone();
        ask.extend(strings(&["--print-format", "%n-%v"]));
        ask.extend(names.iter().cloned());
        let listed = self.must(&ask, "failed to list package(s) to remove")?;
        let gone: Vec<&str> = listed.stdout.split_whitespace().collect();
        self.out.insert("diff".into(), json!({"before": format!("{}\n", gone.join("\n")), "after": ""}));
        self.out.insert("packages".into(), json!(gone));
        if self.ctx.check {
            self.note(format!("Would have removed {} packages", gone.len()), None);
            return Ok(());
        }
        if self.ctx.args.bool("remove_nosave") {
            base.push("--nosave".into());
        }
        base.extend(names);
        let ran = self.must(&base, "failed to remove package(s)")?;
        self.note(format!("Removed {} package(s)", gone.len()), Some(ran));
        Ok(())
    }
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| w.to_string()).collect()
}

fn extra(ctx: &Ctx, name: &str) -> Vec<String> {
    crate::sys::shlex::split(&ctx.args.text(name)).unwrap_or_default()
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let program = ctx.need(&args.text("executable"))?.to_string_lossy().into_owned();
    let mut pacman = Pacman {
        ctx,
        program,
        out: Outcome::new(),
        msgs: Vec::new(),
        stdout: Vec::new(),
        stderr: Vec::new(),
        changed: false,
    };
    let named = args.given("name").is_some_and(|n| *n != Value::Array(Vec::new()));
    if args.bool("update_cache") {
        pacman.refresh()?;
        if !named && !args.bool("upgrade") {
            return Ok(pacman.finish());
        }
    }
    let inventory = pacman.inventory()?;
    match args.text("state").as_str() {
        _ if args.bool("upgrade") => pacman.upgrade(&inventory)?,
        _ if !named => pacman.note("Nothing to do", None),
        "absent" | "removed" => pacman.remove(&inventory)?,
        state => pacman.install(&inventory, state == "latest")?,
    }
    Ok(pacman.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        assert_eq!(groups("base-devel gcc\nbase-devel make\n")["base-devel"].len(), 2);
        let found = upgrades("linux 6.1-1 -> 6.2-1\nfoo 1 -> 2 [ignored]\n");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [("linux".into(), ("6.1-1".into(), "6.2-1".into()))]);
    }
}
