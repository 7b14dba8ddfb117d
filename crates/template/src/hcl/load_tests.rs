//! Whole configurations, from files to the model and on to a plugin's options.

use crate::hcl::{DataSources, Type, Value};
use crate::interpolate::Context;
use crate::load::{LoadOptions, Loaded, load};
use crate::{Ambient, Build, Kind, Opt, Reader, Table};
use imgbuild_diag::{Diagnostics, Severity};
use std::path::Path;
use std::sync::Arc;

const PAIR: Table = Table::new("pair", &[&[Opt::new("name", Kind::String, ""), Opt::new("size", Kind::Int, "")]]);
static PAIRS: Table = PAIR;
const NO: Opt = Opt::new("refused", Kind::Any, "").refused("never");
static TABLE: Table = Table::new(
    "test",
    &[&[
        Opt::new("text", Kind::String, ""),
        Opt::new("list", Kind::Strings, ""),
        Opt::new("flag", Kind::Bool, ""),
        Opt::new("count", Kind::Int, ""),
        Opt::new("tags", Kind::KeyValues { singular: "tag" }, ""),
        Opt::new("one", Kind::Block(&PAIRS), ""),
        Opt::new("many", Kind::Blocks(&PAIRS), ""),
        NO,
    ]],
);

/// Writes files (`name` and text) into a folder and loads it.
fn folder(files: &[(&str, &str)], change: impl FnOnce(&mut LoadOptions)) -> Result<Loaded, Diagnostics> {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let mut ambient = Ambient::new("2026-11-05T20:08:09Z".parse().unwrap(), dir.path());
    ambient.env.insert("PKR_VAR_from_env".into(), "environment".into());
    ambient.env.insert("HOME".into(), "/home/me".into());
    let mut options = LoadOptions::new(Arc::new(ambient));
    change(&mut options);
    load(Path::new("."), &options)
}

fn one(text: &str) -> Result<Loaded, Diagnostics> {
    folder(&[("a.pkr.hcl", text)], |_| {})
}

fn messages(diags: &Diagnostics, severity: Severity) -> Vec<String> {
    diags.iter().filter(|d| d.severity == severity).map(|d| d.message.clone()).collect()
}

fn errors(text: &str) -> Vec<String> {
    match one(text) {
        Err(diags) => messages(&diags, Severity::Error),
        Ok(loaded) => read(&loaded, &loaded.template.builds[0]).1,
    }
}

/// The builder's options, and what is wrong with them.
fn read(loaded: &Loaded, build: &Build) -> (Reader, Vec<String>) {
    let mut diags = Diagnostics::new();
    let reader = build.builder.body.reader(&TABLE, &loaded.template.context(build), &mut diags);
    (reader, messages(&diags, Severity::Error))
}

fn text(reader: &Reader, name: &str) -> String {
    reader.string(name).map(|s| s.value).unwrap_or_default()
}

const SOURCE: &str = "source \"t\" \"a\" {\n  text = \"x\"\n}\nbuild {\n  sources = [\"source.t.a\"]\n}\n";

#[test]
fn locals_that_double_each_other_end() {
    let chain = |first: &str, next: &dyn Fn(usize) -> String| {
        let rest: String = (1..40).map(|i| format!("  a{i} = {}\n", next(i - 1))).collect();
        format!("locals {{\n  a0 = {first}\n{rest}}}\n{SOURCE}")
    };
    let table = [
        chain("[1]", &|i| format!("concat(local.a{i}, local.a{i})")),
        chain("\"x\"", &|i| format!("\"${{local.a{i}}}${{local.a{i}}}\"")),
        chain("[1]", &|i| format!("[local.a{i}, local.a{i}]")),
        chain("[1]", &|i| format!("{{ a = local.a{i}, b = local.a{i} }}")),
        chain("\"<\"", &|i| format!("jsonencode([local.a{i}, local.a{i}])")),
        chain("\"x\"", &|i| format!("join(local.a{i}, [local.a{i}, \"\"])")),
        chain("[1]", &|i| format!("true ? [local.a{i}, local.a{i}] : [[], []]")),
        chain("[[1]]", &|i| format!("concat(local.a{i}, local.a{i})[*][0] == 1 ? [] : concat(local.a{i}, local.a{i})")),
    ];
    for text in table {
        let errors = one(&text).expect_err(&text);
        let all: Vec<_> = errors.errors().collect();
        let first = all[0];
        // Nothing else is wrong then.
        assert!(all.iter().all(|error| error.message.contains("makes too much")), "{text}{all:?}");
        let place = first.span.as_ref().unwrap().position();
        assert!((10..40).contains(&place.line) && place.column > 6, "{text}{first}");
    }
}

