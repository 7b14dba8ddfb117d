//! Rows of `common/ami_config_test.go`.

use super::Outcome::{Bad, Good};
use super::Row;
use serde_json::{Value, json};

const KEYS: [&str; 9] = [
    "abcd1234-e567-890f-a12b-a123b4cd56ef",
    "mrk-f4224f9362ac4ed2b32a6bc77cf43510",
    "alias/foo/bar",
    "arn:aws:kms:us-east-1:012345678910:key/abcd1234-a123-456a-a12b-a123b4cd56ef",
    "arn:aws:kms:us-east-1:012345678910:alias/foo/bar",
    "arn:aws:kms:us-east-1:012345678910:key/mrk-12345678-1234-abcd-0000-123456789012",
    "arn:aws:kms:us-east-1:012345678910:key/mrk-f4224f9362ac4ed2b32a6bc77cf43510",
    "arn:aws-us-gov:kms:us-gov-east-1:123456789012:key/12345678-1234-abcd-0000-123456789012",
    "arn:aws-cn:kms:cn-north-1:012345678910:alias/my-alias",
];
const NO_KEYS: [&str; 11] = [
    "ABCD1234-e567-890f-a12b-a123b4cd56ef",
    "ghij1234-e567-890f-a12b-a123b4cd56ef",
    "ghij1234+e567_890f-a12b-a123b4cd56ef",
    "mrk-ghij1234+e567a12ba123b4cd56ef",
    "mrk--f4224f9362ac4ed2b32a6bc77cf43510",
    "foo/bar",
    "arn:aws:kms:us-east-1:012345678910:foo/bar",
    "arn:aws:kms:us-east-1:012345678910:key/zab-12345678-1234-abcd-0000-123456789012",
    "arn:aws:kms:us-east-1:012345678910:key/mkr-12345678-1234-abcd-0000-123456789012",
    "arn:foo:kms:us-east-1:012345678910:key/abcd1234-a123-456a-a12b-a123b4cd56ef",
    "arn:aws-gov:kms:cn-north-1:012345678910:alias/my-alias",
];

/// The rows. Their keys of regions are no valid keys; the plugin tests its regions apart from them.
pub fn rows() -> Vec<Row> {
    let row = |test, options: Value, outcome| Row(test, "amazon-ebs", options, outcome);
    let (one, two, three) = ("alias/a", "alias/b", "alias/c");
    let mut rows = vec![
        row("regions", json!({"ami_regions": []}), Good),
        row("regions", json!({"ami_regions": ["us-east-1", "us-west-1", "us-east-1"]}), Good),
        row("regions", json!({"ami_regions": ["custom"]}), Good),
        row(
            "regions",
            json!({
                "encrypt_boot": true, "ami_regions": ["us-east-1", "us-east-2", "us-west-1"],
                "region_kms_key_ids": {"us-east-1": one, "us-west-1": two, "us-east-2": three}
            }),
            Good,
        ),
        row(
            "regions: a default key, not shared",
            json!({
                "encrypt_boot": true, "ami_regions": ["us-east-1", "us-east-2", "us-west-1"],
                "region_kms_key_ids": {"us-east-1": one, "us-west-1": two, "us-east-2": ""}
            }),
            Good,
        ),
        row(
            "regions: a default key, shared",
            json!({
                "encrypt_boot": true, "kms_key_id": one, "snapshot_users": ["foo", "bar"],
                "ami_regions": ["us-east-1", "us-west-1"], "region_kms_key_ids": {"us-east-1": one, "us-west-1": ""}
            }),
            Bad,
        ),
        row(
            "regions: a key too much",
            json!({
                "encrypt_boot": true, "ami_regions": ["us-east-1", "us-west-1"],
                "region_kms_key_ids": {"us-east-1": one, "us-west-1": two, "us-east-2": three}
            }),
            Bad,
        ),
        row(
            "regions: a key too few",
            json!({
                "encrypt_boot": true, "ami_regions": ["us-east-1", "us-west-1", "us-east-2"],
                "region_kms_key_ids": {"us-east-1": one, "us-west-1": two}
            }),
            Bad,
        ),
        row("name", json!({"ami_name": "aa"}), Bad),
        row("name", json!({"ami_name": "a".repeat(129)}), Bad),
        row("name", json!({"ami_name": "+aaa"}), Bad),
        row("name", json!({"ami_name": "fooBAR1()[] ./-'@_"}), Good),
        row("name", json!({"ami_name": "xyz-base-2017-04-05-1934"}), Good),
    ];
    for (option, who) in [
        ("ami_users", "testAccountID"),
        ("ami_org_arns", "arn:aws:organizations::111122223333:organization/o-123example"),
        ("ami_ou_arns", "arn:aws:organizations::111122223333:ou/o-123example/ou-1234-5example"),
    ] {
        for (key, outcome) in [("", Bad), ("89c3fb9a-de87-4f2a-aedc-fddc5138193c", Good)] {
            let options = json!({"encrypt_boot": true, option: [who], "kms_key_id": key});
            rows.push(row("Share_EncryptedBoot", options, outcome));
        }
    }
    let key = |key: &&str, outcome| {
        Row("ValidateKmsKey", "amazon-ebs", json!({"encrypt_boot": true, "kms_key_id": key}), outcome)
    };
    rows.extend(KEYS.iter().map(|k| key(k, Good)));
    rows.extend(NO_KEYS.iter().map(|k| key(k, Bad)));
    rows
}
