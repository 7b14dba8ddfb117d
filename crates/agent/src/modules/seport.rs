//! `seport`: which SELinux type a network port has, by `semanage`.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::selinux;

/// `(type, protocol, ports)` of `semanage port -l -n`.
fn parse(list: &str) -> Vec<(String, String, Vec<String>)> {
    list.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (setype, proto) = (words.next()?, words.next()?);
            let ports = words.collect::<String>().split(',').map(str::to_string).collect();
            Some((setype.to_string(), proto.to_string(), ports))
        })
        .collect()
}

/// `80-80` is `80`.
fn normal(port: &str) -> String {
    match port.split_once('-') {
        Some((low, high)) if low.trim() == high.trim() => low.trim().to_string(),
        Some((low, high)) => format!("{}-{}", low.trim(), high.trim()),
        None => port.trim().to_string(),
    }
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let (ports, proto, setype) = (args.strs("ports"), args.req("proto")?, args.req("setype")?);
    let (state, local) = (args.text("state"), args.bool("local"));
    if !args.bool("ignore_selinux_state") && !selinux::enabled() {
        crate::fail!("SELinux is disabled on this host.");
    }
    let all = parse(&ctx.must(&["semanage", "port", "-l", "-n"])?.stdout);
    let ours = if local { parse(&ctx.must(&["semanage", "port", "-l", "-n", "-C"])?.stdout) } else { all.clone() };
    let has = |list: &[(String, String, Vec<String>)], setype: Option<&str>, port: &str| {
        list.iter()
            .any(|(t, p, ports)| setype.is_none_or(|s| s == t) && *p == proto && ports.iter().any(|have| have == port))
    };
    let mut changed = false;
    for port in ports.iter().map(|p| normal(p)) {
        let typed = has(&ours, Some(&setype), &port);
        if typed == (state == "present") {
            continue;
        }
        changed = true;
        if ctx.check {
            continue;
        }
        let mut words = vec!["semanage", "port"];
        match (state.as_str(), has(&all, None, &port)) {
            ("present", false) => words.extend(["-a", "-t", &setype, "-r", "s0"]),
            ("present", true) => words.extend(["-m", "-t", &setype, "-r", "s0"]),
            _ => words.push("-d"),
        }
        if !args.opt_bool("reload").unwrap_or(true) {
            words.push("-N");
        }
        words.extend(["-p", &proto, &port]);
        ctx.must(&words)?;
    }
    Ok(crate::out! {"changed": changed, "ports": ports, "proto": proto, "setype": setype, "state": state})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let list = "http_port_t                    tcp      80, 81, 8008-8009\n";
        let want = ("http_port_t".into(), "tcp".into(), vec!["80".into(), "81".into(), "8008-8009".into()]);
        assert_eq!(parse(list), [want]);
        assert_eq!(normal("80-80"), "80");
    }
}
