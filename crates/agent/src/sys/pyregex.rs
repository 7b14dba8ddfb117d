//! Python's regular expressions on top of fancy-regex: what differs in syntax is rewritten, replacement follows `re.sub`.

use agent_regex::{Captures, Regex, RegexBuilder};

/// What a match captured.
pub type Found<'t> = Captures<'t, str>;

/// What `re.compile` takes beside the pattern.
#[derive(Debug, Clone, Copy, Default)]
pub struct Flags {
    /// `re.MULTILINE`.
    pub multiline: bool,
    /// `re.DOTALL`.
    pub dotall: bool,
    /// `re.IGNORECASE`.
    pub ignorecase: bool,
    /// Classes like `\w` are ASCII only, as in patterns of bytes.
    pub ascii: bool,
}

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct PyRegex(Regex);

impl PyRegex {
    /// Compiles a pattern; the error is for people.
    pub fn new(pattern: &str, flags: Flags) -> Result<Self, String> {
        let (inline, rest) = leading_flags(pattern);
        let on = |given: bool, letter| given || inline.contains(letter);
        let multiline = on(flags.multiline, 'm');
        let mut prefix = String::new();
        for (set, letter) in [
            (multiline, 'm'),
            (on(flags.dotall, 's'), 's'),
            (on(flags.ignorecase, 'i'), 'i'),
            (inline.contains('x'), 'x'),
        ] {
            if set {
                prefix.push(letter);
            }
        }
        let body = translate(rest, multiline, on(flags.ascii, 'a'));
        let text = if prefix.is_empty() { body } else { format!("(?{prefix}){body}") };
        // The default limit of a million steps back is too low for honest patterns on large files.
        let built = RegexBuilder::new(&text).backtrack_limit(50_000_000).build();
        built.map(PyRegex).map_err(|e| format!("{e} (in the regular expression {pattern:?})"))
    }

    /// Whether it is found anywhere (`re.search`). A search that explodes counts as not found.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text).unwrap_or(false)
    }

    /// The first match (`re.search`).
    pub fn captures<'t>(&self, text: &'t str) -> Option<Found<'t>> {
        self.0.captures(text).ok().flatten()
    }

    /// The names of its groups, `None` for those without.
    pub fn names(&self) -> Vec<Option<String>> {
        self.0.capture_names().map(|n| n.map(str::to_string)).collect()
    }

    /// `re.subn`: every match replaced by the template; the text and how often.
    pub fn replace_all(&self, text: &str, template: &str) -> Result<(String, usize), String> {
        // A template that can't be read is an error whether anything matches or not.
        let template = Template::parse(template, &self.names())?;
        let mut out = String::with_capacity(text.len());
        let (mut copied, mut at, mut count) = (0, 0, 0);
        while at <= text.len() {
            let Some(found) = self.0.captures_from_pos(text, at).map_err(|e| e.to_string())? else { break };
            let Some(whole) = found.get(0) else { break };
            out.push_str(&text[copied..whole.start()]);
            template.fill(&found, &mut out);
            copied = whole.end();
            count += 1;
            at = if whole.end() > whole.start() {
                whole.end()
            } else {
                match text[whole.end()..].chars().next() {
                    Some(c) => whole.end() + c.len_utf8(),
                    None => break,
                }
            };
        }
        out.push_str(&text[copied..]);
        Ok((out, count))
    }
}

/// `match.expand(template)`: `\1`, `\g<1>`, `\g<name>`, `\n` and the like.
pub fn expand(regex: &PyRegex, template: &str, found: &Found<'_>) -> Result<String, String> {
    let mut out = String::with_capacity(template.len());
    Template::parse(template, &regex.names())?.fill(found, &mut out);
    Ok(out)
}

/// A replacement, read.
struct Template(Vec<Piece>);

enum Piece {
    Char(char),
    Group(usize),
}

