//! Patterns: `regex`, `regexall`, `regex_replace`, and plain `replace`.
//!
//! Packer's patterns are RE2's as Go has them. They are brought to the words of the `regex` crate, which has the same promise: a
//! match takes time in proportion to the text. What differs is rewritten or refused in [`translate`].

use super::{Call, FunctionError, Kind, Spec, p};
use crate::hcl::types::Type;
use crate::hcl::value::Value;
use regex::{Captures, Regex, RegexBuilder};

type Result = std::result::Result<Value, FunctionError>;

/// The largest text that a replacement may make.
const LONGEST: usize = 64 << 20;
/// As many matches as `regexall` gives.
const MOST_MATCHES: usize = 500_000;

pub(super) const FUNCTIONS: &[Spec] = &[
    Spec::new("regex", &[p("pattern", Kind::String), p("string", Kind::String)], Kind::Any, first),
    Spec::new("regexall", &[p("pattern", Kind::String), p("string", Kind::String)], Kind::List, all),
    Spec::new(
        "regex_replace",
        &[p("str", Kind::String), p("pattern", Kind::String), p("replace", Kind::String)],
        Kind::String,
        |c| {
            let pattern = compile(c, 1)?;
            // A group of the replacement may be the whole text.
            let found = pattern.find_iter(c.text(0)).count();
            let groups = c.text(2).matches('$').count();
            let most = found.saturating_mul(c.text(2).len());
            if most.saturating_add(groups.saturating_mul(c.text(0).len())) > LONGEST {
                return c.fail("the text would become too long");
            }
            Ok(pattern.replace_all(c.text(0), c.text(2)).into_owned().into())
        },
    ),
    Spec::new(
        "replace",
        &[p("str", Kind::String), p("substr", Kind::String), p("replace", Kind::String)],
        Kind::String,
        |c| {
            let found = c.text(0).matches(c.text(1)).count();
            if found.saturating_mul(c.text(2).len()) > LONGEST {
                return c.fail("the text would become too long");
            }
            Ok(c.text(0).replace(c.text(1), c.text(2)).into())
        },
    ),
];

fn compile(c: &Call<'_>, index: usize) -> std::result::Result<Regex, FunctionError> {
    let text = match translate(c.text(index)) {
        Ok(text) => text,
        Err(message) => return c.bad(index, message),
    };
    RegexBuilder::new(&text).size_limit(16 << 20).build().or_else(|error| {
        // The last line says what is wrong; those above show the rewritten pattern.
        let message = error.to_string();
        let reason = message.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        c.bad(index, format!("this is not a pattern: {reason}"))
    })
}

/// What a match is: the text, the texts of the groups, or the texts of the named groups.
enum Shape {
    Whole,
    Groups(usize),
    Names(Vec<String>),
}

fn shape(c: &Call<'_>, pattern: &Regex) -> std::result::Result<Shape, FunctionError> {
    let groups: Vec<Option<&str>> = pattern.capture_names().skip(1).collect();
    let names: Vec<String> = groups.iter().flatten().map(|name| (*name).to_owned()).collect();
    match (groups.len(), names.len()) {
        (0, _) => Ok(Shape::Whole),
        (all, 0) => Ok(Shape::Groups(all)),
        (all, named) if all == named => Ok(Shape::Names(names)),
        _ => c.bad(0, "a pattern has either named or unnamed groups, not both"),
    }
}

impl Shape {
    fn ty(&self) -> Type {
        match self {
            Shape::Whole => Type::String,
            Shape::Groups(n) => Type::tuple(vec![Type::String; *n]),
            Shape::Names(names) => Type::object(names.iter().map(|n| (n.as_str(), Type::String))),
        }
    }

    fn value(&self, found: &Captures<'_>) -> Value {
        let text = |m: Option<regex::Match<'_>>| m.map_or(Value::null_of(Type::String), |m| m.as_str().into());
        match self {
            Shape::Whole => text(found.get(0)),
            Shape::Groups(n) => Value::tuple((1..=*n).map(|i| text(found.get(i))).collect()),
            Shape::Names(names) => Value::object(names.iter().map(|n| (n.as_str(), text(found.name(n))))),
        }
    }
}

fn first(c: &Call<'_>) -> Result {
    let pattern = compile(c, 0)?;
    let shape = shape(c, &pattern)?;
    match pattern.captures(c.text(1)) {
        Some(found) => Ok(shape.value(&found)),
        None => c.fail("the pattern matches no part of the text"),
    }
}

fn all(c: &Call<'_>) -> Result {
    let pattern = compile(c, 0)?;
    let shape = shape(c, &pattern)?;
    let found: Vec<Value> =
        pattern.captures_iter(c.text(1)).take(MOST_MATCHES + 1).map(|found| shape.value(&found)).collect();
    if found.len() > MOST_MATCHES {
        return c.fail("the list would become too long");
    }
    Ok(Value::list(shape.ty(), found))
}

