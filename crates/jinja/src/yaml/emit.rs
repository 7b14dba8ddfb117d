//! Writing as PyYAML does with libyaml's emitter (the usual build): line width, indentation, quoting.

use super::scalar::{Style, analyze, choose};
use crate::Key;
use crate::eval::fail;
use crate::val::compare::sort_by_key;
use crate::val::repr::{float, to_str};
use crate::val::{R, Val};
use std::fmt::Write as _;

/// The options of `yaml.dump` that the filters pass on.
pub(crate) struct Options {
    /// `None`: containers of scalars only are written in flow style.
    pub flow: Option<bool>,
    pub indent: usize,
    pub width: usize,
    pub sort_keys: bool,
    pub explicit_start: bool,
    pub explicit_end: bool,
    pub style: Option<char>,
    pub allow_unicode: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            flow: None,
            indent: 2,
            width: 80,
            sort_keys: true,
            explicit_start: false,
            explicit_end: false,
            style: None,
            allow_unicode: true,
        }
    }
}

/// The YAML text of a rendered value.
pub(crate) fn dump(value: &Val, options: &Options) -> R<String> {
    let mut e = Emitter {
        options,
        out: String::new(),
        column: 0,
        whitespace: true,
        indention: true,
        flow_level: 0,
        indent: -1,
        open_ended: false,
    };
    if options.explicit_start {
        e.indicator("---", true, false, false);
        // As PyYAML: containers in block style start on a line of their own.
    }
    e.node(value, Place::Root, 0)?;
    e.line_end();
    if options.explicit_end || e.open_ended {
        e.raw("...\n");
    }
    Ok(e.out)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Root,
    Sequence,
    /// A mapping's value; `true` after a simple key.
    Mapping,
    Key,
}

struct Emitter<'o> {
    options: &'o Options,
    out: String,
    column: usize,
    whitespace: bool,
    indention: bool,
    flow_level: usize,
    indent: i64,
    open_ended: bool,
}

/// What a scalar looks like before styles, and whether it is text.
fn scalar_text(value: &Val) -> Option<(String, bool)> {
    Some(match value {
        Val::None => ("null".into(), true),
        Val::Bool(b) => (b.to_string(), true),
        Val::Int(_) | Val::Big(_) => (to_str(value), true),
        Val::Float(f) if f.is_nan() => (".nan".into(), true),
        Val::Float(f) if f.is_infinite() => ((if *f > 0.0 { ".inf" } else { "-.inf" }).into(), true),
        Val::Float(f) => {
            let text = float(*f);
            (if !text.contains('.') && text.contains('e') { text.replacen('e', ".0e", 1) } else { text }, true)
        }
        Val::Str(s) => (s.text.to_string(), false),
        Val::Vault(s) => (s.text.to_string(), false),
        Val::Obj(o) if matches!(o.type_name(), "datetime" | "date") => (to_str(value), true),
        _ => return None,
    })
}

fn entries(value: &Val) -> Option<Vec<(Key, Val)>> {
    match value {
        Val::Dict(d) => Some(d.entries().iter().map(|(k, v)| (k.clone(), v.clone())).collect()),
        _ => None,
    }
}

fn items(value: &Val) -> Option<std::sync::Arc<Vec<Val>>> {
    match value {
        Val::List(l) => Some(l.items()),
        Val::Tuple(t) => Some(t.clone()),
        _ => None,
    }
}

