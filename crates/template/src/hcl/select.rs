//! `-only` and `-except` of HCL2: globs over the names of builds, and over those of post-processors.

use crate::load::LoadOptions;
use globset::{Glob, GlobMatcher};
use imgbuild_diag::{Diagnostic, Diagnostics};

/// The patterns, and which of them matched.
pub(super) struct Selection {
    only: Vec<Pattern>,
    except: Vec<Pattern>,
}

struct Pattern {
    text: String,
    matcher: GlobMatcher,
    matched: bool,
}

impl Selection {
    pub(super) fn new(options: &LoadOptions, diags: &mut Diagnostics) -> Self {
        let mut compile = |flag: &str, patterns: &[String]| -> Vec<Pattern> {
            let mut out = Vec::new();
            for text in patterns {
                match Glob::new(text) {
                    Ok(glob) => {
                        out.push(Pattern { text: text.clone(), matcher: glob.compile_matcher(), matched: false });
                    }
                    Err(why) => {
                        diags.push(Diagnostic::error(format!("Invalid -{flag} pattern {text}: {}", why.kind())))
                    }
                }
            }
            out
        };
        Selection { only: compile("only", &options.only), except: compile("except", &options.except) }
    }

    /// Whether a build is wanted.
    pub(super) fn takes_build(&mut self, name: &str) -> bool {
        (self.only.is_empty() || matches(&mut self.only, name)) && !matches(&mut self.except, name)
    }

    /// Whether a post-processor is not wanted, and so the rest of its chain.
    pub(super) fn drops_post_processor(&mut self, name: &str) -> bool {
        matches(&mut self.except, name)
    }

    /// Warns of patterns that nothing matched.
    pub(super) fn report(&self, names: &[String], diags: &mut Diagnostics) {
        for (flag, patterns) in [("only", &self.only), ("except", &self.except)] {
            for pattern in patterns.iter().filter(|p| !p.matched) {
                let message = format!("-{flag}: no build matches {:?}", pattern.text);
                let warning = Diagnostic::warning(message).suggest(&pattern.text, names.iter().map(String::as_str));
                diags.push(warning.help(format!("there are: {}", names.join(", "))));
            }
        }
    }
}

fn matches(patterns: &mut [Pattern], name: &str) -> bool {
    let mut any = false;
    for pattern in patterns {
        if pattern.matcher.is_match(name) {
            pattern.matched = true;
            any = true;
        }
    }
    any
}
