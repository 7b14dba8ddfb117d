//! Base64 and character sets.

use super::{Call, Table, refuse};
use crate::eval::fail;
use crate::val::{R, Val};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

pub(super) const TABLE: Table = &[("b64decode", b64decode), ("b64encode", b64encode)];

/// Text as bytes of an encoding.
pub(crate) fn encode(text: &str, encoding: &str, errors: &str) -> R<Vec<u8>> {
    let limit = match normal(encoding).as_str() {
        "utf8" => return Ok(text.as_bytes().to_vec()),
        "utf16le" => return Ok(text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        "utf16be" => return Ok(text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        "utf16" => return Ok([0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect()),
        "utf32le" => return Ok(text.chars().flat_map(|c| (c as u32).to_le_bytes()).collect()),
        "ascii" | "usascii" => 0x80,
        "latin1" | "iso88591" => 0x100,
        _ => return Err(fail(format!("unknown encoding: {encoding}"))),
    };
    let mut out = Vec::with_capacity(text.len());
    for c in text.chars() {
        match ((c as u32) < limit, errors) {
            (true, _) => out.push(c as u32 as u8),
            (false, "ignore") => {}
            (false, "replace") => out.push(b'?'),
            (false, "xmlcharrefreplace") => out.extend(format!("&#{};", c as u32).bytes()),
            (false, "backslashreplace") => out.extend(c.escape_unicode().to_string().bytes()),
            _ => {
                return Err(fail(format!(
                    "'{encoding}' codec can't encode character '{}': ordinal not in range({limit})",
                    c.escape_unicode()
                )));
            }
        }
    }
    Ok(out)
}

/// Bytes of an encoding as text.
pub(crate) fn decode(bytes: &[u8], encoding: &str, errors: &str) -> R<String> {
    let utf16 = |be: bool, bytes: &[u8]| {
        let units = bytes.chunks(2).map(|p| {
            let pair = [p[0], *p.get(1).unwrap_or(&0)];
            if be { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
        });
        char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect::<String>()
    };
    let limit = match normal(encoding).as_str() {
        "utf8" => {
            return match (std::str::from_utf8(bytes), errors) {
                (Ok(text), _) => Ok(text.to_owned()),
                (Err(_), "ignore") => Ok(bytes.utf8_chunks().map(|chunk| chunk.valid()).collect()),
                // Ansible keeps such bytes as surrogates, which no text of ours can hold.
                (Err(_), "replace" | "surrogate_or_strict" | "surrogateescape") => {
                    Ok(String::from_utf8_lossy(bytes).into_owned())
                }
                (Err(e), _) => Err(fail(format!(
                    "'utf-8' codec can't decode byte 0x{:02x} in position {}: invalid start byte",
                    bytes.get(e.valid_up_to()).unwrap_or(&0),
                    e.valid_up_to()
                ))),
            };
        }
        "utf16le" => return Ok(utf16(false, bytes)),
        "utf16be" => return Ok(utf16(true, bytes)),
        "utf16" => {
            return Ok(match bytes {
                [0xfe, 0xff, rest @ ..] => utf16(true, rest),
                [0xff, 0xfe, rest @ ..] => utf16(false, rest),
                rest => utf16(false, rest),
            });
        }
        "ascii" | "usascii" => 0x80,
        "latin1" | "iso88591" => 0x100,
        _ => return Err(fail(format!("unknown encoding: {encoding}"))),
    };
    let mut out = String::new();
    for (i, b) in bytes.iter().enumerate() {
        match (u32::from(*b) < limit, errors) {
            (true, _) => out.push(char::from(*b)),
            (false, "ignore") => {}
            (false, "replace") => out.push('\u{fffd}'),
            _ => {
                return Err(fail(format!(
                    "'{encoding}' codec can't decode byte 0x{b:02x} in position {i}: ordinal not in range({limit})"
                )));
            }
        }
    }
    Ok(out)
}

fn normal(encoding: &str) -> String {
    encoding.to_lowercase().chars().filter(|c| c.is_ascii_alphanumeric()).collect()
}

/// Bytes as they are, anything else as UTF-8 text.
pub(crate) fn bytes(c: &Call<'_, '_>) -> R<Vec<u8>> {
    match &c.input {
        Val::Bytes(b) => Ok(b.to_vec()),
        other => Ok(c.cx.text(other)?.into_bytes()),
    }
}

fn b64encode(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["encoding", "urlsafe"])?;
    let encoding = bound.text_or(0, "utf-8");
    let raw = match &c.input {
        Val::Bytes(b) => b.to_vec(),
        other => encode(&c.cx.text(other)?, &encoding, "strict")?,
    };
    Ok(Val::str(if bound.flag(1, false) {
        base64::engine::general_purpose::URL_SAFE.encode(raw)
    } else {
        base64::engine::general_purpose::STANDARD.encode(raw)
    }))
}

/// Python drops characters that are not in the alphabet.
fn b64decode(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["encoding", "urlsafe"])?;
    let urlsafe = bound.flag(1, false);
    let text = c.text()?;
    let in_alphabet = |ch: &char| {
        ch.is_ascii_alphanumeric() || *ch == '=' || if urlsafe { "-_".contains(*ch) } else { "+/".contains(*ch) }
    };
    let kept: String = text.chars().filter(in_alphabet).collect();
    // What follows the padding is not read.
    let end = kept.find('=').unwrap_or(kept.len());
    let data = &kept[..end];
    match data.len() % 4 {
        0 => {}
        1 => {
            return refuse(format!(
                "Invalid base64-encoded string: number of data characters ({}) cannot be 1 more than a multiple of 4",
                data.len()
            ));
        }
        rest if kept.len() - end < 4 - rest => return refuse("Incorrect padding"),
        _ => {}
    }
    let config = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet = if urlsafe { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
    let raw = GeneralPurpose::new(alphabet, config).decode(data).map_err(|e| fail(e.to_string()))?;
    decode(&raw, &bound.text_or(0, "utf-8"), "surrogateescape").map(Val::str)
}
