//! `dnf` (also `dnf5`, `yum`): packages through the program that is there, with rpm's database deciding what is to be done.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::{fnmatch, lock};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const LOCKS: &[&str] =
    &["/var/cache/dnf/metadata_lock.pid", "/var/lib/dnf/rpmdb_lock.pid", "/var/run/yum.pid", "/run/yum.pid"];

/// A package that rpm has.
#[derive(Debug, Clone, PartialEq)]
struct Installed {
    name: String,
    epoch: String,
    version: String,
    release: String,
    arch: String,
}

impl Installed {
    fn parse(line: &str) -> Option<Self> {
        let f: Vec<&str> = line.split('|').collect();
        let [name, epoch, version, release, arch] = f[..] else { return None };
        let epoch = if epoch == "(none)" { "0" } else { epoch };
        Some(Installed {
            name: name.into(),
            epoch: epoch.into(),
            version: version.into(),
            release: release.into(),
            arch: arch.into(),
        })
    }

    /// The forms in which a user may name a package.
    fn forms(&self) -> Vec<String> {
        let Installed { name, epoch, version, release, arch } = self;
        vec![
            name.clone(),
            format!("{name}.{arch}"),
            format!("{name}-{version}"),
            format!("{name}-{version}-{release}"),
            format!("{name}-{version}-{release}.{arch}"),
            format!("{name}-{epoch}:{version}"),
            format!("{name}-{epoch}:{version}-{release}"),
            format!("{name}-{epoch}:{version}-{release}.{arch}"),
            format!("{epoch}:{name}-{version}-{release}.{arch}"),
        ]
    }

    fn is(&self, spec: &str) -> bool {
        self.forms().iter().any(|f| f == spec || fnmatch::is_pattern(spec) && fnmatch::matches(spec, f))
    }

    fn show(&self) -> Value {
        let Installed { name, epoch, version, release, arch } = self;
        json!({
            "name": name, "epoch": epoch, "version": version, "release": release, "arch": arch, "repo": "@System",
            "yumstate": "installed", "envra": format!("{epoch}:{name}-{version}-{release}.{arch}"),
            "nevra": format!("{epoch}:{name}-{version}-{release}.{arch}"),
        })
    }
}

/// Which program, and how it spells things.
struct Tool<'a> {
    ctx: &'a Ctx,
    program: &'static str,
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let wanted = match (ctx.module.as_str(), args.str("use_backend").as_deref()) {
        ("dnf5", _) | (_, Some("dnf5")) => &["dnf5"][..],
        (_, Some("dnf4")) => &["dnf-3", "dnf"],
        ("yum", _) | (_, Some("yum" | "yum4")) => &["dnf", "yum"],
        _ => &["dnf", "dnf5", "yum", "microdnf"],
    };
    let Some(program) = wanted.iter().find(|p| ctx.which(p).is_some()) else {
        crate::fail!("Failed to find required executable: one of {} is needed", wanted.join(", "));
    };
    let tool = Tool { ctx, program };
    tool.wait_for_locks()?;
    if let Some(list) = args.str("list") {
        return tool.list(&list);
    }
    let state = match args.str("state").as_deref() {
        None if args.bool("autoremove") => "absent".to_string(),
        None => "present".into(),
        Some("installed") => "present".into(),
        Some("removed") => "absent".into(),
        Some(state) => state.into(),
    };
    let names: Vec<String> = args.strs("name").iter().map(|n| n.trim().to_string()).filter(|n| !n.is_empty()).collect();
    if args.bool("update_cache") {
        let ran = ctx.cmd(program).args(tool.flags()).args(["-q", "-y", "makecache"]).english().stream().run()?;
        if !ran.ok() {
            return Err(ran.fail(format!("Failed to refresh the cache: {}", ran.complaint())));
        }
        if names.is_empty() && !args.bool("autoremove") {
            return Ok(crate::out! {"changed": false, "rc": 0, "results": [], "msg": "Cache updated"});
        }
    }
    if names.is_empty() && !args.bool("autoremove") {
        return Ok(crate::out! {"changed": false, "rc": 0, "results": [], "msg": "Nothing to do"});
    }
    if args.bool("autoremove") && state != "absent" {
        crate::fail!("Autoremove should be used alone or with state=absent");
    }
    let before = tool.installed()?;
    let verb = tool.plan(&names, &state, &before)?;
    let Some((verb, specs)) = verb else {
        return Ok(crate::out! {"changed": false, "rc": 0, "results": [], "msg": "Nothing to do"});
    };
    tool.apply(verb, &specs, &before)
}

