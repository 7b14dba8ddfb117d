//! `make`: a target of a makefile, where it is not up to date.

use crate::args::text;
use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::run::Ran;
use crate::sys::shlex;
use serde_json::Value;

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let dir = args.req_path("chdir")?;
    let program = match args.str("make") {
        Some(program) => program,
        None => match ctx.which("gmake") {
            Some(program) => program.to_string_lossy().into_owned(),
            None => ctx.need("make")?.to_string_lossy().into_owned(),
        },
    };
    let mut line = vec![program];
    if let Some(jobs) = args.int("jobs") {
        line.extend(["-j".into(), jobs.to_string()]);
    }
    if let Some(file) = args.str("file") {
        line.extend(["-f".into(), file]);
    }
    match args.str("target").filter(|t| !t.is_empty()) {
        Some(target) => line.push(target),
        None => line.extend(args.strs("targets")),
    }
    if let Some(Value::Object(params)) = args.given("params") {
        line.extend(params.iter().map(|(name, value)| match value {
            Value::Null => name.clone(),
            value => format!("{name}={}", text(value)),
        }));
    }
    let call = |more: &[&str]| -> Result<Ran, Fail> {
        let words = line[1..].iter().map(String::as_str).chain(more.iter().copied());
        ctx.cmd(&line[0]).args(words).cwd(&dir).english().run()
    };
    let mut ran = call(&["-q"])?;
    let changed = !ran.ok();
    if changed && !ctx.check {
        ran = call(&[])?;
        if !ran.ok() {
            return Err(ran.fail(ran.stderr.clone()).with("cmd", line.join(" ")));
        }
    }
    let trimmed = |text: &str| text.trim_end_matches(['\r', '\n']).to_string();
    let words: Vec<String> = line.iter().map(|w| shlex::quote(w)).collect();
    Ok(crate::out! {
        "changed": changed, "failed": false, "stdout": trimmed(&ran.stdout), "stderr": trimmed(&ran.stderr),
        "target": args.str("target"), "targets": args.opt_strs("targets"), "params": args.given("params"),
        "chdir": dir.to_string_lossy(), "file": args.str("file"), "jobs": args.int("jobs"), "command": words.join(" "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::json;

    #[test]
    fn targets_are_made_once() {
        if Ctx::test("make", json!({})).which("make").is_none() {
            crate::sys::files::skipped("make is not installed");
            return;
        }
        let dir = Scratch::new();
        dir.file("Makefile", "out: in\n\tcp in out; echo $(X) >>out\nbad:\n\tfalse\n");
        dir.file("in", "1\n");
        let call = |more: Value, check| {
            let mut args = json!({"chdir": dir.0, "target": "out", "params": {"X": "y z", "-s": null}});
            args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let mut ctx = Ctx::test("make", args);
            ctx.check = check;
            run(&ctx)
        };
        assert_eq!(call(json!({}), true).unwrap()["changed"], true);
        assert!(!dir.0.join("out").exists());
        let first = call(json!({}), false).unwrap();
        assert!(first["command"].as_str().unwrap().ends_with("make out 'X=y z' -s"), "{first:?}");
        assert_eq!(dir.read("out"), "1\ny z\n");
        assert_eq!(call(json!({}), false).unwrap()["changed"], false);
        assert_eq!(call(json!({"target": "bad"}), false).unwrap_err().fields["rc"], 2);
    }
}
