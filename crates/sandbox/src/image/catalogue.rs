//! The base images of this host: which there are, and how each tree is made.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use super::bootstrap::Bootstrap;
use super::cache::once;
use super::error::ImageError;
use super::mirrors::Mirrors;
use super::{BaseImage, Catalogue, Progress, fixture, trusty, ubuntu};
use crate::machine::MachineError;

const DEBIAN: &str = "debian-12-amd64-20251006-2257";
const TRUSTY: &str = "ubuntu/images/hvm-ssd/ubuntu-trusty-14.04-amd64-server-20170727";
const NOBLE: &str = "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-20251001";
const AMAZON: &str = "al2023-ami-2023.9.20251014.0-kernel-6.1-x86_64";

/// Beyond the required packages: what Debian's own EC2 images have and a builder's work needs.
const DEBIAN_PACKAGES: &[&str] = &[
    "amazon-ec2-utils",
    "openssh-server",
    "sudo",
    "cloud-init",
    "locales",
    "e2fsprogs",
    "iproute2",
    "ca-certificates",
    "gnupg",
    "kmod",
    "procps",
    "insserv",
    "curl",
    "netbase",
    "iputils-ping",
    "less",
    "vim-tiny",
    "logrotate",
    "cron",
    "dbus",
    "fdisk",
    "file",
    "iptables",
    "xz-utils",
    "unzip",
];

/// The trees of a cache directory.
pub struct HostCatalogue {
    cache: PathBuf,
    mirrors: Mirrors,
    progress: Arc<Progress>,
    images: Vec<BaseImage>,
}

impl HostCatalogue {
    /// `cache` keeps the trees (hundreds of MB each); `progress` is told what is being done.
    pub fn new(cache: impl Into<PathBuf>, mirrors: Mirrors, progress: Arc<Progress>) -> Self {
        Self { cache: cache.into(), mirrors, progress, images: images(std::env::consts::ARCH) }
    }

    fn debian(&self) -> Bootstrap {
        let Mirrors { debian, debian_security, .. } = &self.mirrors;
        Bootstrap {
            suite: "bookworm",
            sources: vec![
                format!("deb {debian} bookworm main"),
                format!("deb {debian} bookworm-updates main"),
                format!("deb {debian_security} bookworm-security main"),
            ],
            packages: DEBIAN_PACKAGES,
            keyring: None,
            cloud_config: include_str!("files/cloud-debian.cfg"),
        }
    }

    fn make(&self, name: &str) -> Result<PathBuf, ImageError> {
        let progress: &Progress = &*self.progress;
        let known = self.images.iter().find(|image| image.name == name);
        if let Some(why) = known.and_then(|image| image.unavailable.clone()) {
            return Err(ImageError::Unavailable(why));
        }
        match name {
            DEBIAN => make_bootstrap(&self.cache.join("images"), "debian-12", &self.debian(), progress),
            NOBLE => {
                let bootstrap = ubuntu::noble(&self.cache, &self.mirrors.ubuntu)?;
                make_bootstrap(&self.cache.join("images"), "ubuntu-24.04", &bootstrap, progress)
            }
            TRUSTY => {
                let debian = self.make(DEBIAN)?;
                let fixture = fixture::prepare(&self.cache, progress)?;
                let name = format!("trusty-stand-in-{}", trusty::key(&self.debian().key(), &fixture));
                once(&self.cache.join("images"), &name, |tree| trusty::make(&debian, &fixture, tree))
            }
            other => Err(ImageError::Unavailable(format!("there is no base image named {other}"))),
        }
    }
}

fn make_bootstrap(place: &Path, name: &str, bootstrap: &Bootstrap, progress: &Progress) -> Result<PathBuf, ImageError> {
    once(place, &format!("{name}-{}", bootstrap.key()), |tree| bootstrap.make(tree, progress))
}

#[async_trait]
impl Catalogue for HostCatalogue {
    fn images(&self) -> &[BaseImage] {
        &self.images
    }

    async fn prepare(&self, name: &str) -> Result<PathBuf, MachineError> {
        let worker = Self {
            cache: self.cache.clone(),
            mirrors: self.mirrors.clone(),
            progress: Arc::clone(&self.progress),
            images: self.images.clone(),
        };
        let wanted = name.to_owned();
        tokio::task::spawn_blocking(move || {
            let tree = worker.make(&wanted)?;
            age_package_lists(&tree)
                .map_err(|source| ImageError::Io { doing: "ageing package lists".into(), source })?;
            Ok(tree)
        })
        .await
        .unwrap_or_else(|error| {
            Err(ImageError::Io { doing: "preparing an image".into(), source: std::io::Error::other(error) })
        })
        .map_err(|error| error.of(name))
    }
}

