//! `ansible`: a playbook over the build's own connection. Source of the behaviour: packer-plugin-ansible. Unlike there no
//! second SSH connection, proxy, key or ansible-playbook is involved: the playbook engine runs here and reaches the machine
//! over the build's communicator and its agent.

use super::ansible_common;
use super::ansible_options::{Settings, TABLE};
use super::ansible_words::{self, Command};
use super::block::Block;
use super::{ProvisionError, Provisioner, Session};
use crate::agent_link::{HostConnector, OneHost};
use crate::openssh::LocalUser;
use async_trait::async_trait;
use imgbuild_diag::Diagnostics;
use imgbuild_playbook::target::{Connection, Connector};
use imgbuild_template::{Body, Context};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

/// A prepared `ansible`.
pub(crate) struct Ansible {
    block: Block,
}

impl Ansible {
    /// Reads and checks the options.
    pub(crate) fn prepare(body: &Body, context: &Context, promised: &[&str], diags: &mut Diagnostics) -> Self {
        let (block, reader) = Block::prepare(body, &TABLE, context, promised, diags);
        let settings = Settings::read(&block, &reader, diags);
        ansible_common::check_words(&settings.extra_arguments, &reader, diags);
        Ansible { block }
    }
}

#[async_trait]
impl Provisioner for Ansible {
    fn ends_in_order(&self) -> bool {
        true
    }

    async fn provision(&self, session: &Session) -> Result<(), ProvisionError> {
        let settings = ansible_common::settings(&self.block, session, Settings::read)?;
        let ambient = self.block.context().ambient();
        // Packer's defaults for what Ansible itself connects to; the machine's own key is checked by the build.
        let defaults = [("ANSIBLE_HOST_KEY_CHECKING", "False")];
        let (env, home) =
            ansible_common::surroundings(&self.block, &defaults, &settings.env, &settings.galaxy, session)?;
        let inventory = Inventory::make(&self.block, &settings, session)?;
        let mut words = build_variables(session, self.block.build_name(&session.build_name));
        words.extend(settings.extra_arguments.iter().map(|word| word.value.clone()));
        words.extend(["-i".to_owned(), inventory.path().display().to_string()]);
        session.reporter.say(format!("Executing Ansible: {}", settings.playbook.display()));
        let ssh_args = settings.ssh_extra_args.join(" ");
        let command = Command {
            env,
            cwd: &ambient.cwd,
            home: &home,
            words,
            playbook: settings.playbook.clone(),
            roles_path: settings.galaxy.roles_path.clone().into_iter().collect(),
            collections_path: settings.galaxy.collections_path.clone().into_iter().collect(),
            vars_dirs: Vec::new(),
            adjust: &|playbook| {
                if !ssh_args.is_empty() && playbook.connection.ssh_extra_args.is_empty() {
                    playbook.connection.ssh_extra_args.clone_from(&ssh_args);
                }
            },
        };
        let result = ansible_words::run(command, self.connector(&settings, session)?, session).await;
        inventory.finish(settings.keep_inventory);
        result
    }
}

/// The variables that Packer gives to every playbook.
pub(crate) fn build_variables(session: &Session, name: &str) -> Vec<String> {
    // As JSON, which no name of a build can break out of.
    let mut vars = serde_json::Map::new();
    vars.insert("packer_build_name".into(), name.into());
    vars.insert("packer_builder_type".into(), session.builder_type.as_str().into());
    if let Some(http) = session.data.get("PackerHTTPAddr").filter(|http| !http.is_empty()) {
        vars.insert("packer_http_addr".into(), http.as_str().into());
    }
    vec!["-e".into(), serde_json::Value::Object(vars).to_string()]
}

