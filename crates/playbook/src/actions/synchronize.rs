//! `synchronize`: rsync between two places, one of which may be another host. Source: ansible.posix's action of that name
//! (which side runs rsync, how paths are completed, what becomes of `become`).
//!
//! Where rsync runs on the controller its remote shell is the connection that the play already has ([`Target::relay`]): no
//! second log-in, no ssh program, and passwords, jump hosts and host keys as for every other task. Whoever sets what only a
//! ssh program can do (`private_key`, `dest_port`, an own `--rsh`, a host in the path) gets the ssh program, as in Ansible.

use super::{Call, Problem, refuse};
use crate::exec::connection::Resolver;
use crate::exec::result::Res;
use crate::inventory::LOCALHOST;
use crate::target::{Become, Connection, ModuleCall, Target};
use serde_json::{Map as Json, Value as JsonValue};
use std::sync::Arc;

/// Where rsync runs, seen from the host that the task is for.
enum Place {
    /// On that host itself: both paths are its own.
    There,
    /// On a host that the task is delegated to.
    Delegate,
    /// Here.
    Controller,
}

pub async fn run(call: &Call<'_>) -> Result<Res, Problem> {
    let (Some(src), Some(dest)) = (call.text("src"), call.text("dest")) else {
        return Err(refuse("synchronize requires both src and dest parameters are set"));
    };
    let mut args = call.checked("synchronize", &call.args)?;
    let pull = args.get("mode").and_then(JsonValue::as_str) == Some("pull");
    if let Some(rsync) = call.var("ansible_rsync_path")? {
        args.insert("_local_rsync_path".into(), crate::text::of(&rsync).into());
    }
    let own = Resolver { engine: &call.run.engine, task: call.task, vars: &call.vars, own: &call.vars };
    let delegate = own.text("delegate_to").map_err(Problem::Failed)?;
    let host = own.connection(call.host).map_err(Problem::Failed)?;
    let there = |name: &str| name == host.name || name == host.host;
    let place = match delegate.as_deref() {
        None if call.connection.plugin == "local" => Place::There,
        Some(to) if there(to) => Place::There,
        Some(_) if call.connection.plugin != "local" => Place::Delegate,
        _ => Place::Controller,
    };
    if let Place::There = place {
        set(&mut args, "src", complete(call, &src)?);
        set(&mut args, "dest", complete(call, &dest)?);
        return call.module("synchronize", args, None).await;
    }
    let user = match call.bool("set_remote_user", true)? {
        true => host.user.clone(),
        false => None,
    };
    let (local, remote) = if pull { (&dest, &src) } else { (&src, &dest) };
    let plain = !remote.contains(':');
    let local = match place {
        Place::Delegate if !local.contains(':') && !local.starts_with('/') => local.clone(),
        _ => complete(call, local)?,
    };
    let remote = target_path(&host.host, remote, user.as_deref());
    set(&mut args, "src", if pull { remote.clone() } else { local.clone() });
    set(&mut args, "dest", if pull { local } else { remote });
    let mut as_whom = call.become_.clone();
    // sudo without a password needs no more than rsync's own option, as Ansible has it.
    let simple = as_whom.as_ref().is_some_and(|b| b.method == "sudo" && b.password.is_none());
    if args.contains_key("rsync_path") {
        as_whom = None;
    } else if let Some(become_) = as_whom.take_if(|_| simple) {
        set(&mut args, "rsync_path", format!("sudo -u {} rsync", become_.user));
    }
    let opts = args.get("rsync_opts").and_then(JsonValue::as_array).cloned().unwrap_or_default();
    let own_shell =
        opts.iter().filter_map(JsonValue::as_str).any(|o| o.contains("--rsh") || o == "-e" || o.starts_with("-e "));
    let by_ssh = matches!(place, Place::Delegate)
        || !plain
        || own_shell
        || host.plugin == "local"
        || call.arg("private_key").is_some()
        || call.arg("dest_port").is_some()
        || !call.bool("set_remote_user", true)?;
    if by_ssh {
        if as_whom.is_some() {
            return Err(refuse(
                "synchronize through a ssh program becomes another user by sudo without a password only: set rsync_path, or leave out what asks for the program (delegate_to, private_key, dest_port, --rsh, a host in the path)",
            ));
        }
        return over_ssh(call, args, &host, &place).await;
    }
    over_connection(call, args, &host, as_whom.as_ref()).await
}

