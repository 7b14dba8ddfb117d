//! Values for variables: the environment, variable files, the command line; the last one wins.

use super::variable::{Assigned, Variable, Variables};
use crate::hcl::body::{Body, Schema};
use crate::hcl::expr::Expr;
use crate::hcl::files::Text;
use crate::hcl::scope::Env;
use crate::hcl::syntax;
use crate::hcl::types::Type;
use crate::hcl::value::Value;
use imgbuild_diag::{Diagnostic, Diagnostics, Source, Span};
use std::collections::BTreeMap;

/// What an environment variable's name begins with.
const PREFIX: &str = "PKR_VAR_";

/// `PKR_VAR_name=value`; others are nobody's business here, not even a warning.
pub(in crate::hcl) fn environment(variables: &mut Variables, env: &BTreeMap<String, String>, diags: &mut Diagnostics) {
    for (name, value) in env {
        let Some(name) = name.strip_prefix(PREFIX) else { continue };
        if let Some(variable) = variables.get_mut(name) {
            let source = Source::new(format!("<value for var.{name} from env>"), value.clone());
            text(variable, &source, diags);
        }
    }
}

/// The files, in order. With `warn`, names that are not declared are warned of.
pub(in crate::hcl) fn files(variables: &mut Variables, files: &[Text], warn: bool, diags: &mut Diagnostics) {
    for (source, syntax) in files {
        let body = match syntax::parse(source, *syntax) {
            Ok(body) => body,
            Err(errors) => {
                diags.extend(errors);
                continue;
            }
        };
        if declares(&body, diags) {
            continue;
        }
        let nothing = Env::empty();
        for (name, attribute) in body.attributes(diags) {
            match variables.get_mut(&name) {
                Some(variable) => {
                    let before = diags.errors().count();
                    let value = attribute.expr.literal(&nothing.scope(), diags);
                    if diags.errors().count() == before {
                        assign(variable, value, attribute.expr.span(), diags);
                    }
                }
                None if warn => {
                    let message = format!("Undefined variable: {name:?} was set but is not declared");
                    let help = format!("declare it in a .pkr.hcl file: variable {name:?} {{ … }}");
                    let names = variables.keys().map(String::as_str);
                    diags.push(Diagnostic::warning(message).at(&attribute.name.span).suggest(&name, names).help(help));
                }
                None => {}
            }
        }
    }
}

/// A declaration in a variable file is a common mistake.
fn declares(body: &Body, diags: &mut Diagnostics) -> bool {
    let schema = Schema { attributes: Vec::new(), blocks: vec![("variable", &["name"])] };
    let (content, _) = body.partial(&schema, &mut Diagnostics::new());
    for block in &content.blocks {
        let name = block.labels.first().map_or("", |label| label.as_str());
        let message = "Variable declaration in a variable file: such a file gives values to variables that are declared elsewhere";
        diags.push(Diagnostic::error(message).at(&block.span).help(format!("write {name} = …")));
    }
    !content.blocks.is_empty()
}

/// `-var name=value`, in order.
pub(in crate::hcl) fn arguments(variables: &mut Variables, given: &[(String, String)], diags: &mut Diagnostics) {
    for (name, value) in given {
        let source = Source::new(format!("-var {name}"), value.clone());
        match variables.get_mut(name) {
            Some(variable) => text(variable, &source, diags),
            None => {
                let message = format!("Undefined -var variable: {name:?} was given but is not declared");
                let help = format!("declare it in a .pkr.hcl file: variable {name:?} {{ … }}");
                let names = variables.keys().map(String::as_str);
                diags.push(Diagnostic::error(message).suggest(name, names).help(help));
            }
        }
    }
}

/// A text is taken as it is for a string or a number, and is an expression for any other type.
fn text(variable: &mut Variable, source: &std::sync::Arc<Source>, diags: &mut Diagnostics) {
    let whole = Span::new(source, 0..source.text().len());
    // A value may be a secret: no message shows its text.
    let hidden = Source::new(source.name(), "");
    let place = if variable.sensitive { Span::new(&hidden, 0..0) } else { whole.clone() };
    let expr = match variable.constraint.ty {
        Type::String | Type::Number | Type::Any => Expr::text(source.text(), whole),
        _ => match syntax::parse_expression(source) {
            Ok(expr) => expr,
            Err(errors) => {
                for mut error in errors {
                    error.message = format!("the value for {:?}: {}", variable.name.value, error.message);
                    error.span = error.span.filter(|_| !variable.sensitive);
                    let ty = variable.constraint.ty.written();
                    diags.push(error.help(format!("a value of the type {ty} is written as in a template")));
                }
                return;
            }
        },
    };
    let env = Env::empty();
    let mut errors = Diagnostics::new();
    let value = expr.value(&env.scope(), &mut errors);
    if errors.has_errors() {
        for mut error in errors {
            error.message = format!("the value for {:?}: {}", variable.name.value, error.message);
            error.span = error.span.filter(|_| !variable.sensitive);
            diags.push(error);
        }
        return;
    }
    assign(variable, value, &place, diags);
}

fn assign(variable: &mut Variable, value: Value, span: &Span, diags: &mut Diagnostics) {
    let value = match variable.constraint.apply(&value) {
        Ok(value) => value,
        Err(error) => {
            let message = format!(
                "Invalid value for variable: the value for {} is not compatible with the variable's type constraint: {error}",
                variable.name
            );
            diags.push(Diagnostic::error(message).at(span));
            Value::unknown(variable.constraint.ty.clone())
        }
    };
    variable.assigned = Some(Assigned { value, span: span.clone() });
}
