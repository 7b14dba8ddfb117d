//! `uri`: runs on the host; a file to send comes from the controller unless `remote_src` is set.

use super::{Call, Problem};
use crate::exec::result::Res;
use crate::target::Content;
use imgbuild_jinja::Key;

pub async fn run(call: &Call<'_>) -> Result<Res, Problem> {
    let mut args = call.args.clone();
    let content = match call.text("src") {
        Some(src) if !call.bool("remote_src", false)? => {
            args.shift_remove(&Key::from("src"));
            Some(Content::File(call.find(&src, "files")?))
        }
        _ => None,
    };
    let checked = call.checked("uri", &args)?;
    call.module("uri", checked, content).await
}
