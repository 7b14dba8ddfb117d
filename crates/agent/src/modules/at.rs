//! `at`: a command or script that at runs once, later.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use std::path::{Path, PathBuf};

/// The numbers of the jobs whose text holds the script's.
fn matching(ctx: &Ctx, at: &str, script: &Path) -> Result<Vec<String>, Fail> {
    let listed = ctx.must(&[ctx.need("atq")?.to_string_lossy().as_ref()])?.stdout;
    let text = std::fs::read_to_string(script).at("can't read", script)?;
    let mut found = Vec::new();
    for number in listed.lines().filter_map(|l| l.split_whitespace().next()) {
        if ctx.must(&[at, "-c", number])?.stdout.contains(text.trim()) {
            found.push(number.to_string());
        }
    }
    Ok(found)
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let at = ctx.need("at")?.to_string_lossy().into_owned();
    let (state, count, units) = (args.text("state"), args.int("count").filter(|n| *n != 0), args.str("units"));
    if state == "present" && (count.is_none() || units.is_none()) {
        crate::fail!("present state requires count and units");
    }
    let (script, own) = match args.str("command").filter(|c| !c.is_empty()) {
        Some(command) => {
            let file = ctx.temp()?;
            std::fs::write(&file, format!("{command}\n")).at("can't write", &file)?;
            (file, true)
        }
        None => (PathBuf::from(args.req("script_file")?), false),
    };
    let mut out = crate::out! {"changed": false, "state": state};
    let done = (|| {
        let name = script.to_string_lossy().into_owned();
        if state == "absent" {
            for number in matching(ctx, &at, &script)? {
                ctx.must(&[at.as_str(), "-r", &number])?;
                out.insert("changed".into(), true.into());
            }
            return Ok(());
        }
        if args.bool("unique") && !matching(ctx, &at, &script)?.is_empty() {
            return Ok(());
        }
        let (number, unit) = (count.unwrap_or_default().to_string(), units.clone().unwrap_or_default());
        ctx.must(&[at.as_str(), "-f", &name, "now", "+", &number, &unit])?;
        for (key, value) in [("script_file", name.into()), ("count", count.into()), ("units", units.clone().into())] {
            out.insert(key.into(), value);
        }
        out.insert("changed".into(), true.into());
        Ok(())
    })();
    if own {
        let _ = std::fs::remove_file(&script);
    }
    done.map(|()| out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::json;
    use std::os::unix::fs::PermissionsExt;

    /// An at that keeps its jobs as files.
    const AT: &str = r#"#!/bin/sh
case $1 in
-f) n=$(ls "$JOBS" | wc -l); cp "$2" "$JOBS/$((n + 1))"; echo "$3 $4 $5 $6" >"$JOBS.when" ;;
-c) cat "$JOBS/$2" ;;
-r) rm "$JOBS/$2" ;;
esac
"#;

    #[test]
    fn jobs_come_once_and_go() {
        let dir = Scratch::new();
        std::fs::create_dir(dir.0.join("jobs")).unwrap();
        for (name, text) in [("at", AT), ("atq", "#!/bin/sh\nfor f in $(ls \"$JOBS\"); do echo \"$f\tnow\"; done\n")] {
            std::fs::set_permissions(dir.file(name, text), PermissionsExt::from_mode(0o755)).unwrap();
        }
        let call = |args| {
            let mut ctx = Ctx::test("at", args);
            ctx.env.insert("PATH".into(), format!("{}:/bin:/usr/bin", dir.0.display()));
            ctx.env.insert("JOBS".into(), dir.path("jobs"));
            let out = run(&ctx);
            ctx.workdir.remove();
            out
        };
        let job = json!({"command": "echo hi", "count": 20, "units": "minutes", "unique": true});
        assert_eq!(call(job.clone()).unwrap()["count"], 20);
        assert_eq!((dir.read("jobs/1").as_str(), dir.read("jobs.when").as_str()), ("echo hi\n", "now + 20 minutes\n"));
        assert_eq!(call(job).unwrap(), crate::out! {"changed": false, "state": "present"});
        assert_eq!(call(json!({"command": "echo hi", "state": "absent"})).unwrap()["changed"], true);
        assert_eq!(call(json!({"command": "echo hi", "state": "absent"})).unwrap()["changed"], false);
        assert!(call(json!({"command": "x", "count": 1})).is_err());
    }
}
