//! `pipe`, `lines`: what a command of the controller prints.

use super::{Answer, Ask, failed};
use imgbuild_jinja::{LookupError, Value};
use std::process::Command;

/// `pipe`: the output, line ends at its end removed.
pub fn run(ask: &Ask<'_>) -> Answer {
    ask.terms.iter().map(|term| output(ask, term).map(|text| Value::str(text.trim_end_matches(['\n', '\r'])))).collect()
}

/// `lines`: the output's lines.
pub fn lines(ask: &Ask<'_>) -> Answer {
    let mut out = Vec::new();
    for term in ask.terms {
        out.extend(output(ask, term)?.lines().map(Value::str));
    }
    Ok(out)
}

fn output(ask: &Ask<'_>, term: &Value) -> Result<String, LookupError> {
    let command = crate::text::of(term);
    let dir = ask.cx.var("playbook_dir").ok().flatten().map(|d| crate::text::of(&d));
    let settings = &ask.plugins.settings;
    let output = Command::new("/bin/sh")
        .arg("-c")
        .arg(&command)
        .env_clear()
        .envs(&settings.env)
        .current_dir(dir.map_or_else(|| settings.cwd.clone(), Into::into))
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|e| failed(format!("lookup of {command:?}: {e}")))?;
    if !output.status.success() {
        let code = output.status.code().unwrap_or(-1);
        return Err(failed(format!("lookup_plugin.pipe({command}) returned {code}")));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
