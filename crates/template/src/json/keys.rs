//! Reads the keys of a JSON template that Packer's core takes for itself (`type`, `only`, `pause_before`, …).
//!
//! Builders and provisioners are read weakly, post-processors and the root strictly, all without regard to letter case. Unlike
//! [`crate::decode`], a list is never split at commas here.

use crate::decode::parse_duration;
use crate::value::{Map, Node, Spanned, Value, number_text};
use imgbuild_diag::{Diagnostic, Diagnostics};
use std::borrow::Cow;
use std::time::Duration;

/// The keys of one object, and where errors go.
pub(super) struct Keys<'a> {
    map: &'a Map,
    /// What messages begin with: `provisioner 1: `.
    context: String,
    weak: bool,
}

impl<'a> Keys<'a> {
    pub(super) fn new(map: &'a Map, context: impl Into<String>, weak: bool) -> Self {
        Keys { map, context: context.into(), weak }
    }

    /// The value of a key, if it is written and not null: the exact spelling first.
    pub(super) fn get(&self, name: &str) -> Option<&'a Node> {
        let exact = self.map.get(name);
        let found = exact.or_else(|| self.map.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, e)| e));
        found.map(|e| &e.node).filter(|n| !matches!(n.value, Value::Null))
    }

    fn wrong(&self, path: &str, wanted: &str, node: &Node, diags: &mut Diagnostics) {
        let message = format!("{}'{path}' expected type '{wanted}', got {}", self.context, node.kind());
        diags.push(Diagnostic::error(message).at(&node.span));
    }

    fn string(&self, path: &str, node: &Node, diags: &mut Diagnostics) -> Option<String> {
        match &node.value {
            Value::String(text) => return Some(text.clone()),
            Value::Number(number) if self.weak => return Some(number_text(*number)),
            Value::Bool(flag) if self.weak => return Some(if *flag { "1" } else { "0" }.to_owned()),
            // An item of a list; a null value of a key never comes here.
            Value::Null => return Some(String::new()),
            _ => {}
        }
        self.wrong(path, "string", node, diags);
        None
    }

    pub(super) fn text(&self, name: &str, diags: &mut Diagnostics) -> Option<Spanned<String>> {
        let node = self.get(name)?;
        Some(Spanned::new(self.string(name, node, diags)?, node.span.clone()))
    }

    pub(super) fn texts(&self, name: &str, diags: &mut Diagnostics) -> Vec<Spanned<String>> {
        let Some(node) = self.get(name) else { return Vec::new() };
        let items = match &node.value {
            Value::List(items) => items.as_slice(),
            Value::Map(map) if self.weak && map.is_empty() => &[],
            _ if self.weak => std::slice::from_ref(node),
            _ => {
                let message =
                    format!("{}'{name}': source data must be an array or slice, got {}", self.context, node.kind());
                diags.push(Diagnostic::error(message).at(&node.span));
                &[]
            }
        };
        let mut read = Vec::with_capacity(items.len());
        for (i, item) in items.iter().enumerate() {
            if let Some(text) = self.string(&format!("{name}[{i}]"), item, diags) {
                read.push(Spanned::new(text, item.span.clone()));
            }
        }
        read
    }

    pub(super) fn flag(&self, name: &str, diags: &mut Diagnostics) -> Option<bool> {
        let node = self.get(name)?;
        match &node.value {
            Value::Bool(flag) => Some(*flag),
            _ => {
                self.wrong(name, "bool", node, diags);
                None
            }
        }
    }

    /// A duration in Go's syntax; a bare number counts nanoseconds.
    pub(super) fn duration(&self, name: &str, diags: &mut Diagnostics) -> Option<Spanned<Duration>> {
        let node = self.get(name)?;
        let duration = match &node.value {
            Value::String(text) => match parse_duration(text) {
                Ok(duration) => duration,
                Err(why) => {
                    let message = format!("{}error decoding '{name}': {why}", self.context);
                    let help = "a duration is a number with a unit: \"30s\", \"10m\", \"1h30m\"";
                    diags.push(Diagnostic::error(message).at(&node.span).help(help));
                    return None;
                }
            },
            Value::Number(nanos) if *nanos >= 0.0 => {
                let message = format!("{}'{name}' counts nanoseconds when written as a bare number", self.context);
                let help = format!("for seconds write \"{}s\"", number_text(*nanos));
                diags.push(Diagnostic::warning(message).at(&node.span).help(help));
                Duration::from_nanos(*nanos as u64)
            }
            Value::Bool(flag) if self.weak => Duration::from_nanos(u64::from(*flag)),
            _ => {
                self.wrong(name, "time.Duration", node, diags);
                return None;
            }
        };
        Some(Spanned::new(duration, node.span.clone()))
    }

    pub(super) fn list(&self, name: &str, diags: &mut Diagnostics) -> &'a [Node] {
        let Some(node) = self.get(name) else { return &[] };
        if let Value::List(list) = &node.value {
            return list;
        }
        let message = format!("{}'{name}': source data must be an array or slice, got {}", self.context, node.kind());
        diags.push(Diagnostic::error(message).at(&node.span));
        &[]
    }

    pub(super) fn map(&self, name: &str, diags: &mut Diagnostics) -> Option<Cow<'a, Map>> {
        let node = self.get(name)?;
        match &node.value {
            Value::Map(map) => return Some(Cow::Borrowed(map)),
            // A list of maps counts as one, where reading is weak.
            Value::List(list) if self.weak && list.iter().all(|item| item.as_map().is_some()) => {
                let entries = list.iter().filter_map(Node::as_map).flatten();
                return Some(Cow::Owned(entries.map(|(k, e)| (k.clone(), e.clone())).collect()));
            }
            _ => {}
        }
        let message = format!("{}'{name}' expected a map, got {}", self.context, node.kind());
        diags.push(Diagnostic::error(message).at(&node.span));
        None
    }
}
