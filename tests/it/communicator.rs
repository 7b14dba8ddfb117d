//! The communicator's options, as templates have them, against OpenSSH's own server: ways in, ways there, and what is done
//! on the way. The builder is `null`; all builders read these options with the same code.

use crate::support::servers::free_port;
use crate::support::{Env, Output, finish, program_or_skip, root_or_skip};
use imgbuild_testkit::sshd::{Sshd, SshdOptions, keygen};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A build on the server with these options more (null takes one away) and these provisioners.
fn build_with(env: &Env, sshd: &Sshd, options: &Value, provisioners: &Value) -> Output {
    let mut builder = json!({
        "type": "null", "communicator": "ssh", "ssh_host": "127.0.0.1", "ssh_port": sshd.port, "ssh_username": sshd.user,
        "ssh_private_key_file": sshd.key, "ssh_timeout": "20s"
    });
    for (key, value) in options.as_object().expect("options") {
        builder[key] = value.clone();
    }
    builder.as_object_mut().expect("options").retain(|_, value| !value.is_null());
    env.write("t.json", &json!({"builders": [builder], "provisioners": provisioners}).to_string());
    env.run(["build", "-color=false", "t.json"])
}

fn build(env: &Env, sshd: &Sshd, options: &Value) -> Output {
    build_with(env, sshd, options, &json!([{"type": "shell", "inline": ["echo in as $(id -un)"]}]))
}

/// Makes the servers known, as a person who has been there: a bastion that is not known is not used.
fn known(env: &Env, servers: &[&Sshd]) {
    let lines: String = servers.iter().map(|s| format!("[127.0.0.1]:{} {}\n", s.port, s.host_key.trim())).collect();
    let dir = env.path().join("home/.ssh");
    std::fs::create_dir_all(&dir).expect("a directory");
    std::fs::write(dir.join("known_hosts"), lines).expect("a file");
}

/// An agent with a key in it.
struct Agent(Child);

