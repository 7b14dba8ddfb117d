//! For `git`: the commands, with the SSH settings that the task wants.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail};
use crate::sys::run::Ran;
use crate::sys::shlex;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A repository on the host and where it comes from.
pub struct Git<'a> {
    ctx: &'a Ctx,
    /// The checkout.
    pub dest: PathBuf,
    program: PathBuf,
    repo: String,
    remote: String,
    ssh: Option<PathBuf>,
}

impl<'a> Git<'a> {
    /// Finds git and prepares how it is to use SSH.
    pub fn new(ctx: &'a Ctx, dest: PathBuf) -> Result<Self, Fail> {
        let program = match ctx.args.path("executable") {
            Some(path) => path,
            None => ctx.need("git")?,
        };
        let ssh = wrapper(ctx)?;
        Ok(Git { ctx, dest, program, repo: ctx.args.req("repo")?, remote: ctx.args.text("remote"), ssh })
    }

    /// Removes what `new` made.
    pub fn clean(&self) {
        if let Some(path) = &self.ssh {
            let _ = std::fs::remove_file(path);
        }
    }

    fn command<S: AsRef<OsStr>>(&self, words: &[S], cwd: Option<&Path>) -> Result<Ran, Fail> {
        let mut cmd = self.ctx.cmd(&self.program).args(words).english().env("GIT_TERMINAL_PROMPT", "0").stream();
        if let Some(ssh) = &self.ssh {
            cmd = cmd.env("GIT_SSH", ssh).env("GIT_SSH_VARIANT", "ssh");
        }
        if let Some(cwd) = cwd {
            cmd = cmd.cwd(cwd);
        }
        let umask = self.ctx.args.given("umask").map(|u| match u {
            serde_json::Value::Number(n) => format!("{:04o}", n.as_u64().unwrap_or(0o022)),
            other => crate::args::text(other),
        });
        cmd.umask(umask).run()
    }

    /// Runs git in the checkout.
    pub fn run<S: AsRef<OsStr>>(&self, words: &[S]) -> Result<Ran, Fail> {
        self.command(words, Some(&self.dest))
    }

    /// Runs git in the checkout; another status than 0 is a failure.
    pub fn must<S: AsRef<OsStr>>(&self, words: &[S]) -> Result<Ran, Fail> {
        let ran = self.run(words)?;
        if ran.ok() { Ok(ran) } else { Err(failed(&ran, words)) }
    }

    /// Whether the destination is one.
    pub fn is_repository(&self) -> bool {
        let config = if self.ctx.args.bool("bare") { self.dest.join("config") } else { self.dest.join(".git") };
        config.exists()
    }

    /// The checked-out commit.
    pub fn head(&self) -> Result<String, Fail> {
        Ok(self.must(&["rev-parse", "HEAD"])?.stdout.trim().to_string())
    }

    /// Tracked files that differ.
    pub fn modified(&self) -> Result<bool, Fail> {
        Ok(!self.must(&["status", "--porcelain", "--untracked-files=no"])?.stdout.trim().is_empty())
    }

    /// A commit that is here already, by branch, tag or hash.
    pub fn resolve(&self, version: &str) -> Option<String> {
        let candidates = [format!("{}/{version}^{{commit}}", self.remote), format!("{version}^{{commit}}")];
        candidates.iter().find_map(|c| {
            self.run(&["rev-parse", "--verify", "-q", c]).ok().filter(Ran::ok).map(|r| r.stdout.trim().to_string())
        })
    }

    /// The commit that the remote has for a version; a full hash is its own answer.
    pub fn remote_head(&self, version: &str) -> Result<Option<String>, Fail> {
        if is_hash(version) {
            return Ok(Some(version.to_string()));
        }
        let ran = self.command(&["ls-remote", &self.repo], None)?;
        if !ran.ok() {
            return Err(failed(&ran, &["ls-remote", &self.repo]));
        }
        Ok(pick(&ran.stdout, version))
    }

