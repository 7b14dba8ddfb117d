//! Python's two ways to format text: `'%s' % x` and `'{}'.format(x)`.

use crate::eval::{Args, Cx, fail};
use crate::val::repr::{to_repr, to_str};
use crate::val::{R, Val};

/// What stands between `%` (or `:`) and the type.
#[derive(Default, Clone)]
struct Spec {
    fill: Option<char>,
    align: Option<char>,
    sign: Option<char>,
    alternate: bool,
    zero: bool,
    width: usize,
    comma: Option<char>,
    precision: Option<usize>,
    kind: Option<char>,
}

/// Widths and precisions beyond this are refused: they only serve to fill memory.
const WIDEST: usize = 1 << 20;

fn limited(n: usize) -> R<usize> {
    if n > WIDEST { Err(fail("the width or precision is too large")) } else { Ok(n) }
}

/// `format % args`.
pub(crate) fn percent(cx: &Cx<'_>, format: &str, args: &Val) -> R<String> {
    let args = cx.open(args)?;
    let positional: Vec<Val> = match &args {
        Val::Tuple(t) => t.to_vec(),
        other => vec![other.clone()],
    };
    let mut next = positional.iter();
    let mut used_mapping = false;
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut value = None;
        if chars.peek() == Some(&'(') {
            chars.next();
            let mut name = String::new();
            let mut depth = 1;
            for c in chars.by_ref() {
                match c {
                    '(' => depth += 1,
                    ')' => depth -= 1,
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
                name.push(c);
            }
            if depth != 0 {
                return Err(fail("incomplete format key"));
            }
            let Val::Dict(d) = &args else { return Err(fail("format requires a mapping")) };
            used_mapping = true;
            value = Some(d.get(&name.as_str().into()).ok_or_else(|| fail(format!("'{name}'")))?);
        }
        let mut spec = Spec::default();
        while let Some(flag) = chars.next_if(|c| "#0- +".contains(*c)) {
            match flag {
                '#' => spec.alternate = true,
                '0' => spec.zero = true,
                '-' => spec.align = Some('<'),
                sign => spec.sign = if spec.sign == Some('+') { spec.sign } else { Some(sign) },
            }
        }
        let mut number = |chars: &mut std::iter::Peekable<std::str::Chars<'_>>| -> R<Option<i64>> {
            if chars.next_if_eq(&'*').is_some() {
                let v = next.next().ok_or_else(|| fail("not enough arguments for format string"))?;
                return crate::eval::int(v).map(Some).map_err(|_| fail("* wants int"));
            }
            let mut digits = String::new();
            while let Some(d) = chars.next_if(char::is_ascii_digit) {
                digits.push(d);
            }
            if digits.is_empty() { Ok(None) } else { digits.parse().map(Some).map_err(|_| fail("width too big")) }
        };
        if let Some(width) = number(&mut chars)? {
            if width < 0 {
                spec.align = Some('<');
            }
            spec.width = limited(usize::try_from(width.unsigned_abs()).unwrap_or(usize::MAX))?;
        }
        if chars.next_if_eq(&'.').is_some() {
            spec.precision =
                Some(limited(usize::try_from(number(&mut chars)?.unwrap_or(0).max(0)).unwrap_or(usize::MAX))?);
        }
        while chars.next_if(|c| "hlL".contains(*c)).is_some() {}
        let Some(kind) = chars.next() else { return Err(fail("incomplete format")) };
        if kind == '%' {
            out.push('%');
            continue;
        }
        let value = match value {
            Some(v) => v,
            None => next.next().cloned().ok_or_else(|| fail("not enough arguments for format string"))?,
        };
        out.push_str(&percent_one(&value, kind, spec)?);
    }
    // One list or mapping may be left over by a format without conversions; a tuple or scalar may not.
    let spare =
        used_mapping || matches!(&args, Val::Dict(_)) || (matches!(&args, Val::List(_)) && !format.contains('%'));
    if next.next().is_some() && !spare {
        return Err(fail("not all arguments converted during string formatting"));
    }
    Ok(out)
}