impl Emitter<'_> {
    fn raw(&mut self, text: &str) {
        self.out.push_str(text);
        match text.rfind('\n') {
            Some(i) => self.column = text[i + 1..].chars().count(),
            None => self.column += text.chars().count(),
        }
    }

    fn line_end(&mut self) {
        if !self.out.ends_with('\n') {
            self.raw("\n");
        }
        (self.whitespace, self.indention) = (true, true);
    }

    fn indicator(&mut self, text: &str, need_space: bool, whitespace: bool, indention: bool) {
        if need_space && !self.whitespace {
            self.raw(" ");
        }
        self.whitespace = whitespace;
        self.indention = self.indention && indention;
        self.raw(text);
        self.open_ended = false;
    }

    fn write_indent(&mut self) {
        let indent = usize::try_from(self.indent).unwrap_or(0);
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.raw("\n");
            (self.whitespace, self.indention) = (true, true);
        }
        if self.column < indent {
            self.whitespace = true;
            let pad = " ".repeat(indent - self.column);
            self.raw(&pad);
        }
    }

    fn deeper(&mut self, flow: bool, indentless: bool) -> i64 {
        let outer = self.indent;
        let step = if (2..10).contains(&self.options.indent) { self.options.indent as i64 } else { 2 };
        if outer < 0 {
            self.indent = if flow { step } else { 0 };
        } else if !indentless {
            self.indent += step;
        }
        outer
    }

    /// Containers of scalars only are in flow style where the caller does not care.
    fn in_flow(&self, value: &Val) -> bool {
        if self.flow_level > 0 {
            return true;
        }
        let simple = |v: &Val| match scalar_text(v) {
            Some(_) => !matches!(v, Val::Vault(_)) && self.options.style.is_none(),
            None => false,
        };
        match self.options.flow {
            Some(flow) => flow,
            None => match (items(value), entries(value)) {
                (Some(all), _) => all.iter().all(simple),
                (_, Some(all)) => all.iter().all(|(k, v)| simple(&Val::from(k)) && simple(v)),
                _ => false,
            },
        }
    }

    fn node(&mut self, value: &Val, place: Place, depth: u32) -> R<()> {
        if depth > 500 {
            return Err(fail("the value is nested too deeply"));
        }
        if let Some(all) = items(value) {
            if all.is_empty() || self.in_flow(value) {
                return self.flow_sequence(&all, depth);
            }
            return self.block_sequence(&all, place, depth);
        }
        if let Some(mut all) = entries(value) {
            if self.options.sort_keys {
                let keyed = all.iter().enumerate().map(|(i, (k, _))| (Val::from(k), Val::from(i))).collect();
                // PyYAML keeps the order where the keys can't be sorted.
                if let Ok(order) = sort_by_key(keyed, false) {
                    all = order.iter().filter_map(|i| all.get(i.as_int()? as usize).cloned()).collect();
                }
            }
            if all.is_empty() || self.in_flow(value) {
                return self.flow_mapping(&all, depth);
            }
            return self.block_mapping(&all, place, depth);
        }
        if let Val::Bytes(b) = value {
            use base64::Engine as _;
            let encoded = base64::engine::general_purpose::STANDARD.encode(b);
            self.indicator("!!binary", true, false, false);
            let outer = self.deeper(true, false);
            let lines: Vec<&str> = encoded.as_bytes().chunks(76).filter_map(|c| std::str::from_utf8(c).ok()).collect();
            self.literal(&(lines.join("\n") + "\n"));
            self.indent = outer;
            return Ok(());
        }
        let Some((text, plain)) = scalar_text(value) else {
            return Err(fail(format!("cannot represent an object of type {}", value.type_name())));
        };
        if let Val::Vault(_) = value {
            self.indicator("!vault", true, false, false);
            let outer = self.deeper(true, false);
            self.literal(&text);
            self.indent = outer;
            return Ok(());
        }
        let style = choose(&text, plain, self.options.style, self.flow_level > 0, place == Place::Key);
        // A quoted scalar that is no text keeps a sign of it.
        if plain && style != Style::Plain {
            self.indicator("!", true, false, false);
        }
        let outer = self.deeper(true, false);
        self.scalar(&text, style, place);
        self.indent = outer;
        Ok(())
    }

    fn flow_sequence(&mut self, all: &[Val], depth: u32) -> R<()> {
        self.indicator("[", true, true, false);
        self.flow_level += 1;
        let outer = self.deeper(true, false);
        for (i, item) in all.iter().enumerate() {
            if i > 0 {
                self.indicator(",", false, false, false);
            }
            if self.column > self.options.width {
                self.write_indent();
            }
            self.node(item, Place::Sequence, depth + 1)?;
        }
        self.indent = outer;
        self.flow_level -= 1;
        self.indicator("]", false, false, false);
        Ok(())
    }

    fn flow_mapping(&mut self, all: &[(Key, Val)], depth: u32) -> R<()> {
        self.indicator("{", true, true, false);
        self.flow_level += 1;
        let outer = self.deeper(true, false);
        for (i, (key, value)) in all.iter().enumerate() {
            if i > 0 {
                self.indicator(",", false, false, false);
            }
            if self.column > self.options.width {
                self.write_indent();
            }
            self.key_and_colon(key, depth)?;
            self.node(value, Place::Mapping, depth + 1)?;
        }
        self.indent = outer;
        self.flow_level -= 1;
        self.indicator("}", false, false, false);
        Ok(())
    }

    /// A simple key with its colon, or `? key` and the colon on the next line.
    fn key_and_colon(&mut self, key: &Key, depth: u32) -> R<()> {
        let value = Val::from(key);
        let text = scalar_text(&value).map(|(t, _)| t).unwrap_or_default();
        if text.len() < 128 && !analyze(&text).multiline {
            self.node(&value, Place::Key, depth + 1)?;
            self.indicator(":", false, false, false);
            return Ok(());
        }
        self.indicator("?", true, false, true);
        self.node(&value, Place::Mapping, depth + 1)?;
        if self.flow_level == 0 || self.column > self.options.width {
            self.write_indent();
        }
        self.indicator(":", self.flow_level > 0, false, true);
        Ok(())
    }

    fn block_sequence(&mut self, all: &[Val], place: Place, depth: u32) -> R<()> {
        let indentless = place == Place::Mapping && !self.indention;
        let outer = self.deeper(false, indentless);
        for item in all {
            self.write_indent();
            self.indicator("-", true, false, true);
            self.node(item, Place::Sequence, depth + 1)?;
        }
        self.indent = outer;
        Ok(())
    }

    fn block_mapping(&mut self, all: &[(Key, Val)], _: Place, depth: u32) -> R<()> {
        let outer = self.deeper(false, false);
        for (key, value) in all {
            self.write_indent();
            self.key_and_colon(key, depth)?;
            self.node(value, Place::Mapping, depth + 1)?;
        }
        self.indent = outer;
        Ok(())
    }

    fn scalar(&mut self, text: &str, style: Style, place: Place) {
        let split = place != Place::Key;
        match style {
            Style::Plain => self.plain(text, split),
            Style::Single => self.single(text, split),
            Style::Double => self.double(text, split),
            Style::Literal => self.literal(text),
            Style::Folded => self.folded(text),
        }
    }

    fn plain(&mut self, text: &str, split: bool) {
        if text.is_empty() {
            return;
        }
        if !self.whitespace {
            self.raw(" ");
        }
        (self.whitespace, self.indention) = (false, false);
        let mut rest = text;
        while !rest.is_empty() {
            let spaces = rest.len() - rest.trim_start_matches(' ').len();
            if spaces > 0 {
                if spaces == 1 && self.column > self.options.width && split {
                    self.write_indent();
                    (self.whitespace, self.indention) = (false, false);
                } else {
                    self.raw(&" ".repeat(spaces));
                }
                rest = &rest[spaces..];
            }
            let n = rest.find(' ').unwrap_or(rest.len());
            let word = rest[..n].to_owned();
            self.raw(&word);
            rest = &rest[n..];
        }
    }

    /// Line breaks inside of quotes: one more than there are, as folding takes one away.
    fn breaks(&mut self, breaks: &str) {
        if breaks.starts_with('\n') {
            self.raw("\n");
        }
        for c in breaks.chars() {
            self.raw(&c.to_string());
        }
    }

    fn single(&mut self, text: &str, split: bool) {
        self.indicator("'", true, false, false);
        let is_break = |c: char| matches!(c, '\n' | '\u{85}' | '\u{2028}' | '\u{2029}');
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let kind = |c: char| {
                if c == ' ' {
                    1
                } else if is_break(c) {
                    2
                } else {
                    0
                }
            };
            let run = rest.find(|c| kind(c) != kind(first)).unwrap_or(rest.len());
            let (part, more) = rest.split_at(run);
            let at_edge = part.as_ptr() == text.as_ptr() || more.is_empty();
            match kind(first) {
                1 if run == 1 && self.column > self.options.width && split && !at_edge => self.write_indent(),
                2 => {
                    let part = part.to_owned();
                    self.breaks(&part);
                    self.indention = true;
                    self.whitespace = true;
                    self.write_indent();
                }
                _ => {
                    let quoted = part.replace('\'', "''");
                    self.raw(&quoted);
                }
            }
            rest = more;
        }
        self.indicator("'", false, false, false);
    }

    fn double(&mut self, text: &str, split: bool) {
        self.indicator("\"", true, false, false);
        let count = text.chars().count();
        let mut after_space = false;
        let mut chars = text.chars().enumerate().peekable();
        while let Some((i, c)) = chars.next() {
            if c == ' ' {
                let inside = i > 0 && i + 1 < count;
                if split && !after_space && self.column > self.options.width && inside {
                    self.write_indent();
                    if chars.peek().is_some_and(|(_, next)| *next == ' ') {
                        self.raw("\\");
                    }
                    (self.whitespace, self.indention) = (false, false);
                } else {
                    self.raw(" ");
                }
                after_space = true;
                continue;
            }
            after_space = false;
            let plain = !"\"\\\u{85}\u{2028}\u{2029}\u{feff}".contains(c)
                && (('!'..='~').contains(&c)
                    || (self.options.allow_unicode
                        && (('\u{a0}'..='\u{d7ff}').contains(&c) || ('\u{e000}'..='\u{fffd}').contains(&c))));
            let shown = if plain { c.to_string() } else { escape(c) };
            self.raw(&shown);
        }
        self.indicator("\"", false, false, false);
    }

    /// The hints of a block scalar: an indentation where the text starts with a blank, and what becomes of its last newlines.
    fn hints(&self, text: &str) -> String {
        let mut hints = String::new();
        if text.starts_with([' ', '\n']) {
            let _ = write!(hints, "{}", self.options.indent);
        }
        if !text.ends_with('\n') {
            hints.push('-');
        } else if text.len() == 1 || text.ends_with("\n\n") {
            hints.push('+');
        }
        hints
    }

    fn literal(&mut self, text: &str) {
        let hints = self.hints(text);
        self.indicator(&format!("|{hints}"), true, false, false);
        self.open_ended = hints.ends_with('+');
        self.raw("\n");
        let pad = " ".repeat(usize::try_from(self.indent).unwrap_or(0));
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        for line in lines {
            if line != "\n" {
                self.raw(&pad);
            }
            self.raw(line);
        }
        (self.whitespace, self.indention) = (true, true);
    }

    fn folded(&mut self, text: &str) {
        let hints = self.hints(text);
        self.indicator(&format!(">{hints}"), true, false, false);
        self.open_ended = hints.ends_with('+');
        self.raw("\n");
        let pad = " ".repeat(usize::try_from(self.indent).unwrap_or(0));
        let body = text.trim_end_matches('\n');
        for (i, line) in body.split('\n').enumerate() {
            if i > 0 && !line.is_empty() {
                self.raw("\n");
            }
            if !line.is_empty() {
                self.raw(&pad);
                let mut first = true;
                for word in line.split(' ') {
                    if !first {
                        if self.column > self.options.width {
                            self.raw("\n");
                            self.raw(&pad);
                        } else {
                            self.raw(" ");
                        }
                    }
                    first = false;
                    self.raw(word);
                }
            }
            self.raw("\n");
        }
        for _ in 1..text.len() - body.len() {
            self.raw("\n");
        }
        (self.whitespace, self.indention) = (true, true);
    }
}

fn escape(c: char) -> String {
    match c {
        '\0' => "\\0".into(),
        '\x07' => "\\a".into(),
        '\x08' => "\\b".into(),
        '\t' => "\\t".into(),
        '\n' => "\\n".into(),
        '\x0b' => "\\v".into(),
        '\x0c' => "\\f".into(),
        '\r' => "\\r".into(),
        '\x1b' => "\\e".into(),
        '"' => "\\\"".into(),
        '\\' => "\\\\".into(),
        '\u{85}' => "\\N".into(),
        '\u{a0}' => "\\_".into(),
        '\u{2028}' => "\\L".into(),
        '\u{2029}' => "\\P".into(),
        c if (c as u32) <= 0xff => format!("\\x{:02X}", c as u32),
        c if (c as u32) <= 0xffff => format!("\\u{:04X}", c as u32),
        c => format!("\\U{:08X}", c as u32),
    }
}
