//! What a fresh Debian or Ubuntu machine lacks. Everything here says what it does and does nothing twice.

use crate::{run, target_dir};
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Debian packages, each with the reason for it.
pub type Packages = &'static [(&'static str, &'static str)];

/// To build: a C compiler for ring (TLS, SSH), and one each for the two targets that the agent is built for.
pub const BUILD: Packages = &[
    ("gcc", "compiles ring, the cryptography of TLS and SSH"),
    ("libc6-dev", "C headers for ring"),
    ("musl-tools", "C compiler for the x86_64 agent"),
    ("gcc-aarch64-linux-gnu", "C compiler for the aarch64 agent"),
    ("libc6-dev-arm64-cross", "C headers for the aarch64 agent"),
];

/// To run machines in the sandbox.
pub const SANDBOX: Packages = &[
    ("mmdebstrap", "makes the sandbox's Debian base image"),
    ("slirp4netns", "lets the sandbox's machines reach the package archive"),
    ("iproute2", "their network"),
    ("e2fsprogs", "their volumes"),
    ("util-linux", "their loop devices"),
    ("openssh-client", "imgbuild sandbox ssh"),
    ("gpg", "signs the fixture package repository"),
    ("dpkg-dev", "builds the fixture packages"),
    ("ca-certificates", "TLS roots"),
];

/// To test beside others' programs.
pub const TEST: Packages = &[
    ("openssh-server", "the SSH communicator is tested against it"),
    ("cloud-init", "checks the user data that imgbuild renders"),
    ("packer", "reads and builds the same templates"),
    ("sudo", "become is tested with it"),
    ("opendoas", "become is tested with it"),
    ("python3-venv", "moto and ansible-core are installed in it"),
    ("time", "measures memory"),
    ("git", "the git module is tested with it"),
    ("rsync", "the synchronize module is tested with it"),
    ("acl", "the acl module is tested with it"),
    ("make", "the make module is tested with it"),
    ("tar", "the unarchive module is tested with it"),
    ("default-jre-headless", "the java_cert module is tested with its keytool"),
    ("pipx", "the pipx module is tested with it"),
    ("postgresql", "the postgresql modules are tested with a server of their own"),
    ("mariadb-server", "the mysql_info module is tested with a server of its own"),
    ("rabbitmq-server", "the rabbitmq modules are tested with a broker of their own"),
    ("supervisor", "the supervisorctl module is tested with it"),
    ("flatpak", "the flatpak_remote module is tested with it"),
    ("dconf-cli", "the dconf module is tested with it"),
    ("dconf-gsettings-backend", "dconf's service, which writes for it"),
    ("dbus", "the bus on which that service is found"),
    ("unzip", "the unarchive module is tested with it"),
];

/// To run the part of ansible-core's suite that is about the system.
pub const CONFORMANCE: Packages = &[
    ("systemd-container", "starts systemd for the targets about services"),
    ("slirp4netns", "their way to the package archive"),
    ("iproute2", "their network"),
    ("python3-apt", "the suite looks whether it is there"),
];

/// Installs the packages that are not there, as root or through sudo.
pub fn packages(wanted: &[Packages]) -> Result<()> {
    let all = wanted.iter().flat_map(|list| list.iter());
    let missing: Vec<_> = all.filter(|(name, _)| !installed(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    anyhow::ensure!(have("apt-get"), "this machine has no apt-get; install by hand: {}", names(&missing));
    println!("Installing Debian packages:");
    for (name, why) in &missing {
        println!("  {name:24} {why}");
    }
    run(as_root("apt-get").args(["update", "-qq"]))?;
    // --no-remove: never at the cost of something that is here.
    let mut install = as_root("apt-get");
    install.args(["install", "-y", "-qq", "--no-install-recommends", "--no-remove"]);
    install.args(missing.iter().map(|(name, _)| *name)).stdout(Stdio::null());
    run(&mut install)
}

fn names(packages: &[&(&str, &str)]) -> String {
    packages.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" ")
}

fn installed(package: &str) -> bool {
    let output =
        Command::new("dpkg-query").args(["-W", "-f=${db:Status-Status}", package]).stderr(Stdio::null()).output();
    output.is_ok_and(|o| o.stdout.starts_with(b"installed"))
}

/// Whether a program is on the path.
pub fn have(program: &str) -> bool {
    Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

/// Whether this is root.
pub fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout.trim_ascii() == b"0")
}

/// A command as root: itself, or through sudo. `DEBIAN_FRONTEND` goes along: nobody is there to answer.
pub fn as_root(program: &str) -> Command {
    let mut command;
    if is_root() {
        command = Command::new(program);
        command.env("DEBIAN_FRONTEND", "noninteractive");
    } else {
        command = Command::new("sudo");
        command.args(["env", "DEBIAN_FRONTEND=noninteractive", program]);
    }
    command
}

/// The musl targets of the agent. With rustup they come from rust-toolchain.toml; a toolchain without rustup must bring them.
pub fn rust_targets() -> Result<()> {
    if have("rustup") {
        run(Command::new("rustup").args(["target", "add", "x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"]))?;
    }
    Ok(())
}

/// A Python virtual environment with these packages from PyPI, made once per list.
pub fn venv(name: &str, requirements: &[&str]) -> Result<PathBuf> {
    let dir = target_dir().join("venv").join(name);
    let stamp = dir.join("requirements");
    let wanted = requirements.join("\n");
    if std::fs::read_to_string(&stamp).is_ok_and(|have| have == wanted) {
        return Ok(dir);
    }
    println!("Installing from PyPI into {}: {}", dir.display(), requirements.join(" "));
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&dir))?;
    run(Command::new(dir.join("bin/pip")).args(["install", "-q", "--disable-pip-version-check"]).args(requirements))?;
    std::fs::write(&stamp, wanted).with_context(|| format!("can't write {}", stamp.display()))?;
    Ok(dir)
}
