//! Handlers: who is notified, and what runs at a flush.

use super::engine::{Host, lock};
use super::flow::{Around, Flow};
use super::play::PlayRun;
use crate::callback::Event;
use crate::play::model::Task;
use imgbuild_jinja::Value;
use indexmap::IndexSet;
use std::sync::{Arc, PoisonError};

impl PlayRun {
    /// A task changed something and names a handler.
    pub fn notify(self: &Arc<Self>, task: &Task, host: &Host, name: &str) {
        let found = self.handlers_for(name);
        if found.is_empty() {
            let place = task.attr("notify").and_then(|a| a.span.as_ref()).unwrap_or(&task.span);
            let known = self.handler_names();
            let message = imgbuild_diag::Diagnostic::error(format!(
                "The requested handler '{name}' was not found in either the main handlers list nor in the listening handlers list"
            ));
            let message = message.at(place).suggest(name, known.iter().map(String::as_str)).to_string();
            let message = message.trim_start_matches("Error: ").to_owned();
            if self.engine.settings.error_on_missing_handler {
                self.engine.fail(message);
            } else {
                self.engine.emit(Event::Warning(message));
            }
            return;
        }
        let handling = lock(&self.shared).handling.contains(host);
        if handling {
            for handler in found {
                self.mark(&handler, host);
            }
        } else {
            lock(&self.shared).notified.entry(Arc::clone(host)).or_default().insert(name.to_owned());
            self.engine.emit(Event::Verbose {
                level: 2,
                text: format!("Notification for handler {name} has been saved."),
                host: None,
            });
        }
    }

    fn mark(self: &Arc<Self>, handler: &Arc<Task>, host: &Host) {
        let new = lock(&self.shared).to_handle.entry(handler.id).or_default().insert(Arc::clone(host));
        if new {
            let name = handler.title(self.handler_name(handler).as_deref());
            self.engine.emit(Event::Notified { handler: name, host: host.to_string() });
        }
    }

    /// The handlers of a notification: the last one of that name, and all that listen.
    fn handlers_for(self: &Arc<Self>, name: &str) -> Vec<Arc<Task>> {
        let handlers = in_search_order(&self.handlers.read().unwrap_or_else(PoisonError::into_inner));
        let mut found: Vec<Arc<Task>> = Vec::new();
        for handler in &handlers {
            let Some(own) = self.handler_name(handler) else { continue };
            let mut names = vec![own.clone(), handler.title(Some(&own))];
            if let Some(role) = handler.scope.role() {
                let short = role.name.rsplit('.').next().unwrap_or(&role.name);
                names.push(format!("{short} : {own}"));
            }
            if names.iter().any(|n| n == name) {
                found.push(Arc::clone(handler));
                break;
            }
        }
        let mut seen: IndexSet<String> = IndexSet::new();
        for handler in &handlers {
            // A role's topic may be named with the role in front.
            let role = handler.scope.role().map(|r| r.name.clone());
            let listens = |topic: &String| {
                topic == name
                    || role.as_deref().is_some_and(|role| {
                        let short = role.rsplit('.').next().unwrap_or(role);
                        [role, short].iter().any(|r| format!("{r} : {topic}") == name)
                    })
            };
            if handler.handler.as_ref().is_some_and(|topics| topics.iter().any(listens)) {
                let own = self.handler_name(handler);
                if own.is_some_and(|own| !seen.insert(own)) || found.iter().any(|f| f.id == handler.id) {
                    continue;
                }
                found.push(Arc::clone(handler));
            }
        }
        found
    }

    /// All names and topics, for messages.
    fn handler_names(self: &Arc<Self>) -> Vec<String> {
        let handlers = self.handlers.read().unwrap_or_else(PoisonError::into_inner).clone();
        let named = handlers.iter().filter_map(|h| h.name().and_then(Value::as_str).map(str::to_owned));
        named.chain(handlers.iter().flat_map(|h| h.handler.iter().flatten().cloned())).collect()
    }

    fn handler_name(self: &Arc<Self>, handler: &Task) -> Option<String> {
        let raw = handler.name()?;
        match raw {
            Value::Str(text) if self.engine.templar.is_template(text) => {
                let vars = self.vars_without_host(handler);
                match self.engine.templar.template(raw, &vars) {
                    Ok(name) => Some(crate::text::of(&name)),
                    Err(error) => {
                        if handler.handler.as_ref().is_none_or(Vec::is_empty) {
                            self.engine.emit(Event::Warning(format!(
                                "Handler '{}' is unusable because it has no listen topics and the name could not be templated (host-specific variables are not supported in handler names). The error: {}",
                                text.text, error.message
                            )));
                        }
                        None
                    }
                }
            }
            other => Some(crate::text::of(other)),
        }
    }

    /// Runs what was notified, in the order in which handlers are defined.
    pub async fn flush(self: &Arc<Self>, hosts: Vec<Host>, around: Around) -> Flow {
        for host in &hosts {
            let names = lock(&self.shared).notified.remove(host).unwrap_or_default();
            lock(&self.shared).handling.insert(Arc::clone(host));
            for name in names {
                for handler in self.handlers_for(&name) {
                    self.mark(&handler, host);
                }
            }
        }
        let mut flow = Flow { ok: hosts.clone(), failed: Vec::new() };
        let around = Around { handlers: true, ..around };
        let mut index = 0;
        loop {
            // Handlers may bring in more handlers while they run.
            let handler = self.handlers.read().unwrap_or_else(PoisonError::into_inner).get(index).cloned();
            let Some(handler) = handler else { break };
            index += 1;
            let wanted = lock(&self.shared).to_handle.remove(&handler.id).unwrap_or_default();
            let (run, wait): (Vec<Host>, Vec<Host>) = flow.ok.iter().cloned().partition(|h| wanted.contains(h));
            if run.is_empty() || self.stopped() {
                continue;
            }
            let next = Box::pin(self.task(&handler, run, around)).await;
            flow.ok = hosts.iter().filter(|h| wait.contains(h) || next.ok.contains(h)).cloned().collect();
            flow.failed.extend(next.failed);
        }
        let mut shared = lock(&self.shared);
        for host in &hosts {
            shared.handling.remove(host);
        }
        flow
    }
}

/// The lists in which handlers are defined (a role's, the play's), last list first, each in its own order.
fn in_search_order(handlers: &[Arc<Task>]) -> Vec<Arc<Task>> {
    let list = |h: &Arc<Task>| h.scope.role().map(|r| r.id);
    let lists: Vec<&[Arc<Task>]> = handlers.chunk_by(|a, b| list(a) == list(b)).collect();
    lists.into_iter().rev().flatten().cloned().collect()
}
