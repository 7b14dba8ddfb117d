//! Files and paths: `abspath`, `basename`, `dirname`, `file`, `filebase64`, `fileexists`, `fileset`, `pathexpand`, `templatefile`.

use super::{Call, FunctionError, Kind, Spec, p};
use crate::hcl::types::Type;
use crate::hcl::value::{Entries, Value};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

type Result = std::result::Result<Value, FunctionError>;

/// The largest file that is read into a value.
const LARGEST: u64 = 64 << 20;
/// As many entries as `fileset` looks at.
const MOST_ENTRIES: usize = 200_000;

pub(super) const FUNCTIONS: &[Spec] = &[
    Spec::new("abspath", &[p("path", Kind::String)], Kind::String, |c| {
        Ok(clean(&c.ctx.cwd.join(c.text(0))).to_string_lossy().into_owned().into())
    }),
    Spec::new("basename", &[p("path", Kind::String)], Kind::String, |c| Ok(basename(c.text(0)).into())),
    Spec::new("dirname", &[p("path", Kind::String)], Kind::String, |c| Ok(dirname(c.text(0)).into())),
    Spec::new("file", &[p("path", Kind::String)], Kind::String, |c| Ok(read(c)?.into())),
    Spec::new("filebase64", &[p("path", Kind::String)], Kind::String, |c| {
        // From the working directory, without `~`: so it is in Packer.
        let bytes = bytes(&c.ctx.cwd.join(c.text(0))).or_else(|message| c.bad(0, message))?;
        Ok(STANDARD.encode(bytes).into())
    }),
    Spec::new("fileexists", &[p("path", Kind::String)], Kind::Bool, fileexists),
    Spec::new("fileset", &[p("path", Kind::String), p("pattern", Kind::String)], Kind::Any, fileset),
    Spec::new("pathexpand", &[p("path", Kind::String)], Kind::String, |c| {
        Ok(expanded(c, c.text(0))?.to_string_lossy().into_owned().into())
    }),
    Spec::new("templatefile", &[p("path", Kind::String), p("vars", Kind::Any)], Kind::Any, templatefile),
];

/// The shortest form of a path, without looking at the disk: no `.`, no `..` that can go, no double slashes.
fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => match out.components().next_back() {
                Some(Component::Normal(_)) => {
                    out.pop();
                }
                Some(Component::RootDir) => {}
                _ => out.push(".."),
            },
            other => out.push(other),
        }
    }
    if out.as_os_str().is_empty() { PathBuf::from(".") } else { out }
}

fn basename(path: &str) -> String {
    let trimmed = path.trim_end_matches('/');
    match (path, trimmed) {
        ("", _) => ".".to_owned(),
        (_, "") => "/".to_owned(),
        _ => trimmed.rsplit('/').next().unwrap_or_default().to_owned(),
    }
}

fn dirname(path: &str) -> String {
    let end = path.rfind('/').map_or(0, |slash| slash + 1);
    clean(Path::new(&path[..end])).to_string_lossy().into_owned()
}

fn expanded(c: &Call<'_>, path: &str) -> std::result::Result<PathBuf, FunctionError> {
    let Some(rest) = path.strip_prefix('~') else {
        return Ok(PathBuf::from(path));
    };
    if !rest.is_empty() && !rest.starts_with('/') {
        return c.bad(0, "the home of another user can't be expanded");
    }
    match c.ctx.env.get("HOME").filter(|home| !home.is_empty()) {
        Some(home) => Ok(clean(&Path::new(home).join(rest.trim_start_matches('/')))),
        None => c.bad(0, "~ can't be expanded: HOME is not set"),
    }
}

fn from_base(c: &Call<'_>) -> std::result::Result<PathBuf, FunctionError> {
    Ok(clean(&c.ctx.cwd.join(c.ctx.base).join(expanded(c, c.text(0))?)))
}

