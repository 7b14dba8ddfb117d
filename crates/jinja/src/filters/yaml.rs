//! `to_yaml`, `to_nice_yaml`, `from_yaml`.

use super::{Call, Table, refuse};
use crate::eval::int;
use crate::val::{R, Val};
use crate::yaml::{Options, dump, parse};

pub(super) const TABLE: Table =
    &[("from_yaml", from_yaml), ("from_yaml_all", from_yaml_all), ("to_nice_yaml", to_yaml), ("to_yaml", to_yaml)];

fn to_yaml(c: Call<'_, '_>) -> R {
    let mut args = c.args.clone();
    let mut options = Options::default();
    if c.name == "to_nice_yaml" {
        (options.flow, options.indent) = (Some(false), 4);
        if let Some(indent) = args.pos.first() {
            options.indent = usize::try_from(int(indent)?).unwrap_or(4);
        }
    }
    let size = |v: Val| -> R<Option<usize>> {
        match v {
            Val::None => Ok(None),
            v => Ok(usize::try_from(int(&v)?).ok()),
        }
    };
    if let Some(v) = args.take("indent") {
        options.indent = size(v)?.unwrap_or(2);
    }
    if let Some(v) = args.take("width") {
        options.width = match v {
            Val::Float(f) if f.is_infinite() => usize::MAX,
            // PyYAML falls back to 80 where the width leaves no room behind twice the indentation.
            v => size(v)?.filter(|w| *w > options.indent * 2).unwrap_or(80),
        };
    }
    if let Some(v) = args.take("sort_keys") {
        options.sort_keys = v.truth();
    }
    if let Some(v) = args.take("default_flow_style") {
        options.flow = match v {
            Val::None => None,
            v => Some(v.truth()),
        };
    }
    if let Some(v) = args.take("explicit_start") {
        options.explicit_start = v.truth();
    }
    if let Some(v) = args.take("explicit_end") {
        options.explicit_end = v.truth();
    }
    if let Some(v) = args.take("default_style") {
        options.style = v.as_str().and_then(|s| s.chars().next());
    }
    if let Some(v) = args.take("allow_unicode") {
        options.allow_unicode = v.truth();
    }
    if args.take("canonical").is_some_and(|v| v.truth()) {
        let Val::Str(text) = &c.input else {
            return refuse("the option 'canonical' is supported for text alone");
        };
        return Ok(Val::str(format!("---\n!!str {}\n", serde_json::Value::from(&*text.text))));
    }
    for name in ["dump_vault_tags", "line_break", "encoding", "version", "tags"] {
        if let Some(v) = args.take(name)
            && v.truth()
            && name != "dump_vault_tags"
        {
            return refuse(format!("the option '{name}' is not supported"));
        }
    }
    args.no_kw()?;
    dump(&c.cx.plain(&c.input)?, &options).map(Val::str)
}

fn from_yaml(c: Call<'_, '_>) -> R {
    c.args.bind::<0>([])?;
    match &c.input {
        Val::Str(s) => {
            let mut documents = parse(&s.text)?;
            match documents.len() {
                0 => Ok(Val::None),
                1 => Ok(documents.swap_remove(0)),
                _ => refuse("expected a single document in the stream, but found another document"),
            }
        }
        Val::None => Ok(Val::None),
        // As in Ansible, with a deprecation there: what is no text is left alone.
        other => Ok(other.clone()),
    }
}

fn from_yaml_all(c: Call<'_, '_>) -> R {
    c.args.bind::<0>([])?;
    match &c.input {
        Val::Str(s) => Ok(Val::list(parse(&s.text)?)),
        Val::None => Ok(Val::list(Vec::new())),
        other => Ok(other.clone()),
    }
}
