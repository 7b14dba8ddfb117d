//! Ubuntu's current release from Ubuntu's archive. Hosts that are not Ubuntu lack the archive's keys: they are fetched
//! as the package that carries them, whose checksum is fixed here.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::bootstrap::Bootstrap;
use super::cache::once;
use super::error::{Doing, ImageError};

const HOST_KEYRING: &str = "/usr/share/keyrings/ubuntu-archive-keyring.gpg";
const KEYRING_PACKAGE: &str = "pool/main/u/ubuntu-keyring/ubuntu-keyring_2023.11.28.1_all.deb";
const KEYRING_SHA256: &str = "36de43b15853ccae0028e9a767613770c704833f82586f28eb262f0311adb8a8";

/// As Ubuntu's server images, as far as a builder's work needs it.
const PACKAGES: &[&str] = &[
    "apt",
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
    "lsb-release",
];

/// Ubuntu 24.04.
pub fn noble(cache: &Path, mirror: &str) -> Result<Bootstrap, ImageError> {
    let sources = ["noble", "noble-updates", "noble-security"]
        .map(|suite| format!("deb {mirror} {suite} main restricted universe"))
        .to_vec();
    Ok(Bootstrap {
        suite: "noble",
        sources,
        packages: PACKAGES,
        keyring: Some(keyring(cache, mirror)?),
        cloud_config: include_str!("files/cloud-ubuntu.cfg"),
    })
}

fn keyring(cache: &Path, mirror: &str) -> Result<PathBuf, ImageError> {
    if Path::new(HOST_KEYRING).exists() {
        return Ok(PathBuf::from(HOST_KEYRING));
    }
    let dir = once(cache, "ubuntu-keyring", |part| {
        let url = format!("{mirror}/{KEYRING_PACKAGE}");
        let bytes = fetch(&url)?;
        let sum: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        if sum != KEYRING_SHA256 {
            return Err(ImageError::Unavailable(format!(
                "{url} is not the package of Ubuntu's archive keys that is expected (sha256 {sum}, not {KEYRING_SHA256}): \
                 install ubuntu-archive-keyring.gpg in /usr/share/keyrings"
            )));
        }
        let package = part.join("keyring.deb");
        fs_err::write(&package, &bytes).doing("writing Ubuntu's archive keys")?;
        let unpacked = Command::new("dpkg-deb").arg("-x").arg(&package).arg(part).output().doing("running dpkg-deb")?;
        if unpacked.status.success() {
            return Ok(());
        }
        Err(ImageError::Program {
            program: "dpkg-deb",
            doing: "unpacking Ubuntu's archive keys".into(),
            last_words: String::from_utf8_lossy(&unpacked.stderr).trim().to_owned(),
        })
    })?;
    Ok(dir.join(HOST_KEYRING.trim_start_matches('/')))
}

fn fetch(url: &str) -> Result<Vec<u8>, ImageError> {
    let unreachable = |error: String| {
        ImageError::Unavailable(format!("Ubuntu's archive cannot be reached from this host ({url}: {error})"))
    };
    let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(30))).build().into();
    let mut response = agent.get(url).call().map_err(|error| unreachable(error.to_string()))?;
    let mut bytes = Vec::new();
    let body = response.body_mut().as_reader().take(1024 * 1024);
    { body }.read_to_end(&mut bytes).map_err(|error| unreachable(error.to_string()))?;
    Ok(bytes)
}
