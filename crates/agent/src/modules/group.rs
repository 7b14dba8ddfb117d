//! `group`: a group exists with this id, or doesn't.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::users;

/// What to run for a group as it is; `None`: nothing to do. Pure.
fn plan(ctx: &Ctx, name: &str, current: Option<u32>, local: bool) -> Option<Vec<String>> {
    let args = &ctx.args;
    let (add, modify, delete) =
        if local { ("lgroupadd", "lgroupmod", "lgroupdel") } else { ("groupadd", "groupmod", "groupdel") };
    let mut command = Vec::new();
    match (args.text("state").as_str(), current) {
        ("absent", None) => return None,
        ("absent", Some(_)) => {
            command.push(delete.to_string());
            if args.bool("force") && !local {
                command.push("-f".into());
            }
        }
        (_, None) => {
            command.push(add.into());
            if let Some(gid) = args.int("gid") {
                command.extend(["-g".into(), gid.to_string()]);
                if args.bool("non_unique") {
                    command.push("-o".into());
                }
            }
            if args.bool("system") {
                command.push("-r".into());
            }
            for (name, key) in [("gid_min", "GID_MIN"), ("gid_max", "GID_MAX")] {
                if let Some(limit) = args.int(name) {
                    command.extend(["-K".into(), format!("{key}={limit}")]);
                }
            }
        }
        (_, Some(current)) => {
            let gid = args.int("gid").filter(|gid| *gid != i64::from(current))?;
            command.extend([modify.into(), "-g".into(), gid.to_string()]);
            if args.bool("non_unique") {
                command.push("-o".into());
            }
        }
    }
    command.push(name.to_string());
    Some(command)
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let name = args.req("name")?;
    if args.bool("non_unique") && args.int("gid").is_none() {
        crate::fail!("non_unique is True but all of the following are missing: gid");
    }
    let local = args.bool("local");
    let find =
        || if local { users::groups().into_iter().find(|g| g.name == name) } else { users::group_by_name(&name) };
    let current = find();
    if local
        && current.is_none()
        && let Some(gid) = args.int("gid")
        && let Some(other) = users::groups().into_iter().find(|g| i64::from(g.gid) == gid)
        && !args.bool("non_unique")
    {
        crate::fail!("GID '{gid}' already exists with group '{}'", other.name);
    }
    let state = args.text("state");
    let mut out = crate::out! {"name": name, "state": state, "changed": false};
    if let Some(mut command) = plan(ctx, &name, current.as_ref().map(|g| g.gid), local) {
        out.insert("changed".into(), true.into());
        if !ctx.check {
            // BusyBox has other names for these.
            if ctx.which(&command[0]).is_none() {
                match command[0].as_str() {
                    "groupadd" if ctx.which("addgroup").is_some() => {
                        command[0] = "addgroup".into();
                        command.iter_mut().filter(|w| *w == "-r").for_each(|w| *w = "-S".into());
                    }
                    "groupdel" if ctx.which("delgroup").is_some() => command[0] = "delgroup".into(),
                    _ => {
                        ctx.need(&command[0])?;
                    }
                }
            }
            let ran = ctx.run(&command)?;
            if !ran.ok() {
                return Err(ran.fail(ran.complaint()).with("name", name));
            }
            if !ran.stdout.is_empty() {
                out.insert("stdout".into(), ran.stdout.into());
            }
            if !ran.stderr.is_empty() {
                out.insert("stderr".into(), ran.stderr.into());
            }
        }
    }
    if let Some(group) = find().filter(|_| state == "present") {
        out.insert("system".into(), args.bool("system").into());
        out.insert("gid".into(), group.gid.into());
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn plans() {
        for (args, current, want) in [
            (json!({"name": "g"}), None, Some("groupadd g")),
            (json!({"name": "g", "gid": 7, "system": true}), None, Some("groupadd -g 7 -r g")),
            (json!({"name": "g", "gid": 7, "non_unique": true}), None, Some("groupadd -g 7 -o g")),
            (json!({"name": "g", "gid_min": 100}), None, Some("groupadd -K GID_MIN=100 g")),
            (json!({"name": "g", "gid": 7}), Some(7), None),
            (json!({"name": "g", "gid": 8}), Some(7), Some("groupmod -g 8 g")),
            (json!({"name": "g", "state": "absent"}), None, None),
            (json!({"name": "g", "state": "absent", "force": true}), Some(7), Some("groupdel -f g")),
        ] {
            let ctx = Ctx::test("group", args.clone());
            assert_eq!(plan(&ctx, "g", current, false).map(|c| c.join(" ")).as_deref(), want, "{args}");
        }
    }

    #[test]
    fn what_is_there_already_is_left() {
        let out = run(&Ctx::test("group", json!({"name": "root", "gid": 0}))).unwrap();
        assert_eq!((&out["changed"], &out["gid"]), (&json!(false), &json!(0)));
        let mut ctx = Ctx::test("group", json!({"name": "no-such-group-here"}));
        ctx.check = true;
        assert_eq!(run(&ctx).unwrap()["changed"], true);
    }
}
