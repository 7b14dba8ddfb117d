//! Weak typing, names, layers, rendering. Expected outcomes were read off Packer 1.6.6 (null builder and shell-local), or off
//! mapstructure 1.5's documentation where that version's is older.

use super::*;
use crate::json::{Duplicates, parse};
use crate::value::Spanned;
use imgbuild_diag::Source;
use std::sync::Arc;
use std::time::Duration;

static INNER: Table =
    Table::new("device", &[&[Opt::new("device_name", Kind::String, ""), Opt::new("volume_size", Kind::Int, "")]]);
static TABLE: Table = Table::new(
    "test",
    &[&[
        Opt::new("text", Kind::String, "A text."),
        Opt::new("int", Kind::Int, "An int."),
        Opt::new("port", Kind::UInt(65535), ""),
        Opt::new("flag", Kind::Bool, ""),
        Opt::new("tri", Kind::Trilean, ""),
        Opt::new("wait", Kind::Duration, ""),
        Opt::new("list", Kind::Strings, ""),
        Opt::new("lists", Kind::StringLists, ""),
        Opt::new("ints", Kind::Ints, ""),
        Opt::new("map", Kind::Map, ""),
        Opt::new("groups", Kind::MapOfStrings, ""),
        Opt::new("tags", Kind::KeyValues { singular: "tag" }, "Tags.").later(),
        Opt::new("run_tags", Kind::NameValues { singular: "run_tag" }, ""),
        Opt::new("device", Kind::Block(&INNER), "A | device."),
        Opt::new("devices", Kind::Blocks(&INNER), ""),
        Opt::new("any", Kind::Any, ""),
        Opt::new("command", Kind::String, "").later(),
        Opt::new("old", Kind::String, "").deprecated("use text"),
        Opt::new("never", Kind::String, "").refused("there is no such thing here"),
    ]],
)
.renamed(&[Renamed { old: "shutdown_behaviour", advice: "use \"shutdown_behavior\"" }]);

fn context() -> Context {
    let ambient = crate::Ambient::new("2026-11-05T20:08:09Z".parse().unwrap(), "/work");
    let user = [("a", "x"), ("n", "22"), ("csv", "p,q")];
    Context::new(Arc::new(ambient))
        .with_user(Arc::new(user.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect()))
}

fn body(json: &str) -> Body {
    Body::from_node(parse(&Source::new("t", json), Duplicates::Refuse).unwrap())
}

fn read_body(body: &Body) -> (Reader, Vec<String>) {
    let mut diags = Diagnostics::new();
    let reader = body.reader(&TABLE, &context(), &mut diags);
    (reader, diags.iter().map(|d| format!("{} @{}", d.message, d.span.as_ref().unwrap())).collect())
}

fn good(json: &str) -> Reader {
    let (reader, messages) = read_body(&body(json));
    assert!(messages.is_empty(), "{json}: {messages:?}");
    reader
}

fn messages(json: &str) -> Vec<String> {
    read_body(&body(json)).1
}

fn values(list: &[Spanned<String>]) -> Vec<&str> {
    list.iter().map(|s| s.value.as_str()).collect()
}

#[test]
fn scalars_are_weakly_typed() {
    for (json, want) in
        [("12.5", "12.5"), ("true", "1"), ("false", "0"), ("\"s\"", "s"), ("1e21", "1000000000000000000000")]
    {
        assert_eq!(good(&format!("{{\"text\": {json}}}")).string("text").unwrap().value, want, "{json}");
    }
    for (json, want) in [("22", 22), ("\"22\"", 22), ("\"0x16\"", 22), ("1.9", 1), ("true", 1), ("\"\"", 0), ("-3", -3)]
    {
        assert_eq!(good(&format!("{{\"int\": {json}}}")).int("int").unwrap().value, want, "{json}");
    }
    for (json, want) in
        [("true", true), ("\"true\"", true), ("\"0\"", false), ("\"\"", false), ("2", true), ("0", false)]
    {
        assert_eq!(good(&format!("{{\"flag\": {json}}}")).boolean("flag").unwrap().value, want, "{json}");
    }
    for (json, want) in [
        ("true", Some(true)),
        ("\"f\"", Some(false)),
        ("\"\"", None),
        ("1", Some(true)),
        ("2", Some(false)),
        ("0", None),
    ] {
        assert_eq!(good(&format!("{{\"tri\": {json}}}")).boolean("tri").map(|b| b.value), want, "{json}");
    }
    assert_eq!(good("{\"wait\": \"1m30s\"}").duration("wait").unwrap().value, Duration::from_secs(90));
    assert_eq!(good("{\"TEXT\": \"x\"}").string("text").unwrap().value, "x");
    assert!(!good("{\"text\": null, \"list\": null}").has("text"));
    let (reader, warnings) = read_body(&body("{\"wait\": 5}"));
    assert_eq!(reader.duration("wait").unwrap().value, Duration::from_nanos(5));
    assert!(warnings[0].contains("nanoseconds"));
}

