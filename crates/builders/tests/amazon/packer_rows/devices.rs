//! Rows of `common/block_device_test.go`, for the devices of every builder.

use super::Outcome::{Bad, Good};
use super::Row;
use serde_json::{Value, json};

/// The rows.
pub fn rows() -> Vec<Row> {
    let device = |kind: &str, size: Option<u32>, iops: u32, throughput: Option<u32>| {
        let mut device = json!({"device_name": "/dev/sdb", "volume_type": kind, "iops": iops});
        if let Some(size) = size {
            device["volume_size"] = size.into();
        }
        if let Some(throughput) = throughput {
            device["throughput"] = throughput.into();
        }
        device
    };
    let all: Vec<(Value, _)> = vec![
        (device("io1", None, 1000, None), Good),
        (device("io2", None, 1000, None), Good),
        (device("io1", Some(50), 1000, None), Good),
        (device("io2", Some(100), 1000, None), Good),
        (device("io1", Some(10), 2000, None), Bad),
        (device("io2", Some(50), 30000, None), Bad),
        (device("io2", Some(500), 99999, None), Bad),
        (device("io2", Some(50), 10, None), Bad),
        (device("gp3", Some(50), 99999, Some(125)), Bad),
        (device("gp3", Some(50), 10, Some(125)), Bad),
        (device("gp3", None, 3000, Some(125)), Good),
        (device("gp3", None, 3000, Some(1000)), Good),
        (device("gp3", None, 3000, Some(1001)), Bad),
        (device("gp3", None, 3000, Some(124)), Bad),
        (json!({"device_name": ""}), Bad),
        (json!({"device_name": "/dev/sdb", "kms_key_id": "alias/a", "encrypted": false}), Bad),
        (json!({"device_name": "/dev/sdb", "kms_key_id": "alias/a", "encrypted": true}), Good),
        (json!({"device_name": "/dev/sdb", "volume_type": "gp2", "throughput": 125}), Bad),
        (json!({"device_name": "/dev/sdb", "no_device": true}), Good),
        (json!({"device_name": "/dev/sdb", "virtual_name": "ephemeral0"}), Good),
    ];
    let mut rows = Vec::new();
    for (kind, option) in [("amazon-ebs", "launch_block_device_mappings"), ("amazon-ebsvolume", "ebs_volumes")] {
        for (device, outcome) in &all {
            rows.push(Row("BlockDevice", kind, json!({ option: [device] }), *outcome));
        }
    }
    rows
}
