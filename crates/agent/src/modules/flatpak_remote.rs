//! `flatpak_remote`: where Flatpak gets its applications. Source: community.general's DOCUMENTATION and flatpak(1).

use super::flatpak::Flatpak;
use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};

/// Whether a list of remotes has this one, and whether it is enabled.
fn find(list: &str, name: &str) -> Option<bool> {
    list.lines().map(str::split_whitespace).find_map(|mut words| {
        let options = (words.next()? == name).then(|| words.next().unwrap_or_default())?;
        Some(!options.split(',').any(|o| o == "disabled"))
    })
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let name = args.req("name")?;
    let url = args.str("flatpakrepo_url").filter(|u| !u.is_empty());
    let mut flatpak = Flatpak::new(ctx, &args.text("executable"))?;
    let method = flatpak.method();
    let list = ["remote-list", "--show-disabled", &method].map(String::from);
    let mut enabled = find(&flatpak.ask(&list)?, &name);
    if args.text("state") == "absent" {
        if enabled.is_some() {
            flatpak.act(&["remote-delete".into(), method, "--force".into(), name])?;
        }
        return Ok(flatpak.out);
    }
    if enabled.is_none() {
        let Some(url) = url else { crate::fail!("flatpakrepo_url is needed to add the remote {name}") };
        flatpak.act(&["remote-add".into(), method.clone(), name.clone(), url])?;
        // One that is not there, because this is a check, would be enabled.
        enabled = if ctx.check { Some(true) } else { find(&flatpak.ask(&list)?, &name) };
    }
    let wanted = args.bool("enabled");
    if enabled != Some(wanted) {
        let flag = if wanted { "--enable" } else { "--disable" };
        flatpak.act(&["remote-modify".into(), flag.into(), method, name])?;
    }
    Ok(flatpak.out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::{Scratch, skipped};
    use serde_json::{Value, json};

    #[test]
    fn lists() {
        let list = "flathub\tsystem\nold\tsystem,disabled,oci\nbare\n";
        assert_eq!(
            ["flathub", "old", "bare", "none"].map(|n| find(list, n)),
            [Some(true), Some(false), Some(true), None]
        );
    }

    /// With the real program, whose user installation is in a directory of the test's.
    #[test]
    fn remotes_come_once() {
        let path = std::env::var("PATH").unwrap_or_default();
        if crate::sys::run::which_in("flatpak", &path).is_none() {
            return skipped("no flatpak here");
        }
        let dir = Scratch::new();
        let repo = "[Flatpak Repo]\nTitle=T\nUrl=http://127.0.0.1:1/repo\n";
        let url = format!("file://{}", dir.file("t.flatpakrepo", repo));
        let call = |args: Value, check: bool| {
            let mut all = json!({"name": "t", "method": "user"});
            all.as_object_mut().unwrap().extend(args.as_object().unwrap().clone());
            let mut ctx = Ctx::test("flatpak_remote", all);
            ctx.check = check;
            ctx.env.insert("FLATPAK_USER_DIR".into(), dir.path("user"));
            ctx.env.insert("HOME".into(), dir.path(""));
            run(&ctx)
        };
        let changed = |args: &Value, check: bool| {
            call(args.clone(), check).unwrap_or_else(|e| panic!("{}", e.msg))["changed"].clone()
        };
        assert!(call(json!({}), false).unwrap_err().msg.contains("flatpakrepo_url is needed"));
        let there = json!({"flatpakrepo_url": url});
        assert_eq!((changed(&there, true), changed(&there, true)), (true.into(), true.into()));
        assert_eq!((changed(&there, false), changed(&there, false)), (true.into(), false.into()));
        let off = json!({"enabled": false});
        assert_eq!(
            (changed(&off, true), changed(&off, false), changed(&off, false)),
            (true.into(), true.into(), false.into())
        );
        assert_eq!((changed(&json!({}), false), changed(&json!({}), false)), (true.into(), false.into()));
        let gone = json!({"state": "absent"});
        assert_eq!(
            (changed(&gone, true), changed(&gone, false), changed(&gone, false)),
            (true.into(), true.into(), false.into())
        );
    }
}
