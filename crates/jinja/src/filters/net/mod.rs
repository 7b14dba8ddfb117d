//! `ansible.utils`' network filters: `ipaddr` and its kin.

pub(crate) mod address;
mod mac;
mod query;
mod subnet;

use super::Table;

pub(super) const TABLES: &[Table] = &[query::TABLE, subnet::TABLE, mac::TABLE];