impl Agent {
    fn start(env: &mut Env, sshd: &Sshd) -> Self {
        let socket = env.path().join("agent.sock");
        let child = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn();
        let agent = Agent(child.expect("ssh-agent"));
        while !socket.exists() {
            std::thread::sleep(Duration::from_millis(10));
        }
        env.set("SSH_AUTH_SOCK", socket.display().to_string());
        let _ = finish(env.command("ssh-add").arg("-q").arg(&sshd.key)).expect(0);
        agent
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server that lets certificates of an authority in, and nothing else; the key and its certificate.
fn with_certificates() -> (Sshd, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    let authority = dir.path().join("ca");
    keygen(&authority, "ed25519");
    let config = format!("TrustedUserCAKeys {}.pub\nAuthorizedKeysFile none\n", authority.display());
    let sshd = Sshd::start_with(&SshdOptions { config, ..SshdOptions::default() });
    let key = dir.path().join("key");
    keygen(&key, "ed25519");
    let mut sign = Command::new("ssh-keygen");
    sign.args(["-q", "-s"]).arg(&authority).args(["-I", "test", "-n", &sshd.user]).arg(key.with_extension("pub"));
    assert!(sign.status().is_ok_and(|s| s.success()), "a certificate");
    (sshd, dir)
}

#[test]
fn keys_certificates_and_agents_let_in() {
    if !program_or_skip("keys_certificates_and_agents_let_in", "sshd") {
        return;
    }
    let mut env = Env::new();
    let sshd = Sshd::start();
    let user = format!("in as {}", sshd.user);
    let _ = build(&env, &sshd, &json!({})).expect(0).has(&user);
    let (certified, keys) = with_certificates();
    let key = keys.path().join("key");
    let certificate = keys.path().join("key-cert.pub");
    let with = json!({"ssh_private_key_file": key, "ssh_certificate_file": certificate});
    let _ = build(&env, &certified, &with).expect(0).has(&user);
    let without = json!({"ssh_private_key_file": key, "ssh_timeout": "3s"});
    let _ = build(&env, &certified, &without).expect(1).has("did not let us in");
    // The key is in the agent only; it is offered to the far side unless the template says no.
    let look = json!([{"type": "shell", "inline": ["ssh-add -l 2>&1 || true"]}]);
    let by_agent = json!({"ssh_private_key_file": null, "ssh_agent_auth": true});
    let refused =
        build(&env, &sshd, &json!({"ssh_private_key_file": null, "ssh_agent_auth": true, "ssh_timeout": "3s"}));
    let _ = refused.expect(1).has("SSH_AUTH_SOCK");
    let _agent = Agent::start(&mut env, &sshd);
    let _ = build_with(&env, &sshd, &by_agent, &look).expect(0).has("ED25519");
    let kept = json!({"ssh_private_key_file": null, "ssh_agent_auth": true, "ssh_disable_agent_forwarding": true});
    let output = build_with(&env, &sshd, &kept, &look).expect(0);
    assert!(!output.stdout.contains("ED25519"), "{}", output.stdout);
}

/// OpenSSH's server in a mount namespace where a user `bastion` has a password.
struct Passwords {
    child: Child,
    port: u16,
    host_key: String,
}

impl Drop for Passwords {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const PASSWORD: &str = "let-the-right-one-in";

fn with_passwords(env: &Env, interactive: bool) -> Passwords {
    let dir = env.path().join(format!("passwords-{interactive}"));
    std::fs::create_dir_all(&dir).expect("a directory");
    let host_key = keygen(&dir.join("host"), "ed25519");
    let hash = Command::new("openssl").args(["passwd", "-6", PASSWORD]).output().expect("openssl").stdout;
    let hash = String::from_utf8_lossy(&hash).trim().to_owned();
    let add = |file: &str, line: &str| {
        let text = std::fs::read_to_string(file).expect("a file");
        std::fs::write(dir.join(file.rsplit('/').next().unwrap_or_default()), format!("{text}{line}\n"))
            .expect("a file");
    };
    add("/etc/passwd", "bastion:x:0:0::/root:/bin/sh");
    add("/etc/shadow", &format!("bastion:{hash}:19000:0:99999:7:::"));
    let port = free_port();
    let at = dir.display();
    let (password, questions) = if interactive { ("no", "yes") } else { ("yes", "no") };
    let config = format!(
        "ListenAddress 127.0.0.1\nPort {port}\nHostKey {at}/host\nPidFile none\nUsePAM {questions}\nStrictModes no\nPermitRootLogin yes\nPubkeyAuthentication no\n\
         PasswordAuthentication {password}\nKbdInteractiveAuthentication {questions}\n"
    );
    std::fs::write(dir.join("config"), config).expect("a file");
    std::fs::create_dir_all("/run/sshd").expect("sshd's own directory");
    let line = format!(
        "mount --bind {at}/passwd /etc/passwd && mount --bind {at}/shadow /etc/shadow && exec /usr/sbin/sshd -D -e -f {at}/config 2>{at}/log"
    );
    let child =
        Command::new("unshare").args(["-m", "--propagation", "private", "sh", "-c", &line]).spawn().expect("unshare");
    let begin = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let log = std::fs::read_to_string(dir.join("log")).unwrap_or_default();
        assert!(begin.elapsed() < Duration::from_secs(20), "sshd does not listen: {log}");
        std::thread::sleep(Duration::from_millis(20));
    }
    Passwords { child, port, host_key }
}

#[test]
fn passwords_let_in_and_bastions_lead_on() {
    const NAME: &str = "passwords_let_in_and_bastions_lead_on";
    if !root_or_skip(NAME) || !program_or_skip(NAME, "sshd") || !program_or_skip(NAME, "openssl") {
        return;
    }
    let mut env = Env::new();
    let (sshd, bastion) = (Sshd::start(), Sshd::start());
    let user = format!("in as {}", sshd.user);
    let asks = with_passwords(&env, false);
    let by_password = json!({"ssh_port": asks.port, "ssh_username": "bastion", "ssh_private_key_file": null, "ssh_password": PASSWORD});
    let output = build(&env, &sshd, &by_password).expect(0).has("in as ");
    assert!(!output.stdout.contains(PASSWORD), "{}", output.stdout);
    let wrong = json!({"ssh_port": asks.port, "ssh_username": "bastion", "ssh_private_key_file": null, "ssh_password": "wrong-one", "ssh_timeout": "4s"});
    let output = build(&env, &sshd, &wrong).expect(1).has("did not let us in");
    assert!(!output.stdout.contains("wrong-one"), "{}", output.stdout);

    // A bastion that is not known is not used; then each way into it.
    let through = |port: u16, more: Value| {
        let mut options =
            json!({"ssh_bastion_host": "127.0.0.1", "ssh_bastion_port": port, "ssh_bastion_username": sshd.user});
        for (key, value) in more.as_object().expect("options") {
            options[key] = value.clone();
        }
        options
    };
    let by_key = through(bastion.port, json!({"ssh_bastion_private_key_file": bastion.key}));
    let _ = build(&env, &sshd, &by_key).expect(1).has("known_hosts");
    known(&env, &[&bastion]);
    let _ = build(&env, &sshd, &by_key).expect(0).has(&user);
    assert!(bastion.log().contains("Accepted publickey"), "{}", bastion.log());
    // Without a key of its own it gets the machine's, which this bastion does not know.
    let _ = build(&env, &sshd, &through(bastion.port, json!({"ssh_timeout": "3s"}))).expect(1).has("bastion");
    let (certified, keys) = with_certificates();
    known(&env, &[&certified]);
    let key = keys.path().join("key");
    let certificate = keys.path().join("key-cert.pub");
    let by_certificate = json!({"ssh_bastion_private_key_file": key, "ssh_bastion_certificate_file": certificate});
    let _ = build(&env, &sshd, &through(certified.port, by_certificate)).expect(0).has(&user);
    let lines = format!("[127.0.0.1]:{} {}\n", asks.port, asks.host_key.trim());
    std::fs::write(env.path().join("home/.ssh/known_hosts"), lines).expect("a file");
    let by_password = json!({"ssh_bastion_username": "bastion", "ssh_bastion_password": PASSWORD});
    let output = build(&env, &sshd, &through(asks.port, by_password)).expect(0).has(&user);
    assert!(!output.stdout.contains(PASSWORD), "{}", output.stdout);
    known(&env, &[&bastion]);
    let _agent = Agent::start(&mut env, &bastion);
    let _ = build(&env, &sshd, &through(bastion.port, json!({"ssh_bastion_agent_auth": true}))).expect(0).has(&user);
}

#[test]
fn a_person_answers_the_bastions_questions() {
    const NAME: &str = "a_person_answers_the_bastions_questions";
    if !root_or_skip(NAME) || !program_or_skip(NAME, "sshd") || !program_or_skip(NAME, "script") {
        return;
    }
    let env = Env::new();
    let (sshd, asks) = (Sshd::start(), with_passwords(&env, true));
    let dir = env.path().join("home/.ssh");
    std::fs::create_dir_all(&dir).expect("a directory");
    std::fs::write(dir.join("known_hosts"), format!("[127.0.0.1]:{} {}\n", asks.port, asks.host_key.trim()))
        .expect("a file");
    let options = json!({
        "ssh_bastion_host": "127.0.0.1", "ssh_bastion_port": asks.port, "ssh_bastion_username": "bastion",
        "ssh_bastion_interactive": true, "ssh_bastion_private_key_file": sshd.key, "ssh_timeout": "10s"
    });
    // Nobody is there.
    let _ = build(&env, &sshd, &options).expect(1).has("nobody is there to answer");
    // On a terminal.
    let line = format!("{} build -color=false t.json", env!("CARGO_BIN_EXE_imgbuild"));
    let mut command = env.command("script");
    command.args(["-qefc", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("script");
    let (mut terminal, mut answers) = (child.stdout.take().expect("a pipe"), child.stdin.take().expect("a pipe"));
    let (mut seen, mut buffer) = (String::new(), [0; 4096]);
    let mut answered = false;
    while let Ok(n @ 1..) = terminal.read(&mut buffer) {
        seen.push_str(&String::from_utf8_lossy(&buffer[..n]));
        if !answered && seen.contains("Password:") {
            // What comes before the terminal's echo is off would be shown.
            std::thread::sleep(Duration::from_millis(300));
            answers.write_all(format!("{PASSWORD}\n").as_bytes()).expect("an answer");
            answered = true;
        }
    }
    assert!(child.wait().expect("an end").success(), "{seen}");
    assert!(seen.contains(&format!("in as {}", sshd.user)) && !seen.contains(PASSWORD), "{seen}");
}

/// A SOCKS5 proxy that wants a user name and a password, if it is given one; counts the connections that it made.
fn socks(user: Option<(&'static str, &'static str)>) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let count = Arc::clone(&count);
            std::thread::spawn(move || {
                if let Some(onward) = negotiate(&stream, user) {
                    count.fetch_add(1, Ordering::Relaxed);
                    pipe(stream, onward, &Arc::default());
                }
            });
        }
    });
    (port, made)
}

