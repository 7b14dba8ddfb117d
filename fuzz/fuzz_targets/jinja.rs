//! Templates and expressions: every evaluation ends within its limits of steps, depth and memory.
#![no_main]

use imgbuild_jinja::{
    CheckKind, Extensions, FileOptions, Key, Limits, LocalHost, Map, NoLoader, NoLookups, Str, Templar, Value,
    VarSource,
};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

static TEMPLAR: LazyLock<Templar> = LazyLock::new(|| {
    let limits = Limits { steps: 20_000, depth: 30, output: 1 << 20 };
    let host = LocalHost::new(BTreeMap::new(), None, |_| {});
    let extensions = Extensions { do_: true, loop_controls: true };
    Templar::with_limits(Arc::new(NoLookups), Arc::new(host), limits, extensions)
});

static VARS: LazyLock<Arc<dyn VarSource>> = LazyLock::new(|| {
    let mut map = Map::new();
    map.insert("n".into(), Value::Int(7));
    map.insert("s".into(), Value::str("text"));
    map.insert("l".into(), Value::list(vec![Value::Int(3), Value::str("b"), Value::Null]));
    map.insert("d".into(), Value::map(Map::from_iter([(Key::from("k"), Value::Float(0.5))])));
    map.insert("lazy".into(), Value::template("{{ l | first }}{{ s }}", None));
    map.insert("again".into(), Value::template("{{ again }}", None));
    Arc::new(map)
});

libfuzzer_sys::fuzz_target!(|text: &str| {
    // Files of this machine are not the target.
    if ["fileglob", "/dev", "/proc"].iter().any(|word| text.contains(word)) {
        return;
    }
    let template = Str { text: text.into(), template: true, span: None };
    for kind in [CheckKind::Template, CheckKind::Expression] {
        drop(TEMPLAR.check(&template, kind));
        drop(TEMPLAR.references(text, kind));
    }
    drop(TEMPLAR.template(&Value::Str(template), &VARS));
    drop(TEMPLAR.evaluate(text, None, &VARS));
    drop(TEMPLAR.condition(&Value::template(text, None), &VARS));
    drop(TEMPLAR.render_file("t.j2", text, &FileOptions::default(), &VARS, &NoLoader));
});
