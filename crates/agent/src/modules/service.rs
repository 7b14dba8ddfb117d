//! `service`: the init system that is there does it. `sysvinit`: scripts in /etc/init.d do it.

use crate::ctx::Ctx;
use crate::modules::systemd;
use crate::outcome::{Fail, Outcome};
use crate::sys::init::{self, Legacy, Manager};
use crate::sys::shlex;
use serde_json::json;

/// Options of `systemd_service` that `service` hands on to it.
const SYSTEMD_ONLY: &[&str] = &["force", "masked", "daemon_reload", "daemon_reexec", "scope", "no_block"];

/// `service`.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let name = args.req("name")?;
    let manager = match args.str("use").as_deref() {
        None | Some("auto" | "service") => init::manager(ctx),
        Some("systemd" | "systemd_service" | "ansible.builtin.systemd" | "ansible.builtin.systemd_service") => {
            Manager::Systemd
        }
        Some("sysvinit" | "ansible.builtin.sysvinit") => Manager::SysV,
        Some("upstart") => Manager::Upstart,
        Some("openrc") => Manager::OpenRc,
        Some(other) => {
            crate::fail!("use: {other} is not supported; one of auto, systemd, sysvinit, upstart, openrc is")
        }
    };
    let foreign: Vec<&str> = SYSTEMD_ONLY.iter().copied().filter(|option| args.given(option).is_some()).collect();
    if foreign.is_empty() && args.given("state").is_none() && args.given("enabled").is_none() {
        crate::fail!("one of the following is required: state, enabled");
    }
    if matches!(manager, Manager::Systemd | Manager::SystemdOffline) {
        for option in ["pattern", "sleep", "runlevel", "arguments"] {
            if args.map().get(option).is_some_and(|v| !v.is_null()) {
                ctx.warn(format!("Ignoring \"{option}\" as it is not used in \"systemd\""));
            }
        }
        let mut inner = crate::out! {"name": name};
        for option in ["state", "enabled"].iter().chain(&foreign) {
            if let Some(value) = args.given(option) {
                inner.insert((*option).into(), value.clone());
            }
        }
        let sub = ctx.sub("systemd_service", inner);
        return systemd::run(&sub);
    }
    if !foreign.is_empty() {
        crate::fail!(
            "Unsupported parameters for (ansible.legacy.service) module: {}. Only systemd knows them",
            foreign.join(", ")
        );
    }
    if manager == Manager::Unknown {
        crate::fail!("no init system is found on this host that could start {name}");
    }
    let words = shlex::split(&args.text("arguments")).unwrap_or_default();
    let legacy = Legacy::find(ctx, manager, &name, words)?;
    let mut out = crate::out! {"name": name, "changed": false};
    let mut changed = false;
    if let Some(enabled) = args.opt_bool("enabled") {
        changed |= legacy.enable(enabled, &args.str("runlevel").unwrap_or_else(|| "default".into()))?;
        out.insert("enabled".into(), enabled.into());
    }
    if let Some(state) = args.str("state") {
        changed |= legacy.settle(&state, args.str("pattern").as_deref(), args.float("sleep").unwrap_or(0.0))?;
        out.insert("state".into(), if state == "stopped" { "stopped".into() } else { "started".into() });
    }
    out.insert("changed".into(), changed.into());
    Ok(out)
}

/// `sysvinit`.
pub fn sysvinit(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let name = args.req("name")?;
    let words = shlex::split(&args.text("arguments")).unwrap_or_default();
    let legacy = Legacy::find(ctx, Manager::SysV, &name, words)?;
    if args.bool("daemonize") {
        ctx.warn("daemonize is not needed: a command's background processes never hold this task");
    }
    let mut status = serde_json::Map::new();
    let mut changed = false;
    if let Some(enabled) = args.opt_bool("enabled") {
        let levels = args.strs("runlevels");
        let did = if levels.is_empty() {
            legacy.enable(enabled, "default")?
        } else {
            enable_levels(ctx, &name, enabled, &levels)?
        };
        status.insert("enabled".into(), json!({"changed": did, "rc": null, "stdout": null, "stderr": null}));
        changed |= did;
    }
    if let Some(state) = args.str("state") {
        let did = legacy.settle(&state, args.str("pattern").as_deref(), args.float("sleep").unwrap_or(1.0))?;
        status.insert(state, json!({"changed": did, "rc": 0, "stdout": "", "stderr": ""}));
        changed |= did;
    }
    Ok(crate::out! {"name": name, "changed": changed, "status": status})
}

fn enable_levels(ctx: &Ctx, name: &str, on: bool, levels: &[String]) -> Result<bool, Fail> {
    let linked = |level: &str| {
        let dirs = [format!("/etc/rc{level}.d"), format!("/etc/rc.d/rc{level}.d")];
        dirs.iter().any(|d| {
            std::fs::read_dir(d).is_ok_and(|e| {
                e.flatten().any(|e| {
                    let link = e.file_name().to_string_lossy().into_owned();
                    link.starts_with('S') && link.get(3..) == Some(name)
                })
            })
        })
    };
    if levels.iter().all(|level| linked(level) == on) {
        return Ok(false);
    }
    if ctx.check {
        return Ok(true);
    }
    let verb = if on { "enable" } else { "disable" };
    let ran = if ctx.which("update-rc.d").is_some() {
        ctx.cmd("update-rc.d").args([name, verb]).args(levels).english().run()?
    } else {
        ctx.cmd("chkconfig").args(["--level", &levels.concat(), name, if on { "on" } else { "off" }]).english().run()?
    };
    if ran.ok() { Ok(true) } else { Err(ran.fail(format!("Unable to {verb} service {name}: {}", ran.complaint()))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_services_fail_by_name() {
        let mut ctx = Ctx::test("service", json!({"name": "no-such-service-here", "state": "started"}));
        ctx.check = true;
        let fail = run(&ctx).unwrap_err();
        assert!(fail.msg.contains("no-such-service-here"), "{}", fail.msg);
        assert!(run(&Ctx::test("service", json!({"name": "x"}))).is_err());
        assert!(run(&Ctx::test("service", json!({"name": "x", "state": "started", "use": "launchd"}))).is_err());
        assert!(sysvinit(&Ctx::test("sysvinit", json!({"name": "no-such-service-here", "enabled": true}))).is_err());
    }
}
