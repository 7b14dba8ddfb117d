//! `find`: files, directories and links below some paths that pass filters.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::encoding::{self, Undecodable};
use crate::sys::pyregex::{Flags, PyRegex};
use crate::sys::{clock, fnmatch, hash, mode::ModeSpec, users};
use serde_json::{Map, Value, json};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

struct Search<'a> {
    ctx: &'a Ctx,
    patterns: Vec<Pattern>,
    excludes: Vec<Pattern>,
    contains: Option<PyRegex>,
    whole: bool,
    kind: String,
    age: Option<f64>,
    stamp: String,
    size: Option<f64>,
    recurse: bool,
    hidden: bool,
    follow: bool,
    depth: Option<usize>,
    mode: Option<u32>,
    exact_mode: bool,
    limit: Option<usize>,
    now: f64,
    found: Vec<Value>,
    examined: usize,
    skipped: Map<String, Value>,
}

enum Pattern {
    Glob(String),
    Regex(PyRegex),
}

impl Pattern {
    fn matches(&self, name: &str) -> bool {
        match self {
            Pattern::Glob(pattern) => fnmatch::matches(pattern, name),
            // Python's `match`: from the start.
            Pattern::Regex(regex) => {
                regex.captures(name).and_then(|c| c.get(0).map(|m| m.start() == 0)).unwrap_or(false)
            }
        }
    }
}

/// `3d`, `-1h`, `10k`: a number and a unit.
fn quantity(text: &str, units: &[(char, f64)]) -> Option<f64> {
    let text = text.trim().to_lowercase();
    let last = text.chars().last()?;
    let (digits, factor) = match units.iter().find(|(unit, _)| *unit == last) {
        Some((_, factor)) => (&text[..text.len() - 1], *factor),
        None => (text.as_str(), 1.0),
    };
    digits.parse::<i64>().ok().map(|n| n as f64 * factor)
}

/// At least this much, or at most where negative.
fn bounded(value: f64, bound: Option<f64>) -> bool {
    bound.is_none_or(|b| if b >= 0.0 { value >= b } else { value <= -b })
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let regex = args.bool("use_regex");
    let compile = |list: Vec<String>, default: &str| -> Result<Vec<Pattern>, Fail> {
        let list = if list.is_empty() && !default.is_empty() { vec![default.to_string()] } else { list };
        list.into_iter()
            .map(|p| {
                if regex {
                    PyRegex::new(&p, Flags::default()).map(Pattern::Regex).map_err(Fail::new)
                } else {
                    Ok(Pattern::Glob(p))
                }
            })
            .collect()
    };
    let age_units = [('s', 1.0), ('m', 60.0), ('h', 3600.0), ('d', 86_400.0), ('w', 604_800.0)];
    let size_units =
        [('b', 1.0), ('k', 1024.0), ('m', 1024f64.powi(2)), ('g', 1024f64.powi(3)), ('t', 1024f64.powi(4))];
    let parse = |name: &str, units: &[(char, f64)]| -> Result<Option<f64>, Fail> {
        args.str(name)
            .map(|text| {
                quantity(&text, units)
                    .ok_or_else(|| Fail::new(format!("failed to process {name}")).with(name, text.clone()))
            })
            .transpose()
    };
    if args.int("limit").is_some_and(|l| l <= 0) {
        crate::fail!("limit cannot be {} (use None for unlimited)", args.int("limit").unwrap_or_default());
    }
    let mode = match args.given("mode") {
        None => None,
        Some(Value::String(text)) => Some(ModeSpec::parse(&json!(text)).map_err(Fail::new)?.resolve(0, false) & 0o7777),
        Some(other) => crate::fail!("argument 'mode' is not a string and conversion is not allowed, value is {other}"),
    };
    let mut search = Search {
        ctx,
        patterns: compile(args.strs("patterns"), if regex { ".*" } else { "*" })?,
        excludes: compile(args.strs("excludes"), "")?,
        contains: args.str("contains").map(|p| PyRegex::new(&p, Flags::default()).map_err(Fail::new)).transpose()?,
        whole: args.bool("read_whole_file"),
        kind: args.text("file_type"),
        age: parse("age", &age_units)?,
        stamp: args.text("age_stamp"),
        size: parse("size", &size_units)?,
        recurse: args.bool("recurse"),
        hidden: args.bool("hidden"),
        follow: args.bool("follow"),
        depth: args.int("depth").filter(|d| *d > 0).map(|d| d as usize),
        mode,
        exact_mode: args.opt_bool("exact_mode").unwrap_or(true),
        limit: args.int("limit").map(|l| l as usize),
        now: clock::now(),
        found: Vec::new(),
        examined: 0,
        skipped: Map::new(),
    };
    let mut msg = "All paths examined";
    for path in args.strs("paths") {
        let path = args.expand(&path);
        if !path.is_dir() {
            let shown = path.to_string_lossy();
            let why = format!("'{shown}' is not a directory");
            ctx.warn(format!("Skipped '{shown}' path due to this access issue: {why}\n"));
            search.skipped.insert(shown.into_owned(), why.into());
            msg = "Not all paths examined, check warnings for details";
            continue;
        }
        if let Err(why) = search.walk(&path, 1, &mut Vec::new())? {
            let shown = path.to_string_lossy();
            ctx.warn(format!("Skipped '{shown}' path due to this access issue: {why}\n"));
            search.skipped.insert(shown.into_owned(), why.into());
            msg = "Not all paths examined, check warnings for details";
        }
        if search.full() {
            msg = "Limit of matches reached";
            break;
        }
    }
    Ok(crate::out! {
        "changed": false, "files": search.found, "matched": search.found.len(), "examined": search.examined, "msg": msg,
        "skipped_paths": search.skipped,
    })
}

