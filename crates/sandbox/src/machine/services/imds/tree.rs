//! The documents of the metadata service: leaves by path, and the listings that follow from them.

use std::collections::{BTreeMap, BTreeSet};

use crate::machine::namespace::network::Links;
use crate::machine::{Launch, Metadata};

/// The versions that clients ask for; all show the same tree here.
const VERSIONS: [&str; 33] = [
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
    "2011-01-01",
    "2011-05-01",
    "2012-01-12",
    "2014-02-25",
    "2014-11-05",
    "2015-10-20",
    "2016-04-19",
    "2016-06-30",
    "2016-09-02",
    "2018-03-28",
    "2018-08-17",
    "2018-09-24",
    "2019-10-01",
    "2020-08-24",
    "2020-10-27",
    "2021-01-03",
    "2021-03-23",
    "2021-07-15",
    "2022-07-09",
    "2022-09-24",
    "2023-02-15",
    "2023-05-10",
    "2024-04-11",
    "latest",
];

/// What a path shows.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// 404
    Nothing,
    /// Names below, one a line; directories end in a slash.
    Listing(String),
    /// A document.
    Leaf(Vec<u8>),
}

/// Everything that the service serves, and how.
#[derive(Debug)]
pub struct Tree {
    /// Paths without version and leading slash.
    leaves: BTreeMap<String, Vec<u8>>,
    key_name: Option<String>,
    enabled: bool,
    tokens_required: bool,
    hop_limit: u8,
}

impl Tree {
    /// The control side's leaves, completed by what the machine knows of itself where it says nothing.
    pub fn new(launch: &Launch, links: Links, metadata: &Metadata) -> Self {
        let address = links.machine.to_string();
        let mac = links.hardware_address();
        let domain = if launch.region == "us-east-1" {
            "ec2.internal".to_owned()
        } else {
            format!("{}.compute.internal", launch.region)
        };
        let host = format!("{}.{domain}", launch.hostname);
        let own = [
            ("meta-data/ami-id", launch.image_id.clone()),
            ("meta-data/ami-launch-index", "0".to_owned()),
            ("meta-data/hostname", host.clone()),
            ("meta-data/instance-action", "none".to_owned()),
            ("meta-data/instance-id", launch.instance_id.clone()),
            ("meta-data/instance-type", launch.instance_type.clone()),
            ("meta-data/local-hostname", host),
            ("meta-data/local-ipv4", address.clone()),
            ("meta-data/mac", mac.clone()),
            ("meta-data/placement/availability-zone", launch.availability_zone.clone()),
            ("meta-data/placement/region", launch.region.clone()),
            ("meta-data/services/domain", "amazonaws.com".to_owned()),
            ("meta-data/services/partition", "aws".to_owned()),
        ];
        let mut leaves: BTreeMap<String, Vec<u8>> =
            own.into_iter().map(|(path, value)| (path.to_owned(), value.into_bytes())).collect();
        for (name, value) in [("device-number", "0"), ("mac", &mac), ("local-ipv4s", &address)] {
            leaves.insert(format!("meta-data/network/interfaces/macs/{mac}/{name}"), value.as_bytes().to_vec());
        }
        if let Some((_, key)) = &metadata.public_key {
            leaves
                .insert("meta-data/public-keys/0/openssh-key".to_owned(), format!("{}\n", key.trim_end()).into_bytes());
        }
        // Whoever made the leaves may not know the hardware address; only the machine's own is right.
        let foreign = metadata.leaves.iter().find(|(path, _)| path == "meta-data/mac").map(|(_, mac)| mac.clone());
        for (path, value) in &metadata.leaves {
            let path = path.trim_matches('/');
            let (path, value) = match &foreign {
                Some(foreign) if !foreign.is_empty() => {
                    (path.replace(foreign.as_str(), &mac), value.replace(foreign.as_str(), &mac))
                }
                _ => (path.to_owned(), value.clone()),
            };
            leaves.insert(path, value.into_bytes());
        }
        if let Some(user_data) = &metadata.user_data {
            leaves.insert("user-data".to_owned(), user_data.clone());
        }
        Self {
            leaves,
            key_name: metadata.public_key.as_ref().map(|(name, _)| name.clone()),
            enabled: metadata.enabled,
            tokens_required: metadata.tokens_required,
            hop_limit: metadata.hop_limit,
        }
    }

    /// Serves another tree from now on.
    pub fn replace(&mut self, tree: Self) {
        *self = tree;
    }

    /// Whether the service answers at all.
    pub fn enabled(&self) -> bool {
        self.enabled
    }

    /// Whether requests without a token are refused.
    pub fn tokens_required(&self) -> bool {
        self.tokens_required
    }

    /// How far a reply with a token may travel.
    pub fn hop_limit(&self) -> u8 {
        self.hop_limit
    }

    /// What a request's path shows.
    pub fn get(&self, path: &str) -> Found {
        if path.trim_matches('/').is_empty() {
            return Found::Listing(VERSIONS.join("\n"));
        }
        let Some(path) = unversioned(path) else { return Found::Nothing };
        if let Some(bytes) = self.leaves.get(path) {
            return Found::Leaf(bytes.clone());
        }
        let below = if path.is_empty() { String::new() } else { format!("{path}/") };
        let mut names: BTreeSet<String> = BTreeSet::new();
        for leaf in self.leaves.keys().filter_map(|leaf| leaf.strip_prefix(&below)) {
            match leaf.split_once('/') {
                Some((name, _)) => names.insert(format!("{name}/")),
                None => names.insert(leaf.to_owned()),
            };
        }
        if names.is_empty() {
            return Found::Nothing;
        }
        // The key pairs' listing has a form of its own: number and name.
        if let (true, Some(name)) = (path == "meta-data/public-keys", &self.key_name) {
            return Found::Listing(format!("0={name}"));
        }
        Found::Listing(names.into_iter().collect::<Vec<_>>().join("\n"))
    }
}

/// The path below the version, without outer slashes; `None` when it has no known version.
pub fn unversioned(path: &str) -> Option<&str> {
    let path = path.trim_matches('/');
    let (version, rest) = path.split_once('/').unwrap_or((path, ""));
    VERSIONS.contains(&version).then_some(rest.trim_start_matches('/'))
}
