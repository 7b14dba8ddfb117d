//! The agent's program for tests, built from this tree for this machine.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Path of the built program, optimised as the one that is embedded (a debug build hashes and copies too slowly). Built once
/// per test process, by the cargo that runs the test.
pub fn program() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let output = Command::new(cargo)
            .args(["build", "-q", "-p", "imgbuild-agent", "--profile", "agent", "--message-format", "json"])
            .current_dir(root)
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "the agent does not build: {}", String::from_utf8_lossy(&output.stderr));
        let stdout = String::from_utf8_lossy(&output.stdout);
        let executable = stdout.lines().find_map(|line| {
            let message: serde_json::Value = serde_json::from_str(line).ok()?;
            message.get("executable")?.as_str().map(PathBuf::from)
        });
        executable.expect("cargo names the agent's executable")
    })
}

/// The agent compressed as it is embedded, for this machine's architecture.
pub fn compressed() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let plain = std::fs::read(program()).expect("the agent's executable");
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&plain).and_then(|()| packed.finish()).expect("compressing in memory")
    })
}
