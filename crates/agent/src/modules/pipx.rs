//! `pipx`: programs in Python, each with an environment of its own, by pipx. What is installed says what has changed: before and after
//! are what `pipx list --json` shows.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::run::Ran;
use crate::sys::version::numbers;
use serde_json::{Map, Value, json};
use std::cmp::Ordering;

/// `name[extra]`, and the conditions on its version: `name>=1,<2`.
fn requirement(text: &str) -> (String, Vec<(String, String)>) {
    let at = text.find(['=', '<', '>', '!', '~']).unwrap_or(text.len());
    let name = text[..at].split('[').next().unwrap_or_default().trim();
    let name = name.to_lowercase().replace(['_', '.'], "-");
    let conditions = text[at..].split(',').map(str::trim).filter(|c| !c.is_empty());
    let split = |c: &str| {
        let end = c.find(|c: char| !"=<>!~".contains(c)).unwrap_or(c.len());
        (c[..end].to_owned(), c[end..].trim().to_owned())
    };
    (name, conditions.map(split).collect())
}

/// Two versions: their numbers (`1.0` is `1`), then a pre-release before its release.
fn compare(a: &str, b: &str) -> Ordering {
    let split = |text: &str| {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let mut release = numbers(&text[..end]);
        while release.last() == Some(&0) {
            release.pop();
        }
        let rest = text[end..].to_lowercase();
        let before = ["a", "b", "c", "rc", "dev"].iter().any(|word| rest.trim_start_matches('.').starts_with(word));
        (release, !before, numbers(&rest))
    };
    split(a).cmp(&split(b))
}

/// Whether a version fulfils all conditions, as PEP 440 has them for releases.
fn fulfils(have: &str, conditions: &[(String, String)]) -> bool {
    conditions.iter().all(|(relation, wanted)| {
        let prefix = wanted.strip_suffix(".*");
        let starts = |prefix: &str| have == prefix || have.starts_with(&format!("{prefix}."));
        let order = || compare(have, wanted);
        match (relation.as_str(), prefix) {
            ("==", Some(prefix)) => starts(prefix),
            ("!=", Some(prefix)) => !starts(prefix),
            ("==" | "===", None) => order() == Ordering::Equal,
            ("!=", None) => order() != Ordering::Equal,
            ("<", _) => order() == Ordering::Less,
            ("<=", _) => order() != Ordering::Greater,
            (">", _) => order() == Ordering::Greater,
            (">=", _) => order() != Ordering::Less,
            // ~=1.4.2 is >=1.4.2 and ==1.4.*.
            ("~=", _) => order() != Ordering::Less && wanted.rsplit_once('.').is_some_and(|(start, _)| starts(start)),
            _ => false,
        }
    })
}

struct Pipx<'a> {
    ctx: &'a Ctx,
    command: Vec<String>,
}

impl Pipx<'_> {
    fn run(&self, words: &[String]) -> Result<(Vec<String>, Ran), Fail> {
        let all: Vec<String> = self.command.iter().chain(words).cloned().collect();
        let (program, rest) = all.split_first().ok_or_else(|| Fail::new("pipx is not found"))?;
        let cmd = self.ctx.cmd(program).args(rest).env("USE_EMOJI", "0").env("PIPX_USE_EMOJI", "0");
        cmd.english().cwd("/").run().map(|ran| (all.clone(), ran))
    }

    fn global(&self) -> Option<String> {
        self.ctx.args.bool("global").then(|| "--global".to_owned())
    }

    /// What is installed, by name: version, whether it is pinned, and what was injected.
    fn installed(&self) -> Result<Map<String, Value>, Fail> {
        let words = ["list".to_owned(), "--include-injected".into(), "--json".into()];
        let (_, ran) = self.run(&words.into_iter().chain(self.global()).collect::<Vec<_>>())?;
        if !ran.ok() {
            return Err(ran.fail(format!("pipx can't list what is installed: {}", ran.complaint())));
        }
        let all: Value = serde_json::from_str(&ran.stdout).or_fail("what pipx lists is no JSON")?;
        let mut out = Map::new();
        for (name, entry) in all["venvs"].as_object().into_iter().flatten() {
            let main = &entry["metadata"]["main_package"];
            let injected: Map<String, Value> = entry["metadata"]["injected_packages"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, package)| (name.clone(), package["package_version"].clone()))
                .collect();
            let entry = json!({"name": name, "version": main["package_version"], "pinned": main["pinned"],
                "injected": injected});
            out.insert(name.clone(), entry);
        }
        Ok(out)
    }
}

