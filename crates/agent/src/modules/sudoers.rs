//! `sudoers`: one rule in a file of its own.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::files;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

/// The rule's line.
fn rule(ctx: &Ctx) -> Result<String, Fail> {
    let args = &ctx.args;
    let owner = match (args.str("user"), args.str("group")) {
        (Some(user), _) => user,
        (None, Some(group)) => format!("%{group}"),
        (None, None) => crate::fail!("user or group is needed"),
    };
    let flag = |name: &str, text| if args.bool(name) { text } else { "" };
    Ok(format!(
        "{owner} {}={}{}{}{} {}\n",
        args.text("host"),
        args.str("runas").map(|r| format!("({r})")).unwrap_or_default(),
        flag("noexec", "NOEXEC:"),
        flag("nopassword", "NOPASSWD:"),
        flag("setenv", "SETENV:"),
        args.strs("commands").join(", ")
    ))
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let file = args.req_path("sudoers_path")?.join(args.req("name")?);
    if args.text("state") == "absent" {
        let exists = file.exists();
        if exists && !ctx.check {
            std::fs::remove_file(&file).at("can't remove", &file)?;
        }
        return Ok(crate::out! {"changed": exists});
    }
    let text = rule(ctx)?;
    let validation = args.text("validation");
    if validation != "absent" {
        let visudo = if validation == "required" { Some(ctx.need("visudo")?) } else { ctx.which("visudo") };
        if let Some(visudo) = visudo {
            let ran = ctx.cmd(visudo).args(["-c", "-f", "-"]).english().stdin(text.as_bytes()).run()?;
            if !ran.ok() {
                let said = if ran.stdout.is_empty() { &ran.stderr } else { &ran.stdout };
                return Err(ran.fail(format!("Failed to validate sudoers rule:\n{said}")));
            }
        }
    }
    let same =
        files::read_text(&file)?.is_some_and(|t| t == text) && file.metadata().is_ok_and(|m| m.mode() & 0o777 == 0o440);
    if !same && !ctx.check {
        files::write(ctx, &file, text.as_bytes(), false)?;
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o440)).at("can't set the mode of", &file)?;
    }
    Ok(crate::out! {"changed": !same})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::json;

    #[test]
    fn a_rule_and_back() {
        let dir = Scratch::new();
        let call = |state: &str| {
            let args = json!({"name": "r", "sudoers_path": dir.path(""), "user": "bob", "commands": ["/bin/a", "ALL"],
                "runas": "root", "state": state, "validation": "absent", "setenv": true});
            run(&Ctx::test("sudoers", args)).unwrap()["changed"] == true
        };
        assert!(call("present") && !call("present"));
        assert_eq!(dir.read("r"), "bob ALL=(root)NOPASSWD:SETENV: /bin/a, ALL\n");
        assert!(call("absent") && !call("absent"));
    }
}
