//! `uri`: runs on the host; files to send come from the controller unless `remote_src` is set.

use super::{Call, Problem, refuse};
use crate::exec::result::Res;
use crate::target::Content;
use base64::Engine as _;
use imgbuild_jinja::{Key, Value};
use std::sync::Arc;

pub async fn run(call: &Call<'_>) -> Result<Res, Problem> {
    if call.check {
        let name = &call.action.written;
        return Err(Problem::Skipped(format!("This action ({name}) does not support check mode.")));
    }
    let mut args = call.args.clone();
    let remote = call.bool("remote_src", false)?;
    let content = match call.text("src") {
        Some(src) if !remote => {
            args.shift_remove(&Key::from("src"));
            Some(Content::File(call.find(&src, "files")?))
        }
        _ => None,
    };
    if let Some(Value::Map(fields)) = args.get_mut(&Key::from("body"))
        && call.text("body_format").as_deref() == Some("form-multipart")
        && !remote
    {
        for value in Arc::make_mut(fields).values_mut() {
            let Value::Map(field) = value else { continue };
            let text = |name: &str| field.get(&Key::from(name)).map(crate::text::of).filter(|t| !t.is_empty());
            let (Some(name), None) = (text("filename"), text("content")) else { continue };
            let bytes = fs_err::read(call.find(&name, "files")?).map_err(|e| refuse(e.to_string()))?;
            let text = base64::engine::general_purpose::STANDARD.encode(bytes);
            Arc::make_mut(field).insert(Key::from("_content_base64"), Value::from(text));
        }
    }
    let checked = call.checked("uri", &args)?;
    call.module("uri", checked, content).await
}
