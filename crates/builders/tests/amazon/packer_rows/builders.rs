//! Rows of `builder/{ebs,ebssurrogate,ebsvolume,chroot}/builder_test.go`.

use super::Outcome::{Bad, Good, RefusedHere};
use super::Row;
use serde_json::json;

const ALL: [&str; 4] = ["amazon-ebs", "amazon-ebssurrogate", "amazon-ebsvolume", "amazon-chroot"];
const IMAGES: [&str; 3] = ["amazon-ebs", "amazon-ebssurrogate", "amazon-chroot"];
const WINDOWS: &str = "Windows images are not supported";
const NAMELESS: &str = "EC2 refuses a device without a name, when the volume is filled already";

/// The rows.
pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for kind in ALL {
        rows.push(Row("ReturnGeneratedData", kind, json!({}), Good));
        rows.push(Row("BadType", kind, json!({"access_key": ["a", "b"]}), Bad));
        rows.push(Row("InvalidKey", kind, json!({"i_should_not_be_valid": true}), Bad));
    }
    for kind in IMAGES {
        rows.push(Row("AMIName", kind, json!({"ami_name": "foo"}), Good));
        rows.push(Row("AMIName", kind, json!({"ami_name": "foo {{"}), Bad));
        rows.push(Row("AMIName", kind, json!({"ami_name": null}), Bad));
        for (value, outcome) in [("", Good), ("v2.0", Good), ("v1.0", Bad), ("v3.0", Bad)] {
            rows.push(Row("IMDSSupportValue", kind, json!({"imds_support": value}), outcome));
        }
        for (value, outcome) in [("2026-11-05T20:08:09Z", Good), ("Thu Nov  5 20:08:09 2026", Bad)] {
            rows.push(Row("DeprecationTime", kind, json!({"deprecate_at": value}), outcome));
        }
        for block in [
            json!({}),
            json!({"enabled": true, "with_cooldown": true}),
            json!({"enabled": true}),
            json!({"with_cooldown": true}),
            json!({"enabled": true, "with_cooldown": false}),
        ] {
            rows.push(Row("DeregistrationProtection", kind, json!({"deregistration_protection": block}), Good));
        }
    }
    for kind in ["amazon-ebs", "amazon-ebssurrogate", "amazon-ebsvolume"] {
        for (value, outcome) in [("terminate", Good), ("stop", Good), ("foobar", Bad)] {
            rows.push(Row("InvalidShutdownBehavior", kind, json!({"shutdown_behavior": value}), outcome));
        }
    }
    for kind in ["amazon-ebssurrogate", "amazon-chroot"] {
        for (options, outcome) in [
            (json!({"uefi_data": "foo", "boot_mode": "uefi", "ami_architecture": ""}), Good),
            (json!({"uefi_data": "foo", "boot_mode": "legacy-bios", "ami_architecture": ""}), Bad),
            (json!({"uefi_data": "foo", "boot_mode": "", "ami_architecture": ""}), Bad),
            (json!({"uefi_data": "foo", "boot_mode": "", "ami_architecture": "arm64"}), Good),
            (json!({"tpm_support": ""}), Good),
            (json!({"tpm_support": "v2.0"}), Good),
            (json!({"tpm_support": "v3.0"}), Bad),
            (json!({"boot_mode": "legacy-bios"}), Good),
            (json!({"boot_mode": "uefi"}), Good),
            (json!({"boot_mode": "uefi-preferred"}), Good),
            (json!({"boot_mode": "bad"}), Bad),
            (json!({"ami_architecture": "sparc"}), Bad),
        ] {
            rows.push(Row("UefiData, TpmSupportValue, IsValidBootMode", kind, options, outcome));
        }
    }
    rows.extend(fast_launch());
    rows.extend(chroot());
    rows.push(Row(
        "ConfigBlockdevicemapping",
        "amazon-ebsvolume",
        json!({"ebs_volumes": [
            {"device_name": "/dev/xvdb", "volume_size": "32", "delete_on_termination": true},
            {
                "device_name": "/dev/xvdc", "volume_size": "32", "delete_on_termination": true,
                "snapshot_tags": {"Test_Tag": "tag_value", "another tag": "another value"},
                "snapshot_users": ["123", "456"]
            }
        ]}),
        Good,
    ));
    rows.push(Row(
        "snapshot_description",
        "amazon-ebsvolume",
        json!({"ebs_volumes": [{"device_name": "/dev/xvdb", "snapshot_description": "x"}]}),
        Bad,
    ));
    rows
}

