//! `env`.

use super::{Answer, Ask, failed};
use imgbuild_jinja::{Key, Value};

pub fn run(ask: &Ask<'_>) -> Answer {
    let mut out = Vec::new();
    for term in ask.terms {
        let text = crate::text::of(term);
        let Some(name) = text.split_whitespace().next() else { return Err(failed("env: a name is needed")) };
        match (ask.plugins.settings.env.get(name), ask.kwargs.get(&Key::from("default"))) {
            (Some(value), _) => out.push(Value::str(value.as_str())),
            (None, Some(default)) => out.push(default.clone()),
            (None, None) => out.push(Value::str("")),
        }
    }
    Ok(out)
}
