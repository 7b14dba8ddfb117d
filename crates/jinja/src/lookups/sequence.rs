//! `sequence`: `start=1 end=10 stride=2 format=%02d count=5`, or `1-10/2:%02d`.

use super::failed;
use crate::{Key, LookupError, Map, Value};

#[derive(Default)]
struct Options {
    start: Option<i64>,
    end: Option<i64>,
    count: Option<i64>,
    stride: Option<i64>,
    format: Option<String>,
}

pub(super) fn run(terms: Vec<Value>, kwargs: &Map) -> Result<Vec<Value>, LookupError> {
    let mut out = Vec::new();
    if terms.is_empty() && kwargs.is_empty() {
        return Ok(out);
    }
    if terms.is_empty() {
        let mut options = Options::default();
        take_kwargs(&mut options, kwargs)?;
        generate(options, &mut out)?;
        return Ok(out);
    }
    for term in terms {
        let mut options = Options::default();
        take_kwargs(&mut options, kwargs)?;
        match &term {
            Value::Map(m) => take_kwargs(&mut options, m)?,
            Value::Str(s) => {
                if !shortcut(&s.text, &mut options)? {
                    pairs(&s.text, &mut options)?;
                }
            }
            other => return Err(failed(format!("unknown error parsing with_sequence arguments: {other:?}"))),
        }
        generate(options, &mut out)?;
    }
    Ok(out)
}

fn number(text: &str) -> Option<i64> {
    let text = text.trim();
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let value = if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        i64::from_str_radix(hex, 16)
    } else if let Some(octal) = digits.strip_prefix("0o") {
        i64::from_str_radix(octal, 8)
    } else if digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()) {
        i64::from_str_radix(digits, 8)
    } else {
        digits.parse()
    };
    value.ok().map(|v| if negative { -v } else { v })
}

fn set(options: &mut Options, name: &str, value: &str) -> Result<(), LookupError> {
    if name == "format" {
        options.format = Some(value.to_owned());
        return Ok(());
    }
    let parsed = number(value).ok_or_else(|| invalid(name, value));
    match name {
        "start" => options.start = Some(parsed?),
        "end" => options.end = Some(parsed?),
        "count" => options.count = Some(parsed?),
        "stride" => options.stride = Some(parsed?),
        other => return Err(failed(format!("unrecognized arguments to with_sequence: ['{other}']"))),
    }
    Ok(())
}

fn invalid(name: &str, value: &str) -> LookupError {
    failed(format!(
        "Config '{name}' for 'sequence' lookup plugin from 'Direct' has an invalid value: Invalid value provided for 'integer': '{value}'"
    ))
}

fn take_kwargs(options: &mut Options, kwargs: &Map) -> Result<(), LookupError> {
    for (key, value) in kwargs {
        let Key::Str(name) = key else { continue };
        set(options, name, &crate::val::repr::value_str(value))?;
    }
    Ok(())
}

fn pairs(text: &str, options: &mut Options) -> Result<(), LookupError> {
    for word in crate::filters::text::shell_words(text).map_err(failed)? {
        match word.split_once('=') {
            Some((name, value)) => set(options, name.trim(), value)?,
            None => {
                return Err(failed(format!("unknown error parsing with_sequence arguments: {text:?}")));
            }
        }
    }
    Ok(())
}

/// `[start-]end[/stride][:format]`.
fn shortcut(text: &str, options: &mut Options) -> Result<bool, LookupError> {
    let (range, format) = match text.split_once(':') {
        Some((range, format)) => (range, Some(format)),
        None => (text, None),
    };
    let (range, stride) = match range.split_once('/') {
        Some((range, stride)) => (range, Some(stride)),
        None => (range, None),
    };
    let (start, end) = match range.split_once('-') {
        Some((start, end)) => (Some(start), end),
        None => (None, range),
    };
    let plain = |t: &str| {
        let digits = t.strip_prefix("0x").or_else(|| t.strip_prefix("0X")).unwrap_or(t);
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit())
    };
    if !plain(end) || !start.is_none_or(plain) || !stride.is_none_or(plain) {
        return Ok(false);
    }
    for (name, text) in [("start", start), ("end", Some(end)), ("stride", stride)] {
        if let Some(text) = text {
            set(options, name, text)?;
        }
    }
    if let Some(format) = format {
        options.format = Some(format.to_owned());
    }
    Ok(true)
}

fn generate(options: Options, out: &mut Vec<Value>) -> Result<(), LookupError> {
    let start = options.start.unwrap_or(1);
    let mut stride = options.stride.unwrap_or(1);
    let end = match (options.count, options.end) {
        (None, None) => return Err(failed("must specify count or end in with_sequence")),
        (Some(_), Some(_)) => return Err(failed("can't specify both count and end in with_sequence")),
        (Some(0), None) => return Ok(()),
        // One too many where it counts down by more than nothing: so Ansible counts.
        (Some(count), None) => start.saturating_add(count.saturating_mul(stride)).saturating_sub(1),
        (None, Some(end)) => end,
    };
    if stride > 0 && end < start {
        return Err(failed("to count backwards make stride negative"));
    }
    if stride < 0 && end > start {
        return Err(failed("to count forward don't make stride negative"));
    }
    let format = options.format.as_deref().unwrap_or("%d");
    if format.matches('%').count() != 1 {
        return Err(failed(format!("bad formatting string: {format}")));
    }
    if stride == 0 {
        // As in Ansible: a stride of zero gives nothing.
        return Ok(());
    }
    if end.abs_diff(start) / stride.unsigned_abs() > 10_000_000 {
        return Err(failed("the sequence has more than ten million items"));
    }
    let mut i = start;
    while if stride > 0 { i <= end } else { i >= end } {
        let text = crate::methods::format::percent_int(format, i)
            .map_err(|e| failed(format!("problem formatting {i} with '{format}': {e}")))?;
        out.push(Value::str(text));
        match i.checked_add(stride) {
            Some(next) => i = next,
            None => stride = 0,
        }
        if stride == 0 {
            break;
        }
    }
    Ok(())
}
