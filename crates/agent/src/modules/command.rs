//! `command` and `shell`: run a command unless a file says it is done.

use crate::args::{expand_vars, text};
use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::{clock, fnmatch, shlex};
use serde_json::{Value, json};
use std::time::{Instant, SystemTime};

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let shell = ctx.module == "shell";
    let line = args.str("_raw_params").filter(|s| !s.trim().is_empty()).or_else(|| args.str("cmd"));
    let argv = args.given("argv").and_then(Value::as_array).map(|items| items.iter().map(text).collect::<Vec<_>>());
    let words = match (&line, argv) {
        (Some(line), _) if shell => vec![line.clone()],
        (Some(line), _) => shlex::split(line)
            .ok_or_else(|| Fail::new("No closing quotation").with("rc", 256).with("cmd", line.clone()))?,
        // A shell takes a list as one line.
        (None, Some(argv)) if shell => vec![argv.iter().map(|w| shlex::quote(w)).collect::<Vec<_>>().join(" ")],
        (None, Some(argv)) => argv,
        (None, None) => Vec::new(),
    };
    if words.is_empty() || (words.len() == 1 && words[0].trim().is_empty()) {
        return Err(Fail::new("no command given").with("rc", 256));
    }
    let cmd = if shell { json!(words[0]) } else { json!(words) };
    let mut out = crate::out! {
        "changed": false, "stdout": "", "stderr": "", "rc": null, "cmd": cmd,
        "start": null, "end": null, "delta": null, "msg": "",
    };
    if !shell && let Some(executable) = args.str("executable") {
        ctx.warn(format!(
            "As of Ansible 2.4, the parameter 'executable' is no longer supported with the 'command' module. Not using '{executable}'."
        ));
    }
    let chdir = args.path("chdir");
    if let Some(dir) = &chdir
        && let Err(e) = std::fs::read_dir(dir)
        && !(e.kind() == std::io::ErrorKind::PermissionDenied && dir.is_dir())
    {
        out.remove("msg");
        crate::modules::add_lines(&mut out);
        let why = format!("Unable to change directory before execution. {e}: {}", dir.display());
        return Err(Fail::new(why).with_all(Value::Object(out)));
    }
    if let Some(why) = reason_to_skip(ctx, chdir.as_deref()) {
        out.extend(why);
        crate::modules::add_lines(&mut out);
        return Ok(out);
    }
    if ctx.check {
        out.insert("rc".into(), 0.into());
        out.insert("msg".into(), "Command would have run if not in check mode".into());
        let guarded = args.given("creates").is_some() || args.given("removes").is_some();
        out.insert("changed".into(), guarded.into());
        if !guarded {
            out.insert("skipped".into(), true.into());
        }
        crate::modules::add_lines(&mut out);
        return Ok(out);
    }
    let mut command = if shell {
        let program = args.path("executable").map_or_else(|| "/bin/sh".into(), |p| p.into_os_string());
        ctx.cmd(program).arg("-c").arg(&words[0])
    } else {
        let expand = args.opt_bool("expand_argument_vars").unwrap_or(true);
        let words: Vec<String> = words.iter().map(|w| if expand { expand_word(ctx, w) } else { w.clone() }).collect();
        ctx.cmd(&words[0]).args(&words[1..])
    };
    if let Some(dir) = chdir {
        // The shell would keep a stale PWD of the agent's. Links are resolved, as in a process that just went there.
        let real = dir.canonicalize().unwrap_or_else(|_| dir.clone());
        command = command.env("PWD", real.as_os_str()).cwd(dir);
    }
    if let Some(mut stdin) = args.str("stdin") {
        if args.bool("stdin_add_newline") {
            stdin.push('\n');
        }
        command = command.stdin(stdin);
    }
    let interactive = args.given("_input").is_some();
    let (start, clock_start) = (SystemTime::now(), Instant::now());
    let ran = command.interactive(interactive).stream().run().map_err(|fail| {
        let mut all = out.clone();
        all.extend(fail.fields.clone());
        all.remove("msg");
        all.insert("cmd".into(), words.join(" ").into());
        crate::modules::add_lines(&mut all);
        Fail { msg: format!("Error executing command: {}", fail.msg), fields: all }
    })?;
    let end = SystemTime::now();
    out.insert("changed".into(), true.into());
    let strip = args.bool("strip_empty_ends");
    let shown = |text: String| if strip { text.trim_end_matches(['\r', '\n']).to_string() } else { text };
    for (key, value) in [
        ("rc", json!(ran.rc)),
        ("stdout", json!(shown(ran.stdout))),
        ("stderr", json!(shown(ran.stderr))),
        ("start", json!(clock::stamp(start))),
        ("end", json!(clock::stamp(end))),
        ("delta", json!(clock::delta(clock_start.elapsed()))),
    ] {
        out.insert(key.into(), value);
    }
    crate::modules::add_lines(&mut out);
    if ran.rc != 0 {
        out.remove("msg");
        return Err(Fail { msg: "non-zero return code".into(), fields: out });
    }
    Ok(out)
}

