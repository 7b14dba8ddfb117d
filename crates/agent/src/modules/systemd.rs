//! `systemd_service` (`systemd`): units started, stopped, enabled, masked. Where systemd is installed but does not run, links are
//! made as always, and a unit that also has a script in /etc/init.d is started with that.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::init::{self, Legacy, Manager};
use crate::sys::run::Ran;
use serde_json::{Map, Value, json};

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    ctx.need("systemctl")?;
    let unit = args.str("name");
    if let Some(unit) = unit.as_ref().filter(|u| u.contains(['*', '?', '['])) {
        crate::fail!("This module does not currently support using glob patterns, found in service name: {unit}");
    }
    let told_offline = ctx.env("SYSTEMD_OFFLINE").is_some_and(|v| v == "1");
    let offline = told_offline || !init::systemd_runs();
    let unit_ref = unit.as_deref().unwrap_or_default();
    let job = Job { ctx, unit: unit_ref, offline, scope: args.str("scope").unwrap_or_else(|| "system".into()) };
    for (option, verb) in [("daemon_reload", "daemon-reload"), ("daemon_reexec", "daemon-reexec")] {
        if args.bool(option) && !ctx.check {
            let ran = job.systemctl(&[verb])?;
            if !ran.ok() && !offline {
                return Err(ran.fail(format!("failure {} during {verb}: {}", ran.rc, ran.stderr)));
            }
        }
    }
    let mut out = crate::out! {"name": unit, "changed": false, "status": {}};
    if unit.is_none() {
        for option in ["state", "enabled", "masked"] {
            if args.given(option).is_some() {
                crate::fail!("missing parameter(s) required by '{option}': name");
            }
        }
        return Ok(out);
    }
    let (status, is_unit) = job.status()?;
    let script = init::script(unit_ref);
    let found = is_unit || script.is_some();
    if script.is_some() && !is_unit && !offline {
        ctx.warn(format!("The service ({unit_ref}) is actually an init script but the system is managed by systemd"));
    }
    if status.get("LoadState") != Some(&json!("masked"))
        && let Some(why) = status.get("LoadError").and_then(Value::as_str)
        && is_unit
    {
        crate::fail!("Error loading unit file '{unit_ref}': {why}");
    }
    let missing = || Fail::new(format!("Could not find the requested service {unit_ref}: host"));
    let mut changed = false;
    if let Some(masked) = args.opt_bool("masked") {
        let now = job.systemctl(&["is-enabled", unit_ref])?.stdout.trim() == "masked";
        if now != masked {
            changed = true;
            let verb = if masked { "mask" } else { "unmask" };
            if !ctx.check {
                let ran = job.systemctl(&[verb, unit_ref])?;
                if !ran.ok() {
                    return Err(if found {
                        ran.fail(format!("Failed to {verb} the service ({unit_ref}): {}", ran.stderr.trim()))
                    } else {
                        missing()
                    });
                }
            }
        }
    }
    if let Some(enabled) = args.opt_bool("enabled") {
        if !found {
            return Err(missing());
        }
        changed |= job.enable(enabled, script.is_some(), &mut out)?;
    }
    if let Some(state) = args.str("state") {
        if !found {
            return Err(missing());
        }
        out.insert(
            "state".into(),
            if matches!(state.as_str(), "restarted" | "reloaded") { "started".into() } else { json!(state) },
        );
        changed |= if told_offline {
            ctx.warn("systemd is offline by SYSTEMD_OFFLINE: the state of the service is left as it is");
            false
        } else if offline {
            job.settle_offline(&state)?
        } else {
            job.settle(&state, &status)?
        };
    }
    out.insert("status".into(), Value::Object(status));
    out.insert("changed".into(), changed.into());
    Ok(out)
}

struct Job<'a> {
    ctx: &'a Ctx,
    unit: &'a str,
    offline: bool,
    scope: String,
}

