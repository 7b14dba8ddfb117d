//! Which connection and which user a task runs with, from variables, keywords and settings; and the open connections.

use super::engine::{Engine, Host, lock};
use super::result::Failure;
use crate::play::model::Task;
use crate::settings::parse_bool;
use crate::target::{Become, BecomePassword, Connection, Target, Unreachable};
use imgbuild_diag::Secret;
use imgbuild_jinja::{Value, VarSource};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::sync::OnceCell;

type Slot = Arc<OnceCell<Arc<dyn Target>>>;

/// Connections by host and how they are made.
#[derive(Default)]
pub struct Connections {
    open: Mutex<HashMap<String, Vec<(Connection, Slot)>>>,
}

impl Connections {
    /// The connection, made when it is first asked for.
    pub async fn get(&self, engine: &Engine, connection: &Connection) -> Result<Arc<dyn Target>, Unreachable> {
        let slot = {
            let mut open = lock(&self.open);
            let slots = open.entry(connection.name.clone()).or_default();
            match slots.iter().find(|(known, _)| known == connection) {
                Some((_, slot)) => Arc::clone(slot),
                None => {
                    let slot = Slot::default();
                    slots.push((connection.clone(), Arc::clone(&slot)));
                    slot
                }
            }
        };
        slot.get_or_try_init(|| engine.session.connector.connect(connection)).await.cloned()
    }

    /// The connections that a host has.
    pub fn of(&self, host: &str) -> Vec<Arc<dyn Target>> {
        let open = lock(&self.open);
        open.get(host).into_iter().flatten().filter_map(|(_, slot)| slot.get().cloned()).collect()
    }

    /// Forgets a host's connections: the next call connects anew.
    pub fn forget(&self, host: &str) {
        lock(&self.open).remove(host);
    }

    /// Closes all.
    pub async fn close(&self) {
        let all: Vec<Arc<dyn Target>> =
            lock(&self.open).drain().flat_map(|(_, slots)| slots).filter_map(|(_, slot)| slot.get().cloned()).collect();
        futures_util::future::join_all(all.iter().map(|t| t.close())).await;
    }
}

/// Renders keywords and connection variables of a task on a host.
pub struct Resolver<'a> {
    /// The run.
    pub engine: &'a Engine,
    /// The task.
    pub task: &'a Task,
    /// Variables of the host that is connected to.
    pub vars: &'a Arc<dyn VarSource>,
    /// Variables of the host that the task is of: keywords are made of these.
    pub own: &'a Arc<dyn VarSource>,
}

