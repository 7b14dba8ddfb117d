//! The messages.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// From the controller to the agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Run a module. Calls of one chain run one after the other; chains run side by side. The body is unused.
    Call(Call),
    /// A piece (the body) of a file's content that a later call names as its `blob`. Pieces of a blob come in order, before
    /// the call that uses it. The agent keeps it in a private temporary file and removes it after that call.
    Blob {
        /// Chosen by the controller, unique in a connection.
        blob: u64,
    },
    /// Bytes (the body) for the standard input of a running call; an empty body closes it.
    Input {
        /// The call.
        id: u64,
    },
    /// Don't start the calls of this chain that have not begun; each answers `Done` with `"cancelled": true`. Sent by the
    /// controller when a result means that the queued rest must not run. Calls that come after it run again, also on a chain
    /// that stopped by itself (see [`Call::stop_chain_on_failure`]).
    CancelChain {
        /// The chain.
        chain: u64,
    },
    /// End this running call (its processes are killed); it answers `Done` with `"failed": true, "timedout"` or as cancelled.
    Kill {
        /// The call.
        id: u64,
    },
    /// Finish, remove all traces, exit.
    Bye,
}

/// One module call.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Call {
    /// Chosen by the controller, unique in a connection.
    pub id: u64,
    /// Calls with the same chain run in order.
    pub chain: u64,
    /// Short module name (`copy`, not `ansible.builtin.copy`).
    pub module: String,
    /// Arguments, already templated, canonical option names, checked against [`crate::spec`].
    pub args: Map<String, Value>,
    /// Check mode: report what would change, change nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub check: bool,
    /// Report differences (`diff` in the result).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub diff: bool,
    /// Skip the queued rest of the chain when this call's result is `failed`. The chain then stays stopped (every further call
    /// on it answers `cancelled`), because calls sent before the controller saw the failure may still be on their way; it
    /// goes on after a [`Request::CancelChain`], which the controller sends when it has seen the result. A chain that is used
    /// for one batch of calls only needs none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stop_chain_on_failure: bool,
    /// Stream the standard output and error of commands that the module runs as `Output` frames.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stream: bool,
    /// Content for modules that write files (`copy`, `template`, `unarchive`, `script`): see [`Request::Blob`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blob: Option<u64>,
    /// Environment variables for this call.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// Seconds after which the call is ended and answers `failed` with Ansible's time-out message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
}

/// The first frame that an agent sends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// The agent's own version; must equal the controller's.
    pub version: String,
    /// Process id on the host.
    pub pid: u32,
    /// Effective user id.
    pub uid: u32,
    /// The machine's architecture, as `uname -m`.
    pub machine: String,
}

/// Which of a command's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// From the agent to the controller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The agent is up.
    Hello(Hello),
    /// Output (the body) of a command that a call runs, as it comes.
    Output {
        /// The call.
        id: u64,
        /// Which output.
        stream: Stream,
    },
    /// A piece (the body) of a file that a call reads (`fetch`); pieces come in order, before `Done`.
    Chunk {
        /// The call.
        id: u64,
    },
    /// The call is over. The object is the module's result as Ansible documents it (`changed`, `failed`, `msg`, `diff`, …).
    Done {
        /// The call.
        id: u64,
        /// The result.
        result: Map<String, Value>,
    },
}
