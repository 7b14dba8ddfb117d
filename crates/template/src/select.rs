//! `-only` and `-except`: names, or globs over names (`*`, `?`, `[ab]`, `{a,b}`). Packer knows globs in HCL2 only.

use crate::load::LoadOptions;
use globset::{Glob, GlobMatcher};
use imgbuild_diag::{Diagnostic, Diagnostics};
use std::cell::Cell;

/// What the command line selects, and which of its words meant something.
pub(crate) struct Selection {
    only: Vec<Pattern>,
    except: Vec<Pattern>,
}

/// One of the words.
struct Pattern {
    text: String,
    glob: Option<GlobMatcher>,
    used: Cell<bool>,
}

impl Selection {
    /// Reads the options. A glob that can't be read means itself in JSON templates, whose names may be anything, and is an error
    /// in HCL2.
    pub(crate) fn new(options: &LoadOptions, hcl: bool, diags: &mut Diagnostics) -> Self {
        let mut compile = |flag: &str, words: &[String]| -> Vec<Pattern> {
            let mut pattern = |text: &String| {
                let glob = Glob::new(text);
                if let (Err(why), true) = (&glob, hcl) {
                    diags.push(Diagnostic::error(format!("Invalid -{flag} pattern {text}: {}", why.kind())));
                }
                let glob = glob.ok().map(|glob| glob.compile_matcher());
                Pattern { text: text.clone(), glob, used: Cell::new(false) }
            };
            words.iter().map(&mut pattern).collect()
        };
        Selection { only: compile("only", &options.only), except: compile("except", &options.except) }
    }

    /// Whether a build is wanted.
    pub(crate) fn takes_build(&self, name: &str) -> bool {
        let excepted = any(&self.except, name);
        (self.only.is_empty() || any(&self.only, name)) && !excepted
    }

    /// Whether a post-processor is not wanted, and so the rest of its chain.
    pub(crate) fn drops_post_processor(&self, name: &str) -> bool {
        any(&self.except, name)
    }

    /// Warns of words that meant none of the names that were asked for. Packer passes over them without a word.
    pub(crate) fn report(&self, builds: &[String], post_processors: &[&str], diags: &mut Diagnostics) {
        let unused = |patterns: &[Pattern]| -> Vec<String> {
            patterns.iter().filter(|p| !p.used.get() && !p.text.is_empty()).map(|p| p.text.clone()).collect()
        };
        let names = || builds.iter().map(String::as_str);
        let help = || format!("there are: {}", builds.join(", "));
        for name in unused(&self.only) {
            let warning = Diagnostic::warning(format!("-only={name}: the template has no build of that name"));
            diags.push(warning.suggest(&name, names()).help(help()));
        }
        for name in unused(&self.except) {
            let message = format!("-except={name}: the template has no build or post-processor of that name");
            let candidates = names().chain(post_processors.iter().copied());
            diags.push(Diagnostic::warning(message).suggest(&name, candidates).help(help()));
        }
    }
}

/// Whether one of them means this name; all that do are used.
fn any(patterns: &[Pattern], name: &str) -> bool {
    let mut found = false;
    for pattern in patterns {
        if pattern.text == name || pattern.glob.as_ref().is_some_and(|glob| glob.is_match(name)) {
            pattern.used.set(true);
            found = true;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpolate::Ambient;
    use std::sync::Arc;

    fn only(pattern: &str, hcl: bool) -> (Selection, Diagnostics) {
        let ambient = Ambient::new(jiff::Timestamp::UNIX_EPOCH, "/");
        let mut options = LoadOptions::new(Arc::new(ambient));
        options.only = vec![pattern.to_owned()];
        let mut diags = Diagnostics::new();
        (Selection::new(&options, hcl, &mut diags), diags)
    }

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
            ("{a,b}", "b", true),
            // Names that look like a glob, or like a broken one, mean themselves.
            ("a[b", "a[b", true),
            ("[x]", "[x]", true),
            ("", "x", false),
        ] {
            assert_eq!(only(pattern, false).0.takes_build(name), want, "{pattern} {name}");
        }
        assert!(only("a[b", true).1.has_errors());
    }

    #[test]
    fn words_that_mean_nothing_are_told() {
        let (selection, mut diags) = only("webb", false);
        selection.takes_build("web");
        selection.report(&["web".to_owned()], &[], &mut diags);
        let text = diags.to_string();
        assert!(text.contains("-only=webb") && text.contains("did you mean \"web\"?"), "{text}");
    }
}
