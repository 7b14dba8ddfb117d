//! From a mapping's entries to keywords.

use super::keywords::{self, Holds, Level};
use super::loader::Loader;
use super::scope::{Attr, Attrs};
use crate::collections::Collections;
use crate::yaml::{Kind, Node};
use imgbuild_diag::{Diagnostic, Diagnostics};
use imgbuild_jinja::{Map, Value};
use std::sync::Arc;

/// Old keywords and what they became. `always_run` is handled apart.
const OLD: &[(&str, &str)] = &[
    ("sudo", "become"),
    ("sudo_user", "become_user"),
    ("sudo_exe", "become_exe"),
    ("sudo_flags", "become_flags"),
    ("su", "become"),
    ("su_user", "become_user"),
    ("su_exe", "become_exe"),
    ("su_flags", "become_flags"),
    ("user", "remote_user"),
];

/// The keywords of a mapping, and what is left.
pub struct Fields<'a> {
    /// Keywords.
    pub attrs: Attrs,
    /// `vars`.
    pub vars: Arc<Map>,
    /// Entries that are no keywords of this level, in order.
    pub rest: Vec<(&'a Node, &'a Node)>,
}

impl Loader<'_> {
    /// Sorts the entries of a mapping, and looks at what needs more than the mapping.
    pub fn fields<'a>(&mut self, entries: &'a [(Node, Node)], level: Level) -> Fields<'a> {
        self.check_groups(entries);
        read(entries, level, &mut self.out)
    }

    /// Groups of modules that `module_defaults` names.
    pub fn check_groups(&mut self, entries: &[(Node, Node)]) {
        let Some((_, value)) = entries.iter().find(|(k, _)| k.as_str() == Some("module_defaults")) else { return };
        let maps = value.as_seq().unwrap_or(std::slice::from_ref(value));
        for (key, _) in maps.iter().flat_map(|m| m.as_map().unwrap_or_default()) {
            let group = key.as_str().and_then(|k| k.strip_prefix("group/"));
            let Some(group) = group.filter(|g| !g.contains("{{")) else { continue };
            if !self.collections.group_known(group) {
                let full = Collections::group_name(group);
                self.out.push(
                    Diagnostic::error(format!(
                        "Error loading module_defaults: could not resolve the module_defaults group {full}"
                    ))
                    .at(&key.span)
                    .suggest(group, super::action_groups::names()),
                );
            } else if self.settings.validate_action_groups {
                for warning in self.collections.group_warnings(group) {
                    self.out.push(Diagnostic::warning(warning).at(&key.span));
                }
            }
        }
    }
}

/// Sorts the entries of a mapping.
pub fn read<'a>(entries: &'a [(Node, Node)], level: Level, out: &mut Diagnostics) -> Fields<'a> {
    let mut fields = Fields { attrs: Attrs::new(), vars: Arc::default(), rest: Vec::new() };
    for (key, value) in entries {
        let Some(name) = key.as_str() else {
            out.push(Diagnostic::error("a keyword must be text").at(&key.span));
            continue;
        };
        if let Some(keyword) = keywords::find(name, level) {
            if name == "vars" {
                fields.vars = read_vars(value, out);
                continue;
            }
            check(keyword, value, out);
            if name == "debugger"
                && let Some(text) = value.as_str()
                && !text.contains("{{")
                && !text.is_empty()
                && !crate::exec::debugger::CHOICES.contains(&text)
            {
                let choices = crate::exec::debugger::CHOICES;
                out.push(
                    Diagnostic::error(format!(
                        "'{text}' is not a valid value for debugger. Must be one of {}",
                        choices.join(", ")
                    ))
                    .at(&value.span)
                    .suggest(text, choices),
                );
            }
            // An empty keyword is one that was not written.
            let kept = !value.is_null() || matches!(name, "loop" | "serial" | "args");
            if kept {
                fields.attrs.insert(keyword.name, Attr { value: value.to_value(), span: Some(key.span.clone()) });
            }
            continue;
        }
        let old = OLD.iter().find(|(old, _)| *old == name && (*old != "user" || level == Level::PLAY));
        if let Some((_, new)) = old
            && let Some(keyword) = keywords::find(new, level)
        {
            out.push(
                Diagnostic::warning(format!("{name:?} is an old keyword")).at(&key.span).help(format!("write {new:?}")),
            );
            fields.attrs.entry(keyword.name).or_insert(Attr { value: value.to_value(), span: Some(key.span.clone()) });
            if matches!(name, "su" | "su_user") {
                fields.attrs.entry("become_method").or_insert(Attr { value: Value::str("su"), span: None });
            }
            continue;
        }
        if name == "always_run" && level != Level::ROLE {
            out.push(
                Diagnostic::warning("\"always_run\" is an old keyword")
                    .at(&key.span)
                    .help("write \"check_mode: false\""),
            );
            let on = match &value.kind {
                Kind::Bool(on) => *on,
                Kind::Str { text, .. } => crate::settings::parse_bool(text).unwrap_or(false),
                _ => false,
            };
            if on {
                fields.attrs.insert("check_mode", Attr { value: Value::Bool(false), span: Some(key.span.clone()) });
            }
            continue;
        }
        fields.rest.push((key, value));
    }
    fields
}

