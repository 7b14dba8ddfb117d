//! Runs plays.

pub mod stats;
