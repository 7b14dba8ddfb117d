//! What a task of `nmcli` wants, as NetworkManager's settings.

use crate::ctx::Ctx;
use crate::outcome::Fail;
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// What a setting is like, and so how it is written and compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// Text or a number.
    Text,
    /// `yes` or `no`.
    Bool,
    /// A list whose order counts.
    List,
    /// A list whose order does not.
    Set,
    /// Routes.
    Routes,
    /// An address of a device, in any case.
    Mac,
    /// Bytes, or `auto`.
    Mtu,
    /// `vpn.data`: pairs.
    Pairs,
}

/// One setting that is wanted.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub(super) key: Cow<'static, str>,
    pub(super) kind: Kind,
    pub(super) value: Value,
}

impl Setting {
    pub(super) fn new(key: impl Into<Cow<'static, str>>, kind: Kind, value: Value) -> Self {
        Setting { key: key.into(), kind, value }
    }

    /// As nmcli takes it; `None`: it is not asked for.
    pub(super) fn written(&self) -> Option<String> {
        match &self.value {
            // Zero is what `auto` is written as.
            Value::Null => None,
            Value::Array(items) => Some(items.iter().map(text).collect::<Vec<_>>().join(",")),
            value => Some(text(value)),
        }
    }

    /// As nmcli shows it; `None`: whatever is there is right.
    pub(super) fn wanted(&self) -> Option<Vec<String>> {
        let one = self.written().filter(|v| !v.is_empty());
        match (&self.value, self.kind) {
            (Value::Null, Kind::Mtu) => Some(vec!["auto".into()]),
            (_, Kind::Mtu) => one.map(|v| vec![if v == "0" { "auto".into() } else { v }]),
            (Value::Array(items), _) => Some(items.iter().map(text).collect()),
            (_, Kind::List | Kind::Set | Kind::Routes) => {
                one.map(|v| v.split(',').map(|i| i.trim().to_string()).collect())
            }
            (_, Kind::Mac) => one.map(|v| vec![v.to_uppercase()]),
            _ if self.key == "ipv6.ip6-privacy" => one.map(|v| {
                let names = ["disabled", "prefer-public-addr", "prefer-temp-addr"];
                vec![names.iter().position(|n| *n == v).map_or("-1".into(), |n| n.to_string())]
            }),
            _ => one.map(|v| vec![v]),
        }
    }
}

/// What a setting is called where it is shown: options of bonds and tables of VRFs have short names.
pub(super) fn shown_as(key: &str) -> String {
    match key {
        "table" => "vrf.table".into(),
        key if key.contains('.') => key.into(),
        key => format!("bond.{}", key.replace('-', "_")),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Bool(on) => if *on { "yes" } else { "no" }.into(),
        other => crate::args::text(other),
    }
}

/// Refuses what does not go together.
pub(super) fn check(ctx: &Ctx) -> Result<(), Fail> {
    let args = &ctx.args;
    let (kind, slave) = (args.text("type"), args.str("slave_type"));
    match kind.strip_suffix("-slave") {
        Some(of) => {
            if let Some(other) = slave.filter(|s| s != of) {
                crate::fail!(
                    "Connection type '{kind}' cannot be combined with '{other}' slave-type. Allowed slave-type for '{kind}' is '{of}'."
                );
            }
        }
        None if slave.is_some() && args.str("master").is_none() => {
            crate::fail!("'master' option is required when 'slave_type' is specified.");
        }
        None => {}
    }
    let runner = args.text("runner");
    if kind == "team" && args.str("runner_hwaddr_policy").is_some() && runner != "activebackup" {
        crate::fail!("Runner-hwaddr-policy is only allowed for runner activebackup");
    }
    if kind == "team" && args.opt_bool("runner_fast_rate").is_some() && runner != "lacp" {
        crate::fail!("runner-fast-rate is only allowed for runner lacp");
    }
    if kind == "macvlan" && args.text("state") == "present" && args.given("macvlan").is_none() {
        crate::fail!("type is macvlan but all of the following are missing: macvlan");
    }
    Ok(())
}

/// Settings that are options by other names.
type Plain = &'static [(&'static str, Kind, &'static str)];

