//! The same input to Debian's Packer 1.6.6 and to this crate. Without packer each test says so and counts as skipped.
#![expect(clippy::print_stderr, reason = "a skipped test says why")]

use imgbuild_diag::{Diagnostics, Source};
use imgbuild_template::json::{Duplicates, parse};
use imgbuild_template::{Ambient, Body, Context, Kind, LoadOptions, Opt, Table, load, parse_text, tiniest};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

fn packer(args: &[&str], input: &str, dir: &Path) -> Option<Output> {
    let child = Command::new("packer")
        .args(args)
        .current_dir(dir)
        .env("CHECKPOINT_DISABLE", "1")
        .env("PACKER_NO_COLOR", "1")
        .env("ORACLE", "from the environment")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("skipped: packer is not installed");
            return None;
        }
        Err(error) => panic!("packer: {error}"),
    };
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    Some(child.wait_with_output().unwrap())
}

fn options(dir: &Path) -> LoadOptions {
    let mut ambient = Ambient::new(jiff::Timestamp::now(), dir);
    ambient.env.insert("ORACLE".into(), "from the environment".into());
    LoadOptions::new(Arc::new(ambient))
}

/// What the console prints for a line; none for an interpolation error.
fn console(line: &str, args: &[&str], dir: &Path) -> Option<Option<String>> {
    let args: Vec<_> = std::iter::once("console").chain(args.iter().copied()).collect();
    let output = packer(&args, &format!("{line}\n"), dir)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = text.contains("Interpolation error") || !output.status.success();
    Some((!error).then(|| text.strip_suffix('\n').unwrap_or(&text).to_owned()))
}

