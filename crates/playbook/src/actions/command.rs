//! `command` and `shell`: free-form text becomes the module's arguments.

use super::{Call, Problem, refuse};
use crate::exec::result::{Res, get, set};
use imgbuild_jinja::{Key, Value};

pub async fn run(call: &Call<'_>) -> Result<Res, Problem> {
    let mut args = call.args.clone();
    // An option of Ansible before 2.14 that asked for no warnings.
    args.shift_remove(&Key::from("warn"));
    if call.action.name == "shell" && args.contains_key(&Key::from("expand_argument_vars")) {
        // The module shares its options with `command`, but here the shell expands.
        return Err(refuse("Unsupported parameters for (shell) module: expand_argument_vars"));
    }
    let mut checked = call.checked(&call.action.name, &args)?;
    if let Some(text) = checked.get("_raw_params").and_then(|v| v.as_str().map(str::to_owned)) {
        let text = if call.action.name == "command" { text.trim().to_owned() } else { text };
        checked.insert("_raw_params".into(), text.into());
    }
    let mut res = call.module(&call.action.name, checked, None).await?;
    for stream in ["stdout", "stderr"] {
        let lines = format!("{stream}_lines");
        if get(&res, &lines).is_none()
            && let Some(Value::Str(text)) = get(&res, stream).cloned()
        {
            set(&mut res, &lines, Value::list(text.text.lines().map(Value::str).collect()));
        }
    }
    Ok(res)
}
