//! INI inventories: `[group]`, `[group:children]`, `[group:vars]`, hosts with `key=value` variables.

use super::{Inventory, python_literal, range};
use crate::play::split::shell_words;
use imgbuild_diag::{Diagnostic, Diagnostics, Source, Span};
use imgbuild_jinja::{Key, Value};
use std::path::Path;
use std::sync::Arc;

enum Section {
    Hosts,
    Children,
    Vars,
}

/// Reads one file into the inventory. Errors go to `out`.
pub fn parse(source: &Arc<Source>, path: &Path, inventory: &mut Inventory, out: &mut Diagnostics) {
    let mut group = String::from("ungrouped");
    let mut section = Section::Hosts;
    let mut pending: Vec<(String, &'static str, Span)> = Vec::new();
    let mut offset = 0;
    for raw in source.text().split_inclusive('\n') {
        let span = Span::new(source, offset..offset + raw.trim_end().len());
        offset += raw.len();
        let line = raw.trim();
        if line.is_empty() || line.starts_with('#') || line.starts_with(';') {
            continue;
        }
        if let Some((name, kind)) = header(line) {
            group = inventory.group_name(&name);
            section = match kind.as_deref() {
                None | Some("hosts") => Section::Hosts,
                Some("children") => Section::Children,
                Some("vars") => Section::Vars,
                Some(other) => {
                    out.push(
                        Diagnostic::error(format!("Section [{group}:{other}] has unknown type: {other}"))
                            .at(&span)
                            .suggest(other, ["hosts", "children", "vars"]),
                    );
                    return;
                }
            };
            match section {
                Section::Vars if !inventory.groups.contains_key(&group) => pending.push((group.clone(), "vars", span)),
                Section::Vars => {}
                _ => {
                    inventory.add_group(&group);
                    pending.retain(|(name, _, _)| *name != group);
                }
            }
            if let Section::Vars = section {
                inventory.add_group(&group);
            }
            continue;
        }
        if line.starts_with('[') && line.ends_with(']') && !line.contains(':') {
            out.push(Diagnostic::error(format!("Invalid section entry: '{line}'. Please make sure that there are no spaces in the section entry, and that there are no other invalid characters")).at(&span));
            return;
        }
        match section {
            Section::Hosts => host_line(line, &group, path, inventory, &span, out),
            Section::Children => {
                let written = line.split_whitespace().next().unwrap_or(line);
                if line.split('#').next().is_some_and(|l| l.trim() != written) {
                    out.push(Diagnostic::error(format!("Expected group name, got: {line}")).at(&span));
                    continue;
                }
                let child = inventory.group_name(written);
                if !inventory.groups.contains_key(&child) {
                    inventory.add_group(&child);
                    pending.push((child.clone(), "children", span.clone()));
                }
                if !inventory.add_child(&group, &child) {
                    out.push(
                        Diagnostic::error(format!("can't add group {child:?} to {group:?}: it would contain itself"))
                            .at(&span),
                    );
                }
            }
            Section::Vars => match line.split_once('=') {
                Some((key, value)) => {
                    let value = value_of(value.trim(), &span);
                    inventory.set_group_var(&group, Key::from(key.trim()), value);
                }
                None => out.push(Diagnostic::error(format!("Expected key=value, got: {line}")).at(&span)),
            },
        }
    }
    for (name, kind, span) in pending {
        let message = match kind {
            "vars" => format!("Section [{name}:vars] not valid for undefined group: {name}"),
            _ => format!("Section [{name}:children] includes undefined group: {name}"),
        };
        out.push(Diagnostic::error(message).at(&span));
    }
}

/// `[name]` or `[name:kind]`, a comment may follow.
fn header(line: &str) -> Option<(String, Option<String>)> {
    let rest = line.strip_prefix('[')?;
    let (inside, tail) = rest.split_once(']')?;
    let tail = tail.trim_start();
    if !(tail.is_empty() || tail.starts_with('#') || tail.starts_with(';')) || inside.contains(char::is_whitespace) {
        return None;
    }
    // `[1:3].example.com` has a tail; a bare `[1:3]` would be a group named 1.
    match inside.split_once(':') {
        Some((name, kind)) => Some((name.to_owned(), Some(kind.to_owned()))),
        None => Some((inside.to_owned(), None)),
    }
}

fn host_line(line: &str, group: &str, path: &Path, inventory: &mut Inventory, span: &Span, out: &mut Diagnostics) {
    let words = match shell_words(line, true) {
        Ok(words) => words,
        Err(why) => {
            out.push(Diagnostic::error(format!("Error parsing host definition '{line}': {why}")).at(span));
            return;
        }
    };
    let Some((pattern, assignments)) = words.split_first() else { return };
    let (name, port) = range::split_port(pattern);
    if name.ends_with(':') && name.matches(':').count() == 1 {
        out.push(
            Diagnostic::error(format!("Invalid host pattern '{pattern}' supplied, ending in ':' is not allowed"))
                .at(span)
                .help("is this a YAML inventory? then its name must end in .yml or .yaml"),
        );
        return;
    }
    if pattern == "---" {
        out.push(
            Diagnostic::error("Invalid host pattern '---' supplied, '---' is normally a sign this is a YAML file")
                .at(span),
        );
        return;
    }
    let names = match range::expand(name) {
        Ok(names) => names,
        Err(why) => {
            out.push(Diagnostic::error(why).at(span));
            return;
        }
    };
    let mut vars = Vec::new();
    for word in assignments {
        match word.split_once('=') {
            Some((key, value)) => vars.push((Key::from(key), value_of(value, span))),
            None => {
                out.push(
                    Diagnostic::error(format!("Expected key=value host variable assignment, got: {word}")).at(span),
                );
                return;
            }
        }
    }
    for name in names {
        let host = inventory.add_host(&name, Some(path));
        if let Some(port) = port {
            host.vars.insert("ansible_port".into(), Value::Int(i64::from(port)));
        }
        host.vars.extend(vars.iter().cloned());
        inventory.add_host_to_group(&name, group);
    }
}

/// A Python literal, or text.
fn value_of(text: &str, span: &Span) -> Value {
    match python_literal::parse(text) {
        Some(Value::Str(s)) => Value::template(s.text, Some(span.clone())),
        Some(value) => value,
        None => Value::template(text, Some(span.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> (Inventory, Diagnostics) {
        let (mut inventory, mut out) = (Inventory::default(), Diagnostics::new());
        parse(&Source::new("hosts", text), Path::new("/i/hosts"), &mut inventory, &mut out);
        inventory.reconcile();
        (inventory, out)
    }

    #[test]
    fn hosts_groups_and_values() {
        let (i, out) = load(
            "# c\nlone ansible_host=10.0.0.1 x=\"a b\" # note\n[web]\nw[1:2]:2222 n=3 l=[1,2] s='it s'\n[web:vars]\nv = true\nport=0755\n[db]\nd\n[site:children]\nweb\ndb\n",
        );
        assert!(out.is_empty(), "{out}");
        assert_eq!(i.hosts_of("all").iter().collect::<Vec<_>>(), ["lone", "w1", "w2", "d"]);
        assert_eq!(format!("{:?}", i.hosts["lone"].vars), r#"{ansible_host: "10.0.0.1", x: "a b"}"#);
        assert_eq!(format!("{:?}", i.hosts["w2"].vars), r#"{ansible_port: 2222, n: 3, l: [1,2], s: "it s"}"#);
        assert_eq!(format!("{:?}", i.groups["web"].vars), r#"{v: "true", port: "0755"}"#);
        assert_eq!(i.groups_of("w1").iter().map(|g| g.name.as_str()).collect::<Vec<_>>(), ["all", "site", "web"]);
    }

    #[test]
    fn vars_of_unknown_groups_are_refused() {
        assert!(load("[x:vars]\na=1\n").1.to_string().contains("undefined group: x"));
        assert!(load("[a:children]\nb\n").1.to_string().contains("undefined group: b"));
        assert!(load("web:\n  hosts:\n").1.has_errors());
    }
}
