//! Dates: `to_datetime`, `strftime`, `now`, and the objects that they give.

mod format;
mod object;
mod parse;

use super::{Call, Table, refuse};
use crate::eval::{Args, Cx, fail};
use crate::val::{R, Val};
pub(crate) use format::offset_text;
use jiff::civil::{self, DateTime};
pub(crate) use object::moment;
use std::sync::Arc;

pub(super) const TABLE: Table = &[("strftime", strftime), ("to_datetime", to_datetime)];

/// A date and time as Python's `datetime`: naive, or with an offset.
#[derive(Clone, Copy)]
pub(crate) struct Date {
    pub at: DateTime,
    /// Seconds east of Greenwich.
    pub offset: Option<i32>,
}

/// A difference of two dates, in microseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Delta(pub i128);

/// The date inside of a value.
pub(crate) fn as_date(value: &Val) -> Option<Date> {
    crate::eval::object::downcast::<Date>(value).copied()
}

/// `format(date, spec)`.
pub(crate) fn format_date(date: Date, spec: &str) -> R<String> {
    format::strftime(spec, date)
}

/// C's `strftime` at a moment, with the local time's seconds east of Greenwich. Out of the years that a calendar has, the format
/// as it is.
pub fn strftime_at(format: &str, seconds: i64, offset: i32) -> String {
    let date = civil_at(seconds.into(), 0, offset).map(|at| Date { at, offset: Some(offset) });
    date.and_then(|date| format::strftime(format, date)).unwrap_or_else(|_| format.to_owned())
}

/// Civil time at a moment. Out of jiff's years -9999 to 9999 there is none.
fn civil_at(seconds: i128, microseconds: i128, offset: i32) -> R<DateTime> {
    let epoch = civil::date(1970, 1, 1).at(0, 0, 0, 0);
    let total = (seconds + i128::from(offset)) * 1_000_000 + microseconds;
    shift(epoch, total)
}

/// A date moved by microseconds.
fn shift(date: DateTime, microseconds: i128) -> R<DateTime> {
    let out_of_range = || fail("date value out of range");
    let seconds = i64::try_from(microseconds.div_euclid(1_000_000)).map_err(|_| out_of_range())?;
    let rest = microseconds.rem_euclid(1_000_000) as i32;
    let duration = jiff::SignedDuration::new(seconds, rest * 1000);
    date.checked_add(duration).map_err(|_| out_of_range())
}

/// Microseconds since 1970, as if the civil time were UTC.
fn micros(date: DateTime) -> i128 {
    let epoch = civil::date(1970, 1, 1).at(0, 0, 0, 0);
    date.duration_since(epoch).as_nanos() / 1000
}

/// `now(utc=False, fmt=None)`.
pub(crate) fn now(cx: &Cx<'_>, args: Args) -> R {
    let bound = args.bind(["utc", "fmt"])?;
    let stamp = cx.templar.host().now();
    let offset = if bound.flag(0, false) { 0 } else { stamp.offset_seconds };
    let micros = stamp.nanoseconds.div_euclid(1000);
    let at = civil_at(micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000), offset)?;
    let date = Date { at, offset: None };
    match bound.text(1).filter(|f| !f.is_empty()) {
        Some(fmt) => format::strftime(&fmt, date).map(Val::str),
        None => Ok(Val::Obj(Arc::new(date))),
    }
}

fn to_datetime(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["format"])?;
    let format = bound.text_or(0, "%Y-%m-%d %H:%M:%S");
    let text = c.only_text(|kind| format!("strptime() argument 1 must be str, not {kind}"))?;
    parse::strptime(&text, &format).map(|d| Val::Obj(Arc::new(d)))
}

fn strftime(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["second", "utc"])?;
    let format = c.only_text(|kind| format!("strftime() argument 1 must be str, not {kind}"))?;
    let stamp = c.cx.templar.host().now();
    let seconds = match bound.some(0) {
        None => stamp.nanoseconds.div_euclid(1_000_000_000),
        Some(v) => {
            let found = match v {
                Val::Str(s) => super::number::parse_float(&s.text),
                other => other.as_float(),
            };
            match found {
                Some(f) if f.is_finite() => f.floor() as i128,
                _ => return refuse(format!("Invalid value for epoch value ({})", crate::val::repr::to_str(v))),
            }
        }
    };
    let offset =
        if bound.flag(1, false) { 0 } else { c.cx.templar.host().offset_at(i64::try_from(seconds).unwrap_or(0)) };
    let at = civil_at(seconds, 0, offset)?;
    // C's function knows no microseconds, and calls UTC by its old name.
    let zone = if bound.flag(1, false) {
        Some("GMT".to_owned())
    } else {
        c.cx.templar.host().zone_at(i64::try_from(seconds).unwrap_or(0))
    };
    let format =
        format.replace("%f", "%%f").replace("%Z", &zone.map_or_else(|| "%Z".to_owned(), |z| z.replace('%', "%%")));
    format::strftime(&format, Date { at, offset: Some(offset) }).map(Val::str)
}
