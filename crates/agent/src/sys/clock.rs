//! Wall-clock time as text, in the host's time zone.

#![expect(unsafe_code, reason = "localtime_r, mktime and strftime know the host's time zone")]

use std::ffi::CString;
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970, with fraction.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// `2026-11-20 20:42:47.123456`, local time.
pub fn stamp(at: SystemTime) -> String {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{}.{:06}", format_local(since.as_secs() as i64, "%Y-%m-%d %H:%M:%S"), since.subsec_micros())
}

/// `0:00:01.234567`, as Python writes a time delta.
pub fn delta(duration: std::time::Duration) -> String {
    let (s, us) = (duration.as_secs(), duration.subsec_micros());
    let (days, s) = (s / 86_400, s % 86_400);
    let clock = format!("{}:{:02}:{:02}.{us:06}", s / 3600, s / 60 % 60, s % 60);
    match days {
        0 => clock,
        1 => format!("1 day, {clock}"),
        n => format!("{n} days, {clock}"),
    }
}

/// strftime of local time.
pub fn format_local(seconds: i64, format: &str) -> String {
    // SAFETY: tm is plain data and filled by localtime_r.
    let tm = unsafe {
        let mut tm: libc::tm = std::mem::zeroed();
        libc::localtime_r(&seconds, &mut tm);
        tm
    };
    strftime(&tm, format)
}

/// strftime of UTC.
pub fn format_utc(seconds: i64, format: &str) -> String {
    // SAFETY: as above.
    let tm = unsafe {
        let mut tm: libc::tm = std::mem::zeroed();
        libc::gmtime_r(&seconds, &mut tm);
        tm
    };
    strftime(&tm, format)
}

/// Seconds east of UTC, and whether summer time holds, at a moment.
pub fn offset(seconds: i64) -> (i64, bool) {
    // SAFETY: as above.
    unsafe {
        let mut tm: libc::tm = std::mem::zeroed();
        libc::localtime_r(&seconds, &mut tm);
        (tm.tm_gmtoff as i64, tm.tm_isdst > 0)
    }
}

/// strptime, then mktime: local time to seconds since 1970.
pub fn parse_local(text: &str, format: &str) -> Option<i64> {
    let (text, format) = (CString::new(text).ok()?, CString::new(format).ok()?);
    // SAFETY: both strings are NUL-terminated; strptime fills tm or returns null; mktime takes it.
    unsafe {
        let mut tm: libc::tm = std::mem::zeroed();
        let end = libc::strptime(text.as_ptr(), format.as_ptr(), &mut tm);
        if end.is_null() || *end != 0 {
            return None;
        }
        tm.tm_isdst = -1;
        Some(libc::mktime(&mut tm))
    }
}

fn strftime(tm: &libc::tm, format: &str) -> String {
    let Ok(format) = CString::new(format) else { return String::new() };
    let mut buffer = vec![0u8; 512];
    // SAFETY: the buffer's length is passed; the format is NUL-terminated.
    let written = unsafe { libc::strftime(buffer.as_mut_ptr().cast(), buffer.len(), format.as_ptr(), tm) };
    buffer.truncate(written);
    String::from_utf8_lossy(&buffer).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn dates_and_deltas() {
        assert_eq!(format_utc(0, "%Y-%m-%dT%H:%M:%SZ"), "1970-01-01T00:00:00Z");
        assert_eq!(delta(Duration::from_micros(1_234_567)), "0:00:01.234567");
        assert_eq!(delta(Duration::from_secs(90_061)), "1 day, 1:01:01.000000");
        let then = parse_local("202001020304.05", "%Y%m%d%H%M.%S").unwrap();
        assert_eq!(format_local(then, "%Y%m%d%H%M.%S"), "202001020304.05");
        assert_eq!(parse_local("x", "%Y"), None);
    }
}
