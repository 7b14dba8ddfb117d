//! `unarchive`: an archive of the controller travels with the call.

use super::{Call, Problem, refuse};
use crate::exec::result::{Res, get};
use crate::target::Content;
use imgbuild_jinja::{Key, Map, Value};

pub async fn run(call: &Call<'_>) -> Result<Res, Problem> {
    let (Some(src), Some(_)) = (call.text("src"), call.text("dest")) else {
        return Err(refuse("src (or content) and dest are required"));
    };
    if let Some(path) = call.text("creates") {
        let mut look = Map::new();
        look.insert("path".into(), Value::str(path.as_str()));
        let seen = call.module("stat", call.checked("stat", &look)?, None).await?;
        if get(&seen, "stat").and_then(|s| s.get("exists")).is_some_and(Value::is_true) {
            return Err(Problem::Skipped(format!("skipped, since {path} exists")));
        }
    }
    let mut args = call.args.clone();
    args.shift_remove(&Key::from("decrypt"));
    let on_host = call.bool("remote_src", false)? || src.contains("://");
    if on_host {
        let checked = call.checked("unarchive", &args)?;
        return call.module("unarchive", checked, None).await;
    }
    let path = call.find(&src, "files")?;
    args.insert("src".into(), Value::str(path.display().to_string()));
    let checked = call.checked("unarchive", &args)?;
    call.module("unarchive", checked, Some(Content::File(path))).await
}
