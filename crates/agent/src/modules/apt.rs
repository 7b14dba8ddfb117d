//! `apt`: packages on Debian's kin, through apt-get; what to do is decided from dpkg's status and apt's policy.

use crate::ctx::Ctx;
use crate::modules::apt_deb;
use crate::outcome::{Fail, Outcome};
use crate::sys::dpkg::{self, Policy, Status};
use crate::sys::run::Ran;
use crate::sys::{fnmatch, lock, random, version};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

const LOCKS: &[&str] =
    &["/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock", "/var/cache/apt/archives/lock"];
const POLICY_RC_D: &str = "/usr/sbin/policy-rc.d";

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    ctx.need("apt-get")?;
    let names: Vec<String> = args.strs("name").iter().map(|n| n.trim().to_string()).filter(|n| !n.is_empty()).collect();
    let upgrade = args.str("upgrade").filter(|u| u != "no");
    let deb = args.path("deb");
    let nothing_else = names.is_empty() && upgrade.is_none() && deb.is_none();
    lock::wait_free(ctx, LOCKS, args.int("lock_timeout").unwrap_or(60))?;
    let mut cleaned = None;
    if args.bool("clean") {
        let ran = if ctx.check { Ran::default() } else { ctx.run(&["apt-get", "clean"])? };
        if !ran.ok() || !ran.stderr.trim().is_empty() {
            return Err(ran.fail(format!("apt-get clean failed: {}", ran.complaint())));
        }
        let out = crate::out! {"changed": true, "msg": ran.stdout, "stdout": ran.stdout, "stderr": ran.stderr};
        if nothing_else && !args.bool("update_cache") && !args.bool("autoclean") && !args.bool("autoremove") {
            return Ok(out);
        }
        cleaned = Some(out);
    }
    let mut updated = false;
    let valid = args.int("cache_valid_time").unwrap_or(0);
    let mut cache_time = cache_time();
    if args.bool("update_cache") || valid > 0 {
        let now = crate::sys::clock::now() as i64;
        if cache_time + valid < now || valid == 0 {
            if !ctx.check {
                update_cache(ctx)?;
            }
            let after = self::cache_time();
            updated = ctx.check || after != cache_time;
            cache_time = after;
        }
        if nothing_else && !args.bool("autoclean") && !args.bool("autoremove") {
            return Ok(
                crate::out! {"changed": updated || cleaned.is_some(), "cache_updated": updated, "cache_update_time": cache_time},
            );
        }
    }
    if let Some(mode) = upgrade {
        return self::upgrade(ctx, &mode);
    }
    let state = args.text("state");
    let mut out = if let Some(deb) = deb {
        if state != "present" {
            crate::fail!("deb only supports state=present");
        }
        apt_deb::run(ctx, &deb.to_string_lossy())?
    } else if names.iter().any(|n| n == "*") && state == "latest" {
        if names.len() > 1 {
            crate::fail!("unable to install additional packages when upgrading all installed packages");
        }
        return self::upgrade(ctx, "yes");
    } else if names.is_empty() && (args.bool("autoclean") || args.bool("autoremove")) {
        cleanup(ctx)?
    } else if state == "absent" {
        remove(ctx, &names)?
    } else {
        install(ctx, &names, &state)?
    };
    if state != "absent" {
        out.insert("cache_updated".into(), updated.into());
        out.insert("cache_update_time".into(), cache_time.into());
    }
    crate::modules::add_lines(&mut out);
    Ok(out)
}

/// When the package lists were last fetched, seconds since 1970; 0 if never.
fn cache_time() -> i64 {
    let stamps = ["/var/lib/apt/periodic/update-success-stamp", "/var/lib/apt/lists"];
    stamps.iter().find_map(|p| Path::new(p).metadata().ok()).map_or(0, |m| m.mtime())
}

fn update_cache(ctx: &Ctx) -> Result<(), Fail> {
    let retries = ctx.args.int("update_cache_retries").unwrap_or(5);
    let most = ctx.args.int("update_cache_retry_max_delay").unwrap_or(12) as f64;
    let jitter = random::below(1000) as f64 / 1000.0;
    let mut why = String::new();
    for retry in 0..retries {
        let ran = ctx
            .cmd("apt-get")
            .args(["-q", "update"])
            .english()
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stream()
            .run()?;
        let failed: Vec<&str> = ran.stderr.lines().chain(ran.stdout.lines()).filter(|l| update_failure(l)).collect();
        if ran.ok() && failed.is_empty() {
            return Ok(());
        }
        why = if failed.is_empty() { ran.complaint().to_string() } else { failed.join(", ") };
        ctx.warn(format!("Failed to update cache after {} retries due to {why}, retrying", retry + 1));
        let delay = f64::from(2u32.saturating_pow(retry as u32)).min(most) + jitter;
        if retry + 1 < retries && !ctx.sleep(delay) {
            break;
        }
    }
    crate::fail!(
        "Failed to update apt cache after {retries} retries: {}",
        if why.is_empty() { "unknown reason" } else { &why }
    )
}

