//! What the fake's calls do.

use super::state::{State, passes, refuse};
use super::{Client, OWNER};
use async_trait::async_trait;
use imgbuild_builders::amazon::ec2::{Ec2, Ec2Result};
use imgbuild_builders::amazon::ids::*;
use imgbuild_builders::amazon::types::*;

fn image_field(image: &Image, name: &str) -> Option<String> {
    match name {
        "name" => Some(image.name.clone()),
        "image-id" => Some(image.id.to_string()),
        "virtualization-type" => Some(image.virtualization_type.clone()),
        "root-device-type" => Some(image.root_device_type.clone()),
        _ => None,
    }
}

fn owned(owners: &[String], image: &Image) -> bool {
    owners.is_empty() || owners.iter().any(|o| *o == image.owner_id || (o == "self" && image.owner_id == OWNER))
}

/// The next step of an instance's life.
fn step(instance: &mut Instance) {
    instance.state = match instance.state {
        InstanceState::Pending => InstanceState::Running,
        InstanceState::Stopping => InstanceState::Stopped,
        InstanceState::ShuttingDown => InstanceState::Terminated,
        other => other,
    };
}

/// An image of this account with a snapshot per mapping.
fn make_image(state: &mut State, region: &Region, image: Image, made_for: &str, snapshot_tags: &Tags) -> AmiId {
    let id = image.id.clone();
    let mut image = image;
    for mapping in &mut image.mappings {
        let snapshot = SnapshotId::new(state.id("snap"));
        mapping.snapshot = Some(snapshot.clone());
        let description = format!("{made_for} {id}");
        let tags = snapshot_tags.clone();
        let snapshot =
            Snapshot { id: snapshot, description, state: "pending".into(), state_reason: None, progress: None, tags };
        state.snapshots.push((region.clone(), snapshot));
    }
    // Later ones are younger.
    image.creation_date = format!("2026-01-01T00:{:02}:{:02}.000Z", state.next / 60 % 60, state.next % 60);
    state.images.push((region.clone(), image));
    id
}

/// A launch: an instance with the volumes of its image and of its mappings. The same token launches once.
pub fn launch_instance(
    operation: &'static str,
    state: &mut State,
    region: &Region,
    launch: &Launch,
) -> Ec2Result<Instance> {
    if let Some(n) = state.launches.iter().position(|l| l.client_token == launch.client_token) {
        return Ok(state.instances[n].1.clone());
    }
    let Some(image) = state.images.iter().find(|(at, i)| at == region && i.id == launch.image) else {
        return refuse(operation, "InvalidAMIID.NotFound");
    };
    if launch.instance_type.starts_with("none") {
        return refuse(operation, "InvalidInstanceType");
    }
    let devices: Vec<(String, bool)> = image
        .1
        .mappings
        .iter()
        .map(|m| (m.device_name.clone(), m.delete_on_termination.unwrap_or(true)))
        .chain(
            launch
                .mappings
                .iter()
                .filter_map(|m| Some((m.device_name.clone(), m.ebs.as_ref()?.delete_on_termination.unwrap_or(false)))),
        )
        .collect();
    if state.no_capacity.contains(&launch.instance_type) {
        return refuse(operation, "InsufficientInstanceCapacity");
    }
    if let Some(profile) = &launch.iam_instance_profile
        && profile.starts_with("packer-")
        && !state.profiles.iter().any(|p| p.name == *profile)
    {
        return refuse(operation, "InvalidParameterValue");
    }
    let id = InstanceId::new(state.id("i"));
    let mut volumes = Vec::new();
    for (device_name, delete_on_termination) in devices {
        let volume = VolumeId::new(state.id("vol"));
        let tags = launch.volume_tags.clone();
        state.volumes.push((
            region.clone(),
            Volume {
                id: volume.clone(),
                state: "in-use".into(),
                attachment: Some(Attachment {
                    instance: id.clone(),
                    device: device_name.clone(),
                    state: "attached".into(),
                }),
                tags,
            },
        ));
        volumes.push(AttachedVolume { device_name, id: volume, delete_on_termination });
    }
    let instance = Instance {
        id: id.clone(),
        state: InstanceState::Pending,
        state_reason: None,
        image: Some(launch.image.clone()),
        instance_type: launch.instance_type.clone(),
        availability_zone: Some("us-east-1a".into()),
        vpc: Some("vpc-1".into()),
        subnet: Some("subnet-1".into()),
        public_ip: Some("192.0.2.1".into()),
        private_ip: Some("10.0.0.1".into()),
        public_dns: None,
        private_dns: None,
        ipv6: None,
        volumes,
        tags: launch.instance_tags.clone(),
    };
    state.groups_of.extend(launch.security_groups.iter().map(|g| (id.to_string(), g.clone())));
    state.launches.push(launch.clone());
    state.instances.push((region.clone(), instance.clone()));
    Ok(instance)
}

