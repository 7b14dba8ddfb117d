//! `ini_file`: options in the sections of an INI file, every other line left as it is.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::files;
use crate::sys::text::Text;
use serde_json::{Map, Value};

/// What is to be in the file.
struct Wanted {
    section: Option<String>,
    /// Options that the section must hold for it to be the one.
    conditions: Vec<(String, Vec<String>)>,
    option: Option<String>,
    values: Vec<String>,
    present: bool,
    exclusive: bool,
    tight: bool,
    ignore_spaces: bool,
    no_value: bool,
    inactive: bool,
}

impl Wanted {
    fn assignment(&self, option: &str, value: &str) -> String {
        if self.tight { format!("{option}={value}\n") } else { format!("{option} = {value}\n") }
    }
}

/// The value of an option on a line, and whether the line is commented out. `None`: the line is another.
fn value_of<'a>(line: &'a str, option: &str) -> Option<(&'a str, bool)> {
    let text = line.trim_end_matches(['\n', '\r']).trim_start_matches([' ', '\t']);
    let (inactive, text) = match text.strip_prefix(['#', ';']) {
        Some(rest) => (true, rest.trim_start_matches([' ', '\t'])),
        None => (false, text),
    };
    let rest = text.strip_prefix(option)?.trim_start_matches([' ', '\t']);
    match rest.strip_prefix('=') {
        Some(value) => Some((value.trim_start_matches([' ', '\t']), inactive)),
        None => rest.is_empty().then_some(("", inactive)),
    }
}

fn is_header(line: &str, name: &str) -> bool {
    line.strip_prefix('[').and_then(|l| l.split_once(']')).is_some_and(|(inner, _)| inner.trim() == name.trim())
}

/// Where the section is: its lines behind the header up to the next. Lines before any header have no section.
fn find(lines: &[String], wanted: &Wanted) -> Option<std::ops::Range<usize>> {
    let end_from =
        |start: usize| lines[start..].iter().position(|l| l.starts_with('[')).map_or(lines.len(), |n| start + n);
    let Some(name) = &wanted.section else { return Some(0..end_from(0)) };
    let mut from = 0;
    while let Some(header) = lines[from..].iter().position(|l| is_header(l, name)).map(|n| from + n) {
        let range = header + 1..end_from(header + 1);
        let fits = wanted.conditions.iter().all(|(option, values)| {
            let found: Vec<&str> = lines[range.clone()]
                .iter()
                .filter_map(|l| value_of(l, option))
                .filter(|(_, off)| !off)
                .map(|(v, _)| v)
                .collect();
            if values.is_empty() { !found.is_empty() } else { values.iter().any(|v| found.contains(&v.as_str())) }
        });
        if fits {
            return Some(range);
        }
        from = range.end;
    }
    None
}

/// The file as wanted, and what was done to it. Pure.
fn plan(old: &str, wanted: &Wanted) -> (String, &'static str) {
    let mut lines: Vec<String> = old.split_inclusive('\n').map(str::to_string).collect();
    if let Some(last) = lines.last_mut().filter(|l| !l.ends_with('\n')) {
        last.push('\n');
    }
    if lines.is_empty() && wanted.present {
        // Ansible's files begin so, and a second run must find the same.
        lines.push("\n".into());
    }
    let Some(range) = find(&lines, wanted) else {
        if !wanted.present {
            return (lines.concat(), "OK");
        }
        return (
            lines.concat() + &new_section(wanted),
            if wanted.option.is_some() { "section and option added" } else { "only section added" },
        );
    };
    let header = usize::from(wanted.section.is_some());
    let mut section: Vec<String> = lines[range.clone()].to_vec();
    let msg = match (&wanted.option, wanted.present) {
        (None, true) => "OK",
        (None, false) => {
            lines.drain(range.start - header..range.end);
            return (lines.concat(), "section removed");
        }
        (Some(option), true) => put(&mut section, option, wanted),
        (Some(option), false) => {
            let before = section.len();
            section.retain(|l| match value_of(l, option) {
                Some((value, false)) => !wanted.exclusive && !wanted.values.iter().any(|v| v == value),
                _ => true,
            });
            if section.len() == before { "OK" } else { "option changed" }
        }
    };
    lines.splice(range, section);
    (lines.concat(), msg)
}

fn new_section(wanted: &Wanted) -> String {
    let mut out = wanted.section.as_ref().map(|s| format!("[{s}]\n")).unwrap_or_default();
    let mut values = wanted.values.clone();
    for (option, conditions) in &wanted.conditions {
        if Some(option) == wanted.option.as_ref() {
            if !wanted.exclusive {
                values.extend(conditions.iter().filter(|v| !wanted.values.contains(v)).cloned());
            }
            continue;
        }
        if conditions.is_empty() && wanted.no_value {
            out.push_str(&format!("{option}\n"));
        }
        conditions.iter().for_each(|v| out.push_str(&wanted.assignment(option, v)));
    }
    if let Some(option) = &wanted.option {
        if values.is_empty() && wanted.no_value {
            out.push_str(&format!("{option}\n"));
        }
        values.iter().for_each(|v| out.push_str(&wanted.assignment(option, v)));
    }
    out
}

