//! Numbers and sizes.

use super::{Call, Table, refuse};
use crate::eval::fail;
use crate::val::repr::{float as show, to_repr};
use crate::val::{R, Val};

pub(super) const TABLE: Table = &[
    ("abs", abs),
    ("filesizeformat", filesizeformat),
    ("float", to_float),
    ("human_readable", human_readable),
    ("human_to_bytes", human_to_bytes),
    ("int", to_int),
    ("log", log),
    ("pow", pow),
    ("root", root),
    ("round", round),
];

fn number(v: &Val, what: &str) -> R<f64> {
    v.as_float()
        .ok_or_else(|| fail(format!("{what} can only be used on numbers: must be real number, not {}", v.type_name())))
}

fn abs(c: Call<'_, '_>) -> R {
    match &c.input {
        Val::Float(f) => Ok(Val::Float(f.abs())),
        other => match other.as_int() {
            Some(i) => Ok(Val::int(i.saturating_abs())),
            None => refuse(format!("bad operand type for abs(): '{}'", other.type_name())),
        },
    }
}

/// Python's `int(text, base)`.
pub(crate) fn parse_int(text: &str, base: u32) -> Option<i128> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_lowercase();
    let (base, digits) = match (base, lower.get(..2)) {
        (16 | 0, Some("0x")) => (16, &lower[2..]),
        (8 | 0, Some("0o")) => (8, &lower[2..]),
        (2 | 0, Some("0b")) => (2, &lower[2..]),
        (0, _) => (10, lower.as_str()),
        (b, _) => (b, lower.as_str()),
    };
    let grouped = !digits.starts_with('_') && !digits.ends_with('_') && !digits.contains("__");
    if !grouped || !(2..=36).contains(&base) || digits.starts_with(['+', '-']) {
        return None;
    }
    let value = i128::from_str_radix(&digits.replace('_', ""), base).ok()?;
    Some(if negative { -value } else { value })
}

/// Python's `float(text)`.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    let text = text.trim();
    if text.is_empty() || text.starts_with('_') || text.ends_with('_') || text.contains("__") {
        return None;
    }
    text.replace('_', "").parse().ok()
}

fn to_int(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["default", "base"])?;
    let default = || bound.get(0).cloned().unwrap_or(Val::Int(0));
    let base = u32::try_from(bound.int_or(1, 10)?).unwrap_or(10);
    Ok(match &c.input {
        Val::Str(s) => match parse_int(&s.text, base) {
            Some(i) => Val::int(i),
            // A text of a float is cut, as long as no base is asked for.
            None => match parse_float(&s.text).filter(|f| f.is_finite()) {
                Some(f) => Val::int(f.trunc() as i128),
                None => default(),
            },
        },
        Val::Float(f) if f.is_finite() => Val::int(f.trunc() as i128),
        other => other.as_int().map_or_else(default, Val::int),
    })
}

fn to_float(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["default"])?;
    let found = match &c.input {
        Val::Str(s) => parse_float(&s.text),
        other => other.as_float(),
    };
    Ok(found.map_or_else(|| bound.get(0).cloned().unwrap_or(Val::Float(0.0)), Val::Float))
}

/// Rounds half to even at a decimal place, exactly as Python does: on the decimal digits of the float.
pub(crate) fn round_half_even(f: f64, places: i64) -> f64 {
    if !f.is_finite() {
        return f;
    }
    if places >= 0 {
        let places = usize::try_from(places).unwrap_or(0).min(340);
        // Rust formats with round-half-to-even on the exact binary value, which is what Python's round does.
        return format!("{f:.places$}").parse().unwrap_or(f);
    }
    let scale = 10f64.powi(i32::try_from(-places).unwrap_or(400));
    if !scale.is_finite() {
        return 0.0;
    }
    (f / scale).round_ties_even() * scale
}

fn round(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["precision", "method"])?;
    let places = bound.int_or(0, 0)?;
    let method = bound.text_or(1, "common");
    if let (Some(i), "common", true) = (c.input.as_int(), method.as_str(), !matches!(c.input, Val::Float(_))) {
        // Integers stay integers; places left of the point round half to even.
        let Some(scale) = u32::try_from(-places).ok().and_then(|n| 10i128.checked_pow(n)) else {
            return Ok(Val::int(if places >= 0 { i } else { 0 }));
        };
        let (q, r) = (i.div_euclid(scale), i.rem_euclid(scale));
        let up = r * 2 > scale || (r * 2 == scale && q % 2 != 0);
        return Ok(Val::int((q + i128::from(up)) * scale));
    }
    let f = number(&c.input, "round")?;
    let scale = 10f64.powi(i32::try_from(places).unwrap_or(0));
    Ok(Val::Float(match method.as_str() {
        "common" => round_half_even(f, places),
        "ceil" => (f * scale).ceil() / scale,
        "floor" => (f * scale).floor() / scale,
        _ => return refuse("method must be common, ceil or floor"),
    }))
}

fn log(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["base"])?;
    let x = number(&c.input, "log()")?;
    if x <= 0.0 {
        return refuse("math domain error");
    }
    Ok(Val::Float(match bound.get(0) {
        None => x.ln(),
        Some(base) => match number(base, "log()")? {
            10.0 => x.log10(),
            base if base <= 0.0 => return refuse("math domain error"),
            1.0 => return refuse("float division by zero"),
            base => x.ln() / base.ln(),
        },
    }))
}