/// RFC 1928, and RFC 1929 for the password.
fn negotiate(mut stream: &TcpStream, user: Option<(&str, &str)>) -> Option<TcpStream> {
    let mut take = |n: usize| {
        let mut bytes = vec![0; n];
        stream.read_exact(&mut bytes).ok().map(|()| bytes)
    };
    let count = take(2)?[1];
    let methods = take(count.into())?;
    let wanted = if user.is_some() { 2 } else { 0 };
    if !methods.contains(&wanted) {
        let _ = { stream }.write_all(&[5, 0xff]);
        return None;
    }
    { stream }.write_all(&[5, wanted]).ok()?;
    let mut take = |n: usize| {
        let mut bytes = vec![0; n];
        stream.read_exact(&mut bytes).ok().map(|()| bytes)
    };
    if let Some((name, password)) = user {
        let length = take(2)?[1];
        let given = take(length.into())?;
        let length = take(1)?[0];
        let secret = take(length.into())?;
        let right = given == name.as_bytes() && secret == password.as_bytes();
        { stream }.write_all(&[1, u8::from(!right)]).ok()?;
        if !right {
            return None;
        }
    }
    let mut take = |n: usize| {
        let mut bytes = vec![0; n];
        stream.read_exact(&mut bytes).ok().map(|()| bytes)
    };
    let host = match take(4)?[3] {
        1 => take(4)?.iter().map(u8::to_string).collect::<Vec<_>>().join("."),
        3 => {
            let length = take(1)?[0];
            String::from_utf8(take(length.into())?).ok()?
        }
        _ => return None,
    };
    let port = take(2)?;
    let onward = TcpStream::connect((host.as_str(), u16::from_be_bytes([port[0], port[1]]))).ok()?;
    { stream }.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).ok()?;
    Some(onward)
}

