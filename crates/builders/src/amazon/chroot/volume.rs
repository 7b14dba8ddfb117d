//! The volume: made, attached, found on this machine, detached.

use super::device;
use crate::amazon::env::Env;
use crate::amazon::failure::Failure;
use crate::amazon::ids::VolumeId;
use crate::amazon::options::ami::Encryption;
use crate::amazon::options::chroot::Chroot;
use crate::amazon::releaser::{TOKEN_TAG, kind};
use crate::amazon::types::{EbsVolume, Filter, Image, Instance, NewVolume, Volume};
use imgbuild_engine::run::{Held, RUN_TAG};
use std::fs::File;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

/// A volume of this build, attached to this machine.
pub struct Attached {
    /// The volume.
    pub id: VolumeId,
    /// To be deleted.
    pub held: Held<()>,
    /// The device here.
    pub device: String,
}

/// What the volume is to be like.
pub fn wanted(env: &Env<'_>, chroot: &Chroot, source: Option<&Image>) -> Result<EbsVolume, Failure> {
    let mut ebs = match source {
        None => EbsVolume {
            volume_size: chroot.volume_size,
            volume_type: Some(chroot.volume_type.clone().unwrap_or_else(|| "gp2".into())),
            ..EbsVolume::default()
        },
        Some(image) => of_image(chroot, image)?,
    };
    if chroot.encrypt == Some(true) {
        ebs.encrypted = Some(true);
    }
    if let Some(key) = &chroot.kms_key_id {
        ebs.kms_key_id = Some(key.clone());
    }
    // The image's snapshot is encrypted as its volume is: the extra copy that Packer makes is not needed.
    if let Encryption::On { .. } = &env.config.ami.encryption {
        ebs.encrypted = Some(true);
        if let Some(key) = env.config.ami.encryption.key(&env.region, &env.region) {
            ebs.kms_key_id = Some(key.to_owned());
        }
    }
    Ok(ebs)
}

/// From the root volume of an image: never smaller, of the same type unless the template names one.
fn of_image(chroot: &Chroot, image: &Image) -> Result<EbsVolume, Failure> {
    let root = image.mappings.iter().find(|m| m.device_name == image.root_device_name && m.snapshot.is_some());
    let Some(root) = root else {
        return Err(Failure::new(format!("the source AMI {} has no snapshot of a root volume", image.id)));
    };
    let kind = root.volume_type.clone();
    let changed = chroot.volume_type.as_ref().filter(|wanted| Some(*wanted) != kind.as_ref());
    if let Some(new) = changed.filter(|new| *new == "io1" || *new == "io2") {
        let old = kind.as_deref().unwrap_or("unknown");
        let message = format!("\"root_volume_type\" can't be {new}: the source AMI's root is {old} and tells no IOPS");
        return Err(Failure::new(message));
    }
    Ok(EbsVolume {
        snapshot: root.snapshot.clone(),
        volume_size: root.volume_size.max(chroot.volume_size),
        encrypted: root.encrypted.filter(|encrypted| *encrypted),
        kms_key_id: root.kms_key_id.clone().filter(|_| root.encrypted == Some(true)),
        iops: root.iops.filter(|_| changed.is_none() && matches!(kind.as_deref(), Some("io1" | "io2" | "gp3"))),
        throughput: root.throughput.filter(|_| changed.is_none() && kind.as_deref() == Some("gp3")),
        volume_type: changed.cloned().or(kind),
        delete_on_termination: None,
    })
}

/// Where Packer's own chroot builders of this machine wait for each other while they choose a device.
const LOCK: &str = "/var/lock/packer-chroot/lock";

async fn lock(env: &Env<'_>) -> Result<File, Failure> {
    let wait = || -> std::io::Result<File> {
        if let Some(dir) = Path::new(LOCK).parent() {
            std::fs::create_dir_all(dir)?;
        }
        let file = File::options().create(true).truncate(false).write(true).open(LOCK)?;
        file.lock()?;
        Ok(file)
    };
    let locked = env.session.run.cancel().guard(tokio::task::spawn_blocking(wait)).await;
    let locked = locked.ok_or_else(Failure::cancelled)?.map_err(|e| Failure::new(e.to_string()))?;
    locked.map_err(|e| Failure::new(format!("{LOCK} can't be locked: {e}")))
}

