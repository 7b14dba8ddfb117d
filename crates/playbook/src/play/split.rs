//! Splits `k=v` arguments and shell-like words.

/// Words as Python's `shlex.split` cuts them (POSIX rules). With `comments`, an unquoted `#` ends the text.
pub fn shell_words(text: &str, comments: bool) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut current: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => words.extend(current.take()),
            '#' if comments => break,
            '\\' => match chars.next() {
                Some(next) => current.get_or_insert_default().push(next),
                None => return Err("No escaped character".into()),
            },
            '\'' => {
                let word = current.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return Err("No closing quotation".into()),
                    }
                }
            }
            '"' => {
                let word = current.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') => match chars.next() {
                            Some(c @ ('"' | '\\')) => word.push(c),
                            Some(c) => {
                                word.push('\\');
                                word.push(c);
                            }
                            None => return Err("No closing quotation".into()),
                        },
                        Some(c) => word.push(c),
                        None => return Err("No closing quotation".into()),
                    }
                }
            }
            c => current.get_or_insert_default().push(c),
        }
    }
    words.extend(current);
    Ok(words)
}

/// Cuts arguments at spaces and newlines that are outside of quotes and of Jinja's `{{ }}`, `{% %}` and `{# #}`. Quotes
/// stay; so does white space beyond one space, at the end of the word before it, so that [`join_args`] gives the text back.
/// A lone backslash at the end of a line joins the next one.
pub fn split_args(text: &str) -> Result<Vec<String>, String> {
    #[derive(PartialEq)]
    enum At {
        Start,
        Word,
        Space,
    }
    let mut words: Vec<String> = Vec::new();
    let mut at = At::Start;
    let mut open = Nesting::default();
    let mut chars = text.char_indices().peekable();
    let mut continued = false;
    while let Some((index, c)) = chars.next() {
        let outside = open.closed();
        if outside && matches!(c, ' ' | '\n') {
            match (c, &at) {
                ('\n', _) => {
                    if !std::mem::take(&mut continued) {
                        last_word(&mut words).push('\n');
                    }
                    at = At::Start;
                }
                (_, At::Space) => last_word(&mut words).push(' '),
                _ => at = At::Space,
            }
            continue;
        }
        let ends_word = chars.peek().is_none_or(|(_, n)| matches!(n, ' ' | '\n'));
        if outside && c == '\\' && at != At::Word && ends_word {
            continued = true;
            continue;
        }
        if at != At::Word {
            if outside {
                words.push(String::new());
            }
            at = At::Word;
        }
        last_word(&mut words).push(c);
        open.take(&text[..index], c, chars.peek().map(|(_, c)| *c));
    }
    if !open.closed() {
        return Err(format!("failed at splitting arguments, either an unbalanced jinja2 block or quotes: {text}"));
    }
    Ok(words)
}

fn last_word(words: &mut Vec<String>) -> &mut String {
    if words.is_empty() {
        words.push(String::new());
    }
    let last = words.len() - 1;
    &mut words[last]
}

/// Which quotes and Jinja blocks are open.
#[derive(Default)]
struct Nesting {
    quote: Option<char>,
    blocks: [i32; 3],
}

impl Nesting {
    fn closed(&self) -> bool {
        self.quote.is_none() && self.blocks == [0; 3]
    }

    fn take(&mut self, before: &str, c: char, next: Option<char>) {
        const MARKS: [char; 3] = ['{', '%', '#'];
        if self.quote.is_none() {
            for (depth, mark) in self.blocks.iter_mut().zip(MARKS) {
                let close = if mark == '{' { '}' } else { mark };
                if c == '{' && next == Some(mark) {
                    *depth += 1;
                } else if c == '}' && before.ends_with(close) && *depth > 0 {
                    *depth -= 1;
                }
            }
        }
        if matches!(c, '"' | '\'') && !before.ends_with('\\') && self.blocks == [0; 3] {
            match self.quote {
                Some(open) if open == c => self.quote = None,
                None => self.quote = Some(c),
                Some(_) => {}
            }
        }
    }
}

/// Takes one level of quotes off.
pub fn unquote(text: &str) -> String {
    let bytes = text.as_bytes();
    let quoted = bytes.len() > 1
        && bytes[0] == bytes[bytes.len() - 1]
        && matches!(bytes[0], b'"' | b'\'')
        && bytes[bytes.len() - 2] != b'\\';
    if quoted { text[1..text.len() - 1].to_owned() } else { text.to_owned() }
}

