//! What is accepted and what is refused, as Packer does, with all errors at once.

use crate::harness::{read, template};
use imgbuild_builders::Flags;
use serde_json::{Value, json};

fn errors(options: Value) -> String {
    match read(&template(options), Flags::default()) {
        Ok(_) => String::new(),
        Err(diagnostics) => diagnostics.to_string(),
    }
}

fn session_manager(options: Value) -> Value {
    let mut all = json!({"ssh_interface": "session_manager", "iam_instance_profile": "ssm"});
    all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    all
}

#[test]
fn session_manager_takes_a_profile_or_a_policy_document() {
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["ssmmessages:*"], "Resource": ["*"]}]});
    let document = "temporary_iam_instance_profile_policy_document";
    assert_eq!(errors(session_manager(json!({"ssh_host": "localhost", "pause_before_ssm": "10s"}))), "");
    assert_eq!(errors(json!({"ssh_interface": "session_manager", document: policy})), "");
    let (_, warnings) = read(&template(json!({"session_manager_port": 8081})), Flags::default()).unwrap();
    assert!(warnings.to_string().contains("\"session_manager_port\" is not used without"), "{warnings}");
}

#[test]
fn refused() {
    let cases: Vec<(Value, &str)> = vec![
        (json!({"ami_name": null}), "\"ami_name\" must be specified"),
        (json!({"ami_name": "ab"}), "between 3 and 128"),
        (json!({"ami_name": "a:bc"}), "':'"),
        (json!({"ami_name": "x".repeat(129)}), "between 3 and 128"),
        (json!({"source_ami": null}), "\"source_ami\" or a \"source_ami_filter\""),
        (json!({"source_ami": ""}), "\"source_ami\" or a \"source_ami_filter\""),
        (json!({"instance_type": null}), "either \"instance_type\" or \"spot_instance_types\""),
        (json!({"spot_instance_types": ["t3.micro"]}), "not both"),
        (json!({"ssh_username": null}), "\"ssh_username\" must be specified"),
        (json!({"secret_key": null}), "must both be either set or not set"),
        (json!({"amo_name": "x"}), "did you mean \"ami_name\"?"),
        (json!({"kms_key_id": "alias/x"}), "\"encrypt_boot\" must be true"),
        (json!({"kms_key_id": "no key", "encrypt_boot": true}), "not a valid KMS key"),
        (json!({"encrypt_boot": true, "ami_users": ["1"]}), "can't share an AMI"),
        (json!({"encrypt_boot": true, "snapshot_users": ["1"]}), "can't share a snapshot"),
        (json!({"region_kms_key_ids": {"us-west-2": "alias/x"}, "encrypt_boot": true}), "not in \"ami_regions\""),
        (
            json!({"ami_regions": ["a", "b"], "region_kms_key_ids": {"a": "alias/x"}, "encrypt_boot": true}),
            "region b is in",
        ),
        (json!({"imds_support": "v1"}), "\"v2.0\" or empty"),
        (json!({"deprecate_at": "tomorrow"}), "not a valid time"),
        (json!({"ssh_interface": "x"}), "unknown interface type"),
        (json!({"ssh_interface": "session_manager"}), "needs an instance profile"),
        (
            session_manager(json!({"ssh_bastion_host": "b.test", "ssh_bastion_username": "u"})),
            "\"ssh_bastion_host\" can't go with",
        ),
        (session_manager(json!({"ssh_proxy_host": "p.test"})), "\"ssh_proxy_host\" can't go with"),
        (session_manager(json!({"ssh_host": "10.0.0.7"})), "leads to the instance that is launched"),
        (json!({"shutdown_behavior": "x"}), "\"stop\" or \"terminate\""),
        (json!({"launch_block_device_mappings": [{"volume_size": 10}]}), "\"device_name\" must be specified"),
        (
            json!({"launch_block_device_mappings": [{"device_name": "/dev/sdb", "volume_type": "io1", "volume_size": 10, "iops": 5000}]}),
            "500 IOPS at most",
        ),
        (
            json!({"launch_block_device_mappings": [{"device_name": "/dev/sdb", "volume_type": "io2", "volume_size": 500, "iops": 65000}]}),
            "between 100 and 64000",
        ),
        (
            json!({"launch_block_device_mappings": [{"device_name": "/dev/sdb", "volume_type": "gp3", "iops": 100}]}),
            "between 3000 and 16000",
        ),
        (
            json!({"launch_block_device_mappings": [{"device_name": "/dev/sdb", "volume_type": "gp2", "throughput": 125}]}),
            "gp3 volumes only",
        ),
        (
            json!({"ami_block_device_mappings": [{"device_name": "/dev/sdb", "encrypted": false, "kms_key_id": "x"}]}),
            "can't be false",
        ),
        (json!({"temporary_security_group_source_cidrs": ["x"]}), "not a CIDR block"),
        (json!({"security_group_id": "sg-1", "security_group_ids": ["sg-2"]}), "only one of \"security_group_id\""),
        (json!({"user_data": "x", "user_data_file": "/etc/hostname"}), "only one of \"user_data\""),
        (json!({"user_data_file": "/no/such/file"}), "\"user_data_file\" not found"),
        (json!({"enable_t2_unlimited": true}), "T2, T3, T3a and T4g"),
        (json!({"enable_unlimited_credits": true, "instance_type": "t2.micro", "spot_price": "0.1"}), "T2 spot"),
        (json!({"enable_nitro_enclave": true, "instance_type": "t3.micro"}), "burstable"),
        (json!({"enable_nitro_enclave": true, "spot_price": "auto"}), "spot instances"),
        (json!({"capacity_reservation_id": "cr-1", "capacity_reservation_group_arn": "arn"}), "only one of"),
        (json!({"capacity_reservation_preference": "x"}), "\"none\" or \"open\""),
        (json!({"tenancy": "x"}), "unknown tenancy"),
        (json!({"placement": {"host_id": "h", "tenancy": "default"}}), "needs the tenancy \"host\""),
        (json!({"placement": {"host_id": "h", "host_resource_group_arn": "a"}}), "only one of \"host_id\""),
        (json!({"metadata_options": {"http_tokens": "x"}}), "\"optional\" or \"required\""),
        (json!({"metadata_options": {"http_put_response_hop_limit": 65}}), "between 1 and 64"),
        (json!({"spot_tags": {"a": "b"}}), "when not requesting a spot instance"),
        (json!({"spot_price": "auto", "ena_support": true}), "can't be set on a spot instance"),
        (json!({"block_duration_minutes": 61}), "multiple of 60"),
        (json!({"temporary_key_pair_type": "dsa"}), "rsa or ed25519"),
        (json!({"ssh_keypair_name": "k"}), "\"ssh_private_key_file\" or \"ssh_agent_auth\""),
        (json!({"ssh_private_key_file": "/no/such/key"}), "\"ssh_private_key_file\" is invalid"),
        (json!({"ssh_certificate_file": "/x"}), "must be specified if"),
        (json!({"ssh_bastion_host": "b"}), "\"ssh_bastion_password\""),
        (json!({"ssh_bastion_host": "b", "ssh_bastion_agent_auth": true, "ssh_proxy_host": "p"}), "not both"),
        (json!({"ssh_proxy_host": "https://p"}), "no \"https\" proxies"),
        (json!({"ssh_proxy_host": "http://u:p@h"}), "\"ssh_proxy_host\" has a user in it"),
        (json!({"ssh_proxy_host": "socks5://:1080"}), "names no host"),
        (json!({"ssh_proxy_host": "p:x"}), "\"x\" is no port"),
        (
            json!({"ssh_bastion_host": "b", "ssh_bastion_agent_auth": true, "ssh_bastion_host_key": "SHA256:x"}),
            "is no public key",
        ),
        (json!({"ssh_ciphers": ["aes256-ctx"]}), "did you mean \"aes256-ct"),
        (json!({"ssh_key_exchange_algorithms": ["none"]}), "not an algorithm that imgbuild has"),
        (json!({"ssh_file_transfer_method": "ftp"}), "sftp and scp"),
        (json!({"ssh_local_tunnels": ["x"]}), "port:host:port"),
        (json!({"communicator": "telnet"}), "communicator type \"telnet\" is invalid"),
        (json!({"communicator": "winrm"}), "is not supported"),
        (json!({"winrm_username": "x"}), "Windows is not supported"),
        (json!({"fast_launch": {"enable_fast_launch": true}}), "\"fast_launch\" is not supported"),
        (json!({"shutdown_behaviour": "stop"}), "shutdown_behavior"),
        (json!({"region": ["a"], "ami_name": "a:b"}), "'region' expected type 'string'"),
    ];
    for (options, part) in cases {
        let found = errors(options.clone());
        assert!(found.contains(part), "{options}: wanted {part:?} in\n{found}");
        assert!(found.contains("t.json:"), "{options}: no place in\n{found}");
    }
}

