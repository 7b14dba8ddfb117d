//! The rows of the SDK's tests of interpolation (`template/interpolate/funcs_test.go`, `render_test.go`), read from a checkout that
//! the user brings. Each row becomes a template that shows the result: a `file` builder's content; where the environment is
//! allowed, a variable; for a build's data, provisioners of a `null` builder; for maps, the custom data of a manifest.

use super::Outcome;
use super::go::{self, Token};
use super::programs::{Done, Pair, each, run};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::Path;

/// A text to render, what surrounds it, and what must come of it.
struct Row {
    case: String,
    input: String,
    want: Want,
    place: Place,
    user: Value,
    build_name: Option<String>,
}

enum Want {
    Text(String),
    Fails,
    /// The folder that the template is in.
    Folder,
    /// The folder that the program runs in.
    Cwd,
    /// Something that begins with a digit: times, versions.
    Number,
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Builder,
    Variable,
    /// With a build's data: they are promised while the template is checked.
    Promised,
    /// With a build's data: they are there while it is built.
    Data,
    /// A key and a value of a map.
    Map,
}

/// All rows.
pub fn sdk(pair: &Pair, source: &Path, filter: &str) -> Result<Vec<Outcome>> {
    let dir = source.join("template/interpolate");
    let read =
        |name: &str| std::fs::read_to_string(dir.join(name)).with_context(|| dir.join(name).display().to_string());
    let mut rows = functions(&go::tokens(&read("funcs_test.go")?));
    rows.extend(maps(&go::tokens(&read("render_test.go")?)));
    rows.retain(|row| row.case.contains(filter));
    each(&rows, |row| outcome(pair, row))
}

fn functions(tokens: &[Token]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, body) in go::functions(tokens) {
        let Some(test) = name.strip_prefix("Test") else { continue };
        let text_of = |field: &str| go::after(body, field).map(|f| go::text(&f[..1]));
        let user = go::after(body, "UserVariables").map_or_else(Vec::new, go::pairs);
        let user: Value =
            user.into_iter().map(|(k, v)| (k, Value::String(v))).collect::<serde_json::Map<_, _>>().into();
        let env = matches!(go::after(body, "EnableEnv"), Some([Token::Word(w), ..]) if w == "true");
        let row = |i: usize, input: String, want: Want, place: Place| Row {
            case: format!("sdk/{test} {i}"),
            input,
            want,
            place,
            user: user.clone(),
            build_name: text_of("BuildName"),
        };
        let tables = [
            go::rows(body, &["cases", ":", "=", "[", "]"]),
            go::rows(body, &["testCases", ":", "=", "[", "]", "cases"]),
        ];
        let cases: Vec<_> = tables.into_iter().flatten().collect();
        if cases.is_empty() {
            // One input, no table: times and versions.
            let input = text_of("Value").filter(|i| !i.is_empty()).or_else(|| go::assigned(body, "template"));
            rows.extend(input.map(|input| row(0, input, Want::Number, Place::Builder)));
            continue;
        }
        for (i, case) in cases.iter().enumerate() {
            if let Some(input) = go::field(case, "Template") {
                let fails = matches!(go::field(case, "ErrExpected"), Some([Token::Word(w)]) if w == "true");
                let output = go::field(case, "OutVal").map(go::text).unwrap_or_default();
                let none = matches!(go::field(case, "DataMap"), Some([Token::Word(w)]) if w == "nil");
                // Stands for whatever field: one that every build has, with the value that a null builder gives it.
                let input = go::text(input).replace("PartyVar", "ConnType");
                let (place, want) = match (none, fails, output.contains("{{")) {
                    (true, _, _) => (Place::Builder, Want::Fails),
                    (_, true, _) => (Place::Promised, Want::Fails),
                    (_, _, true) => (Place::Promised, Want::Text(String::new())),
                    _ => (Place::Data, Want::Text("none".into())),
                };
                rows.push(row(i, input, want, place));
                continue;
            }
            let fields = go::fields(case);
            let [input, output, rest @ ..] = fields.as_slice() else { continue };
            let fails = matches!(rest.first(), Some([Token::Word(w)]) if w == "true");
            let want = match (fails, output) {
                (true, _) => Want::Fails,
                // The builder's type is the one that shows the result.
                (_, [Token::Text(_)]) if test == "FuncBuildType" => Want::Text("file".into()),
                (_, [Token::Text(text)]) => Want::Text(text.clone()),
                _ if test == "FuncPwd" => Want::Cwd,
                _ if test == "FuncTemplatePath" => Want::Folder,
                _ => Want::Number,
            };
            rows.push(row(i, go::text(input), want, if env { Place::Variable } else { Place::Builder }));
        }
    }
    rows
}

