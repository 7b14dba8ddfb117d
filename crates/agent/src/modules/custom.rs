//! `_custom`: a module of the user's own. Its arguments go to it as Ansible's go: in a file whose path is its first argument
//! (JSON or `k=v`), inside its text, or, for a Python module, through the classes that it imports.

use crate::ctx::Ctx;
use crate::modules::split_lines;
use crate::outcome::{Fail, OrFail, Outcome};
use base64::Engine;
use serde_json::{Value, json};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Where a Python may be if none is named.
const PYTHONS: &[&str] =
    &["python3", "/usr/bin/python3", "/usr/libexec/platform-python", "python", "/usr/bin/python2.7", "python2"];

/// Runs it. `style` is `python`, `want_json`, `old`, `json_args` or `binary`; the controller has read the module.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let dir = ctx.workdir.file_name(true)?;
    std::fs::DirBuilder::new().mode(0o700).create(&dir).at("can't make the directory", &dir)?;
    let outcome = run_in(ctx, &dir);
    let _ = std::fs::remove_dir_all(&dir);
    outcome
}

fn put(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Fail> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).at("can't make the directory", parent)?;
    }
    std::fs::write(path, bytes).at("can't write", path)?;
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).at("can't set the mode of", path)
}

fn python(ctx: &Ctx, name: &str) -> Result<PathBuf, Fail> {
    if let Some(wanted) = ctx.args.str("python") {
        return ctx.which(&wanted).ok_or_else(|| {
            Fail::new(format!(
                "the module {name} is written in Python, and this host has no {wanted} (ansible_python_interpreter)"
            ))
        });
    }
    PYTHONS.iter().find_map(|p| ctx.which(p)).ok_or_else(|| {
        Fail::new(format!(
            "the module {name} is written in Python, and this host has none: imgbuild's own modules need no Python, \
             a module from library/ does. Install python3 on the host first, or set ansible_python_interpreter"
        ))
    })
}

fn run_in(ctx: &Ctx, dir: &Path) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let (name, style) = (args.req("name")?, args.req("style")?);
    let Some(blob) = &ctx.blob else { crate::fail!("the module {name} did not come with the call") };
    let mut module = blob.bytes()?;
    let given = args.raw("args").unwrap_or_else(|| json!({}));
    let text = given.to_string();
    if style == "json_args" {
        let marker = b"\"<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>\"";
        let plain = b"<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>";
        module = replace(&replace(&module, marker, json!(text).to_string().as_bytes()), plain, text.as_bytes());
    }
    let path = dir.join("module");
    put(&path, &module, 0o700)?;
    let input = dir.join("args");
    let cmd = match style.as_str() {
        "python" => {
            let program = python(ctx, &name)?;
            let lib = dir.join("lib");
            let files = args.raw("files").unwrap_or_default();
            for (file, body) in files.as_object().into_iter().flatten() {
                let relative = Path::new(file);
                if relative.components().any(|c| !matches!(c, std::path::Component::Normal(_))) {
                    crate::fail!("{file} is no place for a helper");
                }
                let body = base64::engine::general_purpose::STANDARD.decode(crate::args::text(body));
                put(&lib.join(relative), &body.or_fail("a helper is no base64")?, 0o600)?;
            }
            put(&dir.join("run.py"), args.req("runner")?.as_bytes(), 0o600)?;
            let full = args.text("full");
            let wrapped = json!({"ANSIBLE_MODULE_ARGS": given}).to_string();
            ctx.cmd(program)
                .args([dir.join("run.py").as_os_str(), dir.as_os_str(), "own".as_ref(), name.as_ref(), full.as_ref()])
                .env("PYTHONDONTWRITEBYTECODE", "1")
                .stdin(wrapped)
        }
        "json_args" => interpreted(ctx, &name, &path)?,
        "old" => {
            put(&input, args.text("text").as_bytes(), 0o600)?;
            interpreted(ctx, &name, &path)?.arg(&input)
        }
        _ => {
            put(&input, text.as_bytes(), 0o600)?;
            interpreted(ctx, &name, &path)?.arg(&input)
        }
    };
    let ran = cmd.run()?;
    match result(&ran.stdout) {
        Some((mut out, junk)) => {
            if !junk.is_empty() {
                ctx.warn(format!("Module invocation had junk after the JSON data: {junk}"));
            }
            // Ansible's wrapper of jobs that run in the background keeps what a module wrote there.
            if args.bool("keep_stderr") && !ran.stderr.is_empty() {
                out.entry("stderr").or_insert(Value::from(ran.stderr));
            }
            let failed =
                out.get("failed").and_then(crate::args::boolean).unwrap_or(ran.rc != 0 && !out.contains_key("rc"));
            if failed {
                let msg = out
                    .shift_remove("msg")
                    .map_or_else(|| "the module says that it failed".into(), |m| crate::args::text(&m));
                return Err(Fail { msg, fields: out });
            }
            out.entry("changed").or_insert(Value::Bool(false));
            crate::modules::add_lines(&mut out);
            Ok(out)
        }
        None => match raised(&ran.stderr) {
            Some(message) => Err(Fail::new(message).with("exception", ran.stderr).with("rc", ran.rc)),
            None => Err(Fail::new("Module result deserialization failed: No start of json char found")
                .with("module_stdout", ran.stdout)
                .with("module_stderr", ran.stderr)
                // As a shell tells of a signal.
                .with("rc", if ran.rc < 0 { 128 - ran.rc } else { ran.rc })),
        },
    }
}