/// The command line of a state. `name`: what stands for the program in it.
fn words(ctx: &Ctx, state: &str, name: &str, force: bool) -> Vec<String> {
    let args = &ctx.args;
    let verb = match state {
        "present" => "install",
        "absent" => "uninstall",
        other => other,
    };
    let mut out = vec![verb.replace('_', "-")];
    if args.bool("global") {
        out.push("--global".into());
    }
    let takes = |states: &[&str]| states.contains(&verb);
    let flag = |on: bool, word: &str, out: &mut Vec<String>| {
        if on {
            out.push(word.into());
        }
    };
    flag(args.bool("install_apps") && takes(&["inject"]), "--include-apps", &mut out);
    flag(args.bool("install_deps") && takes(&["install", "inject"]), "--include-deps", &mut out);
    flag(args.bool("include_injected") && takes(&["upgrade", "upgrade_all"]), "--include-injected", &mut out);
    flag(force && takes(&["install", "install_all", "upgrade", "upgrade_all", "inject"]), "--force", &mut out);
    flag(args.bool("system_site_packages") && takes(&["install", "install_all"]), "--system-site-packages", &mut out);
    flag(args.bool("editable") && takes(&["install", "install_all", "upgrade", "inject"]), "--editable", &mut out);
    for (option, word, states) in [
        ("index_url", "--index-url", &["install", "install_all", "upgrade", "inject"][..]),
        ("python", "--python", &["install", "install_all", "reinstall", "reinstall_all"]),
        ("suffix", "--suffix", &["install"]),
    ] {
        if let Some(value) = args.str(option).filter(|_| takes(states)) {
            out.extend([word.to_owned(), value]);
        }
    }
    if let Some(value) = args.str("pip_args")
        && takes(&["install", "install_all", "upgrade", "upgrade_shared", "inject"])
    {
        out.push(format!("--pip-args={value}"));
    }
    match verb {
        "install_all" => out.extend(args.path("spec_metadata").map(|p| p.to_string_lossy().into_owned())),
        "inject" | "uninject" => {
            out.push(name.to_owned());
            out.extend(args.strs("inject_packages"));
        }
        "uninstall_all" | "upgrade_all" | "upgrade_shared" | "reinstall_all" => {}
        _ => out.push(name.to_owned()),
    }
    out
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let state = args.text("state");
    let name = args.text("name");
    let (bare, conditions) = requirement(&name);
    let own = format!("{bare}{}", args.text("suffix"));
    let command = match args.str("executable") {
        Some(path) => vec![path],
        None => vec![ctx.need("pipx")?.to_string_lossy().into_owned()],
    };
    let pipx = Pipx { ctx, command };
    let only = |all: Map<String, Value>| -> Map<String, Value> {
        if name.is_empty() { all } else { all.into_iter().filter(|(key, _)| *key == own).collect() }
    };
    let before = only(pipx.installed()?);
    let there = before.get(&own);
    let force = args.bool("force");
    let source = args.str("source");
    let fits = there.is_some_and(|entry| fulfils(entry["version"].as_str().unwrap_or_default(), &conditions));
    // What stands for the program where it is fetched: its source, or its name with conditions.
    let origin = source.clone().unwrap_or_else(|| if conditions.is_empty() { bare.clone() } else { name.clone() });
    let mut steps: Vec<Vec<String>> = Vec::new();
    // Changes although the list of what is installed may say the same.
    let mut surely = false;
    let needed = |what: &str| match there {
        Some(_) => Ok(()),
        None => Err(Fail::new(format!("Trying to {what} a non-existent application: {own}"))),
    };
    match state.as_str() {
        "install" | "present" => {
            if !fits || force {
                surely = true;
                steps.push(words(ctx, &state, &origin, force || there.is_some()));
            }
        }
        "latest" => {
            if there.is_none() || force {
                surely = true;
                steps.push(words(ctx, "install", &origin, force));
            }
            steps.push(words(ctx, "upgrade", &own, force));
        }
        "uninstall" | "absent" => steps.extend(there.map(|_| words(ctx, &state, &own, false))),
        "upgrade" => {
            needed("upgrade")?;
            surely = force;
            steps.push(words(ctx, &state, &own, force));
        }
        "reinstall" => {
            needed("reinstall")?;
            surely = true;
            steps.push(words(ctx, &state, &own, false));
        }
        "inject" | "uninject" => {
            needed(if state == "inject" { "inject packages into" } else { "uninject packages from" })?;
            surely = force && state == "inject";
            let injected = there.and_then(|entry| entry["injected"].as_object());
            let has = |package: &String| {
                let (name, conditions) = requirement(package);
                let version = injected.and_then(|all| all.get(&name)).and_then(Value::as_str);
                version.is_some_and(|version| fulfils(version, &conditions))
            };
            let packages = args.strs("inject_packages");
            let idle = if state == "inject" { packages.iter().all(has) } else { !packages.iter().any(has) };
            if !idle || surely {
                steps.push(words(ctx, &state, &own, force));
            }
        }
        "pin" | "unpin" => {
            needed(&state)?;
            let pinned = there.is_some_and(|entry| entry["pinned"] == true);
            if pinned != (state == "pin") {
                steps.push(words(ctx, &state, &own, false));
            }
        }
        all => {
            surely = all == "install_all" || (force && all == "upgrade_all");
            steps.push(words(ctx, all, "", force));
        }
    }
    let mut out = crate::out! {
        "name": name, "source": source, "index_url": args.str("index_url"), "force": force,
        "installdeps": args.bool("install_deps"),
    };
    if ctx.check {
        // Whether there is something newer is not known without running pipx.
        out.insert("changed".into(), (surely || !steps.is_empty()).into());
        out.insert("application".into(), before.into());
        return Ok(out);
    }
    let ran_any = !steps.is_empty();
    for step in steps {
        let (cmd, ran) = pipx.run(&step)?;
        if !ran.ok() {
            return Err(ran.fail(ran.complaint().to_owned()).with("cmd", json!(cmd)));
        }
        for (key, value) in [("cmd", json!(cmd)), ("stdout", json!(ran.stdout)), ("stderr", json!(ran.stderr))] {
            out.insert(key.into(), value);
        }
    }
    let after = if ran_any { only(pipx.installed()?) } else { before.clone() };
    out.insert("changed".into(), (surely || after != before).into());
    if ctx.diff {
        out.insert("diff".into(), json!({"before": {"application": before}, "after": {"application": after}}));
    }
    out.insert("application".into(), after.into());
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for (name, have, want) in [
            ("tox", "1", true),
            ("Tox[x]==4.1", "4.1", true),
            ("tox==4.1", "4.10", false),
            ("tox==4.*", "4.10", true),
            ("tox!=4.*", "5.0", true),
            ("tox>3.0.27,<4", "3.1", true),
            ("tox<4.0.0", "4.0.0", false),
            ("tox<=4.0.0", "4.0.0", true),
            ("tox>=4", "3.9.9", false),
            ("tox~=1.4.2", "1.4.9", true),
            ("tox~=1.4.2", "1.5", false),
            ("tox!=1", "1", false),
            ("tox==1.0", "1", true),
            ("tox>=2.0", "2.0rc1", false),
            ("tox>2.0rc1", "2.0rc2", true),
        ] {
            let (bare, conditions) = requirement(name);
            assert_eq!((bare.as_str(), fulfils(have, &conditions)), ("tox", want), "{name} {have}");
        }
    }

    #[test]
    fn command_lines() {
        for (args, want) in [
            (
                json!({"name": "a", "state": "present", "python": "3.11", "pip_args": "--no-cache-dir", "force": true}),
                "install --force --python 3.11 --pip-args=--no-cache-dir a",
            ),
            (json!({"name": "a", "state": "absent", "force": true, "index_url": "u"}), "uninstall a"),
            (
                json!({"name": "a", "state": "inject", "inject_packages": ["b", "c"], "install_apps": true, "global": true}),
                "inject --global --include-apps a b c",
            ),
            (json!({"name": "a", "state": "upgrade", "include_injected": true}), "upgrade --include-injected a"),
            (json!({"state": "install_all", "spec_metadata": "/s.json"}), "install-all /s.json"),
            (json!({"state": "reinstall_all", "python": "p"}), "reinstall-all --python p"),
        ] {
            let ctx = Ctx::test("pipx", args.clone());
            let (state, force) = (ctx.args.text("state"), ctx.args.bool("force"));
            assert_eq!(words(&ctx, &state, &ctx.args.text("name"), force).join(" "), want, "{args}");
        }
    }
}
