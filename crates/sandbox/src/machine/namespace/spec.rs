//! What the launching process tells the supervisor, and what the two say to each other while the machine runs.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::machine::{Launch, Metadata, VolumeAttachment};

/// The supervisor's orders, in a file that only root can read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Spec {
    /// The machine.
    pub launch: Launch,
    /// RUN_DIR/INSTANCE
    pub dir: PathBuf,
    /// The fixture package repository with its certificates, where there is one (see `image::fixture`).
    pub fixtures: Option<PathBuf>,
    /// Where the endpoints of this sandbox listen (see `services::api`).
    #[serde(default)]
    pub endpoints: Option<PathBuf>,
}

/// The one line that the supervisor prints when its machine runs or cannot run.
#[derive(Debug, Serialize, Deserialize)]
pub enum Report {
    /// The pid of the machine's init on this host.
    Running(u32),
    /// Why there is no machine.
    Failed(String),
}

/// A line on the control socket.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    /// Make a volume appear.
    Attach(VolumeAttachment),
    /// Take a volume away.
    Detach {
        /// Which.
        volume_id: String,
        /// Also when it is in use.
        force: bool,
    },
    /// Let connections from the host in, or drop them.
    Admit(bool),
    /// Serve this from now on.
    Metadata(Metadata),
}

/// The answer to a [`Request`]: nothing, or why not.
pub type Reply = Result<(), String>;