/// The message of the exception that ended a Python module.
fn raised(stderr: &str) -> Option<String> {
    let (_, trace) = stderr.rsplit_once("Traceback (most recent call last):\n")?;
    let at = trace.lines().position(|line| !line.starts_with(' '))?;
    let last = trace.lines().skip(at).collect::<Vec<_>>().join("\n");
    Some(last.split_once(": ").map_or(last.as_str(), |(_, message)| message).to_owned())
}

fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with(from) {
            out.extend_from_slice(to);
            at += from.len();
        } else {
            out.push(text[at]);
            at += 1;
        }
    }
    out
}

/// The module by its own first line; Python is looked for wherever the line says it is.
fn interpreted<'a>(ctx: &'a Ctx, name: &str, path: &Path) -> Result<crate::sys::run::Cmd<'a>, Fail> {
    let line = ctx.args.text("shebang");
    let mut words = line.trim_start_matches("#!").split_whitespace();
    let Some(mut program) = words.next() else { return Ok(ctx.cmd(path)) };
    if program.ends_with("/env") {
        program = words.find(|w| !w.starts_with('-')).unwrap_or(program);
    }
    let rest: Vec<&str> = words.collect();
    let stem = program.rsplit('/').next().unwrap_or(program);
    if stem.starts_with("python") {
        return Ok(ctx.cmd(python(ctx, name)?).args(rest).arg(path));
    }
    let Some(found) = ctx.which(program).or_else(|| ctx.which(stem)) else {
        crate::fail!("the module {name} is run by {program}, which this host does not have");
    };
    Ok(ctx.cmd(found).args(rest).arg(path))
}

/// JSON in which integers beyond 64 bits, which Python writes as they are (the modulus of a key), are mappings of one
/// entry with their digits: JSON's numbers here end at 64 bits, and the controller knows what to do with them.
fn quoted_integers(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at, mut done, mut in_string) = (String::new(), 0, 0, false);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if in_string => at += 1,
            b'"' => in_string = !in_string,
            b'-' | b'0'..=b'9' if !in_string => {
                let digits = bytes[at..].iter().take_while(|b| b.is_ascii_digit() || b"+-.eE".contains(b)).count();
                let number = &text[at..at + digits];
                if number.parse::<i64>().is_err() && number.parse::<u64>().is_err() && !number.contains(['.', 'e', 'E'])
                {
                    out.push_str(&text[done..at]);
                    out.push_str(&format!("{{\"!int\": \"{number}\"}}"));
                    done = at + digits;
                }
                at += digits;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    out.push_str(&text[done..]);
    out
}

