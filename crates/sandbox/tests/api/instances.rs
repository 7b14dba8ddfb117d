//! Instances: launch, life, idempotence, metadata.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::client::World;

#[tokio::test]
async fn an_instance_lives_and_leaves_nothing() {
    let w = World::new().await;
    let key = w.ok("CreateKeyPair", &[("KeyName", "k"), ("KeyType", "ed25519")]).await;
    assert!(key.one("keyMaterial").starts_with("-----BEGIN OPENSSH PRIVATE KEY-----"));
    let group = w.ok("CreateSecurityGroup", &[("GroupName", "g"), ("GroupDescription", "test")]).await.one("groupId");
    let data = STANDARD.encode("#cloud-config\n");
    let id = w
        .instance(&[
            ("KeyName", "k"),
            ("SecurityGroupId.1", &group),
            ("UserData", &data),
            ("BlockDeviceMapping.1.DeviceName", "/dev/sdb"),
            ("BlockDeviceMapping.1.Ebs.VolumeSize", "40"),
            ("BlockDeviceMapping.1.Ebs.VolumeType", "gp2"),
            ("BlockDeviceMapping.1.Ebs.DeleteOnTermination", "true"),
            ("TagSpecification.1.ResourceType", "instance"),
            ("TagSpecification.1.Tag.1.Key", "Name"),
            ("TagSpecification.1.Tag.1.Value", "a & b"),
        ])
        .await;
    let launch = w.machines.launch(&id);
    assert_eq!(launch.volumes.len(), 1);
    assert_eq!(
        (launch.volumes[0].device.as_str(), launch.volumes[0].guest_device.as_str()),
        ("/dev/sdb", "/dev/nvme1n1")
    );
    assert_eq!(std::fs::metadata(&launch.volumes[0].file).unwrap().len(), 40 << 30);
    assert_eq!(launch.metadata.user_data.as_deref(), Some(&b"#cloud-config\n"[..]));
    assert_eq!(launch.metadata.public_key.as_ref().unwrap().0, "k");
    let leaf = |name: &str| launch.metadata.leaves.iter().find(|l| l.0 == name).map(|l| l.1.clone());
    assert_eq!(leaf("meta-data/instance-id").as_ref(), Some(&id));
    assert_eq!(leaf("meta-data/block-device-mapping/ebs1").as_deref(), Some("sdb"));
    assert_eq!(leaf("meta-data/local-ipv4"), Some(launch.address.to_string()));

    let seen = w
        .ok(
            "DescribeInstances",
            &[
                ("Filter.1.Name", "tag:Name"),
                ("Filter.1.Value.1", "a & b"),
                ("Filter.2.Name", "instance-state-name"),
                ("Filter.2.Value.1", "running"),
            ],
        )
        .await;
    assert_eq!(seen.one("instanceId"), id);
    assert_eq!(seen.one("ipAddress"), launch.address.to_string());
    assert_eq!(w.call("DeleteSecurityGroup", &[("GroupId", &group)]).await.code(), "DependencyViolation");

    w.ok("StopInstances", &[("InstanceId.1", &id)]).await;
    w.until_instance(&id, "stopped").await;
    w.ok("StartInstances", &[("InstanceId.1", &id)]).await;
    w.until_instance(&id, "running").await;
    assert_eq!(w.machines.launch(&id).address, launch.address, "the address stays over stop and start");

    let terminating = w.ok("TerminateInstances", &[("InstanceId.1", &id)]).await;
    assert_eq!(terminating.all("name"), ["shutting-down", "running"]);
    w.until_instance(&id, "terminated").await;
    assert_eq!(w.ok("DescribeVolumes", &[]).await.all("volumeId").len(), 0);
    w.ok("DeleteSecurityGroup", &[("GroupId", &group)]).await;
    w.until("the volume's file is gone", || async { !launch.volumes[0].file.exists() }).await;
    for action in ["StopInstances", "StartInstances", "RebootInstances"] {
        assert_eq!(w.call(action, &[("InstanceId.1", &id)]).await.code(), "IncorrectInstanceState", "{action}");
    }
    assert_eq!(w.call("TerminateInstances", &[("InstanceId.1", &id)]).await.code(), "ok");
}

