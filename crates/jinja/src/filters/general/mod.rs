//! Filters of `community.general`, and those of `ansible.utils` that are not about networks.

mod csv;
mod diff;
mod keys;
mod lists;
mod query;
mod text;
mod units;

use super::Table;

/// `community.general`.
pub(super) const GENERAL: &[Table] =
    &[csv::TABLE, keys::GENERAL, lists::TABLE, query::TABLE, text::TABLE, units::TABLE];
/// `ansible.utils`.
pub(super) const UTILS: &[Table] = &[diff::TABLE, keys::UTILS];
