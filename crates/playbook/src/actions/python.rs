//! Action plugins in Python (`action_plugins/` beside a playbook or in a role, `plugins/action/` of collections): the machine's own
//! Python runs them (docs/decisions/0052), and what they want done on the host is done here, with imgbuild's modules and actions.

use super::{Call, Problem, refuse};
use crate::callback::Event;
use crate::exec::result::{Res, as_map, flag, get, set};
use crate::play::modules::{Action, Places};
use crate::python::{Python, failed, finished, pack, pack_map, reply, unpack};
use imgbuild_jinja::{Key, LookupContext, Map, Value};
use serde_json::{Value as Json, json};
use std::path::Path;

/// Runs a plugin in the module's place.
pub async fn run(call: &Call<'_>, plugin: &Path) -> Result<Res, Problem> {
    let engine = &call.run.engine;
    engine.python.add(&call.run.play.dir);
    let mut process = engine.python.open().map_err(|why| refuse(cant(call, plugin, &why)))?;
    let mut message = request(call, plugin)?;
    loop {
        let (back, mut told) = Python::step(process, message).await.map_err(|why| refuse(cant(call, plugin, &why)))?;
        process = back;
        if let Some(ended) = finished(&mut told) {
            engine.python.close(process);
            return result(ended.map_err(|why| refuse(cant(call, plugin, &why)))?);
        }
        message = answer(call, &told).await;
    }
}

fn cant(call: &Call<'_>, plugin: &Path, why: &str) -> String {
    format!("{why} (the action plugin {} of {})", plugin.display(), call.action.written)
}

/// What the plugin ended with.
fn result(value: Value) -> Result<Res, Problem> {
    let mut res = super::custom::without_internals(as_map(&value));
    if flag(&res, "unreachable") {
        return Err(Problem::Unreachable(get(&res, "msg").map(crate::text::of).unwrap_or_default()));
    }
    if get(&res, "changed").is_none() {
        set(&mut res, "changed", false);
    }
    Ok(res)
}

/// What the plugin is told of its task.
fn request(call: &Call<'_>, plugin: &Path) -> Result<Json, Problem> {
    let map =
        |pairs: Vec<(&str, Json)>| json!({"!map": pairs.into_iter().map(|(k, v)| json!([k, v])).collect::<Vec<_>>()});
    let texts = |items: Vec<String>| Json::from(items);
    let search = call.run.search_path(call.task).iter().map(|p| p.display().to_string()).collect();
    let role = call.task.scope.role().map(|role| {
        map(vec![("name", json!(role.name)), ("_role_path", json!(role.path)), ("_role_name", json!(role.name))])
    });
    let args: Map =
        call.args.iter().filter(|(_, v)| !matches!(v, Value::Omit)).map(|(k, v)| (k.clone(), v.clone())).collect();
    let asynchronous = call.task.attr("async").is_some();
    let task = map(vec![
        ("args", pack_map(&args)),
        ("action", json!(call.action.written)),
        ("resolved_action", json!(call.action.full)),
        ("name", json!(call.info.name)),
        ("check_mode", json!(call.check)),
        ("diff", json!(call.diff)),
        ("no_log", json!(call.no_log)),
        ("async_val", json!(i32::from(asynchronous))),
        ("path", json!(call.task.span.source().name())),
        ("search_path", texts(search)),
        ("delegate_to", json!(call.task.attr("delegate_to").map(|_| call.connection.name.as_str()))),
        ("_role", role.unwrap_or_default()),
        ("become", json!(call.become_.is_some())),
        ("environment_here", map(call.environment.iter().map(|(k, v)| (k.as_str(), json!(v))).collect())),
    ]);
    let connection = &call.connection;
    let play = map(vec![
        ("check_mode", json!(call.check)),
        ("diff", json!(call.diff)),
        ("no_log", json!(call.no_log)),
        ("remote_addr", json!(connection.host)),
        ("remote_user", json!(connection.user)),
        ("port", json!(connection.port)),
        ("timeout", json!(connection.timeout)),
        ("connection", json!(connection.plugin)),
        ("become", json!(call.become_.is_some())),
        ("become_user", json!(call.become_.as_ref().map(|b| b.user.as_str()))),
        ("become_method", json!(call.become_.as_ref().map(|b| b.method.as_str()))),
        ("verbosity", json!(call.run.engine.settings.verbosity)),
        ("executable", json!("/bin/sh")),
    ]);
    let transport = connection.plugin.trim_start_matches("ansible.builtin.");
    let told = map(vec![
        ("transport", json!(transport)),
        ("host", json!(connection.host)),
        ("remote_addr", json!(connection.host)),
        ("remote_user", json!(connection.user)),
        ("port", json!(connection.port)),
        ("timeout", json!(connection.timeout)),
        ("private_key_file", json!(connection.private_key_file)),
    ]);
    Ok(json!({"do": "act", "path": plugin, "task": task, "play": play, "connection": told}))
}

