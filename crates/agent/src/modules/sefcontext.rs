//! `sefcontext`: which SELinux context files get by their names, by `semanage`.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::selinux;
use serde_json::json;

/// Ansible's letters and semanage's words for kinds of files.
const KINDS: &[(&str, &str)] = &[
    ("a", "all files"),
    ("b", "block device"),
    ("c", "character device"),
    ("d", "directory"),
    ("f", "regular file"),
    ("l", "symbolic link"),
    ("p", "named pipe"),
    ("s", "socket"),
];

/// The context of a target in `semanage fcontext -l -n`.
fn context(list: &str, target: &str, kind: &str) -> Option<String> {
    list.lines().find_map(|line| {
        let rest = line.strip_prefix(target)?;
        let rest = rest.strip_prefix(char::is_whitespace)?.trim_start();
        let context = rest.strip_prefix(kind)?.strip_prefix(char::is_whitespace)?.trim();
        (!context.contains(' ')).then(|| context.to_string())
    })
}

/// What a target is treated like: `target = other`.
fn substitute(list: &str, target: &str) -> Option<String> {
    list.lines().find_map(|l| l.split_once(" = ").filter(|(t, _)| t.trim() == target).map(|(_, s)| s.trim().into()))
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    if !args.bool("ignore_selinux_state") && !selinux::enabled() {
        crate::fail!("SELinux is disabled on this host.");
    }
    let (target, ftype, state) = (args.req("target")?, args.text("ftype"), args.text("state"));
    let kind = KINDS.iter().find(|(l, _)| *l == ftype).map_or("all files", |(_, k)| k);
    let (setype, other) = (args.str("setype"), args.str("substitute"));
    let list = ctx.must(&["semanage", "fcontext", "-l", "-n"])?.stdout;
    let current = context(&list, &target, kind);
    let equal = substitute(&list, &target);
    let mut words: Vec<String> = ["semanage", "fcontext"].map(String::from).to_vec();
    if !args.opt_bool("reload").unwrap_or(true) {
        words.push("-N".into());
    }
    let mut add = |more: &[&str]| words.extend(more.iter().map(|w| w.to_string()));
    let before;
    let mut after = String::new();
    let changed = if state == "absent" {
        let wants_context = other.is_none() && current.is_some();
        let changed = if setype.is_some() { wants_context } else { wants_context || equal.is_some() };
        if equal.is_some() && !wants_context {
            before = format!("{target} = {}\n", equal.clone().unwrap_or_default());
            add(&["-d", &target]);
        } else {
            before = format!("{target} {ftype} {}\n", current.clone().unwrap_or_default());
            add(&["-d", "-f", &ftype, &target]);
        }
        changed
    } else if let Some(other) = &other {
        before = equal.as_ref().map(|e| format!("{target} = {e}\n")).unwrap_or_default();
        after = format!("{target} = {other}\n");
        add(&[if equal.is_some() { "-m" } else { "-a" }, "-e", other, &target]);
        equal.as_ref() != Some(other)
    } else {
        let parts: Vec<&str> = current.as_deref().unwrap_or_default().splitn(4, ':').collect();
        let old = |at: usize| parts.get(at).filter(|_| current.is_some()).map(|p| p.to_string());
        let user = args.str("seuser").or_else(|| old(0)).unwrap_or_else(|| "system_u".into());
        let level = args.str("selevel").or_else(|| old(3)).unwrap_or_else(|| "s0".into());
        let setype = setype.clone().unwrap_or_default();
        let new = format!("{user}:object_r:{setype}:{level}");
        before = current.as_ref().map(|c| format!("{target} {ftype} {c}\n")).unwrap_or_default();
        after = format!("{target} {ftype} {new}\n");
        let how = if current.is_some() { "-m" } else { "-a" };
        add(&[how, "-f", &ftype, "-t", &setype, "-s", &user, "-r", &level, &target]);
        current.as_deref() != Some(new.as_str())
    };
    if changed && !ctx.check {
        ctx.must(&words)?;
    }
    let mut out = crate::out! {
        "changed": changed, "target": target, "ftype": ftype, "setype": setype, "substitute": other, "state": state,
    };
    if ctx.diff && changed {
        out.insert("diff".into(), json!({"before": before, "after": after}));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let list = "/srv/git(/.*)?     all files    system_u:object_r:git_t:s0 \n/srv/web = /var/www\n";
        assert_eq!(context(list, "/srv/git(/.*)?", "all files").as_deref(), Some("system_u:object_r:git_t:s0"));
        assert_eq!(context(list, "/srv/git", "all files"), None);
        assert_eq!(context(list, "/srv/git(/.*)?", "directory"), None);
        assert_eq!(substitute(list, "/srv/web").as_deref(), Some("/var/www"));
    }
}
