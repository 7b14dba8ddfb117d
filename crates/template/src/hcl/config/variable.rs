//! Input variables: `variable "name" { }` and `variables { }`.

use super::{bad_name, blocks, is_identifier};
use crate::hcl::body::{Attr, Block, Body, Schema};
use crate::hcl::constraint::{TypeError, constraint};
use crate::hcl::expr::Expr;
use crate::hcl::own::Own;
use crate::hcl::scope::Env;
use crate::hcl::types::{Constraint, Type};
use crate::hcl::value::{Data, Value};
use crate::value::Spanned;
use hcl_edit::expr::Expression;
use imgbuild_diag::{Diagnostic, Diagnostics, Span};
use indexmap::IndexMap;

/// A declared variable.
#[derive(Debug, Clone)]
pub(in crate::hcl) struct Variable {
    pub(in crate::hcl) name: Spanned<String>,
    pub(in crate::hcl) constraint: Constraint,
    pub(in crate::hcl) sensitive: bool,
    /// The value that counts: the default until another one is given.
    pub(in crate::hcl) assigned: Option<Assigned>,
    pub(in crate::hcl) default: Option<Value>,
    pub(in crate::hcl) validations: Vec<Validation>,
}

/// A value and where it comes from.
#[derive(Debug, Clone)]
pub(in crate::hcl) struct Assigned {
    pub(in crate::hcl) value: Value,
    pub(in crate::hcl) span: Span,
}

/// A `validation` block.
#[derive(Debug, Clone)]
pub(in crate::hcl) struct Validation {
    condition: Expr,
    message: String,
    span: Span,
}

pub(in crate::hcl) type Variables = IndexMap<String, Variable>;

/// All declarations. `env` is what defaults may use.
pub(in crate::hcl) fn declared(files: &[Body], env: &Env, diags: &mut Diagnostics) -> Variables {
    let mut all = Variables::new();
    let mut add = |variable: Variable, diags: &mut Diagnostics| {
        if let Some(first) = all.get(&variable.name.value) {
            let message = format!("Duplicate variable: {:?} is declared more than once", variable.name.value);
            let help = format!("the first declaration stands at {}", first.name.span);
            diags.push(Diagnostic::error(message).at(&variable.name.span).help(help));
            return;
        }
        all.insert(variable.name.value.clone(), variable);
    };
    for block in blocks(files, "variables") {
        for attribute in block.body.attributes(diags).into_values() {
            add(short(attribute, env, diags), diags);
        }
    }
    for block in blocks(files, "variable") {
        if let Some(variable) = long(&block, env, diags) {
            add(variable, diags);
        }
    }
    all
}

/// One line of `variables { }`: its type is that of its value.
fn short(attribute: Attr, env: &Env, diags: &mut Diagnostics) -> Variable {
    let value = attribute.expr.value(&env.scope(), diags);
    Variable {
        constraint: Constraint { ty: value.ty(), defaults: None },
        sensitive: false,
        default: Some(value.clone()),
        assigned: Some(Assigned { value, span: attribute.expr.span().clone() }),
        validations: Vec::new(),
        name: attribute.name,
    }
}

fn long(block: &Block, env: &Env, diags: &mut Diagnostics) -> Option<Variable> {
    let schema = Schema {
        attributes: ["description", "default", "type", "sensitive"].map(|name| (name, false)).to_vec(),
        blocks: vec![("validation", &[])],
    };
    let name = block.labels.first()?.clone();
    if !is_identifier(&name) {
        bad_name("variable", &name, diags);
    }
    let content = block.body.content(&schema, diags);
    let nothing = Env::empty();
    let scope = nothing.scope();
    let own = Own { content: &content, scope: &scope };
    // Shown nowhere, but it must be a string.
    own.text("description", diags);
    let sensitive = own.flag("sensitive", diags).unwrap_or(false);
    let mut ty = Constraint { ty: Type::Any, defaults: None };
    if let Some(attribute) = content.attributes.get("type") {
        ty = type_of(&attribute.expr, env, diags)?;
    }
    let mut default = None;
    let mut assigned = None;
    if let Some(attribute) = content.attributes.get("default") {
        let before = diags.errors().count();
        let value = attribute.expr.value(&env.scope(), diags);
        let failed = diags.errors().count() > before;
        let value = match ty.apply(&value) {
            Ok(value) => value,
            Err(_) if failed => Value::unknown(ty.ty.clone()),
            Err(error) => {
                let message = format!(
                    "Invalid default value for variable {:?}: it is not compatible with the variable's type constraint: {error}",
                    name.value
                );
                diags.push(Diagnostic::error(message).at(attribute.expr.span()));
                Value::unknown(ty.ty.clone())
            }
        };
        let empty = matches!(value.data(), Data::Object(entries) if entries.is_empty())
            || matches!(value.data(), Data::Tuple(elements) if elements.is_empty());
        if ty.ty == Type::Any && !empty {
            ty.ty = value.ty();
        }
        default = Some(value.clone());
        assigned = Some(Assigned { value, span: attribute.expr.span().clone() });
    }
    let validations = content.blocks.iter().filter_map(|block| validation(&name, block, diags)).collect();
    Some(Variable { name, constraint: ty, sensitive, assigned, default, validations })
}

