//! `capabilities`: a file's capabilities, by libcap's programs.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};

/// A capability, its operator and its flags.
#[derive(Debug, Clone, PartialEq)]
struct Cap {
    name: String,
    op: char,
    flags: String,
}

/// `cap_net_raw+ep`; without an operator only the name.
fn parse(text: &str) -> (String, Option<(char, String)>) {
    match text.find(['=', '-', '+']) {
        Some(at) => (text[..at].to_string(), text[at..].chars().next().map(|op| (op, text[at + 1..].to_string()))),
        None => (text.to_string(), None),
    }
}

/// What `getcap -v` says of a file: older versions write `/f = cap_a,cap_b+ep cap_c+i`, newer ones `/f cap_a=ep`.
fn read(stdout: &str, path: &str) -> Vec<Cap> {
    let text = stdout.trim();
    let Some(rest) = text.strip_prefix(path).map(str::trim).filter(|r| !r.is_empty()) else { return Vec::new() };
    let rest = rest.strip_prefix("= ").or_else(|| rest.strip_prefix('=').filter(|r| r.is_empty())).unwrap_or(rest);
    let mut caps = Vec::new();
    for group in rest.split_whitespace().map(str::to_lowercase) {
        let (names, Some((op, flags))) = parse(&group) else { continue };
        caps.extend(names.split(',').map(|name| Cap { name: name.to_string(), op, flags: flags.clone() }));
    }
    caps
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let (path, wanted) = (args.req("path")?.trim().to_string(), args.req("capability")?.trim().to_lowercase());
    let state = args.text("state");
    let (name, how) = parse(&wanted);
    let ran = ctx.cmd(ctx.need("getcap")?).args(["-v", &path]).english().run()?;
    if !ran.ok() || !ran.stderr.is_empty() || ran.stdout.trim().ends_with(')') {
        return Err(ran.fail(format!("Unable to get capabilities of {path}")));
    }
    let current = read(&ran.stdout, &path);
    let mut caps: Vec<Cap> = current.iter().filter(|c| c.name != name).cloned().collect();
    let changed = if state == "present" {
        let Some((op, flags)) = how else { crate::fail!("Couldn't find operator (one of: ('=', '-', '+'))") };
        let cap = Cap { name, op, flags };
        let missing = !current.contains(&cap);
        caps.push(cap);
        missing
    } else {
        caps.len() != current.len()
    };
    if !changed {
        return Ok(crate::out! {"changed": false, "state": state});
    }
    if ctx.check {
        return Ok(crate::out! {"changed": true, "msg": "capabilities changed"});
    }
    let text: Vec<String> = caps.iter().map(|c| format!("{}{}{}", c.name, c.op, c.flags)).collect();
    let ran = ctx.cmd(ctx.need("setcap")?).args([text.join(" ").as_str(), &path]).english().run()?;
    if !ran.ok() {
        return Err(ran.fail(format!("Unable to set capabilities of {path}")));
    }
    Ok(crate::out! {"changed": true, "state": state, "msg": "capabilities changed", "stdout": ran.stdout})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_getcap() {
        let cap = |name: &str, op: char| Cap { name: name.into(), op, flags: "ep".into() };
        for (text, want) in [
            ("/f = cap_net_raw,cap_chown+ep\n", vec![cap("cap_net_raw", '+'), cap("cap_chown", '+')]),
            ("/f cap_net_raw=ep\n", vec![cap("cap_net_raw", '=')]),
            ("/f\n", vec![]),
            ("/f =\n", vec![]),
        ] {
            assert_eq!(read(text, "/f"), want, "{text:?}");
        }
    }
}
