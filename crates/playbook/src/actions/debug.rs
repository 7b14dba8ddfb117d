//! `debug`.

use super::{Call, Problem, refuse};
use crate::exec::result::{Failure, Res, set};
use imgbuild_jinja::{Key, Value};

pub fn run(call: &Call<'_>) -> Result<Res, Problem> {
    call.only(&["msg", "var", "verbosity"])?;
    if call.arg("msg").is_some() && call.arg("var").is_some() {
        return Err(refuse("parameters are mutually exclusive: msg|var"));
    }
    let mut res = Call::done(false);
    let verbosity = call.arg("verbosity").and_then(crate::exec::connection::number).unwrap_or(0.0);
    if verbosity as u8 > call.run.engine.settings.verbosity {
        set(&mut res, "skipped", true);
        set(&mut res, "skipped_reason", "Verbosity threshold not met.");
        return Ok(res);
    }
    set(&mut res, "_ansible_verbose_always", true);
    let templar = &call.run.engine.templar;
    if let Some(message) = call.args.get(&Key::from("msg")) {
        set(&mut res, "msg", message.clone());
        return Ok(res);
    }
    let Some(var) = call.arg("var") else {
        set(&mut res, "msg", "Hello world!");
        return Ok(res);
    };
    let (name, value) = match var {
        Value::Str(text) => {
            let name = if templar.is_template(text) {
                let rendered = templar.template(var, &call.vars).map_err(|e| Problem::Failed(e.into()))?;
                match rendered {
                    Value::Str(text) => text.text.to_string(),
                    // `var: "{{ x }}"` gave the value itself.
                    other => {
                        set(&mut res, &text.text, other);
                        return Ok(res);
                    }
                }
            } else {
                text.text.to_string()
            };
            if !text.template && !templar.is_template(text) {
                return Err(Problem::Failed(
                    Failure::new(
                        "Error while resolving `var` expression: Encountered untrusted template or expression.",
                    )
                    .at(text.span.as_ref())
                    .because("Task failed", None),
                ));
            }
            let value = match templar.evaluate(&name, text.span.as_ref(), &call.vars) {
                Ok(value) => value,
                Err(error) if error.is_undefined() => {
                    let warning = crate::exec::result::template_errors(&[error.message.clone()], text.span.as_ref());
                    set(&mut res, "warnings", Value::list(vec![Value::str(warning)]));
                    Value::str(undefined(&error.message, &name))
                }
                Err(error) => {
                    let mut failure = Failure::from(error).at(text.span.as_ref());
                    if let Some(cause) = failure.causes.last_mut() {
                        cause.message = format!("Error while resolving `var` expression: {}", cause.message);
                    }
                    return Err(Problem::Failed(failure.because("Task failed", None)));
                }
            };
            (name, value)
        }
        other => {
            return Err(refuse(format!(
                "argument 'var' is of type {} and we were unable to convert to str: '{}' is not a string and conversion is not allowed",
                crate::exec::host_task::python_type(other),
                crate::text::repr(other)
            )));
        }
    };
    set(&mut res, &name, value);
    Ok(res)
}

/// What `debug` shows for something that is undefined.
fn undefined(message: &str, name: &str) -> String {
    if message.is_empty() {
        return format!("<< error 1 - {name} is undefined >>");
    }
    format!("<< error 1 - {message} >>")
}