#[async_trait]
impl Ec2 for Client {
    fn region(&self) -> &Region {
        &self.region
    }

    async fn regions(&self) -> Ec2Result<Vec<Region>> {
        self.call("DescribeRegions", |_, _| Ok(["us-east-1", "us-west-2", "eu-west-1"].map(Region::new).to_vec()))
    }

    async fn images(&self, query: ImageQuery) -> Ec2Result<Vec<Image>> {
        self.call("DescribeImages", |state, region| {
            let mut found = Vec::new();
            for (at, image) in state.images.iter_mut().filter(|(at, _)| at == region) {
                debug_assert_eq!(at, region);
                let wanted = query.ids.is_empty() || query.ids.contains(&image.id);
                let fields = image.clone();
                if wanted
                    && owned(&query.owners, image)
                    && passes(&query.filters, &image.tags, |n| image_field(&fields, n))
                {
                    found.push(image.clone());
                    if image.state == ImageState::Pending {
                        image.state = ImageState::Available;
                    }
                }
            }
            match query.ids.iter().any(|id| found.iter().all(|i| i.id != *id)) && query.filters.is_empty() {
                true => refuse("DescribeImages", "InvalidAMIID.NotFound"),
                false => Ok(found),
            }
        })
    }

    async fn instances(&self, filters: Vec<Filter>) -> Ec2Result<Vec<Instance>> {
        self.call("DescribeInstances", |state, region| {
            let mut found = Vec::new();
            for (_, instance) in state.instances.iter_mut().filter(|(at, _)| at == region) {
                let id = instance.id.to_string();
                if passes(&filters, &instance.tags, |name| (name == "instance-id").then(|| id.clone())) {
                    found.push(instance.clone());
                    step(instance);
                }
            }
            Ok(found)
        })
    }

    async fn snapshots(&self, filters: Vec<Filter>) -> Ec2Result<Vec<Snapshot>> {
        self.call("DescribeSnapshots", |state, region| {
            let field = |s: &Snapshot, name: &str| (name == "snapshot-id").then(|| s.id.to_string());
            let here =
                state.snapshots.iter().filter(|(at, s)| at == region && passes(&filters, &s.tags, |n| field(s, n)));
            Ok(here.map(|(_, s)| s.clone()).collect())
        })
    }

    async fn volumes(&self, filters: Vec<Filter>) -> Ec2Result<Vec<Volume>> {
        self.call("DescribeVolumes", |state, region| {
            let here = state.volumes.iter().filter(|(at, v)| {
                at == region && passes(&filters, &v.tags, |name| (name == "volume-id").then(|| v.id.to_string()))
            });
            Ok(here.map(|(_, v)| v.clone()).collect())
        })
    }

    async fn vpcs(&self, ids: Vec<VpcId>, filters: Vec<Filter>) -> Ec2Result<Vec<Vpc>> {
        // The one that there is has no tags; `vpc-none` is none.
        let none = filters.iter().any(|f| f.name.starts_with("tag:")) || ids.iter().any(|id| id.as_str() == "vpc-none");
        let found = if none { Vec::new() } else { vec![Vpc { id: "vpc-1".into(), is_default: true }] };
        self.call("DescribeVpcs", |_, _| Ok(found))
    }

