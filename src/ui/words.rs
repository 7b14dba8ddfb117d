//! Durations in words, as Packer's summary lines have them: the two largest units that count, `1 minute 3 seconds`.

use std::time::Duration;

const UNITS: [(&str, u128); 7] = [
    ("week", 604_800_000_000),
    ("day", 86_400_000_000),
    ("hour", 3_600_000_000),
    ("minute", 60_000_000),
    ("second", 1_000_000),
    ("millisecond", 1_000),
    ("microsecond", 1),
];

/// `15 milliseconds 972 microseconds`.
pub fn words(time: Duration) -> String {
    let mut left = time.as_micros();
    let mut parts = Vec::new();
    for (name, size) in UNITS {
        let count = left / size;
        left %= size;
        if count > 0 && parts.len() < 2 {
            parts.push(format!("{count} {name}{}", if count == 1 { "" } else { "s" }));
        }
    }
    if parts.is_empty() { "0 seconds".into() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_largest_units_that_count() {
        for (micros, text) in [
            (15_972, "15 milliseconds 972 microseconds"),
            (1_000_000, "1 second"),
            (63_000_001, "1 minute 3 seconds"),
            (3_600_000_000, "1 hour"),
            (90_061_000_000, "1 day 1 hour"),
            (3_600_000_007, "1 hour 7 microseconds"),
            (0, "0 seconds"),
        ] {
            assert_eq!(words(Duration::from_micros(micros)), text);
        }
    }
}
