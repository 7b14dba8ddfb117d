//! User data: the template's own, joined with a part that installs the host key we chose, so that the instance is known before
//! the first connection.
//!
//! cloud-init takes several parts as MIME; formats that it does not know (Ignition, Windows, TOML) are left as they are, and
//! the host key is then read from the console output.

use crate::private_key::KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use imgbuild_diag::Secret;
use std::borrow::Cow;
use std::io::{Read as _, Write as _};

/// EC2's limit, before base64.
pub const LIMIT: usize = 16 * 1024;

/// How gzip's files begin.
const GZIP: &[u8] = &[0x1f, 0x8b];

/// What goes into RunInstances.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Base64; none: no user data.
    pub encoded: Option<Secret>,
    /// The host key is in it; if not, why.
    pub host_key: Result<(), &'static str>,
}

/// The bytes that Packer would send: text that is base64 already is sent as it is, so it stands for what it encodes.
pub fn decode(text: &[u8]) -> Vec<u8> {
    // Go's StdEncoding skips line ends.
    let compact: Vec<u8> = text.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    match STANDARD.decode(&compact) {
        Ok(bytes) => bytes,
        Err(_) => text.to_vec(),
    }
}

/// Joins the user's data with the host key. `own` is empty where the template has none.
pub fn prepare(own: &[u8], host_key: Option<&KeyPair>) -> Prepared {
    let plain =
        |why| Prepared { encoded: (!own.is_empty()).then(|| Secret::new(STANDARD.encode(own))), host_key: Err(why) };
    let Some(host_key) = host_key else { return plain("no host key was made") };
    let ours = cloud_config(host_key);
    let joined = if own.is_empty() {
        ours.into_bytes()
    } else {
        if mentions_host_keys(own) {
            return plain("the template's own user data sets the host keys");
        }
        match part(own) {
            Some(part) => multipart(&ours, &part),
            None => return plain("the template's user data is in a format that cloud-init can't join with another"),
        }
    };
    let joined = if joined.len() > LIMIT { gzip(&joined) } else { joined };
    if joined.len() > LIMIT {
        return plain("the template's user data leaves no room for a host key");
    }
    Prepared { encoded: Some(Secret::new(STANDARD.encode(joined))), host_key: Ok(()) }
}

fn cloud_config(key: &KeyPair) -> String {
    let mut text = String::from("#cloud-config\nssh_deletekeys: true\nssh_keys:\n  ecdsa_private: |\n");
    for line in key.private.expose().lines() {
        text.push_str("    ");
        text.push_str(line);
        text.push('\n');
    }
    text.push_str("  ecdsa_public: ");
    text.push_str(&key.public);
    text.push('\n');
    text
}

/// Whether the user's own data sets host keys: theirs would take the place of ours, for what comes later wins.
fn mentions_host_keys(own: &[u8]) -> bool {
    let own = unpacked(own);
    let text = String::from_utf8_lossy(&own);
    if sets_host_keys(&text) {
        return true;
    }
    // Parts of a message may be in base64.
    let bodies = text.split("\n\n").filter_map(|rest| {
        let body: String = rest.split("\n--").next().unwrap_or(rest).split_whitespace().collect();
        STANDARD.decode(body).ok()
    });
    bodies.map(|body| unpacked(&body).into_owned()).any(|body| sets_host_keys(&String::from_utf8_lossy(&body)))
}

/// `ssh_keys:` as a key, in block or in flow style.
fn sets_host_keys(text: &str) -> bool {
    const KEY: &str = "ssh_keys";
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines.into_iter().any(|line| {
        line.match_indices(KEY).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let after = line[at + KEY.len()..].trim_start_matches(['"', '\'']).trim_start();
            before.is_none_or(|c| c.is_whitespace() || "{,\"'".contains(c)) && after.starts_with(':')
        })
    })
}

/// What gzip packed, as far as cloud-init's own limit for user data lets it matter; anything else as it is.
fn unpacked(bytes: &[u8]) -> Cow<'_, [u8]> {
    if !bytes.starts_with(GZIP) {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::new();
    match GzDecoder::new(bytes).take(4 << 20).read_to_end(&mut out) {
        Ok(_) if out.len() < 4 << 20 => Cow::Owned(out),
        _ => Cow::Borrowed(bytes),
    }
}

