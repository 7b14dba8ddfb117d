//! YAML as Packer's functions read and write it: words such as `yes` are booleans, keys are strings, one document.

#[cfg(test)]
use crate::hcl::json;
use crate::hcl::number::Number;
use crate::hcl::types::Type;
use crate::hcl::value::{Data, Value};
use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How deep a document may nest.
const DEEPEST: usize = 500;
/// As many values as aliases may multiply a document to.
const MOST_VALUES: usize = 1 << 20;

/// Reads one document.
pub(super) fn decode(text: &str) -> Result<Value, String> {
    let mut reader = Reader { parser: Parser::new_from_str(text), anchors: BTreeMap::new(), values: 0 };
    loop {
        match reader.next()? {
            (Event::StreamStart | Event::DocumentStart(_), _) => {}
            (Event::StreamEnd, _) => return Err("there is no value".to_owned()),
            (event, span) => {
                let value = reader.value(event, span, 0)?;
                return match (reader.next()?, reader.next()?) {
                    ((Event::DocumentEnd, _), (Event::StreamEnd, _)) => Ok(value),
                    (_, (_, span)) => Err(at(span, "only one document is allowed")),
                };
            }
        }
    }
}

fn at(span: Span, message: impl std::fmt::Display) -> String {
    format!("{message} (line {}, column {})", span.start.line(), span.start.col() + 1)
}