impl Tool<'_> {
    fn wait_for_locks(&self) -> Result<(), Fail> {
        let limit = self.ctx.args.int("lock_timeout").unwrap_or(30);
        let start = std::time::Instant::now();
        lock::wait_free(self.ctx, &["/var/lib/rpm/.rpm.lock"], limit)?;
        // These hold a process id.
        let alive = |path: &&&str| {
            let pid = std::fs::read_to_string(path).ok()?.trim().parse::<u32>().ok()?;
            Path::new(&format!("/proc/{pid}")).exists().then_some(())
        };
        while let Some(path) = LOCKS.iter().find(|p| alive(p).is_some()) {
            if start.elapsed().as_secs() as i64 >= limit.max(0) {
                crate::fail!("{path} lockfile is held by another process");
            }
            if !self.ctx.sleep(0.5) {
                crate::fail!("the call was ended while it waited for {path}");
            }
        }
        Ok(())
    }

    /// Options that hold for every call.
    fn flags(&self) -> Vec<String> {
        let args = &self.ctx.args;
        let dnf = self.program != "yum";
        let mut out = Vec::new();
        for (name, flag) in [("enablerepo", "enablerepo"), ("disablerepo", "disablerepo"), ("exclude", "exclude")] {
            out.extend(args.strs(name).iter().filter(|v| !v.is_empty()).map(|v| format!("--{flag}={v}")));
        }
        for name in ["disable_plugin", "enable_plugin"] {
            out.extend(
                args.strs(name).iter().filter(|v| !v.is_empty()).map(|v| format!("--{}={v}", name.replace('_', ""))),
            );
        }
        if args.bool("disable_gpg_check") {
            out.push(if self.program == "dnf5" { "--no-gpgchecks" } else { "--nogpgcheck" }.into());
        }
        if let Some(file) = args.path("conf_file") {
            out.push(format!("--config={}", file.display()));
        }
        if let Some(root) = args.str("installroot").filter(|r| r != "/") {
            out.push(format!("--installroot={root}"));
        }
        if let Some(version) = args.str("releasever") {
            out.push(format!("--releasever={version}"));
        }
        if let Some(what) = args.str("disable_excludes") {
            out.push(format!(
                "{}={what}",
                if self.program == "dnf5" { "--setopt=disable_excludes" } else { "--disableexcludes" }
            ));
        }
        for name in ["security", "bugfix"] {
            if args.bool(name) {
                out.push(format!("--{name}"));
            }
        }
        if !args.opt_bool("validate_certs").unwrap_or(true) || !args.opt_bool("sslverify").unwrap_or(true) {
            out.push("--setopt=sslverify=0".into());
        }
        if !args.opt_bool("install_weak_deps").unwrap_or(true) && dnf {
            out.push("--setopt=install_weak_deps=0".into());
        }
        match (args.opt_bool("best"), args.opt_bool("nobest")) {
            (Some(true), _) | (_, Some(false)) if dnf => out.push("--best".into()),
            (Some(false), _) | (_, Some(true)) if dnf => {
                out.push(if self.program == "dnf5" { "--no-best" } else { "--nobest" }.into())
            }
            _ => {}
        }
        if args.bool("skip_broken") {
            out.push("--skip-broken".into());
        }
        if args.bool("allowerasing") && dnf {
            out.push("--allowerasing".into());
        }
        if args.bool("cacheonly") {
            out.push("-C".into());
        }
        out
    }

    fn rpm(&self, words: &[&str]) -> Result<String, Fail> {
        let root = self.ctx.args.str("installroot").filter(|r| r != "/");
        let mut cmd = self.ctx.cmd("rpm").english();
        if let Some(root) = root {
            cmd = cmd.arg("--root").arg(root);
        }
        Ok(cmd.args(words).run()?.stdout)
    }

    fn installed(&self) -> Result<Vec<Installed>, Fail> {
        self.ctx.need("rpm")?;
        let text = self.rpm(&["-qa", "--qf", "%{NAME}|%{EPOCH}|%{VERSION}|%{RELEASE}|%{ARCH}\\n"])?;
        Ok(text.lines().filter_map(Installed::parse).collect())
    }

    /// Something that is installed satisfies this name: a package, or what one provides (a file, a capability).
    fn satisfied(&self, spec: &str, before: &[Installed]) -> Result<bool, Fail> {
        if before.iter().any(|p| p.is(spec)) {
            return Ok(true);
        }
        if fnmatch::is_pattern(spec) || spec.starts_with('@') || spec.contains("://") || spec.ends_with(".rpm") {
            return Ok(false);
        }
        let found = self.rpm(&["-q", "--whatprovides", spec])?;
        Ok(!found.trim().is_empty() && !found.contains("no package provides") && !found.contains("No such file"))
    }

    /// The verb and what it takes; `None`: nothing to do.
    fn plan(
        &self,
        names: &[String],
        state: &str,
        before: &[Installed],
    ) -> Result<Option<(&'static str, Vec<String>)>, Fail> {
        let args = &self.ctx.args;
        let mut specs = Vec::new();
        for spec in names {
            let spec = relation(spec);
            if state == "absent" {
                if spec.starts_with('@') {
                    specs.push(spec);
                } else {
                    // Only what is there, so that the program has nothing to complain of.
                    let found: Vec<String> = before
                        .iter()
                        .filter(|p| p.is(&spec))
                        .map(|p| format!("{}-{}-{}.{}", p.name, p.version, p.release, p.arch))
                        .collect();
                    specs.extend(found);
                }
                continue;
            }
            if spec == "*" {
                specs.push(spec);
                continue;
            }
            if let Some(file) = self.local(&spec)? {
                if !self.file_installed(&file, before)? {
                    specs.push(file.to_string_lossy().into_owned());
                }
                continue;
            }
            let there = self.satisfied(&spec, before)?;
            let needed = match state {
                "latest" => !args.bool("update_only") || there,
                _ => !there,
            };
            if needed {
                specs.push(spec);
            }
        }
        if state == "absent" && args.bool("autoremove") && specs.is_empty() {
            return Ok(Some(("autoremove", specs)));
        }
        if specs.is_empty() {
            return Ok(None);
        }
        Ok(Some(match state {
            "absent" => ("remove", specs),
            "latest" if specs == ["*"] => (if self.program == "yum" { "update" } else { "upgrade" }, Vec::new()),
            "latest" => ("latest", specs),
            _ => ("install", specs),
        }))
    }

    /// A package file, fetched where the name is an address.
    fn local(&self, spec: &str) -> Result<Option<PathBuf>, Fail> {
        if spec.contains("://") {
            let file = self.ctx.temp()?.with_extension("rpm");
            crate::sys::http::download(self.ctx, spec, &file)?;
            return Ok(Some(file));
        }
        if !spec.ends_with(".rpm") {
            return Ok(None);
        }
        let file = self.ctx.args.expand(spec);
        if file.exists() {
            Ok(Some(file))
        } else {
            Err(Fail::new(format!("No RPM file matching '{spec}' found on system")))
        }
    }

    fn file_installed(&self, file: &Path, before: &[Installed]) -> Result<bool, Fail> {
        let shown = file.to_string_lossy();
        let text =
            self.rpm(&["-qp", "--nosignature", "--qf", "%{NAME}|%{EPOCH}|%{VERSION}|%{RELEASE}|%{ARCH}\\n", &shown])?;
        let Some(package) = text.lines().find_map(Installed::parse) else {
            crate::fail!("{shown} is no package that rpm can read")
        };
        Ok(before.contains(&package))
    }

    fn apply(&self, verb: &str, specs: &[String], before: &[Installed]) -> Result<Outcome, Fail> {
        let args = &self.ctx.args;
        let mut results = Vec::new();
        let mut rounds: Vec<(&str, Vec<String>)> = Vec::new();
        if verb == "latest" {
            // `install` brings what is missing, `upgrade` what is old.
            let (mut old, mut missing) = (Vec::new(), Vec::new());
            for spec in specs {
                let list =
                    if self.satisfied(spec, before)? && !spec.starts_with('@') { &mut old } else { &mut missing };
                list.push(spec.clone());
            }
            let upgrade = if self.program == "yum" { "update" } else { "upgrade" };
            rounds.extend([("install", missing), (upgrade, old)].into_iter().filter(|(_, list)| !list.is_empty()));
        } else {
            rounds.push((verb, specs.to_vec()));
        }
        let mut msg = String::new();
        let mut would = false;
        for (verb, specs) in rounds {
            let mut cmd = self.ctx.cmd(self.program).args(self.flags()).english();
            cmd = cmd.arg(if self.ctx.check { "--assumeno" } else { "-y" });
            if args.bool("download_only") {
                cmd = cmd.arg("--downloadonly");
                if let Some(dir) = args.str("download_dir") {
                    cmd =
                        cmd.arg(format!("--{}={dir}", if self.program == "dnf5" { "destdir" } else { "downloaddir" }));
                }
            }
            let verb = if verb == "install" && args.bool("allow_downgrade") && self.downgrades(&specs, before) {
                "downgrade"
            } else {
                verb
            };
            if verb == "remove" && !args.bool("autoremove") && self.program != "yum" {
                cmd = cmd.arg("--setopt=clean_requirements_on_remove=False");
            }
            let ran = cmd.arg(verb).args(&specs).stream().run()?;
            let text = format!("{}{}", ran.stdout, ran.stderr);
            let nothing = text.contains("Nothing to do") || text.contains("No packages marked");
            let refused = self.ctx.check
                && (text.contains("Operation aborted")
                    || text.contains("Exiting on user command")
                    || text.contains("Is this ok"));
            let fine = ran.ok() || refused || (nothing && verb != "install");
            if !fine {
                return Err(ran
                    .fail(format!("Failed to {verb} some of the specified packages: {}", ran.complaint()))
                    .with("failures", json!([ran.complaint()]))
                    .with("results", json!([])));
            }
            would |= refused || (self.ctx.check && !nothing && text.contains("Transaction Summary"));
            msg.push_str(ran.stdout.trim());
        }
        let after = self.installed()?;
        for package in after.iter().filter(|p| !before.contains(p)) {
            results
                .push(format!("Installed: {}-{}-{}.{}", package.name, package.version, package.release, package.arch));
        }
        for package in before.iter().filter(|p| !after.contains(p)) {
            results.push(format!("Removed: {}-{}-{}.{}", package.name, package.version, package.release, package.arch));
        }
        let changed = would
            || !results.is_empty()
            || (args.bool("download_only") && !self.ctx.check && !msg.contains("Nothing to do"));
        let msg = if changed { "" } else { "Nothing to do" };
        Ok(crate::out! {"changed": changed, "rc": 0, "results": results, "msg": msg})
    }

    /// A named version that is older than what is installed.
    fn downgrades(&self, specs: &[String], before: &[Installed]) -> bool {
        specs.iter().any(|spec| {
            before.iter().any(|p| {
                spec.strip_prefix(&format!("{}-", p.name))
                    .filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
                    .is_some_and(|rest| {
                        rpm_order(rest.split('-').next().unwrap_or(rest), &p.version) == std::cmp::Ordering::Less
                    })
            })
        })
    }

    fn list(&self, what: &str) -> Result<Outcome, Fail> {
        if what == "installed" {
            let all: Vec<Value> = self.installed()?.iter().map(Installed::show).collect();
            return Ok(crate::out! {"changed": false, "results": all, "msg": ""});
        }
        if what == "repos" || what == "repositories" {
            let ran = self.ctx.cmd(self.program).args(self.flags()).args(["-q", "repolist"]).english().run()?;
            let repos: Vec<Value> = ran
                .stdout
                .lines()
                .skip(1)
                .filter_map(|l| l.split_whitespace().next())
                .map(|id| json!({"repoid": id, "state": "enabled"}))
                .collect();
            return Ok(crate::out! {"changed": false, "results": repos, "msg": ""});
        }
        let mut results: Vec<Value> = self.installed()?.iter().filter(|p| p.is(what)).map(Installed::show).collect();
        let mut cmd = self.ctx.cmd(self.program).args(self.flags()).args(["-q", "repoquery"]).english();
        cmd = cmd.arg("--qf").arg("%{name}|%{epoch}|%{version}|%{release}|%{arch}|%{repoid}\n");
        cmd = match what {
            "available" => cmd,
            "updates" | "upgrades" => cmd.arg("--upgrades"),
            name => cmd.arg(name),
        };
        let ran = cmd.run()?;
        for line in ran.stdout.lines() {
            if let Some((package, repo)) = line.rsplit_once('|').and_then(|(p, r)| Some((Installed::parse(p)?, r))) {
                let mut shown = package.show();
                shown["repo"] = json!(repo);
                shown["yumstate"] = json!("available");
                results.push(shown);
            }
        }
        Ok(crate::out! {"changed": false, "results": results, "msg": ""})
    }
}

