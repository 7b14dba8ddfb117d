//! What EC2 refuses is refused, by the code that EC2 uses.

use crate::client::World;

/// Action, parameters, code.
type Case = (&'static str, Vec<(String, String)>, &'static str);

#[tokio::test]
async fn wrong_requests_have_their_codes() {
    let w = World::new().await;
    let (debian, id) = (w.debian().await, w.instance(&[]).await);
    let trusty = w
        .ok("DescribeImages", &[("Filter.1.Name", "name"), ("Filter.1.Value.1", "*trusty*20190514")])
        .await
        .one("imageId");
    let arm = w
        .ok("DescribeImages", &[("Filter.1.Name", "architecture"), ("Filter.1.Value.1", "arm64")])
        .await
        .one("imageId");
    let run = |image: &str, more: &[(&'static str, &'static str)]| -> Vec<(String, String)> {
        let mut all = vec![("ImageId", image), ("InstanceType", "t3.micro"), ("MinCount", "1"), ("MaxCount", "1")];
        for (name, value) in more {
            all.retain(|p| p.0 != *name);
            all.push((name, value));
        }
        all.into_iter().filter(|p| p.1 != "-").map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    };
    let of = |all: &[(&str, &str)]| all.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect::<Vec<_>>();
    const SDB: (&str, &str) = ("BlockDeviceMapping.1.DeviceName", "/dev/sdb");
    let cases: Vec<Case> = vec![
        ("DescribeEverything", of(&[]), "InvalidAction"),
        ("DescribeImages", of(&[("ImageId.1", "ami-00000000000000000")]), "InvalidAMIID.NotFound"),
        ("DescribeImages", of(&[("ImageId.1", "ami-xyz")]), "InvalidAMIID.Malformed"),
        ("DescribeImages", of(&[("Filter.1.Name", "nmae"), ("Filter.1.Value.1", "x")]), "InvalidParameterValue"),
        ("DescribeImages", of(&[("Nonsense", "1")]), "UnknownParameter"),
        ("DescribeInstances", of(&[("InstanceId.1", "i-00000000000000000")]), "InvalidInstanceID.NotFound"),
        ("DescribeInstances", of(&[("InstanceId.1", "nothing")]), "InvalidInstanceID.Malformed"),
        ("DescribeInstances", of(&[("MaxResults", "2")]), "InvalidParameterValue"),
        ("DescribeInstances", of(&[("MaxResults", "5"), ("InstanceId.1", &id)]), "InvalidParameterCombination"),
        ("DescribeInstances", of(&[("NextToken", "junk")]), "InvalidNextToken"),
        ("DescribeSubnets", of(&[("SubnetId.1", "subnet-00000000")]), "InvalidSubnetID.NotFound"),
        ("DescribeVpcs", of(&[("VpcId.1", "vpc-00000000")]), "InvalidVpcID.NotFound"),
        ("DescribeVolumes", of(&[("VolumeId.1", "vol-00000000")]), "InvalidVolume.NotFound"),
        ("DescribeSnapshots", of(&[("SnapshotId.1", "snap-00000000")]), "InvalidSnapshot.NotFound"),
        ("DescribeSnapshots", of(&[("SnapshotId.1", "snap")]), "InvalidSnapshotID.Malformed"),
        ("DescribeInstanceTypes", of(&[("InstanceType.1", "t9.nano")]), "InvalidInstanceType"),
        ("DescribeRegions", of(&[("RegionName.1", "mars-1")]), "InvalidParameterValue"),
        ("DescribeAvailabilityZones", of(&[("ZoneName.1", "us-east-1z")]), "InvalidParameterValue"),
        ("RunInstances", run("-", &[]), "MissingParameter"),
        ("RunInstances", run(&debian, &[("MinCount", "-")]), "MissingParameter"),
        ("RunInstances", run(&debian, &[("MinCount", "0")]), "InvalidParameterValue"),
        ("RunInstances", run(&debian, &[("MinCount", "3")]), "InvalidParameterCombination"),
        ("RunInstances", run(&debian, &[("MaxCount", "99")]), "InstanceLimitExceeded"),
        ("RunInstances", run(&debian, &[("InstanceType", "t9.nano")]), "InvalidParameterValue"),
        ("RunInstances", run(&debian, &[("InstanceType", "t4g.nano")]), "InvalidParameterValue"),
        ("RunInstances", run(&arm, &[]), "InvalidParameterValue"),
        ("RunInstances", run(&trusty, &[]), "InvalidParameterCombination"),
        ("RunInstances", run(&trusty, &[("InstanceType", "m3.medium"), ("DryRun", "true")]), "DryRunOperation"),
        ("RunInstances", run(&debian, &[("KeyName", "none")]), "InvalidKeyPair.NotFound"),
        ("RunInstances", run(&debian, &[("SecurityGroupId.1", "sg-00000000")]), "InvalidGroup.NotFound"),
        ("RunInstances", run(&debian, &[("SecurityGroup.1", "none")]), "InvalidGroup.NotFound"),
        ("RunInstances", run(&debian, &[("SubnetId", "subnet-1")]), "InvalidSubnetID.Malformed"),
        ("RunInstances", run(&debian, &[("Placement.AvailabilityZone", "us-east-1z")]), "InvalidParameterValue"),
        ("RunInstances", run(&debian, &[("UserData", "not base64!")]), "InvalidUserData.Malformed"),
        ("RunInstances", run(&debian, &[("Hibernate", "1")]), "UnknownParameter"),
        ("RunInstances", run(&debian, &[("InstanceInitiatedShutdownBehavior", "explode")]), "InvalidParameterValue"),
        ("RunInstances", run(&debian, &[("MetadataOptions.HttpPutResponseHopLimit", "65")]), "InvalidParameterValue"),
        ("RunInstances", run(&debian, &[("IamInstanceProfile.Name", "a b")]), "InvalidParameterValue"),
        (
            "RunInstances",
            run(&debian, &[("InstanceType", "m5.large"), ("CreditSpecification.CpuCredits", "standard")]),
            "InvalidParameterCombination",
        ),
        (
            "RunInstances",
            run(&debian, &[("NetworkInterface.1.DeviceIndex", "0"), ("SecurityGroupId.1", "sg-00000000")]),
            "InvalidParameterCombination",
        ),
        ("RunInstances", run(&debian, &[SDB]), "InvalidBlockDeviceMapping"),
        ("RunInstances", run(&debian, &[SDB, ("BlockDeviceMapping.1.Ebs.VolumeType", "gp2")]), "MissingParameter"),
        ("RunInstances", run(&debian, &[SDB, ("BlockDeviceMapping.1.Ebs.VolumeSize", "big")]), "InvalidParameterValue"),
        (
            "RunInstances",
            run(
                &debian,
                &[SDB, ("BlockDeviceMapping.1.Ebs.VolumeSize", "8"), ("BlockDeviceMapping.1.Ebs.KmsKeyId", "k")],
            ),
            "InvalidParameterDependency",
        ),
        (
            "RunInstances",
            run(
                &debian,
                &[
                    SDB,
                    ("BlockDeviceMapping.1.Ebs.VolumeSize", "8"),
                    ("BlockDeviceMapping.1.VirtualName", "ephemeral0"),
                ],
            ),
            "InvalidBlockDeviceMapping",
        ),
        (
            "RunInstances",
            run(
                &debian,
                &[
                    SDB,
                    ("BlockDeviceMapping.1.Ebs.VolumeSize", "8"),
                    ("BlockDeviceMapping.2.DeviceName", "/dev/xvdb"),
                    ("BlockDeviceMapping.2.Ebs.VolumeSize", "8"),
                ],
            ),
            "InvalidBlockDeviceMapping",
        ),
        (
            "RunInstances",
            run(
                &debian,
                &[("BlockDeviceMapping.1.DeviceName", "/dev/xvda"), ("BlockDeviceMapping.1.Ebs.VolumeSize", "4")],
            ),
            "InvalidBlockDeviceMapping",
        ),
        (
            "RunInstances",
            run(&debian, &[("TagSpecification.1.ResourceType", "image"), ("TagSpecification.1.Tag.1.Key", "k")]),
            "InvalidParameterValue",
        ),
        (
            "RunInstances",
            run(&debian, &[("TagSpecification.1.ResourceType", "instance"), ("TagSpecification.1.Tag.1.Key", "aws:x")]),
            "InvalidParameterValue",
        ),
        (
            "RunInstances",
            run(&debian, &[("LaunchTemplate.LaunchTemplateName", "none")]),
            "InvalidLaunchTemplateName.NotFoundException",
        ),
        ("StartInstances", of(&[]), "MissingParameter"),
        ("StartInstances", of(&[("InstanceId.1", "i-00000000")]), "InvalidInstanceID.NotFound"),
        ("CreateImage", of(&[("InstanceId", &id)]), "MissingParameter"),
        ("CreateImage", of(&[("InstanceId", "i-00000000"), ("Name", "abc")]), "InvalidInstanceID.NotFound"),
        (
            "CopyImage",
            of(&[("SourceRegion", "us-east-1"), ("SourceImageId", "ami-00000000"), ("Name", "abc")]),
            "InvalidAMIID.NotFound",
        ),
        (
            "CopyImage",
            of(&[("SourceRegion", "mars-1"), ("SourceImageId", &debian), ("Name", "abc")]),
            "InvalidParameterValue",
        ),
        ("DeregisterImage", of(&[("ImageId", "ami-00000000")]), "InvalidAMIID.NotFound"),
        ("CreateTags", of(&[("ResourceId.1", &id)]), "MissingParameter"),
        ("CreateTags", of(&[("ResourceId.1", "x-1"), ("Tag.1.Key", "k")]), "InvalidID"),
        ("CreateTags", of(&[("ResourceId.1", "ami-00000000"), ("Tag.1.Key", "k")]), "InvalidAMIID.NotFound"),
        ("CreateVolume", of(&[("AvailabilityZone", "us-east-1z"), ("Size", "1")]), "InvalidZone.NotFound"),
        ("CreateVolume", of(&[("AvailabilityZone", "us-east-1a")]), "MissingParameter"),
        (
            "CreateVolume",
            of(&[("AvailabilityZone", "us-east-1a"), ("Size", "1"), ("VolumeType", "gp4")]),
            "UnknownVolumeType",
        ),
        ("CreateSecurityGroup", of(&[("GroupName", "x")]), "MissingParameter"),
        ("CreateSecurityGroup", of(&[("GroupName", "default"), ("GroupDescription", "d")]), "InvalidGroup.Reserved"),
        ("CreateFleet", of(&[("Type", "maintain")]), "UnsupportedOperation"),
        (
            "CreateLaunchTemplate",
            of(&[("LaunchTemplateName", "abc"), ("LaunchTemplateData.Nonsense", "1")]),
            "UnknownParameter",
        ),
    ];
    for (action, params, code) in cases {
        let borrowed: Vec<(&str, &str)> = params.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let answer = w.call(action, &borrowed).await;
        assert_eq!(answer.code(), code, "{action} {params:?}: {}", answer.text);
        assert!(answer.text.contains("<RequestID>"));
    }
    assert_eq!(
        w.ok("DescribeInstances", &[]).await.all("instanceId").len(),
        1,
        "nothing was launched by what was refused"
    );
}

