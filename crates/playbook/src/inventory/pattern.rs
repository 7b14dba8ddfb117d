//! Host patterns: `all:!x:&y`, `~regex`, `web*`, `group[0]`, `group[1:3]`, and `--limit`.

use super::{Inventory, LOCALHOST};
use imgbuild_diag::{Diagnostic, Diagnostics};
use indexmap::IndexSet;
use std::path::Path;

/// What a pattern stands for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selection {
    /// Hosts in order.
    pub hosts: Vec<String>,
    /// Parts that matched nothing.
    pub unmatched: Vec<String>,
}

impl Inventory {
    /// The hosts of these patterns, reduced to those of `limit`. A name of this machine that no inventory knows becomes an
    /// implicit host.
    pub fn select(&mut self, patterns: &[String], limit: Option<&[String]>) -> Selection {
        let mut selection = self.evaluate(patterns);
        if let Some(limit) = limit {
            let allowed = self.evaluate(limit);
            selection.hosts.retain(|h| allowed.hosts.contains(h));
            selection.unmatched.extend(allowed.unmatched);
        }
        selection
    }

    fn evaluate(&mut self, patterns: &[String]) -> Selection {
        let mut parts: Vec<String> = patterns.iter().flat_map(|p| split_patterns(p)).collect();
        let rank = |p: &String| match p.as_bytes().first() {
            Some(b'!') => 2,
            Some(b'&') => 1,
            _ => 0,
        };
        parts.sort_by_key(rank);
        if parts.first().is_some_and(|p| rank(p) > 0) {
            parts.insert(0, "all".into());
        }
        let mut hosts: IndexSet<String> = IndexSet::new();
        let mut unmatched = Vec::new();
        for part in &parts {
            // A host of exactly this name is meant before anything else.
            let found = if self.hosts.contains_key(part) {
                IndexSet::from([part.clone()])
            } else {
                let found = self.matching(part.trim_start_matches(['!', '&']));
                if found.is_empty() && rank(part) == 0 && part != "all" && !part.is_empty() {
                    if LOCALHOST.contains(&part.as_str()) {
                        self.implicit_localhost(part);
                        IndexSet::from([part.clone()])
                    } else {
                        unmatched.push(part.clone());
                        found
                    }
                } else {
                    found
                }
            };
            match rank(part) {
                0 => hosts.extend(found),
                1 => hosts.retain(|h| found.contains(h)),
                _ => hosts.retain(|h| !found.contains(h)),
            }
        }
        Selection { hosts: hosts.into_iter().collect(), unmatched }
    }

    /// Hosts of one pattern without `!` and `&`.
    fn matching(&self, pattern: &str) -> IndexSet<String> {
        let (expression, subscript) = split_subscript(pattern);
        let matcher = Matcher::new(expression);
        let mut hosts: IndexSet<String> = IndexSet::new();
        let mut groups = false;
        for group in self.groups.keys().filter(|g| matcher.matches(g)) {
            groups = true;
            hosts.extend(self.hosts_of(group));
        }
        if !groups || expression.starts_with('~') || expression.contains(['*', '?', '[']) {
            hosts.extend(
                self.hosts.values().filter(|h| !h.implicit && matcher.matches(&h.name)).map(|h| h.name.clone()),
            );
        }
        let count = hosts.len() as i64;
        let index = |at: i64| if at < 0 { (count + at).max(-1) } else { at };
        match subscript {
            None => hosts,
            Some((start, None)) => {
                usize::try_from(index(start)).ok().and_then(|i| hosts.get_index(i).cloned()).into_iter().collect()
            }
            Some((start, Some(end))) => {
                let (start, end) = (index(start).max(0), end.map_or(count - 1, index));
                hosts
                    .into_iter()
                    .enumerate()
                    .filter(|(i, _)| (start..=end).contains(&(*i as i64)))
                    .map(|(_, h)| h)
                    .collect()
            }
        }
    }
}

enum Matcher {
    Regex(Option<regex::Regex>),
    Glob(Option<globset::GlobMatcher>),
    Name(String),
}

impl Matcher {
    fn new(expression: &str) -> Self {
        if let Some(regex) = expression.strip_prefix('~') {
            return Matcher::Regex(regex::Regex::new(&format!("^(?:{regex})")).ok());
        }
        if expression.contains(['*', '?', '[']) {
            let text = expression.replace('{', "[{]").replace('}', "[}]");
            return Matcher::Glob(globset::Glob::new(&text).ok().map(|g| g.compile_matcher()));
        }
        Matcher::Name(expression.to_owned())
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Matcher::Regex(regex) => regex.as_ref().is_some_and(|r| r.is_match(name)),
            Matcher::Glob(glob) => glob.as_ref().is_some_and(|g| g.is_match(name)),
            Matcher::Name(wanted) => wanted == name,
        }
    }
}

