//! `-e`: `k=v` pairs, JSON or YAML, `@file`.

use super::{Settings, exit, expand_home};
use crate::play::split::key_values;
use crate::yaml;
use imgbuild_diag::{Diagnostic, Diagnostics, Source, Span};
use imgbuild_jinja::{Key, Map, Value};

/// All `-e` options, later ones win; with them what is doubtful.
pub fn parse_extra_vars(options: &[String], settings: &Settings) -> Result<(Map, Diagnostics), Diagnostics> {
    let mut vars = Map::new();
    let mut out = Diagnostics::new();
    for option in options {
        let (source, structured) = match option.strip_prefix('@') {
            Some(file) => match crate::vault::read_text(&expand_home(file, settings), settings) {
                Ok(text) => (Source::new(file, text), true),
                Err(why) => {
                    out.push(why.diagnostic().exit(exit::ERROR));
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
                        Diagnostic::error("Extra variables must be a dictionary of names and values")
                            .at(&node.span)
                            .exit(exit::USAGE),
                    );
                }
                Err(()) => {}
            }
            continue;
        }
        match key_values(option, false) {
            Ok((pairs, rest)) => {
                for (key, value) in pairs {
                    vars.insert(Key::from(key), Value::template(value, Some(whole.clone())));
                }
                // Ansible passes over it without a word.
                if let Some(rest) = rest {
                    out.push(
                        Diagnostic::warning(format!("'{rest}' sets no extra variable"))
                            .at(&whole)
                            .help("write name=value, JSON in braces, or @file"),
                    );
                }
            }
            Err(why) => out.push(Diagnostic::error(why).at(&whole)),
        }
    }
    out.into_result(vars)
}
