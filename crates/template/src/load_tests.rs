//! From text to model, without files. Expected outcomes were compared with Packer 1.6.6.

use crate::Ambient;
use crate::load::*;
use imgbuild_diag::Severity;
use imgbuild_diag::{Diagnostics, Source};
use std::sync::Arc;

fn options() -> LoadOptions {
    let mut ambient = Ambient::new("2026-11-05T20:08:09Z".parse().unwrap(), "/srv");
    ambient.env.insert("HOME".into(), "/home/me".into());
    LoadOptions::new(Arc::new(ambient))
}

fn load_with(text: &str, options: &LoadOptions) -> Result<Loaded, Diagnostics> {
    parse_text(&Source::new("t.json", text), Some("/srv/t.json".into()))?.resolve(options)
}

fn vars(given: &[(&str, &str)]) -> LoadOptions {
    let mut options = options();
    options.vars = given.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    options
}

/// Messages of a severity.
fn told(result: Result<Loaded, Diagnostics>, severity: Severity) -> Vec<String> {
    let diags = match result {
        Ok(loaded) => loaded.warnings,
        Err(diags) => diags,
    };
    diags.iter().filter(|d| d.severity == severity).map(|d| d.message.clone()).collect()
}

fn errors(text: &str) -> Vec<String> {
    told(load_with(text, &options()), Severity::Error)
}

const NULL: &str = r#""builders": [{"type": "null"}]"#;

#[test]
fn a_whole_template() {
    let text = r#"{
        "_comment": "hi", "Description": "d", "min_packer_version": "1.0", "push": {"name": "x"},
        "variables": {"region": "us-east-1", "name": "b-{{user `region`}}", "home": "{{env `HOME`}}"},
        "builders": [
            {"type": "null", "name": "{{user `name`}}", "ssh_host": "h"},
            {"type": "amazon-ebs", "region": "r"}
        ],
        "provisioners": [
            {"type": "shell", "inline": ["a"], "only": ["amazon-ebs"], "pause_before": "3s", "max_retries": "{{user `r`}}"},
            {"type": "file", "except": ["amazon-ebs"], "timeout": "1m", "override": {"{{user `name`}}": {"x": 1}}}
        ],
        "post-processors": ["manifest", ["a", {"type": "b", "name": "bb", "keep_input_artifact": true}, "c"], {"type": "m", "only": ["amazon-ebs"]}],
        "error-cleanup-provisioner": {"type": "shell-local", "inline": ["x"]}
    }"#;
    let mut options = vars(&[("r", "2")]);
    options.except = vec!["bb".into()];
    let loaded = load_with(text, &options).unwrap();
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    let template = loaded.template;
    assert_eq!(template.description.as_deref(), Some("d"));
    assert_eq!(template.build_names, ["amazon-ebs", "b-us-east-1"]);
    assert_eq!(template.variables.get("home"), Some("/home/me"));
    let [ebs, null] = template.builds.as_slice() else { panic!() };
    assert_eq!(ebs.provisioners.len(), 1);
    assert_eq!((ebs.provisioners[0].pause_before.as_secs(), ebs.provisioners[0].max_retries), (3, 2));
    assert_eq!(ebs.cleanup.as_ref().unwrap().kind.value, "shell-local");
    assert_eq!(null.provisioners[0].timeout.unwrap().as_secs(), 60);
    assert_eq!(null.provisioners[0].body.options().map(|(k, _)| k.as_str()).collect::<Vec<_>>(), ["x"]);
    assert_eq!(null.builder.body.options().map(|(k, _)| k.as_str()).collect::<Vec<_>>(), ["ssh_host"]);
    let chains = |b: &crate::Build| {
        b.post_processors
            .iter()
            .map(|c| c.iter().map(|p| p.name.clone()).collect::<Vec<_>>().join("+"))
            .collect::<Vec<_>>()
    };
    assert_eq!(chains(ebs), ["manifest", "a", "m"]);
    assert_eq!(chains(null), ["manifest", "a"]);
    let context = template.context(null);
    assert_eq!((context.build_name(), context.build_type()), (Some("b-us-east-1"), Some("null")));
    assert_eq!(template.evaluate("{{template_dir}} {{user `name`}}").unwrap(), "/srv b-us-east-1");
    assert!(template.list_variables().contains("region: us-east-1,\n"));
}

