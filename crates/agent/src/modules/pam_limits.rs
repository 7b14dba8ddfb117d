//! `pam_limits`: a limit in limits.conf or a file beside it.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::files;
use serde_json::json;
use std::path::PathBuf;

fn unlimited(value: &str) -> bool {
    matches!(value, "unlimited" | "infinity" | "-1")
}

/// A number in its range, or a word for no limit.
fn check(item: &str, value: &str, prefix: &str) -> Result<(), Fail> {
    let number: Option<i64> = value.parse().ok();
    if matches!(item, "nice" | "priority") {
        if number.is_none_or(|n| !(-20..=19).contains(&n)) {
            crate::fail!(
                "{prefix} Value of {value:?} for item {item:?} is invalid. Value must be a number in the range -20 to 19 inclusive. Refer to the limits.conf(5) manual pages for more details."
            );
        }
    } else if !unlimited(value) && number.is_none_or(|n| n < 0) {
        crate::fail!(
            "{prefix} Value of {value:?} for item {item:?} is invalid. Value must either be 'unlimited', 'infinity' or -1, all of which indicate no limit, or a limit of 0 or larger. Refer to the limits.conf(5) manual pages for more details."
        );
    }
    Ok(())
}

/// The value that comes of the one asked for and the one that stands there.
fn settle(value: &str, actual: &str, max: bool, min: bool) -> String {
    let (a, b) = (value.parse::<i64>().unwrap_or(0), actual.parse::<i64>().unwrap_or(0));
    match (unlimited(value), unlimited(actual)) {
        (_, true) if max => actual.into(),
        (true, _) if max => value.into(),
        _ if max => a.max(b).to_string(),
        (true, _) if min => actual.into(),
        (_, true) if min => value.into(),
        _ if min => a.min(b).to_string(),
        _ => value.into(),
    }
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let (domain, kind, item) = (args.req("domain")?, args.req("limit_type")?, args.req("limit_item")?);
    let (value, max, min) = (args.req("value")?, args.bool("use_max"), args.bool("use_min"));
    let file = PathBuf::from(args.text("dest"));
    if max && min {
        crate::fail!("Cannot use use_min and use_max at the same time.");
    }
    check(&item, &value, "")?;
    let existing = files::read_text(&file)?;
    if existing.is_none() && !file.parent().is_some_and(std::path::Path::is_dir) {
        crate::fail!(
            "directory {} is not writable (check presence, access rights, use sudo)",
            file.parent().unwrap_or(&file).display()
        );
    }
    let before = existing.clone().unwrap_or_default();
    let (mut found, mut changed, mut message, mut after) = (false, existing.is_none(), String::new(), String::new());
    let mut comment = args.text("comment");
    let line_of = |value: &str, comment: &str| {
        let note = if comment.is_empty() { String::new() } else { format!("\t#{comment}") };
        format!("{domain}\t{kind}\t{item}\t{value}{note}\n")
    };
    for line in before.split_inclusive('\n') {
        let (body, note) = line.split_once('#').unwrap_or((line, ""));
        let fields: Vec<&str> = body.split_whitespace().collect();
        let [d, k, i, actual] = fields.as_slice() else {
            after.push_str(line);
            continue;
        };
        if line.starts_with('#') {
            after.push_str(line);
            continue;
        }
        check(i, actual, &format!("Invalid configuration found in '{}'.", file.display()))?;
        if (*d, *k, *i) != (domain.as_str(), kind.as_str(), item.as_str()) {
            after.push_str(line);
            continue;
        }
        found = true;
        let new = settle(&value, actual, max, min);
        if value == *actual || new == *actual {
            message = line.to_string();
        } else {
            changed = true;
            if comment.is_empty() {
                comment = note.trim_end().to_string();
            }
            message = line_of(&new, &comment);
        }
        after.push_str(&message);
    }
    if !found {
        changed = true;
        if !after.is_empty() && !after.ends_with('\n') {
            after.push('\n');
        }
        message = line_of(&value, &comment);
        after.push_str(&message);
    }
    let mut out = crate::out! {"changed": changed, "msg": message, "diff": json!({"before": before, "after": after})};
    if !ctx.check && changed {
        if args.bool("backup")
            && let Some(copy) = files::backup(&file)?
        {
            out.insert("backup_file".into(), copy.into());
        }
        files::write(ctx, &file, after.as_bytes(), false)?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;

    #[test]
    fn limits() {
        for (value, actual, max, min, want) in [
            ("10", "5", false, false, "10"),
            ("10", "50", true, false, "50"),
            ("10", "unlimited", true, false, "unlimited"),
            ("unlimited", "5", true, false, "unlimited"),
            ("10", "5", false, true, "5"),
            ("unlimited", "5", false, true, "5"),
            ("10", "-1", false, true, "10"),
        ] {
            assert_eq!(settle(value, actual, max, min), want, "{value} {actual}");
        }
        let dir = Scratch::new();
        let dest = dir.file("l.conf", "# c\nbob soft nofile 5 # why\n");
        let call = |domain: &str, value: &str| {
            let args =
                json!({"domain": domain, "limit_type": "soft", "limit_item": "nofile", "value": value, "dest": dest});
            run(&Ctx::test("pam_limits", args))
        };
        assert_eq!(call("bob", "64000").unwrap()["changed"], true);
        assert_eq!(call("bob", "64000").unwrap()["changed"], false);
        assert_eq!(call("*", "unlimited").unwrap()["changed"], true);
        assert_eq!(dir.read("l.conf"), "# c\nbob\tsoft\tnofile\t64000\t# why\n*\tsoft\tnofile\tunlimited\n");
        assert!(call("*", "many").is_err());
    }
}
