//! Renders lines of JSON, `{"t": template, "v": variables, "m": "t" | "e" | "c" | "f"}`, and prints lines of JSON: for
//! comparing with other engines.

#![expect(clippy::print_stdout, reason = "a command-line tool")]

use imgbuild_jinja::{FileOptions, Loader, LocalHost, Map, NoLookups, Templar, Value, VarSource};
use serde_json::{Value as Json, json};
use std::io::BufRead as _;
use std::sync::Arc;

/// Files beside the working directory.
struct Files;

impl Loader for Files {
    fn load(&self, name: &str, _: &str) -> Result<Option<(String, String)>, String> {
        Ok(std::fs::read_to_string(name).ok().map(|text| (name.to_owned(), text)))
    }
}

fn main() {
    let host =
        LocalHost::new(std::env::vars().collect(), std::env::home_dir().map(|h| h.display().to_string()), |_| {});
    let templar = Templar::new(Arc::new(NoLookups), Arc::new(host));
    for line in std::io::stdin().lock().lines().map_while(Result::ok).filter(|l| !l.is_empty()) {
        let case = match serde_json::from_str(&line) {
            Ok(Json::Object(o)) if o.contains_key("t") => Json::Object(o),
            _ => json!({ "t": line }),
        };
        let vars = match Value::from_json(case.get("v").cloned().unwrap_or(json!({})), true) {
            Value::Map(m) => Map::clone(&m),
            _ => Map::new(),
        };
        let vars: Arc<dyn VarSource> = Arc::new(vars);
        let template = Value::from_json(case["t"].clone(), true);
        let text = template.as_str().unwrap_or_default().to_owned();
        let result = match case.get("m").and_then(Json::as_str).unwrap_or("t") {
            "e" => templar.evaluate(&text, None, &vars),
            "c" => templar.condition(&template, &vars).map(|(holds, _)| Value::Bool(holds)),
            "f" => templar.render_file("t", &text, &FileOptions::default(), &vars, &Files).map(Value::from),
            _ => templar.template(&template, &vars),
        };
        let shown = match result {
            Ok(Value::Omit) => json!({"t": case["t"], "err": "omit"}),
            Ok(v) => json!({"t": case["t"], "ok": v.to_json()}),
            Err(e) => json!({"t": case["t"], "err": e.to_string()}),
        };
        println!("{shown}");
    }
}
