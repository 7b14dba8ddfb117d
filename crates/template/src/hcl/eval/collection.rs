//! Objects, `for` expressions and conditionals.

use super::{Evaluator, Place, nothing};
use crate::hcl::convert::convert;
use crate::hcl::scope::Scope;
use crate::hcl::syntax;
use crate::hcl::types::Type;
use crate::hcl::unify::unify;
use crate::hcl::value::{Data, Value};
use hcl_edit::Span as _;
use hcl_edit::expr::{Conditional, Expression, ForExpr, Object, ObjectKey};
use indexmap::IndexMap;
use std::ops::Range;

impl Evaluator<'_> {
    pub(super) fn object(&mut self, object: &Object, whole: &Expression, scope: &Scope<'_>) -> Value {
        let mut entries: Vec<(String, Value)> = Vec::with_capacity(object.len());
        let mut known = true;
        let mut sensitive = false;
        for (key, value) in object {
            let name = match key {
                ObjectKey::Ident(name) => Some(self.written(name.as_str(), name.span())),
                ObjectKey::Expression(Expression::String(name)) => Some(self.written(name.as_str(), name.span())),
                ObjectKey::Expression(key) => {
                    let key_value = self.expression(key, scope);
                    sensitive |= key_value.is_sensitive();
                    known &= key_value.is_known();
                    self.key(&key_value, key)
                }
            };
            let value = self.expression(value.expr(), scope);
            entries.extend(name.map(|name| (name, value)));
        }
        let result = if known { self.made(Value::object(entries), whole.span()) } else { nothing() };
        result.sensitive_if(sensitive)
    }

    /// The name of a key: what the file says, for the parser may have been given another one ([`syntax::lenient`]).
    fn written(&self, parsed: &str, place: Option<Range<usize>>) -> String {
        let written = match (self.place, place) {
            (Place::In(source), Some(place)) => syntax::key_in(source, &place, parsed.len()),
            _ => None,
        };
        written.unwrap_or(parsed).to_owned()
    }

    /// An object's key as a string. None: it is wrong, which has been said, or not known.
    fn key(&mut self, key: &Value, at: &Expression) -> Option<String> {
        if key.is_null() {
            self.fail("Null value as key: a key must be a string", at.span());
            return None;
        }
        match convert(key, &Type::String) {
            Ok(key) => key.as_str().map(str::to_owned),
            Err(_) => {
                self.fail(format!("Incorrect key type: a key must be a string, not {}", key.kind()), at.span());
                None
            }
        }
    }

    /// What a collection holds, for loops. None: it can't be gone through, which has been said.
    pub(super) fn iterate(&mut self, collection: &Value, at: &Expression) -> Option<Vec<(Value, Value)>> {
        if collection.is_null() {
            self.fail("Iteration over null value: null has no elements", at.span());
            return None;
        }
        let pairs = collection.pairs();
        if pairs.is_none() {
            let message =
                format!("Iteration over non-iterable value: a {} has no elements to go through", collection.kind());
            self.fail(message, at.span());
        }
        pairs
    }

    pub(super) fn for_expression(&mut self, each: &ForExpr, whole: &Expression, scope: &Scope<'_>) -> Value {
        let at = &each.intro.collection_expr;
        let collection = self.expression(at, scope);
        let mut sensitive = collection.is_sensitive();
        if !collection.is_known() {
            return nothing().sensitive_if(sensitive);
        }
        let Some(pairs) = self.iterate(&collection, at) else { return nothing() };
        let mut list = Vec::new();
        let mut object: IndexMap<String, Vec<Value>> = IndexMap::new();
        let mut known = true;
        for (key, value) in pairs {
            if !self.step(1, whole) {
                return nothing();
            }
            let mut names = Vec::with_capacity(2);
            if let Some(name) = &each.intro.key_var {
                names.push((name.as_str().to_owned(), key));
            }
            names.push((each.intro.value_var.as_str().to_owned(), value));
            let inner = scope.child(&names);
            let before = self.diags.errors().count();
            if let Some(condition) = &each.cond {
                let included = self.expression(&condition.expr, &inner);
                sensitive |= included.is_sensitive();
                match self.operand(included, &Type::Bool, "the condition of \"for\" must be a bool", &condition.expr) {
                    Some(included) => match included.as_bool() {
                        Some(true) => {}
                        Some(false) => continue,
                        None => {
                            known = false;
                            continue;
                        }
                    },
                    None => return nothing(),
                }
            }
            let Some(key_expr) = &each.key_expr else {
                list.push(self.expression(&each.value_expr, &inner));
                // The same mistake in every element is said once.
                if self.diags.errors().count() > before {
                    return nothing();
                }
                continue;
            };
            let key = self.expression(key_expr, &inner);
            sensitive |= key.is_sensitive();
            known &= key.is_known();
            let key = self.key(&key, key_expr);
            let value = self.expression(&each.value_expr, &inner);
            if self.diags.errors().count() > before {
                return nothing();
            }
            let Some(key) = key else { continue };
            let group = object.entry(key.clone()).or_default();
            group.push(value);
            if group.len() > 1 && !each.grouping {
                let message = format!(
                    "Duplicate object key: two items produced the key {key:?}; with \"...\" after the value they are grouped"
                );
                return self.fail(message, key_expr.span());
            }
        }
        let result = match (known, &each.key_expr) {
            (false, _) => nothing(),
            (true, None) => Value::tuple(list),
            (true, Some(_)) => Value::object(object.into_iter().map(|(key, mut group)| {
                let value = if each.grouping { Value::tuple(group) } else { group.pop().unwrap_or_else(Value::null) };
                (key, value)
            })),
        };
        self.made(result, whole.span()).sensitive_if(sensitive)
    }

    /// Both arms are evaluated, since the result has the type that both can have; errors of the other arm don't matter.
    pub(super) fn conditional(&mut self, choice: &Conditional, whole: &Expression, scope: &Scope<'_>) -> Value {
        let (yes, yes_errors) = self.apart(|inner| inner.expression(&choice.true_expr, scope));
        let (no, no_errors) = self.apart(|inner| inner.expression(&choice.false_expr, scope));
        let condition = self.expression(&choice.cond_expr, scope);
        let wanted = "the condition must be a bool";
        let Some(condition) = self.operand(condition, &Type::Bool, wanted, &choice.cond_expr) else { return nothing() };
        let sensitive = condition.is_sensitive();
        let untyped_null = |value: &Value| matches!(value.data(), Data::Null(Type::Any));
        let ty = match (untyped_null(&yes), untyped_null(&no)) {
            (true, true) => Some(Type::Any),
            (true, false) => Some(no.ty()),
            (false, true) => Some(yes.ty()),
            (false, false) => unify(&[yes.ty(), no.ty()]),
        };
        let broken = yes_errors.has_errors() || no_errors.has_errors();
        let (chosen, errors) = match condition.as_bool() {
            Some(true) => (yes.clone(), yes_errors),
            Some(false) => (no.clone(), no_errors),
            None => {
                return Value::unknown(ty.unwrap_or(Type::Any)).sensitive_if(sensitive);
            }
        };
        let failed = errors.has_errors();
        self.diags.extend(errors);
        if failed {
            return nothing();
        }
        let Some(ty) = ty else {
            let message = format!(
                "Inconsistent conditional result types: the results are {} and {}, and no type fits both",
                yes.kind(),
                no.kind()
            );
            return self.fail(message, whole.span());
        };
        if broken || ty == Type::Any {
            return chosen.sensitive_if(sensitive);
        }
        let marked = chosen.is_sensitive();
        if !self.gone_through(std::slice::from_ref(&chosen), whole) {
            return nothing();
        }
        match convert(&chosen, &ty) {
            Ok(value) => value.sensitive_if(sensitive || marked),
            Err(error) => self.fail(format!("Inconsistent conditional result types: {error}"), whole.span()),
        }
    }
}