/// A body part, headers included, for data that cloud-init knows by its first bytes.
fn part(own: &[u8]) -> Option<Vec<u8>> {
    const KINDS: [(&str, &str); 9] = [
        ("#cloud-config-archive", "text/cloud-config-archive"),
        ("#cloud-config", "text/cloud-config"),
        ("#!", "text/x-shellscript"),
        ("#include-once", "text/x-include-once-url"),
        ("#include", "text/x-include-url"),
        ("#cloud-boothook", "text/cloud-boothook"),
        ("#upstart-job", "text/upstart-job"),
        ("#part-handler", "text/part-handler"),
        ("## template: jinja", "text/jinja2"),
    ];
    // The whole is packed again where that is needed.
    let own = &*unpacked(own);
    let text = std::str::from_utf8(own).ok()?;
    if let Some(message) = message(text) {
        return Some(message.as_bytes().to_vec());
    }
    let start = text.trim_start();
    let (_, mime) = KINDS.iter().find(|(mark, _)| start.starts_with(mark))?;
    let mime = format!("{mime}; charset=\"utf-8\"");
    if !start.is_ascii() {
        // What is not ASCII does not survive cloud-init's reading of 8bit parts: "é" would become one byte.
        return Some(encoded(&mime, start.as_bytes()));
    }
    let headers = format!("Content-Type: {mime}\nMIME-Version: 1.0\nContent-Transfer-Encoding: 7bit\n\n");
    Some([headers.as_bytes(), start.as_bytes()].concat())
}

/// A message of several parts has headers of its own: it is a part like any other. Mail programs put a line before them.
fn message(text: &str) -> Option<&str> {
    let start = text.trim_start();
    let start = match start.strip_prefix("From ") {
        Some(rest) => rest.split_once('\n').map_or("", |(_, headers)| headers),
        None => start,
    };
    let head = start.split("\n\n").next().unwrap_or(start).split("\r\n\r\n").next().unwrap_or(start);
    let is_header =
        |line: &str| line.split_once(':').is_some_and(|(name, _)| name.bytes().all(|b| b.is_ascii_graphic()));
    let lower = head.to_ascii_lowercase();
    let is_message = head.lines().next().is_some_and(is_header)
        && !head.starts_with('#')
        && lower.lines().any(|l| l.starts_with("content-type: multipart/") || l.starts_with("mime-version:"));
    is_message.then_some(start)
}