/// The JSON object in what a module wrote, and the words after it; those before it are skipped.
fn result(stdout: &str) -> Option<(Outcome, String)> {
    let lines = split_lines(stdout);
    let start = lines.iter().position(|l| l.trim_start().starts_with('{'))?;
    let text = quoted_integers(&lines[start..].join("\n"));
    let mut stream = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
    match stream.next() {
        Some(Ok(Value::Object(map))) => Some((map, text[stream.byte_offset()..].trim().to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::Blob;

    fn call(args: Value, module: &str) -> Result<Outcome, Fail> {
        let mut ctx = Ctx::test("_custom", args);
        ctx.blob = Some(Blob::Bytes(module.as_bytes().to_vec()));
        let outcome = run(&ctx);
        ctx.workdir.remove();
        outcome
    }

    #[test]
    fn modules_of_every_style() {
        let shell = "#!/bin/sh\n. \"$1\" 2>/dev/null; echo noise; echo \"{\\\"said\\\": \\\"$word\\\", \\\"changed\\\": true}\"";
        let out = call(json!({"name": "m", "style": "old", "shebang": "#!/bin/sh", "text": "word=hi"}), shell).unwrap();
        assert_eq!((&out["said"], &out["changed"]), (&json!("hi"), &json!(true)));
        // WANT_JSON: the file holds JSON.
        let cat = "#!/bin/sh\ncat \"$1\"";
        let out =
            call(json!({"name": "m", "style": "want_json", "shebang": "#!/bin/sh", "args": {"a": 1}}), cat).unwrap();
        assert_eq!((&out["a"], &out["changed"]), (&json!(1), &json!(false)));
        let inside = "#!/bin/sh\ncat <<'X'\n<<INCLUDE_ANSIBLE_MODULE_JSON_ARGS>>\nX";
        let args = json!({"name": "m", "style": "json_args", "shebang": "#!/bin/sh", "args": {"b": "x"}});
        assert_eq!(call(args, inside).unwrap()["b"], "x");
        let fail =
            call(json!({"name": "m", "style": "old", "shebang": "#!/bin/sh"}), "#!/bin/sh\necho oops >&2; exit 3")
                .unwrap_err();
        assert_eq!((&fail.fields["rc"], &fail.fields["module_stderr"]), (&json!(3), &json!("oops\n")));
        let fail = call(json!({"name": "m", "style": "python", "python": "/no/such"}), "").unwrap_err();
        assert!(fail.msg.contains("written in Python"), "{}", fail.msg);
    }

    /// What the controller sends along for a module, as far as these tests need it.
    const RUNNER: &str = "import sys, os\nbase = sys.argv[1]\nsys.path.insert(0, os.path.join(base, 'lib'))\nimport helper\n\
        helper.ARGS = sys.stdin.read()\nexec(open(os.path.join(base, 'module')).read())\n";

    #[test]
    fn a_python_module_gets_its_helpers_and_arguments() {
        if Ctx::test("_custom", json!({})).which("python3").is_none() {
            crate::sys::files::skipped("no Python");
            return;
        }
        let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
        let with = |module: &str, place: &str| {
            let files = json!({ place: encode("ARGS = ''\n") });
            let args = json!({"name": "m", "style": "python", "files": files, "runner": RUNNER, "full": "ansible.legacy.m", "args": {"n": 1}});
            call(args, module)
        };
        let print = "import json, sys\nargs = json.loads(helper.ARGS)['ANSIBLE_MODULE_ARGS']\n\
            print(json.dumps(dict(n=args['n'], how=sys.argv[2:], big=2 ** 70, list=[-2 ** 80, 1.5, '2 ** 70: 1180591620717411303424'])))\n";
        let out = with(print, "helper.py").unwrap();
        assert_eq!((&out["n"], &out["how"]), (&json!(1), &json!(["own", "m", "ansible.legacy.m"])));
        // Python's integers have no end.
        assert_eq!(out["big"], json!({"!int": "1180591620717411303424"}));
        assert_eq!(
            out["list"],
            json!([{"!int": "-1208925819614629174706176"}, 1.5, "2 ** 70: 1180591620717411303424"])
        );
        let fail = with(print, "../helper.py").unwrap_err();
        assert!(fail.msg.contains("is no place for a helper"), "{}", fail.msg);
        let fail = with("raise ValueError('what it is')\n", "helper.py").unwrap_err();
        assert_eq!(fail.msg, "what it is");
    }
}
