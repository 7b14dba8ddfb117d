//! Places, hints, limits, and what is found before anything runs.

use super::{Some3, Still, render, templar, vars};
use crate::{CheckKind, ErrorKind, FileOptions, Limits, Str, Templar, Value};
use imgbuild_diag::{Source, Span};
use serde_json::json;
use std::sync::Arc;

/// The part of `text` between brackets as a value with its place.
fn written(text: &str) -> (Value, Str) {
    let source = Source::new("play.yml", text.replace(['⟦', '⟧'], ""));
    let start = text.find('⟦').unwrap();
    let end = text.find('⟧').unwrap() - '⟦'.len_utf8();
    let span = Span::new(&source, start..end);
    let inner = source.text()[span.range()].trim_matches('"').to_owned();
    let s = Str { text: inner.into(), template: true, span: Some(span) };
    (Value::Str(s.clone()), s)
}

#[test]
fn undefined_has_place_path_and_hint() {
    let (value, _) = written("- debug:\n    msg: ⟦\"a {{ user_nam }} b\"⟧\n");
    let e = templar().template(&value, &vars(json!({"user_name": 1}))).unwrap_err();
    assert!(e.is_undefined());
    assert_eq!(e.message, "'user_nam' is undefined");
    assert_eq!(e.span.as_ref().unwrap().to_string(), "play.yml:2:16");
    assert_eq!(e.undefined.as_deref(), Some("user_nam"));
    assert_eq!(e.similar, ["user_name"]);
    assert_eq!(
        e.diagnostic().to_string(),
        "Error: 'user_nam' is undefined\n  on play.yml:2:16\n  2 |     msg: \"a {{ user_nam }} b\"\n    |                ^^^^^^^^\n  did you mean \"user_name\"?"
    );
}

#[test]
fn attribute_of_an_undefined_variable_in_a_variable() {
    let e = render("{{ outer }}", json!({"outer": "{{ middle.x }}", "middle": {"y": 1}})).unwrap_err();
    assert_eq!(e.message, "object of type 'dict' has no attribute 'x'");
    assert_eq!(e.undefined.as_deref(), Some("middle.x"));
    assert_eq!(e.expression.as_deref(), Some("middle.x"));
    assert_eq!(e.frames.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["outer"]);
}

#[test]
fn what_fails_in_an_imported_file_fails_where_it_is_printed() {
    let import = |file: &str, print: &str| {
        let text = format!("{{% import '{file}' as t %}}{print}");
        templar().render_file("t", &text, &FileOptions::default(), &vars(json!({})), &super::Files)
    };
    assert_eq!(import("torn.j2", "{{ t.m() }}").unwrap(), "ok");
    assert_eq!(import("said.j2", "{{ t }}").unwrap(), "said");
    for print in ["{{ t }}", "<{{ t }}>", "{{ t ~ '' }}", "{{ t | upper }}"] {
        assert_eq!(import("torn.j2", print).unwrap_err().message, "'missing' is undefined", "{print}");
    }
}

#[test]
fn operators_have_their_place() {
    let (value, _) = written("x: ⟦\"{{ 1 + [1] }}\"⟧");
    let e = templar().template(&value, &vars(json!({}))).unwrap_err();
    assert_eq!(e.kind, ErrorKind::Value);
    assert_eq!(e.message, "Error rendering template: unsupported operand type(s) for +: 'int' and 'list'");
    assert_eq!(e.expression.as_deref(), Some("1 + [1]"));
    assert_eq!(e.span.as_ref().unwrap().to_string(), "play.yml:1:8");
}

#[test]
fn syntax_errors_have_their_place() {
    let (value, s) = written("x: ⟦\"{% if a %}b\"⟧");
    let e = templar().template(&value, &vars(json!({}))).unwrap_err();
    assert_eq!(e.kind, ErrorKind::Syntax);
    assert!(e.message.contains("The innermost block that needs to be closed is 'if'."), "{}", e.message);
    assert_eq!(e.span.as_ref().unwrap().to_string(), "play.yml:1:8");
    assert_eq!(templar().check(&s, CheckKind::Template).len(), 1);
}

#[test]
fn loops_are_found() {
    for (text, all) in [
        ("{{ a }}", json!({"a": "{{ a }}"})),
        ("{{ a }}", json!({"a": "{{ b }}", "b": "x{{ a }}"})),
        ("{{ a.b }}", json!({"a": {"b": "{{ a.b }}"}})),
        ("{{ a }}", json!({"a": {"b": "{{ a }}"}})),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", json!({})),
    ] {
        let e = render(text, all).unwrap_err();
        assert_eq!(e.kind, ErrorKind::Recursion, "{text}: {e}");
    }
    let e = templar()
        .render_file("t", "{% include 'self.j2' %}", &FileOptions::default(), &vars(json!({})), &super::Files)
        .unwrap_err();
    assert_eq!(e.kind, ErrorKind::Recursion);
    assert_eq!(render("{{ a.b }}", json!({"a": {"b": "{{ a.c }}", "c": 1}})).unwrap(), Value::Int(1));
}

