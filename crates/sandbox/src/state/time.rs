//! Points in time: milliseconds since the epoch, written the way EC2 writes them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(pub i64);

impl Time {
    /// The clock.
    pub fn now() -> Self {
        Self(jiff::Timestamp::now().as_millisecond())
    }

    /// Reads RFC 3339.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|t| Self(t.as_millisecond()))
    }

    /// Reads the form of signatures, `20260101T120000Z`.
    pub fn parse_basic(text: &str) -> Option<Self> {
        Self::parse(text)
    }

    /// As HTTP's `Date` has it: `Tue, 15 Nov 1994 08:12:31 GMT`.
    pub fn http_date(self) -> String {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(t) => t.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string(),
            Err(_) => "Thu, 01 Jan 1970 00:00:00 GMT".into(),
        }
    }

    /// This many seconds later.
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    /// Cut to whole seconds, for fields in which EC2 has no fraction.
    pub fn seconds(self) -> Self {
        Self(self.0 - self.0.rem_euclid(1000))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(t) => write!(f, "{t:.3}"),
            Err(_) => write!(f, "1970-01-01T00:00:00.000Z"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_like_ec2_does() {
        let t = Time::parse("2019-05-14T19:43:23Z").unwrap();
        assert_eq!(t.to_string(), "2019-05-14T19:43:23.000Z");
        assert_eq!(Time(t.0 + 7).to_string(), "2019-05-14T19:43:23.007Z");
        assert_eq!(Time(t.0 + 7).seconds(), t);
        assert_eq!(t.http_date(), "Tue, 14 May 2019 19:43:23 GMT");
        assert_eq!(Time::parse_basic("20190514T194323Z"), Some(t));
    }
}
