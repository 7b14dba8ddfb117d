//! From a host's connection variables to a link.

use super::{AgentBinaries, AgentLink};
use crate::communicator::Communicator;
use crate::connect::Connect;
use crate::local::LocalCommunicator;
use crate::openssh::{self, LocalUser};
use async_trait::async_trait;
use imgbuild_playbook::target::{Connection, Connector, Target, Unreachable};
use std::sync::Arc;
use std::time::Duration;

/// Connects to the hosts of an inventory (`imgbuild playbook`).
pub struct HostConnector {
    connect: Arc<dyn Connect>,
    agents: AgentBinaries,
    user: LocalUser,
}

impl HostConnector {
    /// Over `connect`, as this local user.
    pub fn new(connect: Arc<dyn Connect>, agents: AgentBinaries, user: LocalUser) -> Self {
        HostConnector { connect, agents, user }
    }
}

fn unreachable(connection: &Connection, why: impl std::fmt::Display) -> Unreachable {
    Unreachable { message: format!("{}: {why}", connection.name) }
}

fn local(connection: &Connection, agents: AgentBinaries, home: &std::path::Path) -> Arc<dyn Target> {
    let comm = LocalCommunicator::new(home);
    let comm = Arc::new(match &connection.local_dir {
        Some(dir) => comm.in_dir(dir),
        None => comm,
    });
    Arc::new(AgentLink::owning(comm, &connection.name, agents, Duration::ZERO))
}

#[async_trait]
impl Connector for HostConnector {
    async fn connect(&self, connection: &Connection) -> Result<Arc<dyn Target>, Unreachable> {
        match connection.plugin.strip_prefix("ansible.builtin.").unwrap_or(&connection.plugin) {
            "ssh" | "smart" | "paramiko_ssh" | "paramiko" | "" => {
                // A `Match exec` may take its time.
                let (wanted, user) = (connection.clone(), self.user.clone());
                let resolved = tokio::task::spawn_blocking(move || openssh::resolve(&wanted, &user)).await;
                let resolved = resolved.unwrap_or_else(|e| Err(e.to_string()));
                let spec = resolved.map_err(|why| unreachable(connection, why))?;
                // Ansible's words, as scripts look for them.
                let failed = |e| unreachable(connection, format!("Failed to connect to the host via ssh: {e}"));
                let comm = self.connect.connect(&spec).await.map_err(failed)?;
                let within = Duration::from_secs(connection.timeout.max(1));
                Ok(Arc::new(AgentLink::owning(comm, &connection.name, self.agents, within)))
            }
            "local" => Ok(local(connection, self.agents, &self.user.home)),
            other => Err(unreachable(
                connection,
                format!("the connection plugin {other:?} is not supported; ssh and local are"),
            )),
        }
    }
}

/// Connects what is a build's machine over its communicator, `local` to this machine, and all else to `others` (hosts of
/// the user's own inventory).
pub struct OneHost {
    /// Whether a connection means the build's machine. Asked first.
    pub is_machine: Box<dyn Fn(&Connection) -> bool + Send + Sync>,
    /// The build's communicator.
    pub communicator: Arc<dyn Communicator>,
    /// Agents.
    pub agents: AgentBinaries,
    /// Home directory on this machine.
    pub home: std::path::PathBuf,
    /// For other hosts.
    pub others: Option<Arc<dyn Connector>>,
}

#[async_trait]
impl Connector for OneHost {
    async fn connect(&self, connection: &Connection) -> Result<Arc<dyn Target>, Unreachable> {
        if (self.is_machine)(connection) {
            return Ok(Arc::new(AgentLink::borrowed(Arc::clone(&self.communicator), &connection.name, self.agents)));
        }
        if connection.plugin.strip_prefix("ansible.builtin.").unwrap_or(&connection.plugin) == "local" {
            return Ok(local(connection, self.agents, &self.home));
        }
        match &self.others {
            Some(others) => others.connect(connection).await,
            None => Err(unreachable(connection, "a build reaches its own machine and localhost only")),
        }
    }
}
