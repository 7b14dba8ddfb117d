//! `include_vars`: a file, or all files of a folder.

use super::{Call, Problem, refuse};
use crate::exec::result::{Failure, Res, set};
use crate::play::scope::items;
use imgbuild_diag::Diagnostics;
use imgbuild_jinja::{Key, Map, Value};
use std::path::{Path, PathBuf};

pub fn run(call: &Call<'_>) -> Result<Res, Problem> {
    match include(call) {
        // Its failures stand under a name of their own.
        Err(Problem::Failed(failure)) => {
            let mut res = Call::done(false);
            set(&mut res, "failed", true);
            set(&mut res, "message", failure.message());
            set(&mut res, "ansible_facts", Value::map(Map::new()));
            set(&mut res, "ansible_included_var_files", Value::list(Vec::new()));
            Ok(res)
        }
        other => other,
    }
}

fn include(call: &Call<'_>) -> Result<Res, Problem> {
    call.only(&[
        "file",
        "dir",
        "name",
        "depth",
        "files_matching",
        "ignore_files",
        "extensions",
        "ignore_unknown_extensions",
        "hash_behaviour",
        "_raw_params",
    ])?;
    let merge = match call.text("hash_behaviour").as_deref() {
        None => call.run.engine.settings.hash_merge,
        Some("merge") => true,
        Some("replace") => false,
        Some(other) => {
            return Err(refuse(format!("value of hash_behaviour must be one of: replace, merge, got: {other}")));
        }
    };
    let mut vars = Map::new();
    let mut read = Vec::new();
    if let Some(dir) = call.text("dir") {
        let root = folder(call, &dir)?;
        for file in files(call, &root)? {
            load(call, &file, &mut vars, call.run.engine.settings.hash_merge)?;
            read.push(file);
        }
    } else {
        let name = call.text("file").or_else(|| call.text("_raw_params")).unwrap_or_default();
        if name.trim().is_empty() {
            return Err(refuse("Could not find file: no file or dir was given"));
        }
        let path = call.find(name.trim(), "vars")?;
        load(call, &path, &mut vars, merge)?;
        read.push(path);
    }
    if let Some(name) = call.text("name") {
        vars = Map::from_iter([(Key::from(name), Value::map(vars))]);
    }
    // Asked for here and not everywhere, merging reaches what the variables were before.
    if merge && !call.run.engine.settings.hash_merge {
        for (key, value) in &mut vars {
            if let (Some(Value::Map(old)), Value::Map(new)) = (call.var(&key.to_string())?, &*value) {
                let mut all = Map::clone(&old);
                crate::vars::merge::deep(&mut all, Map::clone(new));
                *value = Value::map(all);
            }
        }
    }
    let mut res = Call::done(false);
    set(
        &mut res,
        "ansible_included_var_files",
        Value::list(read.iter().map(|p| Value::str(p.display().to_string())).collect()),
    );
    set(&mut res, "ansible_facts", Value::map(vars));
    if call.no_log {
        set(&mut res, "_ansible_no_log", true);
    }
    Ok(res)
}

fn folder(call: &Call<'_>, dir: &str) -> Result<PathBuf, Problem> {
    let found = call.find(dir.trim_end_matches('/'), "vars");
    match found {
        Ok(path) if path.is_dir() => Ok(path),
        Ok(path) => Err(refuse(format!("{} is not a directory", path.display()))),
        Err(_) => Err(refuse(format!("{dir} directory does not exist"))),
    }
}

fn files(call: &Call<'_>, root: &Path) -> Result<Vec<PathBuf>, Problem> {
    let depth = call.arg("depth").and_then(crate::exec::connection::number).unwrap_or(0.0) as usize;
    let regex =
        |text: &str| regex::Regex::new(text).map_err(|e| refuse(format!("{text:?} is no regular expression: {e}")));
    let matching = call.text("files_matching").map(|t| regex(&t)).transpose()?;
    let mut ignored = Vec::new();
    for pattern in call.arg("ignore_files").map(items).unwrap_or_default() {
        ignored.push(regex(&format!("{}$", crate::text::of(&pattern)))?);
    }
    let extensions: Vec<String> = match call.arg("extensions") {
        Some(list) => items(list).iter().map(crate::text::of).collect(),
        None => ["json", "yaml", "yml"].map(str::to_owned).to_vec(),
    };
    let lenient = call.bool("ignore_unknown_extensions", false)?;
    let mut found = Vec::new();
    let mut todo = vec![(root.to_owned(), 1)];
    while let Some((dir, level)) = todo.pop() {
        let mut entries: Vec<PathBuf> =
            fs_err::read_dir(&dir).map_err(|e| refuse(e.to_string()))?.flatten().map(|e| e.path()).collect();
        entries.sort();
        let mut below = Vec::new();
        for entry in entries {
            let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if entry.is_dir() {
                if depth == 0 || level < depth {
                    below.push((entry, level + 1));
                }
                continue;
            }
            // A role's main file has been read already.
            if root.ends_with("vars") && level == 1 && name.starts_with("main.") && call.task.scope.role().is_some() {
                continue;
            }
            if ignored.iter().any(|r| r.is_match(&name)) || matching.as_ref().is_some_and(|r| !r.is_match(&name)) {
                continue;
            }
            let extension = entry.extension().map(|e| e.to_string_lossy().into_owned()).unwrap_or_default();
            if !extensions.contains(&extension) {
                if lenient {
                    continue;
                }
                return Err(refuse(format!(
                    "{} does not have a valid extension: {}",
                    entry.display(),
                    extensions.join(", ")
                )));
            }
            found.push(entry);
        }
        todo.extend(below.into_iter().rev());
    }
    Ok(found)
}

fn load(call: &Call<'_>, path: &Path, vars: &mut Map, merge: bool) -> Result<(), Problem> {
    let mut read = Map::new();
    let mut out = Diagnostics::new();
    crate::inventory::vars_files::read_file(path, &call.run.engine.settings, &mut read, &mut out);
    if let Err(problems) = out.into_result(()) {
        let first = problems.errors().next();
        let message = first.map_or_else(String::new, |d| d.message.clone());
        return Err(Problem::Failed(
            Failure::new(message).at(first.and_then(|d| d.span.as_ref())).field("_action", true),
        ));
    }
    if merge {
        crate::vars::merge::deep(vars, read)
    } else {
        vars.extend(read)
    }
    Ok(())
}
