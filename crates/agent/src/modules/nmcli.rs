//! `nmcli`: connections of NetworkManager. Source: community.general's DOCUMENTATION and nmcli(1), nm-settings-nmcli(5).

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::run::Ran;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

use super::nmcli_settings::{self, Kind, Setting, settings};

/// Settings that are handed over on standard input, and never shown.
fn secret(key: &str) -> bool {
    let of = |prefix: &str, names: &[&str]| key.strip_prefix(prefix).is_some_and(|k| names.contains(&k));
    let wep = ["leap-password", "psk", "wep-key0", "wep-key1", "wep-key2", "wep-key3"];
    of("802-11-wireless-security.", &wep)
        || of("wireguard.", &["private-key"])
        || of("gsm.", &["password", "pin"])
        || of("ip-tunnel.", &["input-key", "output-key"])
}

/// What `con show` prints, by setting.
fn shown(text: &str) -> BTreeMap<String, String> {
    let pair = |line: &str| line.split_once(':').map(|(k, v)| (k.trim().to_string(), v.trim().to_string()));
    let mut out: BTreeMap<String, String> = text.lines().filter_map(pair).filter(|(k, _)| !k.is_empty()).collect();
    // `a=1,b=2,3`: what has no name belongs to the one before.
    let mut last = String::new();
    for part in out.get("bond.options").cloned().unwrap_or_default().split(',') {
        match part.split_once('=') {
            Some((key, value)) => {
                last = format!("bond.{key}");
                out.insert(last.clone(), value.to_string());
            }
            None => {
                if let Some(value) = out.get_mut(&last) {
                    value.push_str(&format!(",{part}"));
                }
            }
        }
    }
    out
}

/// `{ ip = 10.0.0.0/8, nh = 10.1.1.1, mt = 5 }` as it is written.
fn route(text: &str) -> String {
    let Some(inside) = text.trim().strip_prefix('{').and_then(|t| t.strip_suffix('}')) else {
        return text.trim().into();
    };
    let (mut first, mut rest) = ([const { String::new() }; 3], Vec::new());
    for (key, value) in inside.split(',').filter_map(|p| p.split_once('=')).map(|(k, v)| (k.trim(), v.trim())) {
        match key {
            "ip" => first[0] = value.into(),
            "nh" => first[1] = value.into(),
            "mt" => first[2] = value.into(),
            key => rest.push(format!("{key}={value}")),
        }
    }
    rest.sort();
    first.into_iter().filter(|f| !f.is_empty()).chain(rest).collect::<Vec<_>>().join(" ")
}

/// A setting as it is: `None` where there is none. Lists are lists.
fn current(setting: &Setting, now: &BTreeMap<String, String>) -> Option<Vec<String>> {
    let (old, new) = match setting.key.as_ref() {
        "connection.master" => ("connection.master", "connection.controller"),
        "connection.slave-type" => ("connection.slave-type", "connection.port-type"),
        key => (key, key),
    };
    let key = nmcli_settings::shown_as(old);
    let raw = now.get(&key).or_else(|| now.get(new))?.as_str();
    if raw == "--" || raw.is_empty() {
        return matches!(setting.kind, Kind::List | Kind::Set | Kind::Routes).then(Vec::new);
    }
    let items = |at: char| raw.split(at).map(|i| i.trim().to_string()).collect::<Vec<_>>();
    Some(match (setting.kind, setting.key.as_ref()) {
        (Kind::Routes, _) => raw.split(';').map(route).collect(),
        (Kind::List | Kind::Set, _) => items(','),
        (_, "gsm.apn") => vec![raw.trim_matches('"').to_string()],
        (Kind::Mac, _) => vec![raw.to_uppercase()],
        // `1 (enabled)`: the number counts.
        _ => match raw.split_once(" (") {
            Some((number, _)) if number.parse::<i64>().is_ok() => vec![number.to_string()],
            _ => match raw.strip_prefix("0x").and_then(|h| i64::from_str_radix(h.split(' ').next()?, 16).ok()) {
                Some(number) => vec![number.to_string()],
                None => vec![raw.to_string()],
            },
        },
    })
}

