//! Attributes, indexes and splats.

use super::{Evaluator, nothing};
use crate::hcl::convert::convert;
use crate::hcl::scope::Scope;
use crate::hcl::types::Type;
use crate::hcl::value::{Data, Value};
use hcl_edit::expr::{Expression, Traversal, TraversalOperator};
use hcl_edit::{Decorated, Span as _};
use imgbuild_diag::Diagnostic;
use std::ops::Range;

/// Roots whose attributes have a name of their own in messages.
const ROOTS: &[(&str, &str)] = &[("var", "an input variable"), ("local", "a local"), ("data", "a data source")];

impl Evaluator<'_> {
    pub(super) fn traversal(&mut self, traversal: &Traversal, scope: &Scope<'_>) -> Value {
        let before = self.diags.errors().count();
        let value = self.expression(&traversal.expr, scope);
        if self.diags.errors().count() > before {
            return nothing();
        }
        let root = match &traversal.expr {
            Expression::Variable(name) => Some(name.as_str()),
            _ => None,
        };
        self.operators(value, &traversal.operators, root, scope)
    }

    fn operators(
        &mut self,
        mut value: Value,
        operators: &[Decorated<TraversalOperator>],
        root: Option<&str>,
        scope: &Scope<'_>,
    ) -> Value {
        for (i, operator) in operators.iter().enumerate() {
            let place = operator.span();
            let before = self.diags.errors().count();
            value = match operator.value() {
                TraversalOperator::GetAttr(name) => {
                    self.attribute(&value, name.as_str(), place, root.filter(|_| i == 0))
                }
                TraversalOperator::Index(key) => {
                    let key = self.expression(key, scope);
                    self.index(&value, &key, place)
                }
                TraversalOperator::LegacyIndex(position) => {
                    let key = Value::count(usize::try_from(*position.value()).unwrap_or(usize::MAX));
                    self.index(&value, &key, place)
                }
                splat @ (TraversalOperator::AttrSplat(_) | TraversalOperator::FullSplat(_)) => {
                    let full = matches!(splat, TraversalOperator::FullSplat(_));
                    let rest = &operators[i + 1..];
                    let each = rest.iter().take_while(|operator| match operator.value() {
                        TraversalOperator::GetAttr(_) => true,
                        TraversalOperator::Index(_) | TraversalOperator::LegacyIndex(_) => full,
                        _ => false,
                    });
                    let (each, after) = rest.split_at(each.count());
                    let spread = self.splat(&value, each, place.clone(), scope);
                    let spread = self.made(spread, place);
                    return self.operators(spread, after, None, scope);
                }
            };
            if self.diags.errors().count() > before {
                return nothing();
            }
        }
        value
    }

    /// `value.name`.
    fn attribute(&mut self, value: &Value, name: &str, place: Option<Range<usize>>, root: Option<&str>) -> Value {
        let sensitive = value.is_sensitive();
        let found = match value.data() {
            Data::Object(entries) | Data::Map(_, entries) => match entries.get(name) {
                Some(found) => found.clone(),
                None => return self.no_attribute(value, name, place, root),
            },
            Data::Null(_) => {
                let message =
                    format!("Attempt to get attribute {name:?} from null: this value is null, it has no attributes");
                return self.fail(message, place);
            }
            Data::Unknown(ty) => match ty {
                Type::Any => nothing(),
                Type::Map(element) => Value::unknown((**element).clone()),
                Type::Object(attributes) => match attributes.get(name) {
                    Some(attribute) => Value::unknown(attribute.ty.clone()),
                    None => {
                        let known: Vec<&str> = attributes.keys().map(|k| &**k).collect();
                        return self.unsupported(name, &known, place);
                    }
                },
                _ => return self.not_an_object(value, name, place),
            },
            _ => return self.not_an_object(value, name, place),
        };
        found.sensitive_if(sensitive)
    }

    fn unsupported(&mut self, name: &str, known: &[&str], place: Option<Range<usize>>) -> Value {
        let span = self.span(place);
        let message = format!("Unsupported attribute: this object does not have an attribute named {name:?}");
        self.diags.push(Diagnostic::error(message).at(&span).suggest(name, known.iter().copied()));
        nothing()
    }

    fn no_attribute(&mut self, value: &Value, name: &str, place: Option<Range<usize>>, root: Option<&str>) -> Value {
        let known: Vec<&str> =
            value.as_entries().into_iter().flat_map(|entries| entries.keys()).map(|k| &**k).collect();
        if matches!(value.data(), Data::Map(..)) {
            let span = self.span(place);
            let message = format!("Missing map element: this map does not have an element with the key {name:?}");
            self.diags.push(Diagnostic::error(message).at(&span).suggest(name, known));
            return nothing();
        }
        let Some((root, what)) = root.and_then(|root| ROOTS.iter().find(|(known, _)| *known == root)) else {
            return self.unsupported(name, &known, place);
        };
        let span = self.span(place);
        let message = format!(
            "Unknown variable: {root}.{name} is not declared: there is no such {}",
            &what[what.find(' ').map_or(0, |i| i + 1)..]
        );
        let error = Diagnostic::error(message).at(&span).suggest(name, known);
        let elsewhere =
            |other: &str| self.env.roots.get(other).and_then(Value::as_entries).is_some_and(|e| e.contains_key(name));
        let other = ROOTS.iter().find(|(other, _)| other != root && elsewhere(other));
        self.diags.push(match other {
            Some((other, what)) => error.help(format!("{what} of this name is there: {other}.{name}")),
            None => error,
        });
        nothing()
    }

    fn not_an_object(&mut self, value: &Value, name: &str, place: Option<Range<usize>>) -> Value {
        let message = match value.ty() {
            Type::List(_) | Type::Set(_) | Type::Tuple(_) => format!(
                "Unsupported attribute: {name:?} of a {}: it has elements; [0].{name} is that of one, [*].{name} those of all",
                value.kind()
            ),
            _ => format!("Unsupported attribute: a {} has no attributes, also not {name:?}", value.kind()),
        };
        self.fail(message, place)
    }

    /// `value[key]`.
    fn index(&mut self, value: &Value, key: &Value, place: Option<Range<usize>>) -> Value {
        let sensitive = value.is_sensitive() || key.is_sensitive();
        if value.is_null() {
            return self.fail("Attempt to index a null value: it has no elements", place);
        }
        if key.is_null() {
            return self.fail("Invalid index: null can't be a key", place);
        }
        let found = match value.data() {
            Data::Unknown(Type::Any) => nothing(),
            Data::Unknown(Type::List(element) | Type::Map(element)) => Value::unknown((**element).clone()),
            Data::Unknown(Type::Tuple(_) | Type::Object(_)) => nothing(),
            Data::List(_, elements) | Data::Tuple(elements) => {
                let Ok(number) = convert(key, &Type::Number) else {
                    return self
                        .fail(format!("Invalid index: an element is found by a number, not {}", key.kind()), place);
                };
                let Some(number) = number.as_number() else { return nothing() };
                if number.is_negative() {
                    return self.fail("Invalid index: a negative number is not a position in a sequence", place);
                }
                if !number.is_integer() {
                    return self.fail("Invalid index: an element is found by a whole number", place);
                }
                match number.to_usize().and_then(|i| elements.get(i)) {
                    Some(found) => found.clone(),
                    None => {
                        let message = match elements.len() {
                            0 => "Invalid index: the collection has no elements".to_owned(),
                            length => format!(
                                "Invalid index: {number} is past the last of {length} element(s), which is {}",
                                length - 1
                            ),
                        };
                        return self.fail(message, place);
                    }
                }
            }
            Data::Map(_, entries) | Data::Object(entries) => {
                let Ok(name) = convert(key, &Type::String) else {
                    return self
                        .fail(format!("Invalid index: an element is found by a string, not {}", key.kind()), place);
                };
                let Some(name) = name.as_str() else { return nothing() };
                match entries.get(name) {
                    Some(found) => found.clone(),
                    None => {
                        let span = self.span(place);
                        let message = format!("Invalid index: there is no element with the key {name:?}");
                        self.diags
                            .push(Diagnostic::error(message).at(&span).suggest(name, entries.keys().map(|k| &**k)));
                        return nothing();
                    }
                }
            }
            Data::Set(..) | Data::Unknown(Type::Set(_)) => {
                return self.fail(
                    "Invalid index: elements of a set have no keys; [for x in SET : x] makes a sequence of it",
                    place,
                );
            }
            _ => return self.fail(format!("Invalid index: a {} has no elements", value.kind()), place),
        };
        found.sensitive_if(sensitive)
    }

    /// `value.*` and `value[*]`: the rest for each element. Null is no element, any single value one.
    fn splat(
        &mut self,
        value: &Value,
        each: &[Decorated<TraversalOperator>],
        place: Option<Range<usize>>,
        scope: &Scope<'_>,
    ) -> Value {
        let sensitive = value.is_sensitive();
        let sequence = match value.data() {
            Data::Null(Type::List(_) | Type::Set(_) | Type::Tuple(_)) => {
                return self.fail("Splat of null value: null has no elements", place);
            }
            Data::Null(_) => return Value::tuple(Vec::new()).sensitive_if(sensitive),
            Data::Unknown(_) => return nothing(),
            Data::List(_, elements) | Data::Set(_, elements) | Data::Tuple(elements) => elements.as_slice(),
            _ => std::slice::from_ref(value),
        };
        let mut all = Vec::with_capacity(sequence.len());
        for element in sequence {
            all.push(self.operators(element.clone(), each, None, scope));
        }
        let list = matches!(value.data(), Data::List(..) | Data::Set(..));
        let result = match all.first().map(Value::ty) {
            Some(ty) if list && all.iter().all(|v| v.ty() == ty) => Value::list(ty, all),
            None if list => Value::list(Type::Any, all),
            _ => Value::tuple(all),
        };
        result.sensitive_if(sensitive)
    }
}
