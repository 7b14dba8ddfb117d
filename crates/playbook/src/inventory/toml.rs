//! TOML inventories: the tables `vars`, `hosts` and the list `children` of each group.

use super::Inventory;
use super::yaml::host;
use crate::yaml::{Kind, Node};
use imgbuild_diag::{Diagnostic, Diagnostics, Source, Span};
use std::path::Path;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Reads a file into the inventory.
pub fn parse(source: &Arc<Source>, path: &Path, inventory: &mut Inventory, out: &mut Diagnostics) {
    let (table, problems) = DeTable::parse_recoverable(source.text());
    if !problems.is_empty() {
        for problem in problems {
            let span = problem.span().map(|range| Span::new(source, range));
            out.push(Diagnostic::error(format!("this is no TOML: {}", problem.message())).at_opt(span.as_ref()));
        }
        return;
    }
    let tables = entries(source, table.get_ref(), out);
    if tables.is_empty() {
        out.push(
            Diagnostic::error("Parsed empty TOML file")
                .at(&Span::new(source, 0..0))
                .help("name at least one group: [ungrouped.hosts]"),
        );
        return;
    }
    if let Some((key, _)) = tables.iter().find(|(key, _)| key.as_str() == Some("plugin")) {
        out.push(
            Diagnostic::error("Plugin configuration TOML file, not TOML inventory")
                .at(&key.span)
                .help("a plugin is configured in YAML"),
        );
        return;
    }
    for (name, data) in &tables {
        group(name, data, path, inventory, out);
    }
}

fn group(name: &Node, data: &Node, path: &Path, inventory: &mut Inventory, out: &mut Diagnostics) {
    let written = name.as_str().unwrap_or_default();
    let Some(sections) = data.as_map() else {
        out.push(
            Diagnostic::warning(format!("Skipping '{written}' as this is not a valid group definition")).at(&data.span),
        );
        return;
    };
    let group = inventory.group_name(written);
    inventory.add_group(&group);
    for (key, value) in sections {
        let section = key.as_str().unwrap_or_default();
        let wrong = |needs: &str| {
            Diagnostic::error(format!(
                "Invalid \"{section}\" entry for \"{written}\" group, requires a {needs}, found \"{}\" instead",
                value.type_name()
            ))
            .at(&value.span)
        };
        match section {
            "vars" => match value.as_map() {
                Some(vars) => {
                    vars.iter().for_each(|(k, v)| inventory.set_group_var(&group, k.to_key(), v.to_value()));
                }
                None => out.push(wrong("dict")),
            },
            "hosts" => match value.as_map() {
                Some(hosts) => hosts.iter().for_each(|(pattern, vars)| host(pattern, vars, &group, path, inventory, out)),
                None => out.push(wrong("dict")),
            },
            "children" => match value.as_seq() {
                Some(children) => children.iter().for_each(|c| child(&group, c, inventory, out)),
                None => out.push(wrong("list")),
            },
            _ => out.push(
                Diagnostic::warning(format!(
                    "Skipping unexpected key \"{section}\" in group \"{written}\", only \"vars\", \"children\" and \"hosts\" are valid"
                ))
                .at(&key.span)
                .suggest(section, ["vars", "children", "hosts"]),
            ),
        }
    }
}

fn child(group: &str, child: &Node, inventory: &mut Inventory, out: &mut Diagnostics) {
    let Some(name) = child.as_str() else {
        let message = format!("Invalid group name supplied, expected a string but got {}", child.type_name());
        out.push(Diagnostic::error(message).at(&child.span).help("write the name in quotes"));
        return;
    };
    let name = inventory.group_name(name);
    inventory.add_group(&name);
    if !inventory.add_child(group, &name) {
        let message = format!("can't add group {name:?} to {group:?}: it would contain itself");
        out.push(Diagnostic::error(message).at(&child.span));
    }
}

fn entries(source: &Arc<Source>, table: &DeTable<'_>, out: &mut Diagnostics) -> Vec<(Node, Node)> {
    table.iter().map(|(key, value)| (text(source, key.span(), key.get_ref()), node(source, value, out))).collect()
}

/// Text, with the place that is inside of its quotes where the text stands there as it is.
fn text(source: &Arc<Source>, range: std::ops::Range<usize>, text: &str) -> Node {
    let written = source.text().get(range.clone()).unwrap_or_default();
    let quoted = written.starts_with(['"', '\'']) && written.get(1..written.len() - 1) == Some(text);
    let inner = if quoted { range.start + 1..range.end - 1 } else { range };
    Node { span: Span::new(source, inner), kind: Kind::Str { text: Arc::from(text), template: true, plain: false } }
}