#[test]
fn a_null_in_a_list_is_an_error_at_its_place() {
    let table = [("list = [\"a\", null]", "a.pkr.hcl:2:16"), ("list = concat([\"a\"], [null])", "a.pkr.hcl:2:10")];
    for (option, place) in table {
        let text = SOURCE.replace("text = \"x\"", option);
        let loaded = one(&text).unwrap();
        let mut diags = Diagnostics::new();
        let build = &loaded.template.builds[0];
        build.builder.body.reader(&TABLE, &loaded.template.context(build), &mut diags);
        let all: Vec<_> = diags.errors().collect();
        assert_eq!(all.len(), 1, "{all:?}");
        assert!(all[0].message.contains("\"list\" holds a null"), "{}", all[0]);
        assert!(all[0].span.as_ref().unwrap().to_string().ends_with(place), "{}", all[0]);
    }
}

#[test]
fn a_whole_configuration() {
    let build = r#"
        locals {
          name = "${var.prefix}-${local.kind}"
          kind = upper("web")
        }
        local "secret" {
          expression = "s-${var.prefix}"
          sensitive  = true
        }
        source "t" "a" {
          text  = "${local.name} ${source.type}.${source.name} {{ build_name }}"
          list  = [for x in var.names : "n-${x}" if x != "skip"]
          flag  = "true"
          count = "4${2}"
          tags  = { a = 1, b = null, c = true }
          tag {
            key   = "d"
            value = local.kind
          }
          dynamic "many" {
            for_each = { x = 1, y = 2 }
            content {
              name = many.key
              size = many.value * 10
            }
          }
          one {
            name = null
            size = 7
          }
        }
        source "t" "b" {}
        build {
          name    = "web"
          sources = ["source.t.a"]
          source "t.b" {
            name = "other"
            text = "own"
            many { name = "z" }
          }
          provisioner "shell" {
            name         = "first"
            only         = ["t.a"]
            pause_before = "5s"
            max_retries  = 2
            text         = "${build.ID} ${build.name} ${source.name}"
            override     = { a = { count = 9 } }
          }
          error-cleanup-provisioner "shell" {}
          post-processor "m" { name = "cut" }
          post-processors {
            post-processor "one" {}
            post-processor "two" { keep_input_artifact = true }
          }
        }
    "#;
    let vars = "variable \"prefix\" { type = string }\nvariable \"names\" {\n  type = set(string)\n  default = []\n}\n";
    let given = "prefix = \"p\"\nnames = [\"b\", \"skip\", \"a\", \"b\"]\nstranger = 1\n";
    let files = [("build.pkr.hcl", build), ("vars.pkr.hcl", vars), ("x.auto.pkrvars.hcl", given)];
    let loaded = folder(&files, |options| options.except = vec!["c*t".into()]).unwrap();
    assert_eq!(messages(&loaded.warnings, Severity::Warning).len(), 1, "{}", loaded.warnings);
    let template = &loaded.template;
    assert_eq!(template.build_names, ["web.t.a", "web.t.other"]);
    let (a, wrong) = read(&loaded, &template.builds[0]);
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(text(&a, "text"), "p-WEB t.a a");
    let list: Vec<String> = a.strings("list").unwrap().value.into_iter().map(|s| s.value).collect();
    assert_eq!(list, ["n-a", "n-b"]);
    assert!(a.is_true("flag"));
    assert_eq!(a.int("count").unwrap().value, 42);
    let tags: Vec<(String, String)> = a.map("tags").unwrap().value.into_iter().map(|(k, v)| (k, v.value)).collect();
    assert_eq!(tags, [("a", "1"), ("c", "true"), ("d", "WEB")].map(|(k, v)| (k.to_owned(), v.to_owned())));
    let many: Vec<(String, i64)> =
        a.blocks("many").iter().map(|b| (text(b, "name"), b.int("size").unwrap().value)).collect();
    assert_eq!(many, [("x".to_owned(), 10), ("y".to_owned(), 20)]);
    let block = a.block("one").unwrap();
    assert!(!block.has("name") && block.int("size").unwrap().value == 7);
    let (b, _) = read(&loaded, &template.builds[1]);
    assert_eq!((text(&b, "text").as_str(), b.blocks("many").len()), ("own", 1));
    assert_eq!(template.builds[1].provisioners.len(), 0);
    assert!(template.builds.iter().all(|b| b.cleanup.is_some() && b.post_processors.len() == 1));
    let shell = &template.builds[0].provisioners[0];
    assert_eq!((shell.pause_before.as_secs(), shell.max_retries), (5, 2));
    // Twice: when it is prepared, and with data when it runs.
    let context = template.context(&template.builds[0]);
    let at = |context: &Context| shell.body.reader(&TABLE, context, &mut Diagnostics::new());
    let early = at(&context.clone().with_promised([""; 0]));
    assert_eq!((text(&early, "text").as_str(), early.int("count").unwrap().value), ("<unknown> web a", 9));
    assert_eq!(text(&at(&context.with_data([("ID", "i-1")])), "text"), "i-1 web a");
}

