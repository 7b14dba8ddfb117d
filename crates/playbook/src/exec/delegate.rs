//! `delegate_to`: what a task sees that runs on another host than the one it is for.

use super::connection::Resolver;
use super::engine::Host;
use super::item::Place;
use super::result::Failure;
use imgbuild_jinja::{Key, Map, Overlay, Value, VarSource};
use std::sync::Arc;

impl Place<'_> {
    /// A `delegate_to` that renders to nothing, or can't be rendered, is an error whatever the task's condition says.
    pub(super) fn refuse_delegate(&self, own: &Resolver<'_>) -> Result<(), Failure> {
        let Some(attr) = self.task.attr("delegate_to") else { return Ok(()) };
        let written = crate::text::of(&attr.value);
        match own.keyword("delegate_to") {
            Ok(Some(Value::Str(name))) if name.text.is_empty() && !written.is_empty() => Err(Failure::new(format!(
                "Empty hostname produced from delegate_to: {}",
                crate::callback::json(&Value::str(written))
            ))),
            Ok(_) => Ok(()),
            Err(failure) => Err(failure.at(attr.value.span().or(attr.span.as_ref()))),
        }
    }

    /// Variables as the host that a task is delegated to has them, where they concern the connection.
    pub(super) fn delegated_vars(&self, to: &Host, vars: &Arc<dyn VarSource>) -> Result<Arc<dyn VarSource>, Failure> {
        {
            let mut inventory = self.run.engine.inventory.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            if !inventory.hosts.contains_key(&**to) && crate::inventory::LOCALHOST.contains(&&**to) {
                inventory.implicit_localhost(to);
            }
        }
        let theirs = self.run.vars(to, Some(self.task)).map_err(|d| Failure::new(d.to_string()))?;
        Ok(Arc::new(Delegated { theirs, own: Arc::clone(vars) }))
    }

    /// The variables with `ansible_delegated_vars`: how the other host is reached, and who asks.
    pub(super) fn told_of_delegate(
        &self,
        to: &Host,
        theirs: &Arc<dyn VarSource>,
        own: &Arc<dyn VarSource>,
    ) -> Arc<dyn VarSource> {
        let mut map = Map::new();
        for name in ["ansible_host", "ansible_ssh_host", "ansible_port", "ansible_user", "ansible_connection"] {
            if let Some(value) = theirs.get(name) {
                map.insert(name.into(), value);
            }
        }
        // Where nobody gave it an address, its name is one.
        map.entry("ansible_host".into()).or_insert_with(|| Value::str(&**to));
        map.insert("inventory_hostname".into(), Value::str(&**self.host));
        let all = Map::from_iter([(Key::from(&**to), Value::map(map))]);
        Overlay::new(Map::from_iter([("ansible_delegated_vars".into(), Value::map(all))]), Arc::clone(own))
    }
}

/// The delegate's connection, everything else the host's own.
struct Delegated {
    theirs: Arc<dyn VarSource>,
    own: Arc<dyn VarSource>,
}

impl VarSource for Delegated {
    fn get(&self, name: &str) -> Option<Value> {
        const CONNECTION: [&str; 8] =
            ["host", "port", "user", "connection", "password", "timeout", "private_key_file", "host_key_checking"];
        let connection = name.strip_prefix("ansible_").is_some_and(|rest| {
            CONNECTION.contains(&rest)
                || rest.starts_with("ssh_")
                || rest.starts_with("become")
                || rest.starts_with("sudo_")
        });
        if connection {
            return self.theirs.get(name);
        }
        // What connection variables are made of is theirs as well, but for who asks and for the loop that the task is in.
        let is = |what: &str| self.own.get(what).is_some_and(|own| own.as_str() == Some(name));
        let own = name == "inventory_hostname" || is("ansible_loop_var") || is("ansible_index_var");
        if own { self.own.get(name) } else { self.theirs.get(name) }
    }
    fn names(&self) -> Vec<String> {
        self.theirs.names()
    }
    fn hosts(&self) -> Option<Arc<dyn imgbuild_jinja::HostScopes>> {
        self.theirs.hosts()
    }
}
