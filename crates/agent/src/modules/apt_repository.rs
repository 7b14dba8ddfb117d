//! `apt_repository`: a one-line source in /etc/apt/sources.list or its directory.

use crate::ctx::Ctx;
use crate::modules::apt_key;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::attrs::Attrs;
use crate::sys::files;
use crate::sys::http::Request;
use crate::sys::mode::ModeSpec;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A line of a sources file.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    /// `deb`/`deb-src` line.
    valid: bool,
    enabled: bool,
    source: String,
    comment: String,
    text: String,
}

fn parse_line(text: &str) -> Line {
    let mut line = text.trim().to_string();
    let mut enabled = true;
    if let Some(rest) = line.strip_prefix('#') {
        enabled = false;
        line = rest.trim().to_string();
    }
    let (source, comment) = line.split_once('#').map_or((line.as_str(), ""), |(s, c)| (s, c));
    let words: Vec<&str> = source.split_whitespace().collect();
    let valid = matches!(words.first(), Some(&("deb" | "deb-src"))) && words.len() >= 3;
    Line { valid, enabled, source: words.join(" "), comment: comment.trim().to_string(), text: text.to_string() }
}

/// The files of sources, by path.
type Sources = BTreeMap<PathBuf, Vec<Line>>;

fn show(lines: &[Line]) -> String {
    lines
        .iter()
        .map(|l| {
            if !l.valid {
                return format!("{}\n", l.text);
            }
            let comment = if l.comment.is_empty() { String::new() } else { format!(" # {}", l.comment) };
            format!("{}{}{comment}\n", if l.enabled { "" } else { "# " }, l.source)
        })
        .collect()
}

/// The file for a new source, from its address.
fn suggest(source: &str) -> String {
    let mut text = source.to_string();
    if let (Some(open), Some(close)) = (text.find('['), text.find(']'))
        && open < close
    {
        text.replace_range(open..=close, "");
    }
    let words: Vec<&str> = text.split_whitespace().filter(|w| !matches!(*w, "deb" | "deb-src")).collect();
    let address = words.first().copied().unwrap_or_default();
    let address = address.split_once("://").map_or(address, |(_, rest)| rest);
    let address = address.split_once('@').map_or(address, |(_, rest)| rest);
    let parts: Vec<&str> = address.split(|c: char| !c.is_ascii_alphanumeric()).filter(|p| !p.is_empty()).collect();
    format!("{}.list", parts.join("_"))
}

/// Puts a source in; pure. Whether anything changed.
fn add(sources: &mut Sources, wanted: &Line, file: &Path) -> bool {
    let mut found = false;
    let mut changed = false;
    for line in sources.values_mut().flatten().filter(|l| l.valid && l.source == wanted.source) {
        found = true;
        if !line.enabled || (line.comment != wanted.comment && !wanted.comment.is_empty()) {
            line.enabled = true;
            line.comment = wanted.comment.clone();
            changed = true;
        }
    }
    if !found {
        sources.entry(file.to_path_buf()).or_default().push(wanted.clone());
        changed = true;
    }
    changed
}

/// Takes a source out; pure.
fn remove(sources: &mut Sources, wanted: &Line) -> bool {
    let mut changed = false;
    for lines in sources.values_mut() {
        let before = lines.len();
        lines.retain(|l| !(l.valid && l.enabled && l.source == wanted.source));
        changed |= before != lines.len();
    }
    changed
}

fn load(list: &Path, dir: &Path) -> Sources {
    let mut paths = vec![list.to_path_buf()];
    let parts = std::fs::read_dir(dir).map(|d| d.flatten().map(|e| e.path()).collect::<Vec<_>>()).unwrap_or_default();
    paths.extend(parts.into_iter().filter(|p| p.extension().is_some_and(|e| e == "list")));
    paths
        .into_iter()
        .filter_map(|p| std::fs::read(&p).ok().map(|b| (p, String::from_utf8_lossy(&b).into_owned())))
        .map(|(p, text)| (p, text.lines().map(parse_line).collect()))
        .collect()
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    run_in(ctx, Path::new("/etc/apt/sources.list"), Path::new("/etc/apt/sources.list.d"))
}