/// Puts the option's values into a section: equal ones stay, others of the option are overwritten, what is missing is added.
fn put(section: &mut Vec<String>, option: &str, wanted: &Wanted) -> &'static str {
    let mut msg = "OK";
    let mut values = wanted.values.clone();
    let mut settled = vec![false; section.len()];
    let matches = |line: &str| {
        value_of(line, option).filter(|(_, off)| wanted.inactive || !off).map(|(v, off)| (v.to_string(), off))
    };
    let set = |line: &mut String, new: String, msg: &mut &'static str| {
        let same = match (wanted.ignore_spaces, value_of(line, option)) {
            (true, Some((old, false))) => value_of(&new, option).map(|(v, _)| v) == Some(old),
            _ => *line == new,
        };
        if !same {
            *line = new;
            *msg = "option changed";
        }
    };
    let bare = wanted.no_value && values.is_empty();
    let mut bare_there = false;
    for (line, done) in section.iter_mut().zip(&mut settled) {
        let Some((value, _)) = matches(line) else { continue };
        if bare {
            set(line, format!("{option}\n"), &mut msg);
            (*done, bare_there) = (true, true);
            break;
        }
        if let Some(at) = values.iter().position(|v| *v == value) {
            let new = if value.is_empty() && wanted.no_value {
                format!("{option}\n")
            } else {
                wanted.assignment(option, &value)
            };
            set(line, new, &mut msg);
            *done = true;
            values.remove(at);
        }
    }
    if wanted.exclusive && !wanted.no_value {
        for (line, done) in section.iter_mut().zip(&mut settled) {
            if !*done && !values.is_empty() && matches(line).is_some() {
                set(line, wanted.assignment(option, &values.remove(0)), &mut msg);
                *done = true;
            }
        }
        // Further lines of the option go; comments stay comments.
        let mut index = 0;
        section.retain(|line| {
            let drop = !settled[index] && value_of(line, option).is_some_and(|(_, off)| !off || wanted.inactive);
            index += 1;
            if drop {
                msg = "option changed";
            }
            !drop
        });
    }
    let end = section
        .iter()
        .rposition(|l| !l.trim().is_empty() && !l.trim_start().starts_with(['#', ';']))
        .map_or(0, |n| n + 1);
    let mut added: Vec<String> = values.iter().map(|v| wanted.assignment(option, v)).collect();
    if bare && !bare_there {
        added.push(format!("{option}\n"));
    }
    if !added.is_empty() {
        section.splice(end..end, added);
        msg = "option added";
    }
    msg
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let mut path = args.req_path("path")?;
    if args.bool("follow") && path.is_symlink() {
        path = files::real_path(&path);
    }
    let old = Text::read(&path)?;
    let exists = old.is_some();
    if !exists && !args.bool("create") {
        return Err(Fail::new(format!("Destination {} does not exist!", path.display())).with("rc", 257));
    }
    let old = old.unwrap_or_default();
    let mut values: Vec<String> = args.opt_strs("values").unwrap_or_default();
    values.extend(args.given("value").map(crate::args::text));
    let mut unique: Vec<String> = Vec::new();
    values.into_iter().map(|v| old.adapt(&v)).for_each(|v| {
        if !unique.contains(&v) {
            unique.push(v)
        }
    });
    let option = args.str("option").filter(|o| !o.is_empty());
    let present = args.text("state") != "absent";
    if present && option.is_some() && unique.is_empty() && !args.bool("allow_no_value") {
        crate::fail!("Parameter 'value(s)' must be defined if state=present and allow_no_value=False.");
    }
    let conditions = args.list("section_has_values").unwrap_or_default();
    let conditions = conditions.iter().filter_map(Value::as_object).map(condition).collect();
    let wanted = Wanted {
        section: args.str("section").filter(|s| !s.is_empty()),
        conditions,
        option,
        values: unique,
        present,
        exclusive: args.opt_bool("exclusive").unwrap_or(true),
        tight: args.bool("no_extra_spaces"),
        ignore_spaces: args.bool("ignore_spaces"),
        no_value: args.bool("allow_no_value"),
        inactive: args.opt_bool("modify_inactive_option").unwrap_or(true),
    };
    // A mark that some editors put first is no part of the first line.
    let text = old.text.strip_prefix('\u{feff}').unwrap_or(&old.text);
    let (new, msg) = plan(text, &wanted);
    let mut changed = new != text;
    let mut backup = None;
    if changed && !ctx.check {
        if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent)
                .map_err(|e| Fail::new(format!("Error creating {}: {e}", parent.display())))?;
        }
        backup = files::write_checked(ctx, &path, &old.encode(&new))?;
    }
    if exists || !ctx.check {
        changed |= files::apply_attrs(ctx, args, &path)?;
    }
    let mut out = crate::out! {"changed": changed, "msg": msg, "path": path.to_string_lossy()};
    if let Some(backup) = backup {
        out.insert("backup_file".into(), backup.into());
    }
    if ctx.diff {
        let header = format!("{} (content)", path.display());
        out.insert("diff".into(), files::diff(&old.show(text), &old.show(&new), &header, &header));
    }
    files::add_info(&mut out, &path);
    Ok(out)
}

