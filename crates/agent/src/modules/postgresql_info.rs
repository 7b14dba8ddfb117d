//! `postgresql_info`: what a server is, has and is set to. Source: community.postgresql's DOCUMENTATION and PostgreSQL's catalogs.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::fnmatch;
use crate::sys::postgres::{Client, Login};
use crate::sys::postgres_login;
use serde_json::{Map, Value, json};

const SUBSETS: &[&str] =
    &["version", "in_recovery", "tablespaces", "databases", "replications", "repl_slots", "settings", "roles"];

/// What of it the filter asks for: what is named, else all but what is named with `!`.
fn wanted(filter: &[String]) -> Vec<&'static str> {
    let (not, only): (Vec<&String>, Vec<&String>) = filter.iter().partition(|f| f.starts_with('!'));
    let matches = |list: &[&String], name: &str| list.iter().any(|p| fnmatch::matches(p.trim_start_matches('!'), name));
    let chosen = |name: &&&str| if only.is_empty() { !matches(&not, name) } else { matches(&only, name) };
    SUBSETS.iter().filter(chosen).copied().collect()
}

fn rows(client: &mut Client, sql: &str) -> Result<Vec<Map<String, Value>>, Fail> {
    let answer = client.query(sql).map_err(|why| Fail::new(format!("Cannot execute SQL '{sql}': {why}")))?;
    Ok(answer.objects())
}

/// Rows as an object by one of their columns.
fn by(client: &mut Client, key: &str, sql: &str) -> Result<Value, Fail> {
    let mut out = Map::new();
    for mut row in rows(client, sql)? {
        let name = row.remove(key).unwrap_or_default();
        out.insert(crate::args::text(&name), row.into());
    }
    Ok(out.into())
}

/// A subscription's connection, but for its password.
fn without_password(text: &str) -> String {
    let mut out = Vec::new();
    for word in text.split(' ') {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        out.push(if key == "password" && !value.is_empty() { "password=********" } else { word });
    }
    out.join(" ")
}

fn version(client: &mut Client) -> Result<Value, Fail> {
    let all = rows(client, "SELECT current_setting('server_version_num') AS number, version() AS raw")?;
    let of = |name: &str| all.first().and_then(|r| r.get(name)).map(crate::args::text).unwrap_or_default();
    let number: u64 = of("number").parse().unwrap_or_default();
    let (major, minor, patch) = if number >= 100_000 {
        (number / 10_000, number % 10_000, None)
    } else {
        (number / 10_000, number / 100 % 100, Some(number % 100))
    };
    let full = [Some(major), Some(minor), patch].into_iter().flatten().map(|n| n.to_string()).collect::<Vec<_>>();
    Ok(json!({"major": major, "minor": minor, "patch": patch, "full": full.join("."), "raw": of("raw")}))
}

/// `1.2` of an extension: two numbers, where it looks like that.
fn extension_version(raw: &str) -> Value {
    let parts: Vec<Option<u64>> = raw.split(['.', '-']).map(|p| p.parse().ok()).collect();
    let all = parts.iter().all(Option::is_some);
    let part = |n: usize| parts.get(n).copied().flatten().filter(|_| all);
    json!({"major": part(0), "minor": part(1), "raw": raw})
}

/// What there is in one database.
fn inside(client: &mut Client) -> Result<Map<String, Value>, Fail> {
    let namespaces = by(
        client,
        "nspname",
        "SELECT nspname, pg_catalog.pg_get_userbyid(nspowner)::text AS nspowner, coalesce(nspacl::text, '') AS nspacl \
         FROM pg_catalog.pg_namespace",
    )?;
    let mut extensions = by(
        client,
        "extname",
        "SELECT e.extname, e.extversion, n.nspname, pg_catalog.obj_description(e.oid, 'pg_extension') AS description \
         FROM pg_catalog.pg_extension e LEFT JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace",
    )?;
    for extension in extensions.as_object_mut().into_iter().flat_map(|m| m.values_mut()) {
        extension["extversion"] = extension_version(extension["extversion"].as_str().unwrap_or_default());
    }
    let languages = by(
        client,
        "lanname",
        "SELECT lanname, pg_catalog.pg_get_userbyid(lanowner)::text AS lanowner, coalesce(lanacl::text, '') AS lanacl \
         FROM pg_catalog.pg_language",
    )?;
    let mut out = crate::out! {"namespaces": namespaces, "extensions": extensions, "languages": languages};
    if client.version.as_slice() >= [10].as_slice() {
        let publications = by(
            client,
            "pubname",
            "SELECT p.*, r.rolname AS ownername FROM pg_catalog.pg_publication p JOIN pg_catalog.pg_roles r ON p.pubowner = r.oid",
        )?;
        out.insert("publications".into(), publications);
    }
    Ok(out)
}

