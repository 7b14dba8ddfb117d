//! `firewalld`: zones and what they let through, by firewalld's programs.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};

/// A thing that a zone has or hasn't: the words after `--query-`, `--add-` and `--remove-`.
struct Thing {
    /// `service`, `port`, …
    kind: &'static str,
    /// `http`; none for switches.
    value: Option<String>,
    /// Whether it is to be there.
    wanted: bool,
    /// What to say when it changed.
    said: String,
}

impl Thing {
    fn option(&self, verb: &str) -> String {
        match &self.value {
            Some(value) => format!("--{verb}-{}={value}", self.kind),
            None => format!("--{verb}-{}", self.kind),
        }
    }
}

/// One side of the firewall: the running one, or the one on the disk.
struct Side<'a> {
    ctx: &'a Ctx,
    program: &'static str,
    permanent: bool,
    zone: Option<String>,
    timeout: i64,
}

impl Side<'_> {
    fn words(&self, zone: bool) -> Vec<String> {
        let mut words = vec![self.program.to_string()];
        if self.permanent && self.program == "firewall-cmd" {
            words.push("--permanent".into());
        }
        if zone && let Some(zone) = &self.zone {
            words.push(format!("--zone={zone}"));
        }
        words
    }

    fn query(&self, option: &str) -> Result<bool, Fail> {
        let mut words = self.words(true);
        words.push(option.into());
        let ran = self.ctx.run(&words)?;
        match ran.rc {
            0 => Ok(true),
            1 => Ok(false),
            _ => Err(ran.fail(format!("ERROR: Exception caught: {}", ran.complaint()))),
        }
    }

    fn change(&self, options: &[String]) -> Result<(), Fail> {
        let mut words = self.words(true);
        words.extend_from_slice(options);
        self.ctx.must(&words).map(|_| ())
    }

    /// Makes it so; whether it was otherwise.
    fn set(&self, thing: &Thing) -> Result<bool, Fail> {
        if self.query(&thing.option("query"))? == thing.wanted {
            return Ok(false);
        }
        if !self.ctx.check {
            let verb = match (thing.kind, thing.wanted) {
                // It may be in another zone.
                ("interface" | "source", true) => "change",
                (_, true) => "add",
                (_, false) => "remove",
            };
            let mut options = vec![thing.option(verb)];
            if !self.permanent && thing.wanted && self.timeout > 0 && !matches!(thing.kind, "interface" | "source") {
                options.push(format!("--timeout={}", self.timeout));
            }
            self.change(&options)?;
        }
        Ok(true)
    }
}

