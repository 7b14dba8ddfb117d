//! The implicit types of plain scalars (YAML 1.1, PyYAML's patterns).

use crate::Moment;
use crate::eval::fail;
use crate::val::{R, Val};

/// The value of a plain scalar; what is wrong with a date that no calendar has.
pub(super) fn resolve(text: &str) -> R {
    if let Some(moment) = Moment::parse(text) {
        return moment.map(crate::filters::time::moment).map_err(fail);
    }
    Ok(plain(text))
}

fn plain(text: &str) -> Val {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Val::None,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Val::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => return Val::Bool(false),
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return Val::str(text);
    }
    integer(text).or_else(|| float(text)).unwrap_or_else(|| Val::str(text))
}

/// Whether a plain scalar of this text would be read back as text.
pub(super) fn is_text(text: &str) -> bool {
    matches!(resolve(text), Ok(Val::Str(_))) && !matches!(text, "<<" | "=")
}

fn signed(text: &str) -> (i128, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    }
}

fn integer(text: &str) -> Option<Val> {
    let (sign, digits) = signed(text);
    let only = |set: fn(&u8) -> bool, s: &str| !s.is_empty() && s.bytes().all(|b| b == b'_' || set(&b));
    let plain = digits.replace('_', "");
    let value = if let Some(bits) = digits.strip_prefix("0b").filter(|s| only(|b| matches!(b, b'0' | b'1'), s)) {
        i128::from_str_radix(&bits.replace('_', ""), 2).ok()?
    } else if let Some(hex) = digits.strip_prefix("0x").filter(|s| only(u8::is_ascii_hexdigit, s)) {
        i128::from_str_radix(&hex.replace('_', ""), 16).ok()?
    } else if digits == "0" {
        0
    } else if digits.starts_with('0') && only(|b| matches!(b, b'0'..=b'7'), &digits[1..]) {
        i128::from_str_radix(&plain, 8).ok()?
    } else if digits.starts_with(|c: char| matches!(c, '1'..='9')) && only(u8::is_ascii_digit, digits) {
        plain.parse().ok()?
    } else if digits.starts_with(|c: char| matches!(c, '1'..='9')) && digits.contains(':') {
        base_60(digits)?
    } else {
        return None;
    };
    Some(Val::int(sign * value))
}

fn base_60(digits: &str) -> Option<i128> {
    let mut parts = digits.split(':');
    let mut value: i128 = parts.next()?.replace('_', "").parse().ok()?;
    for part in parts {
        let unit: i128 =
            part.parse().ok().filter(|u| (0..60).contains(u) && !part.starts_with('+') && part.len() <= 2)?;
        value = value.checked_mul(60)?.checked_add(unit)?;
    }
    Some(value)
}

/// A dot is needed, and an exponent needs its sign.
fn float(text: &str) -> Option<Val> {
    let (sign, digits) = signed(text);
    match digits {
        ".inf" | ".Inf" | ".INF" => return Some(Val::Float(sign as f64 * f64::INFINITY)),
        ".nan" | ".NaN" | ".NAN" if digits == text => return Some(Val::Float(f64::NAN)),
        _ => {}
    }
    let (whole, rest) = digits.split_once('.')?;
    let (fraction, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let digits_only = |s: &str| s.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    if let Some((minutes, seconds)) = whole.rsplit_once(':').filter(|_| exponent.is_none()) {
        let seconds: f64 = format!("{seconds}.{fraction}").replace('_', "").parse().ok()?;
        return Some(Val::Float(sign as f64 * (base_60(minutes)? as f64 * 60.0 + seconds)));
    }
    if !digits_only(whole) || !digits_only(fraction) || whole.starts_with('_') {
        return None;
    }
    if whole.is_empty() && (!fraction.starts_with(|c: char| c.is_ascii_digit()) || digits != text) {
        return None;
    }
    if let Some(exponent) = exponent {
        let unsigned = exponent.strip_prefix(['+', '-'])?;
        if unsigned.is_empty() || !unsigned.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
    }
    text.replace('_', "").parse().ok().map(Val::Float)
}