/// For `sequence`: one integer in a format with one conversion.
pub(crate) fn percent_int(format: &str, i: i64) -> R<String> {
    let start = format.find('%').ok_or_else(|| fail("no conversion"))?;
    let mut spec = Spec::default();
    let rest = &format[start + 1..];
    let mut chars = rest.char_indices().peekable();
    while let Some((_, flag)) = chars.next_if(|(_, c)| "#0- +".contains(*c)) {
        match flag {
            '#' => spec.alternate = true,
            '0' => spec.zero = true,
            '-' => spec.align = Some('<'),
            sign => spec.sign = Some(sign),
        }
    }
    while let Some((_, d)) = chars.next_if(|(_, c)| c.is_ascii_digit()) {
        spec.width = limited(spec.width.saturating_mul(10) + d.to_digit(10).unwrap_or(0) as usize)?;
    }
    let Some((at, kind)) = chars.next() else { return Err(fail("incomplete format")) };
    let text = percent_one(&Val::Int(i), kind, spec)?;
    Ok(format!("{}{text}{}", &format[..start], &rest[at + kind.len_utf8()..]))
}

fn percent_one(value: &Val, kind: char, mut spec: Spec) -> R<String> {
    match kind {
        's' | 'r' | 'a' => {
            let text = if kind == 's' { to_str(value) } else { to_repr(value) };
            let text: String = match spec.precision {
                Some(p) => text.chars().take(p).collect(),
                None => text,
            };
            spec.zero = false;
            Ok(pad(text, &spec, '>'))
        }
        'c' => {
            let text = match value {
                Val::Str(s) if s.text.chars().count() == 1 => s.text.to_string(),
                other => match other.as_int().and_then(|i| u32::try_from(i).ok()).and_then(char::from_u32) {
                    Some(c) => c.to_string(),
                    None => return Err(fail("%c requires int or char")),
                },
            };
            Ok(pad(text, &spec, '>'))
        }
        'd' | 'i' | 'u' | 'x' | 'X' | 'o' => {
            let whole = match value {
                Val::Float(f) if matches!(kind, 'd' | 'i' | 'u') => {
                    if !f.is_finite() {
                        return Err(fail("cannot convert float NaN or infinity to integer"));
                    }
                    Some(f.trunc() as i128)
                }
                other => other.as_int(),
            };
            let Some(i) = whole else {
                let need = if matches!(kind, 'd' | 'i' | 'u') { "a real number" } else { "an integer" };
                return Err(fail(format!("%{kind} format: {need} is required, not {}", value.type_name())));
            };
            spec.kind = Some(if matches!(kind, 'i' | 'u') { 'd' } else { kind });
            let digits = spec.precision.take();
            let mut text = integer(i, &spec);
            if let Some(p) = digits {
                let at = usize::from(text.starts_with(['-', '+', ' ']));
                let missing = p.saturating_sub(text.len() - at);
                text.insert_str(at, &"0".repeat(missing));
            }
            if spec.align == Some('<') {
                spec.zero = false;
            }
            Ok(pad_number(text, &spec))
        }
        'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
            let Some(f) = value.as_float() else {
                return Err(fail(format!("must be real number, not {}", value.type_name())));
            };
            spec.kind = Some(kind);
            if spec.align == Some('<') {
                spec.zero = false;
            }
            Ok(pad_number(float(f, &spec), &spec))
        }
        other => Err(fail(format!("unsupported format character '{other}' (0x{:x})", other as u32))),
    }
}

fn pad(text: String, spec: &Spec, default: char) -> String {
    let missing = spec.width.saturating_sub(text.chars().count());
    if missing == 0 {
        return text;
    }
    let fill = |n: usize| std::iter::repeat_n(spec.fill.unwrap_or(' '), n).collect::<String>();
    match spec.align.unwrap_or(default) {
        '<' => text + &fill(missing),
        '^' => format!("{}{text}{}", fill(missing / 2), fill(missing - missing / 2)),
        _ => fill(missing) + &text,
    }
}

