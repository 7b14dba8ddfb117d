//! What a plain scalar means: the implicit types of YAML 1.1 as PyYAML resolves them.

use super::Kind;
use imgbuild_jinja::Moment;
use std::sync::Arc;

/// The value of a plain scalar: null, boolean, integer (decimal, octal with a leading 0, hexadecimal, binary, base 60),
/// float, date, or text. A date that no calendar has stays text here.
pub fn resolve(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Kind::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => return Kind::Bool(true),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => return Kind::Bool(false),
        _ => {}
    }
    // Ansible's file modes and versions make numbers common; everything else leaves here.
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return string(text);
    }
    if let Some(Ok(moment)) = Moment::parse(text) {
        return Kind::Moment { text: Arc::from(text), moment };
    }
    integer(text).or_else(|| float(text)).unwrap_or_else(|| string(text))
}

fn string(text: &str) -> Kind {
    Kind::Str { text: Arc::from(text), template: true, plain: true }
}

/// PyYAML's integers.
fn integer(text: &str) -> Option<Kind> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let only = |set: fn(u8) -> bool, s: &str| !s.is_empty() && s.bytes().all(|b| b == b'_' || set(b));
    let plain: String = digits.chars().filter(|c| *c != '_').collect();
    let value = if let Some(bits) = digits.strip_prefix("0b").filter(|s| only(|b| matches!(b, b'0' | b'1'), s)) {
        i128::from_str_radix(&bits.replace('_', ""), 2).ok()?
    } else if let Some(hex) = digits.strip_prefix("0x").filter(|s| only(|b| b.is_ascii_hexdigit(), s)) {
        i128::from_str_radix(&hex.replace('_', ""), 16).ok()?
    } else if digits == "0" {
        0
    } else if digits.starts_with('0') && only(|b| matches!(b, b'0'..=b'7'), &digits[1..]) {
        i128::from_str_radix(&plain, 8).ok()?
    } else if digits.starts_with(|c: char| matches!(c, '1'..='9')) && only(|b| b.is_ascii_digit(), digits) {
        plain.parse().ok()?
    } else if digits.starts_with(|c: char| matches!(c, '1'..='9')) && digits.contains(':') {
        base_60(digits)?
    } else {
        return None;
    };
    let value = if negative { -value } else { value };
    Some(i64::try_from(value).map_or(Kind::BigInt(value), Kind::Int))
}

/// `1:30:00`: the first part free, the others below 60.
fn base_60(digits: &str) -> Option<i128> {
    let mut parts = digits.split(':');
    let first = parts.next()?.replace('_', "");
    let mut value: i128 = first.parse().ok()?;
    for part in parts {
        let minutes: i128 = part.parse().ok().filter(|_| !part.starts_with('+') && part.len() <= 2)?;
        if minutes > 59 {
            return None;
        }
        value = value.checked_mul(60)?.checked_add(minutes)?;
    }
    Some(value)
}

/// PyYAML's floats: a dot is needed, an exponent needs its sign.
fn float(text: &str) -> Option<Kind> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    match digits {
        ".inf" | ".Inf" | ".INF" => return Some(Kind::Float(sign * f64::INFINITY)),
        ".nan" | ".NaN" | ".NAN" if digits == text => return Some(Kind::Float(f64::NAN)),
        _ => {}
    }
    let dot = digits.find('.')?;
    let (whole, rest) = (&digits[..dot], &digits[dot + 1..]);
    let (fraction, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let digits_only = |s: &str| s.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    if let Some(colon) = whole.find(':').filter(|_| exponent.is_none()) {
        let seconds = format!("{}.{fraction}", whole.rsplit(':').next()?).replace('_', "");
        let minutes = base_60(&whole[..whole.rfind(':')?]).filter(|_| colon > 0)?;
        return Some(Kind::Float(sign * (minutes as f64 * 60.0 + seconds.parse::<f64>().ok()?)));
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
    text.replace('_', "").parse().ok().map(Kind::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values that PyYAML 6 gives.
    #[test]
    fn as_pyyaml() {
        let table: &[(&str, &str)] = &[
            ("yes", "true"),
            ("Off", "false"),
            ("y", "\"y\""),
            ("~", "null"),
            ("", "null"),
            ("0755", "493"),
            ("0o755", "\"0o755\""),
            ("0", "0"),
            ("00", "0"),
            ("08", "\"08\""),
            ("0x1F", "31"),
            ("0b101", "5"),
            ("1_000", "1000"),
            ("-12", "-12"),
            ("+12", "12"),
            ("1:30", "90"),
            ("22:22", "1342"),
            ("0:30", "\"0:30\""),
            ("1:60", "\"1:60\""),
            ("1.5", "1.5"),
            ("1.", "1.0"),
            (".5", "0.5"),
            ("1e3", "\"1e3\""),
            ("1.0e3", "\"1.0e3\""),
            ("1.0e+3", "1000.0"),
            ("1.2.3", "\"1.2.3\""),
            ("-", "\"-\""),
            (".", "\".\""),
            ("2001-01-01", "datetime.date(2001, 1, 1)"),
            ("2001-13-01", "\"2001-13-01\""),
            ("99999999999999999999", "99999999999999999999"),
            ("1:30.5", "90.5"),
        ];
        for (text, want) in table {
            let got = match resolve(text) {
                Kind::Null => "null".to_owned(),
                Kind::Bool(b) => b.to_string(),
                Kind::Int(i) => i.to_string(),
                Kind::BigInt(i) => i.to_string(),
                Kind::Float(f) => format!("{f:?}"),
                Kind::Moment { moment, .. } => moment.repr(),
                Kind::Str { text, .. } => format!("{text:?}"),
                other => format!("{other:?}"),
            };
            assert_eq!(&got, want, "{text}");
        }
    }
}