/// The subscriptions of all databases, by database and name.
fn subscriptions(client: &mut Client) -> Result<Map<String, Value>, Fail> {
    // Not every role may read every column of it.
    let columns = rows(
        client,
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'pg_catalog' AND table_name = 'pg_subscription'",
    )?;
    let columns: Vec<String> =
        columns.iter().filter_map(|c| c.get("column_name")).map(|c| format!("s.{}, ", crate::args::text(c))).collect();
    let sql = format!(
        "SELECT {}r.rolname AS ownername, d.datname AS dbname FROM pg_catalog.pg_subscription s \
         JOIN pg_catalog.pg_database d ON s.subdbid = d.oid JOIN pg_catalog.pg_roles r ON s.subowner = r.oid",
        columns.concat()
    );
    let mut out = Map::new();
    for mut row in rows(client, &sql)? {
        let mut take = |name: &str| row.remove(name).as_ref().map(crate::args::text).unwrap_or_default();
        let (database, name) = (take("dbname"), take("subname"));
        if let Some(Value::String(text)) = row.get_mut("subconninfo") {
            *text = without_password(text);
        }
        if name.is_empty() {
            continue;
        }
        let slot = out.entry(database).or_insert_with(|| json!({}));
        slot[name] = row.into();
    }
    Ok(out)
}

fn databases(ctx: &Ctx, login: &Login, client: &mut Client) -> Result<Value, Fail> {
    let mut all = by(
        client,
        "datname",
        "SELECT d.datname, pg_catalog.pg_get_userbyid(d.datdba)::text AS owner, pg_catalog.pg_encoding_to_char(d.encoding)::text \
         AS encoding, d.datcollate AS collate, d.datctype AS ctype, \
         coalesce(pg_catalog.array_to_string(d.datacl, E'\\n'), '') AS access_priv, \
         CASE WHEN pg_catalog.has_database_privilege(d.datname, 'CONNECT') \
         THEN pg_catalog.pg_database_size(d.datname)::text ELSE 'No Access' END AS size \
         FROM pg_catalog.pg_database d WHERE d.datname <> 'template0'",
    )?;
    let new = client.version.as_slice() >= [10].as_slice();
    let subscriptions = if new { subscriptions(client)? } else { Map::new() };
    for (name, database) in all.as_object_mut().into_iter().flatten() {
        let login = Login { database: name.clone(), ..login.clone() };
        let Some(about) = database.as_object_mut() else { continue };
        match postgres_login::connect(ctx, &login) {
            Ok(mut client) => {
                about.extend(inside(&mut client)?);
                if new {
                    about.insert("subscriptions".into(), subscriptions.get(name).cloned().unwrap_or_else(|| json!({})));
                }
            }
            Err(why) => {
                ctx.warn(format!("PostgreSQL server is unavailable: {}", why.msg));
                about.extend(crate::out! {
                    "namespaces": {}, "extensions": {}, "languages": {}, "error": "Could not connect to the database.",
                });
            }
        }
    }
    Ok(all)
}

