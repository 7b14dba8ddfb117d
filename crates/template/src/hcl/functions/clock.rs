//! Times: `formatdate`, `legacy_isotime`, `legacy_strftime`, `rfc3339_parse`, `timeadd`, `timestamp`, `unix_timestamp_parse`.

use super::{Call, FunctionError, Kind, Spec, p};
use crate::hcl::value::Value;
use crate::interpolate::clock;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::Offset;
use jiff::{SignedDuration, Span};

type Result = std::result::Result<Value, FunctionError>;

pub(super) const FUNCTIONS: &[Spec] = &[
    Spec::new("formatdate", &[p("format", Kind::String), p("time", Kind::String)], Kind::String, formatdate),
    Spec::new("legacy_isotime", &[], Kind::String, |c| legacy(c, clock::format)).rest(p("format", Kind::String)),
    Spec::new("legacy_strftime", &[], Kind::String, |c| legacy(c, clock::strftime)).rest(p("format", Kind::String)),
    Spec::new("rfc3339_parse", &[p("timestamp", Kind::String)], Kind::Any, |c| match Moment::parse(c.text(0), true) {
        Some(moment) => Ok(parts(&moment, ("unix", Value::int(moment.unix())))),
        None => c.bad(0, format!("\"{}\" is not a time as in 2026-01-31T12:00:00Z", c.text(0))),
    }),
    Spec::new("timeadd", &[p("timestamp", Kind::String), p("duration", Kind::String)], Kind::String, timeadd),
    Spec::new("timestamp", &[], Kind::String, |c| Ok(clock::format((c.ctx.now)(), RFC3339).into())),
    Spec::new("unix_timestamp_parse", &[p("unix_timestamp", Kind::Number)], Kind::Any, unix),
];

const RFC3339: &str = "2006-01-02T15:04:05Z07:00";

fn legacy(c: &Call<'_>, how: fn(Timestamp, &str) -> String) -> Result {
    match c.args.len() {
        0 => Ok(clock::format(c.ctx.start, RFC3339).into()),
        1 => Ok(how(c.ctx.start, c.text(0)).into()),
        _ => c.fail("no more than one argument is taken"),
    }
}

/// A time of day somewhere: what an RFC 3339 text says.
struct Moment {
    local: DateTime,
    /// Seconds east of Greenwich.
    offset: i32,
}

impl Moment {
    /// `2026-01-31T12:00:00.5+02:00`, in exactly this form; with a blank for the `T` where that is allowed.
    fn parse(text: &str, blank: bool) -> Option<Moment> {
        let bytes = text.as_bytes();
        let number = |from: usize, to: usize| -> Option<i32> {
            let part = bytes.get(from..to)?;
            if !part.iter().all(u8::is_ascii_digit) {
                return None;
            }
            std::str::from_utf8(part).ok()?.parse().ok()
        };
        let at = |i: usize, wanted: &[u8]| bytes.get(i).is_some_and(|b| wanted.contains(b));
        let separator: &[u8] = if blank { b"T " } else { b"T" };
        let fits = at(4, b"-") && at(7, b"-") && at(10, separator) && at(13, b":") && at(16, b":");
        if !fits {
            return None;
        }
        let mut next = 19;
        let mut nanos = 0;
        if at(next, b".,") {
            let digits = bytes[next + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
            if digits == 0 {
                return None;
            }
            let shown = text.get(next + 1..next + 1 + digits.min(9))?;
            nanos = format!("{shown:0<9}").parse().ok()?;
            next += 1 + digits;
        }
        let offset = match bytes.get(next)? {
            b'Z' if bytes.len() == next + 1 => 0,
            sign @ (b'+' | b'-') if bytes.len() == next + 6 && at(next + 3, b":") => {
                let (hours, minutes) = (number(next + 1, next + 3)?, number(next + 4, next + 6)?);
                if hours > 24 || minutes > 60 {
                    return None;
                }
                let seconds = hours * 3600 + minutes * 60;
                if *sign == b'-' { -seconds } else { seconds }
            }
            _ => return None,
        };
        let small = |n: i32| i8::try_from(n).ok();
        let date = Date::new(number(0, 4)? as i16, small(number(5, 7)?)?, small(number(8, 10)?)?).ok()?;
        let time = Time::new(small(number(11, 13)?)?, small(number(14, 16)?)?, small(number(17, 19)?)?, nanos).ok()?;
        Some(Moment { local: DateTime::from_parts(date, time), offset })
    }

    fn unix(&self) -> i64 {
        let utc = Offset::UTC.to_timestamp(self.local).map_or(0, |t| t.as_second());
        utc - i64::from(self.offset)
    }

    /// `Z` for Greenwich, else `+02:00`; without the colon if asked for.
    fn zone(&self, z: bool, colon: &str) -> String {
        if z && self.offset == 0 {
            return "Z".to_owned();
        }
        let minutes = self.offset.abs() / 60;
        format!("{}{:02}{colon}{:02}", if self.offset < 0 { '-' } else { '+' }, minutes / 60, minutes % 60)
    }

    fn rfc3339(&self) -> String {
        let t = self.local;
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}",
            t.year(),
            t.month(),
            t.day(),
            t.hour(),
            t.minute(),
            t.second(),
            self.zone(true, ":")
        )
    }
}

