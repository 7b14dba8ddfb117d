//! `format` and `formatlist`: verbs as in `printf`. Letters are counted as a reader sees them; numbers keep all their digits.

use super::{Call, FunctionError, Kind, Spec, nullable, p};
use crate::hcl::convert::convert;
use crate::hcl::json;
use crate::hcl::number::Number;
use crate::hcl::types::Type;
use crate::hcl::value::{Data, Value};
use unicode_segmentation::UnicodeSegmentation as _;

type Result = std::result::Result<Value, FunctionError>;

/// The largest width and precision.
const WIDEST: usize = 10_000;
/// The longest text that is made.
const LONGEST: usize = 64 << 20;

pub(super) const FUNCTIONS: &[Spec] = &[
    Spec::new("format", &[p("format", Kind::String)], Kind::String, |c| {
        Ok(render(c.text(0), &c.args[1..]).or_else(|e| e.report(c))?.into())
    })
    .rest(nullable("args", Kind::Any)),
    Spec::new("formatlist", &[p("format", Kind::String)], Kind::Strings, formatlist).rest(nullable("args", Kind::Any)),
];

fn formatlist(c: &Call<'_>) -> Result {
    let args = &c.args[1..];
    let mut length = None;
    for (i, arg) in args.iter().enumerate() {
        let Some(elements) = arg.as_elements() else { continue };
        match length {
            Some((known, by)) if known != elements.len() => {
                let message = format!("it has {} elements, but argument {} has {known}", elements.len(), by + 1);
                return c.bad(i + 1, message);
            }
            _ => length = Some((elements.len(), i)),
        }
    }
    let mut out = Vec::new();
    let rows = length.map_or(1, |(length, _)| length);
    let mut length = 0;
    for i in 0..rows {
        let row: Vec<Value> =
            args.iter().map(|arg| arg.as_elements().and_then(|e| e.get(i)).unwrap_or(arg).clone()).collect();
        match render(c.text(0), &row) {
            Ok(text) => {
                length += text.len();
                if length > LONGEST {
                    return c.fail("the texts would become too long");
                }
                out.push(text);
            }
            Err(error) if args.is_empty() => return error.report(c),
            Err(error) => return c.fail(format!("in the text number {}: {}", i + 1, error.message)),
        }
    }
    Ok(Value::strings(out))
}

/// What is wrong, and the argument (counted from the first after the format) that is to blame.
struct Problem {
    message: String,
    argument: Option<usize>,
}

impl Problem {
    fn report<T>(self, c: &Call<'_>) -> std::result::Result<T, FunctionError> {
        match self.argument {
            Some(index) => c.bad(index + 1, self.message),
            None => c.fail(self.message),
        }
    }
}

fn problem<T>(message: impl Into<String>) -> std::result::Result<T, Problem> {
    Err(Problem { message: message.into(), argument: None })
}

/// One `%...` of a format.
#[derive(Default)]
struct Verb<'a> {
    raw: &'a str,
    at: usize,
    argument: usize,
    mode: char,
    zero: bool,
    sharp: bool,
    plus: bool,
    minus: bool,
    space: bool,
    precision: Option<usize>,
    width: Option<usize>,
}

fn render(format: &str, args: &[Value]) -> std::result::Result<String, Problem> {
    let mut out = String::new();
    let (mut next, mut highest) = (1, 0);
    let mut at = 0;
    while let Some(percent) = format[at..].find('%') {
        out.push_str(&format[at..at + percent]);
        at += percent;
        if format[at + 1..].starts_with('%') {
            out.push('%');
            at += 2;
            continue;
        }
        let verb = parse(format, at, next)?;
        at += verb.raw.len();
        highest = highest.max(verb.argument);
        next = verb.argument + 1;
        append(&verb, args, &mut out)?;
        if out.len() > LONGEST {
            return problem("the text would become too long");
        }
    }
    out.push_str(&format[at..]);
    if highest < args.len() {
        let message = match highest {
            0 => "too many arguments: the format has no verbs".to_owned(),
            used => format!("too many arguments: the format uses {used}"),
        };
        return Err(Problem { message, argument: Some(highest) });
    }
    Ok(out)
}

fn parse(format: &str, start: usize, next: usize) -> std::result::Result<Verb<'_>, Problem> {
    let bytes = format.as_bytes();
    let mut verb = Verb { at: start, argument: next, ..Verb::default() };
    let mut at = start + 1;
    loop {
        match bytes.get(at) {
            Some(b'0') => verb.zero = true,
            Some(b'#') => verb.sharp = true,
            Some(b'-') => verb.minus = true,
            Some(b'+') => verb.plus = true,
            Some(b' ') => verb.space = true,
            _ => break,
        }
        at += 1;
    }
    if matches!(bytes.get(at), Some(b'1'..=b'9')) {
        verb.width = Some(digits(bytes, &mut at)?);
    }
    if bytes.get(at) == Some(&b'.') {
        at += 1;
        verb.precision = Some(digits(bytes, &mut at)?);
    }
    if bytes.get(at) == Some(&b'[') && matches!(bytes.get(at + 1), Some(b'1'..=b'9')) {
        at += 1;
        verb.argument = digits(bytes, &mut at)?;
        if bytes.get(at) != Some(&b']') {
            return unrecognised(format, at);
        }
        at += 1;
    }
    match bytes.get(at) {
        Some(letter) if letter.is_ascii_alphabetic() => {
            verb.mode = char::from(*letter);
            verb.raw = &format[start..=at];
            Ok(verb)
        }
        _ => unrecognised(format, at),
    }
}