/// Makes the volume and attaches it to `instance`, which is this machine.
pub async fn attach(
    env: &Env<'_>,
    chroot: &Chroot,
    instance: &Instance,
    source: Option<&Image>,
    ebs: EbsVolume,
) -> Result<Attached, Failure> {
    let Some(zone) = instance.availability_zone.clone() else {
        return Err(Failure::new(format!("EC2 does not tell the availability zone of {}", instance.id)));
    };
    let tags = env.tags(&chroot.volume_tags, &env.context(source))?;
    env.ui().say("Creating the root volume...");
    let token = uuid::Uuid::new_v4().to_string();
    let mut new = NewVolume { client_token: token.clone(), zone, ebs, tags };
    new.tags.insert(TOKEN_TAG.to_owned(), token.clone());
    let intent = env.intent(kind::VOLUME, &env.region, None, Some(token), new.tags.clone());
    let held = env
        .acquire("creating the root volume", intent, |intent| {
            let mut new = new.clone();
            new.tags.extend(intent.tags.get_key_value(RUN_TAG).map(|(k, v)| (k.clone(), v.clone())));
            async move { env.ec2.create_volume(&new).await.map(|id| id.to_string()) }
        })
        .await?;
    let id = VolumeId::new(held.id.clone());
    env.ui().message(format!("Volume ID: {id}"));
    until(env, &id, "to be created", |v| v.state == "available").await?;
    // From choosing a name until the machine shows it nobody else may choose.
    let lock = lock(env).await?;
    let name = match &chroot.device_path {
        Some(name) => name.clone(),
        None => device::free(instance, Path::new("/")).map_err(Failure::new)?,
    };
    if Path::new(&name).exists() {
        return Err(Failure::new(format!("Device is in use: {name}")));
    }
    let in_api = device::in_api(&name);
    env.ui().say(format!("Attaching the root volume to {in_api}"));
    attach_as(env, &id, instance, &in_api).await?;
    until(env, &id, "to be attached", |v| v.attachment.as_ref().is_some_and(|a| a.state == "attached")).await?;
    let device = appeared(env, chroot, &name, &id).await?;
    drop(lock);
    Ok(Attached { id, held, device })
}

/// Attaches; a reply that was lost is asked for again, and then the volume is there.
async fn attach_as(env: &Env<'_>, id: &VolumeId, instance: &Instance, device: &str) -> Result<(), Failure> {
    let mut tries = 0;
    loop {
        env.go_on()?;
        match env.ec2.attach_volume(id, &instance.id, device).await {
            Ok(()) => return Ok(()),
            Err(error) if tries > 0 && error.code == "VolumeInUse" => return Ok(()),
            Err(error) if tries < 5 && (error.is_not_found() || !error.certain()) => {
                tries += 1;
                env.sleep(env.shared.pause * tries).await?;
            }
            Err(error) => return Err(Failure::call("attaching the volume to this instance", &error)),
        }
    }
}

/// The device on this machine, which may need a moment after EC2 says that it is attached.
async fn appeared(env: &Env<'_>, chroot: &Chroot, name: &str, id: &VolumeId) -> Result<String, Failure> {
    let start = Instant::now();
    loop {
        if let Some(found) = device::shown(name, id, Path::new("/")) {
            return Ok(found);
        }
        if let Some(own) = &chroot.nvme_device_path {
            // It may be the stem of a partition's name ("/dev/nvme1n1p"), so it need not be there.
            if Path::new(own).exists() || Path::new(own.trim_end_matches('p')).exists() {
                return Ok(name.to_owned());
            }
        }
        if start.elapsed() > Duration::from_secs(60) {
            return Err(Failure::new(format!("{id} is attached as {name}, but no device of this machine is it"))
                .help("set \"nvme_device_path\" to the device, or \"device_path\" to another name"));
        }
        env.sleep(Duration::from_millis(200)).await?;
    }
}

/// Detaches and waits until that is done.
pub async fn detach(env: &Env<'_>, id: &VolumeId) -> Result<(), Failure> {
    env.ui().say("Detaching EBS volume...");
    let mut tries = 0;
    loop {
        match env.ec2.detach_volume(id, false).await {
            Ok(()) => break,
            // Of a reply that was lost.
            Err(error) if tries > 0 && error.code == "IncorrectState" => break,
            Err(error) if tries < 5 && !error.certain() => {
                tries += 1;
                env.sleep(env.shared.pause * tries).await?;
            }
            Err(error) => return Err(Failure::call("detaching the volume", &error)),
        }
    }
    until(env, id, "to be detached", |v| v.state == "available").await
}