impl Template {
    fn parse(template: &str, groups: &[Option<String>]) -> Result<Self, String> {
        let numbered = |number: usize| match number < groups.len() {
            true => Ok(Piece::Group(number)),
            false => Err(format!("invalid group reference {number}")),
        };
        let mut out = Vec::with_capacity(template.len());
        let mut chars = template.chars().peekable();
        while let Some(c) = chars.next() {
            if c != '\\' {
                out.push(Piece::Char(c));
                continue;
            }
            let one = match chars.next() {
                None => return Err("bad escape (end of pattern)".into()),
                Some('g') => {
                    if chars.next() != Some('<') {
                        return Err("missing < in the replacement's group reference".into());
                    }
                    let mut name = String::new();
                    loop {
                        match chars.next() {
                            Some('>') => break,
                            Some(c) => name.push(c),
                            None => return Err("missing >, unterminated name in the replacement".into()),
                        }
                    }
                    match name.parse::<usize>() {
                        Ok(number) => numbered(number)?,
                        Err(_) => Piece::Group(
                            groups
                                .iter()
                                .position(|g| g.as_deref() == Some(name.as_str()))
                                .ok_or_else(|| format!("unknown group name '{name}'"))?,
                        ),
                    }
                }
                Some('0') => {
                    let mut value = 0;
                    for _ in 0..2 {
                        if let Some(d) = chars.peek().and_then(|c| c.to_digit(8)) {
                            value = value * 8 + d;
                            chars.next();
                        }
                    }
                    Piece::Char(char::from_u32(value).unwrap_or_default())
                }
                Some(d) if d.is_ascii_digit() => {
                    let mut number = d.to_digit(10).unwrap_or(0) as usize;
                    if let Some(next) = chars.peek().and_then(|c| c.to_digit(10)) {
                        number = number * 10 + next as usize;
                        chars.next();
                    }
                    numbered(number)?
                }
                Some('n') => Piece::Char('\n'),
                Some('t') => Piece::Char('\t'),
                Some('r') => Piece::Char('\r'),
                Some('a') => Piece::Char('\x07'),
                Some('f') => Piece::Char('\x0c'),
                Some('v') => Piece::Char('\x0b'),
                Some('b') => Piece::Char('\x08'),
                Some('\\') => Piece::Char('\\'),
                Some(c) if c.is_ascii_alphabetic() => return Err(format!("bad escape \\{c}")),
                Some(c) => {
                    out.push(Piece::Char('\\'));
                    Piece::Char(c)
                }
            };
            out.push(one);
        }
        Ok(Template(out))
    }

    fn fill(&self, found: &Found<'_>, out: &mut String) {
        for piece in &self.0 {
            match piece {
                Piece::Char(c) => out.push(*c),
                Piece::Group(number) => out.push_str(found.get(*number).map_or("", |m| m.as_str())),
            }
        }
    }
}

fn leading_flags(pattern: &str) -> (&str, &str) {
    let Some(rest) = pattern.strip_prefix("(?") else { return ("", pattern) };
    match rest.find(')') {
        Some(end) if end > 0 && rest[..end].chars().all(|c| "aiLmsux".contains(c)) => (&rest[..end], &rest[end + 1..]),
        _ => ("", pattern),
    }
}

/// Rewrites what Python and fancy-regex read differently.
fn translate(pattern: &str, multiline: bool, ascii: bool) -> String {
    let chars: Vec<char> = pattern.chars().collect();
    let mut out = String::with_capacity(pattern.len() + 16);
    let (mut i, mut class) = (0, None::<()>);
    while i < chars.len() {
        let c = chars[i];
        match (c, class) {
            ('\\', _) => {
                i += 1;
                if i == chars.len() {
                    out.push('\\');
                    break;
                }
                i += escape(&chars, i, class.is_some(), ascii, &mut out);
                continue;
            }
            ('[', None) => {
                class = Some(());
                out.push('[');
                if chars.get(i + 1) == Some(&'^') {
                    out.push('^');
                    i += 1;
                }
                if chars.get(i + 1) == Some(&']') {
                    out.push_str("\\]");
                    i += 1;
                }
            }
            (']', Some(_)) => {
                class = None;
                out.push(']');
            }
            ('[', Some(_)) => out.push_str("\\["),
            ('&' | '~', Some(_)) => out.extend(['\\', c]),
            ('-', Some(_)) if chars.get(i + 1) == Some(&'-') => out.push_str("\\-"),
            ('$', None) if !multiline => out.push_str("(?=\\n?\\z)"),
            ('{', None) => match quantifier(&chars[i..]) {
                Some((text, used)) => {
                    out.push_str(&text);
                    i += used;
                    continue;
                }
                None => out.push_str("\\{"),
            },
            ('}', None) => out.push_str("\\}"),
            _ => out.push(c),
        }
        i += 1;
    }
    out
}

