//! Plays, blocks and tasks after loading.

use super::modules::Action;
use super::role::CompiledRole;
use super::scope::{Attr, Kind, Scope, items};
use imgbuild_diag::Span;
use imgbuild_jinja::{Map, Value};
use std::path::PathBuf;
use std::sync::Arc;

/// A playbook file: plays in order, those of imported playbooks in their place.
#[derive(Debug)]
pub struct PlaybookFile {
    /// As it was named.
    pub path: PathBuf,
    /// The plays.
    pub plays: Vec<Arc<Play>>,
}

/// A play.
#[derive(Debug)]
pub struct Play {
    /// Its keywords.
    pub scope: Arc<Scope>,
    /// The place.
    pub span: Span,
    /// Directory of the playbook file.
    pub dir: PathBuf,
    /// `vars_files`, in order; a list in it means "the first that exists".
    pub vars_files: Vec<Value>,
    /// `vars_prompt`.
    pub vars_prompt: Vec<VarsPrompt>,
    /// `pre_tasks`.
    pub pre_tasks: Vec<Item>,
    /// `roles`, with their dependencies inside.
    pub roles: Vec<CompiledRole>,
    /// `tasks`.
    pub tasks: Vec<Item>,
    /// `post_tasks`.
    pub post_tasks: Vec<Item>,
    /// Handlers: those of roles first, then `handlers`.
    pub handlers: Vec<Item>,
    /// Roles that static imports brought in.
    pub imported_roles: Vec<Arc<super::role::Role>>,
}

impl Play {
    /// A keyword's value.
    pub fn attr(&self, name: &str) -> Option<&Attr> {
        self.scope.own(name)
    }
}

/// An entry of `vars_prompt`.
#[derive(Debug, Clone)]
pub struct VarsPrompt {
    /// Variable.
    pub name: String,
    /// Question; the variable's name where there is none.
    pub prompt: Option<String>,
    /// Value where nothing is typed.
    pub default: Option<Value>,
    /// Not shown while it is typed.
    pub private: bool,
    /// Asked twice.
    pub confirm: bool,
    /// Hash algorithm.
    pub encrypt: Option<String>,
    /// Characters of the salt.
    pub salt_size: Option<i64>,
    /// Salt.
    pub salt: Option<String>,
    /// Not a template, whatever is typed.
    pub unsafe_: bool,
}

/// A task or a block.
#[derive(Debug, Clone)]
pub enum Item {
    /// A task.
    Task(Arc<Task>),
    /// A block.
    Block(Arc<Block>),
}

/// A block, or the tasks of a static import.
#[derive(Debug)]
pub struct Block {
    /// `block`.
    pub block: Vec<Item>,
    /// `rescue`.
    pub rescue: Vec<Item>,
    /// `always`.
    pub always: Vec<Item>,
    /// The end of this block is the end of that role.
    pub completes: Option<Arc<super::role::Role>>,
}

/// How a task loops.
#[derive(Debug, Clone)]
pub enum Loop {
    /// `loop`.
    Loop(Value),
    /// `with_NAME`.
    With(String, Value),
}

/// A task or handler.
#[derive(Debug, Clone)]
pub struct Task {
    /// Unique in a run.
    pub id: u64,
    /// Keywords; the parent is what it stands in.
    pub scope: Arc<Scope>,
    /// What it does.
    pub action: Action,
    /// Arguments as written.
    pub args: Map,
    /// `args: "{{ … }}"`: a template that gives more arguments.
    pub args_template: Option<Value>,
    /// Its loop.
    pub loop_: Option<Loop>,
    /// The place.
    pub span: Span,
    /// A handler, and the topics that it listens to.
    pub handler: Option<Vec<String>>,
    /// Made by the program (fact gathering, flushing of handlers).
    pub implicit: bool,
    /// The directory of the file that it was written in.
    pub dir: PathBuf,
}

impl Task {
    /// A keyword's value, inherited or own.
    pub fn attr(&self, name: &str) -> Option<&Attr> {
        self.scope.attr(name)
    }

    /// A keyword that is not inherited.
    pub fn own(&self, name: &str) -> Option<&Attr> {
        self.scope.own(name)
    }

    /// The name as it was written.
    pub fn name(&self) -> Option<&Value> {
        self.scope.own("name").map(|a| &a.value).filter(|v| v.as_str().is_some_and(|s| !s.is_empty()))
    }

    /// `role : name`, with the name as it is given here.
    pub fn title(&self, name: Option<&str>) -> String {
        if self.action.name == "include_role" && name.is_none() {
            let role = ["name", "role"].iter().find_map(|k| self.args.get(&imgbuild_jinja::Key::from(*k)));
            return match role {
                Some(role) => format!("{} : {}", self.action.written, crate::text::of(role)),
                None => self.action.written.clone(),
            };
        }
        let name = name.map_or_else(|| self.action.written.clone(), str::to_owned);
        match self.scope.role() {
            // Ansible does not say the role before the name of an inclusion.
            Some(_) if self.action.name == "include_role" && self.name().is_some() => name,
            // A name that already starts with the role's is left alone.
            Some(role) if !self.implicit || self.own("name").is_some() => {
                let role = role.display_name();
                if name.starts_with(&format!("{role} : ")) { name } else { format!("{role} : {name}") }
            }
            _ => name,
        }
    }

    /// `file:line`.
    pub fn path(&self) -> String {
        format!("{}:{}", self.span.source().name(), self.span.position().line)
    }

    /// Tags of the task and of all around it, not rendered.
    pub fn raw_tags(&self) -> Vec<Value> {
        self.scope.all_items("tags")
    }

    /// Conditions of the task and of all around it, outermost first.
    pub fn conditions(&self) -> Vec<Value> {
        self.scope.all_items("when")
    }

    /// Whether it is a handler.
    pub fn is_handler(&self) -> bool {
        self.handler.is_some()
    }

    /// The items of a list keyword of its own.
    pub fn own_items(&self, name: &str) -> Vec<Value> {
        self.own(name).map(|a| items(&a.value)).unwrap_or_default()
    }
}

impl Item {
    /// All tasks in it, in the order in which the linear strategy visits them.
    pub fn tasks<'a>(&'a self, out: &mut Vec<&'a Arc<Task>>) {
        match self {
            Item::Task(task) => out.push(task),
            Item::Block(block) => {
                for item in block.block.iter().chain(&block.rescue).chain(&block.always) {
                    item.tasks(out);
                }
            }
        }
    }
}

/// A scope of a task that the program makes.
pub fn implicit_scope(parent: &Arc<Scope>, name: Option<&str>, tags: &[&str]) -> Arc<Scope> {
    let mut attrs = super::scope::Attrs::new();
    if let Some(name) = name {
        attrs.insert("name", Attr { value: Value::str(name), span: None });
    }
    if !tags.is_empty() {
        let tags = tags.iter().map(|t| Value::str(*t)).collect();
        attrs.insert("tags", Attr { value: Value::list(tags), span: None });
    }
    Arc::new(Scope { attrs, vars: Arc::default(), parent: Some(Arc::clone(parent)), kind: Kind::Task, role: None })
}
