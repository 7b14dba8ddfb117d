//! `postgresql_ext`: extensions of a database.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::postgres::{Client, name, quote};
use crate::sys::postgres_login;
use serde_json::json;

/// The version that is there, the default one, and those that could be.
type Versions = (Option<String>, Option<String>, Vec<String>);

fn versions(client: &mut Client, ext: &str) -> Result<Versions, Fail> {
    let of = quote(ext);
    let mut ask = |sql: String, column: &str| -> Result<Vec<String>, Fail> {
        let answer = client.query(&sql)?;
        Ok((0..answer.rows.len()).filter_map(|n| answer.at(n, column).map(crate::args::text)).collect())
    };
    let now = ask(format!("SELECT extversion FROM pg_catalog.pg_extension WHERE extname = {of}"), "extversion")?;
    let sql = format!("SELECT default_version FROM pg_catalog.pg_available_extensions WHERE name = {of}");
    let default = ask(sql, "default_version")?;
    let sql = format!("SELECT version FROM pg_catalog.pg_available_extension_versions WHERE name = {of}");
    Ok((now.into_iter().next(), default.into_iter().next(), ask(sql, "version")?))
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let ext = args.req("ext")?;
    let (state, version) = (args.text("state"), args.str("version").filter(|v| !v.is_empty()));
    postgres_login::check_input(ctx, &["ext", "schema", "version", "session_role", "comment"])?;
    if version.is_some() && state == "absent" {
        ctx.warn("Parameter version is ignored when state=absent");
    }
    let login = postgres_login::login(ctx, "postgres")?;
    let mut client = postgres_login::connect(ctx, &login)?;
    let (now, default, available) = versions(&mut client, &ext)?;
    let latest = version.as_deref().is_none_or(|v| v == "latest");
    let wanted = if latest {
        if available.is_empty() && state == "present" {
            crate::fail!("Extension {ext} is not available");
        }
        default.clone().unwrap_or_default()
    } else {
        version.clone().unwrap_or_default()
    };
    let mut queries: Vec<String> = Vec::new();
    if state == "absent" {
        if now.is_some() {
            queries.push(format!(
                "DROP EXTENSION {}{}",
                name(&ext),
                if args.bool("cascade") { " CASCADE" } else { "" }
            ));
        }
    } else {
        match (&now, &version) {
            (Some(now), Some(given)) if *now != wanted => {
                let sql = format!(
                    "SELECT path FROM pg_extension_update_paths({}) WHERE source = {} AND target = {}",
                    quote(&ext),
                    quote(now),
                    quote(&wanted)
                );
                if client.query(&sql)?.at(0, "path").is_none_or(serde_json::Value::is_null) {
                    let what = if latest { "Latest" } else { "Passed" };
                    let more = if latest { "" } else { " or the passed version is not available" };
                    crate::fail!(
                        "{what} version '{wanted}' has no valid update path from the currently installed version '{now}'{more}"
                    );
                }
                let to = if given == "latest" { String::new() } else { format!(" TO {}", quote(given)) };
                queries.push(format!("ALTER EXTENSION {} UPDATE{to}", name(&ext)));
            }
            (None, _) => {
                if !available.contains(&wanted) {
                    let what = if latest { "Latest" } else { "Passed" };
                    crate::fail!("{what} version '{wanted}' is not available");
                }
                let mut sql = format!("CREATE EXTENSION {}", name(&ext));
                if let Some(schema) = args.str("schema").filter(|s| !s.is_empty()) {
                    sql.push_str(&format!(" WITH SCHEMA {}", name(&schema)));
                }
                if !latest {
                    sql.push_str(&format!(" VERSION {}", quote(&wanted)));
                }
                if args.bool("cascade") {
                    sql.push_str(" CASCADE");
                }
                queries.push(sql);
            }
            _ => {}
        }
    }
    for sql in queries.iter().filter(|_| !ctx.check) {
        client.query(sql)?;
    }
    let mut changed = !queries.is_empty();
    if let Some(text) = args.str("comment").filter(|_| state == "present")
        && postgres_login::comment(&mut client, "extension", &ext)? != text
    {
        queries.push(postgres_login::set_comment(&mut client, "extension", &ext, &text, ctx.check)?);
        changed = true;
    }
    let (then, _, _) = versions(&mut client, &ext)?;
    let then = match (ctx.check && changed, state.as_str()) {
        (true, "present") => wanted,
        (true, _) => String::new(),
        _ => then.unwrap_or_default(),
    };
    Ok(crate::out! {
        "changed": changed, "db": login.database, "ext": ext, "prev_version": now.unwrap_or_default(), "version": then,
        "queries": json!(queries),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_before_a_connection() {
        let args = json!({"ext": "x; DROP TABLE y", "login_db": "d", "trust_input": false});
        assert!(run(&Ctx::test("postgresql_ext", args)).unwrap_err().msg.contains("dangerous"));
        let args = json!({"ext": "x", "login_db": "d", "login_host": "127.0.0.1", "login_port": 1});
        assert!(run(&Ctx::test("postgresql_ext", args)).unwrap_err().msg.contains("unable to connect"));
    }
}