fn run_in(ctx: &Ctx, list: &Path, dir: &Path) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let repo = args.req("repo")?;
    let present = args.text("state") != "absent";
    let (source, ppa_key) = if repo.starts_with("ppa:") { ppa(ctx, &repo, present)? } else { (repo.clone(), None) };
    let wanted = Line { enabled: true, ..parse_line(&source) };
    if !wanted.valid {
        crate::fail!("Invalid repository string: {repo}");
    }
    let before = load(list, dir);
    let mut after = before.clone();
    let name = match args.str("filename") {
        Some(name) => format!("{}.list", name.trim_end_matches(".list")),
        None => suggest(&wanted.source),
    };
    let file = if name.starts_with('/') { PathBuf::from(name) } else { dir.join(name) };
    let mut changed = if present { add(&mut after, &wanted, &file) } else { remove(&mut after, &wanted) };
    let names = |a: &Sources, b: &Sources| -> Vec<String> {
        a.iter()
            .filter(|(p, l)| !l.is_empty() && b.get(*p).is_none_or(Vec::is_empty))
            .map(|(p, _)| p.to_string_lossy().into_owned())
            .collect()
    };
    let (added, gone) = (names(&after, &before), names(&before, &after));
    let mut diffs = Vec::new();
    if changed {
        for path in before.keys().chain(after.keys()).collect::<std::collections::BTreeSet<_>>() {
            let (old, new) = (before.get(path).map(|l| show_text(l)), after.get(path).map(|l| show(l)));
            let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
            if old != new && before.get(path) != after.get(path) {
                let shown = path.to_string_lossy();
                diffs.push(files::diff(
                    &old,
                    &new,
                    if old.is_empty() { "/dev/null" } else { &shown },
                    if new.is_empty() { "/dev/null" } else { &shown },
                ));
            }
        }
    }
    if changed && !ctx.check {
        if let Some(key) = ppa_key {
            let ring = dir
                .parent()
                .unwrap_or(Path::new("/etc/apt"))
                .join("trusted.gpg.d")
                .join(format!("{}.gpg", file.file_stem().unwrap_or_default().to_string_lossy()));
            let key = crate::out! {"id": key, "keyserver": "https://keyserver.ubuntu.com", "keyring": ring.to_string_lossy(), "state": "present"};
            apt_key::run(&ctx.sub("apt_key", key))?;
        }
        std::fs::create_dir_all(dir).at("Failed to create directory", dir)?;
        let saved = save(ctx, &before, &after);
        let updated =
            saved.and_then(|()| if args.opt_bool("update_cache").unwrap_or(true) { update(ctx) } else { Ok(()) });
        if let Err(fail) = updated {
            // The host must not be left with a source that breaks every further apt call.
            save(ctx, &after, &before)?;
            return Err(fail);
        }
    }
    if present && !changed {
        // The mode is looked after where the source stands already.
        for (path, lines) in &after {
            if lines.iter().any(|l| l.valid && l.source == wanted.source) && args.given("mode").is_some() {
                changed |= Attrs { mode: mode(ctx)?, ..Attrs::default() }.apply(ctx, path, ctx.check)?.changed();
            }
        }
    }
    let mut out = crate::out! {
        "changed": changed, "repo": repo, "sources_added": added, "sources_removed": gone, "state": args.text("state"),
    };
    if ctx.diff {
        out.insert("diff".into(), json!(diffs));
    }
    Ok(out)
}

/// A file's text as it stands.
fn show_text(lines: &[Line]) -> String {
    lines.iter().map(|l| format!("{}\n", l.text)).collect()
}

fn mode(ctx: &Ctx) -> Result<Option<ModeSpec>, Fail> {
    ctx.args.given("mode").map(ModeSpec::parse).transpose().map_err(Fail::new)
}

fn save(ctx: &Ctx, from: &Sources, to: &Sources) -> Result<(), Fail> {
    for (path, lines) in to {
        if from.get(path) == Some(lines) {
            continue;
        }
        if lines.is_empty() {
            if path.exists() {
                std::fs::remove_file(path).at("Failed to remove", path)?;
            }
            continue;
        }
        let fresh = !path.exists();
        files::write(ctx, path, show(lines).as_bytes(), false)?;
        let mode = mode(ctx)?.or(fresh.then_some(ModeSpec::Bits(0o644)));
        Attrs { mode, ..Attrs::default() }.apply(ctx, path, false)?;
    }
    for path in from.keys().filter(|p| !to.contains_key(*p)) {
        std::fs::remove_file(path).at("Failed to remove", path)?;
    }
    Ok(())
}

