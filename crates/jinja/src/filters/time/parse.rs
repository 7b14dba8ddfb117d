//! Python's `datetime.strptime`.

use super::Date;
use super::format::{DAYS, MONTHS};
use crate::eval::fail;
use crate::val::R;
use jiff::civil;

struct Fields {
    year: i16,
    month: i8,
    day: i8,
    hour: i8,
    minute: i8,
    second: i8,
    micro: i32,
    afternoon: Option<bool>,
    yday: Option<i16>,
    offset: Option<i32>,
}

pub(super) fn strptime(text: &str, format: &str) -> R<Date> {
    let mismatch = || fail(format!("time data '{text}' does not match format '{format}'"));
    let mut f = Fields {
        year: 1900,
        month: 1,
        day: 1,
        hour: 0,
        minute: 0,
        second: 0,
        micro: 0,
        afternoon: None,
        yday: None,
        offset: None,
    };
    let rest = read(text, format, &mut f).ok_or_else(mismatch)?;
    if !rest.is_empty() {
        return Err(fail(format!("unconverted data remains: {rest}")));
    }
    if let Some(afternoon) = f.afternoon {
        f.hour = f.hour % 12 + if afternoon { 12 } else { 0 };
    }
    let mut date = civil::Date::new(f.year, f.month, f.day).map_err(|_| fail("day is out of range for month"))?;
    if let Some(yday) = f.yday {
        date = civil::Date::new(f.year, 1, 1)
            .and_then(|d| d.with().day_of_year(yday).build())
            .map_err(|_| fail("day of year out of range"))?;
    }
    let at =
        date.to_datetime(civil::Time::new(f.hour, f.minute, f.second.min(59), f.micro * 1000).map_err(|_| mismatch())?);
    Ok(Date { at, offset: f.offset })
}

/// Up to `most` digits, at least one.
fn digits(text: &str, most: usize) -> Option<(i64, &str)> {
    let n = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    Some((text[..n].parse().ok()?, &text[n..]))
}

fn word<'t>(text: &'t str, words: &[&str], short: bool) -> Option<(usize, &'t str)> {
    words.iter().enumerate().find_map(|(i, w)| {
        let w = if short { &w[..3] } else { w };
        let head = text.get(..w.len())?;
        head.eq_ignore_ascii_case(w).then(|| (i, &text[w.len()..]))
    })
}

fn read<'t>(mut text: &'t str, format: &str, f: &mut Fields) -> Option<&'t str> {
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c.is_whitespace() {
            // Blanks in the format match one or more blanks.
            let trimmed = text.trim_start();
            if trimmed.len() == text.len() {
                return None;
            }
            text = trimmed;
            continue;
        }
        if c != '%' {
            text = text.strip_prefix(c).or_else(|| {
                let first = text.chars().next()?;
                first.eq_ignore_ascii_case(&c).then(|| &text[first.len_utf8()..])
            })?;
            continue;
        }
        let kind = chars.next()?;
        let most = match kind {
            'Y' => 4,
            'j' => 3,
            'f' => 6,
            _ => 2,
        };
        match kind {
            'Y' | 'y' | 'm' | 'd' | 'e' | 'H' | 'I' | 'M' | 'S' | 'f' | 'j' => {
                let before = text;
                let (value, rest) = digits(text, most)?;
                text = rest;
                let n = before.len() - rest.len();
                let fits = |low: i64, high: i64| (low..=high).contains(&value).then_some(value as i8);
                match kind {
                    'Y' if n == 4 => f.year = value as i16,
                    'Y' => return None,
                    'y' if n == 2 => f.year = (if value < 69 { 2000 + value } else { 1900 + value }) as i16,
                    'y' => return None,
                    'm' => f.month = fits(1, 12)?,
                    'd' | 'e' => f.day = fits(1, 31)?,
                    'H' => f.hour = fits(0, 23)?,
                    'I' => {
                        f.hour = fits(1, 12)?;
                        f.afternoon.get_or_insert(false);
                    }
                    'M' => f.minute = fits(0, 59)?,
                    'S' => f.second = fits(0, 61)?,
                    'f' => f.micro = (value * 10i64.pow(6 - n as u32)) as i32,
                    _ => f.yday = Some(value as i16),
                }
            }
            'b' | 'h' | 'B' => {
                let (i, rest) = word(text, &MONTHS, kind != 'B')?;
                (f.month, text) = (i as i8 + 1, rest);
            }
            'a' | 'A' => text = word(text, &DAYS, kind == 'a')?.1,
            'p' => {
                let (i, rest) = word(text, &["AM ", "PM "].map(|w| &w[..2]), false)?;
                (f.afternoon, text) = (Some(i == 1), rest);
            }
            'z' => {
                if let Some(rest) = text.strip_prefix('Z') {
                    (f.offset, text) = (Some(0), rest);
                    continue;
                }
                let sign = match text.chars().next()? {
                    '+' => 1,
                    '-' => -1,
                    _ => return None,
                };
                let (h, rest) = digits(&text[1..], 2)?;
                let rest = rest.strip_prefix(':').unwrap_or(rest);
                let (m, rest) = digits(rest, 2)?;
                (f.offset, text) = (Some(sign * (h * 3600 + m * 60) as i32), rest);
            }
            'Z' => {
                let n = text.bytes().take_while(u8::is_ascii_alphabetic).count();
                if matches!(&text[..n], "UTC" | "GMT") || n == 0 {
                    text = &text[n..];
                } else {
                    return None;
                }
            }
            'T' => text = read(text, "%H:%M:%S", f)?,
            'D' | 'x' => text = read(text, "%m/%d/%y", f)?,
            'X' => text = read(text, "%H:%M:%S", f)?,
            'F' => text = read(text, "%Y-%m-%d", f)?,
            'R' => text = read(text, "%H:%M", f)?,
            'c' => text = read(text, "%a %b %d %H:%M:%S %Y", f)?,
            '%' => text = text.strip_prefix('%')?,
            _ => return None,
        }
    }
    Some(text)
}
