//! Variables of a host at a task.

pub mod merge;
