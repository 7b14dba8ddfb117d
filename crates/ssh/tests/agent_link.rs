//! The real agent over the link: on this machine and through OpenSSH's server.

#![allow(clippy::print_stdout, reason = "a skipped test says why")]

use imgbuild_engine::agent_link::{AgentBinaries, AgentLink, HostConnector};
use imgbuild_engine::communicator::Communicator;
use imgbuild_engine::connect::{Auth, Connect, HostKeys, SshSpec};
use imgbuild_engine::local::LocalCommunicator;
use imgbuild_engine::openssh::LocalUser;
use imgbuild_engine::provision::NobodyToAsk;
use imgbuild_playbook::target::{Become, BecomePassword, Connection, Connector, Content, ModuleCall, Target};
use imgbuild_ssh::SshConnect;
use imgbuild_testkit::sshd::Sshd;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn agents() -> AgentBinaries {
    let bytes = imgbuild_testkit::agent::compressed();
    AgentBinaries { x86_64: bytes, aarch64: bytes }
}

fn args(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

fn command(line: &str) -> ModuleCall {
    ModuleCall { module: "shell".into(), args: args(json!({"_raw_params": line})), ..ModuleCall::default() }
}

fn local() -> AgentLink {
    AgentLink::owning(Arc::new(LocalCommunicator::new("/root")), "here", agents(), Duration::from_secs(5))
}

async fn over_ssh(sshd: &Sshd) -> (Arc<dyn Communicator>, AgentLink) {
    let mut spec =
        SshSpec::new("127.0.0.1", sshd.port, sshd.user.as_str(), HostKeys::Expected(vec![sshd.host_key.clone()]));
    spec.auth = vec![Auth::KeyFile { path: sshd.key.clone(), passphrase: None, certificate: None, optional: false }];
    let comm = SshConnect::new(None, Arc::new(NobodyToAsk)).connect(&spec).await.unwrap();
    (Arc::clone(&comm), AgentLink::owning(comm, "there", agents(), Duration::from_secs(20)))
}

/// Directory and process of the agent that runs a call.
async fn agent_of(link: &AgentLink) -> (std::path::PathBuf, u32) {
    let done = link.call(command("readlink /proc/$PPID/exe; echo $PPID"), None).await.unwrap();
    let stdout = done["stdout"].as_str().unwrap().to_owned();
    let (exe, pid) = stdout.split_once('\n').unwrap();
    (std::path::Path::new(exe).parent().unwrap().to_owned(), pid.trim().parse().unwrap())
}

async fn gone(dir: &std::path::Path, pid: u32) {
    for _ in 0..200 {
        if !dir.exists() && !std::path::Path::new(&format!("/proc/{pid}")).exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("left behind: {} {}, pid {pid}", dir.display(), dir.exists());
}

async fn everything(link: &AgentLink) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let call = ModuleCall { stream: true, ..command("echo out; echo err >&2; umask; exit 3") };
    let done = link
        .call(call, Some(Arc::new(move |_, bytes: &[u8]| sink.lock().unwrap().extend_from_slice(bytes))))
        .await
        .unwrap();
    assert_eq!((&done["rc"], &done["stderr"]), (&json!(3), &json!("err")), "{done:?}");
    assert!(String::from_utf8_lossy(&seen.lock().unwrap()).contains("out"));
    assert_ne!(done["stdout"].as_str().unwrap().lines().nth(1), Some("0077"), "the agent keeps the user's umask");

    let dir = tempfile::tempdir().unwrap();
    let big: Vec<u8> = (0..5_000_000u32).map(|i| (i % 249) as u8).collect();
    std::fs::write(dir.path().join("source"), &big).unwrap();
    for (content, name) in
        [(Content::File(dir.path().join("source")), "from_file"), (Content::Bytes(big.clone().into()), "from_bytes")]
    {
        let dest = dir.path().join(name);
        let copy = ModuleCall {
            module: "copy".into(),
            args: args(json!({"dest": dest, "mode": "0640"})),
            content: Some(content),
            ..ModuleCall::default()
        };
        let done = link.call(copy, None).await.unwrap();
        assert_eq!(done.get("changed"), Some(&json!(true)), "{done:?}");
        assert!(std::fs::read(&dest).unwrap() == big);
        let mut back = Vec::new();
        assert_eq!(link.fetch(dest.to_str().unwrap(), None, &mut back).await.unwrap(), Ok(big.len() as u64));
        assert!(back == big);
    }
    assert!(link.fetch("/no/such/file", None, &mut Vec::new()).await.unwrap().is_err());
    let missing = ModuleCall {
        module: "copy".into(),
        args: args(json!({"dest": dir.path().join("x")})),
        content: Some(Content::File("/no/such/source".into())),
        ..ModuleCall::default()
    };
    let done = link.call(missing, None).await.unwrap();
    assert!(done["msg"].as_str().unwrap().contains("/no/such/source"), "{done:?}");

    let calls = (0..200).map(|i| link.call(ModuleCall { chain: i % 7, ..command(&format!("echo {i}")) }, None));
    for (i, done) in futures_util::future::join_all(calls).await.into_iter().enumerate() {
        assert_eq!(done.unwrap()["stdout"], json!(i.to_string()));
    }
    let raw = link.raw("echo raw; exit 5", None, &BTreeMap::new(), None).await.unwrap();
    assert_eq!((raw.rc, raw.stdout), (5, b"raw\n".to_vec()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_this_machine() {
    let link = local();
    everything(&link).await;
    let (dir, pid) = agent_of(&link).await;
    link.close().await;
    gone(&dir, pid).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_openssh() {
    let sshd = Sshd::start();
    let (_comm, link) = over_ssh(&sshd).await;
    everything(&link).await;
    let (dir, pid) = agent_of(&link).await;
    link.close().await;
    gone(&dir, pid).await;
}

#[tokio::test]
async fn a_lost_connection_is_unreachable_and_then_made_again() {
    let sshd = Sshd::start();
    let (_comm, link) = over_ssh(&sshd).await;
    let (dir, pid) = agent_of(&link).await;
    let running = link.call(command("sleep 60"), None);
    let sever = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(sshd.sever() > 0);
    };
    let (result, ()) = tokio::join!(running, sever);
    assert!(result.unwrap_err().message.starts_with("there: "));
    gone(&dir, pid).await;
    assert_eq!(link.call(command("echo again"), None).await.unwrap()["stdout"], json!("again"));
    link.reset().await.unwrap();
    assert_eq!(link.call(command("echo reset"), None).await.unwrap()["stdout"], json!("reset"));
    let (dir, pid) = agent_of(&link).await;
    link.close().await;
    gone(&dir, pid).await;
}

#[tokio::test]
async fn a_controller_that_dies_leaves_nothing() {
    let sshd = Sshd::start();
    let (comm, link) = over_ssh(&sshd).await;
    let (dir, pid) = agent_of(&link).await;
    // No good-bye: the connection just ends.
    comm.close().await;
    drop((comm, link));
    gone(&dir, pid).await;
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_is_ended() {
    let link = local();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    {
        let line = format!("echo $$ > {0}.new; mv {0}.new {0}; sleep 60", file.display());
        let call = link.call(command(&line), None);
        let seen = async {
            while !file.exists() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            done = call => panic!("{done:?}"),
            () = seen => {}
        }
    }
    let pid = std::fs::read_to_string(&file).unwrap();
    let process = std::path::PathBuf::from(format!("/proc/{}", pid.trim()));
    for _ in 0..200 {
        if !process.exists() {
            link.close().await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the command still runs");
}

/// Stands in for sudo: asks as sudo does, and runs the command as the same user.
fn fake_sudo(dir: &std::path::Path) -> String {
    let path = dir.join("sudo");
    let script = r#"#!/bin/sh
ask=
while :; do case "$1" in
  -n) shift;; -H) shift;; -S) shift;;
  -p) ask=$2; shift 2;;
  -u) [ "$2" = root ] || { echo "sudo: unknown user: $2" >&2; exit 1; }; shift 2;;
  *) break;;
esac; done
if [ -z "$ask" ]; then echo "sudo: a password is required" >&2; exit 1; fi
for try in 1 2 3; do
  printf '%s' "$ask" >&2; read -r got || exit 1
  [ "$got" = "p'w \$x" ] && exec "$@"
  echo "Sorry, try again." >&2
done
exit 1
"#;
    imgbuild_testkit::executable(&path, script);
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn become_with_and_without_passwords() {
    let dir = tempfile::tempdir().unwrap();
    let exe = fake_sudo(dir.path());
    let link = local();
    let become_ = |user: &str, password: Option<&str>| Become {
        method: "sudo".into(),
        user: user.into(),
        exe: exe.clone(),
        password: password.map(|p| BecomePassword(p.to_owned().into())),
        ..Become::default()
    };
    for (become_, expected) in [
        (become_("root", None), Some("Missing sudo password")),
        (become_("root", Some("wrong")), Some("Incorrect")),
        (become_("nobody-here", Some("x")), Some("unknown user")),
        (become_("root", Some("p'w $x")), None),
    ] {
        let call = ModuleCall { become_: Some(become_.clone()), ..command("id -un") };
        let done = link.call(call, None).await.unwrap();
        let raw = link.raw("id -un", Some(&become_), &BTreeMap::new(), None).await.unwrap();
        match expected {
            Some(expected) => {
                assert_eq!(done["failed"], json!(true));
                assert!(done["msg"].as_str().unwrap().contains(expected), "{done:?}");
                assert!(raw.rc != 0 && raw.refused.as_ref().is_some_and(|why| why.contains(expected)), "{raw:?}");
            }
            None => {
                assert_eq!(done.get("rc"), Some(&json!(0)), "{done:?}");
                assert_eq!((raw.rc, done["stdout"].as_str().unwrap().as_bytes()), (0, raw.stdout.trim_ascii_end()));
            }
        }
    }
    link.close().await;
}

#[tokio::test]
async fn becomes_an_unprivileged_user_by_the_real_programs() {
    let link = local();
    let root = link.call(command("id -u"), None).await.unwrap()["stdout"] == json!("0");
    for (method, flags) in [("sudo", ""), ("su", "-s /bin/sh")] {
        if !root || !std::path::Path::new("/usr/bin").join(method).exists() {
            // Counted by who reads the output: without root both would ask for a password.
            println!("SKIPPED {method}: needs root and the program");
            continue;
        }
        let become_ = Become { method: method.into(), user: "nobody".into(), flags: flags.into(), ..Become::default() };
        let call = ModuleCall { become_: Some(become_.clone()), ..command("id -un") };
        let done = link.call(call, None).await.unwrap();
        assert_eq!(done.get("stdout"), Some(&json!("nobody")), "{method}: {done:?}");
        let env = BTreeMap::from([("X".to_owned(), "it's".to_owned())]);
        let raw = link.raw("id -un; echo $X", Some(&become_), &env, None).await.unwrap();
        assert_eq!((raw.rc, String::from_utf8_lossy(&raw.stdout).as_ref()), (0, "nobody\nit's\n"), "{method}: {raw:?}");
    }
    let (dir, pid) = agent_of(&link).await;
    link.close().await;
    gone(&dir, pid).await;
}

/// sudo with `requiretty`, as CentOS and old Amazon Linux had it.
#[tokio::test]
async fn a_sudo_that_insists_on_a_terminal_gets_one() {
    let sshd = Sshd::start();
    let (_comm, link) = over_ssh(&sshd).await;
    let exe = fake_sudo(sshd.dir());
    let plain = std::fs::read_to_string(&exe).unwrap();
    let strict = "#!/bin/sh\n[ -t 0 ] || { echo 'sudo: sorry, you must have a tty to run sudo' >&2; exit 1; }\n";
    std::fs::write(&exe, format!("{strict}{plain}")).unwrap();
    let become_ = Become {
        method: "sudo".into(),
        user: "root".into(),
        exe,
        password: Some(BecomePassword("p'w $x".to_owned().into())),
        ..Become::default()
    };
    let call = ModuleCall { become_: Some(become_.clone()), ..command("echo; printf 'a\\tb\\r\\n'; id -u") };
    let done = link.call(call, None).await.unwrap();
    assert_eq!(done.get("rc"), Some(&json!(0)), "{done:?}");
    assert!(done["stdout"].as_str().unwrap().contains("a\tb"), "{done:?}");
    // Bytes of all values pass the terminal unchanged.
    let file = sshd.dir().join("bytes");
    let all: Vec<u8> = (0..200_000u32).map(|i| (i % 256) as u8).collect();
    let copy = ModuleCall {
        module: "copy".into(),
        args: args(json!({"dest": file})),
        content: Some(Content::Bytes(all.clone().into())),
        become_: Some(become_.clone()),
        ..ModuleCall::default()
    };
    let done = link.call(copy, None).await.unwrap();
    assert_eq!(done.get("changed"), Some(&json!(true)), "{done:?}");
    let mut back = Vec::new();
    assert_eq!(link.fetch(file.to_str().unwrap(), Some(&become_), &mut back).await.unwrap(), Ok(200_000));
    assert!(back == all && std::fs::read(&file).unwrap() == all);
    let call = ModuleCall { become_: Some(become_), ..command("readlink /proc/$PPID/exe; echo $PPID") };
    let stdout = link.call(call, None).await.unwrap()["stdout"].as_str().unwrap().to_owned();
    let (exe, pid) = stdout.split_once('\n').unwrap();
    let dir = std::path::Path::new(exe).parent().unwrap().to_owned();
    link.close().await;
    gone(&dir, pid.trim().parse().unwrap()).await;
}

#[tokio::test]
async fn inventory_connections() {
    let sshd = Sshd::start();
    let home = sshd.dir().join("home");
    std::fs::create_dir_all(home.join(".ssh")).unwrap();
    let user = LocalUser { home, name: sshd.user.clone(), agent_socket: None, shell: "/bin/sh".into() };
    let connector = HostConnector::new(Arc::new(SshConnect::new(None, Arc::new(NobodyToAsk))), agents(), user);
    let mut connection = Connection {
        name: "web".into(),
        plugin: "ssh".into(),
        host: "127.0.0.1".into(),
        port: Some(sshd.port),
        private_key_file: Some(sshd.key.clone()),
        ssh_args: vec!["-C -o ControlMaster=auto -o ControlPersist=60s".into()],
        host_key_checking: true,
        timeout: 10,
        ..Connection::default()
    };
    let refused = connector.connect(&connection).await.err().unwrap().message;
    assert!(refused.starts_with("web: Failed to connect to the host via ssh: the host key of"), "{refused}");
    connection.host_key_checking = false;
    let target = connector.connect(&connection).await.unwrap();
    assert_eq!(target.call(command("echo hi"), None).await.unwrap()["stdout"], json!("hi"));
    target.close().await;
    connection.plugin = "winrm".into();
    assert!(connector.connect(&connection).await.err().unwrap().message.contains("\"winrm\""));
}
