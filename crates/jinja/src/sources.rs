//! Where variables, lookups and template files come from. The engine implements these; [`Overlay`] puts names above a scope.

use crate::{LookupError, Map, Templar, TemplateError, Value};
use imgbuild_diag::Span;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

/// Where variables come from: raw values, not yet rendered. Lookups are lazy and recursive; the evaluator guards against loops.
pub trait VarSource: Send + Sync {
    /// The raw value.
    fn get(&self, name: &str) -> Option<Value>;
    /// All names in scope, for messages ("did you mean") and the `varnames` lookup.
    fn names(&self) -> Vec<String>;
    /// The scopes behind `hostvars`, unless `get("hostvars")` gives a value. Another host's variables are rendered in that
    /// host's scope.
    fn hosts(&self) -> Option<Arc<dyn HostScopes>> {
        None
    }
}

/// The hosts of the inventory, for `hostvars`.
pub trait HostScopes: Send + Sync {
    /// A host's scope.
    fn host(&self, name: &str) -> Option<Arc<dyn VarSource>>;
    /// All hosts, in inventory order.
    fn hosts(&self) -> Vec<String>;
}

impl VarSource for Map {
    fn get(&self, name: &str) -> Option<Value> {
        Map::get(self, &crate::Key::from(name)).cloned()
    }
    fn names(&self) -> Vec<String> {
        self.keys().map(ToString::to_string).collect()
    }
}

/// Names above another scope: loop variables, task variables.
pub struct Overlay {
    top: Map,
    below: Arc<dyn VarSource>,
}

impl Overlay {
    /// `top` hides the names of `below`.
    #[expect(clippy::new_ret_no_self, reason = "a scope is only ever used behind the trait")]
    pub fn new(top: Map, below: Arc<dyn VarSource>) -> Arc<dyn VarSource> {
        Arc::new(Overlay { top, below })
    }
}

impl VarSource for Overlay {
    fn get(&self, name: &str) -> Option<Value> {
        VarSource::get(&self.top, name).or_else(|| self.below.get(name))
    }
    fn names(&self) -> Vec<String> {
        let all: BTreeSet<String> = self.top.names().into_iter().chain(self.below.names()).collect();
        all.into_iter().collect()
    }
    fn hosts(&self) -> Option<Arc<dyn HostScopes>> {
        self.below.hosts()
    }
}

/// Lookup plugins that need files, environment, pipes or hosts. The pure ones (`items`, `list`, `dict`, `nested`, `together`,
/// `flattened`, `indexed_items`, `sequence`, `subelements`, `random_choice`, `vars`, `varnames`) are this crate's and are
/// asked first.
pub trait Lookups: Send + Sync {
    /// Runs one. The name is without `ansible.builtin.`; `terms` and `kwargs` are rendered. `wantlist` and `errors` are
    /// handled by the caller.
    fn lookup(
        &self,
        name: &str,
        terms: Vec<Value>,
        kwargs: Map,
        cx: &LookupContext<'_>,
    ) -> Result<Vec<Value>, LookupError>;
    /// Whether there is one of this name.
    fn known(&self, name: &str) -> bool;
    /// Whether a lookup wants undefined values among its terms ([`Value::undefined`]), which else are its result.
    fn takes_undefined(&self, name: &str) -> bool {
        let _ = name;
        false
    }
    /// Whether the user brought a filter or test of this name, asked where this crate has none. The error says why one that
    /// may be there can't be used.
    fn brought(&self, kind: PluginKind, name: &str) -> Result<bool, String> {
        let _ = (kind, name);
        Ok(false)
    }
    /// Calls a filter or test that [`Lookups::brought`] knows; the input is the first of the values.
    fn call(
        &self,
        kind: PluginKind,
        name: &str,
        values: Vec<Value>,
        kwargs: Map,
        cx: &LookupContext<'_>,
    ) -> Result<Value, LookupError> {
        let _ = (kind, values, kwargs, cx);
        Err(LookupError::Unknown(name.to_owned()))
    }
    /// A playbook's or role's folder was read: plugins in it count from now on.
    fn plugins_in(&self, folder: &Path) {
        let _ = folder;
    }
}

/// What a plugin of the user is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PluginKind {
    /// `value | name`
    Filter,
    /// `value is name`
    Test,
}

/// No lookups but the pure ones.
pub struct NoLookups;

impl Lookups for NoLookups {
    fn lookup(&self, name: &str, _: Vec<Value>, _: Map, _: &LookupContext<'_>) -> Result<Vec<Value>, LookupError> {
        Err(LookupError::Unknown(name.to_owned()))
    }
    fn known(&self, _: &str) -> bool {
        false
    }
}

/// What a lookup may use.
pub struct LookupContext<'a> {
    pub(crate) templar: &'a Templar,
    pub(crate) vars: &'a Arc<dyn VarSource>,
    pub(crate) span: Option<&'a Span>,
}

impl<'a> LookupContext<'a> {
    /// For an engine that runs a lookup outside of a template (`with_*`).
    pub fn new(templar: &'a Templar, vars: &'a Arc<dyn VarSource>, span: Option<&'a Span>) -> Self {
        LookupContext { templar, vars, span }
    }
    /// Renders further values and template files.
    pub fn templar(&self) -> &'a Templar {
        self.templar
    }
    /// The variables in scope.
    pub fn vars(&self) -> &'a Arc<dyn VarSource> {
        self.vars
    }
    /// Where the lookup was written.
    pub fn span(&self) -> Option<&'a Span> {
        self.span
    }
    /// A variable, rendered. `None`: not defined.
    pub fn var(&self, name: &str) -> Result<Option<Value>, TemplateError> {
        self.vars.get(name).map(|raw| self.templar.template(&raw, self.vars)).transpose()
    }
}

/// Reads the template files that `{% include %}`, `{% import %}` and `{% extends %}` name.
pub trait Loader: Send + Sync {
    /// The shown name (path) and the text of `name`, asked for by the template `parent`; `Ok(None)`: there is no such file.
    fn load(&self, name: &str, parent: &str) -> Result<Option<(String, String)>, String>;
}

/// Has no files.
pub struct NoLoader;

impl Loader for NoLoader {
    fn load(&self, _: &str, _: &str) -> Result<Option<(String, String)>, String> {
        Ok(None)
    }
}
