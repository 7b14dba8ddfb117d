//! `script`: a program that came with the call is run on the host, and leaves no trace.

use crate::ctx::Ctx;
use crate::modules::command;
use crate::outcome::{Fail, Outcome};
use crate::sys::shlex;
use serde_json::{Map, Value};

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let Some(blob) = &ctx.blob else { crate::fail!("script needs its content, which did not come with the call") };
    let line = args.str("_raw_params").or_else(|| args.str("cmd")).unwrap_or_default();
    // The first word is the script's own name on the controller; the rest are its arguments, as the shell is to see them.
    let line = line.trim_start();
    let rest = line.split_once(char::is_whitespace).map_or("", |(_, rest)| rest);
    let file = ctx.workdir.file_name(true)?;
    blob.write_to(&file, 0o700)?;
    let path = shlex::quote(&file.to_string_lossy());
    let command = match args.str("executable") {
        Some(program) => format!("{program} {path} {rest}"),
        None => format!("{path} {rest}"),
    };
    let mut inner: Map<String, Value> = crate::out! {"_raw_params": command.trim_end()};
    for name in ["chdir", "creates", "removes"] {
        if let Some(value) = args.given(name) {
            inner.insert(name.into(), value.clone());
        }
    }
    let outcome = command::run(&ctx.sub("shell", inner));
    let _ = std::fs::remove_file(&file);
    let tidy = |mut fields: Outcome| {
        for key in ["cmd", "start", "end", "delta"] {
            fields.remove(key);
        }
        fields
    };
    let quiet = |mut fields: Outcome| {
        fields.remove("msg");
        tidy(fields)
    };
    outcome.map(quiet).map_err(|fail| Fail { msg: fail.msg, fields: tidy(fail.fields) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::Blob;
    use serde_json::json;

    #[test]
    fn programs_with_arguments() {
        let call = |args: Value, text: &str| {
            let mut ctx = Ctx::test("script", args);
            ctx.blob = Some(Blob::Bytes(text.as_bytes().to_vec()));
            let outcome = run(&ctx);
            ctx.workdir.remove();
            outcome
        };
        let out = call(json!({"_raw_params": "x.sh 'a b' c"}), "#!/bin/sh\necho \"$1,$2\"; pwd").unwrap();
        assert!(out["stdout"].as_str().is_some_and(|s| s.starts_with("a b,c\n")), "{out:?}");
        let out = call(json!({"_raw_params": "x", "executable": "/bin/sh -e", "chdir": "/"}), "pwd").unwrap();
        assert_eq!(out["stdout"], "/");
        let fail = call(json!({"_raw_params": "x"}), "#!/bin/sh\nexit 7").unwrap_err();
        assert_eq!(fail.fields["rc"], 7);
        assert_eq!(call(json!({"_raw_params": "x", "creates": "/"}), "").unwrap()["changed"], false);
        assert!(run(&Ctx::test("script", json!({"_raw_params": "x"}))).is_err());
    }
}
