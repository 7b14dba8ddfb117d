//! `hostname`: the host's name, now and after a boot.

use crate::ctx::Ctx;
use crate::facts::{Facts, platform};
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::{files, init};
use serde_json::json;
use std::path::Path;

/// How a distribution keeps the name.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Strategy {
    Hostnamectl,
    /// /etc/hostname and the kernel.
    File,
    /// `HOSTNAME=` in /etc/sysconfig/network.
    RedHat,
    /// `hostname="..."` in /etc/conf.d/hostname.
    OpenRc,
    /// /etc/HOSTNAME.
    Sles,
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let name = ctx.args.req("name")?;
    if name.is_empty() || name.len() > 253 || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)) {
        crate::fail!("{name} is no valid host name");
    }
    let strategy = match ctx.args.str("use").as_deref() {
        None if init::systemd_runs() && ctx.which("hostnamectl").is_some() => Strategy::Hostnamectl,
        None if Path::new("/etc/conf.d/hostname").exists() => Strategy::OpenRc,
        None if !Path::new("/etc/hostname").exists() && Path::new("/etc/sysconfig/network").exists() => {
            Strategy::RedHat
        }
        None => Strategy::File,
        Some("systemd") => Strategy::Hostnamectl,
        Some("debian" | "alpine" | "generic") => Strategy::File,
        Some("redhat") => Strategy::RedHat,
        Some("openrc") => Strategy::OpenRc,
        Some("sles") => Strategy::Sles,
        Some(other) => crate::fail!("use: {other} is not for Linux"),
    };
    let now = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let kept = permanent(strategy)?;
    let changed = now != name || kept.as_deref() != Some(name.as_str());
    if changed && !ctx.check {
        if strategy == Strategy::Hostnamectl {
            for kind in ["--static", "--transient"] {
                let ran = ctx.run(&["hostnamectl", kind, "set-hostname", &name])?;
                if !ran.ok() {
                    return Err(
                        ran.fail(format!("Command failed rc={}, out={}, err={}", ran.rc, ran.stdout, ran.stderr))
                    );
                }
            }
        } else {
            if kept.as_deref() != Some(name.as_str()) {
                keep(ctx, strategy, &name)?;
            }
            if now != name {
                rustix::system::sethostname(name.as_bytes()).or_fail("the running system's name can't be set")?;
            }
        }
    }
    let mut facts = Facts::new();
    platform::collect(ctx, &mut facts);
    let mut told = serde_json::Map::new();
    for key in ["ansible_hostname", "ansible_nodename", "ansible_fqdn", "ansible_domain"] {
        told.insert(key.into(), facts.get(key).cloned().unwrap_or_default());
    }
    told.insert("ansible_hostname".into(), name.split('.').next().unwrap_or_default().into());
    told.insert("ansible_nodename".into(), name.as_str().into());
    let mut out = crate::out! {"changed": changed, "name": name, "ansible_facts": told};
    if ctx.diff && changed {
        let before = kept.unwrap_or(now);
        out.insert(
            "diff".into(),
            json!({"before": format!("hostname = {before}\n"), "after": format!("hostname = {name}\n")}),
        );
    }
    Ok(out)
}

fn path(strategy: Strategy) -> &'static Path {
    Path::new(match strategy {
        Strategy::RedHat => "/etc/sysconfig/network",
        Strategy::OpenRc => "/etc/conf.d/hostname",
        Strategy::Sles => "/etc/HOSTNAME",
        _ => "/etc/hostname",
    })
}

fn permanent(strategy: Strategy) -> Result<Option<String>, Fail> {
    Ok(files::read_text(path(strategy))?.and_then(|text| read(strategy, &text)))
}

fn read(strategy: Strategy, text: &str) -> Option<String> {
    let key = match strategy {
        Strategy::RedHat => "HOSTNAME=",
        Strategy::OpenRc => "hostname=",
        _ => {
            let line = text.lines().map(str::trim).find(|l| !l.is_empty() && !l.starts_with('#'))?;
            return Some(line.to_string());
        }
    };
    text.lines().find_map(|l| l.trim().strip_prefix(key)).map(|v| v.trim_matches(['"', '\'']).to_string())
}

/// The file's text with the name in it. Pure.
fn plan(strategy: Strategy, text: &str, name: &str) -> String {
    let (key, line) = match strategy {
        Strategy::RedHat => ("HOSTNAME=", format!("HOSTNAME={name}\n")),
        Strategy::OpenRc => ("hostname=", format!("hostname=\"{name}\"\n")),
        _ => return format!("{name}\n"),
    };
    let mut found = false;
    let mut out: String = text
        .lines()
        .map(|l| {
            if l.trim().starts_with(key) {
                found = true;
                line.clone()
            } else {
                format!("{l}\n")
            }
        })
        .collect();
    if !found {
        out.push_str(&line);
    }
    out
}

fn keep(ctx: &Ctx, strategy: Strategy, name: &str) -> Result<(), Fail> {
    let path = path(strategy);
    let text = plan(strategy, &files::read_text(path)?.unwrap_or_default(), name);
    // In a container the file is often a mount of its own.
    files::write(ctx, path, text.as_bytes(), true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_names() {
        assert_eq!(plan(Strategy::RedHat, "NETWORKING=yes\nHOSTNAME=a\n", "b"), "NETWORKING=yes\nHOSTNAME=b\n");
        assert_eq!(plan(Strategy::OpenRc, "", "b"), "hostname=\"b\"\n");
        assert_eq!(plan(Strategy::File, "a\n", "b"), "b\n");
        assert_eq!(read(Strategy::OpenRc, "# x\nhostname=\"web\"\n").as_deref(), Some("web"));
        assert_eq!(read(Strategy::File, "# c\nweb\n").as_deref(), Some("web"));
        let mut ctx = Ctx::test("hostname", json!({"name": "another-name"}));
        ctx.check = true;
        assert_eq!(run(&ctx).unwrap()["changed"], true);
        assert!(run(&Ctx::test("hostname", json!({"name": "a b"}))).is_err());
    }
}
