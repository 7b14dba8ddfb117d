//! Playbooks through the `ansible` and `ansible-local` provisioners: our engine, the real agent, OpenSSH's server.

use imgbuild_diag::{Diagnostics, Redactor};
use imgbuild_engine::agent_link::AgentBinaries;
use imgbuild_engine::communicator::Communicator;
use imgbuild_engine::connect::{Auth, Connect, HostKeys, SshSpec};
use imgbuild_engine::event::{Event, Reporter, Sink};
use imgbuild_engine::provision::{NobodyToAsk, Plan, ProvisionError, Session};
use imgbuild_engine::run::Cancel;
use imgbuild_ssh::SshConnect;
use imgbuild_template::{Ambient, LoadOptions};
use imgbuild_testkit::sshd::Sshd;
use std::path::Path;
use std::sync::{Arc, Mutex};

#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

impl Sink for Lines {
    fn emit(&self, event: Event) {
        if let Event::Say { text, .. } | Event::Message { text, .. } | Event::Error { text, .. } = event {
            self.0.lock().unwrap().push(text);
        }
    }
}

async fn connect(sshd: &Sshd) -> Arc<dyn Communicator> {
    let keys = HostKeys::Expected(vec![sshd.host_key.clone()]);
    let mut spec = SshSpec::new("127.0.0.1", sshd.port, sshd.user.as_str(), keys);
    spec.auth = vec![Auth::KeyFile { path: sshd.key.clone(), passphrase: None, certificate: None, optional: false }];
    SshConnect::new(None, Arc::new(NobodyToAsk)).connect(&spec).await.unwrap()
}

/// Runs provisioners of a template in `dir`; gives what was said.
async fn run(sshd: &Sshd, dir: &Path, provisioners: &str) -> (Result<(), ProvisionError>, String) {
    let path = dir.join("t.json");
    let text = format!(
        r#"{{"builders": [{{"type": "null", "name": "my-build", "communicator": "none"}}], "provisioners": [{provisioners}]}}"#
    );
    std::fs::write(&path, text).unwrap();
    let mut ambient = Ambient::new("2026-01-01T00:00:00Z".parse().unwrap(), dir);
    ambient.env.insert("HOME".into(), dir.display().to_string());
    ambient.env.insert("PATH".into(), "/usr/bin:/bin".into());
    let loaded = imgbuild_template::load(&path, &LoadOptions::new(Arc::new(ambient))).unwrap();
    let build = &loaded.template.builds[0];
    let mut diags = Diagnostics::new();
    let plan = Plan::prepare(build, &loaded.template.context(build), &[], &mut diags);
    assert!(!diags.has_errors(), "{diags}");
    let agent = imgbuild_testkit::agent::compressed();
    let lines = Arc::new(Lines::default());
    let comm = connect(sshd).await;
    let session = Session {
        build_name: "my-build".into(),
        builder_type: "null".into(),
        communicator: Some(Arc::clone(&comm)),
        pty: false,
        username: sshd.user.clone(),
        data: [("Host", "127.0.0.1".to_owned()), ("Port", sshd.port.to_string())]
            .map(|(k, v)| (k.to_owned(), v))
            .into(),
        reporter: Reporter::new(lines.clone(), Redactor::new()),
        cancel: Cancel::new(),
        ask: Arc::new(NobodyToAsk),
        agents: AgentBinaries { x86_64: agent, aarch64: agent },
        connect: None,
    };
    let result = plan.run(&session).await;
    assert!(comm.connected(), "the build's connection outlives its provisioners");
    comm.close().await;
    let said = lines.0.lock().unwrap().join("\n");
    (result, said)
}

