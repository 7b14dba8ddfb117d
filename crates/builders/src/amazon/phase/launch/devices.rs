//! The launch's volumes: which are made, encrypted, kept.

use super::Subject;
use crate::amazon::env::Env;
use crate::amazon::failure::Failure;
use crate::amazon::options::ami::Encryption;
use crate::amazon::releaser::KEEP_TAG;
use crate::amazon::types::{DeviceMapping, EbsVolume, Instance, Tags};

/// The launch's devices. Where the image is to be encrypted, its volumes are already: the image's snapshots then are, too, and
/// the extra copy that Packer makes is not needed.
pub(super) fn mappings(env: &Env<'_>, subject: Subject<'_>) -> Vec<DeviceMapping> {
    let Subject::Source(source) = subject else { return Vec::new() };
    let mut mappings: Vec<DeviceMapping> = env.config.launch_mappings.iter().map(|d| d.mapping.clone()).collect();
    if let Encryption::On { .. } = &env.config.ami.encryption {
        let key = env.config.ami.encryption.key(&env.region, &env.region);
        for device in source.mappings.iter().filter(|m| m.snapshot.is_some()) {
            if !mappings.iter().any(|m| m.device_name == device.device_name) {
                mappings.push(DeviceMapping {
                    device_name: device.device_name.clone(),
                    ebs: Some(EbsVolume {
                        delete_on_termination: device.delete_on_termination,
                        volume_size: device.volume_size,
                        ..EbsVolume::default()
                    }),
                    ..DeviceMapping::default()
                });
            }
        }
        for volume in mappings.iter_mut().filter_map(|m| m.ebs.as_mut()) {
            volume.encrypted = Some(true);
            volume.kms_key_id = key.map(str::to_owned);
        }
    }
    if env.config.run.no_ephemeral {
        mappings.extend(('a'..='z').map(|letter| DeviceMapping {
            device_name: format!("xvdc{letter}"),
            no_device: true,
            ..DeviceMapping::default()
        }));
    }
    mappings
}

/// A volume that the template explicitly keeps (`delete_on_termination: false`) is marked, so that no clean-up takes it. One
/// where the template says nothing is only a leftover: Packer leaves it behind, we don't.
pub(super) async fn keep_volumes(env: &Env<'_>, instance: &Instance) -> Result<(), Failure> {
    let explicit = env.config.launch_mappings.iter().filter(|d| d.delete == Some(false));
    let volumes: Vec<String> = explicit
        .filter_map(|device| instance.volumes.iter().find(|v| v.device_name == device.mapping.device_name))
        .map(|volume| volume.id.to_string())
        .collect();
    if volumes.is_empty() {
        return Ok(());
    }
    let tags = Tags::from([(KEEP_TAG.to_owned(), "true".to_owned())]);
    let marked = env.ec2.create_tags(&volumes, &tags).await;
    marked.map_err(|e| Failure::call("marking the volumes to be kept", &e))?;
    env.ui().message(format!("Kept after the build, as delete_on_termination is false: {}", volumes.join(", ")));
    Ok(())
}
