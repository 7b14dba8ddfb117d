//! Text in other encodings than UTF-8: those that need no table here, all others by the host's `iconv`.

use crate::ctx::Ctx;
use crate::outcome::Fail;

/// Why bytes are no text.
#[derive(Debug)]
pub enum Undecodable {
    /// Nobody knows an encoding of this name.
    Unknown,
    /// The bytes are not in this encoding.
    Bytes,
    /// `iconv` could not be run.
    Failed(Fail),
}

/// Text from bytes in an encoding.
pub fn decode(ctx: &Ctx, bytes: &[u8], name: &str) -> Result<String, Undecodable> {
    match plain(name).as_str() {
        "utf-8" | "utf8" => std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Undecodable::Bytes),
        "ascii" | "us-ascii" => match bytes.is_ascii() {
            true => Ok(String::from_utf8_lossy(bytes).into_owned()),
            false => Err(Undecodable::Bytes),
        },
        "latin-1" | "latin1" | "iso-8859-1" => Ok(bytes.iter().map(|b| char::from(*b)).collect()),
        other => {
            let run = |bytes: &[u8]| ctx.cmd("iconv").args(["-f", other, "-t", "UTF-8"]).english().stdin(bytes).run();
            match run(bytes) {
                Ok(ran) if ran.ok() => Ok(ran.stdout),
                Err(fail) => Err(Undecodable::Failed(fail)),
                // What it says differs; an encoding that it knows takes nothing without complaint.
                Ok(_) => match run(b"") {
                    Ok(ran) if ran.ok() => Err(Undecodable::Bytes),
                    _ => Err(Undecodable::Unknown),
                },
            }
        }
    }
}

/// Python's spellings in those that `iconv` knows.
fn plain(name: &str) -> String {
    let name = name.trim().to_lowercase().replace('_', "-");
    match name.as_str() {
        "utf-16-le" => "utf-16le".into(),
        "utf-16-be" => "utf-16be".into(),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_encodings() {
        let ctx = Ctx::test("find", serde_json::json!({}));
        assert_eq!(decode(&ctx, b"\xe9", "latin_1").unwrap(), "é");
        assert!(matches!(decode(&ctx, b"\xe9", "utf-8"), Err(Undecodable::Bytes)));
        assert!(matches!(decode(&ctx, b"\xe9", "ascii"), Err(Undecodable::Bytes)));
        if ctx.which("iconv").is_none() {
            crate::sys::files::skipped("no iconv here");
            return;
        }
        assert_eq!(decode(&ctx, b"\xc4\xe3", "gbk").unwrap(), "你");
        assert!(matches!(decode(&ctx, b"\xff", "gbk"), Err(Undecodable::Bytes)));
        assert!(matches!(decode(&ctx, b"a", "idontexist"), Err(Undecodable::Unknown)));
    }
}
