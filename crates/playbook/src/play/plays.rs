//! Playbook files.

use super::fields;
use super::keywords::Level;
use super::loader::{Ids, Loader, MissingModule};
use super::model::{Play, PlaybookFile, VarsPrompt};
use super::scope::{Attr, Attrs, Kind, Scope, items};
use super::tasks::Place;
use crate::settings::{Settings, exit};
use crate::vars::PlayLayers;
use crate::yaml::{self, Node};
use imgbuild_diag::{Diagnostic, Diagnostics, Source, Span};
use imgbuild_jinja::{Map, Templar, Value};
use std::path::Path;
use std::sync::Arc;

/// What `import_playbook` gives to the plays of its file.
#[derive(Clone, Default)]
struct Given {
    when: Vec<Value>,
    tags: Vec<Value>,
    vars: Map,
}

/// What reading all playbooks needs.
struct Reader<'a> {
    settings: &'a Settings,
    templar: &'a Templar,
    ids: &'a Ids,
    out: Diagnostics,
    missing: Vec<MissingModule>,
    /// The collection that the first playbook lies in: its roles and modules have short names.
    collection: Option<Value>,
}

/// Reads a playbook that is no file; paths in it count from `dir`.
pub fn load_text(
    source: &Arc<Source>,
    dir: &Path,
    settings: &Settings,
    templar: &Templar,
    ids: &Ids,
) -> (PlaybookFile, Diagnostics, Vec<MissingModule>) {
    let mut reader = Reader { settings, templar, ids, out: Diagnostics::new(), missing: Vec::new(), collection: None };
    let plays = reader.source(source, dir, &Given::default(), 0);
    (PlaybookFile { path: source.name().into(), plays }, reader.out, reader.missing)
}

/// Reads a playbook and those that it imports.
pub fn load_playbook(
    path: &Path,
    settings: &Settings,
    templar: &Templar,
    ids: &Ids,
) -> (PlaybookFile, Diagnostics, Vec<MissingModule>) {
    let full = super::paths::normal(&settings.cwd.join(path));
    let collection = collection_of(&full).map(Value::str);
    let mut reader = Reader { settings, templar, ids, out: Diagnostics::new(), missing: Vec::new(), collection };
    let plays = reader.file(&full, None, &Given::default(), 0);
    (PlaybookFile { path: path.to_owned(), plays }, reader.out, reader.missing)
}

