//! Images: finding, making, copying, sharing, deregistering; what their snapshots hold.

use crate::client::World;

const TRUSTY: &str = "*ubuntu/images/hvm-ssd/ubuntu-trusty-14.04-amd64-server-*";

#[tokio::test]
async fn source_images_are_found_as_packer_looks_for_them() {
    let w = World::new().await;
    let filter = [
        ("Filter.1.Name", "name"),
        ("Filter.1.Value.1", TRUSTY),
        ("Filter.2.Name", "root-device-type"),
        ("Filter.2.Value.1", "ebs"),
        ("Filter.3.Name", "virtualization-type"),
        ("Filter.3.Value.1", "hvm"),
    ];
    let mut owned = filter.to_vec();
    owned.push(("Owner.1", "099720109477"));
    let found = w.ok("DescribeImages", &owned).await;
    assert_eq!(found.all("creationDate").len(), 2);
    assert_eq!(w.ok("DescribeImages", &filter).await.all("imageId").len(), 2, "also without an owner");
    for (owner, count) in [("self", 0), ("amazon", 1), ("aws-marketplace", 0), ("137112412989", 1)] {
        assert_eq!(w.ok("DescribeImages", &[("Owner.1", owner)]).await.all("imageId").len(), count, "{owner}");
    }
    let paged = w.ok("DescribeImages", &[("MaxResults", "3")]).await;
    assert_eq!(paged.all("imageId").len(), 3);
    let rest = w.ok("DescribeImages", &[("MaxResults", "3"), ("NextToken", &paged.one("nextToken"))]).await;
    assert_eq!((rest.all("imageId").len(), rest.all("nextToken").len()), (2, 0));
    let elsewhere = w.call_in("eu-west-1", "DescribeImages", &owned).await;
    assert_ne!(elsewhere.one("imageId"), found.one("imageId"), "regions have ids of their own");
}

/// An instance with a data volume into which `marker` was written.
async fn source(w: &World, marker: &[u8]) -> String {
    let id = w
        .instance(&[("BlockDeviceMapping.1.DeviceName", "/dev/sdb"), ("BlockDeviceMapping.1.Ebs.VolumeSize", "2")])
        .await;
    let file = std::fs::OpenOptions::new().write(true).open(&w.machines.launch(&id).volumes[0].file).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, marker, 1 << 30).unwrap();
    id
}

#[tokio::test]
async fn images_carry_every_volume_into_snapshots_and_boot() {
    let w = World::new().await;
    let id = source(&w, b"marker").await;
    w.ok("StopInstances", &[("InstanceId.1", &id)]).await;
    w.until_instance(&id, "stopped").await;
    let image = w
        .ok(
            "CreateImage",
            &[
                ("InstanceId", &id),
                ("Name", "golden (1) [a]/b.c-d'e@f_g"),
                ("TagSpecification.1.ResourceType", "snapshot"),
                ("TagSpecification.1.Tag.1.Key", "imgbuild:run"),
                ("TagSpecification.1.Tag.1.Value", "r1"),
            ],
        )
        .await
        .one("imageId");
    w.until_image(&image, "available").await;
    let seen = w.ok("DescribeImages", &[("ImageId.1", &image)]).await;
    assert_eq!(seen.all("deviceName"), ["/dev/xvda", "/dev/sdb"]);
    assert_eq!(seen.all("volumeSize"), ["8", "2"]);
    let snapshots = seen.all("snapshotId");
    assert_eq!(snapshots.len(), 2);
    let tagged = w.ok("DescribeSnapshots", &[("Filter.1.Name", "tag:imgbuild:run"), ("Filter.1.Value.1", "r1")]).await;
    assert_eq!(tagged.all("snapshotId").len(), 2);
    assert_eq!(tagged.all("status"), ["completed", "completed"]);

    // The source can go on, on top of what was frozen, and go.
    w.ok("TerminateInstances", &[("InstanceId.1", &id)]).await;
    w.until_instance(&id, "terminated").await;
    let new = w.instance(&[("ImageId", &image)]).await;
    let launch = w.machines.launch(&new);
    assert_eq!(launch.root.lower.len(), 2, "the base and what the source wrote");
    assert!(launch.root.lower[0].join(format!("was-{id}")).exists());
    assert!(!launch.root.upper.join(format!("was-{id}")).exists());
    let mut read = [0; 6];
    let file = std::fs::File::open(&launch.volumes[0].file).unwrap();
    std::os::unix::fs::FileExt::read_exact_at(&file, &mut read, 1 << 30).unwrap();
    assert_eq!(&read, b"marker");

    // In use, in this order: snapshots by the image, layers by the instance.
    assert_eq!(w.call("DeleteSnapshot", &[("SnapshotId", &snapshots[0])]).await.code(), "InvalidSnapshot.InUse");
    w.ok("DeregisterImage", &[("ImageId", &image)]).await;
    assert_eq!(w.call("DescribeImages", &[("ImageId.1", &image)]).await.code(), "InvalidAMIID.NotFound");
    for snapshot in &snapshots {
        w.ok("DeleteSnapshot", &[("SnapshotId", snapshot)]).await;
    }
    w.ok("RebootInstances", &[("InstanceId.1", &new)]).await;
    w.until("a reboot", || async {
        w.machines.history().iter().filter(|h| **h == format!("start {new}")).count() == 2
    })
    .await;
    w.ok("TerminateInstances", &[("InstanceId.1", &new)]).await;
    w.until_instance(&new, "terminated").await;
    w.until("no layer is left", || async { !launch.root.lower[0].exists() }).await;
}

