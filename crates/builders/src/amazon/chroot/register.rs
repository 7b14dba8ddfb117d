//! RegisterImage from the volume's snapshot.

use crate::amazon::env::Env;
use crate::amazon::failure::Failure;
use crate::amazon::ids::{AmiId, SnapshotId};
use crate::amazon::options::chroot::Chroot;
use crate::amazon::phase::image::{Imaged, Labels, available, snapshots};
use crate::amazon::phase::preflight::Checked;
use crate::amazon::phase::replace;
use crate::amazon::releaser::kind;
use crate::amazon::types::{DeviceMapping, EbsVolume, Image, ImageMapping, Registration};
use imgbuild_engine::run::Held;

/// Registers and waits until the image is available. `part` is the root's snapshot.
pub async fn run(
    env: &Env<'_>,
    checked: &Checked,
    chroot: &Chroot,
    source: Option<&Image>,
    labels: &Labels,
    name: String,
    part: Held<()>,
) -> Result<Imaged, Failure> {
    let own: Vec<DeviceMapping> = env.config.ami_mappings.iter().map(|d| d.mapping.clone()).collect();
    let (mappings, root) = mappings(chroot, source, own, &SnapshotId::new(part.id.clone()));
    let ami = &env.config.ami;
    let virtualization = ami.virtualization_type.clone();
    let virtualization =
        virtualization.or(source.map(|i| i.virtualization_type.clone())).unwrap_or_else(|| "hvm".into());
    let paravirtual = source.filter(|_| virtualization != "hvm");
    env.ui().say("Registering the AMI...");
    let register = async |name: String| {
        let intent = env.intent(kind::IMAGE, &env.region, Some(name.clone()), None, labels.of(&name).into_owned());
        env.acquire("registering the AMI", intent, |intent| {
            let registration = Registration {
                name: name.clone(),
                description: labels.description.clone(),
                architecture: source.map_or_else(|| chroot.architecture.clone(), |i| i.architecture.clone()),
                virtualization_type: virtualization.clone(),
                root_device_name: root.clone(),
                mappings: mappings.clone(),
                // Without it the image would not start on the types that its source starts on.
                ena: ami.ena.unwrap_or_else(|| source.is_some_and(|i| i.ena_support)),
                sriov: ami.sriov,
                imds_v2: ami.imds_v2,
                boot_mode: chroot.boot_mode.clone(),
                uefi_data: chroot.uefi_data.clone(),
                tpm: chroot.tpm.clone(),
                kernel_id: paravirtual.and_then(|i| i.kernel_id.clone()),
                ramdisk_id: paravirtual.and_then(|i| i.ramdisk_id.clone()),
                tags: intent.tags.clone(),
            };
            async move { env.ec2.register_image(&registration).await.map(|id| id.to_string()) }
        })
        .await
    };
    let held = replace::named(env, checked, &env.region, name, register).await?;
    let id = AmiId::new(held.id.clone());
    env.ui().say(format!("AMI: {id}"));
    env.ui().say("Waiting for AMI to become ready...");
    let image = available(env, &env.region, &id).await?;
    // Of the source's other volumes the image names the source's own snapshots: they are not ours to tag or share.
    let snapshots = snapshots(&image).into_iter().filter(|id| id.as_str() == part.id).collect();
    Ok(Imaged { region: env.region.clone(), id, image, snapshots, held: Some(held), parts: vec![part] })
}

/// The image's devices and its root's name: the template's, else the source's, with our snapshot for the root.
fn mappings(
    chroot: &Chroot,
    source: Option<&Image>,
    own: Vec<DeviceMapping>,
    snapshot: &SnapshotId,
) -> (Vec<DeviceMapping>, String) {
    let generated = source.is_none() || !own.is_empty();
    let (mut mappings, root) = match source {
        Some(image) if !generated => {
            (image.mappings.iter().map(of_source).collect::<Vec<_>>(), image.root_device_name.clone())
        }
        _ => (own, chroot.root_device.clone().unwrap_or_default()),
    };
    if !mappings.iter().any(|m| m.device_name == root) {
        mappings.insert(0, DeviceMapping { device_name: root.clone(), ..DeviceMapping::default() });
    }
    for mapping in &mut mappings {
        let is_root = mapping.device_name == root;
        if is_root {
            let ebs = mapping.ebs.get_or_insert_with(EbsVolume::default);
            ebs.snapshot = Some(snapshot.clone());
            if generated || chroot.volume_size > ebs.volume_size {
                ebs.volume_size = chroot.volume_size.or(ebs.volume_size);
            }
            if let Some(kind) = &chroot.volume_type {
                if ebs.volume_type.as_ref() != Some(kind) {
                    (ebs.iops, ebs.throughput) = (None, None);
                }
                ebs.volume_type = Some(kind.clone());
            }
        }
        // A snapshot is encrypted or not; the image can't say otherwise.
        if let Some(ebs) = mapping.ebs.as_mut().filter(|ebs| ebs.snapshot.is_some()) {
            (ebs.encrypted, ebs.kms_key_id) = (None, None);
        }
    }
    (mappings, root)
}

fn of_source(mapping: &ImageMapping) -> DeviceMapping {
    let ebs = EbsVolume {
        delete_on_termination: mapping.delete_on_termination,
        encrypted: mapping.encrypted,
        kms_key_id: None,
        iops: mapping.iops.filter(|_| matches!(mapping.volume_type.as_deref(), Some("io1" | "io2" | "gp3"))),
        throughput: mapping.throughput.filter(|_| mapping.volume_type.as_deref() == Some("gp3")),
        snapshot: mapping.snapshot.clone(),
        volume_type: mapping.volume_type.clone(),
        volume_size: mapping.volume_size,
    };
    DeviceMapping {
        device_name: mapping.device_name.clone(),
        no_device: false,
        virtual_name: mapping.virtual_name.clone(),
        ebs: mapping.virtual_name.is_none().then_some(ebs),
    }
}
