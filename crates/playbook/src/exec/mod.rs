//! Runs plays: hosts through tasks, results into variables and counts.
//!
//! [`run`] is the loop over playbooks and plays; [`flow`] the way through blocks; [`step`] one task on all hosts;
//! [`host_task`] one task on one host; [`item`] one item of its loop; [`settle`] what a result changes.

pub mod connection;
pub mod debugger;
mod delegate;
pub mod engine;
mod fact_cache;
pub mod flow;
mod handlers;
pub mod host_task;
pub mod include;
pub mod item;
mod meta;
pub mod play;
mod reached;
mod reserved;
pub mod result;
pub mod run;
mod select;
pub mod settle;
pub mod stats;
pub mod step;
pub mod tags;
mod title;

pub use fact_cache::FactCache;
pub use host_task::python_type;

/// Strategies by short name.
pub const STRATEGIES: &[&str] = &["linear", "free", "host_pinned", "debug"];
