//! A task's name as its banner shows it: what is undefined in it is told instead of its value.

use super::result::template_errors;
use imgbuild_jinja::{Str, Templar, Value, VarSource};
use std::sync::Arc;

/// The name, and the warning about what is undefined in it.
pub fn render(templar: &Templar, raw: &Value, vars: &Arc<dyn VarSource>) -> (String, Option<String>) {
    match templar.template(raw, vars) {
        Ok(name) => (crate::text::of(&name), None),
        Err(error) if error.is_undefined() => match raw {
            Value::Str(text) if !text.text.contains("{%") => piecewise(templar, text, vars),
            _ => (crate::text::of(raw), None),
        },
        Err(_) => (crate::text::of(raw), None),
    }
}

fn piecewise(templar: &Templar, text: &Str, vars: &Arc<dyn VarSource>) -> (String, Option<String>) {
    let (mut out, mut errors) = (String::new(), Vec::new());
    let mut rest = &*text.text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((inner, after)) = after.split_once("}}") else { break };
        out.push_str(before);
        let piece = Value::template(format!("{{{{{inner}}}}}"), text.span.clone());
        match templar.template(&piece, vars) {
            Ok(value) => out.push_str(&crate::text::of(&value)),
            Err(error) => {
                out.push_str(&format!("<< error {} - {} >>", errors.len() + 1, error.message));
                errors.push(error.message.clone());
            }
        }
        rest = after;
    }
    out.push_str(rest);
    let warning = (!errors.is_empty()).then(|| template_errors(&errors, text.span.as_ref()));
    (out, warning)
}
