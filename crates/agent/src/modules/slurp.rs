//! `slurp`: a file's content, in base64.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use base64::Engine;

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let source = ctx.args.req_path("src")?;
    let shown = source.to_string_lossy();
    match std::fs::read(&source) {
        Ok(bytes) => Ok(crate::out! {
            "changed": false, "content": base64::engine::general_purpose::STANDARD.encode(bytes), "source": shown, "encoding": "base64",
        }),
        Err(e) => Err(Fail::new(match e.kind() {
            std::io::ErrorKind::NotFound => format!("File not found: {shown}"),
            std::io::ErrorKind::PermissionDenied => format!("File is not readable: {shown}"),
            _ if source.is_dir() => format!("Source is a directory and must be a file: {shown}"),
            _ => format!("Unable to slurp file: {e}"),
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::json;

    #[test]
    fn contents() {
        let dir = Scratch::new();
        let out = run(&Ctx::test("slurp", json!({"src": dir.file("f", "hello")}))).unwrap();
        assert_eq!((&out["content"], &out["encoding"]), (&json!("aGVsbG8="), &json!("base64")));
        let msg = |path: String| run(&Ctx::test("slurp", json!({"src": path}))).unwrap_err().msg;
        assert!(msg(dir.path("no")).starts_with("File not found"));
        assert!(msg(dir.path("")).starts_with("Source is a directory"));
    }
}
