//! `assemble`: a file put together from the fragments in a directory of the host.

use crate::blob::Blob;
use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::hash;
use crate::sys::pyregex::{Flags, PyRegex};
use std::path::Path;

/// The fragments in order, joined. Pure but for reading.
fn join(dir: &Path, delimiter: Option<&str>, regexp: Option<&PyRegex>, hidden: bool) -> Result<Vec<u8>, Fail> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .at("can't read", dir)?
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let delimiter = delimiter.map(|d| d.replace("\\n", "\n").replace("\\t", "\t").replace("\\\\", "\\"));
    let mut out: Vec<u8> = Vec::new();
    let mut first = true;
    let mut needs_newline = false;
    for name in names {
        if regexp.is_some_and(|r| !r.is_match(&name)) || (hidden && name.starts_with('.')) {
            continue;
        }
        let path = dir.join(&name);
        if !path.is_file() {
            continue;
        }
        let content = std::fs::read(&path).at("can't read", &path)?;
        if needs_newline {
            out.push(b'\n');
        }
        if let Some(delimiter) = delimiter.as_ref().filter(|_| !first) {
            out.extend(delimiter.as_bytes());
            // A delimiter stands on a line of its own.
            if !delimiter.ends_with('\n') {
                out.push(b'\n');
            }
        }
        needs_newline = !content.is_empty() && !content.ends_with(b"\n");
        out.extend(content);
        first = false;
    }
    Ok(out)
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let src = args.req_path("src")?;
    if !src.exists() {
        crate::fail!("Source ({}) does not exist", src.display());
    }
    if !src.is_dir() {
        crate::fail!("Source ({}) is not a directory", src.display());
    }
    let regexp = match args.str("regexp") {
        Some(pattern) => {
            Some(PyRegex::new(&pattern, Flags::default()).map_err(|e| Fail::new(format!("Invalid Regexp ({e})")))?)
        }
        None => None,
    };
    let content = join(&src, args.str("delimiter").as_deref(), regexp.as_ref(), args.bool("ignore_hidden"))?;
    let mut inner = args.map().clone();
    for name in ["delimiter", "regexp", "ignore_hidden", "remote_src", "decrypt"] {
        inner.remove(name);
    }
    inner.insert("_original_basename".into(), src.file_name().unwrap_or_default().to_string_lossy().into());
    let mut copy = ctx.sub("copy", inner);
    let checksum = hash::sha1(&content);
    copy.blob = Some(Blob::Bytes(content));
    let mut out = super::copy::run(&copy)?;
    out.insert("checksum".into(), checksum.into());
    out.insert("msg".into(), "OK".into());
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::json;

    #[test]
    fn fragments() {
        let dir = Scratch::new();
        std::fs::create_dir(dir.0.join("d")).unwrap();
        for (name, content) in [("d/02", "b\n"), ("d/01", "a"), ("d/.h", "h\n"), ("d/x.bak", "no")] {
            dir.file(name, content);
        }
        let call = |args: serde_json::Value| run(&Ctx::test("assemble", args));
        let args = json!({"src": dir.path("d"), "dest": dir.path("f"), "regexp": "^\\.?\\w+$", "ignore_hidden": true, "mode": "0600"});
        let out = call(args.clone()).unwrap();
        assert_eq!((dir.read("f").as_str(), &out["mode"]), ("a\nb\n", &json!("0600")));
        assert_eq!(call(args).unwrap()["changed"], false);
        call(json!({"src": dir.path("d"), "dest": dir.path("g"), "regexp": "^\\d", "delimiter": "---"})).unwrap();
        assert_eq!(dir.read("g"), "a\n---\nb\n");
        assert!(call(json!({"src": dir.path("none"), "dest": dir.path("g")})).is_err());
    }
}
