//! Each fixer: what it gets and what it makes of it. Measured with Debian's packer 1.6.6 where that has the fixer.

use super::*;

/// Runs all fixers on a template.
fn fixed(template: &str) -> Value {
    let source = Source::new("t.json", template);
    let text = fix(&source).unwrap_or_else(|e| panic!("{template}: {e:?}"));
    serde_json::from_str(&text).unwrap()
}

fn builder(options: &str) -> Value {
    fixed(&format!(r#"{{"builders": [{options}]}}"#))["builders"][0].clone()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn builders() {
    let table = [
        // iso-md5, then iso-checksum-type-and-url.
        (r#"{"type":"x","iso_md5":"m"}"#, r#"{"type":"x","iso_checksum":"md5:m"}"#),
        (r#"{"type":"x","iso_md5":1}"#, r#"{"type":"x","iso_md5":1}"#),
        (
            r#"{"type":"x","iso_checksum":"c","iso_checksum_type":"sha256"}"#,
            r#"{"type":"x","iso_checksum":"sha256:c"}"#,
        ),
        (r#"{"type":"x","iso_checksum_url":"u","iso_checksum_type":"md5"}"#, r#"{"type":"x","iso_checksum":"file:u"}"#),
        (r#"{"type":"x","iso_checksum_type":"none"}"#, r#"{"type":"x"}"#),
        // createtime
        (r#"{"type":"x","ami_name":"a {{ .CreateTime }}"}"#, r#"{"type":"x","ami_name":"a {{timestamp}}"}"#),
        (
            r#"{"type":"x","snapshot_name":"{{.CreateTime}}","y":"{{.CreateTime}}"}"#,
            r#"{"type":"x","snapshot_name":"{{timestamp}}","y":"{{.CreateTime}}"}"#,
        ),
        // virtualbox-gaattach, virtualbox-rename, comm-config
        (
            r#"{"type":"virtualbox","guest_additions_attach":true}"#,
            r#"{"type":"virtualbox-iso","guest_additions_mode":"attach"}"#,
        ),
        (
            r#"{"type":"virtualbox","guest_additions_attach":false}"#,
            r#"{"type":"virtualbox-iso","guest_additions_mode":"upload"}"#,
        ),
        (
            r#"{"type":"virtualbox-ovf","ssh_host_port_min":1,"ssh_host_port_max":2,"ssh_skip_nat_mapping":true}"#,
            r#"{"type":"virtualbox-ovf","host_port_min":1,"host_port_max":2,"skip_nat_mapping":true}"#,
        ),
        (
            r#"{"type":"virtualbox-iso","ssh_host_port_min":1,"host_port_min":3}"#,
            r#"{"type":"virtualbox-iso","host_port_min":3}"#,
        ),
        (
            r#"{"type":"virtualbox-iso","ssh_skip_nat_mapping":"true"}"#,
            r#"{"type":"virtualbox-iso","ssh_skip_nat_mapping":"true"}"#,
        ),
        // vmware-rename, vmware-compaction
        (r#"{"type":"vmware"}"#, r#"{"type":"vmware-iso"}"#),
        (
            r#"{"type":"vmware-iso","remote_type":"esx5"}"#,
            r#"{"type":"vmware-iso","remote_type":"esx5","disk_type_id":"zeroedthick","skip_compaction":true}"#,
        ),
        (
            r#"{"type":"vmware-iso","remote_type":"esx5","disk_type_id":"thin"}"#,
            r#"{"type":"vmware-iso","remote_type":"esx5","disk_type_id":"thin"}"#,
        ),
        (
            r#"{"type":"vmware-iso","remote_type":"esx5","disk_type_id":"x","skip_compaction":false}"#,
            r#"{"type":"vmware-iso","remote_type":"esx5","disk_type_id":"x","skip_compaction":true}"#,
        ),
        (r#"{"type":"vmware-iso"}"#, r#"{"type":"vmware-iso"}"#),
        // parallels-headless, parallels-deprecations
        (
            r#"{"type":"parallels-pvm","headless":true,"parallels_tools_host_path":"p","guest_os_distribution":"d"}"#,
            r#"{"type":"parallels-pvm","guest_os_type":"d"}"#,
        ),
        (r#"{"type":"qemu","headless":true}"#, r#"{"type":"qemu","headless":true}"#),
        // sshkeypath, sshdisableagent, ssh-wait-timeout
        (r#"{"type":"x","ssh_key_path":"k"}"#, r#"{"type":"x","ssh_private_key_file":"k"}"#),
        (r#"{"type":"x","ssh_key_path":"k","ssh_private_key_file":"f"}"#, r#"{"type":"x","ssh_private_key_file":"f"}"#),
        (r#"{"type":"x","ssh_disable_agent":true}"#, r#"{"type":"x","ssh_disable_agent_forwarding":true}"#),
        (r#"{"type":"x","ssh_wait_timeout":"5m"}"#, r#"{"type":"x","ssh_timeout":"5m"}"#),
        (r#"{"type":"x","ssh_wait_timeout":"5m","ssh_timeout":"6m"}"#, r#"{"type":"x","ssh_timeout":"6m"}"#),
        (r#"{"type":"x","ssh_wait_timeout":5}"#, r#"{"type":"x","ssh_wait_timeout":5}"#),
        // scaleway-access-key
        (r#"{"type":"scaleway","access_key":"k"}"#, r#"{"type":"scaleway","organization_id":"k"}"#),
        (r#"{"type":"amazon-ebs","access_key":"k"}"#, r#"{"type":"amazon-ebs","access_key":"k"}"#),
        // amazon-shutdown_behavior, amazon-enhanced-networking, amazon-private-ip, amazon-temp-sec-cidrs, spot-price-auto-product
        (r#"{"type":"amazon-ebs","shutdown_behaviour":"stop"}"#, r#"{"type":"amazon-ebs","shutdown_behavior":"stop"}"#),
        (r#"{"type":"amazon-chroot","enhanced_networking":true}"#, r#"{"type":"amazon-chroot","ena_support":true}"#),
        (r#"{"type":"amazon-ebs","ssh_private_ip":true}"#, r#"{"type":"amazon-ebs","ssh_interface":"private_ip"}"#),
        (r#"{"type":"amazon-ebs","ssh_private_ip":"0"}"#, r#"{"type":"amazon-ebs","ssh_interface":"public_ip"}"#),
        (
            r#"{"type":"amazon-ebs","ssh_private_ip":true,"ssh_interface":"ipv6"}"#,
            r#"{"type":"amazon-ebs","ssh_private_ip":true,"ssh_interface":"ipv6"}"#,
        ),
        (
            r#"{"type":"amazon-ebs","temporary_security_group_source_cidr":"c"}"#,
            r#"{"type":"amazon-ebs","temporary_security_group_source_cidrs":["c"]}"#,
        ),
        (r#"{"type":"amazon-ebs","spot_price_auto_product":"p"}"#, r#"{"type":"amazon-ebs"}"#),
        (
            r#"{"type":"amazon-chroot","spot_price_auto_product":"p"}"#,
            r#"{"type":"amazon-chroot","spot_price_auto_product":"p"}"#,
        ),
        // hyperv-deprecations, hyperv-vmxc-typo, hyperv-cpu-and-ram
        (
            r#"{"type":"hyperv-iso","vhd_temp_path":"p","cpu":2,"ram_size":512}"#,
            r#"{"type":"hyperv-iso","cpus":2,"memory":512}"#,
        ),
        (
            r#"{"type":"hyperv-vmcx","clone_from_vmxc_path":"p"}"#,
            r#"{"type":"hyperv-vmcx","clone_from_vmcx_path":"p"}"#,
        ),
        // clean-image-name: strings, and strings in an object of strings; no deeper.
        (
            r#"{"type":"amazon-ebs","ami_name":"{{ x | clean_ami_name}}","tags":{"a":"{{clean_image_name `x`}}","b":{"c":"clean_ami_name"}}}"#,
            r#"{"type":"amazon-ebs","ami_name":"{{ x | clean_resource_name}}","tags":{"a":"{{clean_resource_name `x`}}","b":{"c":"clean_ami_name"}}}"#,
        ),
        // qemu-disk-size, qemu-host-port
        (
            r#"{"type":"qemu","disk_size":4096.7,"ssh_host_port_min":1,"ssh_host_port_max":2}"#,
            r#"{"type":"qemu","disk_size":"4096M","host_port_min":1,"host_port_max":2}"#,
        ),
        (r#"{"type":"qemu","disk_size":"5G"}"#, r#"{"type":"qemu","disk_size":"5G"}"#),
        // vsphere-iso-net-disk
        (
            r#"{"type":"vsphere-iso","network":"n","networkCard":"c","disk_size":1,"disk_thin_provisioned":true,"disk_eagerly_scrub":false}"#,
            r#"{"type":"vsphere-iso","network_adapters":[{"network":"n","network_card":"c"}],"storage":[{"disk_size":1,"disk_thin_provisioned":true,"disk_eagerly_scrub":false}]}"#,
        ),
        (
            r#"{"type":"vsphere-iso","network_card":"c","network_adapters":[{"network":"m"}]}"#,
            r#"{"type":"vsphere-iso","network_adapters":[{"network_card":"c"},{"network":"m"}]}"#,
        ),
        // azure-exclude_from_latest
        (
            r#"{"type":"azure-chroot","shared_image_destination":{"exlude_from_latest":true}}"#,
            r#"{"type":"azure-chroot","shared_image_destination":{"exclude_from_latest":true}}"#,
        ),
        // proxmox-type
        (r#"{"type":"proxmox"}"#, r#"{"type":"proxmox-iso"}"#),
        // Nobody's.
        (r#"{"type":7,"ssh_key_path":null}"#, r#"{"type":7,"ssh_key_path":null}"#),
        ("{}", "{}"),
    ];
    for (given, want) in table {
        assert_eq!(builder(given), json(want), "{given}");
    }
}

#[test]
fn provisioners_and_post_processors() {
    let table = [
        // virtualbox-rename
        (
            "provisioners",
            r#"[{"type":"shell","override":{"virtualbox":{"a":1}}}]"#,
            r#"[{"type":"shell","override":{"virtualbox-iso":{"a":1}}}]"#,
        ),
        // galaxy-command
        (
            "provisioners",
            r#"[{"type":"ansible-local","galaxycommand":"g"}]"#,
            r#"[{"type":"ansible-local","galaxy_command":"g"}]"#,
        ),
        (
            "provisioners",
            r#"[{"type":"ansible-local","galaxycommand":"g","galaxy_command":"h"}]"#,
            r#"[{"type":"ansible-local","galaxy_command":"h"}]"#,
        ),
        // powershell-escapes
        (
            "provisioners",
            r#"[{"type":"powershell","elevated_user":"`$a``","elevated_password":"`\"`'","environment_vars":["A=`$b`x"]}]"#,
            r#"[{"type":"powershell","elevated_user":"$a`","elevated_password":"\"'","environment_vars":["A=$b`x"]}]"#,
        ),
        (
            "provisioners",
            r#"[{"type":"shell","environment_vars":["A=`$b"]}, "text"]"#,
            r#"[{"type":"shell","environment_vars":["A=`$b"]}, "text"]"#,
        ),
        // pp-vagrant-override
        (
            "post-processors",
            r#"[{"type":"vagrant","aws":{"output":"a"},"vmware":{}}]"#,
            r#"[{"type":"vagrant","override":{"aws":{"output":"a"},"vmware":{}}}]"#,
        ),
        // manifest-filename, also in a chain
        (
            "post-processors",
            r#"["x",[{"type":"manifest","filename":"f"}]]"#,
            r#"["x",[{"type":"manifest","output":"f"}]]"#,
        ),
        // docker-email
        ("post-processors", r#"[{"type":"docker-push","login_email":"e"}]"#, r#"[{"type":"docker-push"}]"#),
        // docker-tag-tags
        (
            "post-processors",
            r#"[{"type":"docker-tag","tag":"a, b","tags":["b","c"]}]"#,
            r#"[{"type":"docker-tag","tags":["a","b","c"]}]"#,
        ),
        ("post-processors", r#"[[{"type":"docker-tag","tag":["a"]}]]"#, r#"[[{"type":"docker-tag","tags":["a"]}]]"#),
        ("post-processors", r#"[{"type":"docker-tag"}]"#, r#"[{"type":"docker-tag","tags":[]}]"#),
    ];
    for (key, given, want) in table {
        let out = fixed(&format!(r#"{{"builders":[{{"type":"null"}}],"{key}":{given}}}"#));
        assert_eq!(out[key], json(want), "{given}");
    }
    let docker = r#"{"builders":[{"type":"docker","login_email":"e"}],"post-processors":["x"]}"#;
    assert_eq!(fixed(docker)["builders"], json(r#"[{"type":"docker"}]"#));
}

#[test]
fn as_packer_prints_it() {
    let given = "{\"z\": 1e21, \"builders\": [], \"a\": \"<&>\\u0007\\u2028\\\"\\\\é\\/\", \"n\": [1.50, -0.0, 1e-7, 3, 12345678901234567, {}]} x";
    let want = "{\n  \"a\": \"<\\u0026>\\u0007\\u2028\\\"\\\\é/\",\n  \"builders\": [],\n  \"n\": [\n    1.5,\n    -0,\n    1e-7,\n    3,\n    12345678901234568,\n    {}\n  ],\n  \"z\": 1e+21\n}\n";
    assert_eq!(fix(&Source::new("t", given)).unwrap(), want);
    assert_eq!(fix(&Source::new("t", "{}")).unwrap(), "{\n  \"builders\": null\n}\n");
}

#[test]
fn what_is_no_template() {
    for (given, want) in [
        ("[]", "a template is a JSON object"),
        ("{", "unexpected end"),
        (r#"{"builders": {}}"#, "'builders' is not a list"),
        (r#"{"builders": ["x"]}"#, "builder 1 is not an object"),
        (r#"{"post-processors": "x"}"#, "'post-processors' is not a list"),
        (r#"{"builders": [{"type":"amazon-ebs","ssh_private_ip":"maybe"}]}"#, "ssh_private_ip is true or false"),
        (r#"{"builders": [{"type":"vsphere-iso","network":"n","network_adapters":1}]}"#, "network_adapters"),
        (r#"{"builders": [], "post-processors": [{"type":"docker-tag","tag":[1]}]}"#, "no string"),
    ] {
        let errors = fix(&Source::new("t", given)).unwrap_err();
        let first = errors.iter().next().unwrap();
        assert!(first.message.contains(want) && first.span.is_some(), "{given}: {}", first.message);
    }
}

#[test]
fn every_fixer_of_packer_once() {
    let mut names: Vec<_> = FIXERS.iter().map(|f| f.name).collect();
    assert_eq!(names.len(), 34);
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 34);
}
