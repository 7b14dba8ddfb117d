//! The task debugger: `debugger:`, the strategy `debug`, `enable_task_debugger`.
//!
//! Commands are those of ansible-core 2.19. Its expressions are Python's; here they are those of conditions, over `task`,
//! `task_vars`, `host` and `result`, and assignments to `task.args[…]` and `task_vars[…]`.

use super::host_task::{Done, status};
use super::play::PlayRun;
use super::result::value;
use crate::api::Prompt;
use crate::callback::{Event, Status};
use crate::play::model::Task;
use crate::play::scope::{Kind, Scope};
use imgbuild_jinja::{Key, Map, Value, VarSource};
use std::sync::Arc;

/// Values of `debugger`.
pub const CHOICES: [&str; 5] = ["always", "on_failed", "on_unreachable", "on_skipped", "never"];

/// How a session ends.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// The result stands.
    Continue,
    /// The task runs again.
    Redo,
    /// The run ends.
    Quit,
}

/// What was changed by hand.
#[derive(Default, Clone)]
pub struct Edits {
    args: Option<Map>,
    vars: Map,
}

const HELP: &str = "
Commands:
  p, pprint EXPRESSION        print task, task.args, task_vars, host, result or a part of it
  task.args[KEY] = VALUE      change an argument of the task
  task_vars[KEY] = VALUE      change a variable
  u, update_task              take back changes of arguments: they are rendered anew
  r, redo                     run the task again
  c, continue                 go on with the next task
  q, quit                     end the run
";

impl PlayRun {
    /// Whether a result opens the debugger.
    pub fn wants_debugger(self: &Arc<Self>, task: &Task, done: &Done) -> bool {
        let own = self.text_of(task, "debugger", &done.host).unwrap_or_default();
        let outcome = status(&done.res);
        let ignored = self.engine.settings.task_debugger_ignore_errors && done.ignore_errors;
        let failed = outcome == Status::Failed && !ignored;
        match own.as_str() {
            "always" => true,
            "never" => false,
            "on_failed" if failed => true,
            "on_unreachable" if outcome == Status::Unreachable => true,
            "on_skipped" if outcome == Status::Skipped => true,
            _ => self.debugger && (failed || outcome == Status::Unreachable),
        }
    }

    /// Reads commands until one of them ends the session.
    pub async fn debug_session(self: &Arc<Self>, task: &Arc<Task>, done: &Done, edits: &mut Edits) -> Next {
        let prompt = format!("[{}] {} (debug)> ", done.host, title(done));
        let mut last = String::new();
        loop {
            let question =
                Prompt { text: prompt.clone(), private: false, seconds: None, echo_answer: true, piped: true };
            let answer = tokio::select! {
                answer = self.engine.session.prompter.ask(question) => answer,
                () = self.engine.session.cancel.cancelled() => None,
            };
            let Some(answer) = answer else {
                self.say("User interrupted execution");
                return Next::Quit;
            };
            // An empty line stands for the command before it, as in Python's command interpreter.
            let line = if answer.trim().is_empty() { last.clone() } else { answer.trim().to_owned() };
            last.clone_from(&line);
            let (command, rest) = line.split_once(char::is_whitespace).unwrap_or((&line, ""));
            match command {
                "" => {}
                "h" | "help" | "?" => self.say(HELP.trim_start()),
                "c" | "continue" => return Next::Continue,
                "r" | "redo" => return Next::Redo,
                "q" | "quit" | "EOF" => {
                    self.say("User interrupted execution");
                    return Next::Quit;
                }
                "u" | "update_task" => edits.args = None,
                "p" | "pprint" => match self.scope_of(task, done, edits).and_then(|s| self.look(rest.trim(), &s)) {
                    Ok(found) => self.say(&pretty(&found)),
                    Err(why) => self.say(&format!("***{why}")),
                },
                _ => {
                    if let Err(why) = self.assign(&line, task, done, edits) {
                        self.say(&format!("***{why}"));
                    }
                }
            }
        }
    }

