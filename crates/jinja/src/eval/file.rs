//! `{% include %}`, `{% import %}` and `{% extends %}`: other template files.

use super::object::Object;
use super::{Cx, Env, Scope, stmt, undefined};
use crate::syntax::Program;
use crate::val::{R, Val};
use crate::{ErrorKind, TemplateError, Value};
use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

fn names(cx: &Cx<'_>, name: &Val) -> R<Vec<String>> {
    match name {
        Val::Str(s) => Ok(vec![s.text.to_string()]),
        list => cx.each(list)?.iter().map(|n| cx.text(n)).collect(),
    }
}

/// The first of the files that exists.
fn load(cx: &Cx<'_>, env: &Env, names: &[String]) -> R<Option<Arc<Program>>> {
    for name in names {
        let loaded = cx.loader.load(name, &env.program.name).map_err(|message| {
            TemplateError::new(ErrorKind::Load, format!("can't read the template '{name}': {message}"))
        })?;
        if let Some((shown, text)) = loaded {
            return cx.templar.file_program(&shown, &text, &env.program.options).map(Some);
        }
    }
    Ok(None)
}

fn not_found(names: &[String]) -> TemplateError {
    TemplateError::new(
        ErrorKind::Load,
        match names {
            [one] => format!("'{one}' not found in search path"),
            many => format!("none of the templates given were found: {}", many.join(", ")),
        },
    )
}

/// Loads a file that must exist.
pub(crate) fn load_one(cx: &Cx<'_>, env: &Env, name: &Val) -> R<Arc<Program>> {
    let names = names(cx, name)?;
    load(cx, env, &names)?.ok_or_else(|| not_found(&names))
}

pub(crate) fn include(
    cx: &Cx<'_>,
    env: &Env,
    name: &Val,
    ignore_missing: bool,
    context: bool,
    out: &mut Vec<Val>,
) -> R<()> {
    let names = names(cx, name)?;
    let Some(program) = load(cx, env, &names)? else {
        return if ignore_missing { Ok(()) } else { Err(not_found(&names)) };
    };
    let _guard = super::limits::deeper(cx.templar.limits().depth)?;
    let scope = if context { Scope::child(&env.scope) } else { Scope::empty() };
    let inner = Env { scope, sees_vars: env.sees_vars && context, ..Env::root(program) };
    stmt::run_root(cx, &inner, out)
}

pub(crate) fn import(cx: &Cx<'_>, env: &Env, name: &Val, context: bool) -> R<Module> {
    let program = load_one(cx, env, name)?;
    let _guard = super::limits::deeper(cx.templar.limits().depth)?;
    let scope = if context { Scope::child(&env.scope) } else { Scope::empty() };
    let inner = Env { scope, sees_vars: env.sees_vars && context, ..Env::root(program.clone()) };
    let mut nodes = Vec::new();
    stmt::run_root(cx, &inner, &mut nodes)?;
    let text = cx.concat(nodes)?;
    Ok(Module { name: program.name.clone(), exports: inner.scope.own(), text: cx.text(&text) })
}

/// An imported template.
pub(crate) struct Module {
    name: Arc<str>,
    exports: HashMap<Arc<str>, Val>,
    /// What it writes, for those who print it; most imports are for the macros, and nobody minds what fails around them.
    text: R<String>,
}

impl Module {
    pub fn export(&self, name: &str) -> Val {
        match self.exports.get(name) {
            Some(found) if !name.starts_with('_') => found.clone(),
            _ => undefined(
                format!("the template '{}' does not export the requested name '{name}'", self.name),
                Some(name.to_owned()),
            ),
        }
    }
}

impl Object for Module {
    fn type_name(&self) -> &'static str {
        "TemplateModule"
    }
    fn str(&self) -> String {
        self.text.clone().unwrap_or_default()
    }
    fn ready(&self) -> R<()> {
        self.text.as_ref().map(drop).map_err(Clone::clone)
    }
    fn store(&self, _: &Cx<'_>) -> Option<R<Value>> {
        Some(self.text.clone().map(Value::str))
    }
    fn attr(&self, _: &Cx<'_>, name: &str) -> Option<R> {
        self.exports.get(name).filter(|_| !name.starts_with('_')).map(|v| Ok(v.clone()))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}
