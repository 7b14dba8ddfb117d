//! `acl`: access control lists, by setfacl and getfacl (or their NFSv4 namesakes).

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use serde_json::json;

/// One entry, its parts.
#[derive(Debug, Clone, Default, PartialEq)]
struct Entry {
    default: Option<bool>,
    etype: Option<String>,
    entity: String,
    permissions: Option<String>,
}

/// `[d:]u:name[:rwx]` in any of setfacl's spellings.
fn split(text: &str) -> Option<Entry> {
    let mut parts: Vec<&str> = text.split(':').collect();
    let default = text.to_lowercase().starts_with('d').then(|| {
        parts.remove(0);
        true
    });
    let (kind, entity, permissions) = match parts.as_slice() {
        [kind, entity] => (kind, entity, None),
        [kind, entity, permissions] => (kind, entity, Some(permissions.to_string())),
        _ => return None,
    };
    let etype = match kind.to_lowercase().chars().next() {
        Some('u') => Some("user"),
        Some('g') => Some("group"),
        Some('m') => Some("mask"),
        Some('o') => Some("other"),
        _ => None,
    };
    Some(Entry { default, etype: etype.map(String::from), entity: entity.to_string(), permissions })
}

impl Entry {
    fn text(&self, with_permissions: bool, nfs: bool) -> String {
        let kind = self.etype.as_deref().unwrap_or_default();
        let permissions = self.permissions.as_deref().unwrap_or_default();
        if nfs {
            return format!("A:{}:{}:{permissions}tcy", if kind == "group" { "g" } else { "" }, self.entity);
        }
        if with_permissions && !permissions.is_empty() {
            return format!("{kind}:{}:{permissions}", self.entity);
        }
        format!("{kind}:{}", self.entity)
    }
}

/// The lines that count in a tool's output.
fn lines(text: &str) -> Vec<String> {
    let mut out: Vec<String> = text.lines().filter(|l| !l.starts_with('#')).map(|l| l.trim().to_string()).collect();
    if out.last().is_some_and(String::is_empty) {
        out.pop();
    }
    out
}