/// A published image is weeks old and holds no package lists. A tree that was made a moment ago holds none either, but looks
/// as if apt had just been updated: whatever trusts that ("update unless it is younger than an hour") would find no package.
fn age_package_lists(tree: &Path) -> std::io::Result<()> {
    let lists = tree.join("var/lib/apt/lists");
    match std::fs::File::open(&lists) {
        Ok(dir) => dir.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_759_708_800)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

/// The list for a host of architecture `host`: names, owners and numbers are as published by the owners. Machines run on
/// the host's processor, so images of another one are listed only.
fn images(host: &str) -> Vec<BaseImage> {
    let mut images = published();
    for image in images.iter_mut().filter(|image| image.architecture != host && image.unavailable.is_none()) {
        image.unavailable = Some(format!(
            "{} is an image for {}, and this host's processor is {host}: the sandbox cannot run it here",
            image.name, image.architecture
        ));
    }
    images
}

fn published() -> Vec<BaseImage> {
    let common = BaseImage {
        name: String::new(),
        description: String::new(),
        owner_id: String::new(),
        owner_alias: None,
        architecture: "x86_64".to_owned(),
        platform_details: "Linux/UNIX".to_owned(),
        creation_date: String::new(),
        root_device_name: "/dev/sda1".to_owned(),
        root_volume_size: 8,
        root_volume_type: "gp3".to_owned(),
        ephemeral: Vec::new(),
        ena_support: true,
        boot_mode: Some("uefi-preferred".to_owned()),
        imds_v2: false,
        stand_in: false,
        unavailable: None,
    };
    let ephemeral =
        vec![("/dev/sdb".to_owned(), "ephemeral0".to_owned()), ("/dev/sdc".to_owned(), "ephemeral1".to_owned())];
    vec![
        BaseImage {
            name: DEBIAN.to_owned(),
            description: "Debian 12 (20251006-2257), root tree made on this host from Debian's archive".to_owned(),
            owner_id: "136693071363".to_owned(),
            creation_date: "2025-10-06T17:53:36.000Z".to_owned(),
            root_device_name: "/dev/xvda".to_owned(),
            ..common.clone()
        },
        BaseImage {
            name: TRUSTY.to_owned(),
            description: "STAND-IN for Canonical, Ubuntu, 14.04 LTS, amd64 trusty image build on 2017-07-27: Debian 12 with \
                          trusty's identity"
                .to_owned(),
            owner_id: "099720109477".to_owned(),
            creation_date: "2017-07-27T17:46:34.000Z".to_owned(),
            root_volume_type: "gp2".to_owned(),
            ephemeral: ephemeral.clone(),
            ena_support: false,
            boot_mode: None,
            stand_in: true,
            ..common.clone()
        },
        BaseImage {
            name: NOBLE.to_owned(),
            description: "Canonical, Ubuntu, 24.04, amd64 noble image: root tree made on this host from Ubuntu's archive"
                .to_owned(),
            owner_id: "099720109477".to_owned(),
            owner_alias: Some("amazon".to_owned()),
            creation_date: "2025-10-01T10:14:29.000Z".to_owned(),
            ephemeral,
            imds_v2: true,
            ..common.clone()
        },
        BaseImage {
            name: AMAZON.to_owned(),
            description: "Amazon Linux 2023 AMI 2023.9.20251014.0 x86_64 HVM kernel-6.1 (not available in the sandbox)".to_owned(),
            owner_id: "137112412989".to_owned(),
            owner_alias: Some("amazon".to_owned()),
            creation_date: "2025-10-14T19:03:10.000Z".to_owned(),
            root_device_name: "/dev/xvda".to_owned(),
            imds_v2: true,
            unavailable: Some(
                "Amazon Linux 2023 has no root tree that the sandbox could make a machine of: Amazon publishes it as \
                 container and virtual machine images only. Build this template on AWS, or use a Debian or Ubuntu base in \
                 the sandbox"
                    .to_owned(),
            ),
            ..common
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_amis_are_named() {
        for image in published() {
            assert!((3..=128).contains(&image.name.len()));
            assert_eq!(image.stand_in, image.description.contains("STAND-IN"));
            assert_eq!(image.owner_id.len(), 12);
        }
    }

    #[test]
    fn another_processor_has_no_machines() {
        assert!(images("aarch64").iter().all(|image| image.unavailable.is_some()));
        assert!(images("x86_64").iter().filter(|image| image.unavailable.is_none()).count() >= 3);
    }

    #[tokio::test]
    async fn what_cannot_be_had_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let catalogue = HostCatalogue::new(dir.path(), Mirrors::default(), Arc::new(|_: &str| ()));
        let error = catalogue.prepare(AMAZON).await.unwrap_err().to_string();
        assert!(error.contains("Build this template on AWS"), "{error}");
        let error = catalogue.prepare("nothing").await.unwrap_err().to_string();
        assert!(error.contains("no base image named nothing"), "{error}");
    }
}
