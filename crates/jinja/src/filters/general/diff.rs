//! `fact_diff`, `index_of`, `get_path`, `to_paths`, `param_list_compare`.

use super::super::{Call, Table, is_mapping, is_sequence, refuse};
use crate::Key;
use crate::eval::{Args, Cx, fail};
use crate::filters::json::{Style, dumps};
use crate::val::repr::to_str;
use crate::val::{Entries, R, Val};

pub(super) const TABLE: Table = &[
    ("fact_diff", fact_diff),
    ("get_path", get_path),
    ("index_of", index_of),
    ("param_list_compare", param_list_compare),
    ("to_paths", to_paths),
];

/// A unified diff of two values as pretty JSON, or of two texts.
fn fact_diff(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["after", "plugin", "common"])?;
    let shown = |v: &Val| -> R<String> {
        match v {
            Val::Str(s) => Ok(s.text.to_string()),
            v if is_mapping(v) => {
                let style =
                    Style { indent: Some("    ".into()), sort_keys: true, item: ",".into(), ..Style::default() };
                Ok(dumps(c.cx, v, &style)? + "\n")
            }
            v if is_sequence(v) => {
                // Elements are compared line by line.
                let items = c.cx.each(v)?.iter().map(|i| c.cx.text(i)).collect::<R<Vec<_>>>()?;
                Ok(items.join("\n"))
            }
            v => c.cx.text(v),
        }
    };
    let (before, after) = (shown(&c.input)?, shown(bound.need(0)?)?);
    Ok(Val::str(unified(&before, &after)))
}

/// `difflib.unified_diff` with three lines of context, under Ansible's headers.
fn unified(before: &str, after: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    if a == b || a.len().saturating_mul(b.len()) > 25_000_000 {
        return String::new();
    }
    // Longest common subsequence, from the end.
    let mut best = vec![vec![0u32; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            best[i][j] = if a[i] == b[j] { best[i + 1][j + 1] + 1 } else { best[i + 1][j].max(best[i][j + 1]) };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut lines: Vec<(char, &str, usize, usize)> = Vec::new();
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            lines.push((' ', a[i], i, j));
            (i, j) = (i + 1, j + 1);
        } else if i < a.len() && (j == b.len() || best[i + 1][j] >= best[i][j + 1]) {
            lines.push(('-', a[i], i, j));
            i += 1;
        } else {
            lines.push(('+', b[j], i, j));
            j += 1;
        }
    }
    let mut out = String::from("--- before\n+++ after\n");
    let changed: Vec<usize> = (0..lines.len()).filter(|k| lines[*k].0 != ' ').collect();
    let mut at = 0;
    while at < changed.len() {
        let start = changed[at].saturating_sub(3);
        let mut end = changed[at];
        while at < changed.len() && changed[at] <= end + 6 {
            end = changed[at];
            at += 1;
        }
        let hunk = &lines[start..(end + 4).min(lines.len())];
        let count = |skip: char| hunk.iter().filter(|l| l.0 != skip).count();
        let range = |from: usize, n: usize| match n {
            1 => format!("{}", from + 1),
            0 => format!("{from},0"),
            n => format!("{},{n}", from + 1),
        };
        out.push_str(&format!("@@ -{} +{} @@\n", range(hunk[0].2, count('+')), range(hunk[0].3, count('-'))));
        for (sign, text, ..) in hunk {
            out.push_str(&format!("{sign}{text}\n"));
        }
    }
    out
}

fn index_of(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["test", "value", "key", "fail_on_missing", "wantlist"])?;
    let test = c.cx.text(bound.need(0)?)?;
    let (negated, test) = match test.strip_prefix('!').or_else(|| test.strip_prefix("not ")) {
        Some("=") => (true, "==".to_owned()),
        Some(rest) => (true, rest.to_owned()),
        None => (false, test),
    };
    if !is_sequence(&c.input) {
        return refuse("Error when using plugin 'index_of': a list is required");
    }
    let mut found = Vec::new();
    for (i, item) in c.items()?.into_iter().enumerate() {
        let value = match bound.some(2) {
            None => item,
            Some(key) => match c.cx.entry(&item, &key.to_key().unwrap_or(Key::Null))? {
                Some(v) => v,
                None if bound.flag(3, false) => {
                    return refuse(format!(
                        "Error when using plugin 'index_of': '{}' was not found in '{}' at [{i}]",
                        to_str(key),
                        to_str(&item)
                    ));
                }
                None => continue,
            },
        };
        let args = Args { pos: bound.get(1).cloned().into_iter().collect(), kw: Vec::new() };
        let verdict = crate::tests::by_name(c.cx, &test, value, args)?;
        if crate::eval::access::defined(verdict)?.truth() != negated {
            found.push(Val::from(i));
        }
    }
    Ok(match found.len() {
        1 if !bound.flag(4, false) => found.swap_remove(0),
        _ => Val::list(found),
    })
}

