//! The communicator against OpenSSH's own server.

use imgbuild_engine::communicator::{CommError, Command, Communicator, Exit, Output, Process, run};
use imgbuild_engine::connect::{Auth, Connect, FileTransfer, HostKeys, Route, SshSpec, Tunnel, UnknownKey};
use imgbuild_engine::provision::NobodyToAsk;
use imgbuild_ssh::SshConnect;
use imgbuild_testkit::sshd::{Sshd, SshdOptions};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

fn ssh() -> SshConnect {
    SshConnect::new(None, Arc::new(NobodyToAsk))
}

fn spec(sshd: &Sshd) -> SshSpec {
    let mut spec =
        SshSpec::new("127.0.0.1", sshd.port, sshd.user.as_str(), HostKeys::Expected(vec![sshd.host_key.clone()]));
    spec.timeout = Some(Duration::from_secs(30));
    spec.auth = vec![Auth::KeyFile { path: sshd.key.clone(), passphrase: None, certificate: None, optional: false }];
    spec
}

async fn connect(spec: &SshSpec) -> Arc<dyn Communicator> {
    ssh().connect(spec).await.expect("a connection")
}

#[tokio::test]
async fn commands() {
    let sshd = Sshd::start();
    let comm = connect(&spec(&sshd)).await;
    let done = run(&*comm, Command::new("cat; echo err >&2; exit 3"), b"in").await.unwrap();
    assert_eq!((done.exit, &done.stdout[..], &done.stderr[..]), (Exit::Status(3), &b"in"[..], &b"err\n"[..]));
    let killed = run(&*comm, Command::new("kill -KILL $$"), b"").await.unwrap();
    assert_eq!(killed.exit, Exit::Signal("KILL".into()));
    let terminal = Command { line: "tty >/dev/null && echo terminal; echo err >&2".into(), pty: true };
    let done = run(&*comm, terminal, b"").await.unwrap();
    assert_eq!(String::from_utf8_lossy(&done.stdout), "terminal\r\nerr\r\n");
    comm.close().await;
    assert!(!comm.connected());
    assert!(matches!(comm.start(Command::new("true")).await, Err(CommError::Disconnected(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn much_data_in_both_directions_and_a_reader_that_sleeps() {
    const SIZE: usize = 24 << 20;
    let sshd = Sshd::start();
    let comm = connect(&spec(&sshd)).await;
    // Nobody reads this one's output: it must not hold up the others.
    let unread = comm.start(Command::new("head -c 8000000 /dev/zero; sleep 60")).await.unwrap();
    let input: Vec<u8> = (0..SIZE).map(|i| (i * 7 % 251) as u8).collect();
    let done = run(&*comm, Command::new("cat"), &input).await.unwrap();
    assert!(done.stdout == input, "the echo differs");
    drop(unread);
    let Process { stdin, mut output, exit, .. } =
        comm.start(Command::new("head -c 5000000 /dev/zero; exit 7")).await.unwrap();
    drop(stdin);
    let mut total = 0;
    while let Some(Output::Stdout(bytes)) = output.recv().await {
        total += bytes.len();
    }
    assert_eq!((total, exit.await.unwrap()), (5_000_000, Ok(Exit::Status(7))));
}

#[tokio::test]
async fn keys_of_all_kinds() {
    for key_type in ["rsa", "ecdsa", "ed25519"] {
        let sshd = Sshd::start_with(&SshdOptions { key_type: key_type.into(), ..SshdOptions::default() });
        let pem = std::fs::read_to_string(&sshd.key).unwrap();
        let mut spec = spec(&sshd);
        spec.auth = vec![Auth::Key { pem: pem.into(), passphrase: None, certificate: None }];
        let comm = connect(&spec).await;
        assert!(run(&*comm, Command::new("true"), b"").await.unwrap().exit.success(), "{key_type}");
        if key_type == "rsa" {
            // OpenSSH 8.8 and later refuse SHA-1 signatures, so this connection shows SHA-2; the log names the key only.
            assert!(sshd.log().contains("Accepted publickey"), "{}", sshd.log());
        }
    }
}

#[tokio::test]
async fn a_wrong_host_key_ends_it_before_the_user_is_named() {
    let sshd = Sshd::start();
    let other = imgbuild_testkit::sshd::keygen(&sshd.dir().join("other"), "ed25519");
    let mut spec = spec(&sshd);
    spec.host_keys = HostKeys::Expected(vec![other]);
    spec.username = "nobody-may-see-me".into();
    let error = ssh().connect(&spec).await.err().unwrap();
    assert!(matches!(&error, CommError::HostKey(why) if why.contains("was expected")), "{error}");
    assert!(!sshd.log().contains("nobody-may-see-me"), "{}", sshd.log());
}

#[tokio::test]
async fn known_hosts_are_learned_and_then_hold() {
    let sshd = Sshd::start();
    let file = sshd.dir().join("known/hosts");
    let known = |unknown| HostKeys::Known { files: vec![file.clone()], unknown, alias: None };
    let mut spec = spec(&sshd);
    spec.host_keys = known(UnknownKey::Refuse);
    assert!(matches!(ssh().connect(&spec).await, Err(CommError::HostKey(_))));
    spec.host_keys = known(UnknownKey::Add);
    connect(&spec).await;
    // OpenSSH reads what we wrote.
    let found = std::process::Command::new("ssh-keygen")
        .args(["-F", &format!("[127.0.0.1]:{}", sshd.port), "-f"])
        .arg(&file)
        .output()
        .unwrap();
    assert!(found.status.success());
    assert!(std::process::Command::new("ssh-keygen").args(["-q", "-H", "-f"]).arg(&file).status().unwrap().success());
    spec.host_keys = known(UnknownKey::Refuse);
    connect(&spec).await;
}

#[tokio::test]
async fn a_refused_user_is_told_what_was_tried() {
    let sshd = Sshd::start();
    let mut spec = spec(&sshd);
    imgbuild_testkit::sshd::keygen(&sshd.dir().join("stranger"), "ed25519");
    let path = sshd.dir().join("stranger");
    spec.auth = vec![
        Auth::Password("secret-password".to_owned().into()),
        Auth::KeyFile { path, passphrase: None, certificate: None, optional: false },
    ];
    spec.retry = false;
    let error = ssh().connect(&spec).await.err().unwrap().to_string();
    assert!(error.contains("did not let us in") && error.contains("stranger"), "{error}");
    assert!(error.contains("publickey") && !error.contains("secret-password"), "{error}");
}

#[tokio::test]
async fn the_agent_signs() {
    let sshd = Sshd::start();
    let socket = sshd.dir().join("agent.sock");
    let mut agent = std::process::Command::new("ssh-agent")
        .arg("-D")
        .arg("-a")
        .arg(&socket)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while !socket.exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let added = std::process::Command::new("ssh-add").arg("-q").arg(&sshd.key).env("SSH_AUTH_SOCK", &socket).status();
    let mut spec = spec(&sshd);
    spec.auth = vec![Auth::Agent { socket: None }];
    spec.agent_forwarding = true;
    let result = SshConnect::new(Some(socket), Arc::new(NobodyToAsk)).connect(&spec).await;
    let listed = match &result {
        Ok(comm) => Some(run(&**comm, Command::new("ssh-add -l"), b"").await),
        Err(_) => None,
    };
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert!(added.unwrap().success());
    assert!(result.is_ok(), "{:?}", result.err());
    let listed = listed.unwrap().unwrap();
    assert!(listed.exit.success() && String::from_utf8_lossy(&listed.stdout).contains("ED25519"), "{listed:?}");
}

/// A key with a passphrase, and one of which only the public part is on disk: the agent has both, and under `IdentitiesOnly` no
/// other key of it is shown.
#[tokio::test]
async fn the_agent_signs_for_keys_that_are_named() {
    let sshd = Sshd::start_with(&SshdOptions { config: "MaxAuthTries 2".into(), ..SshdOptions::default() });
    let socket = sshd.dir().join("agent.sock");
    let mut agent = std::process::Command::new("ssh-agent")
        .args(["-D", "-a"])
        .arg(&socket)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while !socket.exists() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let strangers: Vec<_> = (0..4).map(|i| sshd.dir().join(format!("stranger{i}"))).collect();
    for file in &strangers {
        imgbuild_testkit::sshd::keygen(file, "ed25519");
    }
    let mut add = std::process::Command::new("ssh-add");
    let added = add.arg("-q").args(&strangers).arg(&sshd.key).env("SSH_AUTH_SOCK", &socket).status();
    let locked = sshd.dir().join("locked");
    std::fs::copy(&sshd.key, &locked).unwrap();
    let mut lock = std::process::Command::new("ssh-keygen");
    assert!(lock.args(["-q", "-p", "-P", "", "-N", "secret", "-f"]).arg(&locked).status().unwrap().success());
    let public = sshd.dir().join("public");
    std::fs::copy(sshd.key.with_extension("pub"), public.with_extension("pub")).unwrap();
    let mut results = Vec::new();
    for (file, optional) in [(&locked, true), (&public, true), (&public.with_extension("pub"), true), (&public, false)]
    {
        let mut spec = spec(&sshd);
        let path = file.clone();
        spec.auth = vec![
            Auth::KeyFile { path, passphrase: None, certificate: None, optional },
            Auth::AgentKeys { socket: socket.clone(), files: vec!["/no/such/file".into(), file.clone()] },
        ];
        spec.retry = false;
        results.push((file.clone(), ssh().connect(&spec).await.map(drop)));
    }
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert!(added.unwrap().success());
    for (file, result) in results {
        assert!(result.is_ok(), "{}: {result:?}", file.display());
    }
}

#[tokio::test]
async fn host_key_algorithms_are_followed() {
    let sshd = Sshd::start();
    let mut spec = spec(&sshd);
    spec.retry = false;
    spec.host_key_algorithms = Some("ssh-rsa".into());
    let error = ssh().connect(&spec).await.err().unwrap().to_string();
    assert!(error.to_lowercase().contains("key"), "{error}");
    spec.host_key_algorithms = Some("^ssh-ed25519".into());
    assert!(run(&*connect(&spec).await, Command::new("true"), b"").await.unwrap().exit.success());
}

#[tokio::test]
async fn files_by_every_method() {
    for (method, sftp) in
        [(FileTransfer::Sftp, true), (FileTransfer::Scp, true), (FileTransfer::Auto, true), (FileTransfer::Auto, false)]
    {
        let sshd = Sshd::start_with(&SshdOptions { sftp, ..SshdOptions::default() });
        let mut spec = spec(&sshd);
        spec.file_transfer = method;
        let comm = connect(&spec).await;
        let remote = sshd.dir().join("a file 'x'");
        let name = remote.to_str().unwrap();
        std::fs::write(&remote, "old and longer than the new").unwrap();
        std::fs::set_permissions(&remote, PermissionsExt::from_mode(0o644)).unwrap();
        let content: Vec<u8> = (0..3_000_000).map(|i| (i % 253) as u8).collect();
        let seen = Arc::new(std::sync::Mutex::new(0));
        let sink = Arc::clone(&seen);
        let progress: imgbuild_engine::communicator::Progress = Arc::new(move |done, _| *sink.lock().unwrap() = done);
        comm.upload(&mut &content[..], Some(content.len() as u64), name, Some(0o750), Some(progress)).await.unwrap();
        assert_eq!(*seen.lock().unwrap(), content.len() as u64);
        assert!(std::fs::read(&remote).unwrap() == content, "{method:?}");
        assert_eq!(std::fs::metadata(&remote).unwrap().permissions().mode() & 0o7777, 0o750, "{method:?}");
        let mut back = Vec::new();
        assert_eq!(comm.download(name, &mut back, None).await.unwrap(), content.len() as u64);
        assert!(back == content, "{method:?}");
        let error = comm.download("/no/such/file", &mut back, None).await.unwrap_err().to_string();
        assert!(error.contains("/no/such/file") && error.contains("No such file"), "{method:?}: {error}");
        let error = comm.upload(&mut &content[..], None, "/no/such/dir/x", None, None).await.unwrap_err().to_string();
        assert!(error.contains("/no/such/dir/x"), "{method:?}: {error}");
    }
}

#[tokio::test]
async fn trees_by_every_method() {
    for method in [FileTransfer::Sftp, FileTransfer::Scp, FileTransfer::Auto] {
        let sshd = Sshd::start();
        let mut spec = spec(&sshd);
        spec.file_transfer = method;
        let comm = connect(&spec).await;
        let from = sshd.dir().join("tree");
        let long = "n".repeat(150);
        std::fs::create_dir_all(from.join("sub").join(&long)).unwrap();
        std::fs::create_dir_all(from.join("skipped")).unwrap();
        std::fs::write(from.join("skipped/x"), "x").unwrap();
        for (name, bytes) in [("empty", 0), ("sub/one", 1), ("sub/block", 512), ("sub/more", 100_001)] {
            std::fs::write(from.join(name), vec![b'x'; bytes]).unwrap();
        }
        std::fs::write(from.join("sub").join(&long).join(&long), "deep").unwrap();
        std::fs::set_permissions(from.join("sub/one"), PermissionsExt::from_mode(0o751)).unwrap();
        std::os::unix::fs::symlink("sub/one", from.join("link")).unwrap();
        let to = sshd.dir().join("to/here");
        comm.upload_dir(&from, false, to.to_str().unwrap(), &["skipped".into()], None).await.unwrap();
        comm.upload_dir(&from, true, to.to_str().unwrap(), &["skipped".into()], None).await.unwrap();
        let back = sshd.dir().join("back");
        comm.download_dir(to.join("tree").to_str().unwrap(), false, &back).await.unwrap();
        for base in [to.join("tree"), to, back.join("tree")] {
            let read = |name: &str| {
                std::fs::read(base.join(name)).unwrap_or_else(|e| panic!("{method:?} {base:?} {name}: {e}"))
            };
            assert_eq!((read("empty").len(), read("sub/one").len(), read("sub/block").len()), (0, 1, 512));
            assert_eq!((read("sub/more").len(), read("link").len()), (100_001, 1));
            assert_eq!(read(&format!("sub/{long}/{long}")), b"deep");
            assert!(!base.join("skipped").exists(), "{method:?}");
            assert_eq!(std::fs::metadata(base.join("sub/one")).unwrap().permissions().mode() & 0o777, 0o751);
        }
    }
}

#[tokio::test]
async fn a_lost_connection_is_told_and_made_again() {
    let sshd = Sshd::start();
    let comm = connect(&spec(&sshd)).await;
    let Process { stdin: _stdin, output: _output, exit, .. } =
        comm.start(Command::new("echo up; sleep 60")).await.unwrap();
    assert!(sshd.sever() > 0);
    assert!(matches!(exit.await.unwrap(), Err(CommError::Disconnected(_))));
    assert!(comm.start(Command::new("true")).await.is_err());
    comm.reconnect(Duration::from_secs(20)).await.unwrap();
    assert!(run(&*comm, Command::new("true"), b"").await.unwrap().exit.success());
}

#[tokio::test]
async fn a_port_that_hangs_does_not_eat_the_deadline() {
    let sshd = Sshd::start();
    let front = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut spec = spec(&sshd);
    spec.port = front.local_addr().unwrap().port();
    spec.attempt_timeout = Duration::from_secs(1);
    let target = sshd.port;
    tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            let (mut stream, _) = front.accept().await.unwrap();
            if held.is_empty() {
                held.push(stream);
                continue;
            }
            tokio::spawn(async move {
                let mut onward = tokio::net::TcpStream::connect(("127.0.0.1", target)).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut onward).await;
            });
        }
    });
    let comm = connect(&spec).await;
    assert!(run(&*comm, Command::new("true"), b"").await.unwrap().exit.success());
}

#[tokio::test]
async fn bastion_proxy_command_and_tunnels() {
    let sshd = Sshd::start();
    let mut through = spec(&sshd);
    through.route = Route::Bastion(Box::new(spec(&sshd)));
    let comm = connect(&through).await;
    assert!(run(&*comm, Command::new("true"), b"").await.unwrap().exit.success());
    let mut command = spec(&sshd);
    let python = "import socket,sys,threading,os\ns=socket.create_connection((sys.argv[1],int(sys.argv[2])))\n\
                  def up():\n  while True:\n    d=os.read(0,65536)\n    if not d: break\n    s.sendall(d)\n  s.shutdown(1)\n\
                  threading.Thread(target=up,daemon=True).start()\n\
                  while True:\n  d=s.recv(65536)\n  if not d: break\n  os.write(1,d)\n";
    let script = sshd.dir().join("pipe.py");
    std::fs::write(&script, python).unwrap();
    command.route = Route::Command(format!("python3 {} 127.0.0.1 {}", script.display(), sshd.port));
    let comm = connect(&command).await;
    assert!(run(&*comm, Command::new("true"), b"").await.unwrap().exit.success());

    let echo = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = echo.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = echo.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut tunnels = spec(&sshd);
    let tunnel = |listen_port| Tunnel { listen_host: "127.0.0.1".into(), listen_port, host: "127.0.0.1".into(), port };
    tunnels.local_tunnels = vec![tunnel(free())];
    tunnels.remote_tunnels = vec![tunnel(free())];
    let _comm = connect(&tunnels).await;
    for listen in [tunnels.local_tunnels[0].listen_port, tunnels.remote_tunnels[0].listen_port] {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", listen)).await.unwrap();
        stream.write_all(b"ping").await.unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"ping");
    }
}
