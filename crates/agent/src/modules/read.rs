//! `_read`: streams a file to the controller as chunks, for `fetch`.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use sha1::digest::Digest;
use std::io::Read;

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let path = ctx.args.req_path("path")?;
    match path.metadata() {
        Ok(meta) if meta.is_dir() => crate::fail!("remote file is a directory, fetch cannot work on directories"),
        Ok(_) => {}
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(Fail::new("the remote file does not exist").with("missing", true));
        }
        Err(e) => crate::fail!("remote file is not readable: {e}"),
    }
    let mut file = std::fs::File::open(&path).or_fail("remote file is not readable")?;
    let mut hasher = sha1::Sha1::new();
    let mut md5 = md5::Md5::new();
    let mut buffer = vec![0u8; 256 << 10];
    let mut size = 0u64;
    loop {
        if ctx.control.ended() {
            crate::fail!("the call was ended");
        }
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => {
                hasher.update(&buffer[..n]);
                md5.update(&buffer[..n]);
                size += n as u64;
                ctx.chunk(&buffer[..n]);
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => crate::fail!("can't read {}: {e}", path.display()),
        }
    }
    let hex = crate::sys::hash::hex;
    Ok(crate::out! {
        "changed": false, "path": path.to_string_lossy(), "size": size,
        "checksum": hex(&hasher.finalize()), "md5sum": hex(&md5.finalize()),
    })
}
