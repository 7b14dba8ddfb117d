"""Drives the endpoint with boto3 through everything it serves, and checks each answer against botocore's model of EC2: an
element that the model does not know, or a value that it does not allow, is an error (clients drop such elements silently)."""

import base64
import sys
import time
import xml.etree.ElementTree as ET

import boto3
from botocore.exceptions import ClientError

ENDPOINT, PUBLIC_KEY = sys.argv[1], sys.argv[2]
wrong, called = {}, set()


def client(service, region):
    made = boto3.client(
        service, endpoint_url=ENDPOINT, region_name=region, aws_access_key_id="a", aws_secret_access_key="b"
    )
    made.meta.events.register(f"before-parse.{service}", check)
    return made


def check(response_dict, operation_model, **_):
    if response_dict["status_code"] == 200:
        called.add(operation_model.name)
        if operation_model.service_model.service_name == "ec2" and operation_model.output_shape is not None:
            walk(ET.fromstring(response_dict["body"]), operation_model.output_shape, operation_model.name)


def walk(element, shape, path):
    def bad(why):
        wrong[f"{path}: {why}"] = True

    if shape.type_name == "structure":
        known = {s.serialization.get("name", m): s for m, s in shape.members.items()}
        for child in element:
            name = child.tag.split("}")[-1]
            if name in known:
                walk(child, known[name], f"{path}/{name}")
            elif name not in ("requestId", "return"):
                bad(f"unknown element {name}")
    elif shape.type_name == "list":
        for child in element:
            name = child.tag.split("}")[-1]
            if name not in ("item", shape.member.serialization.get("name", "item")):
                bad(f"unknown list element {name}")
            walk(child, shape.member, f"{path}[]")
    elif len(element):
        bad("has children")
    elif shape.type_name in ("integer", "long") and not (element.text or "").lstrip("-").isdigit():
        bad(f"{element.text!r} is no number")
    elif shape.type_name == "boolean" and element.text not in ("true", "false"):
        bad(f"{element.text!r} is no boolean")
    elif shape.type_name == "string" and "enum" in shape.metadata and element.text not in shape.metadata["enum"]:
        bad(f"{element.text!r} is not among the words")


def wait(c, name, **args):
    waiter = c.get_waiter(name)
    waiter.config.delay = 0.2
    waiter.config.max_attempts = 600
    waiter.wait(**args)


def tags(*kinds):
    return [{"ResourceType": k, "Tags": [{"Key": "Name", "Value": "a & <b>"}, {"Key": "é", "Value": ""}]} for k in kinds]


ec2, eu, sts = client("ec2", "us-east-1"), client("ec2", "eu-west-1"), client("sts", "us-east-1")
sts.get_caller_identity()

# Places
ec2.describe_regions(AllRegions=True)
ec2.describe_availability_zones()
ec2.describe_account_attributes()
vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
subnet = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"][0]["SubnetId"]
assert len([t for page in ec2.get_paginator("describe_instance_types").paginate() for t in page["InstanceTypes"]]) > 200
for _ in ec2.get_paginator("describe_instance_type_offerings").paginate(LocationType="availability-zone"):
    pass

# Access
ec2.create_key_pair(KeyName="made", KeyType="ed25519", TagSpecifications=tags("key-pair"))
ec2.import_key_pair(KeyName="imported", PublicKeyMaterial=open(PUBLIC_KEY, "rb").read())
assert len(ec2.describe_key_pairs(IncludePublicKey=True)["KeyPairs"]) == 2
group = ec2.create_security_group(GroupName="g", Description="d", VpcId=vpc, TagSpecifications=tags("security-group"))["GroupId"]
rules = [
    {
        "IpProtocol": "tcp",
        "FromPort": 22,
        "ToPort": 22,
        "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "x"}],
        "Ipv6Ranges": [{"CidrIpv6": "::/0"}],
        "UserIdGroupPairs": [{"GroupId": group}],
    }
]
ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=rules)
ec2.authorize_security_group_egress(GroupId=group, IpPermissions=[{**rules[0], "UserIdGroupPairs": []}])
ec2.describe_security_groups(GroupIds=[group])
ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=rules)