#[tokio::test]
async fn a_running_instance_is_rebooted_for_its_image_unless_told_not_to() {
    let w = World::new().await;
    let id = source(&w, b"x").await;
    let make = |name: &'static str, no_reboot: &'static str| {
        let (w, id) = (&w, id.clone());
        async move {
            let params = [("InstanceId", id.as_str()), ("Name", name), ("NoReboot", no_reboot)];
            let image = w.ok("CreateImage", &params).await.one("imageId");
            w.until_image(&image, "available").await;
        }
    };
    make("live", "true").await;
    assert_eq!(w.machines.history(), [format!("start {id}")]);
    make("still", "false").await;
    assert_eq!(w.machines.history(), [format!("start {id}"), format!("stop {id}"), format!("start {id}")]);
    w.until_instance(&id, "running").await;
    assert_eq!(w.machines.launch(&id).root.lower.len(), 2, "its old tree is frozen below its new one");
}

#[tokio::test]
async fn names_are_checked_and_mappings_laid_over() {
    let w = World::new().await;
    let id = w.instance(&[]).await;
    let named = |name: String| {
        let (w, id) = (&w, id.clone());
        async move { w.call("CreateImage", &[("InstanceId", &id), ("Name", &name)]).await.code() }
    };
    assert_eq!(named("taken".into()).await, "ok");
    for (name, code) in [
        ("taken".to_owned(), "InvalidAMIName.Duplicate"),
        ("ab".into(), "InvalidAMIName.Malformed"),
        ("a".repeat(129), "InvalidAMIName.Malformed"),
        ("colon:12".into(), "InvalidAMIName.Malformed"),
        ("umlaut ü".into(), "InvalidAMIName.Malformed"),
        ("a".repeat(128), "ok"),
    ] {
        assert_eq!(named(name.clone()).await, code, "{name}");
    }
    let image = w
        .ok(
            "CreateImage",
            &[
                ("InstanceId", &id),
                ("Name", "with more"),
                ("BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
                ("BlockDeviceMapping.1.Ebs.VolumeSize", "20"),
                ("BlockDeviceMapping.1.Ebs.VolumeType", "gp3"),
                ("BlockDeviceMapping.2.DeviceName", "/dev/sdc"),
                ("BlockDeviceMapping.2.VirtualName", "ephemeral0"),
            ],
        )
        .await
        .one("imageId");
    w.until_image(&image, "available").await;
    let seen = w.ok("DescribeImages", &[("ImageId.1", &image)]).await;
    assert_eq!(
        (seen.one("volumeSize"), seen.one("volumeType"), seen.one("virtualName")),
        ("20".into(), "gp3".into(), "ephemeral0".into())
    );
    for (params, code) in [
        (
            &[("BlockDeviceMapping.1.DeviceName", "/dev/xvda"), ("BlockDeviceMapping.1.Ebs.VolumeSize", "4")][..],
            "InvalidBlockDeviceMapping",
        ),
        (
            &[("BlockDeviceMapping.1.DeviceName", "/dev/xvda"), ("BlockDeviceMapping.1.Ebs.Encrypted", "true")],
            "InvalidBlockDeviceMapping",
        ),
        (
            &[("BlockDeviceMapping.1.DeviceName", "/dev/xvda"), ("BlockDeviceMapping.1.NoDevice", "")],
            "InvalidBlockDeviceMapping",
        ),
    ] {
        let mut all = vec![("InstanceId", id.as_str()), ("Name", "another")];
        all.extend_from_slice(params);
        assert_eq!(w.call("CreateImage", &all).await.code(), code, "{params:?}");
    }
}

#[tokio::test]
async fn copies_go_to_other_regions_and_may_be_encrypted() {
    let w = World::new().await;
    let id = w.instance(&[]).await;
    let image = w
        .ok(
            "CreateImage",
            &[
                ("InstanceId", &id),
                ("Name", "one"),
                ("TagSpecification.1.ResourceType", "image"),
                ("TagSpecification.1.Tag.1.Key", "K"),
                ("TagSpecification.1.Tag.1.Value", "V"),
            ],
        )
        .await
        .one("imageId");
    w.until_image(&image, "available").await;
    let copy = |region: &'static str, more: &'static [(&'static str, &'static str)]| {
        let (w, image) = (&w, image.clone());
        async move {
            let mut params = vec![
                ("SourceRegion", "us-east-1"),
                ("SourceImageId", image.as_str()),
                ("Name", "one"),
                ("ClientToken", "t"),
            ];
            params.extend_from_slice(more);
            w.call_in(region, "CopyImage", &params).await
        }
    };
    let first = copy("eu-west-1", &[("Encrypted", "true"), ("KmsKeyId", "alias/mine"), ("CopyImageTags", "true")])
        .await
        .one("imageId");
    assert_eq!(
        copy("eu-west-1", &[("Encrypted", "true"), ("KmsKeyId", "alias/mine"), ("CopyImageTags", "true")])
            .await
            .one("imageId"),
        first
    );
    assert_eq!(copy("eu-west-1", &[]).await.code(), "IdempotentParameterMismatch");
    assert_eq!(copy("us-east-1", &[]).await.code(), "InvalidAMIName.Duplicate");
    w.until("the copy", || async {
        w.call_in("eu-west-1", "DescribeImages", &[("ImageId.1", &first)]).await.one("imageState") == "available"
    })
    .await;
    let seen = w.call_in("eu-west-1", "DescribeImages", &[("ImageId.1", &first)]).await;
    assert_eq!(
        (seen.one("sourceImageId"), seen.one("encrypted"), seen.one("key")),
        (image.clone(), "true".into(), "K".into())
    );
    let snapshot = w.call_in("eu-west-1", "DescribeSnapshots", &[("SnapshotId.1", &seen.one("snapshotId"))]).await;
    assert_eq!(snapshot.one("kmsKeyId"), "arn:aws:kms:eu-west-1:111122223333:alias/mine");
    // The copy stands by itself.
    w.ok("DeregisterImage", &[("ImageId", &image), ("DeleteAssociatedSnapshots", "true")]).await;
    assert_eq!(w.ok("DescribeSnapshots", &[("Owner.1", "self")]).await.all("snapshotId").len(), 0);
    let run = [("ImageId", first.as_str()), ("InstanceType", "t3.micro"), ("MinCount", "1"), ("MaxCount", "1")];
    let there = w.call_in("eu-west-1", "RunInstances", &run).await.one("instanceId");
    w.until("the copy boots", || async {
        w.call_in("eu-west-1", "DescribeInstances", &[("InstanceId.1", &there)])
            .await
            .text
            .contains("<name>running</name>")
    })
    .await;
    assert!(w.machines.launch(&there).root.lower[0].join(format!("was-{id}")).exists());
}

#[tokio::test]
async fn sharing_deprecation_and_protection() {
    let w = World::new().await;
    let id = w.instance(&[]).await;
    let image = w.ok("CreateImage", &[("InstanceId", &id), ("Name", "one")]).await.one("imageId");
    w.until_image(&image, "available").await;
    let modify = |params: &'static [(&'static str, &'static str)]| {
        let (w, image) = (&w, image.clone());
        async move {
            let mut all = vec![("ImageId", image.as_str())];
            all.extend_from_slice(params);
            w.call("ModifyImageAttribute", &all).await.code()
        }
    };
    assert_eq!(modify(&[("LaunchPermission.Add.1.UserId", "123456789012")]).await, "ok");
    assert_eq!(
        modify(&[("Attribute", "launchPermission"), ("OperationType", "add"), ("UserGroup.1", "all")]).await,
        "ok"
    );
    const AS_PACKER: [(&str, &str); 3] = [
        ("Attribute", "launchPermission"),
        ("UserId.1", "123456789012"),
        ("LaunchPermission.Add.1.UserId", "123456789012"),
    ];
    assert_eq!(modify(&AS_PACKER).await, "ok");
    assert_eq!(modify(&[("Attribute", "launchPermission"), ("UserId.1", "123456789012")]).await, "MissingParameter");
    assert_eq!(modify(&[("LaunchPermission.Add.1.UserId", "12")]).await, "InvalidAMIAttributeItemValue");
    assert_eq!(modify(&[("Description.Value", "new")]).await, "ok");
    assert_eq!(modify(&[("Attribute", "nonsense")]).await, "InvalidParameterValue");
    let seen = w.ok("DescribeImageAttribute", &[("ImageId", &image), ("Attribute", "launchPermission")]).await;
    assert_eq!((seen.all("userId"), seen.all("group")), (vec!["123456789012".into()], vec!["all".into()]));
    assert_eq!(
        w.ok("DescribeImages", &[("ExecutableBy.1", "123456789012")]).await.all("imageId"),
        std::slice::from_ref(&image)
    );
    w.ok("ResetImageAttribute", &[("ImageId", &image), ("Attribute", "launchPermission")]).await;
    assert_eq!(w.ok("DescribeImages", &[("ImageId.1", &image)]).await.one("isPublic"), "false");

    assert_eq!(
        w.call("EnableImageDeprecation", &[("ImageId", &image), ("DeprecateAt", "2001-01-01T00:00:00Z")]).await.code(),
        "InvalidParameterValue"
    );
    let next_year = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * 300)).to_string();
    w.ok("EnableImageDeprecation", &[("ImageId", &image), ("DeprecateAt", &next_year)]).await;
    assert_eq!(w.ok("DescribeImages", &[("ImageId.1", &image)]).await.all("deprecationTime").len(), 1);
    w.ok("EnableImageDeregistrationProtection", &[("ImageId", &image)]).await;
    assert_eq!(w.call("DeregisterImage", &[("ImageId", &image)]).await.code(), "OperationNotPermitted");
    w.ok("DisableImageDeregistrationProtection", &[("ImageId", &image)]).await;
    w.ok("DeregisterImage", &[("ImageId", &image)]).await;

    let others = w.debian().await;
    assert_eq!(w.call("DeregisterImage", &[("ImageId", &others)]).await.code(), "AuthFailure");
}

#[tokio::test]
async fn snapshots_can_be_registered() {
    let w = World::new().await;
    let id = w.instance(&[]).await;
    let volume = w.ok("DescribeVolumes", &[]).await.one("volumeId");
    let snapshot = w.ok("CreateSnapshot", &[("VolumeId", &volume)]).await.one("snapshotId");
    w.until_snapshot(&snapshot, "completed").await;
    let base = [
        ("Name", "registered"),
        ("Architecture", "x86_64"),
        ("RootDeviceName", "/dev/xvda"),
        ("EnaSupport", "true"),
        ("VirtualizationType", "hvm"),
        ("BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
    ];
    let mut params = base.to_vec();
    assert_eq!(w.call("RegisterImage", &params).await.code(), "InvalidBlockDeviceMapping");
    params.push(("BlockDeviceMapping.1.Ebs.SnapshotId", &snapshot));
    let image = w.ok("RegisterImage", &params).await.one("imageId");
    let new = w.instance(&[("ImageId", &image)]).await;
    assert!(w.machines.launch(&new).root.lower[0].join(format!("was-{id}")).exists());
}
