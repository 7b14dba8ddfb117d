//! Lists the files of `src/python/module_utils` and `src/python/controller`, so that the program has them inside.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn python_files(folder: &Path, out: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    for path in entries.flatten().map(|e| e.path()) {
        if path.is_dir() {
            python_files(&path, out);
        } else if path.extension().is_some_and(|e| e == "py") {
            out.push(path);
        }
    }
}

fn list(folder: &str) {
    let python = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("src/python");
    let root = python.join(folder);
    println!("cargo:rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    python_files(&root, &mut files);
    files.sort();
    let mut list = String::from("&[\n");
    for file in files {
        let place = file.strip_prefix(&root).unwrap_or(&file);
        let (place, file) = (place.display().to_string(), file.display().to_string());
        let _ = writeln!(list, "    ({place:?}, include_str!({file:?})),");
    }
    list.push_str("]\n");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default()).join(format!("{folder}.rs"));
    std::fs::write(&out, list).unwrap_or_else(|e| panic!("{}: {e}", out.display()));
}

fn main() {
    list("module_utils");
    list("controller");
}
