//! `apt` with `deb`: package files, local ones or by address, with their dependencies from the repositories.

use crate::ctx::Ctx;
use crate::modules::apt;
use crate::outcome::{Fail, Outcome};
use crate::sys::dpkg::Status;
use crate::sys::version;
use std::cmp::Ordering;

/// Installs the files of a comma-separated list.
pub fn run(ctx: &Ctx, list: &str) -> Result<Outcome, Fail> {
    let status = Status::read();
    let mut fetched = Vec::new();
    let mut wanted = Vec::new();
    for deb in list.split(',').map(str::trim).filter(|d| !d.is_empty()) {
        let file = if deb.contains("://") {
            let file = ctx.temp()?.with_extension("deb");
            crate::sys::http::download(ctx, deb, &file)?;
            fetched.push(file.clone());
            file.to_string_lossy().into_owned()
        } else {
            deb.to_string()
        };
        let (name, new, arch) =
            (field(ctx, &file, "Package")?, field(ctx, &file, "Version")?, field(ctx, &file, "Architecture")?);
        let key = if arch == "all" { name.clone() } else { format!("{name}:{arch}") };
        match status.installed(&key).map(|old| version::debian(&new, old)) {
            Some(Ordering::Equal) => continue,
            Some(Ordering::Less) if !ctx.args.bool("force") && !ctx.args.bool("allow_downgrade") => {
                crate::fail!("A later version is already installed: {name}");
            }
            _ => wanted.push(file),
        }
    }
    if wanted.is_empty() {
        clean(&fetched);
        return Ok(crate::out! {"changed": false, "stdout": "", "stderr": "", "diff": ""});
    }
    let outcome = install(ctx, &wanted);
    clean(&fetched);
    outcome
}

fn clean(files: &[std::path::PathBuf]) {
    for file in files {
        let _ = std::fs::remove_file(file);
    }
}

/// apt-get takes package files since 1.1 (2015); before, dpkg unpacks them and apt-get brings the dependencies.
fn install(ctx: &Ctx, files: &[String]) -> Result<Outcome, Fail> {
    let options: Vec<String> =
        ctx.args.text("dpkg_options").split(',').filter(|o| !o.is_empty()).map(|o| format!("--{o}")).collect();
    let mut extra = apt::dpkg_options(ctx);
    for (name, flag) in [
        ("force", "--force-yes"),
        ("fail_on_autoremove", "--no-remove"),
        ("allow_unauthenticated", "--allow-unauthenticated"),
        ("allow_downgrade", "--allow-downgrades"),
        ("allow_change_held_packages", "--allow-change-held-packages"),
    ] {
        if ctx.args.bool(name) {
            extra.push(flag.into());
        }
    }
    if let Some(recommends) = ctx.args.opt_bool("install_recommends") {
        extra.extend(["-o".into(), format!("APT::Install-Recommends={}", if recommends { "yes" } else { "no" })]);
    }
    if takes_files(&ctx.run(&["apt-get", "--version"])?.stdout) {
        let mut command = vec!["-y".to_string()];
        command.extend(extra);
        if ctx.check {
            command.push("--simulate".into());
        }
        command.push("install".into());
        // A name without a slash would be taken for a package's.
        command.extend(files.iter().map(|f| if f.contains('/') { f.clone() } else { format!("./{f}") }));
        let ran = apt::apt_get(ctx, &command)?;
        if !ran.ok() {
            return Err(ran.fail(format!("'apt-get {}' failed: {}", command.join(" "), ran.stderr)));
        }
        return Ok(crate::out! {
            "changed": true, "stdout": ran.stdout, "stderr": ran.stderr, "diff": {"prepared": apt::prepared(&ran.stdout)},
        });
    }
    let mut command = options;
    if ctx.check {
        command.push("--simulate".into());
    }
    if ctx.args.bool("force") {
        command.push("--force-all".into());
    }
    command.push("-i".into());
    command.extend(files.iter().cloned());
    let mut ran = apt::with_policy(ctx, "dpkg", &command)?;
    if !ran.ok() && ran.stderr.contains("dependency problems") && !ctx.check {
        let mut fix = vec!["-y".to_string()];
        fix.extend(extra);
        fix.extend(["-f".into(), "install".into()]);
        let fixed = apt::apt_get(ctx, &fix)?;
        // apt-get mends by removal where it finds no dependency: the package must be there afterwards.
        let status = Status::read();
        let there = files.iter().all(|f| field(ctx, f, "Package").is_ok_and(|n| status.installed(&n).is_some()));
        ran.rc = if fixed.ok() && there { 0 } else { 1 };
        ran.stdout.push_str(&fixed.stdout);
        ran.stderr.push_str(&fixed.stderr);
    }
    if !ran.ok() {
        return Err(ran.fail(format!("dpkg {} failed: {}", command.join(" "), ran.stderr)));
    }
    Ok(crate::out! {"changed": true, "stdout": ran.stdout, "stderr": ran.stderr, "diff": {"prepared": ran.stdout}})
}

fn takes_files(version: &str) -> bool {
    let number = version.split_whitespace().nth(1).unwrap_or_default();
    version::debian(number, "1.1") != Ordering::Less
}

fn field(ctx: &Ctx, file: &str, name: &str) -> Result<String, Fail> {
    let ran = ctx.run(&["dpkg", "--field", file, name])?;
    if !ran.ok() {
        return Err(ran.fail(format!("Unable to install package: {}", ran.complaint())));
    }
    Ok(ran.stdout.trim().to_string())
}

#[cfg(test)]
mod tests {
    #[test]
    fn versions_of_apt() {
        assert!(super::takes_files("apt 2.6.1 (amd64)\n"));
        assert!(!super::takes_files("apt 1.0.1ubuntu2 for amd64 compiled on"));
    }
}