#[tokio::test]
async fn xen_types_have_xen_names_and_volumes_may_stay() {
    let w = World::new().await;
    let id = w
        .instance(&[
            ("InstanceType", "m3.medium"),
            ("BlockDeviceMapping.1.DeviceName", "/dev/sdb"),
            ("BlockDeviceMapping.1.Ebs.VolumeSize", "1"),
            ("BlockDeviceMapping.1.Ebs.DeleteOnTermination", "false"),
        ])
        .await;
    assert_eq!(w.machines.launch(&id).volumes[0].guest_device, "/dev/xvdb");
    w.ok("TerminateInstances", &[("InstanceId.1", &id)]).await;
    w.until_instance(&id, "terminated").await;
    let left = w.ok("DescribeVolumes", &[]).await;
    assert_eq!((left.all("volumeId").len(), left.one("status")), (1, "available".to_owned()));
    w.ok("DeleteVolume", &[("VolumeId", &left.one("volumeId"))]).await;
}

#[tokio::test]
async fn client_tokens_make_calls_idempotent() {
    let w = World::new().await;
    let image = w.debian().await;
    let run = |kind: &'static str| {
        let image = image.clone();
        let w = &w;
        async move {
            let params = [
                ("ImageId", image.as_str()),
                ("InstanceType", kind),
                ("MinCount", "1"),
                ("MaxCount", "1"),
                ("ClientToken", "token-1"),
            ];
            w.call("RunInstances", &params).await
        }
    };
    let first = run("t3.micro").await.one("instanceId");
    assert_eq!(run("t3.micro").await.one("instanceId"), first);
    assert_eq!(run("t3.small").await.code(), "IdempotentParameterMismatch");
    let found = w.ok("DescribeInstances", &[("Filter.1.Name", "client-token"), ("Filter.1.Value.1", "token-1")]).await;
    assert_eq!(found.all("instanceId"), [first]);
}

#[tokio::test]
async fn a_machine_that_cannot_start_ends_with_the_reason() {
    let w = World::new().await;
    w.machines.with(|i| i.start_fails = Some("no loop devices".into()));
    let image = w.debian().await;
    let id = w
        .ok("RunInstances", &[("ImageId", &image), ("InstanceType", "t3.micro"), ("MinCount", "1"), ("MaxCount", "1")])
        .await
        .one("instanceId");
    w.until_instance(&id, "terminated").await;
    let seen = w.ok("DescribeInstances", &[("InstanceId.1", &id)]).await;
    assert_eq!(seen.one("code"), "48");
    assert!(seen.text.contains("Server.InternalError") && seen.text.contains("no loop devices"), "{}", seen.text);
    assert_eq!(w.ok("DescribeVolumes", &[]).await.all("volumeId").len(), 0);
}

#[tokio::test]
async fn a_machine_that_powers_off_follows_its_shutdown_behaviour() {
    let w = World::new().await;
    let stops = w.instance(&[]).await;
    let ends = w.instance(&[("InstanceInitiatedShutdownBehavior", "terminate")]).await;
    w.machines.with(|i| i.running.values_mut().for_each(|r| *r = false));
    w.until_instance(&stops, "stopped").await;
    w.until_instance(&ends, "terminated").await;
}

#[tokio::test]
async fn reboots_console_and_metadata_reach_the_machine() {
    let w = World::new().await;
    let id = w.instance(&[("MetadataOptions.InstanceMetadataTags", "enabled")]).await;
    w.ok("RebootInstances", &[("InstanceId.1", &id)]).await;
    w.until("a reboot", || async {
        w.machines.history() == [format!("start {id}"), format!("stop {id}"), format!("start {id}")]
    })
    .await;
    let console = w.ok("GetConsoleOutput", &[("InstanceId", &id)]).await.one("output");
    assert_eq!(STANDARD.decode(console).unwrap(), format!("console of {id}\n").into_bytes());
    w.ok("CreateTags", &[("ResourceId.1", &id), ("Tag.1.Key", "Role"), ("Tag.1.Value", "web")]).await;
    w.ok("ModifyInstanceMetadataOptions", &[("InstanceId", &id), ("HttpTokens", "required")]).await;
    w.until("metadata", || async {
        let metadata = w.machines.launch(&id).metadata;
        metadata.tokens_required && metadata.leaves.contains(&("meta-data/tags/instance/Role".into(), "web".into()))
    })
    .await;
}

#[tokio::test]
async fn images_that_ask_for_version_2_metadata_get_it() {
    let w = World::new().await;
    let image = w.ok("DescribeImages", &[("Owner.1", "amazon")]).await.one("imageId");
    let id = w.instance(&[("ImageId", &image)]).await;
    let seen = w.ok("DescribeInstances", &[("InstanceId.1", &id)]).await;
    assert_eq!((seen.one("httpTokens"), seen.one("httpPutResponseHopLimit")), ("required".into(), "2".into()));
}

