//! What loading needs: files, ids, variables for the names in static imports, and the list of what is wrong.

use super::model::Item;
use super::role::Role;
use super::scope::Scope;
use crate::collections::Collections;
use crate::settings::Settings;
use crate::vars::{HostLayers, PlayLayers, Vars, layers};
use crate::yaml::{self, Node};
use imgbuild_diag::{Diagnostics, Source, Span};
use imgbuild_jinja::{Map, Str, Templar, Value, VarSource};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Static imports inside each other.
pub const MAX_DEPTH: usize = 60;

/// Numbers for tasks and roles.
#[derive(Debug, Default)]
pub struct Ids(AtomicU64);

impl Ids {
    /// The next one.
    pub fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// The name of a module that nobody knows, and where it was written.
#[derive(Debug, Clone)]
pub struct MissingModule {
    /// Name.
    pub name: String,
    /// Place.
    pub span: Span,
}

/// Loads a play, or at run time the tasks of a dynamic include.
pub struct Loader<'a> {
    /// Settings.
    pub settings: &'a Settings,
    /// Renders names in static imports.
    pub templar: &'a Templar,
    /// Numbers.
    pub ids: &'a Ids,
    /// Directory of the playbook.
    pub dir: PathBuf,
    /// Variables of the play.
    pub play: PlayLayers,
    /// The host's, when a dynamic include is loaded.
    pub host: HostLayers,
    /// Magic variables.
    pub magic: Map,
    /// What is wrong.
    pub out: Diagnostics,
    /// Handlers that static roles bring in.
    pub handlers: Vec<Item>,
    /// Roles that static imports bring in.
    pub roles: Vec<Arc<Role>>,
    /// Collections' modules that imgbuild does not have; they fail when they are reached.
    pub missing: Vec<MissingModule>,
    /// Installed collections.
    pub collections: Arc<Collections>,
    /// Loads what a dynamic include names.
    pub dynamic: bool,
    /// Levels of imports that are open.
    pub depth: usize,
    /// Blocks with a `rescue` that are open.
    pub rescued: usize,
    /// What is being checked is reached and its failure is not ignored, as far as can be told.
    pub certain: bool,
    /// Words of roles' files, see [`super::unread`].
    pub words: super::unread::Known,
    extra: Arc<Map>,
    files: HashMap<PathBuf, Option<Node>>,
}

impl<'a> Loader<'a> {
    /// For a playbook in `dir`.
    pub fn new(settings: &'a Settings, templar: &'a Templar, ids: &'a Ids, dir: &Path) -> Self {
        templar.plugins_in(dir);
        settings.brought.add(dir);
        let mut magic = Map::new();
        magic.insert("playbook_dir".into(), Value::str(dir.display().to_string()));
        Loader {
            settings,
            templar,
            ids,
            dir: dir.to_owned(),
            play: PlayLayers::default(),
            host: HostLayers::default(),
            magic,
            out: Diagnostics::new(),
            handlers: Vec::new(),
            roles: Vec::new(),
            missing: Vec::new(),
            collections: Arc::new(Collections::new(settings, dir)),
            dynamic: false,
            depth: 0,
            rescued: 0,
            certain: false,
            words: Default::default(),
            extra: Arc::new(settings.extra_vars.clone()),
            files: HashMap::new(),
        }
    }

    /// Reads a YAML file; `None` where it is empty or can't be read, which is reported.
    pub fn read(&mut self, path: &Path, asked_by: Option<&Span>) -> Option<Node> {
        if let Some(known) = self.files.get(path) {
            return known.clone();
        }
        let node = self.read_new(path, asked_by);
        self.files.insert(path.to_owned(), node.clone());
        node
    }

    fn read_new(&mut self, path: &Path, asked_by: Option<&Span>) -> Option<Node> {
        let text = match crate::vault::read_text(path, self.settings) {
            Ok(text) => text,
            Err(why) => {
                self.out.push(why.diagnostic().at_opt(asked_by));
                return None;
            }
        };
        let source = Source::new(path.display().to_string(), text);
        let options = yaml::Options { duplicate_keys: self.settings.duplicate_dict_key, ..yaml::Options::default() };
        yaml::load_with(&source, options, &mut self.out).unwrap_or_default()
    }

    /// Reports the modules that nobody has: they fail where a host reaches them. As hosts run (`strict`) a module of a
    /// collection that is neither known nor installed ends the run, as Ansible can't read its task at all.
    pub fn report_missing(&mut self, strict: bool) {
        for module in std::mem::take(&mut self.missing) {
            let known = |name: &str| match name.split('.').collect::<Vec<_>>()[..] {
                [namespace, collection, _, ..] => {
                    super::redirects::is_known(&format!("{namespace}.{collection}"))
                        || self.collections.folder(&format!("{namespace}.{collection}")).is_some()
                }
                _ => true,
            };
            let problem = if strict && !known(&module.name) {
                super::modules::unknown(&module.name)
            } else {
                super::modules::unavailable(&module.name).help("the play fails where a host reaches this task")
            };
            self.out.push(problem.at(&module.span));
        }
    }

    /// What a static import sees.
    pub fn vars(&self, scope: &Scope) -> Arc<dyn VarSource> {
        let mut magic = self.magic.clone();
        if let Some(role) = scope.role() {
            magic.insert("role_path".into(), Value::str(role.path.display().to_string()));
            magic.insert("role_name".into(), Value::str(role.name.clone()));
            magic.insert("ansible_role_name".into(), Value::str(role.name.clone()));
        }
        Arc::new(Vars::fixed(magic, layers(&self.extra, &self.host, &self.play, Some(scope))))
    }

    /// Renders text that must be known while loading.
    pub fn render(&mut self, value: &Value, scope: &Scope, what: &str) -> Option<String> {
        let text = match value {
            Value::Str(text) if !self.templar.is_template(text) => return Some(text.text.to_string()),
            other => other,
        };
        match self.templar.template(text, &self.vars(scope)) {
            Ok(Value::Str(Str { text, .. })) => Some(text.to_string()),
            Ok(other) => Some(crate::text::of(&other)),
            Err(error) => {
                self.out.push(error.diagnostic().help(format!(
                    "{what} is needed before anything runs: only play variables, vars_files and extra variables are known then"
                )));
                None
            }
        }
    }
}
