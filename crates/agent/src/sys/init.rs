//! The init systems: which one is there, and the backends that are not systemd (upstart, OpenRC, SysV scripts).

use crate::ctx::Ctx;
use crate::outcome::Fail;
use crate::sys::run::Ran;
use std::path::{Path, PathBuf};

/// Who starts services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// systemd runs.
    Systemd,
    /// systemd is installed as init, but doesn't run (a container, a chroot).
    SystemdOffline,
    /// upstart runs or is installed as init.
    Upstart,
    /// OpenRC.
    OpenRc,
    /// Scripts in /etc/init.d.
    SysV,
    /// None is known.
    Unknown,
}

/// Finds out.
pub fn manager(ctx: &Ctx) -> Manager {
    let systemctl = ctx.which("systemctl").is_some();
    if systemctl && systemd_runs() {
        return Manager::Systemd;
    }
    if ctx.which("openrc").is_some() && Path::new("/etc/init.d").is_dir() || Path::new("/run/openrc").is_dir() {
        return Manager::OpenRc;
    }
    if Path::new("/etc/init").is_dir() && ctx.which("initctl").is_some() && !(systemctl && init_is_systemd()) {
        return Manager::Upstart;
    }
    if systemctl
        && (init_is_systemd()
            || ["/lib/systemd/systemd", "/usr/lib/systemd/systemd"].iter().any(|p| Path::new(p).exists()))
    {
        return Manager::SystemdOffline;
    }
    if Path::new("/etc/init.d").is_dir() { Manager::SysV } else { Manager::Unknown }
}

/// Whether systemd is this host's running init (`sd_booted` and its forerunners).
pub fn systemd_runs() -> bool {
    ["/run/systemd/system", "/dev/.run/systemd", "/dev/.systemd"].iter().any(|p| Path::new(p).exists())
}

/// Whether /sbin/init is systemd.
pub fn init_is_systemd() -> bool {
    std::fs::read_link("/sbin/init").is_ok_and(|t| t.ends_with("systemd"))
}

/// A service's script.
pub fn script(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from("/etc/init.d").join(name.strip_suffix(".service").unwrap_or(name));
    path.is_file().then_some(path)
}

/// Whether a script is linked into the runlevels.
pub fn script_enabled(name: &str) -> bool {
    let name = name.strip_suffix(".service").unwrap_or(name);
    ["/etc/rc2.d", "/etc/rc3.d", "/etc/rc5.d", "/etc/rc.d/rc3.d", "/etc/rc.d/rc5.d", "/etc/init.d/rc3.d"].iter().any(
        |dir| {
            std::fs::read_dir(dir)
                .is_ok_and(|entries| entries.flatten().any(|e| is_start_link(&e.file_name().to_string_lossy(), name)))
        },
    )
}

fn is_start_link(link: &str, name: &str) -> bool {
    link.strip_prefix('S').and_then(|l| l.get(2..)).is_some_and(|l| l == name)
        && link.get(1..3).is_some_and(|d| d.bytes().all(|b| b.is_ascii_digit()))
}

/// A service under one of the older systems.
pub struct Legacy<'a> {
    ctx: &'a Ctx,
    manager: Manager,
    name: &'a str,
    arguments: Vec<String>,
}

impl<'a> Legacy<'a> {
    /// The service of this name; a failure if there is none.
    pub fn find(ctx: &'a Ctx, manager: Manager, name: &'a str, arguments: Vec<String>) -> Result<Self, Fail> {
        let there = match manager {
            Manager::Upstart => Path::new("/etc/init").join(format!("{name}.conf")).exists() || script(name).is_some(),
            _ => script(name).is_some(),
        };
        if !there {
            crate::fail!("Could not find the requested service {name}: host");
        }
        Ok(Legacy { ctx, manager, name, arguments })
    }

    fn upstart(&self) -> bool {
        self.manager == Manager::Upstart && Path::new("/etc/init").join(format!("{}.conf", self.name)).exists()
    }

