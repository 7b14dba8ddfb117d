//! `file`, `unvault`, `fileglob`.

use super::{Answer, Ask, failed};
use imgbuild_jinja::Value;
use std::path::{Path, PathBuf};

/// `file`: contents, white space at the end removed unless `rstrip=false`.
pub fn file(ask: &Ask<'_>) -> Answer {
    let mut out = Vec::new();
    for term in ask.terms {
        let name = crate::text::of(term);
        let path = located(ask, &name)?;
        let mut text = crate::vault::read_text(&path, &ask.plugins.settings).map_err(failed)?;
        if ask.bool("lstrip", false) {
            text = text.trim_start().to_owned();
        }
        if ask.bool("rstrip", true) {
            text.truncate(text.trim_end().len());
        }
        out.push(Value::str(text));
    }
    Ok(out)
}

/// `unvault`: contents as they are, decrypted.
pub fn unvault(ask: &Ask<'_>) -> Answer {
    let mut out = Vec::new();
    for term in ask.terms {
        let path = located(ask, &crate::text::of(term))?;
        out.push(Value::str(crate::vault::read_text(&path, &ask.plugins.settings).map_err(failed)?));
    }
    Ok(out)
}

fn located(ask: &Ask<'_>, name: &str) -> Result<PathBuf, imgbuild_jinja::LookupError> {
    ask.find("files", name).filter(|p| p.is_file()).ok_or_else(|| {
        failed(format!("Unable to access the file '{name}': it was not found in {}", shown(&ask.search())))
    })
}

fn shown(paths: &[PathBuf]) -> String {
    paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// `fileglob`: files of one folder whose names match; the folder is looked for like a file.
pub fn fileglob(ask: &Ask<'_>) -> Answer {
    let mut out = Vec::new();
    for term in ask.terms {
        let term = crate::text::of(term);
        let (dir, pattern) = term.rsplit_once('/').map_or(("", term.as_str()), |(dir, file)| (dir, file));
        let mut dirs: Vec<PathBuf> = Vec::new();
        if term.starts_with('/') {
            dirs.push(PathBuf::from(if dir.is_empty() { "/" } else { dir }));
        } else if dir.is_empty() {
            for base in ask.search() {
                dirs.extend([base.join("files"), base]);
            }
        } else if let Some(found) = ask.find("files", dir) {
            dirs.push(found);
        }
        let Ok(glob) = globset::GlobBuilder::new(pattern).literal_separator(true).build() else {
            return Err(failed(format!("fileglob: {pattern:?} is no pattern")));
        };
        let matcher = glob.compile_matcher();
        for dir in dirs {
            let found = matching(&dir, &matcher);
            if !found.is_empty() {
                out.extend(found.into_iter().map(|p| Value::str(p.display().to_string())));
                break;
            }
        }
    }
    Ok(out)
}

fn matching(dir: &Path, matcher: &globset::GlobMatcher) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs_err::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| {
            let name = entry.file_name();
            let hidden = name.to_string_lossy().starts_with('.') && !matcher.glob().glob().starts_with('.');
            !hidden && matcher.is_match(Path::new(&name))
        })
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    found.sort();
    found
}
