//! `docker_container`: a container is as it should be, runs, or is gone.

use super::docker_container_map::{Setting, holds, settings};
use super::docker_image::{find as find_image, join, pull, split};
use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::docker::{Docker, escape};
use serde_json::{Map, Value, json};

/// What Docker can change in a container that exists.
const UPDATABLE: &[&str] = &[
    "BlkioWeight",
    "CpuPeriod",
    "CpuQuota",
    "CpuShares",
    "CpusetCpus",
    "CpusetMems",
    "KernelMemory",
    "Memory",
    "MemoryReservation",
    "MemorySwap",
    "RestartPolicy",
];

struct Container<'a> {
    ctx: &'a Ctx,
    docker: Docker<'a>,
    name: String,
    actions: Vec<Value>,
    changed: bool,
}

impl Container<'_> {
    fn path(&self, rest: &str) -> String {
        format!("/containers/{}{rest}", escape(&self.name))
    }

    fn inspect(&self) -> Result<Option<Value>, Fail> {
        self.docker.find(&self.path("/json"))
    }

    /// Notes what is done, and does it unless in check mode.
    fn act(&mut self, said: Value, method: &str, path: &str, body: Option<Value>) -> Result<(), Fail> {
        self.actions.push(said);
        self.changed = true;
        if !self.ctx.check {
            self.docker.act(method, path, body)?;
        }
        Ok(())
    }

    fn stop(&mut self) -> Result<(), Fail> {
        let args = &self.ctx.args;
        let (path, said) = if args.bool("force_kill") {
            let signal = args.str("kill_signal").map(|s| format!("?signal={s}")).unwrap_or_default();
            (self.path(&format!("/kill{signal}")), "killed")
        } else {
            let timeout = args.int("stop_timeout").map(|t| format!("?t={t}")).unwrap_or_default();
            (self.path(&format!("/stop{timeout}")), "stopped")
        };
        self.act(json!({said: self.name}), "POST", &path, None)
    }

    fn remove(&mut self, running: bool) -> Result<(), Fail> {
        if running {
            self.stop()?;
        }
        let args = &self.ctx.args;
        let path = self.path(&format!("?v={}&force=true", !args.bool("keep_volumes")));
        let said = json!({"removed": self.name, "volume_state": args.bool("keep_volumes")});
        // A container that removes itself may be gone by now.
        match self.act(said, "DELETE", &path, None) {
            Err(_) if self.inspect()?.is_none() => {}
            other => other?,
        }
        let patience = args.float("removal_wait_timeout").unwrap_or(0.0);
        let mut waited = 0.0;
        while !self.ctx.check && waited < patience && self.inspect()?.is_some() && self.ctx.sleep(0.1) {
            waited += 0.1;
        }
        Ok(())
    }

    /// The image that is wanted, pulled if that was asked for.
    fn image(&mut self) -> Result<Option<Value>, Fail> {
        let args = &self.ctx.args;
        let Some(wanted) = args.str("image") else { return Ok(None) };
        let (name, tag) = split(&wanted);
        let plain = tag.is_none();
        let full = join(&name, tag.as_deref().unwrap_or("latest"));
        let existing = match find_image(&self.docker, &full)? {
            None if plain => find_image(&self.docker, &wanted)?,
            found => found,
        };
        let how = match args.text("pull").to_lowercase().as_str() {
            "always" | "true" | "yes" => "always",
            "never" => "never",
            _ => "missing",
        };
        if existing.is_some() && how != "always" {
            return Ok(existing);
        }
        if existing.is_none() && how == "never" {
            crate::fail!("Cannot find image with name {full}");
        }
        if self.ctx.check {
            if existing.is_none() || args.text("pull_check_mode_behavior") == "always" {
                self.actions.push(json!({"pulled_image": full, "changed": existing.is_none()}));
                self.changed = true;
            }
            return Ok(existing);
        }
        pull(&self.docker, &name, tag.as_deref().unwrap_or("latest"), args.str("platform").as_deref())?;
        let image = find_image(&self.docker, &full)?;
        let new = image.as_ref().map(|i| &i["Id"]) != existing.as_ref().map(|i| &i["Id"]);
        self.actions.push(json!({"pulled_image": full, "changed": new}));
        self.changed |= new;
        Ok(image)
    }

    fn create(&mut self, list: &[Setting], image: &Value) -> Result<(), Fail> {
        let args = &self.ctx.args;
        let mut body = json!({"Image": args.text("image"), "HostConfig": {}});
        for setting in list {
            let place = if setting.host { &mut body["HostConfig"] } else { &mut body };
            place[setting.name] = setting.value.clone();
        }
        let interactive = args.bool("interactive");
        body["AttachStdin"] = interactive.into();
        body["StdinOnce"] = (interactive && args.opt_bool("detach") == Some(false)).into();
        let networks = args.list("networks").unwrap_or_default();
        if let (Some(first), true) = (networks.first(), args.bool("networks_cli_compatible")) {
            if args.given("network_mode").is_none() {
                body["HostConfig"]["NetworkMode"] = first["name"].clone();
            }
            let name = crate::args::text(&first["name"]);
            body["NetworkingConfig"] = json!({"EndpointsConfig": {name: endpoint(first)}});
        }
        let _ = image;
        let mut path = format!("/containers/create?name={}", escape(&self.name));
        if let Some(platform) = args.str("platform") {
            path.push_str(&format!("&platform={}", escape(&platform)));
        }
        let said = json!({"created": "Created container", "create_parameters": body});
        self.act(said, "POST", &path, Some(body))
    }

    /// Joins the networks that it is not in; leaves others where the comparison is strict.
    fn networks(&mut self, strict: bool) -> Result<(), Fail> {
        let Some(wanted) = self.ctx.args.list("networks") else { return Ok(()) };
        let inside = self.inspect()?.map(|c| c["NetworkSettings"]["Networks"].clone()).unwrap_or_default();
        for network in &wanted {
            let name = crate::args::text(&network["name"]);
            let path = format!("/networks/{}", escape(&name));
            if let Some(there) = inside.get(&name) {
                if same_endpoint(there, network) {
                    continue;
                }
                let body = json!({"Container": self.name, "Force": true});
                self.act(json!({"removed_from_network": name}), "POST", &format!("{path}/disconnect"), Some(body))?;
            }
            let body = json!({"Container": self.name, "EndpointConfig": endpoint(network)});
            self.act(json!({"added_to_network": name}), "POST", &format!("{path}/connect"), Some(body))?;
        }
        for (name, _) in inside.as_object().into_iter().flatten().filter(|_| strict) {
            if !wanted.iter().any(|w| w["name"].as_str() == Some(name)) {
                let body = json!({"Container": self.name, "Force": true});
                let path = format!("/networks/{}/disconnect", escape(name));
                self.act(json!({"removed_from_network": name}), "POST", &path, Some(body))?;
            }
        }
        Ok(())
    }

    /// Runs it to its end: exit status and output.
    fn finish(&mut self, out: &mut Outcome) -> Result<(), Fail> {
        let args = &self.ctx.args;
        let status = loop {
            let state = self.inspect()?.map(|c| c["State"].clone()).unwrap_or_default();
            if state["Running"] != true {
                break state["ExitCode"].as_i64().unwrap_or(0);
            }
            if !self.ctx.sleep(0.1) {
                crate::fail!("the call was ended");
            }
        };
        let logs = match self.docker.send("GET", &self.path("/logs?stdout=true&stderr=true"), None, true)? {
            Ok(bytes) => demux(&bytes, args.bool("tty")),
            Err(refused) => refused.message,
        };
        out.insert("status".into(), status.into());
        if args.bool("output_logs") {
            self.ctx.output(imgbuild_proto::Stream::Stdout, logs.as_bytes());
        }
        let mut container = self.inspect()?.unwrap_or_default();
        if container.is_object() {
            container["Output"] = logs.clone().into();
        }
        out.insert("container".into(), container);
        if args.bool("cleanup") {
            self.remove(false)?;
        }
        if status != 0 {
            return Err(Fail::new(logs).with("status", status));
        }
        Ok(())
    }
}

