//! Requests and certificates by the openssl program: what they hold, as text that can be compared, and the values that results
//! name. Passphrases go through the environment of that one process.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail};
use crate::sys::run::Ran;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Runs openssl with a passphrase in its environment (`-passin env:IMGBUILD_PASSPHRASE`).
pub fn openssl<S: AsRef<str>>(ctx: &Ctx, passphrase: &str, words: &[S]) -> Result<Ran, Fail> {
    let words = words.iter().map(|w| w.as_ref().to_string());
    ctx.cmd(ctx.need("openssl")?).args(words).env("IMGBUILD_PASSPHRASE", passphrase).english().run()
}

/// As [`openssl`]; a failure names what was being done.
pub fn must<S: AsRef<str>>(ctx: &Ctx, passphrase: &str, words: &[S], what: &str) -> Result<String, Fail> {
    let ran = openssl(ctx, passphrase, words)?;
    if ran.ok() { Ok(ran.stdout) } else { Err(ran.fail(format!("{what}: {}", ran.complaint()))) }
}

/// Files that are gone with the value.
pub struct Temps<'a> {
    ctx: &'a Ctx,
    files: Vec<PathBuf>,
}

impl<'a> Temps<'a> {
    /// None yet.
    pub fn new(ctx: &'a Ctx) -> Self {
        Temps { ctx, files: Vec::new() }
    }

    /// A name for a file that is not there yet.
    pub fn name(&mut self) -> Result<String, Fail> {
        let path = self.ctx.temp()?;
        self.files.push(path.clone());
        Ok(path.to_string_lossy().into_owned())
    }

    /// A file with this content that nobody else reads.
    pub fn file(&mut self, content: &str) -> Result<String, Fail> {
        use std::io::Write;
        let name = self.name()?;
        let path = Path::new(&name);
        let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        made.and_then(|mut f| f.write_all(content.as_bytes())).at("can't write", path)?;
        Ok(name)
    }

    /// The file that one option names, or the content that another has.
    pub fn given(&mut self, path: &str, content: &str) -> Result<Option<String>, Fail> {
        match self.ctx.args.str(content).filter(|c| !c.is_empty()) {
            Some(text) => self.file(&text).map(Some),
            None => Ok(self.ctx.args.str(path).filter(|p| !p.is_empty())),
        }
    }
}

impl Drop for Temps<'_> {
    fn drop(&mut self) {
        for file in &self.files {
            let _ = std::fs::remove_file(file);
        }
    }
}

/// What a request or a certificate holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct About {
    /// `C = DE, O = x`, in its order.
    pub subject: String,
    /// Of a certificate.
    pub issuer: String,
    /// The public key, as openssl lists it.
    pub key: String,
    /// Extensions: name to `(critical, value)`, with lists in one order.
    pub extensions: BTreeMap<String, (bool, String)>,
    /// Serial number as hexadecimal digits.
    pub serial: String,
    /// `Nov 29 07:35:01 2026 GMT`.
    pub begin: String,
    /// As `begin`.
    pub end: String,
}

