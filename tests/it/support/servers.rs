//! Servers of third parties on loopback, ended by pid.

use super::Env;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A child that ends with the test.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port()
}

/// Starts a command and waits until its port answers.
pub fn start(command: &mut Command, port: u16) -> Server {
    let child = command.stdin(Stdio::null()).spawn().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let mut server = Server { child, port };
    let begin = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if let Ok(Some(status)) = server.child.try_wait() {
            panic!("{command:?} ended with {status}");
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{command:?} does not listen on {port}");
        std::thread::sleep(Duration::from_millis(50));
    }
    server
}

/// OpenSSH's server on loopback, as the user who runs the tests. It lets in every key that is offered: the one that it must let
/// in is made by the program under test and known to the endpoint only.
pub fn sshd(env: &Env) -> Server {
    let dir = env.path().join("sshd");
    std::fs::create_dir_all(&dir).expect("a directory");
    std::fs::create_dir_all("/run/sshd").expect("sshd's own directory");
    let key = dir.join("host_key");
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status();
    assert!(made.is_ok_and(|s| s.success()), "a host key");
    let port = free_port();
    let config = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nPidFile none\nUsePAM no\nPasswordAuthentication no\nStrictModes no\n\
         PermitRootLogin yes\nAuthorizedKeysFile none\nAuthorizedKeysCommand /usr/bin/echo %t %k\nAuthorizedKeysCommandUser nobody\n\
         Subsystem sftp internal-sftp\n",
        key.display()
    );
    let file = dir.join("config");
    std::fs::write(&file, config).expect("a file");
    start(Command::new("/usr/sbin/sshd").args(["-D", "-e", "-f"]).arg(&file).stderr(Stdio::null()), port)
}
