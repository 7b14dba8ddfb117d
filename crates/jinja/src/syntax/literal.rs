//! String literals: Python's, or with backslashes that stand for themselves.

/// One or more adjacent string literals. `raw`: backslashes stand for themselves. `None`: the text is something else.
pub(super) fn strings(text: &str, raw: bool) -> Option<String> {
    let mut out = String::new();
    let mut rest = text.trim();
    while let Some(quote) = rest.chars().next() {
        if quote != '\'' && quote != '"' {
            return None;
        }
        let inner = &rest[1..];
        let mut escaped = false;
        let end = inner.char_indices().find_map(|(i, c)| match c {
            _ if escaped => {
                escaped = false;
                None
            }
            '\\' => {
                escaped = true;
                None
            }
            c if c == quote => Some(i),
            _ => None,
        })?;
        if raw {
            out.push_str(&inner[..end])
        } else {
            unescape(&inner[..end], &mut out)
        }
        rest = inner[end + 1..].trim_start();
    }
    Some(out)
}

/// Python's escapes; unknown ones stay as they are.
fn unescape(text: &str, out: &mut String) {
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let Some(kind) = chars.next() else {
            out.push('\\');
            return;
        };
        let mut number = |first: Option<char>, radix: u32, most: usize| {
            let mut digits = String::from_iter(first);
            while digits.len() < most && chars.peek().is_some_and(|d| d.is_digit(radix)) {
                digits.extend(chars.next());
            }
            (digits.clone(), u32::from_str_radix(&digits, radix).ok().and_then(char::from_u32))
        };
        match kind {
            '\n' => {}
            '\\' | '\'' | '"' => out.push(kind),
            'a' => out.push('\x07'),
            'b' => out.push('\x08'),
            'f' => out.push('\x0c'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'v' => out.push('\x0b'),
            '0'..='7' => {
                let (_, found) = number(Some(kind), 8, 3);
                out.extend(found);
            }
            'x' | 'u' | 'U' => {
                let most = match kind {
                    'x' => 2,
                    'u' => 4,
                    _ => 8,
                };
                let (digits, found) = number(None, 16, most);
                match found.filter(|_| digits.len() == most) {
                    Some(found) => out.push(found),
                    None => {
                        out.push('\\');
                        out.push(kind);
                        out.push_str(&digits);
                    }
                }
            }
            other => {
                out.push('\\');
                out.push(other);
            }
        }
    }
}

/// A string literal, for `#jinja2:` lines.
pub(crate) fn literal(text: &str) -> Option<String> {
    strings(text, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_pythons() {
        assert_eq!(strings(r#"'a\tb' "c""#, false).as_deref(), Some("a\tbc"));
        assert_eq!(strings(r"'\1\x41\u00e9\d\/'", false).as_deref(), Some("\u{1}Aé\\d\\/"));
        assert_eq!(strings(r"'a\1'", true).as_deref(), Some(r"a\1"));
        assert_eq!(strings("x", true), None);
    }
}
