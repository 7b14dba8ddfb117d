//! Finds and reads the files of a configuration: a folder's, or the one that is named.

use super::syntax::Syntax;
use imgbuild_diag::{Diagnostic, Diagnostics, Source};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file of a configuration or with values for variables.
pub(crate) type Text = (Arc<Source>, Syntax);

/// Whether Packer takes this path for HCL2: a folder, `*.pkr.hcl` or `*.pkr.json`.
pub fn is_hcl(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.ends_with(".pkr.hcl") || name.ends_with(".pkr.json") || path.is_dir()
}

/// What a path stands for.
#[derive(Debug)]
pub(crate) struct Found {
    /// The configuration, native files first, each kind by name.
    pub(crate) config: Vec<Text>,
    /// `*.auto.pkrvars.hcl`, then `*.auto.pkrvars.json`; only a folder has them.
    pub(crate) automatic: Vec<Text>,
    /// The folder, as the user wrote it: `path.root`.
    pub(crate) base: PathBuf,
}

/// Reads a folder, not those below it, or one file. Relative paths start at `cwd`.
pub(crate) fn find(path: &Path, cwd: &Path, diags: &mut Diagnostics) -> Option<Found> {
    let shown = path.to_string_lossy().into_owned();
    let real = cwd.join(path);
    if !real.is_dir() {
        let syntax = if shown.ends_with(".json") { Syntax::Json } else { Syntax::Native };
        let base = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let text = read(path, cwd, syntax, diags)?;
        return Some(Found { config: vec![text], automatic: Vec::new(), base: base.to_owned() });
    }
    let mut names: Vec<String> = match std::fs::read_dir(&real) {
        Ok(entries) => entries
            .filter_map(Result::ok)
            .filter(|entry| !entry.path().is_dir())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect(),
        Err(error) => {
            diags.push(Diagnostic::error(format!("Cannot read the folder {shown}: {error}")));
            return None;
        }
    };
    names.sort();
    let mut all = |native: &str, json: &str| -> Vec<Text> {
        let mut texts = Vec::new();
        for (ending, syntax) in [(native, Syntax::Native), (json, Syntax::Json)] {
            for name in names.iter().filter(|name| name.ends_with(ending)) {
                texts.extend(read(&path.join(name), cwd, syntax, diags));
            }
        }
        texts
    };
    let config = all(".pkr.hcl", ".pkr.json");
    let automatic = all(".auto.pkrvars.hcl", ".auto.pkrvars.json");
    if config.is_empty() && !diags.has_errors() {
        let message = format!("Could not find any config file in {shown}");
        diags.push(Diagnostic::error(message).help("config files end with .pkr.hcl or .pkr.json"));
    }
    Some(Found { config, automatic, base: path.to_owned() })
}

/// Reads a file of `-var-file`.
pub(crate) fn variables(path: &Path, cwd: &Path, diags: &mut Diagnostics) -> Option<Text> {
    let syntax = match path.extension().and_then(|e| e.to_str()) {
        Some("hcl") => Syntax::Native,
        Some("json") => Syntax::Json,
        _ => {
            let message = format!("Could not guess format of {}", path.display());
            diags.push(Diagnostic::error(message).help("a variable file ends with .hcl or .json"));
            return None;
        }
    };
    read(path, cwd, syntax, diags)
}

fn read(path: &Path, cwd: &Path, syntax: Syntax, diags: &mut Diagnostics) -> Option<Text> {
    let name = path.to_string_lossy().into_owned();
    let bytes = match path == Path::new("-") {
        true => {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut bytes).map(|_| bytes)
        }
        false => std::fs::read(cwd.join(path)),
    };
    let bytes = bytes.map_err(|error| diags.push(crate::load::unreadable(&name, &error))).ok()?;
    let Ok(text) = String::from_utf8(bytes) else {
        diags.push(Diagnostic::error(format!("{name}: the file is not encoded in UTF-8")));
        return None;
    };
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    Some((Source::new(name, text), syntax))
}
