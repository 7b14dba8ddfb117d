//! Text filters of `community.general`.

use super::super::{Call, Table, class, is_sequence, refuse};
use crate::Key;
use crate::eval::fail;
use crate::filters::random::Generator;
use crate::tests::loose_order;
use crate::val::repr::{to_repr, to_str};
use crate::val::{Entries, R, Val};
use std::cmp::Ordering;
use unicode_normalization::UnicodeNormalization as _;

pub(super) const TABLE: Table = &[
    ("crc32", crc32),
    ("from_ini", from_ini),
    ("random_mac", random_mac),
    ("reveal_ansible_type", reveal_type),
    ("to_ini", to_ini),
    ("unicode_normalize", unicode_normalize),
    ("version_sort", version_sort),
];

fn crc32(c: Call<'_, '_>) -> R {
    match &c.input {
        Val::Str(s) => Ok(Val::str(format!("{:x}", crc32fast::hash(s.text.as_bytes())))),
        other => refuse(format!("Invalid value type ({}) for crc32 ({})", class(other), to_repr(other))),
    }
}

fn unicode_normalize(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["form"])?;
    let Val::Str(s) = &c.input else { return refuse(format!("Invalid value type: {}", class(&c.input))) };
    Ok(Val::str(match bound.text_or(0, "NFC").as_str() {
        "NFC" => s.text.nfc().collect::<String>(),
        "NFD" => s.text.nfd().collect(),
        "NFKC" => s.text.nfkc().collect(),
        "NFKD" => s.text.nfkd().collect(),
        other => return refuse(format!("Invalid normalization form: '{other}'")),
    }))
}

/// By distutils' loose versions; where parts can't be compared, by their text.
fn version_sort(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["reverse"])?;
    let mut items = c.items()?;
    let mut failed = false;
    let mut sorted: Vec<Val> = Vec::with_capacity(items.len());
    for item in items.drain(..) {
        // Insertion keeps equal versions in their order and needs no total order.
        let text = to_str(&item);
        let at = sorted.iter().rposition(|other| match loose_order(&to_str(other), &text) {
            Some(order) => order != Ordering::Greater,
            None => {
                failed = true;
                true
            }
        });
        sorted.insert(at.map_or(0, |at| at + 1), item);
    }
    if failed {
        return refuse("'<' not supported between instances of 'str' and 'int'");
    }
    if bound.flag(0, false) {
        sorted.reverse();
    }
    Ok(Val::list(sorted))
}

/// Completes a prefix of a MAC address with random bytes.
fn random_mac(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["seed"])?;
    let Val::Str(s) = &c.input else {
        return refuse(format!("Invalid value type ({}) for random_mac ({})", class(&c.input), to_str(&c.input)));
    };
    let value = s.text.to_lowercase();
    let parts: Vec<&str> = value.split(':').filter(|p| !p.is_empty()).collect();
    if parts.len() > 5 {
        return refuse(format!("Invalid value ({value}) for random_mac: 5 colon(:) separated items max"));
    }
    let bad: Vec<&&str> = parts.iter().filter(|p| p.len() != 2 || !p.bytes().all(|b| b.is_ascii_hexdigit())).collect();
    if let Some(first) = bad.first() {
        return refuse(format!("Invalid value ({value}) for random_mac: {first} not hexa byte"));
    }
    let mut random = match bound.some(0) {
        Some(seed) => Generator::seeded(c.cx, seed)?,
        None => Generator::fresh(c.cx),
    };
    // As `randint(68719476736, 1099511627775)`: ten hexadecimal digits, of which as many as are needed are taken.
    let number = 68_719_476_736 + random.below(1_099_511_627_775 - 68_719_476_736 + 1);
    let digits = format!("{number:x}");
    let missing = 6 - parts.len();
    let mut out: Vec<String> = parts.iter().map(|p| (*p).to_owned()).collect();
    out.extend((0..missing).map(|i| digits.get(i * 2..i * 2 + 2).unwrap_or("00").to_owned()));
    Ok(Val::str(out.join(":")))
}

fn reveal_type(c: Call<'_, '_>) -> R {
    let bound = c.args.bind(["alias"])?;
    let name = type_text(&c.cx.open(&c.input)?);
    let Some(alias) = bound.some(0) else { return Ok(Val::str(name)) };
    let mut out = name;
    for (from, to) in c.cx.pairs(alias)? {
        out = out.replace(&crate::val::repr::key_str(&from), &to_str(&to));
    }
    Ok(Val::str(out))
}