impl Reader<'_> {
    fn file(&mut self, path: &Path, asked_by: Option<&Span>, given: &Given, depth: usize) -> Vec<Arc<Play>> {
        let path = super::paths::normal(path);
        let text = match crate::vault::read_text(&path, self.settings) {
            Ok(text) => text,
            Err(why) => {
                let problem = if path.exists() {
                    why.diagnostic()
                } else {
                    let message = format!("the playbook: {} could not be found", path.display());
                    Diagnostic::error(message).exit(exit::ERROR)
                };
                self.out.push(problem.at_opt(asked_by));
                return Vec::new();
            }
        };
        let dir = path.parent().unwrap_or(Path::new(".")).to_owned();
        self.source(&Source::new(path.display().to_string(), text), &dir, given, depth)
    }

    fn source(&mut self, source: &Arc<Source>, dir: &Path, given: &Given, depth: usize) -> Vec<Arc<Play>> {
        let options = yaml::Options { duplicate_keys: self.settings.duplicate_dict_key, ..yaml::Options::default() };
        let Ok(node) = yaml::load_with(source, options, &mut self.out) else { return Vec::new() };
        let start = Span::new(source, 0..0);
        let Some(node) = node else {
            self.out.push(Diagnostic::error("Empty playbook, nothing to do").at(&start));
            return Vec::new();
        };
        let Some(entries) = node.as_seq() else {
            self.out.push(
                Diagnostic::error(format!("A playbook must be a list of plays, got a {} instead", node.type_name()))
                    .at(&node.span),
            );
            return Vec::new();
        };
        if entries.is_empty() {
            self.out.push(Diagnostic::error("A playbook must contain at least one play").at(&node.span));
        }
        let mut plays = Vec::new();
        for entry in entries {
            let Some(map) = entry.as_map() else {
                self.out.push(
                    Diagnostic::error(format!(
                        "playbook entries must be either valid plays or 'import_playbook' statements, this is a {}",
                        entry.type_name()
                    ))
                    .at(&entry.span),
                );
                continue;
            };
            let import =
                ["import_playbook", "ansible.builtin.import_playbook", "ansible.legacy.import_playbook", "include"];
            if let Some(target) = import.iter().find_map(|name| entry.get(name)) {
                plays.extend(self.import(map, target, dir, given, depth));
            } else {
                plays.extend(self.play(entry, map, dir, given));
            }
        }
        plays
    }

    fn import(
        &mut self,
        map: &[(Node, Node)],
        target: &Node,
        dir: &Path,
        given: &Given,
        depth: usize,
    ) -> Vec<Arc<Play>> {
        if depth > 50 {
            self.out.push(Diagnostic::error("playbooks import each other more than 50 levels deep").at(&target.span));
            return Vec::new();
        }
        let fields = fields::read(map, Level::IMPORT, &mut self.out);
        for (key, _) in &fields.rest {
            if !matches!(
                key.as_str(),
                Some("include" | "ansible.builtin.import_playbook" | "ansible.legacy.import_playbook")
            ) {
                self.out.push(fields::unknown(key, Level::IMPORT));
            }
        }
        let mut vars = Map::clone(&fields.vars);
        vars.extend(given.vars.clone());
        let text = target.as_str().unwrap_or_default();
        let (pairs, raw) = super::split::key_values(text, false).unwrap_or_default();
        for (key, value) in pairs {
            vars.insert(key.into(), Value::template(value, Some(target.span.clone())));
        }
        let name = raw.unwrap_or_default().trim().to_owned();
        if name.is_empty() {
            self.out.push(Diagnostic::error("import_playbook needs a file name").at(&target.span));
            return Vec::new();
        }
        let mut loader = Loader::new(self.settings, self.templar, self.ids, dir);
        loader.check_groups(map);
        loader.play.vars = Arc::new(vars.clone());
        let bare = Scope::bare(Kind::Play, None, None);
        let value = Value::template(name, Some(target.span.clone()));
        let rendered = loader.render(&value, &bare, "the file of an imported playbook");
        let collection = rendered.as_deref().and_then(|name| loader.collections.playbook(name));
        self.out.extend(std::mem::take(&mut loader.out));
        let Some(name) = rendered else { return Vec::new() };
        let path = collection.unwrap_or_else(|| dir.join(&name));
        if !path.is_file() {
            let message = format!("could not find the playbook {}", path.display());
            self.out.push(Diagnostic::error(message).at(&target.span).exit(exit::ERROR));
            return Vec::new();
        }
        let own = |name: &str| fields.attrs.get(name).map(|a| items(&a.value)).unwrap_or_default();
        let inner = Given {
            when: given.when.iter().cloned().chain(own("when")).collect(),
            tags: given.tags.iter().cloned().chain(own("tags")).collect(),
            vars,
        };
        // The roles and modules of the collection that it lies in have short names in it.
        let around = self.collection.clone();
        self.collection = collection_of(&super::paths::normal(&path)).map(Value::str).or_else(|| around.clone());
        let plays = self.file(&path, Some(&target.span), &inner, depth + 1);
        self.collection = around;
        plays
    }

    fn play(&mut self, node: &Node, map: &[(Node, Node)], dir: &Path, given: &Given) -> Option<Arc<Play>> {
        let fields = fields::read(map, Level::PLAY, &mut self.out);
        for (key, _) in &fields.rest {
            self.out.push(fields::unknown(key, Level::PLAY));
        }
        let mut attrs = fields.attrs;
        check_hosts(node, &mut self.out);
        let mut vars = Map::clone(&fields.vars);
        vars.extend(given.vars.clone());
        extend_attr(&mut attrs, "tags", &given.tags, false);
        extend_attr(&mut attrs, "when", &given.when, true);
        extend_attr(&mut attrs, "collections", self.collection.as_slice(), true);
        let mut take = |name: &str| attrs.shift_remove(name).map(|a| a.value);
        let vars_files = take("vars_files").map(|v| items(&v)).unwrap_or_default();
        let prompts = node.get("vars_prompt");
        for list in ["vars_prompt", "roles", "tasks", "pre_tasks", "post_tasks", "handlers"] {
            take(list);
        }
        if let Some(strategy) = attrs.get("strategy").and_then(|a| a.value.as_str()) {
            let short = strategy.strip_prefix("ansible.builtin.").unwrap_or(strategy);
            if !strategy.contains("{{") && !crate::exec::STRATEGIES.contains(&short) {
                self.out.push(
                    Diagnostic::error(format!("Invalid play strategy specified: {strategy}"))
                        .at_opt(attrs.get("strategy").and_then(|a| a.span.as_ref()))
                        .exit(exit::ERROR)
                        .suggest(short, crate::exec::STRATEGIES.iter().copied()),
                );
            }
        }
        let vars = Arc::new(vars);
        let scope = Arc::new(Scope { attrs, vars: Arc::clone(&vars), parent: None, kind: Kind::Play, role: None });
        let mut loader = Loader::new(self.settings, self.templar, self.ids, dir);
        loader.check_groups(map);
        loader.play = PlayLayers { vars: Arc::clone(&vars), ..PlayLayers::default() };
        loader.play.files = static_vars_files(&vars_files, dir, &mut loader);
        loader.check_map(&vars);
        let vars_prompt = prompts.map(|p| read_prompts(p, &mut loader)).unwrap_or_default();
        let mut roles = Vec::new();
        let mut handlers = Vec::new();
        if let Some(list) = node.get("roles").filter(|n| !n.is_null()) {
            for entry in list.as_seq().unwrap_or_default() {
                if let Some(mut compiled) = loader.role_entry(entry, &scope) {
                    handlers.append(&mut compiled.handlers);
                    if compiled.role.public {
                        loader.play.roles.extend(compiled.role.all_dependencies().into_iter().cloned());
                        loader.play.roles.push(Arc::clone(&compiled.role));
                    }
                    roles.push(compiled);
                }
            }
        }
        let place = Place { scope: Arc::clone(&scope), dir: dir.to_owned(), handlers: false, in_block: false };
        let mut section = |name: &str, handlers: bool| {
            let place = Place { handlers, ..place.clone() };
            node.get(name).map(|list| loader.items(list, &place)).unwrap_or_default()
        };
        let pre_tasks = section("pre_tasks", false);
        let tasks = section("tasks", false);
        let post_tasks = section("post_tasks", false);
        handlers.extend(section("handlers", true));
        handlers.append(&mut loader.handlers);
        let imported_roles = std::mem::take(&mut loader.roles);
        self.out.extend(std::mem::take(&mut loader.out));
        self.missing.append(&mut loader.missing);
        Some(Arc::new(Play {
            scope,
            span: node.span.clone(),
            dir: dir.to_owned(),
            vars_files,
            vars_prompt,
            pre_tasks,
            roles,
            tasks,
            post_tasks,
            handlers,
            imported_roles,
        }))
    }
}