# Instances
debian = ec2.describe_images(Filters=[{"Name": "name", "Values": ["debian-12-amd64*"]}])["Images"][0]["ImageId"]
instance = ec2.run_instances(
    ImageId=debian,
    InstanceType="t3.micro",
    KeyName="made",
    MinCount=1,
    MaxCount=1,
    NetworkInterfaces=[{"DeviceIndex": 0, "AssociatePublicIpAddress": True, "Groups": [group], "SubnetId": subnet}],
    BlockDeviceMappings=[{"DeviceName": "/dev/sdb", "Ebs": {"VolumeSize": 1, "VolumeType": "gp3", "Encrypted": True}}],
    TagSpecifications=tags("instance", "volume"),
    MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 2, "InstanceMetadataTags": "enabled"},
    IamInstanceProfile={"Name": "p"},
    CreditSpecification={"CpuCredits": "standard"},
    UserData="#!/bin/sh\n",
    EbsOptimized=True,
    Monitoring={"Enabled": True},
    InstanceInitiatedShutdownBehavior="terminate",
)["Instances"][0]["InstanceId"]
wait(ec2, "instance_running", InstanceIds=[instance])
seen = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
assert seen["Tags"][0]["Value"] == "a & <b>" and seen["PublicIpAddress"] == seen["PrivateIpAddress"], seen
ec2.describe_instance_status(InstanceIds=[instance])
ec2.describe_network_interfaces()
assert "Output" in ec2.get_console_output(InstanceId=instance)
for attribute in """instanceType userData disableApiTermination instanceInitiatedShutdownBehavior rootDeviceName blockDeviceMapping
        sourceDestCheck groupSet ebsOptimized sriovNetSupport enaSupport enclaveOptions disableApiStop""".split():
    ec2.describe_instance_attribute(InstanceId=instance, Attribute=attribute)
ec2.modify_instance_attribute(InstanceId=instance, Groups=[group])
ec2.modify_instance_metadata_options(InstanceId=instance, HttpTokens="optional")
ec2.reboot_instances(InstanceIds=[instance])

# Volumes
zone = seen["Placement"]["AvailabilityZone"]
volume = ec2.create_volume(AvailabilityZone=zone, Size=1, VolumeType="gp3", TagSpecifications=tags("volume"))["VolumeId"]
wait(ec2, "volume_available", VolumeIds=[volume])
ec2.attach_volume(VolumeId=volume, InstanceId=instance, Device="/dev/sdf")
while ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]["Attachments"][0]["State"] != "attached":
    time.sleep(0.1)
ec2.detach_volume(VolumeId=volume)
wait(ec2, "volume_available", VolumeIds=[volume])
ec2.modify_volume(VolumeId=volume, Size=2)
ec2.describe_volumes_modifications(VolumeIds=[volume])
snapshot = ec2.create_snapshot(VolumeId=volume, Description="x", TagSpecifications=tags("snapshot"))["SnapshotId"]
wait(ec2, "snapshot_completed", SnapshotIds=[snapshot])
several = [s["SnapshotId"] for s in ec2.create_snapshots(InstanceSpecification={"InstanceId": instance})["Snapshots"]]
wait(ec2, "snapshot_completed", SnapshotIds=several)
share = {"SnapshotId": snapshot, "Attribute": "createVolumePermission"}
ec2.modify_snapshot_attribute(OperationType="add", UserIds=["123456789012"], **share)
assert ec2.describe_snapshot_attribute(**share)["CreateVolumePermissions"] == [{"UserId": "123456789012"}]
copied = eu.copy_snapshot(SourceRegion="us-east-1", SourceSnapshotId=snapshot, Encrypted=True)["SnapshotId"]
wait(eu, "snapshot_completed", SnapshotIds=[copied])

# Images
image = ec2.create_image(
    InstanceId=instance,
    Name="golden",
    Description="d & <d>",
    TagSpecifications=tags("image"),
    BlockDeviceMappings=[{"DeviceName": "/dev/sdz", "VirtualName": "ephemeral0"}],
)["ImageId"]
wait(ec2, "image_available", ImageIds=[image])
for attribute in """description launchPermission productCodes blockDeviceMapping sriovNetSupport bootMode lastLaunchedTime imdsSupport
        deregistrationProtection tpmSupport""".split():
    ec2.describe_image_attribute(ImageId=image, Attribute=attribute)
try:
    ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Add": [{"Group": "all"}]})
    wrong["an image with an encrypted snapshot was made public"] = True
except ClientError as e:
    assert e.response["Error"]["Code"] == "InvalidParameter", e
