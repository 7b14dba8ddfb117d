//! `patch`: a patch of the controller's travels with the call.

use super::{Call, Problem, refuse};
use crate::exec::result::Res;
use crate::target::Content;
use imgbuild_jinja::{Key, Value};

pub async fn run(call: &Call<'_>) -> Result<Res, Problem> {
    let name = call.text("src").or_else(|| call.text("patchfile"));
    if call.bool("remote_src", false)? || name.is_none() {
        let checked = call.checked("patch", &call.args)?;
        return call.module("patch", checked, None).await;
    }
    let path = call.find(&name.unwrap_or_default(), "files")?;
    if !path.is_file() {
        return Err(refuse(format!("the patch {} is no file", path.display())));
    }
    let mut args = call.args.clone();
    args.shift_remove(&Key::from("patchfile"));
    args.insert("src".into(), Value::str(path.display().to_string()));
    let checked = call.checked("patch", &args)?;
    call.module("patch", checked, Some(Content::File(path))).await
}
