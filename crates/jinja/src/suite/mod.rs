//! Tests of the whole: a table of what ansible-core 2.19.14 gives (`testdata/ansible.jsonl`), and what the table can't say.

mod errors;
mod scopes;

use crate::{
    FileOptions, FileStat, Host, Loader, LookupContext, LookupError, Lookups, Map, Stamp, Templar, TemplateError,
    Value, VarSource, Warning,
};
use serde_json::{Value as Json, json};
use std::sync::{Arc, Mutex};

/// A host that never changes.
#[derive(Default)]
pub(super) struct Still {
    pub warnings: Mutex<Vec<Warning>>,
}

impl Host for Still {
    fn now(&self) -> Stamp {
        Stamp { nanoseconds: 1_700_000_000_123_456_789, offset_seconds: 3600 }
    }
    fn random(&self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
    fn env(&self, name: &str) -> Option<String> {
        (name == "HOME").then(|| "/home/u".to_owned())
    }
    fn home(&self, user: Option<&str>) -> Option<String> {
        match user {
            None => Some("/home/u".into()),
            Some("root") => Some("/root".into()),
            Some(_) => None,
        }
    }
    fn stat(&self, _: &str) -> Option<FileStat> {
        None
    }
    fn realpath(&self, path: &str) -> String {
        path.to_owned()
    }
    fn glob(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
    fn read(&self, _: &str) -> Result<String, String> {
        Err("no such file".into())
    }
    fn decrypt(&self, envelope: &str, _: Option<&str>) -> Result<String, String> {
        envelope.strip_prefix("vault:").map(str::to_owned).ok_or_else(|| "no secret fits".to_owned())
    }
    fn warn(&self, warning: Warning) {
        self.warnings.lock().unwrap().push(warning);
    }
}

/// One lookup that gives its terms back, one that fails, one that renders.
pub(super) struct Some3;

impl Lookups for Some3 {
    fn lookup(&self, name: &str, terms: Vec<Value>, _: Map, cx: &LookupContext<'_>) -> Result<Vec<Value>, LookupError> {
        match name {
            "echo" => Ok(terms),
            "twice" => {
                let rendered = cx.templar().template(&Value::template("{{ inner }}{{ inner }}", None), cx.vars())?;
                Ok(vec![rendered])
            }
            "broken" => Err(LookupError::Failed("it is broken".into())),
            other => Err(LookupError::Unknown(other.to_owned())),
        }
    }
    fn known(&self, name: &str) -> bool {
        ["echo", "twice", "broken"].contains(&name)
    }
}

pub(super) struct Files;

impl Loader for Files {
    fn load(&self, name: &str, _: &str) -> Result<Option<(String, String)>, String> {
        let text = match name {
            "base.j2" => include_str!("../../testdata/base.j2"),
            "inc.j2" => include_str!("../../testdata/inc.j2"),
            "mac.j2" => include_str!("../../testdata/mac.j2"),
            "mid.j2" => include_str!("../../testdata/mid.j2"),
            "nl.j2" => include_str!("../../testdata/nl.j2"),
            "denied.j2" => return Err("permission denied".into()),
            "torn.j2" => "{% macro m() %}ok{% endmacro %}{{ missing }}",
            "said.j2" => "said",
            "self.j2" => "{% include 'self.j2' %}",
            _ => return Ok(None),
        };
        Ok(Some((name.to_owned(), text.to_owned())))
    }
}

pub(super) fn templar() -> Templar {
    Templar::new(Arc::new(Some3), Arc::new(Still::default()))
}

pub(super) fn vars(json: Json) -> Arc<dyn VarSource> {
    match Value::from_json(json, true) {
        Value::Map(m) => Arc::new(Map::clone(&m)),
        _ => Arc::new(Map::new()),
    }
}

pub(super) fn render(text: &str, json: Json) -> Result<Value, TemplateError> {
    templar().template(&Value::template(text, None), &vars(json))
}

#[test]
fn as_ansible() {
    let templar = templar();
    let (mut cases, mut wrong) = (0, Vec::new());
    for line in include_str!("../../testdata/ansible.jsonl").lines() {
        let case: Json = serde_json::from_str(line).unwrap();
        let vars = vars(case.get("v").cloned().unwrap_or(json!({})));
        let template = Value::from_json(case["t"].clone(), true);
        let text = template.as_str().unwrap_or_default();
        let got = match case.get("m").and_then(Json::as_str) {
            Some("e") => templar.evaluate(text, None, &vars),
            Some("c") => templar.condition(&template, &vars).map(|(holds, _)| Value::Bool(holds)),
            Some("f") => templar.render_file("t", text, &FileOptions::default(), &vars, &Files).map(Value::from),
            _ => templar.template(&template, &vars),
        };
        cases += 1;
        let matches = match (&got, case.get("ok")) {
            (Ok(Value::Omit), None) | (Err(_), None) => true,
            // Compared as text: the order of keys counts.
            (Ok(v), Some(want)) => serde_json::to_string(&v.to_json()).unwrap() == serde_json::to_string(want).unwrap(),
            _ => false,
        };
        if !matches {
            let shown = got.map_or_else(|e| format!("error: {e}"), |v| v.to_json().to_string());
            wrong.push(format!("{line}\n    got {shown}"));
        }
    }
    assert!(cases > 3000, "the table is incomplete");
    assert!(wrong.is_empty(), "{} of {cases} differ:\n{}", wrong.len(), wrong.join("\n"));
}
