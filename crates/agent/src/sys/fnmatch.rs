//! Shell patterns, as Python's fnmatch and glob read them.

/// Whether a name matches a pattern with `*`, `?`, `[seq]` and `[!seq]`. `*` matches slashes too.
pub fn matches(pattern: &str, name: &str) -> bool {
    let (p, n): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut pi, mut ni) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while ni < n.len() {
        let step = match p.get(pi) {
            Some('*') => {
                star = Some((pi, ni));
                pi += 1;
                continue;
            }
            Some('?') => Some(pi + 1),
            Some('[') => match class(&p, pi, n[ni]) {
                Some((true, next)) => Some(next),
                Some((false, _)) => None,
                None => (n[ni] == '[').then_some(pi + 1),
            },
            Some(c) => (*c == n[ni]).then_some(pi + 1),
            None => None,
        };
        match (step, star) {
            (Some(next), _) => (pi, ni) = (next, ni + 1),
            (None, Some((sp, sn))) => {
                star = Some((sp, sn + 1));
                (pi, ni) = (sp + 1, sn + 1);
            }
            (None, None) => return false,
        }
    }
    p[pi..].iter().all(|c| *c == '*')
}

/// Matches a `[...]` class at `at`; the class's end follows. `None`: no class after all.
fn class(p: &[char], at: usize, c: char) -> Option<(bool, usize)> {
    let mut i = at + 1;
    let negated = p.get(i) == Some(&'!');
    i += usize::from(negated);
    let first = i;
    let mut found = false;
    loop {
        let from = *p.get(i)?;
        if from == ']' && i > first {
            return Some((found != negated, i + 1));
        }
        if p.get(i + 1) == Some(&'-') && p.get(i + 2).is_some_and(|t| *t != ']') {
            found |= from <= c && c <= p[i + 2];
            i += 3;
        } else {
            found |= from == c;
            i += 1;
        }
    }
}

/// Whether a text holds a pattern character.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// The paths that a pattern stands for, sorted. Hidden names need a pattern that starts with a dot.
pub fn glob(pattern: &str) -> Vec<std::path::PathBuf> {
    let mut found = vec![if pattern.starts_with('/') { "/".into() } else { std::path::PathBuf::new() }];
    for part in pattern.split('/').filter(|p| !p.is_empty()) {
        let mut next = Vec::new();
        for dir in found {
            if !is_pattern(part) {
                next.push(dir.join(part));
                continue;
            }
            let listed = if dir.as_os_str().is_empty() { std::path::Path::new(".") } else { dir.as_path() };
            let Ok(entries) = std::fs::read_dir(listed) else { continue };
            for entry in entries.flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                if matches(part, &name) && (part.starts_with('.') || !name.starts_with('.')) {
                    next.push(dir.join(name));
                }
            }
        }
        found = next;
    }
    found.retain(|p| p.symlink_metadata().is_ok());
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, want) in [
            ("*", "", true),
            ("a*c", "abc", true),
            ("a*c", "abcd", false),
            ("*.conf", "x.conf", true),
            ("a?c", "abc", true),
            ("[ab]c", "bc", true),
            ("[!ab]c", "bc", false),
            ("[a-c]x", "bx", true),
            ("[]]x", "]x", true),
            ("[", "[", true),
            ("a*b*c", "a/b/c", true),
            ("ansible_*", "facter_x", false),
        ] {
            assert_eq!(matches(pattern, name), want, "{pattern} {name}");
        }
        assert!(glob("/etc/pass*d").iter().any(|p| p.ends_with("passwd")));
        assert!(glob("/nonexistent/*").is_empty());
    }
}