/// An HTTP proxy that knows CONNECT, for those who have the right `Proxy-Authorization: Basic`; and how many connections it made.
fn http_proxy(basic: Option<&'static str>) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let allowed = basic.is_none_or(|basic| head.contains(&format!("Proxy-Authorization: Basic {basic}\r\n")));
            let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).map(str::to_owned);
            let onward = target.filter(|_| allowed).and_then(|target| TcpStream::connect(target).ok());
            let Some(onward) = onward else {
                let _ = stream.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
                continue;
            };
            count.fetch_add(1, Ordering::Relaxed);
            let _ = stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n");
            std::thread::spawn(move || pipe(stream, onward, &Arc::new(AtomicBool::new(false))));
        }
    });
    (port, made)
}

/// Carries bytes in both directions until `silent`; from then on nothing is carried and nothing is closed.
fn pipe(a: TcpStream, b: TcpStream, silent: &Arc<AtomicBool>) {
    let (Ok(back_a), Ok(back_b)) = (a.try_clone(), b.try_clone()) else { return };
    let carry = |mut from: TcpStream, mut to: TcpStream, silent: Arc<AtomicBool>| {
        let mut buffer = [0; 16384];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            if !silent.load(Ordering::Relaxed) && to.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    };
    let other = Arc::clone(silent);
    std::thread::spawn(move || carry(back_b, back_a, other));
    carry(a, b, Arc::clone(silent));
}

