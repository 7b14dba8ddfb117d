//! `packer { }`: which versions may read the configuration, and which plugins it names.

use super::blocks;
use crate::hcl::body::{Body, Schema};
use crate::hcl::expr::Expr;
use crate::hcl::requirement::Constraint;
use crate::hcl::scope::Env;
use crate::value::Spanned;
use crate::version::Version;
use imgbuild_diag::{Diagnostic, Diagnostics};

/// A plugin that a configuration names. Nothing is downloaded: what is built in is there, the rest is refused where it is used.
#[derive(Debug, Clone, PartialEq)]
pub struct RequiredPlugin {
    /// The name that it is given.
    pub name: Spanned<String>,
    /// `github.com/hashicorp/amazon`.
    pub source: String,
    /// The versions that would do.
    pub version: String,
}

impl RequiredPlugin {
    /// The one of these that a part of this type belongs to: `virtualbox-iso` to the one that is named `virtualbox`.
    pub fn of<'a>(plugins: &'a [RequiredPlugin], kind: &str) -> Option<&'a RequiredPlugin> {
        let is_of = |name: &str| kind.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
        plugins.iter().filter(|plugin| is_of(&plugin.name.value)).max_by_key(|plugin| plugin.name.value.len())
    }
}

/// Checks `required_version` of all files. False: none of the rest is to be read.
pub(in crate::hcl) fn check_version(files: &[Body], ours: &str, diags: &mut Diagnostics) -> bool {
    let schema = Schema { attributes: vec![("required_version", false)], blocks: vec![("required_plugins", &[])] };
    let Some(ours) = Version::parse(ours) else { return true };
    let mut good = true;
    for block in blocks(files, "packer") {
        let content = block.body.content(&schema, diags);
        let Some(attribute) = content.attributes.get("required_version") else { continue };
        let Some(text) = literal(&attribute.expr, diags) else {
            let message = "Invalid version constraint: required_version must be a string, as in \">= 1.7.0\"";
            diags.push(Diagnostic::error(message).at(attribute.expr.span()));
            continue;
        };
        match Constraint::parse(&text) {
            None => {
                let message = format!("Invalid version constraint: {text:?} can't be read");
                diags.push(
                    Diagnostic::error(message).at(attribute.expr.span()).help("write it as in \">= 1.7.0, < 2.0.0\""),
                );
            }
            Some(constraint) if constraint.admits(&ours) => {}
            Some(_) => {
                let message = format!(
                    "Unsupported Packer Core version: this configuration asks for {text}, this program follows Packer {}",
                    crate::interpolate::PACKER_VERSION
                );
                diags.push(Diagnostic::error(message).at(attribute.expr.span()));
                good = false;
            }
        }
    }
    good
}

fn literal(expr: &Expr, diags: &mut Diagnostics) -> Option<String> {
    let env = Env::empty();
    expr.literal(&env.scope(), diags).as_str().map(str::to_owned)
}

/// The plugins that all files name.
pub(in crate::hcl) fn plugins(files: &[Body], diags: &mut Diagnostics) -> Vec<RequiredPlugin> {
    let schema = Schema { attributes: vec![("required_version", false)], blocks: vec![("required_plugins", &[])] };
    let mut plugins: Vec<RequiredPlugin> = Vec::new();
    for block in blocks(files, "packer") {
        // Mistakes in it were told by `check_version`.
        let inner = block.body.content(&schema, &mut Diagnostics::new());
        for required in inner.blocks {
            for attribute in required.body.attributes(diags).values() {
                plugins.extend(plugin(attribute.name.clone(), &attribute.expr, &plugins, diags));
            }
        }
    }
    plugins
}

fn plugin(
    name: Spanned<String>,
    expr: &Expr,
    known: &[RequiredPlugin],
    diags: &mut Diagnostics,
) -> Option<RequiredPlugin> {
    const HELP: &str = "write it as in amazon = { source = \"github.com/hashicorp/amazon\", version = \">= 1.2.0\" }";
    let env = Env::empty();
    let value = expr.literal(&env.scope(), diags);
    let mut wrong = |message: String| {
        diags.push(Diagnostic::error(message).at(expr.span()).help(HELP));
        None
    };
    let text = |key: &str| value.as_entries().and_then(|entries| entries.get(key)).and_then(|v| v.as_str());
    if value.as_entries().is_none() {
        return wrong(format!("Invalid required_plugins syntax: {:?} must be an object", name.value));
    }
    let (Some(source), version) = (text("source"), text("version").unwrap_or("")) else {
        return wrong(format!("Invalid plugin requirement: {:?} has no source", name.value));
    };
    if !version.is_empty() && Constraint::parse(version).is_none() {
        return wrong(format!("Invalid version constraint: {version:?} can't be read"));
    }
    // host/namespace/type, with slashes inside the namespace allowed.
    let parts: Vec<&str> = source.split('/').collect();
    if parts.len() < 3 || parts.iter().any(|part| part.is_empty()) {
        return wrong(format!("Invalid plugin source: {source:?} must have a host, a namespace and a type"));
    }
    if let Some(other) = known.iter().find(|p| p.name.value == name.value) {
        if other.source == source {
            return None;
        }
        let message = format!("Duplicate required_plugin {:?}: it is also required at {}", name.value, other.name.span);
        diags.push(Diagnostic::error(message).at(&name.span));
        return None;
    }
    Some(RequiredPlugin { source: source.to_owned(), version: version.to_owned(), name })
}
