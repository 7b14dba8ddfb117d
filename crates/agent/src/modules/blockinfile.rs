//! `blockinfile`: a block of lines between two markers is in a file, or is not.

use crate::ctx::Ctx;
use crate::modules::lineinfile;
use crate::outcome::{Fail, Outcome};
use crate::sys::files;
use crate::sys::pyregex::{Flags, PyRegex};
use crate::sys::text::Text;

/// Where a new block goes.
enum Place {
    Top,
    End,
    After(PyRegex, bool),
    Before(PyRegex, bool),
}

struct Wanted {
    /// Both markers and what is between them; empty: no block.
    block: Vec<String>,
    begin: String,
    end: String,
    place: Place,
    present: bool,
    prepend: bool,
    append: bool,
}

/// The file with the block in it, or without. Pure.
fn plan(old: &[String], wanted: &Wanted) -> Vec<String> {
    let mut lines = old.to_vec();
    let last = |marker: &str| lines.iter().rposition(|l| l == marker);
    let (begin, end) = (last(&wanted.begin), last(&wanted.end));
    let mut at = match (begin, end) {
        (Some(a), Some(b)) => {
            lines.drain(a.min(b)..=a.max(b));
            a.min(b)
        }
        _ => find_place(&lines, &wanted.place),
    };
    if at > 0
        && let Some(line) = lines.get_mut(at - 1).filter(|l| !l.ends_with('\n'))
    {
        line.push('\n');
    }
    if wanted.prepend && wanted.present && at != 0 && lines[at - 1] != "\n" {
        lines.insert(at, "\n".into());
        at += 1;
    }
    lines.splice(at..at, wanted.block.iter().cloned());
    let after = at + wanted.block.len();
    if wanted.append && wanted.present && after < lines.len() && lines[after] != "\n" {
        lines.insert(after, "\n".into());
    }
    lines
}

