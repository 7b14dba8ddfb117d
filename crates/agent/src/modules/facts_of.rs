//! `package_facts`, `service_facts` and `mount_facts`: facts that are gathered when asked for.

use crate::ctx::Ctx;
use crate::facts;
use crate::outcome::{Fail, Outcome};
use crate::sys::dpkg::Status;
use crate::sys::fnmatch;
use crate::sys::init;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// `package_facts`.
pub fn packages(ctx: &Ctx) -> Result<Outcome, Fail> {
    let wanted = ctx.args.strs("manager");
    let all = ctx.args.text("strategy") == "all";
    let auto = wanted.iter().any(|m| m == "auto") || wanted.is_empty();
    const KNOWN: &[&str] = &["apt", "rpm", "apk", "pacman"];
    let mut order: Vec<&str> = Vec::new();
    for name in wanted.iter().filter(|m| *m != "auto") {
        let canonical = match name.as_str() {
            "dnf" | "dnf5" | "yum" | "zypper" => "rpm",
            other => other,
        };
        match KNOWN.iter().find(|k| **k == canonical) {
            Some(known) => order.push(known),
            None => ctx.warn(format!("The package manager {name} is not supported by package_facts here")),
        }
    }
    if auto {
        order.extend(KNOWN.iter().filter(|k| !order.contains(k)).copied().collect::<Vec<_>>());
    }
    let mut packages: Map<String, Value> = Map::new();
    let mut found = false;
    for manager in order {
        let list = match list_packages(ctx, manager) {
            Ok(Some(list)) => list,
            Ok(None) => {
                if !auto || wanted.iter().any(|w| w == manager) {
                    ctx.warn(format!("Requested package manager {manager} was not usable by this module"));
                }
                continue;
            }
            // What calls itself a package manager may be none.
            Err(fail) => {
                ctx.warn(format!("Failed to retrieve packages with {manager}: {}", fail.msg));
                continue;
            }
        };
        found = true;
        for package in list {
            let name = package["name"].as_str().unwrap_or_default().to_string();
            match packages.entry(name).or_insert_with(|| json!([])) {
                Value::Array(versions) => versions.push(package),
                _ => continue,
            }
        }
        if !all {
            break;
        }
    }
    if !found {
        crate::fail!(
            "Could not detect a supported package manager from the following list: {wanted:?}, or the required Python library is not installed. Check warnings for details."
        );
    }
    Ok(crate::out! {"changed": false, "ansible_facts": {"packages": packages}})
}

/// The packages of one manager; `None`: it is not there.
fn list_packages(ctx: &Ctx, manager: &str) -> Result<Option<Vec<Value>>, Fail> {
    let run = |program: &str, words: &[&str]| -> Result<Option<String>, Fail> {
        if ctx.which(program).is_none() {
            return Ok(None);
        }
        let ran = ctx.cmd(program).args(words).english().run()?;
        if ran.ok() {
            return Ok(Some(ran.stdout));
        }
        crate::fail!("Unable to list packages rc={} : {}", ran.rc, ran.complaint())
    };
    Ok(match manager {
        "apt" if std::path::Path::new("/var/lib/dpkg/status").exists() && ctx.which("dpkg").is_some() => {
            let text = std::fs::read("/var/lib/dpkg/status").unwrap_or_default();
            Some(dpkg_list(&String::from_utf8_lossy(&text)))
        }
        "rpm" => run("rpm", &["-qa", "--qf", "%{NAME}|%{VERSION}|%{RELEASE}|%{EPOCH}|%{ARCH}\\n"])?
            .map(|text| rpm_list(&text)),
        "apk" => run("apk", &["info", "-v"])?.map(|text| {
            let split = |l: &str| {
                let (rest, release) = l.rsplit_once('-')?;
                let (name, version) = rest.rsplit_once('-')?;
                Some(json!({"name": name, "version": version, "release": release, "source": "apk"}))
            };
            text.lines().filter_map(split).collect()
        }),
        "pacman" => run("pacman", &["-Q"])?.map(|text| {
            text.lines()
                .filter_map(|l| l.split_once(' '))
                .map(|(n, v)| json!({"name": n, "version": v, "source": "pacman"}))
                .collect()
        }),
        _ => None,
    })
}

