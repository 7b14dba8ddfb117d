//! Kernel, machine and names of the host.

use super::{Facts, put, read};
use crate::ctx::Ctx;

/// Gathers them.
pub fn collect(_: &Ctx, out: &mut Facts) {
    let uname = rustix::system::uname();
    let text = |c: &std::ffi::CStr| c.to_string_lossy().into_owned();
    let machine = text(uname.machine());
    let nodename = text(uname.nodename());
    put(out, "system", text(uname.sysname()));
    put(out, "kernel", text(uname.release()));
    put(out, "kernel_version", text(uname.version()));
    put(out, "machine", machine.clone());
    put(out, "nodename", nodename.clone());
    let bits = userspace_bits();
    put(out, "userspace_bits", bits.to_string());
    let (architecture, userspace) = match machine.as_str() {
        "x86_64" => ("x86_64", if bits == 64 { "x86_64" } else { "i386" }),
        "i386" | "i486" | "i586" | "i686" => ("i386", if bits == 64 { "x86_64" } else { "i386" }),
        other => (other, ""),
    };
    put(out, "architecture", architecture);
    if !userspace.is_empty() {
        put(out, "userspace_architecture", userspace);
    }
    put(out, "hostname", nodename.split('.').next().unwrap_or_default());
    let fqdn = fqdn(&nodename);
    put(out, "domain", fqdn.split_once('.').map_or("", |(_, d)| d));
    put(out, "fqdn", fqdn);
    if let Some(id) = read("/var/lib/dbus/machine-id").or_else(|| read("/etc/machine-id")) {
        put(out, "machine_id", id);
    }
}

/// The bitness of the programs on the host, told by its shell's ELF class.
fn userspace_bits() -> u32 {
    use std::io::Read;
    let mut head = [0u8; 5];
    let read = std::fs::File::open("/bin/sh").and_then(|mut f| f.read_exact(&mut head));
    if read.is_ok() && head[4] == 1 { 32 } else { 64 }
}

/// The full name: from /etc/hosts as the resolver would find it, else the node's own.
fn fqdn(nodename: &str) -> String {
    let hosts = read("/etc/hosts").unwrap_or_default();
    from_hosts(&hosts, nodename).unwrap_or_else(|| nodename.to_string())
}

/// The first name with a dot on the line that holds this name, else the line's first name.
fn from_hosts(hosts: &str, name: &str) -> Option<String> {
    let lines = hosts.lines().map(|l| l.split('#').next().unwrap_or_default());
    let names = lines.map(|l| l.split_whitespace().skip(1).collect::<Vec<_>>()).find(|names| names.contains(&name))?;
    names.iter().find(|n| n.contains('.')).or(names.first()).map(|n| n.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_names() {
        let hosts = "127.0.0.1 localhost\n127.0.1.1 web.example.org web # x\n10.0.0.1 db\n";
        assert_eq!(from_hosts(hosts, "web").as_deref(), Some("web.example.org"));
        assert_eq!(from_hosts(hosts, "db").as_deref(), Some("db"));
        assert_eq!(from_hosts(hosts, "none"), None);
    }
}