/// apt-get says with status 0 that a repository could not be fetched.
fn update_failure(line: &str) -> bool {
    (line.starts_with("W: ") || line.starts_with("E: ") || line.starts_with("Err:"))
        && (line.contains("Failed to fetch")
            || line.contains("index files failed to download")
            || line.contains("is not signed"))
}

/// A package's name, and a relation with a version.
type Spec<'a> = (&'a str, Option<(&'a str, &'a str)>);

/// `name`, `name=1.2*`, `name>=1.2`.
fn split_spec(spec: &str) -> Result<Spec<'_>, Fail> {
    let Some(at) = spec.find('=') else { return Ok((spec, None)) };
    let version = &spec[at + 1..];
    if version.contains('=') {
        crate::fail!("invalid package spec: {spec}");
    }
    match spec[..at].strip_suffix('>') {
        Some(name) => Ok((name, Some((">=", version)))),
        None => Ok((&spec[..at], Some(("=", version)))),
    }
}

/// What to hand to apt-get for one package; `None`: nothing to do. Pure.
fn plan_one(
    spec: &str,
    installed: Option<&str>,
    policy: Option<&Policy>,
    latest: bool,
    only_upgrade: bool,
) -> Result<Option<String>, Fail> {
    let (name, wanted) = split_spec(spec)?;
    if installed.is_none() && only_upgrade {
        return Ok(None);
    }
    let fits = |v: &str| match wanted {
        Some(("=", pattern)) => fnmatch::matches(pattern, v),
        Some((_, least)) => version::debian(v, least) != Ordering::Less,
        None => true,
    };
    let best = policy.and_then(|p| match wanted {
        // The candidate first: pins and releases had their say in it.
        Some(("=", _)) => p.candidate.iter().chain(&p.versions).find(|v| fits(v)),
        _ => p.candidate.as_ref().filter(|v| fits(v)),
    });
    let is_right = installed.is_some_and(fits);
    let newer = best.filter(|b| installed != Some(b.as_str()));
    if !is_right && newer.is_none() {
        crate::fail!("no available installation candidate for {spec}");
    }
    if is_right && !latest {
        return Ok(None);
    }
    match newer {
        Some(version) => Ok(Some(format!("{name}={version}"))),
        None => Ok(None),
    }
}

