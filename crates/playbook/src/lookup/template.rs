//! `template`.

use super::{Answer, Ask, failed};
use crate::actions::{TemplateFiles, template_vars};
use imgbuild_jinja::{FileOptions, LookupError, Overlay, Value};
use std::sync::Arc;

pub fn run(ask: &Ask<'_>) -> Answer {
    let mut options = FileOptions::default();
    for (name, field) in [
        ("variable_start_string", &mut options.variable_start_string),
        ("variable_end_string", &mut options.variable_end_string),
        ("comment_start_string", &mut options.comment_start_string),
        ("comment_end_string", &mut options.comment_end_string),
    ] {
        if let Some(text) = ask.text(name) {
            *field = text;
        }
    }
    options.trim_blocks = ask.bool("trim_blocks", true);
    options.lstrip_blocks = ask.bool("lstrip_blocks", false);
    let more = ask.option("template_vars").and_then(|v| v.as_map().cloned()).unwrap_or_default();
    let mut out = Vec::new();
    for term in ask.terms {
        let name = crate::text::of(term);
        let Some(path) = ask.find("templates", &name) else {
            return Err(failed(format!("the template file {name} could not be found for the lookup")));
        };
        let text = crate::vault::read_text(&path, &ask.plugins.settings).map_err(failed)?;
        let managed = ask.plugins.settings.ansible_managed.as_str();
        let managed = ask.cx.vars().get("ansible_managed").is_none().then_some(managed);
        let mut vars = template_vars::of(&name, &path, "", managed).map_err(failed)?;
        vars.extend(more.clone());
        let mut search = vec![path.parent().map(Into::into).unwrap_or_default()];
        for base in ask.search() {
            search.extend([base.join("templates"), base]);
        }
        let vars = Overlay::new(vars, Arc::clone(ask.cx.vars()));
        let files = TemplateFiles { search };
        let templar = ask.cx.templar();
        let rendered = templar.evaluate_file(&path.display().to_string(), &text, &options, &vars, &files);
        out.push(match rendered.map_err(LookupError::from)? {
            // Nothing is None.
            Value::Str(text) if text.text.is_empty() => Value::Null,
            native => native,
        });
    }
    Ok(out)
}