#[tokio::test]
async fn tags_have_limits() {
    let w = World::new().await;
    let id = w.instance(&[]).await;
    let many: Vec<(String, String)> = (1..=51).map(|n| (format!("Tag.{n}.Key"), format!("k{n}"))).collect();
    let mut params = vec![("ResourceId.1", id.as_str())];
    params.extend(many.iter().map(|(k, v)| (k.as_str(), v.as_str())));
    assert_eq!(w.call("CreateTags", &params).await.code(), "TagLimitExceeded");
    params.pop();
    assert_eq!(w.call("CreateTags", &params).await.code(), "ok");
    let all = w.ok("DescribeTags", &[("Filter.1.Name", "resource-id"), ("Filter.1.Value.1", &id)]).await;
    assert_eq!(all.all("key").len(), 50);
    w.ok("DeleteTags", &[("ResourceId.1", &id), ("Tag.1.Key", "k1"), ("Tag.2.Key", "k2"), ("Tag.2.Value", "other")])
        .await;
    assert_eq!(w.ok("DescribeTags", &[]).await.all("key").len(), 49);
}

#[tokio::test]
async fn the_account_and_its_places_are_described() {
    let w = World::new().await;
    assert_eq!(w.ok("GetCallerIdentity", &[]).await.one("Account"), "111122223333");
    assert!(w.ok("DescribeRegions", &[]).await.all("regionName").contains(&"us-east-1".to_owned()));
    assert_eq!(w.call_in("mars-1", "DescribeRegions", &[]).await.code(), "AuthFailure");
    assert_eq!(w.ok("DescribeAvailabilityZones", &[]).await.one("zoneId"), "use1-az1");
    let vpc = w.ok("DescribeVpcs", &[("Filter.1.Name", "isDefault"), ("Filter.1.Value.1", "true")]).await.one("vpcId");
    let subnets = w.ok("DescribeSubnets", &[("Filter.1.Name", "vpc-id"), ("Filter.1.Value.1", &vpc)]).await;
    assert_eq!(subnets.all("subnetId").len(), 6);
    let offered = w
        .ok(
            "DescribeInstanceTypeOfferings",
            &[
                ("LocationType", "availability-zone"),
                ("Filter.1.Name", "instance-type"),
                ("Filter.1.Value.1", "t3.micro"),
            ],
        )
        .await;
    assert_eq!(offered.all("location").len(), 6);
    assert_eq!(w.ok("DescribeInstanceTypes", &[("InstanceType.1", "m3.medium")]).await.one("hypervisor"), "xen");
    assert!(w.ok("DescribeAccountAttributes", &[("AttributeName.1", "default-vpc")]).await.text.contains(&vpc));
}