fn write(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

const PLAYBOOK: &str = "
- hosts: web
  vars:
    target: '{{ out }}'
  tasks:
    - name: folder
      file: {path: '{{ target }}', state: directory, mode: '0750'}
    - name: template
      template: {src: greeting.j2, dest: '{{ target }}/greeting', mode: '0640'}
      notify: tell
    - name: copy
      copy: {src: data.txt, dest: '{{ target }}/data'}
    - name: look
      command: cat {{ target }}/greeting
      register: seen
      changed_when: false
    - name: say
      debug: {msg: 'seen {{ seen.stdout }}'}
    - name: here
      delegate_to: localhost
      command: hostname
      changed_when: false
  handlers:
    - name: tell
      debug: {msg: handled}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ansible_over_the_builds_own_connection() {
    let sshd = Sshd::start();
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "site.yml", PLAYBOOK);
    write(
        dir.path(),
        "templates/greeting.j2",
        "hello {{ packer_build_name }} {{ packer_builder_type }} {{ who }} {{ inventory_hostname }}\n",
    );
    write(dir.path(), "files/data.txt", "data\n");
    write(dir.path(), "inv/group_vars/web.yml", "who: group\n");
    let out = dir.path().join("out");
    let provisioner = format!(
        r#"{{"type": "ansible", "playbook_file": "site.yml", "groups": ["web"], "empty_groups": ["db"], "host_alias": "machine",
            "inventory_directory": "inv", "extra_arguments": ["-e", "out={}", "-v"]}}"#,
        out.display()
    );
    let (result, said) = run(&sshd, dir.path(), &provisioner).await;
    assert!(result.is_ok(), "{result:?}\n{said}");
    assert_eq!(std::fs::read_to_string(out.join("greeting")).unwrap(), "hello my-build null group machine\n");
    assert_eq!(std::fs::read_to_string(out.join("data")).unwrap(), "data\n");
    assert!(said.contains("handled") && said.contains("seen hello my-build"), "{said}");
    let left: Vec<_> = std::fs::read_dir(dir.path().join("inv")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["group_vars"], "the inventory that was written is removed");
    let (result, said) = run(&sshd, dir.path(), &provisioner).await;
    assert!(result.is_ok(), "{result:?}\n{said}");
    assert!(said.contains("changed=0") && said.contains("failed=0"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_playbook_fails_the_build() {
    let sshd = Sshd::start();
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "site.yml", "- hosts: all\n  gather_facts: false\n  tasks:\n    - command: /bin/false\n");
    let (result, said) = run(&sshd, dir.path(), r#"{"type": "ansible", "playbook_file": "site.yml"}"#).await;
    let error = result.unwrap_err().to_string();
    let (first, place) = error.split_once('\n').unwrap_or_else(|| panic!("no place in {error}"));
    assert_eq!(first, "Error executing Ansible: Non-zero exit status: exit status 2", "{said}");
    assert!(place.contains("t.json:1:") && place.ends_with("the provisioner ansible"), "{place}");
    assert!(said.contains("non-zero return code"), "{said}");
    write(dir.path(), "broken.yml", "- hosts: all\n  tusks: []\n");
    let (result, _) = run(&sshd, dir.path(), r#"{"type": "ansible", "playbook_file": "broken.yml"}"#).await;
    let error = result.unwrap_err().to_string();
    assert!(error.contains("tusks") && error.contains("broken.yml:2"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ansible_local_means_the_machine() {
    let sshd = Sshd::start();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let playbook = format!(
        "- hosts: web\n  gather_facts: false\n  roles: [app]\n  post_tasks:\n    - command: sh -c 'echo $SSH_CONNECTION {{{{ who }}}} > {}'\n      delegate_to: localhost\n",
        out.display()
    );
    write(dir.path(), "site.yml", &playbook);
    write(dir.path(), "elsewhere/app/tasks/main.yml", "- debug: {msg: from the role}\n");
    write(dir.path(), "gv/web.yml", "who: me\n");
    let provisioner = r#"{"type": "ansible-local", "playbook_file": "site.yml", "role_paths": ["elsewhere/app"], "group_vars": "gv",
        "inventory_groups": "web", "command": "ANSIBLE_FORCE_COLOR=1 PYTHONUNBUFFERED=1 ansible-playbook"}"#;
    let (result, said) = run(&sshd, dir.path(), provisioner).await;
    assert!(result.is_ok(), "{result:?}\n{said}");
    assert!(said.contains("from the role"), "{said}");
    let text = std::fs::read_to_string(&out).unwrap();
    assert!(text.starts_with("127.0.0.1 ") && text.trim_end().ends_with(" me"), "it ran on this side: {text:?}");
}
