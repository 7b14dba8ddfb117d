//! Cloud-init user data for the nodes that run an image: one template per stack and role in `templates/userdata`, one table
//! of variables per stack here. A value that is a secret is never taken: the node reads it from SSM at boot.

mod stacks;

use imgbuild_diag::{Diagnostic, Diagnostics};
use imgbuild_jinja::{FileOptions, LocalHost, Map, NoLoader, NoLookups, Templar, TemplateError, Value, VarSource};
use stacks::{Kind, STACKS, Stack, Variable};
use std::collections::BTreeMap;
use std::sync::Arc;

pub use stacks::names;

/// Largest user data that EC2 takes, in bytes, before base64 (RunInstances, "UserData").
const LARGEST: usize = 16 * 1024;

/// Renders the user data of a stack's role. All that is missing, unknown or wrong is reported at once.
pub fn render(stack: &str, role: &str, given: &BTreeMap<String, String>) -> Result<String, Diagnostics> {
    let stack = STACKS.iter().find(|s| s.name == stack).ok_or_else(|| {
        Diagnostic::error(format!("there is no stack {stack:?}")).suggest(stack, names()).help(format!(
            "the stacks are:\n    {}",
            STACKS.iter().map(|s| format!("{}: {}", s.name, s.about)).collect::<Vec<_>>().join("\n    ")
        ))
    })?;
    let mut problems = Diagnostics::new();
    let mut given = given.clone();
    stack.split_endpoint(&mut given, &mut problems);
    let variables: Vec<&Variable> = stack.variables.iter().filter(|v| v.roles.contains(&role)).collect();
    for name in given.keys() {
        if let Some((_, instead)) = stack.refused.iter().find(|(refused, _)| refused == name) {
            problems
                .push(Diagnostic::error(format!("{name} would stand in plain text in the user data")).help(*instead));
        } else if !variables.iter().any(|v| v.name == name) {
            let known = variables.iter().map(|v| v.name);
            problems.push(
                Diagnostic::error(format!("{} {role} nodes have no variable {name}", stack.name)).suggest(name, known),
            );
        }
    }
    let missing: Vec<&&Variable> =
        variables.iter().filter(|v| v.default.is_none() && !given.contains_key(v.name)).collect();
    if !missing.is_empty() {
        let list =
            missing.iter().map(|v| format!("--var {}=…   {}", v.name, v.about)).collect::<Vec<_>>().join("\n    ");
        problems.push(
            Diagnostic::error(format!("{} {role} nodes need {} more variable(s)", stack.name, missing.len()))
                .help(format!("give:\n    {list}")),
        );
    }
    let mut values = Map::new();
    for variable in &variables {
        let text = given.get(variable.name).map(String::as_str).or(variable.default);
        if let Some(text) = text {
            match variable.kind.parse(text) {
                Ok(value) => _ = values.insert(variable.name.into(), value),
                Err(why) => problems.push(Diagnostic::error(format!("{}: {why}", variable.name))),
            }
        }
    }
    if problems.has_errors() {
        return Err(problems);
    }
    let text =
        fill(stack, role, values).map_err(|e| Diagnostic::error(format!("the {} {role} template: {e}", stack.name)))?;
    if text.len() > LARGEST {
        return Err(Diagnostic::error(format!("the user data has {} bytes, EC2 takes {LARGEST}", text.len())).into());
    }
    Ok(text)
}

fn fill(stack: &Stack, role: &str, mut values: Map) -> Result<String, TemplateError> {
    let templar = Templar::new(Arc::new(NoLookups), Arc::new(LocalHost::new(BTreeMap::new(), None, |_| {})));
    let render = |name: &str, text: &str, values: Map| {
        let vars: Arc<dyn VarSource> = Arc::new(values);
        templar.render_file(name, text, &FileOptions::default(), &vars, &NoLoader)
    };
    let lib = render("_lib.sh", stacks::LIB, Map::new())?;
    values.insert("lib".into(), Value::from(lib.trim().to_owned()));
    // Every stack has a template for every role: the table is ours, and a test renders all of them.
    let text = stack.templates.iter().find(|(name, _)| *name == role).map_or("", |(_, text)| text);
    render(&format!("{}-{role}.yaml", stack.name), text, values)
}

