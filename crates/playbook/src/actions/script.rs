//! `script`: a script of the controller is put on the host, run, and removed.

use super::{Call, Problem, raw, refuse};
use crate::exec::result::{Res, flag, get, set};
use crate::target::Content;
use imgbuild_jinja::{Map, Value};

pub async fn run(call: &Call<'_>) -> Result<Res, Problem> {
    call.only(&["_raw_params", "cmd", "creates", "removes", "chdir", "executable", "decrypt"])?;
    let line = call.text("_raw_params").or_else(|| call.text("cmd")).unwrap_or_default();
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
        let mut res = Call::done(true);
        set(&mut res, "skipped", true);
        return Ok(res);
    }
    let text = crate::vault::read_text(&path, &call.run.engine.settings);
    let bytes = match text {
        Ok(text) => text.into_bytes(),
        Err(_) => fs_err::read(&path).map_err(|e| refuse(e.to_string()))?,
    };
    let unique = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), call.task.id);
    let remote = format!("/tmp/.imgbuild-{unique:016x}-{}", path.file_name().unwrap_or_default().to_string_lossy());
    let mut put = Map::new();
    put.insert("dest".into(), Value::str(remote.as_str()));
    put.insert("mode".into(), Value::str("0700"));
    let sent = call.module("copy", call.checked("copy", &put)?, Some(Content::Bytes(bytes.into()))).await?;
    if flag(&sent, "failed") {
        return Ok(sent);
    }
    let rest = line.trim().split_once(char::is_whitespace).map_or("", |(_, rest)| rest);
    let command = match call.text("executable") {
        Some(program) => format!("{program} {} {rest}", raw::quote(&remote)),
        None => format!("{} {rest}", raw::quote(&remote)),
    };
    let mut args = Map::new();
    args.insert("_raw_params".into(), Value::str(command.trim()));
    if let Some(dir) = call.text("chdir") {
        args.insert("chdir".into(), Value::str(dir));
    }
    let outcome = call.module("shell", call.checked("shell", &args)?, None).await;
    let mut gone = Map::new();
    gone.insert("path".into(), Value::str(remote));
    gone.insert("state".into(), Value::str("absent"));
    // What the script did counts, whether or not its file could be removed; the agent's end removes it again.
    let _ = call.module("file", call.checked("file", &gone)?, None).await;
    let mut res = outcome?;
    for key in ["cmd", "start", "end", "delta"] {
        res.shift_remove(&imgbuild_jinja::Key::from(key));
    }
    set(&mut res, "changed", true);
    Ok(res)
}
