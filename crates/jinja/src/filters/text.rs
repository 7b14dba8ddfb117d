//! Text: case, space, cutting, wrapping, quoting.

use super::{Call, Table, refuse};
use crate::eval::{Args, fail, int, ops};
use crate::methods::str::{capitalize as capital, center as centered, splitlines};
use crate::val::{R, Val};

pub(super) const TABLE: Table = &[
    ("capitalize", capitalize),
    ("center", center),
    ("comment", comment),
    ("format", format),
    ("indent", indent),
    ("lower", lower),
    ("quote", quote),
    ("replace", replace),
    ("split", split),
    ("title", title),
    ("trim", trim),
    ("truncate", truncate),
    ("upper", upper),
    ("wordcount", wordcount),
    ("wordwrap", wordwrap),
];

fn upper(c: Call<'_, '_>) -> R {
    Ok(Val::str(c.text()?.to_uppercase()))
}

fn lower(c: Call<'_, '_>) -> R {
    Ok(Val::str(c.text()?.to_lowercase()))
}

fn capitalize(c: Call<'_, '_>) -> R {
    Ok(Val::str(capital(&c.text()?)))
}

/// Words are what stands between blanks, hyphens and opening brackets.
fn title(c: Call<'_, '_>) -> R {
    let text = c.text()?;
    let mut out = String::with_capacity(text.len());
    let mut start = true;
    for ch in text.chars() {
        if ch.is_whitespace() || matches!(ch, '-' | '(' | '{' | '[' | '<') {
            start = true;
            out.push(ch);
        } else if start {
            out.extend(ch.to_uppercase());
            start = false;
        } else {
            out.extend(ch.to_lowercase());
        }
    }
    Ok(Val::str(out))
}

fn trim(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["chars"])?;
    let text = c.text()?;
    Ok(Val::str(match bound.text(0) {
        Some(set) => text.trim_matches(|ch| set.contains(ch)),
        None => text.trim(),
    }))
}

fn center(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["width"])?;
    let width = usize::try_from(bound.int_or(0, 80)?.max(0)).unwrap_or(0).min(1 << 24);
    Ok(Val::str(centered(&c.text()?, width, ' ')))
}

fn replace(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["old", "new", "count"])?;
    let (old, new) = (c.cx.text(bound.need(0)?)?, c.cx.text(bound.need(1)?)?);
    let text = c.text()?;
    ops::checked_len(c.cx, text.len().saturating_mul(new.len().max(1)))?;
    Ok(Val::str(match bound.some(2).map(int).transpose()?.and_then(|n| usize::try_from(n).ok()) {
        Some(n) => text.replacen(&old, &new, n),
        None => text.replace(&old, &new),
    }))
}

fn format(c: Call<'_, '_>) -> R {
    if !c.args.pos.is_empty() && !c.args.kw.is_empty() {
        return refuse("can't handle positional and keyword arguments at the same time");
    }
    let args = if c.args.kw.is_empty() {
        Val::tuple(c.args.pos.clone())
    } else {
        Val::dict(c.args.kw.iter().map(|(k, v)| (crate::Key::Str(k.clone()), v.clone())).collect())
    };
    crate::methods::format::percent(c.cx, &c.text()?, &args).map(Val::str)
}

fn indent(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["width", "first", "blank"])?;
    let pad = match bound.get(0) {
        Some(Val::Str(s)) => s.text.to_string(),
        Some(v) => " ".repeat(usize::try_from(int(v)?).unwrap_or(0).min(10_000)),
        None => "    ".to_owned(),
    };
    let (first, blank) = (bound.flag(1, false), bound.flag(2, false));
    // The newline at the end does not count as one that starts a line.
    let text = c.only_text(|kind| format!("unsupported operand type(s) for +=: '{kind}' and 'str'"))? + "\n";
    let lines = splitlines(&text, false);
    let mut out = String::new();
    for (i, line) in lines.iter().enumerate() {
        if i > 0 {
            out.push('\n');
        }
        if if i == 0 { first } else { blank || !line.is_empty() } {
            out.push_str(&pad);
        }
        out.push_str(line);
    }
    ops::checked_len(c.cx, out.len())?;
    Ok(Val::str(out))
}

