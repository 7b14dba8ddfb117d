//! HCL's numbers: binary floating point of up to 512 bits, as the language's specification asks for, so that integers and
//! decimals come out as they were written.
//!
//! A number knows its precision, because the shortest text that reads back the same depends on it: a literal has 512 bits, the
//! length of a list 64, what a function of real numbers returns 53. The result of an operation has the larger of its operands'.

use num_bigint::BigUint;
use std::cmp::Ordering;
use std::fmt;

/// Bits of a literal and of a number read from text.
const LITERAL: u32 = 512;
/// The largest power of ten that is read: beyond it a number would only fill memory.
const LARGEST_EXPONENT: i64 = 50_000;

/// A number: sign, odd mantissa (or zero), power of two.
#[derive(Clone)]
pub struct Number {
    negative: bool,
    mantissa: BigUint,
    exponent: i64,
    precision: u32,
}

impl Number {
    /// A signed integer.
    pub fn from_i64(value: i64) -> Self {
        Self::rounded(value < 0, BigUint::from(value.unsigned_abs()), 0, false, 64)
    }

    /// An unsigned integer (a length, an index).
    pub fn from_u64(value: u64) -> Self {
        Self::rounded(false, BigUint::from(value), 0, false, 64)
    }

    /// A double. `None` for infinities and what is not a number.
    pub fn from_f64(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        let bits = value.to_bits();
        let power = ((bits >> 52) & 0x7ff) as i64;
        let fraction = bits & ((1 << 52) - 1);
        let (mantissa, exponent) = if power == 0 { (fraction, -1074) } else { (fraction | (1 << 52), power - 1075) };
        Some(Self::rounded(value < 0.0, BigUint::from(mantissa), exponent, false, 53))
    }

    /// An integer of any size; its precision is that of its bits, at least 64.
    pub fn from_integer(negative: bool, value: BigUint) -> Self {
        let precision = u32::try_from(value.bits()).unwrap_or(u32::MAX).max(64);
        Self::rounded(negative, value, 0, false, precision)
    }

    /// A decimal number, with or without fraction and exponent, as in `-12.5e3`. `None` if it is none, or its exponent is beyond
    /// what is sensible.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (digits, power) = match rest.find(['e', 'E']) {
            Some(at) => (&rest[..at], rest[at + 1..].parse::<i64>().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && fraction.is_empty() || digits.len() as i64 > LARGEST_EXPONENT {
            return None;
        }
        let all = format!("{whole}{fraction}");
        if !all.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let value = BigUint::parse_bytes(all.as_bytes(), 10)?;
        let power = power.checked_sub(fraction.len() as i64)?;
        if power.abs() > LARGEST_EXPONENT {
            return (value == BigUint::ZERO).then(|| Self::from_u64(0));
        }
        let scale = BigUint::from(10u32).pow(power.unsigned_abs() as u32);
        if power >= 0 {
            return Some(Self::rounded(negative, value * scale, 0, false, LITERAL));
        }
        Some(Self::quotient(negative, value, scale, 0, LITERAL))
    }

    /// `numerator / denominator * 2^exponent`, rounded.
    fn quotient(negative: bool, numerator: BigUint, denominator: BigUint, exponent: i64, precision: u32) -> Self {
        let wanted = u64::from(precision) + 2 + denominator.bits();
        let shift = wanted.saturating_sub(numerator.bits());
        let numerator = numerator << shift;
        let quotient = &numerator / &denominator;
        let inexact = &quotient * &denominator != numerator;
        Self::rounded(negative, quotient, exponent - shift as i64, inexact, precision)
    }

    /// Rounds to the nearest, ties to even; `more` says that bits below the mantissa were already lost.
    fn rounded(negative: bool, mantissa: BigUint, exponent: i64, more: bool, precision: u32) -> Self {
        let (mut mantissa, mut exponent) = (mantissa, exponent);
        let excess = mantissa.bits().saturating_sub(u64::from(precision));
        if excess > 0 {
            let half = mantissa.bit(excess - 1);
            let below = more || mantissa.trailing_zeros().is_some_and(|zeros| zeros < excess - 1);
            mantissa >>= excess;
            exponent += excess as i64;
            if half && (below || mantissa.bit(0)) {
                mantissa += 1u32;
            }
        }
        match mantissa.trailing_zeros() {
            None => exponent = 0,
            Some(zeros) => {
                mantissa >>= zeros;
                exponent += zeros as i64;
            }
        }
        Number { negative: negative && mantissa != BigUint::ZERO, mantissa, exponent, precision }
    }

