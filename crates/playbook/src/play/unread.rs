//! A variable that is given to a role that never reads it: most likely the role has changed, or the name is wrong.
//!
//! A role reads a variable where its name stands as a word in one of its files (tasks, handlers, templates, variables,
//! specifications, plugins), in those of its dependencies and of the roles that it includes. A role that makes names of
//! variables at run time is trusted to read all.

use super::loader::Loader;
use super::role::Role;
use super::scope::Scope;
use crate::yaml::Node;
use imgbuild_diag::Diagnostic;
use imgbuild_jinja::{CheckKind, Value};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Folders of a role whose files are read when it runs.
const FOLDERS: [&str; 11] = [
    "tasks",
    "handlers",
    "defaults",
    "vars",
    "templates",
    "meta",
    "files",
    "library",
    "module_utils",
    "filter_plugins",
    "lookup_plugins",
];

/// Signs of names that are made at run time.
const DYNAMIC: [&str; 12] = [
    "lookup('vars'",
    "lookup(\"vars\"",
    "lookup('ansible.builtin.vars'",
    "query('vars'",
    "query(\"vars\"",
    "q('vars'",
    "q(\"vars\"",
    "varnames",
    " vars[",
    "(vars[",
    "hostvars[inventory_hostname][",
    "vars.get(",
];

/// Files and bytes that are looked at for one role; a role that has more is trusted.
const MOST_FILES: usize = 2000;
const MOST_BYTES: u64 = 1 << 20;

/// Words of a folder's files.
#[derive(Default)]
pub struct Words {
    words: HashSet<String>,
    dynamic: bool,
    includes: bool,
    files: usize,
}

impl Words {
    fn read_dir(&mut self, dir: &Path, depth: usize) {
        for entry in fs_err::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                if depth < 12 {
                    self.read_dir(&path, depth + 1);
                }
                continue;
            }
            self.files += 1;
            let small = entry.metadata().is_ok_and(|m| m.len() <= MOST_BYTES);
            if self.files > MOST_FILES || !small {
                // What isn't read may read anything; a large file in `files` is no text of the role's.
                self.dynamic |= self.files > MOST_FILES;
                continue;
            }
            if let Ok(text) = fs_err::read_to_string(&path) {
                self.read(&text);
            }
        }
    }

    fn read(&mut self, text: &str) {
        self.dynamic |= DYNAMIC.iter().any(|sign| text.contains(sign));
        self.includes |= text.contains("include_role")
            || text.contains("import_role")
            || text.contains("dependencies:") && !text.contains("dependencies: []");
        let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|w| w.len() > 1);
        self.words.extend(words.map(str::to_owned));
    }
}

/// Words of folders that were read.
pub type Known = HashMap<PathBuf, Rc<Words>>;

/// A variable that is given, and where.
pub struct Given {
    name: String,
    span: imgbuild_diag::Span,
}

/// The variables that the entries of a mapping give.
pub fn given<'a>(entries: impl IntoIterator<Item = &'a (Node, Node)>) -> Vec<Given> {
    let one = |(key, _): &(Node, Node)| Some(Given { name: key.as_str()?.to_owned(), span: key.span.clone() });
    entries.into_iter().filter_map(one).collect()
}

