//! Rows of `common/run_config_test.go` and `common/allocation_strategy_test.go`.

use super::Outcome::{Bad, Good, TakenHere};
use super::Row;
use serde_json::{Value, json};

/// The rows.
pub fn rows() -> Vec<Row> {
    let row = |test: &'static str, mut options: Value, outcome| {
        let all = options.as_object_mut().unwrap();
        all.entry("instance_type").or_insert("m1.small".into());
        Row(test, "amazon-ebs", options, outcome)
    };
    let owners = "templates of old Packer versions name none: it is a warning, and with -strict an error";
    let mut rows = vec![
        row("InstanceType", json!({"instance_type": ""}), Bad),
        row("SourceAmi", json!({"source_ami": ""}), Bad),
        row("SourceAmiFilterBlank", json!({"source_ami": "", "source_ami_filter": {}}), Bad),
        row(
            "SourceAmiFilterOwnersBlank",
            json!({"source_ami": "", "source_ami_filter": {"filters": {"name": "foo"}}}),
            TakenHere(owners),
        ),
        row(
            "SourceAmiFilterGood",
            json!({"source_ami": "", "source_ami_filter": {"owners": ["123"], "filters": {"name": "foo"}}}),
            Good,
        ),
        row("EnableT2UnlimitedGood", json!({"instance_type": "t2.micro", "enable_t2_unlimited": true}), Good),
        row("EnableT2UnlimitedBadInstanceType", json!({"instance_type": "m5.large", "enable_t2_unlimited": true}), Bad),
        row(
            "EnableT2UnlimitedBadWithSpotInstanceRequest",
            json!({"instance_type": "t2.micro", "enable_t2_unlimited": true, "spot_price": "auto"}),
            Bad,
        ),
        row("SpotAuto", json!({"spot_price": "auto"}), Good),
        row("SpotAuto", json!({"spot_price": "auto", "spot_price_auto_product": "Linux/Unix"}), Good),
        row("SSHPort", json!({"ssh_port": 0}), Good),
        row("SSHPort", json!({"ssh_port": 44}), Good),
        row("UserData", json!({"user_data": "foo", "user_data_file": "/etc/hostname"}), Bad),
        row("UserDataFile", json!({"user_data_file": "idontexistidontthink"}), Bad),
        row("UserDataFile", json!({"user_data_file": "/etc/hostname"}), Good),
        row("TemporaryKeyPairName", json!({"temporary_key_pair_name": ""}), Good),
        row("TemporaryKeyPairName", json!({"temporary_key_pair_name": "ssh-key-123"}), Good),
        row("TemporaryKeyPairTypeRSA", json!({"temporary_key_pair_type": "rsa"}), Good),
        row("TemporaryKeyPairTypeED25519", json!({"temporary_key_pair_type": "ed25519"}), Good),
        row("TemporaryKeyPairTypeBad", json!({"temporary_key_pair_type": "invalid"}), Bad),
        row("TenancyBad", json!({"tenancy": "not_real"}), Bad),
        row(
            "EnableNitroEnclaveBadWithSpotInstanceRequest",
            json!({"instance_type": "c5.xlarge", "enable_nitro_enclave": true, "spot_price": "auto"}),
            Bad,
        ),
        row(
            "EnableNitroEnclaveBadWithBurstableInstanceType",
            json!({"instance_type": "t2.micro", "enable_nitro_enclave": true}),
            Bad,
        ),
        row("EnableNitroEnclaveGood", json!({"instance_type": "c5.xlarge", "enable_nitro_enclave": true}), Good),
        row(
            "FailIfBothHostIDAndGroupSpecified",
            json!({"placement": {"host_id": "host", "host_resource_group_arn": "group"}}),
            Bad,
        ),
        row(
            "EnableSpotInstanceBadSpotAllocationStrategy",
            json!({"spot_allocation_strategy": "very-expensive-one"}),
            Bad,
        ),
        row("SSHInterfaceIPv6_DefaultCIDR", json!({"ssh_interface": "ipv6"}), Good),
        row("ssh_interface", json!({"ssh_interface": "no_such"}), Bad),
    ];
    for (kind, outcome) in [
        ("t2.micro", Good),
        ("t3.micro", Good),
        ("t3a.xlarge", Good),
        ("t4g.micro", Good),
        ("m5.micro", Bad),
        ("t4.micro", Bad),
        ("t23.micro", Bad),
    ] {
        let options = json!({"instance_type": kind, "enable_unlimited_credits": true});
        rows.push(row("EnableUnlimitedCredits", options, outcome));
    }
    for tenancy in ["", "default", "dedicated", "host"] {
        rows.push(row("TenancyGood", json!({"tenancy": tenancy}), Good));
    }
    for (host, group, tenancy, outcome) in [
        ("", "", "", Good),
        ("host", "", "host", Good),
        ("", "group", "host", Good),
        ("host", "", "dedicated", Bad),
        ("", "group", "dedicated", Bad),
    ] {
        let placement = json!({"host_id": host, "host_resource_group_arn": group, "tenancy": tenancy});
        rows.push(row("InvalidTenantForHost", json!({ "placement": placement }), outcome));
    }
    for (id, preference, arn, outcome) in [
        ("", "", "", Good),
        ("", "none", "", Good),
        ("", "open", "", Good),
        ("", "invalid", "", Bad),
        ("cr-123456", "", "", Good),
        ("", "", "arn-asduilovgf", Good),
        ("cr-123456", "none", "", Bad),
        ("cr-123456", "", "arn-aseldigubh", Bad),
    ] {
        let options = json!({
            "capacity_reservation_id": id, "capacity_reservation_preference": preference,
            "capacity_reservation_group_arn": arn
        });
        rows.push(row("WithCapacityReservations", options, outcome));
    }
    for (strategy, outcome) in
        [("lowest-price", Good), ("diversified", Good), ("capacity-optimized", Good), ("notavalidstrategy", Bad)]
    {
        let options = json!({"spot_price": "auto", "spot_allocation_strategy": strategy});
        rows.push(row("IsValidSpotAllocationStrategy", options, outcome));
    }
    rows
}