fn fast_launch() -> Vec<Row> {
    let row = |block, outcome| Row("FastLaunch", "amazon-ebs", json!({ "fast_launch": block }), outcome);
    let all = |name: &str| {
        json!({
            "enable_fast_launch": true, name: "x", "template_version": 2, "max_parallel_launches": 10,
            "target_resource_count": 20
        })
    };
    vec![
        row(all("template_id"), RefusedHere(WINDOWS)),
        row(all("template_name"), RefusedHere(WINDOWS)),
        row(json!({"max_parallel_launches": 3}), Bad),
        row(json!({"target_resource_count": -1}), Bad),
        row(json!({"template_id": "id", "template_name": "name"}), Bad),
        row(json!({"template_version": 2}), Bad),
        row(json!({"template_version": -1}), Bad),
    ]
}

fn chroot() -> Vec<Row> {
    let row = |test, options, outcome| Row(test, "amazon-chroot", options, outcome);
    let scratch = |over: serde_json::Value| {
        let mut options = json!({
            "from_scratch": true, "source_ami": null, "root_volume_size": 8, "pre_mount_commands": ["mkfs {{.Device}}"],
            "ami_virtualization_type": "hvm", "root_device_name": "/dev/xvda",
            "ami_block_device_mappings": [{"device_name": "/dev/xvda"}]
        });
        options.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
        options
    };
    vec![
        row("ChrootMounts", json!({"chroot_mounts": []}), Good),
        row("ChrootMountsBadDefaults", json!({"chroot_mounts": [["bad"]]}), Bad),
        row("SourceAmi", json!({"source_ami": ""}), Bad),
        row("SourceAmi", json!({"source_ami": "foo"}), Good),
        row("CommandWrapper", json!({"command_wrapper": "echo hi; {{.Command}}"}), Good),
        row("CopyFilesNoDefault", json!({"copy_files": []}), Good),
        row(
            "RootDeviceNameAndAMIMappings",
            json!({"root_device_name": "/dev/sda", "ami_block_device_mappings": [{}], "root_volume_size": 15}),
            RefusedHere(NAMELESS),
        ),
        row(
            "RootDeviceNameAndAMIMappings",
            json!({
                "root_device_name": "/dev/sda", "ami_block_device_mappings": [{"device_name": "/dev/sda"}],
                "root_volume_size": 15
            }),
            Good,
        ),
        row(
            "RootDeviceNameAndAMIMappings",
            json!({"root_device_name": "/dev/sda", "ami_block_device_mappings": [{"device_name": "/dev/sda"}]}),
            Bad,
        ),
        row("AMIMappingsNoRootDeviceName", json!({"ami_block_device_mappings": [{"device_name": "/dev/sda"}]}), Bad),
        row("RootDeviceNameNoAMIMappings", json!({"root_device_name": "/dev/sda"}), Bad),
        row("from_scratch", scratch(json!({})), Good),
        row("from_scratch", scratch(json!({"root_volume_size": 0})), Bad),
        row("from_scratch", scratch(json!({"pre_mount_commands": []})), Bad),
        row("from_scratch", scratch(json!({"ami_virtualization_type": ""})), Bad),
        row("from_scratch", scratch(json!({"root_device_name": ""})), Bad),
        row("from_scratch", scratch(json!({"ami_block_device_mappings": []})), Bad),
        row("kms", json!({"root_volume_kms_key_id": "alias/a", "root_volume_encrypt_boot": false}), Bad),
        row("kms", json!({"root_volume_kms_key_id": "no key", "root_volume_encrypt_boot": true}), Bad),
        row("kms", json!({"root_volume_kms_key_id": "alias/a", "root_volume_encrypt_boot": true}), Good),
        row("kms", json!({"root_volume_kms_key_id": "alias/a"}), Good),
    ]
}