fn node(source: &Arc<Source>, value: &Spanned<DeValue<'_>>, out: &mut Diagnostics) -> Node {
    let range = value.span();
    let span = Span::new(source, range.clone());
    let kind = match value.get_ref() {
        DeValue::String(string) => return text(source, range, string),
        DeValue::Boolean(b) => Kind::Bool(*b),
        DeValue::Integer(integer) => match i128::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(i) => i64::try_from(i).map_or(Kind::BigInt(i), Kind::Int),
            Err(_) => {
                out.push(
                    Diagnostic::error(format!("{integer} does not fit into 128 bits"))
                        .at(&span)
                        .help("write it as text, in quotes"),
                );
                Kind::Null
            }
        },
        DeValue::Float(float) => Kind::Float(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Datetime(moment) => {
            let text = iso(&moment.to_string()).into();
            Kind::Str { text, template: false, plain: false }
        }
        DeValue::Array(items) => Kind::Seq(Arc::new(items.iter().map(|item| node(source, item, out)).collect())),
        DeValue::Table(table) => Kind::Map(Arc::new(entries(source, table, out))),
    };
    Node { span, kind }
}

/// A date or time as Python's `isoformat` writes it, which is what Ansible's JSON has for it.
fn iso(moment: &str) -> String {
    let (moment, zone) = match moment.strip_suffix(['Z', 'z']) {
        Some(utc) => (utc, "+00:00"),
        None => match moment.rfind(['+', '-']).filter(|at| moment[..*at].contains(':')) {
            Some(at) => moment.split_at(at),
            None => (moment, ""),
        },
    };
    // Python has microseconds, and all six digits of them where there are any.
    match moment.split_once('.') {
        Some((seconds, fraction)) => format!("{seconds}.{fraction:0<6.6}{zone}"),
        None => format!("{moment}{zone}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgbuild_jinja::{Key, Value};

    fn read(text: &str) -> (Inventory, String) {
        let (mut inventory, mut out) = (Inventory::default(), Diagnostics::new());
        parse(&Source::new("hosts.toml", text), Path::new("/i/hosts.toml"), &mut inventory, &mut out);
        inventory.reconcile();
        (inventory, out.to_string())
    }

    #[test]
    fn groups_hosts_and_variables() {
        let (inventory, told) = read(
            "[all.vars]\nwhen = 1979-05-27T07:32:00.5Z\nday = 1979-05-27\nat = 07:32:00\nhex = 0xff\nbig = 1_000\n\
             ml = \"\"\"\nx\ny\"\"\"\nrendered = \"{{ day }}\"\n[web]\nchildren = [\"app\", \"db\"]\n\
             [web.hosts.\"w[1:2]:2222\"]\nx = {y = [true, 1.5]}\n[web.hosts]\nlone = {}\n[db.vars]\nansible_group_priority = 5\n",
        );
        assert_eq!(told, "");
        assert_eq!(inventory.hosts_of("web").into_iter().collect::<Vec<_>>(), ["w1", "w2", "lone"]);
        assert_eq!(inventory.groups["web"].children.iter().collect::<Vec<_>>(), ["app", "db"]);
        assert_eq!(inventory.groups["db"].priority, 5);
        assert_eq!(inventory.hosts["w2"].vars[&Key::from("ansible_port")], Value::Int(2222));
        assert_eq!(
            Value::map(inventory.hosts["w2"].vars.clone()).to_json()["x"],
            serde_json::json!({"y": [true, 1.5]})
        );
        let vars = Value::map(inventory.groups["all"].vars.clone()).to_json();
        let want = [
            ("when", "1979-05-27T07:32:00.500000+00:00"),
            ("day", "1979-05-27"),
            ("at", "07:32:00"),
            ("ml", "x\ny"),
            ("rendered", "{{ day }}"),
        ];
        for (name, want) in want {
            assert_eq!(vars[name], want);
        }
        assert_eq!((&vars["hex"], &vars["big"]), (&255.into(), &1000.into()));
        assert!(matches!(&inventory.groups["all"].vars[&Key::from("rendered")], Value::Str(s) if s.template));
        assert_eq!(iso("1979-05-27T00:32:00-07:00"), "1979-05-27T00:32:00-07:00");
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, at, want) in [
            ("", "1:1", "Parsed empty TOML file"),
            ("plugin = \"constructed\"\n", "1:1", "Plugin configuration TOML file"),
            ("[web\n", "1:5", "this is no TOML"),
            ("[web]\nvars = [1]\n", "2:8", "Invalid \"vars\" entry for \"web\" group, requires a dict, found \"list\""),
            (
                "[web]\nhosts = \"x\"\n",
                "2:10",
                "Invalid \"hosts\" entry for \"web\" group, requires a dict, found \"str\"",
            ),
            ("[web]\nchildren = {a = 1}\n", "2:12", "Invalid \"children\" entry for \"web\" group, requires a list"),
            ("[web]\nchildren = [1]\n", "2:13", "Invalid group name supplied, expected a string but got int"),
            ("[web]\nchildren = [\"web\"]\n", "2:14", "can't add group \"web\" to \"web\""),
            ("[web.hosts]\na = 1\n", "2:5", "Unable to add variables to host 'a'"),
            ("[web]\nhost = {}\n", "2:1", "Skipping unexpected key \"host\" in group \"web\""),
            ("top = 3\n", "1:7", "Skipping 'top' as this is not a valid group definition"),
            ("[all.vars]\ni = 999999999999999999999999999999999999999999\n", "2:5", "99999"),
        ] {
            let told = read(text).1;
            assert!(told.contains(want) && told.contains(&format!("on hosts.toml:{at}\n")), "{text:?}: {told}");
        }
    }
}
