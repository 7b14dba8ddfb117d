//! The playbook engine: YAML with spans, inventories, variable precedence, roles, and the executor. It reaches hosts only
//! through [`target::Connector`] and [`target::Target`], and the person only through [`callback::Callback`].
//!
//! ```text
//! Settings::resolve(env, ansible.cfg) -> Inventory::load(&settings) -> Playbook::load(paths, settings, inventory)
//!     -> Loaded: list_tasks / list_tags / list_hosts / syntax_check, or run(loaded, Session) -> Outcome
//! ```

pub mod callback;
mod exec;
pub mod inventory;
pub mod settings;
pub mod target;
pub mod vault;
pub mod yaml;

mod actions;
mod api;
mod collections;
mod controller;
mod encoding;
mod listing;
mod lookup;
mod play;
mod python;
mod text;
mod vars;

pub use api::{Loaded, NoPrompts, Outcome, Playbook, Prompt, Prompter, Session, run};
pub use exec::stats::{HostStats, Stats};
pub use inventory::Inventory;
pub use lookup::{UrlClient, UrlFailure, UrlRequest};
pub use play::split;
pub use settings::Settings;