fn install(ctx: &Ctx, names: &[String], state: &str) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let status = Status::read();
    let (latest, build_dep) = (state == "latest", state == "build-dep");
    let mut specs = Vec::new();
    for spec in names {
        let (name, _) = split_spec(spec)?;
        if fnmatch::is_pattern(name) {
            let found = dpkg::matching(ctx, name)?;
            if found.is_empty() {
                crate::fail!("No package(s) matching '{name}' available");
            }
            specs.extend(found);
        } else {
            specs.push(spec.clone());
        }
    }
    let mut wanted = Vec::new();
    let mut manual = Vec::new();
    if build_dep {
        wanted = specs;
    } else {
        let release = args.str("default_release");
        let ask: Vec<String> = specs
            .iter()
            .filter_map(|s| split_spec(s).ok().map(|(n, v)| (n.to_string(), v)))
            .filter(|(name, version)| latest || version.is_some() || status.installed(name).is_none())
            .map(|(name, _)| name)
            .collect();
        let policies = dpkg::policy(ctx, &ask, release.as_deref())?;
        for spec in &specs {
            let (name, version) = split_spec(spec)?;
            manual.push(name.to_string());
            let policy = find_policy(&policies, name);
            if status.installed(name).is_none() && policy.is_none() {
                let providers = dpkg::providers(ctx, name)?;
                match providers.as_slice() {
                    [] => crate::fail!("No package matching '{name}' is available"),
                    [only] if status.installed(only).is_some() && !latest => {}
                    _ => wanted.push(version.map_or(name.to_string(), |(_, v)| format!("{name}={v}"))),
                }
                continue;
            }
            wanted.extend(plan_one(spec, status.installed(name), policy, latest, args.bool("only_upgrade"))?);
        }
    }
    let mut out = crate::out! {"changed": false};
    if !wanted.is_empty() || state == "fixed" {
        let mut command = vec!["-y".to_string()];
        command.extend(dpkg_options(ctx));
        let flags = [
            ("only_upgrade", "--only-upgrade"),
            ("force", "--force-yes"),
            ("autoremove", "--auto-remove"),
            ("fail_on_autoremove", "--no-remove"),
            ("allow_unauthenticated", "--allow-unauthenticated"),
            ("allow_downgrade", "--allow-downgrades"),
            ("allow_change_held_packages", "--allow-change-held-packages"),
        ];
        for (name, flag) in flags {
            if args.bool(name) && !(build_dep && name == "autoremove") {
                command.push(flag.into());
            }
        }
        if state == "fixed" {
            command.push("--fix-broken".into());
        }
        if ctx.check {
            command.push("--simulate".into());
        }
        command.push(if build_dep { "build-dep" } else { "install" }.into());
        command.extend(wanted);
        if let Some(release) = args.str("default_release") {
            command.extend(["-t".into(), release]);
        }
        if let Some(recommends) = args.opt_bool("install_recommends") {
            command.extend(["-o".into(), format!("APT::Install-Recommends={}", if recommends { "yes" } else { "no" })]);
        }
        let ran = apt_get(ctx, &command)?;
        if !ran.ok() {
            return Err(ran.fail(format!("'apt-get {}' failed: {}", command.join(" "), ran.stderr)));
        }
        let changed = if build_dep || state == "fixed" { !nothing_done(&ran.stdout) } else { true };
        out = result(ctx, changed, ran);
    }
    if !build_dep && !ctx.check {
        // Ansible marks them, so that a later autoremove doesn't take them.
        let automatic = dpkg::automatic();
        manual.retain(|name| automatic.contains(&name.split(':').next().unwrap_or_default().to_string()));
        if !manual.is_empty() && ctx.which("apt-mark").is_some() {
            let ran = ctx.cmd("apt-mark").arg("manual").args(&manual).english().run()?;
            if !ran.ok() {
                return Err(ran.fail(format!("'apt-mark manual {}' failed: {}", manual.join(" "), ran.stderr)));
            }
        }
    }
    Ok(out)
}

/// apt-cache shows `name:arch` only where the architecture is foreign.
fn find_policy<'a>(policies: &'a HashMap<String, Policy>, name: &str) -> Option<&'a Policy> {
    policies.get(name).or_else(|| policies.get(name.split(':').next()?))
}

fn remove(ctx: &Ctx, names: &[String]) -> Result<Outcome, Fail> {
    let status = Status::read();
    let purge = ctx.args.bool("purge");
    let mut wanted = Vec::new();
    for spec in names {
        let (name, version) = split_spec(spec)?;
        let found: Vec<String> = if fnmatch::is_pattern(name) {
            let mut found: Vec<String> =
                status.all().filter(|k| fnmatch::matches(name, &k.name)).map(|k| k.name.clone()).collect();
            found.sort();
            found.dedup();
            found
        } else {
            vec![name.to_string()]
        };
        for name in found {
            let Some(known) = status.get(&name) else { continue };
            let right = match version {
                Some(("=", pattern)) => fnmatch::matches(pattern, &known.version),
                Some((_, least)) => version::debian(&known.version, least) != Ordering::Less,
                None => true,
            };
            if known.installed && right || known.has_files && purge {
                wanted.push(name);
            }
        }
    }
    if wanted.is_empty() {
        if ctx.args.bool("autoremove") {
            return cleanup(ctx);
        }
        return Ok(crate::out! {"changed": false});
    }
    let mut command = vec!["-q".to_string(), "-y".into()];
    command.extend(dpkg_options(ctx));
    for (name, flag) in [
        ("purge", "--purge"),
        ("force", "--force-yes"),
        ("autoremove", "--auto-remove"),
        ("allow_change_held_packages", "--allow-change-held-packages"),
    ] {
        if ctx.args.bool(name) {
            command.push(flag.into());
        }
    }
    if ctx.check {
        command.push("--simulate".into());
    }
    command.push("remove".into());
    command.extend(wanted.clone());
    let ran = apt_get(ctx, &command)?;
    if !ran.ok() {
        return Err(ran.fail(format!("'apt-get remove {}' failed: {}", wanted.join(" "), ran.stderr)));
    }
    Ok(result(ctx, true, ran))
}