struct Reader<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    anchors: BTreeMap<usize, (Value, usize)>,
    values: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), String> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                Err(format!("{} (line {}, column {})", error.info(), error.marker().line(), error.marker().col() + 1))
            }
            None => Err("the text ends".to_owned()),
        }
    }

    fn value(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Value, String> {
        if depth > DEEPEST {
            return Err(at(span, format!("nested deeper than {DEEPEST} levels")));
        }
        stacker::maybe_grow(64 << 10, 1 << 20, || self.value_here(event, span, depth))
    }

    fn value_here(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Value, String> {
        let before = self.values;
        self.values += 1;
        let (anchor, value) = match event {
            Event::Scalar(text, style, anchor, tag) => (anchor, scalar(&text, style, tag.as_deref(), span)?),
            Event::SequenceStart(anchor, tag) => {
                if let Some(tag) = tag.filter(|tag| !(tag.is_yaml_core_schema() && tag.suffix == "seq")) {
                    return Err(at(span, format!("a list can't be of the type \"{}\"", tag.suffix)));
                }
                (anchor, self.sequence(depth)?)
            }
            Event::MappingStart(anchor, tag) => {
                if let Some(tag) = tag.filter(|tag| !(tag.is_yaml_core_schema() && tag.suffix == "map")) {
                    return Err(at(span, format!("a mapping can't be of the type \"{}\"", tag.suffix)));
                }
                (anchor, self.mapping(depth)?)
            }
            Event::Alias(anchor) => {
                let Some((value, size)) = self.anchors.get(&anchor).cloned() else {
                    return Err(at(span, "an anchor can't be referred to from inside of its own value"));
                };
                self.values += size;
                if self.values > MOST_VALUES {
                    return Err(at(span, "the aliases make the document too large"));
                }
                (0, value)
            }
            _ => return Err(at(span, "a value is expected")),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, (value.clone(), self.values - before));
        }
        Ok(value)
    }

    fn sequence(&mut self, depth: usize) -> Result<Value, String> {
        let mut elements = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::tuple(elements)),
                (event, span) => elements.push(self.value(event, span, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, String> {
        let mut entries: BTreeMap<std::sync::Arc<str>, Value> = BTreeMap::new();
        loop {
            let (event, span) = self.next()?;
            let (text, style, tag) = match event {
                Event::MappingEnd => return Ok(Value::object(entries)),
                Event::Scalar(text, style, _, tag) => (text, style, tag),
                _ => return Err(at(span, "only strings are allowed as keys")),
            };
            let plain = tag.is_none() && text == "<<";
            if plain || tag.as_deref().is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "merge") {
                let (event, inner) = self.next()?;
                let merged = self.value(event, inner, depth + 1)?;
                let sources = match merged.data() {
                    Data::Tuple(all) => all.to_vec(),
                    _ => vec![merged],
                };
                for source in sources {
                    match source.as_entries() {
                        Some(more) => entries.extend(more.iter().map(|(k, v)| (k.clone(), v.clone()))),
                        None => return Err(at(inner, format!("{} can't be merged into a mapping", source.kind()))),
                    }
                }
                continue;
            }
            let key = scalar(&text, style, tag.as_deref(), span)?;
            let key = match crate::hcl::convert(&key, &Type::String) {
                Ok(key) if !key.is_null() => key,
                _ => return Err(at(span, "a key must not be null")),
            };
            let (event, inner) = self.next()?;
            let value = self.value(event, inner, depth + 1)?;
            entries.insert(key.as_str().unwrap_or_default().into(), value);
        }
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Result<Value, String> {
    let tag = match tag {
        None => "",
        Some(tag) if tag.is_yaml_core_schema() => tag.suffix.as_str(),
        Some(tag) => return Err(at(span, format!("the tag \"{}{}\" is not supported", tag.handle, tag.suffix))),
    };
    let wrong = || at(span, format!("\"{text}\" is not of the type \"{tag}\""));
    let quoted = matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted);
    // What looks like a word or a number is a string once it is quoted, whatever the tag.
    let suggestive = text.starts_with(|c: char| c.is_ascii_digit() || "yYnNtTfFoO~+-.".contains(c));
    if quoted && (tag.is_empty() || (suggestive && !matches!(tag, "str" | "binary"))) {
        return Ok(text.into());
    }
    match tag {
        "str" => Ok(text.into()),
        "binary" => {
            use base64::Engine as _;
            let dense: String = text.split_ascii_whitespace().collect();
            base64::engine::general_purpose::STANDARD.decode(dense).map(|_| text.into()).map_err(|_| wrong())
        }
        "null" => Ok(Value::null()),
        "bool" => word(text).filter(|v| v.as_bool().is_some()).ok_or_else(wrong),
        "int" | "float" => number(text).ok_or_else(wrong),
        "timestamp" => timestamp(text).ok_or_else(wrong),
        "" => {
            if matches!(text, ".nan" | ".NaN" | ".NAN")
                || matches!(text.trim_start_matches(['+', '-']), ".inf" | ".Inf" | ".INF")
            {
                return Err(at(span, format!("{text} is not a number that HCL has")));
            }
            let known = word(text).or_else(|| timestamp(text));
            let known = known.or_else(|| if looks_like_number(text) { number(text) } else { None });
            Ok(known.unwrap_or_else(|| text.into()))
        }
        other => Err(at(span, format!("the tag \"!!{other}\" is not supported"))),
    }
}

fn word(text: &str) -> Option<Value> {
    Some(match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => true.into(),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => false.into(),
        "" | "~" | "null" | "Null" | "NULL" => Value::null(),
        _ => return None,
    })
}

fn looks_like_number(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'))
}

fn number(text: &str) -> Option<Value> {
    let plain = text.replace('_', "");
    if let Some(number) = Number::parse(&plain) {
        // An underscore makes a number only where the tag says so.
        return (plain.len() == text.len()).then(|| number.into());
    }
    let radix = |prefix: &str, radix: u32| {
        let digits = plain.strip_prefix(prefix)?;
        i64::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with(['+', '-'])).map(Value::int)
    };
    radix("0x", 16).or_else(|| radix("0o", 8))
}