ec2.modify_image_attribute(ImageId=image, Description={"Value": "new"})
ec2.modify_image_attribute(ImageId=image, ImdsSupport={"Value": "v2.0"})
ec2.reset_image_attribute(ImageId=image, Attribute="launchPermission")
soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 9 * 86400))
ec2.enable_image_deprecation(ImageId=image, DeprecateAt=soon)
ec2.enable_image_deregistration_protection(ImageId=image)
described = ec2.describe_images(ImageIds=[image])["Images"][0]
ec2.disable_image_deregistration_protection(ImageId=image)
ec2.disable_image_deprecation(ImageId=image)
there = eu.copy_image(SourceRegion="us-east-1", SourceImageId=image, Name="golden", Encrypted=True, CopyImageTags=True)["ImageId"]
wait(eu, "image_available", ImageIds=[there])
root = next(m["Ebs"]["SnapshotId"] for m in described["BlockDeviceMappings"] if m["DeviceName"] == "/dev/xvda")
registered = ec2.register_image(
    Name="registered",
    Architecture="x86_64",
    RootDeviceName="/dev/xvda",
    VirtualizationType="hvm",
    EnaSupport=True,
    BootMode="uefi-preferred",
    BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": root}}],
)["ImageId"]
ec2.create_tags(Resources=[image, instance, volume], Tags=[{"Key": "a", "Value": "b"}])
assert len(ec2.describe_tags(Filters=[{"Name": "key", "Values": ["a"]}])["Tags"]) == 3
ec2.delete_tags(Resources=[image], Tags=[{"Key": "a"}])

# Templates and fleets
template = ec2.create_launch_template(
    LaunchTemplateName="template",
    VersionDescription="v",
    TagSpecifications=tags("launch-template"),
    LaunchTemplateData={
        "ImageId": registered,
        "InstanceType": "t3.micro",
        "KeyName": "made",
        "SecurityGroupIds": [group],
        "UserData": base64.b64encode(b"x").decode(),
        "BlockDeviceMappings": [{"DeviceName": "/dev/sdb", "Ebs": {"VolumeSize": 1, "DeleteOnTermination": True}}],
        "IamInstanceProfile": {"Name": "p"},
        "TagSpecifications": tags("instance"),
    },
)["LaunchTemplate"]["LaunchTemplateId"]
ec2.create_launch_template_version(LaunchTemplateId=template, SourceVersion="1", LaunchTemplateData={"InstanceType": "t3.small"})
ec2.describe_launch_templates()
assert len(ec2.describe_launch_template_versions(LaunchTemplateId=template)["LaunchTemplateVersions"]) == 2
fleet = ec2.create_fleet(
    Type="instant",
    TargetCapacitySpecification={"TotalTargetCapacity": 1, "DefaultTargetCapacityType": "on-demand"},
    LaunchTemplateConfigs=[
        {
            "LaunchTemplateSpecification": {"LaunchTemplateId": template, "Version": "$Latest"},
            "Overrides": [{"InstanceType": "t3.nano"}],
        }
    ],
)
second = fleet["Instances"][0]["InstanceIds"][0]
wait(ec2, "instance_running", InstanceIds=[second])
ec2.stop_instances(InstanceIds=[second])
wait(ec2, "instance_stopped", InstanceIds=[second])
ec2.start_instances(InstanceIds=[second])

# And everything away again
ec2.terminate_instances(InstanceIds=[instance, second])
wait(ec2, "instance_terminated", InstanceIds=[instance, second])
ec2.describe_instance_status(IncludeAllInstances=True)
ec2.delete_launch_template(LaunchTemplateId=template)
ec2.delete_volume(VolumeId=volume)
ec2.deregister_image(ImageId=registered)
ec2.deregister_image(ImageId=image, DeleteAssociatedSnapshots=True)
eu.deregister_image(ImageId=there, DeleteAssociatedSnapshots=True)
eu.delete_snapshot(SnapshotId=copied)
for left in [snapshot, *several]:
    ec2.delete_snapshot(SnapshotId=left)
ec2.delete_security_group(GroupId=group)
ec2.delete_key_pair(KeyName="made")
ec2.delete_key_pair(KeyName="imported")
assert not ec2.describe_volumes()["Volumes"] and not ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]
assert not ec2.describe_images(Owners=["self"])["Images"]

for line in wrong:
    print("WRONG", line)
print(f"{len(called)} actions called")
sys.exit(1 if wrong else 0)