#[test]
fn the_last_value_of_a_variable_counts() {
    let main = format!(
        "variable \"from_env\" {{ default = \"d\" }}\nvariable \"n\" {{\n type = number\n default = 1\n}}\nvariable \"l\" {{ type = list(string) }}\n\
         variable \"home\" {{ default = env(\"HOME\") }}\n{SOURCE}"
    );
    let files = [
        ("a.pkr.hcl", main.as_str()),
        ("b.auto.pkrvars.json", "{\"n\": 3, \"l\": [\"json ${not}\"]}"),
        ("a.auto.pkrvars.hcl", "n = 2\nl = []\n"),
        ("given.pkrvars.hcl", "n = 4\n"),
    ];
    let value = |change: &dyn Fn(&mut LoadOptions), name: &str| {
        let loaded = folder(&files, |options| change(options)).unwrap();
        loaded.template.variables.get(name).unwrap().to_owned()
    };
    assert_eq!(value(&|_| {}, "n"), "3");
    assert_eq!(value(&|_| {}, "from_env"), "environment");
    assert_eq!(value(&|_| {}, "home"), "/home/me");
    assert_eq!(value(&|_| {}, "l"), "[\n  \"json ${not}\",\n]");
    assert_eq!(value(&|o| o.var_files.push("given.pkrvars.hcl".into()), "n"), "4");
    let var = |o: &mut LoadOptions, name: &str, value: &str| o.vars.push((name.into(), value.into()));
    assert_eq!(value(&|o| var(o, "n", "5"), "n"), "5");
    assert_eq!(value(&|o| var(o, "l", "[\"a\"]"), "l"), "[\n  \"a\",\n]");
    for (name, given, begins) in [
        ("n", "x", "Invalid value for variable"),
        ("l", "a b", "the value for \"l\": Syntax error"),
        ("l", "x", "the value for \"l\": Variables not allowed"),
        ("nn", "x", "Undefined -var variable"),
    ] {
        let told = folder(&files, |o| var(o, name, given)).unwrap_err();
        assert!(told.iter().any(|d| d.message.starts_with(begins)), "{name}={given}: {told}");
    }
}

#[test]
fn json_says_the_same() {
    let json = r#"{
      "variable": {"who": {"type": "string", "default": "me"}},
      "locals": {"greeting": "hi ${var.who}"},
      "source": {"t": {"a": {"text": "${upper(local.greeting)}", "many": [{"name": "x"}, {"name": "y"}], "//": "a comment",
        "dynamic": {"tag": {"for_each": {"k": "v"}, "content": {"key": "${tag.key}", "value": "${tag.value}"}}}}}},
      "build": {"sources": ["source.t.a"], "provisioner": [{"shell": {"text": "1"}}, {"file": {}}]}
    }"#;
    let loaded = folder(&[("a.pkr.json", json)], |_| {}).unwrap();
    let (reader, wrong) = read(&loaded, &loaded.template.builds[0]);
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(text(&reader, "text"), "HI ME");
    assert_eq!(reader.blocks("many").len(), 2);
    assert_eq!(reader.map("tags").unwrap().value["k"].value, "v");
    let kinds: Vec<&str> = loaded.template.builds[0].provisioners.iter().map(|p| p.kind.as_str()).collect();
    assert_eq!(kinds, ["shell", "file"]);
}

#[test]
fn secrets_are_known_before_anything_is_shown() {
    let text = "variable \"pass\" {\n sensitive = true\n type = object({ word = string })\n}\n".to_owned() + SOURCE;
    let mut redactor = None;
    let loaded = folder(&[("a.pkr.hcl", &text)], |options| {
        options.vars.push(("pass".into(), "{ word = \"hush-hush\" }".into()));
        redactor = Some(options.redactor.clone());
    })
    .unwrap();
    assert!(!redactor.unwrap().redact("a hush-hush b").contains("hush"));
    assert!(!loaded.template.overview.unwrap().variables.contains("hush"));
}