/// `~` and variables in a word of `command`, which sees no shell.
fn expand_word(ctx: &Ctx, word: &str) -> String {
    let word = expand_vars(word, |name| ctx.env(name));
    if word.starts_with('~') { ctx.args.expand(&word).to_string_lossy().into_owned() } else { word }
}

/// The result when `creates` exists or `removes` doesn't.
fn reason_to_skip(ctx: &Ctx, chdir: Option<&std::path::Path>) -> Option<Outcome> {
    let exists = |name: &str| {
        ctx.args.path(name).map(|p| {
            let path = chdir.map_or(p.clone(), |d| d.join(&p));
            (!fnmatch::glob(&path.to_string_lossy()).is_empty(), p.to_string_lossy().into_owned())
        })
    };
    let should = if ctx.check { "Would" } else { "Did" };
    let (what, path) = match (exists("creates"), exists("removes")) {
        (Some((true, path)), _) => ("exists", path),
        (_, Some((false, path))) => ("does not exist", path),
        _ => return None,
    };
    let verb = if what == "exists" { "exists" } else { "does not exist" };
    Some(crate::out! {
        "msg": format!("{should} not run command since '{path}' {verb}"),
        "stdout": format!("skipped, since {path} {verb}"),
        "rc": 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;

    fn call(module: &str, args: Value) -> Result<Outcome, Fail> {
        run(&Ctx::test(module, args))
    }

    #[test]
    fn commands_and_shells() {
        let out = call("command", json!({"_raw_params": "echo 'a b' $HOME"})).unwrap();
        assert_eq!(out["cmd"], json!(["echo", "a b", "$HOME"]));
        assert_eq!(out["stdout"], format!("a b {}", std::env::var("HOME").unwrap()));
        assert_eq!((&out["rc"], &out["changed"]), (&json!(0), &json!(true)));
        let out = call("command", json!({"argv": ["echo", "$HOME"], "expand_argument_vars": false})).unwrap();
        assert_eq!(out["stdout"], "$HOME");
        let out = call("shell", json!({"_raw_params": "printf 'a\\nb\\n\\n'; echo e >&2"})).unwrap();
        assert_eq!((&out["stdout"], &out["stdout_lines"]), (&json!("a\nb"), &json!(["a", "b"])));
        assert_eq!((&out["stderr"], &out["cmd"]), (&json!("e"), &json!("printf 'a\\nb\\n\\n'; echo e >&2")));
        let fail = call("shell", json!({"_raw_params": "exit 4"})).unwrap_err().into_outcome();
        assert_eq!(
            (&fail["rc"], &fail["msg"], &fail["changed"]),
            (&json!(4), &json!("non-zero return code"), &json!(true))
        );
        let out = call("shell", json!({"cmd": "cat", "stdin": "x", "strip_empty_ends": false})).unwrap();
        assert_eq!(out["stdout"], "x\n");
        let fail = call("command", json!({"_raw_params": "/no/such"})).unwrap_err().into_outcome();
        assert_eq!((&fail["rc"], &fail["failed"]), (&json!(2), &json!(true)));
        assert_eq!(call("command", json!({})).unwrap_err().fields["rc"], 256);
        assert!(call("command", json!({"_raw_params": "true", "chdir": "/no/such"})).is_err());
        let out = call("shell", json!({"cmd": "echo $0", "executable": "/bin/bash"})).unwrap();
        assert_eq!(out["stdout"], "/bin/bash");
    }

    #[test]
    fn guards_and_check_mode() {
        let dir = Scratch::new();
        let file = dir.file("done", "");
        let out = call("command", json!({"_raw_params": "false", "creates": file})).unwrap();
        assert_eq!(out["stdout"], format!("skipped, since {file} exists"));
        assert_eq!(out["changed"], false);
        let out = call("command", json!({"_raw_params": "false", "removes": "gone", "chdir": dir.path("")})).unwrap();
        assert_eq!(out["msg"], "Did not run command since 'gone' does not exist");
        let out = call("command", json!({"_raw_params": "true", "creates": "do*", "chdir": dir.path("")})).unwrap();
        assert_eq!(out["changed"], false);
        let mut ctx = Ctx::test("shell", json!({"_raw_params": "touch x", "chdir": dir.path("")}));
        ctx.check = true;
        let out = run(&ctx).unwrap();
        assert_eq!((&out["skipped"], &out["changed"]), (&json!(true), &json!(false)));
        assert!(!dir.0.join("x").exists());
    }
}