#[test]
fn structural_errors_all_at_once() {
    let text = r#"{
        "builders": [{"type": ["a"]}, 5, {"type": "null", "name": 7}, {"type": "null", "name": "7"}, {}],
        "provisioners": [5, {}, {"type": "shell", "only": {"a": 1}, "pause_before": "x", "override": 5}],
        "post-processors": [5, ["a", ["b"], 5], {"type": "manifest", "only": "a", "keep_input_artifact": "true"}, {"x": 1}],
        "error-cleanup-provisioner": {"x": 1}, "varaibles": {}, "_c": 1, "variables": {"n": 1}
    }"#;
    let want = [
        "Unknown root level key in template: 'varaibles'",
        "Failed to cast root level comment value in comment \"_c\" to string",
        "variable n: expected type 'string', got a number",
        "builder 1: 'type' expected type 'string', got a list",
        "builder 2: expected a map, got a number",
        "builder 4: builder with name '7' already exists",
        "builder 5: missing 'type'",
        "provisioner 1: Error decoding provisioner: expected a map, got a number",
        "provisioner 2: Provisioner missing 'type'",
        "provisioner 3: Error decoding provisioner: 'override' expected a map, got a number",
        "provisioner 3: Error decoding provisioner: 'only[0]' expected type 'string', got an object",
        "provisioner 3: Error decoding provisioner: error decoding 'pause_before': time: invalid duration \"x\"",
        "On Error Cleanup Provisioner error: Provisioner missing 'type'",
        "post-processor 1: bad format",
        "post-processor 2.2: sequence not allowed to be nested in a sequence",
        "post-processor 2.3: unknown format",
        "post-processor 3.1: 'only': source data must be an array or slice, got a string",
        "post-processor 3.1: 'keep_input_artifact' expected type 'bool', got a string",
        "post-processor 4.1: type is required",
    ];
    assert_eq!(errors(text), want);
    assert_eq!(errors("[]"), ["a template is an object: expected a map, got a list"]);
    assert_eq!(errors("null"), ["at least one builder must be defined"]);
    assert_eq!(errors(r#"{"builders": {}}"#), ["'builders': source data must be an array or slice, got an object"]);
}

#[test]
fn references_must_exist() {
    let text = r#"{"builders": [{"type": "null"}, {"type": "null", "name": "other"}],
        "provisioners": [{"type": "a", "only": ["nul"]}, {"type": "a", "only": ["null"], "except": ["other"]},
            {"type": "a", "override": {"x": {}, "null": 5}}, {"type": "a", "only": "null,other"}],
        "post-processors": [["a", {"type": "b", "except": ["y"]}]]}"#;
    assert_eq!(
        errors(text),
        [
            "provisioner 1: 'only' specified builder 'nul' not found",
            "provisioner 2: only one of 'only' or 'except' may be specified",
            "provisioner 3: override 'x' doesn't exist",
            "provisioner 3: override 'null' expected a map, got a number",
            "provisioner 4: 'only' specified builder 'null,other' not found",
            "post-processor 1.2: 'except' specified builder 'y' not found",
        ]
    );
}

