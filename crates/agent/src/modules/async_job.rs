//! Jobs that outlive the agent (`async`): the agent starts itself once more, detached; that process runs the module and
//! writes its result to a file under ~/.ansible_async, which `async_status` reads.

use crate::ctx::{Ctx, Nowhere};
use crate::outcome::{Fail, OrFail, Outcome};
use crate::workdir::Workdir;
use serde_json::{Map, Value, json};
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The command-line flag that marks such a process.
pub const FLAG: &str = "--async-job";

/// `_async`: starts a job. Arguments: `module`, `args`, `seconds`, `_async_dir`, and perhaps `jid`.
pub fn start(ctx: &Ctx) -> Result<Outcome, Fail> {
    let module = ctx.args.req("module")?;
    let seconds = ctx.args.int("seconds").unwrap_or(0);
    let jid = ctx
        .args
        .str("jid")
        .unwrap_or_else(|| format!("j{}.{}", crate::sys::random::below(1_000_000_000_000), std::process::id()));
    if jid.contains('/') {
        crate::fail!("a job id holds no slash: {jid}");
    }
    let dir = async_dir(ctx);
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).at("can't make the directory", &dir)?;
    let path = dir.join(&jid);
    let started = crate::out! {
        "started": true, "finished": false, "ansible_job_id": jid, "results_file": path.to_string_lossy(), "changed": true,
    };
    write_status(&path, &started)?;
    let blob = match &ctx.blob {
        Some(blob) => {
            let file = dir.join(format!(".{jid}.blob"));
            blob.write_to(&file, 0o600)?;
            Some(file.to_string_lossy().into_owned())
        }
        None => None,
    };
    let job = json!({
        "module": module, "args": ctx.args.given("args").cloned().unwrap_or(json!({})), "seconds": seconds, "jid": jid,
        "path": path.to_string_lossy(), "check": ctx.check, "diff": ctx.diff, "env": ctx.env, "blob": blob,
    });
    let mut command = Command::new("/proc/self/exe");
    command.arg(FLAG).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = crate::sys::signals::unblocked(&mut command).spawn().or_fail("the job can't be started")?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(job.to_string().as_bytes()).or_fail("the job can't be started")?;
    }
    let _ = std::thread::Builder::new().name("reap".into()).spawn(move || child.wait());
    Ok(started)
}

fn async_dir(ctx: &Ctx) -> PathBuf {
    ctx.args.path("_async_dir").unwrap_or_else(|| ctx.args.expand("~/.ansible_async"))
}

fn write_status(path: &Path, status: &Map<String, Value>) -> Result<(), Fail> {
    let temp = path.with_extension(format!("{}.tmp", crate::sys::random::token()));
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temp).at("can't write", &temp)?;
    let text = serde_json::to_string(status).or_fail("a result that is no JSON")?;
    file.write_all(text.as_bytes()).at("can't write", &temp)?;
    std::fs::rename(&temp, path).at("can't write", path)
}

