//! The link to the agent: one connection, one resident agent per user, typed module calls.

/// The agents that come with the program, compressed with gzip; an empty slice means that this build of the program lacks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentBinaries {
    /// For `x86_64`.
    pub x86_64: &'static [u8],
    /// For `aarch64`.
    pub aarch64: &'static [u8],
}