/// `autoclean` and `autoremove` by themselves.
fn cleanup(ctx: &Ctx) -> Result<Outcome, Fail> {
    let mut out = crate::out! {"changed": false};
    let mut changed = false;
    for (operation, sign) in [("autoclean", "Del "), ("autoremove", "The following packages will be REMOVED")] {
        if !ctx.args.bool(operation) {
            continue;
        }
        let mut command = vec!["-y".to_string()];
        command.extend(dpkg_options(ctx));
        for (name, flag) in [("force", "--force-yes"), ("purge", "--purge")] {
            if ctx.args.bool(name) {
                command.push(flag.into());
            }
        }
        command.push(operation.into());
        if ctx.check {
            command.push("--simulate".into());
        }
        let ran = apt_get(ctx, &command)?;
        if !ran.ok() {
            return Err(ran.fail(format!("'apt-get {operation}' failed: {}", ran.stderr)));
        }
        changed |= ran.stdout.contains(sign);
        out = result(ctx, changed, ran);
    }
    Ok(out)
}

fn upgrade(ctx: &Ctx, mode: &str) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let aptitude = !args.bool("force_apt_get") && ctx.which("aptitude").is_some() && mode != "dist";
    let mut command = vec!["-y".to_string()];
    command.extend(dpkg_options(ctx));
    let flags: &[(&str, &str)] = if aptitude {
        for (name, flag) in [("fail_on_autoremove", "--no-remove"), ("allow_downgrade", "--allow-downgrades")] {
            if args.bool(name) {
                ctx.warn(format!("APTITUDE does not support '{flag}', ignoring the '{name}' parameter."));
            }
        }
        &[("force", "--assume-yes"), ("force", "--allow-untrusted"), ("allow_unauthenticated", "--allow-untrusted")]
    } else {
        &[
            ("force", "--force-yes"),
            ("fail_on_autoremove", "--no-remove"),
            ("allow_unauthenticated", "--allow-unauthenticated"),
            ("allow_downgrade", "--allow-downgrades"),
            ("autoremove", "--auto-remove"),
        ]
    };
    command.extend(flags.iter().filter(|(name, _)| args.bool(name)).map(|(_, flag)| flag.to_string()));
    if ctx.check {
        command.push("--simulate".into());
    }
    match (mode, aptitude) {
        ("dist", _) | ("full", false) => command.push("dist-upgrade".into()),
        ("full", true) => command.push("full-upgrade".into()),
        (_, true) => command.push("safe-upgrade".into()),
        (_, false) => command.extend(["upgrade".into(), "--with-new-pkgs".into()]),
    }
    if let Some(release) = args.str("default_release") {
        command.extend(["-t".into(), release]);
    }
    let program = if aptitude { "aptitude" } else { "apt-get" };
    let ran = with_policy(ctx, program, &command)?;
    if !ran.ok() {
        return Err(ran.fail(format!("'{program} {}' failed: {}", command.join(" "), ran.stderr)));
    }
    let changed = !nothing_done(&ran.stdout);
    let msg = ran.stdout.clone();
    let mut out = result(ctx, changed, ran);
    out.insert("msg".into(), msg.into());
    crate::modules::add_lines(&mut out);
    Ok(out)
}

/// apt-get and aptitude say so when they did nothing.
pub fn nothing_done(stdout: &str) -> bool {
    stdout.lines().any(|l| {
        l.contains("0 upgraded, 0 newly installed, 0 to remove")
            || l.contains("0 packages upgraded, 0 newly installed, 0 to remove")
    })
}

fn result(ctx: &Ctx, changed: bool, ran: Ran) -> Outcome {
    let mut out = crate::out! {"changed": changed, "stdout": ran.stdout, "stderr": ran.stderr};
    if ctx.diff {
        out.insert("diff".into(), serde_json::json!({"prepared": prepared(&ran.stdout)}));
    }
    out
}

/// The part of apt-get's output that says what it does.
pub fn prepared(stdout: &str) -> String {
    let lines: Vec<&str> = stdout.lines().collect();
    let from = lines
        .iter()
        .position(|l| l.starts_with("Resolving dependencies...") || l.starts_with("Reading state information..."));
    let is_sum = |l: &&str| l.starts_with(|c: char| c.is_ascii_digit()) && l.contains(" upgraded, ");
    let to = lines.iter().position(is_sum).map_or(lines.len(), |n| n + 1);
    let from = from.map_or(0, |n| n + 1);
    lines.get(from..to).unwrap_or_default().join("\n")
}