fn truncate(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["length", "killwords", "end", "leeway"])?;
    let length = bound.int_or(0, 255)?;
    let end = bound.text_or(2, "...");
    let leeway = bound.int_or(3, 5)?;
    let tail = end.chars().count() as i64;
    if length < tail {
        return refuse(format!("expected length >= {tail}, got {length}"));
    }
    if leeway < 0 {
        return refuse(format!("expected leeway >= 0, got {leeway}"));
    }
    let text = c.only_text(|kind| format!("object of type '{kind}' has no len()"))?;
    if text.chars().count() as i64 <= length + leeway {
        return Ok(Val::str(text));
    }
    let cut: String = text.chars().take((length - tail) as usize).collect();
    if bound.flag(1, false) {
        return Ok(Val::str(cut + &end));
    }
    let kept = cut.rsplit_once(' ').map_or(cut.as_str(), |(head, _)| head);
    Ok(Val::str(format!("{kept}{end}")))
}

fn wordcount(c: Call<'_, '_>) -> R {
    let text = c.text()?;
    let mut n = 0i64;
    let mut inside = false;
    for ch in text.chars() {
        let word = ch.is_alphanumeric() || ch == '_';
        n += i64::from(word && !inside);
        inside = word;
    }
    Ok(Val::Int(n))
}

/// Python's `textwrap.wrap` of each line, with blanks kept as they are.
fn wordwrap(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["width", "break_long_words", "wrapstring", "break_on_hyphens"])?;
    let width = usize::try_from(bound.int_or(0, 79)?)
        .ok()
        .filter(|w| *w > 0)
        .ok_or_else(|| fail("invalid width (must be > 0)"))?;
    let (break_long, hyphens) = (bound.flag(1, true), bound.flag(3, true));
    let wrap = bound.text_or(2, "\n");
    let lines: Vec<String> = splitlines(&c.text_with("splitlines")?, false)
        .iter()
        .map(|line| wrap_line(line, width, break_long, hyphens).join(&wrap))
        .collect();
    Ok(Val::str(lines.join(&wrap)))
}

fn chunks(line: &str, hyphens: bool) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut blank = None;
    let chars: Vec<char> = line.chars().collect();
    for (i, ch) in chars.iter().enumerate() {
        let is_blank = ch.is_whitespace();
        let after_hyphen =
            hyphens && i >= 2 && chars[i - 1] == '-' && chars[i - 2].is_alphabetic() && ch.is_alphabetic() && !is_blank;
        if blank != Some(is_blank) || after_hyphen {
            out.push(String::new());
        }
        blank = Some(is_blank);
        if let Some(last) = out.last_mut() {
            last.push(*ch);
        }
    }
    out
}

fn wrap_line(line: &str, width: usize, break_long: bool, hyphens: bool) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut rest: std::collections::VecDeque<String> = chunks(line, hyphens).into();
    while !rest.is_empty() {
        if !lines.is_empty() && rest.front().is_some_and(|chunk| chunk.trim().is_empty()) {
            rest.pop_front();
        }
        let mut current: Vec<String> = Vec::new();
        let mut len = 0;
        while let Some(chunk) = rest.front() {
            let n = chunk.chars().count();
            if len + n > width {
                break;
            }
            len += n;
            current.extend(rest.pop_front());
        }
        if let Some(chunk) = rest.front().filter(|chunk| chunk.chars().count() > width).cloned() {
            let room = width - len;
            if break_long && room > 0 {
                // A hyphen in the part that fits is the better place to break.
                let fitting: Vec<char> = chunk.chars().take(room).collect();
                let hyphen = fitting
                    .iter()
                    .rposition(|c| *c == '-')
                    .filter(|at| hyphens && *at > 0 && fitting[..*at].iter().any(|c| *c != '-'));
                let end = hyphen.map_or(room, |at| at + 1);
                let head: String = chunk.chars().take(end).collect();
                let tail: String = chunk.chars().skip(end).collect();
                current.push(head);
                if let Some(front) = rest.front_mut() {
                    *front = tail;
                }
            } else if current.is_empty() {
                current.extend(rest.pop_front());
            }
        }
        if current.last().is_some_and(|chunk| chunk.trim().is_empty()) {
            current.pop();
        }
        if !current.is_empty() {
            lines.push(current.concat());
        }
    }
    lines
}

