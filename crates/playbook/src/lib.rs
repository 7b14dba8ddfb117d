//! The playbook engine: YAML with spans, inventories, variable precedence, roles, and the executor. It reaches hosts only
//! through [`target::Connector`] and [`target::Target`], and the person only through [`callback::Callback`].

pub mod target;
