//! Templates: literals, `${ }`, `%{if}` and `%{for}`, and the `~` that eats whitespace beside them.

use super::heredoc::Literals;
use super::{Evaluator, nothing};
use crate::hcl::convert::convert;
use crate::hcl::scope::Scope;
use crate::hcl::types::Type;
use crate::hcl::value::Value;
use hcl_edit::Span as _;
use hcl_edit::expr::Expression;
use hcl_edit::template::{Directive, Element, ForDirective, IfDirective, Strip, Template};
use std::ops::Range;

/// What the literals of a template are.
pub(crate) enum Lines {
    /// What the parser made of them; `~` eats whitespace through all of one: quoted strings.
    Whole,
    /// Worked out beforehand: heredocs and template files, which HCL reads line by line.
    Apart(Literals),
}

/// The parts of a result, and what is to be known of it.
#[derive(Default)]
struct Text {
    out: String,
    unknown: bool,
    sensitive: bool,
    failed: bool,
}

impl Evaluator<'_> {
    /// A string; the bare value where the template is one `${ }` and nothing else.
    pub(crate) fn template(&mut self, template: &Template, scope: &Scope<'_>, lines: Lines) -> Value {
        if let Some(Element::Interpolation(only)) = template.as_single_element() {
            return self.expression(&only.expr, scope);
        }
        let mut text = Text::default();
        self.parts(template, (false, false), scope, &lines, &mut text);
        let value = match text {
            Text { failed: true, .. } => nothing(),
            Text { unknown: true, .. } => Value::unknown(Type::String),
            Text { out, .. } => Value::string(out),
        };
        value.sensitive_if(text.sensitive)
    }

    /// The elements of a template. `outer` tells whether what stands before and after it eats whitespace.
    fn parts(&mut self, template: &Template, outer: (bool, bool), scope: &Scope<'_>, lines: &Lines, text: &mut Text) {
        for i in 0..template.len() {
            let Some(element) = template.get(i) else { break };
            match element {
                Element::Literal(literal) => {
                    let known = match (lines, literal.span()) {
                        (Lines::Apart(all), Some(range)) => all.get(&range.start),
                        _ => None,
                    };
                    if let Some(known) = known {
                        self.push(known, literal.span(), text);
                        continue;
                    }
                    let before = match i.checked_sub(1) {
                        Some(previous) => template.get(previous).is_some_and(|e| strips(e).1),
                        None => outer.0,
                    };
                    let after = match template.get(i + 1) {
                        Some(next) => strips(next).0,
                        None => outer.1,
                    };
                    let whole = literal.value().as_str();
                    let part = if before { whole.trim_start() } else { whole };
                    self.push(if after { part.trim_end() } else { part }, literal.span(), text);
                }
                Element::Interpolation(interpolation) => {
                    let value = self.expression(&interpolation.expr, scope);
                    self.insert(value, &interpolation.expr, text);
                }
                Element::Directive(directive) => match directive.as_ref() {
                    Directive::If(choice) => self.choice(choice, scope, lines, text),
                    Directive::For(each) => self.each(each, scope, lines, text),
                },
            }
        }
    }

    fn insert(&mut self, value: Value, at: &Expression, text: &mut Text) {
        text.sensitive |= value.has_sensitive();
        if value.is_null() {
            self.fail("Invalid template interpolation value: null can't be part of a text", at.span());
            text.failed = true;
            return;
        }
        match convert(&value, &Type::String) {
            Ok(converted) => match converted.as_str() {
                Some(part) => self.push(part, at.span(), text),
                None => text.unknown = true,
            },
            Err(_) => {
                let message =
                    format!("Invalid template interpolation value: a string is wanted here, got {}", value.kind());
                self.fail(message, at.span());
                text.failed = true;
            }
        }
    }

    /// Appends to the text, if there is room for it.
    fn push(&mut self, part: &str, at: Option<Range<usize>>, text: &mut Text) {
        if self.env.budget.text(part.len()) {
            text.out.push_str(part);
            return;
        }
        self.too_much("this text makes too much: it and those before it would be too large", at);
        text.failed = true;
    }

    fn choice(&mut self, choice: &IfDirective, scope: &Scope<'_>, lines: &Lines, text: &mut Text) {
        let at = &choice.if_expr.cond_expr;
        let condition = self.expression(at, scope);
        text.sensitive |= condition.is_sensitive();
        let end = &choice.endif_expr.strip;
        let Some(condition) = self.operand(condition, &Type::Bool, "the condition must be a bool", at) else {
            text.failed = true;
            return;
        };
        match (condition.as_bool(), &choice.else_expr) {
            (None, _) => text.unknown = true,
            (Some(true), other) => {
                let closes = other.as_ref().map_or(end, |other| &other.strip);
                let outer = (choice.if_expr.strip.strip_end(), closes.strip_start());
                self.parts(&choice.if_expr.template, outer, scope, lines, text);
            }
            (Some(false), Some(other)) => {
                self.parts(&other.template, (other.strip.strip_end(), end.strip_start()), scope, lines, text);
            }
            (Some(false), None) => {}
        }
    }

    fn each(&mut self, each: &ForDirective, scope: &Scope<'_>, lines: &Lines, text: &mut Text) {
        let at = &each.for_expr.collection_expr;
        let collection = self.expression(at, scope);
        text.sensitive |= collection.is_sensitive();
        if !collection.is_known() {
            text.unknown = true;
            return;
        }
        let Some(pairs) = self.iterate(&collection, at) else {
            text.failed = true;
            return;
        };
        let outer = (each.for_expr.strip.strip_end(), each.endfor_expr.strip.strip_start());
        for (key, value) in pairs {
            let mut names = Vec::with_capacity(2);
            if let Some(name) = &each.for_expr.key_var {
                names.push((name.as_str().to_owned(), key));
            }
            names.push((each.for_expr.value_var.as_str().to_owned(), value));
            if !self.step(1, at) {
                text.failed = true;
                return;
            }
            self.parts(&each.for_expr.template, outer, &scope.child(&names), lines, text);
            if text.failed {
                return;
            }
        }
    }
}

/// Whether an element eats whitespace before it, and after it.
fn strips(element: &Element) -> (bool, bool) {
    let of = |opens: &Strip, closes: &Strip| (opens.strip_start(), closes.strip_end());
    match element {
        Element::Literal(_) => (false, false),
        Element::Interpolation(interpolation) => of(&interpolation.strip, &interpolation.strip),
        Element::Directive(directive) => match directive.as_ref() {
            Directive::If(choice) => of(&choice.if_expr.strip, &choice.endif_expr.strip),
            Directive::For(each) => of(&each.for_expr.strip, &each.endfor_expr.strip),
        },
    }
}
