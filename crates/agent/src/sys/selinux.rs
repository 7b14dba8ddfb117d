//! SELinux contexts of files, through extended attributes. Does nothing where SELinux is off.

use crate::ctx::Ctx;
use std::path::Path;

const ATTRIBUTE: &str = "security.selinux";

/// Whether the kernel enforces or permits (as opposed to: has no SELinux, or it is off).
pub fn enabled() -> bool {
    ["/sys/fs/selinux/enforce", "/selinux/enforce"].iter().any(|p| Path::new(p).exists())
}

/// A file's context, `user:role:type:level`.
pub fn context(path: &Path) -> Option<String> {
    let mut buffer = vec![0u8; 512];
    let size = rustix::fs::lgetxattr(path, ATTRIBUTE, &mut buffer[..]).ok()?;
    Some(String::from_utf8_lossy(&buffer[..size]).trim_end_matches('\0').to_string())
}

/// What the policy wants for this path.
pub fn default_context(ctx: &Ctx, path: &Path) -> Option<String> {
    let ran = ctx.cmd("matchpathcon").arg("-n").arg(path).english().run().ok()?;
    Some(ran.stdout.trim().to_string()).filter(|c| ran.ok() && c.matches(':').count() >= 2)
}

/// Sets a file's context.
pub fn set(path: &Path, context: &str) -> std::io::Result<()> {
    let mut value = context.as_bytes().to_vec();
    value.push(0);
    Ok(rustix::fs::lsetxattr(path, ATTRIBUTE, &value, rustix::fs::XattrFlags::empty())?)
}

/// The context that results when the wanted parts (user, role, type, level) replace those of `current`.
/// The part `_default` stands for the policy's.
pub fn merge(current: &str, wanted: &[Option<String>; 4], default: Option<&str>) -> String {
    let parts = |c: &str| -> Vec<String> { c.splitn(4, ':').map(str::to_string).collect() };
    let mut out = parts(current);
    let default = default.map(parts).unwrap_or_default();
    for (i, want) in wanted.iter().enumerate() {
        let value = match want.as_deref() {
            None => continue,
            Some("_default") => default.get(i).cloned(),
            Some(value) => Some(value.to_string()),
        };
        if let Some(value) = value {
            if out.len() <= i {
                out.resize(i + 1, String::new());
            }
            out[i] = value;
        }
    }
    out.join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_replace_parts() {
        let some = |s: &str| Some(s.to_string());
        let current = "system_u:object_r:etc_t:s0:c1,c2";
        assert_eq!(merge(current, &[None, None, some("tmp_t"), None], None), "system_u:object_r:tmp_t:s0:c1,c2");
        assert_eq!(merge("a:b:c", &[some("x"), None, some("_default"), some("s0")], Some("u:r:dt:s0")), "x:b:dt:s0");
    }
}
