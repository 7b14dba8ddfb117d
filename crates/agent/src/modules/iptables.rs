//! `iptables`: a rule, a policy or a chain of the packet filter. What is made so is gone after a boot, as with the tool itself.

use crate::args::{Args, text};
use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use serde_json::Value;

/// Builds a rule's words. Pure.
struct Rule<'a> {
    args: &'a Args,
    words: Vec<String>,
}

impl Rule<'_> {
    /// `flag value`, with `!` in front of the flag where the value is negated.
    fn param(&mut self, name: &str, flag: &str) {
        if let Some(value) = self.args.str(name) {
            match value.strip_prefix('!') {
                Some(rest) => self.words.extend(["!".into(), flag.into(), rest.trim().into()]),
                None => self.words.extend([flag.into(), value]),
            }
        }
    }

    fn has_match(&self, name: &str) -> bool {
        self.words.windows(2).any(|w| w[0] == "-m" && w[1] == name)
    }

    /// `-m name`, once.
    fn matching(&mut self, name: &str, when: bool) {
        if when && !self.has_match(name) {
            self.words.extend(["-m".into(), name.into()]);
        }
    }

    fn list(&mut self, name: &str, flag: &str) {
        let values = self.args.strs(name);
        if !values.is_empty() {
            self.words.extend([flag.into(), values.join(",")]);
        }
    }

    fn given(&self, name: &str) -> bool {
        self.args.given(name).is_some()
    }
}

fn rule(args: &Args, v6: bool) -> Vec<String> {
    let mut r = Rule { args, words: Vec::new() };
    r.param("protocol", "-p");
    r.param("source", "-s");
    r.param("destination", "-d");
    for name in args.strs("match") {
        r.words.extend(["-m".into(), name]);
    }
    if let Some(flags) = args.given("tcp_flags").and_then(Value::as_object).filter(|f| !f.is_empty()) {
        let join = |key: &str| {
            flags
                .get(key)
                .and_then(Value::as_array)
                .map(|l| l.iter().map(text).collect::<Vec<_>>().join(","))
                .unwrap_or_default()
        };
        r.words.extend(["--tcp-flags".into(), join("flags"), join("flags_set")]);
    }
    let logging = r.given("log_prefix") || r.given("log_level");
    let jump = args.str("jump").or(logging.then(|| "LOG".into()));
    if let Some(jump) = &jump {
        r.words.extend(["-j".into(), jump.clone()]);
        if jump.eq_ignore_ascii_case("tee") {
            r.param("gateway", "--gateway");
        }
    }
    r.param("log_prefix", "--log-prefix");
    r.param("log_level", "--log-level");
    r.param("to_destination", "--to-destination");
    r.matching("multiport", !args.strs("destination_ports").is_empty());
    r.list("destination_ports", "--dports");
    for (name, flag) in [
        ("to_source", "--to-source"),
        ("goto", "-g"),
        ("in_interface", "-i"),
        ("out_interface", "-o"),
        ("fragment", "-f"),
        ("set_counters", "-c"),
        ("source_port", "--source-port"),
        ("destination_port", "--destination-port"),
        ("to_ports", "--to-ports"),
        ("set_dscp_mark", "--set-dscp"),
        ("set_dscp_mark_class", "--set-dscp-class"),
    ] {
        r.param(name, flag);
    }
    match args.text("syn").as_str() {
        "match" => r.words.push("--syn".into()),
        "negate" => r.words.extend(["!".into(), "--syn".into()]),
        _ => {}
    }
    if r.has_match("state") {
        r.list("ctstate", "--state");
    } else if !args.strs("ctstate").is_empty() {
        r.matching("conntrack", true);
        r.list("ctstate", "--ctstate");
    }
    r.matching("iprange", r.given("src_range") || r.given("dst_range"));
    r.param("src_range", "--src-range");
    r.param("dst_range", "--dst-range");
    if r.given("match_set") {
        r.matching("set", true);
        r.param("match_set", "--match-set");
        r.words.extend(args.str("match_set_flags"));
    }
    r.matching("limit", r.given("limit") || r.given("limit_burst"));
    r.param("limit", "--limit");
    r.param("limit_burst", "--limit-burst");
    for (name, flag) in [("uid_owner", "--uid-owner"), ("gid_owner", "--gid-owner")] {
        r.matching("owner", r.given(name));
        r.param(name, flag);
    }
    if jump.is_none() && r.given("reject_with") {
        r.words.extend(["-j".into(), "REJECT".into()]);
    }
    if jump.is_none() && (r.given("set_dscp_mark") || r.given("set_dscp_mark_class")) {
        r.words.extend(["-j".into(), "DSCP".into()]);
    }
    r.param("reject_with", "--reject-with");
    r.param("icmp_type", if v6 { "--icmpv6-type" } else { "--icmp-type" });
    r.matching("comment", r.given("comment"));
    if let Some(comment) = args.str("comment") {
        // An exclamation mark in a comment negates nothing.
        r.words.extend(["--comment".into(), comment]);
    }
    r.words
}

struct Tool<'a> {
    ctx: &'a Ctx,
    program: &'static str,
    table: String,
    chain: Option<String>,
    wait: Vec<String>,
}

