//! `replace`: every match of a regular expression in a file, or in a part of it, is replaced.

use crate::ctx::Ctx;
use crate::modules::lineinfile;
use crate::outcome::{Fail, Outcome};
use crate::sys::files;
use crate::sys::pyregex::{Flags, PyRegex};
use crate::sys::text::Text;

/// The new text and the number of replacements; `Err(None)`: the bounds were not found. Pure.
fn plan(text: &str, regexp: &PyRegex, with: &str, bounds: Option<&PyRegex>) -> Result<(String, usize), Option<Fail>> {
    let range = match bounds {
        None => 0..text.len(),
        Some(bounds) => {
            let found = bounds.captures(text).ok_or(None)?;
            found.name("subsection").map(|m| m.start()..m.end()).ok_or(None)?
        }
    };
    let (new, count) = regexp
        .replace_all(&text[range.clone()], with)
        .map_err(|e| Some(Fail::new(format!("Unable to process replace due to error: {e}"))))?;
    Ok((format!("{}{new}{}", &text[..range.start], &text[range.end..]), count))
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let path = args.req_path("path")?;
    if path.is_dir() {
        return Err(Fail::new(format!("Path {} is a directory !", path.display())).with("rc", 256));
    }
    let encoding = args.text("encoding").to_lowercase();
    if !matches!(encoding.as_str(), "utf-8" | "utf8" | "ascii" | "us-ascii" | "latin-1" | "latin1" | "iso-8859-1") {
        crate::fail!("encoding {encoding} is not supported; utf-8, ascii and latin-1 are");
    }
    let Some(old) = Text::read(&path)? else {
        return Err(Fail::new(format!("Path {} does not exist !", path.display())).with("rc", 257));
    };
    let (after, before) = (args.str("after").filter(|a| !a.is_empty()), args.str("before").filter(|b| !b.is_empty()));
    let pattern = match (&after, &before) {
        (Some(a), Some(b)) => Some(format!("{a}(?P<subsection>.*?){b}")),
        (Some(a), None) => Some(format!("{a}(?P<subsection>.*)")),
        (None, Some(b)) => Some(format!("(?P<subsection>.*){b}")),
        (None, None) => None,
    };
    let bounds = pattern.as_ref().map(|p| old.regex(p, Flags { dotall: true, ..Flags::default() })).transpose()?;
    let regexp = old.regex(&args.req("regexp")?, Flags { multiline: true, ..Flags::default() })?;
    let planned = plan(&old.text, &regexp, &old.adapt(&args.text("replace")), bounds.as_ref());
    let (new, count) = match planned {
        Ok(planned) => planned,
        Err(Some(fail)) => return Err(fail),
        Err(None) => {
            let msg = format!(
                "Pattern for before/after params did not match the given file: {}",
                pattern.unwrap_or_default()
            );
            return Ok(crate::out! {"changed": false, "msg": msg, "rc": 0});
        }
    };
    let mut changed = count > 0 && new != old.text;
    let mut msg = if changed { format!("{count} replacements made") } else { String::new() };
    let mut out = crate::out! {"rc": 0};
    if changed && ctx.diff {
        let shown = path.to_string_lossy();
        out.insert("diff".into(), files::diff(&old.show(&old.text), &old.show(&new), &shown, &shown));
    }
    if changed && !ctx.check {
        let backup = files::write_checked(ctx, &files::real_path(&path), &old.encode(&new))?;
        if let Some(backup) = backup {
            out.insert("backup_file".into(), backup.into());
        }
    }
    changed |= lineinfile::attributes(ctx, &path, &mut msg, &mut Vec::new())?;
    out.insert("msg".into(), msg.into());
    out.insert("changed".into(), changed.into());
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::{Value, json};

    #[test]
    fn replacements() {
        let cases: &[(&str, Value, &str, &str)] = &[
            ("a1 a2\n", json!({"regexp": "a(\\d)", "replace": "b\\1"}), "b1 b2\n", "2 replacements made"),
            ("a\nb\n", json!({"regexp": "^b$", "replace": "c"}), "a\nc\n", "1 replacements made"),
            ("a\nb\n", json!({"regexp": "b\\n"}), "a\n", "1 replacements made"),
            (
                "x [a a] a\n",
                json!({"regexp": "a", "replace": "b", "after": "\\[", "before": "\\]"}),
                "x [b b] a\n",
                "2 replacements made",
            ),
            ("a | a\n", json!({"regexp": "a", "replace": "b", "after": "\\|"}), "a | b\n", "1 replacements made"),
            ("a | a\n", json!({"regexp": "a", "replace": "b", "before": "\\|"}), "b | a\n", "1 replacements made"),
            (
                "a\n",
                json!({"regexp": "a", "replace": "b", "after": "nope"}),
                "a\n",
                "Pattern for before/after params did not match the given file: nope(?P<subsection>.*)",
            ),
            ("a\n", json!({"regexp": "z", "replace": "b"}), "a\n", ""),
            ("ä1\n", json!({"regexp": "^\\w1", "replace": "ö"}), "ö\n", "1 replacements made"),
        ];
        for (before, args, after, msg) in cases {
            let dir = Scratch::new();
            let mut args = args.clone();
            args["path"] = json!(dir.file("f", before));
            let out = run(&Ctx::test("replace", args.clone())).unwrap();
            assert_eq!((&dir.read("f").as_str(), &out["msg"]), (after, &json!(msg)), "{args}");
        }
        let dir = Scratch::new();
        let call = |args: Value| run(&Ctx::test("replace", args));
        assert_eq!(call(json!({"path": dir.path("no"), "regexp": "a"})).unwrap_err().fields["rc"], 257);
        assert!(call(json!({"path": dir.file("f", "a"), "regexp": "("})).is_err());
        assert!(call(json!({"path": dir.file("f", "a"), "regexp": "a", "encoding": "utf-16"})).is_err());
    }
}