fn split(c: Call<'_, '_>) -> R {
    let text =
        c.only_text(|kind| format!("descriptor 'split' for 'str' objects doesn't apply to a '{kind}' object"))?;
    crate::methods::call(c.cx, &Val::str(text), "split", &Args { pos: c.args.pos.clone(), kw: c.args.kw.clone() })
        .unwrap_or(Ok(Val::None))
}

/// Python's `shlex.quote`.
pub(crate) fn shell_quote(text: &str) -> String {
    let safe = |ch: char| ch.is_ascii_alphanumeric() || "_@%+=:,./-".contains(ch);
    if !text.is_empty() && text.chars().all(safe) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\"'\"'"))
}

fn quote(c: Call<'_, '_>) -> R {
    if c.input.is_none() {
        return Ok(Val::str("''"));
    }
    Ok(Val::str(shell_quote(&c.text()?)))
}

/// Python's `shlex.split` (POSIX).
pub(crate) fn shell_words(text: &str) -> Result<Vec<String>, String> {
    let mut out = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => out.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return Err("No closing quotation".into()),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') => match chars.next() {
                            Some(c @ ('"' | '\\')) => word.push(c),
                            Some(c) => word.extend(['\\', c]),
                            None => return Err("No closing quotation".into()),
                        },
                        Some(c) => word.push(c),
                        None => return Err("No closing quotation".into()),
                    }
                }
            }
            '\\' => match chars.next() {
                Some(c) => word.get_or_insert_default().push(c),
                None => return Err("No escaped character".into()),
            },
            c => word.get_or_insert_default().push(c),
        }
    }
    out.extend(word);
    Ok(out)
}

/// Ansible's `comment`.
fn comment(c: Call<'_, '_>) -> R {
    let mut args = c.args.clone();
    let style = match args.take("style").or_else(|| args.pos.first().cloned()) {
        Some(v) => c.cx.text(&v)?,
        None => "plain".to_owned(),
    };
    let (start, decoration, end) = match style.as_str() {
        "plain" => ("", "# ", ""),
        "erlang" => ("", "% ", ""),
        "c" => ("", "// ", ""),
        "cblock" => ("/*", " * ", " */"),
        "xml" => ("<!--", " - ", "-->"),
        other => return refuse(format!("Invalid style '{other}'.")),
    };
    let mut option = |name: &str, default: &str| -> R<String> {
        args.take(name).map_or_else(|| Ok(default.to_owned()), |v| c.cx.text(&v))
    };
    let newline = option("newline", "\n")?;
    let decoration = option("decoration", decoration)?;
    let start = option("beginning", start)?;
    let end = option("end", end)?;
    let prefix = option("prefix", decoration.trim_end())?;
    let postfix = option("postfix", decoration.trim_end())?;
    let prefix_count = args.take("prefix_count").map(|v| int(&v)).transpose()?.unwrap_or(1);
    let postfix_count = args.take("postfix_count").map(|v| int(&v)).transpose()?.unwrap_or(1);
    let times = |n: i64| usize::try_from(n).unwrap_or(0).min(10_000);
    let mut out = String::new();
    if !start.is_empty() {
        out.push_str(&start);
        out.push_str(&newline);
    }
    if !prefix.is_empty() {
        if prefix == newline {
            out.push_str(&newline.repeat(times(prefix_count)));
        } else {
            out.push_str(&format!("{prefix}{newline}").repeat(times(prefix_count)));
        }
    }
    // Lines without text lose the blank behind the decoration.
    let text = c.text_with("replace")?;
    let body = format!("{decoration}{}", text.replace(&newline, &format!("{newline}{decoration}")));
    let body = body.replace(&format!("{decoration}{newline}"), &format!("{}{newline}", decoration.trim_end()));
    out.push_str(&body);
    for _ in 0..times(postfix_count) {
        out.push_str(&newline);
        out.push_str(&postfix);
    }
    if !end.is_empty() {
        out.push_str(&newline);
        out.push_str(&end);
    }
    Ok(Val::str(out))
}