fn dpkg_list(text: &str) -> Vec<Value> {
    let status = Status::parse(text);
    let field = |block: &str, key: &str| {
        block.lines().find_map(|l| l.strip_prefix(key).map(|v| v.trim().to_string())).unwrap_or_default()
    };
    let mut out: Vec<Value> = text
        .split("\n\n")
        .filter(|b| b.contains("Status: install ok installed"))
        .map(|b| {
            json!({
                "name": field(b, "Package:"), "version": field(b, "Version:"), "arch": field(b, "Architecture:"),
                "category": field(b, "Section:"), "origin": "", "source": "apt",
            })
        })
        .collect();
    out.sort_by_key(|p| p["name"].as_str().unwrap_or_default().to_string());
    out.retain(|p| status.installed(p["name"].as_str().unwrap_or_default()).is_some());
    out
}

fn rpm_list(text: &str) -> Vec<Value> {
    text.lines()
        .filter_map(|l| {
            let f: Vec<&str> = l.split('|').collect();
            let [name, version, release, epoch, arch] = f[..] else { return None };
            let arch = if arch == "(none)" { Value::Null } else { json!(arch) };
            Some(json!({
                "name": name, "version": version, "release": release, "epoch": epoch.parse::<u64>().ok(), "arch": arch, "source": "rpm",
            }))
        })
        .collect()
}

/// `service_facts`.
pub fn services(ctx: &Ctx) -> Result<Outcome, Fail> {
    let mut services: Map<String, Value> = Map::new();
    let put = |services: &mut Map<String, Value>, name: &str, state: &str, status: Option<&str>, source: &str| {
        let mut service = crate::out! {"name": name, "state": state, "source": source};
        if let Some(status) = status {
            service.insert("status".into(), status.into());
        }
        services.insert(name.to_string(), Value::Object(service));
    };
    let manager = init::manager(ctx);
    if manager != init::Manager::Systemd && ctx.which("initctl").is_none() {
        if ctx.which("service").is_some() {
            let ran = ctx.cmd("service").arg("--status-all").english().limit(Duration::from_secs(30)).run()?;
            for (name, state) in parse_status_all(&ran.stdout) {
                put(&mut services, &name, state, None, "sysv");
            }
        } else if manager == init::Manager::SysV {
            for entry in std::fs::read_dir("/etc/init.d").into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let status = if init::script_enabled(&name) { "enabled" } else { "disabled" };
                put(&mut services, &name, "unknown", Some(status), "sysv");
            }
        }
    }
    if ctx.which("initctl").is_some() {
        let ran = ctx.cmd("initctl").arg("list").english().run()?;
        for (name, state, _) in parse_initctl(&ran.stdout) {
            put(&mut services, &name, state, None, "upstart");
        }
    }
    if manager == init::Manager::Systemd {
        let units = ctx
            .cmd("systemctl")
            .args(["list-units", "--no-pager", "--type", "service", "--all", "--plain", "--no-legend"])
            .english()
            .run()?;
        for (name, state, status) in parse_units(&units.stdout) {
            put(&mut services, &name, state, Some(&status), "systemd");
        }
        let files = ctx
            .cmd("systemctl")
            .args(["list-unit-files", "--no-pager", "--type", "service", "--all", "--no-legend"])
            .english()
            .run()?;
        let mut unloaded: Vec<(&str, &str)> = Vec::new();
        for line in files.stdout.lines() {
            let mut words = line.split_whitespace();
            let (Some(name), Some(status)) = (words.next(), words.next()) else { continue };
            match services.get_mut(name) {
                // What keeps a unit from running says more than whether it is enabled.
                Some(Value::Object(service)) if service.get("status").is_some_and(|s| !BAD.iter().any(|b| s == b)) => {
                    service.insert("status".into(), status.into());
                }
                Some(_) => {}
                None => unloaded.push((name, status)),
            }
        }
        // Templates have no state. The others are asked for together; systemd answers in their order.
        let (templates, units): (Vec<_>, Vec<_>) = unloaded.into_iter().partition(|(name, _)| name.contains("@."));
        let mut states = String::new();
        if !units.is_empty() {
            let names = units.iter().map(|(name, _)| *name);
            states = ctx.cmd("systemctl").args(["show", "--property=ActiveState"]).args(names).english().run()?.stdout;
        }
        let mut states = states.lines().filter_map(|line| line.strip_prefix("ActiveState="));
        for (name, status) in units {
            put(&mut services, name, states.next().unwrap_or("unknown"), Some(status), "systemd");
        }
        for (name, status) in templates {
            put(&mut services, name, "unknown", Some(status), "systemd");
        }
    }
    if ctx.which("rc-status").is_some() {
        let ran = ctx.cmd("rc-status").args(["-a", "-s", "-c"]).english().run()?;
        for line in ran.stdout.lines().filter(|l| l.contains('[')) {
            let Some((name, state)) = line.split_once('[') else { continue };
            let state = if state.contains("started") { "running" } else { "stopped" };
            put(&mut services, name.trim(), state, None, "openrc");
        }
    }
    Ok(crate::out! {"changed": false, "ansible_facts": {"services": services}})
}

