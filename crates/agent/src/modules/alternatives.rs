//! `alternatives`: which program a common name stands for.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use serde_json::{Value, json};

/// Path, priority, subcommands (name, path).
type Choice = (String, i64, Vec<(String, String)>);

/// What `--display` says.
#[derive(Debug, Default, PartialEq)]
struct Shown {
    auto: bool,
    current: Option<String>,
    link: Option<String>,
    choices: Vec<Choice>,
}

/// Parses it: Debian's and Red Hat's forms.
fn parse(text: &str) -> Shown {
    let mut out = Shown::default();
    for line in text.lines() {
        let trimmed = line.trim();
        if line.contains("auto mode") || line.contains("status is auto") {
            out.auto = true;
        }
        if let Some(path) = trimmed.strip_prefix("link currently points to ") {
            out.current = Some(path.trim_end_matches('.').trim().to_string());
        } else if let Some(path) = trimmed.strip_prefix("link ").filter(|r| r.contains(" is /")) {
            // "link best version is" speaks of a choice, not of the link.
            if !path.starts_with("best version") {
                out.link = path.split(" is ").nth(1).map(str::to_string);
            }
        } else if let Some((path, priority)) = trimmed.split_once(" - ").filter(|(p, _)| p.starts_with('/')) {
            let number = priority.split_whitespace().filter_map(|w| w.parse().ok()).next_back().unwrap_or(0);
            out.choices.push((path.to_string(), number, Vec::new()));
        } else if let Some(rest) = trimmed.strip_prefix("slave ")
            && let Some((name, path)) = rest.split_once(": ")
            && let Some((_, _, slaves)) = out.choices.last_mut()
        {
            slaves.push((name.to_string(), path.to_string()));
        }
    }
    out
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let name = args.req("name")?;
    let state = args.str("state").unwrap_or_else(|| "selected".into());
    let program = if ctx.which("update-alternatives").is_some() { "update-alternatives" } else { "alternatives" };
    ctx.need(program)?;
    let shown = parse(&ctx.run(&[program, "--display", &name])?.stdout);
    let path = match (args.path("path"), args.str("family")) {
        (Some(path), _) => path.to_string_lossy().into_owned(),
        (None, Some(family)) => family,
        (None, None) => crate::fail!("one of the following is required: path, family"),
    };
    let existing = shown.choices.iter().find(|(p, ..)| *p == path);
    let priority = args.int("priority").or(existing.map(|(_, p, _)| *p)).unwrap_or(50);
    let subcommands: Vec<(String, String, String)> = args
        .list("subcommands")
        .unwrap_or_default()
        .iter()
        .map(|s| ["name", "path", "link"].map(|k| s.get(k).and_then(Value::as_str).unwrap_or_default().to_string()))
        .map(|[n, p, l]| (n, p, l))
        .collect();
    let mut steps: Vec<Vec<String>> = Vec::new();
    let words = |w: &[&str]| w.iter().map(|s| s.to_string()).collect::<Vec<String>>();
    if state == "absent" {
        if existing.is_some() {
            steps.push(words(&["--remove", &name, &path]));
        }
    } else {
        let slaves_differ = !subcommands.is_empty()
            && existing
                .is_none_or(|(_, _, have)| subcommands.iter().any(|(n, p, _)| !have.contains(&(n.clone(), p.clone()))));
        let priority_differs = args.int("priority").is_some_and(|p| existing.is_none_or(|(_, have, _)| *have != p));
        if existing.is_none() || priority_differs || slaves_differ {
            let Some(link) = args.str("link").or(shown.link.clone()) else {
                crate::fail!("Needed to install the alternative, but unable to do so as we are missing the link");
            };
            if !std::path::Path::new(&path).exists() {
                crate::fail!("Specified path {path} does not exist");
            }
            let mut install = words(&["--install", &link, &name, &path, &priority.to_string()]);
            for (sub, target, link) in &subcommands {
                install.extend(words(&["--slave", link, sub, target]));
            }
            steps.push(install);
        }
        match state.as_str() {
            "selected" if shown.current.as_deref() != Some(&path) || existing.is_none() => {
                steps.push(words(&["--set", &name, &path]))
            }
            "auto" if !shown.auto => steps.push(words(&["--auto", &name])),
            _ => {}
        }
    }
    let changed = !steps.is_empty();
    if !ctx.check {
        for step in &steps {
            let ran = ctx.cmd(program).args(step).english().run()?;
            if !ran.ok() {
                return Err(ran.fail(format!("{program} {} failed: {}", step.join(" "), ran.complaint())));
            }
        }
    }
    let mut out = crate::out! {"changed": changed};
    let said = |step: &Vec<String>| match step.iter().find(|word| word.starts_with("--")).map(String::as_str) {
        Some("--install") => Some(format!("Install alternative '{path}' for '{name}'.")),
        Some("--remove") => Some(format!("Remove alternative '{path}' from '{name}'.")),
        Some("--set") => Some(format!("Set alternative '{path}' for '{name}'.")),
        Some("--auto") => Some(format!("Set alternative to auto for '{name}'.")),
        _ => None,
    };
    out.insert("msg".into(), steps.iter().filter_map(said).collect::<Vec<_>>().join(" ").into());
    if ctx.diff {
        let before = json!({"path": shown.current, "auto": shown.auto, "priority": existing.map(|(_, p, _)| *p)});
        let after = json!({"path": if state == "absent" { None } else { Some(&path) }, "auto": state == "auto", "priority": priority});
        out.insert("diff".into(), json!({"before": before, "after": after}));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays() {
        let debian = "editor - auto mode\n  link best version is /bin/nano\n  link currently points to /bin/nano\n  link editor is /usr/bin/editor\n  slave editor.1.gz is /usr/share/man/e.1.gz\n/bin/ed - priority -100\n/bin/nano - priority 40\n  slave editor.1.gz: /usr/share/man/nano.1.gz\n";
        let shown = parse(debian);
        assert!(shown.auto);
        assert_eq!(shown.current.as_deref(), Some("/bin/nano"));
        assert_eq!(shown.link.as_deref(), Some("/usr/bin/editor"));
        assert_eq!(shown.choices[0].1, -100);
        assert_eq!(shown.choices[1].2, [("editor.1.gz".to_string(), "/usr/share/man/nano.1.gz".to_string())]);
        let redhat =
            "python - status is manual.\n link currently points to /usr/bin/python3\n/usr/bin/python3 - priority 300\n";
        assert_eq!((parse(redhat).auto, parse(redhat).choices.len()), (false, 1));
    }
}
