//! `dconf`: settings of desktops, by the program dconf. Source: community.general's DOCUMENTATION; GLib's chapter on the text of
//! GVariants for what means the same.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::run::Ran;
use serde_json::Value;

/// A value in GVariant's text as tokens whose spelling says nothing: quotes, numbers, spaces and annotations of types are away.
/// `None`: it can't be read.
fn tokens(text: &str) -> Option<Vec<String>> {
    const TYPES: &[&str] = &[
        "boolean",
        "byte",
        "int16",
        "uint16",
        "int32",
        "uint32",
        "handle",
        "int64",
        "uint64",
        "double",
        "string",
        "objectpath",
        "signature",
    ];
    let mut out = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let used = match first {
            '[' | ']' | '(' | ')' | '{' | '}' | '<' | '>' | ':' | ',' => {
                // `(1,)` has a comma of its own: all commas between things go.
                if first != ',' {
                    out.push(first.to_string());
                }
                1
            }
            '\'' | '"' => {
                let (text, used) = string(rest, first)?;
                out.push(format!("s{text}"));
                used
            }
            '@' => rest.find(char::is_whitespace)?,
            _ => {
                let end = rest.find(|c: char| c.is_whitespace() || "[](){}<>:,'\"@".contains(c)).unwrap_or(rest.len());
                let word = &rest[..end];
                if !TYPES.contains(&word) {
                    out.push(scalar(word)?);
                }
                end
            }
        };
        rest = rest[used..].trim_start();
    }
    Some(out)
}

/// A word that is no string.
fn scalar(word: &str) -> Option<String> {
    if matches!(word, "true" | "false" | "nothing" | "just") {
        return Some(word.into());
    }
    let digits = word.trim_start_matches(['-', '+']);
    let whole = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => i128::from_str_radix(hex, 16).ok(),
        None if digits.len() > 1 && digits.starts_with('0') => i128::from_str_radix(digits, 8).ok(),
        None => digits.parse::<i128>().ok(),
    };
    let sign = if word.starts_with('-') { -1 } else { 1 };
    match whole {
        Some(n) => Some(format!("n{}", n * sign)),
        None => {
            let number: f64 = word.parse().ok()?;
            // 5.0 is 5 where the key's type says that it has a point.
            Some(if number.fract() == 0.0 && number.abs() < 1e15 {
                format!("n{}", number as i128)
            } else {
                format!("n{number}")
            })
        }
    }
}

/// A string at the start of a text: what it says, and how long it is.
fn string(text: &str, quote: char) -> Option<(String, usize)> {
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return Some((out, at + 1)),
            '\\' => match chars.next()?.1 {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                'r' => out.push('\r'),
                'a' => out.push('\x07'),
                'b' => out.push('\x08'),
                'f' => out.push('\x0c'),
                'v' => out.push('\x0b'),
                u @ ('u' | 'U') => {
                    let length = if u == 'u' { 4 } else { 8 };
                    let hex: String = chars.by_ref().take(length).map(|(_, c)| c).collect();
                    out.push(char::from_u32(u32::from_str_radix(&hex, 16).ok()?)?);
                }
                '\n' => {}
                other => out.push(other),
            },
            c => out.push(c),
        }
    }
    None
}

/// Whether two texts are one value.
fn same(have: &str, want: &str) -> bool {
    match (tokens(have), tokens(want)) {
        (Some(a), Some(b)) => a == b,
        _ => have == want,
    }
}

/// The bus of a session that this user has open: dconf's service is there.
fn session_bus(ctx: &Ctx) -> Option<String> {
    let me = rustix::process::geteuid().as_raw();
    let answers = |address: &str| {
        let words = ["dbus-send", &format!("--address={address}"), "--type=signal", "/", "com.example.test"];
        ctx.which("dbus-send").is_some() && ctx.run(&words).is_ok_and(|ran| ran.ok())
    };
    if let Some(own) = ctx.env("DBUS_SESSION_BUS_ADDRESS").filter(|a| answers(a)) {
        return Some(own);
    }
    let mut seen: Vec<String> = Vec::new();
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let path = process.path();
        let numbered = process.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit());
        let mine = || std::fs::metadata(&path).is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == me);
        if !numbered || !mine() {
            continue;
        }
        let environ = std::fs::read(path.join("environ")).unwrap_or_default();
        let found = environ.split(|b| *b == 0).find_map(|v| v.strip_prefix(b"DBUS_SESSION_BUS_ADDRESS="));
        let Some(address) = found.and_then(|a| std::str::from_utf8(a).ok()).map(str::to_string) else { continue };
        if !seen.contains(&address) {
            if answers(&address) {
                return Some(address);
            }
            seen.push(address);
        }
    }
    None
}