impl Ansible {
    fn connector(&self, settings: &Settings, session: &Session) -> Result<Arc<dyn Connector>, ProvisionError> {
        let ambient = self.block.context().ambient();
        let name = ambient.env.get("USER").or(ambient.env.get("LOGNAME")).cloned().unwrap_or_else(|| "root".into());
        let user = LocalUser {
            home: self.block.home(),
            name,
            agent_socket: ambient.env.get("SSH_AUTH_SOCK").map(PathBuf::from),
            shell: ambient.env.get("SHELL").filter(|shell| !shell.is_empty()).map_or("/bin/sh".into(), PathBuf::from),
        };
        let others = session
            .connect
            .clone()
            .map(|connect| Arc::new(HostConnector::new(connect, session.agents, user)) as Arc<dyn Connector>);
        let (alias, port) = (settings.host_alias.clone(), settings.local_port);
        let host = session.data.get("Host").filter(|host| !host.is_empty()).cloned();
        let own_inventory = settings.inventory_file.is_some();
        let is_machine = move |connection: &Connection| {
            let loopback = ["127.0.0.1", "localhost", "::1"].contains(&connection.host.as_str());
            connection.name == alias
                || (own_inventory && host.as_ref() == Some(&connection.host))
                || (own_inventory && loopback && port.is_some() && connection.port == port)
        };
        Ok(Arc::new(OneHost {
            is_machine: Box::new(is_machine),
            communicator: session.communicator()?,
            agents: session.agents,
            home: self.block.home(),
            others,
        }))
    }
}

/// The inventory of a run.
enum Inventory {
    /// The user's.
    Own(PathBuf),
    /// Written for this run.
    Written(tempfile::TempPath),
}

impl Inventory {
    fn make(block: &Block, settings: &Settings, session: &Session) -> Result<Self, ProvisionError> {
        if let Some(own) = &settings.inventory_file {
            return Ok(Inventory::Own(own.clone()));
        }
        let data = |name: &str| session.data.get(name).map_or("", String::as_str);
        let user = settings.user.as_deref().unwrap_or(&session.username);
        let (host, port) = (data("Host"), data("Port"));
        let line = match &settings.inventory_template {
            Some(template) => {
                let fields =
                    [("HostAlias", settings.host_alias.as_str()), ("Host", host), ("User", user), ("Port", port)];
                block.render(template, &session.data, &fields)?
            }
            None => host_line(&settings.host_alias, host, user, port),
        };
        let text = inventory_text(&line, &settings.groups, &settings.empty_groups);
        let mut builder = tempfile::Builder::new();
        builder.prefix("packer-provisioner-ansible").suffix(".ini");
        let written = match &settings.inventory_directory {
            Some(dir) => builder.tempfile_in(dir),
            None => builder.tempfile(),
        };
        let failed = |e: std::io::Error| format!("Error preparing inventory file: {e}");
        let mut file = written.map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        Ok(Inventory::Written(file.into_temp_path()))
    }

    fn path(&self) -> &std::path::Path {
        match self {
            Inventory::Own(path) => path,
            Inventory::Written(path) => path,
        }
    }

    fn finish(self, keep: bool) {
        if let Inventory::Written(path) = self
            && keep
            && let Err(e) = path.keep()
        {
            tracing::warn!("the inventory can't be kept: {e}");
        }
    }
}

/// The machine's line. What is not known (a machine without an address) is left out.
fn host_line(alias: &str, host: &str, user: &str, port: &str) -> String {
    let mut line = alias.to_owned();
    for (name, value) in [("ansible_host", host), ("ansible_user", user), ("ansible_port", port)] {
        if !value.is_empty() {
            line.push_str(&format!(" {name}={value}"));
        }
    }
    line.push('\n');
    line
}

fn inventory_text(line: &str, groups: &[String], empty_groups: &[String]) -> String {
    let line = if line.ends_with('\n') { line.to_owned() } else { format!("{line}\n") };
    let mut text = line.clone();
    for group in groups {
        text.push_str(&format!("[{group}]\n{line}"));
    }
    for group in empty_groups {
        text.push_str(&format!("[{group}]\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inventories() {
        let line = host_line("default", "10.0.0.1", "ubuntu", "22");
        assert_eq!(line, "default ansible_host=10.0.0.1 ansible_user=ubuntu ansible_port=22\n");
        assert_eq!(inventory_text("a", &["g".into()], &["e".into()]), "a\n[g]\na\n[e]\n");
        assert_eq!(host_line("x", "", "root", ""), "x ansible_user=root\n");
    }
}
