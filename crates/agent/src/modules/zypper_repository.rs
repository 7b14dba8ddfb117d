//! `zypper_repository`: a repository of SUSE's package manager.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::http;
use crate::sys::run::Ran;
use crate::sys::version;
use serde_json::{Map, Value, json};

/// What two repositories are compared by.
const OPTIONS: &[&str] = &["alias", "name", "priority", "enabled", "autorefresh", "gpgcheck"];

/// A repository in `zypper --xmlout repos`, its attributes and URL.
type Repository = Map<String, Value>;

fn unescape(text: &str) -> String {
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")]
        .iter()
        .fold(text.to_string(), |text, (from, to)| text.replace(from, to))
}

fn parse(xml: &str) -> Vec<Repository> {
    let mut out = Vec::new();
    for part in xml.split("<repo ").skip(1) {
        let Some((tag, body)) = part.split_once('>') else { continue };
        let tag = format!(" {tag}");
        let attribute = |name: &str| {
            let value = tag.split_once(&format!(" {name}=\"")).and_then(|(_, rest)| rest.split('"').next());
            unescape(value.unwrap_or_default())
        };
        let mut found = Repository::new();
        for name in OPTIONS {
            found.insert((*name).into(), attribute(name).into());
        }
        let body = body.split("</repo>").next().unwrap_or_default();
        let url = body.split_once("<url>").and_then(|(_, rest)| rest.split("</url>").next()).map(unescape);
        found.insert("url".into(), url.unwrap_or_else(|| attribute("metalink")).into());
        out.push(found);
    }
    out
}

fn text(value: &Value) -> String {
    crate::args::text(value)
}

/// Whether two differ in what was asked for. `expand` replaces the variables in URLs.
fn differs(have: &Repository, want: &Repository, expand: impl Fn(&str) -> Result<String, Fail>) -> Result<bool, Fail> {
    for (key, value) in have {
        let Some(wanted) = want.get(key).map(text).filter(|w| !w.is_empty()) else { continue };
        let (mut a, mut b) = (wanted, text(value));
        if key == "url" {
            (a, b) = (expand(&a)?.trim_end_matches('/').to_string(), expand(&b)?.trim_end_matches('/').to_string());
        }
        if a != b {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The one section of a `.repo` file: its name and its items.
fn section(content: &str) -> Result<(String, Map<String, Value>), Fail> {
    let mut sections: Vec<(String, Map<String, Value>)> = Vec::new();
    for line in content.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with(['#', ';'])) {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            sections.push((name.to_string(), Map::new()));
        } else if let (Some((key, value)), Some((_, items))) = (line.split_once(['=', ':']), sections.last_mut()) {
            items.insert(key.trim().to_lowercase(), value.trim().into());
        } else {
            crate::fail!("Invalid format, .repo file could not be parsed");
        }
    }
    match <[_; 1]>::try_from(sections) {
        Ok([one]) => Ok(one),
        Err(all) => {
            crate::fail!("Invalid format, .repo file contains {} repositories, expected 1", all.len())
        }
    }
}

struct Zypper<'a>(&'a Ctx);

