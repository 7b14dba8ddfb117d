//! Owner, group, mode, attributes and SELinux context of a file: what is wanted, what differs, and setting it.

use crate::args::Args;
use crate::ctx::Ctx;
use crate::outcome::Fail;
use crate::sys::mode::ModeSpec;
use crate::sys::{mode, selinux, users};
use serde_json::{Map, Value, json};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What a task wants of a file's properties.
#[derive(Debug, Clone, Default)]
pub struct Attrs {
    /// Mode.
    pub mode: Option<ModeSpec>,
    /// Owner, name or number.
    pub owner: Option<String>,
    /// Group, name or number.
    pub group: Option<String>,
    /// User, role, type and level of the SELinux context.
    pub context: [Option<String>; 4],
    /// `chattr` flags.
    pub attributes: Option<String>,
}

/// What differed: `before` and `after` of a diff.
#[derive(Debug, Clone, Default)]
pub struct Delta {
    /// As it was.
    pub before: Map<String, Value>,
    /// As it is to be.
    pub after: Map<String, Value>,
}

impl Delta {
    /// Whether anything differed.
    pub fn changed(&self) -> bool {
        !self.after.is_empty()
    }

    fn note(&mut self, key: &str, before: impl Into<Value>, after: impl Into<Value>) {
        self.before.insert(key.into(), before.into());
        self.after.insert(key.into(), after.into());
    }
}

impl Attrs {
    /// Reads the common file options. `mode: preserve` is the caller's to handle and left out.
    pub fn from_args(args: &Args) -> Result<Self, Fail> {
        let mode = match args.given("mode") {
            None => None,
            Some(Value::String(s)) if s == "preserve" || s.is_empty() => None,
            Some(value) => Some(ModeSpec::parse(value).map_err(|why| {
                let path = args.str("path").or_else(|| args.str("dest"));
                Fail::new(format!("mode must be in octal or symbolic form: {why}"))
                    .with("details", why)
                    .with("path", path)
            })?),
        };
        Ok(Attrs {
            mode,
            owner: args.str("owner"),
            group: args.str("group"),
            context: ["seuser", "serole", "setype", "selevel"].map(|n| args.str(n)),
            attributes: args.str("attributes"),
        })
    }

