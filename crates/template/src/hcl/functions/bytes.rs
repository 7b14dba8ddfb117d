//! Encodings of bytes: base64, gzip, percent signs, other character sets.

use super::{Call, FunctionError, Kind, Spec, p};
use crate::hcl::value::Value;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use encoding_rs::Encoding;
use std::fmt::Write as _;
use std::io::Write as _;

type Result = std::result::Result<Value, FunctionError>;

pub(super) const FUNCTIONS: &[Spec] = &[
    Spec::new("base64decode", &[p("str", Kind::String)], Kind::String, base64decode),
    Spec::new("base64encode", &[p("str", Kind::String)], Kind::String, |c| Ok(STANDARD.encode(c.text(0)).into())),
    Spec::new("base64gzip", &[p("str", Kind::String)], Kind::String, base64gzip),
    Spec::new("textdecodebase64", &[p("source", Kind::String), p("encoding", Kind::String)], Kind::String, textdecode),
    Spec::new("textencodebase64", &[p("string", Kind::String), p("encoding", Kind::String)], Kind::String, textencode),
    Spec::new("urlencode", &[p("str", Kind::String)], Kind::String, |c| Ok(urlencode(c.text(0)).into())),
];

/// Line ends in base64 are passed over, as Go does.
fn decode(text: &str) -> Option<Vec<u8>> {
    let dense: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    STANDARD.decode(dense).ok()
}

fn base64decode(c: &Call<'_>) -> Result {
    let Some(bytes) = decode(c.text(0)) else {
        return c.bad(0, "this is not base64");
    };
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.into()),
        Err(_) => c.bad(0, "the decoded bytes are not UTF-8"),
    }
}

fn base64gzip(c: &Call<'_>) -> Result {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    match packer.write_all(c.text(0).as_bytes()).and_then(|()| packer.finish()) {
        Ok(bytes) => Ok(STANDARD.encode(bytes).into()),
        Err(error) => c.fail(format!("the text can't be compressed: {error}")),
    }
}

/// As in the query of an URL: a blank is `+`.
fn urlencode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte as char),
            b' ' => out.push('+'),
            other => {
                let _ = write!(out, "%{other:02X}");
            }
        }
    }
    out
}

/// What the two functions for character sets know: UTF-16 in its three forms, which the web's list reads but doesn't write, and
/// the web's list.
enum Charset {
    Utf16 { big: bool, mark: bool },
    Latin1,
    Other(&'static Encoding),
}

fn charset(name: &str) -> Option<Charset> {
    match name.to_ascii_lowercase().as_str() {
        "utf-16" | "csutf16" => Some(Charset::Utf16 { big: true, mark: true }),
        "utf-16le" | "csutf16le" => Some(Charset::Utf16 { big: false, mark: false }),
        "utf-16be" | "csutf16be" => Some(Charset::Utf16 { big: true, mark: false }),
        "iso-8859-1" | "latin1" | "iso8859-1" | "iso_8859-1" | "l1" | "ibm819" | "cp819" => Some(Charset::Latin1),
        other => Encoding::for_label_no_replacement(other.as_bytes()).map(Charset::Other),
    }
}

fn textencode(c: &Call<'_>) -> Result {
    let (text, name) = (c.text(0), c.text(1));
    let foreign = || c.bad(0, format!("the text has characters that {name} can't represent"));
    let bytes = match charset(name) {
        None => return c.bad(1, format!("\"{name}\" is not a character set that is known here")),
        Some(Charset::Utf16 { big, mark }) => {
            let units = mark.then_some(0xfeff_u16).into_iter().chain(text.encode_utf16());
            units.flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
        }
        Some(Charset::Latin1) => {
            let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
            match bytes {
                Some(bytes) => bytes,
                None => return foreign(),
            }
        }
        Some(Charset::Other(encoding)) => match encoding.encode(text) {
            (bytes, _, false) => bytes.into_owned(),
            _ => return foreign(),
        },
    };
    Ok(STANDARD.encode(bytes).into())
}

fn textdecode(c: &Call<'_>) -> Result {
    let name = c.text(1);
    let Some(charset) = charset(name) else {
        return c.bad(1, format!("\"{name}\" is not a character set that is known here"));
    };
    let Some(bytes) = decode(c.text(0)) else {
        return c.bad(0, "this is not base64");
    };
    let text = match charset {
        Charset::Latin1 => Some(bytes.iter().map(|b| char::from(*b)).collect()),
        Charset::Utf16 { big, mark } => utf16(&bytes, big, mark),
        Charset::Other(encoding) => match encoding.decode_without_bom_handling(&bytes) {
            (text, false) => Some(text.into_owned()),
            _ => None,
        },
    };
    match text {
        Some(text) => Ok(text.into()),
        None => c.bad(0, format!("the text has bytes that stand for nothing in {name}")),
    }
}

fn utf16(bytes: &[u8], mut big: bool, mark: bool) -> Option<String> {
    let mut bytes = bytes;
    if mark && let [first @ (0xfe | 0xff), second, rest @ ..] = bytes {
        match (first, second) {
            (0xfe, 0xff) => (big, bytes) = (true, rest),
            (0xff, 0xfe) => (big, bytes) = (false, rest),
            _ => {}
        }
    }
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|pair| if big { u16::from_be_bytes([pair[0], pair[1]]) } else { u16::from_le_bytes([pair[0], pair[1]]) })
        .collect();
    String::from_utf16(&units).ok()
}