/// What of the wanted is not so; all of it, before and after, for the difference.
fn compare(wanted: &[Setting], now: &BTreeMap<String, String>) -> (bool, Value) {
    let (mut before, mut after, mut changed) = (Map::new(), Map::new(), false);
    for setting in wanted {
        let Some(want) = setting.wanted() else { continue };
        let is = current(setting, now);
        let same = match setting.kind {
            Kind::Set | Kind::Routes => {
                let sorted = |mut list: Vec<String>| {
                    list.sort();
                    list
                };
                sorted(is.clone().unwrap_or_default()) == sorted(want.clone())
            }
            Kind::List => is.clone().unwrap_or_default() == want,
            Kind::Pairs => {
                let sorted = |list: &[String]| {
                    let pair = |p: &str| {
                        p.split_once('=').map_or(p.trim().into(), |(k, v)| format!("{}={}", k.trim(), v.trim()))
                    };
                    let mut all: Vec<String> = list.iter().flat_map(|l| l.split(',')).map(pair).collect();
                    all.sort();
                    all
                };
                is.as_ref().is_some_and(|is| sorted(is) == sorted(&want))
            }
            // Where there is no such setting it is as it is by itself.
            Kind::Mtu => is.as_ref().map_or(want == ["auto"], |is| *is == want),
            _ => is.as_ref() == Some(&want),
        };
        changed |= !same;
        let lists = matches!(setting.kind, Kind::List | Kind::Set | Kind::Routes);
        let text = |list: Option<Vec<String>>| match list {
            Some(list) if secret(&setting.key) && !list.is_empty() => json!("********"),
            Some(list) if lists => json!(list),
            Some(list) => json!(list.first()),
            None => Value::Null,
        };
        before.insert(setting.key.to_string(), text(is));
        after.insert(setting.key.to_string(), text(Some(want)));
    }
    (changed, json!({"before": before, "after": after}))
}

struct Nmcli<'a> {
    ctx: &'a Ctx,
    program: String,
    name: String,
}

