//! What dpkg has installed and what apt could install: parsed from their own files and from `apt-cache`.

use crate::ctx::Ctx;
use crate::outcome::Fail;
use crate::sys::fnmatch;
use std::collections::HashMap;

/// A package that dpkg knows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Known {
    /// Name.
    pub name: String,
    /// Architecture.
    pub arch: String,
    /// Version, where installed or configured files remain.
    pub version: String,
    /// Fully installed.
    pub installed: bool,
    /// Something of it is on the disk (configuration files, say).
    pub has_files: bool,
}

/// dpkg's status file.
#[derive(Debug, Clone, Default)]
pub struct Status(HashMap<String, Vec<Known>>);

impl Status {
    /// Reads the host's.
    pub fn read() -> Self {
        Status::parse(
            &std::fs::read("/var/lib/dpkg/status")
                .map(|b| String::from_utf8_lossy(&b).into_owned())
                .unwrap_or_default(),
        )
    }

    /// Parses the file's text.
    pub fn parse(text: &str) -> Self {
        let mut out: HashMap<String, Vec<Known>> = HashMap::new();
        for block in text.split("\n\n") {
            let mut known = Known::default();
            let mut state = "";
            for line in block.lines() {
                match line.split_once(": ") {
                    Some(("Package", v)) => known.name = v.into(),
                    Some(("Architecture", v)) => known.arch = v.into(),
                    Some(("Version", v)) => known.version = v.into(),
                    Some(("Status", v)) => state = v.rsplit(' ').next().unwrap_or_default(),
                    _ => {}
                }
            }
            known.installed = state == "installed";
            known.has_files = !matches!(state, "not-installed" | "");
            if !known.name.is_empty() {
                out.entry(known.name.clone()).or_default().push(known);
            }
        }
        Status(out)
    }

    /// A package by `name` or `name:arch`; an installed one first.
    pub fn get(&self, spec: &str) -> Option<&Known> {
        let (name, arch) = spec.split_once(':').map_or((spec, None), |(n, a)| (n, Some(a)));
        let fits = |k: &&Known| arch.is_none_or(|a| a == k.arch || a == "any" || (a == "native" && k.arch != "all"));
        let list = self.0.get(name)?;
        list.iter().filter(fits).find(|k| k.installed).or_else(|| list.iter().find(|k| fits(k)))
    }

    /// The version, if installed.
    pub fn installed(&self, spec: &str) -> Option<&str> {
        self.get(spec).filter(|k| k.installed).map(|k| k.version.as_str())
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Known> {
        self.0.values().flatten()
    }
}

/// What apt could install of a package.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Policy {
    /// The version that apt would choose.
    pub candidate: Option<String>,
    /// All versions, newest first.
    pub versions: Vec<String>,
}

/// Parses `apt-cache policy NAMES`.
pub fn parse_policy(text: &str) -> HashMap<String, Policy> {
    let mut out: HashMap<String, Policy> = HashMap::new();
    let mut current: Option<String> = None;
    let mut table = false;
    for line in text.lines() {
        if !line.starts_with(' ') {
            current = line.strip_suffix(':').map(str::to_string);
            table = false;
            if let Some(name) = &current {
                out.entry(name.clone()).or_default();
            }
            continue;
        }
        let Some(policy) = current.as_ref().and_then(|n| out.get_mut(n)) else { continue };
        let trimmed = line.trim();
        if let Some(version) = trimmed.strip_prefix("Candidate:") {
            policy.candidate = Some(version.trim().to_string()).filter(|v| v != "(none)");
        } else if trimmed == "Version table:" {
            table = true;
        } else if table {
            // Versions stand at column 5, marked `***` when installed; their sources further in.
            let rest =
                line.strip_prefix(" *** ").or_else(|| line.strip_prefix("     ").filter(|r| !r.starts_with(' ')));
            if let Some(version) = rest.and_then(|r| r.split_whitespace().next()) {
                policy.versions.push(version.to_string());
            }
        }
    }
    out
}

