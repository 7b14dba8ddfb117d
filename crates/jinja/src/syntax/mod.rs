//! Templates as trees: our own nodes, made from minijinja's ([`lower`]).

mod literal;
mod lower;
mod repair;

use crate::val::Val;
use crate::{FileOptions, TemplateError};
use imgbuild_diag::Span;
use std::sync::Arc;

pub(crate) use literal::literal;
pub(crate) use lower::parse;

/// What the text is and how its string literals are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Mode {
    /// A string of a playbook: backslashes in literals stand for themselves (Ansible's `escape_backslashes`).
    Inline,
    /// A template file: literals are Python's.
    File,
    /// An expression without braces: literals are Python's.
    Expression,
}

/// Byte range in the program's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct At {
    pub start: u32,
    pub end: u32,
}

/// A parsed text. Shared by all who render it.
pub(crate) struct Program {
    /// Shown in messages where there is no span.
    pub name: Arc<str>,
    pub text: Arc<str>,
    /// Where `text` was written.
    pub span: Option<Span>,
    /// What included files are parsed with.
    pub options: Arc<FileOptions>,
    pub body: Body,
}

pub(crate) type Body = Arc<[Stmt]>;

/// An expression and its place.
pub(crate) struct Expr {
    pub at: At,
    pub kind: Box<ExprKind>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cmp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    NotIn,
}

pub(crate) enum ExprKind {
    Const(Val),
    /// A literal with template marks inside; conditionals and lookup terms render it.
    Embedded(Arc<str>),
    Var(Arc<str>),
    List(Vec<Expr>),
    Tuple(Vec<Expr>),
    Dict(Vec<(Expr, Expr)>),
    Not(Expr),
    Neg(Expr),
    And(Expr, Expr),
    Or(Expr, Expr),
    Math(crate::eval::object::Op, Expr, Expr),
    Concat(Expr, Expr),
    Compare(Expr, Vec<(Cmp, Expr)>),
    If {
        test: Expr,
        yes: Expr,
        no: Option<Expr>,
    },
    /// `input` is `None` in `{% filter %}`.
    Filter {
        name: Arc<str>,
        input: Option<Expr>,
        args: Vec<Arg>,
    },
    Test {
        name: Arc<str>,
        input: Expr,
        args: Vec<Arg>,
    },
    Attr(Expr, Arc<str>),
    Item(Expr, Expr),
    Slice(Expr, [Option<Expr>; 3]),
    Call(Expr, Vec<Arg>),
}

pub(crate) enum Arg {
    Pos(Expr),
    Kw(Arc<str>, Expr),
    Splat(Expr),
    KwSplat(Expr),
}

/// What an assignment assigns to.
pub(crate) enum Target {
    Name(Arc<str>),
    Attr(Arc<str>, Arc<str>),
    Many(Vec<Target>),
}

pub(crate) struct Stmt {
    pub at: At,
    pub kind: StmtKind,
}

pub(crate) enum StmtKind {
    Text(Arc<str>),
    Emit(Expr),
    /// Evaluated, not printed.
    Do(Expr),
    Break,
    Continue,
    For(Arc<For>),
    If {
        test: Expr,
        yes: Body,
        no: Body,
    },
    With {
        sets: Vec<(Target, Expr)>,
        body: Body,
    },
    Set(Target, Expr),
    SetBlock {
        target: Target,
        filter: Option<Expr>,
        body: Body,
    },
    FilterBlock {
        filter: Expr,
        body: Body,
    },
    Block(Arc<Block>),
    Extends(Expr),
    Include {
        name: Expr,
        ignore_missing: bool,
        context: bool,
    },
    Import {
        name: Expr,
        target: Arc<str>,
        context: bool,
    },
    FromImport {
        name: Expr,
        names: Vec<(Arc<str>, Arc<str>)>,
        context: bool,
    },
    Macro(Arc<Macro>),
    CallBlock {
        call: Expr,
        caller: Arc<Macro>,
    },
    /// `{% autoescape %}`: Ansible never escapes.
    Scope(Body),
}

pub(crate) struct For {
    pub target: Target,
    pub iter: Expr,
    pub filter: Option<Expr>,
    pub recursive: bool,
    pub body: Body,
    pub otherwise: Body,
}

pub(crate) struct Block {
    pub name: Arc<str>,
    pub required: bool,
    pub body: Body,
}

pub(crate) struct Macro {
    pub name: Arc<str>,
    pub params: Vec<(Arc<str>, Option<Expr>)>,
    pub body: Body,
    /// The body names them: arguments beyond the parameters are taken.
    pub uses_varargs: bool,
    pub uses_kwargs: bool,
}

impl Program {
    /// The place of a node in the user's file.
    pub fn span_of(&self, at: At) -> Option<Span> {
        let span = self.span.as_ref()?;
        let written = span.source().text().get(span.range())?;
        // A scalar's span includes its quotes; one with escapes or folded lines does not hold the text as it is.
        match written.find(&*self.text) {
            Some(offset) => Some(span.sub(offset + at.start as usize..offset + at.end as usize)),
            None => {
                let part = self.text.get(at.start as usize..at.end as usize).filter(|p| p.len() > 1)?;
                match written.find(part) {
                    Some(offset) => Some(span.sub(offset..offset + part.len())),
                    None => Some(span.clone()),
                }
            }
        }
    }

    /// The text of a node as it was written.
    pub fn snippet(&self, at: At) -> &str {
        self.text.get(at.start as usize..at.end as usize).unwrap_or("").trim()
    }

    /// Adds the place and the expression to an error that has none.
    pub fn locate(&self, mut error: TemplateError, at: At) -> TemplateError {
        if error.span.is_none() && error.expression.is_none() {
            error.detail_mut().expression = Some(self.snippet(at).to_owned());
            error = error.or_at(|| self.span_of(at));
        }
        error
    }
}

/// What decides how a text is parsed; the key of the cache.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Syntax {
    pub mode: Mode,
    pub options: FileOptions,
    pub extensions: crate::Extensions,
}
