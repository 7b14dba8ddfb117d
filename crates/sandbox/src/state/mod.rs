//! What the sandbox knows: regions with their resources, and who is working on what.
//!
//! Invariants: these types are internal, the wire's are not derived from them; a resource is in one map of one region and
//! refers to others by id; what is attached to an instance is said by the volume alone; work that is under way follows
//! from the states (`pending`, `stopping`, …), so that a later process can take it up; changes happen in
//! [`Store::write`] only.

mod iam;
mod ids;
mod image;
mod instance;
mod key_pair;
mod launch_template;
mod network;
mod region;
mod seed;
mod session;
mod store;
mod time;
mod volume;
mod work;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use iam::{InstanceProfile, Role};
pub use ids::{Kind, derived_id, new_hex, new_id};
pub use image::{Image, ImageMapping, ImageSource, ImageState, LaunchPermission, MappedTo, Protection};
pub use instance::{Instance, InstanceState, Interface, MetadataOptions, Placement, StateReason};
pub use key_pair::{KeyPair, KeyType};
pub use launch_template::{LaunchTemplate, TemplateVersion};
pub use network::{Rule, RuleTarget, SecurityGroup, Subnet, Vpc};
pub use region::{Region, Tags, Token};
pub use session::Session;
pub use store::{Store, StoreError};
pub use time::Time;
pub use volume::{
    Attachment, AttachmentState, Content, Layer, Modification, Snapshot, SnapshotState, Volume, VolumeSpec, VolumeState,
};
pub use work::{Claim, Owner, Worker};

/// The account that every call is made as.
pub const ACCOUNT: &str = "111122223333";

/// The layout of the state file; a file with another number is refused.
pub const SCHEMA: u32 = 1;

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// [`SCHEMA`]
    pub schema: u32,
    /// Regions that were used so far.
    pub regions: BTreeMap<String, Region>,
    /// Work under way, by the key of the work.
    #[serde(default)]
    pub claims: BTreeMap<String, Claim>,
    /// IAM's roles, by name.
    #[serde(default)]
    pub roles: BTreeMap<String, Role>,
    /// IAM's instance profiles, by name.
    #[serde(default)]
    pub instance_profiles: BTreeMap<String, InstanceProfile>,
    /// Sessions, by id; those that have ended for an hour.
    #[serde(default)]
    pub sessions: BTreeMap<String, Session>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            schema: SCHEMA,
            regions: BTreeMap::new(),
            claims: BTreeMap::new(),
            roles: BTreeMap::new(),
            instance_profiles: BTreeMap::new(),
            sessions: BTreeMap::new(),
        }
    }
}
