//! Volumes: making, attaching to what runs, growing, snapshots of their own.

use crate::client::World;

#[tokio::test]
async fn volumes_come_and_go_in_a_running_machine() {
    let w = World::new().await;
    let id = w.instance(&[]).await;
    let zone = w.ok("DescribeInstances", &[]).await.one("availabilityZone");
    let create = [("AvailabilityZone", zone.as_str()), ("Size", "3"), ("VolumeType", "gp3"), ("ClientToken", "v")];
    let volume = w.ok("CreateVolume", &create).await.one("volumeId");
    assert_eq!(w.ok("CreateVolume", &create).await.one("volumeId"), volume);
    w.until_volume(&volume, "available").await;
    let attach = [("VolumeId", volume.as_str()), ("InstanceId", id.as_str()), ("Device", "/dev/sdf")];
    assert_eq!(w.ok("AttachVolume", &attach).await.one("status"), "attaching");
    w.until("attached", || async { w.machines.history().contains(&format!("attach {id} /dev/nvme1n1")) }).await;
    assert_eq!(w.call("AttachVolume", &attach).await.code(), "VolumeInUse");
    assert_eq!(w.call("DeleteVolume", &[("VolumeId", &volume)]).await.code(), "VolumeInUse");

    w.machines.with(|i| i.mounted.push(volume.clone()));
    w.ok("DetachVolume", &[("VolumeId", &volume)]).await;
    w.until("busy", || async {
        w.ok("DescribeVolumes", &[("VolumeId.1", &volume)]).await.all("status") == ["in-use", "detaching"]
    })
    .await;
    w.machines.with(|i| i.mounted.clear());
    w.until_volume(&volume, "available").await;

    let snapshot = w.ok("CreateSnapshot", &[("VolumeId", &volume), ("Description", "d")]).await.one("snapshotId");
    w.until_snapshot(&snapshot, "completed").await;
    assert_eq!(w.call("ModifyVolume", &[("VolumeId", &volume), ("Size", "2")]).await.code(), "InvalidParameterValue");
    w.ok("ModifyVolume", &[("VolumeId", &volume), ("Size", "5")]).await;
    let small = [("AvailabilityZone", zone.as_str()), ("Size", "1"), ("SnapshotId", snapshot.as_str())];
    assert_eq!(w.call("CreateVolume", &small).await.code(), "InvalidBlockDeviceMapping");
    w.ok("DeleteVolume", &[("VolumeId", &volume)]).await;
    w.ok("DeleteSnapshot", &[("SnapshotId", &snapshot)]).await;
    let shared = w
        .call(
            "ModifySnapshotAttribute",
            &[("SnapshotId", &snapshot), ("CreateVolumePermission.Add.1.UserId", "123456789012")],
        )
        .await;
    assert_eq!(shared.code(), "InvalidSnapshot.NotFound");
}

#[tokio::test]
async fn root_volumes_stay_with_their_machine() {
    let w = World::new().await;
    let id = w.instance(&[]).await;
    let root = w.ok("DescribeVolumes", &[]).await.one("volumeId");
    assert_eq!(w.call("DetachVolume", &[("VolumeId", &root)]).await.code(), "OperationNotPermitted");
    w.ok("StopInstances", &[("InstanceId.1", &id)]).await;
    w.until_instance(&id, "stopped").await;
    w.ok("DetachVolume", &[("VolumeId", &root)]).await;
    let attach = [("VolumeId", root.as_str()), ("InstanceId", id.as_str()), ("Device", "/dev/xvda")];
    w.ok("AttachVolume", &attach).await;
    w.ok("StartInstances", &[("InstanceId.1", &id)]).await;
    w.until_instance(&id, "running").await;
}

#[tokio::test]
async fn snapshots_of_an_instance_are_taken_together() {
    let w = World::new().await;
    let id = w
        .instance(&[("BlockDeviceMapping.1.DeviceName", "/dev/sdb"), ("BlockDeviceMapping.1.Ebs.VolumeSize", "1")])
        .await;
    let both = w.ok("CreateSnapshots", &[("InstanceSpecification.InstanceId", &id)]).await.all("snapshotId");
    assert_eq!(both.len(), 2);
    for snapshot in &both {
        w.until_snapshot(snapshot, "completed").await;
    }
    let one = [("InstanceSpecification.InstanceId", id.as_str()), ("InstanceSpecification.ExcludeBootVolume", "true")];
    assert_eq!(w.ok("CreateSnapshots", &one).await.all("snapshotId").len(), 1);
    let copy = [
        ("SourceRegion", "us-east-1"),
        ("SourceSnapshotId", both[0].as_str()),
        ("Encrypted", "true"),
        ("DestinationRegion", "eu-west-1"),
    ];
    let copied = w.call_in("eu-west-1", "CopySnapshot", &copy).await.one("snapshotId");
    w.until("the copy", || async {
        w.call_in("eu-west-1", "DescribeSnapshots", &[("SnapshotId.1", &copied)]).await.one("status") == "completed"
    })
    .await;
}