    /// Does `start`, `stop`, `restart`, `reload` or `status`.
    pub fn action(&self, action: &str) -> Result<Ran, Fail> {
        if self.upstart() {
            return self.ctx.cmd("initctl").args([action, self.name]).args(&self.arguments).english().run();
        }
        if self.manager == Manager::OpenRc && self.ctx.which("rc-service").is_some() {
            return self.ctx.cmd("rc-service").args([self.name, action]).args(&self.arguments).english().run();
        }
        let script = script(self.name)
            .ok_or_else(|| Fail::new(format!("Could not find the requested service {}", self.name)))?;
        // Started from here, a service must not inherit the caller's session: Debian's `service` clears the environment too.
        let cmd = self.ctx.cmd(script).arg(action).args(&self.arguments).english().cwd("/");
        cmd.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").run()
    }

    /// Whether it runs; `None`: can't be said.
    pub fn running(&self, pattern: Option<&str>) -> Result<Option<bool>, Fail> {
        if let Some(pattern) = pattern {
            return Ok(Some(process_with(pattern)));
        }
        let ran = self.action("status")?;
        Ok(if self.upstart() { parse_upstart(&ran.stdout) } else { parse_status(&ran, self.name) })
    }

    /// Starts or stops it as the state wants; whether anything changed.
    pub fn settle(&self, state: &str, pattern: Option<&str>, pause: f64) -> Result<bool, Fail> {
        let running = self.running(pattern)?.unwrap_or(false);
        let action = match state {
            "started" | "running" if running => return Ok(false),
            "stopped" if !running => return Ok(false),
            "stopped" => "stop",
            "restarted" if running => "restart",
            "reloaded" if running => "reload",
            _ => "start",
        };
        if self.ctx.check {
            return Ok(true);
        }
        let ran = match action {
            // Some scripts have no restart that stops for sure, and upstart's keeps the old job definition.
            "restart" => {
                self.action("stop")?;
                self.ctx.sleep(pause.max(if self.upstart() { 0.0 } else { 1.0 }));
                self.action("start")?
            }
            other => self.action(other)?,
        };
        let already =
            self.upstart() && (ran.stderr.contains("already running") || ran.stderr.contains("Unknown instance"));
        if ran.rc != 0 && !already {
            return Err(ran.fail(format!("Unable to {action} service {}: {}", self.name, ran.complaint())));
        }
        Ok(true)
    }

    /// Whether it starts at boot.
    pub fn enabled(&self, runlevel: &str) -> Result<bool, Fail> {
        Ok(match self.manager {
            _ if self.upstart() => !upstart_manual(self.name),
            Manager::OpenRc => {
                let ran = self.ctx.cmd("rc-update").args(["show", runlevel]).english().run()?;
                ran.stdout.lines().any(|l| l.split('|').next().is_some_and(|n| n.trim() == self.name))
            }
            _ => script_enabled(self.name),
        })
    }

    /// Makes it start at boot, or not; whether anything changed.
    pub fn enable(&self, on: bool, runlevel: &str) -> Result<bool, Fail> {
        if self.enabled(runlevel)? == on {
            return Ok(false);
        }
        if self.ctx.check {
            return Ok(true);
        }
        if self.upstart() {
            return set_upstart_manual(self.name, !on).map(|()| true);
        }
        let name = self.name;
        let commands: Vec<Vec<&str>> = if self.manager == Manager::OpenRc {
            vec![vec!["rc-update", if on { "add" } else { "delete" }, name, runlevel]]
        } else if self.ctx.which("update-rc.d").is_some() {
            // A script that was never linked needs its defaults first.
            if on {
                vec![vec!["update-rc.d", name, "defaults"], vec!["update-rc.d", name, "enable"]]
            } else {
                vec![vec!["update-rc.d", name, "disable"]]
            }
        } else if self.ctx.which("chkconfig").is_some() {
            vec![vec!["chkconfig", "--add", name], vec!["chkconfig", name, if on { "on" } else { "off" }]]
        } else if self.ctx.which("insserv").is_some() {
            vec![if on { vec!["insserv", name] } else { vec!["insserv", "-r", name] }]
        } else {
            crate::fail!(
                "service {name} can't be enabled or disabled: none of update-rc.d, chkconfig, insserv and rc-update is installed"
            );
        };
        for command in commands {
            let ran = self.ctx.run(&command)?;
            if !ran.ok() {
                return Err(ran.fail(format!(
                    "Unable to {} service {name}: {}",
                    if on { "enable" } else { "disable" },
                    ran.complaint()
                )));
            }
        }
        Ok(true)
    }
}

