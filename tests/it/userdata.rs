//! `imgbuild userdata`, checked by cloud-init itself.

use crate::support::{Env, finish, program_or_skip};

const NODES: &[(&str, &str, &[&str])] = &[
    (
        "rancher1",
        "server",
        &["database_endpoint=db.example.com:3306", "database_username=u", "database_password_parameter=/rancher/db"],
    ),
    ("rancher1", "agent", &["registration_url_parameter=/rancher/registration", "host_labels=zone=a&disk=ssd"]),
    (
        "rke2",
        "server",
        &["version=v1.31.4+rke2r1", "token_parameter=/rke2/token", "tls_san=a.example.com,b.example.com"],
    ),
    (
        "rke2",
        "agent",
        &[
            "version=v1.31.4+rke2r1",
            "token_parameter=/rke2/token",
            "server_url=https://h:9345",
            "node_taints=a=b:NoSchedule",
        ],
    ),
    ("k3s", "server", &["version=v1.31.4+k3s1", "token_parameter=/k3s/token", "cluster_init=true"]),
    (
        "k3s",
        "agent",
        &["version=v1.31.4+k3s1", "token_parameter=/k3s/token", "server_url=https://h:6443", "node_labels=a=b,c=d"],
    ),
];

#[test]
fn every_node_passes_cloud_init_schema() {
    if !program_or_skip("every_node_passes_cloud_init_schema", "cloud-init") {
        return;
    }
    let env = Env::new();
    for (stack, role, vars) in NODES {
        let mut args = vec!["userdata", role, "--stack", stack];
        for var in *vars {
            args.extend(["--var", var]);
        }
        let text = env.run(args).expect(0).stdout;
        let file = env.write(&format!("{stack}-{role}.yaml"), &text);
        finish(env.command("cloud-init").args(["schema", "--config-file"]).arg(&file))
            .expect(0)
            .has("Valid cloud-config");
        // The script inside is what runs: the shell must at least be able to read it.
        let script = text.lines().skip_while(|l| !l.contains("content: |")).skip(1);
        let script: String = script
            .take_while(|l| l.starts_with("      ") || l.is_empty())
            .map(|l| format!("{}\n", l.trim_start_matches("      ")))
            .collect();
        let file = env.write("script.sh", &script);
        finish(env.command("sh").arg("-n").arg(&file)).expect(0);
    }
}

#[test]
fn what_is_missing_is_listed() {
    Env::new()
        .run(["userdata", "server", "--stack", "rancher1"])
        .expect(1)
        .has("database_username")
        .has("database_password_parameter");
    Env::new().run(["userdata", "server", "--stack", "rancher"]).expect(1).has("did you mean \"rancher1\"?");
}
