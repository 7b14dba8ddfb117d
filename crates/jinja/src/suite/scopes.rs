//! Variables, lookups, conditions, hosts: what depends on the engine.

use super::{Files, Some3, Still, render, templar, vars};
use crate::{ErrorKind, FileOptions, HostScopes, Map, Overlay, Templar, Value, VarSource};
use serde_json::{Value as Json, json};
use std::sync::Arc;

fn text(v: &Value) -> String {
    v.to_json().to_string()
}

#[test]
fn data_is_not_rendered() {
    let mut all = Map::new();
    all.insert("fact".into(), Value::from("{{ secret }}"));
    all.insert("alias".into(), Value::template("{{ fact }}", None));
    all.insert("secret".into(), Value::from("s"));
    let vars: Arc<dyn VarSource> = Arc::new(all);
    let t = templar();
    assert_eq!(t.template(&Value::template("{{ alias }}", None), &vars).unwrap(), Value::from("{{ secret }}"));
    assert_eq!(t.template(&Value::template("{{ fact ~ '!' }}", None), &vars).unwrap(), Value::from("{{ secret }}!"));
    assert_eq!(t.template(&Value::from("{{ secret }}"), &vars).unwrap(), Value::from("{{ secret }}"));
    let result = t.template(&Value::template("{{ lookup('echo', fact) }}", None), &vars).unwrap();
    let Value::Str(s) = result else { panic!("text expected") };
    assert!(!t.is_template(&s));
}

#[test]
fn only_what_is_used_is_rendered() {
    let all = json!({"c": {"good": "{{ 1 + 1 }}", "bad": "{{ nope }}"}, "l": ["{{ nope }}", "{{ 'b' }}"]});
    assert_eq!(render("{{ c.good }}", all.clone()).unwrap(), Value::Int(2));
    assert_eq!(render("{{ l[1] }}", all.clone()).unwrap(), Value::from("b"));
    assert_eq!(render("{{ c | length }}{{ c.keys() | list }}", all.clone()).unwrap(), Value::from("2['good', 'bad']"));
    assert_eq!(text(&render("{{ [c, l] | map('length') }}", all.clone()).unwrap()), "[2,2]");
    assert!(render("{{ c }}", all.clone()).unwrap_err().is_undefined());
    assert_eq!(render("{{ c.bad | default('d') }}", all).unwrap(), Value::from("d"));
}

#[test]
fn lookups() {
    let all = json!({"inner": "i", "list": [1, 2]});
    let table: &[(&str, Json)] = &[
        ("{{ lookup('echo', 'a') }}", json!("a")),
        ("{{ lookup('echo', 'a', 'b') }}", json!("a,b")),
        ("{{ lookup('echo', 'a', 1) }}", json!(["a", 1])),
        ("{{ query('echo', 'a') }}", json!(["a"])),
        ("{{ lookup('ansible.builtin.echo', 'a', wantlist=true) }}", json!(["a"])),
        ("{{ lookup('echo', '{{ inner }}') }}", json!("i")),
        ("{{ lookup('twice') }}", json!("ii")),
        ("{{ lookup('broken', errors='ignore') }}", json!(null)),
        ("{{ q('broken', errors='warn') }}", json!([])),
        ("{{ q('nested', ['a','b'], [1, 2]) }}", json!([["a", 1], ["a", 2], ["b", 1], ["b", 2]])),
        ("{{ q('together', ['a','b'], [1]) }}", json!([["a", 1], ["b", null]])),
        ("{{ q('dict', {'k': 1}) }}", json!([{"key": "k", "value": 1}])),
        ("{{ q('indexed_items', ['a']) }}", json!([[0, "a"]])),
        ("{{ q('flattened', [1, [2, [3]]]) }}", json!([1, 2, 3])),
        ("{{ q('sequence', '4-16/4') }}", json!(["4", "8", "12", "16"])),
        ("{{ q('sequence', 'end=3 format=web%02d') }}", json!(["web01", "web02", "web03"])),
        ("{{ q('sequence', start=3, end=1, stride=-1) }}", json!(["3", "2", "1"])),
        (
            "{{ q('subelements', [{'n': 'a', 'k': [1, 2]}, {'n': 'b'}], 'k', {'skip_missing': True}) | map('last') }}",
            json!([1, 2]),
        ),
        ("{{ q('varnames', '^inn') }}", json!(["inner"])),
        ("{{ lookup('vars', 'inner') }}", json!("i")),
        ("{{ lookup('vars', 'nope', default='d') }}", json!("d")),
        ("{{ lookup('echo', nope) | default('d') }}", json!("d")),
        ("{{ lookup('vars', 'nope') | default('d') }}", json!("d")),
    ];
    for (template, want) in table {
        assert_eq!(render(template, all.clone()).unwrap().to_json(), *want, "{template}");
    }
    let e = render("{{ lookup('broken') }}", all.clone()).unwrap_err();
    assert_eq!((e.kind, e.message.as_str()), (ErrorKind::Lookup, "The lookup plugin 'broken' failed: it is broken"));
    let e = render("{{ lookup('nosuch') }}", all).unwrap_err();
    assert_eq!(e.message, "The lookup plugin 'nosuch' was not found.");
}

