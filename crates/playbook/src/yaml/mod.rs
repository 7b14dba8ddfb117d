//! YAML as Ansible reads it (PyYAML's YAML 1.1 scalars, merge keys, `!unsafe`, `!vault`), with the place of every node.
//!
//! [`load`] gives a tree of [`Node`]s; [`Node::to_value`] turns a part of it into the value that variables hold.

mod loader;
mod node;
mod scalar;

pub use loader::{Options, load, load_with};
pub use node::{Kind, Node};
pub use scalar::resolve as resolve_scalar;
