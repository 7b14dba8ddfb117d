//! `-e`: `k=v` pairs, JSON or YAML, `@file`.

use super::{Settings, expand_home};
use crate::play::split::key_values;
use crate::yaml;
use imgbuild_diag::{Diagnostic, Diagnostics, Source, Span};
use imgbuild_jinja::{Key, Map, Value};

/// All `-e` options, later ones win.
pub fn parse_extra_vars(options: &[String], settings: &Settings) -> Result<Map, Diagnostics> {
    let mut vars = Map::new();
    let mut out = Diagnostics::new();
    for option in options {
        let (source, structured) = match option.strip_prefix('@') {
            Some(file) => match crate::vault::read_text(&expand_home(file, settings), settings) {
                Ok(text) => (Source::new(file, text), true),
                Err(why) => {
                    out.push(Diagnostic::error(why));
                    continue;
                }
            },
            None => (Source::new("-e", option.as_str()), option.starts_with(['{', '['])),
        };
        let whole = Span::new(&source, 0..source.text().len());
        if structured {
            match yaml::load(&source, &mut out) {
                Ok(Some(node)) if node.as_map().is_some() => vars.extend(node.to_map()),
                Ok(None) => {}
                Ok(Some(node)) => {
                    out.push(
                        Diagnostic::error("Extra variables must be a dictionary of names and values").at(&node.span),
                    );
                }
                Err(()) => {}
            }
            continue;
        }
        match key_values(option, false) {
            Ok((pairs, None)) => {
                for (key, value) in pairs {
                    vars.insert(Key::from(key), Value::template(value, Some(whole.clone())));
                }
            }
            Ok((_, Some(rest))) => {
                out.push(
                    Diagnostic::error(format!(
                        "Invalid extra vars data supplied. '{rest}' could not be made into a dictionary"
                    ))
                    .at(&whole)
                    .help("write name=value, JSON in braces, or @file"),
                );
            }
            Err(why) => out.push(Diagnostic::error(why).at(&whole)),
        }
    }
    out.into_result(vars).map(|(vars, _)| vars)
}
