//! `wait_for_connection`.

use super::{Call, Problem, refuse};
use crate::exec::connection::number;
use crate::exec::result::{Res, set};
use imgbuild_jinja::Value;
use std::time::{Duration, Instant};

pub async fn run(call: &Call<'_>) -> Result<Res, Problem> {
    call.only(&["connect_timeout", "delay", "sleep", "timeout"])?;
    let seconds = |name: &str, default: f64| call.arg(name).and_then(number).unwrap_or(default).max(0.0);
    let (delay, sleep) = (seconds("delay", 0.0), seconds("sleep", 1.0));
    let limit = Duration::from_secs_f64(seconds("timeout", 600.0));
    if call.check {
        let mut res = Call::done(false);
        set(&mut res, "skipped", true);
        return Ok(res);
    }
    let started = Instant::now();
    tokio::time::sleep(Duration::from_secs_f64(delay)).await;
    until_up(call, limit, Duration::from_secs_f64(sleep.max(0.1))).await.map_err(|last| {
        match refuse(format!("timed out waiting for ping module test: {last}")) {
            Problem::Failed(failure) => Problem::Failed(failure.field("elapsed", elapsed(started))),
            other => other,
        }
    })?;
    let mut res = Call::done(false);
    set(&mut res, "elapsed", elapsed(started));
    Ok(res)
}

fn elapsed(since: Instant) -> Value {
    Value::Int(since.elapsed().as_secs() as i64)
}

/// Connects anew until the host answers; `Err`: the last reason why not.
pub async fn until_up(call: &Call<'_>, limit: Duration, sleep: Duration) -> Result<(), String> {
    let until = Instant::now() + limit;
    let mut last = None;
    loop {
        let attempt = tokio::time::timeout(until.saturating_duration_since(Instant::now()), ping(call)).await;
        let why = match attempt {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(why)) => why,
            // Time ran out in the middle of a try: what ended the one before it says more.
            Err(_) => last.take().unwrap_or_else(|| "no answer".to_owned()),
        };
        if Instant::now() + sleep >= until {
            return Err(why);
        }
        last = Some(why);
        call.run.engine.connections.forget(call.connection.name.as_str());
        tokio::select! {
            () = tokio::time::sleep(sleep) => {}
            () = call.run.engine.session.cancel.cancelled() => return Err("interrupted".into()),
        }
    }
}

async fn ping(call: &Call<'_>) -> Result<(), String> {
    match call.module("ping", serde_json::Map::new(), None).await {
        Ok(_) => Ok(()),
        Err(Problem::Unreachable(why) | Problem::Skipped(why)) => Err(why),
        Err(Problem::Failed(failure)) => Err(failure.message()),
    }
}
