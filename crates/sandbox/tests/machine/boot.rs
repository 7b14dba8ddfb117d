//! From launch to login: keys, user data in all its forms, metadata.

use super::support::{Bench, DEBIAN, NOBLE};

#[tokio::test]
async fn user_data_gives_the_host_key_before_sshd_starts() {
    let Some(bench) = Bench::new("user_data_gives_the_host_key_before_sshd_starts") else { return };
    let tree = bench.tree(DEBIAN).await;
    let mut launch = bench.launch(&[tree]).await;
    let host_key = std::fs::read_to_string(bench.make_key("host")).unwrap();
    let public = bench.public_key("host");
    launch.metadata.user_data = Some(
        format!(
            "#cloud-config\nssh_keys:\n  ed25519_private: |\n    {}\n  ed25519_public: {public}\nruncmd:\n  - [touch, /var/tmp/ran]\n",
            host_key.trim_end().replace('\n', "\n    ")
        )
        .into_bytes(),
    );
    let machine = bench.up(&launch, "admin").await;
    let output = machine.try_run_knowing("hostname -f; sudo id -un", Some(&public)).await;
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{}.ec2.internal\nroot\n", launch.hostname));
    assert!(machine.cloud_init().await.contains("status: done"));
    machine.run("test -e /var/tmp/ran").await;
    // What a builder reads to know the host key when it could not set one.
    let console = bench.console_says(&launch, "-----END SSH HOST KEY KEYS-----").await;
    let (_, keys) = console.split_once("-----BEGIN SSH HOST KEY KEYS-----").unwrap();
    assert!(keys.contains(public.split_whitespace().nth(1).unwrap()));
    // Nothing of this host: its processes, its files, its devices.
    let init = "cat /proc/1/comm; tr -d '\\0' </proc/1/cmdline; echo; sudo grep -c HOME /proc/1/environ || true";
    assert_eq!(machine.run(init).await, "init\n/sbin/init\n0\n");
    assert_eq!(machine.run("lsblk -n -o NAME; sudo blkid; cat /proc/partitions | tail -n +3").await, "");
    machine.run(&format!("! test -e {}", bench.dir.path().display())).await;
}

#[tokio::test]
async fn user_data_of_every_form_is_applied() {
    let Some(bench) = Bench::new("user_data_of_every_form_is_applied") else { return };
    let tree = bench.tree(DEBIAN).await;
    let script = "#!/bin/sh\necho script > /var/tmp/script\n";
    let multipart = "Content-Type: multipart/mixed; boundary=\"==B==\"\nMIME-Version: 1.0\n\n--==B==\n\
                     Content-Type: text/cloud-config\n\n#cloud-config\nwrite_files:\n  - {path: /var/tmp/part1, content: one}\n\n\
                     --==B==\nContent-Type: text/x-shellscript\n\n#!/bin/sh\necho two > /var/tmp/part2\n\n--==B==--\n";
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packed, multipart.as_bytes()).unwrap();
    let forms = [
        (script.as_bytes().to_vec(), "cat /var/tmp/script", "script\n"),
        (packed.finish().unwrap(), "cat /var/tmp/part1; cat /var/tmp/part2", "onetwo\n"),
    ];
    for (user_data, command, expected) in forms {
        let mut launch = bench.launch(std::slice::from_ref(&tree)).await;
        launch.metadata.user_data = Some(user_data);
        let machine = bench.up(&launch, "admin").await;
        assert!(machine.cloud_init().await.contains("status: done"));
        assert_eq!(machine.run(command).await, expected);
    }
}

#[tokio::test]
async fn metadata_needs_a_token_and_knows_the_instance() {
    let Some(bench) = Bench::new("metadata_needs_a_token_and_knows_the_instance") else { return };
    let tree = bench.tree(DEBIAN).await;
    let launch = bench.launch(&[tree]).await;
    let machine = bench.up(&launch, "admin").await;
    let base = "http://169.254.169.254/latest";
    let status = machine.run(&format!("curl -s -o /dev/null -w '%{{http_code}}' {base}/meta-data/")).await;
    assert_eq!(status, "401");
    let token = format!(
        "curl -sf -H \"X-aws-ec2-metadata-token: $(curl -sf -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' {base}/api/token)\""
    );
    assert_eq!(machine.run(&format!("{token} {base}/meta-data/instance-id")).await, launch.instance_id);
    assert_eq!(machine.run(&format!("{token} {base}/meta-data/local-ipv4")).await, machine.address().to_string());
    let mut more = launch.metadata.clone();
    more.leaves.push(("meta-data/tags/instance/Name".into(), "changed".into()));
    imgbuild_sandbox::machine::MachineKind::update_metadata(&bench.kind, &launch.instance_id, &more).await.unwrap();
    assert_eq!(machine.run(&format!("{token} {base}/meta-data/tags/instance/Name")).await, "changed");
}

#[tokio::test]
async fn a_token_gets_as_far_as_the_hop_limit_says() {
    let Some(bench) = Bench::new("a_token_gets_as_far_as_the_hop_limit_says") else { return };
    let tree = bench.tree(DEBIAN).await;
    let launch = bench.launch(&[tree]).await;
    let machine = bench.up(&launch, "admin").await;
    // A container's place: behind one router more.
    machine
        .run(
            "set -e; sudo ip netns add c; sudo ip link add v0 type veth peer name v1 netns c
             sudo ip addr add 172.30.0.1/30 dev v0; sudo ip link set v0 up
             sudo ip -n c addr add 172.30.0.2/30 dev v1; sudo ip -n c link set v1 up; sudo ip -n c route add default via 172.30.0.1
             sudo sysctl -q -w net.ipv4.ip_forward=1; sudo iptables -t nat -A POSTROUTING -s 172.30.0.2 -j MASQUERADE",
        )
        .await;
    let ask = "sudo ip netns exec c curl -s -m 3 -o /dev/null -w '%{http_code}' -X PUT \
               -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token || true";
    assert_eq!(machine.run(ask).await, "000");
    let mut further = launch.metadata.clone();
    further.hop_limit = 2;
    imgbuild_sandbox::machine::MachineKind::update_metadata(&bench.kind, &launch.instance_id, &further).await.unwrap();
    assert_eq!(machine.run(ask).await, "200");
}

#[tokio::test]
async fn ubuntu_boots_with_its_own_cloud_init() {
    let Some(bench) = Bench::new("ubuntu_boots_with_its_own_cloud_init") else { return };
    let tree = bench.tree(NOBLE).await;
    let mut launch = bench.launch(&[tree]).await;
    launch.instance_type = "t3.micro".into();
    launch.metadata.user_data =
        Some(b"#cloud-config\nwrite_files:\n  - {path: /var/tmp/there, content: here}\n".to_vec());
    let machine = bench.up(&launch, "ubuntu").await;
    let status = machine.cloud_init().await;
    assert!(status.contains("status: done"), "{status}\n{}", bench.console(&launch).await);
    machine
        .run("test -e /var/tmp/there && sudo service cron status && . /etc/os-release && test $VERSION_ID = 24.04")
        .await;
}
