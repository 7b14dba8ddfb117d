//! `kernel_blacklist`: a kernel module is never loaded by itself, or may be again.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::files;
use serde_json::json;
use std::path::PathBuf;

fn names(line: &str, name: &str) -> bool {
    line.trim().strip_prefix("blacklist").is_some_and(|r| r.starts_with(char::is_whitespace) && r.trim() == name)
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let (name, state) = (ctx.args.req("name")?, ctx.args.text("state"));
    let file = PathBuf::from(ctx.args.text("blacklist_file"));
    let before = files::read_text(&file)?;
    let text = before.clone().unwrap_or_default();
    let mut lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let listed = lines.iter().any(|l| names(l, &name));
    let entry = format!("blacklist {name}");
    match (state.as_str(), listed) {
        ("present", false) => lines.push(&entry),
        ("absent", true) => lines.retain(|l| !names(l, &name)),
        _ => {}
    }
    let changed = listed != (state == "present");
    let after: String = lines.iter().map(|l| format!("{l}\n")).collect();
    if !ctx.check && (changed || before.is_none()) {
        files::write(ctx, &file, after.as_bytes(), false)?;
    }
    let mut out = crate::out! {"changed": changed, "name": name, "state": state};
    if ctx.diff && changed {
        out.insert("diff".into(), json!({"before": text, "after": after}));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;

    #[test]
    fn listed_once_and_gone() {
        let dir = Scratch::new();
        let file = dir.file("b.conf", "# nouveau\nblacklist a\n");
        let call = |name: &str, state: &str| {
            let args = json!({"name": name, "state": state, "blacklist_file": file});
            run(&Ctx::test("kernel_blacklist", args)).unwrap()["changed"] == true
        };
        assert!(call("nouveau", "present") && !call("nouveau", "present"));
        assert_eq!(dir.read("b.conf"), "# nouveau\nblacklist a\nblacklist nouveau\n");
        assert!(call("nouveau", "absent") && !call("nouveau", "absent"));
        assert_eq!(dir.read("b.conf"), "# nouveau\nblacklist a\n");
    }
}