fn set(args: &mut Json<String, JsonValue>, name: &str, value: impl Into<JsonValue>) {
    args.insert(name.to_owned(), value.into());
}

/// rsync with a ssh program.
async fn over_ssh(
    call: &Call<'_>,
    mut args: Json<String, JsonValue>,
    host: &Connection,
    place: &Place,
) -> Result<Res, Problem> {
    if let Some(key) = host.private_key_file.as_ref().filter(|_| call.arg("private_key").is_none()) {
        set(&mut args, "private_key", key.display().to_string());
    }
    if call.arg("dest_port").is_none() {
        set(&mut args, "dest_port", host.port.unwrap_or(22));
    }
    if call.bool("use_ssh_args", false)? && !host.ssh_args.is_empty() {
        set(&mut args, "_ssh_args", host.ssh_args.join(" "));
    }
    if let Some(password) = &host.password {
        set(&mut args, "_local_rsync_password", password.expose().as_str());
    }
    if matches!(place, Place::Delegate) && LOCALHOST.contains(&host.host.as_str()) {
        set(&mut args, "_substitute_controller", true);
    }
    let target = match place {
        Place::Controller => controller(call).await?,
        _ => call.target().await?,
    };
    call.call_on(&*target, module(call, args)).await
}

/// rsync here, with the play's connection as its remote shell.
async fn over_connection(
    call: &Call<'_>,
    mut args: Json<String, JsonValue>,
    host: &Connection,
    become_: Option<&Become>,
) -> Result<Res, Problem> {
    let connections = &call.run.engine.connections;
    let far = connections.get(&call.run.engine, host).await.map_err(|lost| Problem::Unreachable(lost.message))?;
    let relay = far.relay(become_).await.map_err(|lost| Problem::Unreachable(lost.message))?;
    set(&mut args, "_relay", relay.socket.display().to_string());
    let near = controller(call).await?;
    let transfer = call.call_on(&*near, module(call, args));
    tokio::select! {
        // rsync that has ended is not disturbed by a relay that ends with it.
        biased;
        done = transfer => done,
        why = relay.served => Err(refuse(why)),
    }
}

fn module(call: &Call<'_>, args: Json<String, JsonValue>) -> ModuleCall {
    ModuleCall {
        module: "synchronize".to_owned(),
        args,
        check: call.check,
        diff: call.diff,
        environment: call.environment.clone(),
        timeout: call.timeout,
        ..ModuleCall::default()
    }
}

/// This machine.
async fn controller(call: &Call<'_>) -> Result<Arc<dyn Target>, Problem> {
    let here = Connection {
        name: "localhost".to_owned(),
        plugin: "local".to_owned(),
        host: "localhost".to_owned(),
        ..Connection::default()
    };
    let connections = &call.run.engine.connections;
    connections.get(&call.run.engine, &here).await.map_err(|lost| Problem::Unreachable(lost.message))
}

/// A relative path of the controller is one in the role's `files/`, or in the playbook's.
fn complete(call: &Call<'_>, path: &str) -> Result<String, Problem> {
    if path.contains(':') || path.starts_with('/') {
        return Ok(path.to_owned());
    }
    if let Ok(found) = call.find(path, "files") {
        return Ok(found.display().to_string());
    }
    let search = call.run.search_path(call.task);
    let base = search.first().cloned().unwrap_or_default();
    let full = crate::play::paths::normal(&base.join(path)).display().to_string();
    Ok(if path.ends_with('/') { format!("{full}/") } else { full })
}

/// A path on a host as rsync writes it.
fn target_path(host: &str, path: &str, user: Option<&str>) -> String {
    if path.starts_with("rsync://") {
        return path.to_owned();
    }
    let user = user.map(|u| format!("{u}@")).unwrap_or_default();
    if host.contains(':') {
        format!("[{user}{host}]:{path}")
    } else if !path.contains(':') {
        format!("{user}{host}:{path}")
    } else if path.contains('@') {
        path.to_owned()
    } else {
        format!("{user}{path}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_on_hosts() {
        for (host, path, user, want) in [
            ("h", "/a", Some("u"), "u@h:/a"),
            ("h", "/a", None, "h:/a"),
            ("h", "rsync://x/y", Some("u"), "rsync://x/y"),
            ("h", "other:/a", Some("u"), "u@other:/a"),
            ("h", "v@other:/a", Some("u"), "v@other:/a"),
            ("fe80::1", "/a", Some("u"), "[u@fe80::1]:/a"),
        ] {
            assert_eq!(target_path(host, path, user), want);
        }
    }
}