const COMMON: Plain = &[
    ("connection.autoconnect", Kind::Bool, "autoconnect"),
    ("connection.autoconnect-priority", Kind::Text, "autoconnect_priority"),
    ("connection.autoconnect-retries", Kind::Text, "autoconnect_retries"),
    ("connection.zone", Kind::Text, "zone"),
];
const IP: Plain = &[
    ("ipv4.dhcp-client-id", Kind::Text, "dhcp_client_id"),
    ("ipv4.dns", Kind::List, "dns4"),
    ("ipv4.dns-search", Kind::List, "dns4_search"),
    ("ipv4.dns-options", Kind::Set, "dns4_options"),
    ("ipv4.ignore-auto-dns", Kind::Bool, "dns4_ignore_auto"),
    ("ipv4.gateway", Kind::Text, "gw4"),
    ("ipv4.ignore-auto-routes", Kind::Bool, "gw4_ignore_auto"),
    ("ipv4.route-metric", Kind::Text, "route_metric4"),
    ("ipv4.routing-rules", Kind::Set, "routing_rules4"),
    ("ipv4.never-default", Kind::Bool, "never_default4"),
    ("ipv4.may-fail", Kind::Bool, "may_fail4"),
    ("ipv6.dns", Kind::List, "dns6"),
    ("ipv6.dns-search", Kind::List, "dns6_search"),
    ("ipv6.dns-options", Kind::Set, "dns6_options"),
    ("ipv6.ignore-auto-dns", Kind::Bool, "dns6_ignore_auto"),
    ("ipv6.gateway", Kind::Text, "gw6"),
    ("ipv6.ignore-auto-routes", Kind::Bool, "gw6_ignore_auto"),
    ("ipv6.route-metric", Kind::Text, "route_metric6"),
    ("ipv6.ip6-privacy", Kind::Text, "ip_privacy6"),
    ("ipv6.addr-gen-mode", Kind::Text, "addr_gen_mode6"),
];
const BOND: Plain = &[
    ("arp-interval", Kind::Text, "arp_interval"),
    ("arp-ip-target", Kind::Text, "arp_ip_target"),
    ("downdelay", Kind::Text, "downdelay"),
    ("miimon", Kind::Text, "miimon"),
    ("mode", Kind::Text, "mode"),
    ("primary", Kind::Text, "primary"),
    ("updelay", Kind::Text, "updelay"),
    ("xmit_hash_policy", Kind::Text, "xmit_hash_policy"),
    ("fail_over_mac", Kind::Text, "fail_over_mac"),
];
const BRIDGE: Plain = &[
    ("bridge.ageing-time", Kind::Text, "ageingtime"),
    ("bridge.forward-delay", Kind::Text, "forwarddelay"),
    ("bridge.hello-time", Kind::Text, "hellotime"),
    ("bridge.max-age", Kind::Text, "maxage"),
    ("bridge.priority", Kind::Text, "priority"),
    ("bridge.stp", Kind::Bool, "stp"),
];
const BRIDGE_PORT: Plain = &[
    ("bridge-port.path-cost", Kind::Text, "path_cost"),
    ("bridge-port.hairpin-mode", Kind::Bool, "hairpin"),
    ("bridge-port.priority", Kind::Text, "slavepriority"),
];
const TEAM: Plain = &[
    ("team.runner", Kind::Text, "runner"),
    ("team.runner-hwaddr-policy", Kind::Text, "runner_hwaddr_policy"),
    ("team.runner-fast-rate", Kind::Bool, "runner_fast_rate"),
];
const TUNNEL: Plain = &[
    ("ip-tunnel.local", Kind::Text, "ip_tunnel_local"),
    ("ip-tunnel.mode", Kind::Text, "type"),
    ("ip-tunnel.parent", Kind::Text, "ip_tunnel_dev"),
    ("ip-tunnel.remote", Kind::Text, "ip_tunnel_remote"),
];
const TUNNEL_KEYS: Plain = &[
    ("ip-tunnel.input-key", Kind::Text, "ip_tunnel_input_key"),
    ("ip-tunnel.output-key", Kind::Text, "ip_tunnel_output_key"),
];
const VLAN: Plain = &[
    ("vlan.id", Kind::Text, "vlanid"),
    ("vlan.parent", Kind::Text, "vlandev"),
    ("vlan.flags", Kind::Text, "flags"),
    ("vlan.ingress", Kind::Text, "ingress"),
    ("vlan.egress", Kind::Text, "egress"),
];
const VXLAN: Plain = &[
    ("vxlan.id", Kind::Text, "vxlan_id"),
    ("vxlan.local", Kind::Text, "vxlan_local"),
    ("vxlan.remote", Kind::Text, "vxlan_remote"),
];
const INFINIBAND: Plain = &[
    ("infiniband.transport-mode", Kind::Text, "transport_mode"),
    ("infiniband.mac-address", Kind::Mac, "infiniband_mac"),
];

