//! Methods of numbers and bytes.

use crate::eval::{Args, fail, int};
use crate::val::{R, Val};

pub(super) const INT_NAMES: &[&str] =
    &["bit_length", "conjugate", "__and__", "__or__", "__xor__", "__lshift__", "__rshift__"];

pub(super) fn call(value: &Val, name: &str, args: &Args) -> Option<R> {
    if !super::exists(value, name) {
        return None;
    }
    Some(match value {
        Val::Bytes(b) => match name {
            "decode" => decode(b, args),
            _ => Ok(Val::str(b.iter().map(|b| format!("{b:02x}")).collect::<String>())),
        },
        Val::Float(f) => match name {
            "is_integer" => Ok(Val::Bool(f.is_finite() && f.fract() == 0.0)),
            _ => Err(fail("float.hex is not available in templates")),
        },
        other => integer(other.as_int().unwrap_or(0), name, args),
    })
}

fn decode(bytes: &[u8], args: &Args) -> R {
    let bound = args.bind(["encoding", "errors"])?;
    let (encoding, errors) = (bound.text_or(0, "utf-8"), bound.text_or(1, "strict"));
    crate::filters::encoding::decode(bytes, &encoding, &errors).map(Val::str)
}

fn integer(i: i128, name: &str, args: &Args) -> R {
    let other = || args.bind(["other"]).and_then(|b| b.need(0).and_then(int));
    Ok(match name {
        "bit_length" => Val::from(i64::from(128 - i.unsigned_abs().leading_zeros())),
        "conjugate" => Val::int(i),
        "__and__" => Val::int(i & i128::from(other()?)),
        "__or__" => Val::int(i | i128::from(other()?)),
        "__xor__" => Val::int(i ^ i128::from(other()?)),
        shift => {
            let by = u32::try_from(other()?).map_err(|_| fail("negative shift count"))?;
            let shifted = if shift == "__lshift__" {
                i.checked_shl(by).filter(|s| s >> by == i)
            } else {
                Some(i.checked_shr(by).unwrap_or(if i < 0 { -1 } else { 0 }))
            };
            Val::int(shifted.ok_or_else(|| fail("the integer is too large: integers are limited to 127 bits"))?)
        }
    })
}
