//! Templates: one for each family of options that makes things of its own.

use serde_json::{Value, json};

/// A family of options, and how many images it leaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// As few options as a build can have, and a data volume.
    Plain,
    /// Copies to two regions, encrypted.
    Encrypted,
    /// Only the copy stays: an interim image goes.
    OnlyCopies,
    /// A spot fleet with its launch template, and a temporary instance profile.
    Fleet,
    /// `amazon-ebssurrogate` with a copy.
    Surrogate,
    /// Replaces an image of the same name.
    Replace,
}

impl Shape {
    /// All of them.
    pub const ALL: [Shape; 6] =
        [Shape::Plain, Shape::Encrypted, Shape::OnlyCopies, Shape::Fleet, Shape::Surrogate, Shape::Replace];

    /// As trials name it.
    pub fn name(self) -> &'static str {
        match self {
            Shape::Plain => "plain",
            Shape::Encrypted => "copies, encrypted",
            Shape::OnlyCopies => "only copies",
            Shape::Fleet => "spot fleet, profile",
            Shape::Surrogate => "surrogate, copy",
            Shape::Replace => "replacing",
        }
    }

    /// Images that a build leaves.
    pub fn images(self) -> usize {
        match self {
            Shape::Plain | Shape::OnlyCopies | Shape::Fleet | Shape::Replace => 1,
            Shape::Surrogate => 2,
            Shape::Encrypted => 3,
        }
    }

    /// The template.
    pub fn template(self, url: &str) -> Value {
        match self {
            Shape::Plain => {
                let disk = json!({"device_name": "/dev/sdb", "volume_size": 1, "delete_on_termination": true});
                template(url, json!({"launch_block_device_mappings": [disk], "tags": {"Base": "{{ .SourceAMI }}"}}))
            }
            Shape::Encrypted => template(url, json!({"ami_regions": ["us-west-2", "eu-west-1"], "encrypt_boot": true})),
            Shape::OnlyCopies => template(url, json!({"ami_regions": ["us-west-2"], "skip_save_build_region": true})),
            Shape::Fleet => template(url, fleet(&["t3.micro", "t3.small"])),
            Shape::Surrogate => template(
                url,
                json!({
                    "type": "amazon-ebssurrogate",
                    "ami_virtualization_type": "hvm",
                    "launch_block_device_mappings": [
                        {"device_name": "/dev/sdf", "volume_size": 1, "delete_on_termination": true},
                        {"device_name": "/dev/sdg", "volume_size": 1, "delete_on_termination": true,
                         "omit_from_artifact": true},
                    ],
                    "ami_root_device": {"source_device_name": "/dev/sdf", "device_name": "/dev/xvda"},
                    "ami_regions": ["us-west-2"],
                }),
            ),
            Shape::Replace => template(
                url,
                json!({"ami_name": "one-name", "force_deregister": true,
                "force_delete_snapshot": true}),
            ),
        }
    }
}

/// Options of a spot fleet with a temporary instance profile.
pub fn fleet(types: &[&str]) -> Value {
    let policy = json!({"Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["*"]}]});
    json!({
        "instance_type": null,
        "spot_instance_types": types,
        "spot_price": "auto",
        "temporary_iam_instance_profile_policy_document": policy,
    })
}

/// A template whose builder has these options, too (null takes one away), and one short provisioner.
pub fn template(url: &str, options: Value) -> Value {
    let mut builder = json!({
        "type": "amazon-ebs",
        "access_key": "sandbox",
        "secret_key": "sandbox",
        "region": "us-east-1",
        "custom_endpoint_ec2": url,
        "skip_metadata_api_check": true,
        "skip_region_validation": true,
        "source_ami_filter": {
            "filters": {"virtualization-type": "hvm", "name": "debian-12-amd64-*", "architecture": "x86_64",
                "root-device-type": "ebs"},
            "owners": ["136693071363"],
            "most_recent": true,
        },
        "instance_type": "t3.micro",
        "ssh_username": "admin",
        "ami_name": "chaos-{{uuid}}",
    });
    if let (Some(all), Some(more)) = (builder.as_object_mut(), options.as_object()) {
        for (name, value) in more {
            if value.is_null() {
                all.remove(name);
            } else {
                all.insert(name.clone(), value.clone());
            }
        }
    }
    json!({"builders": [builder], "provisioners": [{"type": "shell", "inline": ["echo provisioned"]}]})
}
