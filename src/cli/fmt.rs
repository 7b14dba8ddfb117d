//! `imgbuild fmt`: puts HCL2 templates and variable files into the canonical layout, as `packer fmt`.

use super::args::{Unused, go_bool};
use crate::failure::{self, Failure, Outcome};
use crate::ui::{self, Style};
use imgbuild_diag::{Diagnostic, Diagnostics, Source};
use imgbuild_template::hcl::format;
use std::io::Read;
use std::path::{Path, PathBuf};

/// `-check` found something to lay out.
const UNFORMATTED: u8 = 3;

#[derive(clap::Args)]
pub struct Args {
    /// Write nothing; exit with 3 if a file is not laid out
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool)]
    check: bool,
    /// Show what changes
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool)]
    diff: bool,
    /// Write the files; -write=false only names them
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", value_parser = go_bool)]
    write: bool,
    /// Folders inside of folders as well
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool)]
    recursive: bool,
    #[command(flatten)]
    unused: Unused,
    /// Files, folders with *.pkr.hcl and *.pkrvars.hcl files; - is standard input
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
}

/// What one run does, and what it found.
struct Formatter<'a> {
    args: &'a Args,
    changed: bool,
    problems: Diagnostics,
}

/// Lays out what the paths name.
pub fn run(args: &Args, style: Style) -> Outcome {
    let mut formatter = Formatter { args, changed: false, problems: Diagnostics::new() };
    for path in &args.paths {
        match path.is_dir() {
            true => formatter.folder(path)?,
            false => formatter.file(path)?,
        }
    }
    if formatter.problems.has_errors() {
        ui::diagnostics(style, &formatter.problems);
        return Ok(failure::FAILED);
    }
    Ok(if args.check && formatter.changed { UNFORMATTED } else { failure::OK })
}

impl Formatter<'_> {
    fn folder(&mut self, path: &Path) -> Result<(), Failure> {
        let entries = std::fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                self.problem(path, &error.to_string());
                return Ok(());
            }
        };
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            let swap = name.ends_with('~') || (name.starts_with('#') && name.ends_with('#'));
            if name.starts_with('.') || swap {
                continue;
            }
            // As Go joins them: `.` is no part of a name.
            let path = path.join(&name);
            let path = path.strip_prefix(".").map_or(path.clone(), Path::to_path_buf);
            // A link to a folder is not followed: it may lead back.
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && self.args.recursive => self.folder(&path)?,
                Ok(kind) if kind.is_dir() => {}
                _ if is_hcl(&path) => self.file(&path)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> Result<(), Failure> {
        let standard_input = path == Path::new("-");
        if !standard_input && !path.exists() {
            self.problem(path, "no such file or directory");
            return Ok(());
        }
        if !standard_input && !is_hcl(path) {
            self.problem(path, "only *.pkr.hcl and *.pkrvars.hcl files are laid out");
            return Ok(());
        }
        let mut bytes = Vec::new();
        let read = match standard_input {
            true => std::io::stdin().lock().read_to_end(&mut bytes),
            false => std::fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)),
        };
        if let Err(error) = read {
            self.problem(path, &error.to_string());
            return Ok(());
        }
        let Ok(old) = String::from_utf8(bytes) else {
            self.problem(path, "the text is not UTF-8");
            return Ok(());
        };
        let source = Source::new(path.to_string_lossy(), old);
        if let Err(errors) = format::check(&source) {
            self.problems.extend(errors);
            return Ok(());
        }
        let old = source.text();
        let new = format::format(old);
        let changed = new != *old;
        self.changed |= changed;
        let write = self.args.write && !self.args.check;
        if standard_input {
            // What was laid out already goes through, as in Packer, even with -check.
            if write || !changed {
                ui::data(new.as_bytes());
            }
            return Ok(());
        }
        if !changed {
            return Ok(());
        }
        ui::line(path.to_string_lossy());
        if write {
            std::fs::write(path, &new).map_err(|e| anyhow::anyhow!("write {}: {e}", path.display()))?;
        }
        if self.args.diff {
            ui::data(format::unified(old, &new, &path.to_string_lossy()).as_bytes());
        }
        Ok(())
    }

    fn problem(&mut self, path: &Path, why: &str) {
        self.problems.push(Diagnostic::error(format!("{}: {why}", path.display())));
    }
}

fn is_hcl(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.ends_with(".pkr.hcl") || name.ends_with(".pkrvars.hcl")
}
