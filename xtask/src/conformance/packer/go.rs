//! As much of Go as the tables of Packer's tests need: composite literals of strings, numbers and calls that join paths.

/// A piece of a program.
#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    Word(String),
    Text(String),
    Mark(char),
}

/// The pieces of a text; comments are left out.
pub fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut out = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        let c = chars[i];
        match c {
            '/' if chars.get(i + 1) == Some(&'/') => {
                while i < chars.len() && chars[i] != '\n' {
                    i += 1;
                }
            }
            '"' | '`' => {
                let (text, next) = string(&chars, i);
                out.push(Token::Text(text));
                i = next;
            }
            '\'' => {
                i += if chars.get(i + 1) == Some(&'\\') { 4 } else { 3 };
            }
            c if c.is_alphanumeric() || c == '_' => {
                let from = i;
                while i < chars.len() && (chars[i].is_alphanumeric() || chars[i] == '_' || chars[i] == '.') {
                    i += 1;
                }
                out.push(Token::Word(chars[from..i].iter().collect()));
            }
            c if c.is_whitespace() => i += 1,
            c => {
                out.push(Token::Mark(c));
                i += 1;
            }
        }
    }
    out
}

fn string(chars: &[char], start: usize) -> (String, usize) {
    let quote = chars[start];
    let mut text = String::new();
    let mut i = start + 1;
    while i < chars.len() && chars[i] != quote {
        if quote == '"' && chars[i] == '\\' {
            i += 1;
            match chars.get(i) {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some(c) => text.push(*c),
                None => {}
            }
        } else {
            text.push(chars[i]);
        }
        i += 1;
    }
    (text, i + 1)
}

/// The elements of the first literal after the words `head`, each as its pieces: `head ... struct {...}{ {a}, {b} }`.
pub fn rows(tokens: &[Token], head: &[&str]) -> Vec<Vec<Token>> {
    let is =
        |t: &Token, w: &str| matches!(t, Token::Word(x) if x == w) || matches!(t, Token::Mark(c) if w == c.to_string());
    let at = tokens.windows(head.len()).position(|w| w.iter().zip(head).all(|(t, h)| is(t, h)));
    let Some(at) = at else { return Vec::new() };
    let mut i = at + head.len();
    // A struct's fields come first, in braces of their own.
    if tokens.get(i).is_some_and(|t| is(t, "struct")) {
        i = close(tokens, i + 1) + 1;
    }
    while i < tokens.len() && tokens[i] != Token::Mark('{') {
        i += 1;
    }
    let end = close(tokens, i);
    let mut rows = Vec::new();
    i += 1;
    while i < end {
        if tokens[i] == Token::Mark('{') {
            let close = close(tokens, i);
            rows.push(tokens[i + 1..close].to_vec());
            i = close;
        }
        i += 1;
    }
    rows
}

