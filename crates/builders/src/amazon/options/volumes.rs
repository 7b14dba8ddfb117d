//! `amazon-ebsvolume`: volumes that the provisioners have filled, and snapshots of them; no image.

use super::block_device::{self, DEVICE_ROWS, Device};
use crate::amazon::types::Grant;
use crate::read::{Diags, LateTags, strings, text};
use imgbuild_template::{Kind, Opt, Reader, Table};

/// Rows that `amazon-ebs` has not, or has otherwise.
pub const VOLUMES: &[Opt] = &[
    Opt::new("ebs_volumes", Kind::Blocks(&VOLUME), "The volumes to make."),
    Opt::new(
        "run_volume_tags",
        Kind::KeyValues { singular: "run_volume_tag" },
        "Tags of the volumes during the build.",
    )
    .later(),
    Opt::new("ena_support", Kind::Trilean, "Set ENA on the instance once it is stopped."),
    Opt::new("sriov_support", Kind::Bool, "Set SR-IOV on the instance once it is stopped.").default("false"),
];

static VOLUME: Table = Table::new(
    "ebs_volumes",
    &[
        DEVICE_ROWS,
        &[
            Opt::new("tags", Kind::KeyValues { singular: "tag" }, "Tags of the volume.").later(),
            Opt::new("snapshot_volume", Kind::Bool, "Make a snapshot of it.").default("false"),
            Opt::new("snapshot_description", Kind::String, "Description of the snapshot; needs \"snapshot_volume\"."),
            Opt::new("snapshot_tags", Kind::KeyValues { singular: "snapshot_tag" }, "Tags of the snapshot.").later(),
            Opt::new("snapshot_users", Kind::Strings, "Accounts that may make volumes from the snapshot."),
            Opt::new("snapshot_groups", Kind::Strings, "Groups that may make volumes from the snapshot."),
        ],
    ],
);

/// A volume to make.
#[derive(Debug, Clone, PartialEq)]
pub struct VolumeOf {
    /// Its name at the launch.
    pub device: String,
    /// It stays; else only its snapshot does.
    pub kept: bool,
    /// Its tags, to be rendered.
    pub tags: LateTags,
    /// A snapshot of it.
    pub snapshot: Option<SnapshotOf>,
}

/// A snapshot of a volume.
#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotOf {
    /// Description; none: one that names the volume.
    pub description: Option<String>,
    /// Tags, to be rendered.
    pub tags: LateTags,
    /// Who may make volumes from it.
    pub grant: Grant,
}

/// Reads and checks: the devices of the launch, and what becomes of those that are volumes.
pub fn read(reader: &Reader, diags: &mut Diags) -> (Vec<Device>, Vec<VolumeOf>) {
    let mut devices = Vec::new();
    let mut volumes = Vec::new();
    for block in reader.blocks("ebs_volumes") {
        let device = block_device::device(&block, diags);
        let wanted = block.is_true("snapshot_volume");
        let description = text(&block, "snapshot_description");
        if !wanted && description.is_some() {
            let message = "\"snapshot_description\" needs \"snapshot_volume\": true";
            diags.error(&block.place("snapshot_description"), message);
        }
        for option in ["snapshot_tags", "snapshot_users", "snapshot_groups"] {
            if !wanted && block.has(option) {
                let message = format!("{option:?} has no effect without \"snapshot_volume\": no snapshot is made");
                diags.warning(&block.place(option), message, "set \"snapshot_volume\" to true, or leave it out");
            }
        }
        super::reserved(&block, &["tags", "snapshot_tags"], diags);
        if device.mapping.ebs.is_some() {
            volumes.push(VolumeOf {
                device: device.mapping.device_name.clone(),
                kept: device.delete != Some(true),
                tags: LateTags::read(&block, "tags"),
                snapshot: wanted.then(|| SnapshotOf {
                    description,
                    tags: LateTags::read(&block, "snapshot_tags"),
                    grant: Grant {
                        users: strings(&block, "snapshot_users"),
                        groups: strings(&block, "snapshot_groups"),
                        ..Grant::default()
                    },
                }),
            });
        }
        devices.push(device);
    }
    (devices, volumes)
}