/// A data source that says its question backwards.
struct Mirror;

static ASK: Table = Table::new("mirror", &[&[Opt::new("ask", Kind::String, "")]]);

impl DataSources for Mirror {
    fn names(&self) -> &'static [&'static str] {
        &["mirror"]
    }
    fn table(&self, kind: &str) -> Option<&'static Table> {
        (kind == "mirror").then_some(&ASK)
    }
    fn result(&self, _: &str) -> Type {
        Type::object([("answer", Type::String)])
    }
    fn check(&self, _: &str, _: &Reader, _: &mut Diagnostics) {}
    fn read(&self, _: &str, options: &Reader) -> Result<Value, String> {
        match text(options, "ask") {
            ask if ask.is_empty() => Err("nothing was asked".into()),
            ask => Ok(Value::object([("answer", Value::string(ask.chars().rev().collect::<String>()))])),
        }
    }
}

#[test]
fn data_sources_and_locals_in_the_order_of_need() {
    let text = r#"
        data "mirror" "second" { ask = "${local.half}!" }
        locals {
          half = data.mirror.first.answer
          all  = data.mirror.second.answer
        }
        data "mirror" "first" { ask = "abc" }
        source "t" "a" { text = local.all }
        build { sources = ["t.a"] }
    "#;
    let with = |ask: bool, text: &str| {
        folder(&[("a.pkr.hcl", text)], |options| {
            options.data_sources = Some(Arc::new(Mirror));
            options.ask_data_sources = ask;
        })
    };
    for (ask, expected) in [(true, "!abc"), (false, "<unknown>")] {
        let loaded = with(ask, text).unwrap();
        assert_eq!(super::load_tests::text(&read(&loaded, &loaded.template.builds[0]).0, "text"), expected);
    }
    let told = |text: &str| messages(&with(true, &format!("{text}{SOURCE}")).unwrap_err(), Severity::Error);
    assert_eq!(told("data \"mirror\" \"x\" {}\n"), ["data source mirror.x: nothing was asked"]);
    assert_eq!(told("data \"miror\" \"x\" {}\n"), ["Unknown data source type \"miror\""]);
    assert_eq!(
        told("locals {\n a = local.b\n b = data.mirror.x.answer\n}\ndata \"mirror\" \"x\" { ask = local.a }\n"),
        ["Cyclic dependency: data.mirror.x needs local.a needs local.b needs data.mirror.x"]
    );
}