/// Pads a number; zeros go between sign and digits.
fn pad_number(text: String, spec: &Spec) -> String {
    if spec.zero && spec.align.is_none() || spec.align == Some('=') {
        let at = usize::from(text.starts_with(['-', '+', ' ']));
        let at = if text[at..].starts_with("0x")
            || text[at..].starts_with("0X")
            || text[at..].starts_with("0o")
            || text[at..].starts_with("0b")
        {
            at + 2
        } else {
            at
        };
        let missing = spec.width.saturating_sub(text.chars().count());
        let fill = if spec.zero { '0' } else { spec.fill.unwrap_or(' ') };
        let zeros: String = std::iter::repeat_n(fill, missing).collect();
        return format!("{}{zeros}{}", &text[..at], &text[at..]);
    }
    pad(text, spec, '>')
}

fn signed(negative: bool, spec: &Spec) -> &'static str {
    match (negative, spec.sign) {
        (true, _) => "-",
        (false, Some('+')) => "+",
        (false, Some(' ')) => " ",
        _ => "",
    }
}

fn grouped(digits: &str, separator: Option<char>, every: usize) -> String {
    let Some(separator) = separator else { return digits.to_owned() };
    let (whole, rest) = digits.find(['.', 'e', 'E', '%']).map_or((digits, ""), |i| digits.split_at(i));
    let mut out = String::new();
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % every == 0 {
            out.push(separator);
        }
        out.push(c);
    }
    out + rest
}

fn integer(i: i128, spec: &Spec) -> String {
    let n = i.unsigned_abs();
    let (prefix, digits) = match spec.kind {
        Some('x') => ("0x", format!("{n:x}")),
        Some('X') => ("0X", format!("{n:X}")),
        Some('o') => ("0o", format!("{n:o}")),
        Some('b') => ("0b", format!("{n:b}")),
        _ => ("", n.to_string()),
    };
    let every = if prefix.is_empty() { 3 } else { 4 };
    let prefix = if spec.alternate { prefix } else { "" };
    format!("{}{prefix}{}", signed(i < 0, spec), grouped(&digits, spec.comma, every))
}

fn float(f: f64, spec: &Spec) -> String {
    let kind = spec.kind.unwrap_or('g');
    let sign = signed(f.is_sign_negative() && !f.is_nan(), spec);
    let magnitude = f.abs();
    let upper = kind.is_ascii_uppercase();
    if !f.is_finite() {
        let word = if f.is_nan() { "nan" } else { "inf" };
        let word = if upper { word.to_uppercase() } else { word.to_owned() };
        return format!("{sign}{word}");
    }
    let precision = spec.precision.unwrap_or(6);
    let text = match kind.to_ascii_lowercase() {
        'f' => format!("{magnitude:.precision$}"),
        'e' => exponent(&format!("{magnitude:.precision$e}")),
        '%' => format!("{:.precision$}%", magnitude * 100.0),
        _ => general(magnitude, precision.max(1), spec.alternate),
    };
    let text = grouped(&text, spec.comma, 3);
    format!("{sign}{}", if upper { text.to_uppercase() } else { text })
}

/// Rust writes `1.5e7`; C writes `1.5e+07`.
fn exponent(text: &str) -> String {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |d| ('-', d));
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// C's `%g`.
fn general(f: f64, precision: usize, keep_zeros: bool) -> String {
    if f == 0.0 {
        return "0".into();
    }
    let scientific = format!("{f:.*e}", precision - 1);
    let power: i32 = scientific.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0);
    let trim = |text: &str| {
        if keep_zeros || !text.contains('.') {
            text.to_owned()
        } else {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    };
    if power < -4 || power >= precision as i32 {
        let (mantissa, e) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        return exponent(&format!("{}e{e}", trim(mantissa)));
    }
    trim(&format!("{f:.*}", (precision as i32 - 1 - power).max(0) as usize))
}