fn unrecognised<T>(format: &str, at: usize) -> std::result::Result<T, Problem> {
    match format.get(at..).and_then(|rest| rest.chars().next()) {
        Some(letter) => problem(format!("'{letter}' at byte {at} of the format is not part of a verb")),
        None => problem("the format ends inside a verb"),
    }
}

fn digits(bytes: &[u8], at: &mut usize) -> std::result::Result<usize, Problem> {
    let mut value = 0usize;
    while let Some(digit @ b'0'..=b'9') = bytes.get(*at) {
        value = value * 10 + usize::from(digit - b'0');
        if value > WIDEST {
            return problem(format!("a number in a verb is at most {WIDEST}"));
        }
        *at += 1;
    }
    Ok(value)
}

fn append(verb: &Verb<'_>, args: &[Value], out: &mut String) -> std::result::Result<(), Problem> {
    let Some(arg) = args.get(verb.argument - 1) else {
        let message = format!(
            "\"{}\" at byte {} needs argument {}, but there are {}",
            verb.raw,
            verb.at,
            verb.argument,
            args.len()
        );
        return problem(message);
    };
    let wrong = |why: &str| Problem {
        message: format!("\"{}\" at byte {} can't show this value: {why}", verb.raw, verb.at),
        argument: Some(verb.argument - 1),
    };
    if verb.mode != 'v' && arg.is_null() {
        return Err(wrong("it is null"));
    }
    let as_type = |ty: &Type| convert(arg, ty).map_err(|e| wrong(&e.to_string()));
    match verb.mode {
        'v' => {
            let text = match arg.data() {
                Data::String(text) if !verb.sharp => text.to_string(),
                Data::Number(number) if !verb.sharp => real(number, 'g', None),
                _ => json::encode(arg).unwrap_or_default(),
            };
            out.push_str(&padded(verb, text));
        }
        't' => out.push_str(if as_type(&Type::Bool)?.as_bool() == Some(true) { "true" } else { "false" }),
        'b' | 'd' | 'o' | 'x' | 'X' => {
            let value = as_type(&Type::Number)?;
            let number =
                value.as_number().filter(|n| n.is_integer()).ok_or_else(|| wrong("a whole number is required"))?;
            out.push_str(&whole(verb, number));
        }
        'e' | 'E' | 'f' | 'g' | 'G' => {
            let value = as_type(&Type::Number)?;
            let number = value.as_number().ok_or_else(|| wrong("a number is required"))?;
            let precision = match verb.mode {
                'g' | 'G' => verb.precision,
                _ => Some(verb.precision.unwrap_or(6)),
            };
            out.push_str(&aligned(verb, number, real(&number.abs(), verb.mode, precision)));
        }
        's' | 'q' => {
            let value = as_type(&Type::String)?;
            let text = value.as_str().unwrap_or_default();
            let text = match verb.precision {
                Some(most @ 1..) => text.graphemes(true).take(most).collect(),
                _ => text.to_owned(),
            };
            out.push_str(&padded(verb, if verb.mode == 'q' { json::quoted(&text) } else { text }));
        }
        _ => return problem(format!("\"{}\" at byte {}: there is no verb '{}'", verb.raw, verb.at, verb.mode)),
    }
    Ok(())
}

fn padded(verb: &Verb<'_>, text: String) -> String {
    let missing = verb.width.unwrap_or(0).saturating_sub(text.graphemes(true).count());
    let padding = if verb.zero { "0" } else { " " }.repeat(missing);
    if verb.minus { text + &padding } else { padding + &text }
}

