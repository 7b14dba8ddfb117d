//! `local`: files of the host's own facts (`fact_path`), and those of facter and ohai where they are installed.

use super::{Facts, put};
use crate::ctx::Ctx;
use crate::sys::ini::Ini;
use serde_json::{Map, Value};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

/// Gathers them.
pub fn collect(ctx: &Ctx, out: &mut Facts) {
    let dir = ctx.args.path("fact_path").unwrap_or_else(|| "/etc/ansible/facts.d".into());
    let mut local = Map::new();
    let entries = std::fs::read_dir(&dir).into_iter().flatten().flatten().map(|e| e.path());
    let mut paths: Vec<_> = entries.filter(|p| p.extension().is_some_and(|e| e == "fact")).collect();
    paths.sort();
    for path in paths {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let meta = path.metadata();
        let executable = meta.as_ref().is_ok_and(|m| m.permissions().mode() & 0o100 != 0);
        let text = if let Err(error) = meta {
            Err(format!("Could not stat fact ({}): {error}", path.display()))
        } else if executable {
            let limit = Duration::from_secs(ctx.args.int("gather_timeout").unwrap_or(10).max(1) as u64);
            match ctx.cmd(&path).limit(limit).run() {
                Ok(ran) if ran.ok() => Ok(ran.stdout),
                Ok(ran) => Err(format!(
                    "Failure executing fact script ({}), rc: {}, err: {}",
                    path.display(),
                    ran.rc,
                    ran.stderr
                )),
                Err(e) => Err(format!("Could not execute fact script ({}): {}", path.display(), e.msg)),
            }
        } else {
            std::fs::read_to_string(&path).map_err(|e| {
                format!("error loading facts as JSON or ini - please check content: {}: {e}", path.display())
            })
        };
        let value = match text {
            Ok(text) => parse(&text, &path.display().to_string()).unwrap_or_else(|why| {
                ctx.warn(why.clone());
                why.into()
            }),
            Err(why) => {
                ctx.warn(why.clone());
                why.into()
            }
        };
        local.insert(name, value);
    }
    put(out, "local", local);
}

/// JSON, else INI as Python's configparser reads it: `[DEFAULT]` stands behind every section, `%(name)s` for another option.
fn parse(text: &str, path: &str) -> Result<Value, String> {
    if let Ok(value) = serde_json::from_str(text) {
        return Ok(value);
    }
    let content = text.lines().filter(|l| !l.trim().is_empty() && !l.trim_start().starts_with(['#', ';']));
    let mut before_sections = true;
    for line in content {
        before_sections &= !line.starts_with('[');
        if before_sections || !line.starts_with(char::is_whitespace) && !line.contains(['[', '=', ':']) {
            return Err(format!("error loading facts as JSON or ini - please check content: {path}"));
        }
    }
    let ini = Ini::parse(text);
    let defaults: Vec<_> = ini.0.iter().filter(|(name, _)| name == "DEFAULT").flat_map(|(_, o)| o.clone()).collect();
    let mut sections = Map::new();
    for (name, own) in ini.0.into_iter().filter(|(name, _)| name != "DEFAULT") {
        let mut options = defaults.clone();
        options.extend(own);
        let mut values = Map::new();
        for (key, value) in &options {
            let value = interpolate(value, &options, 0)
                .map_err(|why| format!("error loading facts as ini - please check content: {path} ({why})"))?;
            values.insert(key.clone(), value.into());
        }
        sections.insert(name, values.into());
    }
    Ok(sections.into())
}

fn interpolate(value: &str, options: &[(String, String)], depth: usize) -> Result<String, String> {
    let Some((head, tail)) = value.split_once('%') else { return Ok(value.to_owned()) };
    if let Some(rest) = tail.strip_prefix('%') {
        return Ok(format!("{head}%{}", interpolate(rest, options, depth)?));
    }
    let Some((name, rest)) = tail.strip_prefix('(').and_then(|t| t.split_once(")s")) else {
        return Err(format!("'%' must be followed by '%' or '(', found: '%{tail}'"));
    };
    let other = options.iter().rev().find(|(key, _)| *key == name.to_lowercase());
    let (_, other) = other.ok_or_else(|| format!("no option '{name}' for '%({name})s'"))?;
    if depth > 9 {
        return Err("'%(…)s' goes in a circle".into());
    }
    Ok(format!("{head}{}{}", interpolate(other, options, depth + 1)?, interpolate(rest, options, depth)?))
}

/// `facter_*`.
pub fn facter(ctx: &Ctx, out: &mut Facts) {
    for program in ["facter", "/opt/puppetlabs/bin/facter"] {
        if ctx.which(program).is_none() {
            continue;
        }
        if let Ok(ran) = ctx.cmd(program).arg("--json").english().limit(Duration::from_secs(30)).run()
            && let Ok(Value::Object(found)) = serde_json::from_str(&ran.stdout)
        {
            out.extend(found.into_iter().map(|(k, v)| (format!("facter_{k}"), v)));
        }
        return;
    }
}

/// `ohai_*`.
pub fn ohai(ctx: &Ctx, out: &mut Facts) {
    if ctx.which("ohai").is_some()
        && let Ok(ran) = ctx.cmd("ohai").english().limit(Duration::from_secs(60)).run()
        && let Ok(Value::Object(found)) = serde_json::from_str(&ran.stdout)
    {
        out.extend(found.into_iter().map(|(k, v)| (format!("ohai_{k}"), v)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::json;

    #[test]
    fn json_ini_and_programs() {
        let dir = Scratch::new();
        dir.file("a.fact", "{\"x\": 1}");
        dir.file("b.fact", "[s]\nkey = v\n");
        dir.file("ignored.txt", "x");
        let script = dir.file("c.fact", "#!/bin/sh\necho '[1]'\n");
        std::fs::set_permissions(script, PermissionsExt::from_mode(0o755)).unwrap();
        dir.file("d.fact", "nonsense");
        let ctx = Ctx::test("setup", json!({"fact_path": dir.path("")}));
        let mut out = Facts::new();
        collect(&ctx, &mut out);
        let local = &out["ansible_local"];
        assert_eq!((&local["a"]["x"], &local["b"]["s"]["key"], &local["c"]), (&json!(1), &json!("v"), &json!([1])));
        assert!(local["d"].as_str().is_some_and(|d| d.starts_with("error loading facts")));
        assert!(local.get("ignored").is_none());
        let ini = |text: &str| parse(text, "p");
        assert_eq!(ini("[DEFAULT]\nd=1\n[a]\nx=%(d)s%%\n"), Ok(json!({"a": {"d": "1", "x": "1%"}})));
        assert!(ini("[a]\nx = 5 % of\n").unwrap_err().starts_with("error loading facts as ini"));
        assert!(ini("[a]\nx = %(x)s\n").is_err() && ini("a=b\n").is_err() && ini("[a]\nword\n").is_err());
    }
}