fn bytes(path: &Path) -> std::result::Result<Vec<u8>, String> {
    let shown = path.display();
    let meta = std::fs::metadata(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => format!("there is no file {shown}"),
        _ => format!("{shown} can't be read: {error}"),
    })?;
    if meta.is_dir() {
        return Err(format!("{shown} is a directory"));
    }
    if meta.len() > LARGEST {
        return Err(format!("{shown} is larger than {} MiB", LARGEST >> 20));
    }
    std::fs::read(path).map_err(|error| format!("{shown} can't be read: {error}"))
}

fn read(c: &Call<'_>) -> std::result::Result<String, FunctionError> {
    let path = from_base(c)?;
    let bytes = bytes(&path).or_else(|message| c.bad(0, message))?;
    String::from_utf8(bytes)
        .or_else(|_| c.bad(0, format!("{} is not UTF-8; filebase64 reads any file", path.display())))
}

fn fileexists(c: &Call<'_>) -> Result {
    let path = from_base(c)?;
    match std::fs::metadata(&path) {
        Ok(meta) if meta.is_file() => Ok(true.into()),
        Ok(_) => c.bad(0, format!("{} is there, but not a regular file", path.display())),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound) => Ok(false.into()),
        Err(error) => c.bad(0, format!("{} can't be looked at: {error}", path.display())),
    }
}

fn fileset(c: &Call<'_>) -> Result {
    let base = clean(&c.ctx.cwd.join(c.ctx.base).join(c.text(0)));
    let pattern = clean(Path::new(c.text(1).trim_start_matches('/')));
    let glob = match globset::GlobBuilder::new(&pattern.to_string_lossy()).literal_separator(true).build() {
        Ok(glob) => glob.compile_matcher(),
        Err(error) => return c.bad(1, format!("this is not a pattern for files: {}", error.kind())),
    };
    let mut found = Vec::new();
    let mut folders = vec![(base, PathBuf::new())];
    let mut seen = 0;
    let deep = c.text(1).contains("**");
    let depth = pattern.components().count();
    while let Some((folder, relative)) = folders.pop() {
        // A folder that can't be read has no files, as for the shell.
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            seen += 1;
            if seen > MOST_ENTRIES {
                return c.fail(format!("more than {MOST_ENTRIES} files to look at"));
            }
            let (path, relative) = (entry.path(), relative.join(entry.file_name()));
            let Ok(kind) = entry.file_type() else { continue };
            let (is_dir, is_file) = match kind.is_symlink() {
                true => std::fs::metadata(&path).map_or((false, false), |m| (m.is_dir(), m.is_file())),
                false => (kind.is_dir(), kind.is_file()),
            };
            if is_file && glob.is_match(&relative) {
                found.push(Value::string(relative.to_string_lossy()));
            }
            // Links may lead in circles; patterns of fixed depth can't.
            let descend = if deep { !kind.is_symlink() } else { relative.components().count() < depth };
            if is_dir && descend {
                folders.push((path, relative));
            }
        }
    }
    Ok(Value::set(Type::String, found))
}

fn templatefile(c: &Call<'_>) -> Result {
    let Some(render) = c.ctx.render else {
        return c.fail("templatefile can't be called inside of a file that templatefile renders");
    };
    let empty = Entries::new();
    let vars = match c.args[1].as_entries() {
        Some(vars) => vars,
        None => match c.args[1].as_elements() {
            Some([]) => &empty,
            _ => return c.bad(1, format!("a map is required, not {}", c.args[1].kind())),
        },
    };
    let identifier = |name: &str| {
        let mut letters = name.chars();
        letters.next().is_some_and(|c| c.is_alphabetic() || c == '_')
            && letters.all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
    };
    if let Some(name) = vars.keys().find(|name| !identifier(name)) {
        return c.bad(1, format!("\"{name}\" can't be the name of a variable: letters, digits, _ and - only"));
    }
    let text = read(c)?;
    let name = from_base(c)?.display().to_string();
    render(&name, &text, vars).or_else(|message| c.fail(message))
}