    async fn subnets(&self, _: Vec<Filter>) -> Ec2Result<Vec<Subnet>> {
        let subnet = |id: &str, zone: &str, free| Subnet {
            id: id.into(),
            vpc: "vpc-1".into(),
            availability_zone: zone.into(),
            free_addresses: free,
        };
        self.call("DescribeSubnets", |_, _| {
            Ok(vec![subnet("subnet-1", "us-east-1a", 9), subnet("subnet-2", "us-east-1b", 99)])
        })
    }

    async fn security_groups(&self, filters: Vec<Filter>) -> Ec2Result<Vec<SecurityGroup>> {
        self.call("DescribeSecurityGroups", |state, region| {
            let here = state.groups.iter().filter(|(at, _)| at == region);
            let here = here.filter(|(_, g)| passes(&filters, &g.tags, |n| (n == "group-name").then(|| g.name.clone())));
            Ok(here.map(|(_, g)| g.clone()).collect())
        })
    }

    async fn key_pairs(&self, filters: Vec<Filter>) -> Ec2Result<Vec<KeyPair>> {
        self.call("DescribeKeyPairs", |state, region| {
            let here = state.keys.iter().filter(|(at, _)| at == region);
            let here = here.filter(|(_, k)| passes(&filters, &k.tags, |n| (n == "key-name").then(|| k.name.clone())));
            Ok(here.map(|(_, k)| k.clone()).collect())
        })
    }

    async fn zones_offering(&self, _: &str) -> Ec2Result<Vec<String>> {
        self.call("DescribeInstanceTypeOfferings", |_, _| Ok(vec!["us-east-1a".into()]))
    }

    async fn instance_types(&self, names: &[String]) -> Ec2Result<Vec<InstanceType>> {
        self.call("DescribeInstanceTypes", |_, _| {
            let known = |name: &String| {
                let arm = name.contains("g.");
                InstanceType {
                    name: name.clone(),
                    architectures: vec![if arm { "arm64" } else { "x86_64" }.into()],
                    ena: "required".into(),
                    boot_modes: vec![if arm { "uefi" } else { "legacy-bios" }.into()],
                }
            };
            match names.iter().any(|name| name.starts_with("none")) {
                true => refuse("DescribeInstanceTypes", "InvalidInstanceType"),
                false => Ok(names.iter().map(known).collect()),
            }
        })
    }

    async fn launch_templates(&self, filters: Vec<Filter>) -> Ec2Result<Vec<LaunchTemplate>> {
        self.call("DescribeLaunchTemplates", |state, region| {
            let here = state.templates.iter().filter(|(at, _, _)| at == region);
            let field = |t: &NewLaunchTemplate, n: &str| (n == "launch-template-name").then(|| t.name.clone());
            let here = here.filter(|(_, _, t)| passes(&filters, &t.tags, |n| field(t, n)));
            let shown = |(_, id, t): &(Region, String, NewLaunchTemplate)| LaunchTemplate {
                id: id.clone(),
                name: t.name.clone(),
                tags: t.tags.clone(),
            };
            Ok(here.map(shown).collect())
        })
    }

    async fn launch_template_images(&self) -> Ec2Result<Vec<(String, AmiId)>> {
        self.call("DescribeLaunchTemplateVersions", |_, _| Ok(Vec::new()))
    }

    async fn console_output(&self, _: &InstanceId) -> Ec2Result<Option<String>> {
        self.call("GetConsoleOutput", |_, _| Ok(None))
    }

    async fn import_key_pair(&self, name: &str, _: &str, tags: &Tags) -> Ec2Result<()> {
        self.call("ImportKeyPair", |state, region| {
            if state.keys.iter().any(|(at, k)| at == region && k.name == name) {
                return refuse("ImportKeyPair", "InvalidKeyPair.Duplicate");
            }
            state.keys.push((region.clone(), KeyPair { name: name.into(), tags: tags.clone() }));
            Ok(())
        })
    }