/// Whether `--test` says that something would change.
fn differs(test: &[String], entry: &str, nfs: bool) -> bool {
    if nfs {
        // The new entry stands on top of those that are there: twice means it is there already.
        return test.iter().filter(|l| *l == entry).count() != 2;
    }
    !test.iter().any(|l| l.ends_with("*,*"))
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let path = args.req_path("path")?;
    let state = args.text("state");
    let (nfs, recursive, mask) = (args.bool("use_nfsv4_acls"), args.bool("recursive"), args.text("recalculate_mask"));
    if !path.exists() {
        crate::fail!("Path not found or not accessible.");
    }
    let given = args.str("entry").filter(|e| !e.is_empty());
    let mut entry = Entry {
        default: None,
        etype: args.str("etype"),
        entity: args.text("entity"),
        permissions: args.str("permissions").filter(|p| !p.is_empty()),
    };
    if state == "query" {
        if recursive {
            crate::fail!("'recursive' MUST NOT be set when 'state=query'.");
        }
        if mask != "default" {
            crate::fail!("'recalculate_mask' MUST NOT be set to 'mask' or 'no_mask' when 'state=query'.");
        }
    }
    match &given {
        None => {
            if state == "absent" && entry.permissions.is_some() && !nfs {
                crate::fail!("'permissions' MUST NOT be set when 'state=absent'.");
            }
            if state == "absent" && entry.entity.is_empty() {
                crate::fail!("'entity' MUST be set when 'state=absent'.");
            }
            if state != "query" && entry.etype.is_none() {
                crate::fail!("'etype' MUST be set when 'state={state}'.");
            }
        }
        Some(text) => {
            if entry.etype.is_some() || !entry.entity.is_empty() || entry.permissions.is_some() {
                crate::fail!("'entry' MUST NOT be set when 'entity', 'etype' or 'permissions' are set.");
            }
            let colons = text.matches(':').count();
            if state == "present" && ![2, 3].contains(&colons) {
                crate::fail!("'entry' MUST have 3 or 4 sections divided by ':' when 'state=present'.");
            }
            if state == "absent" && ![1, 2].contains(&colons) {
                crate::fail!("'entry' MUST have 2 or 3 sections divided by ':' when 'state=absent'.");
            }
            if state == "query" {
                crate::fail!("'entry' MUST NOT be set when 'state=query'.");
            }
            entry = split(text).ok_or_else(|| Fail::new(format!("the entry {text:?} can't be read")))?;
        }
    }
    let default = entry.default.unwrap_or_else(|| args.bool("default"));
    let set = |word: &str, text: &str| -> Result<Vec<String>, Fail> {
        let tool = if nfs { "nfs4_setfacl" } else { "setfacl" };
        Ok(vec![ctx.need(tool)?.to_string_lossy().into_owned(), word.to_string(), text.to_string()])
    };
    let finish = |mut line: Vec<String>, changes: bool| {
        if recursive && !nfs {
            line.push("--recursive".into());
        }
        match mask.as_str() {
            "mask" if changes => line.push("--mask".into()),
            "no_mask" if changes => line.push("--no-mask".into()),
            _ => {}
        }
        if !args.bool("follow") && !nfs {
            line.push("--physical".into());
        }
        if default {
            line.insert(1, "-d".into());
        }
        line.push(path.to_string_lossy().into_owned());
        line
    };
    let mut changed = false;
    let msg = match state.as_str() {
        "query" => "current acl".to_string(),
        state => {
            let present = state == "present";
            let text = entry.text(present, nfs);
            let word = if !present {
                "-x"
            } else if nfs {
                "-a"
            } else {
                "-m"
            };
            let line = finish(set(word, &text)?, true);
            let mut test = line.clone();
            test.insert(1, "--test".into());
            changed = differs(&lines(&ctx.must(&test)?.stdout), &text, nfs);
            if changed && !ctx.check {
                let ran = ctx.run(&line)?;
                if present && !ran.ok() {
                    return Err(ran.fail(ran.complaint().to_string()).with("cmd", line.join(" ")));
                }
            }
            format!("{text} is {state}")
        }
    };
    let mut get = vec![ctx.need(if nfs { "nfs4_getfacl" } else { "getfacl" })?.to_string_lossy().into_owned()];
    if !nfs {
        get.push("--absolute-names".into());
        get.push("--omit-header".into());
    }
    let acl = lines(&ctx.must(&finish(get, false))?.stdout);
    Ok(crate::out! {"changed": changed, "msg": msg, "acl": json!(acl)})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;

    #[test]
    fn entries() {
        for (text, want, shown) in [
            ("u:joe:rw", Some((None, "user", "joe", Some("rw"))), "user:joe:rw"),
            ("default:group:dev:rwx", Some((Some(true), "group", "dev", Some("rwx"))), "group:dev:rwx"),
            ("m::r", Some((None, "mask", "", Some("r"))), "mask::r"),
            ("g:dev", Some((None, "group", "dev", None)), "group:dev"),
            ("x", None, ""),
        ] {
            let entry = split(text);
            let want = want.map(|(default, etype, entity, permissions)| Entry {
                default,
                etype: Some(etype.into()),
                entity: entity.into(),
                permissions: permissions.map(String::from),
            });
            assert_eq!(entry, want, "{text}");
            assert_eq!(entry.map(|e| e.text(true, false)).unwrap_or_default(), shown, "{text}");
        }
        assert!(!differs(&["f: *,*".into()], "", false) && differs(&["f: u::rw,*".into()], "", false));
        assert!(!differs(&["A::a:r".into(), "A::a:r".into()], "A::a:r", true));
        assert_eq!(lines("# file: x\nuser::rw-\n\n"), ["user::rw-"]);
    }

    #[test]
    fn a_file_of_ones_own() {
        let dir = Scratch::new();
        let path = dir.file("f", "");
        if Ctx::test("acl", json!({})).which("setfacl").is_none() {
            crate::sys::files::skipped("setfacl is not installed");
            return;
        }
        let call = |more: serde_json::Value| {
            let mut args = json!({"path": path});
            args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            run(&Ctx::test("acl", args))
        };
        let grant = json!({"entry": "user:1234:r", "state": "present"});
        assert_eq!(call(grant.clone()).unwrap()["changed"], true);
        let second = call(grant).unwrap();
        assert_eq!((&second["changed"], &second["msg"]), (&json!(false), &json!("user:1234:r is present")));
        assert!(second["acl"].to_string().contains("user:1234:r--"));
        let take = json!({"etype": "user", "entity": "1234", "state": "absent"});
        assert_eq!(call(take.clone()).unwrap()["changed"], true);
        assert_eq!(call(take).unwrap()["changed"], false);
        assert!(call(json!({"recursive": true})).is_err() && call(json!({"state": "present"})).is_err());
    }
}
