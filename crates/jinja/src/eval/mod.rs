//! Evaluates programs. [`Cx`] is one rendering: its variables, what they were rendered to so far, and what it may still cost.

pub(crate) mod access;
mod args;
mod expr;
mod file;
pub(crate) mod finish;
mod limits;
mod loops;
mod macros;
pub(crate) mod nothing;
pub(crate) mod object;
pub(crate) mod ops;
mod scope;
mod stmt;
mod vars;

pub(crate) use args::{Args, Bound, fail, int};
pub(crate) use expr::contains;
pub(crate) use limits::with_stack;
pub(crate) use scope::{Env, Scope};

use crate::syntax::{Mode, Program};
use crate::val::{R, Val};
use crate::{ErrorKind, Frame, Loader, Str, Templar, TemplateError, VarSource, Warning};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

/// One rendering.
pub(crate) struct Cx<'a> {
    pub templar: &'a Templar,
    pub vars: &'a Arc<dyn VarSource>,
    pub loader: &'a dyn Loader,
    /// Literals with template marks are rendered: in conditionals and in the terms of lookups.
    pub embedded: Cell<bool>,
    /// A loop's turn ends here: `{% break %}` or `{% continue %}` was met and its loop has not seen it yet.
    pub leaving: Cell<Option<Leave>>,
    steps: Cell<u64>,
    /// Variables that were rendered, by name: changes in place (`append`) last as long as the rendering.
    cache: RefCell<HashMap<Arc<str>, Val>>,
    /// Texts being rendered right now, to find loops.
    active: RefCell<Vec<Arc<str>>>,
    /// Scopes that hold macros that hold them.
    knots: RefCell<Vec<Arc<Scope>>>,
}

impl Drop for Cx<'_> {
    fn drop(&mut self) {
        for scope in self.knots.take() {
            scope.clear();
        }
    }
}

/// How a loop's turn ends before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    Break,
    Continue,
}

/// Whether a text holds template marks.
pub(crate) fn has_marks(text: &str) -> bool {
    text.starts_with("#jinja2:")
        || text.match_indices('{').any(|(i, _)| matches!(text.as_bytes().get(i + 1), Some(b'{' | b'%' | b'#')))
}

/// An error of kind [`ErrorKind::Undefined`] as a value.
pub(crate) fn undefined(message: impl Into<String>, path: Option<String>) -> Val {
    let mut error = TemplateError::new(ErrorKind::Undefined, message);
    error.detail_mut().undefined = path;
    Val::Marker(Arc::new(error))
}

impl<'a> Cx<'a> {
    pub fn new(templar: &'a Templar, vars: &'a Arc<dyn VarSource>, loader: &'a dyn Loader) -> Self {
        Cx {
            templar,
            vars,
            loader,
            embedded: Cell::new(false),
            leaving: Cell::new(None),
            steps: Cell::new(templar.limits().steps),
            cache: RefCell::default(),
            active: RefCell::default(),
            knots: RefCell::default(),
        }
    }

    /// Remembers a scope that holds a macro, so that the two are freed with the rendering.
    pub fn tie(&self, scope: &Arc<Scope>) {
        self.knots.borrow_mut().push(scope.clone());
    }

    /// Counts one step.
    pub fn step(&self) -> R<()> {
        match self.steps.get().checked_sub(1) {
            Some(left) => {
                self.steps.set(left);
                Ok(())
            }
            None => Err(TemplateError::new(
                ErrorKind::Limit,
                format!("the template took more than {} steps", self.templar.limits().steps),
            )),
        }
    }

    /// Counts many steps: for filters that make long lists.
    pub fn spend(&self, steps: usize) -> R<()> {
        self.steps.set(self.steps.get().saturating_sub(steps as u64).max(1));
        if self.steps.get() == 1 {
            self.steps.set(0)
        }
        self.step()
    }

    pub fn warn(&self, message: impl Into<String>) {
        self.templar.host().warn(Warning { message: message.into(), span: None, deprecated: false });
    }

