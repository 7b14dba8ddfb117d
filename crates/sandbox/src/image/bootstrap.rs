//! Root trees from a distribution's archive, made by mmdebstrap, and what is done to them so that they are like the
//! distribution's own EC2 images: no identity of their own, cloud-init for EC2, an init's commands.

use std::fs::Permissions;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use super::Progress;
use super::error::{Doing, ImageError};

/// Bumped when the steps below change, so that cached trees are made anew.
const RECIPE: u32 = 1;

/// A tree to make.
#[derive(Debug, Clone)]
pub struct Bootstrap {
    /// `bookworm`
    pub suite: &'static str,
    /// Lines of sources.list; also what the machine uses later.
    pub sources: Vec<String>,
    /// Beyond what is required.
    pub packages: &'static [&'static str],
    /// The archive's keys, where mmdebstrap does not find them by itself.
    pub keyring: Option<PathBuf>,
    /// The default user and other settings of cloud-init.
    pub cloud_config: &'static str,
}

impl Bootstrap {
    /// Changes with everything that changes the tree (but the archive's own updates).
    pub fn key(&self) -> String {
        let mut hash = Sha256::new();
        for part in [self.suite, &self.sources.join("\n"), &self.packages.join(","), self.cloud_config] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        for file in [SHUTDOWN, INIT, RUNLEVEL, DATASOURCE, ROOT_VOLUME] {
            hash.update(file.as_bytes());
        }
        hash.update(RECIPE.to_le_bytes());
        hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Makes the tree in the empty directory `tree`.
    pub fn make(&self, tree: &Path, progress: &Progress) -> Result<(), ImageError> {
        if !rustix::process::geteuid().is_root() {
            return Err(ImageError::Unavailable("making a root tree needs root: run it with sudo".to_owned()));
        }
        self.unpack(tree, progress)?;
        self.finish(tree)
    }

    fn unpack(&self, tree: &Path, progress: &Progress) -> Result<(), ImageError> {
        // Its mounts and processes are in namespaces that end with the first of them: nothing of it, least of all a mounted
        // /proc or /sys in the half-made tree, outlives a build that is killed.
        let mut command = Command::new("unshare");
        command
            .args([
                "--mount",
                "--propagation=private",
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
                "--",
                "mmdebstrap",
            ])
            .args(["--mode=root", "--variant=minbase", "--format=directory"])
            .arg(format!("--include={}", self.packages.join(",")))
            .args(["--aptopt=Apt::Install-Recommends \"false\"", "--aptopt=Acquire::Languages \"none\""]);
        if let Some(keyring) = &self.keyring {
            command.arg(format!("--keyring={}", keyring.display()));
        }
        command.arg(self.suite).arg(tree).args(&self.sources);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        crate::machine::end_with_us(&mut command);
        let path = std::env::var_os("PATH").unwrap_or_default();
        if !std::env::split_paths(&path).any(|dir| dir.join("mmdebstrap").exists()) {
            return Err(ImageError::Unavailable(
                "`mmdebstrap` is missing, which makes the base images: apt-get install mmdebstrap".to_owned(),
            ));
        }
        let mut child = command.spawn().doing("running mmdebstrap (by `unshare` of package util-linux)")?;
        let mut said: Vec<String> = Vec::new();
        if let Some(output) = child.stderr.take() {
            for line in BufReader::new(output).split(b'\n') {
                let line = line.doing("reading what mmdebstrap says")?;
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                if let Some(step) = line.strip_prefix("I: ") {
                    progress(step);
                }
                said.push(line);
            }
        }
        if child.wait().doing("waiting for mmdebstrap")?.success() {
            return Ok(());
        }
        // The errors if it names any, else the end.
        let errors: Vec<&String> = said.iter().filter(|line| line.starts_with("E: ")).take(3).collect();
        let last_words = if errors.is_empty() { said.iter().rev().take(3).collect() } else { errors };
        Err(ImageError::Program {
            program: "mmdebstrap",
            doing: format!("making the root tree of {}", self.suite),
            last_words: last_words.into_iter().map(|line| line.trim()).collect::<Vec<_>>().join("; "),
        })
    }

    fn finish(&self, tree: &Path) -> Result<(), ImageError> {
        let edit = Edit { tree };
        // An image has no identity: each instance gets its own.
        for name in ["etc/resolv.conf", "etc/hostname", "var/lib/dbus/machine-id", "etc/.pwd.lock"] {
            edit.remove(name)?;
        }
        for entry in fs_err::read_dir(tree.join("etc/ssh")).doing("listing /etc/ssh")? {
            let path = entry.doing("listing /etc/ssh")?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with("ssh_host_") {
                fs_err::remove_file(&path).doing("removing host keys")?;
            }
        }
        edit.write("etc/machine-id", "", 0o444)?;
        edit.write("etc/apt/sources.list", &(self.sources.join("\n") + "\n"), 0o644)?;
        edit.write("etc/default/locale", "LANG=C.UTF-8\n", 0o644)?;
        edit.write("etc/fstab", "/dev/xvda1 / ext4 rw,discard,errors=remount-ro,x-systemd.growfs 0 1\n", 0o644)?;
        edit.write("etc/hosts", HOSTS, 0o644)?;
        edit.write("etc/cloud/cloud.cfg.d/10_default_user.cfg", self.cloud_config, 0o644)?;
        edit.write("etc/cloud/cloud.cfg.d/90_dpkg.cfg", DATASOURCE, 0o644)?;
        edit.write("etc/cloud/cloud.cfg.d/20_root_volume.cfg", ROOT_VOLUME, 0o644)?;
        edit.write("etc/ssh/sshd_config.d/50-keys-only.conf", "PasswordAuthentication no\n", 0o600)?;
        for (name, text) in [("init", INIT), ("runlevel", RUNLEVEL), ("shutdown", SHUTDOWN)] {
            edit.write(&format!("usr/sbin/{name}"), text, 0o755)?;
        }
        for (name, target) in
            [("telinit", "init"), ("reboot", "shutdown"), ("poweroff", "shutdown"), ("halt", "shutdown")]
        {
            edit.link(&format!("usr/sbin/{name}"), target)?;
        }
        Ok(())
    }
}

const SHUTDOWN: &str = include_str!("files/shutdown.sh");
const INIT: &str = include_str!("files/init.sh");
const RUNLEVEL: &str = include_str!("files/runlevel.sh");
const DATASOURCE: &str = include_str!("files/datasource.cfg");
const ROOT_VOLUME: &str = include_str!("files/root-volume.cfg");
const HOSTS: &str = "\
127.0.0.1 localhost
::1 localhost ip6-localhost ip6-loopback
ff02::1 ip6-allnodes
ff02::2 ip6-allrouters
";

/// Changes to a tree that never write through a link or into a file that another tree shares.
pub struct Edit<'a> {
    /// The tree's root.
    pub tree: &'a Path,
}

