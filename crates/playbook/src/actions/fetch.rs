//! `fetch`: a file of the host to the controller.

use super::copy::checksum;
use super::{Call, Problem, refuse};
use crate::exec::result::{Res, flag, get, set};
use crate::play::paths::normal;
use imgbuild_jinja::{Key, Map, Value};
use std::io::Write as _;
use std::path::{Path, PathBuf};

pub async fn run(call: &Call<'_>) -> Result<Res, Problem> {
    call.only(&["src", "dest", "flat", "fail_on_missing", "validate_checksum"])?;
    let (Some(src), Some(dest)) = (call.text("src"), call.text("dest")) else {
        return Err(refuse("src and dest are required"));
    };
    for (key, name) in [("dest", "dest"), ("src", "source")] {
        if !matches!(call.arg(key), Some(Value::Str(_))) {
            return Err(refuse(format!("Invalid type supplied for {name} option, it must be a string")));
        }
    }
    let flat = call.bool("flat", false)?;
    let must = call.bool("fail_on_missing", true)?;
    if call.check {
        return Err(Problem::Skipped("check mode not (yet) supported for this module".into()));
    }
    let mut look = Map::new();
    look.insert("path".into(), Value::str(src.as_str()));
    look.insert("get_checksum".into(), Value::Bool(true));
    look.insert("follow".into(), Value::Bool(true));
    let seen = call.module("stat", call.checked("stat", &look)?, None).await?;
    let become_ = call.become_.is_some();
    if flag(&seen, "failed") {
        let why = get(&seen, "msg").map(crate::text::of).unwrap_or_default();
        let why = if become_ {
            format!("File is not readable: {src}")
        } else {
            format!("Failed to get information on remote file ({src}): {why}")
        };
        return Ok(missing(&src, must, &why));
    }
    let stat = get(&seen, "stat").cloned().unwrap_or_default();
    let is = |key: &str| stat.get(key).is_some_and(Value::is_true);
    if !is("exists") {
        return Ok(missing(&src, must, "the remote file does not exist, not transferring"));
    }
    if is("isdir") {
        let why = if must { "" } else { ", not transferring" };
        return Ok(missing(&src, must, &format!("remote file is a directory, fetch cannot work on directories{why}")));
    }
    let remote_sum = stat.get("checksum").map(crate::text::of);
    let dest = destination(call, &src, &dest, flat)?;
    let local_sum = if dest.is_file() { Some(checksum(&dest)?.0) } else { None };
    let mut res = Call::done(false);
    res.insert(Key::from("dest"), Value::str(dest.display().to_string()));
    set(&mut res, "file", src.as_str());
    if remote_sum.is_some() && local_sum == remote_sum {
        set(&mut res, "checksum", local_sum.unwrap_or_default());
        return Ok(res);
    }
    if let Some(dir) = dest.parent() {
        fs_err::create_dir_all(dir).map_err(|e| refuse(e.to_string()))?;
    }
    let partial = dest.with_file_name(format!(".{}.part", dest.file_name().unwrap_or_default().to_string_lossy()));
    let mut file = fs_err::File::create(&partial).map_err(|e| refuse(e.to_string()))?;
    let target = call.target().await?;
    let read = target
        .fetch(&src, call.become_.as_ref(), &mut file)
        .await
        .map_err(|lost| Problem::Unreachable(lost.message))?;
    let kept = file.flush().map_err(|e| e.to_string()).and(read.map(|_| ()));
    drop(file);
    if let Err(why) = kept {
        let _ = fs_err::remove_file(&partial);
        return Ok(missing(&src, must, &why));
    }
    fs_err::rename(&partial, &dest).map_err(|e| refuse(e.to_string()))?;
    let (sum, _) = checksum(&dest)?;
    if call.bool("validate_checksum", true)? && remote_sum.as_ref().is_some_and(|r| *r != sum) {
        set(&mut res, "failed", true);
        set(&mut res, "msg", "checksum mismatch");
    } else {
        set(&mut res, "changed", true);
        res.shift_remove(&Key::from("file"));
    }
    res.insert(Key::from("remote_checksum"), remote_sum.map_or(Value::Null, Value::str));
    res.insert(Key::from("remote_md5sum"), Value::Null);
    set(&mut res, "checksum", sum);
    Ok(res)
}

/// There is nothing to fetch, which is a failure or not.
fn missing(src: &str, must: bool, why: &str) -> Res {
    let mut res = Call::done(false);
    set(&mut res, "file", src);
    if must {
        set(&mut res, "failed", true);
        set(&mut res, "msg", why);
    } else {
        set(&mut res, "msg", format!("{why}, ignored"));
    }
    res
}

/// `dest/HOST/src`, or with `flat` the path itself.
fn destination(call: &Call<'_>, src: &str, dest: &str, flat: bool) -> Result<PathBuf, Problem> {
    let settings = &call.run.engine.settings;
    let base = match dest.strip_prefix("~/") {
        Some(rest) => settings.home.join(rest),
        None if Path::new(dest).is_absolute() => PathBuf::from(dest),
        None => call.task.scope.role().map_or(call.run.play.dir.clone(), |_| call.run.play.dir.clone()).join(dest),
    };
    if flat {
        if dest.ends_with('/') {
            let path = normal(&base.join(Path::new(src).file_name().unwrap_or_default()));
            if path.is_dir() {
                return Err(refuse(format!(
                    "calculated dest '{}' is an existing directory, use another path that does not point to an existing directory",
                    path.display()
                )));
            }
            return Ok(path);
        }
        if base.is_dir() {
            return Err(refuse(
                "dest is an existing directory, use a trailing slash if you want to fetch src into that directory",
            ));
        }
        return Ok(normal(&base));
    }
    // Parts that would lead out of the folder are dropped.
    let inside = normal(Path::new(src.trim_start_matches('/')));
    let inside: PathBuf = inside.components().filter(|c| matches!(c, std::path::Component::Normal(_))).collect();
    Ok(normal(&base.join(&**call.host).join(inside)))
}
