//! `docker_compose_v2`: projects of Docker Compose, by its command line. Source: community.docker's DOCUMENTATION.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::compose::{Compose, with_project};
use serde_json::Value;

const PULLS: &[&str] = &["Pulled", "Pulling"];
const BUILDS: &[&str] = &["Built", "Building"];

/// The numbers of containers that are wanted: `web=2`, by name.
fn scale(ctx: &Ctx) -> Result<Vec<String>, Fail> {
    let Some(Value::Object(all)) = ctx.args.raw("scale") else { return Ok(Vec::new()) };
    let mut out = Vec::new();
    for (service, value) in &all {
        let number = match value {
            Value::String(text) => text.trim().parse::<i64>().ok(),
            other => other.as_i64(),
        };
        match number {
            Some(n) if n >= 0 => out.push(format!("{service}={n}")),
            Some(n) => crate::fail!("The value {n} for `scale['{service}']` is negative"),
            None => {
                crate::fail!("The value {} for `scale['{service}']` is not an integer", crate::args::text(value))
            }
        }
    }
    out.sort();
    Ok(out)
}

/// `up` with its options.
fn up(ctx: &Ctx, compose: &Compose<'_>, start: bool) -> Result<Vec<String>, Fail> {
    let args = &ctx.args;
    let mut out: Vec<String> = ["up", "--detach", "--no-color", "--quiet-pull"].map(String::from).into();
    if args.text("pull") != "policy" {
        out.extend(["--pull".into(), args.text("pull")]);
    }
    let recreate = args.text("recreate");
    let build = args.text("build");
    for (on, flag) in [
        (args.bool("remove_orphans"), "--remove-orphans"),
        (recreate == "always", "--force-recreate"),
        (recreate == "never", "--no-recreate"),
        (args.bool("renew_anon_volumes"), "--renew-anon-volumes"),
        (!args.bool("dependencies"), "--no-deps"),
        (build == "always", "--build"),
        (build == "never", "--no-build"),
    ] {
        out.extend(on.then(|| flag.to_string()));
    }
    out.extend(timeout(ctx));
    out.extend(scale(ctx)?.into_iter().flat_map(|s| ["--scale".to_string(), s]));
    if args.bool("wait") {
        out.push("--wait".into());
        out.extend(args.int("wait_timeout").into_iter().flat_map(|n| ["--wait-timeout".into(), n.to_string()]));
    }
    if !start {
        out.push("--no-start".into());
    }
    if args.bool("assume_yes") {
        // The long form was called --y at first.
        out.push(if compose.since(&[2, 34]) { "--yes" } else { "-y" }.into());
    }
    Ok(out)
}

fn timeout(ctx: &Ctx) -> Vec<String> {
    ctx.args.int("timeout").map_or_else(Vec::new, |n| vec!["--timeout".into(), n.to_string()])
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    scale(ctx)?;
    with_project(ctx, |compose| {
        if args.bool("assume_yes") && !compose.since(&[2, 32]) {
            crate::fail!("assume_yes=true needs Docker Compose 2.32.0 or newer");
        }
        let mut ignored = PULLS.to_vec();
        if args.bool("ignore_build_events") {
            ignored.extend(BUILDS);
        }
        match args.text("state").as_str() {
            "present" => {
                let words = up(ctx, compose, true)?;
                compose.act(&words, &ignored)?;
            }
            "stopped" => {
                // `stop` says that it stops what is stopped already: it is asked only where something runs.
                let words = up(ctx, compose, false)?;
                compose.act(&words, &ignored)?;
                if !compose.all_stopped()? {
                    let mut words = vec!["stop".to_string()];
                    words.extend(timeout(ctx));
                    compose.act(&words, &[])?;
                }
            }
            "restarted" => {
                let mut words = vec!["restart".to_string()];
                words.extend((!args.bool("dependencies")).then(|| "--no-deps".to_string()));
                words.extend(timeout(ctx));
                compose.act(&words, &[])?;
            }
            _ => {
                let mut words = vec!["down".to_string()];
                words.extend(args.bool("remove_orphans").then(|| "--remove-orphans".to_string()));
                words.extend(args.str("remove_images").into_iter().flat_map(|w| ["--rmi".to_string(), w]));
                words.extend(args.bool("remove_volumes").then(|| "--volumes".to_string()));
                words.extend(timeout(ctx));
                compose.act(&words, &[])?;
            }
        }
        compose.describe()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::json;
    use std::os::unix::fs::PermissionsExt;

    /// A docker that knows one container, and says what Compose says.
    const DOCKER: &str = r#"#!/bin/sh
echo "$*" >>"$STATE/log"
shift 2
case "$*" in
"compose version"*) echo "{\"version\":\"v$VERSION\"}"; exit ;;
esac
dry=; case "$*" in *--dry-run*) dry=1 ;; esac
say() { printf '{"id":"Container p-web-1","status":"%s"}\n' "$1" >&2; }
for dir in "$@"; do [ "$last" = --project-directory ] && break; last=$dir; done
case "$*" in
*" up "*--no-start*) [ -e "$STATE/box" ] && say Running || say Creating; [ "$dry" ] || [ -e "$STATE/box" ] || echo created >"$STATE/box" ;;
*" up "*) grep -q running "$STATE/box" 2>/dev/null && say Running || say Starting
  cp "$dir/compose.yaml" "$STATE/seen"; [ "$dry" ] || echo running >"$STATE/box" ;;