/// ` [ + ]  cron`.
fn parse_status_all(text: &str) -> Vec<(String, &'static str)> {
    text.lines()
        .filter_map(|l| {
            let (sign, name) = l.trim().strip_prefix('[')?.split_once(']')?;
            let state = match sign.trim() {
                "+" => "running",
                "-" => "stopped",
                _ => "unknown",
            };
            Some((name.trim().to_string(), state))
        })
        .collect()
}

/// `ssh start/running, process 12`.
fn parse_initctl(text: &str) -> Vec<(String, &'static str, String)> {
    text.lines()
        .filter_map(|l| {
            let mut words = l.split_whitespace();
            let (name, goal) = (words.next()?, words.find(|w| w.contains('/'))?);
            let state = if goal.starts_with("start/running") { "running" } else { "stopped" };
            Some((name.to_string(), state, goal.to_string()))
        })
        .collect()
}

/// States of units that stand for their status.
const BAD: [&str; 3] = ["not-found", "masked", "failed"];

/// `ssh.service loaded active running ...`: name, state and status.
fn parse_units(text: &str) -> Vec<(String, &'static str, String)> {
    text.lines()
        .filter_map(|l| {
            let words: Vec<&str> = l.trim_start_matches(['●', '*', ' ', '○', '×']).split_whitespace().collect();
            let [name, states @ ..] = words.get(..4)? else { return None };
            let status = states.iter().copied().find(|state| BAD.contains(state)).unwrap_or(states[1]);
            Some(((*name).to_owned(), if states[2] == "running" { "running" } else { "stopped" }, status.to_owned()))
        })
        .collect()
}

