//! The package manager and the service manager.

use super::{Facts, put, read};
use crate::ctx::Ctx;
use crate::sys::init::{self, Manager};
use serde_json::Value;
use std::path::Path;

/// `pkg_mgr`.
pub fn package(ctx: &Ctx, out: &mut Facts) {
    let fact = |name: &str| out.get(&format!("ansible_{name}")).and_then(Value::as_str).unwrap_or_default().to_string();
    let there = |paths: &[&str]| paths.iter().any(|p| Path::new(p).exists());
    let manager = choose(&fact("os_family"), &|name| match name {
        "rpm-ostree" => there(&["/run/ostree-booted"]),
        "apt-rpm" => there(&["/usr/bin/apt-get"]) && there(&["/usr/bin/rpm"]),
        name => ctx.which(name).is_some(),
    });
    put(out, "pkg_mgr", manager);
}

/// The manager for a family; `has` says which programs are there.
fn choose(family: &str, has: &dyn Fn(&str) -> bool) -> &'static str {
    match family {
        "Debian" => return if has("apt-get") { "apt" } else { "unknown" },
        "RedHat" => {
            if has("rpm-ostree") {
                return "atomic_container";
            }
            for (program, name) in
                [("dnf5", "dnf5"), ("dnf-3", "dnf"), ("dnf", "dnf"), ("microdnf", "dnf"), ("yum", "yum")]
            {
                // dnf 5 is the default only where it is called dnf too.
                if has(program) && !(program == "dnf5" && has("dnf-3")) {
                    return name;
                }
            }
        }
        "Altlinux" if has("apt-rpm") => return "apt_rpm",
        _ => {}
    }
    let table = [
        ("apk", "apk"),
        ("pacman", "pacman"),
        ("zypper", "zypper"),
        ("emerge", "portage"),
        ("xbps-install", "xbps"),
        ("opkg", "opkg"),
        ("swupd", "swupd"),
        ("urpmi", "urpmi"),
        ("installp", "installp"),
        ("apt-get", "apt"),
        ("dnf", "dnf"),
        ("yum", "yum"),
    ];
    table.iter().find(|(program, _)| has(program)).map_or("unknown", |(_, name)| name)
}

/// `service_mgr`: by who process 1 is, by what is installed else.
pub fn service(ctx: &Ctx, out: &mut Facts) {
    let first = read("/proc/1/comm").unwrap_or_default();
    let known = match first.as_str() {
        "systemd" => Some("systemd".to_string()),
        "openrc-init" => Some("openrc".into()),
        "runit-init" | "runit" => Some("runit".into()),
        "svscan" => Some("svc".into()),
        // A shell or an interpreter there says nothing of services, nor does the name "init".
        "" | "init" | "bash" | "sh" | "dash" | "sshd" | "tini" | "dumb-init" | "docker-init" | "sleep" => None,
        name if name.ends_with("sh") || name.starts_with("python") => None,
        name => Some(name.to_string()),
    };
    let manager = known.unwrap_or_else(|| {
        match init::manager(ctx) {
            Manager::Systemd | Manager::SystemdOffline => "systemd",
            Manager::Upstart => "upstart",
            Manager::OpenRc => "openrc",
            Manager::SysV => "sysvinit",
            Manager::Unknown => "service",
        }
        .into()
    });
    put(out, "service_mgr", manager);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn managers() {
        for (family, programs, want) in [
            ("Debian", &["apt-get", "rpm"] as &[&str], "apt"),
            ("RedHat", &["dnf", "dnf-3", "yum"], "dnf"),
            ("RedHat", &["dnf", "dnf5"], "dnf5"),
            ("RedHat", &["yum"], "yum"),
            ("Alpine", &["apk"], "apk"),
            ("Suse", &["zypper"], "zypper"),
            ("Archlinux", &["pacman"], "pacman"),
            ("Other", &[], "unknown"),
        ] {
            assert_eq!(choose(family, &|p| programs.contains(&p)), want, "{family}");
        }
    }
}
