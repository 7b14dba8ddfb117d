//! Regular expressions as Python's `re` reads them, on fancy-regex (look-around and back-references).

use super::{Call, Table, refuse};
use crate::eval::fail;
use crate::val::{R, Val};
use fancy_regex::Regex;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

type Captures<'t> = fancy_regex::Captures<'t, str>;

pub(super) const TABLE: Table =
    &[("regex_escape", escape), ("regex_findall", findall), ("regex_replace", replace), ("regex_search", search)];

/// A compiled expression. Backtracking without end counts as no match; the engine's own limit stops it.
#[derive(Clone)]
pub(crate) struct Pattern(Arc<Regex>);

impl Pattern {
    /// Whether it is found anywhere.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text).unwrap_or(false)
    }

    /// The first match at or after a byte offset.
    pub fn captures_at<'t>(&self, text: &'t str, at: usize) -> R<Option<Captures<'t>>> {
        self.0.captures_from_pos(text, at).map_err(|e| fail(format!("the regular expression gave up: {e}")))
    }

    fn groups(&self) -> usize {
        self.0.captures_len()
    }

    /// All matches as Python finds them: an empty one may follow right behind another.
    fn all<'t>(&self, text: &'t str, most: usize) -> R<Vec<Captures<'t>>> {
        let mut out = Vec::new();
        let mut at = 0;
        while at <= text.len() && out.len() < most {
            let Some(found) = self.captures_at(text, at)? else { break };
            let Some(whole) = found.get(0) else { break };
            at = if whole.end() == whole.start() {
                // The next search starts behind the next character.
                whole.end() + text[whole.end()..].chars().next().map_or(1, char::len_utf8)
            } else {
                whole.end()
            };
            out.push(found);
        }
        Ok(out)
    }
}

/// Compiles one of Python's expressions. `full`: it must match from the start (`match`).
pub(crate) fn compile(pattern: &str, ignore_case: bool, multiline: bool, anchored: bool) -> R<Pattern> {
    static KNOWN: OnceLock<Mutex<HashMap<String, Pattern>>> = OnceLock::new();
    let mut text = String::new();
    if ignore_case || multiline {
        text.push_str("(?");
        text.push_str(if ignore_case { "i" } else { "" });
        text.push_str(if multiline { "m" } else { "" });
        text.push(')');
    }
    // `\A` stands outside, so that alternatives stay together.
    let body = translate(pattern, multiline);
    if anchored {
        text = format!("{text}\\A(?:{body})");
    } else {
        text.push_str(&body);
    }
    let known = KNOWN.get_or_init(Mutex::default);
    let mut known = known.lock().unwrap_or_else(|e| e.into_inner());
    if let Some(found) = known.get(&text) {
        return Ok(found.clone());
    }
    let regex = Regex::new(&text).map_err(|e| fail(format!("Invalid regular expression {pattern:?}: {e}")))?;
    if known.len() > 500 {
        known.clear();
    }
    let found = Pattern(Arc::new(regex));
    known.insert(text, found.clone());
    Ok(found)
}

