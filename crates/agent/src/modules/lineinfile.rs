//! `lineinfile`: a line is in a file, or is not.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::attrs::Attrs;
use crate::sys::files;
use crate::sys::pyregex::{Flags, PyRegex, expand};
use crate::sys::text::Text;
use serde_json::json;
use std::path::Path;

const BYTES: Flags = Flags { multiline: false, dotall: false, ignorecase: false, ascii: true };

/// What finds the line that is to be replaced or removed.
enum Finder {
    Regex(PyRegex),
    Text(String),
    Exact,
}

/// What is to happen, in the file's own text form.
struct Wanted {
    finder: Finder,
    line: String,
    anchor: Option<PyRegex>,
    after: Option<String>,
    before: Option<String>,
    backrefs: bool,
    firstmatch: bool,
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let path = args.req_path("path")?;
    if path.is_dir() {
        return Err(Fail::new(format!("Path {} is a directory !", path.display())).with("rc", 256));
    }
    for name in ["regexp", "search_string"] {
        if args.str(name).as_deref() == Some("") {
            let what = if name == "regexp" { "regular expression" } else { "search string" };
            let hint = if name == "regexp" {
                " If this is desired, use '^' to match every line in the file and avoid this warning."
            } else {
                ""
            };
            ctx.warn(format!("The {what} is an empty string, which will match every line in the file. This may have unintended consequences, such as replacing the last line in the file rather than appending.{hint}"));
        }
    }
    let present = args.text("state") != "absent";
    let line = args.str("line");
    let has_finder = args.given("regexp").is_some() || args.given("search_string").is_some();
    if present && args.bool("backrefs") && args.given("regexp").is_none() {
        crate::fail!("regexp is required with backrefs=true");
    }
    if present && line.is_none() {
        crate::fail!("line is required with state=present");
    }
    if !present && line.is_none() && !has_finder {
        crate::fail!("one of line, search_string, or regexp is required with state=absent");
    }
    let old = Text::read(&path)?;
    let exists = old.is_some();
    if !exists && !present {
        return Ok(crate::out! {"changed": false, "msg": "file not present"});
    }
    if !exists && !args.bool("create") {
        return Err(Fail::new(format!("Destination {} does not exist !", path.display())).with("rc", 257));
    }
    let old = old.unwrap_or_default();
    let regex = |pattern: &str| old.regex(pattern, BYTES);
    let (after, before) = (args.str("insertafter"), args.str("insertbefore"));
    let after = if after.is_none() && before.is_none() { Some("EOF".to_string()) } else { after };
    let anchor = match (&after, &before) {
        (Some(p), _) if p != "BOF" && p != "EOF" => Some(regex(p)?),
        (Some(_), _) => None,
        (None, Some(p)) if p != "BOF" => Some(regex(p)?),
        _ => None,
    };
    let wanted = Wanted {
        finder: match (args.str("regexp"), args.str("search_string")) {
            (Some(pattern), _) => Finder::Regex(regex(&pattern)?),
            (None, Some(text)) => Finder::Text(old.adapt(&text)),
            (None, None) => Finder::Exact,
        },
        line: old.adapt(&line.unwrap_or_default()),
        anchor,
        after,
        before,
        backrefs: args.bool("backrefs"),
        firstmatch: args.bool("firstmatch"),
    };
    let lines = old.lines();
    let (new, mut msg, found) = if present {
        let (new, msg) = insert(lines, &wanted)?;
        (new, msg.to_string(), None)
    } else {
        let (new, found) = remove(lines, &wanted);
        let msg = if found > 0 { format!("{found} line(s) removed") } else { String::new() };
        (new, msg, Some(found))
    };
    let mut changed = !msg.is_empty();
    let mut backup = None;
    if changed && !ctx.check {
        if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty() && !p.exists()) {
            std::fs::create_dir_all(parent)
                .map_err(|e| Fail::new(format!("Error creating {} ({e})", parent.display())))?;
        }
        backup = files::write_checked(ctx, &files::real_path(&path), &old.encode(&new))?;
    }
    let mut diffs = vec![files::diff(
        &old.show(&old.text),
        &old.show(&new),
        &format!("{} (content)", path.display()),
        &format!("{} (content)", path.display()),
    )];
    if exists || !ctx.check {
        changed |= attributes(ctx, &path, &mut msg, &mut diffs)?;
    }
    let mut out = crate::out! {"changed": changed, "msg": msg, "backup": backup.clone().unwrap_or_default()};
    if let Some(found) = found {
        out.insert("found".into(), found.into());
    }
    if let Some(backup) = backup {
        out.insert("backup_file".into(), backup.into());
    }
    if ctx.diff {
        out.insert("diff".into(), diffs.into());
    }
    Ok(out)
}