    async fn delete_key_pair(&self, name: &str) -> Ec2Result<()> {
        self.call("DeleteKeyPair", |state, region| {
            state.keys.retain(|(at, k)| at != region || k.name != name);
            Ok(())
        })
    }

    async fn create_security_group(
        &self,
        name: &str,
        _: &str,
        _: Option<&VpcId>,
        tags: &Tags,
    ) -> Ec2Result<SecurityGroupId> {
        self.call("CreateSecurityGroup", |state, region| {
            if state.groups.iter().any(|(at, g)| at == region && g.name == name) {
                return refuse("CreateSecurityGroup", "InvalidGroup.Duplicate");
            }
            let id = SecurityGroupId::new(state.id("sg"));
            let group = SecurityGroup { id: id.clone(), name: name.into(), tags: tags.clone() };
            state.groups.push((region.clone(), group));
            Ok(id)
        })
    }

    async fn authorize_ingress(&self, group: &SecurityGroupId, _: &Ingress) -> Ec2Result<()> {
        self.call("AuthorizeSecurityGroupIngress", |state, _| match state.groups.iter().any(|(_, g)| g.id == *group) {
            true => Ok(()),
            false => refuse("AuthorizeSecurityGroupIngress", "InvalidGroup.NotFound"),
        })
    }

    async fn revoke_ingress(&self, _: &SecurityGroupId, _: &Ingress) -> Ec2Result<()> {
        self.call("RevokeSecurityGroupIngress", |_, _| Ok(()))
    }

    async fn delete_security_group(&self, group: &SecurityGroupId) -> Ec2Result<()> {
        self.call("DeleteSecurityGroup", |state, _| {
            if !state.groups.iter().any(|(_, g)| g.id == *group) {
                return refuse("DeleteSecurityGroup", "InvalidGroup.NotFound");
            }
            let used = state.groups_of.iter().any(|(instance, g)| {
                g == group
                    && state
                        .instances
                        .iter()
                        .any(|(_, i)| i.id.as_str() == instance && i.state != InstanceState::Terminated)
            });
            if used {
                return refuse("DeleteSecurityGroup", "DependencyViolation");
            }
            state.groups.retain(|(_, g)| g.id != *group);
            Ok(())
        })
    }

    async fn run_instance(&self, launch: &Launch) -> Ec2Result<Instance> {
        self.call("RunInstances", |state, region| launch_instance("RunInstances", state, region, launch))
    }

    async fn try_run_instance(&self, launch: &Launch) -> Ec2Result<()> {
        self.call("RunInstances (dry run)", |state, region| {
            match state.images.iter().any(|(at, i)| at == region && i.id == launch.image) {
                true => Ok(()),
                false => refuse("RunInstances", "InvalidAMIID.NotFound"),
            }
        })
    }

    async fn create_launch_template(&self, template: &NewLaunchTemplate) -> Ec2Result<String> {
        self.call("CreateLaunchTemplate", |state, region| {
            if state.templates.iter().any(|(at, _, t)| at == region && t.name == template.name) {
                return refuse("CreateLaunchTemplate", "InvalidLaunchTemplateName.AlreadyExistsException");
            }
            let id = state.id("lt");
            state.templates.push((region.clone(), id.clone(), template.clone()));
            Ok(id)
        })
    }

    async fn delete_launch_template(&self, id: &str) -> Ec2Result<()> {
        self.call("DeleteLaunchTemplate", |state, _| {
            match state.templates.iter().position(|(_, known, _)| known == id) {
                Some(n) => {
                    state.templates.remove(n);
                    Ok(())
                }
                None => refuse("DeleteLaunchTemplate", "InvalidLaunchTemplateId.NotFound"),
            }
        })
    }

