//! Which tasks `--tags` and `--skip-tags` select.

use super::engine::lock;
use super::play::PlayRun;
use crate::callback::Event;
use crate::play::model::Task;
use crate::play::scope::{Kind, items};
use imgbuild_jinja::{Templar, VarSource};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Tags, rendered, those with commas split.
pub fn of(task: &Task, templar: &Templar, vars: &Arc<dyn VarSource>) -> BTreeSet<String> {
    let mut tags = BTreeSet::new();
    for raw in task.raw_tags() {
        // A tag whose variable is unknown here selects nothing.
        let rendered = templar.template(&raw, vars).unwrap_or(raw);
        for tag in items(&rendered) {
            let text = crate::text::of(&tag);
            tags.extend(text.split(',').map(|t| t.trim().to_owned()));
        }
    }
    tags
}

/// Ansible's rule. `only` empty means `all`.
pub fn selected(tags: &BTreeSet<String>, only: &[String], skip: &[String]) -> bool {
    let has = |list: &[String], name: &str| list.iter().any(|t| t == name);
    let untagged = tags.is_empty() || tags.len() == 1 && tags.contains("untagged");
    let tagged = !untagged;
    let any = |list: &[String]| list.iter().any(|t| tags.contains(t));
    let all = only.is_empty() || has(only, "all");
    let never = tags.contains("never");
    let by_kind = has(only, "tagged") && tagged && !never || has(only, "untagged") && untagged;
    let mut run = tags.contains("always") || all && !never || any(only) || by_kind;
    if run && !skip.is_empty() {
        if has(skip, "all") {
            run = tags.contains("always") && !has(skip, "always");
        } else if any(skip) || has(skip, "tagged") && tagged || has(skip, "untagged") && untagged {
            run = false;
        }
    }
    run
}

impl PlayRun {
    /// Whether this run's tags select a task.
    pub fn selects(self: &Arc<Self>, task: &Task) -> bool {
        // Handlers run whenever they are notified.
        if task.is_handler() || task.implicit && task.action.name == "meta" {
            return true;
        }
        if let Some(known) = lock(&self.shared).selected.get(&task.id) {
            return *known;
        }
        let vars = self.vars_without_host(task);
        let tags = of(task, &self.engine.templar, &vars);
        let settings = &self.engine.settings;
        let run = selected(&tags, &settings.tags, &settings.skip_tags);
        lock(&self.shared).selected.insert(task.id, run);
        if !run {
            self.explain_tags(task, &tags);
        }
        run
    }

    /// Says in `-v` why tags leave out what is in an include, or an include with all that is in it.
    fn explain_tags(self: &Arc<Self>, task: &Task, tags: &BTreeSet<String>) {
        let inside = task.scope.chain().any(|s| s.kind == Kind::Include);
        if !inside && !task.action.is_include() {
            return;
        }
        let settings = &self.engine.settings;
        let given = |flag: &str, list: &[String]| match list {
            [] => None,
            list => Some(format!("{flag} {}", list.join(","))),
        };
        let asked: Vec<String> = [given("--tags", &settings.tags), given("--skip-tags", &settings.skip_tags)]
            .into_iter()
            .flatten()
            .collect();
        let own = match tags.len() {
            0 => "it has no tags".to_owned(),
            _ => format!("its tags are {}", tags.iter().map(String::as_str).collect::<Vec<_>>().join(", ")),
        };
        let asked = if asked.is_empty() { "the tag never".to_owned() } else { asked.join(" ") };
        let name = task.title(task.name().map(crate::text::of).as_deref());
        let why = if task.action.is_include() {
            "nothing in it is looked at, whatever its tags: give the include a tag that is asked for, or import statically"
        } else {
            "an include keeps its tags for itself: \"apply: {tags: …}\" gives them to what is in it"
        };
        let text = format!("left out by {asked}: [{name}] at {}: {own}; {why}", task.path());
        self.engine.emit(Event::Verbose { level: 1, text, host: None });
    }

    /// What a task sees before any host is known.
    pub fn vars_without_host(self: &Arc<Self>, task: &Task) -> Arc<dyn VarSource> {
        let play = self.layers.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let layers =
            crate::vars::layers(&self.engine.extra, &crate::vars::HostLayers::default(), &play, Some(&task.scope));
        Arc::new(crate::vars::Vars {
            magic: vec![Arc::clone(&self.magic)],
            layers,
            merge: self.engine.settings.hash_merge,
            hosts: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        type Row<'a> = (&'a [&'a str], &'a [&'a str], &'a [&'a str], bool);
        let table: &[Row<'_>] = &[
            (&[], &[], &[], true),
            (&["a"], &["a"], &[], true),
            (&["a"], &["b"], &[], false),
            (&["always"], &["b"], &[], true),
            (&["always"], &[], &["always"], false),
            (&["never"], &[], &[], false),
            (&["never", "a"], &["a"], &[], true),
            (&["never"], &["all"], &[], false),
            (&["a"], &["tagged"], &[], true),
            (&[], &["tagged"], &[], false),
            (&[], &["untagged"], &[], true),
            (&["a"], &[], &["tagged"], false),
            (&["a"], &[], &["a"], false),
            (&["always"], &[], &["all"], true),
        ];
        let set = |t: &[&str]| t.iter().map(|s| (*s).to_owned()).collect::<BTreeSet<_>>();
        let list = |t: &[&str]| t.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        for (tags, only, skip, want) in table {
            assert_eq!(selected(&set(tags), &list(only), &list(skip)), *want, "{tags:?} {only:?} {skip:?}");
        }
    }
}