/// `format.format(*args, **kwargs)`.
pub(crate) fn braces(cx: &Cx<'_>, format: &str, args: &Args) -> R<String> {
    let mut auto = 0;
    braces_at(cx, format, args, &mut auto, 0)
}

fn braces_at(cx: &Cx<'_>, format: &str, args: &Args, auto: &mut usize, depth: u32) -> R<String> {
    if depth > 2 {
        return Err(fail("Max string recursion exceeded"));
    }
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '{' if chars.next_if_eq(&'{').is_some() => out.push('{'),
            '}' if chars.next_if_eq(&'}').is_some() => out.push('}'),
            '}' => return Err(fail("Single '}' encountered in format string")),
            '{' => {
                let mut field = String::new();
                let mut level = 1;
                for c in chars.by_ref() {
                    match c {
                        '{' => level += 1,
                        '}' => level -= 1,
                        _ => {}
                    }
                    if level == 0 {
                        break;
                    }
                    field.push(c);
                }
                if level != 0 {
                    return Err(fail("expected '}' before end of string"));
                }
                out.push_str(&one_field(cx, &field, args, auto, depth)?);
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

fn one_field(cx: &Cx<'_>, field: &str, args: &Args, auto: &mut usize, depth: u32) -> R<String> {
    // A colon or exclamation mark inside of brackets belongs to the name.
    let mut bracket = false;
    let end = field
        .char_indices()
        .find(|(_, c)| {
            match c {
                '[' => bracket = true,
                ']' => bracket = false,
                _ => {}
            }
            !bracket && (*c == ':' || *c == '!')
        })
        .map_or(field.len(), |(i, _)| i);
    let (name, rest) = field.split_at(end);
    let (conversion, spec) = match rest.strip_prefix('!') {
        Some(rest) => {
            let mut chars = rest.chars();
            let conversion = chars.next().ok_or_else(|| fail("unmatched '{' in format spec"))?;
            (Some(conversion), chars.as_str().strip_prefix(':').unwrap_or(""))
        }
        None => (None, rest.strip_prefix(':').unwrap_or("")),
    };
    let head = name.find(['.', '[']).map_or(name, |i| &name[..i]);
    let mut value = if head.is_empty() {
        *auto += 1;
        args.pos.get(*auto - 1).cloned()
    } else if let Ok(i) = head.parse::<usize>() {
        args.pos.get(i).cloned()
    } else {
        Some(args.kw(head).cloned().ok_or_else(|| fail(format!("'{head}'")))?)
    }
    .ok_or_else(|| fail("Replacement index out of range for positional args tuple"))?;
    let mut path = &name[head.len()..];
    while !path.is_empty() {
        if let Some(rest) = path.strip_prefix('.') {
            let stop = rest.find(['.', '[']).unwrap_or(rest.len());
            value = cx.attr(&value, &rest[..stop])?;
            path = &rest[stop..];
        } else {
            let stop = path.find(']').ok_or_else(|| fail("Missing ']' in format string"))?;
            let key = &path[1..stop];
            let key = key.parse::<i64>().map_or_else(|_| Val::str(key), Val::Int);
            value = cx.item(&value, &key)?;
            path = &path[stop + 1..];
        }
    }
    let value = cx.open(&value)?;
    let spec = braces_at(cx, spec, args, auto, depth + 1)?;
    match conversion {
        None => format_value(&value, &spec),
        Some('s') => format_value(&Val::str(to_str(&value)), &spec),
        Some('r' | 'a') => format_value(&Val::str(to_repr(&value)), &spec),
        Some(other) => Err(fail(format!("Unknown conversion specifier {other}"))),
    }
}

/// Python's `format(value, spec)`.
pub(crate) fn format_value(value: &Val, text: &str) -> R<String> {
    if text.is_empty() {
        return Ok(to_str(value));
    }
    if let Some(date) = crate::filters::time::as_date(value) {
        return crate::filters::time::format_date(date, text);
    }
    let chars: Vec<char> = text.chars().collect();
    let mut spec = Spec::default();
    let mut i = 0;
    let is_align = |c: Option<&char>| c.is_some_and(|c| "<>=^".contains(*c));
    if is_align(chars.get(1)) {
        (spec.fill, spec.align, i) = (Some(chars[0]), Some(chars[1]), 2);
    } else if is_align(chars.first()) {
        (spec.align, i) = (Some(chars[0]), 1);
    }
    if let Some(c) = chars.get(i).filter(|c| "+- ".contains(**c)) {
        (spec.sign, i) = (Some(*c), i + 1);
    }
    if chars.get(i) == Some(&'#') {
        (spec.alternate, i) = (true, i + 1);
    }
    if chars.get(i) == Some(&'0') {
        (spec.zero, i) = (true, i + 1);
        if spec.align.is_none() && !matches!(value, Val::Str(_)) {
            spec.align = Some('=');
        }
    }
    let digits = |i: &mut usize| -> R<Option<usize>> {
        let start = *i;
        while chars.get(*i).is_some_and(char::is_ascii_digit) {
            *i += 1;
        }
        if start == *i {
            return Ok(None);
        }
        let n = chars[start..*i].iter().collect::<String>().parse().unwrap_or(usize::MAX);
        limited(n).map(Some)
    };
    spec.width = digits(&mut i)?.unwrap_or(0);
    if let Some(c) = chars.get(i).filter(|c| ",_".contains(**c)) {
        (spec.comma, i) = (Some(*c), i + 1);
    }
    if chars.get(i) == Some(&'.') {
        i += 1;
        spec.precision = Some(digits(&mut i)?.ok_or_else(|| fail("Format specifier missing precision"))?);
    }
    spec.kind = chars.get(i).copied();
    if chars.len() > i + 1 {
        return Err(fail(format!("Invalid format specifier '{text}' for object of type '{}'", value.type_name())));
    }
    let unknown = |kind: char| fail(format!("Unknown format code '{kind}' for object of type '{}'", value.type_name()));
    match value {
        Val::Str(s) => {
            if let Some(kind) = spec.kind.filter(|k| *k != 's') {
                return Err(unknown(kind));
            }
            let text = match spec.precision {
                Some(p) => s.text.chars().take(p).collect(),
                None => s.text.to_string(),
            };
            if spec.zero {
                spec.fill = spec.fill.or(Some('0'));
            }
            Ok(pad(text, &spec, '<'))
        }
        Val::Float(f) => match spec.kind {
            Some('e' | 'E' | 'f' | 'F' | 'g' | 'G' | '%') => Ok(pad_number(float(*f, &spec), &spec)),
            None if spec.precision.is_none() => {
                let text = grouped(&crate::val::repr::float(f.abs()), spec.comma, 3);
                Ok(pad_number(format!("{}{text}", signed(*f < 0.0, &spec)), &spec))
            }
            None => Ok(pad_number(float(*f, &spec), &spec)),
            Some(kind) => Err(unknown(kind)),
        },
        other => match (other.as_int(), spec.kind) {
            (Some(i), None | Some('d' | 'n' | 'b' | 'o' | 'x' | 'X')) => Ok(pad_number(integer(i, &spec), &spec)),
            (Some(i), Some('c')) => {
                let c = u32::try_from(i).ok().and_then(char::from_u32).ok_or_else(|| fail("%c arg not in range"))?;
                Ok(pad(c.to_string(), &spec, '<'))
            }
            (Some(i), Some('e' | 'E' | 'f' | 'F' | 'g' | 'G' | '%')) => Ok(pad_number(float(i as f64, &spec), &spec)),
            (Some(_), Some(kind)) => Err(unknown(kind)),
            (None, _) => Err(fail(format!("unsupported format string passed to {}.__format__", value.type_name()))),
        },
    }
}