/// `name start/running, process 12` or `name stop/waiting`.
fn parse_upstart(text: &str) -> Option<bool> {
    if text.contains("start/") {
        Some(true)
    } else if text.contains("stop/") {
        Some(false)
    } else {
        None
    }
}

/// What a script's `status` says, by its words first, by the LSB's exit codes else.
fn parse_status(ran: &Ran, name: &str) -> Option<bool> {
    let text = ran.stdout.to_lowercase().replace(&name.to_lowercase(), "");
    let no = [
        "not running",
        "is stopped",
        "stopped",
        "not started",
        "is dead",
        "inactive",
        "stop/waiting",
        "unused",
        "failed",
        "crashed",
    ];
    let yes = ["is running", "running", "started", "start/running", "active"];
    if ran.rc == 0 && yes.iter().any(|w| text.contains(w)) && !no.iter().any(|w| text.contains(w)) {
        return Some(true);
    }
    if no.iter().any(|w| text.contains(w)) {
        return Some(false);
    }
    match ran.rc {
        0 => Some(true),
        1..=4 | 69 => Some(false),
        _ => None,
    }
}

fn process_with(pattern: &str) -> bool {
    let own = std::process::id().to_string();
    std::fs::read_dir("/proc").is_ok_and(|entries| {
        entries.flatten().any(|e| {
            let name = e.file_name().to_string_lossy().into_owned();
            name.bytes().all(|b| b.is_ascii_digit())
                && name != own
                && std::fs::read(e.path().join("cmdline"))
                    .is_ok_and(|c| String::from_utf8_lossy(&c).replace('\0', " ").contains(pattern))
        })
    })
}

fn override_file(name: &str) -> PathBuf {
    Path::new("/etc/init").join(format!("{name}.override"))
}

fn upstart_manual(name: &str) -> bool {
    let manual = |text: String| text.lines().any(|l| l.trim() == "manual");
    let read = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    let conf = read(Path::new("/etc/init").join(format!("{name}.conf")));
    manual(read(override_file(name)))
        || manual(conf.clone())
        || !conf.lines().any(|l| l.trim_start().starts_with("start on"))
}

fn set_upstart_manual(name: &str, manual: bool) -> Result<(), Fail> {
    let path = override_file(name);
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let mut lines: Vec<&str> = text.lines().filter(|l| l.trim() != "manual").collect();
    if manual {
        lines.push("manual");
    }
    let done =
        if lines.is_empty() { std::fs::remove_file(&path) } else { std::fs::write(&path, lines.join("\n") + "\n") };
    done.map_err(|e| Fail::new(format!("Could not modify override file {}: {e}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses() {
        let ran = |rc, out: &str| Ran { rc, stdout: out.into(), stderr: String::new() };
        for (rc, out, want) in [
            (0, " * cron is running\n", Some(true)),
            (3, " * cron is not running\n", Some(false)),
            (0, "ssh stop/waiting\n", Some(false)),
            (0, "cron (pid  123) is running...\n", Some(true)),
            (3, "cron is stopped\n", Some(false)),
            (0, "", Some(true)),
            (3, "", Some(false)),
            (150, "", None),
            (0, "running-helper: ok", Some(true)),
        ] {
            assert_eq!(parse_status(&ran(rc, out), "running-helper"), want, "{rc} {out}");
        }
        assert_eq!(parse_upstart("docker start/running, process 1\n"), Some(true));
        assert_eq!(parse_upstart("docker stop/waiting\n"), Some(false));
        assert!(
            is_start_link("S01cron", "cron") && !is_start_link("K01cron", "cron") && !is_start_link("S01crond", "cron")
        );
    }
}