#[test]
fn lists_and_maps_are_weakly_typed() {
    for (json, want) in [
        ("[\"a\", 1, true, null]", vec!["a", "1", "1", ""]),
        ("\"a,b, c\"", vec!["a", "b", " c"]),
        ("\"a\"", vec!["a"]),
        ("\"\"", vec![]),
        ("{}", vec![]),
        ("5", vec!["5"]),
        ("\"{{user `csv`}}\"", vec!["p", "q"]),
    ] {
        assert_eq!(values(&good(&format!("{{\"list\": {json}}}")).strings("list").unwrap()), want, "{json}");
    }
    let lists = good("{\"lists\": [[\"a\", \"b\"], \"c,d\"]}").string_lists("lists").unwrap();
    assert_eq!(lists.iter().map(|l| values(l)).collect::<Vec<_>>(), [["a", "b"], ["c", "d"]]);
    assert_eq!(
        good("{\"ints\": [\"1\", 2]}").ints("ints").unwrap().iter().map(|i| i.value).collect::<Vec<_>>(),
        [1, 2]
    );
    let map = |json: &str| {
        let map = good(&format!("{{\"map\": {json}}}")).map("map").unwrap();
        map.value.iter().map(|(k, v)| format!("{k}={}", v.value)).collect::<Vec<_>>().join(",")
    };
    assert_eq!(map("{\"a\": 1, \"{{user `a`}}\": \"{{user `n`}}\", \"c\": null}"), "a=1,x=22,c=");
    assert_eq!(map("[{\"a\": 1}, {\"b\": 2, \"a\": 3}]"), "a=3,b=2");
    assert_eq!(map("[]"), "");
    let groups = good("{\"groups\": {\"a\": \"x,y\", \"b\": [\"z\"]}}").map_of_strings("groups").unwrap();
    assert_eq!(values(&groups["a"]), ["x", "y"]);
}

#[test]
fn singular_forms_win_over_the_map() {
    let reader = good(
        "{\"tag\": [{\"key\": \"a\", \"value\": 1}, {\"Key\": \"b\", \"value\": \"2\"}], \"tags\": {\"a\": \"old\", \"c\": \"3\"}, \
          \"run_tag\": {\"name\": \"n\", \"value\": \"v\"}}",
    );
    let tags = reader.map("tags").unwrap();
    assert_eq!(tags.value.iter().map(|(k, v)| format!("{k}={}", v.value)).collect::<Vec<_>>(), ["a=1", "c=3", "b=2"]);
    assert_eq!(reader.map("run_tags").unwrap()["n"].value, "v");
    assert!(reader.has("run_tags"));
}

#[test]
fn blocks() {
    let reader = good("{\"device\": {\"device_name\": \"/dev/sdb\"}, \"devices\": {\"volume_size\": \"40\"}}");
    assert_eq!(reader.block("device").unwrap().string("device_name").unwrap().value, "/dev/sdb");
    assert_eq!(reader.blocks("devices")[0].int("volume_size").unwrap().value, 40);
    assert_eq!(good("{\"devices\": []}").blocks("devices").len(), 0);
    assert_eq!(good("{}").blocks("devices").len(), 0);
}

#[test]
fn all_errors_with_their_places() {
    assert_eq!(
        messages(
            "{\"int\": \"abc\", \"txet\": 1, \"text\": [1], \"devices\": [{\"volum_size\": 1, \"volume_size\": \"x\"}, 5], \"map\": \"s\"}"
        ),
        [
            "cannot parse 'int' as int: parsing \"abc\": invalid syntax @t:1:9",
            "unknown configuration key: '\"txet\"' @t:1:16",
            "'text' expected type 'string', got a list @t:1:35",
            "unknown configuration key: '\"devices[0].volum_size\"' @t:1:53",
            "cannot parse 'devices[0].volume_size' as int: parsing \"x\": invalid syntax @t:1:85",
            "'devices[1]' expected a map, got a number @t:1:91",
            "'map' expected a map, got a string @t:1:102",
        ]
    );
    assert_eq!(
        messages("{\"wait\": \"1 s\"}"),
        ["error decoding 'wait': time: unknown unit \" s\" in duration \"1 s\" @t:1:10"]
    );
    assert_eq!(messages("{\"port\": 70000}"), ["'port' must be between 0 and 65535, got 70000 @t:1:10"]);
    assert_eq!(messages("{\"never\": 1}"), ["\"never\" is not supported: there is no such thing here @t:1:2"]);
    assert_eq!(messages("{\"old\": \"1\"}"), ["\"old\" is deprecated: use text @t:1:2"]);
    assert!(
        messages("{\"shutdown_behaviour\": 1}")[0].starts_with("Deprecated configuration key: 'shutdown_behaviour'")
    );
    assert_eq!(messages("{\"type\": 1, \"packer_x\": 1}"), Vec::<String>::new());
    // Two spellings of one name: the exact one is it.
    assert_eq!(messages("{\"Text\": \"a\", \"text\": \"b\"}"), ["unknown configuration key: '\"Text\"' @t:1:2"]);
    let mut diags = Diagnostics::new();
    body("{\"_comment\": 1, \"txt\": 1}").reader(&TABLE, &context(), &mut diags);
    let help: Vec<_> = diags.iter().flat_map(|d| d.help.clone()).collect();
    assert_eq!(help, ["comments are allowed only at the top level of a template", "did you mean \"text\"?"]);
}