/// Writes or resets, over a bus: the user's, or one that is there for this only.
fn change(ctx: &Ctx, dconf: &str, words: &[&str]) -> Result<Ran, Fail> {
    match session_bus(ctx) {
        Some(address) => ctx.cmd(dconf).args(words).english().env("DBUS_SESSION_BUS_ADDRESS", address).run(),
        None => {
            let session = ctx.need("dbus-run-session")?;
            ctx.cmd(session).arg("--").arg(dconf).args(words).english().run()
        }
    }
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let (key, state) = (args.req("key")?, args.text("state"));
    let dconf = ctx.need("dconf")?.to_string_lossy().into_owned();
    let ran = ctx.run(&[dconf.as_str(), "read", &key])?;
    if !ran.ok() {
        crate::fail!("dconf failed while reading the value with error: {}", ran.complaint());
    }
    let now = Some(ran.stdout.trim_end_matches('\n').to_string()).filter(|v| !v.is_empty());
    if state == "read" {
        return Ok(crate::out! {"changed": false, "value": now});
    }
    let wanted = match args.given("value") {
        // YAML makes booleans of what is meant as text.
        Some(Value::Bool(on)) => on.to_string(),
        Some(value) => crate::args::text(value),
        None => String::new(),
    };
    let changed = match state.as_str() {
        "absent" => now.is_some(),
        _ => !now.as_ref().is_some_and(|now| same(now, &wanted)),
    };
    if changed && !ctx.check {
        let absent = state == "absent";
        let words = if absent { vec!["reset", &key] } else { vec!["write", &key, &wanted] };
        let ran = change(ctx, &dconf, &words)?;
        if !ran.ok() {
            let what = if absent { "resetting the value".into() } else { format!("writing key {key}, value {wanted}") };
            crate::fail!("dconf failed while {what} with error: {}", ran.complaint());
        }
    }
    Ok(crate::out! {"changed": changed})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::{Scratch, skipped};
    use serde_json::json;

    #[test]
    fn what_means_the_same() {
        for (have, want) in [
            ("'a'", "\"a\""),
            ("uint32 5", "5"),
            ("5.0", "5"),
            ("@as []", "[]"),
            ("[('xkb', 'us'), ('xkb', 'se')]", "[('xkb','us'),(\"xkb\",\"se\")]"),
            ("{'a': <1>}", "{ 'a' : < 1 > }"),
            ("'it\\'s'", "\"it's\""),
            ("(1,)", "(1, )"),
            ("0x10", "16"),
        ] {
            assert!(same(have, want), "{have} {want}");
        }
        for (have, want) in
            [("'1'", "1"), ("true", "false"), ("['a', 'b']", "['b', 'a']"), ("5.5", "5"), ("'a", "'b"), ("-1", "1")]
        {
            assert!(!same(have, want), "{have} {want}");
        }
    }

    /// With the real program, on settings of the test's own.
    #[test]
    fn settings_come_once() {
        let path = std::env::var("PATH").unwrap_or_default();
        let there = |name: &str| crate::sys::run::which_in(name, &path).is_some();
        if !(there("dconf") && there("dbus-run-session") && std::path::Path::new("/usr/libexec/dconf-service").exists())
        {
            return skipped("no dconf with its service here");
        }
        let dir = Scratch::new();
        let call = |args: Value, check: bool| {
            let mut all = json!({"key": "/org/x/key"});
            all.as_object_mut().unwrap().extend(args.as_object().unwrap().clone());
            let mut ctx = Ctx::test("dconf", all);
            ctx.check = check;
            for (name, sub) in
                [("HOME", ""), ("XDG_CONFIG_HOME", "config"), ("XDG_RUNTIME_DIR", "run"), ("XDG_CACHE_HOME", "cache")]
            {
                ctx.env.insert(name.into(), dir.path(sub));
            }
            run(&ctx)
        };
        let changed =
            |args: Value, check: bool| call(args, check).unwrap_or_else(|e| panic!("{}", e.msg))["changed"] == true;
        let read = || call(json!({"state": "read"}), false).unwrap()["value"].clone();
        assert_eq!(read(), Value::Null);
        let list = json!({"value": "[\"a\",'b']"});
        assert!(changed(list.clone(), true) && read().is_null());
        assert!(changed(list.clone(), false) && !changed(list, false));
        assert_eq!(read(), "['a', 'b']");
        assert!(changed(json!({"value": true}), false) && !changed(json!({"value": "true"}), false));
        let bad = call(json!({"value": "[oops"}), false).unwrap_err().msg;
        assert!(bad.starts_with("dconf failed while writing key /org/x/key"), "{bad}");
        let gone = json!({"state": "absent"});
        assert!(changed(gone.clone(), true) && changed(gone.clone(), false) && !changed(gone, false));
    }
}