fn parts(moment: &Moment, more: (&'static str, Value)) -> Value {
    let t = moment.local;
    let week = t.date().iso_week_date();
    let int = |n: i64| Value::int(n);
    Value::object([
        ("year", int(t.year().into())),
        ("year_day", int(t.day_of_year().into())),
        ("day", int(t.day().into())),
        ("month", int(t.month().into())),
        ("month_name", clock::month_name(t).into()),
        ("weekday", int(t.weekday().to_sunday_zero_offset().into())),
        ("weekday_name", clock::day_name(t).into()),
        ("hour", int(t.hour().into())),
        ("minute", int(t.minute().into())),
        ("second", int(t.second().into())),
        ("iso_year", int(week.year().into())),
        ("iso_week", int(week.week().into())),
        more,
    ])
}

fn unix(c: &Call<'_>) -> Result {
    let seconds = c.int(0)?;
    let Ok(at) = Timestamp::from_second(seconds) else {
        return c.bad(0, "the time is outside of the years -9999 to 9999");
    };
    let moment = Moment { local: Offset::UTC.to_datetime(at), offset: 0 };
    Ok(parts(&moment, ("rfc3339", moment.rfc3339().into())))
}

fn timeadd(c: &Call<'_>) -> Result {
    let Some(moment) = Moment::parse(c.text(0), false) else {
        return c.bad(0, format!("\"{}\" is not a time as in 2026-01-31T12:00:00Z", c.text(0)));
    };
    let Some(duration) = duration(c.text(1)) else {
        return c.bad(1, format!("\"{}\" is not a duration as in 1h30m, -10m, 300ms", c.text(1)));
    };
    let span = Span::try_from(duration).and_then(|span| moment.local.checked_add(span));
    match span {
        Ok(local) => Ok(Moment { local, ..moment }.rfc3339().into()),
        Err(_) => c.bad(1, "the time is outside of the years that can be written"),
    }
}

/// Go's durations: numbers with units, one after the other, and a sign.
fn duration(text: &str) -> Option<SignedDuration> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(SignedDuration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut nanos: i128 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(digits);
        let length = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(length);
        let unit: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return None;
        }
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        nanos = nanos.checked_add(whole.checked_mul(unit)?)?;
        let fraction = &fraction[..fraction.len().min(15)];
        if !fraction.is_empty() {
            nanos += fraction.parse::<i128>().ok()? * unit / 10i128.pow(fraction.len() as u32);
        }
        if nanos > i128::from(i64::MAX) {
            return None;
        }
        rest = after;
    }
    let nanos = i64::try_from(if negative { -nanos } else { nanos }).ok()?;
    Some(SignedDuration::from_nanos(nanos))
}

