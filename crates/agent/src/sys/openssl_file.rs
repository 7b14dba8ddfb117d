//! What the modules that make one file with openssl share (`openssl_csr`, `x509_certificate`, `openssl_pkcs12`): where the file lies,
//! its copy, taking it away, keeping it. Of a `_pipe` module there is no file: what is there comes as an argument and goes as a result.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::files;
use crate::sys::x509::Temps;
use std::path::{Path, PathBuf};

/// The file that a task is about.
pub struct Product<'a> {
    ctx: &'a Ctx,
    path: Option<PathBuf>,
}

impl<'a> Product<'a> {
    /// Reads `path`; `filename` goes to the result.
    pub fn new(ctx: &'a Ctx, out: &mut Outcome) -> Result<Self, Fail> {
        let path = if ctx.module.ends_with("_pipe") { None } else { Some(ctx.args.req_path("path")?) };
        if let Some(path) = &path {
            out.insert("filename".into(), path.to_string_lossy().into());
            if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty() && !p.is_dir()) {
                crate::fail!("The directory '{0}' does not exist or the file is not a directory", parent.display());
            }
        }
        Ok(Product { ctx, path })
    }

    /// Takes the file away where that is what is asked for; whether it was.
    pub fn absent(&self, out: &mut Outcome) -> Result<bool, Fail> {
        let Some(path) = self.path.as_ref().filter(|_| self.ctx.args.text("state") == "absent") else {
            return Ok(false);
        };
        let exists = path.exists();
        if exists && !self.ctx.check {
            self.backup(path, out)?;
            std::fs::remove_file(path).at("can't remove", path)?;
        }
        out.insert("changed".into(), exists.into());
        Ok(true)
    }

    /// What is there: the file, or the argument `content`.
    pub fn there(&self, temps: &mut Temps<'_>) -> Result<Option<String>, Fail> {
        match (&self.path, self.ctx.args.str("content")) {
            (Some(path), _) => Ok(Some(path.to_string_lossy().into_owned())),
            (None, Some(content)) => temps.file(&content).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// Keeps what was made (`None`: what is there stays) with the attributes that are asked for. The text goes to the result as
    /// `field`, `changed` with it.
    pub fn keep(&self, made: Option<&str>, field: &str, out: &mut Outcome) -> Result<(), Fail> {
        let args = &self.ctx.args;
        let mut changed = made.is_some();
        match &self.path {
            Some(path) => {
                if let Some(made) = made.filter(|_| !self.ctx.check) {
                    self.backup(path, out)?;
                    files::write(self.ctx, path, made.as_bytes(), args.bool("unsafe_writes"))?;
                }
                if path.exists() {
                    changed |= files::apply_attrs(self.ctx, args, path)?;
                }
                if args.bool("return_content") {
                    out.insert(field.into(), files::read_text(path)?.into());
                }
            }
            None => {
                let now = match made {
                    Some(made) => (!self.ctx.check).then(|| made.to_owned()),
                    None => args.str("content"),
                };
                out.insert(field.into(), now.into());
            }
        }
        out.insert("changed".into(), changed.into());
        Ok(())
    }

    /// A copy of what is there, where one is wanted.
    pub fn backup(&self, path: &Path, out: &mut Outcome) -> Result<(), Fail> {
        if self.ctx.args.bool("backup")
            && let Some(copy) = files::backup(path)?
        {
            out.insert("backup_file".into(), copy.into());
        }
        Ok(())
    }
}
