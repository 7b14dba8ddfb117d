//! `synchronize`: one run of rsync. The controller has completed paths, remote path and remote shell.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::shlex::{quote, split};
use std::path::{Component, Path, PathBuf};

/// What rsync writes before each line about a change.
const MARK: &str = "<<CHANGED>>";

/// Options that are a word each, those in front of the archive's and those that need a value of their own.
const SWITCHES: &[(&str, &str)] = &[
    ("delete", "--delete-after"),
    ("existing_only", "--existing"),
    ("checksum", "--checksum"),
    ("copy_links", "--copy-links"),
];

/// What `archive` stands for, each part of which can be turned off, or on without it.
const PARTS: &[&str] = &["recursive", "links", "perms", "times", "owner", "group"];

/// `localhost:` as the host that runs rsync would name the controller.
fn controllers_name(ctx: &Ctx, path: &str) -> Result<String, Fail> {
    let Some(rest) = path.strip_prefix("localhost:") else { return Ok(path.to_string()) };
    let client = ["SSH_CLIENT", "SSH_CONNECTION"].iter().find_map(|name| ctx.env(name));
    match client.as_deref().and_then(|c| c.split_whitespace().next()) {
        Some(address) => Ok(format!("{address}:{rest}")),
        None => crate::fail!("Could not determine controller hostname for rsync to send to"),
    }
}