/// Reads `openssl req -text` or `openssl x509 -text`.
pub fn parse(text: &str) -> About {
    let mut about = About::default();
    let lines: Vec<&str> = text.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let after = |line: &str, name: &str| line.trim_start().strip_prefix(name).map(|rest| rest.trim().to_string());
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        let block = |from: usize| -> Vec<&str> {
            lines[from + 1..].iter().take_while(|l| indent(l) > indent(lines[from])).copied().collect()
        };
        if let Some(rest) = after(line, "Subject:") {
            about.subject = rest;
        } else if let Some(rest) = after(line, "Issuer:") {
            about.issuer = rest;
        } else if let Some(rest) = after(line, "Not Before:") {
            about.begin = rest;
        } else if let Some(rest) = after(line, "Not After :") {
            about.end = rest;
        } else if let Some(rest) = after(line, "Serial Number:") {
            let rest = if rest.is_empty() { lines.get(at + 1).map_or("", |l| l.trim()).to_string() } else { rest };
            // Short ones stand as `5 (0x5)`.
            let hex = rest.split_once("(0x").map_or(rest.as_str(), |(_, h)| h.trim_end_matches(')'));
            about.serial = hex.chars().filter(char::is_ascii_hexdigit).collect::<String>().to_lowercase();
        } else if line.trim() == "Subject Public Key Info:" {
            about.key = block(at).iter().map(|l| l.trim()).collect::<Vec<_>>().join("\n");
            at += block(at).len();
        } else if matches!(line.trim(), "Requested Extensions:" | "X509v3 extensions:") {
            let inside = block(at);
            let depth = inside.first().map_or(0, |l| indent(l));
            let mut name: Option<String> = None;
            for line in &inside {
                if indent(line) == depth {
                    let (word, rest) = line.trim().split_once(':').unwrap_or((line.trim(), ""));
                    about.extensions.insert(word.trim().to_string(), (rest.trim() == "critical", String::new()));
                    name = Some(word.trim().to_string());
                } else if let Some((_, value)) = name.as_ref().and_then(|n| about.extensions.get_mut(n)) {
                    if !value.is_empty() {
                        value.push('\n');
                    }
                    value.push_str(line.trim());
                }
            }
            at += inside.len();
        }
        at += 1;
    }
    for (name, (_, value)) in &mut about.extensions {
        if matches!(name.as_str(), "X509v3 Subject Alternative Name" | "X509v3 Extended Key Usage") {
            let mut parts: Vec<&str> = value.split(", ").collect();
            parts.sort_unstable();
            *value = parts.join(", ");
        }
    }
    about
}

impl About {
    /// Reads a request's file; `None`: it is none.
    pub fn request(ctx: &Ctx, path: &str) -> Result<Option<Self>, Fail> {
        Self::of(ctx, "req", path)
    }

    /// Reads a certificate's file; `None`: it is none.
    pub fn certificate(ctx: &Ctx, path: &str) -> Result<Option<Self>, Fail> {
        Self::of(ctx, "x509", path)
    }

    fn of(ctx: &Ctx, verb: &str, path: &str) -> Result<Option<Self>, Fail> {
        if !Path::new(path).exists() {
            return Ok(None);
        }
        let ran = openssl(ctx, "", &[verb, "-noout", "-text", "-in", path])?;
        Ok(ran.ok().then(|| parse(&ran.stdout)))
    }

    /// The extensions without some.
    pub fn extensions_but(&self, names: &[&str]) -> BTreeMap<&String, &(bool, String)> {
        self.extensions.iter().filter(|(n, _)| !names.contains(&n.as_str())).collect()
    }

    /// An extension's value.
    pub fn extension(&self, name: &str) -> Option<&str> {
        self.extensions.get(name).map(|(_, v)| v.as_str())
    }

    /// For diffs.
    pub fn shown(&self) -> Value {
        let extensions: serde_json::Map<String, Value> = self
            .extensions
            .iter()
            .map(|(name, (critical, value))| (name.clone(), json!({"critical": critical, "value": value})))
            .collect();
        let mut out = json!({"subject": self.subject, "extensions": extensions});
        for (name, value) in [("issuer", &self.issuer), ("not_before", &self.begin), ("not_after", &self.end)] {
            if !value.is_empty() {
                out[name] = value.as_str().into();
            }
        }
        out
    }
}

/// The public key of a private key's file, as PEM.
pub fn public_key(ctx: &Ctx, path: &str, passphrase: &str) -> Result<String, Fail> {
    let words = ["pkey", "-pubout", "-passin", "env:IMGBUILD_PASSPHRASE", "-in", path];
    must(ctx, passphrase, &words, &format!("can't read the private key {path}"))
}