/// What Python's syntax means in fancy-regex's.
fn translate(pattern: &str, multiline: bool) -> String {
    let chars: Vec<char> = pattern.chars().collect();
    let multiline = multiline || leading_flags(&chars).contains('m');
    let verbose = leading_flags(&chars).contains('x');
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut i = 0;
    let mut class = None;
    while i < chars.len() {
        let c = chars[i];
        if c == '\\' {
            let Some(next) = chars.get(i + 1).copied() else {
                out.push('\\');
                break;
            };
            i += 2;
            match next {
                'Z' if class.is_none() => out.push_str("\\z"),
                'a' => out.push_str("\\x07"),
                'e' | 'h' | 'H' | 'G' | 'K' | 'R' | 'X' | 'z' | 'Q' | 'E' | 'p' | 'P' | 'N' | 'L' | 'l' => {
                    // No escapes in Python: refused there too, so let the compiler complain.
                    out.push_str("\\c");
                    out.push(next);
                }
                '0'..='7' if next == '0' || class.is_some() => {
                    let mut digits = String::from(next);
                    while digits.len() < 3 && chars.get(i).is_some_and(|d| d.is_digit(8)) {
                        digits.push(chars[i]);
                        i += 1;
                    }
                    out.push_str(&format!("\\x{{{:x}}}", u32::from_str_radix(&digits, 8).unwrap_or(0)));
                }
                'u' | 'U' => {
                    let n = if next == 'u' { 4 } else { 8 };
                    let digits: String = chars.iter().skip(i).take(n).collect();
                    i += digits.chars().count();
                    out.push_str(&format!("\\x{{{digits}}}"));
                }
                next if next.is_ascii_alphanumeric() => {
                    out.push('\\');
                    out.push(next);
                }
                next if "\\.+*?()|[]{}^$#&-~".contains(next) => {
                    out.push('\\');
                    out.push(next);
                }
                next if next.is_whitespace() && verbose => {
                    out.push_str(&format!("\\x{{{:x}}}", next as u32));
                }
                next => out.push(next),
            }
            continue;
        }
        if let Some(start) = class {
            match c {
                // A bracket right at the start is a member.
                ']' if i > start => {
                    class = None;
                    out.push(']');
                }
                ']' => out.push_str("\\]"),
                '[' => out.push_str("\\["),
                '&' | '~' if chars.get(i + 1) == Some(&c) => {
                    out.push('\\');
                    out.push(c);
                }
                '-' if chars.get(i + 1) == Some(&'-') => out.push_str("\\-"),
                c => out.push(c),
            }
            i += 1;
            continue;
        }
        match c {
            '[' => {
                out.push('[');
                i += 1;
                if chars.get(i) == Some(&'^') {
                    out.push('^');
                    i += 1;
                }
                class = Some(i);
                continue;
            }
            '$' if !multiline => out.push_str("(?=\\n?\\z)"),
            '{' => {
                let end = chars[i..].iter().position(|c| *c == '}').map(|p| i + p);
                let inner: Option<String> = end.map(|end| chars[i + 1..end].iter().collect());
                match inner.as_deref().map(quantifier) {
                    Some(Some(text)) if i > 0 => {
                        out.push_str(&text);
                        i = end.unwrap_or(i);
                    }
                    _ => out.push_str("\\{"),
                }
            }
            '}' => out.push_str("\\}"),
            '(' if chars[i..].starts_with(&['(', '?', 'P', '=']) => {
                let end = chars[i..].iter().position(|c| *c == ')').map_or(chars.len(), |p| i + p);
                let name: String = chars[(i + 4).min(end)..end].iter().collect();
                out.push_str(&format!("\\k<{name}>"));
                i = end;
            }
            '(' if chars[i..].starts_with(&['(', '?', '#']) => {
                i = chars[i..].iter().position(|c| *c == ')').map_or(chars.len(), |p| i + p);
            }
            '(' if chars.get(i + 1) == Some(&'?') => {
                // Python's `a`, `L` and `u` flags have no counterpart that matters here.
                out.push_str("(?");
                i += 2;
                let end = chars[i..].iter().position(|c| !c.is_ascii_alphabetic()).map_or(chars.len(), |p| i + p);
                if matches!(chars.get(end), Some(')' | ':')) && chars[i..end].iter().all(|c| "aLuimsx".contains(*c)) {
                    let kept: String = chars[i..end].iter().filter(|c| !"aLu".contains(**c)).collect();
                    if kept.is_empty() && chars.get(end) == Some(&')') {
                        out.push_str(":)");
                        i = end + 1;
                    } else {
                        out.push_str(&kept);
                        i = end;
                    }
                }
                continue;
            }
            c => out.push(c),
        }
        i += 1;
    }
    out
}

fn leading_flags(chars: &[char]) -> String {
    if !chars.starts_with(&['(', '?']) {
        return String::new();
    }
    let flags: String = chars[2..].iter().take_while(|c| c.is_ascii_alphabetic()).collect();
    if chars.get(2 + flags.len()) == Some(&')') { flags } else { String::new() }
}

/// `{n}`, `{n,}`, `{,m}`, `{n,m}`, or no quantifier at all.
fn quantifier(inner: &str) -> Option<String> {
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    match inner.split_once(',') {
        None if !inner.is_empty() && digits(inner) => Some(format!("{{{inner}}}")),
        Some((low, high)) if digits(low) && digits(high) => {
            Some(format!("{{{},{high}}}", if low.is_empty() { "0" } else { low }))
        }
        _ => None,
    }
}

