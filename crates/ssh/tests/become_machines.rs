//! Becoming another user on a machine with OpenSSH's sshd and the real sudo, su and doas, each as people set them up. Afterwards
//! nothing of ours may be left there.

use imgbuild_engine::agent_link::{AgentBinaries, HostConnector};
use imgbuild_engine::openssh::LocalUser;
use imgbuild_engine::provision::NobodyToAsk;
use imgbuild_playbook::target::{Become, BecomePassword, Connection, Connector, Content, ModuleCall, Target};
use imgbuild_ssh::SshConnect;
use imgbuild_testkit::machine::Machine;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

const PASSWORD: &str = "p'w $x\"ä";

/// Users for each way. sudo runs commands on a terminal of its own (`use_pty`), as Debian ships it.
const SETUP: &str = r#"
for u in alice bob nora tina tess carl doug dora; do
    userdel "$u" 2>/dev/null || true
    useradd -m -s /bin/bash "$u"
    printf '%s:%s\n' "$u" "p'w \$x\"ä" | chpasswd
done
cat > /etc/sudoers <<'END'
Defaults env_reset, use_pty, !visiblepw
Defaults secure_path="/usr/sbin:/usr/bin:/sbin:/bin"
Defaults:tina requiretty
Defaults:tess requiretty
root ALL=(ALL:ALL) ALL
alice ALL=(ALL) ALL
tina ALL=(ALL) ALL
tess ALL=(ALL) NOPASSWD: ALL
nora ALL=(ALL) NOPASSWD: ALL
END
printf 'permit doug\npermit nopass dora\n' > /etc/doas.conf
printf 'echo "Welcome to bob:"\n' > /home/bob/.bash_profile
"#;

fn agents() -> AgentBinaries {
    let bytes = imgbuild_testkit::agent::compressed();
    AgentBinaries { x86_64: bytes, aarch64: bytes }
}

async fn connect(machine: &Machine, user: &str) -> Arc<dyn Target> {
    let local =
        LocalUser { home: "/nonexistent".into(), name: "me".into(), agent_socket: None, shell: "/bin/sh".into() };
    let connector = HostConnector::new(Arc::new(SshConnect::new(None, Arc::new(NobodyToAsk))), agents(), local);
    let connection = Connection {
        name: "machine".into(),
        plugin: "ssh".into(),
        host: "127.0.0.1".into(),
        port: Some(machine.port),
        user: Some(user.into()),
        private_key_file: Some(machine.key.clone()),
        timeout: 10,
        ..Connection::default()
    };
    connector.connect(&connection).await.unwrap_or_else(|e| panic!("{}", e.message))
}

