//! The link to a host: one communicator, one resident agent per user, typed module calls. Implements the playbook engine's
//! [`Target`] and [`Connector`].
//!
//! ```text
//! link.rs AgentLink (Target) ─ users.rs: who has an agent ─ bootstrap.rs: start an agent in one channel ─ elevate.rs: sudo, su, doas
//!     └─ session.rs: frames of one agent          connector.rs: from a host's variables to a link
//! ```
//!
//! [`Target`]: imgbuild_playbook::target::Target
//! [`Connector`]: imgbuild_playbook::target::Connector

mod binaries;
mod bootstrap;
mod connector;
mod elevate;
mod link;
mod raw;
mod relay;
mod session;
mod users;

pub use binaries::AgentBinaries;
pub use connector::{HostConnector, OneHost};
pub use link::AgentLink;

/// An unpredictable word.
pub(crate) fn token() -> String {
    let mut bytes = [0; 12];
    // The random generator of the operating system can't fail once it is seeded; a time-ordered id is the next best.
    match getrandom::fill(&mut bytes) {
        Ok(()) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        Err(_) => uuid::Uuid::now_v7().simple().to_string(),
    }
}