/// `mount_facts`.
pub fn mounts(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    for source in args.strs("sources") {
        if !matches!(
            source.as_str(),
            "all" | "dynamic" | "static" | "/proc/mounts" | "/etc/mtab" | "/etc/fstab" | "mount"
        ) {
            crate::fail!(
                "sources: {source} is not supported; all, dynamic, static, mount, /proc/mounts, /etc/mtab and /etc/fstab are"
            );
        }
    }
    let sources = args.opt_strs("sources").unwrap_or_else(|| vec!["all".into()]);
    let has = |names: &[&str]| sources.iter().any(|s| names.contains(&s.as_str()));
    let limit = Duration::from_secs_f64(args.float("timeout").filter(|t| *t > 0.0).unwrap_or(30.0));
    let mut all: Vec<Map<String, Value>> = Vec::new();
    let sized = facts::mounts::list(limit);
    let sizes: Vec<&Map<String, Value>> =
        sized.as_array().map(|l| l.iter().filter_map(Value::as_object).collect()).unwrap_or_default();
    if sizes.iter().any(|m| m.contains_key("note")) {
        match args.text("on_timeout").as_str() {
            "error" => crate::fail!("Timed out while attempting to get mount information"),
            "warn" => ctx.warn("Timed out while attempting to get mount information"),
            _ => {}
        }
    }
    let show = |mount: &crate::sys::mounts::Mount, source: &str| -> Map<String, Value> {
        let point = mount.point.to_string_lossy().into_owned();
        let mut out = crate::out! {
            "mount": point, "device": mount.source, "fstype": mount.fstype, "options": mount.options,
            "dump": mount.dump.parse::<i64>().unwrap_or(0), "passno": mount.passno.parse::<i64>().unwrap_or(0),
            "ansible_context": {"source": source},
        };
        if let Some(known) = sizes.iter().find(|m| m["mount"] == point.as_str()) {
            for (key, value) in known.iter().filter(|(k, _)| {
                !matches!(k.as_str(), "mount" | "device" | "fstype" | "options" | "dump" | "passno" | "note")
            }) {
                out.insert(key.clone(), value.clone());
            }
        }
        out
    };
    if has(&["all", "dynamic", "mount", "/proc/mounts", "/etc/mtab"]) {
        let source = if has(&["mount"]) { args.text("mount_binary") } else { "/proc/mounts".into() };
        all.extend(crate::sys::mounts::mounted().iter().map(|m| show(m, &source)));
    }
    if has(&["all", "static", "/etc/fstab"]) {
        let fstab = std::fs::read_to_string("/etc/fstab").unwrap_or_default();
        all.extend(crate::sys::mounts::parse(&fstab).iter().map(|m| show(m, "/etc/fstab")));
    }
    let passes = |value: &Value, patterns: &Option<Vec<String>>| {
        patterns
            .as_ref()
            .is_none_or(|list| list.iter().any(|p| fnmatch::matches(p, value.as_str().unwrap_or_default())))
    };
    let (devices, fstypes) = (args.opt_strs("devices"), args.opt_strs("fstypes"));
    all.retain(|m| passes(&m["device"], &devices) && passes(&m["fstype"], &fstypes));
    let mut points = Map::new();
    for mount in all.iter().rev() {
        points.insert(mount["mount"].as_str().unwrap_or_default().to_string(), Value::Object(mount.clone()));
    }
    let aggregate =
        if args.bool("include_aggregate_mounts") { all.into_iter().map(Value::Object).collect() } else { Vec::new() };
    Ok(crate::out! {"changed": false, "ansible_facts": {"mount_points": points, "aggregate_mounts": aggregate}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        assert_eq!(
            parse_status_all(" [ + ]  cron\n [ - ]  ssh\n [ ? ]  x\n"),
            [("cron".to_string(), "running"), ("ssh".into(), "stopped"), ("x".into(), "unknown")]
        );
        assert_eq!(parse_initctl("ssh start/running, process 1\ntty (1) stop/waiting\n")[1].1, "stopped");
        let units = parse_units(
            "ssh.service loaded active running OpenSSH\n● x.service not-found inactive dead x\ny.service loaded failed failed y\n",
        );
        let units: Vec<(&str, &str, &str)> =
            units.iter().map(|(n, state, status)| (n.as_str(), *state, status.as_str())).collect();
        assert_eq!(
            units,
            [
                ("ssh.service", "running", "active"),
                ("x.service", "stopped", "not-found"),
                ("y.service", "stopped", "failed")
            ]
        );
        let rpm = rpm_list("bash|5.2|1.amzn2023|(none)|x86_64\n");
        assert_eq!((&rpm[0]["epoch"], &rpm[0]["release"]), (&Value::Null, &json!("1.amzn2023")));
        let deb = dpkg_list(
            "Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: all\nSection: admin\n\nPackage: b\nStatus: deinstall ok config-files\nVersion: 2\n",
        );
        assert_eq!((deb.len(), &deb[0]["version"]), (1, &json!("1")));
        let out = mounts(&Ctx::test("mount_facts", json!({"fstypes": ["proc"]}))).unwrap();
        assert!(out["ansible_facts"]["mount_points"]["/proc"].is_object());
        assert!(mounts(&Ctx::test("mount_facts", json!({"sources": ["/x"]}))).is_err());
    }
}
