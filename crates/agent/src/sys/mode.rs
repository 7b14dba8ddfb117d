//! File modes: octal and symbolic, as chmod and Ansible read them.

use serde_json::Value;
use std::sync::OnceLock;

/// A wanted mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModeSpec {
    /// Bits.
    Bits(u32),
    /// `u=rwX,g+s,o-w`.
    Symbolic(String),
}

/// The process's umask, read once.
pub fn umask() -> u32 {
    static UMASK: OnceLock<u32> = OnceLock::new();
    *UMASK.get_or_init(|| {
        let old = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        rustix::process::umask(old);
        old.bits()
    })
}

impl ModeSpec {
    /// Reads a `mode` argument: a number is bits, text is octal or symbolic. The error is for people.
    pub fn parse(value: &Value) -> Result<Self, String> {
        let text = match value {
            Value::Number(n) => return n.as_u64().map(|n| ModeSpec::Bits(n as u32)).ok_or_else(|| bad(&n.to_string())),
            Value::String(s) => s.trim().to_string(),
            other => return Err(bad(&other.to_string())),
        };
        if !text.is_empty() && text.chars().all(|c| c.is_digit(8)) {
            return u32::from_str_radix(&text, 8).map(ModeSpec::Bits).map_err(|_| bad(&text));
        }
        if let Some(octal) = text.strip_prefix("0o") {
            return u32::from_str_radix(octal, 8).map(ModeSpec::Bits).map_err(|_| bad(&text));
        }
        apply_symbolic(&text, 0, false, 0)?;
        Ok(ModeSpec::Symbolic(text))
    }

    /// The mode's bits for a file that has `current` bits now.
    pub fn resolve(&self, current: u32, directory: bool) -> u32 {
        match self {
            ModeSpec::Bits(bits) => *bits,
            ModeSpec::Symbolic(text) => apply_symbolic(text, current, directory, umask()).unwrap_or(current),
        }
    }
}

fn bad(text: &str) -> String {
    format!("{text} is no mode")
}

fn apply_symbolic(text: &str, current: u32, directory: bool, umask: u32) -> Result<u32, String> {
    let mut mode = current & 0o7777;
    for clause in text.split(',') {
        let ops_at =
            clause.find(['+', '-', '=']).ok_or_else(|| format!("bad symbolic permission for mode: {clause}"))?;
        let (who, mut rest) = clause.split_at(ops_at);
        // Everybody, or some of the three.
        if who != "a" && !who.chars().all(|c| "ugo".contains(c)) {
            return Err(format!("bad symbolic permission for mode: {clause}"));
        }
        let use_umask = who.is_empty();
        let who = if who.is_empty() || who.contains('a') { "ugo" } else { who };
        while let Some(op) = rest.chars().next() {
            rest = &rest[1..];
            let end = rest.find(['+', '-', '=']).unwrap_or(rest.len());
            let perms = &rest[..end];
            rest = &rest[end..];
            if !perms.chars().all(|c| "rwxXstugo".contains(c)) {
                return Err(format!("bad symbolic permission for mode: {clause}"));
            }
            for user in who.chars() {
                let (shift, special) = match user {
                    'u' => (6, 0o4000),
                    'g' => (3, 0o2000),
                    _ => (0, 0o1000),
                };
                let mut bits = 0;
                for perm in perms.chars() {
                    bits |= match perm {
                        'r' => 4 << shift,
                        'w' => 2 << shift,
                        'x' => 1 << shift,
                        'X' if directory || mode & 0o111 != 0 => 1 << shift,
                        's' if user != 'o' => special,
                        't' if user == 'o' => special,
                        'u' => (mode >> 6 & 7) << shift,
                        'g' => (mode >> 3 & 7) << shift,
                        'o' => (mode & 7) << shift,
                        _ => 0,
                    };
                }
                if use_umask {
                    bits &= !umask;
                }
                mode = match op {
                    '+' => mode | bits,
                    '-' => mode & !bits,
                    _ => mode & !(7 << shift | special) | bits,
                };
            }
        }
    }
    Ok(mode)
}

/// A mode as Ansible shows it: `0644`, `01777`.
pub fn show(mode: u32) -> String {
    format!("0{:03o}", mode & 0o7777)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn modes() {
        for (spec, current, directory, want) in [
            (json!("0644"), 0, false, 0o644),
            (json!(420), 0, false, 0o644),
            (json!("1777"), 0, true, 0o1777),
            (json!("u=rwx,g=rx,o="), 0o666, false, 0o750),
            (json!("a+X"), 0o644, false, 0o644),
            (json!("a+X"), 0o644, true, 0o755),
            (json!("u+X"), 0o654, false, 0o754),
            (json!("go-w"), 0o666, false, 0o644),
            (json!("g=u"), 0o740, false, 0o770),
            (json!("u+s,o+t"), 0o755, false, 0o5755),
            (json!("ug+rw-x"), 0o711, false, 0o661),
            (json!("o-rwx"), 0o777, false, 0o770),
            (json!("=r"), 0o777, false, 0o444 & !umask()),
        ] {
            assert_eq!(ModeSpec::parse(&spec).unwrap().resolve(current, directory), want, "{spec}");
        }
        for spec in [json!("u+q"), json!("rwx"), json!("z=r"), json!("ao=r"), json!("98"), json!([1])] {
            assert!(ModeSpec::parse(&spec).is_err(), "{spec}");
        }
        assert_eq!((show(0o644), show(0o1777)), ("0644".into(), "01777".into()));
    }
}