/// `name = 1.2`, `name=1.2` as rpm's own `name-1.2`; other relations stay.
fn relation(spec: &str) -> String {
    let compact: String = spec.chars().filter(|c| !c.is_whitespace()).collect();
    match compact.split_once('=') {
        Some((name, version)) if !name.ends_with(['<', '>', '!']) && !name.contains('(') && !name.contains("://") => {
            format!("{name}-{version}")
        }
        _ => spec.to_string(),
    }
}

/// rpm's order of versions.
fn rpm_order(a: &str, b: &str) -> std::cmp::Ordering {
    let parts = |v: &str| -> Vec<(bool, String)> {
        let mut out: Vec<(bool, String)> = Vec::new();
        let mut fresh = true;
        for c in v.chars() {
            if !c.is_ascii_alphanumeric() {
                fresh = true;
                continue;
            }
            match out.last_mut() {
                Some((digits, part)) if !fresh && *digits == c.is_ascii_digit() => part.push(c),
                _ => out.push((c.is_ascii_digit(), c.to_string())),
            }
            fresh = false;
        }
        out
    };
    for ((ad, a), (bd, b)) in parts(a).iter().zip(&parts(b)) {
        let order = match (ad, bd) {
            (true, true) => {
                let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
                a.len().cmp(&b.len()).then_with(|| a.cmp(b))
            }
            (true, false) => std::cmp::Ordering::Greater,
            (false, true) => std::cmp::Ordering::Less,
            (false, false) => a.cmp(b),
        };
        if order != std::cmp::Ordering::Equal {
            return order;
        }
    }
    parts(a).len().cmp(&parts(b).len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cmp::Ordering;

    fn package() -> Installed {
        Installed::parse("docker|(none)|25.0.3|1.amzn2023.0.1|x86_64").unwrap()
    }

    #[test]
    fn names_of_packages() {
        for (spec, want) in [
            ("docker", true),
            ("docker.x86_64", true),
            ("docker-25.0.3", true),
            ("docker-25.0*", true),
            ("docker-25.0.3-1.amzn2023.0.1", true),
            ("docker-0:25.0.3", true),
            ("dock*", true),
            ("docker-24.0.3", false),
            ("docke", false),
        ] {
            assert_eq!(package().is(spec), want, "{spec}");
        }
        assert_eq!(relation("docker = 25.0.3"), "docker-25.0.3");
        assert_eq!(relation("docker >= 25"), "docker >= 25");
    }

    #[test]
    fn versions() {
        for (a, b, want) in [
            ("1.2", "1.10", Ordering::Less),
            ("1.0", "1.0", Ordering::Equal),
            ("2a", "2.1", Ordering::Less),
            ("1.0.1", "1.0", Ordering::Greater),
        ] {
            assert_eq!(rpm_order(a, b), want, "{a} {b}");
        }
    }

    /// Runs the module against an rpm and a dnf that keep their state in files: what is called is what counts.
    #[test]
    fn calls_of_the_programs() {
        use std::os::unix::fs::PermissionsExt;
        let dir = crate::sys::files::Scratch::new();
        let script = |name: &str, text: &str| {
            let path = dir.file(name, &format!("#!/bin/sh\ncd {}\n{text}", dir.0.display()));
            std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
        };
        script(
            "rpm",
            "case \"$*\" in *-qa*) echo 'bash|(none)|5.2|1|x86_64'; cat inst 2>/dev/null;; *) echo 'no package provides it'; exit 1;; esac; exit 0",
        );
        script(
            "dnf",
            "echo \"$*\" >> log\ncase \"$*\" in\n*--assumeno*) echo 'Operation aborted.' >&2; exit 1;;\n*install*) echo 'docker|(none)|25.0.3|1|x86_64' > inst;;\n\
             *remove*) rm inst;;\n*upgrade*) echo 'Nothing to do';;\nesac\n",
        );
        let call = |args: Value, check: bool| {
            let mut ctx = Ctx::test("dnf", args);
            ctx.check = check;
            ctx.env.insert("PATH".into(), format!("{}:/usr/bin:/bin", dir.0.display()));
            run(&ctx).unwrap()
        };
        assert_eq!(call(json!({"name": "docker"}), true)["changed"], true);
        let out = call(json!({"name": "docker", "exclude": "x", "install_weak_deps": false}), false);
        assert_eq!(out["results"], json!(["Installed: docker-25.0.3-1.x86_64"]));
        assert_eq!(call(json!({"name": "docker = 25.0.3"}), false)["changed"], false);
        assert_eq!(
            call(json!({"name": ["docker", "bash"], "state": "latest", "enablerepo": "r"}), false)["changed"],
            false
        );
        assert_eq!(call(json!({"name": "dock*", "state": "absent"}), false)["changed"], true);
        assert_eq!(call(json!({"name": "docker", "state": "absent"}), false)["changed"], false);
        assert_eq!(
            dir.read("log"),
            "--assumeno install docker\n--exclude=x --setopt=install_weak_deps=0 -y install docker\n--enablerepo=r -y upgrade docker bash\n\
             -y --setopt=clean_requirements_on_remove=False remove docker-25.0.3-1.x86_64\n"
        );
    }
}