fn update(ctx: &Ctx) -> Result<(), Fail> {
    let mut args = crate::out! {"update_cache": true};
    for name in ["update_cache_retries", "update_cache_retry_max_delay"] {
        if let Some(value) = ctx.args.given(name) {
            args.insert(name.into(), value.clone());
        }
    }
    crate::modules::apt::run(&ctx.sub("apt", args)).map(|_| ())
}

/// `ppa:owner/name` as a source, and the fingerprint of its key where it is to be added.
fn ppa(ctx: &Ctx, repo: &str, present: bool) -> Result<(String, Option<String>), Fail> {
    let path = repo.trim_start_matches("ppa:").split_whitespace().next().unwrap_or_default();
    let (owner, name) = path.split_once('/').unwrap_or((path, "ppa"));
    let codename = match ctx.args.str("codename") {
        Some(codename) => codename,
        None => crate::facts::distribution::codename()
            .ok_or_else(|| Fail::new("codename is needed: the distribution's can't be found out"))?,
    };
    let source = format!("deb http://ppa.launchpad.net/{owner}/{name}/ubuntu {codename} main");
    if !present {
        return Ok((source, None));
    }
    let api = format!("https://api.launchpad.net/1.0/~{owner}/+archive/{name}");
    let mut request = Request::get(&api);
    request.verify = ctx.args.opt_bool("validate_certs").unwrap_or(true);
    request.headers.push(("Accept".into(), "application/json".into()));
    let mut response = request.send(ctx)?;
    if response.status != 200 {
        crate::fail!("failed to fetch PPA information, error was: {}", response.message());
    }
    let mut text = String::new();
    std::io::Read::read_to_string(&mut response.body, &mut text).or_fail("failed to fetch PPA information")?;
    let info: serde_json::Value = serde_json::from_str(&text).or_fail("failed to fetch PPA information")?;
    let key = info.get("signing_key_fingerprint").and_then(|k| k.as_str()).map(str::to_string);
    key.map(|k| (source, Some(k))).ok_or_else(|| Fail::new(format!("Launchpad names no signing key for {repo}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;

    #[test]
    fn names_and_lines() {
        for (source, want) in [
            ("deb https://apt.dockerproject.org/repo ubuntu-trusty main", "apt_dockerproject_org_repo.list"),
            ("deb [arch=amd64 signed-by=/k] http://u:p@h.x:80/a/ s main", "h_x_80_a.list"),
            ("deb-src http://archive.ubuntu.com/ubuntu trusty main", "archive_ubuntu_com_ubuntu.list"),
        ] {
            assert_eq!(suggest(source), want);
        }
        let line = parse_line("#deb   http://x  s  main # c");
        assert_eq!(
            (line.valid, line.enabled, line.source.as_str(), line.comment.as_str()),
            (true, false, "deb http://x s main", "c")
        );
        assert!(!parse_line("# a comment").valid && !parse_line("").valid && !parse_line("deb x").valid);
    }

    #[test]
    fn sources_come_and_go() {
        let dir = Scratch::new();
        let list = PathBuf::from(dir.file("sources.list", "# main\ndeb http://a s main\n# deb http://b s main\n"));
        let parts = dir.0.join("sources.list.d");
        let call = |repo: &str, state: &str, check: bool| {
            let mut ctx = Ctx::test("apt_repository", json!({"repo": repo, "state": state, "update_cache": false}));
            ctx.check = check;
            run_in(&ctx, &list, &parts).unwrap()
        };
        assert_eq!(call("deb  http://a  s main", "present", false)["changed"], false);
        let new = "deb https://apt.dockerproject.org/repo ubuntu-trusty main";
        assert_eq!(call(new, "present", true)["changed"], true);
        assert!(!parts.exists());
        let out = call(new, "present", false);
        let file = parts.join("apt_dockerproject_org_repo.list");
        assert_eq!((&out["changed"], &out["sources_added"]), (&json!(true), &json!([file.to_string_lossy()])));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{new}\n"));
        assert_eq!(call(new, "present", false)["changed"], false);
        assert_eq!(call("deb http://b s main", "present", false)["changed"], true);
        assert_eq!(dir.read("sources.list"), "# main\ndeb http://a s main\ndeb http://b s main\n");
        assert_eq!(call(new, "absent", false)["sources_removed"], json!([file.to_string_lossy()]));
        assert!(!file.exists());
        assert_eq!(call(new, "absent", false)["changed"], false);
        let ctx = Ctx::test("apt_repository", json!({"repo": "http://x"}));
        assert!(run_in(&ctx, &list, &parts).unwrap_err().msg.starts_with("Invalid repository string"));
    }
}