    async fn create_fleet(&self, fleet: &Fleet) -> Ec2Result<InstanceId> {
        self.call("CreateFleet", |state, region| {
            let found = state.templates.iter().find(|(at, id, _)| at == region && *id == fleet.template);
            let Some(template) = found.map(|(_, _, t)| t.clone()) else {
                return refuse("CreateFleet", "InvalidLaunchTemplateId.NotFound");
            };
            let mut last = refuse("CreateFleet", "InvalidParameter");
            for name in &fleet.instance_types {
                let launch = Launch { instance_type: name.clone(), ..template.launch.clone() };
                last = launch_instance("CreateFleet", state, region, &launch).map(|i| i.id);
                if last.is_ok() {
                    break;
                }
            }
            last
        })
    }

    async fn stop_instance(&self, instance: &InstanceId) -> Ec2Result<()> {
        self.call("StopInstances", |state, _| match state.instances.iter_mut().find(|(_, i)| i.id == *instance) {
            Some((_, i)) if matches!(i.state, InstanceState::Stopped | InstanceState::Stopping) => Ok(()),
            Some((_, i)) if i.state == InstanceState::Running => {
                i.state = InstanceState::Stopping;
                Ok(())
            }
            Some(_) => refuse("StopInstances", "IncorrectInstanceState"),
            None => refuse("StopInstances", "InvalidInstanceID.NotFound"),
        })
    }

    async fn terminate_instance(&self, instance: &InstanceId) -> Ec2Result<()> {
        self.call("TerminateInstances", |state, _| {
            let Some((_, i)) = state.instances.iter_mut().find(|(_, i)| i.id == *instance) else {
                return refuse("TerminateInstances", "InvalidInstanceID.NotFound");
            };
            if i.state != InstanceState::Terminated {
                i.state = InstanceState::ShuttingDown;
            }
            let (gone, stay): (Vec<_>, Vec<_>) = i.volumes.drain(..).partition(|v| v.delete_on_termination);
            state.volumes.retain(|(_, v)| gone.iter().all(|g| g.id != v.id));
            for (_, volume) in state.volumes.iter_mut().filter(|(_, v)| stay.iter().any(|s| s.id == v.id)) {
                volume.state = "available".into();
                volume.attachment = None;
            }
            Ok(())
        })
    }

    async fn modify_instance(&self, _: &InstanceId, _: InstanceChange) -> Ec2Result<()> {
        self.call("ModifyInstanceAttribute", |_, _| Ok(()))
    }

    async fn create_volume(&self, new: &NewVolume) -> Ec2Result<VolumeId> {
        self.call("CreateVolume", |state, region| {
            let id = VolumeId::new(state.id("vol"));
            let tags = new.tags.clone();
            let volume = Volume { id: id.clone(), state: "available".into(), attachment: None, tags };
            state.volumes.push((region.clone(), volume));
            Ok(id)
        })
    }

    async fn try_create_volume(&self, _: &NewVolume) -> Ec2Result<()> {
        self.call("CreateVolume (dry run)", |_, _| Ok(()))
    }

    async fn attach_volume(&self, volume: &VolumeId, instance: &InstanceId, device: &str) -> Ec2Result<()> {
        self.call("AttachVolume", |state, _| {
            let Some((_, found)) = state.volumes.iter_mut().find(|(_, v)| v.id == *volume) else {
                return refuse("AttachVolume", "InvalidVolume.NotFound");
            };
            if found.attachment.is_some() {
                return refuse("AttachVolume", "VolumeInUse");
            }
            found.state = "in-use".into();
            found.attachment =
                Some(Attachment { instance: instance.clone(), device: device.to_owned(), state: "attached".into() });
            Ok(())
        })
    }

    async fn detach_volume(&self, volume: &VolumeId, _: bool) -> Ec2Result<()> {
        self.call("DetachVolume", |state, _| {
            let Some((_, found)) = state.volumes.iter_mut().find(|(_, v)| v.id == *volume) else {
                return refuse("DetachVolume", "InvalidVolume.NotFound");
            };
            if found.attachment.take().is_none() {
                return refuse("DetachVolume", "IncorrectState");
            }
            found.state = "available".into();
            for (_, instance) in &mut state.instances {
                instance.volumes.retain(|v| v.id != *volume);
            }
            Ok(())
        })
    }