/// `a.b[0]['c']` followed from a value.
fn get_path(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["path", "wantlist"])?;
    let path = c.cx.text(bound.need(0)?)?;
    let mut at = c.input.clone();
    let mut rest = path.as_str();
    while !rest.is_empty() {
        let key;
        if let Some(inner) = rest.strip_prefix('[') {
            let end = inner.find(']').ok_or_else(|| fail(format!("the path {path:?} lacks a bracket")))?;
            let text = inner[..end].trim();
            key = match text.parse::<i64>() {
                Ok(i) => Val::Int(i),
                Err(_) => Val::str(text.trim_matches(['\'', '"'])),
            };
            rest = &inner[end + 1..];
        } else {
            rest = rest.trim_start_matches('.');
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            key = Val::str(&rest[..end]);
            rest = &rest[end..];
        }
        at = c.cx.item(&at, &key)?;
    }
    if bound.flag(1, false) && !matches!(at, Val::List(_)) {
        at = Val::list(vec![at]);
    }
    Ok(at)
}

fn to_paths(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["prepend", "wantlist"])?;
    let mut out = Entries::new();
    walk(c.cx, &c.input, bound.text_or(0, ""), &mut out, 0)?;
    let result = Val::dict(out);
    Ok(if bound.flag(1, false) { Val::list(vec![result]) } else { result })
}

fn walk(cx: &Cx<'_>, value: &Val, path: String, out: &mut Entries, depth: u32) -> R<()> {
    if depth > 200 {
        return refuse("the value is nested too deeply");
    }
    if is_mapping(value) && value.truth() {
        for (k, v) in cx.pairs(value)? {
            let name = crate::val::repr::key_str(&k);
            let plain = name.chars().all(|ch| ch.is_alphanumeric() || ch == '_')
                && !name.starts_with(|ch: char| ch.is_ascii_digit());
            let next = match (&k, plain) {
                (Key::Str(_), true) if path.is_empty() => name,
                (Key::Str(_), true) => format!("{path}.{name}"),
                (Key::Str(_), false) => format!("{path}['{name}']"),
                _ => format!("{path}[{name}]"),
            };
            walk(cx, &v, next, out, depth + 1)?;
        }
        return Ok(());
    }
    if is_sequence(value) && value.truth() {
        for (i, v) in cx.each(value)?.iter().enumerate() {
            walk(cx, v, format!("{path}[{i}]"), out, depth + 1)?;
        }
        return Ok(());
    }
    out.insert(Key::from(path), value.clone());
    Ok(())
}

fn param_list_compare(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["target"])?;
    let base: Vec<String> = c.items()?.iter().map(to_str).collect();
    let target: Vec<String> = c.cx.each(bound.need(0)?)?.iter().map(to_str).collect();
    let mut combined: Vec<String> = if target.iter().any(|t| t == "all") { base.clone() } else { Vec::new() };
    let mut unsupported = Vec::new();
    for t in &target {
        if let Some(not) = t.strip_prefix('!') {
            combined.retain(|c| c != not);
        }
    }
    for t in target.iter().filter(|t| *t != "all" && !t.starts_with('!')) {
        if !base.contains(t) {
            unsupported.push(t.clone());
        } else if !combined.contains(t) {
            combined.push(t.clone());
        }
    }
    combined.sort();
    Ok(Val::dict(Entries::from_iter([
        (Key::from("actionable"), Val::strs(combined)),
        (Key::from("unsupported"), Val::strs(unsupported)),
    ])))
}