impl Job<'_> {
    fn systemctl(&self, words: &[&str]) -> Result<Ran, Fail> {
        let mut cmd = self.ctx.cmd("systemctl").english();
        if self.ctx.env("XDG_RUNTIME_DIR").is_none() {
            cmd = cmd.env("XDG_RUNTIME_DIR", format!("/run/user/{}", rustix::process::geteuid().as_raw()));
        }
        if self.scope != "system" {
            cmd = cmd.arg(format!("--{}", self.scope));
        }
        for (option, flag) in [("no_block", "--no-block"), ("force", "--force")] {
            if self.ctx.args.bool(option) {
                cmd = cmd.arg(flag);
            }
        }
        cmd.args(words).run()
    }

    /// The unit's properties, and whether systemd knows the unit.
    fn status(&self) -> Result<(Map<String, Value>, bool), Fail> {
        if !self.offline {
            let ran = self.systemctl(&["show", self.unit])?;
            let ignored = ran.stdout.contains("ignoring request") || ran.stdout.contains("ignoring command");
            if ran.ok() && !ignored {
                let status = parse_show(&ran.stdout);
                let known = status.get("LoadState").and_then(Value::as_str).is_some_and(|s| s != "not-found");
                return Ok((status, known));
            }
        }
        const STATES: &[&str] = &[
            "enabled",
            "enabled-runtime",
            "linked",
            "linked-runtime",
            "masked",
            "masked-runtime",
            "static",
            "indirect",
            "disabled",
            "generated",
            "transient",
            "alias",
        ];
        let ran = self.systemctl(&["is-enabled", self.unit])?;
        Ok((Map::new(), STATES.contains(&ran.stdout.trim())))
    }

    fn enable(&self, wanted: bool, has_script: bool, out: &mut Outcome) -> Result<bool, Fail> {
        let ran = self.systemctl(&["is-enabled", self.unit, "-l"])?;
        let state = ran.stdout.trim();
        let enabled = if ran.ok() {
            // "indirect" and "alias": let systemd see to what it means. "enabled-runtime" is gone after a boot.
            // More lines name the links that there are.
            !matches!(state, "enabled-runtime" | "indirect" | "alias")
        } else {
            self.scope == "system" && has_script && !state.ends_with("disabled") && init::script_enabled(self.unit)
        };
        out.insert("enabled".into(), enabled.into());
        if enabled == wanted {
            return Ok(false);
        }
        let verb = if wanted { "enable" } else { "disable" };
        if !self.ctx.check {
            let ran = self.systemctl(&[verb, self.unit])?;
            if !ran.ok() {
                return Err(ran.fail(format!("Unable to {verb} service {}: {}{}", self.unit, ran.stdout, ran.stderr)));
            }
        }
        out.insert("enabled".into(), wanted.into());
        Ok(true)
    }

    fn settle(&self, state: &str, status: &Map<String, Value>) -> Result<bool, Fail> {
        let Some(active) = status.get("ActiveState").and_then(Value::as_str) else {
            return Err(Fail::new("Service is in unknown state").with("status", Value::Object(status.clone())));
        };
        let Some(action) = plan_action(state, active) else { return Ok(false) };
        if !self.ctx.check {
            let ran = self.systemctl(&[action, self.unit])?;
            if !ran.ok() {
                return Err(ran.fail(format!("Unable to {action} service {}: {}", self.unit, ran.stderr)));
            }
        }
        Ok(true)
    }

    fn settle_offline(&self, state: &str) -> Result<bool, Fail> {
        let name = self.unit.strip_suffix(".service").unwrap_or(self.unit);
        if init::script(name).is_none() {
            if state == "stopped" {
                return Ok(false);
            }
            crate::fail!(
                "the service {name} can't be {state}: systemd is not running on this host, and there is no /etc/init.d/{name}"
            );
        }
        Legacy::find(self.ctx, Manager::SysV, name, Vec::new())?.settle(state, None, 1.0)
    }
}

/// The verb that leads from a unit's state to the wanted one.
fn plan_action(wanted: &str, active: &str) -> Option<&'static str> {
    let running = matches!(active, "active" | "activating" | "reloading");
    match wanted {
        "started" => (!running).then_some("start"),
        "stopped" => (running || active == "deactivating").then_some("stop"),
        "restarted" if running => Some("restart"),
        "reloaded" if running => Some("reload"),
        _ => Some("start"),
    }
}

/// `systemctl show`: `Key=value`; values of Exec* keys in braces may run over lines.
fn parse_show(text: &str) -> Map<String, Value> {
    let mut out = Map::new();
    let mut open: Option<(String, String)> = None;
    for line in text.lines() {
        if let Some((key, mut value)) = open.take() {
            value.push('\n');
            value.push_str(line);
            if line.trim_end().ends_with('}') {
                out.insert(key, value.into());
            } else {
                open = Some((key, value));
            }
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        if key.starts_with("Exec") && value.trim_start().starts_with('{') && !value.trim_end().ends_with('}') {
            open = Some((key.to_string(), value.to_string()));
        } else {
            out.insert(key.to_string(), value.into());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions() {
        for (wanted, active, want) in [
            ("started", "active", None),
            ("started", "inactive", Some("start")),
            ("started", "failed", Some("start")),
            ("started", "activating", None),
            ("stopped", "active", Some("stop")),
            ("stopped", "deactivating", Some("stop")),
            ("stopped", "inactive", None),
            ("restarted", "active", Some("restart")),
            ("restarted", "inactive", Some("start")),
            ("reloaded", "active", Some("reload")),
            ("reloaded", "failed", Some("start")),
        ] {
            assert_eq!(plan_action(wanted, active), want, "{wanted} {active}");
        }
    }

    #[test]
    fn properties() {
        let out = parse_show("LoadState=loaded\nExecStart={ path=/bin/a ; argv[]=/bin/a\n more }\nDescription=a=b\n");
        assert_eq!(out["ExecStart"], "{ path=/bin/a ; argv[]=/bin/a\n more }");
        assert_eq!((&out["Description"], out.len()), (&json!("a=b"), 3));
    }
}
