//! Variable files in JSON: one flat object of strings.

use crate::json::{Duplicates, parse_first};
use crate::value::{Spanned, Value};
use imgbuild_diag::{Diagnostic, Diagnostics, Source};
use indexmap::IndexMap;
use std::sync::Arc;

/// The values of a variable file. `null` is an empty string; any other value that isn't a string is an error, as in Packer, which
/// also takes the last of two equal keys and doesn't look behind the object.
pub fn read_json(source: &Arc<Source>) -> Result<IndexMap<String, Spanned<String>>, Diagnostics> {
    let prefix = format!("Error reading variables in '{}': ", source.name());
    let (node, _) = parse_first(source, Duplicates::LastWins).map_err(|diags| {
        let mut all = Diagnostics::new();
        for mut error in diags {
            error.message = format!("{prefix}{}", error.message.trim_start_matches("Error parsing JSON: "));
            all.push(error);
        }
        all
    })?;
    let mut diags = Diagnostics::new();
    let mut values = IndexMap::new();
    match node.value {
        Value::Map(map) => {
            for (name, entry) in map {
                let value = match entry.node.value {
                    Value::String(text) => text,
                    Value::Null => String::new(),
                    _ => {
                        let message = format!("{prefix}variable {name:?} must be a string, got {}", entry.node.kind());
                        let error = Diagnostic::error(message).at(&entry.node.span);
                        diags.push(match entry.node.value {
                            Value::List(_) | Value::Map(_) => {
                                error.help("variables of a JSON template are plain strings")
                            }
                            _ => error.help(format!("write it as \"{}\"", entry.node.written())),
                        });
                        continue;
                    }
                };
                values.insert(name, Spanned::new(value, entry.node.span));
            }
        }
        Value::Null => {}
        _ => {
            let message = format!("{prefix}a variable file is one object, got {}", node.kind());
            diags.push(Diagnostic::error(message).at(&node.span));
        }
    }
    if diags.has_errors() { Err(diags) } else { Ok(values) }
}
