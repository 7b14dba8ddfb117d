//! The values of JSON templates' variables: default, then what is given, then expressions, which may name other variables.
//!
//! Rounds over all variables in the order of their names, as Packer does it, at most 100: a variable whose expression needs one
//! that isn't set yet is tried again in the next round. `{{ .Field }}` in a value is left for the second pass.

use super::{Given, Variable, Variables};
use crate::interpolate::{Context, NOT_SET, diagnose, render_text};
use crate::value::Spanned;
use imgbuild_diag::{Diagnostic, Diagnostics};
use indexmap::IndexMap;
use regex::Regex;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

const ROUNDS: usize = 100;

/// What is kept for the second pass: `{{.Field}}`, `{{ .Field }}`.
static KEPT: LazyLock<Regex> = LazyLock::new(|| pattern(r"\{\{\s?\.(.*?)\s?\}\}"));
/// A value that names another variable this way is rendered in every round: what it names may still change.
static NAMES_ANOTHER: LazyLock<Regex> = LazyLock::new(|| pattern(r"\{\{\s*user\s*`.*`\s*\}\}"));

fn pattern(text: &str) -> Regex {
    // Both are constants, compiled by this crate's tests.
    Regex::new(text).expect("a constant pattern")
}

/// Values for declared variables: `given` wins over defaults. `context` is that of the template, without variables.
pub fn resolve(
    declared: IndexMap<String, Variable>,
    given: &Given,
    context: &Context,
    diags: &mut Diagnostics,
) -> Variables {
    let mut raw: BTreeMap<&str, &Spanned<String>> = BTreeMap::new();
    let mut unset = Vec::new();
    for variable in declared.values() {
        match &variable.default {
            Some(default) => {
                raw.insert(&variable.name.value, default);
            }
            None => unset.push(variable),
        }
    }
    raw.extend(given.iter().map(|(name, value)| (name.as_str(), value)));
    let mut context = context.clone();
    context.in_variables = true;
    let mut values: IndexMap<String, String> = given.iter().map(|(name, v)| (name.clone(), v.value.clone())).collect();
    for variable in unset.iter().filter(|v| !given.contains_key(&v.name.value)) {
        let error = Diagnostic::error(format!("required variable not set: {}", variable.name)).at(&variable.name.span);
        diags.push(error.help(format!("give it with -var '{}=…' or in a -var-file", variable.name)));
        // Its dependents have no fault of their own.
        values.insert(variable.name.value.clone(), String::new());
    }
    context.user = Arc::new(values);
    rounds(raw, &mut context, diags);
    let mut values = Arc::unwrap_or_clone(context.user);
    values.sort_unstable_keys();
    Variables { declared, values: Arc::new(values) }
}

/// Renders until nothing changes any more; the values go into the context's variables.
fn rounds(raw: BTreeMap<&str, &Spanned<String>>, context: &mut Context, diags: &mut Diagnostics) {
    let set = |context: &mut Context, name: &str, value: String| {
        Arc::make_mut(&mut context.user).insert(name.to_owned(), value);
    };
    // Plain text needs no expression: all of it is known from the start.
    let (mut open, plain): (Vec<_>, Vec<_>) = raw.into_iter().partition(|(_, text)| text.value.contains("{{"));
    for (name, text) in plain {
        set(context, name, text.value.clone());
    }
    let mut waiting: Vec<(&str, Diagnostic)> = Vec::new();
    let mut any_rendered = false;
    for _ in 0..ROUNDS {
        waiting.clear();
        any_rendered = false;
        let mut settled = true;
        let mut rest = Vec::new();
        for (name, text) in open {
            match render_keeping_fields(text, context) {
                Ok(rendered) => {
                    any_rendered = true;
                    let again = NAMES_ANOTHER.is_match(&text.value);
                    settled &= again && context.user.get(name) == Some(&rendered);
                    set(context, name, rendered);
                    if again {
                        rest.push((name, text));
                    }
                }
                Err(error) if error.message.contains(NOT_SET) => {
                    waiting.push((name, error));
                    rest.push((name, text));
                }
                Err(error) => diags.push(prefixed(error, name)),
            }
        }
        open = rest;
        if settled {
            break;
        }
    }
    for (name, error) in waiting {
        report(name, error, any_rendered, diags);
    }
}

fn prefixed(mut error: Diagnostic, name: &str) -> Diagnostic {
    error.message = format!("error interpolating default value for '{name}': {}", error.message);
    error
}

/// A variable that never got a value. Packer gives up only if no variable at all could be rendered in its last round, and else
/// goes on with an empty value.
fn report(name: &str, error: Diagnostic, others_rendered: bool, diags: &mut Diagnostics) {
    let missing = error.message.split_once(NOT_SET).map_or("", |(_, name)| name.trim()).to_owned();
    let message = format!("Failed to interpolate \"{name}\": {}", error.message);
    let span = error.span;
    let help = format!("a variable that another one uses must be set: declare {missing:?}, or give it with -var");
    let diagnostic = if others_rendered {
        Diagnostic::warning(message).help("it is empty for now, as in Packer")
    } else {
        Diagnostic::error(message)
    };
    diags.push(diagnostic.at_opt(span.as_ref()).help(help));
}

/// Renders once, leaving `{{ .Field }}` as it is.
fn render_keeping_fields(text: &Spanned<String>, context: &Context) -> Result<String, Diagnostic> {
    let value = &text.value;
    let told = |fault: crate::interpolate::Fault, of: &str| diagnose(&fault, of, &text.span, context);
    if !KEPT.is_match(value) {
        return render_text(value, context).map_err(|fault| told(fault, value));
    }
    // A stand-in that the text does not hold takes each field's place.
    let mut mark = String::from("kept-field-");
    while value.contains(&mark) {
        mark.push('-');
    }
    let kept: Vec<&str> = KEPT.find_iter(value).map(|found| found.as_str()).collect();
    let mut stand_ins = value.clone();
    for (i, field) in kept.iter().enumerate() {
        stand_ins = stand_ins.replace(field, &format!("{mark}{i}."));
    }
    let mut rendered = render_text(&stand_ins, context).map_err(|fault| told(fault, &stand_ins))?;
    for (i, field) in kept.iter().enumerate() {
        rendered = rendered.replace(&format!("{mark}{i}."), field);
    }
    Ok(rendered)
}