/// Addresses that carry no length are one host's.
fn addresses(ctx: &Ctx, option: &str, host: &str) -> Value {
    let whole = |a: String| if a.contains('/') { a } else { format!("{a}/{host}") };
    ctx.args.opt_strs(option).map_or(Value::Null, |all| all.into_iter().map(whole).collect())
}

/// The routes of one family, in one of two ways.
fn routes(ctx: &Ctx, plain: &str, extended: &str) -> Value {
    if let Some(plain) = ctx.args.opt_strs(plain) {
        return json!(plain);
    }
    let Some(all) = ctx.args.list(extended) else { return Value::Null };
    let one = |route: &Value| {
        let of = |name: &str| route.get(name).filter(|v| !v.is_null()).map(crate::args::text);
        let mut words: Vec<String> = ["ip", "next_hop", "metric"].iter().filter_map(|n| of(n)).collect();
        for name in ["cwnd", "mtu", "onlink", "table", "tos"] {
            words.extend(of(name).map(|value| format!("{name}={}", value.to_lowercase())));
        }
        words.join(" ")
    };
    all.iter().map(one).collect()
}

/// How addresses come: as it is said, or as the addresses and the type let guess.
fn method(ctx: &Ctx, kind: &str, option: &str, addresses: &str) -> Value {
    if let Some(said) = ctx.args.str(option) {
        return said.into();
    }
    let given = ctx.args.opt_strs(addresses).is_some_and(|a| !a.is_empty());
    match (given, kind) {
        (true, _) => "manual".into(),
        (false, "dummy" | "macvlan" | "wireguard") => "disabled".into(),
        _ => Value::Null,
    }
}