#[test]
fn conditions() {
    let all = json!({"t": true, "f": false, "s": "text", "e": "", "n": 0, "expr": "1 == 1", "tmpl": "{{ t }}"});
    let t = templar();
    let check = |value: Value| t.condition(&value, &vars(all.clone()));
    let table: &[(&str, bool, bool)] = &[
        ("t", true, false),
        ("not t", false, false),
        ("s", true, true),
        ("e", false, true),
        ("n", false, true),
        ("tmpl", true, false),
        ("{{ t }}", true, true),
        ("{{ expr }}", true, true),
        ("", true, true),
        ("t and n == 0", true, false),
        ("s == '{{ s }}'", true, false),
        ("nope is not defined", true, false),
        ("nope | default(false)", false, false),
    ];
    for (text, holds, warns) in table {
        let (got, warning) = check(Value::template(*text, None)).unwrap();
        assert_eq!((got, warning.is_some()), (*holds, *warns), "{text}");
    }
    let list = |items: &[&str]| Value::list(items.iter().map(|i| Value::template(*i, None)).collect());
    assert!(check(list(&["t", "n == 0"])).unwrap().0);
    assert!(!check(list(&["f", "nope.x"])).unwrap().0, "stops at the first that does not hold");
    assert!(!check(Value::Bool(false)).unwrap().0);
    let e = check(Value::template("nope.x == 1", None)).unwrap_err();
    assert!(e.is_undefined());
    assert_eq!(e.message, "Error while evaluating conditional: 'nope' is undefined");
}

#[test]
fn text_from_elsewhere_is_no_conditional() {
    let mut all = Map::new();
    all.insert("fact".into(), Value::from("1 == 2"));
    let vars: Arc<dyn VarSource> = Arc::new(all);
    for value in [Value::template("{{ fact }}", None), Value::str("1 == 1"), Value::template("{{ '1 == 1' }}", None)] {
        let error = templar().condition(&value, &vars).unwrap_err();
        assert_eq!(error.message, "Encountered untrusted template or expression.");
    }
}

struct Hosts;

impl HostScopes for Hosts {
    fn host(&self, name: &str) -> Option<Arc<dyn VarSource>> {
        let port = match name {
            "web" => 80,
            "db" => 5432,
            _ => return None,
        };
        Some(vars(json!({"name": name, "port": port, "url": "http://{{ name }}:{{ port }}"})))
    }
    fn hosts(&self) -> Vec<String> {
        vec!["web".into(), "db".into()]
    }
}

struct WithHosts(Arc<dyn VarSource>);

impl VarSource for WithHosts {
    fn get(&self, name: &str) -> Option<Value> {
        self.0.get(name)
    }
    fn names(&self) -> Vec<String> {
        self.0.names()
    }
    fn hosts(&self) -> Option<Arc<dyn HostScopes>> {
        Some(Arc::new(Hosts))
    }
}

#[test]
fn other_hosts_variables_are_rendered_in_their_own_scope() {
    let scope: Arc<dyn VarSource> = Arc::new(WithHosts(vars(json!({"name": "me", "port": 1}))));
    let t = templar();
    for (template, want) in [
        ("{{ hostvars['db'].url }}", json!("http://db:5432")),
        ("{{ hostvars.web['port'] + 1 }}", json!(81)),
        ("{{ hostvars['web'].nope | default('d') }}", json!("d")),
        ("{{ hostvars['nohost'] is defined }}", json!(false)),
        ("{{ hostvars.keys() | list }}", json!(["web", "db"])),
        ("{{ 'db' in hostvars }}{{ hostvars | length }}", json!("True2")),
        ("{{ ['web', 'db'] | map('extract', hostvars, 'url') | list }}", json!(["http://web:80", "http://db:5432"])),
        ("{{ hostvars.values() | map(attribute='port') | list }}", json!([80, 5432])),
        ("{% for h in hostvars %}{{ hostvars[h].name }};{% endfor %}", json!("web;db;")),
        ("{{ hostvars['web'] }}", json!({"name": "web", "port": 80, "url": "http://web:80"})),
        ("{{ vars['name'] }}{{ vars.port }}{{ 'name' in vars }}", json!("me1True")),
    ] {
        let got = t.template(&Value::template(template, None), &scope).unwrap_or_else(|e| panic!("{template}: {e}"));
        assert_eq!(got.to_json(), want, "{template}");
    }
}

