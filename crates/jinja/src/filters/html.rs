//! HTML and URLs.

use super::{Call, Table, refuse};
use crate::Key;
use crate::eval::fail;
use crate::val::repr::key_str;
use crate::val::{Entries, R, Val};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

pub(super) const TABLE: Table = &[
    ("e", escape),
    ("escape", escape),
    ("forceescape", escape),
    ("safe", safe),
    ("striptags", striptags),
    ("urldecode", urldecode),
    ("urlencode", urlencode),
    ("urlize", urlize),
    ("urlsplit", urlsplit),
    ("xmlattr", xmlattr),
];

/// What Python's `quote` leaves alone, without `/`.
const QUOTED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('>', "&gt;").replace('<', "&lt;").replace('\'', "&#39;").replace('"', "&#34;")
}

fn escape(c: Call<'_, '_>) -> R {
    Ok(Val::str(escaped(&c.text()?)))
}

fn safe(c: Call<'_, '_>) -> R {
    c.text().map(Val::str)
}

/// Comments and tags go, runs of blanks become one.
fn striptags(c: Call<'_, '_>) -> R {
    let mut text = c.text()?;
    while let Some(start) = text.find("<!--") {
        let Some(end) = text[start..].find("-->") else { break };
        text.replace_range(start..start + end + 3, "");
    }
    while let Some(start) = text.find('<') {
        let Some(end) = text[start..].find('>') else { break };
        text.replace_range(start..=start + end, "");
    }
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(Val::str(unescaped(&text)))
}

fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let known = rest.find(';').filter(|end| *end < 12).and_then(|end| {
            let name = &rest[1..end];
            let found = match name {
                "amp" => Some('&'),
                "lt" => Some('<'),
                "gt" => Some('>'),
                "quot" => Some('"'),
                "apos" => Some('\''),
                "nbsp" => Some('\u{a0}'),
                _ => name.strip_prefix('#').and_then(|n| {
                    let code = match n.strip_prefix(['x', 'X']) {
                        Some(hex) => u32::from_str_radix(hex, 16),
                        None => n.parse(),
                    };
                    char::from_u32(code.ok()?)
                }),
            };
            found.map(|c| (c, end))
        });
        match known {
            Some((c, end)) => {
                out.push(c);
                rest = &rest[end + 1..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out + rest
}

fn quoted(text: &str, slash: bool) -> String {
    let encoded = utf8_percent_encode(text, QUOTED).to_string();
    if slash { encoded.replace("%2F", "/") } else { encoded }
}

fn urlencode(c: Call<'_, '_>) -> R {
    let pairs: Vec<(String, String)> = match &c.input {
        v if super::is_mapping(v) => {
            c.cx.pairs(v)?
                .into_iter()
                .map(|(k, v)| Ok((key_str(&k), c.cx.text(&crate::eval::access::defined(v)?)?)))
                .collect::<R<_>>()?
        }
        v if super::is_sequence(v) => {
            let mut out = Vec::new();
            for pair in c.items()? {
                let pair = c.cx.each(&pair)?;
                let [k, v] = pair.as_slice() else { return refuse("urlencode needs pairs") };
                out.push((c.cx.text(k)?, c.cx.text(v)?));
            }
            out
        }
        _ => return Ok(Val::str(quoted(&c.text()?, true))),
    };
    let plus = |t: &str| quoted(t, false).replace("%20", "+");
    Ok(Val::str(pairs.iter().map(|(k, v)| format!("{}={}", plus(k), plus(v))).collect::<Vec<_>>().join("&")))
}

fn urldecode(c: Call<'_, '_>) -> R {
    let text = c.text_with("replace")?.replace('+', " ");
    Ok(Val::str(percent_decode_str(&text).decode_utf8_lossy().into_owned()))
}

/// Words that look like addresses become links.
fn urlize(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["trim_url_limit", "nofollow", "target", "rel", "extra_schemes"])?;
    let limit = match bound.some(0) {
        Some(v) => usize::try_from(crate::eval::int(v)?).ok(),
        None => None,
    };
    let mut rels: Vec<String> = bound.text_or(3, "").split_whitespace().map(str::to_owned).collect();
    if bound.flag(1, false) {
        rels.push("nofollow".into());
    }
    rels.push("noopener".into());
    rels.sort();
    rels.dedup();
    let rel = format!(" rel=\"{}\"", escaped(&rels.join(" ")));
    let target = bound.text(2).map(|t| format!(" target=\"{}\"", escaped(&t))).unwrap_or_default();
    let short = |text: &str| match limit {
        Some(n) if text.chars().count() > n => format!("{}...", text.chars().take(n).collect::<String>()),
        _ => text.to_owned(),
    };
    let text = escaped(&c.text()?);
    let mut out = String::new();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let blank = rest.len() - rest.trim_start().len();
        let (space, tail) = rest.split_at(blank);
        out.push_str(space);
        let n = tail.find(char::is_whitespace).unwrap_or(tail.len());
        let (word, tail) = tail.split_at(n);
        rest = tail;
        let mut middle = word;
        let (mut head, mut end) = (String::new(), String::new());
        while let Some(open) = ["(", "&lt;", "<"].iter().find(|o| middle.starts_with(**o)) {
            head.push_str(open);
            middle = &middle[open.len()..];
        }
        while let Some(close) =
            [")", ".", ",", "\n", "&gt;", ">"].iter().find(|close| middle.ends_with(**close) && !middle.is_empty())
        {
            end.insert_str(0, close);
            middle = &middle[..middle.len() - close.len()];
        }
        let lower = middle.to_lowercase();
        let link = if (lower.starts_with("http://") || lower.starts_with("https://")) && middle.len() > 8 {
            Some((middle.to_owned(), short(middle)))
        } else if lower.starts_with("www.") && middle.len() > 5 {
            Some((format!("https://{middle}"), short(middle)))
        } else if let Some(mail) = middle.strip_prefix("mailto:").filter(|m| is_mail(m)) {
            Some((middle.to_owned(), mail.to_owned()))
        } else if is_mail(middle) && !lower.starts_with("www.") && !middle.contains(':') {
            Some((format!("mailto:{middle}"), middle.to_owned()))
        } else if [".com", ".net", ".int", ".edu", ".gov", ".org", ".info", ".mil"]
            .iter()
            .any(|tld| lower.ends_with(tld))
            && lower.len() > 5
            && !middle.contains(['@', '/', ':'])
            && middle.chars().next().is_some_and(char::is_alphanumeric)
        {
            Some((format!("https://{middle}"), short(middle)))
        } else {
            None
        };
        out.push_str(&head);
        match link {
            Some((href, shown)) if href.starts_with("mailto:") => {
                out.push_str(&format!("<a href=\"{href}\">{shown}</a>"));
            }
            Some((href, shown)) => out.push_str(&format!("<a href=\"{href}\"{rel}{target}>{shown}</a>")),
            None => out.push_str(middle),
        }
        out.push_str(&end);
    }
    Ok(Val::str(out))
}

