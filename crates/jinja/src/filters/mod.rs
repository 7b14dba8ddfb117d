//! Filters: one file per family, each with a `TABLE` of names.

mod basic;
pub(crate) mod encoding;
mod general;
pub(crate) mod hash;
mod html;
pub(crate) mod json;
mod list;
mod mapping;
pub(crate) mod net;
mod number;
pub(crate) mod path;
pub(crate) mod random;
pub(crate) mod regex;
mod select;
mod sets;
pub(crate) mod text;
pub(crate) mod time;
mod yaml;

use crate::eval::{Args, Cx, Env, caught, fail};
use crate::val::{R, Val};
use crate::{ErrorKind, TemplateError};
use std::collections::HashMap;
use std::sync::OnceLock;

/// One use of a filter.
pub(crate) struct Call<'c, 'a> {
    pub cx: &'c Cx<'a>,
    /// The name without its collection: several names may share a function.
    pub name: &'c str,
    pub input: Val,
    pub args: Args,
}

/// A filter.
pub(crate) type Filter = fn(Call<'_, '_>) -> R;

/// Names and functions.
pub(crate) type Table = &'static [(&'static str, Filter)];

/// What full names start with, and the tables that belong there. Where two have the same short name, the first has it.
const COLLECTIONS: &[(&str, &[Table])] = &[
    ("ansible.builtin", BUILTIN),
    ("ansible.utils", net::TABLES),
    ("ansible.utils", general::UTILS),
    ("community.general", general::GENERAL),
    (INTERNAL, &[basic::INTERNAL]),
];

/// Filters of this collection have no short names.
const INTERNAL: &str = "ansible._protomatter";

const BUILTIN: &[Table] = &[
    basic::TABLE,
    encoding::TABLE,
    hash::TABLE,
    html::TABLE,
    json::TABLE,
    list::TABLE,
    mapping::TABLE,
    number::TABLE,
    path::TABLE,
    random::TABLE,
    regex::TABLE,
    select::TABLE,
    sets::TABLE,
    text::TABLE,
    time::TABLE,
    yaml::TABLE,
];

/// Filters that are handed undefined values; for all others the result is the undefined value itself.
const TAKES_MARKERS: &[&str] = &["d", "default", "mandatory", "ternary", "type_debug", "unvault", "vault"];

/// Names under which a collection's plugins were found before.
const MOVED: &[(&str, &str)] = &[("ansible.legacy.", "ansible.builtin."), ("ansible.netcommon.", "ansible.utils.")];

/// A filter with its short and its full name.
#[derive(Clone)]
pub(crate) struct Known {
    pub name: &'static str,
    full: String,
    run: Filter,
}

fn index() -> &'static HashMap<String, Known> {
    static INDEX: OnceLock<HashMap<String, Known>> = OnceLock::new();
    INDEX.get_or_init(|| {
        let mut all = HashMap::new();
        for (collection, tables) in COLLECTIONS {
            for (name, filter) in tables.iter().copied().flatten() {
                let known = Known { name, full: format!("{collection}.{name}"), run: *filter };
                if *collection != INTERNAL {
                    all.entry((*name).to_owned()).or_insert(known.clone());
                }
                all.insert(known.full.clone(), known);
            }
        }
        all
    })
}

/// A filter by its short or full name.
pub(crate) fn find(name: &str) -> Option<&'static Known> {
    if let Some(found) = index().get(name) {
        return Some(found);
    }
    MOVED.iter().find_map(|(old, new)| index().get(&format!("{new}{}", name.strip_prefix(old)?)))
}

/// Tests that roles of ansible before 2.9 use as filters: `result | changed`.
const TESTS: &[&str] = &[
    "changed",
    "change",
    "directory",
    "exists",
    "failed",
    "failure",
    "file",
    "is_abs",
    "is_dir",
    "is_file",
    "is_link",
    "is_mount",
    "is_same_file",
    "isnan",
    "issubset",
    "issuperset",
    "link",
    "link_exists",
    "match",
    "mount",
    "regex",
    "same_file",
    "search",
    "skip",
    "skipped",
    "subset",
    "success",
    "succeeded",
    "superset",
    "version",
    "version_compare",
];