    fn say(&self, text: &str) {
        self.engine.emit(Event::Verbose { level: 0, text: text.to_owned(), host: None });
    }

    fn look(&self, expression: &str, scope: &Arc<dyn VarSource>) -> Result<Value, String> {
        if expression.is_empty() {
            return Err("an expression is needed: p task.args".into());
        }
        self.engine.templar.evaluate(expression, None, scope).map_err(|e| e.message.clone())
    }

    /// What expressions see.
    fn scope_of(self: &Arc<Self>, task: &Arc<Task>, done: &Done, edits: &Edits) -> Result<Arc<dyn VarSource>, String> {
        let vars = self.vars(&done.host, Some(task)).map_err(|e| e.to_string())?;
        let all = vars.names().into_iter().filter_map(|name| Some((Key::from(name.as_str()), vars.get(&name)?)));
        let mut task_vars: Map = all.collect();
        task_vars.extend(edits.vars.clone());
        let args = edits.args.clone().unwrap_or_else(|| task.args.clone());
        let mut about = Map::new();
        about.insert("name".into(), Value::str(done.info.name.as_str()));
        about.insert("action".into(), Value::str(task.action.written.as_str()));
        about.insert("args".into(), self.rendered(&args, &task_vars));
        for name in ["become", "when", "register", "tags", "delegate_to", "environment", "notify", "no_log"] {
            about.insert(name.into(), task.attr(name).map(|a| a.value.clone()).unwrap_or_default());
        }
        let shown = value(&done.res);
        let result = Map::from_iter([(Key::from("_result"), shown.clone()), (Key::from("_return_data"), shown)]);
        let mut scope = Map::new();
        scope.insert("task".into(), Value::map(about));
        scope.insert("task_vars".into(), Value::map(task_vars));
        scope.insert("host".into(), Value::str(&*done.host));
        scope.insert("result".into(), Value::map(result));
        Ok(Arc::new(scope))
    }

    /// Arguments as the action has got them, one by one: what can't be rendered stands as it was written.
    fn rendered(&self, args: &Map, vars: &Map) -> Value {
        let vars: Arc<dyn VarSource> = Arc::new(vars.clone());
        let plain = |raw: &Value| match raw {
            Value::Str(text) => Value::str(text.text.clone()),
            other => other.clone(),
        };
        let one = |raw: &Value| self.engine.templar.template(raw, &vars).unwrap_or_else(|_| plain(raw));
        Value::map(args.iter().map(|(k, raw)| (k.clone(), one(raw))).collect())
    }

    /// `task.args['key'] = value`, `task_vars['key'] = value`, `del task.args['key']`.
    fn assign(self: &Arc<Self>, line: &str, task: &Arc<Task>, done: &Done, edits: &mut Edits) -> Result<(), String> {
        let scope = self.scope_of(task, done, edits)?;
        let (place, new) = match line.strip_prefix("del ") {
            Some(place) => (place.trim(), None),
            None => match assignment(line) {
                Some((place, new)) => (place, Some(self.look(new, &scope)?)),
                None => {
                    return Err(format!(
                        "{line:?} is neither a command nor an assignment; \"help\" lists the commands"
                    ));
                }
            },
        };
        let place_of = |prefix: &str| place.strip_prefix(prefix).and_then(|p| p.trim().strip_suffix(']'));
        let key = |inner: &str| self.look(inner.trim(), &scope).map(|k| Key::from(crate::text::of(&k)));
        if let Some(inner) = place_of("task.args[") {
            let key = key(inner)?;
            let args = edits.args.get_or_insert_with(|| task.args.clone());
            match new {
                Some(new) => _ = args.insert(key, new),
                None => _ = args.shift_remove(&key),
            }
        } else if let Some(inner) = place_of("task_vars[") {
            let key = key(inner)?;
            match new {
                Some(new) => _ = edits.vars.insert(key, new),
                None => _ = edits.vars.shift_remove(&key),
            }
        } else {
            return Err(format!("{place} can't be changed: only entries of task.args and task_vars can"));
        }
        Ok(())
    }
}