/// A whole number of hexadecimal digits as decimal ones: serial numbers have up to 160 bits.
pub fn decimal(hex: &str) -> String {
    let mut digits: Vec<u32> = vec![0];
    for c in hex.chars() {
        let mut carry = c.to_digit(16).unwrap_or(0);
        for digit in &mut digits {
            let value = *digit * 16 + carry;
            *digit = value % 10;
            carry = value / 10;
        }
        while carry > 0 {
            digits.push(carry % 10);
            carry /= 10;
        }
    }
    digits.iter().rev().map(|d| char::from(b'0' + *d as u8)).collect()
}

const MONTHS: &[&str] = &["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `Nov 29 07:35:01 2026 GMT` as `20261129073501Z`.
pub fn stamp(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [month, day, time, year, ..] = words.as_slice() else { return text.to_string() };
    let month = MONTHS.iter().position(|m| m == month).unwrap_or_default() + 1;
    format!("{year}{month:02}{day:0>2}{}Z", time.replace(':', ""))
}

/// A moment: `+32w1d2h3m4s` from now, `-…` before, or `YYYYMMDDHHMMSSZ`.
pub fn moment(text: &str, now: i64) -> Option<String> {
    if text.len() == 15 && text.ends_with('Z') && text[..14].chars().all(|c| c.is_ascii_digit()) {
        return Some(text.to_string());
    }
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+')?),
    };
    let mut seconds = 0i64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let count: i64 = rest[..digits].parse().ok()?;
        let unit = match rest.as_bytes()[digits] {
            b'w' => 604_800,
            b'd' => 86_400,
            b'h' => 3600,
            b'm' => 60,
            b's' => 1,
            _ => return None,
        };
        seconds = seconds.checked_add(count.checked_mul(unit)?)?;
        rest = &rest[digits + 1..];
    }
    Some(crate::sys::clock::format_utc(now.checked_add(sign * seconds)?, "%Y%m%d%H%M%SZ"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_moments() {
        assert_eq!(
            decimal("1f7c15ba6839c6c68334b2d73ff099c20a380d56"),
            "179745899089221340907963354360124729712279293270"
        );
        assert_eq!((decimal("0").as_str(), decimal("ff").as_str()), ("0", "255"));
        assert_eq!(stamp("Nov  9 07:35:01 2026 GMT"), "20261109073501Z");
        for (text, want) in [
            ("+1d", Some("19700102000000Z")),
            ("+1w2h3m4s", Some("19700108020304Z")),
            ("-1s", Some("19691231235959Z")),
            ("20300101000000Z", Some("20300101000000Z")),
            ("+1x", None),
            ("1d", None),
        ] {
            assert_eq!(moment(text, 0).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn texts_are_read() {
        let text = "Certificate:\n    Data:\n        Serial Number:\n            1f:7c\n        Issuer: O = O\n        Validity\n            Not Before: Nov 29 07:35:01 2026 GMT\n            Not After : Nov 26 07:35:01 2036 GMT\n        Subject: O = O, CN = a\n        Subject Public Key Info:\n            Public Key Algorithm: x\n                pub:\n                    00:af\n        X509v3 extensions:\n            X509v3 Subject Alternative Name: \n                DNS:c, DNS:b\n            X509v3 Key Usage: critical\n                Digital Signature\n    Signature Algorithm: x\n         4f\n";
        let about = parse(text);
        assert_eq!(
            (about.subject.as_str(), about.issuer.as_str(), about.serial.as_str()),
            ("O = O, CN = a", "O = O", "1f7c")
        );
        assert_eq!(about.key, "Public Key Algorithm: x\npub:\n00:af");
        assert_eq!(about.extension("X509v3 Subject Alternative Name"), Some("DNS:b, DNS:c"));
        assert_eq!(about.extensions["X509v3 Key Usage"], (true, "Digital Signature".into()));
        assert_eq!(about.extensions.len(), 2);
        let request = parse(
            "Certificate Request:\n    Data:\n        Version: 1 (0x0)\n        Subject: CN = a\n        Attributes:\n            Requested Extensions:\n                X509v3 Basic Constraints: \n                    CA:TRUE\n    Signature Algorithm: x\n",
        );
        assert_eq!(request.extension("X509v3 Basic Constraints"), Some("CA:TRUE"));
    }
}
