//! `ufw`: Ubuntu's firewall, by its program.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::shlex;

/// Where ufw keeps the rules of its users, by age of the release.
const RULES: &[&str] = &[
    "/lib/ufw/user.rules",
    "/lib/ufw/user6.rules",
    "/etc/ufw/user.rules",
    "/etc/ufw/user6.rules",
    "/var/lib/ufw/user.rules",
    "/var/lib/ufw/user6.rules",
];

struct Ufw<'a> {
    ctx: &'a Ctx,
    commands: Vec<String>,
}

impl Ufw<'_> {
    fn call(&mut self, words: &[String]) -> Result<String, Fail> {
        let program = self.ctx.need("ufw")?.to_string_lossy().into_owned();
        let line: Vec<String> = words.iter().map(|w| shlex::quote(w)).collect();
        self.commands.push(format!("{program} {}", line.join(" ")));
        let ran = self.ctx.cmd(&program).args(words).env("LANG", "C").run()?;
        if ran.ok() {
            return Ok(ran.stdout);
        }
        let said = if ran.stderr.is_empty() { &ran.stdout } else { &ran.stderr };
        Err(Fail::new(said.as_str()).with("commands", self.commands.clone()))
    }
}

fn words(text: &[&str]) -> Vec<String> {
    text.iter().map(|w| w.to_string()).collect()
}

fn rules() -> String {
    let texts = RULES.iter().filter_map(|p| std::fs::read_to_string(p).ok());
    texts.map(|t| tuples(&t, |_| true)).collect()
}

/// The lines that stand for rules and that this test takes.
fn tuples(text: &str, keep: impl Fn(&str) -> bool) -> String {
    text.split_inclusive('\n').filter(|l| l.starts_with("### tuple") && keep(l)).collect()
}

/// Whether the text starts with (or a line holds) an address of this version.
fn v4(text: &str) -> bool {
    text.split(['/', ' ']).next().is_some_and(|a| a.parse::<std::net::Ipv4Addr>().is_ok())
}

fn v6(text: &str) -> bool {
    text.split(['/', ' ']).next().is_some_and(|a| a.parse::<std::net::Ipv6Addr>().is_ok())
}

/// `Default: deny (incoming), allow (outgoing), disabled (routed)`.
fn default_of(status: &str, direction: &str) -> Option<String> {
    let line = status.lines().find_map(|l| l.strip_prefix("Default: "))?;
    let part = line.split(", ").find(|p| p.contains(&format!("({direction})")))?;
    part.split(' ').next().map(str::to_string)
}

/// Whether setting this level changes `Logging: on (low)`.
fn logging_changes(status: &str, value: &str) -> bool {
    let Some(line) = status.lines().find_map(|l| l.strip_prefix("Logging: ")) else { return true };
    let (on, level) = line.split_once(' ').unwrap_or((line, ""));
    let level = level.trim_matches(['(', ')']);
    match value {
        "off" => on != "off",
        _ if on == "off" => true,
        "on" => false,
        _ => value != level,
    }
}

/// Where a rule goes, counted from a landmark in `ufw status numbered`; `None`: at the end.
fn position(numbered: &str, relative: &str, insert: i64) -> Option<i64> {
    let lines: Vec<(i64, bool)> = numbered
        .lines()
        .filter_map(|l| {
            let number = l.strip_prefix('[')?.split(']').next()?.trim().parse().ok()?;
            Some((number, l.contains("(v6)")))
        })
        .collect();
    let last = lines.iter().map(|(n, _)| *n).max().unwrap_or(0);
    let last_v4 = lines.iter().filter(|(_, six)| !six).map(|(n, _)| *n).max();
    let base = match relative {
        "first-ipv4" => 1,
        "last-ipv4" => last_v4.unwrap_or(1),
        "first-ipv6" => last_v4.map_or(1, |n| n + 1),
        _ if lines.iter().any(|(_, six)| *six) => last,
        _ => last + 1,
    };
    Some(insert + base).filter(|at| *at <= last)
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let mut ufw = Ufw { ctx, commands: Vec::new() };
    let before = ufw.call(&words(&["status", "verbose"]))?;
    let rules_before = rules();
    let mut changed = false;
    let dry: &[&str] = if ctx.check { &["--dry-run"] } else { &[] };
    let direction = args.str("direction");
    if let Some(state) = args.str("state") {
        let word = match state.as_str() {
            "enabled" => "enable",
            "disabled" => "disable",
            "reloaded" => "reload",
            _ => "reset",
        };
        changed |= matches!(word, "reload" | "reset");
        if ctx.check {
            let active = before.contains(" active");
            changed |= (word == "disable" && active) || (word == "enable" && !active);
        } else {
            ufw.call(&words(&["-f", word]))?;
        }
    }
    if let Some(value) = args.str("default") {
        if !matches!(direction.as_deref(), None | Some("outgoing" | "incoming" | "routed")) {
            crate::fail!(
                "For default, direction must be one of \"outgoing\", \"incoming\" and \"routed\", or direction must not be specified."
            );
        }
        if ctx.check {
            let current = default_of(&before, direction.as_deref().unwrap_or("incoming"));
            changed |= current.is_none_or(|c| c != value && c != "disabled");
        } else {
            let mut line = words(&["default", &value]);
            line.extend(direction.clone());
            ufw.call(&line)?;
        }
    }
    if let Some(action) = args.str("rule") {
        let mut line = words(dry);
        rule(ctx, &mut ufw, &mut line, &action, direction.as_deref())?;
        let dried = ufw.call(&line)?;
        let skipped = dried.lines().filter(|l| l.contains("Skipping")).count();
        if ctx.check && !(skipped > 0 && skipped == dried.lines().count()) {
            let (from, to) = (args.text("from_ip"), args.text("to_ip"));
            let keep: fn(&str) -> bool = if v4(&from) || v4(&to) {
                |l| l.split(' ').any(v4)
            } else if v6(&from) || v6(&to) {
                |l| l.split(' ').any(v6)
            } else {
                |_| true
            };
            changed |= tuples(&rules_before, keep) != tuples(&dried, keep);
        }
    }
    if let Some(level) = args.str("logging") {
        changed |= logging_changes(&before, &level);
        if !ctx.check {
            ufw.call(&words(&["logging", &level]))?;
        }
    }
    if ctx.check {
        return Ok(crate::out! {"changed": changed, "commands": ufw.commands});
    }
    let after = ufw.call(&words(&["status", "verbose"]))?;
    let changed = changed || before != after || rules_before != rules();
    Ok(crate::out! {"changed": changed, "commands": ufw.commands, "msg": after.trim_end()})
}