/// `namespace.name` of the collection that a file lies in.
fn collection_of(path: &Path) -> Option<String> {
    let parts: Vec<&str> = path.iter().filter_map(|p| p.to_str()).collect();
    let at = parts.iter().rposition(|p| *p == "ansible_collections")?;
    match &parts[at + 1..] {
        [namespace, name, _, ..] => Some(format!("{namespace}.{name}")),
        _ => None,
    }
}

fn extend_attr(attrs: &mut Attrs, name: &'static str, more: &[Value], first: bool) {
    if more.is_empty() {
        return;
    }
    let own = attrs.get(name).map(|a| items(&a.value)).unwrap_or_default();
    let all = if first {
        more.iter().cloned().chain(own).collect()
    } else {
        own.into_iter().chain(more.iter().cloned()).collect()
    };
    attrs.insert(name, Attr { value: Value::list(all), span: None });
}

fn check_hosts(node: &Node, out: &mut Diagnostics) {
    let Some(hosts) = node.get("hosts") else {
        out.push(Diagnostic::error("the field 'hosts' is required but was not set").at(&node.span));
        return;
    };
    let empty = match (hosts.as_str(), hosts.as_seq()) {
        (Some(text), _) => text.trim().is_empty(),
        (None, Some(list)) => {
            if let Some(wrong) = list.iter().find(|i| i.as_str().is_none()) {
                let message =
                    format!("Hosts list contains an invalid host value: '{}'", wrong.scalar_text().unwrap_or_default());
                out.push(Diagnostic::error(message).at(&wrong.span));
            }
            list.is_empty()
        }
        _ if hosts.is_null() => true,
        _ => {
            out.push(
                Diagnostic::error("Hosts list must be a sequence or string. Please check your playbook.")
                    .at(&hosts.span),
            );
            false
        }
    };
    if empty {
        out.push(Diagnostic::error("Hosts list cannot be empty. Please check your playbook").at(&hosts.span));
    }
}