/// Dates and times in the few forms that are read; they become RFC 3339.
fn timestamp(text: &str) -> Option<Value> {
    let (date, rest) = match text.find(['T', 't', ' ']) {
        Some(end) => (&text[..end], &text[end..]),
        None => (text, ""),
    };
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let short = |part: &str| {
        let fits = (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        if fits { part.parse::<i8>().ok() } else { None }
    };
    if year.len() != 4 || !year.bytes().all(|b| b.is_ascii_digit()) || parts.next().is_some() {
        return None;
    }
    let date = jiff::civil::Date::new(year.parse().ok()?, short(month)?, short(day)?).ok()?;
    let day = format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day());
    if rest.is_empty() {
        return Some(format!("{day}T00:00:00Z").into());
    }
    let zone_at = rest[1..].find(['Z', '+', '-']).map(|i| i + 1);
    let (clock, zone) = rest[1..].split_at(zone_at.map_or(rest.len() - 1, |i| i - 1));
    // With a zone after T or t; without one after a blank.
    if zone.is_empty() != rest.starts_with(' ') {
        return None;
    }
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    if fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut parts = clock.split(':');
    let (h, m, s) = (short(parts.next()?)?, short(parts.next()?)?, short(parts.next()?)?);
    if parts.next().is_some() || jiff::civil::Time::new(h, m, s, 0).is_err() {
        return None;
    }
    let zone = match zone {
        "" | "Z" | "+00:00" | "-00:00" => "Z",
        other => {
            let digits = other.as_bytes();
            let fits = digits.len() == 6
                && digits[3] == b':'
                && digits[1..3].iter().chain(&digits[4..]).all(u8::is_ascii_digit);
            if !fits {
                return None;
            }
            other
        }
    };
    Some(format!("{day}T{h:02}:{m:02}:{s:02}{zone}").into())
}

/// Writes a value: strings in double quotes, or as a block where they have several lines.
pub(super) fn encode(value: &Value) -> String {
    let mut out = String::new();
    write(value, 0, Place::Top, &mut out);
    if !matches!(value.data(), Data::String(_)) && value.as_elements().is_none() && value.as_entries().is_none() {
        // A plain word could go on: the document's end is marked.
        out.push_str("...\n");
    }
    out
}

/// Beyond this column a long text goes on in the next line, at a blank.
const WIDTH: usize = 80;
/// A longer key is marked with a question mark and may be folded.
const LONGEST_KEY: usize = 128;

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Top,
    Key,
    Item,
}

fn write(value: &Value, indent: usize, place: Place, out: &mut String) {
    match value.data() {
        Data::List(..) | Data::Set(..) | Data::Tuple(_) => {
            if value.children().next().is_none() {
                out.push_str(if place == Place::Top { "[]\n" } else { " []\n" });
                return;
            }
            if place == Place::Key {
                out.push('\n');
            }
            for (i, element) in value.children().enumerate() {
                if i == 0 && place == Place::Item {
                    out.push(' ');
                } else {
                    out.push_str(&" ".repeat(indent));
                }
                out.push('-');
                write(element, indent + 2, Place::Item, out);
            }
        }
        Data::Map(_, entries) | Data::Object(entries) => {
            if entries.is_empty() {
                out.push_str(if place == Place::Top { "{}\n" } else { " {}\n" });
                return;
            }
            let indent = if place == Place::Key { indent + 2 } else { indent };
            if place == Place::Key {
                out.push('\n');
            }
            for (i, (key, value)) in entries.iter().enumerate() {
                if i == 0 && place == Place::Item {
                    out.push(' ');
                } else {
                    out.push_str(&" ".repeat(indent));
                }
                if key.len() > LONGEST_KEY {
                    out.push_str("? ");
                    double_quoted(key, Some(indent + 2), out);
                    out.push('\n');
                    out.push_str(&" ".repeat(indent));
                } else {
                    double_quoted(key, None, out);
                }
                out.push(':');
                write(value, indent, Place::Key, out);
            }
        }
        scalar => {
            if place != Place::Top {
                out.push(' ');
            }
            let plain = match scalar {
                Data::Bool(value) => value.to_string(),
                Data::Number(number) => number.to_string(),
                Data::String(text) if text.contains('\n') && is_block(text) => {
                    let indent = if place == Place::Key { indent + 2 } else { indent.max(2) };
                    return block(text, indent, out);
                }
                Data::String(text) => {
                    let indent = if place == Place::Item { indent } else { indent + 2 };
                    double_quoted(text, Some(indent), out);
                    String::new()
                }
                _ => "null".to_owned(),
            };
            out.push_str(&plain);
            out.push('\n');
        }
    }
}

