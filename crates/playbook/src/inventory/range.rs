//! `web[01:20:2]` and `db[a:c]`.

/// All names that a pattern stands for; one without a range stands for itself. `Err` says what is wrong with the range.
pub fn expand(pattern: &str) -> Result<Vec<String>, String> {
    let Some((head, rest)) = pattern.split_once('[') else { return Ok(vec![pattern.to_owned()]) };
    let Some((bounds, tail)) = rest.split_once(']') else { return Ok(vec![pattern.to_owned()]) };
    if !bounds.contains(':') {
        return Ok(vec![pattern.to_owned()]);
    }
    let parts: Vec<&str> = bounds.split(':').collect();
    let (start, end, step) = match parts[..] {
        [start, end] => (start, end, "1"),
        [start, end, step] => (start, end, step),
        _ => return Err("host range must be begin:end or begin:end:step".into()),
    };
    let start = if start.is_empty() { "0" } else { start };
    if end.is_empty() {
        return Err("host range must specify end value".into());
    }
    let step: usize = step.parse().ok().filter(|s| *s > 0).ok_or("host range must have a step above 0")?;
    let mut middle = Vec::new();
    let letters = |s: &str| s.len() == 1 && s.bytes().all(|b| b.is_ascii_alphabetic());
    if letters(start) && letters(end) {
        let (from, to) = (start.as_bytes()[0], end.as_bytes()[0]);
        if from > to {
            return Err("host range must have begin <= end".into());
        }
        middle.extend((from..=to).step_by(step).map(|b| char::from(b).to_string()));
    } else {
        let width = if start.len() > 1 && start.starts_with('0') {
            if start.len() != end.len() {
                return Err("host range must specify equal-length begin and end formats".into());
            }
            start.len()
        } else {
            0
        };
        let (from, to): (u64, u64) = match (start.parse(), end.parse()) {
            (Ok(from), Ok(to)) if from <= to => (from, to),
            (Ok(_), Ok(_)) => return Err("host range must have begin <= end".into()),
            _ => return Err(format!("host range {bounds:?} is neither numbers nor letters")),
        };
        if to - from > 1_000_000 {
            return Err("host range stands for more than a million hosts".into());
        }
        middle.extend((from..=to).step_by(step).map(|n| format!("{n:0width$}")));
    }
    let tails = expand(tail)?;
    Ok(middle.iter().flat_map(|m| tails.iter().map(move |t| format!("{head}{m}{t}"))).collect())
}

/// `host:2222`, `[::1]:22` -> address and port. Bare IPv6 addresses have no port.
pub fn split_port(pattern: &str) -> (&str, Option<u16>) {
    if let Some(rest) = pattern.strip_prefix('[')
        && let Some((inside, tail)) = rest.split_once(']')
    {
        // `[1:3].example.com` is a range, `[::1]:22` an address.
        if inside.matches(':').count() > 1 {
            return match tail.strip_prefix(':').and_then(|p| p.parse().ok()) {
                Some(port) => (inside, Some(port)),
                None if tail.is_empty() => (inside, None),
                None => (pattern, None),
            };
        }
    }
    let outside_brackets = pattern.rfind(']').map_or(0, |at| at + 1);
    match pattern[outside_brackets..].split_once(':') {
        Some((host, port)) if !port.contains(':') => match port.parse() {
            Ok(number) => (&pattern[..outside_brackets + host.len()], Some(number)),
            Err(_) => (pattern, None),
        },
        _ => (pattern, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(expand("web[01:03].x").unwrap(), ["web01.x", "web02.x", "web03.x"]);
        assert_eq!(expand("w[1:5:2]").unwrap(), ["w1", "w3", "w5"]);
        assert_eq!(expand("d[a:b][1:2]").unwrap(), ["da1", "da2", "db1", "db2"]);
        assert_eq!(expand("plain").unwrap(), ["plain"]);
        assert!(expand("x[3:1]").is_err());
        assert!(expand("x[01:3]").is_err());
    }

    #[test]
    fn ports() {
        assert_eq!(split_port("h:22"), ("h", Some(22)));
        assert_eq!(split_port("h"), ("h", None));
        assert_eq!(split_port("[::1]:22"), ("::1", Some(22)));
        assert_eq!(split_port("fe80::1"), ("fe80::1", None));
        assert_eq!(split_port("w[1:3]:2222"), ("w[1:3]", Some(2222)));
        assert_eq!(split_port("w[1:3].x"), ("w[1:3].x", None));
    }
}
