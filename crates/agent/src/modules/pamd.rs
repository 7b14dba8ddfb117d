//! `pamd`: rules of a PAM service.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::{clock, files};

const TYPES: &[&str] = &["account", "auth", "password", "session"];
const CONTROLS: &[&str] = &["required", "requisite", "sufficient", "optional", "include", "substack", "definitive"];

/// A rule's words.
#[derive(Debug, Clone, PartialEq)]
struct Rule {
    kind: String,
    control: String,
    path: String,
    args: Vec<String>,
}

/// A line: a rule, or anything else as it is.
#[derive(Debug, Clone, PartialEq)]
enum Line {
    Rule(Rule),
    /// Comments and empty lines, over which neighbours are looked for.
    Blank(String),
    Other(String),
}

/// Words, where `[…]` is one.
fn words(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = match rest.strip_prefix('[').and_then(|r| r.find(']')) {
            Some(at) => at + 2,
            None => rest.find(char::is_whitespace).unwrap_or(rest.len()),
        };
        out.push(rest[..end].to_string());
        rest = rest[end..].trim_start();
    }
    out
}

/// `[ success = 1 default = bad ]` as `[success=1 default=bad]`.
fn control(text: &str) -> String {
    match text.strip_prefix('[') {
        Some(_) => format!("[{}]", text.replace(" = ", "=").replace(['[', ']'], "").trim()),
        None => text.to_string(),
    }
}

fn parse(line: &str) -> Line {
    let trimmed = line.trim_start();
    if trimmed.is_empty() || trimmed.starts_with('#') {
        return Line::Blank(line.to_string());
    }
    let mut list = words(trimmed).into_iter();
    match (list.next(), list.next(), list.next()) {
        (Some(kind), Some(how), Some(path)) if TYPES.contains(&kind.trim_start_matches('-')) => {
            Line::Rule(Rule { kind, control: control(&how), path, args: list.collect() })
        }
        _ => Line::Other(line.to_string()),
    }
}

impl Rule {
    fn show(&self) -> String {
        let mut out = format!("{: <11}{} {}", self.kind, self.control, self.path);
        if !self.args.is_empty() {
            out.push_str(&format!(" {}", self.args.join(" ")));
        }
        out
    }

    fn check(&self) -> Result<(), Fail> {
        let simple = CONTROLS.contains(&self.control.as_str());
        let actions = ["ignore", "bad", "die", "ok", "done", "reset"];
        let complex = self.control.starts_with('[')
            && self.control.trim_matches(['[', ']']).split_whitespace().all(|pair| {
                pair.split_once('=').is_some_and(|(_, a)| actions.contains(&a) || a.parse::<u32>().is_ok())
            });
        if !simple && !complex {
            crate::fail!("Rule control, {}, is not valid in rule {}", self.control, self.show());
        }
        Ok(())
    }
}

