//! Variables about a task's own connection (`ansible_connection`, `ansible_user`, …) where nobody has set them: ansible-core fills them in
//! for each task from its play context (`PlayContext.update_vars`), below everything that inventories, plays and roles say.

use crate::target::Connection;
use imgbuild_jinja::{HostScopes, Key, Map, Value, VarSource};
use std::sync::Arc;

struct Reached {
    own: Arc<dyn VarSource>,
    filled: Map,
    /// The host's name, which stands for an address where there is none.
    host: String,
}

/// The variables of a task on `host`, with those of the connection that it uses below them. `address`: where it leads to.
pub fn below(own: &Arc<dyn VarSource>, host: &str, connection: &Connection, address: &str) -> Arc<dyn VarSource> {
    let mut filled = Map::new();
    let mut fill = |names: &[&str], value: Option<Value>| {
        if let Some(value) = value {
            filled.extend(names.iter().map(|name| (Key::from(*name), value.clone())));
        }
    };
    let text = |text: &str| Some(Value::str(text));
    fill(&["ansible_connection"], text(&connection.plugin));
    fill(&["ansible_host", "ansible_ssh_host"], text(address));
    fill(&["ansible_user", "ansible_ssh_user"], connection.user.as_deref().and_then(text));
    fill(&["ansible_port", "ansible_ssh_port"], connection.port.map(|port| Value::Int(i64::from(port))));
    fill(&["ansible_timeout", "ansible_ssh_timeout"], Some(Value::Int(connection.timeout as i64)));
    let key = connection.private_key_file.as_ref().map(|path| path.display().to_string());
    fill(&["ansible_private_key_file", "ansible_ssh_private_key_file"], key.as_deref().and_then(text));
    fill(&["ansible_shell_executable"], text("/bin/sh"));
    fill(&["ansible_pipelining", "ansible_ssh_pipelining"], Some(Value::Bool(false)));
    Arc::new(Reached { own: Arc::clone(own), filled, host: host.to_owned() })
}

impl VarSource for Reached {
    fn get(&self, name: &str) -> Option<Value> {
        let filled = || self.filled.get(&Key::from(name)).cloned();
        match self.own.get(name) {
            // The host's name is no address that somebody gave: a task that is delegated has the other's.
            Some(Value::Str(text)) if *text.text == *self.host && name.ends_with("_host") => {
                filled().or(Some(Value::Str(text)))
            }
            Some(value) => Some(value),
            None => filled(),
        }
    }

    fn names(&self) -> Vec<String> {
        let mut names = self.own.names();
        let more = self.filled.keys().map(ToString::to_string).filter(|name| !names.contains(name)).collect::<Vec<_>>();
        names.extend(more);
        names
    }

    fn hosts(&self) -> Option<Arc<dyn HostScopes>> {
        self.own.hosts()
    }
}