#[test]
fn limits_hold() {
    let small = Limits { steps: 10_000, depth: 50, output: 10_000 };
    let templar =
        Templar::with_limits(Arc::new(Some3), Arc::new(Still::default()), small, crate::Extensions::default());
    for text in [
        "{% for a in range(1000000) %}{{ a }}{% endfor %}",
        "{{ range(100000000) | list }}",
        "{{ 'x' * 100000 }}",
        "{% set s = namespace(t='x') %}{% for i in range(40) %}{% set s.t = s.t ~ s.t %}{% endfor %}",
        "{{ [1] * 100000000 }}",
        "{{ range(100) | product(range(100), range(100)) | list }}",
    ] {
        let e = templar.template(&Value::template(text, None), &vars(json!({}))).unwrap_err();
        assert_eq!(e.kind, ErrorKind::Limit, "{text}: {e}");
    }
}

#[test]
fn deep_expressions_do_not_overflow() {
    let sum = |n| format!("{{{{ {} }}}}", vec!["1"; n].join(" + "));
    assert_eq!(render(&sum(900), json!({})).unwrap(), Value::Int(900));
    assert_eq!(render(&sum(200_000), json!({})).unwrap_err().kind, ErrorKind::Syntax);
    let nested = format!("{{{{ {}1{} }}}}", "(".repeat(2000), ")".repeat(2000));
    assert_eq!(render(&nested, json!({})).unwrap_err().kind, ErrorKind::Syntax);
    let filters = format!("{{{{ 'a'{} }}}}", "|upper".repeat(900));
    assert_eq!(render(&filters, json!({})).unwrap(), Value::from("A"));
}

#[test]
fn unknown_names_are_found_before_anything_runs() {
    let (_, s) = written("x: ⟦\"{% if a %}{{ b | uper }}{{ b is defned }}{{ lookup('itms', 1) }}{% endif %}\"⟧");
    let found: Vec<String> = templar().check(&s, CheckKind::Template).iter().map(|d| d.message.clone()).collect();
    assert_eq!(found, ["No filter named 'uper'", "No test named 'defned'", "No lookup plugin named 'itms'"]);
    let first = &templar().check(&s, CheckKind::Template)[0];
    assert_eq!(first.help, ["did you mean \"upper\"?"]);
    assert_eq!(first.span.as_ref().unwrap().to_string(), "play.yml:1:18");
    let fine = Str {
        text: "x is version('1', '<') and lookup('echo', y | ansible.utils.ipaddr)".into(),
        template: true,
        span: None,
    };
    assert!(templar().check(&fine, CheckKind::Expression).is_empty());
}

#[test]
fn references_are_the_variables_that_are_read() {
    let read = |text: &str, kind| templar().references(text, kind).into_iter().collect::<Vec<_>>();
    assert_eq!(
        read("{% set a = b %}{% for i in c %}{{ i }}{{ a }}{{ d.e[f] | default(g) }}{% endfor %}", CheckKind::Template),
        ["b", "c", "d", "f", "g"]
    );
    assert_eq!(read("a is defined and lookup('env', '{{ b }}') == range(c)", CheckKind::Expression), ["a", "b", "c"]);
    assert_eq!(read("{% macro m(x) %}{{ x }}{{ y }}{% endmacro %}{{ m(z) }}", CheckKind::Template), ["y", "z"]);
    assert!(read("no template", CheckKind::Template).is_empty());
}

#[test]
fn nothing_panics() {
    // Odd input for every filter and test: any answer will do.
    let inputs =
        ["", "é\u{0}🎉", "-", "[", "{{", "\\", "1e999", "99999999999999999999999999", "a\nb\r\n", "%", "$1$", "/"];
    let all = json!({"xs": inputs, "n": null, "big": 9223372036854775807i64, "f": -0.5, "l": [[], {}, null], "d": {"": null}});
    let templar = templar();
    let vars = vars(all);
    for name in crate::filters::names() {
        for input in ["xs", "xs[1]", "n", "big", "f", "l", "d"] {
            for args in ["", "(xs[1])", "(-1, 0)", "(l)", "(n, n, n)"] {
                if name == "password_hash" && !args.is_empty() {
                    continue;
                }
                let text = format!("{{{{ {input} | {name}{args} }}}}");
                let _ = templar.template(&Value::template(text, None), &vars);
                let text = format!("{{{{ xs | map('{name}') | list }}}}");
                if args.is_empty() && name != "password_hash" {
                    let _ = templar.template(&Value::template(text, None), &vars);
                }
            }
        }
    }
    for name in crate::tests::names() {
        for args in ["", "(xs[1])", "(0)", "(l, l)"] {
            for input in ["xs", "xs[1]", "n", "big", "f", "l", "d"] {
                let _ = templar.evaluate(&format!("{input} is {name}{args}"), None, &vars);
            }
        }
    }
}
