//! `--diff`: a module's `diff` as unified diff, line for line as Python's `difflib` makes it.

use super::Color;
use super::dump;
use imgbuild_jinja::Value;
use std::collections::HashMap;
use std::fmt::Write as _;

/// The text of one diff or of a list of them; empty where there is nothing to show.
pub fn render(diff: &Value, color: bool, context: usize) -> String {
    let mut out = String::new();
    match diff {
        Value::List(all) => all.iter().for_each(|d| one(&mut out, d, color, context)),
        one_diff => one(&mut out, one_diff, color, context),
    }
    out
}

fn one(out: &mut String, diff: &Value, color: bool, context: usize) {
    if diff.get("dst_binary").is_some() {
        out.push_str("diff skipped: destination file appears to be binary\n");
    }
    if diff.get("src_binary").is_some() {
        out.push_str("diff skipped: source file appears to be binary\n");
    }
    for (key, which) in [("dst_larger", "destination"), ("src_larger", "source")] {
        if let Some(size) = diff.get(key) {
            _ = writeln!(out, "diff skipped: {which} file size is greater than {}", dump::json(size, None));
        }
    }
    if let (Some(before), Some(after)) = (diff.get("before"), diff.get("after")) {
        let header = |name: &str| {
            let key = format!("{name}_header");
            match diff.get(&key) {
                Some(Value::Str(s)) => format!("{name}: {}", s.text),
                Some(Value::Null) => format!("{name}: None"),
                Some(other) => format!("{name}: {}", dump::json(other, None)),
                None => name.to_owned(),
            }
        };
        let text = |value: &Value| match value {
            Value::Str(s) => s.text.to_string(),
            Value::Null => String::new(),
            other => format!("{}\n", dump::json(other, Some(4))),
        };
        let (before, after) = (text(before), text(after));
        let lines = unified(&split(&before), &split(&after), &header("before"), &header("after"), context);
        for line in &lines {
            let kind = match line.as_bytes().first() {
                Some(b'+') => Some(Color::DiffAdd),
                Some(b'-') => Some(Color::DiffRemove),
                Some(b'@') => Some(Color::DiffLines),
                _ => None,
            };
            match kind.filter(|_| color) {
                Some(kind) => out.push_str(&kind.paint(line)),
                None => out.push_str(line),
            }
        }
        if !lines.is_empty() {
            out.push('\n');
        }
    }
    if let Some(prepared) = diff.get("prepared").and_then(Value::as_str) {
        out.push_str(prepared);
    }
}

fn split(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    if let Some(last) = lines.last_mut().filter(|l| !l.ends_with('\n')) {
        last.push_str("\n\\ No newline at end of file\n");
    }
    lines
}

/// A run of equal lines: start in the old text, start in the new text, length.
type Match = (usize, usize, usize);
type Op = (u8, usize, usize, usize, usize);

fn unified(a: &[String], b: &[String], from: &str, to: &str, context: usize) -> Vec<String> {
    let mut out = Vec::new();
    for group in grouped(opcodes(a, b), context) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        if out.is_empty() {
            out.push(format!("--- {from}\n"));
            out.push(format!("+++ {to}\n"));
        }
        out.push(format!("@@ -{} +{} @@\n", range(first.1, last.2), range(first.3, last.4)));
        for (tag, i1, i2, j1, j2) in group {
            if tag == b'e' {
                out.extend(a[i1..i2].iter().map(|l| format!(" {l}")));
                continue;
            }
            out.extend(a[i1..i2].iter().map(|l| format!("-{l}")));
            out.extend(b[j1..j2].iter().map(|l| format!("+{l}")));
        }
    }
    out
}

fn range(start: usize, stop: usize) -> String {
    match stop - start {
        1 => (start + 1).to_string(),
        0 => format!("{start},0"),
        length => format!("{},{length}", start + 1),
    }
}

fn grouped(mut codes: Vec<Op>, context: usize) -> Vec<Vec<Op>> {
    if codes.is_empty() {
        codes.push((b'e', 0, 1, 0, 1));
    }
    if let Some((b'e', i1, i2, j1, j2)) = codes.first_mut().map(|c| (c.0, &mut c.1, c.2, &mut c.3, c.4)) {
        *i1 = (*i1).max(i2.saturating_sub(context));
        *j1 = (*j1).max(j2.saturating_sub(context));
    }
    if let Some(last) = codes.last_mut().filter(|c| c.0 == b'e') {
        last.2 = last.2.min(last.1 + context);
        last.4 = last.4.min(last.3 + context);
    }
    let mut groups = Vec::new();
    let mut group: Vec<Op> = Vec::new();
    for (tag, mut i1, i2, mut j1, j2) in codes {
        if tag == b'e' && i2 - i1 > 2 * context {
            group.push((tag, i1, i2.min(i1 + context), j1, j2.min(j1 + context)));
            groups.push(std::mem::take(&mut group));
            i1 = i1.max(i2 - context);
            j1 = j1.max(j2 - context);
        }
        group.push((tag, i1, i2, j1, j2));
    }
    if !(group.is_empty() || group.len() == 1 && group[0].0 == b'e') {
        groups.push(group);
    }
    groups
}

