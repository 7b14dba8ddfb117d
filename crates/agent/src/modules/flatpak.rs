//! `flatpak`: applications and runtimes of Flatpak. Source: community.general's DOCUMENTATION and flatpak(1).

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::run::Ran;
use crate::sys::version::numbers;

/// What calls flatpak, and keeps what it said for the result.
pub(super) struct Flatpak<'a> {
    ctx: &'a Ctx,
    program: String,
    /// The result so far.
    pub(super) out: Outcome,
}

impl<'a> Flatpak<'a> {
    /// The program of this name or path.
    pub(super) fn new(ctx: &'a Ctx, name: &str) -> Result<Self, Fail> {
        let Some(program) = ctx.which(name) else {
            crate::fail!("Executable '{name}' was not found on the system.");
        };
        Ok(Flatpak { ctx, program: program.to_string_lossy().into_owned(), out: crate::out! {"changed": false} })
    }

    fn run(&self, words: &[String]) -> Result<Ran, Fail> {
        self.ctx.cmd(&self.program).args(words).english().run()
    }

    /// Asks for something; its output.
    pub(super) fn ask(&self, words: &[String]) -> Result<String, Fail> {
        let ran = self.run(words)?;
        if ran.ok() { Ok(ran.stdout) } else { Err(self.failed(words, &ran)) }
    }

    fn failed(&self, words: &[String], ran: &Ran) -> Fail {
        let command = format!("{} {}", self.program, words.join(" "));
        ran.fail(ran.complaint()).with("cmd", command.clone()).with("command", command)
    }

    /// Changes something, unless in check mode; its output.
    pub(super) fn act(&mut self, words: &[String]) -> Result<String, Fail> {
        self.out.insert("changed".into(), true.into());
        self.out.insert("command".into(), format!("{} {}", self.program, words.join(" ")).into());
        self.out.insert("rc".into(), 0.into());
        if self.ctx.check {
            return Ok(String::new());
        }
        let ran = self.run(words)?;
        if !ran.ok() {
            return Err(self.failed(words, &ran));
        }
        self.out.insert("stdout".into(), ran.stdout.as_str().into());
        self.out.insert("stderr".into(), ran.stderr.into());
        Ok(ran.stdout)
    }

    /// `--system` or `--user`.
    pub(super) fn method(&self) -> String {
        format!("--{}", self.ctx.args.text("method"))
    }
}

/// Whether a word is the name of an application: `org.gnome.gedit`.
fn is_id(word: &str) -> bool {
    let mut parts = word.split('.');
    let first = parts.next().unwrap_or_default();
    let low = first.chars().any(char::is_lowercase) && !first.chars().any(char::is_uppercase);
    let mut rest = parts.peekable();
    low && rest.peek().is_some() && rest.all(|p| !p.is_empty() && p.chars().all(char::is_alphanumeric))
}

fn is_url(name: &str) -> bool {
    name.starts_with("http://") || name.starts_with("https://")
}

/// The part of a name, a ref or a URL that says what it is.
fn common(name: &str) -> String {
    if is_url(name) {
        let path = name.split(['?', '#']).next().unwrap_or_default();
        let file = path.rsplit('/').next().unwrap_or_default();
        return file.rsplit_once('.').map_or("", |(stem, _)| stem).to_string();
    }
    name.split('/').find(|p| is_id(p)).unwrap_or(name).to_string()
}