#[test]
fn the_console_says_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let template = tiniest(&options(dir.path())).unwrap().template;
    // Not here: complex numbers, which we refuse, and what newer versions of Packer and Go do otherwise (range over numbers, packer_version outside a build).
    let lines = [
        "plain",
        "}}",
        "{{.X}}",
        "{{.X.Y}}",
        "{{.X 1}}",
        "{{`a`}}",
        "{{1 | printf `%05d`}}",
        "{{printf `%-5d|%+d|%x|%o|%q|%c|%U` 5 5 255 8 97 97 97}}",
        "{{printf `%d %s %v %t %q` 1 `a` true true `b`}}",
        "{{printf `%s %d` 1 `a`}}",
        "{{printf `%d`}}",
        "{{printf `a` 1}}",
        "{{printf `%6.2f|%e|%g|%v` 1.5 1500.0 1e21 1e-7}}",
        "{{printf `%5s|%-5s|%.2s|%x|%X` `ab` `ab` `abc` `hi` `hi`}}",
        "{{printf `%!`}}",
        "{{printf `%`}}",
        "{{printf `%[2]d %[1]d` 1 2}}",
        "{{printf `%*d` 4 7}}",
        "{{printf `%T %T %v` 1 `a` nil}}",
        "{{eq 1 1}} {{eq 1 2 1}} {{ne 1 2}} {{lt 1 2}} {{le 2 2}} {{gt `b` `a`}} {{ge 1.5 2.5}}",
        "{{eq 1 1.0}}",
        "{{lt 1 `a`}}",
        "{{lt true false}}",
        "{{and 1 0}} {{and 1 2}} {{or 0 ``}} {{or 0 2}} {{not 1}} {{not ``}}",
        "{{and}}",
        "{{not}}",
        "{{len `héé`}}",
        "{{len 5}}",
        "{{index `abc` 1}}",
        "{{index `abc` 5}}",
        "{{index 5 1}}",
        "{{slice `abcdef` 1 3}}",
        "{{slice `abc` 2 1}}",
        "{{slice `abc` 0 9}}",
        "{{html `<a href=\"x\">'&`}}",
        "{{js `<a>'\"=\\`}}",
        "{{urlquery `a b&c=d/é~`}}",
        "{{print 1 2 `a` `b` 3}}",
        "{{print nil}}",
        "{{1.5e3}} {{0x1F}} {{1e100}} {{'a'}} {{'\\n'}} {{010}} {{0b11}} {{1_000}} {{.5}}",
        "{{3x}}",
        "{{true}}{{false}}",
        "{{nil}}",
        "{{if 1}}a{{else}}b{{end}}",
        "{{if 0}}a{{else if 1}}b{{else}}c{{end}}",
        "{{if .X}}a{{end}}",
        "{{if}}a{{end}}",
        "{{if 1}}a",
        "{{with `x`}}{{.}}{{else}}n{{end}}",
        "{{with ``}}{{.}}{{else}}n{{end}}",
        "{{range .X}}a{{else}}none{{end}}",
        "{{range `abc`}}a{{end}}",
        "{{$x := 1}}{{$x}}{{$x = 2}}{{$x}}",
        "{{$x}}",
        "{{$x := 1}}{{if 1}}{{$x = 3}}{{$y := 4}}{{$y}}{{end}}{{$x}}",
        "{{$x, $y := 1}}",
        "{{define `T`}}[{{.}}]{{end}}{{template `T` `q`}}{{template `T`}}",
        "{{template `T`}}",
        "{{block `B` 5}}<{{.}}>{{end}}",
        "{{define `T`}}",
        "{{define T}}{{end}}",
        "{{/* c */}}x",
        "{{- /* c */ -}} x",
        "{{/* c}}x",
        "{{/* c */ }}",
        "a {{- `b` -}} c",
        "{{-1}}",
        "{{- 1}}",
        "{{(1)}}",
        "{{((len `ab`))}}",
        "{{(1}}",
        "{{1)}}",
        "{{",
        "{{user `a}}",
        "{{\"a}}",
        "{{'ab'}}",
        "{{foo}}",
        "{{a.b}}",
        "{{ @ }}",
        "{{1|2}}",
        "{{1 2}}",
        "{{`a` 1}}",
        "{{\"a\\tb\\u00e9\"}}",
        "{{\"\\q\"}}",
        "{{user `x`}",
        "{{user if}}",
        "{{end}}",
        "{{else}}",
        "{{break}}",
        "{{continue}}",
        "{{call 1}}",
        "{{call}}",
        "{{}}",
        "{{|}}",
        "{{1|}}",
        "{{`a` | user | user}}",
        "{{user}}",
        "{{user 5}}",
        "{{user nil}}",
        "{{user .X}}",
        "{{user (len `a`)}}",
        "{{user `x`}}",
        "{{env `ORACLE`}}",
        "{{consul_key `a`}}",
        "{{vault `a` `b`}}",
        "{{aws_secretsmanager `a`}}",
        "{{build_name}}",
        "{{build_type}}",
        "{{build `ID`}}",
        "{{template_dir}}",
        "{{pwd}}",
        "{{sed `a` `b`}}",
        "{{clean_resource_name `a`}}",
        "{{split `a,b` `,` 1}}",
        "{{split `abc` `` 1}}",
        "{{split `a` `,` 5}}",
        "{{split `a` `,` -1}}",
        "{{split `a` `,` `1`}}",
        "{{split `a` `,` 1.0}}",
        "{{replace `a` `b` 1 `aaa`}}",
        "{{replace `a` `b` -1 `aaa`}}",
        "{{replace `` `-` 2 `ab`}}",
        "{{replace_all `` `-` `ab`}}",
        "{{replace_all `a` `b` `aaa`}}",
        "{{upper `aßéǆ`}}",
        "{{lower `ÀİB`}}",
        "{{isotime `2006` `01`}}",
        "{{isotime `Jan`| len}}",
        "{{isotime | len}}",
        "{{strftime `%Q%` }}",
        "{{uuid | len}}",
        "{{timestamp | len}}",
        "{{`{{`}}upper `x`}}",
        "{{`{{`}}",
        "{{.}}",
        "{{$}}",
        "{{. 1}}",
        "{{\"a\".b}}",
        "{{.a.b.c}}",
        "{{ .X | printf `%v` }}",
        "{{printf `%v` .X}}",
        "{{ . | len }}",
        "é{{`ü`}}",
        "{{- `a`}}",
        "{{ `a` -}}",
        "{{`a`-}}",
        "{{`a`\t}}",
        "{{if 1}}{{end}}{{end}}",
        "{{if 1}}{{else}}{{else}}{{end}}",
        "{{with 1}}{{if .}}{{$}}{{end}}{{end}}",
    ];
    let mut wrong = Vec::new();
    for line in lines {
        let Some(theirs) = console(line, &[], dir.path()) else { return };
        let ours = template.evaluate(line).ok();
        // The console cuts what it prints at the line's end.
        let ours = ours.map(|text| text.strip_suffix('\n').unwrap_or(&text).to_owned());
        if ours != theirs {
            wrong.push(format!("{line}\n  packer {theirs:?}\n  we     {ours:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), lines.len(), wrong.join("\n"));
}

#[test]
fn variables_get_the_same_values() {
    let dir = tempfile::tempdir().unwrap();
    let null = r#""builders": [{"type": "null", "communicator": "none"}]"#;
    let cases: [(&str, &[&str]); 16] = [
        (r#"{"a": "1", "b": "{{user `a`}}2", "c": "{{user `b`}}3"}"#, &[]),
        (r#"{"a": "{{user `b`}}", "b": "{{user `c`}}", "c": "{{env `ORACLE`}}"}"#, &[]),
        (r#"{"a": "{{user \"b\"}}", "b": "x", "c": ""}"#, &[]),
        (r#"{"a": null, "b": "y", "c": ""}"#, &[]),
        (r#"{"a": null, "b": "y", "c": ""}"#, &["-var", "a=x=y"]),
        (
            r#"{"a": "1", "b": "", "c": ""}"#,
            &["-var", "a=2", "-var", "a=3", "-var-file", "v1.json", "-var-file", "v2.json"],
        ),
        (r#"{"a": "1", "b": "", "c": ""}"#, &["-var-file", "v1.json", "-var-file", "v2.json"]),
        (r#"{"a": "1", "b": "", "c": ""}"#, &["-var-file", "v2.json", "-var-file", "v1.json"]),
        (r#"{"a": "1", "b": "", "c": ""}"#, &["-var-file", "number.json"]),
        (r#"{"a": "1", "b": "", "c": ""}"#, &["-var-file", "absent.json"]),
        (r#"{"a": "{{user `nope`}}", "b": "", "c": ""}"#, &[]),
        (r#"{"a": "{{user `nope`}}", "b": "{{user `c`}}", "c": "z"}"#, &[]),
        (r#"{"a": "{{user `b`}}", "b": "{{user `a`}}", "c": ""}"#, &[]),
        (r#"{"a": "{{ .Vars }} {{user `c`}} {{.Path}}", "b": "{{foo}}", "c": "z"}"#, &[]),
        (r#"{"a": "{{ .Vars }} {{user `c`}} {{.Path}}", "b": "", "c": "z"}"#, &[]),
        (r#"{"a": "{{template_dir}}", "b": "{{build_name}}", "c": ""}"#, &[]),
    ];
    std::fs::write(dir.path().join("v1.json"), r#"{"a": "f1", "b": "f1"}"#).unwrap();
    std::fs::write(dir.path().join("v2.json"), r#"{"b": "f2", "b": null, "c": "{{user `a`}}"}"#).unwrap();
    std::fs::write(dir.path().join("number.json"), r#"{"a": 1}"#).unwrap();
    for (variables, args) in cases {
        let file = dir.path().join("t.json");
        std::fs::write(&file, format!(r#"{{"variables": {variables}, {null}}}"#)).unwrap();
        let line = "{{user `a`}}|{{user `b`}}|{{user `c`}}";
        let args: Vec<_> = args.iter().copied().chain(["t.json"]).collect();
        let validate: Vec<_> = std::iter::once("validate").chain(args.iter().copied()).collect();
        let Some(validated) = packer(&validate, "", dir.path()) else { return };
        let Some(console) = console(line, &args, dir.path()) else { return };
        // The console goes on after errors, with what it has; a build does not.
        let theirs = console.filter(|_| validated.status.success());
        let mut options = options(dir.path());
        for pair in args.chunks_exact(2) {
            match pair[0] {
                "-var" => options.vars.push(pair[1].split_once('=').map(|(k, v)| (k.into(), v.into())).unwrap()),
                _ => options.var_files.push(dir.path().join(pair[1])),
            }
        }
        let ours = load(&file, &options).ok().and_then(|l| l.template.evaluate(line).ok());
        assert_eq!(ours, theirs, "{variables} {args:?}");
    }
}

static SSH: Table = Table::new(
    "null",
    &[&[
        Opt::new("communicator", Kind::String, ""),
        Opt::new("ssh_host", Kind::String, ""),
        Opt::new("ssh_port", Kind::Int, ""),
        Opt::new("ssh_pty", Kind::Bool, ""),
        Opt::new("ssh_timeout", Kind::Duration, ""),
        Opt::new("ssh_local_tunnels", Kind::Strings, ""),
    ]],
);

/// Every kind of option with every kind of value: the null builder without a communicator checks nothing but the decoding.
#[test]
fn weak_typing_accepts_the_same() {
    let dir = tempfile::tempdir().unwrap();
    // Not here: negative durations, which we refuse.
    let values = [
        "null",
        "true",
        "false",
        "0",
        "1",
        "-1",
        "2.5",
        "1e21",
        "\"\"",
        "\"a\"",
        "\"22\"",
        "\"0x1F\"",
        "\"08\"",
        "\"1_0\"",
        "\"true\"",
        "\"T\"",
        "\"yes\"",
        "\"10m\"",
        "\"1h2.5s\"",
        "\"10\"",
        "\"1 m\"",
        "\"5d\"",
        "\"a,b\"",
        "[]",
        "[1]",
        "[\"a\", true, null]",
        "[[\"a\"]]",
        "{}",
        "{\"a\": \"b\"}",
        "\"{{`22`}}\"",
        "\"{{foo}}\"",
        "[\"{{\"]",
        "\"99999999999999999999\"",
    ];
    let mut cases = Vec::new();
    for row in SSH.rows().skip(1) {
        for value in values {
            if row.name == "ssh_timeout" && value == "-1" {
                continue;
            }
            cases.push(format!("\"{}\": {value}", row.name));
        }
    }
    cases.extend(["SSH_HOST", "ssh_hots", "type", "packer_x", "Type"].map(|name| format!("\"{name}\": \"null\"")));
    let body = |case: &str| format!("{{\"communicator\": \"none\", {case}}}");
    let builders: Vec<_> = (0..)
        .zip(&cases)
        .map(|(i, case)| {
            let kind = if case.starts_with("\"type\"") { "" } else { "\"type\": \"null\", " };
            format!("{{{kind}\"name\": \"b{i}\", {}", &body(case)[1..])
        })
        .collect();
    let template = format!("{{\"builders\": [{}]}}", builders.join(",\n"));
    std::fs::write(dir.path().join("t.json"), &template).unwrap();
    let Some(output) = packer(&["validate", "-machine-readable", "t.json"], "", dir.path()) else { return };
    let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let ambient = Ambient::new(jiff::Timestamp::now(), dir.path());
    let context = Context::new(Arc::new(ambient));
    let mut wrong = Vec::new();
    for (i, case) in cases.iter().enumerate() {
        let theirs = !told.contains(&format!("Failed to prepare build: \"b{i}\""));
        let node = parse(&Source::new("t", body(case)), Duplicates::Refuse).unwrap();
        let mut diags = Diagnostics::new();
        Body::from_node(node).reader(&SSH, &context, &mut diags);
        if diags.has_errors() == theirs {
            wrong.push(format!("{case}: packer {}", if theirs { "accepts it" } else { "refuses it" }));
        }
    }
    assert!(told.contains("Failed to prepare build"), "{told}");
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn structures_are_accepted_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let b = r#"{"type": "null", "communicator": "none"}"#;
    let with = |rest: &str| format!(r#"{{"builders": [{b}], {rest}}}"#);
    let local = r#""type": "shell-local", "inline": ["true"]"#;
    let cases = [
        "{".into(), "{}".into(), "[]".into(), "null".into(), "5".into(), String::new(), format!("{{\"builders\": [{b},]}}"), format!("{{\"builders\": [{b}]}} x"),
        format!("{{\"builders\": [{b}]}}"), format!("{{\"BUILDERS\": [{b}]}}"), format!("{{\"builders\": [{b}, {b}]}}"), format!("{{\"builders\": {b}}}"),
        r#"{"builders": [{"name": "x"}]}"#.into(), r#"{"builders": [{"type": ""}]}"#.into(), r#"{"builders": ["null"]}"#.into(), r#"{"builders": null}"#.into(),
        with(r#""_c": "x""#), with(r#""_c": 1"#), with(r#""_c": {}"#), with(r#""x": "y""#), with(r#""comments": [{"a": "b"}]"#), with(r#""comments": "a""#),
        with(r#""push": {"a": 1}"#), with(r#""push": "a""#), with(r#""description": "a""#), with(r#""description": null"#), with(r#""description": 5"#),
        with(r#""min_packer_version": "0.1""#), with(r#""min_packer_version": "99.0""#), with(r#""min_packer_version": "x""#), with(r#""min_packer_version": """#),
        with(r#""variables": {"a": "b", "c": null}"#), with(r#""variables": {"a": 1}"#), with(r#""variables": ["a"]"#), with(r#""variables": {"a": "b", "a": "c"}"#),
        with(r#""variables": null"#), with(r#""sensitive-variables": ["a"]"#), with(r#""sensitive-variables": "a""#), with(r#""sensitive-variables": [1]"#),
        with(&format!(r#""provisioners": [{{{local}}}]"#)), with(&format!(r#""provisioners": {{{local}}}"#)), with(r#""provisioners": [{}]"#), with(r#""provisioners": ["x"]"#),
        with(&format!(r#""provisioners": [{{{local}, "only": ["null"]}}]"#)), with(&format!(r#""provisioners": [{{{local}, "only": "null"}}]"#)),
        with(&format!(r#""provisioners": [{{{local}, "only": ["x"]}}]"#)), with(&format!(r#""provisioners": [{{{local}, "except": ["x"]}}]"#)),
        with(&format!(r#""provisioners": [{{{local}, "only": ["null"], "except": ["null"]}}]"#)), with(&format!(r#""provisioners": [{{{local}, "only": [], "except": ["null"]}}]"#)),
        with(&format!(r#""provisioners": [{{{local}, "override": {{"null": {{"inline": ["x"]}}}}}}]"#)), with(&format!(r#""provisioners": [{{{local}, "override": {{"x": {{}}}}}}]"#)),
        with(&format!(r#""provisioners": [{{{local}, "override": {{"null": 5}}}}]"#)), with(&format!(r#""provisioners": [{{{local}, "override": 5}}]"#)),
        with(&format!(r#""provisioners": [{{{local}, "override": []}}]"#)), with(&format!(r#""provisioners": [{{{local}, "override": [{{"null": {{}}}}]}}]"#)),
        with(&format!(r#""provisioners": [{{{local}, "pause_before": "1s", "timeout": "1s", "max_retries": 2}}]"#)), with(&format!(r#""provisioners": [{{{local}, "pause_before": "x"}}]"#)),
        with(&format!(r#""provisioners": [{{{local}, "pause_before": 5}}]"#)), with(&format!(r#""provisioners": [{{{local}, "pause_before": true}}]"#)),
        with(&format!(r#""provisioners": [{{{local}, "pause_before": ""}}]"#)), with(&format!(r#""provisioners": [{{{local}, "timeout": "5"}}]"#)),
        with(&format!(r#""provisioners": [{{{local}, "max_retries": "x"}}]"#)), with(&format!(r#""provisioners": [{{{local}, "max_retries": "{{{{user `n`}}}}"}}]"#)),
        with(&format!(r#""provisioners": [{{{local}, "max_retries": "{{{{`3`}}}}"}}]"#)), with(&format!(r#""provisioners": [{{{local}, "max_retries": 1.5}}]"#)),
        with(&format!(r#""provisioners": [{{{local}, "max_retries": ""}}]"#)), with(&format!(r#""provisioners": [{{{local}, "max_retries": "0x2"}}]"#)),
        with(r#""post-processors": ["manifest"]"#), with(r#""post-processors": "manifest""#), with(r#""post-processors": [{"type": "manifest", "name": "m"}]"#),
        with(r#""post-processors": [["manifest", {"type": "manifest"}]]"#), with(r#""post-processors": [[["manifest"]]]"#), with(r#""post-processors": [[5]]"#), with(r#""post-processors": [5]"#),
        with(r#""post-processors": [[]]"#), with(r#""post-processors": [{}]"#), with(r#""post-processors": [{"type": 5}]"#), with(r#""post-processors": [""]"#),
        with(r#""post-processors": [{"type": "manifest", "only": "null"}]"#), with(r#""post-processors": [{"type": "manifest", "only": ["null"]}]"#),
        with(r#""post-processors": [{"type": "manifest", "except": ["x"]}]"#), with(r#""post-processors": [{"type": "manifest", "keep_input_artifact": true}]"#),
        with(r#""post-processors": [{"type": "manifest", "keep_input_artifact": "true"}]"#), with(r#""post-processors": [{"type": "manifest", "keep_input_artifact": null}]"#),
        with(&format!(r#""error-cleanup-provisioner": {{{local}}}"#)), with(r#""error-cleanup-provisioner": {"x": 1}"#), with(r#""error-cleanup-provisioner": null"#),
        with(&format!(r#""error-cleanup-provisioner": {{{local}, "only": ["x"], "override": {{"y": {{}}}}}}"#)),
        r#"{"builders": [{"type": "null", "communicator": "none", "name": "{{user `x`}}a"}]}"#.into(), r#"{"builders": [{"type": "null", "communicator": "none", "name": "{{foo}}"}]}"#.into(),
        r#"{"builders": [{"type": "null", "communicator": "none", "name": "{{`a`}}"}], "provisioners": [{"type": "shell-local", "inline": "true", "only": ["{{`a`}}"]}]}"#.into(),
        r#"{"builders": [{"type": "null", "communicator": "none", "name": "{{`a`}}"}], "provisioners": [{"type": "shell-local", "inline": "true", "only": ["a"]}]}"#.into(),
    ];
    let mut wrong = Vec::new();
    for case in &cases {
        std::fs::write(dir.path().join("t.json"), case).unwrap();
        let Some(output) = packer(&["validate", "t.json"], "", dir.path()) else { return };
        let options = options(dir.path());
        let ours = parse_text(&Source::new("t.json", case.clone()), Some(dir.path().join("t.json")))
            .and_then(|p| p.resolve(&options));
        if ours.is_ok() != output.status.success() {
            let told = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
            let ours = ours.map_or_else(|e| e.to_string(), |_| "fine".into());
            wrong.push(format!("{case}\n  packer {}: {}\n  we     {ours}", output.status, told.trim()));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// The table of HCL functions holds what Packer's console prints: rows before `# documented`. One process for a hundred rows.
#[test]
fn the_functions_table_is_packers() {
    let dir = tempfile::tempdir().unwrap();
    let table = include_str!("../src/hcl/functions/table.tsv");
    let rows: Vec<(&str, &str)> = table
        .lines()
        .take_while(|line| !line.starts_with("# documented"))
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once('\t').unwrap())
        .collect();
    assert!(rows.len() > 400);
    let mut wrong = Vec::new();
    for chunk in rows.chunks(100) {
        let tried: Vec<String> = chunk.iter().map(|(call, _)| format!("try(jsonencode({call}), \"!\")")).collect();
        let line = format!("join(\"\\n\", [{}])\n", tried.join(", "));
        let Some(output) = packer(&["console", "--config-type=hcl2"], &line, dir.path()) else { return };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let theirs: Vec<&str> = text.lines().collect();
        assert_eq!(theirs.len(), chunk.len(), "{text}");
        let differing = chunk.iter().zip(theirs).filter(|((_, want), got)| want != got);
        wrong.extend(differing.map(|((call, want), got)| format!("{call}\n   here {want}\n  there {got}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
