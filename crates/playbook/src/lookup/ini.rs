//! `ini`: values of INI and Java properties files.

use super::{Answer, Ask, failed};
use imgbuild_jinja::Value;

const OPTIONS: [&str; 10] = [
    "type",
    "section",
    "file",
    "re",
    "default",
    "encoding",
    "case_sensitive",
    "allow_no_value",
    "allow_none",
    "interpolation",
];

pub fn run(ask: &Ask<'_>) -> Answer {
    // Old form: the options stand in the term (`key section=x file=y`).
    let old = |term: &Value| crate::text::of(term).contains('=');
    if let Some(term) = ask.terms.iter().find(|t| old(t)) {
        let (mut kwargs, mut key) = (ask.kwargs.clone(), Vec::new());
        for word in crate::text::of(term).split_whitespace() {
            match word.split_once('=') {
                Some((name, value)) if OPTIONS.contains(&name) => _ = kwargs.insert(name.into(), Value::str(value)),
                Some((name, _)) => return Err(failed(format!("'{name}' is not a valid option."))),
                None => key.push(word.to_owned()),
            }
        }
        if key.is_empty() {
            return Err(failed(format!(
                "No key to look up was provided as first term within string inline options: {}",
                crate::text::of(term)
            )));
        }
        let terms = [Value::str(key.join(" "))];
        return run(&Ask { terms: &terms, kwargs: &kwargs, cx: ask.cx, plugins: ask.plugins });
    }
    let file = ask.text("file").unwrap_or_else(|| "ansible.ini".into());
    let Some(path) = ask.find("files", &file) else {
        return Err(failed(format!("the file {file} could not be found for the ini lookup")));
    };
    let text = match ask.text("encoding") {
        None => crate::vault::read_text(&path, &ask.plugins.settings).map_err(failed)?,
        Some(encoding) => {
            let bytes = crate::vault::read(&path, &ask.plugins.settings).map_err(failed)?;
            crate::encoding::decode(&bytes, &encoding).map_err(|e| failed(format!("{}: {e}", path.display())))?
        }
    };
    let properties = ask.text("type").as_deref() == Some("properties");
    let exact = ask.bool("case_sensitive", false);
    let allow_none = ask.bool("allow_no_value", false) || ask.bool("allow_none", false);
    let entries = parse(&text, properties, allow_none, exact).map_err(|e| match e {
        Fault::Duplicate => failed(format!("Duplicate option in '{file}'.")),
        Fault::Line(e) => failed(format!("{}: {e}", path.display())),
    })?;
    let section =
        if properties { "java_properties".to_owned() } else { ask.text("section").unwrap_or_else(|| "global".into()) };
    if section != "DEFAULT" && !entries.iter().any(|(s, _, _)| *s == section) && !has_section(&text, &section) {
        return Err(failed(format!("No section '{section}' in '{file}'.")));
    }
    let default = ask.option("default").cloned().unwrap_or_else(|| Value::str(""));
    let fold = |key: &str| if exact { key.to_owned() } else { key.to_lowercase() };
    let values = |name: &str| {
        let found = entries.iter().rev().find(|(s, k, _)| (*s == section || s == "DEFAULT") && fold(k) == fold(name));
        found.and_then(|(_, _, v)| v.clone())
    };
    let interpolate = ask.bool("interpolation", true);
    let expand = |value: &str, depth| {
        if interpolate { interpolated(value, &values, depth).map_err(failed) } else { Ok(value.to_owned()) }
    };
    let mut out = Vec::new();
    for term in ask.terms {
        let key = crate::text::of(term);
        if ask.bool("re", false) {
            let regex = regex::Regex::new(&key).map_err(|e| failed(format!("ini: {e}")))?;
            out.extend(
                entries
                    .iter()
                    .filter(|(s, k, _)| *s == section && regex.is_match(k))
                    .map(|(_, _, v)| v.as_deref().map_or(Ok(Value::Null), |v| expand(v, 0).map(Value::str)))
                    .collect::<Result<Vec<_>, _>>()?,
            );
            continue;
        }
        let found = entries.iter().rev().find(|(s, k, _)| (*s == section || s == "DEFAULT") && fold(k) == fold(&key));
        match found {
            Some((_, _, value)) => {
                if let Some(value) = value {
                    out.push(Value::str(expand(value, 0)?));
                }
            }
            None => out.push(default.clone()),
        }
    }
    Ok(out)
}

/// Section, key, and the value; a key alone has none.
type Entry = (String, String, Option<String>);

/// Why a file can't be read.
enum Fault {
    /// A key stands twice in a section.
    Duplicate,
    /// A line that is none of INI.
    Line(String),
}

/// A section may be empty.
fn has_section(text: &str, name: &str) -> bool {
    name == "java_properties"
        || text.lines().any(|l| l.trim().strip_prefix('[').and_then(|l| l.split_once(']')).is_some_and(|l| l.0 == name))
}

fn parse(text: &str, properties: bool, allow_none: bool, exact: bool) -> Result<Vec<Entry>, Fault> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut section = if properties { "java_properties".to_owned() } else { String::new() };
    for (number, raw) in text.lines().enumerate() {
        let line = raw.trim();
        if line.is_empty() || line.starts_with('#') || line.starts_with(';') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.split_once(']')) {
            section = name.0.to_owned();
            continue;
        }
        if section.is_empty() {
            return Err(Fault::Line(format!("line {}: File contains no section headers", number + 1)));
        }
        if raw.starts_with([' ', '\t'])
            && !properties
            && let Some((_, _, Some(value))) = entries.last_mut()
        {
            value.push('\n');
            value.push_str(line);
            continue;
        }
        let at = line.find(['=', ':']);
        let (key, value) = match at {
            Some(at) => (line[..at].trim(), Some(line[at + 1..].trim().to_owned())),
            None if allow_none || properties => (line, None),
            None => {
                return Err(Fault::Line(format!("line {}: Source contains parsing errors: {line:?}", number + 1)));
            }
        };
        let same = |k: &str| k == key || !exact && k.to_lowercase() == key.to_lowercase();
        if entries.iter().any(|(s, k, _)| *s == section && same(k)) {
            return Err(Fault::Duplicate);
        }
        entries.push((section.clone(), key.to_owned(), value));
    }
    Ok(entries)
}

/// `%(name)s` is another value of the section, `%%` a percent sign.
fn interpolated(value: &str, values: &dyn Fn(&str) -> Option<String>, depth: u8) -> Result<String, String> {
    if depth > 10 {
        return Err(format!("Value interpolation too deeply recursive: {value:?}"));
    }
    let (mut out, mut rest) = (String::new(), value);
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let reference = after.strip_prefix('(').and_then(|a| a.split_once(")s"));
        let Some((name, after)) = reference else {
            return Err(format!("'%' must be followed by '%' or '(', found: {:?}", format!("%{after}")));
        };
        let Some(found) = values(name) else {
            return Err(format!("Bad value substitution: {name:?} in {value:?} is not there"));
        };
        out.push_str(&interpolated(&found, values, depth + 1)?);
        if out.len() > 1 << 20 {
            return Err("the value is longer than a megabyte".into());
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}