/// Asks apt what it could install.
pub fn policy(ctx: &Ctx, names: &[String], release: Option<&str>) -> Result<HashMap<String, Policy>, Fail> {
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let mut cmd = ctx.cmd("apt-cache").english();
    if let Some(release) = release {
        cmd = cmd.arg("-o").arg(format!("APT::Default-Release={release}"));
    }
    let ran = cmd.arg("policy").args(names).run()?;
    if !ran.ok() {
        return Err(ran.fail(format!("apt-cache policy failed: {}", ran.complaint())));
    }
    let mut out = parse_policy(&ran.stdout);
    // A package that is named but not known in any version is only referred to by others.
    out.retain(|_, p| p.candidate.is_some() || !p.versions.is_empty());
    Ok(out)
}

/// The packages that provide a virtual one.
pub fn providers(ctx: &Ctx, name: &str) -> Result<Vec<String>, Fail> {
    let ran = ctx.cmd("apt-cache").args(["showpkg", name]).english().run()?;
    Ok(parse_providers(&ran.stdout))
}

fn parse_providers(text: &str) -> Vec<String> {
    let mut out: Vec<String> = text
        .lines()
        .skip_while(|l| !l.starts_with("Reverse Provides:"))
        .skip(1)
        .filter_map(|l| l.split_whitespace().next().map(str::to_string))
        .collect();
    out.sort();
    out.dedup();
    out
}

/// The names that apt knows and that match a pattern.
pub fn matching(ctx: &Ctx, pattern: &str) -> Result<Vec<String>, Fail> {
    let ran = ctx.cmd("apt-cache").arg("pkgnames").english().run()?;
    let mut out: Vec<String> =
        ran.stdout.lines().filter(|n| fnmatch::matches(pattern, n)).map(str::to_string).collect();
    out.sort();
    Ok(out)
}

/// The packages that apt has noted as installed for others' sake only.
pub fn automatic() -> Vec<String> {
    let text = std::fs::read_to_string("/var/lib/apt/extended_states").unwrap_or_default();
    text.split("\n\n")
        .filter(|b| b.lines().any(|l| l == "Auto-Installed: 1"))
        .filter_map(|b| b.lines().find_map(|l| l.strip_prefix("Package: ")).map(str::to_string))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_policy_and_providers() {
        let status = Status::parse(
            "Package: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.2-3\nDescription: x\n y\n\n\
             Package: b\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 2\n\n\
             Package: a\nStatus: install ok installed\nArchitecture: i386\nVersion: 1.2-2\n",
        );
        assert_eq!(status.installed("a"), Some("1.2-3"));
        assert_eq!(status.installed("a:i386"), Some("1.2-2"));
        assert_eq!(status.installed("b"), None);
        assert!(status.get("b").is_some_and(|b| b.has_files));
        let policy = parse_policy(
            "docker-engine:\n  Installed: 1.12.3-0~ubuntu-trusty\n  Candidate: 17.05.0~ce-0~ubuntu-trusty\n  Version table:\n     \
             17.05.0~ce-0~ubuntu-trusty 500\n        500 https://apt/ ubuntu-trusty/main amd64 Packages\n \
             *** 1.12.3-0~ubuntu-trusty 500\n        100 /var/lib/dpkg/status\n     1.9.0 0\nvirt:\n  Installed: (none)\n  \
             Candidate: (none)\n  Version table:\n",
        );
        assert_eq!(policy["docker-engine"].versions, ["17.05.0~ce-0~ubuntu-trusty", "1.12.3-0~ubuntu-trusty", "1.9.0"]);
        assert_eq!(policy["virt"], Policy::default());
        let text = "Package: mta\nVersions: \n\nReverse Depends: \n  x,mta\nReverse Provides: \nexim4 4.9 (= )\nexim4 4.8 (= )\npostfix 3 (= )\n";
        assert_eq!(parse_providers(text), ["exim4", "postfix"]);
    }
}
