//! The program under test in an environment of its own.

pub mod servers;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A home, state and working directory of its own, and no other environment than what is given. The cache is the user's: the
/// base images in it take minutes to make.
pub struct Env {
    dir: TempDir,
    vars: BTreeMap<String, String>,
}

/// What a command left.
#[derive(Debug)]
pub struct Output {
    /// Exit code; a signal is 128 + its number.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Env {
    /// An empty one.
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("imgbuild-it-").tempdir().expect("a temporary directory");
        let mut vars = BTreeMap::new();
        let cache = std::env::var("XDG_CACHE_HOME")
            .unwrap_or_else(|_| format!("{}/.cache", std::env::var("HOME").unwrap_or_else(|_| "/root".into())));
        for (name, value) in
            [("HOME", "home"), ("XDG_DATA_HOME", "data"), ("XDG_STATE_HOME", "state"), ("XDG_CONFIG_HOME", "config")]
        {
            let path = dir.path().join(value);
            std::fs::create_dir_all(&path).expect("a directory");
            vars.insert(name.into(), path.display().to_string());
        }
        std::fs::create_dir_all(dir.path().join("work")).expect("a directory");
        vars.insert("XDG_CACHE_HOME".into(), cache);
        vars.insert("PATH".into(), std::env::var("PATH").unwrap_or_default());
        vars.insert("LANG".into(), "C.UTF-8".into());
        vars.insert("AWS_EC2_METADATA_DISABLED".into(), "true".into());
        vars.insert("NO_COLOR".into(), "1".into());
        Env { dir, vars }
    }

    /// The folder that holds it all.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The working directory.
    pub fn work(&self) -> PathBuf {
        self.dir.path().join("work")
    }

    /// Sets a variable.
    pub fn set(&mut self, name: &str, value: impl Into<String>) -> &mut Self {
        self.vars.insert(name.into(), value.into());
        self
    }

    /// Takes a variable away again.
    pub fn unset(&mut self, name: &str) {
        self.vars.remove(name);
    }

    /// Writes a file below the working directory.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.work().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(&path, text).expect("a file");
        path
    }

    /// A command in this environment.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(&self.vars).current_dir(self.work()).stdin(Stdio::null());
        command
    }

    /// The program under test.
    pub fn imgbuild<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_imgbuild"));
        command.args(args);
        command
    }

    /// Runs the program to its end. What comes of it must be looked at.
    #[must_use]
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Output {
        finish(&mut self.imgbuild(args))
    }
}

/// Runs a command to its end. What comes of it must be looked at.
#[must_use]
pub fn finish(command: &mut Command) -> Output {
    use std::os::unix::process::ExitStatusExt;
    let shown = format!("{command:?}");
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{shown} can't be started: {e}"));
    let mut err = child.stderr.take().expect("piped");
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = err.read_to_end(&mut bytes);
        bytes
    });
    let mut out = Vec::new();
    let _ = child.stdout.take().expect("piped").read_to_end(&mut out);
    let stderr = reader.join().unwrap_or_default();
    let status = child.wait().expect("a child that was started");
    Output {
        code: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
        stdout: String::from_utf8_lossy(&out).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    }
}

impl Output {
    /// Fails with everything that was printed unless the code is this one.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// Fails unless the output (of either kind) holds this.
    #[track_caller]
    pub fn has(self, text: &str) -> Self {
        let held = self.stdout.contains(text) || self.stderr.contains(text);
        assert!(held, "{text:?} is not in\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// Fails if the output (of either kind) holds this.
    #[track_caller]
    pub fn has_not(self, text: &str) -> Self {
        let held = self.stdout.contains(text) || self.stderr.contains(text);
        assert!(!held, "{text:?} is in\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }
}

/// Whether this is root; if not, says that the test is left out.
pub fn root_or_skip(test: &str) -> bool {
    let root = std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0);
    if !root {
        skip(test, "needs root: it starts machines in namespaces");
    }
    root
}

/// Whether a program is there; if not, says that the test is left out.
pub fn program_or_skip(test: &str, program: &str) -> bool {
    let there = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|dir| dir.join(program).is_file());
    if !there {
        skip(test, &format!("needs {program}: run `cargo xtask test`"));
    }
    there
}

/// Prints that a test is left out, and why. `cargo xtask test` counts these lines.
pub fn skip(test: &str, why: &str) {
    use std::io::Write;
    // Past libtest's capture, or nobody would see it.
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
}