    /// The sum.
    pub fn add(&self, other: &Number) -> Number {
        let (a, b, exponent) = self.aligned(other);
        let precision = self.precision.max(other.precision);
        if self.negative == other.negative {
            return Self::rounded(self.negative, a + b, exponent, false, precision);
        }
        if a >= b {
            Self::rounded(self.negative, a - b, exponent, false, precision)
        } else {
            Self::rounded(other.negative, b - a, exponent, false, precision)
        }
    }

    /// The difference.
    pub fn sub(&self, other: &Number) -> Number {
        self.add(&other.neg())
    }

    /// The product.
    pub fn mul(&self, other: &Number) -> Number {
        let precision = self.precision.max(other.precision);
        let negative = self.negative != other.negative;
        Self::rounded(negative, &self.mantissa * &other.mantissa, self.exponent + other.exponent, false, precision)
    }

    /// The quotient; `None` for a division by zero.
    pub fn div(&self, other: &Number) -> Option<Number> {
        let precision = self.precision.max(other.precision);
        (!other.is_zero()).then(|| {
            Self::quotient(
                self.negative != other.negative,
                self.mantissa.clone(),
                other.mantissa.clone(),
                self.exponent - other.exponent,
                precision,
            )
        })
    }

    /// What is left of a division truncated toward zero, with the sign of `self`; `None` for zero.
    pub fn rem(&self, other: &Number) -> Option<Number> {
        if other.is_zero() {
            return None;
        }
        let (a, b, exponent) = self.aligned(other);
        Some(Self::rounded(self.negative, a % b, exponent, false, self.precision.max(other.precision)))
    }

    /// The same with the other sign.
    pub fn neg(&self) -> Number {
        Number { negative: !self.negative && !self.is_zero(), ..self.clone() }
    }

    /// Without its sign.
    pub fn abs(&self) -> Number {
        Number { negative: false, ..self.clone() }
    }

    /// -1, 0 or 1.
    pub fn signum(&self) -> i64 {
        match (self.is_zero(), self.negative) {
            (true, _) => 0,
            (_, true) => -1,
            _ => 1,
        }
    }

    /// The largest integer that is not larger.
    pub fn floor(&self) -> Number {
        if self.is_integer() {
            return self.clone();
        }
        let whole = &self.mantissa >> self.exponent.unsigned_abs();
        let whole = if self.negative { whole + 1u32 } else { whole };
        Self::rounded(self.negative, whole, 0, false, self.precision)
    }

    /// The smallest integer that is not smaller.
    pub fn ceil(&self) -> Number {
        self.neg().floor().neg()
    }

    /// Without its fraction.
    pub fn trunc(&self) -> Number {
        if self.negative { self.ceil() } else { self.floor() }
    }

    /// Whether it is zero.
    pub fn is_zero(&self) -> bool {
        self.mantissa == BigUint::ZERO
    }

    /// Whether it is below zero.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// Whether it has no fraction.
    pub fn is_integer(&self) -> bool {
        self.exponent >= 0
    }

    /// The magnitude of an integer; `None` if it has a fraction.
    pub fn magnitude(&self) -> Option<BigUint> {
        self.is_integer().then(|| &self.mantissa << self.exponent.unsigned_abs())
    }

    /// As a signed integer, if it is one that fits.
    pub fn to_i64(&self) -> Option<i64> {
        if !self.is_integer() || self.mantissa.bits() as i64 + self.exponent > 64 {
            return None;
        }
        let magnitude = i128::from(u64::try_from(self.magnitude()?).ok()?);
        i64::try_from(if self.negative { -magnitude } else { magnitude }).ok()
    }

    /// As an index or a count, if it is one.
    pub fn to_usize(&self) -> Option<usize> {
        self.to_i64().and_then(|n| usize::try_from(n).ok())
    }

    /// The nearest double; infinite beyond its range.
    pub fn to_f64(&self) -> f64 {
        // The exact digits, so that only the last rounding counts.
        let (digits, point) = self.decimal(&self.mantissa, self.exponent);
        let text = format!("{}0.{digits}e{point}", if self.negative { "-" } else { "" });
        text.parse().unwrap_or(f64::NAN)
    }