/// Go's pattern in the words of the `regex` crate: `\d`, `\w`, `\s` and `\b` know ASCII only, `\Q...\E` is taken literally, a
/// bracket inside a class is a letter, a brace that isn't a repetition is one too.
fn translate(pattern: &str) -> std::result::Result<String, String> {
    let letters: Vec<char> = pattern.chars().collect();
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut at = 0;
    // Whether a repetition has just ended: another one must not follow.
    let mut repeated = false;
    while let Some(&letter) = letters.get(at) {
        at += 1;
        let repeats = matches!(letter, '*' | '+' | '?') || (letter == '{' && is_repetition(&letters[at..]));
        if repeats && repeated {
            return Err(format!("'{letter}' repeats what is repeated already"));
        }
        repeated = repeats;
        match letter {
            '\\' => at = escape(&letters, at, &mut out)?,
            '[' => at = class(&letters, at, &mut out)?,
            '{' if repeats => {
                let end = at + letters[at..].iter().position(|c| *c == '}').unwrap_or(0);
                let inner: String = letters[at..end].iter().collect();
                let most = inner.split(',').filter_map(|n| n.parse::<u32>().ok()).max();
                if inner.split(',').any(|n| n.len() > 4) || most > Some(MOST_REPETITIONS) {
                    return Err(format!("a repetition is at most {MOST_REPETITIONS}"));
                }
                out.push_str(&format!("{{{inner}}}"));
                at = end + 1;
            }
            '{' => out.push_str("\\{"),
            '}' => out.push_str("\\}"),
            '(' if letters.get(at) == Some(&'?') => {
                if !matches!(letters.get(at + 1), Some('P' | '<')) {
                    let end = letters[at..].iter().position(|c| matches!(c, ':' | ')')).unwrap_or(1);
                    if let Some(flag) = letters[at + 1..at + end].iter().find(|c| !"imsU-".contains(**c)) {
                        return Err(format!("there is no flag '{flag}' in (?...)"));
                    }
                }
                out.push_str("(?");
                at += 1;
            }
            other => out.push(other),
        }
        if repeats && letters.get(at) == Some(&'?') {
            out.push('?');
            at += 1;
        }
    }
    Ok(out)
}

/// As often as something may be repeated.
const MOST_REPETITIONS: u32 = 1000;

fn is_repetition(rest: &[char]) -> bool {
    let Some(end) = rest.iter().position(|c| *c == '}') else { return false };
    let inner = &rest[..end];
    let (low, high) = match inner.iter().position(|c| *c == ',') {
        Some(comma) => (&inner[..comma], &inner[comma + 1..]),
        None => (inner, &inner[..0]),
    };
    !low.is_empty() && low.iter().chain(high).all(char::is_ascii_digit)
}

/// What follows a backslash outside of a class; returns the position behind it.
fn escape(letters: &[char], at: usize, out: &mut String) -> std::result::Result<usize, String> {
    let known = match letters.get(at) {
        Some('d') => "[0-9]",
        Some('D') => "[^0-9]",
        Some('w') => "[0-9A-Za-z_]",
        Some('W') => "[^0-9A-Za-z_]",
        Some('s') => "[\\t\\n\\x0C\\r ]",
        Some('S') => "[^\\t\\n\\x0C\\r ]",
        Some('b') => "(?-u:\\b)",
        Some('B') => "\\B",
        Some('A') => "\\A",
        Some('z') => "\\z",
        Some('Q') => {
            let rest = &letters[at + 1..];
            let end = rest.windows(2).position(|pair| pair == ['\\', 'E']).unwrap_or(rest.len());
            out.push_str(&regex::escape(&rest[..end].iter().collect::<String>()));
            return Ok((at + 1 + end + 2).min(letters.len()));
        }
        _ => {
            let (text, _, next) = letter(letters, at)?;
            out.push_str(&text);
            return Ok(next);
        }
    };
    out.push_str(known);
    Ok(at + 1)
}