/// What is said of an entry of `vars_files` of which there is no file. Ansible passes over it without a word.
pub fn vars_file_missing(entry: &Value) -> Diagnostic {
    let message = match entry {
        Value::List(_) => "could not find any of the alternatives of a vars_files entry".to_owned(),
        one => format!("vars file {} was not found", crate::text::of(one)),
    };
    Diagnostic::warning(message).at_opt(entry.span()).help("its variables are not set")
}

/// Those of `vars_files` whose names are known before anything runs.
fn static_vars_files(list: &[Value], dir: &Path, loader: &mut Loader<'_>) -> Vec<Arc<Map>> {
    let mut maps = Vec::new();
    for entry in list {
        let names = items(entry);
        if names.iter().any(|n| matches!(n, Value::Str(s) if loader.templar.is_template(s))) {
            continue;
        }
        let found = names.iter().filter_map(Value::as_str).find_map(|n| super::paths::vars_file(n, dir));
        let Some(path) = found else {
            loader.out.push(vars_file_missing(entry));
            continue;
        };
        let mut map = Map::new();
        crate::inventory::vars_files::read_vars_file(&path, loader.settings, &mut map, &mut loader.out);
        loader.check_map(&map);
        maps.push(Arc::new(map));
    }
    maps
}

fn read_prompts(node: &Node, loader: &mut Loader<'_>) -> Vec<VarsPrompt> {
    const KEYS: [&str; 9] =
        ["name", "prompt", "default", "private", "confirm", "encrypt", "salt_size", "salt", "unsafe"];
    let mut prompts = Vec::new();
    for entry in node.as_seq().unwrap_or(std::slice::from_ref(node)) {
        let Some(name) = entry.get("name").and_then(Node::scalar_text) else {
            loader
                .out
                .push(Diagnostic::error("Invalid vars_prompt data structure, missing 'name' key").at(&entry.span));
            continue;
        };
        for (key, _) in entry.as_map().unwrap_or_default() {
            let text = key.as_str().unwrap_or_default();
            if !KEYS.contains(&text) {
                loader.out.push(
                    Diagnostic::error(format!("Invalid vars_prompt data structure, found unsupported key '{text}'"))
                        .at(&key.span)
                        .suggest(text, KEYS),
                );
            }
        }
        let text = |key: &str| entry.get(key).and_then(Node::scalar_text);
        let flag = |key: &str, default: bool| match entry.get(key).map(|n| &n.kind) {
            Some(crate::yaml::Kind::Bool(b)) => *b,
            Some(crate::yaml::Kind::Str { text, .. }) => crate::settings::parse_bool(text).unwrap_or(default),
            _ => default,
        };
        prompts.push(VarsPrompt {
            name,
            prompt: text("prompt"),
            default: entry.get("default").map(Node::to_value),
            private: flag("private", true),
            confirm: flag("confirm", false),
            encrypt: text("encrypt"),
            salt_size: text("salt_size").and_then(|t| t.parse().ok()),
            salt: text("salt"),
            unsafe_: flag("unsafe", false),
        });
    }
    prompts
}