*" stop "*) say Stopping; [ "$dry" ] || echo exited >"$STATE/box" ;;
*" restart "*) say Restarting; say Restarted ;;
*" down "*) [ -e "$STATE/box" ] && say Removing; [ "$dry" ] || rm -f "$STATE/box" ;;
*" ps "*) [ ! -e "$STATE/box" ] || echo "{\"Name\":\"p-web-1\",\"State\":\"$(cat "$STATE/box")\",\"Labels\":\"a=b,c\"}" ;;
*" images "*) echo '{"x":{"ID":"sha256:1"}}' ;;
*" pull "*) say Pulling; echo '{"error":true,"id":"web","message":"no such image"}' >&2; exit 18 ;;
esac
exit 0
"#;

    fn call(dir: &Scratch, module: &str, version: &str, check: bool, args: Value) -> Result<Outcome, Fail> {
        let mut all = json!({"docker_cli": dir.path("docker"), "docker_host": "unix:///x"});
        all.as_object_mut().unwrap().extend(args.as_object().unwrap().clone());
        let mut ctx = Ctx::test(module, all);
        ctx.check = check;
        ctx.env.insert("STATE".into(), dir.path(""));
        ctx.env.insert("VERSION".into(), version.into());
        let result =
            if module.ends_with("pull") { crate::modules::docker_compose_v2_pull::run(&ctx) } else { run(&ctx) };
        ctx.workdir.remove();
        result
    }

    #[test]
    fn a_project_goes_up_and_down() {
        let dir = Scratch::new();
        std::fs::set_permissions(dir.file("docker", DOCKER), PermissionsExt::from_mode(0o755)).unwrap();
        let of = |check, more: Value| {
            let mut args = json!({"project_name": "p", "definition": {"services": {"web": {"image": "x"}}}});
            args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            call(&dir, "docker_compose_v2", "2.40.0", check, args).unwrap()
        };
        assert_eq!(of(true, json!({}))["changed"], true);
        let first = of(false, json!({"wait": true, "scale": {"web": "2"}, "assume_yes": true}));
        assert_eq!(first["actions"], json!([{"what": "container", "id": "p-web-1", "status": "Starting"}]));
        assert_eq!(first["containers"][0]["Labels"], json!({"a": "b", "c": ""}));
        assert_eq!(first["images"], json!([{"ID": "sha256:1"}]));
        assert_eq!(dir.read("seen"), r#"{"services":{"web":{"image":"x"}}}"#);
        let log = dir.read("log");
        assert!(log.contains("--quiet-pull --scale web=2 --wait --yes --\n"), "{log}");
        let place = log.split("--project-directory ").nth(1).and_then(|l| l.split(' ').next()).unwrap();
        assert!(!std::path::Path::new(place).exists(), "{place} is left behind");
        assert_eq!(of(false, json!({}))["changed"], false);
        assert_eq!(of(false, json!({"state": "stopped"}))["changed"], true);
        assert_eq!(of(false, json!({"state": "stopped"}))["changed"], false);
        assert_eq!(of(false, json!({"state": "restarted"}))["changed"], true);
        assert_eq!(of(false, json!({"state": "absent", "remove_volumes": true}))["changed"], true);
        assert_eq!(of(false, json!({"state": "absent"}))["changed"], false);
    }

    #[test]
    fn what_is_refused() {
        let dir = Scratch::new();
        std::fs::set_permissions(dir.file("docker", DOCKER), PermissionsExt::from_mode(0o755)).unwrap();
        let why = |module: &str, version: &str, args: Value| call(&dir, module, version, false, args).unwrap_err();
        let src = dir.path("");
        let of = |version: &str, args: Value| why("docker_compose_v2", version, args).msg;
        assert!(of("2.40.0", json!({"project_src": src})).contains("does not contain compose.yaml"));
        assert!(of("2.40.0", json!({"project_src": src, "files": ["x.yml"]})).contains("Cannot find Compose file"));
        assert!(of("2.17.3", json!({"project_src": src})).contains("need version 2.18.0"));
        dir.file("compose.yaml", "{}");
        assert!(of("2.40.0", json!({"project_src": src, "scale": {"a": -1}})).contains("negative"));
        assert!(of("2.31.0", json!({"project_src": src, "assume_yes": true})).contains("2.32.0"));
        let pull = why("docker_compose_v2_pull", "2.40.0", json!({"project_src": src, "include_deps": true}));
        assert_eq!(pull.msg, "Error when processing web: no such image");
        assert_eq!(pull.fields["rc"], 18);
        assert!(pull.fields["cmd"].as_str().unwrap().ends_with("pull --include-deps --"), "{:?}", pull.fields["cmd"]);
    }
}
