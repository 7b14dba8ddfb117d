//! `deb822_repository`: a source in deb822 format, with its key.

use crate::args::{boolean, text};
use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::attrs::Attrs;
use crate::sys::http::Request;
use crate::sys::mode::ModeSpec;
use crate::sys::{files, openpgp};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Options that are no fields of the file.
const OURS: &[&str] = &["name", "mode", "state", "signed_by"];

/// `allow_insecure` as `Allow-Insecure`; some fields have names of their own.
fn field_name(option: &str) -> String {
    match option {
        "uris" => return "URIs".into(),
        "pdiffs" => return "PDiffs".into(),
        "inrelease_path" => return "InRelease-Path".into(),
        _ => {}
    }
    let words = option.split('_').map(|w| {
        let mut letters = w.chars();
        letters.next().map(|c| c.to_uppercase().collect::<String>() + letters.as_str()).unwrap_or_default()
    });
    words.collect::<Vec<_>>().join("-")
}

/// The file's name from the source's.
fn slug(name: &str) -> String {
    let lower: String = name
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '.' || c == '-' || c == '_' { c } else { '-' })
        .collect();
    lower.split('-').filter(|p| !p.is_empty()).collect::<Vec<_>>().join("-").trim_matches('.').to_string()
}

/// A value that runs over lines is indented, by as much as Ansible does it; empty lines become dots.
fn multiline(value: &str) -> String {
    value
        .trim()
        .lines()
        .map(|l| if l.trim().is_empty() { "\n    .".to_string() } else { format!("\n    {}", l.trim()) })
        .collect()
}

/// The file's text. Pure.
fn render(ctx: &Ctx, signed_by: Option<&str>) -> String {
    let mut out = Vec::new();
    let Some(spec) = imgbuild_proto::spec::module("deb822_repository") else { return String::new() };
    let mut names: Vec<&str> = spec.options.iter().map(|o| o.name).collect();
    names.sort_unstable();
    for name in names {
        if name == "name" {
            out.push(format!("X-Repolib-Name: {}\n", ctx.args.text("name")));
            continue;
        }
        if name == "signed_by" {
            if let Some(value) = signed_by {
                let armor = value.contains("-----BEGIN");
                out.push(if armor {
                    format!("Signed-By:{}\n", multiline(value))
                } else {
                    format!("Signed-By: {value}\n")
                });
            }
            continue;
        }
        if OURS.contains(&name) {
            continue;
        }
        let Some(value) = ctx.args.raw(name) else { continue };
        let shown = match (&value, spec.options.iter().find(|o| o.name == name).map(|o| o.kind)) {
            (value, Some(imgbuild_proto::spec::Type::Bool)) => match boolean(value) {
                Some(true) => "yes".into(),
                _ => "no".into(),
            },
            (Value::Array(items), _) => items.iter().map(text).collect::<Vec<_>>().join(" "),
            (Value::String(list), Some(imgbuild_proto::spec::Type::List)) => list.replace(',', " "),
            (value, _) => text(value),
        };
        if shown.is_empty() && matches!(value, Value::Array(_)) {
            continue;
        }
        out.push(format!("{}: {shown}\n", field_name(name)));
    }
    out.concat()
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    run_in(ctx, Path::new("/etc/apt/sources.list.d"), Path::new("/etc/apt/keyrings"))
}

fn run_in(ctx: &Ctx, dir: &Path, rings: &Path) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let slug = slug(&args.req("name")?);
    if slug.is_empty() {
        crate::fail!("name holds nothing that a file could be called by");
    }
    let dest = dir.join(format!("{slug}.sources"));
    let mut out = crate::out! {"dest": dest.to_string_lossy(), "key_filename": null, "repo": null};
    if args.text("state") == "absent" {
        let keys = [rings.join(format!("{slug}.gpg")), rings.join(format!("{slug}.asc"))];
        let mut changed = false;
        for path in keys.iter().chain([&dest]).filter(|p| p.exists()) {
            changed = true;
            if !ctx.check {
                std::fs::remove_file(path).at("Failed to remove", path)?;
            }
        }
        out.insert("changed".into(), changed.into());
        return Ok(out);
    }
    for option in ["uris", "suites"] {
        if args.strs(option).is_empty() {
            crate::fail!("state is present but all of the following are missing: {option}");
        }
    }
    let exact = args.strs("suites").iter().all(|s| s.ends_with('/'));
    if !exact && args.strs("components").is_empty() {
        crate::fail!("components is needed unless every suite is a path that ends with a slash");
    }
    let (signed_by, mut changed, key_file) = match args.str("signed_by") {
        Some(value) => key(ctx, &value, &slug, rings)?,
        None => (None, false, None),
    };
    if let Some(file) = key_file {
        out.insert("key_filename".into(), file.to_string_lossy().into());
    }
    let text = render(ctx, signed_by.as_deref());
    let old = files::read_text(&dest)?.unwrap_or_default();
    if old != text {
        changed = true;
        if !ctx.check {
            std::fs::create_dir_all(dir).at("can't make the directory", dir)?;
            files::write(ctx, &dest, text.as_bytes(), false)?;
        }
    }
    if dest.exists() {
        let mode = args.raw("mode").map(|m| ModeSpec::parse(&m)).transpose().map_err(Fail::new)?;
        changed |= Attrs { mode, ..Attrs::default() }.apply(ctx, &dest, ctx.check)?.changed();
    }
    if ctx.diff {
        let shown = dest.to_string_lossy();
        out.insert("diff".into(), files::diff(&old, &text, &shown, &shown));
    }
    out.insert("repo".into(), text.into());
    out.insert("changed".into(), changed.into());
    Ok(out)
}