/// An error for a keyword that does not exist at this level.
pub fn unknown(key: &Node, level: Level) -> Diagnostic {
    let name = key.as_str().unwrap_or_default();
    Diagnostic::error(format!("'{name}' is not a valid attribute for a {}", level.name()))
        .at(&key.span)
        .suggest(name, keywords::names(level))
}

/// A shape that no rendering can put right.
fn check(keyword: &keywords::Keyword, value: &Node, out: &mut Diagnostics) {
    let wrong = match keyword.holds {
        Holds::Str => value.as_map().is_some() || value.as_seq().is_some(),
        Holds::Bool | Holds::Int | Holds::Float | Holds::Percent => {
            value.as_map().is_some() || value.as_seq().is_some()
        }
        Holds::Dict => value.as_seq().is_some(),
        Holds::List => {
            matches!(
                keyword.name,
                "tasks" | "pre_tasks" | "post_tasks" | "handlers" | "roles" | "block" | "rescue" | "always"
            ) && value.as_seq().is_none()
                && !value.is_null()
        }
        Holds::Any => false,
    };
    if wrong {
        let wanted = match keyword.holds {
            Holds::Str => "a string",
            Holds::Bool => "a boolean",
            Holds::Int | Holds::Float | Holds::Percent => "a number",
            Holds::Dict => "a dictionary",
            _ => "a list",
        };
        out.push(
            Diagnostic::error(format!(
                "the field '{}' should be {wanted}, but it is a {}",
                keyword.name,
                value.type_name()
            ))
            .at(&value.span),
        );
    }
}

/// `vars`: a mapping, or (as in old playbooks) a list of mappings.
fn read_vars(value: &Node, out: &mut Diagnostics) -> Arc<Map> {
    let mut vars = Map::new();
    match &value.kind {
        Kind::Null => {}
        Kind::Map(_) => vars.extend(value.to_map()),
        Kind::Seq(items) if items.iter().all(|i| i.as_map().is_some()) => {
            out.push(
                Diagnostic::warning("a list of variables is an old form").at(&value.span).help("write one mapping"),
            );
            items.iter().for_each(|item| vars.extend(item.to_map()));
        }
        _ => {
            out.push(
                Diagnostic::error("Vars in a task, block or play must be specified as a dictionary").at(&value.span),
            );
        }
    }
    for (key, _) in value.as_map().unwrap_or_default() {
        let name = key.scalar_text().unwrap_or_default();
        if !is_identifier(&name) {
            out.push(
                Diagnostic::error(format!(
                    "Invalid variable name in vars specified: '{name}' is not a valid variable name"
                ))
                .at(&key.span),
            );
        }
    }
    Arc::new(vars)
}

/// A name that a variable may have: letters, digits and underscores, no digit first, none that means something to Jinja.
pub fn is_identifier(name: &str) -> bool {
    const RESERVED: &[&str] = &["true", "false", "none", "True", "False", "None", "not"];
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !RESERVED.contains(&name)
}