/// Sets owner, group and mode; adds what that changed to the message and the diffs.
pub fn attributes(ctx: &Ctx, path: &Path, msg: &mut String, diffs: &mut Vec<serde_json::Value>) -> Result<bool, Fail> {
    let real = files::real_path(path);
    let delta = Attrs::from_args(&ctx.args)?.apply(ctx, &real, ctx.check)?;
    let header = format!("{} (file attributes)", path.display());
    let changed = delta.changed();
    if changed {
        if !msg.is_empty() {
            msg.push_str(" and ");
        }
        msg.push_str("ownership, perms or SE linux context changed");
        diffs.push(json!({
            "before_header": header, "after_header": header, "before": delta.before, "after": delta.after,
        }));
    } else {
        diffs.push(json!({"before_header": header, "after_header": header}));
    }
    Ok(changed)
}

fn bare(line: &str) -> &str {
    line.trim_end_matches(['\r', '\n'])
}

/// The file with the line in it, and what was done (empty: nothing).
fn insert(mut lines: Vec<String>, wanted: &Wanted) -> Result<(String, &'static str), Fail> {
    let mut at = None;
    let mut expanded = None;
    let mut matched = false;
    for (number, current) in lines.iter().enumerate() {
        let hit = match &wanted.finder {
            Finder::Regex(regex) => match regex.captures(current) {
                Some(found) => {
                    if wanted.backrefs {
                        expanded = Some(expand(regex, &wanted.line, &found).map_err(Fail::new)?);
                    }
                    true
                }
                None => false,
            },
            Finder::Text(text) => current.contains(text.as_str()),
            Finder::Exact => false,
        };
        if hit {
            (at, matched) = (Some(number), true);
            if wanted.firstmatch {
                break;
            }
        }
    }
    let after = wanted.after.as_deref();
    let before = wanted.before.as_deref();
    let mut place = None;
    let mut exact = false;
    if !matched {
        for (number, current) in lines.iter().enumerate() {
            if bare(current) == wanted.line {
                (at, exact) = (Some(number), true);
            } else if wanted.anchor.as_ref().is_some_and(|a| a.is_match(current)) {
                place = Some(if after.is_some() { number + 1 } else { number });
                if wanted.firstmatch {
                    break;
                }
            }
        }
    }
    let full = |line: &str| if line.ends_with('\n') { line.to_string() } else { format!("{line}\n") };
    let end_last = |lines: &mut Vec<String>| {
        if let Some(last) = lines.last_mut().filter(|l| !l.ends_with(['\n', '\r'])) {
            last.push('\n');
        }
    };
    let mut msg = "";
    if let Some(at) = at.filter(|_| matched || exact) {
        let new = full(expanded.as_deref().unwrap_or(&wanted.line));
        if lines[at] != new {
            lines[at] = new;
            msg = "line replaced";
        }
    } else if wanted.backrefs {
        // Without a match there is nothing to fill the references with.
    } else if before == Some("BOF") || after == Some("BOF") {
        lines.insert(0, full(&wanted.line));
        msg = "line added";
    } else {
        let place = match (after, place) {
            (Some("EOF"), _) | (_, None) => lines.len(),
            (_, Some(place)) => place,
        };
        // A line that stands right there already is not doubled.
        let there = match after {
            Some(a) if a != "EOF" && place == lines.len() && place > 0 => lines.get(place - 1),
            Some(a) if a != "EOF" => lines.get(place),
            _ => None,
        };
        if there.is_none_or(|l| bare(l) != wanted.line) {
            if place == lines.len() {
                end_last(&mut lines);
            }
            lines.insert(place, full(&wanted.line));
            msg = "line added";
        }
    }
    Ok((lines.concat(), msg))
}

