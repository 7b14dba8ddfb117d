//! `npm`: packages of Node.js.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use serde_json::Value;
use std::path::PathBuf;

/// `(installed with and without versions, missing)` of `npm list --json --long`.
fn listed(data: &Value, name: Option<&str>, with_version: Option<&str>) -> (Vec<String>, Vec<String>) {
    let (mut installed, mut missing) = (Vec::new(), Vec::new());
    let Some(dependencies) = data.get("dependencies").and_then(Value::as_object) else {
        return (installed, vec![name.unwrap_or_default().to_string()]);
    };
    let yes = |v: Option<&Value>| match v {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::String(s)) => !s.is_empty(),
        Some(_) => true,
    };
    for (dependency, about) in dependencies {
        if yes(about.get("missing")) || yes(about.get("invalid")) {
            missing.push(dependency.clone());
            continue;
        }
        installed.push(dependency.clone());
        if let Some(version) = about.get("version").and_then(Value::as_str).filter(|v| !v.is_empty()) {
            installed.push(format!("{dependency}@{version}"));
        }
    }
    if let Some(wanted) = with_version.filter(|w| !installed.iter().any(|i| i == w)) {
        missing.push(name.unwrap_or(wanted).to_string());
    }
    (installed, missing)
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let (global, state, name) = (args.bool("global"), args.text("state"), args.str("name"));
    let path = args.path("path");
    if path.is_none() && !global {
        crate::fail!("path must be specified when not using global");
    }
    let base: Vec<String> = match args.str("executable") {
        Some(line) => ctx.args.expand(&line).to_string_lossy().split(' ').map(str::to_string).collect(),
        None => vec![ctx.need("npm")?.to_string_lossy().into_owned()],
    };
    let full = match (&name, args.str("version")) {
        (Some(name), Some(version)) if state != "absent" && !version.is_empty() => Some(format!("{name}@{version}")),
        _ => name.clone(),
    };
    let call = |words: &[&str], named: bool, must: bool| -> Result<String, Fail> {
        let mut cmd = ctx.cmd(&base[0]).args(&base[1..]).args(words);
        for (option, on) in [
            ("--global", global),
            ("--production", args.bool("production") && matches!(words[0], "install" | "update" | "ci")),
            ("--ignore-scripts", args.bool("ignore_scripts")),
            ("--unsafe-perm", args.bool("unsafe_perm")),
        ] {
            if on {
                cmd = cmd.arg(option);
            }
        }
        if let Some(full) = full.as_ref().filter(|_| named) {
            cmd = cmd.arg(full);
        }
        if let Some(registry) = args.str("registry") {
            cmd = cmd.args(["--registry", &registry]);
        }
        for (option, name) in
            [("--no-optional", "no_optional"), ("--no-bin-links", "no_bin_links"), ("--force", "force")]
        {
            if args.bool(name) {
                cmd = cmd.arg(option);
            }
        }
        if let Some(dir) = &path {
            std::fs::create_dir_all(dir).at("can't make the directory", dir)?;
            cmd = cmd.cwd(PathBuf::from(dir));
        }
        let ran = cmd.english().run()?;
        if must && !ran.ok() {
            return Err(ran.fail(ran.complaint()).with("cmd", words.join(" ")));
        }
        Ok(ran.stdout)
    };
    let act = |words: &[&str]| if ctx.check { Ok(String::new()) } else { call(words, true, true) };
    if args.bool("ci") {
        act(&["ci"])?;
        return Ok(crate::out! {"changed": true});
    }
    let text = call(&["list", "--json", "--long"], false, false)?;
    let data: Value = if text.trim().is_empty() {
        Value::Null
    } else {
        serde_json::from_str(&text).or_fail("Failed to parse NPM output with error")?
    };
    let (installed, missing) = listed(&data, name.as_deref(), full.as_deref());
    let mut changed = false;
    if state == "absent" {
        if name.is_some_and(|n| installed.contains(&n)) {
            changed = true;
            act(&["uninstall"])?;
        }
        return Ok(crate::out! {"changed": changed});
    }
    let outdated = state == "latest" && !call(&["outdated"], true, false)?.trim().is_empty();
    if !missing.is_empty() {
        changed = true;
        act(&["install"])?;
    }
    if outdated {
        changed = true;
        act(&["update"])?;
    }
    Ok(crate::out! {"changed": changed})
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lists() {
        let data = json!({"dependencies": {"a": {"version": "1.0.0"}, "b": {"missing": true}}});
        let (installed, missing) = listed(&data, Some("a"), Some("a@1.0.0"));
        assert_eq!((installed, missing), (vec!["a".to_string(), "a@1.0.0".into()], vec!["b".to_string()]));
        assert_eq!(listed(&data, Some("a"), Some("a@2.0.0")).1, ["b", "a"]);
        assert_eq!(listed(&json!({}), Some("a"), Some("a")).1, ["a"]);
    }
}
