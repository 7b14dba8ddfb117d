//! Go's `fmt` for the values of a template: `%v` and its relatives, and how values print.

use super::Datum;
use crate::quote;

/// Wider fields are Go's `%!(BADWIDTH)` too.
const WIDEST: i64 = 1_000_000;

/// The name of a value's Go type, as messages show it.
pub(super) fn type_name(value: &Datum) -> &'static str {
    match value {
        Datum::Nil => "<nil>",
        Datum::Bool(_) => "bool",
        Datum::Int(_) => "int",
        Datum::Float(_) => "float64",
        Datum::String(_) => "string",
        Datum::List(_) => "[]interface {}",
        Datum::Map(_) => "map[string]interface {}",
    }
}

/// `fmt.Sprint`: a blank between two values of which neither is a string.
pub(super) fn sprint(values: &[Datum]) -> String {
    let mut out = String::new();
    for (i, value) in values.iter().enumerate() {
        let text = |v: &Datum| matches!(v, Datum::String(_));
        if i > 0 && !text(value) && !text(&values[i - 1]) {
            out.push(' ');
        }
        out.push_str(&plain(value));
    }
    out
}

/// `%v`.
pub(super) fn plain(value: &Datum) -> String {
    match value {
        Datum::Nil => "<nil>".into(),
        Datum::Bool(b) => b.to_string(),
        Datum::Int(i) => i.to_string(),
        Datum::Float(f) => float_g(*f, None, false),
        Datum::String(s) => s.clone(),
        Datum::List(list) => format!("[{}]", list.iter().map(plain).collect::<Vec<_>>().join(" ")),
        Datum::Map(map) => {
            format!("map[{}]", map.iter().map(|(k, v)| format!("{k}:{}", plain(v))).collect::<Vec<_>>().join(" "))
        }
    }
}

