//! `raw`: a command line by the user's shell, without the agent.

use super::{Call, Problem, refuse};
use crate::exec::result::{Res, set};
use imgbuild_jinja::Value;

pub async fn run(call: &Call<'_>) -> Result<Res, Problem> {
    call.only(&["_raw_params", "cmd", "executable"])?;
    let Some(command) = call.text("_raw_params").or_else(|| call.text("cmd")) else {
        return Err(refuse("no command given"));
    };
    if call.check {
        return Err(Problem::Skipped("skipped, running in check mode".into()));
    }
    let command = match call.text("executable") {
        Some(shell) => format!("{shell} -c {}", quote(&command)),
        None => command,
    };
    let target = call.target().await?;
    let outcome = target
        .raw(&command, call.become_.as_ref(), &call.environment, call.timeout)
        .await
        .map_err(|lost| Problem::Unreachable(lost.message))?;
    if let Some(why) = outcome.refused {
        return Err(refuse(why));
    }
    let mut res = Call::done(true);
    set(&mut res, "rc", Value::Int(i64::from(outcome.rc)));
    for (name, bytes) in [("stdout", &outcome.stdout), ("stderr", &outcome.stderr)] {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let lines = text.lines().map(Value::str).collect();
        set(&mut res, &format!("{name}_lines"), Value::list(lines));
        set(&mut res, name, text);
    }
    if outcome.rc != 0 {
        set(&mut res, "failed", true);
        set(&mut res, "msg", "non-zero return code");
    }
    Ok(res)
}

/// Text as one word of a POSIX shell.
pub fn quote(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "@%_-+=:,./".contains(c);
    if !text.is_empty() && text.chars().all(safe) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "'\"'\"'"))
    }
}
