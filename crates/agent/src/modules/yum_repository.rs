//! `yum_repository`: a section of a .repo file.

use crate::args::{boolean, text};
use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::files;
use crate::sys::ini::Ini;
use serde_json::Value;

/// Options of the task that are no options of the repository.
const OURS: &[&str] = &["file", "reposdir", "state", "description"];
/// Lists that the file holds as one line each; the others are separated by spaces.
const BY_LINE: &[&str] = &["baseurl", "gpgkey"];

/// The repository's options for the file, sorted as Ansible writes them. Pure.
fn options(ctx: &Ctx) -> Vec<(String, String)> {
    let Some(spec) = imgbuild_proto::spec::module("yum_repository") else { return Vec::new() };
    let mut out: Vec<(String, String)> = spec
        .options
        .iter()
        .filter(|o| !OURS.contains(&o.name) && o.name != "name")
        .filter_map(|o| {
            let value = match (ctx.args.given(o.name)?, o.kind) {
                (value, imgbuild_proto::spec::Type::Bool) => {
                    if boolean(value)? {
                        "1".into()
                    } else {
                        "0".into()
                    }
                }
                (Value::Array(items), _) => {
                    let items: Vec<String> = items.iter().map(text).collect();
                    items.join(if BY_LINE.contains(&o.name) { "\n" } else { " " })
                }
                (value, _) => text(value),
            };
            Some((o.name.to_string(), value))
        })
        .collect();
    if let Some(description) = ctx.args.str("description") {
        out.push(("name".into(), description));
    }
    out.sort();
    out
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let id = args.req("name")?;
    let state = args.text("state");
    let dir = args.req_path("reposdir")?;
    if !dir.is_dir() {
        return Err(Fail::new(format!("Repo directory '{}' does not exist.", dir.display())));
    }
    if state == "present" {
        if args.given("description").is_none() {
            crate::fail!("state is present but all of the following are missing: description");
        }
        if ["baseurl", "mirrorlist", "metalink"].iter().all(|o| args.given(o).is_none()) {
            crate::fail!("state is present but any of the following are missing: baseurl, mirrorlist, metalink");
        }
    }
    let path = dir.join(format!("{}.repo", args.str("file").unwrap_or_else(|| id.clone())));
    let before = Ini::parse(&files::read_text(&path)?.unwrap_or_default());
    let mut after = before.clone();
    after.0.retain(|(name, _)| *name != id);
    if state == "present" {
        after.0.push((id.clone(), options(ctx)));
    }
    let sorted = |ini: &Ini| {
        let mut ini = ini.clone();
        for (_, options) in &mut ini.0 {
            options.sort();
        }
        ini.0.sort();
        ini
    };
    let mut changed = sorted(&before) != sorted(&after);
    if changed && !ctx.check {
        if after.0.is_empty() {
            std::fs::remove_file(&path)
                .map_err(|e| Fail::new(format!("Cannot remove empty repo file {}: {e}", path.display())))?;
        } else {
            files::write(ctx, &path, after.show().as_bytes(), args.bool("unsafe_writes"))?;
        }
    }
    if path.exists() && state == "present" {
        changed |= files::apply_attrs(ctx, args, &path)?;
    }
    let mut out = crate::out! {"changed": changed, "repo": id, "state": state};
    if ctx.diff {
        let name = path.to_string_lossy();
        out.insert("diff".into(), files::diff(&sorted(&before).show(), &sorted(&after).show(), &name, &name));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::json;

    #[test]
    fn sections_come_and_go() {
        let dir = Scratch::new();
        let call = |args: Value| run(&Ctx::test("yum_repository", args)).unwrap();
        let args = json!({"name": "docker", "description": "Docker", "baseurl": ["http://a/", "http://b/"], "gpgcheck": true, "enabled": false, "exclude": ["x", "y"], "reposdir": dir.path(""), "mode": "0640"});
        assert_eq!(call(args.clone())["changed"], true);
        assert_eq!(
            dir.read("docker.repo"),
            "[docker]\nbaseurl = http://a/\n\thttp://b/\nenabled = 0\nexclude = x y\ngpgcheck = 1\nname = Docker\n\n"
        );
        assert_eq!(call(args)["changed"], false);
        let second = json!({"name": "extra", "file": "docker", "description": "E", "mirrorlist": "http://m", "reposdir": dir.path("")});
        assert_eq!(call(second)["changed"], true);
        let gone = |name: &str| json!({"name": name, "file": "docker", "state": "absent", "reposdir": dir.path("")});
        assert_eq!(call(gone("docker"))["changed"], true);
        assert!(dir.read("docker.repo").starts_with("[extra]"));
        assert_eq!(call(gone("extra"))["changed"], true);
        assert!(!dir.0.join("docker.repo").exists());
        assert_eq!(call(gone("extra"))["changed"], false);
        assert!(
            run(&Ctx::test("yum_repository", json!({"name": "x", "description": "x", "reposdir": dir.path("")})))
                .is_err()
        );
    }
}
