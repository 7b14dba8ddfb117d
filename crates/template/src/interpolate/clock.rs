//! Times as `isotime` and `strftime` write them: Go's reference-time layouts, and the few letters of the strftime library that
//! Packer uses. Everything is UTC.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use std::fmt::Write as _;

const MONTHS: [&str; 12] = [
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
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// The pieces of a layout that stand for something, longest first where one begins another.
const PIECES: &[&str] = &[
    "January",
    "Jan",
    "Monday",
    "Mon",
    "MST",
    "01",
    "02",
    "03",
    "04",
    "05",
    "06",
    "002",
    "2006",
    "__2",
    "_2006",
    "_2",
    "15",
    "1",
    "2",
    "3",
    "4",
    "5",
    "PM",
    "pm",
    "-07:00:00",
    "-070000",
    "-07:00",
    "-0700",
    "-07",
    "Z07:00:00",
    "Z070000",
    "Z07:00",
    "Z0700",
    "Z07",
];

/// `time.Format(layout)` of this instant in UTC.
pub(crate) fn format(at: Timestamp, layout: &str) -> String {
    let time = Offset::UTC.to_datetime(at);
    let mut out = String::with_capacity(layout.len() + 8);
    let mut rest = layout;
    while !rest.is_empty() {
        match piece(rest) {
            Some(length) => {
                write_piece(&mut out, &rest[..length], time);
                rest = &rest[length..];
            }
            None => {
                let c = rest.chars().next().map_or(1, char::len_utf8);
                out.push_str(&rest[..c]);
                rest = &rest[c..];
            }
        }
    }
    out
}

/// The length of the piece that `rest` starts with.
fn piece(rest: &str) -> Option<usize> {
    if let Some(length) = fraction(rest) {
        return Some(length);
    }
    let longest = PIECES.iter().filter(|p| rest.starts_with(**p)).max_by_key(|p| p.len())?;
    match *longest {
        // An underscore and a year, not a padded day and "006".
        "_2006" => None,
        "Jan" | "Mon" if rest[3..].starts_with(|c: char| c.is_ascii_lowercase()) => None,
        piece => Some(piece.len()),
    }
}

/// `.0`, `.000000`, `,99`: a fraction of any length, if no further digit follows.
fn fraction(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    let digit = *bytes.get(1)?;
    if !matches!(bytes[0], b'.' | b',') || !matches!(digit, b'0' | b'9') {
        return None;
    }
    let length = 1 + bytes[1..].iter().take_while(|b| **b == digit).count();
    (!bytes.get(length).is_some_and(u8::is_ascii_digit)).then_some(length)
}

/// `January`.
pub(crate) fn month_name(time: DateTime) -> &'static str {
    MONTHS[(time.month() as usize + 11) % 12]
}

/// `Monday`.
pub(crate) fn day_name(time: DateTime) -> &'static str {
    DAYS[time.weekday().to_sunday_zero_offset() as usize]
}

fn write_piece(out: &mut String, piece: &str, time: DateTime) {
    let (month, day) = (month_name(time), day_name(time));
    let hour = time.hour();
    let hour12 = if hour % 12 == 0 { 12 } else { hour % 12 };
    // Writing to a String can't fail.
    let _ = match piece {
        "January" => write!(out, "{month}"),
        "Jan" => write!(out, "{}", &month[..3]),
        "1" => write!(out, "{}", time.month()),
        "01" => write!(out, "{:02}", time.month()),
        "Monday" => write!(out, "{day}"),
        "Mon" => write!(out, "{}", &day[..3]),
        "2" => write!(out, "{}", time.day()),
        "_2" => write!(out, "{:2}", time.day()),
        "02" => write!(out, "{:02}", time.day()),
        "__2" => write!(out, "{:3}", time.day_of_year()),
        "002" => write!(out, "{:03}", time.day_of_year()),
        "15" => write!(out, "{hour:02}"),
        "3" => write!(out, "{hour12}"),
        "03" => write!(out, "{hour12:02}"),
        "4" => write!(out, "{}", time.minute()),
        "04" => write!(out, "{:02}", time.minute()),
        "5" => write!(out, "{}", time.second()),
        "05" => write!(out, "{:02}", time.second()),
        "2006" => write!(out, "{:04}", time.year()),
        "06" => write!(out, "{:02}", time.year().rem_euclid(100)),
        "PM" => write!(out, "{}", if hour >= 12 { "PM" } else { "AM" }),
        "pm" => write!(out, "{}", if hour >= 12 { "pm" } else { "am" }),
        "MST" => write!(out, "UTC"),
        "Z07" | "Z0700" | "Z07:00" | "Z070000" | "Z07:00:00" => write!(out, "Z"),
        "-07" => write!(out, "+00"),
        "-0700" => write!(out, "+0000"),
        "-07:00" => write!(out, "+00:00"),
        "-070000" => write!(out, "+000000"),
        "-07:00:00" => write!(out, "+00:00:00"),
        fraction => {
            let digits = format!("{:09}", time.subsec_nanosecond());
            let length = (fraction.len() - 1).min(9);
            let mut shown = &digits[..length];
            if fraction.ends_with('9') {
                shown = shown.trim_end_matches('0');
            }
            if shown.is_empty() { Ok(()) } else { write!(out, "{}{shown}", &fraction[..1]) }
        }
    };
}

/// The strftime of Packer's library: unknown letters stay as they are.
pub(crate) fn strftime(at: Timestamp, text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let Some(letter) = chars.next() else {
            out.push('%');
            break;
        };
        let layout = match letter {
            'B' => "January",
            'b' => "Jan",
            'm' => "01",
            'A' => "Monday",
            'a' => "Mon",
            'd' => "02",
            'H' => "15",
            'I' => "03",
            'M' => "04",
            'S' => "05",
            'Y' => "2006",
            'y' => "06",
            'p' => "PM",
            'Z' => "MST",
            'z' => "-0700",
            'L' => ".000",
            '%' => {
                out.push('%');
                continue;
            }
            other => {
                out.push('%');
                out.push(other);
                continue;
            }
        };
        out.push_str(&format(at, layout));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gos_layouts() {
        let at: Timestamp = "2026-11-05T20:08:09.0525Z".parse().unwrap();
        for (layout, want) in [
            (
                "2006-01-02 Mon Jan _2 15:04:05.000 PM MST -0700 Z07:00 002",
                "2026-11-05 Thu Nov  5 20:08:09.052 PM UTC +0000 Z 309",
            ),
            ("Jan _2 06 03:04PM .999 January", "Nov  5 26 08:08PM .052 November"),
            ("20060102150405", "20261105200809"),
            ("_2006", "_2026"),
            ("Month Janet Monday", "Month Janet Thursday"),
            ("3:4:5pm 1/2", "8:8:9pm 11/5"),
            (".0000 .99 ,9999", ".0525 .05 ,0525"),
            (".0007", ".0007"),
            ("-07:00 -07 Z0700", "+00:00 +00 Z"),
            ("è 2006", "è 2026"),
        ] {
            assert_eq!(format(at, layout), want, "{layout}");
        }
        assert_eq!(strftime(at, "%Y%m%d %H:%M %p %L %f %% %"), "20261105 20:08 PM .052 %f % %");
    }
}