/// The installed one that a name means. A URL says it by the name of its file only.
fn installed_as(name: &str, installed: &[String]) -> Option<String> {
    let wanted = common(name).to_lowercase();
    let exact = installed.iter().find(|i| i.to_lowercase() == wanted);
    let inside = || installed.iter().find(|i| is_url(name) && !wanted.is_empty() && i.to_lowercase().contains(&wanted));
    exact.or_else(inside).cloned()
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let (names, state) = (args.strs("name"), args.text("state"));
    let mut flatpak = Flatpak::new(ctx, &args.text("executable"))?;
    let method = flatpak.method();
    let version = flatpak.ask(&["--version".into()])?;
    let version = numbers(version.split_whitespace().nth(1).unwrap_or_default());
    let list = if version.as_slice() < [1, 2].as_slice() {
        // The first word of a line is the ref.
        let listed = flatpak.ask(&["list".into(), method.clone()])?;
        listed.lines().filter_map(|l| l.split_whitespace().next()).map(common).collect()
    } else {
        let listed = flatpak.ask(&["list".into(), method.clone(), "--columns=application".into()])?;
        listed.lines().map(|l| l.trim().to_string()).collect::<Vec<_>>()
    };
    let (there, missing): (Vec<&String>, Vec<&String>) = names.iter().partition(|n| installed_as(n, &list).is_some());
    let quiet = if version.as_slice() < [1, 1, 3].as_slice() { "-y" } else { "--noninteractive" };
    let start = |verb: &str| {
        let mut words = vec![verb.to_string(), method.clone(), quiet.to_string()];
        words.extend((verb != "uninstall" && args.bool("no_dependencies")).then(|| "--no-deps".to_string()));
        words
    };
    let known = || there.iter().filter_map(|n| installed_as(n, &list));
    if state == "absent" {
        if !there.is_empty() {
            let mut words = start("uninstall");
            words.extend(known());
            flatpak.act(&words)?;
        }
        return Ok(flatpak.out);
    }
    if state == "latest" && !there.is_empty() {
        let mut words = start("update");
        words.extend(known());
        let said = flatpak.act(&words)?;
        let nothing = !ctx.check && said.contains("Nothing to do.");
        flatpak.out.insert("changed".into(), (!nothing).into());
    }
    let (urls, ids): (Vec<&String>, Vec<&String>) = missing.into_iter().partition(|n| is_url(n));
    if !urls.is_empty() {
        let mut words = start("install");
        words.extend(urls.into_iter().cloned());
        flatpak.act(&words)?;
    }
    if !ids.is_empty() {
        let mut words = start("install");
        words.push(args.text("remote"));
        words.extend(ids.into_iter().cloned());
        flatpak.act(&words)?;
    }
    Ok(flatpak.out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::{Value, json};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn names() {
        for (name, want) in [
            ("org.gnome.gedit", "org.gnome.gedit"),
            ("app/org.gnome.gedit/x86_64/stable", "org.gnome.gedit"),
            ("org.gnome.gedit//beta", "org.gnome.gedit"),
            ("https://x.example/a/gedit.flatpakref?x=1", "gedit"),
            ("Odd.name", "Odd.name"),
        ] {
            assert_eq!(common(name), want, "{name}");
        }
        let have = ["org.gnome.gedit.Locale".to_string(), "org.gnome.Maps".to_string()];
        assert_eq!(installed_as("org.gnome.gedit", &have), None);
        assert_eq!(installed_as("org.gnome.maps", &have).as_deref(), Some("org.gnome.Maps"));
        assert_eq!(installed_as("https://x.example/Maps.flatpakref", &have).as_deref(), Some("org.gnome.Maps"));
    }

    const FLATPAK: &str = r#"#!/bin/sh
echo "$*" >>"$STATE/log"
case $1 in
--version) echo Flatpak 1.14.10 ;;
list) cat "$STATE/apps" ;;
install) for a; do case $a in *.*.*) echo "$a" >>"$STATE/apps" ;; esac; done ;;
update) echo Nothing to do. ;;
uninstall) for a; do sed -i "/^$a\$/d" "$STATE/apps"; done ;;
esac
"#;

    #[test]
    fn applications_come_once() {
        let dir = Scratch::new();
        dir.file("apps", "org.x.Old\n");
        std::fs::set_permissions(dir.file("flatpak", FLATPAK), PermissionsExt::from_mode(0o755)).unwrap();
        let call = |args: Value, check: bool| {
            let mut ctx = Ctx::test("flatpak", args);
            ctx.check = check;
            ctx.env.insert("PATH".into(), format!("{}:/bin:/usr/bin", dir.0.display()));
            ctx.env.insert("STATE".into(), dir.path(""));
            run(&ctx).unwrap()
        };
        let new = json!({"name": ["org.x.Old", "org.x.New"], "remote": "r", "method": "user", "no_dependencies": true});
        assert_eq!(call(new.clone(), true)["changed"], true);
        assert_eq!(dir.read("apps"), "org.x.Old\n");
        let made = call(new.clone(), false);
        assert!(made["command"].as_str().unwrap().ends_with("install --user --noninteractive --no-deps r org.x.New"));
        assert_eq!(call(new, false)["changed"], false);
        assert_eq!(call(json!({"name": ["org.x.New"], "state": "latest"}), false)["changed"], false);
        let gone = json!({"name": ["org.x.Old", "org.x.None"], "state": "absent"});
        assert_eq!(call(gone.clone(), false)["changed"], true);
        assert_eq!((call(gone, false)["changed"].clone(), dir.read("apps")), (false.into(), "org.x.New\n".into()));
        let ctx = Ctx::test("flatpak", json!({"name": "x", "executable": "/nowhere/flatpak"}));
        assert!(run(&ctx).unwrap_err().msg.contains("'/nowhere/flatpak' was not found"));
    }
}
