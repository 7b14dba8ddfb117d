//! Directories for `copy`: making the ones on the way, and copying a tree of the host (`remote_src`).

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::attrs::Attrs;
use crate::sys::mode::ModeSpec;
use crate::sys::{files, hash};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Properties of directories: the task's, with `directory_mode` as their mode.
fn dir_attrs(ctx: &Ctx) -> Result<Attrs, Fail> {
    let mode = match ctx.args.given("directory_mode") {
        Some(value) => Some(ModeSpec::parse(value).map_err(Fail::new)?),
        None => None,
    };
    Ok(Attrs { mode, ..Attrs::from_args(&ctx.args)? })
}

/// Makes a directory and those above it; each new one gets the task's properties.
pub fn make_dirs(ctx: &Ctx, dir: &Path) -> Result<(), Fail> {
    let attrs = dir_attrs(ctx)?;
    let mut missing: Vec<&Path> = dir.ancestors().take_while(|p| !p.as_os_str().is_empty() && !p.exists()).collect();
    missing.reverse();
    for dir in missing {
        std::fs::create_dir(dir).at("can't make the directory", dir)?;
        files::label(ctx, dir);
        attrs.apply(ctx, dir, false)?;
    }
    Ok(())
}

/// Copies a tree of the host.
pub fn run(ctx: &Ctx, given: &str, src: &Path, dest: &str) -> Result<Outcome, Fail> {
    let mut top = PathBuf::from(dest);
    if !given.ends_with('/')
        && let Some(name) = src.file_name()
    {
        top.push(name);
    }
    if top.exists() && !top.is_dir() {
        crate::fail!("cannot copy the directory {} over the file {}", src.display(), top.display());
    }
    let tree = Tree {
        ctx,
        dirs: dir_attrs(ctx)?,
        plain: Attrs::from_args(&ctx.args)?,
        preserve: ctx.args.str("mode").as_deref() == Some("preserve"),
    };
    let changed = tree.dir(src, &top)?;
    let mut out = crate::out! {"dest": dest, "src": given, "changed": changed, "checksum": null, "md5sum": null};
    files::add_info(&mut out, Path::new(dest));
    Ok(out)
}

struct Tree<'a> {
    ctx: &'a Ctx,
    dirs: Attrs,
    plain: Attrs,
    preserve: bool,
}

impl Tree<'_> {
    fn dir(&self, src: &Path, dest: &Path) -> Result<bool, Fail> {
        let mut changed = false;
        if !dest.is_dir() {
            changed = true;
            if !self.ctx.check {
                make_dirs(self.ctx, dest)?;
                if self.dirs.mode.is_none() {
                    let bits = src.metadata().at("can't look at", src)?.mode() & 0o7777;
                    Attrs { mode: Some(ModeSpec::Bits(bits)), ..Attrs::default() }.apply(self.ctx, dest, false)?;
                }
            }
        } else {
            changed |= self.dirs.apply(self.ctx, dest, self.ctx.check)?.changed();
        }
        let entries = std::fs::read_dir(src).at("can't read", src)?;
        let mut names: Vec<_> = entries.flatten().map(|e| e.file_name()).collect();
        names.sort();
        for name in names {
            let (from, to) = (src.join(&name), dest.join(&name));
            let meta = from.symlink_metadata().at("can't look at", &from)?;
            let follow = self.ctx.args.opt_bool("local_follow").unwrap_or(false);
            changed |= if meta.is_symlink() && !(follow && from.exists()) {
                self.link(&from, &to)?
            } else if from.is_dir() {
                self.dir(&from, &to)?
            } else if from.is_file() {
                self.file(&from, &to)?
            } else {
                false
            };
        }
        Ok(changed)
    }

    fn link(&self, from: &Path, to: &Path) -> Result<bool, Fail> {
        let target = std::fs::read_link(from).at("can't read", from)?;
        let same = std::fs::read_link(to).is_ok_and(|t| t == target);
        if !same && !self.ctx.check {
            let _ = std::fs::remove_file(to);
            std::os::unix::fs::symlink(&target, to).at("can't make the link", to)?;
        }
        // The link's own owner; it has no mode of its own.
        let attrs = Attrs { mode: None, attributes: None, ..self.plain.clone() };
        Ok(attrs.apply(self.ctx, to, self.ctx.check)?.changed() || !same)
    }

    fn file(&self, from: &Path, to: &Path) -> Result<bool, Fail> {
        let same = to.is_file() && hash::file("sha1", from)? == hash::file("sha1", to)?;
        if !same && to.exists() && !self.ctx.args.bool("force") {
            return Ok(false);
        }
        let bits = from.metadata().at("can't look at", from)?.mode() & 0o7777;
        if !same && !self.ctx.check {
            let fresh = !to.exists();
            let content = std::fs::File::open(from).at("can't read", from)?;
            files::write(self.ctx, to, content, self.ctx.args.bool("unsafe_writes"))?;
            if fresh {
                Attrs { mode: Some(ModeSpec::Bits(bits)), ..Attrs::default() }.apply(self.ctx, to, false)?;
            }
        }
        let mut attrs = self.plain.clone();
        if self.preserve {
            attrs.mode = Some(ModeSpec::Bits(bits));
        }
        Ok(attrs.apply(self.ctx, to, self.ctx.check)?.changed() || !same)
    }
}