/// The innermost keys and values; filters are plugins' own business.
fn maps(tokens: &[Token]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, body) in go::functions(tokens) {
        let texts: Vec<&String> =
            body.iter().filter_map(|t| if let Token::Text(text) = t { Some(text) } else { None }).collect();
        for (i, pair) in texts.windows(2).enumerate().filter(|(_, pair)| pair[1].starts_with("{{upper `")) {
            let upper = |text: &str| match text.strip_prefix("{{upper `").and_then(|t| t.strip_suffix("`}}")) {
                Some(word) => word.to_uppercase(),
                None => text.to_owned(),
            };
            if pair[0].starts_with("{{foo") {
                continue;
            }
            rows.push(Row {
                case: format!("sdk/{} {i}", name.trim_start_matches("Test")),
                input: format!("{}\n{}", pair[0], pair[1]),
                want: Want::Text(format!("{}\n{}", upper(pair[0]), upper(pair[1]))),
                place: Place::Map,
                user: json!({}),
                build_name: None,
            });
        }
    }
    rows
}

/// Runs a row: what came of it, beside what must.
fn outcome(pair: &Pair, row: &Row) -> Result<Outcome> {
    let scratch = tempfile::tempdir()?;
    // `/tmp` may be a link.
    let dir = scratch.path().canonicalize()?;
    let folder = dir.join("foo");
    std::fs::create_dir_all(&folder)?;
    let nothing = json!({"type": "null", "communicator": "none"});
    let template = match row.place {
        Place::Builder => {
            let name = row.build_name.clone().unwrap_or_else(|| "file".into());
            json!({"variables": row.user, "builders": [{"type": "file", "name": name, "content": row.input, "target": "out"}]})
        }
        Place::Variable => json!({
            "variables": {"v": row.input},
            "builders": [{"type": "file", "content": "{{user `v`}}", "target": "out"}]
        }),
        Place::Promised | Place::Data => json!({
            "builders": [nothing],
            "provisioners": [{"type": "shell-local", "inline": [format!("printf %s '{}' > out", row.input)]}]
        }),
        Place::Map => {
            let (key, value) = row.input.split_once('\n').unwrap_or_default();
            json!({
                "builders": [nothing],
                "post-processors": [{"type": "manifest", "output": "out", "custom_data": {key: value}}]
            })
        }
    };
    std::fs::write(folder.join("bar"), template.to_string())?;
    let command = if row.place == Place::Promised { "validate" } else { "build" };
    let done = run(
        Path::new("env"),
        &["PACKER_TEST_ENV=foo", &pair.ours.display().to_string(), command, "foo/bar"],
        &dir,
        None,
    )?;
    let ours = result(row, &done, &dir)?;
    let theirs = match &row.want {
        Want::Text(text) => text.clone(),
        Want::Fails => "an error".into(),
        Want::Folder => folder.display().to_string(),
        Want::Cwd => dir.display().to_string(),
        Want::Number if ours.starts_with(|c: char| c.is_ascii_digit()) => ours.clone(),
        Want::Number => "a number".into(),
    };
    Ok(Outcome { case: row.case.clone(), ours, theirs, said: done.text() })
}

fn result(row: &Row, done: &Done, dir: &Path) -> Result<String> {
    if done.code != 0 {
        return Ok("an error".into());
    }
    if row.place == Place::Promised {
        return Ok(String::new());
    }
    let text = std::fs::read_to_string(dir.join("out"))?;
    if row.place != Place::Map {
        return Ok(text);
    }
    let manifest: Value = serde_json::from_str(&text)?;
    let data = manifest["builds"][0]["custom_data"].as_object().and_then(|map| map.iter().next());
    Ok(data.map_or_else(String::new, |(key, value)| format!("{key}\n{}", value.as_str().unwrap_or_default())))
}
