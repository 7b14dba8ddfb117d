//! For `git`: the commands, with the SSH settings that the task wants.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail};
use crate::sys::run::Ran;
use crate::sys::shlex;
use std::cell::OnceCell;
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
    /// What `ls-remote` says, asked once.
    references: OnceCell<String>,
}

impl<'a> Git<'a> {
    /// Finds git and prepares how it is to use SSH.
    pub fn new(ctx: &'a Ctx, dest: PathBuf) -> Result<Self, Fail> {
        let program = match ctx.args.path("executable") {
            Some(path) => path,
            None => ctx.need("git")?,
        };
        let ssh = wrapper(ctx)?;
        // Ansible gives paths a protocol: `depth` is taken notice of with one only.
        let mut repo = ctx.args.req("repo")?;
        let path = if repo.starts_with('~') { ctx.args.expand(&repo) } else { PathBuf::from(&repo) };
        if path.is_absolute() {
            repo = format!("file://{}", path.display());
        }
        Ok(Git { ctx, dest, program, repo, remote: ctx.args.text("remote"), ssh, references: OnceCell::new() })
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

    /// Where the repository itself is: `dest`, its `.git`, or what that says if it is a file.
    pub fn folder(&self) -> Result<PathBuf, Fail> {
        if self.ctx.args.bool("bare") {
            return Ok(self.dest.clone());
        }
        let path = self.dest.join(".git");
        if !path.is_file() {
            return Ok(path);
        }
        let broken = |why: String| {
            Fail::new(
                "Current repo does not have a valid reference to a separate Git dir or it refers to the invalid path",
            )
            .with("details", why)
        };
        let text = std::fs::read_to_string(&path).at("can't read", &path)?;
        let Some(named) = text.trim_end().strip_prefix("gitdir: ") else {
            return Err(broken(".git file has invalid git dir reference format".into()));
        };
        let folder = self.dest.join(named);
        if folder.is_dir() { Ok(folder) } else { Err(broken(format!("{} is not a directory", folder.display()))) }
    }

    /// Whether the destination is one.
    pub fn is_repository(&self) -> Result<bool, Fail> {
        Ok(self.folder()?.join("config").exists())
    }

    /// `separate_git_dir`: moves the repository there; whether it was (or, in check mode, would be) moved.
    pub fn relocate(&self) -> Result<bool, Fail> {
        let (Some(wanted), now) = (self.ctx.args.path("separate_git_dir"), self.folder()?) else { return Ok(false) };
        let wanted = wanted.canonicalize().unwrap_or(wanted);
        if !now.exists() || now.canonicalize().unwrap_or_else(|_| now.clone()) == wanted {
            return Ok(false);
        }
        if wanted.exists() {
            crate::fail!("Separate-git-dir path {} already exists.", wanted.display());
        }
        if !self.ctx.check {
            let link = self.dest.join(".git");
            let ran = self.ctx.run(&[OsStr::new("mv"), now.as_os_str(), wanted.as_os_str()])?;
            if !ran.ok() {
                return Err(ran.fail(format!(
                    "the git dir can't be moved to {}: {}",
                    wanted.display(),
                    ran.complaint()
                )));
            }
            std::fs::write(&link, format!("gitdir: {}", wanted.display())).at("can't write", &link)?;
            if wanted.join("modules").is_dir() {
                crate::fail!(
                    "the git dir has been moved to {}, but those of its submodules still say where it was",
                    wanted.display()
                );
            }
        }
        Ok(true)
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

    /// What the remote has.
    fn references(&self) -> Result<&str, Fail> {
        if let Some(text) = self.references.get() {
            return Ok(text);
        }
        let ran = self.command(&["ls-remote", &self.repo], None)?;
        if !ran.ok() {
            return Err(failed(&ran, &["ls-remote", &self.repo]));
        }
        Ok(self.references.get_or_init(|| ran.stdout))
    }

    fn remote_has(&self, kind: &str, version: &str) -> Result<bool, Fail> {
        Ok(version != "HEAD"
            && !is_hash(version)
            && pick(self.references()?, &format!("refs/{kind}/{version}")).is_some())
    }

    /// The commit that the remote has for a version; a full hash is its own answer. HEAD of a checkout is that of its branch.
    pub fn remote_head(&self, version: &str, checkout: bool) -> Result<Option<String>, Fail> {
        if is_hash(version) {
            return Ok(Some(version.to_string()));
        }
        if version == "HEAD"
            && checkout
            && let Some(branch) = self.head_branch()?
        {
            return Ok(pick(self.references()?, &format!("refs/heads/{branch}")));
        }
        Ok(pick(self.references()?, version))
    }

    /// The branch that is checked out; without one, that of the remote's HEAD, as Ansible has it.
    fn head_branch(&self) -> Result<Option<String>, Fail> {
        let own = self.run(&["symbolic-ref", "-q", "--short", "HEAD"])?.stdout;
        if !own.trim().is_empty() {
            return Ok(Some(own.trim().to_string()));
        }
        let start = format!("refs/remotes/{}/", self.remote);
        let reference = self.run(&["symbolic-ref", "-q", &format!("{start}HEAD")])?.stdout;
        Ok(reference.trim().strip_prefix(&start).map(str::to_string))
    }

    /// Clones.
    pub fn clone_to(&self, version: &str) -> Result<(), Fail> {
        let args = &self.ctx.args;
        if let Some(parent) = self.dest.parent().filter(|p| !p.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).at("can't make the directory", parent)?;
        }
        let mut words: Vec<String> = vec!["clone".into()];
        words.push(if args.bool("bare") { "--bare".into() } else { format!("--origin={}", self.remote) });
        let (depth, refspec) = (args.int("depth"), args.str("refspec"));
        let named = (depth.is_some() || args.bool("single_branch"))
            && (self.remote_has("heads", version)? || self.remote_has("tags", version)?);
        if let Some(depth) = depth {
            if named || version == "HEAD" || refspec.is_some() {
                words.extend(["--depth".into(), depth.to_string()]);
            } else {
                self.ctx.warn(
                    "Ignoring depth argument. Shallow clones are only available for HEAD, branches, tags or in combination with refspec.",
                );
            }
        }
        if let Some(reference) = args.str("reference") {
            words.extend(["--reference".into(), reference]);
        }
        if args.bool("single_branch") {
            words.push("--single-branch".into());
        }
        if named && refspec.is_none() {
            words.extend(["--branch".into(), version.to_string()]);
        }
        if let Some(dir) = args.path("separate_git_dir") {
            words.push(format!("--separate-git-dir={}", dir.display()));
        }
        words.extend([self.repo.clone(), self.dest.to_string_lossy().into_owned()]);
        let ran = self.command(&words, None)?;
        if !ran.ok() {
            return Err(failed(&ran, &words));
        }
        if args.bool("bare") && self.remote != "origin" {
            self.must(&["remote", "add", &self.remote, &self.repo])?;
        }
        if let Some(refspec) = refspec {
            let mut words = vec!["fetch".to_string()];
            words.extend(depth.into_iter().flat_map(|d| ["--depth".to_string(), d.to_string()]));
            words.extend([self.remote.clone(), refspec]);
            self.must(&words)?;
        }
        Ok(())
    }

    /// The remote's address is the task's; whether it had to change.
    pub fn set_url(&self, check: bool) -> Result<bool, Fail> {
        let now = self.run(&["ls-remote", "--get-url", &self.remote])?.stdout.trim().to_string();
        if now.trim_end_matches('/') == self.repo.trim_end_matches('/') {
            return Ok(false);
        }
        if !check {
            let known = self.run(&["remote"])?.stdout.lines().any(|l| l == self.remote);
            self.must(&["remote", if known { "set-url" } else { "add" }, &self.remote, &self.repo])?;
        }
        Ok(true)
    }

    /// Fetches what the version needs: with `depth` that alone, else branches and tags.
    pub fn fetch(&self, version: &str) -> Result<(), Fail> {
        let args = &self.ctx.args;
        let refspec = args.str("refspec");
        let both = || [format!("+refs/heads/{version}:refs/remotes/{}/{version}", self.remote)];
        let mut words: Vec<String> = vec!["fetch".into()];
        let mut wanted: Vec<String> = Vec::new();
        if let Some(depth) = args.int("depth") {
            let head = self.head_branch()?;
            if let Some(refspec) = &refspec {
                wanted.push(refspec.clone());
            } else if version == "HEAD" {
                wanted.extend(head);
            } else if self.remote_has("heads", version)? {
                // A clone of one branch: the other one is made here as well, since git tracks none that its fetches leave out.
                if head.as_deref() != Some(version) {
                    wanted.push(format!("+refs/heads/{version}:refs/heads/{version}"));
                }
                wanted.extend(both());
            } else if self.remote_has("tags", version)? {
                wanted.push(format!("+refs/tags/{version}:refs/tags/{version}"));
            }
            // A hash can't be asked for alone: everything is fetched then.
            if !wanted.is_empty() {
                words.extend(["--depth".into(), depth.to_string()]);
            }
        }
        if wanted.is_empty() {
            if args.bool("bare") {
                wanted.extend(["+refs/heads/*:refs/heads/*".into(), "+refs/tags/*:refs/tags/*".into()]);
            } else {
                words.push("--tags".into());
            }
            wanted.extend(refspec);
        }
        if args.bool("force") {
            words.push("--force".into());
        }
        words.push(self.remote.clone());
        words.extend(wanted);
        self.must(&words)?;
        Ok(())
    }

    /// Checks the version out: branches follow the remote's, tags and hashes stand alone.
    pub fn checkout(&self, version: &str) -> Result<(), Fail> {
        let branch = if version == "HEAD" {
            self.head_branch()?
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
    if version == "HEAD" || version.starts_with("refs/") {
        return find(version);
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
