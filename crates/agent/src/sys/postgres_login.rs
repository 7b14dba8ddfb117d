//! How the `postgresql_*` modules log in, and their transactions: in check mode everything is taken back at the end.

use crate::ctx::Ctx;
use crate::outcome::Fail;
use crate::sys::postgres::{Client, Login, name};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// Where distributions put the sockets.
const SOCKETS: &[&str] = &["/var/run/postgresql", "/run/postgresql", "/tmp"];

/// The options as a login. `database`: where the options name none.
pub fn login(ctx: &Ctx, database: &str) -> Result<Login, Fail> {
    let args = &ctx.args;
    let given = |name: &str| args.str(name).filter(|v| !v.is_empty());
    let port = u16::try_from(args.int("login_port").unwrap_or(5432)).unwrap_or(5432);
    if matches!(args.text("ssl_mode").as_str(), "require" | "verify-ca" | "verify-full") {
        crate::fail!("ssl_mode {} is not supported by imgbuild: it speaks no TLS to PostgreSQL", args.text("ssl_mode"));
    }
    let socket = || {
        let there = |dir: &&&str| Path::new(dir).join(format!(".s.PGSQL.{port}")).exists();
        SOCKETS.iter().find(there).unwrap_or(&SOCKETS[0]).to_string()
    };
    let host = given("login_host").filter(|h| h != "localhost" || given("login_unix_socket").is_none());
    let mut login = Login {
        host: host.or_else(|| given("login_unix_socket")).unwrap_or_else(socket),
        port,
        user: given("login_user").unwrap_or_else(|| "postgres".into()),
        password: args.text("login_password"),
        database: given("login_db").unwrap_or_else(|| database.to_string()),
        timeout: None,
        parameters: Vec::new(),
    };
    if let Some(Value::Object(more)) = args.given("connect_params") {
        for (key, value) in more {
            let text = crate::args::text(value);
            match key.as_str() {
                "connect_timeout" => login.timeout = text.parse().ok().map(Duration::from_secs),
                "application_name" | "options" => login.parameters.push((key.clone(), text)),
                "host" => login.host = text,
                "port" => login.port = text.parse().unwrap_or(port),
                "user" => login.user = text,
                "password" => login.password = text,
                "dbname" | "database" => login.database = text,
                other => crate::fail!("connect_params: {other} is not supported by imgbuild"),
            }
        }
    }
    Ok(login)
}

/// Connects, and takes on `session_role`.
pub fn connect(ctx: &Ctx, login: &Login) -> Result<Client, Fail> {
    let mut client =
        Client::connect(login).map_err(|why| Fail::new(format!("unable to connect to database: {why}")))?;
    if let Some(role) = ctx.args.str("session_role").filter(|r| !r.is_empty()) {
        client
            .query(&format!("SET ROLE {}", name(&role)))
            .map_err(|why| Fail::new(format!("Could not switch role: {why}")))?;
    }
    Ok(client)
}

/// Refuses what could be SQL of somebody else's, where `trust_input` is off.
pub fn check_input(ctx: &Ctx, names: &[&str]) -> Result<(), Fail> {
    if ctx.args.opt_bool("trust_input") != Some(false) {
        return Ok(());
    }
    for name in names {
        let text = match ctx.args.given(name) {
            Some(Value::Array(all)) => all.iter().map(crate::args::text).collect::<Vec<_>>().join("\n"),
            Some(one) => crate::args::text(one),
            None => continue,
        };
        let upper = text.to_uppercase();
        let second = [';', '\''].iter().any(|c| {
            text.contains(*c)
                && ["SELECT", "UPDATE", "INSERT", "DELETE", "DROP", "CREATE", "ALTER", "UNION"]
                    .iter()
                    .any(|w| upper.contains(w))
        });
        if second || text.contains("--") || upper.contains(" UNION ") || upper.contains("OR 1=1") {
            crate::fail!("Passed input '{text}' is potentially dangerous");
        }
    }
    Ok(())
}

/// The comment of a role, a database or an extension.
pub fn comment(client: &mut Client, kind: &str, of: &str) -> Result<String, Fail> {
    let literal = crate::sys::postgres::quote(of);
    let sql = match kind {
        "role" => format!(
            "SELECT pg_catalog.shobj_description(r.oid, 'pg_authid') AS comment FROM pg_catalog.pg_roles r WHERE r.rolname = {literal}"
        ),
        "database" => format!(
            "SELECT pg_catalog.shobj_description(d.oid, 'pg_database') AS comment FROM pg_catalog.pg_database d WHERE datname = {literal}"
        ),
        _ => format!(
            "SELECT pg_catalog.obj_description(e.oid, 'pg_extension') AS comment FROM pg_catalog.pg_extension e WHERE extname = {literal}"
        ),
    };
    let answer = client.query(&sql)?;
    Ok(answer.at(0, "comment").map(crate::args::text).unwrap_or_default())
}

/// Sets it; the statement.
pub fn set_comment(client: &mut Client, kind: &str, of: &str, text: &str, check: bool) -> Result<String, Fail> {
    let literal = crate::sys::postgres::quote(text);
    let sql = format!("COMMENT ON {} {} IS {literal}", kind.to_uppercase(), name(of));
    if !check {
        client.query(&sql)?;
    }
    Ok(sql)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn logins() {
        let of = |args: Value| login(&Ctx::test("postgresql_user", args), "postgres");
        let plain = of(json!({"name": "u"})).unwrap();
        assert_eq!((plain.user.as_str(), plain.database.as_str(), plain.port), ("postgres", "postgres", 5432));
        assert!(plain.host.starts_with('/'));
        let far = of(json!({"name": "u", "login_host": "db", "login_db": "d", "login_port": 1,
            "connect_params": {"connect_timeout": 3}}))
        .unwrap();
        assert_eq!((far.host.as_str(), far.database.as_str(), far.timeout), ("db", "d", Some(Duration::from_secs(3))));
        assert!(of(json!({"name": "u", "ssl_mode": "require"})).is_err());
        assert!(of(json!({"name": "u", "connect_params": {"sslmode": "x"}})).is_err());
        let input = |text: &str| {
            check_input(&Ctx::test("postgresql_user", json!({"name": text, "trust_input": false})), &["name"])
        };
        assert!(input("joe").is_ok() && input("x; DROP TABLE y").is_err() && input("a -- b").is_err());
    }
}