/// One piece of a replacement.
enum Piece {
    Text(String),
    Group(usize),
    Named(String),
}

/// `\1`, `\g<1>`, `\g<name>` and escapes in a replacement.
fn template(text: &str) -> R<Vec<Piece>> {
    let mut out = Vec::new();
    let mut plain = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        let piece = match chars.next() {
            None => return Err(fail("bad escape (end of pattern)")),
            Some('g') => {
                if chars.next() != Some('<') {
                    return Err(fail("missing <"));
                }
                let name: String = chars.by_ref().take_while(|c| *c != '>').collect();
                match name.parse() {
                    Ok(n) => Piece::Group(n),
                    Err(_) => Piece::Named(name),
                }
            }
            Some('0') => {
                let mut digits = String::new();
                while digits.len() < 2 && chars.peek().is_some_and(|d| d.is_digit(8)) {
                    digits.extend(chars.next());
                }
                plain.extend(char::from_u32(u32::from_str_radix(&digits, 8).unwrap_or(0)));
                continue;
            }
            Some(d) if d.is_ascii_digit() => {
                let mut digits = String::from(d);
                if chars.peek().is_some_and(char::is_ascii_digit) {
                    digits.extend(chars.next());
                }
                Piece::Group(digits.parse().unwrap_or(0))
            }
            Some(c) => {
                match c {
                    'n' => plain.push('\n'),
                    't' => plain.push('\t'),
                    'r' => plain.push('\r'),
                    'a' => plain.push('\x07'),
                    'b' => plain.push('\x08'),
                    'f' => plain.push('\x0c'),
                    'v' => plain.push('\x0b'),
                    '\\' => plain.push('\\'),
                    c if c.is_ascii_alphabetic() => return Err(fail(format!("bad escape \\{c}"))),
                    c => {
                        plain.push('\\');
                        plain.push(c);
                    }
                }
                continue;
            }
        };
        if !plain.is_empty() {
            out.push(Piece::Text(std::mem::take(&mut plain)));
        }
        out.push(piece);
    }
    if !plain.is_empty() {
        out.push(Piece::Text(plain));
    }
    Ok(out)
}

fn replace(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["pattern", "replacement", "ignorecase", "multiline", "count", "mandatory_count"])?;
    let text = c.text()?;
    let pattern = compile(&bound.text_or(0, ""), bound.flag(2, false), bound.flag(3, false), false)?;
    let pieces = template(&bound.text_or(1, ""))?;
    for piece in &pieces {
        match piece {
            Piece::Group(n) if *n >= pattern.groups() => return refuse(format!("invalid group reference {n}")),
            Piece::Named(name) if !pattern.0.capture_names().flatten().any(|n| n == name) => {
                return refuse(format!("unknown group name '{name}'"));
            }
            _ => {}
        }
    }
    let most = usize::try_from(bound.int_or(4, 0)?).ok().filter(|n| *n > 0).unwrap_or(usize::MAX);
    let found = pattern.all(&text, most)?;
    let needed = bound.int_or(5, 0)?;
    if needed > 0 && found.len() as i64 != needed {
        return refuse(format!(
            "'{}' should match {needed} times, but matches {} times in {}",
            bound.text_or(0, ""),
            bound.int_or(4, 0)?,
            crate::val::repr::str_repr(&text)
        ));
    }
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for m in &found {
        let Some(whole) = m.get(0) else { continue };
        out.push_str(&text[at..whole.start()]);
        for piece in &pieces {
            match piece {
                Piece::Text(t) => out.push_str(t),
                Piece::Group(n) => out.push_str(m.get(*n).map_or("", |g| g.as_str())),
                Piece::Named(n) => out.push_str(m.name(n).map_or("", |g| g.as_str())),
            }
        }
        at = whole.end();
        crate::eval::ops::checked_len(c.cx, out.len())?;
    }
    out.push_str(&text[at..]);
    Ok(Val::str(out))
}

fn group(m: &Captures<'_>, i: usize) -> Val {
    m.get(i).map_or(Val::None, |g| Val::str(g.as_str()))
}