/// The remote shell: the controller's connection, or the ssh program.
fn remote_shell(ctx: &Ctx) -> Result<String, Fail> {
    let args = &ctx.args;
    if let Some(socket) = args.str("_relay") {
        let me = format!("/proc/{}/exe", std::process::id());
        return Ok(format!("{me} {} {}", crate::relay::FLAG, quote(&socket)));
    }
    let mut words = vec![ctx.need("ssh")?.to_string_lossy().into_owned()];
    let mut add = |more: &[&str]| words.extend(more.iter().map(|w| w.to_string()));
    if !args.bool("ssh_connection_multiplexing") {
        add(&["-S", "none"]);
    }
    if let Some(key) = args.path("private_key") {
        add(&["-i", &key.to_string_lossy()]);
    }
    if let Some(port) = args.int("dest_port") {
        add(&["-o", &format!("Port={port}")]);
    }
    if !args.bool("verify_host") {
        add(&["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]);
    }
    let line: Vec<String> = words.iter().map(|w| quote(w)).collect();
    let more = args.str("_ssh_args").map(|a| format!(" {a}")).unwrap_or_default();
    Ok(format!("{}{more}", line.join(" ")))
}

/// A path without `.` and `..`, from the working directory on.
fn absolute(path: &Path) -> PathBuf {
    let base = std::env::current_dir().unwrap_or_default().join(path);
    base.components().fold(PathBuf::new(), |mut out, part| {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
        out
    })
}

/// The command line, in a shell's words. `program` is rsync.
fn line(ctx: &Ctx, program: &str, source: &str, dest: &str) -> Result<String, Fail> {
    let args = &ctx.args;
    let mut words = vec![program.to_string()];
    let mut add = |more: String| words.push(more);
    if args.bool("delay_updates") {
        add("--delay-updates".into());
        add("-F".into());
    }
    if args.bool("compress") {
        add("--compress".into());
    }
    if let Some(seconds) = args.int("rsync_timeout").filter(|s| *s != 0) {
        add(format!("--timeout={seconds}"));
    }
    if ctx.check {
        add("--dry-run".into());
    }
    for (option, word) in SWITCHES {
        if args.bool(option) {
            add(word.to_string());
        }
    }
    let archive = args.bool("archive");
    if archive {
        add("--archive".into());
    }
    for part in PARTS {
        match args.opt_bool(part) {
            Some(false) if archive => add(format!("--no-{part}")),
            Some(true) if !archive => add(format!("--{part}")),
            _ => {}
        }
    }
    if args.bool("dirs") {
        add("--dirs".into());
    }
    let urls = [source, dest].map(|p| p.starts_with("rsync://"));
    if urls == [true, true] {
        return Err(Fail::new("either src or dest must be a localhost").with("rc", 1));
    }
    let opts = args.strs("rsync_opts");
    let remote = urls == [false, false] && (source.contains(':') || dest.contains(':'));
    if remote && !opts.iter().any(|o| o.contains("--rsh")) {
        add(format!("--rsh={}", quote(&remote_shell(ctx)?)));
    }
    if let Some(path) = args.str("rsync_path").filter(|p| !p.is_empty()) {
        add(format!("--rsync-path={}", quote(&path)));
    }
    if opts.iter().any(String::is_empty) {
        ctx.warn(
            "an empty text in rsync_opts makes rsync send the working directory: write \".\" if that is meant, else look for what leaves it empty",
        );
    }
    // An empty one is a word of its own only where it is quoted, as in a shell.
    opts.into_iter().for_each(&mut add);
    if args.bool("partial") {
        add("--partial".into());
    }
    if let Some(links) = args.opt_strs("link_dest") {
        add("-H".into());
        // Without it rsync says nothing of a hard link that it makes.
        add("-vv".into());
        for link in links {
            let link = absolute(&args.expand(&link));
            let place = absolute(Path::new(dest).parent().unwrap_or(Path::new("")));
            if place.to_string_lossy().starts_with(&*link.to_string_lossy()) {
                crate::fail!(
                    "Hardlinking into a subdirectory of the source would cause recursion. {} and {dest}",
                    place.display()
                );
            }
            add(format!("--link-dest={}", link.display()));
        }
    }
    add(format!("--out-format={}", quote(&format!("{MARK}%i %n%L"))));
    add(quote(source));
    add(quote(dest));
    Ok(words.join(" "))
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let text = |name: &str| Ok::<_, Fail>(args.req_path(name)?.to_string_lossy().into_owned());
    let (mut source, mut dest) = (text("src")?, text("dest")?);
    // A slash at the end says "what is in it".
    for (path, name) in [(&mut source, "src"), (&mut dest, "dest")] {
        if args.text(name).ends_with('/') && !path.ends_with('/') {
            path.push('/');
        }
    }
    if args.bool("_substitute_controller") {
        (source, dest) = (controllers_name(ctx, &source)?, controllers_name(ctx, &dest)?);
    }
    let program = match args.text("_local_rsync_path") {
        path if path.contains('/') => path,
        name => ctx.need(&name)?.to_string_lossy().into_owned(),
    };
    let mut cmd = line(ctx, &program, &source, &dest)?;
    let password = args.str("_local_rsync_password").filter(|p| !p.is_empty() && cmd.contains("--rsh="));
    if password.is_some() {
        if ctx.which("sshpass").is_none() {
            crate::fail!("to use rsync connection with passwords, you must install the sshpass program");
        }
        // Through the environment of that one process: never on a command line.
        cmd = format!("sshpass -e {cmd}");
    }
    let words = split(&cmd).ok_or_else(|| Fail::new(format!("a quote has no end: {cmd}")))?;
    let mut command = ctx.cmd(&words[0]).args(&words[1..]).english();
    if let Some(password) = &password {
        command = command.env("SSHPASS", password);
    }
    let ran = command.run()?;
    if !ran.ok() {
        return Err(Fail::new(ran.stderr.clone()).with("rc", ran.rc).with("cmd", cmd));
    }
    let changed = match args.given("link_dest") {
        // There a leading point is no change.
        Some(_) => !ran.stdout.contains(&format!("{MARK}.")),
        None => ran.stdout.contains(MARK),
    };
    let said = ran.stdout.replace(MARK, "");
    let lines: Vec<&str> = said.split('\n').filter(|l| !l.is_empty()).collect();
    let mut out = crate::out! {"changed": changed, "msg": said, "rc": ran.rc, "cmd": cmd, "stdout_lines": lines};
    if ctx.diff {
        out.insert("diff".into(), serde_json::json!({"prepared": said}));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::json;

    #[test]
    fn lines() {
        let call = |args: serde_json::Value, check| {
            let mut ctx = Ctx::test("synchronize", args.clone());
            ctx.check = check;
            let at = |n: &str| args[n].as_str().unwrap_or_default().to_string();
            line(&ctx, "rsync", &at("src"), &at("dest")).map_err(|f| f.msg)
        };
        let tail = "'--out-format=<<CHANGED>>%i %n%L'".replace("'--out-format=", "--out-format='");
        for (args, check, want) in [
            (json!({"src": "/a/", "dest": "/b"}), false, "rsync --delay-updates -F --compress --archive T /a/ /b"),
            (
                json!({"src": "/a b", "dest": "/b", "compress": false, "delay_updates": false, "archive": false,
                    "recursive": true, "times": true, "delete": true, "dirs": true, "rsync_timeout": 5}),
                true,
                "rsync --timeout=5 --dry-run --delete-after --recursive --times --dirs T '/a b' /b",
            ),
            (
                json!({"src": "/a", "dest": "u@h:/b", "delay_updates": false, "compress": false, "owner": false,
                    "_relay": "/s", "rsync_path": "sudo -u root rsync", "rsync_opts": ["--exclude=.git", "--no-motd"],
                    "partial": true}),
                false,
                "rsync --archive --no-owner --rsh='EXE --relay /s' --rsync-path='sudo -u root rsync' --exclude=.git --no-motd --partial T /a u@h:/b",
            ),
        ] {
            let want =
                want.replace("T ", &format!("{tail} ")).replace("EXE", &format!("/proc/{}/exe", std::process::id()));
            assert_eq!(call(args.clone(), check).unwrap(), want, "{args}");
        }
        assert!(call(json!({"src": "rsync://a/b", "dest": "rsync://c/d"}), false).is_err());
        assert!(
            call(json!({"src": "/a", "dest": "/x/y/f", "link_dest": ["/x"]}), false).unwrap_err().contains("recursion")
        );
    }

    #[test]
    fn a_tree_on_one_host() {
        if Ctx::test("synchronize", json!({})).which("rsync").is_none() {
            crate::sys::files::skipped("rsync is not installed");
            return;
        }
        let dir = Scratch::new();
        std::fs::create_dir(dir.0.join("a")).unwrap();
        dir.file("a/x", "1");
        let call = |more: serde_json::Value, check| {
            let mut args = json!({"src": format!("{}/", dir.path("a")), "dest": dir.path("b")});
            args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let mut ctx = Ctx::test("synchronize", args);
            ctx.check = check;
            run(&ctx).unwrap()
        };
        assert_eq!(call(json!({}), true)["changed"], true);
        assert!(!dir.0.join("b").exists());
        let first = call(json!({}), false);
        assert_eq!((&first["changed"], &first["rc"]), (&json!(true), &json!(0)));
        assert!(first["stdout_lines"].to_string().contains("x"));
        assert_eq!(dir.read("b/x"), "1");
        assert_eq!(call(json!({}), false)["changed"], false);
        dir.file("b/y", "2");
        assert_eq!(call(json!({"delete": true}), false)["changed"], true);
        assert!(!dir.0.join("b/y").exists());
    }
}
