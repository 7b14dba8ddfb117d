//! Words of a command line, as Python's shlex splits and quotes them.

/// Splits in POSIX mode. `None`: a quote or an escape that doesn't end.
pub fn split(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '\\' => word.get_or_insert_default().push(chars.next()?),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => match chars.next()? {
                            c @ ('"' | '\\') => word.push(c),
                            c => word.extend(['\\', c]),
                        },
                        c => word.push(c),
                    }
                }
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

/// Quotes a word for the shell, only where needed.
pub fn quote(word: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "@%_-+=:,./".contains(c);
    if !word.is_empty() && word.chars().all(safe) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', "'\"'\"'"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_split_and_quote_as_pythons() {
        let cases: &[(&str, Option<&[&str]>)] = &[
            ("a b  c", Some(&["a", "b", "c"])),
            ("a 'b c' \"d \\\" e\"", Some(&["a", "b c", "d \" e"])),
            ("a\\ b ''", Some(&["a b", ""])),
            ("\"a\\nb\"", Some(&["a\\nb"])),
            ("x='y z'", Some(&["x=y z"])),
            ("'open", None),
            ("open\\", None),
        ];
        for (input, want) in cases {
            let want = want.map(|w| w.iter().map(|s| s.to_string()).collect::<Vec<_>>());
            assert_eq!(split(input), want, "{input}");
        }
        assert_eq!(quote("a b'c"), "'a b'\"'\"'c'");
        assert_eq!(quote("a/b.c"), "a/b.c");
        assert_eq!(quote(""), "''");
    }
}
