//! A region: its resources by id, their tags, and the client tokens that were used.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Image, Instance, InstanceState, KeyPair, Kind, LaunchTemplate, SecurityGroup, Snapshot, Subnet, Time, Volume, Vpc,
};
use crate::wire::Result;

/// The tags of one resource.
pub type Tags = BTreeMap<String, String>;

/// What an idempotent call with a client token did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Of the parameters.
    pub fingerprint: String,
    /// What was made.
    pub id: String,
    /// When.
    pub time: Time,
}

/// A region.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// `us-east-1`
    pub name: String,
    /// By id.
    pub vpcs: BTreeMap<String, Vpc>,
    /// By id.
    pub subnets: BTreeMap<String, Subnet>,
    /// By id.
    pub security_groups: BTreeMap<String, SecurityGroup>,
    /// By name.
    pub key_pairs: BTreeMap<String, KeyPair>,
    /// By id.
    pub images: BTreeMap<String, Image>,
    /// By id.
    pub snapshots: BTreeMap<String, Snapshot>,
    /// By id.
    pub volumes: BTreeMap<String, Volume>,
    /// By id.
    pub instances: BTreeMap<String, Instance>,
    /// By id.
    pub launch_templates: BTreeMap<String, LaunchTemplate>,
    /// By resource id.
    pub tags: BTreeMap<String, Tags>,
    /// By action and token.
    pub tokens: BTreeMap<String, Token>,
}

macro_rules! lookups {
    ($($get:ident, $get_mut:ident, $map:ident, $kind:ident, $what:ty;)*) => {$(
        /// The resource of this id, or the error for a malformed or unknown one.
        pub fn $get(&self, id: &str) -> Result<&$what> {
            Kind::$kind.check(id)?;
            self.$map.get(id).ok_or_else(|| Kind::$kind.not_found(id))
        }

        /// The same, to change it.
        pub fn $get_mut(&mut self, id: &str) -> Result<&mut $what> {
            Kind::$kind.check(id)?;
            self.$map.get_mut(id).ok_or_else(|| Kind::$kind.not_found(id))
        }
    )*};
}

impl Region {
    lookups! {
        image, image_mut, images, Image, Image;
        instance, instance_mut, instances, Instance, Instance;
        volume, volume_mut, volumes, Volume, Volume;
        security_group, security_group_mut, security_groups, SecurityGroup, SecurityGroup;
        subnet, subnet_mut, subnets, Subnet, Subnet;
        vpc, vpc_mut, vpcs, Vpc, Vpc;
        launch_template, launch_template_mut, launch_templates, LaunchTemplate, LaunchTemplate;
    }

    /// The snapshot of this id; deleted ones that are still being taken don't count.
    pub fn snapshot(&self, id: &str) -> Result<&Snapshot> {
        Kind::Snapshot.check(id)?;
        self.snapshots.get(id).filter(|s| !s.deleted).ok_or_else(|| Kind::Snapshot.not_found(id))
    }

    /// The same, to change it.
    pub fn snapshot_mut(&mut self, id: &str) -> Result<&mut Snapshot> {
        Kind::Snapshot.check(id)?;
        self.snapshots.get_mut(id).filter(|s| !s.deleted).ok_or_else(|| Kind::Snapshot.not_found(id))
    }

    /// The volumes of an instance in the order of their devices.
    pub fn volumes_of<'a>(&'a self, instance_id: &'a str) -> impl Iterator<Item = &'a Volume> {
        let mut volumes: Vec<&Volume> = self.volumes.values().filter(|v| v.is_of(instance_id)).collect();
        volumes.sort_by_key(|v| v.attachment.as_ref().map(|a| a.device.clone()));
        volumes.into_iter()
    }

    /// An instance's root volume.
    pub fn root_volume(&self, instance: &Instance) -> Option<&Volume> {
        self.volumes.values().find(|v| {
            v.attachment.as_ref().is_some_and(|a| a.instance_id == instance.id && a.device == instance.root_device_name)
        })
    }

    /// Removes terminated instances that an hour has passed over, and used tokens after a day.
    pub fn forget(&mut self, now: Time) {
        let gone = |i: &Instance| {
            i.state == InstanceState::Terminated && i.terminated.is_some_and(|t| t.plus_seconds(3600) < now)
        };
        let tags = &mut self.tags;
        self.instances.retain(|id, i| {
            let keep = !gone(i);
            if !keep {
                tags.remove(id);
            }
            keep
        });
        self.tokens.retain(|_, t| t.time.plus_seconds(24 * 3600) >= now);
    }

    /// The default VPC.
    pub fn default_vpc(&self) -> Option<&Vpc> {
        self.vpcs.values().find(|v| v.default)
    }
}
