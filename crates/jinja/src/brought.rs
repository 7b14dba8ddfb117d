//! Filters and tests that the user brought: asked for where this crate has none of the name.

use crate::eval::{Args, Cx};
use crate::val::{R, Val};
use crate::{ErrorKind, Key, LookupContext, LookupError, Map, PluginKind, TemplateError};
use std::sync::Arc;

impl PluginKind {
    /// For messages.
    pub fn noun(self) -> &'static str {
        match self {
            PluginKind::Filter => "filter",
            PluginKind::Test => "test",
        }
    }
}

/// Calls one; `None`: nobody brought one of this name. As with all plugins that do not ask for them, an undefined value among the
/// arguments is the result.
pub(crate) fn call(cx: &Cx<'_>, kind: PluginKind, name: &str, input: &Val, args: &Args) -> Option<R> {
    let lookups = cx.templar.lookups();
    match lookups.brought(kind, name) {
        Ok(false) => return None,
        Ok(true) => {}
        Err(why) => return Some(Err(TemplateError::new(ErrorKind::UnknownName, why))),
    }
    if input.marker().is_some() {
        return Some(Ok(input.clone()));
    }
    if let Some(marker) = args.marker() {
        return Some(Ok(marker.clone()));
    }
    Some(called(cx, kind, name, input, args))
}

fn called(cx: &Cx<'_>, kind: PluginKind, name: &str, input: &Val, args: &Args) -> R {
    let mut values = vec![cx.finish(input)?];
    for value in &args.pos {
        values.push(cx.finish(value)?);
    }
    let mut kwargs = Map::new();
    for (key, value) in &args.kw {
        kwargs.insert(Key::Str(Arc::clone(key)), cx.finish(value)?);
    }
    let context = LookupContext::new(cx.templar, cx.vars, None);
    let result = cx.templar.lookups().call(kind, name, values, kwargs, &context).map_err(|error| match error {
        LookupError::Template(error) => error,
        other => TemplateError::new(ErrorKind::Value, format!("The {} plugin '{name}' failed: {other}", kind.noun())),
    })?;
    Ok(Val::from(crate::lookups::as_data(result)))
}