type Subscript = (i64, Option<Option<i64>>);

/// `web[0]`, `web[1:3]`, `web[-1]`, `web[2:]`. A glob's `[abc]` is none.
fn split_subscript(pattern: &str) -> (&str, Option<Subscript>) {
    let whole = (pattern, None);
    if pattern.starts_with('~') {
        return whole;
    }
    let Some(inside) = pattern.strip_suffix(']') else { return whole };
    let Some(open) = inside.rfind('[') else { return whole };
    let (head, subscript) = (&inside[..open], &inside[open + 1..]);
    if head.is_empty() {
        return whole;
    }
    if let Ok(index) = subscript.parse() {
        return (head, Some((index, None)));
    }
    let Some((start, end)) = subscript.split_once([':', '-']) else { return whole };
    let Ok(start) = (if start.is_empty() { Ok(0) } else { start.parse() }) else { return whole };
    match end {
        "" => (head, Some((start, Some(None)))),
        end => match end.parse() {
            Ok(end) => (head, Some((start, Some(Some(end))))),
            Err(_) => whole,
        },
    }
}

/// A pattern's parts: at commas, or at colons where they are no part of an IPv6 address, a range or a port.
pub fn split_patterns(pattern: &str) -> Vec<String> {
    let parts: Vec<String> = if pattern.contains(',') {
        pattern.split(',').map(str::to_owned).collect()
    } else {
        let (mut parts, mut current, mut depth) = (Vec::new(), String::new(), 0i32);
        let ipv6 = pattern.matches(':').count() > 1 && pattern.parse::<std::net::Ipv6Addr>().is_ok();
        for c in pattern.chars() {
            match c {
                '[' => depth += 1,
                ']' => depth -= 1,
                ':' if depth <= 0 && !ipv6 => {
                    parts.push(std::mem::take(&mut current));
                    continue;
                }
                _ => {}
            }
            current.push(c);
        }
        parts.push(current);
        parts
    };
    parts.into_iter().map(|p| p.trim().to_owned()).filter(|p| !p.is_empty()).collect()
}

/// The patterns of `--limit`; `@file` stands for the lines of a file.
pub fn limit_patterns(limit: &str, cwd: &Path) -> Result<Vec<String>, Diagnostics> {
    let mut patterns = Vec::new();
    for part in split_patterns(limit) {
        let Some(file) = part.strip_prefix('@') else {
            patterns.push(part);
            continue;
        };
        let path = cwd.join(file);
        let text = fs_err::read_to_string(&path).map_err(|e| {
            Diagnostics::from(Diagnostic::error(format!("Unable to find limit file {}: {e}", path.display())))
        })?;
        let lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
        patterns.extend(lines.flat_map(split_patterns));
    }
    Ok(patterns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory() -> Inventory {
        let mut i = Inventory::default();
        for (host, group) in [("w1", "web"), ("w2", "web"), ("w3", "web"), ("d1", "db"), ("w2", "odd")] {
            i.add_host(host, None);
            i.add_group(group);
            i.add_host_to_group(host, group);
        }
        i.reconcile();
        i
    }

    #[test]
    fn patterns() {
        let table: &[(&str, &[&str])] = &[
            ("all", &["w1", "w2", "w3", "d1"]),
            ("web", &["w1", "w2", "w3"]),
            ("web:!odd", &["w1", "w3"]),
            ("web:&odd", &["w2"]),
            ("!web", &["d1"]),
            ("w*", &["w1", "w2", "w3"]),
            ("~[wd]1", &["w1", "d1"]),
            ("web[0]", &["w1"]),
            ("web[-1]", &["w3"]),
            ("web[1:]", &["w2", "w3"]),
            ("web[0:1]", &["w1", "w2"]),
            ("d1,w1", &["d1", "w1"]),
            ("w[!3]", &["w1", "w2"]),
            ("localhost", &["localhost"]),
            ("nope", &[]),
        ];
        for (pattern, want) in table {
            assert_eq!(inventory().select(&[(*pattern).to_owned()], None).hosts, *want, "{pattern}");
        }
        assert_eq!(inventory().select(&["nope".into()], None).unmatched, ["nope"]);
        assert_eq!(inventory().select(&["all".into()], Some(&["db".into()])).hosts, ["d1"]);
    }
}
