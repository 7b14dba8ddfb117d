//! `openssl_dhparam`: Diffie-Hellman parameters, by openssl.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::files;
use crate::sys::x509::{self, Temps};
use serde_json::json;

/// The size in `DH Parameters: (4096 bit)`.
fn size_of(text: &str) -> Option<i64> {
    text.split_once("Parameters: (")?.1.split_once(" bit")?.0.trim().parse().ok()
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let path = args.req_path("path")?;
    let size = args.int("size").unwrap_or(4096);
    let mut out = crate::out! {"filename": path.to_string_lossy(), "size": size};
    let backup = |out: &mut Outcome| -> Result<(), Fail> {
        if args.bool("backup")
            && let Some(copy) = files::backup(&path)?
        {
            out.insert("backup_file".into(), copy.into());
        }
        Ok(())
    };
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty() && !p.is_dir()) {
        crate::fail!("The directory '{}' does not exist or the file is not a directory", parent.display());
    }
    if args.text("state") == "absent" {
        let exists = path.exists();
        if exists && !ctx.check {
            backup(&mut out)?;
            std::fs::remove_file(&path).at("can't remove", &path)?;
        }
        out.insert("changed".into(), exists.into());
        return Ok(out);
    }
    let name = path.to_string_lossy().into_owned();
    let have = if path.exists() {
        size_of(&x509::openssl(ctx, "", &["dhparam", "-check", "-text", "-noout", "-in", &name])?.stdout)
    } else {
        None
    };
    let mut changed = args.bool("force") || have != Some(size);
    if changed && !ctx.check {
        let mut temps = Temps::new(ctx);
        let fresh = temps.name()?;
        x509::must(ctx, "", &["dhparam", "-out", &fresh, &size.to_string()], "can't make the parameters")?;
        backup(&mut out)?;
        files::write(ctx, &path, std::fs::File::open(&fresh).or_fail("the parameters")?, args.bool("unsafe_writes"))?;
    }
    if path.exists() {
        changed |= files::apply_attrs(ctx, args, &path)?;
        if args.bool("return_content") {
            out.insert("dhparams".into(), json!(files::read_text(&path)?));
        }
    }
    out.insert("changed".into(), changed.into());
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;

    #[test]
    fn parameters_are_made_once() {
        assert_eq!(size_of("    DH Parameters: (512 bit)\n    P:"), Some(512));
        if Ctx::test("openssl_dhparam", json!({})).which("openssl").is_none() {
            crate::sys::files::skipped("openssl is not installed");
            return;
        }
        let dir = Scratch::new();
        let call = |size: i64, state: &str| {
            let ctx = Ctx::test("openssl_dhparam", json!({"path": dir.path("d"), "size": size, "state": state}));
            let out = run(&ctx).unwrap();
            ctx.workdir.remove();
            out["changed"] == true
        };
        assert!(call(512, "present") && !call(512, "present"));
        assert!(dir.read("d").starts_with("-----BEGIN DH PARAMETERS"));
        assert!(call(512, "absent") && !call(512, "absent"));
    }
}