/// All settings, and the names of those that wait for a restart.
fn settings(client: &mut Client) -> Result<(Value, Vec<String>), Fail> {
    let pending = if client.version.as_slice() >= [9, 5].as_slice() { ", pending_restart" } else { "" };
    let sql = format!(
        "SELECT name, setting, coalesce(unit, '') AS unit, context, vartype, coalesce(boot_val, '') AS boot_val, \
         coalesce(min_val, '') AS min_val, coalesce(max_val, '') AS max_val, coalesce(sourcefile, '') AS sourcefile, \
         pg_catalog.current_setting(name) AS pretty_val{pending} FROM pg_catalog.pg_settings"
    );
    let mut all = by(client, "name", &sql)?;
    let mut waiting = Vec::new();
    for (name, setting) in all.as_object_mut().into_iter().flatten() {
        let factor = match setting["unit"].as_str() {
            Some("kB") => 1024,
            Some("8kB") => 8 * 1024,
            Some("MB") => 1024 * 1024,
            _ => 0,
        };
        if let (true, Some(number)) = (factor > 0, setting["setting"].as_str().and_then(|s| s.parse::<i64>().ok())) {
            setting["val_in_bytes"] = json!((number * factor).max(0));
        }
        if setting["pending_restart"] == true {
            waiting.push(name.clone());
        }
    }
    Ok((all, waiting))
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    postgres_login::check_input(ctx, &["session_role"])?;
    let login = postgres_login::login(ctx, "postgres")?;
    let mut client = postgres_login::connect(ctx, &login)?;
    let client = &mut client;
    let mut out = crate::out! {
        "changed": false, "version": {}, "in_recovery": null, "tablespaces": {}, "databases": {}, "replications": {},
        "repl_slots": {}, "settings": {}, "roles": {}, "pending_restart_settings": [],
    };
    for subset in wanted(&ctx.args.strs("filter")) {
        let found = match subset {
            "version" => version(client)?,
            "in_recovery" => {
                let rows = rows(client, "SELECT pg_catalog.pg_is_in_recovery() AS it")?;
                rows.first().and_then(|r| r.get("it")).cloned().unwrap_or_default()
            }
            "tablespaces" => by(
                client,
                "spcname",
                "SELECT spcname, pg_catalog.pg_get_userbyid(spcowner)::text AS spcowner, coalesce(spcacl::text, '') AS spcacl, \
                 coalesce(spcoptions, '{}'::text[]) AS spcoptions FROM pg_catalog.pg_tablespace",
            )?,
            "databases" => databases(ctx, &login, client)?,
            "replications" => by(
                client,
                "pid",
                "SELECT pid, pg_catalog.pg_get_userbyid(usesysid)::text AS usename, coalesce(application_name, '') AS app_name, \
                 client_addr::text, coalesce(client_hostname, '') AS client_hostname, backend_start::text, state \
                 FROM pg_catalog.pg_stat_replication",
            )?,
            "repl_slots" => by(
                client,
                "slot_name",
                "SELECT slot_name, plugin, slot_type, database, active FROM pg_catalog.pg_replication_slots",
            )?,
            "settings" => {
                let (all, waiting) = settings(client)?;
                out.insert("pending_restart_settings".into(), json!(waiting));
                all
            }
            _ => by(
                client,
                "rolname",
                "SELECT r.rolname, r.rolsuper AS superuser, r.rolcanlogin AS canlogin, \
                 coalesce(r.rolvaliduntil::text, '') AS valid_until, \
                 ARRAY(SELECT b.rolname::text FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles b ON m.roleid = b.oid \
                 WHERE m.member = r.oid) AS member_of FROM pg_catalog.pg_roles r WHERE r.rolname !~ '^pg_'",
            )?,
        };
        out.insert(subset.into(), found);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::postgres_server::Server;

    #[test]
    fn filters_and_versions() {
        let of = |words: &[&str]| wanted(&words.iter().map(|w| w.to_string()).collect::<Vec<_>>());
        assert_eq!(of(&["rep*", "!repl_slots"]), ["replications", "repl_slots"]);
        assert_eq!(of(&["!settings", "!d*"]).len(), SUBSETS.len() - 2);
        assert_eq!(of(&[]).len(), SUBSETS.len());
        assert_eq!(extension_version("1.10")["minor"], json!(10));
        assert_eq!(extension_version("unpackaged")["major"], Value::Null);
        assert_eq!(without_password("host=a password=b"), "host=a password=********");
    }

    #[test]
    fn a_server_tells_of_itself() {
        let Some(server) = Server::start() else { return };
        server.sql("postgres", "CREATE DATABASE shop");
        server.sql(
            "shop",
            "CREATE ROLE team; CREATE ROLE bob LOGIN IN ROLE team VALID UNTIL '2030-01-02'; CREATE PUBLICATION p",
        );
        server.sql("postgres", "ALTER SYSTEM SET shared_buffers = '64MB'");
        server.sql("postgres", "SELECT pg_reload_conf()");
        let all = run(&server.ctx("postgresql_info", json!({}), false)).unwrap();
        assert!(all["version"]["full"].as_str().is_some_and(|f| f.contains('.')), "{:?}", all["version"]);
        assert_eq!(all["in_recovery"], false);
        assert_eq!(all["roles"]["bob"]["member_of"], json!(["team"]));
        assert!(all["roles"]["bob"]["valid_until"].as_str().unwrap().starts_with("2030-01-02"));
        let shop = &all["databases"]["shop"];
        assert_eq!((&shop["owner"], &shop["encoding"]), (&json!("postgres"), &json!("UTF8")));
        assert_eq!(shop["extensions"]["plpgsql"]["extversion"]["raw"], "1.0");
        assert_eq!(shop["publications"]["p"]["ownername"], "postgres");
        assert_eq!(shop["namespaces"]["public"]["nspowner"], "pg_database_owner");
        assert!(shop.get("subscriptions").is_some() && all["databases"].get("template0").is_none());
        let memory = &all["settings"]["work_mem"];
        assert_eq!((&memory["pretty_val"], &memory["val_in_bytes"]), (&json!("4MB"), &json!(4194304)));
        assert_eq!(all["tablespaces"]["pg_default"]["spcoptions"], json!([]));
        let some = run(&server.ctx("postgresql_info", json!({"filter": ["settings"]}), false)).unwrap();
        assert_eq!((&some["databases"], &some["pending_restart_settings"]), (&json!({}), &json!(["shared_buffers"])));
    }
}
