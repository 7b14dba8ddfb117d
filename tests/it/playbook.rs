//! `imgbuild playbook` over a local connection and over OpenSSH's server.

use crate::support::servers::sshd;
use crate::support::{Env, program_or_skip, root_or_skip};

const PLAY: &str = r#"---
- name: Files
  hosts: all
  gather_facts: false
  vars:
    dir: "{{ base }}/made"
    names: [a, b]
  tasks:
    - name: Folder
      file: path={{ dir }} state=directory mode=0750
    - name: Files
      copy:
        content: "{{ item }} {{ inventory_hostname }}\n"
        dest: "{{ dir }}/{{ item }}"
      loop: "{{ names }}"
      notify: Count
    - name: Read one
      command: cat {{ dir }}/a
      register: read
      changed_when: false
    - name: Show it
      debug:
        msg: "it says {{ read.stdout }}"
    - name: Left out
      command: "false"
      when: names | length > 5
  handlers:
    - name: Count
      shell: ls {{ dir }} | wc -l
      register: count
"#;

#[test]
fn local_connection_twice() {
    let env = Env::new();
    let file = env.write("site.yml", PLAY);
    let base = format!("base={}", env.work().display());
    let args = ["playbook", "-i", "localhost,", "-c", "local", "-e", &base, file.to_str().unwrap()];
    env.run(args)
        .expect(0)
        .has("PLAY [Files] ***")
        .has("changed: [localhost] => (item=a)")
        .has("\"msg\": \"it says a localhost\"")
        .has("skipping: [localhost]")
        .has("RUNNING HANDLER [Count] ***")
        .has("localhost                  : ok=5    changed=3    unreachable=0    failed=0    skipped=1    rescued=0    ignored=0");
    env.run(args).expect(0).has("changed=0");
}

#[test]
fn over_ssh() {
    if !root_or_skip("over_ssh") || !program_or_skip("over_ssh", "sshd") {
        return;
    }
    let env = Env::new();
    let server = sshd(&env);
    let key = env.path().join("key");
    let made =
        std::process::Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status();
    assert!(made.unwrap().success());
    let inventory = format!(
        "h1 ansible_host=127.0.0.1 ansible_port={} ansible_user=root ansible_ssh_private_key_file={} ansible_ssh_common_args='-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null'\n",
        server.port,
        key.display()
    );
    env.write("hosts", &inventory);
    env.write("site.yml", PLAY);
    let base = format!("base={}", env.work().display());
    env.run(["playbook", "-i", "hosts", "-e", &base, "site.yml"]).expect(0).has("it says a h1");
    env.run(["playbook", "-i", "hosts", "-e", &base, "--check", "--diff", "site.yml"]).expect(0).has("changed=0");
    // A key that is not known is refused unless the inventory says otherwise.
    env.write("strict", &inventory.replace("-o StrictHostKeyChecking=no", ""));
    env.run(["playbook", "-i", "strict", "-e", &base, "site.yml"]).expect(4).has("unreachable=1");
}

const SYNC: &str = r#"---
- hosts: all
  gather_facts: false
  tasks:
    - name: push
      ansible.posix.synchronize: {src: tree/, dest: "{{ base }}/there", delete: true, rsync_opts: ["--exclude=*.bak"]}
    - name: as root by sudo
      become: true
      synchronize: {src: tree, dest: "{{ base }}/rooted"}
    - name: pull
      synchronize: {mode: pull, src: "{{ base }}/there/", dest: "{{ base }}/back", owner: false}
    - name: by the ssh program
      synchronize: {src: tree/, dest: "{{ base }}/ssh", private_key: "{{ ansible_ssh_private_key_file }}"}
    - name: on the host itself
      synchronize: {src: "{{ base }}/there/", dest: "{{ base }}/own"}
      delegate_to: "{{ inventory_hostname }}"
"#;

