//! `build --wait-for`: provisioning begins when the machine's first boot is over, on a machine whose own cloud-init is at work and
//! where somebody holds dpkg's lock.

use crate::build_sandbox::Cleanup;
use crate::support::{Env, root_or_skip};
use serde_json::json;

const BUSY: &str = "#!/bin/sh\nsleep 8\ntouch /etc/late\n\
    setsid python3 -c 'import fcntl, time; open(\"/proc/self/comm\", \"w\").write(\"apt-get\"); f = open(\"/var/lib/dpkg/lock-frontend\", \"w\"); fcntl.lockf(f, fcntl.LOCK_EX); open(\"/run/held\", \"w\"); time.sleep(12)' >/dev/null 2>&1 &\n\
    while [ ! -e /run/held ]; do sleep 0.2; done\n";

#[test]
fn the_first_boot_comes_to_its_end_before_anything_is_provisioned() {
    if !root_or_skip("the_first_boot_comes_to_its_end_before_anything_is_provisioned") {
        return;
    }
    let env = Env::new();
    let _cleanup = Cleanup(&env);
    let lock = "sudo python3 -c 'import fcntl; fcntl.lockf(open(\"/var/lib/dpkg/lock-frontend\", \"w\"), fcntl.LOCK_EX | fcntl.LOCK_NB)'";
    let template = json!({
        "builders": [{
            "type": "amazon-ebs", "region": "us-east-1", "user_data": BUSY,
            "source_ami_filter": {"filters": {"name": "debian-12-amd64-*"}, "owners": ["136693071363"], "most_recent": true},
            "instance_type": "t3.small", "ssh_username": "admin", "ami_name": "waits", "skip_create_ami": true
        }],
        "provisioners": [{"type": "shell", "inline": ["test -e /etc/late", lock, "echo it is over"]}]
    });
    env.write("t.json", &template.to_string());
    let output = env.run(["build", "--sandbox", "-color=false", "--wait-for=cloud-init,apt", "t.json"]).expect(0);
    let _ = output.has("Waiting for cloud-init...").has("Waiting for apt-get, which holds").has("it is over");
    // The machine is really that slow.
    let _ = env.run(["build", "--sandbox", "-color=false", "t.json"]).expect(1);
    let _ = env.run(["build", "--wait-for=sunshine", "t.json"]).expect(1).has("cloud-init");
}
