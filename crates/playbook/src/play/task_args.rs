//! A task's action and arguments, in all the forms in which they may be written.

use super::keywords::{self, Level};
use super::loader::{Loader, MissingModule};
use super::modules::{Action, COMMANDS, FREE_FORM, Places, Unresolved};
use super::split;
use crate::yaml::{Kind, Node};
use imgbuild_diag::{Diagnostic, Span};
use imgbuild_jinja::{Key, Map, Str, Value};

/// What a task does, with what.
pub struct Parsed {
    /// Action.
    pub action: Action,
    /// Arguments, not rendered.
    pub args: Map,
    /// `args: "{{ … }}"`.
    pub template: Option<Value>,
    /// Written as `local_action`.
    pub local: bool,
}

/// Finds the action among a task's entries. `None`: there is none, and that was reported.
pub fn parse(
    task: &Node,
    rest: &[(&Node, &Node)],
    level: Level,
    places: &Places,
    loader: &mut Loader<'_>,
) -> Option<Parsed> {
    let mut found: Vec<(String, &Node, Form<'_>)> = Vec::new();
    for (keyword, local) in [("action", false), ("local_action", true)] {
        if let Some(node) = task.get(keyword) {
            let (name, form) = old_style(node, loader)?;
            found.push((name, node, form));
            if local && found.len() > 1 {
                loader.out.push(Diagnostic::error("action and local_action are mutually exclusive").at(&node.span));
                return None;
            }
        }
    }
    let mut unknown: Vec<(&Node, Unresolved)> = Vec::new();
    for (key, value) in rest {
        let name = key.as_str().unwrap_or_default();
        match Action::resolve(name, places) {
            Ok(_) => found.push((name.to_owned(), key, Form::Value(value))),
            Err(why) => unknown.push((key, why)),
        }
    }
    if found.is_empty() {
        return no_action(task, &unknown, rest, level, loader);
    }
    if let [first, second, ..] = &found[..] {
        let message = format!("conflicting action statements: {}, {}", first.0, second.0);
        loader.out.push(
            Diagnostic::error(message)
                .at(&second.1.span)
                .help("a task has one action: start a new task with \"- name:\""),
        );
        return None;
    }
    for (key, _) in &unknown {
        let refused = super::fields::unknown(key, level);
        loader.refuse_attribute(key.as_str().unwrap_or_default(), refused);
    }
    let (name, place, form) = found.pop()?;
    if !unknown.is_empty() && loader.settings.invalid_attributes_fail {
        return None;
    }
    let action = match Action::resolve(&name, places) {
        Ok(action) => action,
        Err(why) => {
            return Some(Parsed {
                action: unresolved(&name, &place.span, &why, loader)?,
                args: Map::new(),
                template: None,
                local: task.get("local_action").is_some(),
            });
        }
    };
    for text in &action.deprecated {
        loader.out.push(Diagnostic::warning(text.clone()).at(&place.span));
    }
    let (mut args, template) = keyword_args(task, loader);
    args.extend(form_args(form, &action, &place.span, loader)?);
    if let Some(name) = args.keys().map(ToString::to_string).find(|k| k.starts_with("_ansible_")) {
        loader.out.push(
            Diagnostic::error(format!(
                "Invalid parameter specified beginning with keyword '_ansible_' for action '{}': '{name}'. The prefix '_ansible_' is reserved for internal use only.",
                action.written
            ))
            .at(&place.span),
        );
        return None;
    }
    let raw = Key::from("_raw_params");
    if args.contains_key(&raw) && !action.takes_raw() {
        let whole = args.get(&raw).filter(|v| matches!(v, Value::Str(s) if loader.templar.is_template(s)));
        if let Some(template) = whole.cloned() {
            // `module: "{{ arguments }}"`: what it renders to are the arguments.
            args.shift_remove(&raw);
            return Some(Parsed { action, args, template: Some(template), local: task.get("local_action").is_some() });
        }
        // As in ansible-core 2.19 the task only fails where a host reaches it.
        let text = args.get(&raw).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
        loader.out.push(
            Diagnostic::warning(super::modules::no_raw(&action.full))
                .at(&place.span)
                .help(format!("{text:?} is no name=value pair: the task fails where a host reaches it")),
        );
    }
    Some(Parsed { action, args, template, local: task.get("local_action").is_some() })
}

enum Form<'a> {
    Value(&'a Node),
    Text(String, Span),
}

/// `action: copy src=a dest=b`, `action: {module: copy, src: a}`.
fn old_style<'a>(node: &'a Node, loader: &mut Loader<'_>) -> Option<(String, Form<'a>)> {
    let split_text = |text: &str| match text.trim_start().split_once(char::is_whitespace) {
        Some((name, rest)) if !name.contains("{{") => (name.to_owned(), rest.to_owned()),
        _ => {
            let words = split::split_args(text).unwrap_or_default();
            let name = words.first().map(|w| w.trim().to_owned()).unwrap_or_default();
            let rest = words.get(1..).map(|w| w.join(" ")).unwrap_or_default();
            (name, rest)
        }
    };
    match &node.kind {
        Kind::Str { text, .. } => {
            let (name, rest) = split_text(text);
            Some((name, Form::Text(rest, node.span.clone())))
        }
        Kind::Map(_) => {
            let Some(module) = node.get("module").and_then(Node::as_str) else {
                loader.out.push(
                    Diagnostic::error("no module/action detected in task.")
                        .at(&node.span)
                        .help("name it with \"module:\""),
                );
                return None;
            };
            Some((split_text(module).0, Form::Value(node)))
        }
        _ => {
            loader.out.push(
                Diagnostic::error(format!("unexpected parameter type in action: {}", node.type_name())).at(&node.span),
            );
            None
        }
    }
}