/// The thing that the arguments name, if they name one.
fn thing(ctx: &Ctx, zone: &str, state: &str) -> Result<Option<Thing>, Fail> {
    let args = &ctx.args;
    let on = state == "enabled";
    let told = |what: &str, value: &str| format!("Changed {what} {value} to {state}");
    let make = |kind, value: Option<String>, wanted, said| Ok(Some(Thing { kind, value, wanted, said }));
    for (name, kind) in
        [("icmp_block", "icmp-block"), ("service", "service"), ("protocol", "protocol"), ("rich_rule", "rich-rule")]
    {
        if let Some(value) = args.str(name) {
            let word = if name == "rich_rule" { "rich_rule" } else { kind };
            let said = told(word, &value);
            return make(kind, Some(value), on, said);
        }
    }
    if let Some(port) = args.str("port") {
        let port = port.trim().to_string();
        if port.split_once('/').is_none_or(|(_, proto)| proto.is_empty()) {
            crate::fail!("improper port format (missing protocol?)");
        }
        let said = told("port", &port);
        return make("port", Some(port), on, said);
    }
    if let Some(forwards) = args.list("port_forward") {
        let [forward] = forwards.as_slice() else { crate::fail!("Only one port forward supported at a time") };
        let field = |name: &str| forward.get(name).filter(|v| !v.is_null()).map(crate::args::text);
        let need = |name: &str, what: &str| {
            field(name).ok_or_else(|| Fail::new(format!("{what} must be specified for port forward")))
        };
        let (port, proto) = (need("port", "port")?, need("proto", "proto udp/tcp")?);
        let (toport, toaddr) = (need("toport", "toport")?, field("toaddr").unwrap_or_default());
        let value = format!("port={port}:proto={proto}:toport={toport}:toaddr={toaddr}");
        let said = told("port_forward", &value);
        return make("forward-port", Some(value), on, said);
    }
    for (name, to, gone) in [("source", "Added", "Removed"), ("interface", "Changed", "Removed")] {
        if let Some(value) = args.str(name) {
            let said =
                if on { format!("{to} {value} to zone {zone}") } else { format!("{gone} {value} from zone {zone}") };
            return make(if name == "source" { "source" } else { "interface" }, Some(value), on, said);
        }
    }
    for (name, kind) in
        [("icmp_block_inversion", "icmp-block-inversion"), ("forward", "forward"), ("masquerade", "masquerade")]
    {
        if let Some(value) = args.opt_bool(name) {
            let wanted = on == value;
            let said = if kind == "icmp-block-inversion" {
                told(kind, if value { "True" } else { "False" })
            } else if wanted {
                format!("Added {kind} to zone {zone}")
            } else {
                format!("Removed {kind} from zone {zone}")
            };
            return make(kind, None, wanted, said);
        }
    }
    Ok(None)
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let (permanent, offline, state) = (args.bool("permanent"), args.bool("offline"), args.req("state")?);
    let mut immediate = args.bool("immediate");
    let program = if ctx.which("firewall-cmd").is_some() { "firewall-cmd" } else { "firewall-offline-cmd" };
    ctx.need(program)?;
    let running = program == "firewall-cmd" && ctx.run(&["firewall-cmd", "--state"])?.ok();
    if offline && !permanent {
        crate::fail!("offline cannot be enabled unless permanent changes are allowed");
    }
    if !running && !offline {
        crate::fail!("firewalld service must be running, or try with offline=true");
    }
    if !running {
        immediate = false;
    }
    if !permanent && !immediate {
        immediate = true;
    }
    let on_disk = if running { "firewall-cmd" } else { "firewall-offline-cmd" };
    let zone = match args.str("zone") {
        Some(zone) => zone,
        None => ctx.must(&[on_disk, "--get-default-zone"])?.stdout.trim().to_string(),
    };
    let side = |permanent| Side {
        ctx,
        program: if permanent { on_disk } else { "firewall-cmd" },
        permanent,
        zone: Some(zone.clone()),
        timeout: args.int("timeout").unwrap_or(0),
    };
    let sides: Vec<Side<'_>> =
        [(permanent, true), (immediate, false)].iter().filter(|(on, _)| *on).map(|(_, p)| side(*p)).collect();
    let mut msgs = vec![
        match (permanent, immediate) {
            (true, true) => "Permanent and Non-Permanent(immediate) operation",
            (true, false) => "Permanent operation",
            _ => "Non-permanent operation",
        }
        .to_string(),
    ];
    let mut changed = false;
    let target = args.str("target");
    if let Some(thing) = thing(ctx, &zone, &state)? {
        if matches!(state.as_str(), "absent" | "present") {
            crate::fail!("absent and present state can only be used in zone level operations");
        }
        for side in &sides {
            changed |= side.set(&thing)?;
        }
        if changed {
            msgs.push(thing.said);
        }
    } else if let Some(target) = target {
        if !permanent || immediate && running && args.bool("immediate") {
            crate::fail!(
                "Zone operations must be permanent. Make sure you didn't set the 'permanent' flag to 'false' or the 'immediate' flag to 'true'."
            );
        }
        let wanted = if matches!(state.as_str(), "enabled" | "present") { target } else { "default".into() };
        let mut words = side(true).words(true);
        words.push("--get-target".into());
        changed = ctx.must(&words)?.stdout.trim() != wanted;
        if changed && !ctx.check {
            side(true).change(&[format!("--set-target={wanted}")])?;
        }
        if changed {
            msgs.push(format!("Set zone {zone} target to {wanted}"));
        }
    } else if matches!(state.as_str(), "absent" | "present") {
        if !permanent || args.bool("immediate") && running {
            crate::fail!(
                "Zone operations must be permanent. Make sure you didn't set the 'permanent' flag to 'false' or the 'immediate' flag to 'true'."
            );
        }
        let mut words = side(true).words(false);
        let mut list = words.clone();
        list.push("--get-zones".into());
        let exists = ctx.must(&list)?.stdout.split_whitespace().any(|z| z == zone);
        changed = exists != (state == "present");
        if changed && !ctx.check {
            words.push(format!("--{}-zone={zone}", if state == "present" { "new" } else { "delete" }));
            ctx.must(&words)?;
        }
        if changed {
            msgs.push(format!("{} zone {zone}", if state == "present" { "Added" } else { "Removed" }));
            msgs.push(format!("Changed zone {zone} to {state}"));
        }
    }
    if !running {
        msgs.push("(offline operation: only on-disk configs were altered)".into());
    }
    Ok(crate::out! {"changed": changed, "msg": msgs.join(", ")})
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn things_and_their_words() {
        for (args, want, on) in [
            (json!({"service": "http"}), "--query-service=http", true),
            (json!({"port": "80/tcp"}), "--query-port=80/tcp", true),
            (json!({"masquerade": true}), "--query-masquerade", true),
            (json!({"masquerade": false}), "--query-masquerade", false),
            (
                json!({"port_forward": [{"port": 443, "proto": "tcp", "toport": 8443}]}),
                "--query-forward-port=port=443:proto=tcp:toport=8443:toaddr=",
                true,
            ),
        ] {
            let thing = thing(&Ctx::test("firewalld", args), "public", "enabled").unwrap().unwrap();
            assert_eq!((thing.option("query").as_str(), thing.wanted), (want, on));
        }
        assert!(thing(&Ctx::test("firewalld", json!({"port": "80"})), "public", "enabled").is_err());
    }
}
