//! The syntax tree of a string with expressions.

use super::lex::Number;

/// A list of parts, rendered one after the other.
pub(crate) type List = Vec<Part>;

#[derive(Debug, Clone)]
pub(crate) enum Part {
    Text(String),
    Action(Pipe),
    If(Branch),
    With(Branch),
    Range(Branch),
    Template { at: usize, name: String, pipe: Option<Pipe> },
    Break,
    Continue,
}

/// `if`, `with` and `range`: a condition, what to render, and otherwise.
#[derive(Debug, Clone)]
pub(crate) struct Branch {
    pub(crate) pipe: Pipe,
    pub(crate) list: List,
    pub(crate) otherwise: Option<List>,
}

/// `$a, $b := first | second`.
#[derive(Debug, Clone)]
pub(crate) struct Pipe {
    pub(crate) at: usize,
    /// Names set by it, with the dollar.
    pub(crate) variables: Vec<String>,
    /// `=` rather than `:=`.
    pub(crate) assign: bool,
    pub(crate) commands: Vec<Command>,
}

/// A function or value and its arguments.
#[derive(Debug, Clone)]
pub(crate) struct Command {
    pub(crate) at: usize,
    pub(crate) args: Vec<Operand>,
}

#[derive(Debug, Clone)]
pub(crate) struct Operand {
    pub(crate) at: usize,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Dot,
    Nil,
    Bool(bool),
    Number {
        value: Number,
        text: String,
    },
    Text {
        value: String,
        raw: String,
    },
    /// `.a.b`.
    Field(Vec<String>),
    /// `$x.a.b`.
    Variable(String, Vec<String>),
    /// `(…).a.b`.
    Chain(Box<Operand>, Vec<String>),
    Function(String),
    Pipe(Box<Pipe>),
}

impl Operand {
    /// The operand as messages show it.
    pub(crate) fn shown(&self) -> String {
        let fields = |names: &[String]| names.iter().map(|n| format!(".{n}")).collect::<String>();
        match &self.kind {
            Kind::Dot => ".".into(),
            Kind::Nil => "nil".into(),
            Kind::Bool(b) => b.to_string(),
            Kind::Number { text, .. } => text.clone(),
            Kind::Text { raw, .. } => raw.clone(),
            Kind::Field(names) => fields(names),
            Kind::Variable(name, names) => format!("{name}{}", fields(names)),
            Kind::Chain(inner, names) => format!("{}{}", inner.shown(), fields(names)),
            Kind::Function(name) => name.clone(),
            Kind::Pipe(_) => "(…)".into(),
        }
    }
}
