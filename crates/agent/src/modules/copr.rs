//! `copr`: repositories of Copr, for dnf. Source: community.general's DOCUMENTATION and what Copr answers under `/coprs/…/repo/`.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::http::Request;
use crate::sys::ini::Ini;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// `fedora-39-x86_64` of this machine.
fn own_chroot() -> Result<String, Fail> {
    let text = std::fs::read_to_string("/etc/os-release").or_fail("can't read /etc/os-release")?;
    let of = |key: &str| {
        let line = text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix('='));
        line.map(|v| v.trim_matches(['"', '\'']).to_string()).unwrap_or_default()
    };
    let machine = rustix::system::uname().machine().to_string_lossy().into_owned();
    let arch = if matches!(machine.as_str(), "i486" | "i586" | "i686") { "i386".to_string() } else { machine };
    Ok(format!("{}-{}-{arch}", of("ID"), of("VERSION_ID")))
}

struct Copr<'a> {
    ctx: &'a Ctx,
    host: String,
    /// `user/project`, `@group/project`.
    name: String,
    chroot: String,
}

impl Copr<'_> {
    fn get(&self, chroot: &str, arch: &str) -> Result<Result<String, u16>, Fail> {
        let protocol = self.ctx.args.text("protocol");
        let url = format!("{protocol}://{}/coprs/{}/repo/{chroot}/dnf.repo?arch={arch}", self.host, self.name);
        let mut answer = Request::get(&url).send(self.ctx)?;
        if answer.status != 200 {
            return Ok(Err(answer.status));
        }
        let mut text = String::new();
        answer.body.read_to_string(&mut text).or_fail("Copr's answer broke off")?;
        Ok(Ok(text))
    }

    /// The file that Copr has for this chroot; where RHEL and CentOS have none, for what they are like.
    fn file(&self) -> Result<String, Fail> {
        let name = &self.chroot;
        let (short, arch) = name.rsplit_once('-').unwrap_or((name, ""));
        let (mut distribution, version) = short.split_once('-').unwrap_or((short, ""));
        let mut chroot = short.to_string();
        loop {
            let status = match self.get(&chroot, arch)? {
                Ok(text) => return Ok(self.with_packages(text)),
                Err(status) => status,
            };
            match distribution {
                "rhel" => (chroot, distribution) = ("centos-stream-8".into(), "centos"),
                "centos" => {
                    chroot = format!("epel-{}", version.trim_start_matches("stream-"));
                    distribution = "epel";
                }
                _ if status == 404 => crate::fail!("Chroot {name} does not exist in {}", self.name),
                _ => crate::fail!("This repository does not have any builds yet so you cannot enable it now."),
            }
        }
    }

    fn with_packages(&self, text: String) -> String {
        let mut out = text;
        for option in ["includepkgs", "excludepkgs"] {
            let packages = self.ctx.args.strs(option);
            if !packages.is_empty() {
                out = format!("{}\n{option}={}\n", out.trim_end_matches('\n'), packages.join(","));
            }
        }
        out
    }

    fn parts(&self) -> Result<(String, String), Fail> {
        let Some((user, project)) = self.name.split_once('/').filter(|(u, p)| !u.is_empty() && !p.contains('/')) else {
            crate::fail!("name {} is not user/project, as in \"@copr/integration_tests\"", self.name);
        };
        Ok((user.strip_prefix('@').map_or(user.to_string(), |group| format!("group_{group}")), project.to_string()))
    }

    /// The file among dnf's repositories that has this one, under the id that it has or the one that it had once.
    fn installed(&self, dir: &Path) -> Result<Option<PathBuf>, Fail> {
        let (user, project) = self.parts()?;
        let (id, old) = (format!("copr:{}:{user}:{project}", self.host), format!("{user}-{project}"));
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect();
        files.sort();
        for path in files.iter().filter(|p| p.extension().is_some_and(|e| e == "repo")) {
            let ini = Ini::parse(&std::fs::read_to_string(path).unwrap_or_default());
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            // `_copr:host:user:project.repo` says whose it is; `_copr_user-project.repo` does not.
            let host = file.strip_prefix("_copr:").and_then(|f| f.rsplitn(3, ':').nth(2));
            let is_old = ini.get(&old).is_some() && file.contains("_copr") && host.is_none_or(|h| h == self.host);
            if ini.get(&id).is_some() || is_old {
                return Ok(Some(path.clone()));
            }
        }
        Ok(None)
    }
}

