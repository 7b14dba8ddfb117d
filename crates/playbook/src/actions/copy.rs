//! `copy`: a file, text, or a folder with all that is in it.
//!
//! Small contents go along at once. For larger ones the host is first asked with the checksum; only if it answers
//! `needs_content` does the content follow.

use super::{Call, Problem, refuse};
use crate::exec::result::{Res, flag, set};
use crate::target::Content;
use imgbuild_jinja::{Key, Map, Value};
use sha1::{Digest as _, Sha1};
use std::fmt::Write as _;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Contents up to this size are sent without asking.
const SMALL: u64 = 64 << 10;

/// What is copied.
pub enum Source {
    /// Text made here; `path` is the template that it came from.
    Text {
        /// File name for a destination that is a folder.
        name: String,
        /// The bytes.
        bytes: Vec<u8>,
        /// Where it came from.
        path: Option<PathBuf>,
    },
    /// A file of the controller.
    File(PathBuf),
}

pub async fn run(call: &Call<'_>) -> Result<Res, Problem> {
    let content = call.arg("content");
    let src = call.text("src").filter(|s| !s.is_empty());
    if call.text("dest").is_none() {
        return Err(refuse("dest is required"));
    }
    if call.bool("remote_src", false)? {
        if content.is_some() && src.is_none() {
            return Err(refuse("src is required when remote_src is set"));
        }
        return call
            .remote(
                imgbuild_proto::spec::module("copy").ok_or_else(|| refuse("copy is not available"))?,
                call.args.clone(),
            )
            .await;
    }
    let mut args = call.args.clone();
    args.shift_remove(&Key::from("remote_src"));
    args.shift_remove(&Key::from("content"));
    match (src, content) {
        (None, None) => Err(refuse("src (or content) is required")),
        (Some(_), Some(_)) => Err(refuse("src and content are mutually exclusive")),
        (None, Some(content)) => {
            let dest = call.text("dest").unwrap_or_default();
            if dest.ends_with('/') {
                return Err(refuse("can not use content with a dir as dest"));
            }
            let text = match content {
                Value::Map(_) | Value::List(_) => crate::callback::json(content),
                Value::Bytes(bytes) => {
                    return send(call, args, Source::Text { name: String::new(), bytes: bytes.to_vec(), path: None })
                        .await;
                }
                other => crate::text::of(other),
            };
            send(call, args, Source::Text { name: String::new(), bytes: text.into_bytes(), path: None }).await
        }
        (Some(src), None) => {
            args.shift_remove(&Key::from("src"));
            let path = call.find(&src, "files")?;
            if path.is_dir() {
                return super::copy_tree::run(call, args, &path, src.ends_with('/')).await;
            }
            send(call, args, Source::File(path)).await
        }
    }
}

