//! YAML's timestamps: dates, and dates with a time, as Python has them.
//!
//! Source of the behaviour: PyYAML 6, whose pattern and constructor these are, and Python's `datetime`.

use jiff::civil::{Date, DateTime};
use std::fmt;

/// A `date` or a `datetime`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moment {
    /// `2020-01-02`.
    Day(Date),
    /// `2020-01-02 03:04:05`.
    Time {
        /// Date and time of day where it was written.
        at: DateTime,
        /// Seconds east of Greenwich; without one it is naive.
        offset: Option<i32>,
    },
}

impl Moment {
    /// A plain scalar's; nothing for text of another form, and what is wrong with one that no calendar has.
    pub fn parse(text: &str) -> Option<Result<Self, String>> {
        // Most text leaves here.
        let b = text.as_bytes();
        if b.len() < 8 || b[4] != b'-' || !b[..4].iter().all(u8::is_ascii_digit) {
            return None;
        }
        let parts = Parts::of(text)?;
        Some(parts.moment())
    }

    /// With `separator` between date and time.
    fn iso(&self, separator: char) -> String {
        let day = |d: Date| format!("{:04}-{:02}-{:02}", d.year(), d.month(), d.day());
        let (at, offset) = match self {
            Moment::Day(date) => return day(*date),
            Moment::Time { at, offset } => (at, offset),
        };
        let mut out = format!("{}{separator}{:02}:{:02}:{:02}", day(at.date()), at.hour(), at.minute(), at.second());
        if at.subsec_nanosecond() / 1000 != 0 {
            out.push_str(&format!(".{:06}", at.subsec_nanosecond() / 1000));
        }
        if let Some(offset) = offset {
            out.push_str(&crate::filters::time::offset_text(*offset, ":"));
        }
        out
    }

    /// Python's `isoformat()`, which is how it stands in JSON.
    pub fn isoformat(&self) -> String {
        self.iso('T')
    }

    /// Python's `repr()`.
    pub fn repr(&self) -> String {
        let (d, time, offset) = match self {
            Moment::Day(d) => return format!("datetime.date({}, {}, {})", d.year(), d.month(), d.day()),
            Moment::Time { at, offset } => (at.date(), at.time(), offset),
        };
        let mut parts: Vec<i32> =
            [d.year().into(), d.month().into(), d.day().into(), time.hour().into(), time.minute().into()].into();
        let micro = time.subsec_nanosecond() / 1000;
        if time.second() != 0 || micro != 0 {
            parts.push(time.second().into());
        }
        if micro != 0 {
            parts.push(micro);
        }
        let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
        let zone = match offset {
            None => String::new(),
            Some(0) => ", tzinfo=datetime.timezone.utc".to_owned(),
            Some(o) => {
                let days = if *o < 0 { "days=-1, " } else { "" };
                let seconds = o.rem_euclid(86_400);
                format!(", tzinfo=datetime.timezone(datetime.timedelta({days}seconds={seconds}))")
            }
        };
        format!("datetime.datetime({}{zone})", parts.join(", "))
    }

    /// Python's name of the type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Moment::Day(_) => "date",
            Moment::Time { .. } => "datetime",
        }
    }
}

/// Python's `str()`.
impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iso(' '))
    }
}

/// What PyYAML's pattern finds.
struct Parts {
    date: [u32; 3],
    time: Option<[u32; 3]>,
    nanoseconds: u32,
    offset: Option<i32>,
}

/// Takes `least` to `most` digits at the front.
fn digits(rest: &mut &str, least: usize, most: usize) -> Option<u32> {
    let count = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
    let found = rest[..count].parse().ok().filter(|_| count >= least)?;
    *rest = &rest[count..];
    Some(found)
}

/// Takes a character.
fn mark(rest: &mut &str, c: char) -> Option<()> {
    *rest = rest.strip_prefix(c)?;
    Some(())
}

