//! Names: the template's own, then variables, then functions. `vars` and `hostvars` are mappings over scopes.

use super::object::Object;
use super::{Args, Cx, Env, caught, through, undefined};
use crate::val::{Entries, R, Val};
use crate::{Key, NoLoader, Value, VarSource};
use std::any::Any;
use std::sync::Arc;

/// A name's value. Unknown names are undefined values.
pub(crate) fn lookup(cx: &Cx<'_>, env: &Env, name: &str) -> R {
    if let Some(local) = env.scope.get(name) {
        return Ok(local);
    }
    if name == "self"
        && let Some(blocks) = super::stmt::self_ref(env)
    {
        return Ok(blocks);
    }
    if env.sees_vars
        && let Some(found) = cx.var(name)?
    {
        return Ok(found);
    }
    if let Some(function) = crate::functions::global(name) {
        return Ok(function);
    }
    Ok(undefined(format!("'{name}' is undefined"), Some(name.to_owned())))
}

impl Cx<'_> {
    /// A variable, ready to work with. `None`: there is none of this name.
    pub fn var(&self, name: &str) -> R<Option<Val>> {
        if let Some(known) = self.cache.borrow().get(name) {
            return Ok(Some(known.clone()));
        }
        let value = match self.vars.get(name) {
            Some(raw) => {
                let span = raw.span().cloned();
                match self.resolve(Val::from(raw)) {
                    Ok(Val::Marker(e)) => Val::Marker(Arc::new(through((*e).clone(), name, span.as_ref()))),
                    Ok(value) => value,
                    Err(e) => return Err(through(e, name, span.as_ref())),
                }
            }
            None => match name {
                "vars" => Val::obj(ScopeMap { vars: self.vars.clone(), own: true }),
                "hostvars" => match self.vars.hosts() {
                    Some(hosts) => Val::obj(HostVars { hosts }),
                    None => return Ok(None),
                },
                _ => return Ok(None),
            },
        };
        self.cache.borrow_mut().insert(name.into(), value.clone());
        Ok(Some(value))
    }
}

/// A scope as a mapping: `vars`, and one host of `hostvars`.
struct ScopeMap {
    vars: Arc<dyn VarSource>,
    /// The rendering's own scope; another host's values are rendered in that host's scope.
    own: bool,
}

impl ScopeMap {
    fn fetch(&self, cx: &Cx<'_>, name: &str) -> Option<R> {
        if self.own {
            return cx.var(name).transpose();
        }
        let raw = self.vars.get(name)?;
        Some(caught(cx.templar.template_with(&raw, &self.vars, &NoLoader).map(Val::from)))
    }

    fn entries(&self, cx: &Cx<'_>) -> R<Entries> {
        let mut all = Entries::new();
        for name in self.vars.names() {
            if let Some(value) = self.fetch(cx, &name) {
                all.insert(Key::from(name), value?);
            }
        }
        Ok(all)
    }
}

impl Object for ScopeMap {
    fn type_name(&self) -> &'static str {
        "HostVarsVars"
    }
    fn len(&self) -> Option<usize> {
        Some(self.vars.names().len())
    }
    fn attr(&self, cx: &Cx<'_>, name: &str) -> Option<R> {
        self.fetch(cx, name)
    }
    fn item(&self, cx: &Cx<'_>, key: &Val) -> Option<R> {
        self.fetch(cx, key.as_str()?)
    }
    fn iter(&self, _: &Cx<'_>) -> Option<R<Vec<Val>>> {
        Some(Ok(self.vars.names().into_iter().map(Val::from).collect()))
    }
    fn contains(&self, key: &Val) -> Option<bool> {
        Some(key.as_str().is_some_and(|k| self.vars.get(k).is_some()))
    }
    fn method(&self, cx: &Cx<'_>, name: &str, args: &Args) -> Option<R> {
        mapping_method(cx, self, name, args, || self.entries(cx))
    }
    fn is_mapping(&self) -> bool {
        true
    }
    fn store(&self, cx: &Cx<'_>) -> Option<R<Value>> {
        Some(self.entries(cx).and_then(|all| cx.finish(&Val::dict(all))))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The hosts that a template can ask about.
struct HostVars {
    hosts: Arc<dyn crate::HostScopes>,
}

impl HostVars {
    fn host(&self, name: &str) -> Option<Val> {
        Some(Val::obj(ScopeMap { vars: self.hosts.host(name)?, own: false }))
    }

    fn entries(&self) -> Entries {
        self.hosts.hosts().into_iter().filter_map(|h| Some((Key::from(h.as_str()), self.host(&h)?))).collect()
    }
}

impl Object for HostVars {
    fn type_name(&self) -> &'static str {
        "HostVars"
    }
    fn len(&self) -> Option<usize> {
        Some(self.hosts.hosts().len())
    }
    fn attr(&self, _: &Cx<'_>, name: &str) -> Option<R> {
        self.host(name).map(Ok)
    }
    fn item(&self, _: &Cx<'_>, key: &Val) -> Option<R> {
        let name = key.as_str()?;
        Some(Ok(self.host(name).unwrap_or_else(|| {
            undefined(format!("hostvars['{name}'] is undefined"), Some(format!("hostvars['{name}']")))
        })))
    }
    fn iter(&self, _: &Cx<'_>) -> Option<R<Vec<Val>>> {
        Some(Ok(self.hosts.hosts().into_iter().map(Val::from).collect()))
    }
    fn contains(&self, key: &Val) -> Option<bool> {
        Some(key.as_str().is_some_and(|k| self.hosts.host(k).is_some()))
    }
    fn method(&self, cx: &Cx<'_>, name: &str, args: &Args) -> Option<R> {
        mapping_method(cx, self, name, args, || Ok(self.entries()))
    }
    fn is_mapping(&self) -> bool {
        true
    }
    fn store(&self, cx: &Cx<'_>) -> Option<R<Value>> {
        Some(cx.finish(&Val::dict(self.entries())))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn mapping_method(
    cx: &Cx<'_>,
    object: &dyn Object,
    name: &str,
    args: &Args,
    entries: impl FnOnce() -> R<Entries>,
) -> Option<R> {
    if name == "get" {
        let (key, default) = (args.pos.first()?, args.pos.get(1).cloned().unwrap_or(Val::None));
        if object.contains(key) != Some(true) {
            return Some(Ok(default));
        }
        return object.item(cx, key);
    }
    if !crate::methods::dict::NAMES.contains(&name) {
        return None;
    }
    match entries() {
        Ok(all) => crate::methods::call(cx, &Val::dict(all), name, args),
        Err(e) => Some(Err(e)),
    }
}