    /// Both mantissas at one exponent.
    fn aligned(&self, other: &Number) -> (BigUint, BigUint, i64) {
        let exponent = match (self.is_zero(), other.is_zero()) {
            (true, true) => 0,
            (true, false) => other.exponent,
            (false, true) => self.exponent,
            (false, false) => self.exponent.min(other.exponent),
        };
        let shifted = |n: &Number| {
            if n.is_zero() { BigUint::ZERO } else { &n.mantissa << (n.exponent - exponent).unsigned_abs() }
        };
        (shifted(self), shifted(other), exponent)
    }

    /// The exact decimal digits of `mantissa * 2^exponent` as `0.digits * 10^point`, without trailing zeros.
    fn decimal(&self, mantissa: &BigUint, exponent: i64) -> (String, i64) {
        let places = (-exponent).max(0);
        let whole = if exponent >= 0 {
            mantissa << exponent.unsigned_abs()
        } else {
            // m / 2^k = m * 5^k / 10^k
            mantissa * BigUint::from(5u32).pow(places as u32)
        };
        let digits = whole.to_string();
        let point = digits.len() as i64 - places;
        let trimmed = digits.trim_end_matches('0');
        if trimmed.is_empty() { ("0".to_owned(), 1) } else { (trimmed.to_owned(), point) }
    }

    /// All its digits: `0.digits * 10^point`, without trailing zeros; `0` and 1 for zero.
    pub fn exact_digits(&self) -> (Vec<u8>, i64) {
        let (digits, point) = self.decimal(&self.mantissa, self.exponent);
        (digits.into_bytes(), point)
    }

    /// The fewest digits that read back as this number at its precision: `0.digits * 10^point`; `0` and 1 for zero.
    pub fn shortest_digits(&self) -> (Vec<u8>, i64) {
        if self.is_zero() { (vec![b'0'], 1) } else { self.shortest() }
    }

    fn shortest(&self) -> (Vec<u8>, i64) {
        let precision = u64::from(self.precision);
        // One bit more than the precision, so that one is half of the last place.
        let shift = (precision + 1).saturating_sub(self.mantissa.bits());
        let mantissa = &self.mantissa << shift;
        let exponent = self.exponent - shift as i64;
        let even = !mantissa.bit(1);
        let (digits, point) = self.decimal(&mantissa, exponent);
        let (lower, lower_point) = self.decimal(&(&mantissa - 1u32), exponent);
        let (upper, upper_point) = self.decimal(&(&mantissa + 1u32), exponent);
        let widest = point.max(lower_point).max(upper_point);
        let padded = |digits: &str, point: i64| {
            let mut out = vec![b'0'; (widest - point) as usize];
            out.extend_from_slice(digits.as_bytes());
            out
        };
        let (digits, lower, upper) = (padded(&digits, point), padded(&lower, lower_point), padded(&upper, upper_point));
        let at = |digits: &[u8], i: usize| digits.get(i).copied().unwrap_or(b'0');
        // Whether the cut-down text is above the lower bound, the cut-up one below the upper.
        let (mut below, mut above) = (false, false);
        for i in 0..digits.len() {
            let (l, m, u) = (at(&lower, i), digits[i], at(&upper, i));
            below = below || l != m;
            let down = below || (even && i + 1 >= lower.len());
            let up = (above || m != u) && (even || above || m + 1 < u || i + 1 < upper.len());
            above = above || m + 1 < u || (m != u && i + 1 < upper.len());
            if down || up {
                let next = at(&digits, i + 1);
                let round_up = match (down, up) {
                    (true, true) => next > b'5' || (next == b'5' && (i + 2 < digits.len() || m % 2 == 1)),
                    (_, up) => up,
                };
                return (cut(digits[..=i].to_vec(), round_up), widest).normalised();
            }
        }
        (digits, widest).normalised()
    }
}

/// The digits, one more in the last place if asked for; a carry out of the first place is kept as a leading `:`.
fn cut(mut digits: Vec<u8>, up: bool) -> Vec<u8> {
    if up {
        for i in (0..digits.len()).rev() {
            digits[i] += 1;
            if digits[i] <= b'9' || i == 0 {
                break;
            }
            digits[i] = b'0';
        }
    }
    digits
}

trait Normalised {
    fn normalised(self) -> Self;
}