/// Writes the escape at `i` (behind the backslash); how many characters it took.
fn escape(chars: &[char], i: usize, in_class: bool, ascii: bool, out: &mut String) -> usize {
    let c = chars[i];
    match c {
        'Z' if !in_class => out.push_str("\\z"),
        'd' if ascii => out.push_str(if in_class { "0-9" } else { "[0-9]" }),
        'w' if ascii => out.push_str(if in_class { "A-Za-z0-9_" } else { "[A-Za-z0-9_]" }),
        's' if ascii => out.push_str(if in_class { " \\t\\n\\r\\f\\v" } else { "[ \\t\\n\\r\\f\\v]" }),
        'D' if ascii && !in_class => out.push_str("[^0-9]"),
        'W' if ascii && !in_class => out.push_str("[^A-Za-z0-9_]"),
        'S' if ascii && !in_class => out.push_str("[^ \\t\\n\\r\\f\\v]"),
        'b' if in_class => out.push_str("\\x08"),
        '0' => {
            let digits: String = chars[i..].iter().take(3).take_while(|c| c.is_digit(8)).collect();
            out.push_str(&format!("\\x{{{:x}}}", u32::from_str_radix(&digits, 8).unwrap_or(0)));
            return digits.len();
        }
        c if c.is_ascii_alphanumeric() => out.extend(['\\', c]),
        c if c.is_ascii() && !"<>\"'`/:;=@%!,_ \n\t\r".contains(c) => out.extend(['\\', c]),
        // Escaped for nothing in Python; some of these mean something else here.
        ' ' | '\n' | '\t' | '\r' => out.push_str(&format!("\\x{:02x}", c as u32)),
        c => out.push(c),
    }
    1
}

/// A `{m,n}` at the start of this text, in the form that fancy-regex takes; `None`: a plain brace.
fn quantifier(text: &[char]) -> Option<(String, usize)> {
    let end = text.iter().position(|c| *c == '}')?;
    let inner: String = text[1..end].iter().collect();
    let (min, max) = match inner.split_once(',') {
        Some((min, max)) => (min, Some(max)),
        None => (inner.as_str(), None),
    };
    let digits = |s: &str| s.chars().all(|c| c.is_ascii_digit());
    if !digits(min) || !max.is_none_or(digits) || (min.is_empty() && max.is_none_or(str::is_empty)) {
        return None;
    }
    let min = if min.is_empty() { "0" } else { min };
    Some((max.map_or(format!("{{{min}}}"), |max| format!("{{{min},{max}}}")), end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn re(pattern: &str) -> PyRegex {
        PyRegex::new(pattern, Flags { ascii: true, ..Flags::default() }).unwrap()
    }

    #[test]
    fn matches_as_python_does() {
        for (pattern, text, want) in [
            (r"^a$", "a\n", true),
            (r"^a\Z", "a\n", false),
            (r"a{", "a{", true),
            (r"^\s*\{", "  {", true),
            (r"{{ x }}", "{{ x }}", true),
            (r"[[]x", "[x", true),
            (r"[]x]", "]", true),
            (r"[^]]", "]", false),
            (r"[a&&b]", "&", true),
            (r"\<b\>", "<b>", true),
            (r"(?i)ABC", "xabc", true),
            (r"(?P<q>['\042])x(?P=q)", "\"x\"", true),
            (r"^(?!#)\w+", "#a", false),
            (r"(?<=a)b", "ab", true),
            (r"x{,2}y", "xxy", true),
            (r"\d", "٣", false),
            (r"^#?\s*PermitRootLogin\b", "#PermitRootLogin no", true),
            (r#"a\ b\/c\""#, "a b/c\"", true),
            (r"[\w.-]+@", "a.b-c@", true),
            (r"(?m)^b$", "a\nb\nc", true),
        ] {
            assert_eq!(re(pattern).is_match(text), want, "{pattern} on {text:?}");
        }
        assert!(PyRegex::new("(", Flags::default()).is_err());
    }

    #[test]
    fn replaces_as_python_does() {
        for (pattern, template, text, want) in [
            (r"x*", "-", "abxd", "-a-b--d-"),
            (r"(a)(b)?", r"\2\1\g<1>\n", "a", "aa\n"),
            (r"(?P<n>\d+)", r"<\g<n>>", "a12b3", "a<12>b<3>"),
            (r"b", r"\\", "abc", "a\\c"),
        ] {
            assert_eq!(re(pattern).replace_all(text, template).unwrap().0, want, "{pattern}");
        }
        assert!(re("a").replace_all("a", r"\1").is_err());
        assert!(re("a").replace_all("b", r"\q").is_err());
        assert!(re("a").replace_all("b", r"\g<n>").is_err());
    }
}