    /// Clones.
    pub fn clone_to(&self, version: &str) -> Result<(), Fail> {
        let args = &self.ctx.args;
        if let Some(parent) = self.dest.parent().filter(|p| !p.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).at("can't make the directory", parent)?;
        }
        let mut words: Vec<String> = vec!["clone".into()];
        words.push(if args.bool("bare") { "--bare".into() } else { format!("--origin={}", self.remote) });
        let depth = args.int("depth");
        if let Some(depth) = depth.filter(|_| !is_hash(version)) {
            words.extend(["--depth".into(), depth.to_string()]);
        }
        if (depth.is_some() || args.bool("single_branch")) && version != "HEAD" && !is_hash(version) {
            words.extend(["--branch".into(), version.to_string()]);
        }
        if args.bool("single_branch") {
            words.push("--single-branch".into());
        }
        if let Some(reference) = args.str("reference") {
            words.extend(["--reference".into(), reference]);
        }
        if let Some(dir) = args.path("separate_git_dir") {
            words.push(format!("--separate-git-dir={}", dir.display()));
        }
        words.extend([self.repo.clone(), self.dest.to_string_lossy().into_owned()]);
        let ran = self.command(&words, None)?;
        if !ran.ok() {
            return Err(failed(&ran, &words));
        }
        if let Some(refspec) = args.str("refspec") {
            self.must(&["fetch", &self.remote, &refspec])?;
        }
        Ok(())
    }

    /// The remote's address is the task's; whether it had to change.
    pub fn set_url(&self, check: bool) -> Result<bool, Fail> {
        let now = self.run(&["ls-remote", "--get-url", &self.remote])?.stdout.trim().to_string();
        if now == self.repo {
            return Ok(false);
        }
        if !check {
            let known = self.run(&["remote"])?.stdout.lines().any(|l| l == self.remote);
            self.must(&["remote", if known { "set-url" } else { "add" }, &self.remote, &self.repo])?;
        }
        Ok(true)
    }

    /// A clone of one branch follows another one as well: git tracks no branch that its fetches leave out.
    fn follow(&self, branch: &str) -> Result<(), Fail> {
        let key = format!("remote.{}.fetch", self.remote);
        let known = self.run(&["config", "--get-all", &key])?.stdout;
        let source = format!("refs/heads/{branch}:");
        if !known.contains('*') && !known.contains(&source) {
            self.must(&["remote", "set-branches", "--add", &self.remote, branch])?;
        }
        Ok(())
    }

    /// Fetches branches and tags.
    pub fn fetch(&self, version: &str) -> Result<(), Fail> {
        let args = &self.ctx.args;
        let mut words: Vec<String> = vec!["fetch".into()];
        if let Some(depth) = args.int("depth") {
            words.extend(["--depth".into(), depth.to_string()]);
        }
        if args.bool("force") {
            words.push("--force".into());
        }
        words.push("--tags".into());
        words.push(self.remote.clone());
        if let Some(refspec) = args.str("refspec") {
            words.push(refspec);
        } else if args.bool("bare") {
            words.push("+refs/heads/*:refs/heads/*".into());
        } else if args.given("depth").is_some() && version != "HEAD" && !is_hash(version) {
            words.push(format!("+refs/heads/{version}:refs/remotes/{}/{version}", self.remote));
            // The version may be a tag, which --tags has brought.
            if self.run(&words)?.ok() {
                return self.follow(version);
            }
            words.pop();
        } else {
            words.push(format!("+refs/heads/*:refs/remotes/{}/*", self.remote));
        }
        self.must(&words)?;
        Ok(())
    }

    /// Checks the version out: branches follow the remote's, tags and hashes stand alone.
    pub fn checkout(&self, version: &str) -> Result<(), Fail> {
        let branch = if version == "HEAD" {
            let reference = self.run(&["symbolic-ref", "-q", &format!("refs/remotes/{}/HEAD", self.remote)])?.stdout;
            match reference.trim().rsplit('/').next().filter(|b| !b.is_empty()) {
                Some(branch) => Some(branch.to_string()),
                None => self.run(&["symbolic-ref", "-q", "--short", "HEAD"])?.stdout.lines().next().map(str::to_string),
            }
        } else {
            let remote = format!("refs/remotes/{}/{version}", self.remote);
            self.run(&["rev-parse", "--verify", "-q", &remote])?.ok().then(|| version.to_string())
        };
        match branch {
            Some(branch) => {
                let remote = format!("{}/{branch}", self.remote);
                if self.run(&["rev-parse", "--verify", "-q", &format!("refs/heads/{branch}")])?.ok() {
                    self.must(&["checkout", "--force", &branch, "--"])?;
                } else {
                    self.must(&["checkout", "--track", "-b", &branch, &remote])?;
                }
                self.must(&["reset", "--hard", &remote, "--"])?;
            }
            None => {
                if self.run(&["rev-parse", "--verify", "-q", &format!("{version}^{{commit}}")])?.ok() {
                    self.must(&["checkout", "--force", version, "--"])?;
                    return Ok(());
                }
                // A commit that no branch of a shallow clone holds.
                self.run(&["fetch", &self.remote, version])?;
                let ran = self.run(&["checkout", "--force", version, "--"])?;
                if !ran.ok() {
                    return Err(ran.fail(format!("Failed to checkout {version}: {}", ran.complaint())));
                }
            }
        }
        Ok(())
    }

    fn has_submodules(&self) -> bool {
        self.ctx.args.opt_bool("recursive").unwrap_or(true) && self.dest.join(".gitmodules").exists()
    }

    /// Submodules that are not where they should be.
    pub fn submodules_differ(&self) -> Result<bool, Fail> {
        if !self.has_submodules() {
            return Ok(false);
        }
        let ran = self.run(&["submodule", "status", "--recursive"])?;
        Ok(self.ctx.args.bool("track_submodules") || ran.stdout.lines().any(|l| l.starts_with(['+', '-', 'U'])))
    }

    /// Brings submodules to where they should be; whether any moved.
    pub fn submodules(&self) -> Result<bool, Fail> {
        if !self.has_submodules() {
            return Ok(false);
        }
        let before = self.run(&["submodule", "status", "--recursive"])?.stdout;
        self.must(&["submodule", "sync", "--recursive"])?;
        let mut words = vec!["submodule", "update", "--init", "--recursive"];
        if self.ctx.args.bool("track_submodules") {
            words.push("--remote");
        }
        if self.ctx.args.bool("force") {
            words.push("--force");
        }
        self.must(&words)?;
        Ok(self.run(&["submodule", "status", "--recursive"])?.stdout != before)
    }

    /// `verify_commit`: the signature of what is checked out.
    pub fn verify(&self, version: &str) -> Result<(), Fail> {
        let args = &self.ctx.args;
        if !args.bool("verify_commit") || self.ctx.check {
            return Ok(());
        }
        let annotated = self.run(&["cat-file", "-t", &format!("refs/tags/{version}")])?.stdout.trim() == "tag";
        let what = if annotated { version.to_string() } else { self.head()? };
        let allowed = args.strs("gpg_allowlist");
        let mut words = vec![if annotated { "verify-tag" } else { "verify-commit" }];
        if !allowed.is_empty() {
            words.push("--raw");
        }
        words.push(&what);
        let ran = self.run(&words)?;
        if !ran.ok() {
            return Err(ran.fail(format!("Failed to verify GPG signature of commit/tag \"{version}\"")));
        }
        let signer = ran
            .stderr
            .lines()
            .find_map(|l| l.strip_prefix("[GNUPG:] VALIDSIG "))
            .and_then(|l| l.split_whitespace().last());
        if !allowed.is_empty()
            && !signer.is_some_and(|s| allowed.iter().any(|a| s.ends_with(a.trim_start_matches("0x"))))
        {
            crate::fail!(
                "The gpg_allowlist does not include the public key \"{}\" for this commit",
                signer.unwrap_or("unknown")
            );
        }
        Ok(())
    }
}

