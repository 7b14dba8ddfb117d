//! Arguments of includes and imports that are wrong whatever their values turn out to be: found when the task is read, as
//! ansible-core 2.19 does (`TaskInclude.check_options`, `IncludeRole.load`).

use super::modules::Action;
use imgbuild_diag::{Diagnostic, Diagnostics, Span};
use imgbuild_jinja::{Key, Map, Value};

/// Arguments that name a file of a role.
const FROM: [&str; 4] = ["tasks_from", "vars_from", "defaults_from", "handlers_from"];

/// Reports them. `more`: further arguments come from a template, `args: "{{ … }}"`.
pub fn check(action: &Action, args: &mut Map, more: bool, span: &Span, out: &mut Diagnostics) {
    let tasks = matches!(action.name.as_str(), "include_tasks" | "import_tasks");
    let role = matches!(action.name.as_str(), "include_role" | "import_role");
    if !tasks && !role {
        return;
    }
    let written = &action.written;
    let mut report = |message: String, at: Option<&Span>| out.push(Diagnostic::error(message).at(at.unwrap_or(span)));
    if tasks {
        let file = args.get(&Key::from("_raw_params"));
        if !more && file.is_none_or(|f| matches!(f, Value::Null) || f.as_str().is_some_and(|f| f.trim().is_empty())) {
            args.shift_remove(&Key::from("_raw_params"));
            report(format!("No file specified for {written}"), None);
        }
        for (key, value) in args.iter().filter(|(k, _)| !matches!(k.to_string().as_str(), "_raw_params" | "apply")) {
            report(format!("Invalid options for {written}: {key}"), value.span());
        }
    } else {
        for (name, value) in FROM.iter().filter_map(|n| Some((n, args.get(&Key::from(*n))?))) {
            if !matches!(value, Value::Str(_) | Value::Vault(_)) {
                let kind = crate::exec::host_task::python_type(value);
                let message = format!("Expected a string for {name} but got <class '{kind}'> instead");
                report(message, value.span());
            }
        }
    }
    match args.get(&Key::from("apply")) {
        None | Some(Value::Null) => {}
        Some(apply) if action.name.starts_with("import") => {
            let empty = matches!(apply, Value::Map(m) if m.is_empty());
            if !empty {
                report(format!("Invalid options for {written}: apply"), apply.span());
            }
            args.shift_remove(&Key::from("apply"));
        }
        Some(Value::Map(_)) => {}
        Some(apply) => {
            let kind = crate::exec::host_task::python_type(apply);
            report(format!("Expected a dict for apply but got <class '{kind}'> instead"), apply.span());
        }
    }
}
