//! Plays, blocks, tasks, handlers and roles as they are written.

pub mod split;