#[test]
fn proxies_and_tunnels() {
    if !program_or_skip("proxies_and_tunnels", "sshd") {
        return;
    }
    let env = Env::new();
    let sshd = Sshd::start();
    let (open, made) = socks(None);
    let _ = build(&env, &sshd, &json!({"ssh_proxy_host": "127.0.0.1", "ssh_proxy_port": open})).expect(0).has("in as ");
    assert!(made.load(Ordering::Relaxed) > 0);
    let (closed, made) = socks(Some(("proxy-user", "proxy-secret")));
    let right = json!({"ssh_proxy_host": "127.0.0.1", "ssh_proxy_port": closed, "ssh_proxy_username": "proxy-user", "ssh_proxy_password": "proxy-secret"});
    let output = build(&env, &sshd, &right).expect(0);
    assert!(made.load(Ordering::Relaxed) > 0 && !output.stdout.contains("proxy-secret"), "{}", output.stdout);
    let wrong = json!({"ssh_proxy_host": "127.0.0.1", "ssh_proxy_port": closed, "ssh_proxy_username": "proxy-user", "ssh_proxy_password": "no-secret", "ssh_timeout": "3s"});
    let output = build(&env, &sshd, &wrong).expect(1).has("proxy");
    assert!(!output.stdout.contains("no-secret"), "{}", output.stdout);
    let none = json!({"ssh_proxy_host": "127.0.0.1", "ssh_proxy_port": free_port(), "ssh_timeout": "2s"});
    let _ = build(&env, &sshd, &none).expect(1).has("proxy");

    // A proxy that knows CONNECT, with a password and without.
    let (open, made) = http_proxy(None);
    let _ = build(&env, &sshd, &json!({"ssh_proxy_host": "http://127.0.0.1", "ssh_proxy_port": open}))
        .expect(0)
        .has("in as ");
    assert!(made.load(Ordering::Relaxed) > 0);
    // proxy-user:proxy-secret
    let (closed, made) = http_proxy(Some("cHJveHktdXNlcjpwcm94eS1zZWNyZXQ="));
    let mut options = right.clone();
    options["ssh_proxy_host"] = json!("http://127.0.0.1");
    options["ssh_proxy_port"] = json!(closed);
    let output = build(&env, &sshd, &options).expect(0);
    assert!(made.load(Ordering::Relaxed) > 0 && !output.stdout.contains("proxy-secret"), "{}", output.stdout);
    options["ssh_proxy_password"] = json!("no-secret");
    let output = build(&env, &sshd, &options).expect(1).has("asks for another user or password");
    assert!(!output.stdout.contains("no-secret"), "{}", output.stdout);

    // Something that listens "there" is reached from here, and the other way round.
    let greeter = TcpListener::bind("127.0.0.1:0").expect("a port");
    let target = greeter.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for mut stream in greeter.incoming().map_while(Result::ok) {
            let _ = stream.write_all(b"hello through a tunnel\n");
        }
    });
    let (local, remote) = (free_port(), free_port());
    let options = json!({
        "ssh_local_tunnels": [format!("{local}:127.0.0.1:{target}")], "ssh_remote_tunnels": [format!("{remote}:127.0.0.1:{target}")]
    });
    let read = |port: u16| format!("exec 3<>/dev/tcp/127.0.0.1/{port}; head -n 1 <&3 | sed 's/^/port {port}: /'");
    let look = json!([
        {"type": "shell-local", "inline_shebang": "/bin/bash -e", "inline": [read(local)]},
        {"type": "shell", "inline_shebang": "/bin/bash -e", "inline": [read(remote)]}
    ]);
    let output = build_with(&env, &sshd, &options, &look).expect(0);
    let _ = output.has(&format!("port {local}: hello")).has(&format!("port {remote}: hello"));
    let bad = json!({"ssh_local_tunnels": ["80:db"]});
    let _ = build(&env, &sshd, &bad).expect(1).has("port:host:port");
}

