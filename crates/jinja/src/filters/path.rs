//! Paths, POSIX and Windows.

use super::{Call, Table, is_sequence, refuse};
use crate::eval::Cx;
use crate::val::{R, Val};

pub(super) const TABLE: Table = &[
    ("basename", basename),
    ("commonpath", commonpath),
    ("dirname", dirname),
    ("expanduser", expanduser),
    ("expandvars", expandvars),
    ("fileglob", fileglob),
    ("normpath", normpath),
    ("path_join", path_join),
    ("realpath", realpath),
    ("relpath", relpath),
    ("splitext", splitext),
    ("win_basename", win_basename),
    ("win_dirname", win_dirname),
    ("win_splitdrive", win_splitdrive),
];

/// Paths are text, nothing else.
fn path_text(c: &Call<'_, '_>) -> R<String> {
    c.only_text(|kind| format!("expected str, bytes or os.PathLike object, not {kind}"))
}

fn one_path(c: &Call<'_, '_>, value: &Val) -> R<String> {
    path_text(&Call { cx: c.cx, name: c.name, input: value.clone(), args: Default::default() })
}

fn split(path: &str) -> (&str, &str) {
    let at = path.rfind('/').map_or(0, |i| i + 1);
    let (head, tail) = path.split_at(at);
    let trimmed = head.trim_end_matches('/');
    (if trimmed.is_empty() { head } else { trimmed }, tail)
}

fn basename(c: Call<'_, '_>) -> R {
    Ok(Val::str(split(&path_text(&c)?).1))
}

fn dirname(c: Call<'_, '_>) -> R {
    Ok(Val::str(split(&path_text(&c)?).0))
}

fn splitext(c: Call<'_, '_>) -> R {
    let path = path_text(&c)?;
    let start = path.rfind('/').map_or(0, |i| i + 1);
    let name = &path[start..];
    let lead = name.len() - name.trim_start_matches('.').len();
    let (root, ext) = match name[lead..].rfind('.') {
        Some(dot) => path.split_at(start + lead + dot),
        None => (path.as_str(), ""),
    };
    Ok(Val::tuple(vec![Val::str(root), Val::str(ext)]))
}

/// `os.path.normpath`.
pub(crate) fn normalized(path: &str) -> String {
    if path.is_empty() {
        return ".".into();
    }
    let root = match path.len() - path.trim_start_matches('/').len() {
        0 => "",
        2 => "//",
        _ => "/",
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|p| *p != "..") => {
                parts.pop();
            }
            ".." if parts.is_empty() && !root.is_empty() => {}
            part => parts.push(part),
        }
    }
    let out = format!("{root}{}", parts.join("/"));
    if out.is_empty() { ".".into() } else { out }
}

fn normpath(c: Call<'_, '_>) -> R {
    Ok(Val::str(normalized(&path_text(&c)?)))
}

fn join(parts: &[String]) -> String {
    let mut out = String::new();
    for (i, part) in parts.iter().enumerate() {
        if part.starts_with('/') || i == 0 {
            out.clone_from(part);
        } else if out.is_empty() || out.ends_with('/') {
            out.push_str(part);
        } else {
            out = format!("{out}/{part}");
        }
    }
    out
}

fn path_join(c: Call<'_, '_>) -> R {
    match &c.input {
        Val::Str(_) => path_text(&c).map(Val::str),
        list if is_sequence(list) => {
            let parts = c.items()?.iter().map(|p| one_path(&c, p)).collect::<R<Vec<_>>>()?;
            if parts.is_empty() {
                return refuse("join() missing 1 required positional argument: 'a'");
            }
            Ok(Val::str(join(&parts)))
        }
        other => refuse(format!("|path_join expects string or sequence, got {} instead.", super::class(other))),
    }
}

fn commonpath(c: Call<'_, '_>) -> R {
    if !is_sequence(&c.input) {
        return refuse(format!("|commonpath expects sequence, got {} instead.", super::class(&c.input)));
    }
    let paths = c.items()?.iter().map(|p| one_path(&c, p)).collect::<R<Vec<_>>>()?;
    let Some(first) = paths.first() else { return refuse("commonpath() arg is an empty sequence") };
    let absolute = first.starts_with('/');
    if paths.iter().any(|p| p.starts_with('/') != absolute) {
        return refuse("Can't mix absolute and relative paths");
    }
    let parts = |p: &str| p.split('/').filter(|s| !s.is_empty() && *s != ".").map(str::to_owned).collect::<Vec<_>>();
    let mut common = parts(first);
    for path in &paths[1..] {
        let other = parts(path);
        let n = common.iter().zip(&other).take_while(|(a, b)| a == b).count();
        common.truncate(n);
    }
    Ok(Val::str(format!("{}{}", if absolute { "/" } else { "" }, common.join("/"))))
}

