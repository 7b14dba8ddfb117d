//! Lists of tasks: blocks, tasks, handlers, and static imports in their place.

use super::fields;
use super::keywords::{self, Level};
use super::loader::{Loader, MAX_DEPTH};
use super::model::{Block, Item, Loop, Task};
use super::modules::Places;
use super::paths;
use super::scope::{Attr, Kind, Scope};
use super::task_args::{self, Parsed};
use crate::settings::exit;
use crate::yaml::Node;
use imgbuild_diag::Diagnostic;
use imgbuild_jinja::{Key, Map, Value};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a list of tasks stands.
#[derive(Clone)]
pub struct Place {
    /// What the tasks inherit from.
    pub scope: Arc<Scope>,
    /// Folder of the file that they are written in.
    pub dir: PathBuf,
    /// They are handlers.
    pub handlers: bool,
    /// They stand in a block of the same list.
    pub in_block: bool,
}

impl Loader<'_> {
    /// The tasks of a list.
    pub fn items(&mut self, list: &Node, place: &Place) -> Vec<Item> {
        if list.is_null() {
            return Vec::new();
        }
        let Some(entries) = list.as_seq() else {
            self.out.push(
                Diagnostic::error(format!(
                    "A malformed block was encountered while loading tasks: a list is needed, this is a {}",
                    list.type_name()
                ))
                .at(&list.span),
            );
            return Vec::new();
        };
        let mut items = Vec::new();
        for entry in entries {
            if entry.is_null() {
                continue;
            }
            let Some(map) = entry.as_map() else {
                self.out.push(
                    Diagnostic::error(format!(
                        "A malformed block was encountered while loading tasks: a task must be a mapping, this is a {}",
                        entry.type_name()
                    ))
                    .at(&entry.span),
                );
                continue;
            };
            if ["block", "rescue", "always"].iter().any(|k| entry.get(k).is_some()) {
                items.extend(self.block(entry, map, place));
            } else {
                items.extend(self.task(entry, map, place));
            }
        }
        items
    }

    fn block(&mut self, node: &Node, map: &[(Node, Node)], place: &Place) -> Option<Item> {
        let fields = self.fields(map, Level::BLOCK);
        for (key, _) in &fields.rest {
            self.out.push(fields::unknown(key, Level::BLOCK));
        }
        if place.handlers && place.in_block {
            self.out.push(Diagnostic::error("Using a block as a handler is not supported.").at(&node.span));
            return None;
        }
        if node.get("block").is_none() {
            self.out.push(Diagnostic::error("'rescue' and 'always' need a 'block'").at(&node.span));
            return None;
        }
        let mut attrs = fields.attrs;
        for part in ["block", "rescue", "always"] {
            attrs.shift_remove(part);
        }
        let scope = Arc::new(Scope {
            attrs,
            vars: fields.vars,
            parent: Some(Arc::clone(&place.scope)),
            kind: Kind::Block,
            role: None,
        });
        let inner = Place { scope: Arc::clone(&scope), in_block: true, ..place.clone() };
        let rescued = usize::from(node.get("rescue").is_some());
        self.rescued += rescued;
        let part = |name: &str, me: &mut Self| node.get(name).map(|list| me.items(list, &inner)).unwrap_or_default();
        let block = part("block", self);
        self.rescued -= rescued;
        let (rescue, always) = (part("rescue", self), part("always", self));
        Some(Item::Block(Arc::new(Block { block, rescue, always, completes: None })))
    }

    fn task(&mut self, node: &Node, map: &[(Node, Node)], place: &Place) -> Vec<Item> {
        let level = if place.handlers { Level::HANDLER } else { Level::TASK };
        let mut fields = self.fields(map, level);
        let loop_ = self.take_loop(&mut fields);
        if let Some(control) = node.get("loop_control").and_then(Node::as_map) {
            for (key, _) in
                control.iter().filter(|(k, _)| !keywords::LOOP_CONTROL.contains(&k.as_str().unwrap_or_default()))
            {
                let wrong = key.as_str().unwrap_or_default();
                self.out.push(
                    Diagnostic::error(format!("'{wrong}' is not a valid attribute for a LoopControl"))
                        .at(&key.span)
                        .suggest(wrong, keywords::LOOP_CONTROL.iter().copied()),
                );
            }
        }
        // Static of ansible before 2.12, on import and include.
        fields.rest.retain(|(key, _)| key.as_str() != Some("static"));
        let mut places = self.places(&place.scope);
        if let Some(own) = fields.attrs.get("collections") {
            let own = super::scope::items(&own.value).into_iter().filter_map(|v| v.as_str().map(str::to_owned));
            places.names = own.chain(places.names).collect();
        }
        let Some(parsed) = task_args::parse(node, &fields.rest, level, &places, self) else { return Vec::new() };
        let Parsed { mut action, mut args, template, local } = parsed;
        for used in ["action", "local_action", "args", "loop"] {
            fields.attrs.shift_remove(used);
        }
        if local {
            fields.attrs.insert("delegate_to", Attr { value: Value::str("localhost"), span: None });
        }
        if let Some(register) = fields.attrs.get("register") {
            let name = crate::text::of(&register.value);
            if !fields::is_identifier(&name) {
                let message = format!("Invalid 'register' specified: Invalid variable name '{name}'");
                self.out.push(Diagnostic::error(message).at_opt(register.span.as_ref()));
            }
        }
        if action.name == "include" {
            self.old_include(node, &mut action, &args, loop_.is_some());
        }
        if action.is_include() || matches!(action.name.as_str(), "import_tasks" | "import_role") {
            self.check_include(&action.name, &mut fields.attrs);
        }
        if matches!(action.name.as_str(), "include_tasks" | "import_tasks")
            && let Some(file) = args.shift_remove(&Key::from("file"))
        {
            args.insert("_raw_params".into(), file);
        }
        if action.custom.is_none() && action.plugin.is_none() {
            self.drop_old_args(&action.name, &mut args, &node.span);
        }
        if action.written != "include" {
            super::include_args::check(&action, &mut args, template.is_some(), &node.span, &mut self.out);
        }
        let listen = place.handlers.then(|| {
            let listen = fields.attrs.get("listen").map(|a| super::scope::items(&a.value)).unwrap_or_default();
            listen.iter().map(crate::text::of).collect::<Vec<_>>()
        });
        let scope = Arc::new(Scope {
            attrs: fields.attrs,
            vars: fields.vars,
            parent: Some(Arc::clone(&place.scope)),
            kind: Kind::Task,
            role: None,
        });
        let task = Task {
            id: self.ids.next(),
            scope,
            action,
            args,
            args_template: template,
            loop_,
            span: node.span.clone(),
            handler: listen,
            implicit: false,
            dir: place.dir.clone(),
        };
        self.check_templates(&task);
        self.check_literal_args(&task);
        if matches!(task.action.name.as_str(), "import_role" | "include_role") && task.scope.role().is_none() {
            self.check_role_vars(node, &task);
        }
        match task.action.name.as_str() {
            "import_tasks" => self.import_tasks(&task, place),
            role @ ("import_role" | "include_role") if place.handlers => {
                let message = format!("Using '{role}' as a handler is not supported.");
                self.out.push(Diagnostic::error(message).at(&node.span));
                Vec::new()
            }
            "meta" => match misplaced_meta(&task, place.handlers) {
                Some(message) => {
                    self.out.push(Diagnostic::error(message).at(&node.span));
                    Vec::new()
                }
                None => vec![Item::Task(Arc::new(task))],
            },
            "import_role" => self.import_role(&task),
            "import_playbook" => {
                self.out.push(Diagnostic::error("'import_playbook' can only stand among plays").at(&node.span));
                Vec::new()
            }
            _ => vec![Item::Task(Arc::new(task))],
        }
    }

    /// Variables of `import_role` and `include_role` that the role never reads.
    fn check_role_vars(&mut self, node: &Node, task: &Task) {
        let vars = node.get("vars").and_then(Node::as_map).unwrap_or_default();
        let named = ["name", "role"].iter().find_map(|k| task.args.get(&Key::from(*k)));
        let Some(name) = named.and_then(Value::as_str).filter(|n| !n.contains("{{") && !vars.is_empty()) else {
            return;
        };
        // A role that can't be found is reported where it is used.
        let Ok(found) = self.find_role(name, &task.scope) else { return };
        let role = super::role::Role {
            id: 0,
            name: found.name,
            path: found.path,
            collection: found.collection,
            params: Arc::default(),
            defaults: Arc::default(),
            vars: Arc::default(),
            dependencies: Vec::new(),
            allow_duplicates: false,
            public: false,
            identity: String::new(),
            asking: false,
            argument_specs: None,
        };
        let mut args: Vec<Value> = task.args.values().cloned().collect();
        args.extend(task.loop_.iter().map(|l| match l {
            Loop::Loop(value) | Loop::With(_, value) => value.clone(),
        }));
        self.warn_unread(&role, super::unread::given(vars), &args, &task.scope);
    }

    /// `loop` or `with_NAME`.
    fn take_loop(&mut self, fields: &mut fields::Fields<'_>) -> Option<Loop> {
        let mut found = fields.attrs.get("loop").map(|attr| Loop::Loop(attr.value.clone()));
        let mut rest = Vec::new();
        for (key, value) in std::mem::take(&mut fields.rest) {
            let Some(name) = key.as_str().and_then(|k| k.strip_prefix("with_")) else {
                rest.push((key, value));
                continue;
            };
            let short = name.strip_prefix("ansible.builtin.").unwrap_or(name);
            if found.is_some() {
                self.out.push(
                    Diagnostic::error(format!("duplicate loop in task: {name}"))
                        .at(&key.span)
                        .exit(exit::ERROR)
                        .help("a task has one loop"),
                );
            } else if value.is_null() {
                self.out
                    .push(Diagnostic::error(format!("you must specify a value when using with_{name}")).at(&key.span));
            } else if !crate::lookup::known(short) && !self.templar.knows_lookup(short) {
                // As with modules: what a collection would bring only fails where it is reached.
                let level = if short.matches('.').count() >= 2 { Diagnostic::warning } else { Diagnostic::error };
                self.out.push(
                    level(format!("'with_{name}' is not a valid attribute for a Task: no lookup has this name"))
                        .at(&key.span)
                        .suggest(short, crate::lookup::names()),
                );
            }
            found = Some(Loop::With(short.to_owned(), value.to_value()));
        }
        fields.rest = rest;
        found
    }

    /// `include:` of ansible before 2.16: static where its file's name is fixed and there is no loop.
    fn old_include(&mut self, node: &Node, action: &mut super::modules::Action, args: &Map, looped: bool) {
        let file = args.get(&Key::from("_raw_params")).and_then(Value::as_str).unwrap_or_default();
        let dynamic = looped || file.contains("{{");
        let new = if dynamic { "include_tasks" } else { "import_tasks" };
        self.out.push(
            Diagnostic::warning("\"include\" was removed in ansible-core 2.16")
                .at(&node.span)
                .help(format!("write \"{new}\"")),
        );
        *action = super::modules::Action { written: "include".into(), ..super::modules::Action::builtin(new) };
    }

    /// An attribute that a task does not have: an error, or a warning where `invalid_task_attribute_failed` is off.
    pub fn refuse_attribute(&mut self, name: &str, refused: Diagnostic) {
        if self.settings.invalid_attributes_fail {
            self.out.push(refused);
        } else {
            let warning = Diagnostic::warning(format!("Ignoring invalid attribute: {name}"));
            self.out.push(warning.at_opt(refused.span.as_ref()));
        }
    }

    fn check_include(&mut self, name: &str, attrs: &mut super::scope::Attrs) {
        if name.starts_with("import") {
            return;
        }
        attrs.retain(|keyword, attr| {
            if keywords::ON_INCLUDE.contains(keyword) {
                return true;
            }
            let refused = Diagnostic::error(format!("'{keyword}' is not a valid attribute for a {}", class(name)))
                .at_opt(attr.span.as_ref())
                .help("to give it to the tasks inside, write it below \"apply:\"");
            self.refuse_attribute(keyword, refused);
            self.settings.invalid_attributes_fail
        });
    }

    fn import_tasks(&mut self, task: &Task, place: &Place) -> Vec<Item> {
        if task.loop_.is_some() {
            self.out.push(
                Diagnostic::error(
                    "You cannot use loops on 'import_tasks' statements. You should use 'include_tasks' instead.",
                )
                .at(&task.span),
            );
            return Vec::new();
        }
        // That there is one was looked at with the other arguments.
        let Some(file) = task.args.get(&Key::from("_raw_params")).cloned() else { return Vec::new() };
        let scope = self.import_scope(task);
        let Some(name) = self.render(&file, &scope, "the file of a static import") else { return Vec::new() };
        // Legacy: `include: file.yml x=1`.
        let extra: Map = task
            .args
            .iter()
            .filter(|(k, _)| !matches!(k.to_string().as_str(), "_raw_params" | "apply"))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        let scope = if extra.is_empty() { scope } else { with_vars(&scope, extra) };
        let Some(path) = paths::task_file(name.trim(), &scope, &task.dir, &self.dir, place.handlers) else {
            let path = paths::normal(&task.dir.join(name.trim()));
            self.out.push(
                Diagnostic::error(paths::missing_tasks(&path))
                    .at_opt(file.span().or(Some(&task.span)))
                    .exit(exit::ERROR),
            );
            return Vec::new();
        };
        let items = self.file_items(&path, &scope, place.handlers, Some(&task.span));
        if place.handlers {
            return items;
        }
        vec![Item::Block(Arc::new(Block { block: items, rescue: vec![], always: vec![], completes: None }))]
    }

    /// The tasks of a file.
    pub fn file_items(
        &mut self,
        path: &Path,
        scope: &Arc<Scope>,
        handlers: bool,
        asked_by: Option<&imgbuild_diag::Span>,
    ) -> Vec<Item> {
        if self.depth >= MAX_DEPTH {
            self.out.push(
                Diagnostic::error(format!(
                    "imports are nested deeper than {MAX_DEPTH} levels: does a file import itself?"
                ))
                .at_opt(asked_by),
            );
            return Vec::new();
        }
        let Some(node) = self.read(path, asked_by) else { return Vec::new() };
        if !node.is_null() && node.as_seq().is_none() {
            let problem = Diagnostic::error("included task files must contain a list of tasks").at(&node.span);
            // A file that hosts ask for as they run fails them; one that is imported ends the run.
            self.out.push(if self.dynamic && self.depth == 0 { problem.exit(exit::ERROR) } else { problem });
            return Vec::new();
        }
        let dir = path.parent().unwrap_or(Path::new(".")).to_owned();
        self.depth += 1;
        let items = self.items(&node, &Place { scope: Arc::clone(scope), dir, handlers, in_block: false });
        self.depth -= 1;
        items
    }

    /// The level of a static import: all its keywords go to what is in it.
    pub fn import_scope(&self, task: &Task) -> Arc<Scope> {
        let mut attrs = task.scope.attrs.clone();
        attrs.shift_remove("name");
        Arc::new(Scope {
            attrs,
            vars: Arc::clone(&task.scope.vars),
            parent: task.scope.parent.clone(),
            kind: Kind::Block,
            role: None,
        })
    }

    /// Where the names of actions are looked for.
    fn places(&self, scope: &Scope) -> Places {
        Places::of(scope, self.settings, Arc::clone(&self.collections))
    }
}

fn with_vars(scope: &Scope, more: Map) -> Arc<Scope> {
    let mut vars = Map::clone(&scope.vars);
    vars.extend(more);
    Arc::new(Scope {
        attrs: scope.attrs.clone(),
        vars: Arc::new(vars),
        parent: scope.parent.clone(),
        kind: scope.kind,
        role: scope.role.clone(),
    })
}

/// Why a `meta` action can't stand here.
fn misplaced_meta(task: &Task, handler: bool) -> Option<&'static str> {
    match task.args.get(&Key::from("_raw_params")).and_then(Value::as_str)?.trim() {
        "end_role" if handler => Some("Cannot execute 'end_role' from a handler"),
        "end_role" if task.scope.role().is_none() => Some("Cannot execute 'end_role' from outside of a role"),
        _ => None,
    }
}

fn class(action: &str) -> &'static str {
    if action.ends_with("role") { "IncludeRole" } else { "TaskInclude" }
}
