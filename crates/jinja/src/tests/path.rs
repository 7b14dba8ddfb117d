//! Paths on the controller.

use super::{Call, Table};
use crate::val::{R, Val};
use crate::{FileKind, FileStat};

pub(super) const TABLE: Table = &[
    ("abs", |c| absolute(&c)),
    ("directory", |c| is(&c, |s| s.kind == Some(FileKind::Directory))),
    ("exists", |c| is(&c, |s| s.kind.is_some())),
    ("file", |c| is(&c, |s| s.kind == Some(FileKind::File))),
    ("is_abs", |c| absolute(&c)),
    ("is_dir", |c| is(&c, |s| s.kind == Some(FileKind::Directory))),
    ("is_file", |c| is(&c, |s| s.kind == Some(FileKind::File))),
    ("is_link", |c| is(&c, |s| s.link)),
    ("is_mount", |c| is(&c, |s| s.mount)),
    ("is_same_file", |c| same(&c)),
    ("link", |c| is(&c, |s| s.link)),
    ("link_exists", |c| is(&c, |_| true)),
    ("mount", |c| is(&c, |s| s.mount)),
    ("same_file", |c| same(&c)),
    ("vaulted_file", vaulted_file),
];

fn absolute(c: &Call<'_, '_>) -> R<bool> {
    match &c.input {
        Val::Str(s) => Ok(s.text.starts_with('/')),
        other => {
            Err(crate::eval::fail(format!("expected str, bytes or os.PathLike object, not {}", other.type_name())))
        }
    }
}

fn is(c: &Call<'_, '_>, test: fn(&FileStat) -> bool) -> R<bool> {
    let path = c.cx.text(&c.input)?;
    Ok(c.cx.templar.host().stat(&path).is_some_and(|s| test(&s)))
}

fn same(c: &Call<'_, '_>) -> R<bool> {
    let bound = c.args.bind(["other"])?;
    let (a, b) = (c.cx.text(&c.input)?, c.cx.text(bound.need(0)?)?);
    let host = c.cx.templar.host();
    match (host.stat(&a), host.stat(&b)) {
        (Some(a), Some(b)) => Ok(a.id == b.id),
        (None, _) => Err(crate::eval::fail(format!("No such file or directory: '{a}'"))),
        (_, None) => Err(crate::eval::fail(format!("No such file or directory: '{b}'"))),
    }
}

fn vaulted_file(c: Call<'_, '_>) -> R<bool> {
    let input = crate::eval::access::defined(c.input)?;
    let path = c.cx.text(&input)?;
    match c.cx.templar.host().read(&path) {
        Ok(text) => Ok(text.starts_with("$ANSIBLE_VAULT;")),
        Err(e) => Err(crate::eval::fail(format!("Cannot test if the file {path} is a vault: {e}"))),
    }
}