#[tokio::test]
async fn attributes_change_in_the_right_state() {
    let w = World::new().await;
    let id = w.instance(&[]).await;
    let modify = |name: &'static str, value: &'static str| {
        let (w, id) = (&w, id.clone());
        async move { w.call("ModifyInstanceAttribute", &[("InstanceId", &id), (name, value)]).await.code() }
    };
    assert_eq!(modify("InstanceType.Value", "t3.small").await, "IncorrectInstanceState");
    assert_eq!(modify("DisableApiTermination.Value", "true").await, "ok");
    assert_eq!(w.call("TerminateInstances", &[("InstanceId.1", &id)]).await.code(), "OperationNotPermitted");
    assert_eq!(modify("DisableApiTermination.Value", "false").await, "ok");
    w.ok("StopInstances", &[("InstanceId.1", &id)]).await;
    w.until_instance(&id, "stopped").await;
    assert_eq!(modify("InstanceType.Value", "t4g.small").await, "InvalidInstanceAttributeValue");
    assert_eq!(modify("InstanceType.Value", "m5.large").await, "ok");
    let got = w.ok("DescribeInstanceAttribute", &[("InstanceId", &id), ("Attribute", "instanceType")]).await;
    assert_eq!(got.one("value"), "m5.large");
}

#[tokio::test]
async fn templates_and_instant_fleets_launch() {
    let w = World::new().await;
    let image = w.debian().await;
    let template = w
        .ok(
            "CreateLaunchTemplate",
            &[
                ("LaunchTemplateName", "lt-one"),
                ("LaunchTemplateData.ImageId", &image),
                ("LaunchTemplateData.InstanceType", "t3.micro"),
                ("LaunchTemplateData.TagSpecification.1.ResourceType", "instance"),
                ("LaunchTemplateData.TagSpecification.1.Tag.1.Key", "From"),
                ("LaunchTemplateData.TagSpecification.1.Tag.1.Value", "template"),
            ],
        )
        .await
        .one("launchTemplateId");
    let run = [
        ("LaunchTemplate.LaunchTemplateName", "lt-one"),
        ("InstanceType", "t3.small"),
        ("MinCount", "2"),
        ("MaxCount", "2"),
    ];
    let made = w.ok("RunInstances", &run).await;
    assert_eq!(made.all("instanceType"), ["t3.small", "t3.small"]);
    assert_eq!(made.all("key"), ["From", "From"]);
    let fleet = [
        ("Type", "instant"),
        ("TargetCapacitySpecification.TotalTargetCapacity", "1"),
        ("LaunchTemplateConfigs.1.LaunchTemplateSpecification.LaunchTemplateId", template.as_str()),
        ("LaunchTemplateConfigs.1.LaunchTemplateSpecification.Version", "1"),
        ("LaunchTemplateConfigs.1.Overrides.1.InstanceType", "t4g.nano"),
        ("LaunchTemplateConfigs.1.Overrides.2.InstanceType", "m5.large"),
    ];
    let made = w.ok("CreateFleet", &fleet).await;
    assert_eq!(
        made.all("instanceType").last().unwrap(),
        "m5.large",
        "the type of the other architecture is passed over"
    );
    w.ok("DeleteLaunchTemplate", &[("LaunchTemplateId", &template)]).await;
    let gone = w.call("DescribeLaunchTemplates", &[("LaunchTemplateId.1", &template)]).await;
    assert_eq!(gone.code(), "InvalidLaunchTemplateId.NotFound");
}

#[tokio::test]
async fn devices_follow_the_type_and_ena_is_required() {
    let w = World::new().await;
    let id = w
        .instance(&[
            ("InstanceType", "m3.medium"),
            ("BlockDeviceMapping.1.DeviceName", "/dev/sdb"),
            ("BlockDeviceMapping.1.Ebs.VolumeSize", "1"),
        ])
        .await;
    w.ok("StopInstances", &[("InstanceId.1", &id)]).await;
    w.until_instance(&id, "stopped").await;
    w.ok("ModifyInstanceAttribute", &[("InstanceId", &id), ("InstanceType.Value", "m5.large")]).await;
    w.ok("ModifyInstanceAttribute", &[("InstanceId", &id), ("EnaSupport.Value", "false")]).await;
    assert_eq!(w.call("StartInstances", &[("InstanceId.1", &id)]).await.code(), "InvalidParameterCombination");
    w.ok("ModifyInstanceAttribute", &[("InstanceId", &id), ("EnaSupport.Value", "true")]).await;
    w.ok("StartInstances", &[("InstanceId.1", &id)]).await;
    w.until_instance(&id, "running").await;
    assert_eq!(w.machines.launch(&id).volumes[0].guest_device, "/dev/nvme1n1");
}