impl Loader<'_> {
    /// Warns of variables that a role is given and never reads. `beside`: what is written around them, and may use them.
    pub fn warn_unread(&mut self, role: &Role, given: Vec<Given>, beside: &[Value], scope: &Scope) {
        let given: Vec<Given> = given.into_iter().filter(|g| !g.name.starts_with("ansible_")).collect();
        if given.is_empty() {
            return;
        }
        let mut paths = vec![role.path.clone()];
        paths.extend(role.all_dependencies().iter().map(|r| r.path.clone()));
        let mut read: Vec<Rc<Words>> = paths.iter().map(|p| self.words_of_role(p)).collect();
        if read.iter().any(|w| w.includes) {
            // Which roles it includes may be known at run time only: any of those beside it.
            let roots: Vec<PathBuf> = paths.iter().filter_map(|p| p.parent().map(Path::to_owned)).collect();
            for root in roots.into_iter().collect::<HashSet<_>>() {
                let others = fs_err::read_dir(root).into_iter().flatten().flatten().map(|e| e.path());
                let others: Vec<PathBuf> = others.filter(|p| p.join("tasks").is_dir()).collect();
                read.extend(others.iter().map(|p| self.words_of_role(p)));
            }
        }
        if read.iter().any(|w| w.dynamic) || !role.path.join("tasks").is_dir() {
            return;
        }
        let unread = |me: &mut Self, name: &str| {
            !read.iter().any(|w| w.words.contains(name))
                && !me.used_in(beside, name)
                && !me.used_in_scope(scope, name)
                && !me.used_by_inventory(name)
        };
        for Given { name, span } in given {
            if unread(self, &name) {
                let known: Vec<String> = role.defaults.keys().map(ToString::to_string).collect();
                self.out.push(
                    Diagnostic::warning(format!(
                        "the role '{}' never reads the variable '{name}' that it is given here: it has no effect",
                        role.name
                    ))
                    .at(&span)
                    .suggest(&name, known.iter().map(String::as_str))
                    .help(format!("what the role reads is listed in {}", role.path.join("defaults").display())),
                );
            }
        }
    }

    fn words_of_role(&mut self, path: &Path) -> Rc<Words> {
        if let Some(known) = self.words.get(path) {
            return Rc::clone(known);
        }
        let mut words = Words::default();
        FOLDERS.iter().for_each(|folder| words.read_dir(&path.join(folder), 0));
        let words = Rc::new(words);
        self.words.insert(path.to_owned(), Rc::clone(&words));
        words
    }

    /// `group_vars` and `host_vars`: what the role reads may be made of the variable there.
    fn used_by_inventory(&mut self, name: &str) -> bool {
        let inventories = self.settings.inventory.iter().map(|i| crate::settings::expand_home(i, self.settings));
        let dirs = inventories.filter_map(|p| if p.is_dir() { Some(p) } else { p.parent().map(Path::to_owned) });
        let dirs: HashSet<PathBuf> = dirs.chain([self.dir.clone()]).collect();
        let folders = dirs.iter().flat_map(|d| [d.join("group_vars"), d.join("host_vars")]);
        let folders: Vec<PathBuf> = folders.filter(|p| p.is_dir()).collect();
        folders.into_iter().any(|folder| {
            let words = self.words.entry(folder.clone()).or_insert_with(|| {
                let mut words = Words::default();
                words.read_dir(&folder, 0);
                Rc::new(words)
            });
            words.words.contains(name) || words.dynamic
        })
    }

    fn used_in_scope(&self, scope: &Scope, name: &str) -> bool {
        let levels: Vec<Value> = scope
            .chain()
            .flat_map(|level| level.attrs.values().map(|a| a.value.clone()).chain(level.vars.values().cloned()))
            .collect();
        let play = self.play.files.iter().chain([&self.play.vars]).flat_map(|m| m.values().cloned());
        let all: Vec<Value> = levels.into_iter().chain(play).collect();
        self.used_in(&all, name)
    }

    fn used_in(&self, values: &[Value], name: &str) -> bool {
        values.iter().any(|value| match value {
            Value::Str(text) if text.template && text.text.contains(name) => {
                let marks = text.text.contains("{{") || text.text.contains("{%");
                let kind = if marks { CheckKind::Template } else { CheckKind::Expression };
                self.templar.references(&text.text, kind).contains(name)
            }
            Value::List(items) => self.used_in(items, name),
            Value::Map(map) => map.values().any(|v| self.used_in(std::slice::from_ref(v), name)),
            _ => false,
        })
    }
}