impl Edit<'_> {
    /// Writes a file anew, with its folder.
    pub fn write(&self, name: &str, content: &str, mode: u32) -> Result<(), ImageError> {
        let path = self.tree.join(name);
        if let Some(folder) = path.parent() {
            fs_err::create_dir_all(folder).doing(format!("making the folder of {name}"))?;
        }
        self.remove(name)?;
        fs_err::write(&path, content).doing(format!("writing {name}"))?;
        fs_err::set_permissions(&path, Permissions::from_mode(mode)).doing(format!("writing {name}"))
    }

    /// Adds to a file's end.
    pub fn append(&self, name: &str, content: &str) -> Result<(), ImageError> {
        let path = self.tree.join(name);
        let mode = fs_err::metadata(&path).doing(format!("reading {name}"))?.permissions().mode();
        let before = fs_err::read_to_string(&path).doing(format!("reading {name}"))?;
        self.write(name, &(before + content), mode)
    }

    /// Makes a symbolic link.
    pub fn link(&self, name: &str, target: &str) -> Result<(), ImageError> {
        self.remove(name)?;
        symlink(target, self.tree.join(name)).doing(format!("linking {name}"))
    }

    /// Removes a file that may not be there.
    pub fn remove(&self, name: &str) -> Result<(), ImageError> {
        match fs_err::remove_file(self.tree.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).doing(format!("removing {name}")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_leave_shared_files_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        fs_err::create_dir_all(one.join("etc")).unwrap();
        fs_err::create_dir_all(two.join("etc")).unwrap();
        fs_err::write(one.join("etc/issue"), "one\n").unwrap();
        fs_err::hard_link(one.join("etc/issue"), two.join("etc/issue")).unwrap();
        let edit = Edit { tree: &two };
        edit.append("etc/issue", "two\n").unwrap();
        edit.write("etc/new/file", "x", 0o600).unwrap();
        edit.remove("etc/none").unwrap();
        assert_eq!(fs_err::read_to_string(one.join("etc/issue")).unwrap(), "one\n");
        assert_eq!(fs_err::read_to_string(two.join("etc/issue")).unwrap(), "one\ntwo\n");
        assert_eq!(fs_err::metadata(two.join("etc/new/file")).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
