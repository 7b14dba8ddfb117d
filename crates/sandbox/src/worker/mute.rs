//! An SSH server that takes connections and says nothing: its process is halted, the kernel goes on accepting for it.

use std::time::Duration;

use tokio::time::Instant;

/// How long to wait for the server to appear in a machine that has just been started.
const APPEARS: Duration = Duration::from_secs(20);

/// Halts the SSH server below `init` as soon as it is there, and lets it go on after `time`.
pub async fn ssh_server(init: u32, time: Duration) {
    let begun = Instant::now();
    let server = loop {
        if let Some(pid) = server_below(init) {
            break pid;
        }
        if begun.elapsed() > APPEARS {
            tracing::warn!("the machine of process {init} has no SSH server that could be halted");
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    signal(server, rustix::process::Signal::STOP);
    tokio::spawn(async move {
        tokio::time::sleep(time).await;
        signal(server, rustix::process::Signal::CONT);
    });
}

fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid
        && let Err(e) = rustix::process::kill_process(pid, signal)
    {
        tracing::warn!("the SSH server could not be signalled: {e}");
    }
}

fn server_below(init: u32) -> Option<u32> {
    let children = fs_err::read_to_string(format!("/proc/{init}/task/{init}/children")).ok()?;
    for child in children.split_whitespace().filter_map(|pid| pid.parse().ok()) {
        let name = fs_err::read_to_string(format!("/proc/{child}/comm")).unwrap_or_default();
        if name.trim() == "sshd" && listens(child) {
            return Some(child);
        }
        if let Some(found) = server_below(child) {
            return Some(found);
        }
    }
    None
}

/// Whether the process has got as far as listening: its namespace has a listener on port 22.
fn listens(pid: u32) -> bool {
    let listener = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, state) = (fields.next().unwrap_or_default(), fields.nth(1).unwrap_or_default());
        local.ends_with(":0016") && state == "0A"
    };
    ["tcp", "tcp6"].iter().any(|table| {
        let text = fs_err::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        text.lines().skip(1).any(listener)
    })
}