type KeyResult = (Option<String>, bool, Option<PathBuf>);

/// What `Signed-By` says: a path and a fingerprint as they are, an armoured key in place, an address as a file of ours.
fn key(ctx: &Ctx, value: &str, slug: &str, rings: &Path) -> Result<KeyResult, Fail> {
    if value.contains("-----BEGIN PGP") || value.starts_with('/') {
        return Ok((Some(value.trim().to_string()), false, None));
    }
    if !value.contains("://") {
        return Ok((Some(value.to_string()), false, None));
    }
    let mut response = Request::get(value).send(ctx)?;
    if response.status != 200 && !value.starts_with("file:") {
        crate::fail!("Failed to fetch the key {value}: {}", response.message());
    }
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut response.body, &mut bytes).or_fail(format!("can't read {value}"))?;
    openpgp::keys(&bytes).map_err(|e| Fail::new(format!("{value} is no key: {e}")))?;
    let armored = String::from_utf8_lossy(&bytes).contains("-----BEGIN PGP");
    let file = rings.join(format!("{slug}.{}", if armored { "asc" } else { "gpg" }));
    let changed = std::fs::read(&file).ok().as_deref() != Some(&bytes[..]);
    if changed && !ctx.check {
        std::fs::create_dir_all(rings).at("can't make the directory", rings)?;
        files::write(ctx, &file, &bytes[..], false)?;
        Attrs { mode: Some(ModeSpec::Bits(0o644)), ..Attrs::default() }.apply(ctx, &file, false)?;
    }
    Ok((Some(file.to_string_lossy().into_owned()), changed, Some(file)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::json;

    #[test]
    fn sources_with_keys() {
        let dir = Scratch::new();
        let (list, rings) = (dir.0.join("l"), dir.0.join("k"));
        let key = dir.file("key.asc", &openpgp::armor(&openpgp::tests::sample()));
        let call = |args: Value| run_in(&Ctx::test("deb822_repository", args), &list, &rings);
        let args = json!({"name": "My Repo!", "uris": "https://x/y", "suites": ["s"], "components": "main", "enabled": true, "signed_by": format!("file://{key}")});
        let out = call(args.clone()).unwrap();
        assert_eq!(
            std::fs::read_to_string(list.join("my-repo.sources")).unwrap(),
            format!(
                "Components: main\nEnabled: yes\nX-Repolib-Name: My Repo!\nSigned-By: {}\nSuites: s\nTypes: deb\nURIs: https://x/y\n",
                rings.join("my-repo.asc").display()
            )
        );
        assert_eq!(
            (&out["changed"], &out["key_filename"]),
            (&json!(true), &json!(rings.join("my-repo.asc").to_string_lossy()))
        );
        assert_eq!(call(args).unwrap()["changed"], false);
        assert_eq!(multiline("a\n\nb\n"), "\n    a\n    .\n    b");
        assert_eq!(call(json!({"name": "My Repo!", "state": "absent"})).unwrap()["changed"], true);
        assert_eq!(call(json!({"name": "My Repo!", "state": "absent"})).unwrap()["changed"], false);
        assert!(call(json!({"name": "x", "uris": "https://x", "suites": "s"})).is_err());
        assert_eq!(
            (field_name("allow_downgrade_to_insecure"), field_name("by_hash")),
            ("Allow-Downgrade-To-Insecure".into(), "By-Hash".into())
        );
    }
}
