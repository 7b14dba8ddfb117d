//! The `constructed` inventory plugin: variables and groups made by expressions from what earlier sources said of a host.
//!
//! Options and order of work are those of ansible-core 2.19's documentation: `compose`, then `groups`, then `keyed_groups`;
//! what can't be evaluated is passed over unless `strict` is set.

use super::Inventory;
use super::vars_files::{Of, VarsFiles};
use crate::settings::Settings;
use crate::yaml::Node;
use imgbuild_diag::{Diagnostic, Diagnostics, Span};
use imgbuild_jinja::{Key, Map, Templar, Value, VarSource};
use std::sync::Arc;

/// Options of the plugin.
const OPTIONS: [&str; 9] = [
    "plugin",
    "strict",
    "compose",
    "groups",
    "keyed_groups",
    "use_extra_vars",
    "use_vars_plugins",
    "leading_separator",
    "cache",
];

/// Options of an entry of `keyed_groups`.
const KEYED: [&str; 6] = ["key", "prefix", "separator", "parent_group", "default_value", "trailing_separator"];

/// Reads the file's options and applies them to all hosts that are known so far.
pub fn parse(root: &Node, inventory: &mut Inventory, settings: &Settings, templar: &Templar, out: &mut Diagnostics) {
    super::plugin::check_options(root, &OPTIONS, "the constructed inventory plugin", out);
    let options = root.to_map();
    let flag = |name: &str, default: bool| {
        options.get(&Key::from(name)).and_then(crate::exec::connection::boolean).unwrap_or(default)
    };
    let mut work = Work {
        inventory,
        settings,
        templar,
        files: VarsFiles::default(),
        strict: flag("strict", false),
        use_extra: flag("use_extra_vars", settings.inventory_use_extra_vars),
        use_files: flag("use_vars_plugins", false),
        leading_separator: flag("leading_separator", true),
        root: root.span.clone(),
        warnings: Vec::new(),
    };
    let part = |name: &str| options.get(&Key::from(name)).cloned().unwrap_or_default();
    let (compose, groups, keyed) = (part("compose"), part("groups"), part("keyed_groups"));
    for (name, value, fits) in [
        ("compose", &compose, matches!(compose, Value::Null | Value::Map(_))),
        ("groups", &groups, matches!(groups, Value::Null | Value::Map(_))),
        ("keyed_groups", &keyed, matches!(keyed, Value::Null | Value::List(_))),
    ] {
        if !fits {
            let wanted = if name == "keyed_groups" { "a list" } else { "a mapping" };
            out.push(
                Diagnostic::error(format!("{name} must be {wanted}, not {}", crate::exec::python_type(value)))
                    .at_opt(value.span().or(Some(&root.span))),
            );
        }
    }
    if out.has_errors() {
        return;
    }
    let hosts: Vec<String> = work.inventory.hosts.keys().cloned().collect();
    for host in hosts {
        let done = work
            .compose(&host, &compose)
            .and_then(|()| work.groups(&host, &groups))
            .and_then(|()| work.keyed_groups(&host, &keyed));
        if let Err(problem) = done {
            match problem {
                Stop::One(problem) => out.push(*problem),
                Stop::Files(problems) => out.extend(problems),
            }
            break;
        }
    }
    work.warnings.into_iter().for_each(|warning| out.push(warning));
}

/// Why the plugin ends.
enum Stop {
    One(Box<Diagnostic>),
    Files(Diagnostics),
}

struct Work<'a> {
    inventory: &'a mut Inventory,
    settings: &'a Settings,
    templar: &'a Templar,
    files: VarsFiles,
    strict: bool,
    use_extra: bool,
    use_files: bool,
    leading_separator: bool,
    root: Span,
    warnings: Vec<Diagnostic>,
}

