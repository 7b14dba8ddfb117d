//! Templates are checked while loading: syntax, and the names of filters, tests and lookups.

use super::loader::Loader;
use super::model::{Loop, Task};
use crate::settings::exit;
use imgbuild_diag::{Diagnostic, Severity};
use imgbuild_jinja::{CheckKind, Map, Value};

/// Keywords that hold expressions.
const EXPRESSIONS: [&str; 4] = ["when", "changed_when", "failed_when", "until"];

impl Loader<'_> {
    /// Reports what is wrong in the templates of a task.
    pub fn check_templates(&mut self, task: &Task) {
        let hidden = ["when", "ignore_errors"].iter().any(|k| !task.scope.each(k).is_empty())
            || ["failed_when", "loop"].iter().any(|k| task.own(k).is_some())
            || task.loop_.is_some();
        let certain = !hidden && self.rescued == 0;
        let vars = std::mem::replace(&mut self.certain, certain);
        self.check_task(task);
        self.certain = vars;
    }

    fn check_task(&mut self, task: &Task) {
        for (name, attr) in &task.scope.attrs {
            if EXPRESSIONS.contains(name) {
                self.check_expression(&attr.value);
            } else {
                self.check_value(&attr.value);
            }
        }
        let certain = std::mem::replace(&mut self.certain, false);
        self.check_map(&task.scope.vars);
        self.certain = certain;
        match task.action.name.as_str() {
            "assert" => {
                for (key, value) in &task.args {
                    if key.to_string() == "that" { self.check_expression(value) } else { self.check_value(value) }
                }
            }
            "debug" => {
                for (key, value) in &task.args {
                    if key.to_string() == "var" { self.check_expression(value) } else { self.check_value(value) }
                }
            }
            _ => self.check_map(&task.args),
        }
        match &task.loop_ {
            Some(Loop::Loop(value) | Loop::With(_, value)) => self.check_value(value),
            None => {}
        }
    }

    /// Reports what is wrong in the templates of variables.
    pub fn check_map(&mut self, map: &Map) {
        map.values().for_each(|v| self.check_value(v));
    }

    fn check_value(&mut self, value: &Value) {
        match value {
            Value::Str(text) if self.templar.is_template(text) => {
                let certain = self.certain;
                self.templar
                    .check(text, CheckKind::Template)
                    .into_iter()
                    .for_each(|d| self.out.push(softened(d, certain)));
            }
            Value::List(items) => items.iter().for_each(|v| self.check_value(v)),
            Value::Map(map) => self.check_map(map),
            _ => {}
        }
    }

    fn check_expression(&mut self, value: &Value) {
        match value {
            Value::Str(text) if text.template => {
                let kind = if text.text.contains("{{") || text.text.contains("{%") {
                    CheckKind::Template
                } else {
                    CheckKind::Expression
                };
                let certain = self.certain;
                self.templar.check(text, kind).into_iter().for_each(|d| self.out.push(softened(d, certain)));
            }
            Value::List(items) => items.iter().for_each(|v| self.check_expression(v)),
            _ => {}
        }
    }
}

/// A filter, test or lookup that nobody knows is an error where nothing can hide it. One of a collection that imgbuild does not
/// have, a template that can't be parsed, a variable that may never be used, a task with a condition or one whose failure is
/// ignored or rescued only fail where they are reached: what a playbook never renders does not stop it.
fn softened(mut diagnostic: Diagnostic, certain: bool) -> Diagnostic {
    let kinds = [("filter", "No filter named '"), ("test", "No test named '"), ("lookup", "No lookup plugin named '")];
    let unknown = kinds.iter().find_map(|(kind, start)| {
        let name = diagnostic.message.strip_prefix(start)?.split('\'').next()?;
        Some((*kind, name.to_owned()))
    });
    let moved = |kind: &str, name: &str| super::redirects::collection(kind, name).is_some();
    if !certain || unknown.is_none_or(|(kind, name)| name.contains('.') || moved(kind, &name)) {
        diagnostic.severity = Severity::Warning;
        diagnostic.help.push("the task fails where a host reaches it".into());
    }
    // What Ansible would find when a host is there: a failed task.
    diagnostic.exit(exit::FAILED)
}
