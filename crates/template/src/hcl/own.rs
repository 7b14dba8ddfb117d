//! Reads the arguments that Packer's core takes for itself (`name`, `only`, `pause_before`, …), converted as HCL converts.

use super::body::{Attr, Content};
use super::convert::convert;
use super::scope::Scope;
use super::types::Type;
use super::value::Value;
use crate::decode::parse_duration;
use crate::value::Spanned;
use imgbuild_diag::{Diagnostic, Diagnostics};
use std::time::Duration;

/// Arguments and what they may refer to.
pub(super) struct Own<'a> {
    pub(super) content: &'a Content,
    pub(super) scope: &'a Scope<'a>,
}

impl Own<'_> {
    /// The value of an argument, of this type. None: not written, `null`, not known, or wrong, which has been said.
    fn value(&self, name: &str, ty: &Type, diags: &mut Diagnostics) -> Option<(Value, &Attr)> {
        let attribute = self.content.attributes.get(name)?;
        Some((typed(attribute, ty, self.scope, diags)?, attribute))
    }

    pub(super) fn text(&self, name: &str, diags: &mut Diagnostics) -> Option<Spanned<String>> {
        let (value, attribute) = self.value(name, &Type::String, diags)?;
        Some(Spanned::new(value.as_str()?.to_owned(), attribute.expr.span().clone()))
    }

    pub(super) fn flag(&self, name: &str, diags: &mut Diagnostics) -> Option<bool> {
        self.value(name, &Type::Bool, diags)?.0.as_bool()
    }

    /// A count.
    pub(super) fn count(&self, name: &str, diags: &mut Diagnostics) -> Option<u32> {
        let (value, attribute) = self.value(name, &Type::Number, diags)?;
        let count = value.as_number()?.to_i64().and_then(|n| u32::try_from(n).ok());
        if count.is_none() {
            let message = format!("\"{name}\" must be a whole number from 0 on");
            diags.push(Diagnostic::error(message).at(attribute.expr.span()));
        }
        count
    }

    pub(super) fn texts(&self, name: &str, diags: &mut Diagnostics) -> Vec<Spanned<String>> {
        let Some((value, attribute)) = self.value(name, &Type::list(Type::String), diags) else { return Vec::new() };
        let places = super::node::of_value(&value, &attribute.expr);
        let texts = places.as_list().unwrap_or_default().iter();
        texts.filter_map(|item| Some(Spanned::new(item.as_str()?.to_owned(), item.span.clone()))).collect()
    }

    /// A duration as Go writes it; empty is none.
    pub(super) fn duration(&self, name: &str, diags: &mut Diagnostics) -> Option<Duration> {
        let text = self.text(name, diags).filter(|t| !t.value.is_empty())?;
        match parse_duration(&text.value) {
            Ok(duration) => Some(duration),
            Err(why) => {
                let help = "a duration is a number with a unit: \"30s\", \"10m\", \"1h30m\"";
                let message = format!("Failed to parse {name} duration: {why}");
                diags.push(Diagnostic::error(message).at(&text.span).help(help));
                None
            }
        }
    }
}

/// The value of an argument, converted. None: `null`, or wrong, which has been said.
pub(super) fn typed(attribute: &Attr, ty: &Type, scope: &Scope<'_>, diags: &mut Diagnostics) -> Option<Value> {
    let before = diags.errors().count();
    let value = attribute.expr.value(scope, diags);
    if diags.errors().count() > before || value.is_null() {
        return None;
    }
    match convert(&value, ty) {
        Ok(converted) => Some(converted.sensitive_if(value.is_sensitive())),
        Err(error) => {
            diags.push(unsuitable(attribute, &error.to_string()));
            None
        }
    }
}

/// An argument whose value can't be what it must.
pub(super) fn unsuitable(attribute: &Attr, why: &str) -> Diagnostic {
    let name = attribute.name.as_str();
    Diagnostic::error(format!("Unsuitable value for {name:?}: {why}")).at(attribute.expr.span())
}