/// Parameters that free-form commands know; everything else with `=` in a command belongs to the command.
const COMMAND_PARAMETERS: [&str; 8] =
    ["creates", "removes", "chdir", "executable", "warn", "stdin", "stdin_add_newline", "strip_empty_ends"];

/// Pairs in order, and the text that is no pair.
pub type Pairs = (Vec<(String, String)>, Option<String>);

/// `k=v` arguments. `free_form`: the text belongs to a command, so only its own parameters are pairs.
pub fn key_values(text: &str, free_form: bool) -> Result<Pairs, String> {
    let mut pairs = Vec::new();
    let mut raw: Vec<String> = Vec::new();
    for word in split_args(text)? {
        let plain = unescape(&word);
        let equals = plain.char_indices().find(|(at, c)| *c == '=' && *at > 0 && !plain[..*at].ends_with('\\'));
        match equals.map(|(at, _)| (&plain[..at], plain[at + 1..].trim())) {
            Some((key, value)) if !free_form || COMMAND_PARAMETERS.contains(&key) => {
                pairs.push((key.trim().to_owned(), unquote(value)));
            }
            Some(_) => raw.push(word),
            None if plain.contains('=') => raw.push(plain.replace("\\=", "=")),
            None => raw.push(word),
        }
    }
    let rest = join_args(&raw);
    Ok((pairs, (!raw.is_empty()).then_some(rest)))
}

/// Words of [`split_args`] as one text again.
fn join_args(words: &[String]) -> String {
    let mut out = String::new();
    for word in words {
        if !out.is_empty() && !out.ends_with('\n') {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

/// Python's escapes inside `k="v"` values: `\n`, `\t`, `\\`, `\"`…
fn unescape(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let found = match chars.peek() {
            Some('a') => Some('\x07'),
            Some('b') => Some('\x08'),
            Some('f') => Some('\x0c'),
            Some('n') => Some('\n'),
            Some('r') => Some('\r'),
            Some('t') => Some('\t'),
            Some('v') => Some('\x0b'),
            Some(c @ ('\\' | '\'' | '"')) => Some(*c),
            Some(kind @ ('x' | 'u' | 'U')) => {
                let length = match kind {
                    'x' => 2,
                    'u' => 4,
                    _ => 8,
                };
                let digits: String = chars.clone().skip(1).take(length).collect();
                let code = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == length);
                let coded = code.and_then(char::from_u32);
                if coded.is_some() {
                    chars.nth(length - 1);
                }
                coded
            }
            _ => None,
        };
        let Some(found) = found else {
            out.push('\\');
            continue;
        };
        out.push(found);
        chars.next();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        assert_eq!(shell_words(r#"a "b c" d'e f' g\ h # x"#, true).unwrap(), ["a", "b c", "de f", "g h"]);
        assert!(shell_words("'a", false).is_err());
    }

    #[test]
    fn pairs() {
        let kv = |t: &str| key_values(t, false).unwrap();
        assert_eq!(
            kv("src=a dest='/b c' x={{ y | d('q r') }}").0,
            [("src".into(), "a".into()), ("dest".into(), "/b c".into()), ("x".into(), "{{ y | d('q r') }}".to_owned()),]
        );
        assert_eq!(kv("flush_handlers"), (vec![], Some("flush_handlers".into())));
        assert_eq!(kv("msg=\"a\\nb\"").0[0].1, "a\nb");
        assert_eq!(kv(r"x=\b(\x41\u00e9)\\b\w\xg").0[0].1, "\x08(Aé)\\b\\w\\xg");
        assert!(key_values("x={{ y", false).is_err());
    }

    #[test]
    fn commands_keep_their_own_equals_signs() {
        let (pairs, raw) = key_values("env FOO=1 run  --x=y creates=/z", true).unwrap();
        assert_eq!(pairs, [("creates".to_owned(), "/z".to_owned())]);
        assert_eq!(raw.unwrap(), "env FOO=1 run  --x=y");
        let (_, raw) = key_values("a \\\n  b\n   c | d\n", true).unwrap();
        assert_eq!(raw.unwrap(), "a  b\n   c | d\n");
    }
}
