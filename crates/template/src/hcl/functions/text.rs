//! Strings: cutting, joining, trimming, cases. Lengths and positions count what a reader sees as one character.

use super::{Call, FunctionError, Kind, Spec, p};
use crate::hcl::value::Value;
use unicode_segmentation::UnicodeSegmentation as _;

type Result = std::result::Result<Value, FunctionError>;

/// The longest text that `indent` and `join` make.
const LONGEST: usize = 64 << 20;
/// As many parts as `split` makes.
const MOST_PARTS: usize = 500_000;

pub(super) const FUNCTIONS: &[Spec] = &[
    Spec::new("chomp", &[p("str", Kind::String)], Kind::String, |c| {
        Ok(c.text(0).trim_end_matches(['\r', '\n']).into())
    }),
    Spec::new("endswith", &[p("str", Kind::String), p("suffix", Kind::String)], Kind::Bool, |c| {
        Ok(c.text(0).ends_with(c.text(1)).into())
    }),
    Spec::new("indent", &[p("spaces", Kind::Number), p("str", Kind::String)], Kind::String, indent),
    Spec::new("join", &[p("separator", Kind::String)], Kind::String, join).rest(p("lists", Kind::Strings)),
    Spec::new("lower", &[p("str", Kind::String)], Kind::String, |c| Ok(lower(c.text(0)).into())),
    Spec::new("split", &[p("separator", Kind::String), p("str", Kind::String)], Kind::Strings, split),
    Spec::new("startswith", &[p("str", Kind::String), p("prefix", Kind::String)], Kind::Bool, |c| {
        Ok(c.text(0).starts_with(c.text(1)).into())
    }),
    Spec::new("strcontains", &[p("str", Kind::String), p("substr", Kind::String)], Kind::Bool, |c| {
        Ok(c.text(0).contains(c.text(1)).into())
    }),
    Spec::new("strrev", &[p("str", Kind::String)], Kind::String, |c| {
        Ok(c.text(0).graphemes(true).rev().collect::<String>().into())
    }),
    Spec::new(
        "substr",
        &[p("str", Kind::String), p("offset", Kind::Number), p("length", Kind::Number)],
        Kind::String,
        substr,
    ),
    Spec::new("title", &[p("str", Kind::String)], Kind::String, |c| Ok(title(c.text(0)).into())),
    Spec::new("trim", &[p("str", Kind::String), p("cutset", Kind::String)], Kind::String, |c| {
        Ok(c.text(0).trim_matches(|letter| c.text(1).contains(letter)).into())
    }),
    Spec::new("trimprefix", &[p("str", Kind::String), p("prefix", Kind::String)], Kind::String, |c| {
        Ok(c.text(0).strip_prefix(c.text(1)).unwrap_or(c.text(0)).into())
    }),
    Spec::new("trimspace", &[p("str", Kind::String)], Kind::String, |c| Ok(c.text(0).trim().into())),
    Spec::new("trimsuffix", &[p("str", Kind::String), p("suffix", Kind::String)], Kind::String, |c| {
        Ok(c.text(0).strip_suffix(c.text(1)).unwrap_or(c.text(0)).into())
    }),
    Spec::new("upper", &[p("str", Kind::String)], Kind::String, |c| Ok(upper(c.text(0)).into())),
];

/// One letter for one letter, as Go does it: `ß` stays.
fn upper(text: &str) -> String {
    text.chars().map(|c| single(c, c.to_uppercase())).collect()
}

fn lower(text: &str) -> String {
    text.chars().map(|c| single(c, c.to_lowercase())).collect()
}

fn single(letter: char, mut mapped: impl Iterator<Item = char>) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        // The one letter that Go maps to the first of what Unicode gives.
        (Some(first), Some(_)) if letter == 'İ' => first,
        _ => letter,
    }
}

/// Upper case after everything that is neither letter, digit nor underscore.
fn title(text: &str) -> String {
    let mut start = true;
    text.chars()
        .map(|c| {
            let out = if start { single(c, c.to_uppercase()) } else { c };
            start = is_separator(c);
            out
        })
        .collect()
}

fn is_separator(c: char) -> bool {
    if c.is_ascii() {
        return !(c.is_ascii_alphanumeric() || c == '_');
    }
    !c.is_alphanumeric() && c.is_whitespace()
}

fn indent(c: &Call<'_>) -> Result {
    let spaces = c.int(0)?;
    let lines = c.text(1).matches('\n').count();
    let Ok(spaces) = usize::try_from(spaces) else {
        return c.bad(0, "the number of spaces must not be negative");
    };
    if spaces.saturating_mul(lines.max(1)) > LONGEST {
        return c.bad(0, "the text would become too long");
    }
    Ok(c.text(1).replace('\n', &format!("\n{}", " ".repeat(spaces))).into())
}

fn join(c: &Call<'_>) -> Result {
    if c.args.len() < 2 {
        return c.fail("at least one list is required");
    }
    let mut all = Vec::new();
    for index in 1..c.args.len() {
        all.extend(c.strings(index)?);
    }
    let length: usize = all.iter().map(|text| text.len() + c.text(0).len()).sum();
    if length > LONGEST {
        return c.fail("the text would become too long");
    }
    Ok(all.join(c.text(0)).into())
}

fn split(c: &Call<'_>) -> Result {
    let (separator, text) = (c.text(0), c.text(1));
    let parts = if separator.is_empty() { text.chars().count() } else { text.matches(separator).count() };
    if parts > MOST_PARTS {
        return c.fail("the list would become too long");
    }
    if separator.is_empty() {
        return Ok(Value::strings(text.chars().map(String::from)));
    }
    Ok(Value::strings(text.split(separator)))
}

fn substr(c: &Call<'_>) -> Result {
    let letters: Vec<&str> = c.text(0).graphemes(true).collect();
    let (mut offset, length) = (c.int(1)?, c.int(2)?);
    if offset < 0 {
        offset = offset.saturating_add(letters.len() as i64);
    } else if length == 0 {
        return Ok("".into());
    }
    let start = usize::try_from(offset).unwrap_or(0).min(letters.len());
    let rest = &letters[start..];
    // With an offset from the end, a length of 0 is no limit; so it is in Packer.
    let end = if length <= 0 { rest.len() } else { (length as usize).min(rest.len()) };
    Ok(rest[..end].concat().into())
}
