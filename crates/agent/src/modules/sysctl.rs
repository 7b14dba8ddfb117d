//! `sysctl`: a kernel setting in a file, and perhaps in the running kernel.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::files;
use std::path::Path;

/// Words with single spaces between, as the kernel and people write lists differently.
fn normal(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The setting on a line, if it is one.
fn setting(line: &str) -> Option<(&str, &str)> {
    let line = line.trim().trim_start_matches('-');
    if line.is_empty() || line.starts_with(['#', ';']) {
        return None;
    }
    line.split_once('=').map(|(k, v)| (k.trim(), v.trim()))
}

/// The file with the setting in it (or not), and whether that changes it. Pure.
fn plan(text: &str, name: &str, value: Option<&str>) -> (String, bool) {
    let mut out = String::new();
    let (mut seen, mut changed) = (false, false);
    for line in text.split_inclusive('\n') {
        match (setting(line), value) {
            (Some((key, old)), Some(new)) if key == name => {
                if seen {
                    changed = true;
                    continue;
                }
                seen = true;
                if normal(old) == normal(new) {
                    out.push_str(line);
                } else {
                    changed = true;
                    out.push_str(&format!("{name}={new}\n"));
                }
            }
            (Some((key, _)), None) if key == name => changed = true,
            _ => out.push_str(line),
        }
    }
    if let Some(new) = value.filter(|_| !seen) {
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        changed = true;
        out.push_str(&format!("{name}={new}\n"));
    }
    (out, changed)
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let name = args.req("name")?.trim().to_string();
    if name.is_empty() {
        crate::fail!("name cannot be blank");
    }
    let present = args.text("state") != "absent";
    let value = args.given("value").map(|v| match v {
        serde_json::Value::Bool(b) => (if *b { "1" } else { "0" }).to_string(),
        other => {
            let text = crate::args::text(other);
            match text.trim().to_lowercase().as_str() {
                "yes" | "true" => "1".into(),
                "no" | "false" => "0".into(),
                _ => text.trim().to_string(),
            }
        }
    });
    if present && value.as_deref().is_none_or(str::is_empty) {
        crate::fail!("value is required when state is present");
    }
    let file = args.req_path("sysctl_file")?;
    let text = files::read_text(&file)?.unwrap_or_default();
    let (new, file_changed) = plan(&text, &name, value.as_deref().filter(|_| present));
    let mut changed = file_changed;
    let set_now = args.bool("sysctl_set") && present;
    let differs = set_now && current(&name).map(|v| normal(&v)) != value.as_deref().map(normal);
    changed |= differs;
    if ctx.check {
        return Ok(crate::out! {"changed": changed});
    }
    let tolerant = args.bool("ignoreerrors");
    if differs && let Some(value) = &value {
        let mut cmd = ctx.cmd("sysctl").english();
        if tolerant {
            cmd = cmd.arg("-e");
        }
        let ran = cmd.arg("-w").arg(format!("{name}={value}")).run()?;
        if !ran.ok() || (ran.stderr.contains("Invalid argument") && !tolerant) {
            return Err(ran.fail(format!("setting {name} failed: {}", ran.complaint())));
        }
    }
    if file_changed {
        let real = files::real_path(&file);
        files::write(ctx, &real, new.as_bytes(), false)?;
        if args.opt_bool("reload").unwrap_or(true) {
            let mut cmd = ctx.cmd("sysctl").english();
            if tolerant {
                cmd = cmd.arg("-e");
            }
            let ran = cmd.arg("-p").arg(&file).run()?;
            if !ran.ok() || (ran.stderr.contains("Invalid argument") && !tolerant) {
                return Err(ran.fail(format!("Failed to reload sysctl: {}", ran.complaint())));
            }
        }
    }
    Ok(crate::out! {"changed": changed})
}

/// The running kernel's value.
fn current(name: &str) -> Option<String> {
    let path = Path::new("/proc/sys").join(name.replace('.', "/"));
    // A dot inside a name (an interface's) is written as a slash.
    let other = Path::new("/proc/sys").join(name.split('/').map(|p| p.replace('.', "/")).collect::<Vec<_>>().join("."));
    std::fs::read_to_string(path).or_else(|_| std::fs::read_to_string(other)).ok().map(|v| v.trim().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::json;

    #[test]
    fn lines() {
        for (text, value, want, changed) in [
            ("# c\na.b = 1\n", Some("1"), "# c\na.b = 1\n", false),
            ("a.b=1\n", Some("2"), "a.b=2\n", true),
            ("x=1", Some("2"), "x=1\na.b=2\n", true),
            ("a.b=1\na.b=2\n", Some("1"), "a.b=1\n", true),
            ("a.b= 1  2\n", Some("1 2"), "a.b= 1  2\n", false),
            ("a.b=1\nx=1\n", None, "x=1\n", true),
            ("x=1\n", None, "x=1\n", false),
            ("#a.b=1\n", Some("1"), "#a.b=1\na.b=1\n", true),
        ] {
            assert_eq!(plan(text, "a.b", value), (want.to_string(), changed), "{text:?}");
        }
    }

    #[test]
    fn a_file_of_ones_own() {
        let dir = Scratch::new();
        let file = dir.path("s.conf");
        let args = json!({"name": "vm.swappiness", "value": "10", "sysctl_file": file, "reload": false});
        assert_eq!(run(&Ctx::test("sysctl", args.clone())).unwrap()["changed"], true);
        assert_eq!(run(&Ctx::test("sysctl", args)).unwrap()["changed"], false);
        assert_eq!(dir.read("s.conf"), "vm.swappiness=10\n");
        let args = json!({"name": "kernel.x", "value": true, "sysctl_file": file, "reload": false});
        run(&Ctx::test("sysctl", args)).unwrap();
        assert!(dir.read("s.conf").ends_with("kernel.x=1\n"));
        assert!(run(&Ctx::test("sysctl", json!({"name": "x", "sysctl_file": file}))).is_err());
    }
}