impl Nmcli<'_> {
    fn call(&self, words: &[&str]) -> Result<Ran, Fail> {
        self.ctx.cmd(&self.program).args(words).english().run()
    }

    fn fail(&self, ran: &Ran, what: &str) -> Fail {
        let name = if what.is_empty() { self.name.clone() } else { format!("Error {what} {}", self.name) };
        Fail::new(ran.complaint()).with("rc", ran.rc).with("name", name)
    }

    fn exists(&self) -> Result<bool, Fail> {
        let ran = self.call(&["--escape", "no", "--fields", "name", "--terse", "con", "show"])?;
        if !ran.ok() {
            return Err(self.fail(&ran, ""));
        }
        Ok(ran.stdout.lines().any(|l| l == self.name))
    }

    fn show(&self) -> Result<BTreeMap<String, String>, Fail> {
        let ran = self.call(&["--show-secrets", "con", "show", &self.name])?;
        if ran.ok() { Ok(shown(&ran.stdout)) } else { Err(self.fail(&ran, "")) }
    }

    /// Adds or changes the connection. `start`: the words before the settings.
    fn write(&self, start: &[&str], settings: &[Setting]) -> Result<Ran, Fail> {
        let mut words: Vec<String> = start.iter().map(|w| w.to_string()).collect();
        let mut edits = Vec::new();
        for setting in settings {
            let Some(value) = setting.written() else { continue };
            if secret(&setting.key) {
                edits.push(format!("set {} {value}", setting.key));
            } else if matches!(setting.key.as_ref(), "xmit_hash_policy" | "fail_over_mac") {
                words.extend(["+bond.options".into(), format!("{}={value}", setting.key)]);
            } else {
                words.extend([setting.key.to_string(), value]);
            }
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut ran = self.call(&words)?;
        if ran.ok() && !edits.is_empty() {
            edits.extend(["save".into(), "quit".into()]);
            let input = edits.join("\n") + "\n";
            let edit = self.ctx.cmd(&self.program).args(["con", "edit", &self.name]).english().stdin(input).run()?;
            // What the editor says may hold what it was told.
            if !edit.ok() || edit.stderr.contains("Error") {
                return Err(Fail::new(format!("nmcli con edit {} failed with status {}", self.name, edit.rc)));
            }
            ran.rc = edit.rc;
        }
        Ok(ran)
    }

    /// Which properties of a setting this NetworkManager knows.
    fn known(&self, setting: &str) -> Result<Vec<String>, Fail> {
        // The setting is there only once something of it is set.
        let first =
            if setting.ends_with("security") { format!("set {setting}.psk FAKEVALUE\n") } else { String::new() };
        let input = format!("{first}print {setting}\nquit\nyes\n");
        let ran = self.ctx.cmd(&self.program).args(["con", "edit", "type", "wifi"]).english().stdin(input).run()?;
        if !ran.ok() {
            return Err(self.fail(&ran, ""));
        }
        let prefix = format!("{setting}.");
        let name = |line: &str| Some(line.trim().strip_prefix(&prefix)?.split(':').next()?.trim().to_string());
        Ok(ran.stdout.lines().filter_map(name).collect())
    }

    /// Leaves out what of `wifi` and `wifi_sec` is not known, where that is wanted.
    fn only_known(&self, wanted: &mut Vec<Setting>) -> Result<(), Fail> {
        for (option, prefix) in [("wifi", "802-11-wireless"), ("wifi_sec", "802-11-wireless-security")] {
            let Some(Value::Object(given)) = self.ctx.args.raw(option) else { continue };
            if given.is_empty() {
                continue;
            }
            if given.contains_key("ssid") && option == "wifi" {
                self.ctx.warn("Ignoring option 'wifi.ssid', it must be specified with option 'ssid'");
            }
            let known = self.known(prefix)?;
            let unknown: Vec<&String> =
                given.keys().filter(|k| !(known.contains(k) || option == "wifi" && *k == "ssid")).collect();
            if unknown.is_empty() {
                continue;
            }
            let list: Vec<String> = unknown.iter().map(|k| format!("\"{option}.{k}\"")).collect();
            let msg = format!("Invalid or unsupported option(s): {}", list.join(", "));
            if !self.ctx.args.bool("ignore_unsupported_suboptions") {
                crate::fail!("{msg}");
            }
            self.ctx.warn(msg);
            wanted.retain(|s| !unknown.iter().any(|k| s.key == format!("{prefix}.{k}")));
        }
        Ok(())
    }

    fn present(&self, out: &mut Outcome) -> Result<(), Fail> {
        let (ctx, args) = (self.ctx, &self.ctx.args);
        let mut kind = args.text("type");
        let exists = self.exists()?;
        let now = if exists { self.show()? } else { BTreeMap::new() };
        if kind.is_empty() {
            if !exists {
                crate::fail!("type is needed to add the connection {}", self.name);
            }
            kind = now.get("connection.type").cloned().unwrap_or_default();
            if kind == "802-11-wireless" {
                kind = "wifi".into();
            }
        }
        let mut wanted = settings(ctx, &kind, exists)?;
        if kind == "wifi" {
            self.only_known(&mut wanted)?;
        }
        let ran = if exists {
            let (changed, diff) = compare(&wanted, &now);
            if ctx.diff {
                out.insert("diff".into(), diff);
            }
            let said = if changed { "do exist so we are modifying them" } else { "already exist and no changes made" };
            out.insert("Exists".into(), format!("Connections {said}").into());
            out.insert("changed".into(), changed.into());
            if !changed || ctx.check {
                return Ok(());
            }
            for setting in wanted.iter_mut().filter(|s| s.kind == Kind::Mtu && s.value.is_null()) {
                // What is not said is automatic, which is written as 0; where there is no such setting none is made.
                if current(setting, &now).is_some() {
                    setting.value = json!(0);
                }
            }
            let ran = self.write(&["con", "modify", &self.name], &wanted)?;
            if ran.ok() && args.bool("conn_reload") { self.call(&["con", "reload"])? } else { ran }
        } else {
            let said = format!("Connection {} of Type {kind} is being added", self.name);
            out.insert("Connection".into(), said.into());
            out.insert("changed".into(), true.into());
            if ctx.check {
                return Ok(());
            }
            let tunnel = matches!(kind.as_str(), "gre" | "ipip" | "sit");
            let word = if tunnel { "ip-tunnel" } else { &kind };
            let ran = self.write(&["con", "add", "type", word, "con-name", &self.name], &wanted)?;
            let given = |names: &[&str]| names.iter().any(|n| args.given(n).is_some());
            let up = match kind.as_str() {
                "bond" | "dummy" | "ethernet" | "infiniband" | "wifi" => given(&["mtu", "dns4", "dns6"]),
                "team" => given(&["dns4", "dns6"]),
                _ => false,
            };
            if ran.ok() && up { self.call(&["con", "up", &self.name])? } else { ran }
        };
        if !ran.ok() {
            return Err(self.fail(&ran, ""));
        }
        self.say(out, &ran);
        Ok(())
    }

    fn say(&self, out: &mut Outcome, ran: &Ran) {
        for (name, text) in [("stdout", &ran.stdout), ("stderr", &ran.stderr)] {
            if !text.is_empty() {
                out.insert(name.into(), text.as_str().into());
            }
        }
    }
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let (name, state) = (args.req("conn_name")?, args.text("state"));
    nmcli_settings::check(ctx)?;
    let program = ctx.need("nmcli")?.to_string_lossy().into_owned();
    let nmcli = Nmcli { ctx, program, name: name.clone() };
    let mut out = crate::out! {"changed": false, "conn_name": name, "state": state};
    if state == "present" {
        nmcli.present(&mut out)?;
        return Ok(out);
    }
    if !nmcli.exists()? {
        return Ok(out);
    }
    out.insert("changed".into(), true.into());
    if ctx.check {
        return Ok(out);
    }
    if state != "absent" && args.bool("conn_reload") {
        nmcli.call(&["con", "reload"])?;
    }
    let (ran, what) = match state.as_str() {
        "absent" => {
            // One that is down already says so.
            nmcli.call(&["con", "down", &nmcli.name])?;
            (nmcli.call(&["con", "del", &nmcli.name])?, "removing connection named")
        }
        "up" => (nmcli.call(&["con", "up", &nmcli.name])?, "bringing up connection named"),
        _ => (nmcli.call(&["con", "down", &nmcli.name])?, "bringing down connection named"),
    };
    if state == "down" && !ran.ok() && ran.stderr.contains("not an active connection") {
        out.insert("changed".into(), false.into());
        return Ok(out);
    }
    if !ran.ok() {
        return Err(nmcli.fail(&ran, what));
    }
    nmcli.say(&mut out, &ran);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_nmcli_shows() {
        let now = shown(
            "connection.id:   x\nbond.options:  mode=802.3ad,arp_ip_target=1.1.1.1,2.2.2.2,miimon=5\nipv4.routes: { ip = 10.0.0.0/8, nh = 10.1.1.1, mt = 5, table=3 }; { ip = 11.0.0.0/8 }\nipv6.ip6-privacy:  -1 (unknown)\nipv4.dns: --\n",
        );
        assert_eq!(now["bond.arp_ip_target"], "1.1.1.1,2.2.2.2");
        let of = |key: &'static str, kind| current(&Setting::new(key, kind, Value::Null), &now);
        assert_eq!(of("ipv4.routes", Kind::Routes).unwrap(), ["10.0.0.0/8 10.1.1.1 5 table=3", "11.0.0.0/8"]);
        assert_eq!(of("ipv6.ip6-privacy", Kind::Text).unwrap(), ["-1"]);
        assert_eq!((of("ipv4.dns", Kind::List), of("none", Kind::Text)), (Some(vec![]), None));
        assert_eq!(of("arp-ip-target", Kind::Text).unwrap(), ["1.1.1.1,2.2.2.2"]);
        assert!(secret("wireguard.private-key") && !secret("wireguard.listen-port"));
    }

    /// An nmcli that keeps what it is told in files.
    const NMCLI: &str = r#"#!/bin/sh
echo "$*" >>"$STATE/log"
case "$*" in
*"con show") ls "$STATE/c" ;;
*"con show "*) sed 's/mtu: 0$/mtu: auto/' "$STATE/c/${4}" ;;
"con add type "*) name=$6; echo "connection.type: $4" >"$STATE/c/$name"; shift 6
  while [ $# -gt 1 ]; do case $2 in "") v=--;; *) v=$2;; esac; echo "$1: $v" >>"$STATE/c/$name"; shift 2; done ;;
"con modify "*) name=$3; shift 3
  while [ $# -gt 1 ]; do sed -i "/^$1:/d" "$STATE/c/$name"; echo "$1: $2" >>"$STATE/c/$name"; shift 2; done ;;
"con edit type wifi") cat >/dev/null; printf '%s\n' 802-11-wireless.hidden: 802-11-wireless-security.psk: 802-11-wireless-security.key-mgmt: ;;
"con edit "*) sed -n 's/^set \([^ ]*\) /\1: /p' >>"$STATE/c/$3" ;;
"con down "*) echo "Error: '$3' is not an active connection." >&2; exit 10 ;;
"con del "*) rm "$STATE/c/$3" ;;
esac
"#;

    #[test]
    fn connections_come_once() {
        let dir = Scratch::new();
        std::fs::create_dir(dir.path("c")).unwrap();
        std::fs::set_permissions(dir.file("nmcli", NMCLI), PermissionsExt::from_mode(0o755)).unwrap();
        let call = |args: Value, check: bool| {
            let mut ctx = Ctx::test("nmcli", args);
            ctx.check = check;
            ctx.env.insert("PATH".into(), format!("{}:/bin:/usr/bin", dir.0.display()));
            ctx.env.insert("STATE".into(), dir.path(""));
            run(&ctx)
        };
        let of = |mut args: Value, more: Value| {
            args["state"] = json!("present");
            args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            args
        };
        let routes = json!([{"ip": "10.0.0.0/8", "next_hop": "192.0.2.1", "metric": 5, "onlink": true}]);
        for (args, later) in [
            (
                json!({"conn_name": "eth", "type": "ethernet", "ifname": "e0", "ip4": ["192.0.2.2/24"], "gw4": "192.0.2.1",
                    "dns4": ["192.0.2.3", "192.0.2.4"], "routes4_extended": routes, "mac": "aa:bb:cc:dd:ee:ff"}),
                json!({"dns4": ["192.0.2.4", "192.0.2.3"]}),
            ),
            (json!({"conn_name": "br", "type": "bridge", "stp": false}), json!({"stp": true})),
            (json!({"conn_name": "v", "type": "vlan", "vlanid": 5, "vlandev": "e0"}), json!({"vlanid": 6})),
            (json!({"conn_name": "d", "type": "dummy", "mtu": 1400}), json!({"ip4": ["192.0.2.9"], "mtu": null})),
            (
                json!({"conn_name": "t", "type": "team", "runner": "lacp", "runner_fast_rate": true}),
                json!({"runner_fast_rate": false}),
            ),
            (
                json!({"conn_name": "p", "type": "ethernet", "master": "br", "slave_type": "bridge"}),
                json!({"autoconnect": false}),
            ),
            (
                json!({"conn_name": "w", "type": "wifi", "ssid": "s", "wifi": {"hidden": true},
                    "wifi_sec": {"key-mgmt": "wpa-psk", "psk": "do not tell"}}),
                json!({"wifi_sec": {"key-mgmt": "wpa-psk", "psk": "never tell"}}),
            ),
        ] {
            let (first, later) = (of(args.clone(), json!({})), of(args, later));
            let name = first["conn_name"].clone();
            assert_eq!(call(first.clone(), true).unwrap()["changed"], true, "{name}: check mode");
            assert_eq!(call(first.clone(), false).unwrap()["changed"], true, "{name}");
            let again = call(first, false).unwrap();
            assert_eq!(again["changed"], false, "{name}: again {again:?}");
            assert_eq!(call(later.clone(), true).unwrap()["changed"], true, "{name}: other, check mode");
            let other = call(later.clone(), false).unwrap();
            assert!(other["changed"] == true && !format!("{other:?}").contains(" tell"), "{name}: other {other:?}");
            assert_eq!(call(later, false).unwrap()["changed"], false, "{name}: other again");
        }
        assert!(dir.read("c/w").contains("802-11-wireless-security.psk: never tell"));
        let log = dir.read("log");
        assert!(!log.contains(" tell"), "a secret stands on a command line: {log}");
        assert!(log.contains("ipv4.addresses 192.0.2.9/32"), "{log}");
        let odd = of(json!({"conn_name": "w", "type": "wifi", "ssid": "s", "wifi": {"nonesuch": 1}}), json!({}));
        assert!(call(odd, false).unwrap_err().msg.contains("\"wifi.nonesuch\""));
        let state = |state: &str| call(json!({"conn_name": "w", "state": state}), false).unwrap()["changed"].clone();
        assert_eq!(
            (state("up"), state("down"), state("absent"), state("absent")),
            (true.into(), false.into(), true.into(), false.into())
        );
    }

    #[test]
    fn what_is_refused() {
        let why = |args: Value| run(&Ctx::test("nmcli", args)).unwrap_err().msg;
        let of = |more: Value| {
            let mut args = json!({"conn_name": "x", "state": "present"});
            args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            args
        };
        assert!(why(of(json!({"type": "ethernet", "slave_type": "bond"}))).contains("'master' option is required"));
        assert!(why(of(json!({"type": "bond-slave", "slave_type": "team"}))).contains("cannot be combined"));
        assert!(
            why(of(json!({"type": "team", "runner": "lacp", "runner_hwaddr_policy": "same_all"})))
                .contains("activebackup")
        );
        assert!(why(of(json!({"type": "team", "runner_fast_rate": true}))).contains("lacp"));
        assert!(why(of(json!({"type": "macvlan"}))).contains("missing: macvlan"));
    }
}