/// The file without matching lines, and how many those were.
fn remove(lines: Vec<String>, wanted: &Wanted) -> (String, usize) {
    let before = lines.len();
    let kept: Vec<String> = lines
        .into_iter()
        .filter(|line| match &wanted.finder {
            Finder::Regex(regex) => !regex.is_match(line),
            Finder::Text(text) => !line.contains(text.as_str()),
            Finder::Exact => bare(line) != wanted.line,
        })
        .collect();
    let found = before - kept.len();
    (kept.concat(), found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::Value;

    /// A file, arguments, the file afterwards, the message; then once more: nothing changes.
    #[test]
    fn lines() {
        let cases: &[(&str, Value, &str, &str)] = &[
            ("a\nb\n", json!({"line": "c"}), "a\nb\nc\n", "line added"),
            ("a\nb", json!({"line": "c"}), "a\nb\nc\n", "line added"),
            ("", json!({"line": "c"}), "c\n", "line added"),
            ("a\nc\nb\n", json!({"line": "c"}), "a\nc\nb\n", ""),
            ("x=1\nx=2\n", json!({"regexp": "^x=", "line": "x=3"}), "x=1\nx=3\n", "line replaced"),
            ("x=1\nx=2\n", json!({"regexp": "^x=", "line": "x=3", "firstmatch": true}), "x=3\nx=2\n", "line replaced"),
            ("a\nb\n", json!({"line": "c", "insertafter": "^a"}), "a\nc\nb\n", "line added"),
            ("a\nb\n", json!({"line": "c", "insertbefore": "^b"}), "a\nc\nb\n", "line added"),
            ("a\nb\n", json!({"line": "c", "insertbefore": "BOF"}), "c\na\nb\n", "line added"),
            ("a\nb\n", json!({"line": "c", "insertafter": "nope"}), "a\nb\nc\n", "line added"),
            ("a\nb", json!({"line": "c", "insertafter": "b"}), "a\nb\nc\n", "line added"),
            (
                "a=1\n",
                json!({"regexp": "^(a)=(\\d)", "line": "\\1=<\\g<2>>", "backrefs": true}),
                "a=<1>\n",
                "line replaced",
            ),
            ("z\n", json!({"regexp": "^(a)=", "line": "\\1", "backrefs": true}), "z\n", ""),
            ("a b\n", json!({"search_string": " ", "line": "c"}), "c\n", "line replaced"),
            ("a\nb\na\n", json!({"regexp": "^a", "state": "absent"}), "b\n", "2 line(s) removed"),
            ("a\nb\n", json!({"line": "b", "state": "absent"}), "a\n", "1 line(s) removed"),
            ("ab\nb\n", json!({"search_string": "a", "state": "absent"}), "b\n", "1 line(s) removed"),
        ];
        for (before, args, after, msg) in cases {
            let dir = Scratch::new();
            let file = dir.file("f", before);
            let mut args = args.clone();
            args["path"] = json!(file);
            let out = run(&Ctx::test("lineinfile", args.clone())).unwrap();
            assert_eq!(&dir.read("f"), after, "{args}");
            assert_eq!((&out["msg"], &out["changed"]), (&json!(msg), &json!(!msg.is_empty())), "{args}");
            let again = run(&Ctx::test("lineinfile", args.clone())).unwrap();
            let settles = !args["search_string"].is_string() && args["backrefs"] != true || args["state"] == "absent";
            if settles {
                assert_eq!(again["changed"], false, "{args}");
            }
        }
    }

    #[test]
    fn refusals_creation_backup_and_check_mode() {
        let dir = Scratch::new();
        let file = dir.path("new/f");
        let fail = run(&Ctx::test("lineinfile", json!({"path": file, "line": "a"}))).unwrap_err();
        assert_eq!(fail.fields["rc"], 257);
        let mut ctx = Ctx::test("lineinfile", json!({"path": file, "line": "a", "create": true, "mode": "0600"}));
        ctx.check = true;
        assert_eq!(run(&ctx).unwrap()["changed"], true);
        assert!(!dir.0.join("new").exists());
        ctx.check = false;
        let out = run(&ctx).unwrap();
        assert_eq!(out["msg"], "line added and ownership, perms or SE linux context changed");
        assert_eq!(out["diff"][0]["after"], "a\n");
        assert_eq!(run(&ctx).unwrap()["changed"], false);
        let args = json!({"path": file, "line": "b", "backup": true, "validate": "grep b %s"});
        assert!(
            std::path::Path::new(run(&Ctx::test("lineinfile", args)).unwrap()["backup"].as_str().unwrap()).exists()
        );
        let args = json!({"path": file, "line": "c", "validate": "grep nothing %s"});
        assert!(run(&Ctx::test("lineinfile", args)).unwrap_err().msg.starts_with("failed to validate"));
        assert_eq!(dir.read("new/f"), "a\nb\n");
        // Bytes that are no UTF-8 stay as they are.
        std::fs::write(dir.0.join("latin"), b"caf\xe9\n").unwrap();
        run(&Ctx::test("lineinfile", json!({"path": dir.path("latin"), "line": "é"}))).unwrap();
        assert_eq!(std::fs::read(dir.0.join("latin")).unwrap(), b"caf\xe9\n\xc3\xa9\n");
    }
}
