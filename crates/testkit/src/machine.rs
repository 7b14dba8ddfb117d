//! A machine of its own for tests that make users, sudoers files and mounts: OpenSSH's sshd in namespaces, whose root is a layer over
//! this machine's. What happens there is gone when it is dropped. Needs root.

use crate::sshd::keygen;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A running machine.
pub struct Machine {
    /// sshd's port on 127.0.0.1.
    pub port: u16,
    /// Private key that every user of the machine accepts.
    pub key: PathBuf,
    /// The host key's public line.
    pub host_key: String,
    child: Child,
    _dir: tempfile::TempDir,
}

/// Mounts the layer, prepares it ($SETUP), and becomes sshd.
const INIT: &str = r#"
layer=$DIR/layer; root=$layer/root
mount -t tmpfs tmpfs "$layer"
mkdir "$layer/upper" "$layer/work" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$layer/upper,workdir=$layer/work" "$root"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
for d in tmp var/tmp dev/shm run; do mount -t tmpfs -o mode=1777 tmpfs "$root/$d"; done
chmod 755 "$root/run"
mkdir -p "$root/run/sshd" "$root/etc/ssh/machine"
cp "$DIR/host" "$DIR/keys" "$DIR/config" "$root/etc/ssh/machine/"
chmod 644 "$root/etc/ssh/machine/keys"
mkdir "$root/etc/ssh/machine/upper"
mount --bind "$layer/upper" "$root/etc/ssh/machine/upper"
chroot "$root" sh -eu -c "$SETUP"
touch "$root/etc/ssh/machine/ready"
exec chroot "$root" /usr/sbin/sshd -D -e -f /etc/ssh/machine/config
"#;

/// Files that sudo, su and sshd themselves write about a login.
const OF_THE_SYSTEM: &[&str] =
    &["/var/log/", "/run/sudo/", "/var/lib/sudo/", "/run/utmp", "/run/doas/", "/run/sshd", "/etc/ssh/machine/"];

impl Machine {
    /// Starts one after `setup`, a script that runs in it as root. `None`, with the reason printed, without root.
    pub fn start(setup: &str) -> Option<Self> {
        let root = Command::new("id").arg("-u").output().expect("id runs").stdout;
        if root.trim_ascii() != b"0" {
            skipped("a machine needs root");
            return None;
        }
        let dir = tempfile::Builder::new().prefix("imgbuild-machine-").tempdir().expect("a temporary directory");
        let path = |name: &str| dir.path().join(name);
        std::fs::create_dir(path("layer")).expect("a folder");
        let host_key = keygen(&path("host"), "ed25519");
        std::fs::write(path("keys"), keygen(&path("user"), "ed25519")).expect("keys");
        // Someone else may take the port in between: then sshd says so and the test fails by name.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let at = "/etc/ssh/machine";
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {at}/host\nAuthorizedKeysFile {at}/keys\nPidFile none\nUsePAM no\n\
             StrictModes no\nPermitRootLogin yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             MaxStartups 100\nMaxSessions 100\nUseDNS no\nPrintMotd no\nSubsystem sftp internal-sftp\n"
        );
        std::fs::write(path("config"), config).expect("a configuration");
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--propagation", "private"]);
        command.args(["sh", "-eu", "-c", INIT]).env("DIR", dir.path()).env("SETUP", setup);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("unshare starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut said = String::new();
        loop {
            let before = said.len();
            let n = stderr.read_line(&mut said).expect("the machine's log");
            assert!(n > 0, "the machine did not start: {said}");
            if said[before..].contains("Server listening on") {
                break;
            }
        }
        std::thread::spawn(move || stderr.read_to_end(&mut Vec::new()));
        Some(Machine { port, key: path("user"), host_key, child, _dir: dir })
    }

    /// Runs a script in it as root and gives what it printed.
    pub fn sh(&self, script: &str) -> String {
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        let children = std::fs::read_to_string(children).expect("the machine runs");
        let init = children.split_whitespace().next().expect("the machine's sshd");
        let mut command = Command::new("nsenter");
        command.args(["--target", init, "--mount", "--pid", "--root", "--wd=/", "sh", "-c", script]);
        let done = command.output().expect("nsenter runs");
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// Files of its layer (not of this machine below it, which goes on living) that came or changed since it started, and processes beside sshd, but for what the login itself writes.
    ///
    /// What is on its way out gets ten seconds: su waits a while before it says that a password is wrong.
    pub fn left(&self) -> Vec<String> {
        for _ in 0..50 {
            if self.left_now().is_empty() {
                return Vec::new();
            }
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        self.left_now()
    }

    fn left_now(&self) -> Vec<String> {
        let found = self.sh(
            "cd /etc/ssh/machine/upper; find . -newer /etc/ssh/machine/ready ! -type d | sed 's/^[.]//'; \
             find /tmp /var/tmp /dev/shm /run -xdev -newer /etc/ssh/machine/ready ! -type d; \
             find /tmp /var/tmp /dev/shm /run -xdev -name '.imgbuild*'; \
             for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done | grep -v -e '^sshd' -e '^/usr/sbin/sshd' -e '^sh -c cd ' -e '^grep '",
        );
        let ours = |line: &&str| !line.is_empty() && !OF_THE_SYSTEM.iter().any(|own| line.starts_with(own));
        found.lines().filter(ours).map(str::to_owned).collect()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Its init goes with it, and with that everything in the machine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[allow(clippy::print_stdout, reason = "a skipped test says why")]
fn skipped(why: &str) {
    println!("SKIPPED: {why}");
}