    /// The value to work with: a template is rendered, a vault is opened. An undefined value stays a value.
    pub fn resolve(&self, value: Val) -> R {
        match value {
            Val::Str(s) if s.template && has_marks(&s.text) => self.render_str(&s),
            Val::Vault(s) => match self.templar.host().decrypt(&s.text, None) {
                Ok(text) => Ok(Val::str(text)),
                Err(message) => {
                    let error = TemplateError::new(ErrorKind::Value, format!("Decryption failed: {message}"));
                    Err(error.or_at(|| s.span.clone()))
                }
            },
            other => Ok(other),
        }
    }

    /// Renders a string of a playbook. Undefined results are values; other failures are errors.
    pub fn render_str(&self, s: &Str) -> R {
        let _guard = limits::deeper(self.templar.limits().depth).map_err(|e| self.recursion(e))?;
        if self.active.borrow().iter().any(|t| Arc::ptr_eq(t, &s.text)) {
            let text: String = s.text.chars().take(80).collect();
            return Err(TemplateError::new(
                ErrorKind::Recursion,
                format!("Recursive loop detected in template: {text}"),
            )
            .or_at(|| s.span.clone()));
        }
        self.active.borrow_mut().push(s.text.clone());
        let outer = self.embedded.replace(false);
        let result = self.render_program(s);
        self.embedded.set(outer);
        self.active.borrow_mut().pop();
        caught(result)
    }

    fn render_program(&self, s: &Str) -> R {
        let (program, body_text) = self.templar.program(s, Mode::Inline)?;
        let value = limits::with_stack(|| self.run(&program))?;
        Ok(keep_newlines(&body_text, value))
    }

    /// Runs a whole program in a fresh scope.
    pub fn run(&self, program: &Arc<Program>) -> R {
        let env = Env::root(program.clone());
        let mut nodes = Vec::new();
        stmt::run_root(self, &env, &mut nodes)?;
        self.concat(nodes)
    }

    /// What a text made of several nodes is: nothing is `None`, one node is its value, several are text.
    pub fn concat(&self, nodes: Vec<Val>) -> R {
        let mut nodes: Vec<Val> = nodes.into_iter().filter(|n| !n.is_none()).collect();
        match nodes.len() {
            0 => return Ok(Val::None),
            1 => return Ok(nodes.swap_remove(0)),
            _ => {}
        }
        let mut out = String::new();
        for node in &nodes {
            match node {
                Val::Marker(_) => return Ok(node.clone()),
                Val::Str(s) => out.push_str(&s.text),
                other => match self.plain(other) {
                    Ok(plain) => out.push_str(&crate::val::repr::to_str(&plain)),
                    Err(e) if e.is_undefined() => return Ok(Val::Marker(Arc::new(e))),
                    Err(e) => return Err(e),
                },
            }
            if out.len() > self.templar.limits().output {
                return Err(TemplateError::new(ErrorKind::Limit, "the template's output is too long"));
            }
        }
        Ok(Val::str(out))
    }

    fn recursion(&self, mut error: TemplateError) -> TemplateError {
        if let Some(text) = self.active.borrow().last() {
            let text: String = text.chars().take(80).collect();
            error.detail_mut().message = format!("Recursive loop detected in template: {text}");
        }
        error
    }
}

/// An undefined result as a value, so that `default` and `is defined` can see it.
pub(crate) fn caught(result: R) -> R {
    match result {
        Err(e) if e.is_undefined() => Ok(Val::Marker(Arc::new(e))),
        other => other,
    }
}

/// Adds the variable to the way on which an error came.
pub(crate) fn through(mut error: TemplateError, name: &str, span: Option<&imgbuild_diag::Span>) -> TemplateError {
    error.detail_mut().frames.insert(0, Frame { name: name.to_owned(), span: span.cloned() });
    error
}

/// Jinja drops the last newline; Ansible puts back as many as the template ended with.
pub(crate) fn keep_newlines(template: &str, value: Val) -> Val {
    let Val::Str(s) = &value else { return value };
    let count = |text: &str| text.len() - text.trim_end_matches('\n').len();
    let missing = count(template).saturating_sub(count(&s.text));
    if missing == 0 {
        return value;
    }
    Val::str(format!("{}{}", s.text, "\n".repeat(missing)))
}