fn expanded_user(cx: &Cx<'_>, path: &str) -> String {
    let Some(rest) = path.strip_prefix('~') else { return path.to_owned() };
    let (user, tail) = rest.find('/').map_or((rest, ""), |i| rest.split_at(i));
    let home = cx.templar.host().home((!user.is_empty()).then_some(user));
    match home {
        Some(home) => {
            let home = home.trim_end_matches('/');
            let out = format!("{home}{tail}");
            if out.is_empty() { "/".into() } else { out }
        }
        None => path.to_owned(),
    }
}

fn expanduser(c: Call<'_, '_>) -> R {
    Ok(Val::str(expanded_user(c.cx, &path_text(&c)?)))
}

/// `$NAME` and `${NAME}`; unknown ones stay.
fn expandvars(c: Call<'_, '_>) -> R {
    let text = path_text(&c)?;
    let host = c.cx.templar.host();
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let (name, skip) = match rest.strip_prefix('{') {
            Some(inner) => match inner.find('}') {
                Some(end) => (&inner[..end], end + 2),
                None => ("", 0),
            },
            None => {
                let n = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
                (&rest[..n], n)
            }
        };
        match host.env(name).filter(|_| !name.is_empty()) {
            Some(value) => out.push_str(&value),
            None => {
                out.push('$');
                out.push_str(&rest[..skip]);
            }
        }
        rest = &rest[skip..];
    }
    Ok(Val::str(out + rest))
}

fn realpath(c: Call<'_, '_>) -> R {
    Ok(Val::str(c.cx.templar.host().realpath(&path_text(&c)?)))
}

fn relpath(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["start"])?;
    let host = c.cx.templar.host();
    let here = || host.realpath(".");
    let absolute = |p: String| if p.starts_with('/') { p } else { format!("{}/{p}", here()) };
    let path = path_text(&c)?;
    if path.is_empty() {
        return refuse("no path specified");
    }
    let path = normalized(&absolute(path));
    let start = normalized(&absolute(bound.text_or(0, ".")));
    let parts = |p: &str| p.split('/').filter(|s| !s.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let (path, start) = (parts(&path), parts(&start));
    let same = path.iter().zip(&start).take_while(|(a, b)| a == b).count();
    let mut out: Vec<String> = vec!["..".to_owned(); start.len() - same];
    out.extend(path[same..].iter().cloned());
    Ok(Val::str(if out.is_empty() { ".".to_owned() } else { out.join("/") }))
}

fn fileglob(c: Call<'_, '_>) -> R {
    let host = c.cx.templar.host();
    let found = host.glob(&path_text(&c)?);
    Ok(Val::strs(found.into_iter().filter(|p| host.stat(p).is_some_and(|s| s.kind == Some(crate::FileKind::File)))))
}

/// `ntpath.splitdrive`.
fn drive(path: &str) -> (&str, &str) {
    let normal = path.replace('/', "\\");
    if normal.starts_with("\\\\") && !normal.starts_with("\\\\\\") {
        let Some(host_end) = normal[2..].find('\\').map(|i| i + 2) else { return (path, "") };
        let end = normal[host_end + 1..].find('\\').map_or(path.len(), |i| host_end + 1 + i);
        return path.split_at(end);
    }
    if normal.as_bytes().get(1) == Some(&b':') { path.split_at(2) } else { ("", path) }
}

fn win_split(path: &str) -> (String, String) {
    let (drive, rest) = drive(path);
    let at = rest.rfind(['/', '\\']).map_or(0, |i| i + 1);
    let (head, tail) = rest.split_at(at);
    let trimmed = head.trim_end_matches(['/', '\\']);
    (format!("{drive}{}", if trimmed.is_empty() { head } else { trimmed }), tail.to_owned())
}

fn win_basename(c: Call<'_, '_>) -> R {
    Ok(Val::str(win_split(&path_text(&c)?).1))
}

fn win_dirname(c: Call<'_, '_>) -> R {
    Ok(Val::str(win_split(&path_text(&c)?).0))
}

fn win_splitdrive(c: Call<'_, '_>) -> R {
    let path = path_text(&c)?;
    let (drive, rest) = drive(&path);
    Ok(Val::tuple(vec![Val::str(drive), Val::str(rest)]))
}