impl Resolver<'_> {
    /// A variable, rendered; `None` where it is not set or null.
    pub fn var(&self, name: &str) -> Result<Option<Value>, Failure> {
        let Some(raw) = self.vars.get(name) else { return Ok(None) };
        let value = self.engine.templar.template(&raw, self.vars).map_err(Failure::from)?;
        Ok(Some(value).filter(|v| !matches!(v, Value::Null | Value::Omit)))
    }

    fn first(&self, names: &[&str]) -> Result<Option<String>, Failure> {
        for name in names {
            if let Some(value) = self.var(name)? {
                return Ok(Some(crate::text::of(&value)));
            }
        }
        Ok(None)
    }

    /// The last of these variables that is set: where Ansible's plugins name several, the most particular stands last and wins.
    fn last(&self, names: &[&str]) -> Result<Option<String>, Failure> {
        let reversed: Vec<&str> = names.iter().rev().copied().collect();
        self.first(&reversed)
    }

    /// Where a host is. Both variables are its name where nobody set them, so the one that says something else counts.
    fn address(&self, host: &str) -> Result<String, Failure> {
        for name in ["ansible_host", "ansible_ssh_host"] {
            if let Some(address) = self.first(&[name])?.filter(|a| a != host) {
                return Ok(address);
            }
        }
        Ok(host.to_owned())
    }

    /// A keyword, rendered; `None` where it is not set, null or omitted.
    pub fn keyword(&self, name: &str) -> Result<Option<Value>, Failure> {
        // One that renders to `omit` was not written: the level around it counts.
        for attr in self.task.scope.each(name) {
            let value = self.engine.templar.template(&attr.value, self.own).map_err(Failure::from);
            let value =
                value.map_err(|f| f.because(format!("Error processing keyword '{name}'"), attr.span.as_ref()))?;
            match value {
                Value::Omit => {}
                Value::Null => return Ok(None),
                value => return Ok(Some(value)),
            }
        }
        Ok(None)
    }

    /// A keyword that is a boolean.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Failure> {
        let Some(value) = self.keyword(name)? else { return Ok(None) };
        boolean(&value).map(Some).ok_or_else(|| {
            Failure::new(format!(
                "the field '{name}' has an invalid value, {} is no boolean",
                crate::text::repr(&value)
            ))
        })
    }

    /// A keyword that is text.
    pub fn text(&self, name: &str) -> Result<Option<String>, Failure> {
        Ok(self.keyword(name)?.map(|v| crate::text::of(&v)).filter(|t| !t.is_empty()))
    }

    /// A keyword that is a number.
    pub fn number(&self, name: &str) -> Result<Option<f64>, Failure> {
        let Some(value) = self.keyword(name)? else { return Ok(None) };
        number(&value).map(Some).ok_or_else(|| {
            Failure::new(format!("the field '{name}' has an invalid value, {} is no number", crate::text::repr(&value)))
        })
    }

    /// How to connect.
    pub fn connection(&self, host: &Host) -> Result<Connection, Failure> {
        let defaults = &self.engine.settings.connection;
        let plugin = match self.first(&["ansible_connection"])? {
            Some(plugin) => plugin,
            None => self.text("connection")?.unwrap_or_else(|| defaults.plugin.clone()),
        };
        let plugin = match plugin.strip_prefix("ansible.builtin.").unwrap_or(&plugin) {
            "smart" | "paramiko" | "paramiko_ssh" => "ssh".to_owned(),
            other => other.to_owned(),
        };
        let port = match self.first(&["ansible_port", "ansible_ssh_port"])? {
            Some(text) => Some(
                text.trim()
                    .parse()
                    .map_err(|_| Failure::new(format!("ansible_port must be a port number, not {text:?}")))?,
            ),
            None => match self.number("port")? {
                Some(port) => Some(port as u16),
                None => defaults.port,
            },
        };
        let user = match self.first(&["ansible_user", "ansible_ssh_user"])? {
            Some(user) => Some(user),
            None => self.text("remote_user")?.or_else(|| defaults.remote_user.clone()),
        };
        let password = self.first(&["ansible_password", "ansible_ssh_pass", "ansible_ssh_password"])?;
        let key = self.first(&["ansible_private_key_file", "ansible_ssh_private_key_file"])?;
        let timeout = self.first(&["ansible_ssh_timeout", "ansible_timeout"])?.and_then(|t| t.trim().parse().ok());
        let checking = match self.first(&["ansible_host_key_checking", "ansible_ssh_host_key_checking"])? {
            Some(text) => parse_bool(&text).unwrap_or(true),
            None => defaults.host_key_checking,
        };
        let mut ssh_args = Vec::new();
        for (names, default) in [
            (["ansible_ssh_args"], &defaults.ssh_args),
            (["ansible_ssh_common_args"], &defaults.ssh_common_args),
            (["ansible_ssh_extra_args"], &defaults.ssh_extra_args),
        ] {
            let text = self.first(&names)?.unwrap_or_else(|| default.clone());
            if !text.trim().is_empty() {
                ssh_args.push(text);
            }
        }
        Ok(Connection {
            name: host.to_string(),
            plugin,
            host: self.address(host)?,
            port,
            user,
            password: password.map(Secret::new).or_else(|| defaults.password.clone()),
            private_key_file: key
                .map(|k| crate::settings::expand_home(&k, &self.engine.settings))
                .or_else(|| defaults.private_key_file.clone()),
            ssh_args,
            host_key_checking: checking,
            timeout: timeout.unwrap_or(defaults.timeout),
            local_dir: None,
        })
    }

    /// Who to become; `None`: nobody else.
    pub fn become_(&self) -> Result<Option<Become>, Failure> {
        let defaults = &self.engine.settings.become_;
        let on = match self.var("ansible_become")? {
            Some(value) => boolean(&value).unwrap_or(false),
            None => self.flag("become")?.unwrap_or(defaults.enabled),
        };
        if !on {
            return Ok(None);
        }
        let method = self.last(&["ansible_become_method"])?.map_or_else(
            || Ok::<_, Failure>(self.text("become_method")?.unwrap_or_else(|| defaults.method.clone())),
            Ok,
        )?;
        let method = if method.is_empty() { "sudo".to_owned() } else { method };
        // Options are named by the method without its collection.
        let short = method.rsplit('.').next().unwrap_or(&method).to_owned();
        if !METHODS.contains(&short.as_str()) {
            return Err(Failure::new(format!(
                "Invalid become method specified, could not find matching plugin: '{method}'"
            )));
        }
        let variable = |what: &str| format!("ansible_{short}_{what}");
        let configured = |what: &str| {
            let name = format!("{short}_{what}");
            defaults.own.get(name.as_str()).map(|text| text.expose().clone())
        };
        let pick = |what: &str, common: &str| -> Result<String, Failure> {
            if let Some(text) = self.last(&[&format!("ansible_become_{what}"), &variable(what)])? {
                return Ok(text);
            }
            let keyword = self.text(&format!("become_{what}"))?;
            Ok(keyword.or_else(|| configured(what)).unwrap_or_else(|| common.to_owned()))
        };
        let user = pick("user", &defaults.user)?;
        let password = self.last(&["ansible_become_password", "ansible_become_pass", &variable("pass")])?;
        let password = password.or_else(|| configured("pass")).map(Secret::new);
        let chdir = if short == "sudo" { self.last(&["ansible_sudo_chdir"])? } else { None };
        let prompts = match self.var("ansible_su_prompt_l10n")? {
            Some(Value::List(items)) => items.iter().map(crate::text::of).collect(),
            Some(one) => vec![crate::text::of(&one)],
            None => {
                configured("prompt_l10n").map_or_else(Vec::new, |t| t.split(',').map(|p| p.trim().into()).collect())
            }
        };
        let wait = self.last(&["ansible_local_become_success_timeout"])?;
        Ok(Some(Become {
            user: if user.is_empty() { "root".to_owned() } else { user },
            exe: pick("exe", &defaults.exe)?,
            flags: pick("flags", &defaults.flags)?,
            method: method.strip_prefix("ansible.builtin.").unwrap_or(&method).to_owned(),
            chdir: chdir.or_else(|| configured("chdir")).unwrap_or_default(),
            prompts,
            wait: wait.and_then(|text| text.trim().parse().ok()).filter(|seconds| *seconds > 0),
            password: password.or_else(|| defaults.password.clone()).map(BecomePassword),
        }))
    }
}

/// Names of become plugins, of ansible-core and of the collections of the package `ansible`. A task whose plugin has another
/// name fails, whether or not it would become anybody; which of them can be used is known where a host is reached.
const METHODS: [&str; 15] = [
    "sudo",
    "su",
    "doas",
    "sudosu",
    "runas",
    "enable",
    "dzdo",
    "ksu",
    "machinectl",
    "pbrun",
    "pfexec",
    "pmrun",
    "sesu",
    "run0",
    "podman_unshare",
];

/// Ansible's booleans.
pub fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(b) => Some(*b),
        Value::Int(i) if matches!(i, 0 | 1) => Some(*i == 1),
        Value::Float(f) if *f == 0.0 || *f == 1.0 => Some(*f == 1.0),
        Value::Str(s) => parse_bool(&s.text),
        _ => None,
    }
}

/// Numbers, also as text.
pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(i) => Some(*i as f64),
        Value::Float(f) => Some(*f),
        Value::Bool(b) => Some(f64::from(u8::from(*b))),
        Value::Str(s) => s.text.trim().parse().ok(),
        _ => None,
    }
}
