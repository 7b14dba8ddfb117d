//! `composer`: PHP's packages, by composer.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::run::Ran;
use crate::sys::shlex;
use serde_json::Value;

/// Options of the module and of composer; the third of them is misspelt in Ansible's own, so it never reaches composer there.
const SWITCHES: &[(&str, &str)] = &[
    ("prefer_source", "prefer-source"),
    ("prefer_dist", "prefer-dist"),
    ("no_dev", "no-dev"),
    ("no_scripts", "no-scripts"),
    ("no_plugins", "no-plugins"),
    ("apcu_autoloader", "apcu-autoloader"),
    ("optimize_autoloader", "optimize-autoloader"),
    ("classmap_authoritative", "classmap-authoritative"),
    ("ignore_platform_reqs", "ignore-platform-reqs"),
];

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let command = args.text("command");
    if command.contains(char::is_whitespace) {
        crate::fail!("Use the 'arguments' param for passing arguments with the 'command'");
    }
    let given = shlex::split(&args.text("arguments"))
        .ok_or_else(|| Fail::new(format!("a quote has no end: {}", args.text("arguments"))))?;
    let program = |option: &str, name: &str| match args.str(option) {
        Some(path) => Ok(path),
        None => ctx.need(name).map(|p| p.to_string_lossy().into_owned()),
    };
    let (php, composer) = (program("executable", "php")?, program("composer_executable", "composer")?);
    let call = |command: &[&str], options: &[String], arguments: &[String]| -> Result<Ran, Fail> {
        let mut line = vec![php.clone(), composer.clone()];
        if args.bool("global_command") {
            line.push("global".into());
        }
        line.extend(command.iter().map(|c| c.to_string()));
        line.extend(options.iter().cloned());
        if !args.bool("global_command") {
            line.extend(["--working-dir".into(), args.req("working_dir")?]);
        }
        line.extend(arguments.iter().cloned());
        ctx.run(&line)
    };
    let help = call(&["help", &command], &[], &["--no-interaction".into(), "--format=json".into()])?;
    if !help.ok() {
        return Err(Fail::new(one_line(&help.stderr)));
    }
    let about: Value = serde_json::from_str(&help.stdout).or_fail("composer's help is no JSON")?;
    let known = |option: &str| about["definition"]["options"].get(option).is_some();
    let mut options: Vec<String> =
        ["no-ansi", "no-interaction", "no-progress"].iter().filter(|o| known(o)).map(|o| format!("--{o}")).collect();
    options.extend(SWITCHES.iter().filter(|(name, o)| args.bool(name) && known(o)).map(|(_, o)| format!("--{o}")));
    if ctx.check {
        if !known("dry-run") {
            let msg = format!("command '{command}' does not support check mode, skipping");
            return Ok(crate::out! {"skipped": true, "changed": false, "msg": msg});
        }
        options.push("--dry-run".into());
    }
    let ran = call(&[&command], &options, &given)?;
    if !ran.ok() {
        return Err(Fail::new(one_line(&ran.stderr)).with("stdout", ran.stderr));
    }
    let said = format!("{}{}", ran.stdout, ran.stderr);
    let msg = one_line(&said);
    let nothing = ["Nothing to install or update", "Nothing to install, update or remove"];
    Ok(crate::out! {"changed": !nothing.iter().any(|n| msg.contains(n)), "msg": msg, "stdout": said})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::json;
    use std::os::unix::fs::PermissionsExt;

    /// A composer that says what it was called with.
    const COMPOSER: &str = r#"
case "$*" in
*"help install"*) echo '{"definition": {"options": {"no-dev": {}, "no-ansi": {}, "dry-run": {}}}}' ;;
*"help validate"*) echo '{"definition": {"options": {}}}' ;;
*help*) echo "no  such command" >&2; exit 1 ;;
*) echo "$*" >&2; [ -e "$STATE" ] && echo "Nothing to install, update or remove"; touch "$STATE" ;;
esac
"#;

    #[test]
    fn installs_once() {
        let dir = Scratch::new();
        let composer = dir.file("composer", COMPOSER);
        std::fs::set_permissions(&composer, PermissionsExt::from_mode(0o755)).unwrap();
        let call = |more: Value, check| {
            let mut args = json!({"working_dir": "/srv", "executable": "/bin/sh", "composer_executable": composer});
            args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let mut ctx = Ctx::test("composer", args);
            ctx.env.insert("STATE".into(), dir.path("state"));
            ctx.check = check;
            run(&ctx)
        };
        let first = call(json!({"arguments": "--a 'b c'"}), false).unwrap();
        assert_eq!(first["msg"], "install --no-ansi --no-dev --working-dir /srv --a b c");
        assert_eq!((&first["changed"], &call(json!({}), false).unwrap()["changed"]), (&json!(true), &json!(false)));
        assert!(call(json!({}), true).unwrap()["msg"].as_str().unwrap().contains("--dry-run"));
        assert_eq!(call(json!({"command": "validate"}), true).unwrap()["skipped"], true);
        assert_eq!(call(json!({"command": "nonesuch"}), false).unwrap_err().msg, "no such command");
        assert!(call(json!({"command": "a b"}), false).is_err());
    }
}