    async fn delete_volume(&self, volume: &VolumeId) -> Ec2Result<()> {
        self.call("DeleteVolume", |state, _| match state.volumes.iter().position(|(_, v)| v.id == *volume) {
            Some(n) if state.volumes[n].1.state == "in-use" => refuse("DeleteVolume", "VolumeInUse"),
            Some(n) => {
                state.volumes.remove(n);
                Ok(())
            }
            None => refuse("DeleteVolume", "InvalidVolume.NotFound"),
        })
    }

    async fn create_image(&self, new: &NewImage) -> Ec2Result<AmiId> {
        self.call("CreateImage", |state, region| {
            if state.images.iter().any(|(at, i)| at == region && i.owner_id == OWNER && i.name == new.name) {
                return refuse("CreateImage", "InvalidAMIName.Duplicate");
            }
            let Some((_, instance)) = state.instances.iter().find(|(_, i)| i.id == new.instance) else {
                return refuse("CreateImage", "InvalidInstanceID.NotFound");
            };
            let mapping = |volume: &AttachedVolume| ImageMapping {
                device_name: volume.device_name.clone(),
                delete_on_termination: Some(volume.delete_on_termination),
                ..ImageMapping::default()
            };
            let mappings = instance.volumes.iter().map(mapping).collect();
            let image = Image {
                id: AmiId::new(state.id("ami")),
                mappings,
                ..image(&new.name, &new.description, OWNER, new.image_tags.clone())
            };
            Ok(make_image(state, region, image, "Created by CreateImage(i) for", &new.snapshot_tags))
        })
    }

    async fn copy_image(&self, copy: &ImageCopy) -> Ec2Result<AmiId> {
        self.call("CopyImage", |state, region| {
            if state.images.iter().any(|(at, i)| at == region && i.owner_id == OWNER && i.name == copy.name) {
                return refuse("CopyImage", "InvalidAMIName.Duplicate");
            }
            let Some((_, source)) = state.images.iter().find(|(_, i)| i.id == copy.source) else {
                return refuse("CopyImage", "InvalidAMIID.NotFound");
            };
            let mappings = source.mappings.clone();
            let image = Image {
                id: AmiId::new(state.id("ami")),
                mappings,
                ..image(&copy.name, &copy.description, OWNER, copy.image_tags.clone())
            };
            state.copies.push(copy.clone());
            Ok(make_image(state, region, image, "Copied for DestinationAmi", &copy.snapshot_tags))
        })
    }

    async fn deregister_image(&self, image: &AmiId) -> Ec2Result<()> {
        self.call("DeregisterImage", |state, _| match state.images.iter().position(|(_, i)| i.id == *image) {
            Some(n) if state.images[n].1.protection.is_some() => refuse("DeregisterImage", "OperationNotPermitted"),
            Some(n) => {
                state.images.remove(n);
                Ok(())
            }
            None => refuse("DeregisterImage", "InvalidAMIID.NotFound"),
        })
    }

    async fn try_deregister_image(&self, _: &AmiId) -> Ec2Result<()> {
        self.call("DeregisterImage (dry run)", |_, _| Ok(()))
    }
    async fn try_copy_image(&self, _: &ImageCopy) -> Ec2Result<()> {
        self.call("CopyImage (dry run)", |_, _| Ok(()))
    }
    async fn try_delete_snapshot(&self, _: &SnapshotId) -> Ec2Result<()> {
        self.call("DeleteSnapshot (dry run)", |_, _| Ok(()))
    }

    async fn delete_snapshot(&self, snapshot: &SnapshotId) -> Ec2Result<()> {
        self.call("DeleteSnapshot", |state, _| {
            let used = |i: &Image| i.mappings.iter().any(|m| m.snapshot.as_ref() == Some(snapshot));
            if state.images.iter().any(|(_, i)| used(i)) {
                return refuse("DeleteSnapshot", "InvalidSnapshot.InUse");
            }
            match state.snapshots.iter().position(|(_, s)| s.id == *snapshot) {
                Some(n) => {
                    state.snapshots.remove(n);
                    Ok(())
                }
                None => refuse("DeleteSnapshot", "InvalidSnapshot.NotFound"),
            }
        })
    }

