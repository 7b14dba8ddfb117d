//! `dpkg_selections`: what dpkg is to do with a package: install, hold, deinstall, purge.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let (name, wanted) = (ctx.args.req("name")?, ctx.args.req("selection")?);
    ctx.need("dpkg")?;
    let ran = ctx.run(&["dpkg", "--get-selections", &name])?;
    if ran.stderr.contains("no packages found matching") {
        crate::fail!("Failed to find package '{name}' to perform selection '{wanted}'.");
    }
    let current = ran.stdout.lines().next().and_then(|l| l.split_whitespace().nth(1)).map(str::to_string);
    let changed = current.as_deref() != Some(&wanted);
    if changed && !ctx.check {
        let ran = ctx.cmd("dpkg").arg("--set-selections").english().stdin(format!("{name} {wanted}\n")).run()?;
        if !ran.ok() {
            return Err(ran.fail(format!("dpkg --set-selections failed: {}", ran.complaint())));
        }
    }
    Ok(crate::out! {"changed": changed, "before": current.unwrap_or_else(|| "not present".into()), "after": wanted})
}