#[test]
fn accepted() {
    for options in [
        json!({}),
        json!({"region": null}),
        json!({"access_key": "", "secret_key": ""}),
        json!({"source_ami": "", "source_ami_filter": {"filters": {"name": "x"}, "owners": ["self"], "most_recent": "true"}}),
        json!({"source_ami": null, "source_ami_filter": {"filters": {"name": "x"}}}),
        json!({"launch_block_device_mappings": [{"device_name": "/dev/xvdb", "volume_size": "40", "delete_on_termination": "true"}]}),
        json!({"ami_regions": "us-west-2,eu-west-1"}),
        json!({"ssh_timeout": "10m", "ssh_pty": "true", "ssh_port": "22"}),
        json!({"encrypt_boot": "true", "kms_key_id": "alias/x", "ami_users": ["1"], "snapshot_users": ["1"]}),
        json!({"spot_price": "auto", "spot_tags": {"a": "b"}, "run_tag": [{"key": "a", "value": "b"}]}),
        json!({"instance_type": null, "spot_instance_types": ["m5.large", "m5a.large"]}),
        json!({"subnet_filter": {"filters": {"tag:Class": "build"}, "most_free": true, "random": false}}),
        json!({"ami_name": "img {{timestamp}} {{clean_resource_name \"a:b\"}} ([x]) ./-'@_"}),
        json!({"tags": {"a": "{{ .SourceAMIName }}"}, "tag": {"key": "b", "value": "c"}}),
        json!({"communicator": "none", "ssh_username": null}),
        json!({"ssh_username": null, "SSH_Username": "x"}),
        json!({"deprecate_at": "2030-01-02T03:04:05Z", "imds_support": "v2.0", "deregistration_protection": {"enabled": true}}),
        json!({"aws_polling": {"delay_seconds": "5", "max_attempts": 100}, "max_retries": 5}),
        json!({"assume_role": {"role_arn": "arn:aws:iam::1:role/x", "session_name": "s", "duration_seconds": 900}}),
        json!({"metadata_options": {"http_endpoint": "enabled", "http_tokens": "required", "http_put_response_hop_limit": 2}}),
        json!({"ssh_agent_auth": true, "ssh_keypair_name": "mine"}),
        json!({"temporary_key_pair_type": "rsa", "temporary_key_pair_bits": 4096, "temporary_key_pair_name": "k"}),
        json!({"license_specifications": [{"license_configuration_request": {"license_configuration_arn": "a"}}]}),
        json!({"launch_block_device_mappings": [{"device_name": "/dev/sdc", "no_device": true}, {"device_name": "/dev/sdd", "virtual_name": "ephemeral0"}]}),
    ] {
        assert_eq!(errors(options.clone()), "", "{options}");
    }
}