/// Everything a task wants of a connection of this type.
pub(super) fn settings(ctx: &Ctx, kind: &str, exists: bool) -> Result<Vec<Setting>, Fail> {
    let args = &ctx.args;
    let mut out: Vec<Setting> = Vec::new();
    let device = args.str("ifname");
    // A new connection is for the device of its name.
    let device = if exists || kind == "vpn" { device } else { device.or_else(|| args.str("conn_name")) };
    out.push(Setting::new("connection.interface-name", Kind::Text, json!(device)));
    let plain = |out: &mut Vec<Setting>, table: Plain| {
        for (key, kind, option) in table {
            let value = match kind {
                Kind::Bool => json!(args.opt_bool(option)),
                Kind::List | Kind::Set => json!(args.opt_strs(option)),
                _ => json!(args.str(option)),
            };
            out.push(Setting::new(*key, *kind, value));
        }
    };
    plain(&mut out, COMMON);
    let master = args.str("master");
    let slave_type = args.str("slave_type");
    let has_ip = !matches!(
        kind,
        "bond-slave" | "bridge-slave" | "team-slave" | "vxlan" | "ovs-bridge" | "ovs-port" | "ovs-interface"
    );
    if has_ip && (master.is_none() || slave_type.as_deref() == Some("vrf")) || kind == "ovs-interface" {
        plain(&mut out, IP);
        for (key, kind, value) in [
            ("ipv4.addresses", Kind::List, addresses(ctx, "ip4", "32")),
            ("ipv4.routes", Kind::Routes, routes(ctx, "routes4", "routes4_extended")),
            ("ipv4.method", Kind::Text, method(ctx, kind, "method4", "ip4")),
            ("ipv6.addresses", Kind::List, addresses(ctx, "ip6", "128")),
            ("ipv6.routes", Kind::Routes, routes(ctx, "routes6", "routes6_extended")),
            ("ipv6.method", Kind::Text, method(ctx, kind, "method6", "ip6")),
        ] {
            out.push(Setting::new(key, kind, value));
        }
    }
    if let Some(mac) = args.str("mac") {
        let key = if kind == "bridge" { "bridge.mac-address" } else { "802-3-ethernet.cloned-mac-address" };
        out.push(Setting::new(key, Kind::Mac, mac.into()));
    }
    if matches!(kind, "bond" | "bond-slave" | "dummy" | "ethernet" | "infiniband" | "team-slave" | "vlan") {
        let key = if kind == "infiniband" { "infiniband.mtu" } else { "802-3-ethernet.mtu" };
        out.push(Setting::new(key, Kind::Mtu, json!(args.int("mtu"))));
    }
    let mut slave = slave_type.clone().or_else(|| {
        let of = kind.strip_suffix("-slave")?;
        ctx.warn(format!(
            "Connection 'slave-type' property automatically set to '{of}' because of using '{kind}' connection type."
        ));
        Some(of.to_string())
    });
    if kind == "wifi" && master.is_some() {
        slave = slave.or_else(|| Some("bond".into()));
    }
    let enslaved = matches!(
        kind,
        "ethernet" | "bridge" | "bond" | "vlan" | "team" | "wifi" | "infiniband" | "ovs-port" | "ovs-interface"
    );
    if enslaved || kind.ends_with("-slave") {
        out.push(Setting::new("connection.master", Kind::Text, json!(master)));
        out.push(Setting::new("connection.slave-type", Kind::Text, json!(slave)));
    }
    match kind {
        "bond" => plain(&mut out, BOND),
        "bridge" => plain(&mut out, BRIDGE),
        "bridge-slave" => {
            ctx.warn("Connection type as 'bridge-slave' implies 'ethernet' connection with 'bridge' slave-type. Consider using slave_type='bridge' with necessary type.");
            plain(&mut out, BRIDGE_PORT);
        }
        "team" => plain(&mut out, TEAM),
        "gre" | "ipip" | "sit" => {
            plain(&mut out, TUNNEL);
            if kind == "gre" {
                plain(&mut out, TUNNEL_KEYS);
            }
        }
        "vlan" => plain(&mut out, VLAN),
        "vxlan" => plain(&mut out, VXLAN),
        "infiniband" => plain(&mut out, INFINIBAND),
        "vrf" => out.push(Setting::new("table", Kind::Text, json!(args.str("table")))),
        "wifi" => {
            out.push(Setting::new("802-11-wireless.ssid", Kind::Text, json!(args.str("ssid"))));
            let mut wifi = object(ctx, "wifi");
            wifi.remove("ssid");
            named(&mut out, "802-11-wireless", wifi);
            named(&mut out, "802-11-wireless-security", object(ctx, "wifi_sec"));
        }
        "gsm" => named(&mut out, "gsm", object(ctx, "gsm")),
        "macvlan" => named(&mut out, "macvlan", object(ctx, "macvlan")),
        "wireguard" => named(&mut out, "wireguard", object(ctx, "wireguard")),
        "ethernet" => named(&mut out, "sriov", object(ctx, "sriov")),
        "vpn" => vpn(&mut out, object(ctx, "vpn")),
        _ => {}
    }
    Ok(out)
}

fn object(ctx: &Ctx, option: &str) -> Map<String, Value> {
    ctx.args.raw(option).and_then(|v| v.as_object().cloned()).unwrap_or_default()
}

/// Settings by the names that the task gives.
fn named(out: &mut Vec<Setting>, prefix: &str, given: Map<String, Value>) {
    const SETS: &[&str] = &[
        "802-11-wireless-security.group",
        "802-11-wireless-security.leap-password-flags",
        "802-11-wireless-security.pairwise",
        "802-11-wireless-security.proto",
        "802-11-wireless-security.psk-flags",
        "802-11-wireless-security.wep-key-flags",
        "802-11-wireless.mac-address-blacklist",
    ];
    for (name, value) in given {
        let key = format!("{prefix}.{name}");
        let kind = if SETS.contains(&key.as_str()) { Kind::Set } else { Kind::Text };
        out.push(Setting::new(key, kind, value));
    }
}

/// What a VPN needs goes into one setting, but for two.
fn vpn(out: &mut Vec<Setting>, given: Map<String, Value>) {
    let mut data = Vec::new();
    for (name, value) in given {
        match name.as_str() {
            "service-type" => out.push(Setting::new("vpn.service-type", Kind::Text, value)),
            "permissions" => out.push(Setting::new("connection.permissions", Kind::Text, value)),
            name => data.push(format!("{name}={}", text(&value))),
        }
    }
    if !data.is_empty() {
        out.push(Setting::new("vpn.data", Kind::Pairs, data.join(", ").into()));
    }
}