impl Zypper<'_> {
    fn call(&self, words: &[&str]) -> Result<Ran, Fail> {
        let mut line = vec![self.0.need("zypper")?.to_string_lossy().into_owned()];
        line.extend(["--quiet", "--non-interactive"].iter().chain(words).map(|w| w.to_string()));
        self.0.run(&line)
    }

    fn must(&self, words: &[&str]) -> Result<Ran, Fail> {
        let ran = self.call(words)?;
        if ran.ok() { Ok(ran) } else { Err(ran.fail(ran.complaint().to_string())) }
    }

    fn repositories(&self) -> Result<Vec<Repository>, Fail> {
        let ran = self.call(&["--xmlout", "repos"])?;
        match ran.rc {
            0 => Ok(parse(&ran.stdout)),
            // None is defined.
            6 => Ok(Vec::new()),
            _ => Err(ran.fail("Failed to execute \"zypper --quiet --non-interactive --xmlout repos\"")),
        }
    }

    fn refresh(&self, import: bool, name: Option<&str>) -> Result<(), Fail> {
        let mut words = Vec::new();
        if import {
            words.push("--gpg-auto-import-keys");
        }
        words.extend(["refresh", "--force"]);
        if let Some(name) = name {
            words.extend(["-r", name]);
        }
        self.must(&words).map(drop)
    }

    fn expand(&self, url: &str) -> Result<String, Fail> {
        let mut url = url.to_string();
        for (variable, field) in [("$releasever", "%{version}"), ("$basearch", "%{arch}")] {
            if url.contains(variable) {
                let value = self.0.must(&["rpm", "-q", "--qf", field, "-f", "/etc/os-release"])?.stdout;
                url = url.replace(variable, &value);
            }
        }
        Ok(url)
    }

    fn add(&self, want: &Repository, version: &[u64]) -> Result<Ran, Fail> {
        let at = |key: &str| want.get(key).map(text).unwrap_or_default();
        let (name, priority, url, alias) = (at("name"), at("priority"), at("url"), at("alias"));
        let mut words = vec!["addrepo", "--check"];
        if !name.is_empty() {
            words.extend(["--name", &name]);
        }
        if !priority.is_empty() && priority != "0" {
            if version >= &[1, 12, 25][..] {
                words.extend(["--priority", &priority]);
            } else {
                self.0.warn("Setting priority only available for zypper >= 1.12.25. Ignoring priority argument.");
            }
        }
        if at("enabled") == "0" {
            words.push("--disable");
        }
        if version >= &[1, 6, 2][..] {
            words.push(if at("gpgcheck") == "1" { "--gpgcheck" } else { "--no-gpgcheck" });
        } else {
            self.0.warn("Enabling/disabling gpgcheck only available for zypper >= 1.6.2. Using zypper default value.");
        }
        if at("autorefresh") == "1" {
            words.push("--refresh");
        }
        words.push(&url);
        if !url.ends_with(".repo") {
            words.push(&alias);
        }
        self.call(&words)
    }
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let (repo, mut alias, state) = (args.str("repo"), args.str("name"), args.text("state"));
    let (refresh, mut import) = (args.bool("runrefresh"), args.bool("auto_import_keys"));
    let zypper = Zypper(ctx);
    let about = ctx.run(&[ctx.need("zypper")?.to_string_lossy().as_ref(), "--version"])?;
    let version = match about.stdout.strip_prefix("zypper ") {
        Some(version) if about.ok() => version::numbers(version),
        _ => vec![1, 0],
    };
    let bit = |on: bool| if on { "1" } else { "0" };
    let mut want = crate::out! {
        "url": repo, "alias": alias, "name": args.str("description"), "priority": args.int("priority"),
        "enabled": bit(args.bool("enabled")), "gpgcheck": bit(!args.bool("disable_gpg_check")),
        "autorefresh": bit(args.bool("autorefresh")),
    };
    let given = |text: &Option<String>| text.as_deref().filter(|t| !t.is_empty()).map(str::to_string);
    if [&repo, &alias].iter().any(|t| t.as_deref() == Some("*")) {
        if !refresh {
            crate::fail!("repo=* can only be used with the runrefresh option.");
        }
        zypper.refresh(import, None)?;
        return Ok(crate::out! {"changed": false, "runrefresh": true});
    }
    let (repo, named) = (given(&repo), given(&alias));
    match (state.as_str(), &repo, &named) {
        ("present", None, _) => crate::fail!("Module option state=present requires repo"),
        ("absent", None, None) => crate::fail!("Alias or repo parameter required when state=absent"),
        _ => {}
    }
    let file = repo.as_deref().filter(|r| r.ends_with(".repo"));
    if let Some(file) = file {
        if named.is_some() {
            crate::fail!("Incompatible option: 'name'. Do not use name when adding .repo files");
        }
        let content = if file.starts_with("http://") || file.starts_with("https://") {
            let to = ctx.temp()?;
            let got = http::download(ctx, file, &to).and_then(|()| std::fs::read_to_string(&to).or_fail("not text"));
            let _ = std::fs::remove_file(&to);
            got.map_err(|why| Fail::new(format!("Error downloading .repo file from provided URL: {}", why.msg)))?
        } else {
            std::fs::read_to_string(file).or_fail("Error opening .repo file from provided path")?
        };
        let (name, items) = section(&content)?;
        let Some(url) = items.get("baseurl") else { crate::fail!("No baseurl found in .repo file") };
        want.insert("alias".into(), name.as_str().into());
        want.insert("url".into(), url.clone());
        import |= items.contains_key("gpgkey");
        for key in ["name", "enabled", "autorefresh", "gpgcheck"] {
            if let Some(value) = items.get(key) {
                want.insert(key.into(), value.clone());
            }
        }
        alias = Some(name);
    } else if named.is_none() && state == "present" {
        crate::fail!("Name required when adding non-repo files.");
    }
    let mut same: Vec<Repository> = Vec::new();
    for key in ["alias", "url"] {
        for have in zypper.repositories()? {
            if want[key] == have[key] && !same.contains(&have) {
                same.push(have);
            }
        }
    }
    if same.len() > 1 && !args.bool("overwrite_multiple") {
        crate::fail!(
            "More than one repo matched \"{}\": \"{}\". Use overwrite_multiple to allow more than one repo to be overwritten",
            text(&want["url"]),
            json!(same)
        );
    }
    let changes = match same.as_slice() {
        [] => false,
        [one] => differs(one, &want, |url| zypper.expand(url))?,
        _ => true,
    };
    let short = given(&alias).or(repo).unwrap_or_default();
    let unchanged = crate::out! {"changed": false, "repodata": want, "state": state};
    let ran = if state == "present" {
        if !same.is_empty() && !changes {
            if refresh {
                zypper.refresh(import, Some(&short))?;
            }
            return Ok(unchanged);
        }
        for old in &same {
            zypper.must(&["removerepo", &text(&old["url"])])?;
        }
        let ran = zypper.add(&want, &version)?;
        if ran.ok() && (refresh || import) {
            zypper.refresh(import, Some(&short))?;
        }
        ran
    } else {
        if same.is_empty() {
            return Ok(unchanged);
        }
        zypper.must(&["removerepo", &short])?
    };
    if !ran.ok() {
        return Err(ran
            .fail(format!("Zypper failed with rc {}", ran.rc))
            .with_all(json!({"repodata": want, "state": state})));
    }
    Ok(crate::out! {"changed": true, "repodata": want, "state": state})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use std::os::unix::fs::PermissionsExt;

    const XML: &str = "<?xml version='1.0'?>\n<stream>\n<repo-list>\n<repo alias=\"oss\" name=\"Main &amp; more\" type=\"rpm-md\" priority=\"99\" enabled=\"1\" autorefresh=\"1\" gpgcheck=\"1\">\n<url>http://x/$releasever/</url>\n</repo>\n<repo alias=\"b\" name=\"b\" priority=\"90\" enabled=\"0\" autorefresh=\"0\" gpgcheck=\"0\" metalink=\"http://m\"></repo>\n</repo-list>\n</stream>\n";

    #[test]
    fn what_zypper_lists() {
        let all = parse(XML);
        assert_eq!(
            (all.len(), &all[0]["name"], &all[0]["url"]),
            (2, &json!("Main & more"), &json!("http://x/$releasever/"))
        );
        assert_eq!(all[1]["url"], "http://m");
        let want = |more: Value| {
            let mut want = crate::out! {"alias": "oss", "url": "http://x/15", "enabled": "1", "priority": null};
            want.extend(more.as_object().unwrap().clone());
            differs(&all[0], &want, |url| Ok(url.replace("$releasever", "15"))).unwrap()
        };
        assert!(!want(json!({})) && want(json!({"priority": 90})) && !want(json!({"priority": 99})));
        assert!(want(json!({"enabled": "0"})) && want(json!({"url": "http://y"})));
        assert!(section("[a]\nbaseurl=http://x\n[b]\n").is_err() && section("x").is_err());
        assert_eq!(section("# c\n[a]\nName = x y\n").unwrap().1["name"], "x y");
    }

    #[test]
    fn a_repository_comes_once() {
        let dir = Scratch::new();
        let zypper = "#!/bin/sh\necho \"$*\" >>\"$STATE\"\ncase \"$*\" in\n--version) echo zypper 1.14.64 ;;\n*repos) [ -e \"$STATE.on\" ] && cat \"$STATE.xml\" || exit 6 ;;\n*addrepo*) : >\"$STATE.on\" ;;\n*removerepo*) rm \"$STATE.on\" ;;\nesac\n";
        std::fs::set_permissions(dir.file("zypper", zypper), PermissionsExt::from_mode(0o755)).unwrap();
        dir.file("s.xml", &XML.replace("$releasever/", "r"));
        let call = |args: Value| {
            let mut ctx = Ctx::test("zypper_repository", args);
            ctx.env.insert("PATH".into(), format!("{}:/bin:/usr/bin", dir.0.display()));
            ctx.env.insert("STATE".into(), dir.path("s"));
            run(&ctx)
        };
        let add = json!({"name": "oss", "repo": "http://x/r", "priority": 99});
        assert_eq!(call(add.clone()).unwrap()["changed"], true);
        let line = "--quiet --non-interactive addrepo --check --priority 99 --gpgcheck --refresh http://x/r oss\n";
        assert!(dir.read("s").ends_with(line), "{}", dir.read("s"));
        assert_eq!(call(add).unwrap()["changed"], false);
        assert_eq!(call(json!({"name": "oss", "state": "absent"})).unwrap()["changed"], true);
        assert_eq!(call(json!({"name": "oss", "state": "absent"})).unwrap()["changed"], false);
        assert_eq!(call(json!({"repo": "*", "runrefresh": true})).unwrap()["runrefresh"], true);
        assert!(call(json!({"repo": "*"})).is_err() && call(json!({"repo": "http://x/r"})).is_err());
    }
}