fn failed<S: AsRef<OsStr>>(ran: &Ran, words: &[S]) -> Fail {
    let verb = words.first().map(|w| w.as_ref().to_string_lossy().into_owned()).unwrap_or_default();
    ran.fail(format!("git {verb} failed: {}", ran.complaint()))
}

/// A full hash, SHA-1 or SHA-256.
pub fn is_hash(version: &str) -> bool {
    matches!(version.len(), 40 | 64) && version.chars().all(|c| c.is_ascii_hexdigit())
}

/// A version's commit among `ls-remote` lines: branch, tag (the commit behind it), HEAD.
fn pick(text: &str, version: &str) -> Option<String> {
    let find = |name: &str| {
        text.lines().filter_map(|l| l.split_once('\t')).find(|(_, r)| *r == name).map(|(hash, _)| hash.to_string())
    };
    if version == "HEAD" {
        return find("HEAD");
    }
    find(&format!("refs/heads/{version}"))
        .or_else(|| find(&format!("refs/tags/{version}^{{}}")))
        .or_else(|| find(&format!("refs/tags/{version}")))
        .or_else(|| find(version))
}

/// A program that calls ssh with the task's options. A file, since git before 2.3 knows no GIT_SSH_COMMAND.
fn wrapper(ctx: &Ctx) -> Result<Option<PathBuf>, Fail> {
    let args = &ctx.args;
    let mut options = Vec::new();
    if let Some(key) = args.path("key_file") {
        options.push(format!("-i {} -o IdentitiesOnly=yes", shlex::quote(&key.to_string_lossy())));
    }
    if args.bool("accept_hostkey") {
        options.push("-o StrictHostKeyChecking=no".into());
    } else if args.bool("accept_newhostkey") {
        options.push("-o StrictHostKeyChecking=accept-new".into());
    }
    options.extend(args.str("ssh_opts"));
    if options.is_empty() {
        return Ok(None);
    }
    let file = ctx.workdir.file_name(true)?;
    std::fs::write(&file, format!("#!/bin/sh\nexec ssh -o BatchMode=yes {} \"$@\"\n", options.join(" ")))
        .at("can't write", &file)?;
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o700)).at("can't write", &file)?;
    Ok(Some(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remote_references() {
        let text = "aa\tHEAD\nbb\trefs/heads/main\ncc\trefs/tags/v1\ndd\trefs/tags/v1^{}\n";
        for (version, want) in [("HEAD", Some("aa")), ("main", Some("bb")), ("v1", Some("dd")), ("v2", None)] {
            assert_eq!(pick(text, version).as_deref(), want, "{version}");
        }
        assert!(is_hash(&"a".repeat(40)) && !is_hash("v1"));
    }
}