/// The `args` keyword.
fn keyword_args(task: &Node, loader: &mut Loader<'_>) -> (Map, Option<Value>) {
    let Some(node) = task.get("args") else { return (Map::new(), None) };
    match &node.kind {
        Kind::Map(_) => (node.to_map(), None),
        Kind::Null => (Map::new(), None),
        Kind::Str { text, template: true, .. } if text.contains("{{") => (Map::new(), Some(node.to_value())),
        _ => {
            loader.out.push(
                Diagnostic::error("The value of the task `args` keyword is invalid.")
                    .at(&node.span)
                    .help("a mapping or a template that gives a mapping is required"),
            );
            (Map::new(), None)
        }
    }
}

fn form_args(form: Form<'_>, action: &Action, place: &Span, loader: &mut Loader<'_>) -> Option<Map> {
    let command = COMMANDS.contains(&action.name.as_str());
    let (text, span, template) = match form {
        Form::Text(text, span) => (text, span, true),
        Form::Value(node) => match &node.kind {
            Kind::Null => return Some(Map::new()),
            Kind::Map(_) => {
                let mut map = node.to_map();
                if map.shift_remove(&Key::from("module")).is_some()
                    && let Some(Value::Map(more)) = map.get(&Key::from("args")).cloned()
                {
                    map.shift_remove(&Key::from("args"));
                    map.extend(Map::clone(&more));
                }
                return Some(map);
            }
            Kind::Str { text, template, .. } => (text.to_string(), node.span.clone(), *template),
            _ if FREE_FORM.contains(&action.name.as_str()) && node.scalar_text().is_some() => {
                (node.scalar_text().unwrap_or_default(), node.span.clone(), false)
            }
            _ => {
                loader.out.push(
                    Diagnostic::error(format!("unexpected parameter type in action: {}", node.type_name())).at(place),
                );
                return None;
            }
        },
    };
    let str = |text: String| Value::Str(Str { text: text.into(), template, span: Some(span.clone()) });
    let mut map = Map::new();
    match split::key_values(&text, command) {
        Ok((pairs, raw)) => {
            if let Some(raw) = raw {
                map.insert("_raw_params".into(), str(raw));
            }
            for (key, value) in pairs {
                map.insert(Key::from(key), str(value));
            }
            Some(map)
        }
        Err(why) => {
            loader.out.push(Diagnostic::error(why).at(&span));
            None
        }
    }
}

fn no_action(
    task: &Node,
    unknown: &[(&Node, Unresolved)],
    rest: &[(&Node, &Node)],
    level: Level,
    loader: &mut Loader<'_>,
) -> Option<Parsed> {
    match unknown {
        [] => {
            loader.out.push(Diagnostic::error("no module/action detected in task.").at(&task.span));
            None
        }
        [(key, why)] => {
            let name = key.as_str().unwrap_or_default();
            let action = unresolved(name, &key.span, why, loader)?;
            let value =
                rest.iter().find(|(k, _)| k.as_str() == Some(name)).map(|(_, v)| v.to_map()).unwrap_or_default();
            Some(Parsed { action, args: value, template: None, local: false })
        }
        several => {
            // Those that look like a keyword are one; the rest are modules that nobody knows.
            for (key, why) in several {
                let name = key.as_str().unwrap_or_default();
                if imgbuild_diag::did_you_mean(name, keywords::names(level)).is_some() {
                    loader.out.push(super::fields::unknown(key, level));
                } else {
                    unresolved(name, &key.span, why, loader);
                }
            }
            None
        }
    }
}

/// Reports a name that is no action here. A collection's module that we do not have is only missed when it is reached.
fn unresolved(name: &str, span: &Span, why: &Unresolved, loader: &mut Loader<'_>) -> Option<Action> {
    match why {
        Unresolved::Unsupported => {
            loader.missing.push(MissingModule { name: name.to_owned(), span: span.clone() });
            Some(Action::missing(name))
        }
        Unresolved::Removed(why) => {
            loader.out.push(Diagnostic::error(why.clone()).at(span).exit(crate::settings::exit::ERROR));
            None
        }
        Unresolved::Unknown(similar) => {
            let mut diagnostic = super::modules::unknown(name).at(span);
            if let Some(similar) = similar {
                diagnostic = diagnostic.help(format!("did you mean {similar:?}?"));
            }
            loader.out.push(diagnostic);
            None
        }
    }
}