impl Work<'_> {
    /// What expressions see of a host: groups' variables, its own, its magic ones, kept facts.
    fn vars(&self, host: &str) -> Result<Map, Stop> {
        let mut vars = Map::new();
        let groups = self.inventory.named_groups_of(host);
        let merge = |into: &mut Map, more: Map| {
            if self.settings.hash_merge { crate::vars::merge::deep(into, more) } else { into.extend(more) }
        };
        for group in &groups {
            merge(&mut vars, group.vars.clone());
        }
        let files = |of: Of, name: &str, vars: &mut Map| -> Result<(), Stop> {
            for dir in &self.inventory.vars_dirs {
                let found = self.files.get(dir, of, name, self.settings).map_err(Stop::Files)?;
                merge(vars, Map::clone(&found));
            }
            Ok(())
        };
        if self.use_files {
            for group in &groups {
                files(Of::Group, &group.name, &mut vars)?;
            }
        }
        let Some(entry) = self.inventory.hosts.get(host) else { return Ok(vars) };
        merge(&mut vars, entry.vars.clone());
        let mut names: Vec<&str> = groups.iter().map(|g| g.name.as_str()).filter(|g| *g != "all").collect();
        names.sort_unstable();
        vars.insert("inventory_hostname".into(), Value::str(host));
        vars.insert("inventory_hostname_short".into(), Value::str(host.split('.').next().unwrap_or(host)));
        vars.insert("group_names".into(), Value::list(names.into_iter().map(Value::str).collect()));
        let path = |p: Option<&std::path::Path>| p.map_or(Value::Null, |p| Value::str(p.display().to_string()));
        vars.insert("inventory_file".into(), path(entry.file.as_deref()));
        vars.insert("inventory_dir".into(), path(entry.file.as_deref().and_then(|f| f.parent())));
        if self.use_files {
            files(Of::Host, host, &mut vars)?;
        }
        if let Some(facts) = self.settings.fact_cache.load(host) {
            merge(&mut vars, facts);
        }
        Ok(vars)
    }

    fn scope(&self, mut vars: Map, extra: bool) -> Arc<dyn VarSource> {
        if extra {
            vars.extend(self.settings.extra_vars.clone());
        }
        Arc::new(vars)
    }

    fn evaluate(&self, raw: &Value, vars: &Arc<dyn VarSource>) -> Result<Value, Box<Diagnostic>> {
        match raw {
            Value::Str(text) => {
                self.templar.evaluate(&text.text, text.span.as_ref(), vars).map_err(|e| Box::new(e.diagnostic()))
            }
            other => Err(Box::new(
                Diagnostic::error(format!(
                    "an expression must be a string, this is {}",
                    crate::exec::python_type(other)
                ))
                .at_opt(other.span()),
            )),
        }
    }

    /// Passes over what can't be evaluated, or names it.
    fn unless_strict<T>(&self, found: Result<T, Box<Diagnostic>>, what: &str) -> Result<Option<T>, Stop> {
        match found {
            Ok(value) => Ok(Some(value)),
            Err(problem) if self.strict => {
                let mut problem = *problem;
                problem.message = format!("{what}: {}", problem.message);
                Err(Stop::One(Box::new(problem)))
            }
            Err(_) => Ok(None),
        }
    }

    fn compose(&mut self, host: &str, compose: &Value) -> Result<(), Stop> {
        let Some(entries) = compose.as_map() else { return Ok(()) };
        let vars = self.scope(self.vars(host)?, self.use_extra);
        for (name, raw) in entries {
            let found = self.evaluate(raw, &vars);
            let value = self.unless_strict(found, &format!("Could not set {name} for host {host}"))?;
            if let (Some(value), Some(entry)) = (value, self.inventory.hosts.get_mut(host)) {
                entry.vars.insert(name.clone(), value);
            }
        }
        Ok(())
    }

    fn groups(&mut self, host: &str, groups: &Value) -> Result<(), Stop> {
        let Some(entries) = groups.as_map() else { return Ok(()) };
        let vars = self.scope(self.vars(host)?, false);
        for (name, raw) in entries {
            let name = safe(&name.to_string());
            let found = self.templar.condition(raw, &vars).map_err(|e| Box::new(e.diagnostic()));
            let holds = self.unless_strict(found, &format!("Could not add host {host} to group {name}"))?;
            if holds.is_some_and(|(holds, _)| holds) {
                self.join(host, &name);
            }
        }
        Ok(())
    }

    fn join(&mut self, host: &str, group: &str) {
        self.inventory.add_group(group);
        self.inventory.add_host_to_group(host, group);
    }

    fn keyed_groups(&mut self, host: &str, keyed: &Value) -> Result<(), Stop> {
        let Some(entries) = keyed.as_list() else { return Ok(()) };
        if entries.is_empty() {
            return Ok(());
        }
        let vars = self.scope(self.vars(host)?, self.use_extra);
        for entry in entries {
            self.keyed_group(host, entry, &vars)?;
        }
        Ok(())
    }

    fn keyed_group(&mut self, host: &str, entry: &Value, vars: &Arc<dyn VarSource>) -> Result<(), Stop> {
        let root = self.root.clone();
        let stop = |message: String, span: Option<&Span>| {
            Err(Stop::One(Box::new(Diagnostic::error(message).at_opt(span.or(Some(&root))))))
        };
        let Some(options) = entry.as_map().filter(|m| !m.is_empty()) else {
            let shown = crate::text::of(entry);
            return stop(format!("Invalid keyed group entry, it must be a dictionary: {shown}"), entry.span());
        };
        for wrong in options.keys().map(ToString::to_string).filter(|k| !KEYED.contains(&k.as_str())) {
            let problem =
                Diagnostic::warning(format!("'{wrong}' is no option of an entry of keyed_groups: it is left out"))
                    .at_opt(entry.span().or(Some(&self.root)))
                    .suggest(&wrong, KEYED);
            // Once, not for each host.
            if !self.warnings.contains(&problem) {
                self.warnings.push(problem);
            }
        }
        let option = |name: &str| options.get(&Key::from(name)).filter(|v| !matches!(v, Value::Null));
        let shown = option("key").map(crate::text::of).unwrap_or_default();
        let found = self.evaluate(option("key").unwrap_or(&Value::Null), vars);
        let what = format!("Could not generate group for host {host} from {shown} entry");
        let Some(key) = self.unless_strict(found, &what)? else { return Ok(()) };
        let default = option("default_value").map(crate::text::of);
        let trailing = option("trailing_separator").and_then(crate::exec::connection::boolean);
        if trailing.is_some() && default.is_some() {
            let message = "parameters are mutually exclusive for keyed groups: default_value|trailing_separator";
            return stop(message.into(), entry.span());
        }
        let empty = |v: &Value| matches!(v, Value::Null) || v.as_str() == Some("");
        let use_default = default.is_some() && empty(&key);
        if !key.is_true() && !use_default {
            let construction = matches!(key, Value::List(_) | Value::Map(_));
            if self.strict && !construction {
                let message = format!("No key or key resulted empty for {shown} in host {host}, invalid entry");
                return stop(message, entry.span());
            }
            return Ok(());
        }
        let prefix = option("prefix").map(crate::text::of).unwrap_or_default();
        // An empty separator is one, too: only a missing one is `_`.
        let separator = option("separator").map_or_else(|| "_".to_owned(), crate::text::of);
        let parent = match option("parent_group") {
            Some(raw) => {
                let rendered = self.templar.template(raw, vars).map_err(|e| Box::new(e.diagnostic()));
                let what = format!("Could not generate parent group {} for group {shown}", crate::text::of(raw));
                match self.unless_strict(rendered, &what)? {
                    Some(parent) => Some(parent).filter(|p| !matches!(p, Value::Omit | Value::Null)),
                    None => return Ok(()),
                }
            }
            None => None,
        };
        let or_default = |v: &Value| match &default {
            Some(default) if empty(v) => default.clone(),
            _ => crate::text::of(v),
        };
        let names: Vec<String> = match &key {
            _ if use_default => default.clone().into_iter().collect(),
            Value::Str(text) => vec![text.text.to_string()],
            Value::List(items) => items.iter().map(or_default).collect(),
            Value::Map(map) => map
                .iter()
                .map(|(name, value)| match &default {
                    None if empty(value) && trailing == Some(false) => name.to_string(),
                    _ => format!("{name}{separator}{}", or_default(value)),
                })
                .collect(),
            other => {
                let kind = crate::exec::python_type(other);
                return stop(
                    format!(
                        "Invalid group name format, expected a string or a list of them or dictionary, got: {kind}"
                    ),
                    entry.span(),
                );
            }
        };
        let between = if prefix.is_empty() && !self.leading_separator { "" } else { separator.as_str() };
        for name in names {
            let group = safe(&format!("{prefix}{between}{name}"));
            if group.is_empty() {
                return stop(
                    format!("Invalid empty/false group name provided by {shown} in host {host}"),
                    entry.span(),
                );
            }
            self.join(host, &group);
            if let Some(parent) = parent.as_ref().map(crate::text::of).filter(|p| !p.is_empty()) {
                let parent = safe(&parent);
                self.inventory.add_group(&parent);
                if !self.inventory.add_child(&parent, &group) {
                    return stop(
                        format!("can't add group {group:?} to {parent:?}: it would contain itself"),
                        entry.span(),
                    );
                }
            }
        }
        Ok(())
    }
}