#[test]
fn mistakes_are_told_with_what_to_do() {
    let source =
        |options: &str| format!("source \"t\" \"a\" {{\n{options}\n}}\nbuild {{\n  sources = [\"source.t.a\"]\n}}\n");
    for (text, begins) in [
        ("nonsense = 1\n".to_owned() + SOURCE, "Unsupported argument: no argument named \"nonsense\""),
        ("sorce \"t\" \"b\" {}\n".to_owned() + SOURCE, "Unsupported block type: blocks of type \"sorce\""),
        ("source \"t\" {}\n".to_owned() + SOURCE, "Missing name for source"),
        ("source \"t\" \"b\" \"c\" {}\n".to_owned() + SOURCE, "Extraneous label for source"),
        ("source \"t\" \"a\" {}\n".to_owned() + SOURCE, "Duplicate source block"),
        ("variable \"v\" {}\n".to_owned() + SOURCE, "Unset variable \"v\""),
        ("variable \"v\" {\n type = strin\n}\n".to_owned() + SOURCE, "Invalid type specification"),
        ("variable \"v\" {\n default = upper(\"a\")\n}\n".to_owned() + SOURCE, "Call to unknown function: only env()"),
        ("variable \"v\" {\n type = number\n default = \"a\"\n}\n".to_owned() + SOURCE, "Invalid default value"),
        (
            "variable \"v\" {\n default = 1\n validation {\n condition = var.v > 1\n error_message = \"More.\"\n }\n}\n"
                .to_owned() + SOURCE,
            "Invalid value for variable \"v\": More.",
        ),
        (
            "variable \"v\" {\n default = 1\n validation {\n condition = true\n error_message = \"More.\"\n }\n}\n"
                .to_owned()
                + SOURCE,
            "Invalid variable validation condition",
        ),
        (
            "variable \"v\" {\n default = 1\n validation {\n condition = var.v > 0\n error_message = \"more\"\n }\n}\n"
                .to_owned()
                + SOURCE,
            "Invalid validation error message",
        ),
        ("locals {\n a = 1\n}\nlocals {\n a = 2\n}\n".to_owned() + SOURCE, "Duplicate local definition"),
        ("packer {\n required_version = \"< 1.0\"\n}\n".to_owned() + SOURCE, "Unsupported Packer Core version"),
        ("packer {\n required_version = \"new\"\n}\n".to_owned() + SOURCE, "Invalid version constraint"),
        ("build {\n}\n".to_owned(), "Missing source reference"),
        ("build {\n sources = [\"source.t.a\"]\n}\n".to_owned(), "Unknown source t.a"),
        ("build {\n sources = [\"nothing\"]\n}\n".to_owned(), "Invalid source reference"),
        ("locals {\n a = 1\n".to_owned(), "Syntax error in HCL"),
        ("locals {\n a = 1\n a = 2\n}\n".to_owned(), "Attribute redefined: \"a\""),
        ("locals {}\n".to_owned(), "Missing build block"),
        (source("txt = 1"), "Unsupported argument: no argument named \"txt\""),
        (source("many = []"), "Unsupported argument: no argument named \"many\""),
        (source("text {}"), "Unsupported block type: blocks of type \"text\""),
        (source("one {}\n one {}"), "Duplicate one block"),
        (source("list = \"a\""), "Unsuitable value for \"list\""),
        (source("count = \"a\""), "Unsuitable value for \"count\""),
        (source("text = build.name"), "Unknown variable: there is no variable named \"build\""),
        (source("refused {}"), "\"refused\" is not supported: never"),
        (source("refused = 1"), "\"refused\" is not supported: never"),
        (source("dynamic \"many\" {\n for_each = 1\n content {}\n }"), "Invalid dynamic for_each value"),
        (
            source("dynamic \"nope\" {\n for_each = []\n content {}\n }"),
            "Unsupported block type: blocks of type \"nope\"",
        ),
    ] {
        let told = errors(&text);
        assert!(told.len() == 1 && told[0].starts_with(begins), "{text}\n{told:#?}");
    }
}

#[test]
fn places_are_those_of_the_file() {
    let text = "source \"t\" \"a\" {\n  list = [\n    \"good\",\n    \"{{ nope }}\",\n  ]\n}\nbuild {\n  sources = [\"source.t.a\"]\n}\n";
    let loaded = one(text).unwrap();
    let mut diags = Diagnostics::new();
    let build = &loaded.template.builds[0];
    build.builder.body.reader(&TABLE, &loaded.template.context(build), &mut diags);
    let place = diags.iter().next().unwrap().span.clone().unwrap();
    assert_eq!((place.position().line, place.position().column), (4, 9), "{diags}");
}

#[test]
fn globs_choose_builds() {
    let text = r#"
        source "t" "a" {}
        source "u" "b" {}
        build {
          name    = "x"
          sources = ["t.a", "u.b"]
        }
        build { sources = ["t.a"] }
    "#;
    let names = |only: &[&str], except: &[&str]| {
        let loaded = folder(&[("a.pkr.hcl", text)], |options| {
            options.only = only.iter().map(|s| (*s).to_owned()).collect();
            options.except = except.iter().map(|s| (*s).to_owned()).collect();
        })
        .unwrap();
        let names: Vec<String> = loaded.template.builds.iter().map(|b| b.name.clone()).collect();
        (names.join(" "), loaded.warnings.warnings().count())
    };
    for (only, except, expected, warnings) in [
        (&[][..], &[][..], "x.t.a x.u.b t.a", 0),
        (&["x.*"], &[], "x.t.a x.u.b", 0),
        (&["*.a"], &[], "x.t.a t.a", 0),
        (&["t.a"], &[], "t.a", 0),
        (&["*"], &["x.{t,u}.?"], "t.a", 0),
        (&["a"], &[], "", 1),
    ] {
        assert_eq!(names(only, except), (expected.to_owned(), warnings), "{only:?} {except:?}");
    }
}

#[test]
fn the_fixture_of_a_web_server() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/hcl/web");
    let ambient = Ambient::new("2026-11-05T20:08:09Z".parse().unwrap(), folder);
    let loaded = load(Path::new(folder), &LoadOptions::new(Arc::new(ambient))).unwrap();
    assert_eq!(loaded.template.build_names, ["web.amazon-ebs.small"]);
    assert_eq!(loaded.template.variables.get("owner"), Some("platform"));
}
