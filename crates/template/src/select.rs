//! Names in `-only` and `-except`: a name itself, or a glob over names (`*`, `?`, `[ab]`), as HCL2 has them.

use globset::Glob;

/// One of the names on the command line.
pub(crate) struct Pattern<'a> {
    /// As written.
    pub(crate) text: &'a str,
    glob: Option<globset::GlobMatcher>,
}

impl Pattern<'_> {
    /// Whether it means this name. What is no glob means itself only.
    pub(crate) fn means(&self, name: &str) -> bool {
        self.text == name || self.glob.as_ref().is_some_and(|glob| glob.is_match(name))
    }
}

/// The patterns of an option; empty ones mean nothing.
pub(crate) fn patterns(names: &[String]) -> Vec<Pattern<'_>> {
    let glob = |text: &str| {
        let special = text.contains(['*', '?', '[', '{', '\\']);
        special.then(|| Glob::new(text).ok()).flatten().map(|glob| glob.compile_matcher())
    };
    names.iter().filter(|n| !n.is_empty()).map(|text| Pattern { text, glob: glob(text) }).collect()
}

/// Whether one of them means this name.
pub(crate) fn any(patterns: &[Pattern<'_>], name: &str) -> bool {
    patterns.iter().any(|pattern| pattern.means(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_globs() {
        for (pattern, name, want) in [
            ("amazon-ebs", "amazon-ebs", true),
            ("amazon-ebs", "amazon-ebs2", false),
            ("amazon-*", "amazon-ebs", true),
            ("*.ubuntu", "a.amazon-ebs.ubuntu", true),
            ("*", "a/b", true),
            ("web-?", "web-1", true),
            ("web-[12]", "web-3", false),
            // Names that look like a glob, or like a broken one, mean themselves.
            ("a[b", "a[b", true),
            ("[x]", "[x]", true),
            ("", "", false),
        ] {
            assert_eq!(any(&patterns(&[pattern.to_owned()]), name), want, "{pattern} {name}");
        }
    }
}
