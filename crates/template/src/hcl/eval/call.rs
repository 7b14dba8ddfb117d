//! Calls: which functions may be called is the place's business, what they do that of [`crate::hcl::functions`]. `try`, `can` and
//! `convert` are here, because they need expressions rather than values.

use super::{Evaluator, Place, nothing};
use crate::hcl::budget::Budget;
use crate::hcl::constraint::{TypeError, constraint};
use crate::hcl::convert::convert;
use crate::hcl::functions::{self, Ctx};
use crate::hcl::scope::{Callable, Env, Scope, Surroundings};
use crate::hcl::types::Type;
use crate::hcl::value::{Entries, Value};
use hcl_edit::Span as _;
use hcl_edit::expr::{Expression, FuncCall};
use imgbuild_diag::{Diagnostic, Diagnostics, Source};
use std::ops::Range;
use std::sync::Arc;

impl Evaluator<'_> {
    pub(super) fn call(&mut self, call: &FuncCall, whole: &Expression, scope: &Scope<'_>) -> Value {
        let name = call.name.name.as_str();
        let place = call.name.name.span();
        if call.name.is_namespaced() {
            return self.fail("Call to unknown function: functions have no namespaces here", whole.span());
        }
        let env = self.env;
        let (surroundings, defaults, nested) = match &env.callable {
            Callable::Nothing => {
                return self.fail("Function calls not allowed: functions may not be called here", place);
            }
            Callable::Environment(surroundings) if name == "env" => (surroundings, true, false),
            Callable::Environment(_) => {
                let message = format!(
                    "Call to unknown function: only env() can be called in the default of a variable, not {name}()"
                );
                return self.fail(message, place);
            }
            Callable::All(surroundings) => (surroundings, false, false),
            Callable::Nested(surroundings) => (surroundings, false, true),
        };
        match name {
            "try" => return self.first_that_works(call, whole, scope),
            "can" => return self.can(call, whole, scope),
            "convert" => return self.convert_call(call, whole, scope),
            "env" if !defaults => {
                let span = self.span(place);
                let message = "Call to unknown function: env() can be called in the default of a variable only";
                let help = "give a variable that default and refer to it: var.NAME";
                self.diags.push(Diagnostic::error(message).at(&span).help(help));
                return nothing();
            }
            _ if !functions::exists(name) => {
                let span = self.span(place);
                let message = format!("Call to unknown function: there is no function named {name:?}");
                self.diags.push(Diagnostic::error(message).at(&span).suggest(name, functions::names()));
                return nothing();
            }
            _ => {}
        }
        let Some((arguments, places)) = self.arguments(call, scope) else { return nothing() };
        // What takes a list makes one of this size at most, and what looks at one goes through it.
        if !self.gone_through(&arguments, whole) {
            return nothing();
        }
        let template = |name: &str, text: &str, names: &Entries| render(name, text, names, surroundings, &env.budget);
        let mut context = Ctx::new(&surroundings.ambient, &surroundings.base);
        context.in_variable_default = defaults;
        context.render = (!nested).then_some(&template);
        match functions::call(name, &arguments, &context) {
            Ok(value) => self.made(value, whole.span()),
            Err(error) => {
                let place =
                    error.argument().and_then(|i| places.get(i).or(places.last()).cloned()).unwrap_or(whole.span());
                let message = match error.argument() {
                    Some(_) => format!("Invalid function argument: {name}(): {error}"),
                    None => format!("Error in function call: {name}(): {error}"),
                };
                self.fail(message, place)
            }
        }
    }

    /// The arguments with their places; `list...` stands for its elements. None: something in them is wrong.
    #[allow(clippy::type_complexity)]
    fn arguments(&mut self, call: &FuncCall, scope: &Scope<'_>) -> Option<(Vec<Value>, Vec<Option<Range<usize>>>)> {
        let before = self.diags.errors().count();
        let mut values = Vec::with_capacity(call.args.len());
        let mut places = Vec::with_capacity(call.args.len());
        for (i, argument) in call.args.iter().enumerate() {
            let value = self.expression(argument, scope);
            if call.args.expand_final() && i + 1 == call.args.len() && self.diags.errors().count() == before {
                if !value.is_known() {
                    return None;
                }
                let Some(elements) = value.as_elements() else {
                    let message =
                        "Invalid expanding argument value: what stands before \"...\" must be a list, a set or a tuple";
                    self.fail(format!("{message}, not {}", value.kind()), argument.span());
                    return None;
                };
                let sensitive = value.is_sensitive();
                for element in elements {
                    values.push(element.clone().sensitive_if(sensitive));
                    places.push(argument.span());
                }
                continue;
            }
            values.push(value);
            places.push(argument.span());
        }
        (self.diags.errors().count() == before).then_some((values, places))
    }

    fn first_that_works(&mut self, call: &FuncCall, whole: &Expression, scope: &Scope<'_>) -> Value {
        let mut reasons = Vec::new();
        for argument in call.args.iter() {
            let (value, errors) = self.apart(|inner| inner.expression(argument, scope));
            if !errors.has_errors() {
                return if value.is_wholly_known() { value } else { nothing() };
            }
            reasons.extend(errors.errors().map(|error| error.message.clone()));
        }
        if call.args.is_empty() {
            return self.fail("Error in function call: try() needs at least one argument", whole.span());
        }
        let message = format!("Error in function call: try(): no expression succeeded: {}", reasons.join("; "));
        self.fail(message, whole.span())
    }

    fn can(&mut self, call: &FuncCall, whole: &Expression, scope: &Scope<'_>) -> Value {
        let (Some(argument), 1) = (call.args.get(0), call.args.len()) else {
            return self.fail("Error in function call: can() needs one argument", whole.span());
        };
        let (value, errors) = self.apart(|inner| inner.expression(argument, scope));
        match (errors.has_errors(), value.is_wholly_known()) {
            (true, _) => Value::from(false),
            (false, true) => Value::from(true),
            (false, false) => Value::unknown(Type::Bool),
        }
    }

    fn convert_call(&mut self, call: &FuncCall, whole: &Expression, scope: &Scope<'_>) -> Value {
        let (Some(argument), Some(ty), 2) = (call.args.get(0), call.args.get(1), call.args.len()) else {
            return self
                .fail("Error in function call: convert() needs two arguments: a value and a type", whole.span());
        };
        let value = self.expression(argument, scope);
        let mut none = |_: &Expression| -> Result<Value, TypeError> {
            Err(TypeError { message: "optional() with a default can't be used here".into(), span: None })
        };
        let ty = match constraint(ty, &mut none) {
            Ok(constraint) => constraint.ty,
            Err(error) => return self.fail(format!("Invalid type: {}", error.message), error.span.or(ty.span())),
        };
        let sensitive = value.is_sensitive();
        match convert(&value, &ty) {
            Ok(value) => value.sensitive_if(sensitive),
            Err(error) => self.fail(format!("Invalid function argument: convert(): {error}"), argument.span()),
        }
    }
}

/// Renders the file of a `templatefile`: it sees the given names and nothing else.
fn render(
    name: &str,
    text: &str,
    names: &Entries,
    surroundings: &Arc<Surroundings>,
    budget: &Arc<Budget>,
) -> Result<Value, String> {
    let source = Source::new(name, text);
    let template = hcl_edit::parser::parse_template(source.text()).map_err(|error| {
        let at = source.position(error.location().offset());
        format!("{name}:{}:{}: {}", at.line, at.column, error.message())
    })?;
    let mut env = Env::empty();
    env.callable = Callable::Nested(Arc::clone(surroundings));
    env.budget = Arc::clone(budget);
    let names: Vec<(String, Value)> = names.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
    let mut diags = Diagnostics::new();
    let scope = env.scope();
    let value = Evaluator::new(Place::In(&source), &env, &mut diags).file(&template, &scope.child(&names));
    let told = |error: &Diagnostic| match &error.span {
        Some(span) => format!("{span}: {}", error.message),
        None => error.message.clone(),
    };
    let errors: Vec<String> = diags.errors().map(told).collect();
    if errors.is_empty() { Ok(value) } else { Err(errors.join("; ")) }
}
