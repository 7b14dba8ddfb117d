//! Roles: entries, files, dependencies, and their tasks.

use super::keywords::Level;
use super::loader::{Loader, MAX_DEPTH};
use super::model::{Block, Item, Task, implicit_scope};
use super::modules::Action;
use super::paths;
use super::role::{CompiledRole, Role};
use super::scope::{Attrs, Kind, Scope};
use crate::settings::exit;
use crate::yaml::Node;
use imgbuild_diag::{Diagnostic, Span};
use imgbuild_jinja::{Key, Map, Value};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A role at one place.
pub struct Use {
    /// Name, rendered.
    pub name: String,
    /// Keywords of its entry.
    pub attrs: Attrs,
    /// `vars` of its entry.
    pub vars: Arc<Map>,
    /// Parameters.
    pub params: Map,
    /// `tasks_from`, `vars_from`, `defaults_from`, `handlers_from`.
    pub from: [Option<String>; 4],
    /// Came by `import_role` or `include_role`.
    pub included: bool,
    /// The whole play sees its variables.
    pub public: bool,
    /// `allow_duplicates` of the include.
    pub allow_duplicates: Option<bool>,
    /// Check the arguments against its specification.
    pub validate: bool,
    /// Place.
    pub span: Span,
}

/// Requirement keys of dependencies that concern ansible-galaxy.
const GALAXY: [&str; 4] = ["src", "scm", "version", "galaxy_info"];

