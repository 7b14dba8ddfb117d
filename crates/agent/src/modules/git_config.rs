//! `git_config`: git's settings, by git.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use serde_json::{Value, json};
use std::path::PathBuf;

fn shown(values: &[String]) -> Value {
    match values {
        [] => json!("\n"),
        [one] => json!(format!("{one}\n")),
        many => json!(many),
    }
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let (name, unset, mode) = (args.req("name")?, args.text("state") == "absent", args.text("add_mode"));
    let value = args.text("value");
    if !unset && value.is_empty() {
        crate::fail!(
            "If state=present, a value must be specified. Use the community.general.git_config_info module to read a config value."
        );
    }
    let scope = args.str("scope").unwrap_or_else(|| "system".into());
    let git = ctx.need("git")?.to_string_lossy().into_owned();
    let mut base = vec![git, "config".into(), "--includes".into()];
    if scope == "file" {
        base.extend(["-f".into(), args.req_path("file")?.to_string_lossy().into_owned()]);
    } else {
        base.push(format!("--{scope}"));
    }
    let dir = if scope == "local" { args.req_path("repo")? } else { PathBuf::from("/") };
    let call = |more: &[&str]| {
        let words: Vec<String> = base.iter().cloned().chain(more.iter().map(|m| m.to_string())).collect();
        ctx.cmd(&words[0]).args(&words[1..]).cwd(&dir).english().run().map(|ran| (words.join(" "), ran))
    };
    let (line, ran) = call(&["--get-all", &name])?;
    if ran.rc >= 2 {
        return Err(ran.fail(ran.stderr.clone()).with("cmd", line));
    }
    let old: Vec<String> = ran.stdout.trim_end().lines().map(str::to_string).collect();
    if unset && ran.stdout.is_empty() {
        return Ok(crate::out! {"changed": false, "msg": "no setting to unset"});
    }
    if !unset && old.contains(&value) && (old.len() == 1 || mode == "add") {
        return Ok(crate::out! {"changed": false, "msg": ""});
    }
    let how = format!("--{mode}");
    let words: Vec<&str> = if unset { vec!["--unset-all", &name] } else { vec![&how, &name, &value] };
    if !ctx.check {
        let (line, ran) = call(&words)?;
        if !ran.stderr.is_empty() {
            return Err(ran.fail(ran.stderr.clone()).with("cmd", line));
        }
    }
    let after = match (unset, mode.as_str()) {
        (true, _) => Vec::new(),
        (_, "add") => old.iter().cloned().chain([value.clone()]).collect(),
        _ => vec![value.clone()],
    };
    let header = format!("{} {}", base.join(" "), words.join(" "));
    Ok(crate::out! {
        "changed": true, "msg": "setting changed",
        "diff": {"before_header": header, "before": shown(&old), "after_header": header, "after": shown(&after)},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;

    #[test]
    fn a_file_of_ones_own() {
        let ctx = Ctx::test("git_config", json!({}));
        if ctx.which("git").is_none() {
            crate::sys::files::skipped("git is not installed");
            return;
        }
        let dir = Scratch::new();
        let call = |value: &str, state: &str, mode: &str| {
            let args = json!({"name": "a.b", "value": value, "state": state, "scope": "file", "file": dir.path("c"),
                "add_mode": mode});
            run(&Ctx::test("git_config", args)).unwrap()["changed"] == true
        };
        assert!(call("1", "present", "replace-all") && !call("1", "present", "replace-all"));
        assert!(call("2", "present", "add") && !call("2", "present", "add"));
        assert_eq!(dir.read("c"), "[a]\n\tb = 1\n\tb = 2\n");
        assert!(call("", "absent", "add") && !call("", "absent", "add"));
    }
}
