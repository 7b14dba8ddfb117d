//! Servers that bound the sessions of a connection (`MaxSessions`), and connections that are cut.

#![allow(clippy::print_stdout, reason = "a skipped test says why")]

use imgbuild_engine::agent_link::{AgentBinaries, AgentLink};
use imgbuild_engine::communicator::{Command, Communicator, run};
use imgbuild_engine::connect::{Auth, Connect, HostKeys, SshSpec};
use imgbuild_engine::provision::NobodyToAsk;
use imgbuild_playbook::target::{Become, ModuleCall, Target};
use imgbuild_ssh::SshConnect;
use imgbuild_testkit::sshd::{Sshd, SshdOptions};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

fn agents() -> AgentBinaries {
    let bytes = imgbuild_testkit::agent::compressed();
    AgentBinaries { x86_64: bytes, aarch64: bytes }
}

fn at_most(sessions: usize) -> Sshd {
    Sshd::start_with(&SshdOptions { config: format!("MaxSessions {sessions}"), ..SshdOptions::default() })
}

async fn connect(sshd: &Sshd) -> Arc<dyn Communicator> {
    let keys = HostKeys::Expected(vec![sshd.host_key.clone()]);
    let mut spec = SshSpec::new("127.0.0.1", sshd.port, sshd.user.as_str(), keys);
    spec.auth = vec![Auth::KeyFile { path: sshd.key.clone(), passphrase: None, certificate: None, optional: false }];
    SshConnect::new(None, Arc::new(NobodyToAsk)).connect(&spec).await.expect("a connection")
}

/// Connections that were let in.
fn log_ins(sshd: &Sshd) -> usize {
    sshd.log().matches("Accepted publickey").count()
}

/// Stands in for sudo and becomes nobody else: any name is a user.
fn any_user(sshd: &Sshd) -> impl Fn(usize) -> Become {
    let path = sshd.dir().join("sudo");
    imgbuild_testkit::executable(&path, "#!/bin/sh\nwhile [ \"$1\" != -u ]; do shift; done; shift 2; exec \"$@\"\n");
    let exe = path.to_str().expect("a path").to_owned();
    move |i| Become { method: "sudo".into(), user: format!("u{i}"), exe: exe.clone(), ..Become::default() }
}

fn call(line: &str, become_: Option<Become>) -> ModuleCall {
    let args = json!({"_raw_params": line}).as_object().cloned().expect("an object");
    ModuleCall { module: "shell".into(), args, become_, ..ModuleCall::default() }
}

/// The agent's directory, its process, and what `line` says.
async fn agent(link: &AgentLink, line: &str, become_: Option<Become>) -> (String, u32, String) {
    let line = format!("dirname $(readlink /proc/$PPID/exe); echo $PPID; {line}");
    let done = link.call(call(&line, become_), None).await.expect("a host");
    let stdout = done["stdout"].as_str().unwrap_or_else(|| panic!("{done:?}"));
    let mut lines = stdout.lines().map(str::to_owned);
    let mut next = || lines.next().unwrap_or_default();
    (next(), next().parse().expect("a pid"), next())
}

