//! Methods of mappings.

use crate::Key;
use crate::eval::{Args, Cx, fail};
use crate::val::repr::to_repr;
use crate::val::{Dict, Entries, R, Val};

pub(crate) const NAMES: &[&str] =
    &["clear", "copy", "fromkeys", "get", "items", "keys", "pop", "popitem", "setdefault", "update", "values"];

pub(super) fn call(cx: &Cx<'_>, value: &Val, dict: &Dict, name: &str, args: &Args) -> Option<R> {
    NAMES.contains(&name).then(|| run(cx, value, dict, name, args))
}

fn key(value: &Val) -> R<Key> {
    value.to_key().ok_or_else(|| fail(format!("unhashable type: '{}'", value.type_name())))
}

fn run(cx: &Cx<'_>, value: &Val, dict: &Dict, name: &str, args: &Args) -> R {
    match name {
        "get" => {
            let bound = args.bind(["key", "default"])?;
            let found = cx.entry(value, &key(bound.need(0)?)?)?;
            Ok(found.or_else(|| bound.get(1).cloned()).unwrap_or(Val::None))
        }
        "keys" => Ok(Val::list(dict.keys())),
        "values" => Ok(Val::list(cx.pairs(value)?.into_iter().map(|(_, v)| v).collect())),
        "items" => {
            Ok(Val::list(cx.pairs(value)?.into_iter().map(|(k, v)| Val::tuple(vec![Val::from(&k), v])).collect()))
        }
        "pop" => {
            let bound = args.bind(["key", "default"])?;
            let wanted = key(bound.need(0)?)?;
            match cx.entry(value, &wanted)? {
                Some(found) => {
                    dict.change(|entries| entries.shift_remove(&wanted));
                    Ok(found)
                }
                None => bound.get(1).cloned().ok_or_else(|| fail(to_repr(&Val::from(&wanted)))),
            }
        }
        "popitem" => match dict.change(|entries| entries.pop()) {
            Some((k, v)) => Ok(Val::tuple(vec![Val::from(&k), cx.resolve(v)?])),
            None => Err(fail("popitem(): dictionary is empty")),
        },
        "setdefault" => {
            let bound = args.bind(["key", "default"])?;
            let wanted = key(bound.need(0)?)?;
            if let Some(found) = cx.entry(value, &wanted)? {
                return Ok(found);
            }
            let default = bound.get(1).cloned().unwrap_or(Val::None);
            dict.change(|entries| entries.insert(wanted, default.clone()));
            Ok(default)
        }
        "update" => {
            let mut more = Entries::new();
            match args.pos.as_slice() {
                [] => {}
                [Val::Dict(d)] => more.extend(d.entries().iter().map(|(k, v)| (k.clone(), v.clone()))),
                [Val::Obj(o)] if o.is_mapping() => more.extend(cx.pairs(&args.pos[0])?),
                [pairs] => {
                    for pair in cx.each(pairs)? {
                        let pair = cx.items(&pair)?;
                        let [k, v] = pair.as_slice() else {
                            return Err(fail("dictionary update sequence elements must have length 2"));
                        };
                        more.insert(key(k)?, v.clone());
                    }
                }
                more => return Err(fail(format!("update expected at most 1 argument, got {}", more.len()))),
            }
            more.extend(args.kw.iter().map(|(k, v)| (Key::Str(k.clone()), v.clone())));
            dict.change(|entries| entries.extend(more));
            Ok(Val::None)
        }
        "copy" => Ok(Val::dict((*dict.entries()).clone())),
        "clear" => {
            dict.change(Entries::clear);
            Ok(Val::None)
        }
        _ => {
            let bound = args.bind(["iterable", "value"])?;
            let each = bound.get(1).cloned().unwrap_or(Val::None);
            let mut out = Entries::new();
            for k in cx.each(bound.need(0)?)? {
                out.insert(key(&k)?, each.clone());
            }
            Ok(Val::dict(out))
        }
    }
}