#[test]
fn all_errors_come_at_once() {
    let found = errors(json!({"ami_name": "a:", "instance_type": null, "ssh_username": null, "foo": 1}));
    assert_eq!(found.matches("Error:").count(), 5, "{found}");
}

#[test]
fn what_cannot_be_read_is_not_called_missing() {
    for option in ["ami_name", "source_ami", "instance_type", "ssh_username", "secret_key"] {
        let found = errors(json!({ option: "{{nothing}}" }));
        assert_eq!(found.matches("Error:").count(), 1, "{found}");
    }
}

#[test]
fn a_filter_without_owner_is_a_warning_or_with_strict_an_error() {
    let text = template(json!({"source_ami": null, "source_ami_filter": {"filters": {"name": "*ubuntu*"}}}));
    let Ok((_, warnings)) = read(&text, Flags::default()) else { panic!() };
    assert!(warnings.to_string().contains("099720109477"), "{warnings}");
    assert!(read(&text, Flags { strict: true, ..Flags::default() }).is_err());
}

#[test]
fn secrets_are_known_to_the_redactor() {
    let text = template(
        json!({"ssh_password": "pass word", "token": "tok", "ssh_proxy_host": "p", "ssh_proxy_password": "proxy pass"}),
    );
    let Ok((prepared, _)) = read(&text, Flags::default()) else { panic!() };
    assert_eq!(prepared.secrets(), ["fakefakefake", "tok", "pass word", "proxy pass"]);
}

#[test]
fn other_builders_are_refused_by_name() {
    for (kind, part) in [("googlecompute", "not supported"), ("amazon-ebz", "did you mean \"amazon-ebs\"?")] {
        let text = format!("{{\"builders\": [{{\"type\": \"{kind}\"}}]}}");
        let Err(error) = read(&text, Flags::default()) else { panic!("{kind} was taken") };
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn null_needs_a_host_and_a_way_in() {
    let null =
        |options: &str| match read(&format!("{{\"builders\": [{{\"type\": \"null\"{options}}}]}}"), Flags::default()) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        };
    assert_eq!(null(", \"communicator\": \"none\""), "");
    assert_eq!(null(", \"ssh_host\": \"h\", \"ssh_username\": \"u\", \"ssh_password\": \"p\""), "");
    let found = null("");
    for part in ["ssh_host", "ssh_username", "one authentication method"] {
        assert!(found.contains(part), "{found}");
    }
}
