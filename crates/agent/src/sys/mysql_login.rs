//! How the `mysql_*` modules log in: their options, then the `[client]` section of `config_file`, as PyMySQL reads both.

use crate::ctx::Ctx;
use crate::outcome::Fail;
use crate::sys::mysql::{Client, Login, literal};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The `[client]` section of an option file: names and values. Includes are not followed, as in PyMySQL.
pub fn client_section(text: &str) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let mut inside = false;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.split(']').next()) {
            inside = name == "client";
        } else if inside && !line.is_empty() && !line.starts_with(['#', ';', '!']) {
            let (key, value) = line.split_once(['=', ':']).unwrap_or((line, ""));
            let value = value.trim();
            let plain = ['"', '\''].iter().find_map(|q| value.strip_prefix(*q)?.strip_suffix(*q));
            out.insert(key.trim().to_lowercase(), plain.unwrap_or(value).to_string());
        }
    }
    out
}

/// The option file, if it is there.
pub fn config_file(ctx: &Ctx) -> Option<PathBuf> {
    ctx.args.path("config_file").filter(|p| !p.as_os_str().is_empty() && p.exists())
}

/// Whom to be and where, with user and password of the caller's choice.
pub fn login(ctx: &Ctx, user: Option<String>, password: Option<String>, database: Option<&str>) -> Login {
    let args = &ctx.args;
    let file = config_file(ctx).and_then(|p| std::fs::read_to_string(p).ok()).unwrap_or_default();
    let file = client_section(&file);
    let from_file = |key: &str| file.get(key).cloned().filter(|v| !v.is_empty());
    let given = |value: Option<String>, key: &str| value.filter(|v| !v.is_empty()).or_else(|| from_file(key));
    let own_user = std::env::var("USER")
        .ok()
        .or_else(|| crate::sys::users::user_by_id(rustix::process::geteuid().as_raw()).map(|u| u.name));
    let (mut host, mut port) = (args.text("login_host"), args.int("login_port").unwrap_or(3306));
    if args.bool("config_overrides_defaults") {
        host = from_file("host").unwrap_or(host);
        port = from_file("port").and_then(|p| p.parse().ok()).unwrap_or(port);
    }
    Login {
        // A socket of the option file counts where no host of another machine is given.
        socket: given(args.str("login_unix_socket"), "socket")
            .filter(|_| args.str("login_unix_socket").is_some() || matches!(host.as_str(), "localhost")),
        host,
        port: u16::try_from(port).unwrap_or(3306),
        user: given(user, "user").or(own_user).unwrap_or_default(),
        password: given(password, "password").unwrap_or_default(),
        database: database.map(str::to_string),
        timeout: Duration::from_secs(args.int("connect_timeout").unwrap_or(30).max(1).unsigned_abs()),
    }
}

/// Connects as the options say; with `check_implicit_admin` first as root without a password. Whether that was it.
pub fn connect(ctx: &Ctx, database: Option<&str>) -> Result<(Client, bool), Fail> {
    let args = &ctx.args;
    if args.bool("check_implicit_admin")
        && let Ok(client) = Client::connect(&login(ctx, Some("root".into()), Some(String::new()), database))
    {
        return Ok((client, true));
    }
    let login = login(ctx, args.str("login_user"), args.str("login_password"), database);
    Client::connect(&login).map(|client| (client, false)).map_err(|why| {
        let path = args.path("config_file").unwrap_or_default();
        Fail::new(format!(
            "unable to connect to database, check login_user and login_password are correct or {} has the credentials. Exception message: {}",
            path.display(),
            why.msg
        ))
    })
}

/// `session_vars`, and `sql_log_bin` where it is off.
pub fn prepare(ctx: &Ctx, client: &mut Client) -> Result<(), Fail> {
    if ctx.args.opt_bool("sql_log_bin") == Some(false) {
        client.query("SET SQL_LOG_BIN=0")?;
    }
    if let Some(Value::Object(vars)) = ctx.args.given("session_vars") {
        for (name, value) in vars {
            let query = format!("SET SESSION {} = ", crate::sys::mysql::name(name));
            client
                .query(&format!("{query}{}", literal(value)))
                .map_err(|why| Fail::new(format!("Failed to execute {query}{}: {why}", crate::args::text(value))))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::json;

    #[test]
    fn options_come_before_the_file() {
        let text = "[mysqld]\nuser=x\n[client]\n# c\nuser = root\npassword=\"a=b;c\"\nsocket: /run/s\n!include /x\n[mysql]\nuser=y\n";
        let all = client_section(text);
        assert_eq!((all["user"].as_str(), all["password"].as_str(), all.len()), ("root", "a=b;c", 3));
        let dir = Scratch::new();
        let file = dir.file("my.cnf", text);
        let of = |more: Value| {
            let mut args = json!({"query": "x", "config_file": file});
            args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let ctx = Ctx::test("mysql_query", args);
            login(&ctx, ctx.args.str("login_user"), ctx.args.str("login_password"), None)
        };
        let one = of(json!({}));
        assert_eq!((one.user.as_str(), one.socket.as_deref(), one.port), ("root", Some("/run/s"), 3306));
        let two = of(json!({"login_user": "u", "login_host": "db", "login_port": 1}));
        assert_eq!((two.user.as_str(), two.password.as_str(), two.socket, two.port), ("u", "a=b;c", None, 1));
    }
}
