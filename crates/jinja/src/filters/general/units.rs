//! `to_time_unit` and its kin.

use super::super::{Call, Table, refuse};
use crate::eval::fail;
use crate::val::repr::to_str;
use crate::val::{R, Val};

pub(super) const TABLE: Table = &[
    ("to_days", fixed),
    ("to_hours", fixed),
    ("to_milliseconds", fixed),
    ("to_minutes", fixed),
    ("to_months", fixed),
    ("to_seconds", fixed),
    ("to_time_unit", to_time_unit),
    ("to_weeks", fixed),
    ("to_years", fixed),
];

/// Milliseconds of a unit, in any of its spellings.
fn unit(name: &str, year: f64, month: f64) -> Option<f64> {
    let day = 86_400_000.0;
    let name = if name.len() > 1 { name.trim_end_matches('s') } else { name };
    Some(match name {
        "y" | "year" => year * day,
        "mo" | "month" => month * day,
        "w" | "week" => 7.0 * day,
        "d" | "day" => day,
        "h" | "hour" => 3_600_000.0,
        "m" | "min" | "minute" => 60_000.0,
        "s" | "sec" | "second" => 1000.0,
        "msec" | "millisecond" => 1.0,
        _ => return None,
    })
}

fn convert(text: &str, target: &str, year: Option<f64>, month: Option<f64>) -> R {
    let (year, month) = (year.unwrap_or(365.0), month.unwrap_or(30.0));
    let lookup = |name: &str| match name {
        "ms" => Some(1.0),
        name => unit(name, year, month),
    };
    let bad = |part: &str| fail(format!("to_time_unit() can not interpret following string: {part}"));
    let mut total = 0.0;
    let mut rest = text.trim();
    if rest == "0" {
        return Ok(Val::Int(0));
    }
    if rest.is_empty() {
        return Err(bad(text));
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+'))).unwrap_or(rest.len());
        let (amount, tail) = rest.split_at(digits);
        let tail = tail.trim_start();
        let n = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (name, more) = tail.split_at(n);
        if name.is_empty() {
            return Err(bad(text));
        }
        let amount = amount.parse::<i64>().map_err(|_| bad(text))? as f64;
        total += amount * lookup(&name.to_lowercase()).ok_or_else(|| bad(text))?;
        rest = more.trim_start();
    }
    let Some(size) = lookup(target) else {
        return refuse(format!("to_time_unit() can not convert to the following unit: {target}."));
    };
    // Twelve decimals, as in the original: what is left of binary fractions goes.
    Ok(Val::Float(super::super::number::round_half_even(total / size, 12)))
}

fn factors(year: Option<&Val>, month: Option<&Val>) -> (Option<f64>, Option<f64>) {
    (year.and_then(Val::as_float), month.and_then(Val::as_float))
}

fn to_time_unit(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["unit", "year", "month"])?;
    let (year, month) = factors(bound.some(1), bound.some(2));
    convert(&to_str(&c.input), &bound.text_or(0, "ms"), year, month)
}

fn fixed(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["year", "month"])?;
    let (year, month) = factors(bound.some(0), bound.some(1));
    let target = match c.name {
        "to_milliseconds" => "ms",
        "to_seconds" => "s",
        "to_minutes" => "min",
        "to_hours" => "h",
        "to_days" => "d",
        "to_weeks" => "w",
        "to_months" => "mo",
        _ => "y",
    };
    convert(&to_str(&c.input), target, year, month)
}