/// A backslash with one letter, number or property behind it: what to write, the letter if it is one, the position behind it.
fn letter(letters: &[char], at: usize) -> std::result::Result<(String, Option<char>, usize), String> {
    let one = |c: char| Ok((format!("\\x{{{:x}}}", u32::from(c)), Some(c), at + 1));
    match letters.get(at) {
        None => Err("a backslash at the end stands for nothing".to_owned()),
        Some('a') => one('\u{7}'),
        Some('f') => one('\u{c}'),
        Some('t') => one('\t'),
        Some('n') => one('\n'),
        Some('r') => one('\r'),
        Some('v') => one('\u{b}'),
        Some('0'..='7') => {
            let digits: String = letters[at..].iter().take(3).take_while(|c| ('0'..='7').contains(*c)).collect();
            if digits.len() < 2 && digits != "0" {
                return Err(format!("\\{digits} would refer to a group; patterns can't"));
            }
            let code = char::from_u32(u32::from_str_radix(&digits, 8).unwrap_or(0)).unwrap_or('\0');
            Ok((format!("\\x{{{:x}}}", u32::from(code)), Some(code), at + digits.len()))
        }
        Some('x') => {
            let (digits, next): (String, usize) = if letters.get(at + 1) == Some(&'{') {
                let digits: String = letters[at + 2..].iter().take_while(|c| **c != '}').collect();
                let next = at + 3 + digits.chars().count();
                (digits, next)
            } else {
                (letters[at + 1..].iter().take(2).collect(), at + 3)
            };
            match u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32) {
                Some(code) if next <= letters.len() => Ok((format!("\\x{{{:x}}}", u32::from(code)), Some(code), next)),
                _ => Err("\\x needs two hexadecimal digits, or more of them in braces".to_owned()),
            }
        }
        Some(p @ ('p' | 'P')) => match letters.get(at + 1) {
            Some('{') => {
                let name: String = letters[at + 2..].iter().take_while(|c| **c != '}').collect();
                let next = at + 3 + name.chars().count();
                if next > letters.len() || !name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '^') {
                    return Err(format!("\\{p}{{ needs the name of a class and a closing brace"));
                }
                Ok((format!("\\{p}{{{name}}}"), None, next))
            }
            Some(name) if name.is_ascii_alphabetic() => Ok((format!("\\{p}{name}"), None, at + 2)),
            _ => Err(format!("\\{p} needs the name of a class")),
        },
        Some(other) if other.is_ascii() && !other.is_ascii_alphanumeric() => one(*other),
        Some(other) => Err(format!("\\{other} stands for nothing")),
    }
}

/// The names that `[:name:]` may have, also with a `^` before them.
const POSIX: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word",
    "xdigit",
];

/// A class in brackets, from behind the opening one; returns the position behind the closing one.
fn class(letters: &[char], mut at: usize, out: &mut String) -> std::result::Result<usize, String> {
    out.push('[');
    if letters.get(at) == Some(&'^') {
        out.push('^');
        at += 1;
    }
    let mut first = true;
    loop {
        let whole = match letters.get(at) {
            None => return Err("a class has no closing ]".to_owned()),
            Some(']') if !first => {
                out.push(']');
                return Ok(at + 1);
            }
            Some('[') if letters.get(at + 1) == Some(&':') => {
                let end = letters[at..].windows(2).position(|pair| pair == [':', ']']).filter(|end| *end > 1);
                match end {
                    Some(end) => {
                        let name: String = letters[at + 2..at + end].iter().collect();
                        if !POSIX.contains(&name.trim_start_matches('^')) {
                            return Err(format!("there is no class [:{name}:]"));
                        }
                        Some((format!("[:{name}:]"), at + end + 2))
                    }
                    None => None,
                }
            }
            Some('\\') => {
                let known = match letters.get(at + 1) {
                    Some('d') => "0-9",
                    Some('w') => "0-9A-Za-z_",
                    Some('s') => "\\t\\n\\x0C\\r\\x20",
                    Some('D') => "[^0-9]",
                    Some('W') => "[^0-9A-Za-z_]",
                    Some('S') => "[^\\t\\n\\x0C\\r\\x20]",
                    _ => "",
                };
                (!known.is_empty()).then(|| (known.to_owned(), at + 2))
            }
            Some(_) => None,
        };
        first = false;
        if let Some((text, next)) = whole {
            out.push_str(&text);
            at = next;
            continue;
        }
        let (text, low, next) = class_letter(letters, at)?;
        at = next;
        out.push_str(&text);
        let is_range = letters.get(at) == Some(&'-') && letters.get(at + 1).is_some_and(|c| *c != ']');
        if let Some(low) = low.filter(|_| is_range) {
            let (text, high, next) = class_letter(letters, at + 1)?;
            match high {
                Some(high) if high >= low => out.push_str(&format!("-{text}")),
                _ => return Err(format!("the range from '{low}' goes backwards or to no letter")),
            }
            at = next;
        }
    }
}

fn class_letter(letters: &[char], at: usize) -> std::result::Result<(String, Option<char>, usize), String> {
    match letters.get(at) {
        Some('\\') => letter(letters, at + 1),
        Some(c) => Ok((format!("\\x{{{:x}}}", u32::from(*c)), Some(*c), at + 1)),
        None => Err("a class has no closing ]".to_owned()),
    }
}
