//! `async` and `async_status`: jobs that go on while the play does.

use super::{Call, Problem, refuse};
use crate::callback::Event;
use crate::exec::result::{Failure, Res, flag, get, set, value};
use serde_json::Map as Json;
use std::sync::Arc;
use std::time::Duration;

/// Starts the module as a job; with a poll interval waits for its end.
pub async fn run_async(call: &Call<'_>, seconds: u64, poll: u64) -> Result<Res, Problem> {
    let name = call.action.name.as_str();
    let plain = matches!(name, "command" | "shell");
    if call.check && call.action.spec.is_some_and(|spec| !spec.check_mode) {
        return Err(Problem::Skipped(format!("remote module ({name}) does not support check mode")));
    }
    // What the controller has a part in can't go on by itself.
    if call.action.plugin.is_some()
        || matches!(name, "assemble" | "copy" | "fetch" | "raw" | "reboot" | "script" | "template" | "unarchive")
    {
        return Err(refuse(format!("This action ({}) does not support async.", call.action.written)));
    }
    let (module, args, content) = match (&call.action.custom, call.action.spec) {
        (Some(path), _) => {
            let (args, content) = super::custom::prepare(call, path)?;
            ("_custom", args, Some(content))
        }
        (None, Some(spec)) if plain || !spec.on_controller => (spec.name, call.checked(spec.name, &call.args)?, None),
        _ => return Err(refuse(format!("This action ({}) does not support async.", call.action.written))),
    };
    let mut job = Json::new();
    job.insert("module".into(), module.into());
    job.insert("args".into(), args.into());
    job.insert("seconds".into(), seconds.into());
    if let Some(dir) = call.var("ansible_async_dir")? {
        job.insert("_async_dir".into(), dir.to_json());
    }
    let started = call.module("_async", job, content).await?;
    if poll == 0 || flag(&started, "failed") {
        return Ok(started);
    }
    let Some(jid) = get(&started, "ansible_job_id").map(crate::text::of) else {
        return Err(Problem::Failed(Failure::new("No job id was returned by the async task")));
    };
    let mut left = seconds as i64;
    let mut last = started;
    while left > 0 {
        tokio::time::sleep(Duration::from_secs(poll)).await;
        last = ask(call, &jid, "status").await?;
        if flag(&last, "finished") || flag(&last, "failed") {
            break;
        }
        left -= poll as i64;
        call.run.engine.emit(Event::AsyncPoll {
            task: Arc::clone(call.info),
            host: call.host.to_string(),
            result: value(&last),
        });
    }
    let finished = flag(&last, "finished");
    if finished {
        ask(call, &jid, "cleanup").await?;
    } else {
        let mut res = Res::new();
        set(&mut res, "failed", true);
        set(&mut res, "msg", format!("async task did not complete within the requested time - {seconds}s"));
        set(&mut res, "async_result", value(&last));
        last = res;
    }
    call.run.engine.emit(Event::AsyncEnd { host: call.host.to_string(), job: jid, failed: flag(&last, "failed") });
    Ok(last)
}

async fn ask(call: &Call<'_>, jid: &str, mode: &str) -> Result<Res, Problem> {
    let mut args = Json::new();
    args.insert("jid".into(), jid.into());
    args.insert("mode".into(), mode.into());
    if let Some(dir) = call.var("ansible_async_dir")? {
        args.insert("_async_dir".into(), dir.to_json());
    }
    call.module("async_status", args, None).await
}

/// `async_status`.
pub async fn status(call: &Call<'_>) -> Result<Res, Problem> {
    call.only(&["jid", "mode"])?;
    let Some(jid) = call.text("jid") else { return Err(refuse("missing required arguments: jid")) };
    let mode = call.text("mode").unwrap_or_else(|| "status".into());
    if !matches!(mode.as_str(), "status" | "cleanup") {
        return Err(refuse(format!("value of mode must be one of: cleanup, status, got: {mode}")));
    }
    ask(call, &jid, &mode).await
}