#[test]
fn ciphers_terminals_pauses_and_limits() {
    if !program_or_skip("ciphers_terminals_pauses_and_limits", "sshd") {
        return;
    }
    let env = Env::new();
    let config = "Ciphers aes256-ctr\nKexAlgorithms curve25519-sha256\n".to_owned();
    let sshd = Sshd::start_with(&SshdOptions { config, sftp: false, ..SshdOptions::default() });
    let both = json!({"ssh_ciphers": ["aes128-gcm@openssh.com", "aes256-ctr"], "ssh_key_exchange_algorithms": ["curve25519-sha256"]});
    let _ = build(&env, &sshd, &both).expect(0);
    for (option, value) in
        [("ssh_ciphers", "aes128-gcm@openssh.com"), ("ssh_key_exchange_algorithms", "ecdh-sha2-nistp256")]
    {
        let begin = Instant::now();
        let output = build(&env, &sshd, &json!({option: [value], "ssh_timeout": "3s"})).expect(1);
        assert!(output.stdout.contains("lgorithm") || output.stdout.contains("cipher"), "{option}: {}", output.stdout);
        assert!(begin.elapsed() < Duration::from_secs(15), "{option}");
        let _ = build(&env, &sshd, &json!({option: ["no-such-thing"]})).expect(1).has("no-such-thing");
    }
    let tty = json!([{"type": "shell", "inline": ["tty || true"]}]);
    let _ = build_with(&env, &sshd, &json!({}), &tty).expect(0).has("not a tty");
    let _ = build_with(&env, &sshd, &json!({"ssh_pty": true}), &tty).expect(0).has("/dev/pts/");
    let begin = Instant::now();
    let _ = build(&env, &sshd, &json!({"pause_before_connecting": "2s"})).expect(0).has("in as ");
    assert!(begin.elapsed() >= Duration::from_secs(2));
    // There is no SFTP on this server: what asks for it fails, the default needs none.
    env.write("file", "content");
    let copy = json!([{"type": "file", "source": "file", "destination": sshd.dir().join("copied")}]);
    let _ = build_with(&env, &sshd, &json!({}), &copy).expect(0);
    assert_eq!(std::fs::read_to_string(sshd.dir().join("copied")).expect("a file"), "content");
    let _ = build_with(&env, &sshd, &json!({"ssh_file_transfer_method": "sftp"}), &copy).expect(1).has("SFTP");
    let _ =
        build(&env, &sshd, &json!({"ssh_file_transfer_method": "ftp"})).expect(1).has("valid methods are sftp and scp");
    let begin = Instant::now();
    let _ = build(&env, &sshd, &json!({"ssh_port": free_port(), "ssh_timeout": "2s"})).expect(1).has("SSH");
    assert!((1..15).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
    // Log-ins that fail count; connections that nobody takes do not.
    let stranger = sshd.dir().join("stranger");
    keygen(&stranger, "ed25519");
    let begin = Instant::now();
    let few = json!({"ssh_private_key_file": stranger, "ssh_handshake_attempts": 2, "ssh_timeout": null});
    let _ = build(&env, &sshd, &few).expect(1).has("did not let us in");
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
}

#[test]
fn a_connection_that_goes_silent_is_noticed() {
    if !program_or_skip("a_connection_that_goes_silent_is_noticed", "sshd") {
        return;
    }
    for options in [
        json!({"ssh_keep_alive_interval": "1s"}),
        json!({"ssh_read_write_timeout": "3s", "ssh_keep_alive_interval": "10m"}),
    ] {
        let env = Env::new();
        let sshd = Sshd::start();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (target, silent) = (sshd.port, Arc::new(AtomicBool::new(false)));
        let all = Arc::clone(&silent);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let silent = Arc::clone(&all);
                let onward = TcpStream::connect(("127.0.0.1", target)).expect("sshd");
                std::thread::spawn(move || pipe(stream, onward, &silent));
            }
        });
        let marker = env.work().join("marker");
        let (seen, over) = (marker.clone(), Arc::clone(&silent));
        std::thread::spawn(move || {
            while !seen.exists() {
                std::thread::sleep(Duration::from_millis(20));
            }
            over.store(true, Ordering::Relaxed);
        });
        let mut all = options.clone();
        all["ssh_port"] = json!(port);
        let steps = json!([{"type": "shell", "inline": [format!("touch {}; sleep 300", marker.display())]}]);
        let begin = Instant::now();
        let _ = build_with(&env, &sshd, &all, &steps).expect(1);
        assert!(marker.exists() && begin.elapsed() < Duration::from_secs(240), "{options}: {:?}", begin.elapsed());
    }
}
