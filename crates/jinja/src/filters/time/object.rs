//! `datetime` and `timedelta` as templates see them.

use super::format::{offset_text, strftime, weekday};
use super::{Date, Delta, micros, shift};
use crate::eval::object::{Object, Op, downcast};
use crate::eval::{Args, Cx, fail};
use crate::val::{R, Val};
use crate::{Moment, Value};
use jiff::civil;
use std::any::Any;
use std::cmp::Ordering;
use std::sync::Arc;

fn obj(date: Date) -> Val {
    Val::Obj(Arc::new(date))
}

impl Date {
    /// Microseconds that order dates of the same kind.
    fn instant(self) -> i128 {
        micros(self.at) - i128::from(self.offset.unwrap_or(0)) * 1_000_000
    }

    fn moment(self) -> Moment {
        Moment::Time { at: self.at, offset: self.offset }
    }
}

/// The object that templates see.
pub(crate) fn moment(moment: Moment) -> Val {
    match moment {
        Moment::Day(date) => Val::obj(Day(date)),
        Moment::Time { at, offset } => obj(Date { at, offset }),
    }
}

impl Object for Date {
    fn type_name(&self) -> &'static str {
        "datetime"
    }
    fn str(&self) -> String {
        self.moment().to_string()
    }
    fn repr(&self) -> String {
        self.moment().repr()
    }
    fn truth(&self) -> bool {
        true
    }
    fn attr(&self, _: &Cx<'_>, name: &str) -> Option<R> {
        let d = self.at;
        Some(Ok(Val::Int(match name {
            "year" => d.year().into(),
            "month" => d.month().into(),
            "day" => d.day().into(),
            "hour" => d.hour().into(),
            "minute" => d.minute().into(),
            "second" => d.second().into(),
            "microsecond" => (d.subsec_nanosecond() / 1000).into(),
            "tzinfo" => {
                return Some(Ok(self.offset.map_or(Val::None, |o| Val::str(format!("UTC{}", offset_text(o, ":"))))));
            }
            _ => return None,
        })))
    }
    fn method(&self, cx: &Cx<'_>, name: &str, args: &Args) -> Option<R> {
        Some(match name {
            "strftime" => {
                args.bind(["format"]).and_then(|b| cx.text(b.need(0)?)).and_then(|f| strftime(&f, *self)).map(Val::str)
            }
            "isoformat" => args
                .bind(["sep", "timespec"])
                .map(|b| Val::str(self.moment().isoformat().replace('T', &b.text_or(0, "T")))),
            "timestamp" => {
                let at = self.instant();
                let local = if self.offset.is_some() {
                    0
                } else {
                    cx.templar.host().offset_at(i64::try_from(at.div_euclid(1_000_000)).unwrap_or(0))
                };
                Ok(Val::Float((at - i128::from(local) * 1_000_000) as f64 / 1e6))
            }
            "weekday" => Ok(Val::Int(weekday(self.at.weekday()))),
            "isoweekday" => Ok(Val::Int(weekday(self.at.weekday()) + 1)),
            "toordinal" => Ok(Val::int(micros(self.at).div_euclid(86_400_000_000) + 719_163)),
            "date" => Ok(Val::Obj(Arc::new(Day(self.at.date())))),
            "time" => Ok(Val::str(strftime("%H:%M:%S", *self).unwrap_or_default())),
            "replace" => replace(*self, args),
            _ => return None,
        })
    }
    fn operate(&self, op: Op, other: &Val, reflected: bool) -> Option<R> {
        match (op, downcast::<Date>(other), downcast::<Delta>(other)) {
            (Op::Sub, Some(o), _) if !reflected => Some(if self.offset.is_some() != o.offset.is_some() {
                Err(fail("can't subtract offset-naive and offset-aware datetimes"))
            } else {
                Ok(Val::Obj(Arc::new(Delta(self.instant() - o.instant()))))
            }),
            (Op::Add, _, Some(d)) => Some(shift(self.at, d.0).map(|at| obj(Date { at, ..*self }))),
            (Op::Sub, _, Some(d)) if !reflected => Some(shift(self.at, -d.0).map(|at| obj(Date { at, ..*self }))),
            _ => None,
        }
    }
    fn equal(&self, other: &Val) -> bool {
        downcast::<Date>(other)
            .is_some_and(|o| self.offset.is_some() == o.offset.is_some() && self.instant() == o.instant())
    }
    fn order(&self, other: &Val) -> Option<Ordering> {
        let o = downcast::<Date>(other)?;
        (self.offset.is_some() == o.offset.is_some()).then(|| self.instant().cmp(&o.instant()))
    }
    fn store(&self, _: &Cx<'_>) -> Option<R<Value>> {
        Some(Ok(Value::Moment(self.moment())))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn replace(date: Date, args: &Args) -> R {
    let bound = args.bind(["year", "month", "day", "hour", "minute", "second", "microsecond", "tzinfo"])?;
    let d = date.at;
    let bad = |_| fail("the date does not exist");
    let part = |i: usize, now: i64| bound.int_or(i, now);
    let small = |v: i64| i8::try_from(v).map_err(|_| fail("a part of the date is out of range"));
    let year = i16::try_from(part(0, d.year().into())?).map_err(|_| fail("year is out of range"))?;
    let day = civil::Date::new(year, small(part(1, d.month().into())?)?, small(part(2, d.day().into())?)?);
    let micro = i32::try_from(part(6, i64::from(d.subsec_nanosecond() / 1000))?).unwrap_or(-1);
    let time = civil::Time::new(
        small(part(3, d.hour().into())?)?,
        small(part(4, d.minute().into())?)?,
        small(part(5, d.second().into())?)?,
        micro.saturating_mul(1000),
    );
    let at = day.map_err(|_| fail("day is out of range for month"))?.to_datetime(time.map_err(bad)?);
    let offset = if bound.get(7).is_some() { None } else { date.offset };
    Ok(obj(Date { at, offset }))
}

/// Python's `date`.
struct Day(civil::Date);

impl Object for Day {
    fn type_name(&self) -> &'static str {
        "date"
    }
    fn str(&self) -> String {
        Moment::Day(self.0).to_string()
    }
    fn repr(&self) -> String {
        Moment::Day(self.0).repr()
    }
    fn truth(&self) -> bool {
        true
    }
    fn attr(&self, _: &Cx<'_>, name: &str) -> Option<R> {
        Some(Ok(Val::Int(match name {
            "year" => self.0.year().into(),
            "month" => self.0.month().into(),
            "day" => self.0.day().into(),
            _ => return None,
        })))
    }
    fn method(&self, cx: &Cx<'_>, name: &str, args: &Args) -> Option<R> {
        match name {
            "isoformat" => Some(Ok(Val::str(self.str()))),
            "strftime" | "weekday" | "isoweekday" | "toordinal" => {
                Date { at: self.0.at(0, 0, 0, 0), offset: None }.method(cx, name, args)
            }
            _ => None,
        }
    }
    fn operate(&self, op: Op, other: &Val, reflected: bool) -> Option<R> {
        let midnight = |d: civil::Date| micros(d.at(0, 0, 0, 0));
        match (op, downcast::<Day>(other), downcast::<Delta>(other)) {
            (Op::Sub, Some(o), _) if !reflected => {
                Some(Ok(Val::Obj(Arc::new(Delta(midnight(self.0) - midnight(o.0))))))
            }
            (Op::Add, _, Some(d)) => {
                Some(shift(self.0.at(0, 0, 0, 0), d.0).map(|at| Val::Obj(Arc::new(Day(at.date())))))
            }
            (Op::Sub, _, Some(d)) if !reflected => {
                Some(shift(self.0.at(0, 0, 0, 0), -d.0).map(|at| Val::Obj(Arc::new(Day(at.date())))))
            }
            _ => None,
        }
    }
    fn equal(&self, other: &Val) -> bool {
        downcast::<Day>(other).is_some_and(|o| self.0 == o.0)
    }
    fn order(&self, other: &Val) -> Option<Ordering> {
        downcast::<Day>(other).map(|o| self.0.cmp(&o.0))
    }
    fn store(&self, _: &Cx<'_>) -> Option<R<Value>> {
        Some(Ok(Value::Moment(Moment::Day(self.0))))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Object for Delta {
    fn type_name(&self) -> &'static str {
        "timedelta"
    }
    fn str(&self) -> String {
        let days = self.0.div_euclid(86_400_000_000);
        let rest = self.0.rem_euclid(86_400_000_000);
        let (seconds, micro) = (rest / 1_000_000, rest % 1_000_000);
        let mut out = match days {
            0 => String::new(),
            1 | -1 => format!("{days} day, "),
            _ => format!("{days} days, "),
        };
        out.push_str(&format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60));
        if micro != 0 {
            out.push_str(&format!(".{micro:06}"));
        }
        out
    }
    fn truth(&self) -> bool {
        self.0 != 0
    }
    fn attr(&self, _: &Cx<'_>, name: &str) -> Option<R> {
        let rest = self.0.rem_euclid(86_400_000_000);
        Some(Ok(Val::int(match name {
            "days" => self.0.div_euclid(86_400_000_000),
            "seconds" => rest / 1_000_000,
            "microseconds" => rest % 1_000_000,
            _ => return None,
        })))
    }
    fn method(&self, _: &Cx<'_>, name: &str, _: &Args) -> Option<R> {
        (name == "total_seconds").then(|| Ok(Val::Float(self.0 as f64 / 1e6)))
    }
    fn operate(&self, op: Op, other: &Val, reflected: bool) -> Option<R> {
        let new = |micros: i128| Some(Ok(Val::Obj(Arc::new(Delta(micros)))));
        if let Some(o) = downcast::<Delta>(other) {
            return match op {
                Op::Add => new(self.0 + o.0),
                Op::Sub if reflected => new(o.0 - self.0),
                Op::Sub => new(self.0 - o.0),
                Op::Div | Op::FloorDiv | Op::Mod if o.0 == 0 => Some(Err(fail("division by zero"))),
                Op::Div => Some(Ok(Val::Float(self.0 as f64 / o.0 as f64))),
                Op::FloorDiv => Some(Ok(Val::int(self.0.div_euclid(o.0)))),
                Op::Mod => new(self.0.rem_euclid(o.0)),
                _ => None,
            };
        }
        let f = other.as_float()?;
        match op {
            Op::Mul => new((self.0 as f64 * f).round_ties_even() as i128),
            Op::Div | Op::FloorDiv if reflected => None,
            Op::Div | Op::FloorDiv if f == 0.0 => Some(Err(fail("division by zero"))),
            Op::Div => new((self.0 as f64 / f).round_ties_even() as i128),
            Op::FloorDiv => new((self.0 as f64 / f).floor() as i128),
            _ => None,
        }
    }
    fn equal(&self, other: &Val) -> bool {
        downcast::<Delta>(other).is_some_and(|o| self.0 == o.0)
    }
    fn order(&self, other: &Val) -> Option<Ordering> {
        downcast::<Delta>(other).map(|o| self.0.cmp(&o.0))
    }
    fn store(&self, _: &Cx<'_>) -> Option<R<Value>> {
        Some(Ok(Value::str(self.str())))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}
