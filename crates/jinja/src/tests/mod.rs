//! Tests (`x is …`): one file per family, each with a `TABLE` of names.

mod compare;
mod kind;
mod net;
mod path;
mod result;
mod text;
mod version;

use crate::eval::{Args, Cx, Env, caught};
use crate::filters::plugin_error;
use crate::val::{R, Val};
use crate::{ErrorKind, TemplateError};
use std::collections::HashMap;
use std::sync::OnceLock;

/// One use of a test.
pub(crate) struct Call<'c, 'a> {
    pub cx: &'c Cx<'a>,
    /// The name without its collection: several names may share a function.
    pub name: &'c str,
    pub input: Val,
    pub args: Args,
}

/// A test.
pub(crate) type Test = fn(Call<'_, '_>) -> R<bool>;

/// Names and functions.
pub(crate) type Table = &'static [(&'static str, Test)];

const TABLES: &[Table] =
    &[compare::TABLE, kind::TABLE, net::TABLE, path::TABLE, result::TABLE, text::TABLE, version::TABLE];

/// Tests that are handed undefined values.
const TAKES_MARKERS: &[&str] = &["defined", "undefined", "vault_encrypted", "vaulted_file"];

fn index() -> &'static HashMap<&'static str, Test> {
    static INDEX: OnceLock<HashMap<&'static str, Test>> = OnceLock::new();
    INDEX.get_or_init(|| TABLES.iter().copied().flatten().copied().collect())
}

/// A test by its short or full name.
pub(crate) fn find(name: &str) -> Option<(&'static str, Test)> {
    let short = ["ansible.builtin.", "ansible.legacy.", "ansible.utils.", "community.general."]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .unwrap_or(name);
    index().get_key_value(short).map(|(n, t)| (*n, *t))
}

pub(crate) use version::loose as loose_order;

/// All short names.
pub(crate) fn names() -> Vec<&'static str> {
    TABLES.iter().copied().flatten().map(|(name, _)| *name).collect()
}

/// Applies a test.
pub(crate) fn apply(cx: &Cx<'_>, _: &Env, name: &str, input: Val, args: Args) -> R {
    by_name(cx, name, input, args)
}

/// Applies a test by its name, as `select('name')` does. The result is a boolean or an undefined value.
pub(crate) fn by_name(cx: &Cx<'_>, name: &str, input: Val, args: Args) -> R {
    // These have short names that are everybody's, and Ansible knows only the full ones: a test of the user's goes first.
    if net::TABLE.iter().any(|(own, _)| *own == name)
        && let Some(result) = crate::brought::call(cx, crate::PluginKind::Test, name, &input, &args)
    {
        return result;
    }
    let Some((short, test)) = find(name) else {
        if let Some(result) = crate::brought::call(cx, crate::PluginKind::Test, name, &input, &args) {
            return result;
        }
        return Err(TemplateError::new(ErrorKind::UnknownName, format!("No test named '{name}'.")));
    };
    if !TAKES_MARKERS.contains(&short) {
        if input.marker().is_some() {
            return Ok(input);
        }
        if let Some(m) = args.marker() {
            return Ok(m.clone());
        }
    }
    let collection = if net::TABLE.iter().any(|(own, _)| *own == short) { "ansible.utils" } else { "ansible.builtin" };
    caught(test(Call { cx, name: short, input, args }).map(Val::Bool))
        .map_err(|e| plugin_error("test", &format!("{collection}.{short}"), e))
}