/// Adds arguments; those with `=` replace the value of the same name.
fn add_args(have: &mut Vec<String>, new: &[String]) -> bool {
    let before = have.clone();
    for arg in new {
        let key = arg.split_once('=').map(|(k, _)| format!("{k}="));
        match key.and_then(|k| have.iter().position(|h| h.starts_with(&k))) {
            Some(at) => have[at] = arg.clone(),
            None if !have.contains(arg) => have.push(arg.clone()),
            None => {}
        }
    }
    *have != before
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let file = args.req_path("path")?.join(args.req("name")?);
    let Some(text) = files::read_text(&file)? else {
        crate::fail!("Unable to open/read PAM module file {}: there is none", file.display());
    };
    let mut lines: Vec<Line> = text.lines().map(parse).collect();
    let wanted = (args.req("type")?, control(&args.req("control")?), args.req("module_path")?);
    let ours = |line: &Line| matches!(line, Line::Rule(r) if (&r.kind, &r.control, &r.path) == (&wanted.0, &wanted.1, &wanted.2));
    let given: Option<Vec<String>> =
        args.opt_strs("module_arguments").map(|list| list.iter().flat_map(|a| words(a)).collect());
    let list = given.clone().unwrap_or_default();
    let field = |name: &str| args.str(name).filter(|v| !v.is_empty());
    let (kind, how, path) = (field("new_type"), field("new_control").map(|c| control(&c)), field("new_module_path"));
    let state = args.text("state");
    if state == "args_present" && list.iter().any(|a| a.starts_with('[')) {
        crate::fail!("Unable to process bracketed '[' complex arguments with 'args_present'. Please use 'updated'.");
    }
    let mut count = 0;
    match state.as_str() {
        "absent" => {
            let before = lines.len();
            lines.retain(|l| !ours(l));
            count = before - lines.len();
        }
        "before" | "after" => {
            let new = Rule {
                kind: kind.unwrap_or_default(),
                control: how.unwrap_or_default(),
                path: path.unwrap_or_default(),
                args: list,
            };
            let same = |l: &Line| matches!(l, Line::Rule(r) if (&r.kind, &r.control, &r.path) == (&new.kind, &new.control, &new.path));
            let blank = |l: &&Line| matches!(l, Line::Blank(_));
            let mut out = Vec::new();
            for (at, line) in lines.iter().enumerate() {
                let found = ours(line);
                let near = if state == "before" {
                    lines[..at].iter().rev().find(|l| !blank(l))
                } else {
                    lines[at + 1..].iter().find(|l| !blank(l))
                };
                let insert = found && !near.is_some_and(same);
                count += usize::from(insert);
                if insert && state == "before" {
                    out.push(Line::Rule(new.clone()));
                }
                out.push(line.clone());
                if insert && state == "after" {
                    out.push(Line::Rule(new.clone()));
                }
            }
            lines = out;
        }
        state => {
            for line in lines.iter_mut().filter(|l| ours(l)) {
                let Line::Rule(rule) = line else { continue };
                let before = rule.clone();
                match state {
                    "args_present" => {
                        add_args(&mut rule.args, &list);
                    }
                    "args_absent" => rule.args.retain(|a| !list.contains(a)),
                    _ => {
                        rule.kind = kind.clone().unwrap_or_else(|| rule.kind.clone());
                        rule.control = how.clone().unwrap_or_else(|| rule.control.clone());
                        rule.path = path.clone().unwrap_or_else(|| rule.path.clone());
                        rule.args = given.clone().unwrap_or_else(|| rule.args.clone());
                    }
                }
                count += usize::from(*rule != before);
            }
        }
    }
    for line in &lines {
        if let Line::Rule(rule) = line {
            rule.check()?;
        }
    }
    let mut out = crate::out! {"changed": count > 0, "change_count": count, "backupdest": ""};
    let mut shown: Vec<String> = lines
        .iter()
        .map(|l| match l {
            Line::Rule(rule) => rule.show(),
            Line::Blank(text) | Line::Other(text) => text.clone(),
        })
        .collect();
    if count > 0 {
        let mark = format!("# Updated by Ansible - {}", clock::format_local(clock::now() as i64, "%Y-%m-%dT%H:%M:%S"));
        match shown.get_mut(1) {
            Some(line) if line.starts_with("# Updated by Ansible") => *line = mark,
            _ => shown.insert(1.min(shown.len()), mark),
        }
        let new = format!("{}\n", shown.join("\n"));
        if !ctx.check {
            if args.bool("backup")
                && let Some(copy) = files::backup(&file)?
            {
                out.insert("backupdest".into(), copy.into());
            }
            files::write(ctx, &files::real_path(&file), new.as_bytes(), false)?;
        }
        if ctx.diff {
            let name = file.to_string_lossy();
            out.insert("diff".into(), files::diff(&text, &new, &name, &name));
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::json;

    #[test]
    fn rules_change_once() {
        let dir = Scratch::new();
        let auth = "auth       [success=1 default=ignore] pam_unix.so nullok\n";
        dir.file("login", &format!("#%PAM\n{auth}@include common\nsession optional pam_motd.so a=1\n"));
        let call = |more: serde_json::Value| {
            let mut args = json!({"name": "login", "path": dir.path(""), "type": "session", "control": "optional",
                "module_path": "pam_motd.so"});
            args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            run(&Ctx::test("pamd", args)).unwrap()["change_count"].as_u64().unwrap()
        };
        for more in [
            json!({"state": "args_present", "module_arguments": ["a=2", "noupdate"]}),
            json!({"state": "args_absent", "module_arguments": ["a=2"]}),
            json!({"state": "before", "new_type": "session", "new_control": "required", "new_module_path": "pam_x.so"}),
            json!({"state": "after", "new_type": "session", "new_control": "required", "new_module_path": "pam_y.so"}),
            json!({"state": "updated", "type": "auth", "control": "[success=1 default=ignore]",
                "module_path": "pam_unix.so", "new_control": "[success=2 default=ignore]"}),
        ] {
            if more["state"] == "updated" {
                assert_eq!(call(more), 1);
                continue;
            }
            assert_eq!((call(more.clone()), call(more.clone())), (1, 0), "{more}");
        }
        let text = dir.read("login");
        let lines: Vec<&str> = text.lines().filter(|l| !l.starts_with('#')).collect();
        assert_eq!(
            lines,
            [
                "auth       [success=2 default=ignore] pam_unix.so nullok",
                "@include common",
                "session    required pam_x.so",
                "session    optional pam_motd.so noupdate",
                "session    required pam_y.so"
            ]
        );
        assert_eq!((call(json!({"state": "absent"})), call(json!({"state": "absent"}))), (1, 0));
    }
}