impl Loader<'_> {
    /// An entry of `roles` or `dependencies`.
    pub fn role_entry(&mut self, node: &Node, parent: &Arc<Scope>) -> Option<CompiledRole> {
        let mut used = Use {
            name: String::new(),
            attrs: Attrs::new(),
            vars: Arc::default(),
            params: Map::new(),
            from: [None, None, None, None],
            included: false,
            public: !self.settings.private_role_vars.unwrap_or(false),
            allow_duplicates: None,
            validate: true,
            span: node.span.clone(),
        };
        let name = match (node.as_str(), node.as_map()) {
            (Some(_), _) => node.to_value(),
            (None, Some(map)) => {
                let fields = self.fields(map, Level::ROLE);
                used.attrs = fields.attrs;
                used.vars = fields.vars;
                for (key, value) in fields.rest {
                    if !GALAXY.contains(&key.as_str().unwrap_or_default()) {
                        used.params.insert(key.to_key(), value.to_value());
                    }
                }
                let role = used.attrs.shift_remove("role");
                let name = used.attrs.shift_remove("name");
                let source = node.get("src").map(Node::to_value);
                match role.or(name).map(|a| a.value).or(source) {
                    Some(name) => name,
                    None => {
                        let problem = Diagnostic::error("role definitions must contain a role name");
                        self.out.push(problem.at(&node.span).exit(exit::ERROR));
                        return None;
                    }
                }
            }
            _ => {
                self.out.push(
                    Diagnostic::error(format!("a role must be a name or a mapping, this is a {}", node.type_name()))
                        .at(&node.span),
                );
                return None;
            }
        };
        used.name = self.render(&name, parent, "the name of a role")?;
        let beside: Vec<Value> = used.params.values().chain(used.vars.values()).cloned().collect();
        let attrs: Vec<Value> = used.attrs.values().map(|a| a.value.clone()).collect();
        let params: Vec<String> = used.params.keys().map(ToString::to_string).collect();
        let compiled = self.compile_role(used, parent)?;
        if parent.role().is_none() {
            let entries = node.as_map().unwrap_or_default();
            let own = entries.iter().filter(|(k, _)| k.as_str().is_some_and(|k| params.iter().any(|p| p == k)));
            let vars = node.get("vars").and_then(Node::as_map).unwrap_or_default();
            let given = super::unread::given(own.chain(vars));
            self.warn_unread(&compiled.role, given, &[beside, attrs].concat(), parent);
        }
        Some(compiled)
    }

    /// `import_role`.
    pub fn import_role(&mut self, task: &Task) -> Vec<Item> {
        if task.loop_.is_some() {
            self.out.push(
                Diagnostic::error(
                    "You cannot use loops on 'import_role' statements. You should use 'include_role' instead.",
                )
                .at(&task.span),
            );
            return Vec::new();
        }
        let scope = self.import_scope(task);
        let mut args = Vec::new();
        for (key, value) in &task.args {
            let Some(text) = self.render(value, &scope, "an argument of a static import") else { return Vec::new() };
            args.push((key.to_string(), text, value.span().cloned()));
        }
        let Some(used) = self.role_use(&args, &task.span, false) else { return Vec::new() };
        let Some(compiled) = self.compile_role(used, &scope) else { return Vec::new() };
        self.handlers.extend(compiled.handlers);
        if compiled.role.public {
            self.roles.extend(compiled.role.all_dependencies().into_iter().cloned());
            self.roles.push(Arc::clone(&compiled.role));
        }
        compiled.tasks
    }

    /// The arguments of `import_role` and `include_role`, rendered.
    pub fn role_use(&mut self, args: &[(String, String, Option<Span>)], span: &Span, dynamic: bool) -> Option<Use> {
        const KNOWN: [&str; 10] = [
            "name",
            "role",
            "tasks_from",
            "vars_from",
            "defaults_from",
            "handlers_from",
            "public",
            "allow_duplicates",
            "rolespec_validate",
            "apply",
        ];
        let mut used = Use {
            name: String::new(),
            attrs: Attrs::new(),
            vars: Arc::default(),
            params: Map::new(),
            from: [None, None, None, None],
            included: true,
            public: !self.settings.private_role_vars.unwrap_or(dynamic),
            allow_duplicates: None,
            validate: true,
            span: span.clone(),
        };
        let mut good = true;
        for (key, text, at) in args {
            let mut flag = || {
                crate::settings::parse_bool(text).or_else(|| {
                    self.out.push(
                        Diagnostic::error(format!("'{key}' must be a boolean, not {text:?}")).at_opt(at.as_ref()),
                    );
                    good = false;
                    None
                })
            };
            match key.as_str() {
                "name" | "role" => used.name.clone_from(text),
                "_raw_params" if used.name.is_empty() => text.trim().clone_into(&mut used.name),
                "tasks_from" => used.from[0] = Some(text.clone()),
                "vars_from" => used.from[1] = Some(text.clone()),
                "defaults_from" => used.from[2] = Some(text.clone()),
                "handlers_from" => used.from[3] = Some(text.clone()),
                "public" => used.public = flag()?,
                "allow_duplicates" => used.allow_duplicates = Some(flag()?),
                "rolespec_validate" => used.validate = flag()?,
                "apply" if dynamic => {}
                other => {
                    self.out.push(
                        Diagnostic::error(format!("Invalid options for a role include: {other}"))
                            .at_opt(at.as_ref().or(Some(span)))
                            .suggest(other, KNOWN),
                    );
                    good = false;
                }
            }
        }
        if used.name.is_empty() {
            self.out.push(Diagnostic::error("'name' is a required field for include_role and import_role.").at(span));
            return None;
        }
        good.then_some(used)
    }

    /// Reads a role and its dependencies.
    pub fn compile_role(&mut self, used: Use, parent: &Arc<Scope>) -> Option<CompiledRole> {
        let found = match self.find_role(&used.name, parent) {
            Ok(found) => found,
            Err(tried) => {
                let searched: Vec<String> = tried.iter().map(|p| p.display().to_string()).collect();
                let names = self.role_names();
                self.out.push(
                    Diagnostic::error(format!("the role '{}' was not found in {}", used.name, searched.join(":")))
                        .at(&used.span)
                        .exit(exit::ERROR)
                        .suggest(&used.name, names.iter().map(String::as_str)),
                );
                return None;
            }
        };
        let around = parent.roles();
        if self.depth >= MAX_DEPTH || !used.included && around.iter().any(|r| r.path == found.path) {
            self.out.push(
                Diagnostic::error("A recursion loop was detected with the roles specified. Make sure child roles do not have dependencies on parent roles.")
                    .at(&used.span),
            );
            return None;
        }
        self.depth += 1;
        let compiled = self.compile_found(used, found, parent);
        self.depth -= 1;
        compiled
    }

    fn compile_found(
        &mut self,
        used: Use,
        found: super::find_role::Found,
        parent: &Arc<Scope>,
    ) -> Option<CompiledRole> {
        self.templar.plugins_in(&found.path);
        let [tasks_from, vars_from, defaults_from, handlers_from] = &used.from;
        let vars = self.role_vars(&found.path, "vars", vars_from.as_deref(), &used.span);
        let defaults = self.role_vars(&found.path, "defaults", defaults_from.as_deref(), &used.span);
        let meta = paths::main_file(&found.path.join("meta"), "main").and_then(|p| self.read(&p, Some(&used.span)));
        let specs = paths::main_file(&found.path.join("meta"), "argument_specs").and_then(|p| self.read(&p, None));
        let argument_specs = specs
            .as_ref()
            .and_then(|s| s.get("argument_specs"))
            .or_else(|| meta.as_ref().and_then(|m| m.get("argument_specs")))
            .map(Node::to_value);
        let meta_bool = |name: &str| match meta.as_ref().and_then(|m| m.get(name)).map(|n| &n.kind) {
            Some(crate::yaml::Kind::Bool(b)) => *b,
            Some(crate::yaml::Kind::Str { text, .. }) => crate::settings::parse_bool(text).unwrap_or(false),
            _ => false,
        };
        // An include runs again unless it says otherwise, whatever the role's meta says; an entry of `roles` does not.
        let allow_duplicates = match used.included {
            true => used.allow_duplicates.unwrap_or(true),
            false => used.allow_duplicates.unwrap_or_else(|| meta_bool("allow_duplicates")),
        };
        let identity = format!(
            "{}|{:?}|{:?}|{:?}|{:?}|{:?}",
            found.path.display(),
            used.params,
            used.attrs.get("when").map(|a| &a.value),
            used.attrs.get("tags").map(|a| &a.value),
            used.from,
            used.vars,
        );
        let mut role = Role {
            id: self.ids.next(),
            name: found.name,
            path: found.path,
            collection: found.collection,
            params: Arc::new(used.params.clone()),
            defaults: Arc::new(defaults),
            vars: Arc::new(vars),
            dependencies: Vec::new(),
            allow_duplicates,
            public: used.public,
            identity,
            asking: false,
            argument_specs,
        };
        let level = |role: Arc<Role>| {
            Arc::new(Scope {
                attrs: used.attrs.clone(),
                vars: Arc::clone(&used.vars),
                parent: Some(Arc::clone(parent)),
                kind: Kind::Role,
                role: Some(role),
            })
        };
        let mut tasks = Vec::new();
        let mut handlers = Vec::new();
        // Dependencies see the role that asks for them, before it knows them itself.
        let before = level(Arc::new(Role { asking: true, ..clone_role(&role) }));
        for entry in self.dependencies(meta.as_ref()) {
            if let Some(compiled) = self.role_entry(&entry, &before) {
                tasks.extend(compiled.tasks);
                handlers.extend(compiled.handlers);
                role.dependencies.push(compiled.role);
            }
        }
        let role = Arc::new(role);
        // What a role brings along, the whole run knows from now on.
        self.settings.brought.add(&role.path);
        let scope = level(Arc::clone(&role));
        self.check_map(&role.vars.clone());
        self.check_map(&role.defaults.clone());
        if let Some(file) = self.role_file(&role, "handlers", handlers_from.as_deref(), &used.span) {
            handlers.extend(self.file_items(&file, &scope, true, Some(&used.span)));
        }
        let mut own = Vec::new();
        if used.validate {
            own.extend(self.validation(&role, &scope, tasks_from.as_deref(), &used));
        }
        if let Some(file) = self.role_file(&role, "tasks", tasks_from.as_deref(), &used.span) {
            own.extend(self.file_items(&file, &scope, false, Some(&used.span)));
        }
        tasks.push(Item::Block(Arc::new(Block {
            block: own,
            rescue: Vec::new(),
            always: Vec::new(),
            completes: Some(Arc::clone(&role)),
        })));
        Some(CompiledRole { role, tasks, handlers })
    }

    fn dependencies(&mut self, meta: Option<&Node>) -> Vec<Node> {
        let Some(meta) = meta else { return Vec::new() };
        if meta.as_map().is_none() && !meta.is_null() {
            self.out.push(Diagnostic::error("a role's meta/main.yml must hold a dictionary").at(&meta.span));
            return Vec::new();
        }
        match meta.get("dependencies") {
            None => Vec::new(),
            Some(list) if list.is_null() => Vec::new(),
            Some(list) => match list.as_seq() {
                Some(entries) => entries.to_vec(),
                None => {
                    self.out.push(Diagnostic::error("Expected role dependencies to be a list.").at(&list.span));
                    Vec::new()
                }
            },
        }
    }

    /// `vars/` or `defaults/`: one file, or all files of a folder `main`.
    fn role_vars(&mut self, role: &Path, folder: &str, from: Option<&str>, span: &Span) -> Map {
        let dir = role.join(folder);
        let name = from.unwrap_or("main");
        let mut map = Map::new();
        let files: Vec<PathBuf> = match paths::main_file(&dir, name) {
            Some(file) => vec![file],
            None if dir.join(name).is_dir() => yaml_files(&dir.join(name), 0),
            None => {
                // Without the folder there is nothing to look for, as in Ansible.
                if from.is_some() && dir.is_dir() {
                    self.out.push(
                        Diagnostic::error(format!("Could not find specified file in role: {folder}/{name}")).at(span),
                    );
                }
                Vec::new()
            }
        };
        for file in files {
            crate::inventory::vars_files::read_file(&file, self.settings, &mut map, &mut self.out);
        }
        map
    }

    fn role_file(&mut self, role: &Role, folder: &str, from: Option<&str>, span: &Span) -> Option<PathBuf> {
        let dir = role.path.join(folder);
        let found = paths::main_file(&dir, from.unwrap_or("main"));
        if let Some(path) = found.as_ref().filter(|p| !paths::normal(p).starts_with(paths::normal(&dir))) {
            self.out.push(
                Diagnostic::error(format!(
                    "Failed loading '{}' for role ({}) as it is not inside the expected role path: '{}'",
                    path.display(),
                    role.name,
                    dir.display()
                ))
                .at(span),
            );
            return None;
        }
        if let (None, Some(from), true) = (&found, from, dir.is_dir()) {
            self.out
                .push(Diagnostic::error(format!("Could not find specified file in role: {folder}/{from}")).at(span));
        }
        found
    }

    /// The task that checks a role's arguments.
    fn validation(&mut self, role: &Arc<Role>, scope: &Arc<Scope>, from: Option<&str>, used: &Use) -> Option<Item> {
        // By the name as it is written: `tasks_from: main.yml` has no specification.
        let entry = from.unwrap_or("main");
        let spec = role.argument_specs.as_ref()?.get(entry)?;
        let options = spec.get("options").cloned().unwrap_or_else(|| Value::map(Map::new()));
        let mut name = format!("Validating arguments against arg spec '{entry}'");
        if let Some(short) = spec.get("short_description").and_then(Value::as_str) {
            name = format!("{name} - {short}");
        }
        let mut context = Map::new();
        let own = role.name.rsplit('.').next().filter(|_| role.collection.is_some()).unwrap_or(&role.name);
        for (key, value) in [("type", "role"), ("name", own), ("argument_spec_name", entry)] {
            context.insert(Key::from(key), Value::str(value));
        }
        context.insert("path".into(), Value::str(role.path.display().to_string()));
        let mut args = Map::new();
        args.insert("argument_spec".into(), options);
        args.insert("provided_arguments".into(), Value::map(Map::clone(&role.params)));
        args.insert("validate_args_context".into(), Value::map(context));
        Some(Item::Task(Arc::new(Task {
            id: self.ids.next(),
            scope: implicit_scope(scope, Some(&name), &["always"]),
            action: Action::builtin("validate_argument_spec"),
            args,
            args_template: None,
            loop_: None,
            span: used.span.clone(),
            handler: None,
            implicit: false,
            dir: role.path.join("tasks"),
        })))
    }
}

fn clone_role(role: &Role) -> Role {
    Role {
        id: role.id,
        name: role.name.clone(),
        path: role.path.clone(),
        collection: role.collection.clone(),
        params: Arc::clone(&role.params),
        defaults: Arc::clone(&role.defaults),
        vars: Arc::clone(&role.vars),
        dependencies: role.dependencies.clone(),
        allow_duplicates: role.allow_duplicates,
        public: role.public,
        identity: role.identity.clone(),
        asking: role.asking,
        argument_specs: role.argument_specs.clone(),
    }
}

/// All files of variables below a folder, sorted.
fn yaml_files(dir: &Path, depth: usize) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = fs_err::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect();
    entries.sort();
    let mut files = Vec::new();
    for entry in entries {
        if entry.is_dir() && depth < 16 {
            files.extend(yaml_files(&entry, depth + 1));
        } else if matches!(entry.extension().and_then(|e| e.to_str()), Some("yml" | "yaml" | "json")) {
            files.push(entry);
        }
    }
    files
}
