//! `artifice`: replaces the artifact by files, named by Go's patterns (`filepath.Glob`: a `*` stays within its folder).

use super::{Outcome, PostProcessor, PostSession};
use crate::artifact::{FileArtifact, SharedArtifact};
use crate::provision::{Block, error, strings};
use async_trait::async_trait;
use globset::GlobBuilder;
use imgbuild_diag::Diagnostics;
use imgbuild_template::{Body, Context, Kind, Opt, Table};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

pub(super) static TABLE: Table = Table::new(
    "artifice",
    &[&[Opt::new("files", Kind::Strings, "The files that are the artifact, or patterns of them.").default("required")]],
);

/// A prepared `artifice`.
pub(super) struct Artifice {
    block: Block,
}

impl Artifice {
    pub(super) fn prepare(body: &Body, context: &Context, promised: &[&str], diags: &mut Diagnostics) -> Self {
        let (block, reader) = Block::prepare(body, &TABLE, context, promised, diags);
        let patterns = strings(&reader, "files");
        if patterns.is_empty() && !reader.unread("files") {
            error(diags, reader.span(), "No files specified in artifice configuration");
        }
        for pattern in &patterns {
            if let Err(e) = GlobBuilder::new(&pattern.value).build() {
                error(diags, &pattern.span, format!("the pattern can't be read: {}", e.kind()));
            }
        }
        Artifice { block }
    }
}

/// Files as people read them.
pub(super) fn listed(files: &[PathBuf]) -> String {
    files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ")
}

#[async_trait]
impl PostProcessor for Artifice {
    async fn process(&self, session: &PostSession, input: &SharedArtifact) -> Result<Outcome, String> {
        let reader = self.block.read(&session.data)?;
        let old = input.files();
        if !old.is_empty() {
            session.reporter.say(format!("Discarding files from artifact: {}", listed(&old)));
        }
        let mut files = Vec::new();
        for pattern in strings(&reader, "files") {
            let found = matches(&self.block.path(""), &pattern.value).map_err(|e| format!("{}: {e}", pattern.value))?;
            if found.is_empty() {
                let told = format!("Warning: no file is there for {:?} of \"files\" ({})", pattern.value, pattern.span);
                session.reporter.error(told);
            }
            files.extend(found);
        }
        session.reporter.say(format!("Using these artifact files: {}", listed(&files)));
        let artifact = FileArtifact {
            builder_id: "packer.post-processor.artifice".into(),
            id: String::new(),
            description: format!("Created artifact from files: {}", listed(&files)),
            files,
        };
        Ok(Outcome { artifact: Some(Arc::new(artifact)), keep: true, must_keep: false })
    }
}

/// What is there for a pattern, in the order of names; relative ones stay relative to `dir`.
fn matches(dir: &Path, pattern: &str) -> std::io::Result<Vec<PathBuf>> {
    let special = |part: &str| part.contains(['*', '?', '[', '{', '\\']);
    let mut found = vec![PathBuf::new()];
    for part in Path::new(pattern).components() {
        let text = part.as_os_str().to_string_lossy();
        if !matches!(part, Component::Normal(_)) || !special(&text) {
            found.iter_mut().for_each(|path| path.push(part));
            continue;
        }
        // What can't be read was told when the template was.
        let Ok(glob) = GlobBuilder::new(&text).literal_separator(true).build() else { return Ok(Vec::new()) };
        let matcher = glob.compile_matcher();
        let mut next = Vec::new();
        for path in &found {
            let Ok(entries) = std::fs::read_dir(dir.join(path)) else { continue };
            let mut names: Vec<_> = entries.filter_map(|e| Some(e.ok()?.file_name())).collect();
            names.sort();
            next.extend(names.into_iter().filter(|name| matcher.is_match(name)).map(|name| path.join(name)));
        }
        found = next;
    }
    found.retain(|path| dir.join(path).symlink_metadata().is_ok());
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stay_within_their_folders() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a/x.txt", "a/y.txt", "b/x.txt", "x.txt"] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, name).unwrap();
        }
        let found = |pattern: &str| listed(&matches(dir.path(), pattern).unwrap());
        assert_eq!(found("*.txt"), "x.txt");
        assert_eq!(found("*/x.txt"), "a/x.txt, b/x.txt");
        assert_eq!(found("a/[xy].txt"), "a/x.txt, a/y.txt");
        assert_eq!(found("./a/x.txt"), "./a/x.txt");
        assert_eq!(found("none"), "");
        let absolute = dir.path().join("a/*.txt").display().to_string();
        assert_eq!(matches(Path::new("/nowhere"), &absolute).unwrap().len(), 2);
    }
}
