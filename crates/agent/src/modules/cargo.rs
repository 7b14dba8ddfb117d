//! `cargo`: programs that Cargo installs. Source: community.general's DOCUMENTATION and cargo-install(1).

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::run::Ran;
use serde_json::Value;
use std::collections::BTreeMap;

/// Names and versions in `cargo install --list`.
fn installed(text: &str) -> BTreeMap<String, String> {
    let line = |line: &str| {
        let (name, rest) = line.split_once(" v")?;
        let plain = name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
        let version = rest.split(char::is_whitespace).next()?.trim_end_matches(':');
        (plain && !name.is_empty() && rest.ends_with(':')).then(|| (name.to_string(), version.to_string()))
    };
    text.lines().filter_map(line).collect()
}

struct Cargo<'a> {
    ctx: &'a Ctx,
    program: String,
}

impl Cargo<'_> {
    fn call(&self, words: &[String]) -> Result<Ran, Fail> {
        self.ctx.cmd(&self.program).args(words).english().run()
    }

    /// The version that there could be.
    fn latest(&self, name: &str) -> Result<String, Fail> {
        if let Some(dir) = self.ctx.args.path("directory") {
            let manifest = dir.join("Cargo.toml").to_string_lossy().into_owned();
            let words = ["metadata", "--format-version", "1", "--no-deps", "--manifest-path", &manifest];
            let ran = self.call(&words.map(String::from))?;
            let said: Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
            let packages = said["packages"].as_array().cloned().unwrap_or_default();
            let found = packages.iter().find(|p| p["name"] == name).map(|p| crate::args::text(&p["version"]));
            return found.ok_or_else(|| {
                let names: Vec<String> = packages.iter().map(|p| crate::args::text(&p["name"])).collect();
                ran.fail(format!("Package {name} not defined in source, found: {}", names.join(", ")))
            });
        }
        let ran = self.call(&["search", name, "--limit", "1"].map(String::from))?;
        // `ripgrep = "14.1.0"    # …`: another crate may be nearest.
        let version = ran.stdout.lines().find_map(|l| {
            let (found, rest) = l.split_once(" = \"")?;
            (found == name).then(|| rest.split('"').next().unwrap_or_default().to_string())
        });
        version.ok_or_else(|| ran.fail(format!("No published version for package {name} found")))
    }
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let (names, state, version) =
        (args.strs("name"), args.text("state"), args.str("version").filter(|v| !v.is_empty()));
    if names.is_empty() {
        crate::fail!("Package name must be specified");
    }
    let (root, directory) = (args.path("path"), args.path("directory"));
    if let Some(path) = root.as_ref().filter(|p| !p.is_dir()) {
        crate::fail!("Path {} is not a directory", path.display());
    }
    if directory.as_ref().is_some_and(|p| !p.is_dir()) {
        crate::fail!("Source directory does not exist");
    }
    let program = match args.str("executable") {
        Some(path) => path,
        None => ctx.need("cargo")?.to_string_lossy().into_owned(),
    };
    let cargo = Cargo { ctx, program };
    let place: Vec<String> =
        root.iter().flat_map(|p| ["--root".to_string(), p.to_string_lossy().into_owned()]).collect();
    let mut words = vec!["install".to_string(), "--list".into()];
    words.extend(place.clone());
    let have = installed(&cargo.call(&words)?.stdout);
    let mut todo = Vec::new();
    for name in names {
        let now = have.get(&name);
        let needed = match state.as_str() {
            "absent" => now.is_some(),
            "latest" => match now {
                Some(now) => cargo.latest(&name)? != *now,
                None => true,
            },
            _ => now.is_none() || version.as_ref().is_some_and(|v| now != Some(v)),
        };
        todo.extend(needed.then_some(name));
    }
    let (mut stdout, mut stderr) = (Value::Null, Value::Null);
    if !todo.is_empty() && !ctx.check {
        let absent = state == "absent";
        let mut words = vec![if absent { "uninstall" } else { "install" }.to_string()];
        words.extend(todo.clone());
        if !absent && args.bool("locked") {
            words.push("--locked".into());
        }
        words.extend(place);
        if !absent {
            words.extend(version.into_iter().flat_map(|v| ["--version".to_string(), v]));
            words.extend(directory.iter().flat_map(|p| ["--path".to_string(), p.to_string_lossy().into_owned()]));
            let features = args.strs("features");
            if !features.is_empty() {
                words.extend(["--features".to_string(), features.join(",")]);
            }
        }
        let ran = cargo.call(&words)?;
        if !ran.ok() {
            return Err(ran.fail(ran.complaint()).with("cmd", format!("{} {}", cargo.program, words.join(" "))));
        }
        (stdout, stderr) = (ran.stdout.into(), ran.stderr.into());
    }
    Ok(crate::out! {"changed": !todo.is_empty(), "stdout": stdout, "stderr": stderr})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::{Scratch, skipped};
    use serde_json::json;

    #[test]
    fn lists() {
        let text = "bat v0.24.0:\n    bat\nown v0.1.0 (/src/own):\n    own\n";
        let want = [("bat", "0.24.0"), ("own", "0.1.0")].map(|(n, v)| (n.to_string(), v.to_string()));
        assert_eq!(installed(text), want.into());
    }

    /// With the real program, on a crate of the test's own that needs nothing of the network.
    #[test]
    fn programs_come_once() {
        let Some(cargo) = option_env!("CARGO").filter(|c| std::path::Path::new(c).exists()) else {
            return skipped("the cargo that built this is not here");
        };
        let dir = Scratch::new();
        let crate_of = |version: &str| {
            std::fs::create_dir_all(dir.path("c/src")).unwrap();
            let manifest = format!(
                "[package]\nname = \"tiny\"\nversion = \"{version}\"\nedition = \"2021\"\n[features]\nx = []\n"
            );
            dir.file("c/Cargo.toml", &manifest);
            dir.file("c/src/main.rs", "fn main() {}\n");
        };
        std::fs::create_dir(dir.path("root")).unwrap();
        let call = |more: Value, check: bool| {
            let mut args =
                json!({"name": ["tiny"], "executable": cargo, "path": dir.path("root"), "directory": dir.path("c")});
            args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let mut ctx = Ctx::test("cargo", args);
            ctx.check = check;
            ctx.env.insert("CARGO_NET_OFFLINE".into(), "true".into());
            ctx.env.insert("CARGO_TARGET_DIR".into(), dir.path("target"));
            run(&ctx)
        };
        let changed =
            |more: Value, check: bool| call(more, check).unwrap_or_else(|e| panic!("{}", e.msg))["changed"] == true;
        crate_of("0.1.0");
        assert!(changed(json!({}), true) && !std::path::Path::new(&dir.path("root/bin/tiny")).exists());
        assert!(changed(json!({"locked": false, "features": ["x"]}), false) && !changed(json!({}), false));
        assert!(std::path::Path::new(&dir.path("root/bin/tiny")).exists());
        let latest = json!({"state": "latest"});
        assert!(!changed(latest.clone(), false));
        crate_of("0.2.0");
        assert!(changed(latest.clone(), false) && !changed(latest, false));
        let gone = json!({"state": "absent"});
        assert!(changed(gone.clone(), false) && !changed(gone, false));
        let other = call(json!({"name": ["tiny"], "directory": dir.path("nowhere")}), false).unwrap_err().msg;
        assert_eq!(other, "Source directory does not exist");
    }
}