/// The two sides of an assignment.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let bytes = line.as_bytes();
    let at = line.match_indices('=').map(|(i, _)| i).find(|&i| {
        bytes.get(i + 1) != Some(&b'=')
            && !matches!(i.checked_sub(1).and_then(|b| bytes.get(b)), Some(b'=' | b'!' | b'<' | b'>'))
    })?;
    let (place, new) = (line[..at].trim(), line[at + 1..].trim());
    (place.ends_with(']') && !new.is_empty()).then_some((place, new))
}

impl Edits {
    /// The task with what was changed.
    pub fn apply(&self, task: &Arc<Task>) -> Arc<Task> {
        if self.args.is_none() && self.vars.is_empty() {
            return Arc::clone(task);
        }
        // Parameters of an include stand above all that a task sees but -e.
        let edited = Arc::new(Scope {
            attrs: Default::default(),
            vars: Arc::new(self.vars.clone()),
            parent: task.scope.parent.clone(),
            kind: Kind::Include,
            role: None,
        });
        let scope = Arc::new(Scope {
            attrs: task.scope.attrs.clone(),
            vars: Arc::clone(&task.scope.vars),
            parent: Some(edited),
            kind: task.scope.kind,
            role: task.scope.role.clone(),
        });
        let mut changed = Task::clone(task);
        changed.scope = scope;
        if let Some(args) = &self.args {
            changed.args = args.clone();
        }
        Arc::new(changed)
    }
}

fn title(done: &Done) -> String {
    let kind = if done.info.handler { "HANDLER" } else { "TASK" };
    format!("{kind}: {}", done.info.name)
}

/// Python's `pprint.pformat`: one line where it fits, otherwise one entry a line; mappings in the order of their keys.
fn pretty(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, &sorted(value), 0);
    out
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Map(map) => {
            let mut entries: Vec<(Key, Value)> = map.iter().map(|(k, v)| (k.clone(), sorted(v))).collect();
            entries.sort_by_key(|(k, _)| k.to_string());
            Value::map(entries.into_iter().collect())
        }
        Value::List(items) => Value::list(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

fn write(out: &mut String, value: &Value, indent: usize) {
    const WIDTH: usize = 80;
    let line = crate::text::repr(value);
    if line.chars().count() + indent <= WIDTH {
        return out.push_str(&line);
    }
    let between = |out: &mut String, index: usize| {
        if index > 0 {
            out.push_str(",\n");
            out.push_str(&" ".repeat(indent + 1));
        }
    };
    match value {
        Value::Map(map) => {
            out.push('{');
            for (index, (key, item)) in map.iter().enumerate() {
                between(out, index);
                let key = match key {
                    Key::Str(text) => crate::text::repr(&Value::str(text.clone())),
                    other => other.to_string(),
                };
                out.push_str(&key);
                out.push_str(": ");
                write(out, item, indent + key.chars().count() + 3);
            }
            out.push('}');
        }
        Value::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                between(out, index);
                write(out, item, indent + 1);
            }
            out.push(']');
        }
        _ => out.push_str(&line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments() {
        assert_eq!(assignment("task.args['a'] = 'b'"), Some(("task.args['a']", "'b'")));
        assert_eq!(assignment("task_vars[\"x\"]=1"), Some(("task_vars[\"x\"]", "1")));
        assert_eq!(assignment("a == b"), None);
        assert_eq!(assignment("nonsense"), None);
    }

    #[test]
    fn pformat() {
        let long = "x".repeat(50);
        let map = Map::from_iter([
            (Key::from("b"), Value::str(long.as_str())),
            (Key::from("a"), Value::list(vec![Value::Int(1), Value::str(long.as_str())])),
        ]);
        assert_eq!(pretty(&Value::map(map)), format!("{{'a': [1, '{long}'],\n 'b': '{long}'}}"));
    }
}