/// Whether a name that is no filter is a test that once was one.
pub(crate) fn test_as_filter(name: &str) -> bool {
    TESTS.contains(&name) && find(name).is_none()
}

/// All short names.
pub(crate) fn names() -> Vec<&'static str> {
    let named = COLLECTIONS.iter().filter(|(collection, _)| *collection != INTERNAL);
    named.flat_map(|(_, tables)| tables.iter().copied().flatten().map(|(name, _)| *name)).collect()
}

/// Applies a filter.
pub(crate) fn apply(cx: &Cx<'_>, _: &Env, name: &str, input: Val, args: Args) -> R {
    by_name(cx, name, input, args)
}

/// Applies a filter by its name, as `map('name')` does.
pub(crate) fn by_name(cx: &Cx<'_>, name: &str, input: Val, args: Args) -> R {
    let Some(known) = find(name) else {
        if test_as_filter(name) {
            cx.warn(format!("the test '{name}' is used as a filter, as before ansible 2.9: write \"is {name}\""));
            return crate::tests::by_name(cx, name, input, args);
        }
        if let Some(result) = crate::brought::call(cx, crate::PluginKind::Filter, name, &input, &args) {
            return result;
        }
        return Err(TemplateError::new(ErrorKind::UnknownName, format!("No filter named '{name}'.")));
    };
    if !TAKES_MARKERS.contains(&known.name) {
        if input.marker().is_some() {
            return Ok(input);
        }
        if let Some(m) = args.marker() {
            return Ok(m.clone());
        }
    }
    caught((known.run)(Call { cx, name: known.name, input, args })).map_err(|e| plugin_error("filter", &known.full, e))
}

/// Says which plugin refused its arguments.
pub(crate) fn plugin_error(kind: &str, name: &str, mut error: TemplateError) -> TemplateError {
    if error.kind == ErrorKind::Value && !error.message.starts_with("The ") {
        let message = format!("The {kind} plugin '{name}' failed: {}", error.message);
        error.detail_mut().message = message;
    }
    error
}

impl Call<'_, '_> {
    /// The input as text.
    pub fn text(&self) -> R<String> {
        self.cx.text(&self.input)
    }

    /// The input, which must be text; `refusal` says what Python says of its type.
    pub fn only_text(&self, refusal: impl FnOnce(&str) -> String) -> R<String> {
        match &self.input {
            Val::Str(_) => self.cx.text(&self.input),
            Val::Bytes(b) => Ok(String::from_utf8_lossy(b).into_owned()),
            other => Err(fail(refusal(other.type_name()))),
        }
    }

    /// As [`Call::only_text`], for filters that call a method of text.
    pub fn text_with(&self, method: &str) -> R<String> {
        self.only_text(|kind| format!("'{kind}' object has no attribute '{method}'"))
    }

    /// The input's items, none of them undefined.
    pub fn items(&self) -> R<Vec<Val>> {
        self.cx.each(&self.input)
    }
}

/// The name of a type for messages of Ansible's own filters.
pub(crate) fn class(value: &Val) -> String {
    format!("<class '{}'>", value.type_name())
}

/// Python's `is_sequence` of Ansible: lists and tuples, no text.
pub(crate) fn is_sequence(value: &Val) -> bool {
    matches!(value, Val::List(_) | Val::Tuple(_))
        || matches!(value, Val::Obj(o) if !o.is_mapping() && o.type_name() == "range")
}

/// A mapping.
pub(crate) fn is_mapping(value: &Val) -> bool {
    matches!(value, Val::Dict(_)) || matches!(value, Val::Obj(o) if o.is_mapping())
}

/// An error in a filter's own words.
pub(crate) fn refuse<T>(message: impl Into<String>) -> R<T> {
    Err(fail(message))
}

pub(crate) use sets::collect as set_of;
