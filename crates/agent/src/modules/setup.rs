//! `setup`: the facts of the host.

use crate::ctx::Ctx;
use crate::facts;
use crate::outcome::{Fail, Outcome};
use crate::sys::fnmatch;
use serde_json::Value;

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let subsets = facts::chosen(&ctx.args.strs("gather_subset"))?;
    let mut found = facts::collect(ctx, &subsets)?;
    let filters: Vec<String> = ctx.args.strs("filter").into_iter().filter(|f| !f.is_empty()).collect();
    found.insert("gather_subset".into(), ctx.args.strs("gather_subset").into());
    found.insert("module_setup".into(), true.into());
    if !filters.is_empty() {
        found.retain(|name, _| passes(name, &filters));
    }
    Ok(crate::out! {"changed": false, "ansible_facts": Value::Object(found)})
}

/// Whether a fact's name passes `filter`: with or without its prefix.
fn passes(name: &str, filters: &[String]) -> bool {
    let bare = name.strip_prefix("ansible_").unwrap_or(name);
    filters.iter().any(|f| fnmatch::matches(f, name) || fnmatch::matches(f, bare))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_know_both_names() {
        for (name, filter, want) in [
            ("ansible_distribution", "ansible_dist*", true),
            ("ansible_distribution", "distribution", true),
            ("ansible_distribution", "*version", false),
            ("facter_x", "facter_*", true),
        ] {
            assert_eq!(passes(name, &[filter.to_string()]), want, "{name} {filter}");
        }
    }
}