/// `dpkg_options` and the lock's time as apt-get options.
pub fn dpkg_options(ctx: &Ctx) -> Vec<String> {
    let mut out = Vec::new();
    for option in ctx.args.text("dpkg_options").split(',').map(str::trim).filter(|o| !o.is_empty()) {
        out.extend(["-o".into(), format!("Dpkg::Options::=--{option}")]);
    }
    out.extend(["-o".into(), format!("DPkg::Lock::Timeout={}", ctx.args.int("lock_timeout").unwrap_or(60))]);
    out
}

/// Runs apt-get, streaming; waits for the locks, and once more where another was faster.
pub fn apt_get(ctx: &Ctx, command: &[String]) -> Result<Ran, Fail> {
    with_policy(ctx, "apt-get", command)
}

/// Runs a package program while services may start only as `policy_rc_d` says.
pub fn with_policy(ctx: &Ctx, program: &str, command: &[String]) -> Result<Ran, Fail> {
    let path = Path::new(POLICY_RC_D);
    let policy = ctx.args.int("policy_rc_d").filter(|_| !ctx.check);
    let kept = policy.and(std::fs::read(path).ok());
    if let Some(code) = policy {
        std::fs::write(path, format!("#!/bin/sh\nexit {code}\n"))
            .and_then(|()| std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)))
            .map_err(|e| Fail::new(format!("Failed to create or chmod {POLICY_RC_D}: {e}")))?;
    }
    let outcome = locked(ctx, program, command);
    if policy.is_some() {
        let restored = match kept {
            Some(bytes) => std::fs::write(path, bytes),
            None => std::fs::remove_file(path),
        };
        restored.map_err(|e| Fail::new(format!("Fail to restore {POLICY_RC_D}: {e}")))?;
    }
    outcome
}

fn locked(ctx: &Ctx, program: &str, command: &[String]) -> Result<Ran, Fail> {
    let limit = ctx.args.int("lock_timeout").unwrap_or(60);
    let started = std::time::Instant::now();
    loop {
        let left = limit - started.elapsed().as_secs() as i64;
        lock::wait_free(ctx, LOCKS, left)?;
        let cmd = ctx.cmd(program).args(command).english().env("DEBIAN_FRONTEND", "noninteractive");
        let ran = cmd.env("DEBIAN_PRIORITY", "critical").stream().run()?;
        let raced = !ran.ok() && (ran.stderr.contains("Could not get lock") || ran.stderr.contains("Unable to lock"));
        if !raced || left <= 0 || !ctx.sleep(1.0) {
            return Ok(ran);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans() {
        let policy =
            Policy { candidate: Some("2.0".into()), versions: vec!["2.0".into(), "1.12.6".into(), "1.12.3".into()] };
        let ok = |spec, installed, latest, only| plan_one(spec, installed, Some(&policy), latest, only).unwrap();
        for (spec, installed, latest, only, want) in [
            ("a", None, false, false, Some("a=2.0")),
            ("a", Some("1.0"), false, false, None),
            ("a", Some("1.0"), true, false, Some("a=2.0")),
            ("a", Some("2.0"), true, false, None),
            ("a=1.12*", None, false, false, Some("a=1.12.6")),
            ("a=1.12.3", None, false, false, Some("a=1.12.3")),
            ("a=1.12*", Some("1.12.3"), false, false, None),
            ("a=1.12.3", Some("2.0"), false, false, Some("a=1.12.3")),
            ("a>=1.5", Some("1.0"), false, false, Some("a=2.0")),
            ("a>=1.5", Some("1.6"), false, false, None),
            ("a", None, false, true, None),
            ("a", Some("1.0"), true, true, Some("a=2.0")),
        ] {
            assert_eq!(ok(spec, installed, latest, only).as_deref(), want, "{spec} {installed:?}");
        }
        assert_eq!(
            plan_one("a=3", None, Some(&policy), false, false).unwrap_err().msg,
            "no available installation candidate for a=3"
        );
        assert_eq!(plan_one("a", Some("1"), None, false, false).unwrap(), None);
        assert!(split_spec("a=1=2").is_err());
    }

    #[test]
    fn outputs() {
        assert!(nothing_done("x\n0 upgraded, 0 newly installed, 0 to remove and 3 not upgraded.\n"));
        assert!(!nothing_done("1 upgraded, 0 newly installed, 0 to remove and 3 not upgraded.\n"));
        assert_eq!(
            prepared(
                "Reading package lists...\nReading state information...\nThe following\n  a\n1 upgraded, 0 newly\nGet:1"
            ),
            "The following\n  a\n1 upgraded, 0 newly"
        );
        assert!(update_failure("W: Failed to fetch http://x/  404"));
        assert!(!update_failure("W: http://x/InRelease: Key is stored in legacy trusted.gpg keyring"));
    }
}
