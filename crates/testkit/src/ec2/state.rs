//! What the fake cloud holds.

use super::OWNER;
use imgbuild_builders::amazon::ec2::{Ec2Error, Ec2Result, ErrorKind};
use imgbuild_builders::amazon::iam::Named;
use imgbuild_builders::amazon::ids::{InstanceId, Region, SecurityGroupId};
use imgbuild_builders::amazon::ssm::ActiveSession;
use imgbuild_builders::amazon::types::*;

/// Things, each with its region.
#[derive(Default)]
pub struct State {
    pub next: u64,
    pub images: Vec<(Region, Image)>,
    pub instances: Vec<(Region, Instance)>,
    pub groups_of: Vec<(String, SecurityGroupId)>,
    pub volumes: Vec<(Region, Volume)>,
    pub snapshots: Vec<(Region, Snapshot)>,
    pub groups: Vec<(Region, SecurityGroup)>,
    pub keys: Vec<(Region, KeyPair)>,
    pub launches: Vec<Launch>,
    pub copies: Vec<ImageCopy>,
    pub templates: Vec<(Region, String, NewLaunchTemplate)>,
    pub roles: Vec<Named>,
    pub profiles: Vec<Named>,
    /// Open sessions, each with its instance.
    pub sessions: Vec<(InstanceId, ActiveSession)>,
    /// Types that EC2 has no capacity for.
    pub no_capacity: Vec<String>,
}

/// A refusal.
pub fn refuse<T>(operation: &'static str, code: &str) -> Ec2Result<T> {
    let kind = if code.ends_with(".NotFound") { ErrorKind::NotFound } else { ErrorKind::Certain };
    Err(Ec2Error { operation, code: code.into(), message: "refused by the fake".into(), request_id: None, kind })
}

impl State {
    /// A new id of a kind.
    pub fn id(&mut self, prefix: &str) -> String {
        self.next += 1;
        format!("{prefix}-{:08x}", self.next)
    }

    pub fn left(&self) -> Vec<String> {
        let mut left: Vec<String> = Vec::new();
        left.extend(self.images.iter().filter(|(_, i)| i.owner_id == OWNER).map(|(_, i)| format!("image {}", i.id)));
        let alive = self.instances.iter().filter(|(_, i)| i.state != InstanceState::Terminated);
        left.extend(alive.map(|(_, i)| format!("instance {}", i.id)));
        left.extend(self.volumes.iter().map(|(_, v)| format!("volume {}", v.id)));
        left.extend(self.snapshots.iter().map(|(_, s)| format!("snapshot {}", s.id)));
        left.extend(self.groups.iter().map(|(_, g)| format!("security-group {}", g.id)));
        left.extend(self.keys.iter().map(|(_, k)| format!("key-pair {}", k.name)));
        left.extend(self.templates.iter().map(|(_, id, _)| format!("launch-template {id}")));
        left.extend(self.roles.iter().map(|r| format!("iam-role {}", r.name)));
        left.extend(self.profiles.iter().map(|p| format!("instance-profile {}", p.name)));
        left.extend(self.sessions.iter().map(|(_, s)| format!("session {}", s.id)));
        left.sort();
        left
    }

    /// The tags of a thing, to be changed.
    pub fn tags_mut(&mut self, id: &str) -> Option<&mut Tags> {
        let images = self.images.iter_mut().map(|(_, i)| (i.id.as_str(), &mut i.tags));
        let instances = self.instances.iter_mut().map(|(_, i)| (i.id.as_str(), &mut i.tags));
        let volumes = self.volumes.iter_mut().map(|(_, v)| (v.id.as_str(), &mut v.tags));
        let snapshots = self.snapshots.iter_mut().map(|(_, s)| (s.id.as_str(), &mut s.tags));
        let mut all = images.chain(instances).chain(volumes).chain(snapshots);
        all.find(|(known, _)| *known == id).map(|(_, tags)| tags)
    }

    pub fn tags_of(&mut self, id: &str) -> Tags {
        self.tags_mut(id).cloned().unwrap_or_default()
    }
}

/// Whether a thing's tags and fields pass the filters. A field that the fake does not know matches nothing.
pub fn passes(filters: &[Filter], tags: &Tags, field: impl Fn(&str) -> Option<String>) -> bool {
    filters.iter().all(|filter| {
        if filter.name == "tag-key" {
            return filter.values.iter().any(|key| tags.contains_key(key));
        }
        let value = match filter.name.strip_prefix("tag:") {
            Some(key) => tags.get(key).cloned(),
            None => field(&filter.name),
        };
        value.is_some_and(|value| filter.values.iter().any(|wanted| wildcard(wanted, &value)))
    })
}

fn wildcard(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|tail| {
            (0..=tail.len()).filter(|i| tail.is_char_boundary(*i)).any(|i| wildcard(rest, &tail[i..]))
        }),
    }
}
