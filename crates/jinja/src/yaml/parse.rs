//! Reading: `from_yaml` and `from_yaml_all`.

use super::resolve::resolve;
use crate::Key;
use crate::eval::fail;
use crate::val::{Entries, R, Val};
use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use std::collections::HashMap;

/// What is open.
enum Open {
    List(usize, Vec<Val>),
    Map(usize, Entries, Option<Val>, Vec<Entries>),
}

/// Aliases may not make a document of more nodes than this.
const MOST_NODES: usize = 1_000_000;

/// All documents of a text. Strings are data.
pub(crate) fn parse(text: &str) -> R<Vec<Val>> {
    let mut reader = Reader { stack: Vec::new(), anchors: HashMap::new(), root: None, nodes: 0 };
    let mut documents = Vec::new();
    let control = |c: char| (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || c == '\x7f';
    if let Some((at, c)) = text.chars().enumerate().find(|(_, c)| control(*c)) {
        return Err(fail(format!(
            "unacceptable character #x{:04x}: control characters are not allowed\n  in \"<unicode string>\", position {at}",
            c as u32
        )));
    }
    let mut parser = Parser::new_from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    while let Some(event) = parser.next_event() {
        let (event, _) = event.map_err(|e| {
            let at = e.marker();
            fail(format!("{}\n  in \"<unicode string>\", line {}, column {}", e.info(), at.line(), at.col() + 1))
        })?;
        match event {
            Event::DocumentStart(_) => reader.root = None,
            Event::DocumentEnd => documents.push(reader.root.take().unwrap_or(Val::None)),
            Event::Alias(id) => {
                let value = reader.anchors.get(&id).cloned().ok_or_else(|| fail("found an undefined alias"))?;
                reader.nodes += 16;
                reader.add(value)?;
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(&text, style, tag.as_deref())?;
                if anchor > 0 {
                    reader.anchors.insert(anchor, value.clone());
                }
                reader.add(value)?;
            }
            Event::SequenceStart(anchor, _) => reader.open(Open::List(anchor, Vec::new()))?,
            Event::MappingStart(anchor, _) => reader.open(Open::Map(anchor, Entries::new(), None, Vec::new()))?,
            Event::SequenceEnd | Event::MappingEnd => reader.close()?,
            Event::StreamStart | Event::StreamEnd | Event::Nothing => {}
        }
    }
    Ok(documents)
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> R {
    let tag = tag.map(|t| {
        let name = if t.is_yaml_core_schema() || t.handle == "!!" {
            format!("!!{}", t.suffix)
        } else {
            format!("{}{}", t.handle, t.suffix)
        };
        name.trim_start_matches("tag:yaml.org,2002:").to_owned()
    });
    Ok(match tag.as_deref() {
        Some("!!str" | "!" | "!unsafe") => Val::str(text),
        Some("!vault" | "!vault-encrypted") => {
            Val::Vault(crate::Str { text: text.into(), template: false, span: None })
        }
        Some("!!float") => match resolve(text)? {
            Val::Int(i) => Val::Float(i as f64),
            other => other,
        },
        Some("!!binary") => {
            let compact: String = text.split_whitespace().collect();
            use base64::Engine as _;
            let raw = base64::engine::general_purpose::STANDARD.decode(compact);
            Val::Bytes(raw.map_err(|e| fail(format!("failed to decode base64 data: {e}")))?.into())
        }
        Some("!!int" | "!!bool" | "!!null" | "!!timestamp") => resolve(text)?,
        Some(other) => return Err(fail(format!("could not determine a constructor for the tag '{other}'"))),
        None if style == ScalarStyle::Plain => resolve(text)?,
        None => Val::str(text),
    })
}

struct Reader {
    stack: Vec<Open>,
    anchors: HashMap<usize, Val>,
    root: Option<Val>,
    nodes: usize,
}

impl Reader {
    fn open(&mut self, open: Open) -> R<()> {
        if self.stack.len() > 200 {
            return Err(fail("the YAML document is nested too deeply"));
        }
        self.stack.push(open);
        Ok(())
    }

    fn close(&mut self) -> R<()> {
        let (anchor, value) = match self.stack.pop() {
            Some(Open::List(anchor, items)) => (anchor, Val::list(items)),
            Some(Open::Map(anchor, entries, _, merged)) => {
                // Merged entries come first and give way to the mapping's own.
                let mut all = Entries::new();
                for more in merged.into_iter().rev() {
                    all.extend(more);
                }
                all.extend(entries);
                (anchor, Val::dict(all))
            }
            None => return Ok(()),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        self.add(value)
    }

    fn add(&mut self, value: Val) -> R<()> {
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            return Err(fail("the YAML document is too large"));
        }
        match self.stack.last_mut() {
            None => self.root = Some(value),
            Some(Open::List(_, items)) => items.push(value),
            Some(Open::Map(_, _, key @ None, _)) => *key = Some(value),
            Some(Open::Map(_, entries, key, merged)) => {
                let Some(name) = key.take() else { return Ok(()) };
                if name.as_str() == Some("<<") {
                    let sources = match &value {
                        Val::List(l) => l.items().to_vec(),
                        other => vec![other.clone()],
                    };
                    for source in sources {
                        let Val::Dict(d) = source else {
                            return Err(fail("expected a mapping or list of mappings for merging"));
                        };
                        merged.push((*d.entries()).clone());
                    }
                    return Ok(());
                }
                let key: Key = name.to_key().ok_or_else(|| fail("found unhashable key"))?;
                entries.insert(key, value);
            }
        }
        Ok(())
    }
}