#[derive(Default)]
struct Flags {
    plus: bool,
    minus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// `fmt.Sprintf`, its complaints inside the text included.
pub(super) fn sprintf(format: &str, args: &[Datum]) -> String {
    let mut out = String::new();
    let mut next = 0;
    let mut reordered = false;
    let mut rest = format;
    while let Some(percent) = rest.find('%') {
        out.push_str(&rest[..percent]);
        rest = &rest[percent + 1..];
        let mut flags = Flags::default();
        while let Some(c) = rest.chars().next() {
            match c {
                '+' => flags.plus = true,
                '-' => flags.minus = true,
                '#' => flags.sharp = true,
                ' ' => flags.space = true,
                '0' => flags.zero = true,
                _ => break,
            }
            rest = &rest[1..];
        }
        let mut bad_index = false;
        let mut index = |rest: &mut &str, next: &mut usize| {
            let Some(inner) = rest.strip_prefix('[') else { return };
            reordered = true;
            let Some(end) = inner.find(']') else {
                bad_index = true;
                *rest = inner;
                return;
            };
            match inner[..end].parse::<usize>() {
                Ok(n) if n >= 1 && n <= args.len() => *next = n - 1,
                _ => bad_index = true,
            }
            *rest = &inner[end + 1..];
        };
        index(&mut rest, &mut next);
        match size(&mut rest, args, &mut next) {
            Ok(Some(width)) => {
                flags.minus |= width < 0;
                flags.width = Some(width.unsigned_abs() as usize);
            }
            Ok(None) => {}
            Err(()) => out.push_str("%!(BADWIDTH)"),
        }
        if let Some(after) = rest.strip_prefix('.') {
            rest = after;
            index(&mut rest, &mut next);
            match size(&mut rest, args, &mut next) {
                Ok(precision) => flags.precision = usize::try_from(precision.unwrap_or(0)).ok(),
                Err(()) => out.push_str("%!(BADPREC)"),
            }
        }
        index(&mut rest, &mut next);
        let Some(verb) = rest.chars().next() else {
            out.push_str("%!(NOVERB)");
            break;
        };
        rest = &rest[verb.len_utf8()..];
        if verb == '%' {
            out.push('%');
        } else if bad_index {
            out.push_str(&format!("%!{verb}(BADINDEX)"));
        } else if let Some(value) = args.get(next) {
            next += 1;
            out.push_str(&verbed(value, verb, &flags));
        } else {
            out.push_str(&format!("%!{verb}(MISSING)"));
        }
    }
    out.push_str(rest);
    if !reordered && next < args.len() {
        let extra: Vec<_> = args[next..]
            .iter()
            .map(|a| if *a == Datum::Nil { "<nil>".to_owned() } else { format!("{}={}", type_name(a), plain(a)) })
            .collect();
        out.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    out
}

/// A width or precision: digits or `*`.
fn size(rest: &mut &str, args: &[Datum], next: &mut usize) -> Result<Option<i64>, ()> {
    if let Some(after) = rest.strip_prefix('*') {
        *rest = after;
        let value = args.get(*next);
        *next += usize::from(value.is_some());
        return match value {
            Some(Datum::Int(i)) if i.abs() <= WIDEST => Ok(Some(*i)),
            _ => Err(()),
        };
    }
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return Ok(None);
    }
    let number = rest[..digits].parse::<i64>();
    *rest = &rest[digits..];
    number.ok().filter(|n| *n <= WIDEST).map(Some).ok_or(())
}

fn verbed(value: &Datum, verb: char, flags: &Flags) -> String {
    let wrong = || match value {
        Datum::Nil => format!("%!{verb}(<nil>)"),
        _ => format!("%!{verb}({}={})", type_name(value), verbed(value, 'v', flags)),
    };
    if verb == 'T' {
        return pad(type_name(value).to_owned(), flags, false);
    }
    match (value, verb) {
        (Datum::Nil, 'v') => pad("<nil>".into(), flags, false),
        (Datum::Bool(b), 'v' | 't') => pad(b.to_string(), flags, false),
        (Datum::Int(i), _) => match int(*i, verb, flags) {
            Some(text) => text,
            None => wrong(),
        },
        (Datum::Float(f), _) => match float(*f, verb, flags) {
            Some(text) => text,
            None => wrong(),
        },
        (Datum::String(s), _) => match text(s, verb, flags) {
            Some(text) => text,
            None => wrong(),
        },
        // A verb applies to each element.
        (Datum::List(list), _) => {
            let items: Vec<_> = list.iter().map(|item| verbed(item, verb, flags)).collect();
            format!("[{}]", items.join(" "))
        }
        (Datum::Map(map), _) => {
            let pair = |(k, v): (&String, &Datum)| {
                format!("{}:{}", verbed(&Datum::String(k.clone()), verb, flags), verbed(v, verb, flags))
            };
            format!("map[{}]", map.iter().map(pair).collect::<Vec<_>>().join(" "))
        }
        _ => wrong(),
    }
}

/// `number` puts padding zeros after the sign.
fn pad(text: String, flags: &Flags, number: bool) -> String {
    let missing = flags.width.unwrap_or(0).saturating_sub(text.chars().count());
    if missing == 0 {
        return text;
    }
    if flags.minus {
        return text + &" ".repeat(missing);
    }
    if !flags.zero {
        return " ".repeat(missing) + &text;
    }
    let sign = if number && text.starts_with(['-', '+', ' ']) { 1 } else { 0 };
    format!("{}{}{}", &text[..sign], "0".repeat(missing), &text[sign..])
}

fn int(i: i64, verb: char, flags: &Flags) -> Option<String> {
    let magnitude = i.unsigned_abs();
    let (prefix, mut digits) = match verb {
        'd' | 'v' => ("", magnitude.to_string()),
        'b' => (if flags.sharp { "0b" } else { "" }, format!("{magnitude:b}")),
        'o' => (if flags.sharp { "0" } else { "" }, format!("{magnitude:o}")),
        'O' => ("0o", format!("{magnitude:o}")),
        'x' => (if flags.sharp { "0x" } else { "" }, format!("{magnitude:x}")),
        'X' => (if flags.sharp { "0X" } else { "" }, format!("{magnitude:X}")),
        'c' | 'q' | 'U' => {
            let c = u32::try_from(i).ok().and_then(char::from_u32).unwrap_or('\u{FFFD}');
            let text = match verb {
                'c' => c.to_string(),
                'q' => quote::go(c.encode_utf8(&mut [0; 4]), '\''),
                _ => format!("U+{magnitude:04X}"),
            };
            return Some(pad(text, flags, false));
        }
        _ => return None,
    };
    if let Some(precision) = flags.precision {
        digits = format!("{}{digits}", "0".repeat(precision.saturating_sub(digits.len())));
    }
    Some(pad(format!("{}{prefix}{digits}", sign(i < 0, flags)), flags, true))
}

fn sign(negative: bool, flags: &Flags) -> &'static str {
    match (negative, flags.plus, flags.space) {
        (true, ..) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        _ => "",
    }
}

fn float(f: f64, verb: char, flags: &Flags) -> Option<String> {
    let magnitude = f.abs();
    let text = match verb {
        'v' | 'g' | 'G' => float_g(magnitude, flags.precision, verb == 'G'),
        'f' | 'F' => format!("{magnitude:.*}", flags.precision.unwrap_or(6)),
        'e' | 'E' => {
            let text = exponent(&format!("{magnitude:.*e}", flags.precision.unwrap_or(6)));
            if verb == 'E' { text.to_uppercase() } else { text }
        }
        _ => return None,
    };
    Some(pad(format!("{}{text}", sign(f.is_sign_negative(), flags)), flags, true))
}