fn pow(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["y"])?;
    let (x, y) = (number(&c.input, "pow()")?, number(bound.need(0)?, "pow()")?);
    let result = x.powf(y);
    if result.is_nan() && !x.is_nan() && !y.is_nan() {
        return refuse("math domain error");
    }
    if result.is_infinite() && x.is_finite() && y.is_finite() {
        return refuse(if x == 0.0 { "math domain error" } else { "math range error" });
    }
    Ok(Val::Float(result))
}

fn root(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["base"])?;
    let x = number(&c.input, "root()")?;
    let base = match bound.get(0) {
        Some(base) => number(base, "root()")?,
        None => 2.0,
    };
    if x < 0.0 {
        return refuse("math domain error");
    }
    Ok(Val::Float(if base == 2.0 { x.sqrt() } else { x.powf(1.0 / base) }))
}

fn filesizeformat(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["binary"])?;
    let binary = bound.flag(0, false);
    let bytes = match &c.input {
        Val::Str(s) => parse_float(&s.text)
            .ok_or_else(|| fail(format!("could not convert string to float: {}", to_repr(&c.input))))?,
        other => number(other, "filesizeformat")?,
    };
    let base: f64 = if binary { 1024.0 } else { 1000.0 };
    if bytes == 1.0 {
        return Ok(Val::str("1 Byte"));
    }
    if bytes < base {
        return Ok(Val::str(format!("{} Bytes", bytes.trunc() as i64)));
    }
    let units = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
    let mut unit = base;
    for (i, letter) in units.iter().enumerate() {
        unit *= base;
        if bytes < unit || i + 1 == units.len() {
            let letter = if binary && i == 0 { "K" } else { letter };
            let suffix = if binary { "iB" } else { "B" };
            return Ok(Val::str(format!("{:.1} {letter}{suffix}", base * bytes / unit)));
        }
    }
    Ok(Val::None)
}

const UNITS: &[(char, u32)] =
    &[('Y', 80), ('Z', 70), ('E', 60), ('P', 50), ('T', 40), ('G', 30), ('M', 20), ('K', 10), ('B', 0)];

fn human_readable(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["isbits", "unit"])?;
    let size = number(&c.input, "human_readable()").or_else(|_| refuse("human_readable() failed on bad input"))?;
    let (bits, unit) = (bound.flag(0, false), bound.text(1).map(|u| u.to_uppercase()));
    let base = if bits { "bits" } else { "Bytes" };
    let mut chosen = ('B', 0);
    for (letter, power) in UNITS {
        let hit = match &unit {
            None => size >= 2f64.powi(*power as i32),
            Some(unit) => unit.starts_with(*letter),
        };
        if hit {
            chosen = (*letter, *power);
            break;
        }
    }
    let scaled = size / 2f64.powi(chosen.1 as i32);
    let suffix =
        if chosen.0 == 'B' { base.to_owned() } else { format!("{}{}", chosen.0, if bits { "b" } else { "B" }) };
    Ok(Val::str(format!("{scaled:.2} {suffix}")))
}

fn human_to_bytes(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["default_unit", "isbits"])?;
    let text = match &c.input {
        Val::Float(f) => show(*f),
        other => crate::val::repr::to_str(other),
    };
    let bits = bound.flag(1, false);
    let bad = |why: String| fail(format!("human_to_bytes() can't interpret the input: {why}"));
    let digits = text.trim_end();
    let split = digits.find(|ch: char| !(ch.is_ascii_digit() || ch == '.')).unwrap_or(digits.len());
    let (amount, rest) = digits.split_at(split);
    let written = rest.trim_start();
    let valid = written.bytes().all(|b| b.is_ascii_alphabetic()) && !amount.ends_with('.');
    let Some(amount) = amount.parse::<f64>().ok().filter(|_| valid) else {
        return Err(bad(format!("human_to_bytes() can't interpret following string: {text}")));
    };
    let unit = if written.is_empty() { bound.text(0).unwrap_or_default() } else { written.to_owned() };
    let Some(first) = unit.chars().next() else { return Ok(Val::int(amount.round_ties_even() as i128)) };
    let first = first.to_ascii_uppercase();
    let Some((_, power)) = UNITS.iter().find(|(letter, _)| *letter == first) else {
        return Err(bad(format!(
            "human_to_bytes() failed to convert {text} (unit = {unit}). The suffix must be one of Y, Z, E, P, T, G, M, K, B"
        )));
    };
    // "MB" is bytes and "Mb" bits; in words both are lower case.
    let (class, class_name) = if bits { ("b", "bit") } else { ("B", "byte") };
    let (short, word) = match first {
        'B' => (class.to_owned(), class_name.to_owned()),
        letter => (format!("{letter}{class}"), format!("{}{class_name}", prefix_name(letter))),
    };
    if unit.len() > 1 && unit.to_lowercase() != word && unit != short {
        let expected =
            if first == 'B' { format!("expect {class} or {class_name}") } else { format!("expect {short} or {first}") };
        return Err(bad(format!(
            "human_to_bytes() failed to convert {text}. Value is not a valid string ({expected})"
        )));
    }
    Ok(Val::int((amount * 2f64.powi(*power as i32)).round_ties_even() as i128))
}

fn prefix_name(letter: char) -> &'static str {
    match letter {
        'K' => "kilo",
        'M' => "mega",
        'G' => "giga",
        'T' => "tera",
        'P' => "peta",
        'E' => "exa",
        'Z' => "zetta",
        _ => "yotta",
    }
}
