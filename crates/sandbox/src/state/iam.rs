//! Roles and instance profiles of the account.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::Tags;

/// A role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Name; unique in the account.
    pub name: String,
    /// `/` or `/team/`.
    pub path: String,
    /// `AROA…`
    pub id: String,
    /// Who may assume it, JSON.
    pub trust: String,
    /// RFC 3339.
    pub created: String,
    /// Inline policies by name, JSON.
    pub policies: BTreeMap<String, String>,
    /// Tags.
    pub tags: Tags,
}

/// An instance profile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceProfile {
    /// Name; unique in the account.
    pub name: String,
    /// `/` or `/team/`.
    pub path: String,
    /// `AIPA…`
    pub id: String,
    /// RFC 3339.
    pub created: String,
    /// At most one role.
    pub roles: Vec<String>,
    /// Tags.
    pub tags: Tags,
}