/// Sends one file. `args` are those of the module `copy`.
pub async fn send(call: &Call<'_>, mut args: Map, source: Source) -> Result<Res, Problem> {
    args.shift_remove(&Key::from("directory_mode"));
    let decrypt =
        args.shift_remove(&Key::from("decrypt")).as_ref().and_then(crate::exec::connection::boolean).unwrap_or(true);
    args.shift_remove(&Key::from("local_follow"));
    let from = match &source {
        Source::Text { path, .. } => path.clone(),
        Source::File(path) => Some(path.clone()),
    };
    let (name, content, sum, size, mode) = match source {
        Source::Text { name, bytes, path } => {
            let sum = hex(&Sha1::digest(&bytes));
            let mode = path.as_deref().and_then(mode_of);
            (name, Content::Bytes(bytes.into()), sum, None, mode)
        }
        Source::File(path) => {
            let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            let mode = mode_of(&path);
            match vaulted(call, &path, decrypt)? {
                Some(plain) => {
                    let sum = hex(&Sha1::digest(&plain));
                    (name, Content::Bytes(plain.into()), sum, None, mode)
                }
                None => {
                    let (sum, size) = checksum(&path)?;
                    (name, Content::File(path), sum, Some(size), mode)
                }
            }
        }
    };
    let size = size.unwrap_or(match &content {
        Content::Bytes(bytes) => bytes.len() as u64,
        Content::File(_) => 0,
    });
    if args.get(&Key::from("mode")).and_then(Value::as_str) == Some("preserve") {
        // Text has the mode of the temporary file that Ansible makes of it.
        args.insert("mode".into(), Value::str(format!("0{:o}", mode.unwrap_or(0o600))));
    }
    let mut args = call.checked("copy", &with_dest(args))?;
    if let Some(wanted) = args.get("checksum").and_then(|c| c.as_str()).filter(|wanted| *wanted != sum) {
        return Err(Problem::Failed(
            crate::exec::result::Failure::new("Copied file does not match the expected checksum. Transfer failed.")
                .field("_action", true)
                .field("checksum", sum.as_str())
                .field("expected_checksum", wanted),
        ));
    }
    if !name.is_empty() {
        args.insert("_original_basename".into(), name.clone().into());
    }
    args.insert("checksum".into(), sum.clone().into());
    // A difference can only be shown of a content that is there.
    let at_once = size <= SMALL || call.check && call.diff;
    let first = call.module("copy", args.clone(), at_once.then(|| content.clone())).await?;
    let mut res =
        if flag(&first, "needs_content") && !at_once { call.module("copy", args, Some(content)).await? } else { first };
    res.shift_remove(&Key::from("needs_content"));
    if let Some(from) = from {
        name_source(&mut res, &from);
    }
    if crate::exec::result::get(&res, "checksum").is_none() && !flag(&res, "failed") {
        set(&mut res, "checksum", sum);
    }
    Ok(res)
}

/// A difference is one to the file of the controller; the host does not know where that is.
fn name_source(res: &mut Res, from: &Path) {
    let named = |diff: &Value| match diff.as_map().cloned() {
        Some(mut map) => {
            if let Some(header) = map.get_mut(&Key::from("after_header")) {
                *header = Value::str(from.display().to_string());
            }
            Value::map(map)
        }
        None => diff.clone(),
    };
    let diff = match res.get(&Key::from("diff")) {
        Some(Value::List(all)) => Value::list(all.iter().map(named).collect()),
        Some(one) => named(one),
        None => return,
    };
    res.insert("diff".into(), diff);
}

/// `template` calls the destination `path`, too.
fn with_dest(mut args: Map) -> Map {
    if let (None, Some(path)) = (args.get(&Key::from("dest")), args.get(&Key::from("path")).cloned()) {
        args.shift_remove(&Key::from("path"));
        args.insert("dest".into(), path);
    }
    args
}

fn mode_of(path: &Path) -> Option<u32> {
    fs_err::metadata(path).ok().map(|m| m.permissions().mode() & 0o7777)
}

/// SHA-1 and size of a file, read in pieces.
pub fn checksum(path: &Path) -> Result<(String, u64), Problem> {
    let mut file = fs_err::File::open(path).map_err(|e| refuse(e.to_string()))?;
    let mut hash = Sha1::new();
    let mut buffer = vec![0; 1 << 16];
    let mut size = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((hex(&hash.finalize()), size)),
            Ok(read) => {
                hash.update(&buffer[..read]);
                size += read as u64;
            }
            Err(error) => return Err(refuse(error.to_string())),
        }
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
        _ = write!(out, "{b:02x}");
        out
    })
}

/// The plain text of a file that is a vault.
fn vaulted(call: &Call<'_>, path: &Path, decrypt: bool) -> Result<Option<Vec<u8>>, Problem> {
    if !decrypt {
        return Ok(None);
    }
    let mut start = [0; 15];
    let read = fs_err::File::open(path).and_then(|mut f| f.read(&mut start)).map_err(|e| refuse(e.to_string()))?;
    if &start[..read] != crate::vault::HEADER.as_bytes() {
        return Ok(None);
    }
    crate::vault::read(path, &call.run.engine.settings).map(Some).map_err(refuse)
}