#[test]
fn synchronize_over_ssh() {
    let needed = ["sshd", "rsync", "sudo"];
    if !root_or_skip("synchronize_over_ssh") || !needed.iter().all(|p| program_or_skip("synchronize_over_ssh", p)) {
        return;
    }
    let env = Env::new();
    let server = sshd(&env);
    let key = env.path().join("key");
    let made =
        std::process::Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status();
    assert!(made.unwrap().success());
    env.write(
        "hosts",
        &format!(
            "h1 ansible_host=127.0.0.1 ansible_port={} ansible_user=root ansible_ssh_private_key_file={} ansible_ssh_common_args='-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null'\n",
            server.port,
            key.display()
        ),
    );
    let big: String = (0..200_000).map(|n| format!("{n}\n")).collect();
    for (name, content) in [("files/tree/a", "1\n"), ("files/tree/sub/b c", big.as_str()), ("files/tree/x.bak", "no\n")]
    {
        env.write(name, content);
    }
    env.write("site.yml", SYNC);
    let base = env.work().join("hosts.d");
    std::fs::create_dir_all(base.join("there")).unwrap();
    std::fs::write(base.join("there/old"), "").unwrap();
    let var = format!("base={}", base.display());
    let run = |more: &[&str]| {
        let args = ["playbook", "-i", "hosts", "-e", &var, "site.yml"].iter().chain(more).copied().collect::<Vec<_>>();
        env.run(args)
    };
    run(&["--check"]).expect(0).has("changed=");
    assert!(base.join("there/old").exists() && !base.join("ssh").exists());
    run(&[]).expect(0).has("changed=5");
    for place in ["there", "rooted/tree", "back", "ssh", "own"] {
        assert_eq!(std::fs::read_to_string(base.join(place).join("sub/b c")).unwrap(), big, "{place}");
    }
    assert!(!base.join("there/old").exists() && !base.join("there/x.bak").exists());
    run(&[]).expect(0).has("changed=0");
}

#[test]
fn check_mode_waits_for_nobody() {
    let env = Env::new();
    env.write(
        "site.yml",
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - wait_for_connection: {timeout: 1}\n      register: r\n    - debug: var=r.skipped\n",
    );
    let output = env.run(["playbook", "-C", "-i", "127.0.0.1,", "-e", "ansible_port=1", "site.yml"]).expect(0);
    output.has("skipping: [127.0.0.1]").has("\"r.skipped\": true").has("skipped=1");
}

/// As ansible-core fills them in: below all that is set, the other host's where a task is delegated, and not for `hostvars`.
#[test]
fn tasks_know_their_connection() {
    let env = Env::new();
    let show = "msg=\"{{ ansible_connection }} {{ ansible_user | default('-') }} {{ ansible_port | default('-') }} {{ ansible_host }}\"";
    let text = format!(
        "- hosts: all\n  gather_facts: false\n  tasks:\n    - debug: {show}\n      when: ansible_connection == wanted\n    \
         - debug: {show}\n      delegate_to: localhost\n    - debug: {show}\n      connection: local\n      remote_user: carol\n    \
         - debug: msg=\"of hosts {{{{ hostvars[inventory_hostname].ansible_connection | default('none') }}}}\"\n"
    );
    env.write("site.yml", &text);
    for (args, want) in [
        (
            &["-i", "h,", "-c", "local", "-e", "wanted=local"][..],
            ["local - - h", "local - - localhost", "local carol - h"],
        ),
        (&["-i", "h,", "-u", "bob", "-e", "wanted=ssh"], ["ssh bob - h", "local bob - localhost", "local carol - h"]),
        (
            &["-i", "hosts", "-e", "wanted=ssh"],
            ["ssh dora 2222 h.example", "local dora 2222 h.example", "local dora 2222 h.example"],
        ),
    ] {
        env.write("hosts", "h ansible_user=dora ansible_port=2222 ansible_host=h.example\n");
        let output = env.run([&["playbook", "site.yml"], args].concat()).expect(0);
        let shown: Vec<&str> =
            output.stdout.lines().filter_map(|l| l.trim().strip_prefix("\"msg\": \"")?.strip_suffix('"')).collect();
        assert_eq!(shown, [&want[..], &["of hosts none"]].concat(), "{args:?}\n{}", output.stdout);
    }
}

#[test]
fn errors_have_places_and_codes() {
    let env = Env::new();
    env.write("bad.yml", "- hosts: localhost\n  tasks:\n    - name: x\n      coppy: {}\n    - debug:\n        msg: \"{{ 1 | no_such_filter }}\"\n");
    let output = env.run(["playbook", "-i", "localhost,", "bad.yml"]).expect(4).has("bad.yml:4:7").has("copy");
    assert!(output.stderr.contains("no_such_filter"), "both errors at once:\n{}", output.stderr);
    env.write(
        "fail.yml",
        "- hosts: localhost\n  connection: local\n  gather_facts: false\n  tasks:\n    - command: \"false\"\n",
    );
    env.run(["playbook", "-i", "localhost,", "fail.yml"]).expect(2).has("failed=1").has("non-zero return code");
    env.run(["playbook", "-i", "localhost,", "missing.yml"]).expect(1).has("missing.yml");
    env.run(["playbook", "--no-such-flag"]).expect(2);
}