#[test]
fn expressions_are_rendered_once_unless_later() {
    let reader = good(
        "{\"text\": \"{{user `a`}}\", \"int\": \"{{user `n`}}\", \"command\": \"{{.Path}} {{user `a`}}\", \
          \"tag\": {\"key\": \"k\", \"value\": \"{{.SourceAMI}}\"}, \"any\": [\"{{user `a`}}\"]}",
    );
    assert_eq!(reader.string("text").unwrap().value, "x");
    assert_eq!(reader.int("int").unwrap().value, 22);
    let command = reader.string("command").unwrap();
    assert_eq!(command.value, "{{.Path}} {{user `a`}}");
    let run = context().with_data([("Path", "/tmp/s.sh")]);
    assert_eq!(crate::interpolate::render(&command, &run).unwrap(), "/tmp/s.sh x");
    assert_eq!(reader.map("tags").unwrap()["k"].value, "{{.SourceAMI}}");
    assert_eq!(reader.any("any").unwrap().as_list().unwrap()[0].as_str(), Some("x"));
    assert_eq!(
        messages("{\"text\": \"a {{foo}}\", \"command\": \"{{bar}}\", \"list\": [\"{{user 1}}\"], \"nope\": \"{{\"}"),
        [
            "invalid 'text': function \"foo\" not defined @t:1:15",
            "invalid 'command': function \"bar\" not defined @t:1:37",
            "render 'list': expected string; found 1 @t:1:62",
            "invalid 'nope': unclosed action @t:1:78",
            "unknown configuration key: '\"nope\"' @t:1:69",
        ]
    );
}

#[test]
fn fields_without_a_value_are_told() {
    assert_eq!(
        messages("{\"text\": \"{{.Nope}}!\", \"command\": \"{{.Nope}}\"}"),
        ["'text' renders as \"<no value>!\": it names a field that has no value here @t:1:10"]
    );
    let mut diags = Diagnostics::new();
    let promised = context().with_promised(["SourceAMI"]);
    let reader =
        body("{\"text\": \"{{.ID}}\", \"list\": \"{{build `SourceAMI`}}\"}").reader(&TABLE, &promised, &mut diags);
    assert_eq!(reader.strings("list").unwrap()[0].value, "{{.SourceAMI}}");
    assert_eq!(diags.warnings().count(), 1);
    assert!(!diags.has_errors());
}

#[test]
fn later_layers_win() {
    let over = body(
        "{\"text\": \"b\", \"list\": [\"z\"], \"map\": {\"k\": \"2\", \"m\": \"3\"}, \"device\": {\"volume_size\": 9}}",
    );
    let options = over.options().map(|(k, e)| (k.clone(), e.clone())).collect();
    let under = body(
        "{\"text\": \"a\", \"int\": 1, \"list\": [\"x\", \"y\"], \"map\": {\"k\": \"1\", \"l\": \"1\"}, \
          \"device\": {\"device_name\": \"d\", \"volume_size\": 1}}",
    );
    let (reader, messages) = read_body(&under.with_override(options));
    assert!(messages.is_empty(), "{messages:?}");
    assert_eq!((reader.string("text").unwrap().value.as_str(), reader.int("int").unwrap().value), ("b", 1));
    assert_eq!(values(&reader.strings("list").unwrap()), ["z"]);
    let map = reader.map("map").unwrap();
    assert_eq!(map.value.iter().map(|(k, v)| format!("{k}{}", v.value)).collect::<Vec<_>>(), ["k2", "l1", "m3"]);
    let device = reader.block("device").unwrap();
    assert_eq!(device.string("device_name").unwrap().value, "d");
    assert_eq!(device.int("volume_size").unwrap().value, 9);
}

#[test]
fn prints_a_table() {
    let text = markdown(&TABLE);
    assert!(text.starts_with(
        "### test\n\n| option | type | default | meaning |\n|---|---|---|---|\n| `text` | string |  | A text. |\n"
    ));
    assert!(
        text.contains(
            "| `tags`, `tag` | map of strings |  | Tags. Rendered when the build runs, with its data fields. |"
        )
    );
    assert!(text.contains("A \\| device."));
    assert!(text.contains("\n### device\n"));
}