impl Kind {
    /// A value from what was typed; the error is the rest of a sentence.
    fn parse(self, text: &str) -> Result<Value, String> {
        let chars = |allowed: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || allowed.contains(c));
        // Everything lands in a shell script inside YAML: line breaks and control characters have no place in any of it.
        if text.chars().any(char::is_control) {
            return Err("must be one line of text".into());
        }
        match self {
            Kind::Text => Ok(Value::from(text)),
            Kind::Name if !text.is_empty() && chars("._-/:@+") => Ok(Value::from(text)),
            Kind::Name => Err(format!("{text:?} must be made of letters, digits and . _ - / : @ +")),
            Kind::Url if (text.starts_with("https://") || text.starts_with("http://")) && chars("._-/:@+?&=%~[]") => {
                Ok(Value::from(text))
            }
            Kind::Url if text.is_empty() => Ok(Value::from("")),
            Kind::Url => Err(format!("{text:?} must be an http:// or https:// address")),
            Kind::Port => match text.parse::<u16>() {
                Ok(port) if port > 0 => Ok(Value::from(text)),
                _ => Err(format!("{text:?} must be a port, 1 to 65535")),
            },
            Kind::Bool => match text {
                "true" | "yes" | "1" => Ok(Value::from(true)),
                "false" | "no" | "0" => Ok(Value::from(false)),
                _ => Err(format!("{text:?} must be true or false")),
            },
            Kind::List => {
                let items: Vec<&str> = text.split(',').map(str::trim).filter(|i| !i.is_empty()).collect();
                if items.iter().all(|i| i.chars().all(|c| c.is_ascii_alphanumeric() || "._-/:=*".contains(c))) {
                    Ok(Value::list(items.into_iter().map(Value::from).collect()))
                } else {
                    Err(format!("{text:?} must be names, separated by commas"))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::stacks::ROLES;
    use super::*;

    fn vars(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    const SERVER: &[(&str, &str)] = &[
        ("database_endpoint", "db.example.com:3307"),
        ("database_username", "rancher"),
        ("database_password_parameter", "/rancher/db"),
    ];

    #[test]
    fn the_endpoint_is_split() {
        let text = render("rancher1", "server", &vars(SERVER)).unwrap();
        assert!(text.contains("--db-host db.example.com --db-port 3307"), "{text}");
        assert!(text.contains("--restart=unless-stopped"));
        assert!(text.starts_with("#cloud-config\n"));
    }

    #[test]
    fn all_that_is_missing_is_named_at_once() {
        let text = render("rancher1", "server", &vars(&[("database_hots", "x")])).unwrap_err().to_string();
        for name in
            ["database_username", "database_password_parameter", "database_host", "did you mean \"database_host\"?"]
        {
            assert!(text.contains(name), "{name} in {text}");
        }
    }

    #[test]
    fn secrets_are_refused() {
        let mut given = vars(SERVER);
        given.insert("database_password".into(), "hunter22".into());
        let text = render("rancher1", "server", &given).unwrap_err().to_string();
        assert!(text.contains("database_password_parameter") && !text.contains("hunter22"));
    }

    #[test]
    fn nothing_breaks_out_of_the_script() {
        let mut given = vars(SERVER);
        given.insert("database_name".into(), "a; rm -rf /".into());
        assert!(render("rancher1", "server", &given).is_err());
        given.insert("database_name".into(), "a".into());
        given.insert("database_username".into(), "u$(id)".into());
        assert!(render("rancher1", "server", &given).is_err());
    }

    #[test]
    fn every_template_renders() {
        for stack in STACKS {
            for role in ROLES {
                let mut given = BTreeMap::new();
                for v in stack.variables.iter().filter(|v| v.roles.contains(role)) {
                    let value = match v.kind {
                        Kind::Url => "https://rancher.example.com",
                        Kind::Port => "3306",
                        Kind::Bool => "false",
                        Kind::List | Kind::Name | Kind::Text => "a-b",
                    };
                    given.insert(v.name.to_owned(), value.to_owned());
                }
                let text = render(stack.name, role, &given).unwrap_or_else(|e| panic!("{} {role}: {e}", stack.name));
                assert!(!text.contains("{{") && text.contains("runcmd:"), "{text}");
            }
        }
    }
}