/// The detached process: reads its job from standard input, runs it, writes the result. The exit status.
pub fn child_main(_: Vec<OsString>) -> i32 {
    let _ = rustix::process::setsid();
    let mut text = String::new();
    if std::io::Read::read_to_string(&mut std::io::stdin(), &mut text).is_err() {
        return 2;
    }
    let Ok(Value::Object(job)) = serde_json::from_str::<Value>(&text) else { return 2 };
    let string = |key: &str| job.get(key).and_then(Value::as_str).unwrap_or_default().to_string();
    let module = string("module");
    let path = PathBuf::from(string("path"));
    let workdir = Arc::new(Workdir::new(None));
    let env: std::collections::BTreeMap<String, String> =
        job.get("env").and_then(|e| serde_json::from_value(e.clone()).ok()).unwrap_or_default();
    let blob = job.get("blob").and_then(Value::as_str).map(PathBuf::from);
    let mut args = job.get("args").and_then(Value::as_object).cloned().unwrap_or_default();
    if module == "_custom" {
        args.insert("keep_stderr".into(), true.into());
    }
    let ctx = Ctx {
        id: 0,
        module: module.clone(),
        args: crate::args::Args::new(&module, args, env.clone()),
        check: job.get("check").and_then(Value::as_bool).unwrap_or(false),
        diff: job.get("diff").and_then(Value::as_bool).unwrap_or(false),
        stream: false,
        blob: blob.map(|b| crate::blob::Blob::File(b.clone(), b.metadata().map_or(0, |m| m.len()))),
        env,
        control: Arc::default(),
        replies: Arc::new(Nowhere),
        workdir: workdir.clone(),
        warnings: Arc::default(),
    };
    let seconds = job.get("seconds").and_then(Value::as_u64).unwrap_or(0);
    if seconds > 0 {
        let control = ctx.control.clone();
        let until = Instant::now() + Duration::from_secs(seconds);
        let _ = std::thread::Builder::new().name("limit".into()).spawn(move || {
            std::thread::sleep(until.saturating_duration_since(Instant::now()));
            control.end(true);
        });
    }
    let outcome = super::run(&ctx);
    let mut result = if ctx.control.timed_out() {
        let msg = format!("The job did not end within {seconds} seconds (async)");
        Fail::new(msg).with("child_terminated", true).into_outcome()
    } else {
        outcome.unwrap_or_else(Fail::into_outcome)
    };
    result.insert("finished".into(), true.into());
    result.insert("started".into(), true.into());
    result.insert("ansible_job_id".into(), string("jid").into());
    let written = write_status(&path, &result);
    drop(ctx);
    crate::sys::run::kill_everything();
    workdir.remove();
    i32::from(written.is_err())
}

/// `async_status`: reads or removes a job's result.
pub fn status(ctx: &Ctx) -> Result<Outcome, Fail> {
    let jid = ctx.args.req("jid")?;
    if jid.contains('/') {
        crate::fail!("could not find job");
    }
    let path = async_dir(ctx).join(&jid);
    let head = crate::out! {
        "ansible_job_id": jid, "results_file": path.to_string_lossy(), "started": true, "finished": false,
        "stdout": "", "stderr": "", "stdout_lines": [], "stderr_lines": [],
    };
    let Ok(text) = std::fs::read_to_string(&path) else {
        return Err(Fail::new("could not find job").with_all(Value::Object(head)).with("finished", true));
    };
    if ctx.args.text("mode") == "cleanup" {
        std::fs::remove_file(&path).at("can't remove", &path)?;
        let mut out = head;
        out.remove("results_file");
        out.insert("started".into(), false.into());
        out.insert("erased".into(), path.to_string_lossy().into());
        return Ok(out);
    }
    let Ok(Value::Object(status)) = serde_json::from_str::<Value>(&text) else {
        crate::fail!("Could not parse job output: {text}");
    };
    let mut out = head;
    if status.get("finished").is_some_and(|finished| *finished == true || *finished == 1) {
        out.extend(status);
        out.insert("started".into(), true.into());
        out.insert("finished".into(), true.into());
    } else {
        out.insert("changed".into(), false.into());
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;

    #[test]
    fn status_of_running_done_and_unknown_jobs() {
        let dir = Scratch::new();
        dir.file("j1.1", r#"{"started": true, "finished": false}"#);
        // Of an agent that wrote numbers.
        dir.file("j2.1", r#"{"started": 1, "finished": 1, "rc": 3, "stdout": "x"}"#);
        let call = |jid: &str, mode: &str| {
            status(&Ctx::test("async_status", json!({"jid": jid, "mode": mode, "_async_dir": dir.path("")})))
        };
        assert_eq!(call("j1.1", "status").unwrap()["finished"], false);
        let done = call("j2.1", "status").unwrap();
        assert_eq!((&done["finished"], &done["rc"], &done["stdout"]), (&json!(true), &json!(3), &json!("x")));
        assert_eq!(call("nope", "status").unwrap_err().msg, "could not find job");
        assert!(call("../x", "status").is_err());
        assert!(call("j2.1", "cleanup").unwrap()["erased"].is_string());
        assert!(!dir.0.join("j2.1").exists());
    }
}