/// The words of one rule.
fn rule(
    ctx: &Ctx,
    ufw: &mut Ufw<'_>,
    line: &mut Vec<String>,
    action: &str,
    direction: Option<&str>,
) -> Result<(), Fail> {
    let args = &ctx.args;
    if !matches!(direction, None | Some("in" | "out")) {
        crate::fail!("For rules, direction must be one of \"in\" and \"out\", or direction must not be specified.");
    }
    let (inwards, outwards) = (args.str("interface_in"), args.str("interface_out"));
    if !args.bool("route") && inwards.is_some() && outwards.is_some() {
        crate::fail!("Only route rules can combine interface_in and interface_out");
    }
    let mut add = |more: &[&str]| line.extend(more.iter().map(|w| w.to_string()));
    if args.bool("route") {
        add(&["route"]);
    }
    if args.bool("delete") {
        add(&["delete"]);
    } else if let Some(insert) = args.int("insert") {
        let at = match args.text("insert_relative_to").as_str() {
            "zero" => Some(insert),
            relative => position(&ufw.call(&words(&["status", "numbered"]))?, relative, insert),
        };
        if let Some(at) = at {
            add(&["insert", &at.to_string()]);
        }
    }
    add(&[action]);
    if let Some(direction) = direction {
        add(&[direction]);
    }
    for (name, before) in
        [("interface", &["on"] as &[&str]), ("interface_in", &["in", "on"]), ("interface_out", &["out", "on"])]
    {
        if let Some(value) = args.str(name).filter(|v| !v.is_empty()) {
            add(before);
            add(&[&value]);
        }
    }
    if args.bool("log") {
        add(&["log"]);
    }
    for (name, word) in [
        ("from_ip", "from"),
        ("from_port", "port"),
        ("to_ip", "to"),
        ("to_port", "port"),
        ("proto", "proto"),
        ("name", "app"),
    ] {
        if let Some(value) = args.str(name).filter(|v| !v.is_empty()) {
            add(&[word, &value]);
        }
    }
    if let Some(comment) = args.str("comment").filter(|c| !c.is_empty()) {
        let version = ufw.call(&words(&["--version"]))?;
        // Comments came with 0.35.
        if version_of(&version).is_none_or(|v| v >= (0, 35)) {
            add(&["comment", &comment]);
        }
    }
    Ok(())
}

fn version_of(text: &str) -> Option<(u32, u32)> {
    let number = text.lines().next()?.split(' ').find(|w| w.starts_with(|c: char| c.is_ascii_digit()))?;
    let mut parts = number.split('.').map(|p| p.parse().ok());
    Some((parts.next()??, parts.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ufw_says() {
        let status =
            "Status: active\nLogging: on (low)\nDefault: deny (incoming), allow (outgoing), disabled (routed)\n";
        assert_eq!(default_of(status, "outgoing").as_deref(), Some("allow"));
        for (value, want) in [("on", false), ("low", false), ("high", true), ("off", true)] {
            assert_eq!(logging_changes(status, value), want, "{value}");
        }
        assert!(logging_changes("Logging: off\n", "low") && !logging_changes("Logging: off\n", "off"));
        let numbered = "[ 1] 22/tcp ALLOW IN Anywhere\n[ 2] 80 ALLOW IN Anywhere\n[ 3] 22/tcp (v6) ALLOW IN\n";
        for (relative, insert, want) in
            [("first-ipv4", 0, Some(1)), ("last-ipv4", 0, Some(2)), ("first-ipv6", 0, Some(3)), ("last-ipv6", 1, None)]
        {
            assert_eq!(position(numbered, relative, insert), want, "{relative}");
        }
        assert_eq!(version_of("ufw 0.36.2\nCopyright"), Some((0, 36)));
        assert!(v4("10.0.0.0/8") && !v4("any") && v6("fe80::1/64"));
    }
}
