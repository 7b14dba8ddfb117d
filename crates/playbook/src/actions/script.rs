//! `script`: a script of the controller is put on the host, run, and removed.

use super::{Call, Problem, refuse};
use crate::exec::result::{Res, get, set};
use crate::target::Content;
use imgbuild_jinja::{Map, Value};

pub async fn run(call: &Call<'_>) -> Result<Res, Problem> {
    call.only(&["_raw_params", "cmd", "creates", "removes", "chdir", "executable", "decrypt"])?;
    let line = match (call.text("_raw_params"), call.text("cmd")) {
        (Some(_), Some(_)) => return Err(refuse("parameters are mutually exclusive: _raw_params|cmd")),
        (None, None) => return Err(refuse("one of the following is required: _raw_params, cmd")),
        (Some(line), None) | (None, Some(line)) => line,
    };
    let words = crate::play::split::shell_words(line.trim(), false).map_err(refuse)?;
    let Some(name) = words.first() else { return Err(refuse("No script was given")) };
    for (key, there) in [("creates", true), ("removes", false)] {
        if let Some(path) = call.text(key) {
            let mut look = Map::new();
            look.insert("path".into(), Value::str(path.as_str()));
            let seen = call.module("stat", call.checked("stat", &look)?, None).await?;
            let exists = get(&seen, "stat").and_then(|s| s.get("exists")).is_some_and(Value::is_true);
            if exists == there {
                let state = if there { "exists" } else { "does not exist" };
                return Err(Problem::Skipped(format!("{path} {state}, matching {key} option")));
            }
        }
    }
    let path = call.find(name, "files")?;
    if call.check {
        // With these two it is known whether the script would run; else nobody knows what it would do.
        if call.arg("creates").is_some() || call.arg("removes").is_some() {
            return Ok(Call::done(true));
        }
        return Err(Problem::Skipped("Check mode is not supported for this task.".into()));
    }
    if let Some(dir) = call.text("chdir").filter(|d| !d.starts_with('/')) {
        return Err(refuse(format!("chdir {dir} must be an absolute path for a Unix-aware remote node")));
    }
    let bytes = if call.bool("decrypt", true)? {
        crate::vault::read(&path, &call.run.engine.settings).map_err(refuse)?
    } else {
        fs_err::read(&path).map_err(|e| refuse(e.to_string()))?
    };
    // The agent wants the script's name as one word; what follows is for the shell.
    let mut args = serde_json::Map::new();
    args.insert("_raw_params".into(), format!("script {}", after_first_word(line.trim())).into());
    for key in ["executable", "chdir"] {
        if let Some(value) = call.text(key) {
            args.insert(key.into(), value.into());
        }
    }
    let mut res = call.module("script", args, Some(Content::Bytes(bytes.into()))).await?;
    set(&mut res, "changed", true);
    Ok(res)
}

/// What follows the first word, which may be quoted, as it was written.
fn after_first_word(line: &str) -> &str {
    let (mut quote, mut escaped) = (None, false);
    for (at, c) in line.char_indices() {
        match (c, quote) {
            _ if escaped => escaped = false,
            ('\\', None | Some('"')) => escaped = true,
            (c, Some(open)) if c == open => quote = None,
            (_, Some(_)) => {}
            ('"' | '\'', None) => quote = Some(c),
            (c, None) if c.is_whitespace() => return line[at..].trim_start(),
            _ => {}
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::after_first_word;

    #[test]
    fn names_and_arguments() {
        for (line, want) in [
            ("a.sh", ""),
            ("a.sh b 'c d'", "b 'c d'"),
            ("'a b.sh' c", "c"),
            ("a\\ b.sh \"c\"", "\"c\""),
            ("\"a b\"c d", "d"),
        ] {
            assert_eq!(after_first_word(line), want, "{line}");
        }
    }
}
