//! Values as the helper process has them: JSON, and for what JSON lacks a mapping of one entry whose key says what it is.

use base64::Engine as _;
use imgbuild_jinja::{Key, Map, Value};
use serde_json::{Value as Json, json};

const BASE64: base64::engine::GeneralPurpose = base64::engine::general_purpose::STANDARD;

/// A value for the helper.
pub fn pack(value: &Value) -> Json {
    match value {
        Value::Null | Value::Omit => Json::Null,
        Value::Bool(b) => Json::Bool(*b),
        Value::Int(i) => json!(i),
        Value::BigInt(i) => json!({"!int": i.to_string()}),
        Value::Float(f) if f.is_finite() => json!(f),
        Value::Float(f) => json!({"!float": f.to_string()}),
        Value::Str(s) | Value::Vault(s) => json!(&*s.text),
        Value::Moment(moment) => json!(moment.to_string()),
        Value::Bytes(bytes) => json!({"!bytes": BASE64.encode(bytes)}),
        Value::List(items) => Json::Array(items.iter().map(pack).collect()),
        undefined if undefined.as_undefined().is_some() => json!({"!undefined": undefined.as_undefined()}),
        Value::Map(map) => pack_map(map),
    }
}

/// A mapping for the helper: its keys need not be text.
pub fn pack_map(map: &Map) -> Json {
    let key = |key: &Key| match key {
        Key::Str(text) => json!(&**text),
        Key::Int(i) => json!(i),
        Key::Bool(b) => json!(b),
        Key::Float(bits) => json!(f64::from_bits(*bits)),
        Key::Null => Json::Null,
    };
    json!({"!map": map.iter().map(|(k, v)| json!([key(k), pack(v)])).collect::<Vec<_>>()})
}

/// A value of the helper; it is data, whatever it looks like, unless a plugin says that it is a template.
pub fn unpack(value: Json) -> Value {
    match value {
        Json::Null => Value::Null,
        Json::Bool(b) => Value::Bool(b),
        Json::Number(n) => match (n.as_i64(), n.as_f64()) {
            (Some(i), _) => Value::Int(i),
            (None, _) if n.to_string().parse::<i128>().is_ok() => {
                Value::BigInt(n.to_string().parse().unwrap_or_default())
            }
            (None, f) => Value::Float(f.unwrap_or_default()),
        },
        Json::String(text) => Value::str(text),
        Json::Array(items) => Value::list(items.into_iter().map(unpack).collect()),
        Json::Object(entry) => entry.into_iter().next().map_or(Value::Null, |(kind, inner)| tagged(&kind, inner)),
    }
}

fn tagged(kind: &str, inner: Json) -> Value {
    match (kind, inner) {
        ("!map", Json::Array(pairs)) => {
            let mut map = Map::new();
            for pair in pairs {
                let Json::Array(mut pair) = pair else { continue };
                let (Some(value), Some(key)) = (pair.pop(), pair.pop()) else { continue };
                map.insert(key_of(unpack(key)), unpack(value));
            }
            Value::map(map)
        }
        ("!int", Json::String(digits)) => digits.parse().map_or_else(|_| Value::str(digits), Value::BigInt),
        // Only what a plugin says is one.
        ("!template", Json::String(text)) => Value::template(text, None),
        ("!undefined", Json::String(message)) => Value::undefined(&message),
        ("!bytes", Json::String(text)) => BASE64.decode(text).map_or(Value::Null, |b| Value::Bytes(b.into())),
        ("!float", Json::String(text)) => Value::Float(text.parse().unwrap_or(f64::NAN)),
        _ => Value::Null,
    }
}

fn key_of(value: Value) -> Key {
    match value {
        Value::Int(i) => Key::Int(i),
        Value::Bool(b) => Key::Bool(b),
        Value::Float(f) => Key::Float(f.to_bits()),
        Value::Null => Key::Null,
        other => Key::from(crate::text::of(&other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let map = Map::from_iter([
            (Key::Int(80), Value::str("http")),
            (Key::from("!map"), Value::list(vec![Value::Null, Value::Bool(true), Value::Float(1.5)])),
            (Key::from("b"), Value::Bytes(vec![0, 255].into())),
        ]);
        let value = Value::map(map);
        assert_eq!(unpack(pack(&value)), value);
        assert_eq!(unpack(pack(&Value::BigInt(1 << 100))), Value::BigInt(1 << 100));
        assert_eq!(unpack(pack(&Value::Float(f64::INFINITY))), Value::Float(f64::INFINITY));
        assert_eq!(unpack(pack(&Value::Int(i64::MIN))), Value::Int(i64::MIN));
    }
}
