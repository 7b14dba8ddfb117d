//! `apache2_module`: a module of Apache's, by Debian's a2enmod and a2dismod.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};

/// What `apache2ctl -M` calls a module that is loaded by this name: NAME_module, but for some.
fn identifier(name: &str) -> String {
    if name.contains("shib") {
        return "mod_shib".into();
    }
    if name.contains("evasive") {
        return "evasive20_module".into();
    }
    let digits = |text: &str| text.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    if name.contains("php8") && name.strip_prefix("php").is_some_and(digits) {
        return "php_module".into();
    }
    // php7.4 is php7_module.
    let php = name
        .strip_prefix("php")
        .filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()) && rest[1..].starts_with('.'));
    match php {
        Some(rest) => format!("php{}_module", &rest[..1]),
        None => format!("{name}_module"),
    }
}

fn control(ctx: &Ctx) -> Result<String, Fail> {
    let found = ["apache2ctl", "apachectl"].iter().find_map(|name| ctx.which(name));
    found.map(|p| p.to_string_lossy().into_owned()).ok_or_else(|| {
        Fail::new("Neither of apache2ctl nor apachectl found. At least one apache control binary is necessary.")
    })
}

fn enabled(ctx: &Ctx, name: &str, identifier: &str) -> Result<bool, Fail> {
    let control = control(ctx)?;
    let ran = ctx.run(&[control.as_str(), "-M"])?;
    if ran.ok() {
        return Ok(ran.stdout.contains(&format!(" {identifier}")));
    }
    let trouble = format!("Error executing {control}: {}", ran.stderr);
    if !ctx.args.bool("ignore_configcheck") {
        return Err(Fail::new(trouble));
    }
    if ran.stderr.contains("AH00534") && name.contains("mpm_") {
        if ctx.args.bool("warn_mpm_absent") {
            ctx.warn(
                "No MPM module loaded! apache2 reload AND other module actions will fail if no MPM module is loaded immediately.",
            );
        }
    } else {
        ctx.warn(trouble);
    }
    Ok(false)
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let name = args.req("name")?;
    let wanted = args.text("state") == "present";
    if name == "cgi" && wanted {
        let about = ctx.run(&[control(ctx)?.as_str(), "-V"])?.stdout;
        let threaded =
            about.lines().any(|l| l.split_once("threaded:").is_some_and(|(_, v)| v.trim_start().starts_with("yes")));
        if threaded {
            crate::fail!("Your MPM seems to be threaded, therefore enabling cgi module is not allowed.");
        }
    }
    let identifier = args.str("identifier").filter(|i| !i.is_empty()).unwrap_or_else(|| identifier(&name));
    let done = format!("Module {name} {}", if wanted { "enabled" } else { "disabled" });
    let before = enabled(ctx, &name, &identifier)?;
    if before == wanted || ctx.check {
        return Ok(crate::out! {"changed": before != wanted, "result": done});
    }
    let tool = if wanted { "a2enmod" } else { "a2dismod" };
    let Some(program) = ctx.which(tool) else {
        crate::fail!("{tool} not found. Perhaps this system does not use {tool} to manage apache");
    };
    let mut line = vec![program.to_string_lossy().into_owned()];
    if !wanted && args.bool("force") {
        line.push("-f".into());
    }
    line.push(name.clone());
    let ran = ctx.run(&line)?;
    if enabled(ctx, &name, &identifier)? == wanted {
        return Ok(crate::out! {"changed": true, "result": done});
    }
    let state = if wanted { "enabled" } else { "disabled" };
    let said = ran.stdout.clone();
    Err(ran.fail(format!(
        "Failed to set module {name} to {state}:\n{said}\nMaybe the module identifier ({identifier}) was guessed incorrectly.Consider setting the \"identifier\" option."
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::json;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn identifiers() {
        for (name, want) in [
            ("rewrite", "rewrite_module"),
            ("shib2", "mod_shib"),
            ("evasive", "evasive20_module"),
            ("php8.2", "php_module"),
            ("php7.4", "php7_module"),
            ("php", "php_module"),
        ] {
            assert_eq!(identifier(name), want);
        }
    }

    #[test]
    fn on_and_off_once() {
        let dir = Scratch::new();
        for (name, text) in [
            ("apache2ctl", "#!/bin/sh\necho Loaded Modules:; cat \"$STATE\" 2>/dev/null; exit 0\n"),
            ("a2enmod", "#!/bin/sh\necho \" $1_module (shared)\" >\"$STATE\"\n"),
            ("a2dismod", "#!/bin/sh\n: >\"$STATE\"\n"),
        ] {
            std::fs::set_permissions(dir.file(name, text), PermissionsExt::from_mode(0o755)).unwrap();
        }
        let call = |name: &str, state: &str, check| {
            let mut ctx = Ctx::test("apache2_module", json!({"name": name, "state": state}));
            ctx.check = check;
            ctx.env.insert("PATH".into(), format!("{}:/bin:/usr/bin", dir.0.display()));
            ctx.env.insert("STATE".into(), dir.path("state"));
            run(&ctx)
        };
        let on = crate::out! {"changed": true, "result": "Module rewrite enabled"};
        assert_eq!(call("rewrite", "present", true).unwrap(), on);
        assert_eq!(call("rewrite", "present", false).unwrap(), on);
        assert_eq!(call("rewrite", "present", false).unwrap()["changed"], false);
        assert!(call("shib", "present", false).unwrap_err().msg.contains("(mod_shib)"));
        assert_eq!(call("ssl", "absent", false).unwrap()["changed"], false);
    }
}