impl Tool<'_> {
    fn run(&self, action: &str, rest: &[String]) -> Result<crate::sys::run::Ran, Fail> {
        let mut cmd = self.ctx.cmd(self.program).english().args(["-t", &self.table, action]);
        if let Some(chain) = &self.chain {
            cmd = cmd.arg(chain);
        }
        // The position of an insertion stands right behind its chain.
        let (front, rest) =
            rest.split_at(usize::from(action == "-I" && rest.first().is_some_and(|w| w.parse::<u32>().is_ok())));
        cmd.args(front).args(&self.wait).args(rest).run()
    }

    /// Lists the chain; names are resolved unless `numeric`, as the tool does by itself.
    fn list(&self) -> Result<crate::sys::run::Ran, Fail> {
        let numeric = self.ctx.args.bool("numeric").then(|| "-n".to_string());
        self.run("-L", numeric.as_slice())
    }

    fn must(&self, action: &str, rest: &[String]) -> Result<(), Fail> {
        let ran = self.run(action, rest)?;
        if ran.ok() { Ok(()) } else { Err(ran.fail(format!("{} {action} failed: {}", self.program, ran.complaint()))) }
    }

    /// What is to be done, done unless in check mode; whether anything changed.
    fn settle(&self, v6: bool) -> Result<bool, Fail> {
        let args = &self.ctx.args;
        let apply = !self.ctx.check;
        if args.bool("flush") {
            if apply {
                self.must("-F", &[])?;
            }
            return Ok(true);
        }
        if let Some(policy) = args.str("policy") {
            let listed = self.list()?;
            let now = listed
                .stdout
                .lines()
                .next()
                .and_then(|l| l.split_once("(policy "))
                .and_then(|(_, p)| p.split([' ', ')']).next());
            let Some(now) = now else { return Err(listed.fail("Can't detect current policy")) };
            if now != policy && apply {
                self.must("-P", std::slice::from_ref(&policy))?;
            }
            return Ok(now != policy);
        }
        let rule = rule(args, v6);
        let present = args.text("state") != "absent";
        if rule.is_empty() {
            let there = self.list()?.ok();
            if there != present && args.bool("chain_management") && apply {
                self.must(if present { "-N" } else { "-X" }, &[])?;
            }
            return Ok(there != present);
        }
        let there = self.run("-C", &rule)?.ok();
        if there == present {
            return Ok(false);
        }
        if apply {
            match (present, args.text("action").as_str()) {
                (false, _) => self.must("-D", &rule)?,
                (true, "insert") => {
                    let mut words: Vec<String> = args.str("rule_num").into_iter().collect();
                    words.extend(rule);
                    self.must("-I", &words)?;
                }
                (true, _) => self.must("-A", &rule)?,
            }
        }
        Ok(true)
    }
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let logging = args.given("log_prefix").is_some() || args.given("log_level").is_some();
    if logging && args.str("jump").is_some_and(|j| j != "LOG") {
        crate::fail!("Logging options can only be used with the LOG jump target.");
    }
    if args.given("chain").is_none() && !args.bool("flush") {
        crate::fail!("Either chain or flush parameter must be specified.");
    }
    let version = args.text("ip_version");
    let programs: &[(&'static str, bool)] = match version.as_str() {
        "both" => &[("iptables", false), ("ip6tables", true)],
        "ipv6" => &[("ip6tables", true)],
        _ => &[("iptables", false)],
    };
    let wait: Vec<String> = args.str("wait").map(|w| vec!["-w".into(), w]).unwrap_or_default();
    let mut changed = false;
    for (program, v6) in programs {
        ctx.need(program)?;
        let tool = Tool { ctx, program, table: args.text("table"), chain: args.str("chain"), wait: wait.clone() };
        changed |= tool.settle(*v6)?;
    }
    Ok(crate::out! {
        "changed": changed, "ip_version": version, "table": args.text("table"), "chain": args.str("chain"), "flush": args.bool("flush"),
        "rule": rule(args, false).join(" "), "state": args.text("state"), "chain_management": args.bool("chain_management"),
        "wait": args.str("wait"), "numeric": args.bool("numeric"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rules() {
        for (args, want) in [
            (
                json!({"chain": "INPUT", "protocol": "tcp", "destination_port": "22", "jump": "ACCEPT"}),
                "-p tcp -j ACCEPT --destination-port 22",
            ),
            (json!({"chain": "INPUT", "source": "!10.0.0.0/8", "jump": "DROP"}), "! -s 10.0.0.0/8 -j DROP"),
            (
                json!({"chain": "INPUT", "ctstate": "ESTABLISHED,RELATED", "jump": "ACCEPT"}),
                "-j ACCEPT -m conntrack --ctstate ESTABLISHED,RELATED",
            ),
            (json!({"chain": "INPUT", "match": ["state"], "ctstate": ["NEW"]}), "-m state --state NEW"),
            (
                json!({"chain": "INPUT", "destination_ports": ["80", "443"], "protocol": "tcp", "comment": "web!"}),
                "-p tcp -m multiport --dports 80,443 -m comment --comment web!",
            ),
            (
                json!({"chain": "INPUT", "log_prefix": "X", "limit": "2/min"}),
                "-j LOG --log-prefix X -m limit --limit 2/min",
            ),
            (
                json!({"chain": "INPUT", "tcp_flags": {"flags": ["ALL"], "flags_set": ["ACK", "SYN"]}, "syn": "negate"}),
                "--tcp-flags ALL ACK,SYN ! --syn",
            ),
            (
                json!({"chain": "OUTPUT", "uid_owner": "root", "reject_with": "tcp-reset"}),
                "-m owner --uid-owner root -j REJECT --reject-with tcp-reset",
            ),
            (json!({"chain": "NEW"}), ""),
        ] {
            let ctx = Ctx::test("iptables", args.clone());
            assert_eq!(rule(&ctx.args, false).join(" "), want, "{args}");
        }
        assert!(run(&Ctx::test("iptables", json!({"table": "nat"}))).is_err());
        assert!(run(&Ctx::test("iptables", json!({"chain": "INPUT", "log_prefix": "x", "jump": "DROP"}))).is_err());
    }
}