/// A part in base64.
fn encoded(mime: &str, bytes: &[u8]) -> Vec<u8> {
    let mut out =
        format!("Content-Type: {mime}\nMIME-Version: 1.0\nContent-Transfer-Encoding: base64\n\n").into_bytes();
    for line in STANDARD.encode(bytes).as_bytes().chunks(76) {
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out
}

fn multipart(ours: &str, own: &[u8]) -> Vec<u8> {
    let mut boundary = String::from("==imgbuild-host-key==");
    while own.windows(boundary.len()).any(|w| w == boundary.as_bytes()) {
        boundary.push('=');
    }
    let mut out = format!(
        "Content-Type: multipart/mixed; boundary=\"{boundary}\"\nMIME-Version: 1.0\n\n--{boundary}\n\
         Content-Type: text/cloud-config; charset=\"utf-8\"\nMIME-Version: 1.0\n\n{ours}\n--{boundary}\n"
    )
    .into_bytes();
    out.extend_from_slice(own);
    out.extend_from_slice(format!("\n--{boundary}--\n").as_bytes());
    out
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // Writing to a Vec can't fail; if it did, what comes out is too long and not used.
    match encoder.write_all(bytes).and_then(|()| encoder.finish()) {
        Ok(packed) => packed,
        Err(_) => bytes.to_vec(),
    }
}

/// The host keys that cloud-init prints on the console between its marks, each as `type base64 comment`.
pub fn console_host_keys(console: &str) -> Vec<String> {
    let mut keys = Vec::new();
    let mut inside = false;
    for line in console.lines() {
        // Console lines may begin with a kernel or journal prefix.
        if line.contains("-----BEGIN SSH HOST KEY KEYS-----") {
            inside = true;
            keys.clear();
        } else if line.contains("-----END SSH HOST KEY KEYS-----") {
            inside = false;
        } else if inside && let Some(at) = ["ssh-", "ecdsa-", "sk-"].iter().filter_map(|mark| line.find(mark)).min() {
            keys.push(line[at..].trim().to_owned());
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::private_key::{Make, make};

    fn joined(own: &str) -> (String, Prepared) {
        let key = make(Make::EcdsaP256, "k").unwrap();
        let prepared = prepare(own.as_bytes(), Some(&key));
        let bytes = STANDARD.decode(prepared.encoded.as_ref().unwrap().expose()).unwrap();
        (String::from_utf8_lossy(&bytes).into_owned(), prepared)
    }

    #[test]
    fn alone_it_is_a_cloud_config() {
        let (text, prepared) = joined("");
        assert!(text.starts_with("#cloud-config\n") && text.contains("  ecdsa_public: ecdsa-sha2-nistp256 "));
        assert_eq!(prepared.host_key, Ok(()));
    }

    #[test]
    fn known_formats_become_parts() {
        for (own, mime) in [
            ("#!/bin/sh\necho hi\n", "text/x-shellscript"),
            ("#cloud-config\npackages: [vim]\n", "text/cloud-config"),
            ("#cloud-boothook\nx\n", "text/cloud-boothook"),
            ("Content-Type: multipart/mixed; boundary=\"b\"\n\n--b\n\n#!/bin/sh\n--b--\n", "boundary=\"b\""),
        ] {
            let (text, prepared) = joined(own);
            assert!(text.starts_with("Content-Type: multipart/mixed") && text.contains(mime), "{text}");
            assert!(text.contains(own.trim()), "{text}");
            assert_eq!(prepared.host_key, Ok(()));
        }
    }

    #[test]
    fn what_is_not_ascii_is_encoded() {
        let (text, _) = joined("#!/bin/sh\necho é\n");
        assert!(text.contains("base64") && text.contains(&STANDARD.encode("#!/bin/sh\necho é\n")), "{text}");
    }

    #[test]
    fn host_keys_of_the_users_own_are_seen_wherever_they_are() {
        let config = "#cloud-config\nssh_keys:\n  rsa_private: x\n";
        let message = format!(
            "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Transfer-Encoding: base64\n\n{}\n--b--\n",
            STANDARD.encode(config)
        );
        for (own, expected) in [
            (config.as_bytes().to_vec(), true),
            (b"#cloud-config\n{\"ssh_keys\": {\"rsa_private\": \"x\"}}\n".to_vec(), true),
            (gzip(config.as_bytes()), true),
            (message.into_bytes(), true),
            (b"#cloud-config\n# ssh_keys: none\nmy_ssh_keys: 1\n".to_vec(), false),
        ] {
            assert_eq!(mentions_host_keys(&own), expected, "{}", String::from_utf8_lossy(&own));
        }
    }

    #[test]
    fn others_are_left_alone() {
        for own in
            ["{\"ignition\":{}}", "<powershell>x</powershell>", "[settings]\na = 1", "#cloud-config\nssh_keys: {}\n"]
        {
            let (text, prepared) = joined(own);
            assert_eq!(text, own);
            assert!(prepared.host_key.is_err());
        }
        let (_, prepared) = joined(&format!("#!/bin/sh\n{}", "é".repeat(9000)));
        assert!(prepared.host_key.is_ok(), "compressed, it fits");
    }

    #[test]
    fn base64_is_recognised_as_go_does() {
        assert_eq!(decode(b"aGVs\nbG8="), b"hello");
        assert_eq!(decode(b"#!/bin/sh"), b"#!/bin/sh");
    }

    #[test]
    fn console_output_names_host_keys() {
        let console = "x\n-----BEGIN SSH HOST KEY KEYS-----\nssh-rsa AAAA root@h\n[  3.1] cloud-init[1]: ecdsa-sha2-nistp256 BBBB root@h\n-----END SSH HOST KEY KEYS-----\nssh-rsa nope\n";
        assert_eq!(console_host_keys(console), ["ssh-rsa AAAA root@h", "ecdsa-sha2-nistp256 BBBB root@h"]);
    }
}
