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
        let executable = path.metadata().is_ok_and(|m| m.permissions().mode() & 0o100 != 0);
        let text = if executable {
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
            std::fs::read_to_string(&path).map_err(|e| format!("error loading fact - please check content: {e}"))
        };
        let value = match text {
            Ok(text) => parse(&text).unwrap_or_else(|| {
                let why = format!("error loading facts as JSON or ini - please check content: {}", path.display());
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

/// JSON, else INI.
fn parse(text: &str) -> Option<Value> {
    if let Ok(value) = serde_json::from_str(text) {
        return Some(value);
    }
    let ini = Ini::parse(text);
    if ini.0.is_empty() && !text.trim().is_empty() {
        return None;
    }
    let sections = ini
        .0
        .into_iter()
        .map(|(name, options)| (name, Value::Object(options.into_iter().map(|(k, v)| (k, v.into())).collect())));
    Some(Value::Object(sections.collect()))
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
    }
}
