//! The agents that the build script made, compressed.

use imgbuild_engine::agent_link::AgentBinaries;

/// For both architectures; empty where the compiler was missing when this program was built.
pub const AGENTS: AgentBinaries = AgentBinaries {
    x86_64: include_bytes!(concat!(env!("OUT_DIR"), "/agent-x86_64.gz")),
    aarch64: include_bytes!(concat!(env!("OUT_DIR"), "/agent-aarch64.gz")),
};
