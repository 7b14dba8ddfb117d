//! C's `strftime` in the C locale.

use super::{Date, micros};
use crate::val::R;
use jiff::civil::Weekday;
use std::fmt::Write as _;

pub(super) const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// `+hhmm`, with seconds where there are some.
pub(crate) fn offset_text(offset: i32, colon: &str) -> String {
    let (sign, o) = if offset < 0 { ('-', -offset) } else { ('+', offset) };
    let mut out = format!("{sign}{:02}{colon}{:02}", o / 3600, o / 60 % 60);
    if o % 60 != 0 {
        let _ = write!(out, "{colon}{:02}", o % 60);
    }
    out
}

pub(super) fn strftime(format: &str, date: Date) -> R<String> {
    let mut out = String::new();
    let mut chars = format.chars();
    let d = date.at;
    let weekday = d.weekday().to_sunday_zero_offset() as usize;
    let yday = i32::from(d.day_of_year());
    let hour12 = if d.hour() % 12 == 0 { 12 } else { d.hour() % 12 };
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut flag = None;
        let Some(mut kind) = chars.next() else {
            out.push('%');
            break;
        };
        if matches!(kind, '-' | '_' | '0' | '^' | '#') {
            flag = Some(kind);
            match chars.next() {
                Some(next) => kind = next,
                None => break,
            }
        }
        if matches!(kind, 'E' | 'O') {
            match chars.next() {
                Some(next) => kind = next,
                None => break,
            }
        }
        let number = |value: i64, width: usize, pad: char| match flag {
            Some('-') => value.to_string(),
            Some('_') => format!("{value:>width$}"),
            Some('0') => format!("{value:0width$}"),
            _ if pad == ' ' => format!("{value:>width$}"),
            _ => format!("{value:0width$}"),
        };
        let iso = d.date().iso_week_date();
        let text = match kind {
            'Y' => d.year().to_string(),
            'C' => number(i64::from(d.year()).div_euclid(100), 2, '0'),
            'y' => number(i64::from(d.year()).rem_euclid(100), 2, '0'),
            'm' => number(i64::from(d.month()), 2, '0'),
            'd' => number(i64::from(d.day()), 2, '0'),
            'e' => number(i64::from(d.day()), 2, ' '),
            'H' => number(i64::from(d.hour()), 2, '0'),
            'k' => number(i64::from(d.hour()), 2, ' '),
            'I' => number(i64::from(hour12), 2, '0'),
            'l' => number(i64::from(hour12), 2, ' '),
            'M' => number(i64::from(d.minute()), 2, '0'),
            'S' => number(i64::from(d.second()), 2, '0'),
            'f' => format!("{:06}", d.subsec_nanosecond() / 1000),
            'j' => number(i64::from(yday), 3, '0'),
            'p' => (if d.hour() < 12 { "AM" } else { "PM" }).to_owned(),
            'P' => (if d.hour() < 12 { "am" } else { "pm" }).to_owned(),
            'a' => DAYS[weekday][..3].to_owned(),
            'A' => DAYS[weekday].to_owned(),
            'b' | 'h' => MONTHS[d.month() as usize - 1][..3].to_owned(),
            'B' => MONTHS[d.month() as usize - 1].to_owned(),
            'u' => d.weekday().to_monday_one_offset().to_string(),
            'w' => weekday.to_string(),
            'U' => number(i64::from((yday + 6 - weekday as i32) / 7), 2, '0'),
            'W' => {
                let monday = i32::from(d.weekday().to_monday_zero_offset());
                number(i64::from((yday + 6 - monday) / 7), 2, '0')
            }
            'V' => number(i64::from(iso.week()), 2, '0'),
            'G' => iso.year().to_string(),
            'g' => number(i64::from(iso.year()).rem_euclid(100), 2, '0'),
            's' => (micros(d).div_euclid(1_000_000) - i128::from(date.offset.unwrap_or(0))).to_string(),
            'z' => date.offset.map(|o| offset_text(o, "")).unwrap_or_default(),
            'Z' => match date.offset {
                Some(0) => "UTC".to_owned(),
                Some(o) => format!("UTC{}", offset_text(o, ":")),
                None => String::new(),
            },
            'n' => "\n".to_owned(),
            't' => "\t".to_owned(),
            '%' => "%".to_owned(),
            'F' => strftime("%Y-%m-%d", date)?,
            'T' | 'X' => strftime("%H:%M:%S", date)?,
            'R' => strftime("%H:%M", date)?,
            'D' | 'x' => strftime("%m/%d/%y", date)?,
            'r' => strftime("%I:%M:%S %p", date)?,
            'c' => strftime("%a %b %e %H:%M:%S %Y", date)?,
            other => format!("%{other}"),
        };
        out.push_str(&if flag == Some('^') { text.to_uppercase() } else { text });
    }
    Ok(out)
}

/// Python's numbering: Monday is 0.
pub(super) fn weekday(day: Weekday) -> i64 {
    i64::from(day.to_monday_zero_offset())
}