fn is_mail(text: &str) -> bool {
    let Some((user, host)) = text.split_once('@') else { return false };
    !user.is_empty()
        && host.contains('.')
        && !host.starts_with('.')
        && host.rsplit('.').next().is_some_and(|tld| tld.len() > 1 && tld.bytes().all(|b| b.is_ascii_alphabetic()))
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "@._+-".contains(c))
}

fn xmlattr(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["autospace"])?;
    let mut parts = Vec::new();
    for (key, value) in c.cx.pairs(&c.input)? {
        if value.is_none() || value.marker().is_some() {
            continue;
        }
        let key = key_str(&key);
        if key.contains([' ', '\t', '\n', '\r', '\x0c', '/', '>', '=']) {
            return refuse(format!("Invalid character in attribute name: {}", crate::val::repr::str_repr(&key)));
        }
        parts.push(format!("{}=\"{}\"", escaped(&key), escaped(&c.cx.text(&value)?)));
    }
    let text = parts.join(" ");
    Ok(Val::str(if bound.flag(0, true) && !text.is_empty() { format!(" {text}") } else { text }))
}

/// The parts of a URL as Python's `urlsplit` finds them.
fn urlsplit(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["query"])?;
    let url = c.text_with("decode")?;
    let mut rest = url.as_str();
    let mut scheme = String::new();
    if let Some((head, tail)) = rest.split_once(':') {
        let valid = head.chars().next().is_some_and(|c| c.is_ascii_alphabetic())
            && head.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
        if valid {
            (scheme, rest) = (head.to_lowercase(), tail);
        }
    }
    let mut netloc = "";
    if let Some(tail) = rest.strip_prefix("//") {
        let end = tail.find(['/', '?', '#']).unwrap_or(tail.len());
        (netloc, rest) = tail.split_at(end);
    }
    let (before, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (path, query) = before.split_once('?').unwrap_or((before, ""));
    let (user, host) = netloc.rsplit_once('@').map_or((None, netloc), |(u, h)| (Some(u), h));
    let (username, password) = match user {
        None => (None, None),
        Some(u) => u.split_once(':').map_or((Some(u), None), |(u, p)| (Some(u), Some(p))),
    };
    let (hostname, port) = match host.strip_prefix('[').and_then(|h| h.split_once(']')) {
        Some((inner, tail)) => (inner, tail.strip_prefix(':')),
        None => host.split_once(':').map_or((host, None), |(h, p)| (h, Some(p))),
    };
    let port = match port.filter(|p| !p.is_empty()) {
        None => Val::None,
        Some(p) => match p.parse::<u64>() {
            Ok(n) if n > 65535 => return refuse("Port out of range 0-65535"),
            Ok(n) => Val::Int(n as i64),
            Err(_) => {
                return Err(fail(format!(
                    "Port could not be cast to integer value as {}",
                    crate::val::repr::str_repr(p)
                )));
            }
        },
    };
    let maybe = |t: Option<&str>| t.map_or(Val::None, Val::str);
    let parts: [(&str, Val); 9] = [
        ("fragment", Val::str(fragment)),
        ("hostname", if hostname.is_empty() { Val::None } else { Val::str(hostname.to_lowercase()) }),
        ("netloc", Val::str(netloc)),
        ("password", maybe(password)),
        ("path", Val::str(path)),
        ("port", port),
        ("query", Val::str(query)),
        ("scheme", Val::str(scheme)),
        ("username", maybe(username)),
    ];
    match bound.text(0).filter(|q| !q.is_empty()) {
        None => Ok(Val::dict(parts.into_iter().map(|(k, v)| (Key::from(k), v)).collect::<Entries>())),
        Some(want) => match parts.into_iter().find(|(k, _)| *k == want) {
            Some((_, v)) => Ok(v),
            None => refuse(format!("urlsplit: unknown URL component: {want}")),
        },
    }
}