/// Where the bracket at `open` closes.
fn close(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0usize;
    for (i, token) in tokens.iter().enumerate().skip(open) {
        match token {
            Token::Mark('{' | '(' | '[') => depth += 1,
            Token::Mark('}' | ')' | ']') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return i;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

/// The fields of a row at its top level, split at commas.
pub fn fields(row: &[Token]) -> Vec<&[Token]> {
    let mut out = Vec::new();
    let (mut depth, mut from) = (0usize, 0);
    for (i, token) in row.iter().enumerate() {
        match token {
            Token::Mark('{' | '(' | '[') => depth += 1,
            Token::Mark('}' | ')' | ']') => depth = depth.saturating_sub(1),
            Token::Mark(',') if depth == 0 => {
                out.push(&row[from..i]);
                from = i + 1;
            }
            _ => {}
        }
    }
    if from < row.len() {
        out.push(&row[from..]);
    }
    out
}

/// The value of a named field.
pub fn field<'a>(row: &'a [Token], name: &str) -> Option<&'a [Token]> {
    fields(row).into_iter().find_map(|f| match f {
        [Token::Word(word), Token::Mark(':'), rest @ ..] if word == name => Some(rest),
        _ => None,
    })
}

/// The elements of a literal `[]string{…}`, each evaluated.
pub fn list(value: &[Token]) -> Vec<String> {
    let Some(open) = value.iter().position(|t| *t == Token::Mark('{')) else { return Vec::new() };
    let end = close(value, open);
    fields(&value[open + 1..end]).into_iter().map(text).collect()
}

/// The keys and values of a literal `map[string]string{…}` at the head of `value`.
pub fn pairs(value: &[Token]) -> Vec<(String, String)> {
    let Some(open) = value.iter().position(|t| *t == Token::Mark('{')) else { return Vec::new() };
    let end = close(value, open);
    let pair = |f: &[Token]| match f {
        [Token::Text(key), Token::Mark(':'), rest @ ..] => Some((key.clone(), text(rest))),
        _ => None,
    };
    fields(&value[open + 1..end]).into_iter().filter_map(pair).collect()
}

/// All functions: their names and bodies.
pub fn functions(tokens: &[Token]) -> Vec<(&str, &[Token])> {
    let mut found = Vec::new();
    for (i, pair) in tokens.windows(2).enumerate() {
        let [Token::Word(word), Token::Word(name)] = pair else { continue };
        let Some(open) = tokens[i..].iter().position(|t| *t == Token::Mark('{')).filter(|_| word == "func") else {
            continue;
        };
        found.push((name.as_str(), &tokens[i + open..close(tokens, i + open)]));
    }
    found
}

/// What follows `name:` where it first stands.
pub fn after<'a>(tokens: &'a [Token], name: &str) -> Option<&'a [Token]> {
    let at = tokens.windows(2).position(|w| matches!(w, [Token::Word(word), Token::Mark(':')] if word == name))?;
    Some(&tokens[at + 2..]).filter(|rest| !rest.is_empty())
}

/// The text that `name := "…"` gives.
pub fn assigned(tokens: &[Token], name: &str) -> Option<String> {
    tokens.windows(4).find_map(|w| match w {
        [Token::Word(word), Token::Mark(':'), Token::Mark('='), Token::Text(text)] if word == name => {
            Some(text.clone())
        }
        _ => None,
    })
}

/// The keys of a literal `map[string]string{…}`.
pub fn keys(value: &[Token]) -> Vec<String> {
    let Some(open) = value.iter().position(|t| *t == Token::Mark('{')) else { return Vec::new() };
    let end = close(value, open);
    let keys = fields(&value[open + 1..end]).into_iter().filter_map(|f| match f {
        [Token::Text(key), Token::Mark(':'), ..] => Some(key.clone()),
        _ => None,
    });
    keys.collect()
}

/// An expression of strings: literals, `+`, `filepath.Join(…)` and `testFixture(…)`.
pub fn text(value: &[Token]) -> String {
    let mut out = String::new();
    let mut i = 0;
    while i < value.len() {
        match &value[i] {
            Token::Text(text) => out.push_str(text),
            Token::Word(name) if value.get(i + 1) == Some(&Token::Mark('(')) => {
                let end = close(value, i + 1);
                let mut parts: Vec<String> = fields(&value[i + 2..end]).into_iter().map(text).collect();
                match name.as_str() {
                    "testFixture" => parts.insert(0, "test-fixtures".into()),
                    // Of separators that this system has not.
                    "strings.ReplaceAll" => parts.truncate(1),
                    _ => {}
                }
                out.push_str(&parts.join("/"));
                i = end;
            }
            _ => {}
        }
        i += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read() {
        let source = r#"tc := []struct { name string; f []struct{x int} }{
            // none
            { name: "a" + "b", args: []string{"-x=" + filepath.Join(testFixture("p", "q"), "r.json"), `raw`}, code: 1 },
            { name: "c", files: map[string]string{"f": one, "g": "x"} },
        }"#;
        let tokens = tokens(source);
        let rows = rows(&tokens, &["tc", ":", "=", "[", "]"]);
        assert_eq!(rows.len(), 2);
        assert_eq!(text(field(&rows[0], "name").unwrap()), "ab");
        assert_eq!(list(field(&rows[0], "args").unwrap()), ["-x=test-fixtures/p/q/r.json", "raw"]);
        assert_eq!(field(&rows[0], "code"), Some(&[Token::Word("1".into())][..]));
        assert_eq!(keys(field(&rows[1], "files").unwrap()), ["f", "g"]);
    }
}