#[test]
fn overlays_hide() {
    let below = vars(json!({"a": 1, "b": "{{ a }}"}));
    let top = Overlay::new(Map::from_iter([("a".into(), Value::Int(2))]), below);
    assert_eq!(templar().template(&Value::template("{{ b }}", None), &top).unwrap(), Value::Int(2));
    assert_eq!(top.names(), ["a", "b"]);
}

#[test]
fn omit_and_native_types() {
    assert_eq!(render("{{ omit }}", json!({})).unwrap(), Value::Omit);
    let list = Value::from_json(json!(["{{ omit }}", {"a": "{{ omit }}", "b": "{{ 1 }}"}]), true);
    assert_eq!(text(&templar().template(&list, &vars(json!({}))).unwrap()), r#"[{"b":1}]"#);
    assert_eq!(render(" {{ 1 }}", json!({})).unwrap(), Value::from(" 1"));
    assert_eq!(render("{{ 1 }}\n", json!({})).unwrap(), Value::Int(1));
}

#[test]
fn vaults_are_opened_when_they_are_used() {
    let vault = |text: &str| Value::Vault(crate::Str { text: text.into(), template: false, span: None });
    let all = Map::from_iter([("good".into(), vault("vault:pw")), ("bad".into(), vault("x"))]);
    let vars: Arc<dyn VarSource> = Arc::new(all);
    let t = templar();
    assert_eq!(t.template(&Value::template("{{ good }}!", None), &vars).unwrap(), Value::from("pw!"));
    let e = t.template(&Value::template("{{ bad }}", None), &vars).unwrap_err();
    assert_eq!(e.message, "Error rendering template: Decryption failed: no secret fits");
}

#[test]
fn files() {
    let t = templar();
    let all = vars(json!({"x": 1}));
    let options = FileOptions { newline_sequence: "\r\n".into(), ..FileOptions::default() };
    assert_eq!(t.render_file("t", "a\n{{ x }}\nb\n", &options, &all, &Files).unwrap(), "a\r\n1\r\nb\r\n");
    let e = t.render_file("motd.j2", "line\n{{ nope }}\n", &FileOptions::default(), &all, &Files).unwrap_err();
    assert_eq!(e.span.as_ref().unwrap().to_string(), "motd.j2:2:4");
    let e = t.render_file("t", "{% include 'nope' %}", &FileOptions::default(), &all, &Files).unwrap_err();
    assert_eq!((e.kind, e.message.as_str()), (ErrorKind::Load, "'nope' not found in search path"));
    let e = t.render_file("t", "{% include 'denied.j2' %}", &FileOptions::default(), &all, &Files).unwrap_err();
    assert_eq!(e.message, "can't read the template 'denied.j2': permission denied");
}

#[test]
fn warnings_reach_the_host() {
    let host = Arc::new(Still::default());
    let t = Templar::new(Arc::new(Some3), host.clone());
    t.template(&Value::template("{{ 'maybe' | bool }}{{ q('broken', errors='warn') }}", None), &vars(json!({})))
        .unwrap();
    let messages: Vec<String> = host.warnings.lock().unwrap().iter().map(|w| w.message.clone()).collect();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert!(messages[0].contains("coerced invalid value 'maybe'"));
    assert!(messages[1].contains("'broken': it is broken"));
}

#[test]
fn the_clock_is_the_hosts() {
    assert_eq!(
        render("{{ now(fmt='%H:%M:%S') }} {{ now(utc=true).strftime('%H:%M') }}", json!({})).unwrap(),
        Value::from("23:13:20 22:13")
    );
    assert_eq!(render("{{ '%F' | strftime }}", json!({})).unwrap(), Value::from("2023-11-14"));
    assert_eq!(
        render("{{ '~/a' | expanduser }}{{ '$HOME/b' | expandvars }}", json!({})).unwrap(),
        Value::from("/home/u/a/home/u/b")
    );
}

#[test]
fn tests_are_filters_as_before_ansible_2_9() {
    let all = json!({"r": {"changed": true, "failed": false}, "v": "14.04"});
    for (text, want) in [
        ("{{ r | changed }}", true),
        ("{{ r|success }}", true),
        ("{{ r|failed }}", false),
        ("{{ v|version_compare('13.10', '=') or r|changed }}", true),
        ("{{ v | version_compare('15.04', '>=') }}", false),
    ] {
        assert_eq!(render(text, all.clone()).unwrap(), Value::Bool(want), "{text}");
    }
    assert!(render("{{ r | divisibleby(2) }}", all).is_err());
}
