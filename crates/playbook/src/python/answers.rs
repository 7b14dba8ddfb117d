//! What plugins in Python ask for on their way: variables, templates, lookups, filters, files of vaults, YAML.

use super::wire;
use crate::actions::TemplateFiles;
use crate::settings::Settings;
use crate::yaml;
use imgbuild_diag::{Diagnostics, Source};
use imgbuild_jinja::{FileOptions, Key, LookupContext, Map, Overlay, Value, VarSource, Warning};
use serde_json::{Value as Json, json};
use std::path::Path;
use std::sync::Arc;

/// A question that can't be answered.
pub fn failed(why: impl Into<String>) -> Json {
    json!({"error": why.into()})
}

/// The answer to a question of the helper.
pub fn reply(question: &Json, settings: &Settings, cx: &LookupContext<'_>) -> Json {
    let text = |key: &str| question.get(key).and_then(Json::as_str);
    if let Some(name) = text("variable") {
        return match cx.var(name) {
            Ok(Some(value)) => json!({"value": wire::pack(&value)}),
            Ok(None) => json!({}),
            Err(error) => failed(error.message.clone()),
        };
    }
    if question.get("variables").is_some() {
        return json!({"names": cx.vars().names()});
    }
    if let Some(value) = question.get("template") {
        return template(question, value, cx);
    }
    if let Some(message) = text("warning") {
        cx.templar().warn(Warning { message: message.to_owned(), span: cx.span().cloned(), deprecated: false });
        return json!({});
    }
    if let Some(name) = text("lookup") {
        let terms = list(question.get("terms"));
        return match cx.templar().lookup(name, terms, kwargs(question), cx.vars(), cx.span()) {
            Ok(values) => json!({"value": wire::pack(&Value::list(values))}),
            Err(error) => failed(error.to_string()),
        };
    }
    if let Some(name) = text("filter") {
        return called("|", name, question, cx);
    }
    if let Some(name) = text("test") {
        return called(" is ", name, question, cx);
    }
    if let Some(text) = text("yaml") {
        let source = Source::new("<a plugin's text>", text.to_owned());
        let mut out = Diagnostics::new();
        return match yaml::load(&source, &mut out) {
            Ok(node) => json!({"value": wire::pack(&node.map_or(Value::Null, |n| n.to_value()))}),
            Err(()) => failed(out.to_string()),
        };
    }
    if let Some(path) = text("file") {
        return match crate::vault::read(Path::new(path), settings) {
            Ok(bytes) => json!({"value": match String::from_utf8(bytes) {
                Ok(text) => json!(text),
                Err(error) => wire::pack(&Value::Bytes(error.into_bytes().into())),
            }}),
            Err(why) => failed(String::from(why)),
        };
    }
    failed(format!("a plugin can't ask for {question} here"))
}

fn list(values: Option<&Json>) -> Vec<Value> {
    values.and_then(Json::as_array).into_iter().flatten().cloned().map(wire::unpack).collect()
}

fn kwargs(question: &Json) -> Map {
    match question.get("kwargs").cloned().map(wire::unpack) {
        Some(Value::Map(map)) => Map::clone(&map),
        _ => Map::new(),
    }
}

/// Whether this is a name and nothing that an expression could hold besides.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.split('.').all(crate::play::fields::is_identifier)
}

/// A filter or test of imgbuild's: an expression over the values.
fn called(before: &str, name: &str, question: &Json, cx: &LookupContext<'_>) -> Json {
    let kwargs = kwargs(question);
    // Names may come from anywhere, and become part of an expression.
    if let Some(wrong) = [name.to_owned()].into_iter().chain(kwargs.keys().map(Key::to_string)).find(|n| !is_name(n)) {
        return failed(format!("{wrong:?} is no name"));
    }
    let mut given = Map::new();
    let mut add = |name: &str, value: Value| {
        let name = format!("_imgbuild_{name}");
        given.insert(Key::from(name.as_str()), value);
        name
    };
    let mut values = list(question.get("values")).into_iter();
    let input = add("input", values.next().unwrap_or(Value::Null));
    let mut args: Vec<String> = values.enumerate().map(|(n, value)| add(&n.to_string(), value)).collect();
    for (key, value) in kwargs {
        let name = key.to_string();
        args.push(format!("{name}={}", add(&name, value)));
    }
    let expression = Value::template(format!("{{{{ {input}{before}{name}({}) }}}}", args.join(", ")), None);
    let scope = Overlay::new(given, Arc::clone(cx.vars()));
    match cx.templar().template(&expression, &scope) {
        Ok(value) => json!({"value": wire::pack(&value)}),
        Err(error) => failed(error.message.clone()),
    }
}

fn template(question: &Json, value: &Json, cx: &LookupContext<'_>) -> Json {
    let value = wire::unpack(value.clone());
    let mut scope: Arc<dyn VarSource> = Arc::clone(cx.vars());
    if let Some(Value::Map(more)) = question.get("with").cloned().map(wire::unpack) {
        scope = Overlay::new(Map::clone(&more), scope);
    }
    let rendered = match &value {
        // A file's text, as the module `template` renders it.
        Value::Str(text) if text.template && question.get("text") == Some(&Json::Bool(true)) => {
            let paths = |value: Option<Value>| {
                let found = value.as_ref().and_then(Value::as_list).unwrap_or_default().iter().map(crate::text::of);
                found.map(std::path::PathBuf::from).collect::<Vec<_>>()
            };
            let mut search = paths(question.get("search").cloned().map(wire::unpack));
            for base in paths(cx.var("ansible_search_path").ok().flatten()) {
                search.extend([base.join("templates"), base]);
            }
            let files = TemplateFiles { search };
            let options = options(question.get("overrides"));
            cx.templar().render_file("<template>", &text.text, &options, &scope, &files).map(Value::str)
        }
        other => cx.templar().template(other, &scope),
    };
    match rendered {
        Ok(value) => json!({"value": wire::pack(&value)}),
        Err(error) => failed(error.message.clone()),
    }
}

/// How a text is rendered: what a plugin says, else as the module `template` does.
fn options(overrides: Option<&Json>) -> FileOptions {
    let given = match overrides.cloned().map(wire::unpack) {
        Some(Value::Map(map)) => Map::clone(&map),
        _ => Map::new(),
    };
    let mut options = FileOptions::default();
    let text = |name: &str| given.get(&Key::from(name)).and_then(Value::as_str);
    for (name, field) in options.marks() {
        if let Some(text) = text(name) {
            text.clone_into(field);
        }
    }
    if let Some(newline) = text("newline_sequence") {
        newline.clone_into(&mut options.newline_sequence);
    }
    for (name, field) in [("trim_blocks", &mut options.trim_blocks), ("lstrip_blocks", &mut options.lstrip_blocks)] {
        if let Some(value) = given.get(&Key::from(name)) {
            *field = value.is_true();
        }
    }
    options
}
