//! `cronvar`: a variable in a crontab. The tables themselves are `cron`'s.

use super::cron::Table;
use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::files;
use std::path::{Path, PathBuf};

/// A line's variable and value, if it sets one.
fn variable(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start();
    if line.starts_with('#') {
        return None;
    }
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    let plain = !name.is_empty() && !name.contains([' ', '\t', '"', '\'']);
    let quoted = name.len() > 2 && name.starts_with(['"', '\'']) && name.ends_with(['"', '\'']);
    (plain || quoted).then_some((name, value.trim()))
}

/// The lines with the variable set (or gone). Pure.
fn plan(lines: &[String], name: &str, value: Option<&str>, after: Option<&str>, before: Option<&str>) -> Vec<String> {
    let has = |line: &str, wanted: &str| variable(line).is_some_and(|(n, _)| n == wanted);
    let new = value.map(|v| format!("{name}={v}"));
    if lines.iter().any(|l| has(l, name)) {
        let kept = lines.iter().filter_map(|l| if has(l, name) { new.clone() } else { Some(l.clone()) });
        return kept.collect();
    }
    let Some(new) = new else { return lines.to_vec() };
    let mut out = Vec::new();
    if after.is_none() && before.is_none() {
        out.push(new.clone());
    }
    for line in lines {
        if before.is_some_and(|b| has(line, b)) {
            out.push(new.clone());
        }
        out.push(line.clone());
        if after.is_some_and(|a| has(line, a)) {
            out.push(new.clone());
        }
    }
    out
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let name = args.req("name")?;
    let present = args.text("state") != "absent";
    let mut value = args.str("value");
    if present && value.is_none() {
        crate::fail!("You must specify 'value' to insert a new cron variable");
    }
    let table = match args.str("cron_file") {
        Some(file) if file.starts_with('/') => Table::File(PathBuf::from(file)),
        Some(file) => Table::File(Path::new("/etc/cron.d").join(file)),
        None => Table::User(args.str("user")),
    };
    if let Table::File(file) = &table
        && let Some(dir) = file.parent().filter(|d| !d.is_dir())
    {
        crate::fail!("Parent directory '{}' does not exist for cron_file: '{}'", dir.display(), file.display());
    }
    let old = table.read(ctx)?;
    let current = old.iter().filter_map(|l| variable(l)).find(|(n, _)| *n == name).map(|(_, v)| v.to_string());
    if value.as_deref() == Some("") && current.as_deref() != Some("") {
        value = Some("\"\"".into());
    }
    let changed = if present { current != value } else { current.is_some() };
    let mut new = old.clone();
    if changed {
        let value = value.as_deref().filter(|_| present);
        new = plan(&old, &name, value, args.str("insertafter").as_deref(), args.str("insertbefore").as_deref());
    }
    let vars: Vec<&str> = new.iter().filter_map(|l| variable(l)).map(|(n, _)| n).collect();
    let mut out = crate::out! {"changed": changed, "vars": vars};
    if changed && !ctx.check {
        if args.bool("backup") {
            let copy = std::env::temp_dir().join(format!("cronvar{}", crate::sys::random::token()));
            let text: String = old.iter().map(|l| format!("{l}\n")).collect();
            std::fs::write(&copy, text).at("can't write", &copy)?;
            out.insert("backup_file".into(), copy.to_string_lossy().into());
        }
        table.write(ctx, &new.iter().map(|l| format!("{l}\n")).collect::<String>())?;
    }
    if let Some(file) = args.str("cron_file") {
        out.insert("cron_file".into(), file.into());
    }
    if ctx.diff && changed {
        out.insert("diff".into(), files::diff(&old.join("\n"), &new.join("\n"), "crontab", "crontab"));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::json;

    #[test]
    fn set_move_and_gone() {
        let dir = Scratch::new();
        let file = dir.file("c", "# A=1\nMAILTO=root\n0 5 * * * root env A=b true\n");
        let call = |more: serde_json::Value| {
            let mut args = json!({"name": "A", "cron_file": file});
            args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            run(&Ctx::test("cronvar", args)).unwrap()["changed"] == true
        };
        let set = json!({"value": "1", "insertafter": "MAILTO"});
        assert!(call(set.clone()) && !call(set));
        assert_eq!(dir.read("c"), "# A=1\nMAILTO=root\nA=1\n0 5 * * * root env A=b true\n");
        assert!(call(json!({"value": "2"})) && call(json!({"state": "absent"})) && !call(json!({"state": "absent"})));
        assert_eq!(dir.read("c"), "# A=1\nMAILTO=root\n0 5 * * * root env A=b true\n");
    }
}