fn condition(map: &Map<String, Value>) -> (String, Vec<String>) {
    let text = |v: &Value| crate::args::text(v);
    let mut values: Vec<String> =
        map.get("values").and_then(Value::as_array).map(|l| l.iter().map(text).collect()).unwrap_or_default();
    values.extend(map.get("value").filter(|v| !v.is_null()).map(text));
    (map.get("option").map(text).unwrap_or_default(), values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::json;

    #[test]
    fn options_and_sections() {
        let cases: &[(&str, Value, &str, &str)] = &[
            ("", json!({"section": "a", "option": "x", "value": "1"}), "\n[a]\nx = 1\n", "section and option added"),
            ("[a]\nx=1\n", json!({"section": "a", "option": "x", "value": "2"}), "[a]\nx = 2\n", "option changed"),
            (
                "[a]\nx=1\n",
                json!({"section": "a", "option": "x", "value": "1", "ignore_spaces": true}),
                "[a]\nx=1\n",
                "OK",
            ),
            (
                "[a]\nx=1\n\n[b]\n",
                json!({"section": "a", "option": "y", "value": "2", "no_extra_spaces": true}),
                "[a]\nx=1\ny=2\n\n[b]\n",
                "option added",
            ),
            ("[a]\n#x = 1\n", json!({"section": "a", "option": "x", "value": "2"}), "[a]\nx = 2\n", "option changed"),
            (
                "[a]\n#x = 1\n",
                json!({"section": "a", "option": "x", "value": "2", "modify_inactive_option": false}),
                "[a]\nx = 2\n#x = 1\n",
                "option added",
            ),
            (
                "[a]\nx = 1\nx = 2\n",
                json!({"section": "a", "option": "x", "values": ["2", "3"]}),
                "[a]\nx = 3\nx = 2\n",
                "option changed",
            ),
            (
                "[a]\nx = 1\n",
                json!({"section": "a", "option": "x", "values": ["2"], "exclusive": false}),
                "[a]\nx = 1\nx = 2\n",
                "option added",
            ),
            (
                "[a]\nx = 1\n[b]\n",
                json!({"section": "a", "option": "x", "state": "absent"}),
                "[a]\n[b]\n",
                "option changed",
            ),
            ("[a]\nx = 1\n[b]\ny = 1\n", json!({"section": "a", "state": "absent"}), "[b]\ny = 1\n", "section removed"),
            ("x = 1\n[a]\n", json!({"option": "x", "value": "2"}), "x = 2\n[a]\n", "option changed"),
            ("[a]\n", json!({"section": "a", "option": "flag", "allow_no_value": true}), "[a]\nflag\n", "option added"),
            ("[a]\n", json!({"section": "b"}), "[a]\n[b]\n", "only section added"),
            (
                "[p]\nn = 1\nx = 1\n[p]\nn = 2\nx = 1\n",
                json!({"section": "p", "section_has_values": [{"option": "n", "value": "2"}], "option": "x", "value": "9"}),
                "[p]\nn = 1\nx = 1\n[p]\nn = 2\nx = 9\n",
                "option changed",
            ),
        ];
        for (before, args, after, msg) in cases {
            let dir = Scratch::new();
            let mut args = args.clone();
            args["path"] = json!(dir.file("f", before));
            let out = run(&Ctx::test("ini_file", args.clone())).unwrap();
            assert_eq!((&dir.read("f").as_str(), &out["msg"]), (after, &json!(msg)), "{args}");
            assert_eq!(run(&Ctx::test("ini_file", args.clone())).unwrap()["changed"], false, "{args}");
        }
        let dir = Scratch::new();
        assert!(run(&Ctx::test("ini_file", json!({"path": dir.path("f"), "option": "x"}))).is_err());
        assert!(
            run(&Ctx::test("ini_file", json!({"path": dir.path("f"), "option": "x", "value": "1", "create": false})))
                .is_err()
        );
    }
}
