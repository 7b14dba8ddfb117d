//! Text in other encodings than UTF-8, by the names that Python's codecs have.

use encoding_rs::{Encoding, UTF_8};

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Codec {
    Utf8 {
        mark: bool,
    },
    Utf16 {
        big: bool,
        mark: bool,
    },
    /// Code points up to this one stand for themselves.
    Direct(u32),
    Table(&'static Encoding),
}

fn codec(name: &str) -> Result<Codec, String> {
    let plain = name.trim().to_lowercase().replace(['_', ' '], "-");
    Ok(match plain.as_str() {
        "utf-8" | "utf8" | "u8" | "utf" => Codec::Utf8 { mark: false },
        "utf-8-sig" => Codec::Utf8 { mark: true },
        "utf-16" | "utf16" | "u16" => Codec::Utf16 { big: false, mark: true },
        "utf-16-le" | "utf-16le" => Codec::Utf16 { big: false, mark: false },
        "utf-16-be" | "utf-16be" => Codec::Utf16 { big: true, mark: false },
        "ascii" | "us-ascii" | "646" => Codec::Direct(0x7f),
        "latin-1" | "latin1" | "l1" | "latin" | "iso-8859-1" | "iso8859-1" | "8859" | "cp819" => Codec::Direct(0xff),
        other => {
            let label = match other.strip_prefix("cp").filter(|n| n.len() == 4 && n.starts_with("12")) {
                Some(page) => format!("windows-{page}"),
                None => other.replace("latin-9", "iso-8859-15"),
            };
            let found = Encoding::for_label(label.as_bytes()).filter(|e| *e != UTF_8);
            Codec::Table(found.ok_or_else(|| format!("unknown encoding: {name}"))?)
        }
    })
}

/// Bytes in an encoding; the error is for people.
pub fn encode(text: &str, name: &str) -> Result<Vec<u8>, String> {
    let cannot = |c: char| format!("'{name}' codec can't encode character {c:?}");
    let mut out = Vec::with_capacity(text.len());
    match codec(name)? {
        Codec::Utf8 { mark } => {
            out.extend(if mark { "\u{feff}" } else { "" }.bytes());
            out.extend(text.bytes());
        }
        Codec::Utf16 { big, mark } => {
            let units = mark.then_some(0xfeff).into_iter().chain(text.encode_utf16());
            out.extend(units.flat_map(|u| if big { u.to_be_bytes() } else { u.to_le_bytes() }));
        }
        Codec::Direct(last) => {
            for c in text.chars() {
                let code = u8::try_from(u32::from(c)).ok().filter(|b| u32::from(*b) <= last);
                out.push(code.ok_or_else(|| cannot(c))?);
            }
        }
        Codec::Table(encoding) => {
            for c in text.chars() {
                let mut one = [0; 4];
                let (bytes, _, failed) = encoding.encode(c.encode_utf8(&mut one));
                if failed {
                    return Err(cannot(c));
                }
                out.extend_from_slice(&bytes);
            }
        }
    }
    Ok(out)
}

/// Text from bytes in an encoding; the error is for people.
pub fn decode(bytes: &[u8], name: &str) -> Result<String, String> {
    let cannot = || format!("'{name}' codec can't decode the file");
    match codec(name)? {
        Codec::Utf8 { mark } => {
            let bytes = if mark { bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes) } else { bytes };
            String::from_utf8(bytes.to_vec()).map_err(|_| cannot())
        }
        Codec::Utf16 { big, mark } => {
            let (big, bytes) = match bytes {
                [0xff, 0xfe, rest @ ..] if mark => (false, rest),
                [0xfe, 0xff, rest @ ..] if mark => (true, rest),
                _ => (big, bytes),
            };
            let (pairs, rest) = bytes.as_chunks::<2>();
            let units = pairs.iter().map(|p| if big { u16::from_be_bytes(*p) } else { u16::from_le_bytes(*p) });
            let text: Result<String, _> = char::decode_utf16(units).collect();
            text.ok().filter(|_| rest.is_empty()).ok_or_else(cannot)
        }
        Codec::Direct(last) => {
            if bytes.iter().any(|b| u32::from(*b) > last) {
                return Err(cannot());
            }
            Ok(bytes.iter().map(|b| char::from(*b)).collect())
        }
        Codec::Table(encoding) => {
            let text = encoding.decode_without_bom_handling_and_without_replacement(bytes);
            text.map(std::borrow::Cow::into_owned).ok_or_else(cannot)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for (name, text, bytes) in [
            ("utf-8", "é€", "é€".as_bytes()),
            ("UTF_8_sig", "é", b"\xef\xbb\xbf\xc3\xa9"),
            ("utf-16", "a€", b"\xff\xfea\0\xac\x20"),
            ("utf-16-be", "a", b"\0a"),
            ("latin-1", "é\u{80}", b"\xe9\x80"),
            ("windows-1252", "€", b"\x80"),
            ("cp1251", "Я", b"\xdf"),
            ("iso-8859-15", "€", b"\xa4"),
            ("gbk", "你", b"\xc4\xe3"),
            ("ascii", "a", b"a"),
        ] {
            assert_eq!(encode(text, name).as_deref(), Ok(bytes), "{name}");
            assert_eq!(decode(bytes, name).as_deref(), Ok(text), "{name}");
        }
        assert!(encode("€", "latin-1").is_err() && encode("é", "ascii").is_err() && encode("你", "cp1252").is_err());
        assert!(decode(b"\xff", "utf-8").is_err() && decode(b"a", "utf-16").is_err());
        assert_eq!(encode("", "idontexist"), Err("unknown encoding: idontexist".into()));
    }
}
