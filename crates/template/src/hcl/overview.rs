//! What `inspect` and the console show of a configuration, in Packer's words.

use super::budget::Budget;
use super::config::build::BuildBlock;
use super::config::variable::Variables;
use super::value::{Data, Value};
use crate::quote;
use crate::value::Spanned;
use crate::variables;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// Texts to show. Sensitive values are not in them.
#[derive(Debug, Clone)]
pub struct Overview {
    /// Variables and locals with their values.
    pub variables: String,
    /// Builds with their sources, provisioners and post-processors.
    pub builds: String,
}

impl Overview {
    pub(super) fn new(variables: &Variables, locals: &BTreeMap<Arc<str>, Value>, builds: &[BuildBlock]) -> Self {
        Overview { variables: list(variables, locals), builds: builds_text(builds) }
    }
}

// Writing to a String can't fail.
fn list(variables: &Variables, locals: &BTreeMap<Arc<str>, Value>) -> String {
    let mut out = String::from("> input-variables:\n\n");
    let mut sorted: Vec<_> = variables.values().collect();
    sorted.sort_by(|a, b| a.name.value.cmp(&b.name.value));
    for variable in sorted {
        let value = variable.assigned.as_ref().map_or_else(|| "<unknown>".to_owned(), |a| printable(&a.value));
        let _ = writeln!(out, "var.{}: {}", variable.name, quote::go(&value, '"'));
    }
    out.push_str("\n> local-variables:\n\n");
    let room = Budget::shown();
    for (name, value) in locals {
        let text = if room.value(value) { printable(value) } else { "<too large to be shown>".to_owned() };
        let _ = writeln!(out, "local.{name}: {}", quote::go(&text, '"'));
    }
    out
}

/// A value as Packer's console shows it.
pub(super) fn printable(value: &Value) -> String {
    if !value.is_wholly_known() {
        return if value.has_sensitive() { "<sensitive>" } else { "<unknown>" }.to_owned();
    }
    shown(&hidden(value, false), false)
}

/// The same with every sensitive text, number and flag hidden. How many there are and under which keys is no secret to Packer,
/// which takes texts out of what it prints.
fn hidden(value: &Value, within: bool) -> Value {
    let within = within || value.is_sensitive();
    let all = |items: &[Value]| items.iter().map(|item| hidden(item, within)).collect::<Vec<_>>();
    match value.data() {
        Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => Value::tuple(all(items)),
        Data::Map(_, entries) | Data::Object(entries) => {
            Value::object(entries.iter().map(|(key, value)| (Arc::clone(key), hidden(value, within))))
        }
        Data::Bool(_) | Data::Number(_) | Data::String(_) if within => Value::string("<sensitive>"),
        _ => value.clone(),
    }
}

fn shown(value: &Value, nested: bool) -> String {
    let indented = |text: String| text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n");
    match value.data() {
        Data::Null(_) => "null".to_owned(),
        Data::Unknown(_) => "<unknown>".to_owned(),
        Data::Bool(flag) => flag.to_string(),
        Data::Number(number) => match number.to_i64() {
            Some(whole) => whole.to_string(),
            None => general(number.to_f64()),
        },
        Data::String(text) if nested => quote::go(text, '"'),
        Data::String(text) => text.to_string(),
        Data::List(_, items) | Data::Set(_, items) | Data::Tuple(items) => {
            let lines: String = items.iter().map(|item| format!("{},\n", indented(shown(item, true)))).collect();
            format!("[{}{lines}]", if items.is_empty() { "" } else { "\n" })
        }
        Data::Map(_, entries) | Data::Object(entries) => {
            let known = entries.iter().filter(|(_, value)| !value.is_null());
            let lines: Vec<String> = known
                .map(|(key, value)| {
                    format!("{}\n", indented(format!("{} = {}", quote::go(key, '"'), shown(value, true))))
                })
                .collect();
            format!("{{{}{}}}", if lines.is_empty() { "" } else { "\n" }, lines.concat())
        }
    }
}

/// A number as Go's `%g` writes it.
fn general(number: f64) -> String {
    let scientific = format!("{number:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    match exponent.parse::<i32>() {
        Ok(power) if !(-4..6).contains(&power) => {
            format!("{digits}e{}{:02}", if power < 0 { '-' } else { '+' }, power.abs())
        }
        _ => number.to_string(),
    }
}

fn builds_text(builds: &[BuildBlock]) -> String {
    let mut out = String::from("> builds:\n");
    for (i, build) in builds.iter().enumerate() {
        let name = if build.name.is_empty() { format!("<unnamed build {i}>") } else { build.name.clone() };
        let _ = write!(out, "\n  > {name}:\n");
        if !build.description.is_empty() {
            let _ = write!(out, "\n  > Description: {}\n", build.description);
        }
        out.push_str("\n    sources:\n");
        if build.uses.is_empty() {
            out.push_str("\n      <no source>\n");
        }
        for used in &build.uses {
            let _ = write!(out, "\n      {}\n", used.full());
        }
        out.push_str("\n    provisioners:\n\n");
        if build.provisioners.is_empty() {
            out.push_str("      <no provisioner>\n");
        }
        for provisioner in &build.provisioners {
            let _ = writeln!(out, "      {}", named(&provisioner.kind, provisioner.name.as_ref().map(|n| n.as_str())));
        }
        out.push_str("\n    post-processors:\n");
        if build.chains.is_empty() {
            out.push_str("\n      <no post-processor>\n");
        }
        for (i, chain) in build.chains.iter().enumerate() {
            let _ = write!(out, "\n      {i}:\n");
            for step in chain {
                let _ = writeln!(out, "        {}", named(&step.kind, step.name.as_deref()));
            }
        }
    }
    out
}

fn named(kind: &Spanned<String>, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{kind}.{name}"),
        None => kind.value.clone(),
    }
}

/// The variables as the model has them: names, and values as text.
pub(super) fn model_variables(all: &Variables) -> variables::Variables {
    let declared = all.values().map(|variable| {
        let default = variable
            .default
            .as_ref()
            .filter(|v| !v.is_null())
            .map(|value| Spanned::new(printable(value), variable.name.span.clone()));
        let name = variable.name.clone();
        (name.value.clone(), variables::Variable { name, default, sensitive: variable.sensitive })
    });
    let mut values: indexmap::IndexMap<String, String> = all
        .values()
        .filter_map(|v| Some((v.name.value.clone(), shown(&v.assigned.as_ref()?.value.unmarked_deep(), false))))
        .collect();
    values.sort_unstable_keys();
    variables::Variables { declared: declared.collect(), values: Arc::new(values) }
}