/// Does what the plugin asks for.
async fn answer(call: &Call<'_>, question: &Json) -> Json {
    let text = |key: &str| question.get(key).and_then(Json::as_str);
    let done = if let Some(name) = text("module") {
        module(call, name, question).await
    } else if let Some(name) = text("action") {
        action(call, name, question).await
    } else if let Some(line) = text("command") {
        command(call, line, question).await
    } else if let Some(text) = text("display") {
        call.run.engine.emit(Event::Verbose { level: 0, text: text.to_owned(), host: None });
        return json!({});
    } else if let Some(needle) = text("find") {
        return match call.find(needle, text("folder").unwrap_or("files")) {
            Ok(path) => json!({"value": path}),
            Err(problem) => failed(message(&problem)),
        };
    } else {
        let cx = LookupContext::new(&call.run.engine.templar, &call.vars, Some(&call.task.span));
        return reply(question, &call.run.engine.settings, &cx);
    };
    match done {
        Ok(res) => json!({"value": pack(&crate::exec::result::value(&res))}),
        Err(Problem::Unreachable(why)) => json!({"unreachable": why}),
        Err(Problem::Skipped(why)) => json!({"value": pack(&Value::map(Map::from_iter([
            (Key::from("skipped"), Value::Bool(true)),
            (Key::from("msg"), Value::str(why)),
        ])))}),
        Err(problem @ Problem::Failed(_)) => json!({"value": pack(&Value::map(Map::from_iter([
            (Key::from("failed"), Value::Bool(true)),
            (Key::from("changed"), Value::Bool(false)),
            (Key::from("msg"), Value::str(message(&problem))),
        ])))}),
    }
}

fn message(problem: &Problem) -> String {
    match problem {
        Problem::Failed(failure) => failure.message(),
        Problem::Unreachable(why) | Problem::Skipped(why) => why.clone(),
    }
}

/// The arguments that a question holds.
fn args(question: &Json) -> Map {
    let mut args = question.get("args").cloned().map(|a| as_map(&unpack(a))).unwrap_or_default();
    args.retain(|key, _| !key.to_string().starts_with("_ansible_"));
    args
}

/// The call with another action.
fn with<'a>(call: &Call<'a>, action: Action, args: Map, question: &Json) -> Call<'a> {
    Call {
        run: call.run,
        task: call.task,
        host: call.host,
        info: call.info,
        action,
        args,
        vars: call.vars.clone(),
        reach: call.reach.clone(),
        connection: call.connection.clone(),
        become_: call.become_.clone(),
        environment: call.environment.clone(),
        check: question.get("check").and_then(Json::as_bool).unwrap_or(call.check),
        diff: call.diff,
        no_log: call.no_log,
        timeout: call.timeout,
    }
}

/// `_execute_module`: a module on the host, without any action's part of it on the controller.
async fn module(call: &Call<'_>, name: &str, question: &Json) -> Result<Res, Problem> {
    let mut args = args(question);
    let action = if name == call.action.written {
        Action { plugin: None, ..call.action.clone() }
    } else {
        let found = Action::resolve(name, &call.run.places(call.task));
        let action =
            found.map_err(|_| refuse(format!("The module {name} was not found in configured module paths")))?;
        Action { plugin: None, ..action }
    };
    let inner = |args, action| with(call, action, args, question);
    if let Some(path) = action.custom.clone() {
        return super::custom::run(&inner(args, action), &path).await;
    }
    // What the action has put on the host stands there.
    if action.name == "copy" && args.contains_key(&Key::from("src")) {
        args.insert("remote_src".into(), Value::Bool(true));
    }
    if matches!(action.name.as_str(), "command" | "setup" | "gather_facts") || action.spec.is_none() {
        let shell = args.shift_remove(&Key::from("_uses_shell")).is_some_and(|v| v.is_true());
        let action = if shell { Action::builtin("shell") } else { action };
        return Box::pin(super::run(&inner(args, action))).await;
    }
    let Some(spec) = action.spec else { return Err(refuse(format!("The module {name} was not found"))) };
    let call = inner(args.clone(), action);
    call.remote(spec, args).await
}

/// An action of Ansible's own, with all its parts.
async fn action(call: &Call<'_>, name: &str, question: &Json) -> Result<Res, Problem> {
    // What stands beside the playbook is what asks.
    let places = Places { libraries: Vec::new(), plugins: Vec::new(), ..call.run.places(call.task) };
    let action = Action::resolve(name, &places).map_err(|_| refuse(format!("the action {name} is not available")))?;
    Box::pin(super::run(&with(call, action, args(question), question))).await
}

/// `_low_level_execute_command`: a line for the host's shell.
async fn command(call: &Call<'_>, line: &str, question: &Json) -> Result<Res, Problem> {
    let mut checked = serde_json::Map::new();
    checked.insert("_raw_params".into(), line.into());
    for (from, to) in [("executable", "executable"), ("chdir", "chdir"), ("input", "stdin")] {
        if let Some(text) = question.get(from).and_then(Json::as_str) {
            checked.insert(to.into(), text.into());
        }
    }
    checked.insert("stdin_add_newline".into(), false.into());
    checked.insert("strip_empty_ends".into(), false.into());
    let mut inner = with(call, Action::builtin("shell"), Map::new(), question);
    inner.check = false;
    if question.get("become") == Some(&Json::Bool(false)) {
        inner.become_ = None;
    }
    let mut res = inner.module("shell", checked, None).await?;
    for stream in ["stdout", "stderr"] {
        let text = get(&res, stream).map(crate::text::of).unwrap_or_default();
        set(&mut res, &format!("{stream}_lines"), Value::list(text.lines().map(Value::str).collect()));
    }
    Ok(res)
}