fn sign(verb: &Verb<'_>, number: &Number) -> &'static str {
    match (number.is_negative(), verb.plus, verb.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (_, _, true) => " ",
        _ => "",
    }
}

/// Sign, padding and digits of a real number.
fn aligned(verb: &Verb<'_>, number: &Number, digits: String) -> String {
    let sign = sign(verb, number);
    let missing = verb.width.unwrap_or(0).saturating_sub(sign.len() + digits.len());
    if verb.minus {
        format!("{sign}{digits}{}", " ".repeat(missing))
    } else if verb.zero {
        format!("{sign}{}{digits}", "0".repeat(missing))
    } else {
        format!("{}{sign}{digits}", " ".repeat(missing))
    }
}

fn whole(verb: &Verb<'_>, number: &Number) -> String {
    let magnitude = number.magnitude().unwrap_or_default();
    let (radix, prefix) = match verb.mode {
        'b' => (2, "0b"),
        'o' => (8, "0"),
        'x' => (16, "0x"),
        'X' => (16, "0X"),
        _ => (10, ""),
    };
    let mut digits = magnitude.to_str_radix(radix);
    if verb.mode == 'X' {
        digits.make_ascii_uppercase();
    }
    if verb.precision == Some(0) && number.is_zero() {
        return String::new();
    }
    let mut zeros = verb.precision.unwrap_or(0).saturating_sub(digits.len());
    let (sign, prefix) = (sign(verb, number), if verb.sharp { prefix } else { "" });
    let missing = verb.width.unwrap_or(0).saturating_sub(sign.len() + prefix.len() + zeros + digits.len());
    let (mut left, mut right) = (0, 0);
    if verb.minus {
        right = missing;
    } else if verb.zero && verb.precision.is_none() {
        zeros = missing;
    } else {
        left = missing;
    }
    format!("{}{sign}{prefix}{}{digits}{}", " ".repeat(left), "0".repeat(zeros), " ".repeat(right))
}

/// A number in one of the forms `e`, `f` and `g`; without a precision the fewest digits.
fn real(number: &Number, mode: char, precision: Option<usize>) -> String {
    let minus = if number.is_negative() { "-" } else { "" };
    let (mut digits, mut point) = match precision {
        Some(_) => number.exact_digits(),
        None => number.shortest_digits(),
    };
    let zero = number.is_zero();
    let keep = match (mode.to_ascii_lowercase(), precision) {
        (_, None) => digits.len() as i64,
        ('e', Some(n)) => n as i64 + 1,
        ('f', Some(n)) => point + n as i64,
        (_, Some(n)) => n.max(1) as i64,
    };
    if !zero {
        (digits, point) = rounded(digits, point, keep);
    }
    let capital = mode.is_ascii_uppercase();
    let body = match mode.to_ascii_lowercase() {
        'e' => exponential(&digits, point, precision.unwrap_or(digits.len().max(1) - 1), capital),
        'f' => fixed(&digits, point, precision.unwrap_or((digits.len() as i64 - point).max(0) as usize)),
        _ => {
            let mut limit = match precision {
                None => 6,
                Some(n) => n.max(1) as i64,
            };
            if precision.is_some() && limit > digits.len() as i64 && digits.len() as i64 >= point {
                limit = digits.len() as i64;
            }
            if point - 1 < -4 || point > limit {
                exponential(&digits, point, digits.len().max(1) - 1, capital)
            } else {
                fixed(&digits, point, (digits.len() as i64 - point).max(0) as usize)
            }
        }
    };
    format!("{minus}{body}")
}

/// At most `keep` digits; an exact half goes to the even one.
fn rounded(mut digits: Vec<u8>, point: i64, keep: i64) -> (Vec<u8>, i64) {
    if keep >= digits.len() as i64 {
        return (digits, point);
    }
    if keep < 0 {
        return (vec![b'0'], 1);
    }
    let keep = keep as usize;
    let half = digits[keep] == b'5' && digits.len() == keep + 1;
    let up = if half { keep > 0 && digits[keep - 1] % 2 == 1 } else { digits[keep] >= b'5' };
    digits.truncate(keep);
    let mut point = point;
    if up {
        let nines = digits.iter().rev().take_while(|d| **d == b'9').count();
        digits.truncate(keep - nines);
        match digits.last_mut() {
            Some(last) => *last += 1,
            None => {
                digits.push(b'1');
                point += 1;
            }
        }
    }
    while digits.last() == Some(&b'0') {
        digits.pop();
    }
    if digits.is_empty() { (vec![b'0'], 1) } else { (digits, point) }
}

fn fixed(digits: &[u8], point: i64, places: usize) -> String {
    let digit =
        |position: i64| usize::try_from(position).ok().and_then(|i| digits.get(i)).map_or('0', |d| char::from(*d));
    let mut out: String = if point > 0 { (0..point).map(digit).collect() } else { "0".to_owned() };
    if places > 0 {
        out.push('.');
        out.extend((0..places as i64).map(|i| digit(point + i)));
    }
    out
}

fn exponential(digits: &[u8], point: i64, places: usize, capital: bool) -> String {
    let mut out = String::new();
    out.push(char::from(digits.first().copied().unwrap_or(b'0')));
    if places > 0 {
        out.push('.');
        out.extend((1..=places).map(|i| digits.get(i).map_or('0', |d| char::from(*d))));
    }
    let exponent = if digits == b"0" { 0 } else { point - 1 };
    out.push(if capital { 'E' } else { 'e' });
    out.push(if exponent < 0 { '-' } else { '+' });
    out.push_str(&format!("{:02}", exponent.abs()));
    out
}
