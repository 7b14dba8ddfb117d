//! Plays, blocks, tasks, handlers and roles as they are written, with static imports in their place.

pub mod action_groups;
mod checks;
pub mod fields;
mod find_role;
mod include_args;
pub mod keywords;
mod literal_args;
pub mod loader;
pub mod model;
pub mod modules;
pub mod paths;
mod plays;
pub mod redirects;
pub mod role;
mod roles;
pub mod scope;
pub mod split;
mod task_args;
pub mod tasks;
pub mod unread;

pub use plays::{load_playbook, load_text, vars_file_missing};