#[tokio::test]
async fn requests_without_a_signature_and_other_services_are_refused() {
    use bytes::Bytes;
    use http_body_util::Full;
    let w = World::new().await;
    let post = |path: &str| hyper::Request::post(path).header("host", "127.0.0.1");
    let body = || Full::new(Bytes::from_static(b"Action=DescribeRegions"));
    let unsigned = w.send(post("/").body(body()).unwrap()).await.unwrap();
    assert_eq!((unsigned.status, unsigned.code()), (401, "AuthFailure".into()));
    let page = w.send(post("/").header("origin", "https://example.org").body(body()).unwrap()).await.unwrap();
    assert_eq!(page.status, 403);
    let s3 = post("/").header("authorization", "AWS4-HMAC-SHA256 Credential=A/1/us-east-1/s3/aws4_request, x");
    assert_eq!(w.send(s3.body(body()).unwrap()).await.unwrap().code(), "InvalidAction");
    assert_eq!(w.send(post("/bucket/key").body(body()).unwrap()).await.unwrap().status, 404);
    assert!(w.sandbox.serve("0.0.0.0:0".parse().unwrap()).await.is_err(), "loopback only");
}

#[tokio::test]
async fn other_users_of_the_host_are_refused() {
    use std::os::unix::process::CommandExt as _;
    let w = World::new().await;
    let port = w.endpoint.address.port();
    let ask = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{port}; printf 'GET /_sandbox/calls HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3; head -1 <&3"
    );
    let status = |user: Option<u32>| {
        let ask = ask.clone();
        async move {
            let answer = tokio::task::spawn_blocking(move || {
                let mut bash = std::process::Command::new("bash");
                bash.arg("-c").arg(ask);
                if let Some(user) = user {
                    bash.uid(user).gid(user);
                }
                bash.output()
            });
            answer.await.unwrap().map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
        }
    };
    assert_eq!(status(None).await.unwrap(), "HTTP/1.0 200 OK");
    match status(Some(65534)).await {
        // Only root can be someone else; for others there is nothing to try.
        Err(e) => assert_eq!(e.kind(), std::io::ErrorKind::PermissionDenied),
        Ok(answer) => {
            assert_eq!(answer, "HTTP/1.0 403 Forbidden");
            w.sandbox.admit_user(65534);
            assert_eq!(status(Some(65534)).await.unwrap(), "HTTP/1.0 200 OK");
        }
    }
}