fn find_place(lines: &[String], place: &Place) -> usize {
    let (regex, multiline, after) = match place {
        Place::Top => return 0,
        Place::End => return lines.len(),
        Place::After(regex, multiline) => (regex, *multiline, true),
        Place::Before(regex, multiline) => (regex, *multiline, false),
    };
    let found = if multiline {
        let text = lines.concat();
        regex
            .captures(&text)
            .and_then(|c| c.get(0).map(|m| if after { m.end() } else { m.start() }))
            .map(|byte| text[..byte].matches('\n').count())
    } else {
        lines.iter().rposition(|l| regex.is_match(l))
    };
    match found {
        Some(line) if after => (line + 1).min(lines.len()),
        Some(line) => line,
        None => lines.len(),
    }
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let path = args.req_path("path")?;
    if path.is_dir() {
        return Err(Fail::new(format!("Path {} is a directory !", path.display())).with("rc", 256));
    }
    let old = Text::read(&path)?;
    let exists = old.is_some();
    if !exists && !args.bool("create") {
        return Err(Fail::new(format!("Path {} does not exist !", path.display())).with("rc", 257));
    }
    let present = args.text("state") != "absent";
    if !exists && !present {
        return Ok(crate::out! {"changed": false, "msg": format!("File {} not present", path.display())});
    }
    let old = old.unwrap_or_default();
    let regex = |pattern: &str| -> Result<(PyRegex, bool), Fail> {
        let multiline =
            pattern.starts_with("(?") && pattern.split(')').next().is_some_and(|f| f.contains('m') && !f.contains(':'));
        Ok((old.regex(pattern, Flags { ascii: true, ..Flags::default() })?, multiline))
    };
    let (after, before) = (args.str("insertafter"), args.str("insertbefore"));
    let place = match (after.as_deref(), before.as_deref()) {
        (None | Some("EOF"), None) => Place::End,
        (Some(pattern), _) if pattern != "EOF" => regex(pattern).map(|(r, m)| Place::After(r, m))?,
        (_, Some("BOF")) => Place::Top,
        (_, Some(pattern)) => regex(pattern).map(|(r, m)| Place::Before(r, m))?,
        _ => Place::End,
    };
    let marker = |mark: &str| old.adapt(&format!("{}\n", args.text("marker").replace("{mark}", &args.text(mark))));
    let (begin, end) = (marker("marker_begin"), marker("marker_end"));
    let text = old.adapt(&args.text("block"));
    let mut block = Vec::new();
    if present && !text.is_empty() {
        let text = if text.ends_with('\n') { text } else { format!("{text}\n") };
        block.push(begin.clone());
        block.extend(text.split_inclusive('\n').map(str::to_string));
        block.push(end.clone());
    }
    let has_block = !block.is_empty();
    let wanted = Wanted {
        block,
        begin,
        end,
        place,
        present,
        prepend: args.bool("prepend_newline"),
        append: args.bool("append_newline"),
    };
    let new = plan(&old.lines(), &wanted).concat();
    let mut changed = !exists || new != old.text;
    let mut msg = match (changed, exists, has_block) {
        (false, ..) => "",
        (_, false, _) => "File created",
        (.., false) => "Block removed",
        _ => "Block inserted",
    }
    .to_string();
    let mut backup = None;
    if changed && !ctx.check {
        if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty() && !p.exists()) {
            std::fs::create_dir_all(parent)
                .map_err(|e| Fail::new(format!("Error creating {} Error: {e}", parent.display())))?;
        }
        backup = files::write_checked(ctx, &files::real_path(&path), &old.encode(&new))?;
    }
    let header = format!("{} (content)", path.display());
    let mut diffs = vec![files::diff(&old.show(&old.text), &old.show(&new), &header, &header)];
    if exists || !ctx.check {
        changed |= lineinfile::attributes(ctx, &path, &mut msg, &mut diffs)?;
    }
    let mut out = crate::out! {"changed": changed, "msg": msg};
    if let Some(backup) = backup {
        out.insert("backup_file".into(), backup.into());
    }
    if ctx.diff {
        out.insert("diff".into(), diffs.into());
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::{Value, json};

    #[test]
    fn blocks() {
        let block = "# BEGIN ANSIBLE MANAGED BLOCK\nx\n# END ANSIBLE MANAGED BLOCK\n";
        let cases: &[(&str, Value, String, &str)] = &[
            ("a\n", json!({"block": "x"}), format!("a\n{block}"), "Block inserted"),
            ("a", json!({"block": "x\n"}), format!("a\n{block}"), "Block inserted"),
            ("a\nb\n", json!({"block": "x", "insertafter": "^a"}), format!("a\n{block}b\n"), "Block inserted"),
            ("a\nb\n", json!({"block": "x", "insertbefore": "^b"}), format!("a\n{block}b\n"), "Block inserted"),
            ("a\nb\n", json!({"block": "x", "insertbefore": "BOF"}), format!("{block}a\nb\n"), "Block inserted"),
            ("a\nb\n", json!({"block": "x", "insertbefore": "nope"}), format!("a\nb\n{block}"), "Block inserted"),
            (
                "a\nb\n",
                json!({"block": "x", "insertafter": "^a", "prepend_newline": true, "append_newline": true}),
                format!("a\n\n{block}\nb\n"),
                "Block inserted",
            ),
            (&format!("a\n{block}b\n"), json!({"block": "x"}), format!("a\n{block}b\n"), ""),
            (&format!("a\n{block}b\n"), json!({"block": ""}), "a\nb\n".into(), "Block removed"),
            (&format!("a\n{block}b\n"), json!({"state": "absent"}), "a\nb\n".into(), "Block removed"),
            (
                "a\n",
                json!({"block": "x", "marker": "<!-- {mark} -->", "marker_begin": "B", "marker_end": "E"}),
                "a\n<!-- B -->\nx\n<!-- E -->\n".into(),
                "Block inserted",
            ),
            (
                "a\nb\nc\n",
                json!({"block": "x", "insertafter": "(?m)^a\nb$"}),
                format!("a\nb\n{block}c\n"),
                "Block inserted",
            ),
        ];
        for (before, args, after, msg) in cases {
            let dir = Scratch::new();
            let mut args = args.clone();
            args["path"] = json!(dir.file("f", before));
            let out = run(&Ctx::test("blockinfile", args.clone())).unwrap();
            assert_eq!(&dir.read("f"), after, "{args}");
            assert_eq!(out["msg"], *msg, "{args}");
            let again = run(&Ctx::test("blockinfile", args.clone())).unwrap();
            assert_eq!(again["changed"], false, "{args}");
        }
    }

    #[test]
    fn files_that_are_missing() {
        let dir = Scratch::new();
        let args = json!({"path": dir.path("f"), "block": "x"});
        assert_eq!(run(&Ctx::test("blockinfile", args)).unwrap_err().fields["rc"], 257);
        let args = json!({"path": dir.path("f"), "block": "x", "create": true});
        let mut ctx = Ctx::test("blockinfile", args);
        ctx.check = true;
        assert_eq!(run(&ctx).unwrap()["msg"], "File created");
        assert!(!dir.0.join("f").exists());
        ctx.check = false;
        assert_eq!(run(&ctx).unwrap()["changed"], true);
        assert_eq!(run(&ctx).unwrap()["changed"], false);
    }
}
