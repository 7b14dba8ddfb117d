//! Every keyword of the language: where it may stand, what it holds, how it is inherited.
//!
//! Facts from ansible-core 2.19's field attributes.

/// Where a keyword may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level(u8);

impl Level {
    /// A play.
    pub const PLAY: Level = Level(1);
    /// A block.
    pub const BLOCK: Level = Level(2);
    /// A task.
    pub const TASK: Level = Level(4);
    /// A handler.
    pub const HANDLER: Level = Level(8);
    /// An entry of `roles` or of `dependencies`.
    pub const ROLE: Level = Level(16);
    /// `import_playbook`.
    pub const IMPORT: Level = Level(32);

    /// Ansible's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Level::PLAY => "Play",
            Level::BLOCK => "Block",
            Level::TASK => "Task",
            Level::HANDLER => "Handler",
            Level::ROLE => "RoleDefinition",
            _ => "PlaybookInclude",
        }
    }
}

/// What a keyword holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Boolean.
    Bool,
    /// Whole number.
    Int,
    /// Number.
    Float,
    /// Percentage.
    Percent,
    /// Text.
    Str,
    /// List; one value stands for a list of it.
    List,
    /// Mapping.
    Dict,
    /// Anything.
    Any,
}

/// A keyword.
#[derive(Debug, Clone, Copy)]
pub struct Keyword {
    /// Name.
    pub name: &'static str,
    /// Where it may stand.
    levels: u8,
    /// What it holds.
    pub holds: Holds,
}

impl Keyword {
    /// Whether it may stand there.
    pub fn allowed(&self, level: Level) -> bool {
        self.levels & level.0 != 0
    }
}

const fn k(name: &'static str, levels: u8, holds: Holds) -> Keyword {
    Keyword { name, levels, holds }
}

const P: u8 = 1;
const B: u8 = 2;
const T: u8 = 4 | 8;
const H: u8 = 8;
const R: u8 = 16;
const I: u8 = 32;
const ALL: u8 = P | B | T | R | I;

/// All keywords.
pub const KEYWORDS: &[Keyword] = &[
    k("any_errors_fatal", ALL, Holds::Bool),
    k("become", ALL, Holds::Bool),
    k("become_exe", ALL, Holds::Str),
    k("become_flags", ALL, Holds::Str),
    k("become_method", ALL, Holds::Str),
    k("become_user", ALL, Holds::Str),
    k("check_mode", ALL, Holds::Bool),
    k("collections", P | B | T | R, Holds::List),
    k("connection", ALL, Holds::Str),
    k("debugger", ALL, Holds::Str),
    k("diff", ALL, Holds::Bool),
    k("environment", ALL, Holds::List),
    k("ignore_errors", ALL, Holds::Bool),
    k("ignore_unreachable", ALL, Holds::Bool),
    k("module_defaults", ALL, Holds::List),
    k("name", ALL, Holds::Str),
    k("no_log", ALL, Holds::Bool),
    k("port", ALL, Holds::Int),
    k("remote_user", ALL, Holds::Str),
    k("run_once", ALL, Holds::Bool),
    k("tags", ALL, Holds::List),
    k("throttle", ALL, Holds::Int),
    k("timeout", ALL, Holds::Int),
    k("vars", ALL, Holds::Dict),
    k("when", B | T | R | I, Holds::List),
    // Play
    k("hosts", P, Holds::List),
    k("gather_facts", P, Holds::Bool),
    k("gather_subset", P, Holds::List),
    k("gather_timeout", P, Holds::Int),
    k("fact_path", P, Holds::Str),
    k("vars_files", P, Holds::List),
    k("vars_prompt", P, Holds::List),
    k("roles", P, Holds::List),
    k("tasks", P, Holds::List),
    k("pre_tasks", P, Holds::List),
    k("post_tasks", P, Holds::List),
    k("handlers", P, Holds::List),
    k("serial", P, Holds::List),
    k("strategy", P, Holds::Str),
    k("max_fail_percentage", P, Holds::Percent),
    k("force_handlers", P, Holds::Bool),
    k("order", P, Holds::Str),
    // Block
    k("block", B, Holds::List),
    k("rescue", B, Holds::List),
    k("always", B, Holds::List),
    k("delegate_to", B | T | R, Holds::Str),
    k("delegate_facts", B | T | R, Holds::Bool),
    k("notify", B | T, Holds::List),
    // Task
    k("action", T, Holds::Any),
    k("local_action", T, Holds::Any),
    k("args", T, Holds::Any),
    k("async", T, Holds::Int),
    k("poll", T, Holds::Int),
    k("changed_when", T, Holds::List),
    k("failed_when", T, Holds::List),
    k("delay", T, Holds::Float),
    k("retries", T, Holds::Int),
    k("until", T, Holds::List),
    k("loop", T, Holds::Any),
    k("loop_control", T, Holds::Dict),
    k("register", T, Holds::Str),
    k("listen", H, Holds::List),
    // Role
    k("role", R, Holds::Str),
    k("import_playbook", I, Holds::Str),
];

/// Keywords of `loop_control`.
pub const LOOP_CONTROL: &[&str] =
    &["loop_var", "index_var", "label", "pause", "extended", "extended_allitems", "break_when"];

/// Keywords that may stand on `include_tasks` and `include_role`; others would have no effect there and are refused.
pub const ON_INCLUDE: &[&str] = &[
    "action",
    "args",
    "collections",
    "debugger",
    "ignore_errors",
    "loop",
    "loop_control",
    "name",
    "no_log",
    "register",
    "run_once",
    "tags",
    "timeout",
    "vars",
    "when",
    "local_action",
    "listen",
];

/// The keyword of this name at this level.
pub fn find(name: &str, level: Level) -> Option<&'static Keyword> {
    KEYWORDS.iter().find(|k| k.name == name && k.allowed(level))
}

/// The names at this level.
pub fn names(level: Level) -> impl Iterator<Item = &'static str> {
    KEYWORDS.iter().filter(move |k| k.allowed(level)).map(|k| k.name)
}