    /// Sets what differs on this path (not through a link), or only says so when `check`.
    pub fn apply(&self, ctx: &Ctx, path: &Path, check: bool) -> Result<Delta, Fail> {
        let mut delta = Delta::default();
        let meta = match path.symlink_metadata() {
            Ok(meta) => meta,
            // What is not there yet in check mode would be made.
            Err(_) if check => {
                for (key, wanted) in
                    [("mode", self.mode.is_some()), ("owner", self.owner.is_some()), ("group", self.group.is_some())]
                {
                    if wanted {
                        delta.note(key, Value::Null, "");
                    }
                }
                return Ok(delta);
            }
            Err(e) => return Err(Fail::new(format!("can't look at {}: {e}", path.display()))),
        };
        self.apply_context(ctx, path, check, &mut delta)?;
        if let Some(owner) = &self.owner {
            let uid = owner.parse::<u32>().ok().or_else(|| users::user_by_name(owner).map(|u| u.uid));
            let uid = uid.ok_or_else(|| {
                Fail::new(format!("chown failed: failed to look up user {owner}")).with("path", path.to_string_lossy())
            })?;
            if meta.uid() != uid {
                delta.note("owner", meta.uid(), uid);
                if !check {
                    std::os::unix::fs::lchown(path, Some(uid), None)
                        .map_err(|e| Fail::new(format!("chown failed: {e}")).with("path", path.to_string_lossy()))?;
                }
            }
        }
        if let Some(group) = &self.group {
            let gid = group.parse::<u32>().ok().or_else(|| users::group_by_name(group).map(|g| g.gid));
            let gid = gid.ok_or_else(|| {
                Fail::new(format!("chgrp failed: failed to look up group {group}")).with("path", path.to_string_lossy())
            })?;
            if meta.gid() != gid {
                delta.note("group", meta.gid(), gid);
                if !check {
                    std::os::unix::fs::lchown(path, None, Some(gid))
                        .map_err(|e| Fail::new(format!("chgrp failed: {e}")).with("path", path.to_string_lossy()))?;
                }
            }
        }
        // A change of owner clears set-id bits, so the mode comes last and is compared afresh.
        if let Some(wanted) = self.mode.as_ref().filter(|_| !meta.is_symlink()) {
            let before = meta.mode() & 0o7777;
            let now = path.symlink_metadata().map_or(before, |m| m.mode() & 0o7777);
            let bits = wanted.resolve(before, meta.is_dir()) & 0o7777;
            if bits != before {
                delta.note("mode", mode::show(before), mode::show(bits));
            }
            if bits != now && !check {
                std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(bits))
                    .map_err(|e| Fail::new(format!("chmod failed: {e}")).with("path", path.to_string_lossy()))?;
            }
        }
        self.apply_flags(ctx, path, check, &mut delta)?;
        Ok(delta)
    }

    fn apply_context(&self, ctx: &Ctx, path: &Path, check: bool, delta: &mut Delta) -> Result<(), Fail> {
        if self.context.iter().all(Option::is_none) || !selinux::enabled() {
            return Ok(());
        }
        let current = selinux::context(path).unwrap_or_default();
        let default = self.context.iter().flatten().any(|p| p == "_default");
        let default = if default { selinux::default_context(ctx, path) } else { None };
        let wanted = selinux::merge(&current, &self.context, default.as_deref());
        if wanted != current {
            delta.note("secontext", current, wanted.clone());
            if !check {
                selinux::set(path, &wanted).map_err(|e| {
                    Fail::new(format!("set selinux context failed: {e}")).with("path", path.to_string_lossy())
                })?;
            }
        }
        Ok(())
    }

    fn apply_flags(&self, ctx: &Ctx, path: &Path, check: bool, delta: &mut Delta) -> Result<(), Fail> {
        let Some(wanted) = self.attributes.as_deref().filter(|a| !a.is_empty()) else { return Ok(()) };
        let (op, flags) = match wanted.chars().next() {
            Some(op @ ('+' | '-' | '=')) => (op, &wanted[1..]),
            _ => ('=', wanted),
        };
        let current = flags_of(ctx, path).unwrap_or_default();
        let differs = match op {
            '+' => flags.chars().any(|f| !current.contains(f)),
            '-' => flags.chars().any(|f| current.contains(f)),
            _ => {
                let sorted = |s: &str| {
                    let mut c: Vec<char> = s.chars().collect();
                    c.sort_unstable();
                    c
                };
                sorted(flags) != sorted(&current)
            }
        };
        if differs {
            delta.note("attributes", current, format!("{op}{flags}"));
            if !check {
                let ran = ctx.cmd("chattr").arg(format!("{op}{flags}")).arg(path).english().run()?;
                if !ran.ok() {
                    return Err(ran.fail(format!("chattr failed: {}", ran.complaint())));
                }
            }
        }
        Ok(())
    }
}

/// The `lsattr` flags of a path, without the dashes.
pub fn flags_of(ctx: &Ctx, path: &Path) -> Option<String> {
    let ran = ctx.cmd("lsattr").arg("-d").arg(path).english().run().ok().filter(|r| r.ok())?;
    Some(ran.stdout.split_whitespace().next()?.replace('-', ""))
}

/// What Ansible adds to results about a path: owner, group, mode, state, size, uid, gid.
pub fn path_info(path: &Path) -> Map<String, Value> {
    let Ok(meta) = path.symlink_metadata() else {
        return crate::out! {"state": "absent"};
    };
    let state = if meta.is_symlink() {
        "link"
    } else if meta.is_dir() {
        "directory"
    } else if meta.nlink() > 1 {
        "hard"
    } else {
        "file"
    };
    let owner = users::user_by_id(meta.uid()).map_or_else(|| meta.uid().to_string(), |u| u.name);
    let group = users::group_by_id(meta.gid()).map_or_else(|| meta.gid().to_string(), |g| g.name);
    let mut out = crate::out! {
        "uid": meta.uid(), "gid": meta.gid(), "owner": owner, "group": group,
        "mode": mode::show(meta.mode()), "state": state, "size": meta.size(),
    };
    if selinux::enabled() {
        out.insert("secontext".into(), json!(selinux::context(path).unwrap_or_default()));
    }
    out
}