impl Parts {
    fn of(text: &str) -> Option<Self> {
        let mut rest = text;
        let year = digits(&mut rest, 4, 4)?;
        mark(&mut rest, '-')?;
        let before = rest.len();
        let month = digits(&mut rest, 1, 2)?;
        mark(&mut rest, '-')?;
        let day = digits(&mut rest, 1, 2)?;
        let date = [year, month, day];
        if rest.is_empty() {
            // A date alone has two digits each.
            return (before == 5).then_some(Parts { date, time: None, nanoseconds: 0, offset: None });
        }
        let blank = [' ', '\t'];
        match rest.strip_prefix(['T', 't']) {
            Some(after) => rest = after,
            None if rest.starts_with(blank) => rest = rest.trim_start_matches(blank),
            None => return None,
        }
        let hour = digits(&mut rest, 1, 2)?;
        mark(&mut rest, ':')?;
        let minute = digits(&mut rest, 2, 2)?;
        mark(&mut rest, ':')?;
        let time = Some([hour, minute, digits(&mut rest, 2, 2)?]);
        let mut nanoseconds = 0;
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
            // Python has six digits of it.
            let six = &after[..end.min(6)];
            nanoseconds = format!("{six:0<6}").parse::<u32>().ok()? * 1000;
            rest = &after[end..];
        }
        rest = rest.trim_start_matches(blank);
        let mut offset = None;
        if rest == "Z" {
            (offset, rest) = (Some(0), "");
        } else if let Some(sign) = rest.strip_prefix('+').map(|_| 1).or_else(|| rest.strip_prefix('-').map(|_| -1)) {
            rest = &rest[1..];
            let hours = digits(&mut rest, 1, 2)?;
            let minutes = if rest.is_empty() {
                0
            } else {
                mark(&mut rest, ':')?;
                digits(&mut rest, 2, 2)?
            };
            offset = Some(sign * i32::try_from(hours * 3600 + minutes * 60).ok()?);
        }
        rest.is_empty().then_some(Parts { date, time, nanoseconds, offset })
    }

    fn moment(&self) -> Result<Moment, String> {
        let [year, month, day] = self.date;
        if year == 0 {
            return Err("year 0 is out of range".to_owned());
        }
        if !(1..=12).contains(&month) {
            return Err("month must be in 1..12".to_owned());
        }
        let small = |n: u32| i8::try_from(n).unwrap_or(i8::MAX);
        let date = Date::new(i16::try_from(year).unwrap_or(i16::MAX), small(month), small(day))
            .map_err(|_| "day is out of range for month".to_owned())?;
        let Some([hour, minute, second]) = self.time else { return Ok(Moment::Day(date)) };
        for (what, value, limit) in [("hour", hour, 24), ("minute", minute, 60), ("second", second, 60)] {
            if value >= limit {
                return Err(format!("{what} must be in 0..{}", limit - 1));
            }
        }
        if self.offset.is_some_and(|o| o.abs() >= 86_400) {
            return Err("the offset from UTC must be less than a day".to_owned());
        }
        let nanoseconds = i32::try_from(self.nanoseconds).unwrap_or(0);
        Ok(Moment::Time { at: date.at(small(hour), small(minute), small(second), nanoseconds), offset: self.offset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What PyYAML 6 and Python 3.11 give.
    #[test]
    fn as_pyyaml() {
        for (text, repr, iso) in [
            ("2020-01-02", "datetime.date(2020, 1, 2)", "2020-01-02"),
            ("2020-1-2 3:04:05", "datetime.datetime(2020, 1, 2, 3, 4, 5)", "2020-01-02T03:04:05"),
            (
                "2020-01-02T03:04:00Z",
                "datetime.datetime(2020, 1, 2, 3, 4, tzinfo=datetime.timezone.utc)",
                "2020-01-02T03:04:00+00:00",
            ),
            (
                "2020-01-02 03:04:05.1234567 -02:30",
                "datetime.datetime(2020, 1, 2, 3, 4, 5, 123456, tzinfo=datetime.timezone(datetime.timedelta(days=-1, seconds=77400)))",
                "2020-01-02T03:04:05.123456-02:30",
            ),
            (
                "2020-01-02t03:04:05+5",
                "datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=datetime.timezone(datetime.timedelta(seconds=18000)))",
                "2020-01-02T03:04:05+05:00",
            ),
        ] {
            let moment = Moment::parse(text).unwrap().unwrap();
            assert_eq!((moment.repr().as_str(), moment.isoformat().as_str()), (repr, iso), "{text}");
            assert_eq!(moment.to_string(), iso.replace('T', " "));
        }
        for text in ["2020-1-2", "2020-01-02T03:04Z", "20200102", "2020-01-02x", "2020-01-02 03:04:05 UTC", "1.2020-01"]
        {
            assert!(Moment::parse(text).is_none(), "{text}");
        }
        for (text, why) in [
            ("2020-13-45", "month must be in 1..12"),
            ("2020-02-30", "day is out of range for month"),
            ("0000-01-01", "year 0 is out of range"),
            ("2020-01-02T25:00:00", "hour must be in 0..23"),
        ] {
            assert_eq!(Moment::parse(text).unwrap().unwrap_err(), why, "{text}");
        }
    }
}