fn args(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

fn shell(line: &str, become_: &Become) -> ModuleCall {
    ModuleCall {
        module: "shell".into(),
        args: args(json!({"_raw_params": line})),
        become_: Some(become_.clone()),
        ..ModuleCall::default()
    }
}

fn becoming(method: &str, user: &str, password: Option<&str>) -> Become {
    Become {
        method: method.into(),
        user: user.into(),
        password: password.map(|p| BecomePassword(p.to_owned().into())),
        ..Become::default()
    }
}

/// A command's user; `raw`, which has no agent; and bytes of all values there and back.
async fn works(target: &dyn Target, case: &str, become_: &Become) {
    let done = target.call(shell("id -un", become_), None).await.unwrap();
    assert_eq!(done.get("stdout"), Some(&json!(become_.user)), "{case}: {done:?}");
    let env = BTreeMap::from([("X".to_owned(), "it's ä".to_owned())]);
    let raw = target.raw("id -un; echo \"$X\"", Some(become_), &env, None).await.unwrap();
    let said = String::from_utf8_lossy(&raw.stdout).replace('\r', "");
    assert_eq!((raw.rc, said), (0, format!("{}\nit's ä\n", become_.user)), "{case}: {raw:?}");
    let all: Vec<u8> = (0..100_000u32).map(|i| (i % 256) as u8).collect();
    let copy = ModuleCall {
        module: "copy".into(),
        args: args(json!({"dest": "~/bytes", "mode": "0600"})),
        content: Some(Content::Bytes(all.clone().into())),
        become_: Some(become_.clone()),
        ..ModuleCall::default()
    };
    let done = target.call(copy, None).await.unwrap();
    assert_eq!(done.get("changed"), Some(&json!(true)), "{case}: {done:?}");
    let dest = done["dest"].as_str().unwrap().to_owned();
    let mut back = Vec::new();
    assert_eq!(target.fetch(&dest, Some(become_), &mut back).await.unwrap(), Ok(100_000), "{case}");
    assert!(back == all, "{case}");
    let gone = target.call(shell("rm ~/bytes", become_), None).await.unwrap();
    assert_eq!(gone.get("rc"), Some(&json!(0)), "{case}: {gone:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ways_to_become() {
    let Some(machine) = Machine::start(SETUP) else { return };
    let password = Some(PASSWORD);
    let login_su = Become { flags: "-l".into(), ..becoming("su", "bob", password) };
    for (case, user, become_, terminal) in [
        // Without a terminal.
        ("sudo with a password", "alice", becoming("sudo", "root", password), false),
        ("sudo with a password to an unprivileged user", "alice", becoming("sudo", "bob", password), false),
        ("sudo without a password", "nora", becoming("sudo", "root", None), false),
        ("a password that sudo does not want", "nora", becoming("sudo", "bob", password), false),
        ("su with a password", "carl", becoming("su", "bob", password), false),
        ("su to a login shell that greets", "carl", login_su, false),
        ("doas without a password", "dora", becoming("doas", "root", None), false),
        ("doas without a password to an unprivileged user", "dora", becoming("doas", "bob", None), false),
        ("sudo, then su", "alice", becoming("sudosu", "bob", password), false),
        // With one, because they insist.
        ("sudo with requiretty and a password", "tina", becoming("sudo", "root", password), true),
        ("sudo with requiretty", "tess", becoming("sudo", "bob", None), true),
        ("doas with a password", "doug", becoming("doas", "root", password), true),
        ("doas with a password to an unprivileged user", "doug", becoming("doas", "bob", password), true),
    ] {
        let target = connect(&machine, user).await;
        works(&*target, case, &become_).await;
        // sshd's title says which terminals its sessions have.
        let titles = machine.sh("cat /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep '^sshd: .*@'");
        assert_eq!(titles.contains("@pts/"), terminal, "{case}: {titles}");
        target.close().await;
        let left = machine.left();
        assert!(left.is_empty(), "{case}: left behind: {left:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_say_whose_password() {
    let Some(machine) = Machine::start(SETUP) else { return };
    let wrong = Some("wrong");
    for (user, become_, expected) in [
        ("alice", becoming("sudo", "root", None), "Missing sudo password"),
        ("alice", Become { flags: "-H".into(), ..becoming("sudo", "root", None) }, "Missing sudo password"),
        ("alice", becoming("sudo", "root", wrong), "Incorrect sudo password"),
        ("tina", becoming("sudo", "root", None), "Missing sudo password"),
        ("tina", becoming("sudo", "root", wrong), "Incorrect sudo password"),
        ("carl", becoming("sudo", "root", Some(PASSWORD)), "carl is not in the sudoers file"),
        ("alice", becoming("sudo", "nobody-here", Some(PASSWORD)), "unknown user"),
        ("carl", becoming("su", "bob", None), "Missing su password"),
        ("carl", becoming("su", "bob", wrong), "Incorrect su password"),
        ("doug", becoming("doas", "root", None), "Missing doas password"),
        ("doug", becoming("doas", "root", wrong), "Incorrect doas password"),
        ("carl", becoming("doas", "root", None), "doas: Operation not permitted"),
    ] {
        let case = format!("{user}, {become_:?}");
        let target = connect(&machine, user).await;
        let done = target.call(shell("id", &become_), None).await.unwrap_or_else(|e| panic!("{case}: {}", e.message));
        let message = done.get("msg").and_then(Value::as_str).unwrap_or_default();
        assert!(done.get("failed") == Some(&json!(true)) && message.contains(expected), "{case}: {done:?}");
        let raw = target.raw("id", Some(&become_), &BTreeMap::new(), None).await.unwrap();
        assert!(raw.rc != 0 && raw.refused.as_ref().is_some_and(|why| why.contains(expected)), "{case}: {raw:?}");
        target.close().await;
        let left = machine.left();
        assert!(left.is_empty(), "{case}: left behind: {left:#?}");
    }
}

/// A hardened host: no program may run from what everybody can write to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_temporary_directories_are_noexec() {
    let noexec = "chmod 700 /home/*; for d in /tmp /var/tmp /dev/shm /run; do mount -o remount,noexec $d; done";
    let Some(machine) = Machine::start(&format!("{SETUP}\n{noexec}\n")) else { return };
    for (user, become_) in
        [("alice", becoming("sudo", "root", Some(PASSWORD))), ("alice", becoming("sudo", "bob", Some(PASSWORD)))]
    {
        let target = connect(&machine, user).await;
        works(&*target, "noexec", &become_).await;
        let plain = target.call(shell("cat /proc/$PPID/cmdline", &become_), None).await.unwrap();
        // Root gets at alice's directory; bob does not, and has one of his own.
        let home = if become_.user == "bob" { "/home/bob/.imgbuild-" } else { "/home/alice/.imgbuild-" };
        assert!(plain["stdout"].as_str().unwrap().starts_with(home), "{plain:?}");
        target.close().await;
        let left = machine.left();
        assert!(left.is_empty(), "left behind: {left:#?}");
    }
}
