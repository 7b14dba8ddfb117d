//! Text to number, boolean and duration by Go's rules (`strconv.ParseInt` base 0, `strconv.ParseBool`, `time.ParseDuration`).

use std::time::Duration;

/// `strconv.ParseInt(text, 0, 64)`, and `""` as 0. Errors name the reason in Go's words.
pub fn parse_int(text: &str) -> Result<i64, String> {
    if text.is_empty() {
        return Ok(0);
    }
    let syntax = || format!("parsing {text:?}: invalid syntax");
    let (negative, digits) = match text.as_bytes()[0] {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, body, prefixed) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..], true),
        [b'0', b'b', ..] => (2, &lower[2..], true),
        [b'0', b'o', ..] => (8, &lower[2..], true),
        [b'0', _, ..] => (8, &lower[1..], true),
        _ => (10, lower.as_str(), false),
    };
    // An underscore must stand between digits; a base prefix counts as a digit before it.
    let bytes = body.as_bytes();
    for (i, b) in bytes.iter().enumerate() {
        if *b == b'_' {
            let before = if i == 0 { prefixed } else { bytes[i - 1].is_ascii_alphanumeric() };
            if !before || !bytes.get(i + 1).is_some_and(u8::is_ascii_alphanumeric) {
                return Err(syntax());
            }
        }
    }
    let clean = body.replace('_', "");
    if clean.is_empty() || !clean.chars().all(|c| c.is_digit(radix)) {
        return Err(syntax());
    }
    let signed = if negative { format!("-{clean}") } else { clean };
    i64::from_str_radix(&signed, radix).map_err(|_| format!("parsing {text:?}: value out of range"))
}

/// `strconv.ParseBool`.
pub fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("parsing {text:?}: invalid syntax")),
    }
}

/// `time.ParseDuration`, but for one that is negative: nothing here can wait that long.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let invalid = || format!("time: invalid duration {text:?}");
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut nanos: u128 = 0;
    while !rest.is_empty() {
        let whole_len = rest.bytes().take_while(u8::is_ascii_digit).count();
        let whole = &rest[..whole_len];
        rest = &rest[whole_len..];
        let mut fraction = "";
        if let Some(after) = rest.strip_prefix('.') {
            let len = after.bytes().take_while(u8::is_ascii_digit).count();
            fraction = &after[..len];
            rest = &after[len..];
        }
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let unit_len = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
        let unit = &rest[..unit_len];
        rest = &rest[unit_len..];
        let scale: u128 = match unit {
            "" => return Err(format!("time: missing unit in duration {text:?}")),
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return Err(format!("time: unknown unit {unit:?} in duration {text:?}")),
        };
        let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
        nanos = whole.checked_mul(scale).and_then(|n| nanos.checked_add(n)).ok_or_else(invalid)?;
        let mut place = scale;
        for digit in fraction.bytes() {
            place /= 10;
            nanos += u128::from(digit - b'0') * place;
        }
        if nanos > i64::MAX as u128 {
            return Err(invalid());
        }
    }
    if negative && nanos > 0 {
        return Err(format!("time: duration {text:?} is negative"));
    }
    Ok(Duration::from_nanos(nanos as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_by_gos_rules() {
        for (text, want) in [
            ("", Some(0)),
            ("22", Some(22)),
            ("-7", Some(-7)),
            ("+7", Some(7)),
            ("0x1F", Some(31)),
            ("010", Some(8)),
            ("0o17", Some(15)),
            ("0b101", Some(5)),
            ("1_000", Some(1000)),
            ("0_7", Some(7)),
            ("0", Some(0)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("1__0", None),
            ("_1", None),
            ("1_", None),
            ("08", None),
            ("1.5", None),
            (" 1", None),
            ("--1", None),
            ("0x", None),
            ("abc", None),
            ("é", None),
        ] {
            assert_eq!(parse_int(text).ok(), want, "{text:?}");
        }
    }

    #[test]
    fn durations_by_gos_rules() {
        for (text, want) in [
            ("10m", Some(600_000)),
            ("1h2m3s", Some(3_723_000)),
            ("1.5s", Some(1500)),
            (".5s", Some(500)),
            ("2.s", Some(2000)),
            ("+1s", Some(1000)),
            ("0", Some(0)),
            ("100ms", Some(100)),
            ("1500µs", Some(1)),
            ("", None),
            ("10", None),
            ("1 s", None),
            ("-1s", None),
            ("s", None),
            ("1d", None),
            ("9999999999999h", None),
            ("é", None),
        ] {
            assert_eq!(parse_duration(text).ok().map(|d| d.as_millis()), want, "{text:?}");
        }
    }

    #[test]
    fn booleans_by_gos_rules() {
        for (text, want) in [("true", Some(true)), ("T", Some(true)), ("0", Some(false)), ("yes", None), ("tRue", None)]
        {
            assert_eq!(parse_bool(text).ok(), want, "{text:?}");
        }
    }
}
