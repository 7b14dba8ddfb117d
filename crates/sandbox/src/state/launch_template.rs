//! Launch templates: RunInstances parameters under a name. The data is kept as parameters, so that a launch reads it with
//! the same code as a request.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Time;

/// One version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateVersion {
    /// From 1.
    pub number: u64,
    /// For people.
    pub description: Option<String>,
    /// When.
    pub created: Time,
    /// `LaunchTemplateData.…` without that prefix.
    pub data: BTreeMap<String, String>,
}

/// A launch template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchTemplate {
    /// `lt-…`
    pub id: String,
    /// Unique in a region.
    pub name: String,
    /// When.
    pub created: Time,
    /// What `$Default` means.
    pub default_version: u64,
    /// All versions, oldest first; never empty.
    pub versions: Vec<TemplateVersion>,
}