/// Rust writes `1.5e3`; Go and C write `1.5e+03`.
fn exponent(text: &str) -> String {
    let Some((mantissa, exponent)) = text.split_once('e') else { return text.to_owned() };
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |d| ('-', d));
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// `%g`: the shortest form, with an exponent below 1e-4 and from 1e21 on.
fn float_g(f: f64, precision: Option<usize>, upper: bool) -> String {
    let scientific = match precision {
        None => format!("{f:e}"),
        Some(p) => format!("{f:.*e}", p.max(1) - 1),
    };
    let power: i32 = scientific.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0);
    let limit = precision.map_or(21, |p| i32::try_from(p.max(1)).unwrap_or(21));
    let trim = |text: &str| {
        let trimmed = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
        trimmed.to_owned()
    };
    let text = if power < -4 || power >= limit {
        let (mantissa, e) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        exponent(&format!("{}e{e}", trim(mantissa)))
    } else {
        match precision {
            None => f.to_string(),
            Some(p) => {
                let decimals = usize::try_from(i32::try_from(p.max(1)).unwrap_or(21) - 1 - power).unwrap_or(0);
                trim(&format!("{f:.decimals$}"))
            }
        }
    };
    if upper { text.to_uppercase() } else { text }
}

fn text(s: &str, verb: char, flags: &Flags) -> Option<String> {
    let cut: String = match flags.precision {
        Some(precision) => s.chars().take(precision).collect(),
        None => s.to_owned(),
    };
    let shown = match verb {
        's' | 'v' if !(verb == 'v' && flags.sharp) => cut,
        'q' | 'v' if flags.sharp && !cut.contains('`') && !cut.contains(char::is_control) && verb == 'q' => {
            format!("`{cut}`")
        }
        'q' | 'v' => quote::go(&cut, '"'),
        'x' | 'X' => {
            let bytes = &s.as_bytes()[..flags.precision.unwrap_or(s.len()).min(s.len())];
            let separator = if flags.space { " " } else { "" };
            let hex: Vec<_> = bytes.iter().map(|b| format!("{b:02x}")).collect();
            let text = hex.join(separator);
            if verb == 'X' { text.to_uppercase() } else { text }
        }
        _ => return None,
    };
    Some(pad(shown, flags, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_as_go_does() {
        let s = |t: &str| Datum::from(t);
        let i = Datum::Int;
        let f = Datum::Float;
        for (format, args, want) in [
            ("%d %s %q %v %x", vec![i(5), s("a"), s("b\n"), Datum::Bool(true), s("hi")], "5 a \"b\\n\" true 6869"),
            ("%05d|%-5d|%+d|% d", vec![i(42), i(42), i(42), i(42)], "00042|42   |+42| 42"),
            ("%05d", vec![i(-42)], "-0042"),
            ("%5s|%-5s|%.2s", vec![s("ab"), s("ab"), s("abc")], "   ab|ab   |ab"),
            (
                "%x %X %#x %o %b %c %U",
                vec![i(255), i(255), i(255), i(8), i(5), i(97), i(97)],
                "ff FF 0xff 10 101 a U+0061",
            ),
            (
                "%f %.2f %e %g %v",
                vec![f(1.5), f(1.555), f(1500.0), f(1e21), f(1500.0)],
                "1.500000 1.55 1.500000e+03 1e+21 1500",
            ),
            ("%!", vec![], "%!!(MISSING)"),
            ("%d", vec![], "%!d(MISSING)"),
            ("a", vec![i(1)], "a%!(EXTRA int=1)"),
            ("%z", vec![i(1)], "%!z(int=1)"),
            ("%d", vec![s("x")], "%!d(string=x)"),
            ("%", vec![], "%!(NOVERB)"),
            ("100%%", vec![], "100%"),
            ("%[2]d %[1]d", vec![i(1), i(2)], "2 1"),
            ("%*d", vec![i(4), i(7)], "   7"),
            ("%9999999d", vec![i(1)], "%!(BADWIDTH)1"),
            ("%v %v", vec![Datum::Nil, Datum::from(vec!["a", "b"])], "<nil> [a b]"),
            ("%T", vec![s("x")], "string"),
        ] {
            assert_eq!(sprintf(format, &args), want, "{format}");
        }
        assert_eq!(sprint(&[i(1), i(2), s("a"), s("b"), i(3)]), "1 2ab3");
        assert_eq!(plain(&f(1e100)), "1e+100");
        assert_eq!(plain(&f(0.00001)), "1e-05");
    }
}