fn opcodes(a: &[String], b: &[String]) -> Vec<Op> {
    let (mut i, mut j) = (0, 0);
    let mut codes = Vec::new();
    for (ai, bj, size) in matches(a, b) {
        if i < ai || j < bj {
            codes.push((b'r', i, ai, j, bj));
        }
        if size > 0 {
            codes.push((b'e', ai, ai + size, bj, bj + size));
        }
        (i, j) = (ai + size, bj + size);
    }
    codes
}

fn matches(a: &[String], b: &[String]) -> Vec<Match> {
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (j, line) in b.iter().enumerate() {
        places.entry(line).or_default().push(j);
    }
    // Lines that make up more than 1 % of a long text do not anchor a match.
    if b.len() >= 200 {
        let limit = b.len() / 100 + 1;
        places.retain(|_, at| at.len() <= limit);
    }
    let mut queue = vec![(0, a.len(), 0, b.len())];
    let mut found: Vec<Match> = Vec::new();
    while let Some((alo, ahi, blo, bhi)) = queue.pop() {
        let (i, j, size) = longest(a, b, &places, (alo, ahi, blo, bhi));
        if size == 0 {
            continue;
        }
        found.push((i, j, size));
        if alo < i && blo < j {
            queue.push((alo, i, blo, j));
        }
        if i + size < ahi && j + size < bhi {
            queue.push((i + size, ahi, j + size, bhi));
        }
    }
    found.sort_unstable();
    let mut merged: Vec<Match> = Vec::new();
    for (i, j, size) in found {
        match merged.last_mut() {
            Some((pi, pj, psize)) if *pi + *psize == i && *pj + *psize == j => *psize += size,
            _ => merged.push((i, j, size)),
        }
    }
    merged.push((a.len(), b.len(), 0));
    merged
}

fn longest(
    a: &[String],
    b: &[String],
    places: &HashMap<&str, Vec<usize>>,
    (alo, ahi, blo, bhi): (usize, usize, usize, usize),
) -> Match {
    let (mut best_i, mut best_j, mut best) = (alo, blo, 0);
    let mut lengths: HashMap<usize, usize> = HashMap::new();
    for (i, line) in a.iter().enumerate().take(ahi).skip(alo) {
        let mut next: HashMap<usize, usize> = HashMap::new();
        for &j in places.get(line.as_str()).into_iter().flatten() {
            if j < blo {
                continue;
            }
            if j >= bhi {
                break;
            }
            let k = 1 + j.checked_sub(1).and_then(|p| lengths.get(&p)).copied().unwrap_or(0);
            next.insert(j, k);
            if k > best {
                (best_i, best_j, best) = (i + 1 - k, j + 1 - k, k);
            }
        }
        lengths = next;
    }
    // Popular lines may still extend a match at both ends.
    while best_i > alo && best_j > blo && a[best_i - 1] == b[best_j - 1] {
        (best_i, best_j, best) = (best_i - 1, best_j - 1, best + 1);
    }
    while best_i + best < ahi && best_j + best < bhi && a[best_i + best] == b[best_j + best] {
        best += 1;
    }
    (best_i, best_j, best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_difflib() {
        let diff = Value::from_json(
            serde_json::json!({"before": "a\nb\nc\n", "after": "a\nx\nc", "before_header": "/f", "after_header": "/f"}),
            false,
        );
        assert_eq!(
            render(&diff, false, 3),
            "--- before: /f\n+++ after: /f\n@@ -1,3 +1,3 @@\n a\n-b\n-c\n+x\n+c\n\\ No newline at end of file\n\n"
        );
        let same = Value::from_json(serde_json::json!({"before": "a\n", "after": "a\n"}), false);
        assert_eq!(render(&same, false, 3), "");
        let new = Value::from_json(serde_json::json!({"before": "", "after": "a\n"}), false);
        assert_eq!(render(&new, false, 3), "--- before\n+++ after\n@@ -0,0 +1 @@\n+a\n\n");
    }
}
