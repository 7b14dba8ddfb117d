//! Evaluates expressions as HCL's specification and its Go implementation do.
//!
//! What is wrong is pushed to the diagnostics and the value is then unknown, so that one pass finds everything and no error begets
//! another. Work is bounded: nesting by the parser, steps and sizes by the [budget](super::budget).

mod call;
mod collection;
mod heredoc;
mod operators;
mod template;
#[cfg(test)]
mod tests;
mod traversal;

pub(crate) use template::Lines;

use super::number::Number;
use super::scope::{Env, Scope};
use super::types::Type;
use super::value::Value;
use hcl_edit::Span as _;
use hcl_edit::expr::Expression;
use hcl_edit::template::Template;
use imgbuild_diag::{Diagnostic, Diagnostics, Source, Span};
use std::ops::Range;
use std::sync::Arc;

/// Where the text of an expression stands.
#[derive(Clone, Copy)]
pub(crate) enum Place<'a> {
    /// Its offsets are those of this source.
    In(&'a Arc<Source>),
    /// Its text is not that of a file: everything has this one place.
    At(&'a Span),
}

/// Evaluates one expression.
pub(crate) struct Evaluator<'a> {
    place: Place<'a>,
    env: &'a Env,
    diags: &'a mut Diagnostics,
    /// It was said that the budget does not suffice.
    spent: bool,
}

/// What stands for a value that could not be had.
fn nothing() -> Value {
    Value::unknown(Type::Any)
}

impl<'a> Evaluator<'a> {
    pub(crate) fn new(place: Place<'a>, env: &'a Env, diags: &'a mut Diagnostics) -> Self {
        Evaluator { place, env, diags, spent: false }
    }

    /// The value of an expression.
    pub(crate) fn expression(&mut self, expression: &Expression, scope: &Scope<'_>) -> Value {
        if !self.step(1, expression) {
            return nothing();
        }
        match expression {
            Expression::Null(_) => Value::null(),
            Expression::Bool(flag) => Value::from(*flag.value()),
            Expression::Number(number) => self.number(expression, number.value()),
            Expression::String(text) => Value::string(text.value()),
            Expression::Array(items) => {
                let tuple = Value::tuple(items.iter().map(|item| self.expression(item, scope)).collect());
                self.made(tuple, expression.span())
            }
            Expression::Object(object) => self.object(object, expression, scope),
            Expression::StringTemplate(template) => self.template(template, scope, Lines::Whole),
            Expression::HeredocTemplate(heredoc) => {
                let lines = self.lines(&heredoc.template, expression.span());
                self.template(&heredoc.template, scope, lines)
            }
            Expression::Parenthesis(inner) => self.expression(inner.inner(), scope),
            Expression::Variable(name) => self.variable(name.as_str(), expression, scope),
            Expression::Conditional(conditional) => self.conditional(conditional, expression, scope),
            Expression::FuncCall(call) => self.call(call, expression, scope),
            Expression::Traversal(traversal) => self.traversal(traversal, scope),
            Expression::UnaryOp(op) => self.unary(op, scope),
            Expression::BinaryOp(op) => self.binary(op, expression, scope),
            Expression::ForExpr(each) => self.for_expression(each, expression, scope),
        }
    }

    /// How a heredoc, or a whole template file, is read.
    fn lines(&self, template: &Template, place: Option<Range<usize>>) -> Lines {
        let Place::In(source) = self.place else { return Lines::Whole };
        let flush = place.and_then(|range| source.text().get(range)).is_some_and(|text| text.starts_with("<<-"));
        Lines::Apart(heredoc::literals(template, source.text(), flush))
    }

    /// The text of a template file.
    fn file(&mut self, template: &Template, scope: &Scope<'_>) -> Value {
        let lines = self.lines(template, None);
        self.template(template, scope, lines)
    }

    /// A literal, with all digits that were written.
    fn number(&mut self, expression: &Expression, parsed: &hcl_edit::Number) -> Value {
        let written = match (self.place, expression.span()) {
            (Place::In(source), Some(range)) => source.text().get(range).and_then(Number::parse),
            _ => None,
        };
        let number = written.or_else(|| Number::parse(&parsed.to_string()));
        match number {
            Some(number) => number.into(),
            None => self.fail("this number is beyond what can be read", expression.span()),
        }
    }

    fn variable(&mut self, name: &str, expression: &Expression, scope: &Scope<'_>) -> Value {
        if let Some(value) = scope.get(name) {
            return value.clone();
        }
        let span = self.span(expression.span());
        let names = scope.names();
        let error = if names.is_empty() {
            Diagnostic::error("Variables not allowed: variables may not be used here").at(&span)
        } else {
            let error = Diagnostic::error(format!("Unknown variable: there is no variable named {name:?}")).at(&span);
            match scope.get("var").and_then(Value::as_entries).filter(|vars| vars.contains_key(name)) {
                Some(_) => error.help(format!("an input variable is written var.{name}")),
                None => match scope.get("local").and_then(Value::as_entries).filter(|all| all.contains_key(name)) {
                    Some(_) => error.help(format!("a local is written local.{name}")),
                    None => match imgbuild_diag::did_you_mean(name, names.iter().copied()) {
                        Some(right) => error.help(format!("did you mean {right:?}?")),
                        None => error
                            .help("a text stands in double quotes")
                            .help(format!("there are: {}", names.join(", "))),
                    },
                },
            }
        };
        self.diags.push(error);
        nothing()
    }

    /// Counts work; past the bound everything is an error, said once.
    fn step(&mut self, amount: u64, at: &Expression) -> bool {
        if self.env.budget.step(amount) {
            return true;
        }
        self.too_much("this expression does too much work", at.span());
        false
    }

    /// A value that was made here, if there is room for it.
    fn made(&mut self, value: Value, at: Option<Range<usize>>) -> Value {
        if self.env.budget.value(&value) {
            return value;
        }
        self.too_large(at);
        nothing()
    }

    /// A value that something goes through as a whole, however often: work for its size.
    fn gone_through(&mut self, values: &[Value], at: &Expression) -> bool {
        let Some(size) = self.env.budget.measure(values) else {
            self.too_large(at.span());
            return false;
        };
        self.step((size.elements + size.bytes / 64) / 16, at)
    }

    fn too_large(&mut self, at: Option<Range<usize>>) {
        self.too_much("this expression makes too much: its result and those before it would be too large", at);
    }

    fn too_much(&mut self, what: &str, at: Option<Range<usize>>) {
        if !self.spent {
            self.spent = true;
            self.fail(what, at);
        }
    }

    /// The place of a part of the expression.
    fn span(&self, range: Option<Range<usize>>) -> Span {
        match self.place {
            Place::In(source) => Span::new(source, range.unwrap_or(0..0)),
            Place::At(span) => span.clone(),
        }
    }

    /// Reports an error; the value is not known then.
    fn fail(&mut self, message: impl Into<String>, range: Option<Range<usize>>) -> Value {
        let span = self.span(range);
        self.diags.push(Diagnostic::error(message).at(&span));
        nothing()
    }

    /// Runs a part with diagnostics of its own: for what may fail without harm.
    fn apart<T>(&mut self, part: impl FnOnce(&mut Evaluator<'_>) -> T) -> (T, Diagnostics) {
        let mut diags = Diagnostics::new();
        let mut inner = Evaluator { place: self.place, env: self.env, diags: &mut diags, spent: false };
        let result = part(&mut inner);
        (result, diags)
    }
}
