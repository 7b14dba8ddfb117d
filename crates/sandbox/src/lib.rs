//! An EC2-compatible endpoint with real machines on this host: what `--sandbox` starts inside the process, and what
//! `imgbuild sandbox up` serves for any EC2 client.
//!
//! ```text
//! http ─▶ actions (pure functions on the state) ─▶ state (one file, under a lock)
//!                                                    │ what is pending, stopping, … is work
//!                                       worker ◀─────┘
//!                                      ╱      ╲
//!                             machine (runs)   disks (trees, sparse files)
//! ```
//! Written from the EC2 API reference. It shares no type with the client side, so that a shared mistake cannot pass on
//! both. It is for one machine and one user; nothing of it listens on anything but loopback.

mod actions;
mod caller;
mod calls;
mod core;
mod disks;
mod endpoint_socket;
mod faults;
mod http;
pub mod image;
mod json;
mod keys;
mod latency;
pub mod machine;
mod peer;
mod sandbox;
mod ssm;
pub mod state;
mod types;
mod wire;
mod worker;

pub use calls::CallRecord;
pub use faults::{Fault, FaultKind};
pub use latency::Latencies;
pub use sandbox::{ENDPOINTS, Endpoint, Options, Sandbox, SandboxError};
pub use ssm::Channel;
pub use wire::ApiError;