    async fn modify_image(&self, _: &AmiId, _: &ImageChange) -> Ec2Result<()> {
        self.call("ModifyImageAttribute", |_, _| Ok(()))
    }
    async fn share_snapshot(&self, _: &SnapshotId, _: &Grant) -> Ec2Result<()> {
        self.call("ModifySnapshotAttribute", |_, _| Ok(()))
    }
    async fn deprecate_image(&self, _: &AmiId, _: &str) -> Ec2Result<()> {
        self.call("EnableImageDeprecation", |_, _| Ok(()))
    }
    async fn protect_image(&self, id: &AmiId, _: bool) -> Ec2Result<()> {
        self.call("EnableImageDeregistrationProtection", |state, _| {
            match state.images.iter_mut().find(|(_, image)| image.id == *id) {
                Some((_, image)) => image.protection = Some("enabled-without-cooldown".into()),
                None => return refuse("EnableImageDeregistrationProtection", "InvalidAMIID.NotFound"),
            }
            Ok(())
        })
    }

    async fn create_snapshot(&self, new: &NewSnapshot) -> Ec2Result<SnapshotId> {
        self.call("CreateSnapshot", |state, region| {
            if !state.volumes.iter().any(|(_, v)| v.id == new.volume) {
                return refuse("CreateSnapshot", "InvalidVolume.NotFound");
            }
            let id = SnapshotId::new(state.id("snap"));
            let snapshot = Snapshot {
                id: id.clone(),
                description: new.description.clone(),
                state: "completed".into(),
                state_reason: None,
                progress: Some(100),
                tags: new.tags.clone(),
            };
            state.snapshots.push((region.clone(), snapshot));
            Ok(id)
        })
    }

    async fn register_image(&self, new: &Registration) -> Ec2Result<AmiId> {
        self.call("RegisterImage", |state, region| {
            if state.images.iter().any(|(at, i)| at == region && i.owner_id == OWNER && i.name == new.name) {
                return refuse("RegisterImage", "InvalidAMIName.Duplicate");
            }
            let mapping = |m: &DeviceMapping| ImageMapping {
                device_name: m.device_name.clone(),
                snapshot: m.ebs.as_ref().and_then(|e| e.snapshot.clone()),
                ..ImageMapping::default()
            };
            let image = Image {
                id: AmiId::new(state.id("ami")),
                mappings: new.mappings.iter().map(mapping).collect(),
                ..image(&new.name, &new.description, OWNER, new.tags.clone())
            };
            let id = image.id.clone();
            state.images.push((region.clone(), image));
            Ok(id)
        })
    }

    async fn create_tags(&self, resources: &[String], tags: &Tags) -> Ec2Result<()> {
        self.call("CreateTags", |state, _| {
            for id in resources {
                match state.tags_mut(id) {
                    Some(known) => known.extend(tags.clone()),
                    None => return refuse("CreateTags", "InvalidID.NotFound"),
                }
            }
            Ok(())
        })
    }

    async fn delete_tags(&self, resources: &[String], keys: &[String]) -> Ec2Result<()> {
        self.call("DeleteTags", |state, _| {
            for id in resources {
                if let Some(known) = state.tags_mut(id) {
                    known.retain(|key, _| !keys.contains(key));
                }
            }
            Ok(())
        })
    }
}

/// An image with what every image has.
pub fn image(name: &str, description: &str, owner: &str, tags: Tags) -> Image {
    Image {
        id: "ami-0".into(),
        name: name.into(),
        description: description.into(),
        state: ImageState::Pending,
        state_reason: None,
        creation_date: "2026-01-01T00:00:00.000Z".into(),
        owner_id: owner.into(),
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
            snapshot: Some("snap-0".into()),
            volume_size: Some(8),
            encrypted: Some(false),
            delete_on_termination: Some(true),
            ..ImageMapping::default()
        }],
        tags,
    }
}