async fn until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..200 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_one_session_gets_another_connection() {
    let sshd = at_most(1);
    let comm = connect(&sshd).await;
    let become_ = any_user(&sshd);
    let link = AgentLink::owning(Arc::clone(&comm), "there", agents(), Duration::from_secs(20));
    let (dir, first, _) = agent(&link, "", None).await;
    let (same, second, _) = agent(&link, "", Some(become_(1))).await;
    assert_eq!((&dir, first != second, log_ins(&sshd)), (&same, true, 2));
    // A command without an agent and a file have one of their own, and it is used again.
    for _ in 0..3 {
        assert_eq!(link.raw("echo raw", None, &BTreeMap::new(), None).await.expect("a host").stdout, b"raw\n");
    }
    let file = sshd.dir().join("file");
    let name = file.to_str().expect("a path");
    comm.upload(&mut &b"content"[..], Some(7), name, None, None).await.expect("an upload");
    assert_eq!(std::fs::read(&file).expect("a file"), b"content");
    assert!(run(&*comm, Command::new("true"), b"").await.expect("a process").exit.success());
    assert!(log_ins(&sshd) <= 4, "{}", sshd.log());
    link.close().await;
    assert!(!comm.connected());
    until("an agent is left", || !std::path::Path::new(&dir).exists()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_side_by_side_all_get_their_agent() {
    for sessions in [1, 3, 10] {
        let sshd = at_most(sessions);
        let become_ = any_user(&sshd);
        let link = AgentLink::owning(connect(&sshd).await, "there", agents(), Duration::from_secs(20));
        let calls = (0..12).map(|i| agent(&link, "sleep 1; echo done", Some(become_(i))));
        let done = futures_util::future::join_all(calls).await;
        assert!(done.iter().all(|(_, _, said)| said == "done"), "{done:?}");
        assert_eq!(done.iter().map(|(_, pid, _)| *pid).collect::<BTreeSet<_>>().len(), 12, "{sessions}");
        let dirs: BTreeSet<_> = done.iter().map(|(dir, _, _)| dir.clone()).collect();
        assert_eq!(dirs.len(), 1, "{dirs:?}");
        // Each connection is full before there is another.
        assert!(log_ins(&sshd) <= 12usize.div_ceil(sessions) + 1, "{sessions}: {}", log_ins(&sshd));
        link.close().await;
        until("an agent is left", || !std::path::Path::new(&dirs.first().expect("one")).exists()).await;
    }
}

#[tokio::test]
async fn of_many_users_the_last_keep_their_agents() {
    let sshd = at_most(10);
    let become_ = any_user(&sshd);
    let link = AgentLink::owning(connect(&sshd).await, "there", agents(), Duration::from_secs(20));
    let mut pids = Vec::new();
    for i in 0..14 {
        let (dir, pid, said) =
            agent(&link, "ls $(dirname $(readlink /proc/$PPID/exe)) | wc -l", Some(become_(i))).await;
        // The first one's end takes nothing from the others.
        assert!(said.trim() == (i + 1).min(8).to_string(), "{i}: {said} in {dir}");
        pids.push(pid);
    }
    assert_eq!(log_ins(&sshd), 1, "{}", sshd.log());
    let runs = |pid: &u32| std::path::Path::new(&format!("/proc/{pid}")).exists();
    assert_eq!(pids.iter().map(runs).collect::<Vec<_>>(), [vec![false; 6], vec![true; 8]].concat());
    let (_, pid, _) = agent(&link, "", Some(become_(13))).await;
    assert_eq!(pid, pids[13]);
    link.close().await;
    until("an agent is left", || !pids.iter().any(runs)).await;
}

/// Where no other connection is made either, agents that are idle go, and who finds none idle waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_takes_no_other_connection() {
    let sshd = at_most(2);
    let become_ = any_user(&sshd);
    let link = AgentLink::owning(connect(&sshd).await, "there", agents(), Duration::from_secs(20));
    // Nobody else is let in from now on.
    std::fs::write(sshd.dir().join("authorized_keys"), "").expect("authorized_keys");
    let mut names = BTreeSet::new();
    for i in 0..5 {
        let (_, pid, said) = agent(&link, &format!("echo {i}"), Some(become_(i))).await;
        assert_eq!(said, i.to_string());
        names.insert(pid);
    }
    assert_eq!(names.len(), 5);
    let calls = (0..5).map(|i| agent(&link, "sleep 0.3; echo done", Some(become_(i))));
    let done = futures_util::future::join_all(calls).await;
    assert!(done.iter().all(|(_, _, said)| said == "done"), "{done:?}");
    let raw = link.raw("echo raw", None, &BTreeMap::new(), None).await.expect("a host");
    assert_eq!(raw.stdout, b"raw\n");
    assert_eq!(log_ins(&sshd), 1);
    link.close().await;
}

#[tokio::test]
async fn a_server_without_any_session_says_so() {
    let sshd = at_most(0);
    let error = connect(&sshd).await.start(Command::new("true")).await.err().expect("a refusal").to_string();
    assert!(error.contains("refused to open a channel"), "{error}");
    assert_eq!(log_ins(&sshd), 1);
}

/// A call of which nothing has come to the host is made on the next connection, whatever ended the one before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_cut_right_before_a_call() {
    let sshd = Sshd::start();
    let link = AgentLink::owning(connect(&sshd).await, "there", agents(), Duration::from_secs(20));
    let file = sshd.dir().join("ran");
    let mark = |text: &str| format!("echo {text} >> {}; echo {text}", file.display());
    assert_eq!(link.call(call(&mark("first"), None), None).await.expect("a host")["stdout"], json!("first"));
    let cut = async || {
        assert!(sshd.sever() > 0);
        until("a session goes on", || sshd.sever() == 0).await;
    };
    for i in 0..10 {
        cut().await;
        let calls = (0..3).map(|k| link.call(call(&mark(&format!("{i}.{k}")), None), None));
        for (k, done) in futures_util::future::join_all(calls).await.into_iter().enumerate() {
            assert_eq!(done.expect("a host")["stdout"], json!(format!("{i}.{k}")));
        }
        cut().await;
        assert_eq!(link.raw("echo raw", None, &BTreeMap::new(), None).await.expect("a host").stdout, b"raw\n");
    }
    // Each once, and in order.
    let expected: String = (0..10).flat_map(|i| (0..3).map(move |k| format!("{i}.{k}\n"))).collect();
    assert_eq!(std::fs::read_to_string(&file).expect("a file"), format!("first\n{expected}"));
    link.close().await;
}