/// Whether a text can stand as it is, line by line.
fn is_block(text: &str) -> bool {
    let printable = |c: char| c == '\n' || c == '\u{85}' || (!c.is_control() && c != '\u{feff}');
    text.chars().all(printable) && !text.contains(" \n") && !text.ends_with(' ')
}

fn block(text: &str, indent: usize, out: &mut String) {
    out.push('|');
    if text.starts_with([' ', '\n']) {
        let _ = write!(out, "{}", 2);
    }
    if !text.ends_with('\n') {
        out.push('-');
    } else if text == "\n" || text.ends_with("\n\n") {
        out.push('+');
    }
    out.push('\n');
    let body = text.strip_suffix('\n').unwrap_or(text);
    for line in body.split('\n') {
        if !line.is_empty() {
            out.push_str(&" ".repeat(indent));
            out.push_str(line);
        }
        out.push('\n');
    }
}

/// A string in double quotes; with an indent it is folded.
fn double_quoted(text: &str, fold: Option<usize>, out: &mut String) {
    let start = out.rfind('\n').map_or(0, |newline| newline + 1);
    let mut column = out[start..].chars().count() + 1;
    out.push('"');
    let (mut after_blank, mut written) = (false, out.len());
    for (at, c) in text.char_indices() {
        column += out[written..].chars().count();
        written = out.len();
        if let Some(indent) = fold
            && c == ' '
            && !after_blank
            && column > WIDTH
            && at > 0
            && at + 1 < text.len()
        {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            column = indent;
            if text[at + 1..].starts_with(' ') {
                out.push('\\');
                column += 1;
            }
            written = out.len();
            after_blank = true;
            continue;
        }
        after_blank = c == ' ';
        let short = match c {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\0' => "\\0",
            '\u{7}' => "\\a",
            '\u{8}' => "\\b",
            '\t' => "\\t",
            '\n' => "\\n",
            '\u{b}' => "\\v",
            '\u{c}' => "\\f",
            '\r' => "\\r",
            '\u{1b}' => "\\e",
            '\u{85}' => "\\N",
            '\u{2028}' => "\\L",
            '\u{2029}' => "\\P",
            _ => "",
        };
        if !short.is_empty() {
            out.push_str(short);
        } else if c.is_control() || c == '\u{feff}' {
            let code = u32::from(c);
            let _ = if code <= 0xff { write!(out, "\\x{code:02X}") } else { write!(out, "\\u{code:04X}") };
        } else {
            out.push(c);
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_read() {
        for (text, want) in [
            ("a: 1\nb: [yes, no, ~, 'yes', 1.50, 0x1f]", r#"{"a":1,"b":[true,false,null,"yes",1.5,31]}"#),
            ("- &x {a: 1}\n- {<<: *x, b: 2}", r#"[{"a":1},{"a":1,"b":2}]"#),
            ("2020-1-2", r#""2020-01-02T00:00:00Z""#),
            ("!!str 5", r#""5""#),
            ("", "null"),
            ("a: |\n  x\n  y\n", r#"{"a":"x\ny\n"}"#),
            ("1: a", r#"{"1":"a"}"#),
        ] {
            match decode(text) {
                Ok(value) => assert_eq!(json::encode(&value).unwrap(), want, "{text}"),
                Err(_) if text.is_empty() => {}
                Err(error) => panic!("{text}: {error}"),
            }
        }
        for text in ["a: [", "--- 1\n--- 2", "!foo 1", "{[1]: 2}", "&a [*a]", "~: 1"] {
            assert!(decode(text).is_err(), "{text}");
        }
    }
}
