//! From a block's options to typed values, as weakly typed as Packer (mapstructure's `WeaklyTypedInput` and the plugin SDK's hooks).
//!
//! | wanted | taken besides |
//! |---|---|
//! | string | number as its shortest decimal text, `true` as `1`, `false` as `0` |
//! | int | text in Go's syntax (`22`, `0x16`, `026`, `1_000`), `""` as 0, a fraction cut off, booleans |
//! | bool | Go's words (`1 t T true True TRUE 0 f F …`), `""` as false, numbers |
//! | trilean | the same, `""` as unset |
//! | duration | `1h2m3s`; a bare number is nanoseconds |
//! | list | one value as a list of one; text split at every comma; `""` and `{}` as empty |
//! | map | a list of maps, merged |
//! | nested block | only an object; where a list of blocks is wanted, one object |
//!
//! Option names are matched without regard to letter case; `null` counts as not written. [`read`] decodes everything at once and
//! reports everything at once, so a [`Reader`] holds plain values and can't fail.

mod docs;
mod reader;
mod scalar;
mod structure;
mod table;
#[cfg(test)]
mod tests;

pub use docs::markdown;
pub use reader::Reader;
pub use scalar::{parse_bool, parse_duration, parse_int};
pub(crate) use structure::{KEY_VALUE, NAME_VALUE, find_form};
pub use table::{Kind, Opt, Renamed, Table};

use crate::interpolate::{self, Context};
use crate::model::{Body, Layer};
use crate::value::{Entry, Map, Node, Value};
use imgbuild_diag::{Diagnostic, Diagnostics, Span};
use std::cell::RefCell;
use structure::Decoder;

/// First pass over a body; see [`Body::reader`].
pub(crate) fn read(body: &Body, table: &'static Table, context: &Context, diags: &mut Diagnostics) -> Reader {
    let decoder = Decoder { diags: RefCell::new(Diagnostics::new()) };
    let mut reader = Reader::new(table, body.span().clone());
    for layer in &body.layers {
        let evaluated;
        let options: &Map = match layer {
            Layer::Written(map) => map,
            Layer::Hcl(options) => {
                let before = decoder.diags.borrow().errors().count();
                evaluated = options.read(table, &context.data, &mut decoder.diags.borrow_mut());
                if decoder.diags.borrow().errors().count() > before {
                    let failed = options.names().into_iter().filter(|name| !evaluated.contains_key(name));
                    failed.for_each(|name| reader.note(&name));
                }
                &evaluated
            }
        };
        let rendered = render_options(options, table, context, &mut decoder.diags.borrow_mut());
        decoder.object(&rendered, table, "", &mut reader);
        let written = options.iter().filter(|(_, entry)| !matches!(entry.node.value, Value::Null));
        written.for_each(|(name, _)| reader.note(name));
    }
    diags.extend(decoder.diags.into_inner());
    reader
}

/// Renders every string of these options, keys of nested maps included, once; those marked `later` are checked for syntax only.
/// A value that can't be rendered is dropped, its error told.
fn render_options(options: &Map, table: &Table, context: &Context, diags: &mut Diagnostics) -> Map {
    let mut rendered = Map::with_capacity(options.len());
    for (name, entry) in options {
        let row = structure::find(table, name);
        let before = diags.errors().count();
        let node = render_node(&entry.node, name, When::of(row), context, diags);
        if diags.errors().count() == before {
            rendered.insert(name.clone(), Entry { key: entry.key.clone(), node });
        } else {
            // Keeps "unknown configuration key" for it; null counts as not written for the rest.
            rendered.insert(name.clone(), Entry { key: entry.key.clone(), node: Node::new(Value::Null, node.span) });
        }
    }
    rendered
}

/// When the strings of an option are rendered.
#[derive(Clone, Copy)]
enum When {
    /// In the first pass.
    Now,
    /// In the second; until then only their syntax is checked.
    Later,
    /// As the rows of the nested block say.
    Nested(&'static Table),
}

impl When {
    fn of(row: Option<&'static Opt>) -> Self {
        match row.map(|row| (row.later, row.kind)) {
            Some((true, _)) => When::Later,
            Some((false, Kind::Block(table) | Kind::Blocks(table))) => When::Nested(table),
            _ => When::Now,
        }
    }
}

fn render_node(node: &Node, option: &str, when: When, context: &Context, diags: &mut Diagnostics) -> Node {
    let later = matches!(when, When::Later);
    let render = |text: &String, span: &Span, diags: &mut Diagnostics| {
        if interpolate::opening(text).is_none() {
            return text.clone();
        }
        match interpolate::check_and_render(text, span, context, later) {
            Ok(rendered) => {
                hollow(text, &rendered, option, span, diags);
                rendered
            }
            Err((readable, error)) => {
                diags.push(named(error, if readable { "render" } else { "invalid" }, option));
                String::new()
            }
        }
    };
    let value = match &node.value {
        Value::String(text) => Value::String(render(text, &node.span, diags)),
        Value::List(list) => {
            Value::List(list.iter().map(|item| render_node(item, option, when, context, diags)).collect())
        }
        Value::Map(map) => {
            let mut rendered = Map::with_capacity(map.len());
            for (key, entry) in map {
                let name = render(key, &entry.key, diags);
                let when = match when {
                    When::Nested(table) => When::of(structure::find(table, &name)),
                    other => other,
                };
                let node = render_node(&entry.node, option, when, context, diags);
                rendered.insert(name, Entry { key: entry.key.clone(), node });
            }
            Value::Map(rendered)
        }
        other => other.clone(),
    };
    Node::new(value, node.span.clone())
}

/// Warns of a data field that the first pass does not have. Packer puts a useless text in its place without a word.
fn hollow(text: &str, rendered: &str, option: &str, span: &Span, diags: &mut Diagnostics) {
    // Only a field can be without a value, and it begins with a dot.
    if !interpolate::expressions(text).is_some_and(|inside| inside.contains('.')) {
        return;
    }
    let new = |mark: &str| rendered.contains(mark) && !text.contains(mark);
    if new("<no value>") {
        let message = format!("'{option}' renders as {rendered:?}: it names a field that has no value here");
        diags.push(Diagnostic::warning(message).at(span));
    } else if new(interpolate::NOT_YET) {
        let message = format!("'{option}' names a field that has its value only once the build runs");
        diags.push(Diagnostic::warning(message).at(span).help("write {{ build `ID` }} rather than {{ .ID }}"));
    }
}

/// Packer's way to say which option an expression's error belongs to.
fn named(mut error: Diagnostic, verb: &str, option: &str) -> Diagnostic {
    error.message = format!("{verb} '{option}': {}", error.message);
    error
}