/// Waits for a state of the volume.
async fn until(env: &Env<'_>, id: &VolumeId, what: &str, done: impl Fn(&Volume) -> bool) -> Result<(), Failure> {
    let start = Instant::now();
    let limit = env.config.polling.limit.unwrap_or(Duration::from_secs(600));
    let pause = env.config.polling.delay.unwrap_or(env.shared.pause);
    let mut known = false;
    loop {
        let found = env.ec2.volumes(vec![Filter::new("volume-id", id.as_str())]).await;
        match found {
            Ok(found) => match found.first() {
                Some(volume) if done(volume) => return Ok(()),
                Some(volume) if volume.state == "error" => {
                    return Err(Failure::new(format!("volume {id} could not be made: its state is \"error\"")));
                }
                Some(_) => known = true,
                None if known => return Err(Failure::new(format!("volume {id} is not there any more"))),
                None => {}
            },
            Err(error) if !error.certain() => {}
            Err(error) => return Err(Failure::call("looking at the volume", &error)),
        }
        if start.elapsed() > limit {
            return Err(Failure::new(format!("volume {id} {what} took longer than {} s", limit.as_secs())));
        }
        env.ui().waiting(&format!("volume {id} {what}"), start.elapsed(), None, false);
        env.sleep(pause).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amazon::types::{ImageMapping, ImageState, Tags};

    fn chroot() -> Chroot {
        let span = {
            let source = imgbuild_diag::Source::new("t", "x");
            imgbuild_diag::Span::new(&source, 0..1)
        };
        let text = |text: &str| super::super::shell::spanned(text, &span);
        Chroot {
            from_scratch: false,
            wrapper: text("{{.Command}}"),
            device_path: None,
            nvme_device_path: None,
            pre_mount: Vec::new(),
            mount_path: text("/mnt"),
            partition: None,
            mount_options: Vec::new(),
            post_mount: Vec::new(),
            mounts: Vec::new(),
            copy_files: Vec::new(),
            root_device: None,
            volume_size: None,
            volume_type: None,
            volume_tags: Default::default(),
            encrypt: None,
            kms_key_id: None,
            architecture: "x86_64".into(),
            boot_mode: None,
            uefi_data: None,
            tpm: None,
        }
    }

    fn image(kind: &str, iops: Option<i32>) -> Image {
        Image {
            id: "ami-1".into(),
            name: "n".into(),
            description: String::new(),
            state: ImageState::Available,
            state_reason: None,
            creation_date: String::new(),
            owner_id: String::new(),
            owner_alias: None,
            architecture: "x86_64".into(),
            root_device_type: "ebs".into(),
            root_device_name: "/dev/sda1".into(),
            virtualization_type: "hvm".into(),
            ena_support: true,
            kernel_id: None,
            ramdisk_id: None,
            protection: None,
            mappings: vec![ImageMapping {
                device_name: "/dev/sda1".into(),
                snapshot: Some("snap-1".into()),
                volume_size: Some(10),
                volume_type: Some(kind.into()),
                iops,
                encrypted: Some(false),
                ..ImageMapping::default()
            }],
            tags: Tags::new(),
        }
    }

    /// The rows of Packer's own test of this step.
    #[test]
    fn the_volume_follows_the_image() {
        let of = |size, kind: Option<&str>, image: &Image| {
            of_image(&Chroot { volume_size: size, volume_type: kind.map(str::to_owned), ..chroot() }, image)
        };
        let gp2 = image("gp2", None);
        assert_eq!(of(None, None, &gp2).unwrap().volume_size, Some(10));
        assert_eq!(of(Some(1), None, &gp2).unwrap().volume_size, Some(10), "never smaller");
        assert_eq!(of(Some(25), None, &gp2).unwrap().volume_size, Some(25));
        let io1 = image("io1", Some(1000));
        let same = of(None, Some("io1"), &io1).unwrap();
        assert_eq!((same.volume_type.as_deref(), same.iops), (Some("io1"), Some(1000)));
        let other = of(None, Some("gp2"), &io1).unwrap();
        assert_eq!((other.volume_type.as_deref(), other.iops), (Some("gp2"), None));
        assert!(of(None, Some("io1"), &gp2).is_err());
    }
}
