//! What can go wrong in a template, with its place in the user's file.

use imgbuild_diag::{Diagnostic, Span};
use std::fmt;
use std::ops::Deref;

/// What kind of failure it was. The engine acts on [`ErrorKind::Undefined`] and [`ErrorKind::Recursion`]; the rest is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// A variable, attribute or item does not exist.
    Undefined,
    /// The text is no valid template or expression.
    Syntax,
    /// A variable's value leads back to itself.
    Recursion,
    /// Too many steps, too deep, or too much output.
    Limit,
    /// A filter, test, lookup or function of that name does not exist.
    UnknownName,
    /// A filter, test, function, method or operator refused its arguments.
    Value,
    /// A lookup failed.
    Lookup,
    /// A conditional's result is no boolean.
    Condition,
    /// A template file that is included, imported or extended can't be read.
    Load,
}

/// A template that could not be rendered.
#[derive(Clone)]
pub struct TemplateError(Box<Detail>);

/// What is known about the failure. [`TemplateError`] derefs to it.
#[derive(Debug, Clone)]
pub struct Detail {
    /// What kind of failure it was.
    pub kind: ErrorKind,
    /// One sentence in Ansible's words where Ansible has some: `'foo' is undefined`,
    /// `object of type 'dict' has no attribute 'x'`.
    pub message: String,
    /// Where in the user's file, as far as it is known.
    pub span: Option<Span>,
    /// The expression that failed, as it was written.
    pub expression: Option<String>,
    /// The path of what is undefined: `foo.bar`.
    pub undefined: Option<String>,
    /// Names in scope that are close to the undefined one.
    pub similar: Vec<String>,
    /// The variables through which evaluation came here, outermost first.
    pub frames: Vec<Frame>,
}

/// One variable on the way to the failure.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// The variable's name.
    pub name: String,
    /// Where its value was written.
    pub span: Option<Span>,
}

impl TemplateError {
    /// An error without a place; the evaluator adds it on the way up.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        TemplateError(Box::new(Detail {
            kind,
            message: message.into(),
            span: None,
            expression: None,
            undefined: None,
            similar: Vec::new(),
            frames: Vec::new(),
        }))
    }

    /// Something is undefined: `default`, `is defined` and `ignore_errors`-like callers act on it.
    pub fn is_undefined(&self) -> bool {
        self.0.kind == ErrorKind::Undefined
    }

    /// For people: message, place, what to do.
    pub fn diagnostic(&self) -> Diagnostic {
        let mut d = Diagnostic::error(self.0.message.clone()).at_opt(self.0.span.as_ref());
        for frame in self.0.frames.iter().rev() {
            d = d.help(match &frame.span {
                Some(span) => format!("while rendering the variable {:?}, {span}", frame.name),
                None => format!("while rendering the variable {:?}", frame.name),
            });
        }
        if let Some(first) = self.0.similar.first() {
            d = d.help(format!("did you mean {first:?}?"));
        }
        d
    }

    pub(crate) fn detail_mut(&mut self) -> &mut Detail {
        &mut self.0
    }

    /// Adds the place unless a more exact one is known.
    pub(crate) fn or_at(mut self, span: impl FnOnce() -> Option<Span>) -> Self {
        if self.0.span.is_none() {
            self.0.span = span();
        }
        self
    }
}

impl Deref for TemplateError {
    type Target = Detail;
    fn deref(&self) -> &Detail {
        &self.0
    }
}

/// The message alone.
impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::error::Error for TemplateError {}

/// Why a lookup failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LookupError {
    /// No lookup has this name.
    #[error("lookup plugin '{0}' not found")]
    Unknown(String),
    /// It failed: one sentence.
    #[error("{0}")]
    Failed(String),
    /// A template that the lookup rendered failed; its place is kept.
    #[error("{0}")]
    Template(#[from] TemplateError),
}

/// Something that works today and should be changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Warning {
    /// One sentence.
    pub message: String,
    /// Where.
    pub span: Option<Span>,
    /// It is an old form, with a modern one beside it.
    pub deprecated: bool,
}

impl Warning {
    /// For people.
    pub fn diagnostic(&self) -> Diagnostic {
        Diagnostic::warning(self.message.clone()).at_opt(self.span.as_ref())
    }
}