/// Names that the plugin makes have no odd characters, whatever the settings say.
fn safe(name: &str) -> String {
    let odd = |(i, c): (usize, char)| !(c.is_alphanumeric() || c == '_') || i == 0 && c.is_numeric();
    name.chars().enumerate().map(|(i, c)| if odd((i, c)) { '_' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgbuild_diag::Source;

    fn run(text: &str) -> (Inventory, Diagnostics) {
        let mut inventory = Inventory::default();
        let settings = Settings::new("/", "/root");
        for (host, os, tags) in [("web1.x", "deb", vec!["a", ""]), ("db1", "rh", vec![])] {
            inventory.add_host(host, None);
            let vars = &mut inventory.hosts.get_mut(host).unwrap().vars;
            vars.insert("os".into(), Value::str(os));
            vars.insert("tags".into(), Value::list(tags.into_iter().map(Value::str).collect()));
            vars.insert("pair".into(), Value::map(Map::from_iter([(Key::from("k"), Value::str(""))])));
        }
        let mut out = Diagnostics::new();
        let node = crate::yaml::load(&Source::new("c.yml", text), &mut out).unwrap().unwrap();
        let templar = super::super::plugin::templar(&settings);
        parse(&node, &mut inventory, &settings, &templar, &mut out);
        (inventory, out)
    }

    #[test]
    fn groups_and_variables() {
        let (inventory, out) = run(concat!(
            "plugin: constructed\ncompose:\n  up: os | upper\n  no: nowhere.at\ngroups:\n",
            "  web: inventory_hostname.startswith('web')\n  upper: up == 'DEB'\n  broken: nowhere\n",
            "keyed_groups:\n  - {key: os, prefix: os}\n  - {key: os, separator: '', parent_group: '{{ os }}s'}\n",
            "  - {key: tags, prefix: t, default_value: none}\n  - {key: pair, trailing_separator: false}\n",
            "  - {key: missing}\n"
        ));
        assert!(out.is_empty(), "{out}");
        let of = |g: &str| inventory.groups.get(g).map(|g| g.hosts.iter().cloned().collect::<Vec<_>>());
        assert_eq!(of("web"), Some(vec!["web1.x".into()]));
        assert_eq!(of("upper"), Some(vec!["web1.x".into()]));
        assert_eq!(of("broken"), None);
        assert_eq!(of("os_deb"), Some(vec!["web1.x".into()]));
        assert_eq!(of("rh"), Some(vec!["db1".into()]));
        assert!(inventory.groups["rhs"].children.contains("rh"));
        assert_eq!((of("t_a"), of("t_none")), (Some(vec!["web1.x".into()]), Some(vec!["web1.x".into()])));
        assert_eq!(of("_k").map(|h| h.len()), Some(2));
        assert_eq!(inventory.hosts["db1"].vars.get(&Key::from("up")), Some(&Value::str("RH")));
    }

    #[test]
    fn strict_names_the_host() {
        let (_, out) = run("plugin: constructed\nstrict: true\ncompose:\n  city: nowhere.at\n");
        assert!(out.to_string().contains("Could not set city for host web1.x"), "{out}");
        let (_, out) =
            run("plugin: constructed\nkeyed_groups: [{key: os, trailing_separator: true, default_value: x}]\n");
        assert!(out.to_string().contains("mutually exclusive"), "{out}");
        let (_, out) = run("plugin: constructed\nkeyed_group: []\n");
        assert!(out.to_string().contains("keyed_groups"), "{out}");
    }
}