fn search(c: Call<'_, '_>) -> R {
    let mut args = c.args.clone();
    let multiline = args.take("multiline").is_some_and(|v| v.truth());
    let ignore_case = args.take("ignorecase").is_some_and(|v| v.truth());
    let text = c.text()?;
    let regex = match args.take("regex") {
        Some(r) => r,
        None if args.pos.is_empty() => return refuse("missing 1 required positional argument: 'regex'"),
        None => args.pos.remove(0),
    };
    if let Some((name, _)) = args.kw.first() {
        return refuse(format!("regex_search() got an unexpected keyword argument '{name}'"));
    }
    let pattern = compile(&c.cx.text(&regex)?, ignore_case, multiline, false)?;
    let mut wanted = Vec::new();
    for arg in &args.pos {
        let arg = c.cx.text(arg)?;
        let named = arg.strip_prefix("\\g<").and_then(|r| r.strip_suffix('>'));
        match (named, arg.strip_prefix('\\').and_then(|d| d.parse::<usize>().ok())) {
            (Some(name), _) => wanted.push(Piece::Named(name.to_owned())),
            (None, Some(n)) => wanted.push(Piece::Group(n)),
            _ => return refuse("Unknown argument"),
        }
    }
    let Some(m) = pattern.captures_at(&text, 0)? else { return Ok(Val::None) };
    if wanted.is_empty() {
        return Ok(group(&m, 0));
    }
    let mut out = Vec::new();
    for piece in wanted {
        out.push(match piece {
            Piece::Named(name) => match name.parse::<usize>() {
                Ok(n) if n < pattern.groups() => group(&m, n),
                _ if pattern.0.capture_names().flatten().any(|n| n == name) => {
                    m.name(&name).map_or(Val::None, |g| Val::str(g.as_str()))
                }
                _ => return refuse("no such group"),
            },
            Piece::Group(n) if n < pattern.groups() => group(&m, n),
            _ => return refuse("no such group"),
        });
    }
    Ok(Val::list(out))
}

fn findall(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["regex", "multiline", "ignorecase"])?;
    let text = c.text()?;
    let pattern = compile(&c.cx.text(bound.need(0)?)?, bound.flag(2, false), bound.flag(1, false), false)?;
    let found = pattern.all(&text, usize::MAX)?;
    c.cx.spend(found.len())?;
    let part = |m: &Captures<'_>, i: usize| Val::str(m.get(i).map_or("", |g| g.as_str()));
    Ok(Val::list(
        found
            .iter()
            .map(|m| match pattern.groups() {
                1 => part(m, 0),
                2 => part(m, 1),
                n => Val::tuple((1..n).map(|i| part(m, i)).collect()),
            })
            .collect(),
    ))
}

/// Python's `re.escape`.
fn escape(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["re_type"])?;
    let text = c.text()?;
    let special = match bound.text_or(0, "python").as_str() {
        "python" => "()[]{}?*+-|^$\\.&~# \t\n\r\x0b\x0c",
        "posix_basic" => "[].^$*\\",
        "posix_extended" => return refuse("Regex type (posix_extended) not yet implemented"),
        other => return refuse(format!("Invalid regex type ({other})")),
    };
    let mut out = String::new();
    for ch in text.chars() {
        if special.contains(ch) {
            out.push('\\');
        }
        out.push(ch);
    }
    Ok(Val::str(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_syntax() {
        for (pattern, text, hit) in [
            (r"a$", "a\n", true),
            (r"a\Z", "a\n", false),
            (r"\<x\>", "<x>", true),
            (r"{{ x }}", "{{ x }}", true),
            (r"a{,2}b", "aab", true),
            (r"[[]x", "[x", true),
            (r"[]x]+", "]x", true),
            (r"(?P<n>a)(?P=n)", "aa", true),
            (r"(?<=a)b", "ab", true),
            (r"(?i)ABC", "abc", true),
            (r"^\s*#?PermitRootLogin\s", "#PermitRootLogin no", true),
            (r"[a&&b]", "&", true),
        ] {
            assert_eq!(compile(pattern, false, false, false).unwrap().is_match(text), hit, "{pattern}");
        }
    }
}
