//! `assemble`: fragments of the host (`remote_src`, the default) or of the controller.

use super::copy::{self, Source};
use super::{Call, Problem, refuse};
use crate::exec::result::{Res, get, set};
use imgbuild_jinja::{Key, Value};
use std::path::PathBuf;

pub async fn run(call: &Call<'_>) -> Result<Res, Problem> {
    let (Some(src), Some(_)) = (call.text("src"), call.text("dest")) else {
        return Err(refuse("src and dest are required"));
    };
    if call.bool("remote_src", true)? {
        let checked = call.checked("assemble", &call.args)?;
        return call.module("assemble", checked, None).await;
    }
    let dir = call.find(&src, "files")?;
    if !dir.is_dir() {
        return Err(refuse(format!("Source ({}) is not a directory", dir.display())));
    }
    let pattern = match call.text("regexp") {
        Some(text) => Some(regex::Regex::new(&text).map_err(|e| refuse(format!("Invalid regexp ({text:?}): {e}")))?),
        None => None,
    };
    let hidden = call.bool("ignore_hidden", false)?;
    let mut files: Vec<PathBuf> =
        fs_err::read_dir(&dir).map_err(|e| refuse(e.to_string()))?.flatten().map(|e| e.path()).collect();
    files.sort();
    let mut bytes: Vec<u8> = Vec::new();
    let delimiter = call.text("delimiter").map(|d| d.replace("\\n", "\n").replace("\\t", "\t"));
    let mut first = true;
    for file in files {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let skip = pattern.as_ref().is_some_and(|p| !p.is_match(&name)) || hidden && name.starts_with('.');
        if skip || !file.is_file() {
            continue;
        }
        let content = fs_err::read(&file).map_err(|e| refuse(e.to_string()))?;
        if !first && !bytes.ends_with(b"\n") && !bytes.is_empty() {
            bytes.push(b'\n');
        }
        if let (false, Some(delimiter)) = (first, &delimiter) {
            bytes.extend(delimiter.as_bytes());
            if !delimiter.ends_with('\n') {
                bytes.push(b'\n');
            }
        }
        bytes.extend(content);
        first = false;
    }
    let mut args = call.args.clone();
    for key in ["src", "remote_src", "regexp", "delimiter", "ignore_hidden", "decrypt"] {
        args.shift_remove(&Key::from(key));
    }
    if args.get(&Key::from("mode")).is_some_and(|m| matches!(m, Value::Null)) {
        args.shift_remove(&Key::from("mode"));
    }
    let mut res = copy::send(call, args, Source::Text { name: src, bytes, path: None }).await?;
    // One file, one difference: not a list of one, as `copy` has it.
    if let Some(Value::List(diffs)) = get(&res, "diff").cloned()
        && let [diff] = diffs.as_slice()
    {
        set(&mut res, "diff", diff.clone());
    }
    Ok(res)
}