/// What a `type` argument says.
fn type_of(expr: &Expr, env: &Env, diags: &mut Diagnostics) -> Option<Constraint> {
    let parsed;
    let expression: &Expression = match (expr.as_native(), expr.as_json().and_then(|node| node.as_str())) {
        (Some(expression), _) => expression,
        (None, Some(text)) => match hcl_edit::parser::parse_expr(text) {
            Ok(expression) => {
                parsed = expression;
                &parsed
            }
            Err(error) => {
                let message = format!("Invalid type specification: {}", error.message());
                diags.push(Diagnostic::error(message).at(expr.span()));
                return None;
            }
        },
        _ => {
            diags.push(Diagnostic::error("Invalid type specification: a type is wanted here").at(expr.span()));
            return None;
        }
    };
    let source = expr.span().source();
    let native = expr.as_native().is_some();
    let mut evaluate = |default: &Expression| -> Result<Value, TypeError> {
        let mut inner = Diagnostics::new();
        let place =
            if native { super::super::eval::Place::In(source) } else { super::super::eval::Place::At(expr.span()) };
        let scope = env.scope();
        let value = super::super::eval::Evaluator::new(place, env, &mut inner).expression(default, &scope);
        match inner.errors().next() {
            Some(error) => {
                Err(TypeError { message: error.message.clone(), span: error.span.as_ref().map(Span::range) })
            }
            None => Ok(value),
        }
    };
    match constraint(expression, &mut evaluate) {
        Ok(constraint) => Some(constraint),
        Err(error) => {
            let place = match error.span {
                Some(range) if native => Span::new(source, range),
                _ => expr.span().clone(),
            };
            diags.push(Diagnostic::error(format!("Invalid type specification: {}", error.message)).at(&place));
            None
        }
    }
}

fn validation(variable: &Spanned<String>, block: &Block, diags: &mut Diagnostics) -> Option<Validation> {
    let schema = Schema { attributes: vec![("condition", true), ("error_message", true)], blocks: Vec::new() };
    let content = block.body.content(&schema, diags);
    let (condition, message) = (content.attributes.get("condition")?, content.attributes.get("error_message")?);
    let name = variable.as_str();
    let mut itself = 0;
    for (path, span) in condition.expr.references() {
        match path.as_slice() {
            [root, attribute, ..] if root == "var" && attribute == name => itself += 1,
            _ => {
                let text = format!(
                    "Invalid reference in variable validation: the condition can only refer to the variable itself, var.{name}"
                );
                diags.push(Diagnostic::error(text).at(&span));
            }
        }
    }
    if itself == 0 {
        let text = format!("Invalid variable validation condition: it must refer to var.{name}, or it tests nothing");
        diags.push(Diagnostic::error(text).at(condition.expr.span()));
    }
    let env = Env::empty();
    let scope = env.scope();
    let text = Own { content: &content, scope: &scope }.text("error_message", diags)?;
    if !is_sentence(&text) {
        let problem = "Invalid validation error message: it must be a full sentence, with a capital at its start and one of .?! at its end";
        diags.push(Diagnostic::error(problem).at(message.expr.span()));
    }
    Some(Validation { condition: condition.expr.clone(), message: text.value, span: block.span.clone() })
}

fn is_sentence(text: &str) -> bool {
    let text = text.trim();
    let starts = text.chars().next().is_some_and(|c| !c.is_alphabetic() || c.is_uppercase());
    starts && text.ends_with(['.', '?', '!'])
}

/// Checks that every variable has a value, and what its `validation` blocks say of it. `env` has the functions.
pub(in crate::hcl) fn check(variables: &Variables, env: &Env, diags: &mut Diagnostics) {
    for variable in variables.values() {
        let name = variable.name.as_str();
        let Some(assigned) = &variable.assigned else {
            let error = Diagnostic::error(format!("Unset variable {name:?}: it has no default and no value was given"));
            let help = format!("give it with -var '{name}=…', in a -var-file, or as PKR_VAR_{name} in the environment");
            diags.push(error.at(&variable.name.span).help(help));
            continue;
        };
        let env = env.clone().with("var", Value::object([(name, assigned.value.clone())]));
        for validation in &variable.validations {
            let before = diags.errors().count();
            let result = validation.condition.value(&env.scope(), diags);
            if diags.errors().count() > before || !result.is_known() {
                continue;
            }
            let message = match crate::hcl::convert::convert(&result, &Type::Bool).map(|flag| flag.as_bool()) {
                Ok(Some(true)) => continue,
                Ok(Some(false)) => format!("Invalid value for variable {name:?}: {}", validation.message),
                _ => {
                    let message = format!(
                        "Invalid variable validation result: the condition must be true or false, not {}",
                        result.kind()
                    );
                    diags.push(Diagnostic::error(message).at(validation.condition.span()));
                    continue;
                }
            };
            let help = format!("this was checked by the validation rule at {}", validation.span);
            diags.push(Diagnostic::error(message).at(&assigned.span).help(help));
        }
    }
}
