//! `dpkg_selections`: what dpkg is to do with a package: install, hold, deinstall, purge.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};

/// The selection in the output of `dpkg --get-selections NAME`.
fn selection(text: &str) -> Option<String> {
    text.lines().find_map(|line| line.split_whitespace().nth(1)).map(str::to_owned)
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    ctx.need("dpkg")?;
    let (name, wanted) = (ctx.args.req("name")?, ctx.args.req("selection")?);
    let ran = ctx.cmd("dpkg").english().arg("--get-selections").arg(&name).run()?;
    if !ran.ok() {
        return Err(ran.fail(format!("Failed to read the selection of {name}")));
    }
    let Some(before) = selection(&ran.stdout) else {
        // dpkg takes a selection for an unknown package and forgets it.
        return Err(Fail::new(format!("Failed to find package '{name}' to perform selection '{wanted}'.")));
    };
    let changed = before != wanted;
    if changed && !ctx.check {
        let ran = ctx.cmd("dpkg").arg("--set-selections").stdin(format!("{name} {wanted}\n")).run()?;
        if !ran.ok() {
            return Err(ran.fail(format!("Failed to set the selection of {name}")));
        }
    }
    Ok(crate::out! {"changed": changed, "before": before, "after": wanted})
}

#[cfg(test)]
mod tests {
    #[test]
    fn selections() {
        assert_eq!(super::selection("bash\t\t\t\t\t\tinstall\n").as_deref(), Some("install"));
        assert_eq!(super::selection("lib:amd64 hold\n").as_deref(), Some("hold"));
        assert_eq!(super::selection(""), None);
    }
}