#[test]
fn versions() {
    let with = |version: &str| errors(&format!(r#"{{"min_packer_version": "{version}", {NULL}}}"#));
    assert_eq!(with("1.16.0"), Vec::<String>::new());
    assert_eq!(with("99"), ["This template requires Packer version 99.0.0 or higher; using 1.16.0"]);
    assert_eq!(with("new"), ["min_version is invalid: Malformed version: new"]);
}

#[test]
fn variables_in_rounds() {
    let get = |vars_text: &str, given: &[(&str, &str)], name: &str| {
        let loaded = load_with(&format!(r#"{{"variables": {vars_text}, {NULL}}}"#), &vars(given)).unwrap();
        loaded.template.variables.get(name).unwrap().to_owned()
    };
    let nested = r#"{"a": "{{user `b`}}!", "b": "{{user `c`}}?", "c": "x", "f": "{{ .Vars }} {{user `c`}} {{.Path}}"}"#;
    assert_eq!(get(nested, &[], "a"), "x?!");
    assert_eq!(get(nested, &[("c", "y")], "a"), "y?!");
    assert_eq!(get(nested, &[("c", "{{timestamp}}")], "a"), "1793909289?!");
    assert_eq!(get(nested, &[], "f"), "{{ .Vars }} x {{.Path}}");
    assert_eq!(get(r#"{"a": null}"#, &[("a", "1"), ("a", "2")], "a"), "2");
    assert_eq!(get("{}", &[("undeclared", "v")], "undeclared"), "v");
    // A chain longer than a round or two, against the order of names.
    let chain: Vec<String> = (0..60).map(|i| format!(r#""v{i:02}": "{{{{user `v{:02}`}}}}""#, i + 1)).collect();
    assert_eq!(get(&format!(r#"{{{}, "v60": "end"}}"#, chain.join(",")), &[], "v00"), "end");
}

#[test]
fn variables_that_cannot_be_resolved() {
    let with = |vars: &str| load_with(&format!(r#"{{"variables": {vars}, {NULL}}}"#), &options());
    assert_eq!(
        told(with(r#"{"a": null, "b": null, "c": "{{user `a`}}"}"#), Severity::Error),
        ["required variable not set: a", "required variable not set: b"]
    );
    let cycle = told(with(r#"{"a": "{{user `b`}}", "b": "{{user `a`}}", "c": "x"}"#), Severity::Error);
    assert_eq!(cycle.len(), 2);
    assert!(cycle[0].starts_with("Failed to interpolate \"a\": "), "{cycle:?}");
    // With another variable that names one, Packer goes on.
    let lenient = with(r#"{"a": "x", "b": "{{user `a`}}", "c": "{{user `nope`}}"}"#);
    assert!(lenient.is_ok());
    assert_eq!(told(lenient, Severity::Warning).len(), 1);
    assert_eq!(
        told(with(r#"{"a": "{{foo}}", "b": "{{vault `p` `k`}}", "c": "{{build_name}}"}"#), Severity::Error),
        [
            "error interpolating default value for 'a': function \"foo\" not defined",
            "error interpolating default value for 'b': error calling vault: vault can't be used: no connection to its service is configured",
            "error interpolating default value for 'c': error calling build_name: build_name not available",
        ]
    );
}

#[test]
fn secrets_are_known_and_hidden() {
    let text = format!(
        r#"{{"variables": {{"p": "{{{{user `q`}}}}w", "q": "hunter2"}}, "sensitive-variables": ["p", "nope"], {NULL}}}"#
    );
    let options = options();
    let loaded = load_with(&text, &options).unwrap();
    assert_eq!(told(Ok(loaded.clone()), Severity::Warning).len(), 1);
    assert_eq!(options.redactor.redact("say hunter2w"), "say <sensitive>");
    // The values are known to the redactor even where nothing came of the template.
    let mut options = vars(&[("p", "s3cret{{foo}}")]);
    options.redactor = imgbuild_diag::Redactor::new();
    let errors = load_with(&text, &options).unwrap_err().to_string();
    assert!(errors.contains("s3cret") && !options.redactor.redact(&errors).contains("s3cret"), "{errors}");
    assert!(!loaded.template.list_variables().contains("hunter2w"));
    assert!(!format!("{:?}", loaded.template.variables).contains("hunter2"));
}

#[test]
fn names_and_selection() {
    let text =
        r#"{"variables": {"n": "x"}, "builders": [{"type": "null", "name": "b-{{user `n`}}"}, {"type": "null"}]}"#;
    let names = |only: &[&str], except: &[&str]| {
        let mut options = options();
        options.only = only.iter().map(|s| (*s).to_owned()).collect();
        options.except = except.iter().map(|s| (*s).to_owned()).collect();
        let loaded = load_with(text, &options).unwrap();
        let names: Vec<_> = loaded.template.builds.iter().map(|b| b.name.clone()).collect();
        (names.join(" "), loaded.warnings.iter().count())
    };
    assert_eq!(names(&[], &[]), ("b-x null".into(), 0));
    assert_eq!(names(&["b-x"], &[]), ("b-x".into(), 0));
    assert_eq!(names(&["nope"], &[]), (String::new(), 1));
    assert_eq!(names(&[], &["null"]), ("b-x".into(), 0));
    assert_eq!(names(&[], &["null", "nope"]), ("b-x".into(), 1));
    assert_eq!(
        errors(r#"{"builders": [{"type": "null", "name": "{{`a`}}"}, {"type": "null", "name": "a"}]}"#),
        ["two builders have the name 'a' once it is rendered"]
    );
    assert_eq!(
        errors(r#"{"builders": [{"type": "null", "name": "{{foo}}"}]}"#),
        ["Error interpolating builder '{{foo}}': function \"foo\" not defined"]
    );
    let retries = r#"{"builders": [{"type": "null"}], "provisioners": [{"type": "a", "max_retries": "x"}]}"#;
    assert_eq!(errors(retries), ["`max_retries` must be a valid integer: \"x\""]);
}

#[test]
fn files_are_read_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let template = write("t.json", &format!(r#"{{"variables": {{"a": "0", "b": "0", "c": "0"}}, {NULL}}}"#));
    let mut options = vars(&[("c", "3")]);
    options.var_files = vec![
        write("1.json", r#"{"a": "1", "b": "1", "c": "1"}"#),
        write("2.json", r#"{"b": "2", "b": null, "x": "y"} rest"#),
    ];
    let loaded = load(&template, &options).unwrap();
    let value = |name: &str| loaded.template.variables.get(name).unwrap().to_owned();
    assert_eq!((value("a"), value("b"), value("c"), value("x")), ("1".into(), String::new(), "3".into(), "y".into()));
    assert_eq!(loaded.template.evaluate("{{template_dir}}").unwrap(), dir.path().to_string_lossy());

    let bad = write("3.json", r#"{"a": 1, "b": [1]}"#);
    options.var_files = vec![bad.clone(), dir.path().join("none.json"), write("4.json", "{"), write("5.json", "[]")];
    let (bad, none) = (bad.display(), dir.path().join("none.json"));
    let messages = told(load(&template, &options), Severity::Error);
    assert_eq!(
        messages[0],
        format!("Error reading variables in '{bad}': variable \"a\" must be a string, got a number")
    );
    assert_eq!(messages[2], format!("open {}: no such file or directory", none.display()));
    assert!(messages[3].ends_with("unexpected end of JSON input"), "{messages:?}");
    assert!(messages[4].ends_with("a variable file is one object, got a list"), "{messages:?}");
    let missing = load(&none, &options).unwrap_err();
    assert_eq!(missing.iter().next().unwrap().message, format!("open {}: no such file or directory", none.display()));
    assert!(load(dir.path(), &options).unwrap_err().to_string().contains("Could not find any config file"));
}

#[test]
fn a_console_without_a_template() {
    let template = tiniest(&options()).unwrap().template;
    assert_eq!(template.evaluate("{{timestamp}}").unwrap(), "1793909289");
    assert_eq!(template.evaluate("{{.X}} }}").unwrap(), "<no value> }}");
    let error = template.evaluate("{{template_dir}}").unwrap_err();
    assert!(error.message.contains("template path not available"));
}
