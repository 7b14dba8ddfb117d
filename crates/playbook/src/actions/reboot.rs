//! `reboot`: restarts the host and waits until it is back.

use super::{Call, Problem, refuse, wait_for_connection};
use crate::exec::connection::number;
use crate::exec::result::{Res, set};
use imgbuild_jinja::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

pub async fn run(call: &Call<'_>) -> Result<Res, Problem> {
    call.only(&[
        "boot_time_command",
        "connect_timeout",
        "connect_timeout_sec",
        "msg",
        "post_reboot_delay",
        "post_reboot_delay_sec",
        "pre_reboot_delay",
        "pre_reboot_delay_sec",
        "reboot_command",
        "reboot_timeout",
        "reboot_timeout_sec",
        "search_paths",
        "test_command",
    ])?;
    if call.connection.plugin == "local" {
        return Err(refuse("Running reboot with local connection would reboot the control node."));
    }
    let seconds = |name: &str, default: f64| {
        let value = call.arg(name).or_else(|| call.arg(&format!("{name}_sec")));
        value.and_then(number).unwrap_or(default).max(0.0)
    };
    if call.check {
        let mut res = Call::done(true);
        set(&mut res, "elapsed", Value::Int(0));
        set(&mut res, "rebooted", true);
        return Ok(res);
    }
    let started = Instant::now();
    let boot = call.text("boot_time_command").unwrap_or_else(|| "cat /proc/sys/kernel/random/boot_id".into());
    let before = shell(call, &boot).await?.1;
    let message = call.text("msg").unwrap_or_else(|| "Reboot initiated by Ansible".into());
    // shutdown counts in minutes.
    let delay = (seconds("pre_reboot_delay", 0.0) / 60.0).floor();
    let command = call.text("reboot_command").unwrap_or_else(|| {
        format!(
            "shutdown -r {} {}",
            if delay > 0.0 { format!("+{delay}") } else { "now".into() },
            super::raw::quote(&message)
        )
    });
    // The connection may go while the command still runs: that is no error.
    if let Ok((rc, out)) = shell(call, &command).await
        && rc != 0
        && rc < 128
    {
        let mut res = Call::done(false);
        set(&mut res, "failed", true);
        set(&mut res, "rebooted", false);
        set(&mut res, "msg", format!("Reboot command failed. Error was: '{}'", out.trim()));
        return Ok(res);
    }
    tokio::time::sleep(Duration::from_secs_f64(seconds("post_reboot_delay", 0.0))).await;
    let limit = Duration::from_secs_f64(seconds("reboot_timeout", 600.0));
    let until = Instant::now() + limit;
    let timed_out = || {
        let mut res = Call::done(true);
        set(&mut res, "failed", true);
        set(&mut res, "rebooted", true);
        set(&mut res, "msg", format!("Timed out waiting for last boot time check (timeout={})", limit.as_secs()));
        Ok(res)
    };
    loop {
        call.run.engine.connections.forget(call.connection.name.as_str());
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || wait_for_connection::until_up(call, left, Duration::from_secs(2)).await.is_err() {
            return timed_out();
        }
        match shell(call, &boot).await {
            Ok((0, now)) if now.trim() != before.trim() => break,
            _ => tokio::time::sleep(Duration::from_secs(2)).await,
        }
        if call.run.engine.session.cancel.is_cancelled() {
            return Err(refuse("interrupted"));
        }
    }
    let test = call.text("test_command").unwrap_or_else(|| "whoami".into());
    loop {
        if let Ok((0, _)) = shell(call, &test).await {
            break;
        }
        if Instant::now() >= until {
            return timed_out();
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    let mut res = Call::done(true);
    set(&mut res, "elapsed", Value::Int(started.elapsed().as_secs() as i64));
    set(&mut res, "rebooted", true);
    Ok(res)
}

async fn shell(call: &Call<'_>, command: &str) -> Result<(i32, String), Problem> {
    let target = call.target().await?;
    let outcome = target
        .raw(command, call.become_.as_ref(), &BTreeMap::new(), Some(60))
        .await
        .map_err(|lost| Problem::Unreachable(lost.message))?;
    let text = if outcome.stdout.is_empty() { outcome.stderr } else { outcome.stdout };
    Ok((outcome.rc, String::from_utf8_lossy(&text).into_owned()))
}
