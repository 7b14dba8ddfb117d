//! Builds the agent for both architectures and hands it, compressed, to the program that embeds it (`src/agent_binaries.rs`).
//!
//! Environment: `IMGBUILD_AGENT_DIR` is a folder with agents built elsewhere (`imgbuild-agent-x86_64`, `imgbuild-agent-aarch64`), for
//! packagers; one that is not there is built. `IMGBUILD_AGENT_TARGET_DIR` says where.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Rust target, name in the program, C compiler that ring needs, Debian package of it.
const TARGETS: &[(&str, &str, &[&str], &str)] = &[
    ("x86_64-unknown-linux-musl", "x86_64", &["musl-gcc", "x86_64-linux-musl-gcc"], "musl-tools"),
    (
        "aarch64-unknown-linux-musl",
        "aarch64",
        &["aarch64-linux-musl-gcc", "aarch64-linux-gnu-gcc"],
        "gcc-aarch64-linux-gnu",
    ),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for watched in ["crates/agent", "crates/proto", "Cargo.lock", "build.rs"] {
        println!("cargo:rerun-if-changed={watched}");
    }
    // The program holds some 300,000 addresses: linked at a fixed place they need no correction whenever it starts, which costs
    // a third of the memory of a short run (the tables are read, the pages written).
    if std::env::var("TARGET")?.ends_with("-linux-gnu") {
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    // Beside this build's own folder, or the two cargos would wait for each other's lock.
    let target_dir = std::env::var_os("IMGBUILD_AGENT_TARGET_DIR").map_or_else(|| shared(&out), PathBuf::from);
    println!("cargo:rerun-if-env-changed=IMGBUILD_AGENT_TARGET_DIR");
    println!("cargo:rerun-if-env-changed=IMGBUILD_AGENT_DIR");
    let ready = std::env::var_os("IMGBUILD_AGENT_DIR").map(PathBuf::from);
    for (target, name, compilers, package) in TARGETS {
        let file = out.join(format!("agent-{name}.gz"));
        if let Some(ready) =
            ready.as_ref().map(|dir| dir.join(format!("imgbuild-agent-{name}"))).filter(|f| f.is_file())
        {
            println!("cargo:rerun-if-changed={}", ready.display());
            std::fs::write(&file, compress(&std::fs::read(ready)?)?)?;
            continue;
        }
        let Some(compiler) = compilers.iter().find(|c| have(c)) else {
            println!(
                "cargo:warning=no {} found: this imgbuild can't provision {name} hosts (on Debian: apt-get install {package})",
                compilers.join(" or ")
            );
            std::fs::write(&file, [])?;
            continue;
        };
        let bytes = build(target, compiler, &target_dir)?;
        std::fs::write(&file, compress(&bytes)?)?;
    }
    Ok(())
}

fn compress(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gz.write_all(bytes)?;
    gz.finish()
}

fn build(target: &str, compiler: &str, target_dir: &Path) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let under = target.replace('-', "_");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // The outer build's settings (profile, wrapper's flags, jobserver) are not the agent's.
    for (key, _) in std::env::vars_os() {
        let name = key.to_string_lossy();
        if name.starts_with("CARGO_FEATURE_")
            || name.starts_with("CARGO_CFG_")
            || name == "CARGO_ENCODED_RUSTFLAGS"
            || name == "TARGET"
        {
            cargo.env_remove(&key);
        }
    }
    cargo
        .args(["build", "--quiet", "--locked", "-p", "imgbuild-agent", "--profile", "agent", "--target", target])
        .arg("--target-dir")
        .arg(target_dir)
        .env(format!("CC_{under}"), compiler)
        // Rust's own linker and start files: a C compiler for another libc has none that fit.
        .env(format!("CARGO_TARGET_{}_LINKER", under.to_uppercase()), "rust-lld")
        .env(format!("CARGO_TARGET_{}_RUSTFLAGS", under.to_uppercase()), "-Clink-self-contained=yes");
    let status = cargo.status()?;
    if !status.success() {
        return Err(format!("the agent for {target} can't be built: cargo ended with {status}").into());
    }
    Ok(std::fs::read(target_dir.join(target).join("agent/imgbuild-agent"))?)
}

/// `target/agent`, found from `target/<profile>/build/<package>/out`.
fn shared(out: &Path) -> PathBuf {
    out.ancestors().nth(4).map_or_else(|| out.join("agent"), |target| target.join("agent"))
}

fn have(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}