/// Logs without the heads that Docker puts before each piece where there is no terminal.
fn demux(bytes: &[u8], tty: bool) -> String {
    let (mut out, mut rest) = (Vec::new(), bytes);
    while !tty && rest.len() >= 8 {
        let size = u32::from_be_bytes([rest[4], rest[5], rest[6], rest[7]]) as usize;
        out.extend_from_slice(rest.get(8..8 + size).unwrap_or(&rest[8..]));
        rest = rest.get(8 + size..).unwrap_or_default();
    }
    String::from_utf8_lossy(if tty { bytes } else { &out }).into_owned()
}

fn endpoint(network: &Value) -> Value {
    let mut out = json!({});
    for (option, ip) in [("ipv4_address", "IPv4Address"), ("ipv6_address", "IPv6Address")] {
        if let Some(address) = network[option].as_str() {
            out["IPAMConfig"][ip] = address.into();
        }
    }
    for (option, name) in [("aliases", "Aliases"), ("links", "Links"), ("mac_address", "MacAddress")] {
        if !network[option].is_null() {
            out[name] = network[option].clone();
        }
    }
    out
}

fn same_endpoint(there: &Value, wanted: &Value) -> bool {
    let inside = |have: &Value, want: &Value| {
        let has = |w: &Value| have.as_array().is_some_and(|h| h.contains(w));
        want.as_array().is_none_or(|w| w.iter().all(has))
    };
    let same = |have: &Value, want: &Value| want.is_null() || have == want;
    same(&there["IPAMConfig"]["IPv4Address"], &wanted["ipv4_address"])
        && same(&there["IPAMConfig"]["IPv6Address"], &wanted["ipv6_address"])
        && same(&there["MacAddress"], &wanted["mac_address"])
        && inside(&there["Aliases"], &wanted["aliases"])
        && inside(&there["Links"], &wanted["links"])
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let (name, state) = (args.req("name")?, args.text("state"));
    let mut it = Container { ctx, docker: Docker::new(ctx)?, name, actions: Vec::new(), changed: false };
    let mut existing = it.inspect()?;
    let existed = existing.is_some();
    let running = |c: &Option<Value>| c.as_ref().is_some_and(|c| c["State"]["Running"] == true);
    let mut out = Outcome::new();
    if state == "absent" {
        if existed {
            it.remove(running(&existing))?;
        }
        out.insert("changed".into(), it.changed.into());
        out.insert("actions".into(), it.actions.into());
        return Ok(out);
    }
    let list = settings(ctx)?;
    let comparisons: Map<String, Value> =
        args.raw("comparisons").and_then(|c| c.as_object().cloned()).unwrap_or_default();
    let compare = |option: &str| comparisons.get(option).or_else(|| comparisons.get("*")).map(crate::args::text);
    // The image of a container that is there is only looked for where it is compared.
    let image = match it.image()? {
        Some(image) => image,
        None if args.given("image").is_none() => Value::Null,
        None if ctx.check => Value::Null,
        None => crate::fail!("Cannot find image with name {}", args.text("image")),
    };
    if !existed && args.given("image").is_none() {
        crate::fail!("Cannot create container when image is not specified!");
    }
    let mut found: Vec<(&Setting, Value)> = Vec::new();
    let mut other_image = false;
    if let Some(container) = &existing {
        for setting in &list {
            let part = if setting.host { "HostConfig" } else { "Config" };
            let active = container[part].get(setting.name).cloned().unwrap_or(Value::Null);
            if !holds(setting, &active, compare(setting.option).as_deref()) {
                found.push((setting, active));
            }
        }
        let ignored = comparisons.get("image").map(crate::args::text).as_deref() == Some("ignore");
        let compared = args.text("image_comparison") == "desired-image";
        let id_differs = !image.is_null() && container["Image"] != image["Id"];
        let name_differs = args.text("image_name_mismatch") == "recreate"
            && args.str("image").is_some_and(|i| {
                container["Config"]["Image"].as_str().is_some_and(|c| {
                    let whole = |n: &str| {
                        let (n, t) = split(n);
                        join(&n, t.as_deref().unwrap_or("latest"))
                    };
                    !c.starts_with("sha256:") && whole(c) != whole(&i)
                })
            });
        other_image = !ignored && (compared && id_differs || name_differs);
    }
    let differences: Vec<Value> =
        found.iter().map(|(s, active)| json!({s.option: {"parameter": s.value, "container": active}})).collect();
    let update = !found.is_empty() && found.iter().all(|(s, _)| s.host && UPDATABLE.contains(&s.name));
    let was_running = running(&existing);
    if existed && (args.bool("recreate") || other_image || !found.is_empty() && !update) {
        if args.given("image").is_none() {
            crate::fail!("Cannot create container when image is not specified!");
        }
        it.remove(was_running)?;
        existing = None;
    } else if update {
        let body: Map<String, Value> = found.iter().map(|(s, _)| (s.name.to_string(), s.value.clone())).collect();
        let path = it.path("/update");
        it.act(json!({"updated": it.name, "update_parameters": body}), "POST", &path, Some(body.into()))?;
    }
    let fresh = existing.is_none();
    if fresh {
        it.create(&list, &image)?;
    }
    if !(fresh && ctx.check) {
        it.networks(compare("networks").as_deref() == Some("strict"))?;
    }
    let now_running = !fresh && was_running;
    let started = matches!(state.as_str(), "started" | "healthy");
    if started && !now_running {
        let path = it.path("/start");
        it.act(json!({"started": it.name}), "POST", &path, None)?;
    } else if started && args.bool("restart") {
        let path = it.path("/restart");
        it.act(json!({"restarted": it.name}), "POST", &path, None)?;
    } else if state == "stopped" && now_running {
        it.stop()?;
    }
    if started && let Some(paused) = args.opt_bool("paused") {
        let is = it.inspect()?.is_some_and(|c| c["State"]["Paused"] == true);
        if is != paused {
            let path = it.path(if paused { "/pause" } else { "/unpause" });
            it.act(json!({"set_paused": paused}), "POST", &path, None)?;
        }
    }
    if state == "healthy" && !ctx.check {
        let mut left = args.float("healthy_wait_timeout").unwrap_or(300.0);
        loop {
            let health = it.inspect()?.map(|c| c["State"]["Health"]["Status"].clone()).unwrap_or_default();
            match health.as_str() {
                Some("healthy") => break,
                None | Some("none") => {
                    crate::fail!("Cannot wait for the container to become healthy: it has no healthcheck")
                }
                _ if left <= 0.0 => crate::fail!("Timeout while waiting for the container to become healthy"),
                _ if !ctx.sleep(0.5) => crate::fail!("the call was ended"),
                _ => left -= 0.5,
            }
        }
    }
    out.insert("container".into(), it.inspect()?.unwrap_or(Value::Null));
    if started && !now_running && args.opt_bool("detach") == Some(false) && !ctx.check {
        let outcome = it.finish(&mut out);
        out.insert("changed".into(), true.into());
        outcome?;
    }
    out.insert("changed".into(), it.changed.into());
    if ctx.check || args.bool("debug") {
        out.insert("actions".into(), it.actions.clone().into());
    }
    if ctx.diff && it.changed {
        let side = |wanted: bool| {
            let mut map = json!({"exists": wanted || existed});
            for (setting, active) in &found {
                map[setting.option] = if wanted { setting.value.clone() } else { active.clone() };
            }
            map
        };
        out.insert("diff".into(), json!({"before": side(false), "after": side(true), "differences": differences}));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_and_endpoints() {
        let logs = [&[1, 0, 0, 0, 0, 0, 0, 3][..], b"out", &[2, 0, 0, 0, 0, 0, 0, 2], b"er", &[1, 0, 0]].concat();
        assert_eq!(demux(&logs, false), "outer");
        assert_eq!(demux(b"plain", true), "plain");
        let there = json!({"IPAMConfig": {"IPv4Address": "1.2.3.4"}, "Aliases": ["a", "id"]});
        assert!(same_endpoint(&there, &json!({"name": "n", "ipv4_address": "1.2.3.4", "aliases": ["a"]})));
        assert!(!same_endpoint(&there, &json!({"name": "n", "ipv4_address": "1.2.3.5"})));
        assert_eq!(endpoint(&json!({"name": "n", "aliases": ["a"]})), json!({"Aliases": ["a"]}));
    }
}