fn formatdate(c: &Call<'_>) -> Result {
    let Some(moment) = Moment::parse(c.text(1), false) else {
        return c.bad(1, format!("\"{}\" is not a time as in 2026-01-31T12:00:00Z", c.text(1)));
    };
    let mut out = String::new();
    let mut rest = c.text(0);
    while let Some(first) = rest.chars().next() {
        if first == '\'' {
            let Some((text, after)) = literal(&rest[1..]) else {
                return c.bad(0, "the literal text after ' has no end");
            };
            // Nothing between the quotes: a quote.
            out.push_str(if text.is_empty() { "'" } else { &text });
            rest = after;
        } else if first.is_ascii_alphabetic() {
            let length = rest.find(|letter| letter != first).unwrap_or(rest.len());
            let (verb, after) = rest.split_at(length);
            match shown(&moment, first, length) {
                Some(text) => out.push_str(&text),
                None => return c.bad(0, format!("\"{verb}\" is not part of a date format: {}", choices(first))),
            }
            rest = after;
        } else {
            let length = rest.find(|letter: char| letter == '\'' || letter.is_ascii_alphabetic()).unwrap_or(rest.len());
            out.push_str(&rest[..length]);
            rest = &rest[length..];
        }
    }
    Ok(out.into())
}

/// The text up to the closing quote, in which two quotes are one, and what follows.
fn literal(text: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut rest = text;
    loop {
        let end = rest.find('\'')?;
        out.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        // A pair of quotes with nothing between them is no pair inside of a text.
        match rest.strip_prefix('\'') {
            Some(more) if !(out.is_empty() && end == 0) => {
                out.push('\'');
                rest = more;
            }
            _ => return Some((out, rest)),
        }
    }
}

fn choices(letter: char) -> &'static str {
    match letter {
        'Y' => "the year is YY or YYYY",
        'M' => "the month is M, MM, MMM or MMMM",
        'D' => "the day of the month is D or DD",
        'E' => "the day of the week is EEE or EEEE",
        'h' => "the hour of the day is h or hh",
        'H' => "the hour of the half day is H or HH",
        'A' | 'a' => "the half of the day is AA or aa",
        'm' => "the minute is m or mm",
        's' => "the second is s or ss",
        'Z' => "the zone is Z, ZZZ, ZZZZ or ZZZZZ",
        _ => "the letters are Y, M, D, E, h, H, A, a, m, s and Z; put other text in single quotes",
    }
}

fn shown(moment: &Moment, letter: char, length: usize) -> Option<String> {
    let t = moment.local;
    let number = |n: i8| match length {
        1 => Some(format!("{n}")),
        2 => Some(format!("{n:02}")),
        _ => None,
    };
    let half = if t.hour() % 12 == 0 { 12 } else { t.hour() % 12 };
    match (letter, length) {
        ('Y', 2) => Some(format!("{:02}", t.year() % 100)),
        ('Y', 4) => Some(format!("{:04}", t.year())),
        ('M', 1 | 2) => number(t.month()),
        ('M', 3) => Some(clock::month_name(t)[..3].to_owned()),
        ('M', 4) => Some(clock::month_name(t).to_owned()),
        ('D', _) => number(t.day()),
        ('E', 3) => Some(clock::day_name(t)[..3].to_owned()),
        ('E', 4) => Some(clock::day_name(t).to_owned()),
        ('h', _) => number(t.hour()),
        ('H', _) => number(half),
        ('A', 2) => Some(if t.hour() >= 12 { "PM" } else { "AM" }.to_owned()),
        ('a', 2) => Some(if t.hour() >= 12 { "pm" } else { "am" }.to_owned()),
        ('m', _) => number(t.minute()),
        ('s', _) => number(t.second()),
        ('Z', 1) => Some(moment.zone(true, ":")),
        ('Z', 3) if moment.offset == 0 => Some("UTC".to_owned()),
        ('Z', 3 | 4) => Some(moment.zone(false, "")),
        ('Z', 5) => Some(moment.zone(false, ":")),
        _ => None,
    }
}
