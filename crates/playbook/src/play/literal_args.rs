//! Arguments of modules that are wrong as they are written: options that the module does not have, values that no host and no variable
//! can change. Ansible finds them when a host is there; so that no play fails here that runs there, they are warnings.

use super::loader::Loader;
use super::model::Task;
use crate::actions::args;
use imgbuild_diag::{Diagnostic, Span};
use imgbuild_jinja::{Key, Map, Value};

/// Actions that hand options on to another module, which is known on the host.
const HANDED_ON: [&str; 6] = ["package", "service", "dnf", "yum", "gather_facts", "setup"];

impl Loader<'_> {
    /// Takes `warn` from `command` and `shell`: it says nothing since ansible-core 2.14, and roles still have it.
    pub fn drop_old_args(&mut self, action: &str, args: &mut Map, task: &Span) {
        if !matches!(action, "command" | "shell") {
            return;
        }
        let Some(value) = args.shift_remove(&Key::from("warn")) else { return };
        let problem = Diagnostic::warning(format!("\"warn\" was removed from {action} in ansible-core 2.14"));
        let problem = problem.at(value.span().unwrap_or(task)).help("leave it out");
        if !self.out.iter().any(|known| *known == problem) {
            self.out.push(problem);
        }
    }

    /// Reports them.
    pub fn check_literal_args(&mut self, task: &Task) {
        let action = &task.action;
        let (Some(spec), None) = (action.spec, &action.custom) else { return };
        if action.is_include() || action.name.starts_with("import_") || HANDED_ON.contains(&action.name.as_str()) {
            return;
        }
        for (key, value) in &task.args {
            let name = key.to_string();
            if name.contains("{{") || name.starts_with('_') {
                continue;
            }
            let mut problems: Vec<Diagnostic> = Vec::new();
            match args::option(spec, &name) {
                None if spec.free_keys => {}
                None => {
                    let options = spec.options.iter().map(|o| o.name).filter(|o| !o.starts_with('_'));
                    problems.push(
                        Diagnostic::warning(format!("Unsupported parameters for ({}) module: {name}", spec.fqcn))
                            .suggest(&name, options),
                    );
                }
                Some(option) if self.is_literal(value) => {
                    problems.extend(args::wrong(option, &name, value).into_iter().map(Diagnostic::warning));
                }
                Some(_) => {}
            }
            for problem in problems {
                let problem =
                    problem.at(value.span().unwrap_or(&task.span)).help("the task fails where a host reaches it");
                // A role may be read several times.
                if !self.out.iter().any(|known| *known == problem) {
                    self.out.push(problem);
                }
            }
        }
    }

    /// Whether a value is what it is, whoever looks at it.
    fn is_literal(&self, value: &Value) -> bool {
        match value {
            Value::Str(text) => !self.templar.is_template(text),
            Value::List(items) => items.iter().all(|item| self.is_literal(item)),
            Value::Map(map) => map.iter().all(|(k, v)| !k.to_string().contains("{{") && self.is_literal(v)),
            Value::Bool(_) | Value::Int(_) | Value::Float(_) => true,
            _ => false,
        }
    }
}
