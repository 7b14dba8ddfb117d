//! `first_found`: the first of a list of files that exists.

use super::{Answer, Ask, failed};
use crate::play::scope::items;
use imgbuild_jinja::{Key, Map, Value};
use std::path::Path;

/// An option that only `with_first_found` has: the folder in which the action's files are.
pub const SUBDIR: &str = "_subdir";

pub fn run(ask: &Ask<'_>) -> Answer {
    let mut candidates: Vec<String> = Vec::new();
    let mut skip = ask.bool("skip", false);
    let none: [Value; 0] = [];
    let terms = if ask.terms.is_empty() { &none[..] } else { ask.terms };
    if terms.is_empty() {
        collect(ask.kwargs, &mut candidates, &mut skip);
    }
    for term in terms {
        term_of(ask, term, &mut candidates, &mut skip);
    }
    // `with_first_found` looks where its action has its files; `lookup` and `query` into no folder of their own (2.19).
    let folder = ask.text(SUBDIR).unwrap_or_default();
    for name in candidates.iter().filter(|name| !name.is_empty()) {
        if let Some(path) = found(ask, &folder, name) {
            return Ok(vec![Value::str(path)]);
        }
    }
    if skip {
        return Ok(Vec::new());
    }
    Err(failed("No file was found when using first_found."))
}

fn found(ask: &Ask<'_>, folder: &str, name: &str) -> Option<String> {
    let path = ask.find(folder, name).filter(|p| p.is_file())?;
    Some(path.display().to_string())
}

fn term_of(ask: &Ask<'_>, term: &Value, candidates: &mut Vec<String>, skip: &mut bool) {
    match term {
        Value::Map(map) => {
            let mut all = ask.kwargs.clone();
            all.extend(map.iter().map(|(k, v)| (k.clone(), v.clone())));
            collect(&all, candidates, skip);
        }
        Value::List(list) => list.iter().for_each(|t| term_of(ask, t, candidates, skip)),
        other => {
            let names = pieces(&crate::text::of(other));
            let paths = split(ask.option("paths"));
            if paths.is_empty() {
                candidates.extend(names);
            } else {
                for name in &names {
                    candidates.extend(paths.iter().map(|p| Path::new(p).join(name).display().to_string()));
                }
            }
        }
    }
}

/// `files` in `paths`.
fn collect(map: &Map, candidates: &mut Vec<String>, skip: &mut bool) {
    if let Some(value) = map.get(&Key::from("skip")) {
        *skip |= crate::exec::connection::boolean(value).unwrap_or(false);
    }
    let files = split(map.get(&Key::from("files")));
    let paths = split(map.get(&Key::from("paths")));
    if paths.is_empty() {
        candidates.extend(files);
        return;
    }
    if files.is_empty() {
        candidates.extend(paths);
        return;
    }
    for path in &paths {
        for file in &files {
            candidates.push(Path::new(path).join(file).display().to_string());
        }
    }
}

/// A list, or text that is cut at commas and semicolons (paths also at colons).
fn split(value: Option<&Value>) -> Vec<String> {
    value.map(items).unwrap_or_default().iter().flat_map(|v| pieces(&crate::text::of(v))).collect()
}

fn pieces(text: &str) -> Vec<String> {
    text.split([',', ';']).map(|s| s.trim().to_owned()).collect()
}
