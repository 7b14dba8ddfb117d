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
    let mut var = call.arg("var").cloned();
    if let Some(Value::Str(text)) = &var
        && templar.is_template(text)
    {
        // The expression may stand in a variable; what it renders to is one only if it was written as one.
        let rendered =
            templar.template(&Value::Str(text.clone()), &call.vars).map_err(|e| Problem::Failed(e.into()))?;
        var = Some(rendered).filter(|v| !matches!(v, Value::Omit | Value::Null));
    }
    let Some(var) = &var else {
        set(&mut res, "msg", "Hello world!");
        return Ok(res);
    };
    let (name, value) = match var {
        Value::Str(text) => {
            let name = text.text.to_string();
            if !text.template {
                return Err(Problem::Failed(
                    Failure::new(
                        "Error while resolving `var` expression: Encountered untrusted template or expression.",
                    )
                    .at(text.span.as_ref())
                    .because("Task failed", None),
                ));
            }
            let value = match templar.evaluate(&name, text.span.as_ref(), &call.vars) {
                Ok(Value::Omit) => {
                    let warning =
                        "The result of the `var` expression could not be omitted; a placeholder was used instead.";
                    set(&mut res, "warnings", Value::list(vec![Value::str(warning)]));
                    Value::str("<<Omit>>")
                }
                Ok(value) => value,
                Err(error) if error.is_undefined() => {
                    let warning =
                        crate::exec::result::template_errors(std::slice::from_ref(&error.message), text.span.as_ref());
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