fn type_text(value: &Val) -> String {
    let kinds = |items: &mut dyn Iterator<Item = Val>| {
        let mut kinds: Vec<String> = items.map(|v| type_text(&v)).collect();
        kinds.sort();
        kinds.dedup();
        kinds.join("|")
    };
    match value {
        Val::Dict(d) => {
            let entries = d.entries();
            let keys = kinds(&mut entries.keys().map(Val::from));
            let values = kinds(&mut entries.values().cloned());
            format!("dict[{keys}, {values}]")
        }
        list if is_sequence(list) => {
            let items = match list {
                Val::List(l) => l.items(),
                Val::Tuple(t) => t.clone(),
                _ => Default::default(),
            };
            format!("list[{}]", kinds(&mut items.iter().cloned()))
        }
        other => other.type_name().to_owned(),
    }
}

/// Sections, keys and values of an INI file, as Python's `configparser` without interpolation reads them.
fn from_ini(c: Call<'_, '_>) -> R {
    let Val::Str(s) = &c.input else {
        return refuse(format!("from_ini requires a str, got {}", class(&c.input)));
    };
    let mut sections: Vec<(String, Entries)> = Vec::new();
    let mut last: Option<Key> = None;
    for (number, line) in s.text.lines().enumerate() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        // An indented line continues the value above.
        if line.starts_with([' ', '\t'])
            && let (Some(key), Some((_, entries))) = (&last, sections.last_mut())
            && let Some(Val::Str(old)) = entries.get(key)
        {
            let joined = format!("{}\n{trimmed}", old.text);
            entries.insert(key.clone(), Val::str(joined));
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[').and_then(|t| t.split_once(']')).map(|(n, _)| n) {
            if sections.iter().any(|(n, _)| n == name) && name != "DEFAULT" {
                return refuse(format!("from_ini failed to parse given string: section '{name}' already exists"));
            }
            sections.push((name.to_owned(), Entries::new()));
            last = None;
            continue;
        }
        let Some((_, entries)) = sections.last_mut() else {
            return refuse(format!(
                "from_ini failed to parse given string: File contains no section headers.\nfile: '<???>', line: {}\n{}",
                number + 1,
                to_repr(&Val::str(format!("{line}\n")))
            ));
        };
        let Some(at) = trimmed.find(['=', ':']) else {
            return refuse(format!(
                "from_ini failed to parse given string: no value in line {}: {trimmed:?}",
                number + 1
            ));
        };
        let key = Key::from(trimmed[..at].trim_end());
        entries.insert(key.clone(), Val::str(trimmed[at + 1..].trim()));
        last = Some(key);
    }
    let defaults = sections.iter().find(|(n, _)| n == "DEFAULT").map(|(_, e)| e.clone()).unwrap_or_default();
    let mut out = Entries::new();
    for (name, entries) in sections.into_iter().filter(|(n, _)| n != "DEFAULT") {
        out.insert(Key::from(name), Val::dict(crate::eval::ops::merged(&defaults, &entries)));
    }
    if !defaults.is_empty() {
        out.insert(Key::from("DEFAULT"), Val::dict(defaults));
    }
    Ok(Val::dict(out))
}

fn to_ini(c: Call<'_, '_>) -> R {
    if !super::super::is_mapping(&c.input) {
        return refuse(format!("to_ini requires a dict, got {}", class(&c.input)));
    }
    let mut out = String::new();
    let pairs = c.cx.pairs(&c.input)?;
    if pairs.is_empty() {
        return refuse("to_ini received an empty dict. An empty dict cannot be converted.");
    }
    for (section, entries) in pairs {
        out.push_str(&format!("[{}]\n", crate::val::repr::key_str(&section)));
        for (key, value) in c.cx.pairs(&entries).map_err(|_| fail("to_ini needs a mapping of mappings"))? {
            out.push_str(&format!(
                "{} = {}\n",
                crate::val::repr::key_str(&key),
                c.cx.text(&value)?.replace('\n', "\n\t")
            ));
        }
        out.push('\n');
    }
    Ok(Val::str(out))
}
