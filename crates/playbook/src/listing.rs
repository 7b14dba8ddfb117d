//! `--list-hosts`, `--list-tasks`, `--list-tags`.

use crate::exec::tags;
use crate::inventory::Inventory;
use crate::play::model::{Item, Play, PlaybookFile, Task};
use crate::play::scope::items;
use crate::settings::Settings;
use crate::vars::{HostLayers, PlayLayers, Vars, layers};
use imgbuild_diag::Diagnostic;
use imgbuild_jinja::{Map, Templar, Value, VarSource};
use indexmap::IndexSet;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

/// What is listed.
#[derive(Clone, Copy, Default)]
pub struct Wanted {
    /// Hosts.
    pub hosts: bool,
    /// Tasks.
    pub tasks: bool,
    /// Tags.
    pub tags: bool,
}

/// What listing needs.
pub struct Lister<'a> {
    /// Settings.
    pub settings: &'a Settings,
    /// Renders names and tags.
    pub templar: &'a Templar,
    /// Hosts.
    pub inventory: Inventory,
    /// `--limit`.
    pub limit: Option<Vec<String>>,
    /// Patterns that matched no host.
    pub unmatched: IndexSet<String>,
}

impl Lister<'_> {
    /// The list, as ansible-playbook prints it.
    pub fn list(&mut self, playbooks: &[PlaybookFile], wanted: Wanted) -> String {
        let mut out = String::new();
        for playbook in playbooks {
            _ = writeln!(out, "\nplaybook: {}", playbook.path.display());
            for (index, play) in playbook.plays.iter().enumerate() {
                self.play(&mut out, index + 1, play, wanted);
            }
        }
        out
    }

    fn vars(&self, play: &Play, task: Option<&Task>) -> Arc<dyn VarSource> {
        let mut magic = Map::new();
        magic.insert("playbook_dir".into(), Value::str(play.dir.display().to_string()));
        let mut of_play = PlayLayers { vars: Arc::clone(&play.scope.vars), ..PlayLayers::default() };
        of_play.roles.extend(play.roles.iter().map(|r| Arc::clone(&r.role)));
        of_play.roles.extend(play.imported_roles.iter().cloned());
        let extra = Arc::new(self.settings.extra_vars.clone());
        let scope = task.map(|t| t.scope.as_ref());
        Arc::new(Vars::fixed(magic, layers(&extra, &HostLayers::default(), &of_play, scope)))
    }

    /// The first keyword of a play's head that can't be rendered.
    pub fn unlistable(&self, play: &Play) -> Option<Diagnostic> {
        let vars = self.vars(play, None);
        ["hosts", "name"].into_iter().find_map(|name| {
            let attr = play.attr(name)?;
            let error = self.templar.template(&attr.value, &vars).err()?;
            let mut problem = error.diagnostic();
            problem.message = format!("Error processing keyword '{name}': {}", problem.message);
            problem.span = problem.span.or_else(|| attr.span.clone());
            Some(problem)
        })
    }

    fn play(&mut self, out: &mut String, number: usize, play: &Play, wanted: Wanted) {
        let vars = self.vars(play, None);
        let render = |name: &str| {
            let raw = play.attr(name).map(|a| a.value.clone()).unwrap_or_default();
            let rendered = items(&self.templar.template(&raw, &vars).unwrap_or(raw));
            rendered.iter().filter(|v| !matches!(v, Value::Omit)).map(crate::text::of).collect::<Vec<_>>()
        };
        let patterns = render("hosts");
        let name = render("name").first().cloned().filter(|n| !n.is_empty()).unwrap_or_else(|| patterns.join(","));
        let tags: BTreeSet<String> =
            render("tags").iter().flat_map(|t| t.split(',').map(|t| t.trim().to_owned()).collect::<Vec<_>>()).collect();
        let shown: Vec<&str> = tags.iter().map(String::as_str).collect();
        _ = write!(out, "\n  play #{number} ({}): {name}\tTAGS: [{}]", patterns.join(","), shown.join(","));
        let selection = self.inventory.select(&patterns, self.limit.as_deref());
        self.unmatched.extend(selection.unmatched);
        if wanted.hosts {
            let listed: Vec<String> = patterns.iter().map(|p| format!("'{p}'")).collect();
            let pattern = if listed.is_empty() { "None".to_owned() } else { format!("[{}]", listed.join(", ")) };
            _ = write!(out, "\n    pattern: {pattern}\n    hosts ({}):", selection.hosts.len());
            for host in &selection.hosts {
                _ = write!(out, "\n      {host}");
            }
        }
        out.push('\n');
        if !wanted.tasks && !wanted.tags {
            return;
        }
        if wanted.tasks {
            out.push_str("    tasks:\n");
        }
        let mut all = BTreeSet::new();
        let role_tasks = play.roles.iter().flat_map(|r| &r.tasks);
        for item in play.pre_tasks.iter().chain(role_tasks).chain(&play.tasks).chain(&play.post_tasks) {
            self.item(out, play, item, wanted, &tags, &mut all);
        }
        if wanted.tags {
            all.extend(tags);
            _ = writeln!(out, "      TASK TAGS: [{}]", all.into_iter().collect::<Vec<_>>().join(", "));
        }
    }

    fn item(
        &self,
        out: &mut String,
        play: &Play,
        item: &Item,
        wanted: Wanted,
        of_play: &BTreeSet<String>,
        all: &mut BTreeSet<String>,
    ) {
        let task = match item {
            Item::Task(task) => task,
            // Ansible lists what a block does, not what it does about failures.
            Item::Block(block) => {
                for item in &block.block {
                    self.item(out, play, item, wanted, of_play, all);
                }
                return;
            }
        };
        if task.implicit && task.action.name == "meta" {
            return;
        }
        let tags = tags::of(task, self.templar, &self.vars(play, Some(task)));
        // Without a choice, a list of tags shows those of tasks that only run when asked for.
        let everything = wanted.tags
            && self.settings.tags.is_empty()
            && self.settings.skip_tags.is_empty()
            && tags.contains("never");
        if !everything && !tags::selected(&tags, &self.settings.tags, &self.settings.skip_tags) {
            return;
        }
        all.extend(tags.iter().cloned());
        if wanted.tasks {
            let title = match task.name() {
                Some(name) => task.title(Some(&crate::text::of(name))),
                None => task.action.written.clone(),
            };
            let shown: BTreeSet<&String> = tags.iter().chain(of_play).collect();
            let shown: Vec<&str> = shown.into_iter().map(String::as_str).collect();
            _ = writeln!(out, "      {title}\tTAGS: [{}]", shown.join(", "));
        }
    }
}