impl Search<'_> {
    fn full(&self) -> bool {
        self.limit.is_some_and(|l| self.found.len() >= l)
    }

    /// Everything below a directory. The inner error: why the rest of this path can't be looked at.
    fn walk(&mut self, dir: &Path, depth: usize, above: &mut Vec<(u64, u64)>) -> Result<Result<(), String>, Fail> {
        if self.ctx.control.ended() {
            crate::fail!("the call was ended");
        }
        let entries = match std::fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(e) => {
                let text = e.to_string();
                let text = text.split(" (os error").next().unwrap_or_default();
                let why = format!("[Errno {}] {text}: '{}'", e.raw_os_error().unwrap_or(0), dir.display());
                self.skipped.insert(dir.to_string_lossy().into_owned(), why.into());
                return Ok(Ok(()));
            }
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
        self.examined += paths.len();
        paths.sort();
        // Files come before directories, as in os.walk.
        paths.sort_by_key(|p| p.is_dir());
        let mut below = Vec::new();
        for path in paths {
            if self.depth.is_some_and(|d| depth > d) || self.full() {
                return Ok(Ok(()));
            }
            let Ok(meta) = path.symlink_metadata() else { continue };
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && (!meta.is_symlink() || self.follow) {
                below.push(path.clone());
            }
            if (self.hidden || !name.starts_with('.')) && self.passes(&name, &meta) {
                match self.contents_fit(&path) {
                    Ok(true) => self.found.push(self.describe(&path, &meta)?),
                    Ok(false) => {}
                    Err(why) => return Ok(Err(why)),
                }
            }
        }
        if self.recurse {
            for path in below {
                let Ok(meta) = path.metadata() else { continue };
                let id = (meta.dev(), meta.ino());
                // Followed links may lead in circles.
                if above.contains(&id) {
                    continue;
                }
                above.push(id);
                let walked = self.walk(&path, depth + 1, above)?;
                above.pop();
                if walked.is_err() {
                    return Ok(walked);
                }
            }
        }
        Ok(Ok(()))
    }

    fn passes(&self, name: &str, meta: &Metadata) -> bool {
        let kind_fits = match self.kind.as_str() {
            "any" => true,
            "directory" => meta.is_dir(),
            "link" => meta.is_symlink(),
            _ => meta.is_file(),
        };
        let time = match self.stamp.as_str() {
            "atime" => meta.atime(),
            "ctime" => meta.ctime(),
            _ => meta.mtime(),
        };
        let bits = meta.mode() & 0o7777;
        kind_fits
            && self.patterns.iter().any(|p| p.matches(name))
            && !self.excludes.iter().any(|p| p.matches(name))
            && bounded(self.now - time as f64, self.age)
            && (!meta.is_file() || bounded(meta.len() as f64, self.size))
            && self.mode.is_none_or(|m| if self.exact_mode { bits == m } else { bits & m != 0 })
    }

    /// Whether a file holds what is looked for. The error: it is no text in its encoding.
    fn contents_fit(&self, path: &Path) -> Result<bool, String> {
        let Some(regex) = self.contains.as_ref().filter(|_| self.kind == "file") else { return Ok(true) };
        let Ok(bytes) = std::fs::read(path) else { return Ok(false) };
        let named = self.ctx.args.str("encoding");
        let encoding = named.as_deref().unwrap_or("utf-8");
        let text = encoding::decode(self.ctx, &bytes, encoding).map_err(|why| match why {
            Undecodable::Unknown => format!("unknown encoding: {encoding}"),
            Undecodable::Bytes => {
                let encoding =
                    named.as_deref().unwrap_or("None (default determined by the Python built-in function \"open\")");
                format!(
                    "Failed to read the file {} due to an encoding error. current encoding: {encoding}",
                    path.display()
                )
            }
            Undecodable::Failed(fail) => fail.msg,
        })?;
        // Files are read with whatever line ends they have.
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        if self.whole {
            return Ok(regex.is_match(&text));
        }
        let starts = |line: &str| regex.captures(line).and_then(|c| c.get(0).map(|m| m.start() == 0)).unwrap_or(false);
        Ok(text.split_inclusive('\n').any(starts))
    }

    fn describe(&self, path: &Path, meta: &Metadata) -> Result<Value, Fail> {
        let mut out = super::stat::fields(path, meta);
        for key in ["exists", "blocks", "block_size", "device_type"] {
            out.remove(key);
        }
        out.insert("pw_name".into(), users::user_by_id(meta.uid()).map_or(String::new(), |u| u.name).into());
        out.insert("gr_name".into(), users::group_by_id(meta.gid()).map_or(String::new(), |g| g.name).into());
        if self.ctx.args.bool("get_checksum") && meta.is_file() {
            out.insert("checksum".into(), hash::file(&self.ctx.args.text("checksum_algorithm"), path).ok().into());
        }
        Ok(Value::Object(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;

    #[test]
    fn filters() {
        let dir = Scratch::new();
        std::fs::create_dir_all(dir.0.join("sub/deep")).unwrap();
        for (name, content) in
            [("a.log", "x\nneedle\n"), ("b.txt", "123456"), (".h.log", ""), ("sub/c.log", ""), ("sub/deep/d.log", "")]
        {
            dir.file(name, content);
        }
        std::os::unix::fs::symlink("a.log", dir.0.join("l")).unwrap();
        let cases: &[(Value, &[&str])] = &[
            (json!({}), &["a.log", "b.txt"]),
            (json!({"patterns": "*.log", "recurse": true}), &["a.log", "sub/c.log", "sub/deep/d.log"]),
            (json!({"patterns": "*.log", "recurse": true, "depth": 2}), &["a.log", "sub/c.log"]),
            (json!({"patterns": "*.log", "hidden": true}), &[".h.log", "a.log"]),
            (json!({"patterns": "*", "excludes": "*.txt"}), &["a.log"]),
            (json!({"patterns": ["^[ab]\\..*g$"], "use_regex": true}), &["a.log"]),
            (json!({"file_type": "directory", "recurse": true}), &["sub", "sub/deep"]),
            (json!({"file_type": "link"}), &["l"]),
            (json!({"contains": "need.e"}), &["a.log"]),
            (json!({"size": "6"}), &["a.log", "b.txt"]),
            (json!({"size": "-6"}), &["b.txt"]),
            (json!({"age": "1d"}), &[]),
            (json!({"age": "-1d", "limit": 1}), &["a.log"]),
        ];
        for (args, want) in cases {
            let mut args = args.clone();
            args["paths"] = json!(dir.0);
            let out = run(&Ctx::test("find", args.clone())).unwrap();
            let mut names: Vec<&str> =
                out["files"].as_array().unwrap().iter().filter_map(|f| f["path"].as_str()).collect();
            names.sort_unstable();
            let want: Vec<String> = want.iter().map(|w| dir.path(w)).collect();
            assert_eq!(names, want, "{args}");
            assert_eq!(out["matched"], want.len());
        }
        let out = run(&Ctx::test("find", json!({"paths": dir.path("none")}))).unwrap();
        assert_eq!(out["matched"], 0);
        assert!(out["skipped_paths"][dir.path("none")].is_string());
        assert!(run(&Ctx::test("find", json!({"paths": "/", "age": "old"}))).is_err());
    }
}
