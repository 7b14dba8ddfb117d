//! What tests share, for development only: real servers on this machine, in temporary directories.

pub mod agent;
pub mod aws_stub;
pub mod comm;
pub mod ec2;
pub mod machine;
pub mod sshd;

/// Writes a program that a test then runs. Through a child: a file that this process writes stays open in whatever another test forks
/// meanwhile, and the kernel refuses to run it for that long ("text file busy").
///
/// # Panics
/// When `install` of coreutils can't write it.
pub fn executable(path: &std::path::Path, text: &str) {
    use std::io::Write as _;
    let mut install = std::process::Command::new("install");
    install.args(["-m", "755", "/dev/stdin"]).arg(path).stdin(std::process::Stdio::piped());
    let mut child = install.spawn().expect("install starts");
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("install reads");
    assert!(child.wait().expect("install ends").success(), "{} is not written", path.display());
}
