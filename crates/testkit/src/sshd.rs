//! OpenSSH's sshd on 127.0.0.1, with keys and configuration in a temporary directory. It runs as the user of the test and
//! lets that user in; it is ended by its process id when it is dropped.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

const SSHD: &str = "/usr/sbin/sshd";

/// A running server.
pub struct Sshd {
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// The user that it lets in.
    pub user: String,
    /// Private key that it accepts.
    pub key: PathBuf,
    /// Its host key's public line.
    pub host_key: String,
    dir: tempfile::TempDir,
    child: Child,
    log: Arc<Mutex<String>>,
}

/// What is different from the usual.
#[derive(Debug, Clone)]
pub struct SshdOptions {
    /// More lines of `sshd_config`, before ours (the first of a kind wins there).
    pub config: String,
    /// The user key's type for `ssh-keygen -t` (`ed25519`, `rsa`, `ecdsa`).
    pub key_type: String,
    /// Offers the SFTP subsystem.
    pub sftp: bool,
}

impl Default for SshdOptions {
    fn default() -> Self {
        SshdOptions { config: String::new(), key_type: "ed25519".into(), sftp: true }
    }
}

/// Whether this machine has an sshd to test with. Callers say so when they skip.
pub fn have_sshd() -> bool {
    Path::new(SSHD).exists()
}

/// Makes a key pair without a passphrase; returns the public line.
pub fn keygen(file: &Path, key_type: &str) -> String {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-N", "", "-C", "test", "-t", key_type, "-f"]).arg(file);
    let status = command.status().expect("ssh-keygen runs");
    assert!(status.success(), "ssh-keygen {key_type}");
    std::fs::read_to_string(file.with_extension("pub")).expect("a public key")
}

impl Sshd {
    /// Starts one with the usual options.
    pub fn start() -> Self {
        Self::start_with(&SshdOptions::default())
    }

    /// Starts one and waits until it listens.
    pub fn start_with(options: &SshdOptions) -> Self {
        let dir = tempfile::Builder::new().prefix("imgbuild-sshd-").tempdir().expect("a temporary directory");
        let path = |name: &str| dir.path().join(name);
        let host_key = keygen(&path("host"), "ed25519");
        let key = path("user");
        std::fs::copy(
            {
                keygen(&key, &options.key_type);
                key.with_extension("pub")
            },
            path("authorized_keys"),
        )
        .expect("authorized_keys");
        // Someone else may take the port in between: then sshd says so and the test fails by name.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let sftp = if options.sftp { "Subsystem sftp internal-sftp\n" } else { "" };
        let at = dir.path().display();
        let config = format!(
            "{}\nListenAddress 127.0.0.1\nPort {port}\nHostKey {at}/host\nAuthorizedKeysFile {at}/authorized_keys\nPidFile none\nUsePAM no\nStrictModes no\n\
             PermitRootLogin yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nMaxStartups 100\nMaxSessions 100\nUseDNS no\nPrintMotd no\nLogLevel VERBOSE\n{sftp}",
            options.config
        );
        std::fs::write(path("sshd_config"), config).expect("sshd_config");
        // sshd of root wants its empty directory, which the service's start makes otherwise.
        let _ = std::fs::create_dir_all("/run/sshd");
        let mut command = Command::new(SSHD);
        command.args(["-D", "-e", "-f"]).arg(path("sshd_config"));
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("sshd starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let log = Arc::new(Mutex::new(String::new()));
        let mut said = String::new();
        loop {
            let mut line = String::new();
            let n = stderr.read_line(&mut line).expect("sshd's log");
            said.push_str(&line);
            if n == 0 {
                panic!("sshd did not start: {said}");
            }
            if line.contains("Server listening on") {
                break;
            }
        }
        let sink = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let mut log = sink.lock().unwrap_or_else(|e| e.into_inner());
                log.push_str(&line);
                log.push('\n');
            }
        });
        let user = Command::new("id").arg("-un").output().expect("id runs");
        let user = String::from_utf8_lossy(&user.stdout).trim().to_owned();
        Sshd { port, user, key, host_key, dir, child, log }
    }

    /// Its temporary directory, for the test's own files.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// Ends all connections (as a reboot does) but not the server. Returns how many session processes were ended.
    pub fn sever(&self) -> usize {
        let mut ended = 0;
        for pid in children(self.child.id()) {
            ended += usize::from(kill(pid));
        }
        ended
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.sever();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn kill(pid: u32) -> bool {
    Command::new("kill").args(["-KILL", &pid.to_string()]).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

/// The processes that this one started, and theirs.
fn children(parent: u32) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        // `pid (name) state ppid …`; the name may hold spaces and parentheses.
        let ppid = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse::<u32>().ok());
        if ppid == Some(parent) {
            // Only sshd's own processes: what a session runs ends by itself when its pipes break.
            if stat.contains("(sshd") {
                found.push(pid);
                found.extend(children(pid));
            }
        }
    }
    found
}
