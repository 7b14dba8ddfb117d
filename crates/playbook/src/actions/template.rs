//! `template`: rendered here, then what `copy` does.

use super::copy::{self, Source};
use super::{Call, Problem, refuse};
use crate::exec::result::{Failure, Res};
use crate::settings::Settings;
use imgbuild_jinja::{FileOptions, Key, Loader, Map, Overlay, Value};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const OPTIONS: [&str; 12] = [
    "src",
    "newline_sequence",
    "block_start_string",
    "block_end_string",
    "variable_start_string",
    "variable_end_string",
    "comment_start_string",
    "comment_end_string",
    "trim_blocks",
    "lstrip_blocks",
    "output_encoding",
    "state",
];

pub async fn run(call: &Call<'_>) -> Result<Res, Problem> {
    let Some(src) = call.text("src") else { return Err(refuse("src and dest are required")) };
    if call.text("dest").or_else(|| call.text("path")).is_none() {
        return Err(refuse("src and dest are required"));
    }
    let path = call.find(&src, "templates")?;
    let text = read(&path, &call.run.engine.settings)?;
    let mut options = FileOptions::default();
    for (name, field) in options.marks() {
        if let Some(text) = call.text(name) {
            *field = text;
        }
    }
    options.trim_blocks = call.bool("trim_blocks", true)?;
    options.lstrip_blocks = call.bool("lstrip_blocks", false)?;
    options.newline_sequence = match call.text("newline_sequence").as_deref() {
        None | Some("\n" | "\\n") => "\n".into(),
        Some("\r" | "\\r") => "\r".into(),
        Some("\r\n" | "\\r\\n") => "\r\n".into(),
        Some(_) => return Err(refuse("newline_sequence needs to be one of: \n, \r or \r\n")),
    };
    let dest = call.text("dest").unwrap_or_default();
    let rendered = render(call, &path, &text, &options, &dest)?;
    let encoding = call.text("output_encoding").filter(|e| !e.is_empty()).unwrap_or_else(|| "utf-8".into());
    let bytes = crate::encoding::encode(&rendered, &encoding).map_err(refuse)?;
    let mut args: Map = call.args.clone();
    for name in OPTIONS {
        args.shift_remove(&Key::from(name));
    }
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    copy::send(call, args, Source::Text { name, bytes, path: Some(path) }).await
}

/// The text of a template.
fn read(path: &Path, settings: &Settings) -> Result<String, Problem> {
    if path.is_dir() {
        return Err(refuse(format!("{} is a directory, not a template", path.display())));
    }
    let bytes = crate::vault::read(path, settings).map_err(refuse)?;
    String::from_utf8(bytes).map_err(|_| refuse("Template source files must be utf-8 encoded"))
}

/// Renders a template file with the variables that `template` adds.
pub fn render(call: &Call<'_>, path: &Path, text: &str, options: &FileOptions, dest: &str) -> Result<String, Problem> {
    let managed = &call.run.engine.settings.ansible_managed;
    let managed = call.vars.get("ansible_managed").is_none().then_some(managed.as_str());
    let written = call.args.get(&Key::from("src")).map_or_else(|| path.display().to_string(), crate::text::of);
    let mut extra = super::template_vars::of(&written, path, dest, managed).map_err(refuse)?;
    let dir = path.parent().unwrap_or(Path::new("/")).to_owned();
    let mut search = vec![dir.clone()];
    for base in call.run.search_path(call.task) {
        search.push(base.join("templates"));
        search.push(base);
    }
    let shown = search.iter().map(|p| Value::str(p.display().to_string())).collect();
    extra.insert("ansible_search_path".into(), Value::list(shown));
    let vars = Overlay::new(extra, Arc::clone(&call.vars));
    let loader = Files { search };
    call.run
        .engine
        .templar
        .render_file(&path.display().to_string(), text, options, &vars, &loader)
        .map_err(|e| Problem::Failed(Failure::from(e)))
}

/// Template files that others include.
pub struct Files {
    /// Where they are looked for, best first.
    pub search: Vec<PathBuf>,
}

impl Loader for Files {
    fn load(&self, name: &str, parent: &str) -> Result<Option<(String, String)>, String> {
        let beside = Path::new(parent).parent().map(Path::to_owned);
        let candidates = beside.into_iter().chain(self.search.iter().cloned()).map(|dir| dir.join(name));
        match candidates.into_iter().find(|p| p.is_file()) {
            Some(path) => {
                let text = fs_err::read_to_string(&path).map_err(|e| e.to_string())?;
                Ok(Some((path.display().to_string(), text)))
            }
            None => Ok(None),
        }
    }
}