impl Normalised for (Vec<u8>, i64) {
    /// Resolves the carry of [`cut`], drops zeros at both ends.
    fn normalised(self) -> Self {
        let (mut digits, mut point) = self;
        if digits.first().is_some_and(|d| *d > b'9') {
            digits[0] = b'0';
            digits.insert(0, b'1');
            point += 1;
        }
        let leading = digits.iter().take_while(|d| **d == b'0').count().min(digits.len().saturating_sub(1));
        digits.drain(..leading);
        point -= leading as i64;
        while digits.len() > 1 && digits.last() == Some(&b'0') {
            digits.pop();
        }
        (digits, point)
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.negative == other.negative && self.exponent == other.exponent && self.mantissa == other.mantissa
    }
}

impl Eq for Number {}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => return Ordering::Greater,
            (true, false) => return Ordering::Less,
            _ => {}
        }
        let (a, b, _) = self.aligned(other);
        if self.negative { b.cmp(&a) } else { a.cmp(&b) }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Number {
    /// The shortest text that reads back the same, without an exponent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negative {
            f.write_str("-")?;
        }
        if self.is_zero() {
            return f.write_str("0");
        }
        if self.is_integer() && self.mantissa.bits() as i64 + self.exponent <= i64::from(self.precision) {
            return write!(f, "{}", &self.mantissa << self.exponent.unsigned_abs());
        }
        let (digits, point) = self.shortest();
        let digits = String::from_utf8_lossy(&digits).into_owned();
        let length = digits.len() as i64;
        if point <= 0 {
            write!(f, "0.{}{digits}", "0".repeat(point.unsigned_abs() as usize))
        } else if point >= length {
            write!(f, "{digits}{}", "0".repeat((point - length) as usize))
        } else {
            write!(f, "{}.{}", &digits[..point as usize], &digits[point as usize..])
        }
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::Number;

    fn n(text: &str) -> Number {
        Number::parse(text).unwrap()
    }

    #[test]
    fn texts_come_back() {
        for text in ["0", "1", "-1", "10", "0.1", "1.5", "-0.001", "123456789012345678901234567890", "3.14159265358979"]
        {
            assert_eq!(n(text).to_string(), text);
        }
        for (text, want) in
            [("1e3", "1000"), ("1.50", "1.5"), ("12.5e-1", "1.25"), ("-0", "0"), ("1E2", "100"), (".5", "0.5")]
        {
            assert_eq!(n(text).to_string(), want);
        }
        for text in ["", "-", "1.2.3", "0x10", "1e", "nan", "1e999999999999", "1 "] {
            assert!(Number::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn operations() {
        assert_eq!(n("0.1").add(&n("0.2")).to_string(), "0.3");
        assert_eq!(n("1").sub(&n("3")).to_string(), "-2");
        assert_eq!(n("1.5").mul(&n("1.5")).to_string(), "2.25");
        assert_eq!(n("10").div(&n("4")).unwrap().to_string(), "2.5");
        let third = n("1").div(&n("3")).unwrap().to_string();
        assert_eq!((&third[..6], &third[152..], third.len()), ("0.3333", "33335", 157));
        assert!(n("1").div(&n("0")).is_none());
        for (a, b, want) in [("7", "3", "1"), ("-7", "3", "-1"), ("7", "-3", "1"), ("5.5", "2", "1.5")] {
            assert_eq!(n(a).rem(&n(b)).unwrap().to_string(), want, "{a} % {b}");
        }
        for (a, floor, ceil) in [("1.5", "1", "2"), ("-1.5", "-2", "-1"), ("3", "3", "3")] {
            assert_eq!((n(a).floor().to_string().as_str(), n(a).ceil().to_string().as_str()), (floor, ceil));
        }
        assert!(n("0.3") > n("-5") && n("10") > n("9.99") && n("-2") < n("-1") && n("0") < n("1e-9"));
    }

    #[test]
    fn doubles() {
        for double in [0.1, 1.0 / 3.0, 1e21, 1e-7, f64::MAX, f64::MIN_POSITIVE, 123456.789, 2f64.powi(70)] {
            let number = Number::from_f64(double).unwrap();
            assert_eq!(number.to_string(), format!("{double}"));
            assert_eq!(number.to_f64(), double);
        }
        assert_eq!(n("1e400").to_f64(), f64::INFINITY);
        assert_eq!(n("9223372036854775807").to_i64(), Some(i64::MAX));
        assert_eq!(n("-9223372036854775808").to_i64(), Some(i64::MIN));
        assert_eq!(n("9223372036854775808").to_i64(), None);
        assert_eq!(n("1.5").to_i64(), None);
    }
}
