//! `meta/runtime.yml`: what a collection says of the names of its modules and plugins.

use super::Kind;
use crate::yaml::{self, Node};
use imgbuild_diag::{Diagnostics, Source};
use std::collections::HashMap;
use std::path::Path;

/// What is said of a name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Route {
    /// Another name is meant.
    pub redirect: Option<String>,
    /// The action plugin that runs the module.
    pub action_plugin: Option<String>,
    /// It is gone; why.
    pub tombstone: Option<String>,
    /// It will go; why.
    pub deprecation: Option<String>,
}

/// An entry of `action_groups`.
#[derive(Debug, Clone, PartialEq)]
pub enum Member {
    /// A module or action.
    Name(String),
    /// Other groups are part of it.
    Extends(Vec<String>),
    /// Metadata that Ansible calls invalid; its words.
    Invalid(String, Vec<String>),
}

/// A collection's metadata.
#[derive(Debug, Default)]
pub struct Runtime {
    routes: HashMap<(Kind, String), Route>,
    module_utils: HashMap<String, Route>,
    groups: HashMap<String, Vec<Member>>,
}

impl Runtime {
    /// Reads it from a collection's folder. A file that can't be read says nothing, as it does to Ansible's own search.
    pub fn read(folder: &Path) -> Self {
        let path = folder.join("meta/runtime.yml");
        let Ok(text) = fs_err::read_to_string(&path) else { return Runtime::default() };
        let source = Source::new(path.display().to_string(), text);
        let Ok(Some(root)) = yaml::load(&source, &mut Diagnostics::new()) else { return Runtime::default() };
        let routing = |kind: &str| routes(root.get("plugin_routing").and_then(|r| r.get(kind)));
        let groups = root.get("action_groups").and_then(Node::as_map).unwrap_or_default();
        let groups =
            groups.iter().filter_map(|(name, members)| Some((name.as_str()?.to_owned(), group(members)))).collect();
        let kinds = [
            (Kind::Module, "modules"),
            (Kind::Action, "action"),
            (Kind::Filter, "filter"),
            (Kind::Test, "test"),
            (Kind::Lookup, "lookup"),
        ];
        let all = kinds
            .into_iter()
            .flat_map(|(kind, word)| routing(word).into_iter().map(move |(name, route)| ((kind, name), route)));
        Runtime { routes: all.collect(), module_utils: routing("module_utils"), groups }
    }

    /// What is said of a name.
    pub fn route(&self, kind: Kind, name: &str) -> Option<&Route> {
        self.routes.get(&(kind, name.to_owned()))
    }

    /// Where a helper of modules went (`plugins/module_utils`).
    pub fn helper(&self, name: &str) -> Option<&str> {
        self.module_utils.get(name).and_then(|r| r.redirect.as_deref())
    }

    /// The members of an action group. `full`: the group's full name, which files may use too.
    pub fn group(&self, name: &str, full: &str) -> Option<&[Member]> {
        self.groups.get(full).or_else(|| self.groups.get(name)).map(Vec::as_slice)
    }
}

fn routes(node: Option<&Node>) -> HashMap<String, Route> {
    let entries = node.and_then(Node::as_map).unwrap_or_default();
    let text = |node: &Node, key: &str| node.get(key).and_then(Node::as_str).map(str::to_owned);
    // Why: an empty reason is a reason.
    let reason = |node: &Node, key: &str| {
        node.get(key).filter(|n| !n.is_null()).map(|n| text(n, "warning_text").unwrap_or_default())
    };
    entries
        .iter()
        .filter_map(|(name, what)| {
            let route = Route {
                redirect: text(what, "redirect"),
                action_plugin: text(what, "action_plugin"),
                tombstone: reason(what, "tombstone"),
                deprecation: reason(what, "deprecation"),
            };
            Some((name.as_str()?.to_owned(), route))
        })
        .collect()
}

/// The members of a group. A mapping is metadata of the group, of which Ansible knows `extend_group` alone.
fn group(members: &Node) -> Vec<Member> {
    let mut out = Vec::new();
    let mut seen = false;
    for member in members.as_seq().unwrap_or_default() {
        if let Some(name) = member.as_str() {
            out.push(Member::Name(name.to_owned()));
            continue;
        }
        let Some(entries) = member.as_map() else { continue };
        let mut wrong = Vec::new();
        if seen {
            wrong.push("The group contains multiple metadata entries.".to_owned());
        }
        let mut extends = Vec::new();
        match member.get("metadata") {
            Some(metadata) if metadata.as_map().is_some() => {
                seen = true;
                extends = extended(metadata, &mut wrong);
            }
            Some(other) => {
                let shown = crate::text::repr(&other.to_value());
                wrong.push(format!("The metadata is not a dictionary. Got {shown}"));
            }
            None => {}
        }
        if entries.len() != 1 || member.get("metadata").is_none() {
            // Nothing else is said of it then.
            let mut keys: Vec<&str> = entries.iter().filter_map(|(k, _)| k.as_str()).collect();
            keys.sort_unstable();
            wrong = vec![format!("The only expected key is metadata, but got keys: {}", keys.join(", "))];
        }
        out.push(if wrong.is_empty() { Member::Extends(extends) } else { Member::Invalid(wrong.join(" "), extends) });
    }
    out
}

fn extended(metadata: &Node, wrong: &mut Vec<String>) -> Vec<String> {
    let entries = metadata.as_map().unwrap_or_default();
    let mut unknown: Vec<&str> =
        entries.iter().filter_map(|(k, _)| k.as_str()).filter(|k| *k != "extend_group").collect();
    unknown.sort_unstable();
    if !unknown.is_empty() {
        wrong.push(format!("The metadata contains unexpected keys: {}", unknown.join(", ")));
    }
    let Some(groups) = metadata.get("extend_group") else { return Vec::new() };
    if let Some(one) = groups.as_str() {
        return vec![one.to_owned()];
    }
    let Some(list) = groups.as_seq() else {
        let shown = crate::text::repr(&groups.to_value());
        wrong.push(format!("The metadata contains unexpected key types: extend_group is {shown} (expected type list)"));
        return Vec::new();
    };
    list.iter().filter_map(|n| n.as_str().map(str::to_owned)).collect()
}
