//! Numbers: `abs`, `ceil`, `floor`, `log`, `max`, `min`, `parseint`, `pow`, `signum`, `sum`.

use super::{Call, FunctionError, Kind, Spec, p};
use crate::hcl::convert::convert;
use crate::hcl::number::Number;
use crate::hcl::types::Type;
use crate::hcl::value::Value;
use num_bigint::BigUint;

type Result = std::result::Result<Value, FunctionError>;

pub(super) const FUNCTIONS: &[Spec] = &[
    Spec::new("abs", &[p("num", Kind::Number)], Kind::Number, |c| Ok(c.number(0)?.abs().into())),
    Spec::new("ceil", &[p("num", Kind::Number)], Kind::Number, |c| Ok(c.number(0)?.ceil().into())),
    Spec::new("floor", &[p("num", Kind::Number)], Kind::Number, |c| Ok(c.number(0)?.floor().into())),
    Spec::new("log", &[p("num", Kind::Number), p("base", Kind::Number)], Kind::Number, log),
    Spec::new("pow", &[p("num", Kind::Number), p("power", Kind::Number)], Kind::Number, pow),
    Spec::new("signum", &[p("num", Kind::Number)], Kind::Number, |c| Ok(Value::int(c.int(0)?.signum()))),
    Spec::new("max", &[], Kind::Number, |c| extreme(c, |a, b| a > b)).rest(p("numbers", Kind::Number)),
    Spec::new("min", &[], Kind::Number, |c| extreme(c, |a, b| a < b)).rest(p("numbers", Kind::Number)),
    Spec::new("parseint", &[p("number", Kind::Any), p("base", Kind::Number)], Kind::Number, parseint),
    Spec::new("sum", &[p("list", Kind::Any)], Kind::Number, sum),
];

fn real(c: &Call<'_>, value: f64) -> Result {
    match Number::from_f64(value) {
        Some(number) => Ok(number.into()),
        None => c.fail("the result is not a number that can be written"),
    }
}

fn log(c: &Call<'_>) -> Result {
    // The quotient of natural logarithms, as Packer has it, not `f64::log`.
    real(c, c.number(0)?.to_f64().ln() / c.number(1)?.to_f64().ln())
}

fn pow(c: &Call<'_>) -> Result {
    real(c, c.number(0)?.to_f64().powf(c.number(1)?.to_f64()))
}

fn extreme(c: &Call<'_>, better: fn(&Number, &Number) -> bool) -> Result {
    let mut best: Option<&Number> = None;
    for index in 0..c.args.len() {
        let number = c.number(index)?;
        if best.is_none_or(|best| better(number, best)) {
            best = Some(number);
        }
    }
    match best {
        Some(number) => Ok(number.clone().into()),
        None => c.fail("at least one number is required"),
    }
}

fn parseint(c: &Call<'_>) -> Result {
    let Some(text) = c.args[0].as_str() else {
        return c.bad(0, format!("a string is required, not {}", c.args[0].kind()));
    };
    let base = match c.number(1)?.to_i64() {
        Some(base @ 2..=62) => base as u32,
        _ => return c.bad(1, "the base is a whole number from 2 to 62"),
    };
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let values: Option<Vec<u32>> = digits.bytes().map(|b| digit(b, base)).collect();
    match values {
        Some(values) if !values.is_empty() && values.len() <= 20_000 => {
            let mut number = BigUint::ZERO;
            for value in values {
                number = number * base + value;
            }
            Ok(Number::from_integer(negative, number).into())
        }
        _ => c.bad(0, format!("\"{text}\" is not a whole number in base {base}")),
    }
}

/// Up to base 36 letters of both cases are the same; beyond it the capitals come after the small ones.
fn digit(byte: u8, base: u32) -> Option<u32> {
    let value = match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        b'a'..=b'z' => u32::from(byte - b'a') + 10,
        b'A'..=b'Z' if base <= 36 => u32::from(byte - b'A') + 10,
        b'A'..=b'Z' => u32::from(byte - b'A') + 36,
        _ => return None,
    };
    (value < base).then_some(value)
}

fn sum(c: &Call<'_>) -> Result {
    let Some(elements) = c.args[0].as_elements() else {
        return c.bad(0, format!("a list, a set or a tuple of numbers is required, not {}", c.args[0].kind()));
    };
    let mut total: Option<Number> = None;
    for element in elements {
        let number = convert(element, &Type::Number).ok().and_then(|v| v.as_number().cloned());
        let Some(number) = number else {
            return c.bad(0, "every element must be a number");
        };
        total = Some(total.map_or(number.clone(), |total| total.add(&number)));
    }
    match total {
        Some(total) => Ok(total.into()),
        None => c.bad(0, "an empty list has no sum"),
    }
}
