//! SSH on russh: connecting, authentication, host keys, processes, file transfer, bastions and proxies. Implements
//! [`imgbuild_engine::connect::Connect`] and [`imgbuild_engine::communicator::Communicator`]; nothing else is public.
//!
//! ```text
//! SshConnect ── connect.rs: tries until the deadline ── route.rs: a stream ── live.rs: handshake (hostkey.rs), auth.rs
//!     └─> SshCommunicator ── pool.rs: as many connections as its sessions take
//!             ── process.rs: channels as processes ── transfer/: files ── tunnel.rs: forwarded ports
//! ```
//!
//! Invariants: nothing of ours (user name, key, password) is sent before the host key was found right; no secret is in an
//! error or a log line; only this crate names russh.

mod algorithms;
mod auth;
mod communicator;
mod connect;
mod error;
mod handler;
mod hostkey;
mod known_hosts;
mod live;
mod pool;
mod process;
mod route;
mod stream;
mod transfer;
mod tunnel;

pub use communicator::SshCommunicator;
pub use connect::SshConnect;