/// The same repositories, switched off.
fn disabled(text: &str) -> String {
    let line = |l: &str| if l.trim().replace(' ', "") == "enabled=1" { "enabled=0".to_string() } else { l.to_string() };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

fn run_in(ctx: &Ctx, dir: &Path) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let chroot = match args.str("chroot").filter(|c| !c.is_empty()) {
        Some(chroot) => chroot,
        None => own_chroot()?,
    };
    let copr = Copr { ctx, host: args.text("host"), name: args.req("name")?, chroot };
    let (user, project) = copr.parts()?;
    let state = args.text("state");
    let file = format!("_copr:{}:{user}:{project}.repo", copr.host);
    let path = dir.join(&file);
    let changed = if state == "absent" {
        let installed = copr.installed(dir)?;
        if let Some(path) = installed.as_ref().filter(|_| !ctx.check) {
            std::fs::remove_file(path).at("can't remove", path)?;
        }
        installed.is_some()
    } else {
        let text = copr.file()?;
        let (path, text) = if state == "enabled" {
            (path, text)
        } else {
            // One under an old id is switched off where it is.
            (copr.installed(dir)?.unwrap_or(path), disabled(&text))
        };
        let now = std::fs::read(&path).unwrap_or_default();
        let changed = now != text.as_bytes();
        if changed && !ctx.check {
            crate::sys::files::write(ctx, &path, text.as_bytes(), false)?;
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).at("can't change the mode of", &path)?;
        }
        changed
    };
    let mut out = crate::out! {
        "changed": changed, "msg": state, "repo": format!("{}/{user}/{project}", copr.host), "repo_filename": file,
    };
    if changed && state == "enabled" {
        out.insert("info".into(), "Please note that this repository is not part of the main distribution".into());
    }
    Ok(out)
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    if !rustix::process::geteuid().is_root() {
        crate::fail!("This command has to be run under the root user.");
    }
    run_in(ctx, Path::new("/etc/yum.repos.d"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::{Value, json};
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    /// A Copr that has a file for one distribution only. It ends with the test.
    fn copr() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let id = format!("[copr:{address}:group_g:p]\nname=n\nenabled=1\n");
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut line = String::new();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                reader.read_line(&mut line).unwrap();
                let mut rest = String::new();
                while reader.read_line(&mut rest).is_ok_and(|n| n > 2) {
                    rest.clear();
                }
                let there = line.starts_with("GET /coprs/@g/p/repo/epel-9/dnf.repo?arch=x86_64 ");
                let (status, body) = if there { ("200 OK", id.as_str()) } else { ("404 Not Found", "") };
                let length = body.len();
                let _ =
                    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
            }
        });
        address
    }

    #[test]
    fn repositories_come_once() {
        let (host, dir) = (copr(), Scratch::new());
        let call = |more: Value, check: bool| {
            let mut args =
                json!({"host": host, "protocol": "http", "name": "@g/p", "chroot": "centos-stream-9-x86_64"});
            args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let mut ctx = Ctx::test("copr", args);
            ctx.check = check;
            run_in(&ctx, &dir.0)
        };
        let changed =
            |more: Value, check: bool| call(more, check).unwrap_or_else(|e| panic!("{}", e.msg))["changed"] == true;
        let file = format!("_copr:{host}:group_g:p.repo");
        let first = call(json!({}), true).unwrap();
        assert_eq!((&first["repo_filename"], &first["repo"]), (&json!(file), &json!(format!("{host}/group_g/p"))));
        assert!(!dir.0.join(&file).exists());
        assert!(changed(json!({}), false) && !changed(json!({}), false));
        assert!(dir.read(&file).contains("\nenabled=1\n"));
        let some = json!({"includepkgs": ["a", "b"]});
        assert!(changed(some.clone(), false) && !changed(some, false));
        assert!(dir.read(&file).ends_with("\nincludepkgs=a,b\n"));
        let off = json!({"state": "disabled"});
        assert!(changed(off.clone(), true) && changed(off.clone(), false) && !changed(off, false));
        assert!(dir.read(&file).contains("\nenabled=0\n"));
        let gone = json!({"state": "absent"});
        assert!(changed(gone.clone(), true) && changed(gone.clone(), false) && !changed(gone.clone(), false));
        // One that an older dnf made.
        dir.file("_copr_group_g-p.repo", "[group_g-p]\nname=n\nenabled=1\n");
        assert!(changed(gone.clone(), false) && !changed(gone, false));
        assert!(
            call(json!({"chroot": "fedora-1-x86_64"}), false)
                .unwrap_err()
                .msg
                .contains("fedora-1-x86_64 does not exist")
        );
        assert!(call(json!({"name": "p"}), false).unwrap_err().msg.contains("is not user/project"));
    }
}
