//! Words for POSIX shells.

/// `text` as one word: as it is where no shell can mistake it, else in single quotes.
pub fn quote(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A remote path as one word; a leading `~/`, `$HOME/` or `${HOME}/` still means the home directory, as it does with `scp`.
pub fn quote_path(path: &str) -> String {
    match home_relative(path) {
        Some("") => "\"$HOME\"".into(),
        Some(rest) => format!("\"$HOME\"/{}", quote(rest)),
        None if path.starts_with('-') => quote(&format!("./{path}")),
        None => quote(path),
    }
}

/// What follows the home directory, if the path starts with it.
pub fn home_relative(path: &str) -> Option<&str> {
    if ["~", "$HOME", "${HOME}"].contains(&path) {
        return Some("");
    }
    ["~/", "$HOME/", "${HOME}/"]
        .iter()
        .find_map(|prefix| path.strip_prefix(prefix))
        .map(|rest| rest.trim_start_matches('/'))
}

/// A script for `/bin/sh`, whatever the user's login shell is. Single quotes mean the same to all of them, fish and csh
/// included; a newline in them is safe everywhere but in csh, so scripts here have none.
pub fn sh(script: &str) -> String {
    format!("/bin/sh -c {}", quote(script))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        for (text, word) in
            [("a/b-c.sh", "a/b-c.sh"), ("", "''"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("$x", "'$x'")]
        {
            assert_eq!(quote(text), word);
        }
        for (path, word) in [
            ("~/a b", "\"$HOME\"/'a b'"),
            ("$HOME/x", "\"$HOME\"/x"),
            ("~", "\"$HOME\""),
            ("-x", "./-x"),
            ("~u/x", "'~u/x'"),
        ] {
            assert_eq!(quote_path(path), word);
        }
    }
}
