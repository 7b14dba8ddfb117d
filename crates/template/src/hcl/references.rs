//! What an expression refers to: `var.x`, `local.y`, `data.type.name`, without evaluating it. Names that a `for` binds are not
//! references.

use hcl_edit::Span as _;
use hcl_edit::expr::{Expression, ObjectKey, TraversalOperator};
use hcl_edit::template::{Directive, Element, Template};
use std::ops::Range;

/// A root name and the attribute names that follow it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reference {
    /// `["var", "x"]`.
    pub(crate) path: Vec<String>,
    /// Where, as bytes of its source.
    pub(crate) place: Range<usize>,
}

/// All references of an expression, in order.
pub(super) fn of_expression(expression: &Expression) -> Vec<Reference> {
    let mut walk = Walk::default();
    walk.expression(expression);
    walk.found
}

/// All references of a template.
pub(super) fn of_template(template: &Template) -> Vec<Reference> {
    let mut walk = Walk::default();
    walk.template(template);
    walk.found
}

#[derive(Default)]
struct Walk {
    bound: Vec<String>,
    found: Vec<Reference>,
}

impl Walk {
    fn expression(&mut self, expression: &Expression) {
        match expression {
            Expression::Null(_) | Expression::Bool(_) | Expression::Number(_) | Expression::String(_) => {}
            Expression::Array(items) => items.iter().for_each(|item| self.expression(item)),
            Expression::Object(object) => {
                for (key, value) in object {
                    // A bare name is a string, not a reference.
                    if let ObjectKey::Expression(key) = key {
                        self.expression(key);
                    }
                    self.expression(value.expr());
                }
            }
            Expression::StringTemplate(template) => self.template(template),
            Expression::HeredocTemplate(heredoc) => self.template(&heredoc.template),
            Expression::Parenthesis(inner) => self.expression(inner.inner()),
            Expression::Variable(name) => self.reference(name.as_str(), Vec::new(), expression.span()),
            Expression::Conditional(conditional) => {
                self.expression(&conditional.cond_expr);
                self.expression(&conditional.true_expr);
                self.expression(&conditional.false_expr);
            }
            Expression::FuncCall(call) => call.args.iter().for_each(|arg| self.expression(arg)),
            Expression::Traversal(traversal) => {
                match &traversal.expr {
                    Expression::Variable(name) => {
                        let names = traversal.operators.iter().map_while(|operator| match operator.value() {
                            TraversalOperator::GetAttr(name) => Some(name.as_str().to_owned()),
                            TraversalOperator::Index(Expression::String(name)) => Some(name.value().clone()),
                            _ => None,
                        });
                        self.reference(name.as_str(), names.collect(), expression.span());
                    }
                    other => self.expression(other),
                }
                for operator in &traversal.operators {
                    if let TraversalOperator::Index(index) = operator.value() {
                        self.expression(index);
                    }
                }
            }
            Expression::UnaryOp(op) => self.expression(&op.expr),
            Expression::BinaryOp(op) => {
                self.expression(&op.lhs_expr);
                self.expression(&op.rhs_expr);
            }
            Expression::ForExpr(each) => {
                self.expression(&each.intro.collection_expr);
                let key = each.intro.key_var.as_ref().map(|name| name.as_str());
                self.binding(key, each.intro.value_var.as_str(), |walk| {
                    each.key_expr.iter().for_each(|key| walk.expression(key));
                    walk.expression(&each.value_expr);
                    each.cond.iter().for_each(|cond| walk.expression(&cond.expr));
                });
            }
        }
    }

    fn template(&mut self, template: &Template) {
        for element in template {
            match element {
                Element::Literal(_) => {}
                Element::Interpolation(interpolation) => self.expression(&interpolation.expr),
                Element::Directive(directive) => match directive.as_ref() {
                    Directive::If(choice) => {
                        self.expression(&choice.if_expr.cond_expr);
                        self.template(&choice.if_expr.template);
                        choice.else_expr.iter().for_each(|other| self.template(&other.template));
                    }
                    Directive::For(each) => {
                        self.expression(&each.for_expr.collection_expr);
                        let key = each.for_expr.key_var.as_ref().map(|name| name.as_str());
                        self.binding(key, each.for_expr.value_var.as_str(), |walk| {
                            walk.template(&each.for_expr.template);
                        });
                    }
                },
            }
        }
    }

    fn binding(&mut self, key: Option<&str>, value: &str, inside: impl FnOnce(&mut Self)) {
        let before = self.bound.len();
        self.bound.extend(key.into_iter().chain([value]).map(str::to_owned));
        inside(self);
        self.bound.truncate(before);
    }

    fn reference(&mut self, root: &str, rest: Vec<String>, place: Option<Range<usize>>) {
        if !self.bound.iter().any(|name| name == root) {
            let path = std::iter::once(root.to_owned()).chain(rest).collect();
            self.found.push(Reference { path, place: place.unwrap_or_default() });
        }
    }
}
