//! `gem`: packages of Ruby.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::run::Ran;

/// The versions in `name (1.1, 1.0 ruby, default: 0.9)`.
fn versions(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|l| l.split_once(" (")?.1.rsplit_once(')').map(|(v, _)| v))
        .flat_map(|list| list.split(", "))
        .filter_map(|v| v.trim_start_matches("default: ").split(' ').next().map(str::to_string))
        .collect()
}

struct Gem<'a> {
    ctx: &'a Ctx,
    base: Vec<String>,
    version: Option<(u32, u32, u32)>,
}

impl Gem<'_> {
    fn call(&self, words: &[String]) -> Result<Ran, Fail> {
        let mut cmd = self.ctx.cmd(&self.base[0]).args(&self.base[1..]).args(words).english();
        if let Some(dir) = self.ctx.args.path("install_dir") {
            cmd = cmd.env("GEM_HOME", dir);
        }
        let ran = cmd.run()?;
        if ran.ok() { Ok(ran) } else { Err(ran.fail(ran.complaint()).with("cmd", words.join(" "))) }
    }

    fn common(&self, verb: &str) -> Vec<String> {
        let mut words = vec![verb.to_string()];
        if self.ctx.args.bool("norc") && self.version.is_some_and(|v| v >= (2, 5, 2)) {
            words.push("--norc".into());
        }
        words
    }

    fn known(&self, remote: bool) -> Result<Vec<String>, Fail> {
        let args = &self.ctx.args;
        // `query` went with RubyGems 4; `list` takes the same.
        let mut words = self.common("list");
        if remote {
            words.push("--remote".into());
            if let Some(repository) = args.str("repository") {
                words.extend(["--source".into(), repository]);
            }
        }
        words.push(format!("^{}$", args.req("name")?));
        Ok(versions(&self.call(&words)?.stdout))
    }

    fn exists(&self, version: Option<&str>) -> Result<bool, Fail> {
        let known = self.known(false)?;
        Ok(version.map_or(!known.is_empty(), |v| known.iter().any(|k| k == v)))
    }

    fn install(&self, name: &str, version: Option<&str>) -> Result<(), Fail> {
        let args = &self.ctx.args;
        let old = self.version.is_some_and(|v| v < (2, 0, 0));
        let mut words = self.common("install");
        let mut add = |more: &[&str]| words.extend(more.iter().map(|w| w.to_string()));
        if let Some(version) = version {
            add(&["--version", version]);
        }
        if let Some(repository) = args.str("repository") {
            add(&["--source", &repository]);
        }
        if !args.bool("include_dependencies") {
            add(&["--ignore-dependencies"]);
        } else if old {
            add(&["--include-dependencies"]);
        }
        add(&[if args.bool("user_install") { "--user-install" } else { "--no-user-install" }]);
        for (option, name) in [("--install-dir", "install_dir"), ("--bindir", "bindir")] {
            if let Some(dir) = args.path(name) {
                add(&[option, &dir.to_string_lossy()]);
            }
        }
        if args.bool("pre_release") {
            add(&["--pre"]);
        }
        if !args.bool("include_doc") {
            add(if old { &["--no-rdoc", "--no-ri"] } else { &["--no-document"] });
        }
        if args.bool("env_shebang") {
            add(&["--env-shebang"]);
        }
        if args.bool("force") {
            add(&["--force"]);
        }
        let source = args.path("gem_source").map(|p| p.to_string_lossy().into_owned());
        add(&[source.as_deref().unwrap_or(name)]);
        if let Some(flags) = args.str("build_flags").filter(|f| !f.is_empty()) {
            add(&["--", &flags]);
        }
        self.call(&words).map(|_| ())
    }

    fn uninstall(&self, name: &str, version: Option<&str>) -> Result<Ran, Fail> {
        let args = &self.ctx.args;
        let mut words = self.common("uninstall");
        for (option, name) in [("--install-dir", "install_dir"), ("--bindir", "bindir")] {
            if let Some(dir) = args.path(name) {
                words.extend([option.into(), dir.to_string_lossy().into_owned()]);
            }
        }
        match version {
            Some(version) => words.extend(["--version".into(), version.into()]),
            None => words.push("--all".into()),
        }
        words.push("--executable".into());
        if args.bool("force") {
            words.push("--force".into());
        }
        words.push(name.into());
        self.call(&words)
    }
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let (name, state) = (args.req("name")?, args.text("state"));
    let mut version = args.str("version");
    if version.is_some() && state == "latest" {
        crate::fail!("Cannot specify version when state=latest");
    }
    if args.given("gem_source").is_some() && state == "latest" {
        crate::fail!("Cannot maintain state=latest when installing from local source");
    }
    if args.bool("user_install") && args.given("install_dir").is_some() {
        crate::fail!("install_dir requires user_install=false");
    }
    let base: Vec<String> = match args.str("executable") {
        Some(line) => args.expand(&line).to_string_lossy().split(' ').map(str::to_string).collect(),
        None => vec![ctx.need("gem")?.to_string_lossy().into_owned()],
    };
    let mut gem = Gem { ctx, base, version: None };
    let said = gem.call(&["--version".into()])?.stdout;
    let mut parts = said.trim().split('.').map(|p| p.parse::<u32>().ok());
    if let (Some(Some(a)), Some(Some(b)), Some(Some(c))) = (parts.next(), parts.next(), parts.next()) {
        gem.version = Some((a, b, c));
    }
    if state == "latest" {
        version = gem.known(true)?.into_iter().next();
    }
    let exists = gem.exists(version.as_deref())?;
    let changed = exists == (state == "absent");
    if changed && !ctx.check {
        if state != "absent" {
            gem.install(&name, version.as_deref())?;
        } else {
            let ran = gem.uninstall(&name, version.as_deref())?;
            if gem.exists(version.as_deref())? {
                return Err(ran.fail(format!(
                    "Failed to uninstall gem '{name}': it is still there. Default gems and those of the distribution can't be removed by gem"
                )));
            }
        }
    }
    let mut out = crate::out! {"changed": changed, "name": name, "state": state};
    if let Some(version) = version {
        out.insert("version".into(), version.into());
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        assert_eq!(versions("\n*** LOCAL GEMS ***\n\nrake (13.0.6, default: 12.3)\n"), ["13.0.6", "12.3"]);
        assert_eq!(versions("nokogiri (1.13.10 ruby java)\n"), ["1.13.10"]);
    }
}
