//! `mysql_info`: what a server of MySQL or MariaDB is, has and is set to. Source: community.mysql's DOCUMENTATION and the servers'
//! manuals on SHOW.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::{mysql_login, version};
use serde_json::{Map, Value, json};

use super::mysql_privs;
use super::mysql_user::{Server, Tls};

const SUBSETS: &[&str] = &[
    "version",
    "databases",
    "settings",
    "global_status",
    "engines",
    "users",
    "users_info",
    "master_status",
    "slave_hosts",
    "slave_status",
];

/// What of it the filter asks for: what is named, else all but what is named with `!`.
fn wanted(ctx: &Ctx, filter: &[String]) -> Vec<&'static str> {
    let plain = |f: &str| f.trim_start_matches('!').to_string();
    let (known, unknown): (Vec<&String>, Vec<&String>) =
        filter.iter().partition(|f| SUBSETS.contains(&plain(f).as_str()));
    for one in unknown {
        ctx.warn(format!("filter element: {one} is not allowable, ignored"));
    }
    let (not, only): (Vec<&String>, Vec<&String>) = known.into_iter().partition(|f| f.starts_with('!'));
    let named = |list: &[&String], name: &str| list.iter().any(|f| plain(f) == name);
    let chosen = |name: &&&str| if only.is_empty() { !named(&not, name) } else { named(&only, name) };
    SUBSETS.iter().filter(chosen).copied().collect()
}

/// Numbers as numbers, where they are whole; the rest as it is.
fn typed(value: Value) -> Value {
    let Some(text) = value.as_str().map(str::trim) else { return value };
    match (text.parse::<i64>(), text.parse::<u64>()) {
        (Ok(number), _) => number.into(),
        (_, Ok(number)) => number.into(),
        _ => value,
    }
}

fn rows(server: &mut Server<'_>, sql: &str) -> Result<Vec<Map<String, Value>>, Fail> {
    let answer = server.client.query(sql).map_err(|why| Fail::new(format!("Cannot execute SQL '{sql}': {why}")))?;
    let row = |row: Vec<Value>| answer.columns.iter().cloned().zip(row).collect();
    Ok(answer.rows.clone().into_iter().map(row).collect())
}

/// Names and values.
fn pairs(server: &mut Server<'_>, sql: &str) -> Result<Map<String, Value>, Fail> {
    let take = |mut row: Map<String, Value>| {
        let name = row.remove("Variable_name").as_ref().map(crate::args::text).unwrap_or_default();
        (name, typed(row.remove("Value").unwrap_or_default()))
    };
    Ok(rows(server, sql)?.into_iter().map(take).collect())
}

/// Rows under the values of some of their columns, each inside the one before.
fn nested(rows: Vec<Map<String, Value>>, keys: &[&[&str]], convert: bool) -> Value {
    let mut out = json!({});
    for mut row in rows {
        let path: Vec<String> = keys
            .iter()
            .map(|names| names.iter().find_map(|n| row.remove(*n)).as_ref().map(crate::args::text).unwrap_or_default())
            .collect();
        let mut at = &mut out;
        for key in path {
            at = &mut at[key];
        }
        let one = |(name, value): (String, Value)| {
            // The one column that is a decimal number.
            let decimal = || crate::args::text(&value).parse::<f64>().ok().map(Value::from);
            let value = match name.as_str() {
                "max_statement_time" if convert => decimal().unwrap_or(value),
                _ if convert => typed(value),
                _ => value,
            };
            (name, value)
        };
        *at = row.into_iter().map(one).collect::<Map<_, _>>().into();
    }
    out
}

/// `10.11.6-MariaDB-0+deb12u1-log` in its parts.
fn parts(full: &str) -> Value {
    let (numbers, suffix) = full.split_once('-').unwrap_or((full, ""));
    let numbers = version::numbers(numbers);
    json!({
        "major": numbers.first(), "minor": numbers.get(1), "release": numbers.get(2), "suffix": suffix, "full": full,
    })
}

fn databases(server: &mut Server<'_>) -> Result<Value, Fail> {
    let args = &server.ctx.args;
    let without: Vec<String> = args.strs("exclude_fields").iter().map(|f| f.trim().to_string()).collect();
    let empty = args.bool("return_empty_dbs");
    let fields: Vec<(&str, &str)> =
        [("db_size", ("size", "SUM(data_length + index_length)")), ("db_table_count", ("tables", "COUNT(table_name)"))]
            .into_iter()
            .filter(|(name, _)| !without.iter().any(|w| w == name))
            .map(|(_, field)| field)
            .collect();
    let columns: String = fields.iter().map(|(name, sql)| format!(", {sql} AS {name}")).collect();
    let sql = format!("SELECT table_schema AS name{columns} FROM information_schema.TABLES GROUP BY table_schema");
    let mut out = Map::new();
    let whole = |value: Option<Value>| {
        let number = value.and_then(|v| crate::args::text(&v).parse::<f64>().ok()).unwrap_or_default();
        json!(number as i64)
    };
    for mut row in rows(server, &sql)? {
        let about: Map<String, Value> = fields.iter().map(|(n, _)| (n.to_string(), whole(row.remove(*n)))).collect();
        out.insert(row.get("name").map(crate::args::text).unwrap_or_default(), about.into());
    }
    if empty {
        for row in rows(server, "SHOW DATABASES")? {
            let name = row.get("Database").map(crate::args::text).unwrap_or_default();
            let nothing: Map<String, Value> = fields.iter().map(|(n, _)| (n.to_string(), json!(0))).collect();
            out.entry(name).or_insert_with(|| nothing.into());
        }
    }
    Ok(out.into())
}

/// Limits that are set.
fn limits(row: &Map<String, Value>) -> Map<String, Value> {
    [
        ("max_questions", "MAX_QUERIES_PER_HOUR"),
        ("max_updates", "MAX_UPDATES_PER_HOUR"),
        ("max_connections", "MAX_CONNECTIONS_PER_HOUR"),
        ("max_user_connections", "MAX_USER_CONNECTIONS"),
        ("max_statement_time", "MAX_STATEMENT_TIME"),
    ]
    .into_iter()
    .filter_map(|(column, name)| {
        let value = crate::args::text(row.get(column)?).parse::<f64>().ok().filter(|n| *n != 0.0)?;
        let value = if value.fract() == 0.0 { json!(value as i64) } else { json!(value) };
        Some((name.to_string(), value))
    })
    .collect()
}

/// The accounts as `mysql_user` takes them.
fn accounts(server: &mut Server<'_>) -> Result<Value, Fail> {
    let mut out = Vec::new();
    for row in rows(server, "SELECT * FROM mysql.user")? {
        let of = |name: &str| row.get(name).map(crate::args::text).unwrap_or_default();
        let (user, host, role) = (of("User"), of("Host"), of("is_role") == "Y");
        server.user = user.clone();
        let grants = if role {
            // A role has no host; it is read as if it had one.
            let answer = server.ask("SHOW GRANTS FOR %s", &[json!(user)])?;
            let whose =
                |line: String| line.rsplit_once(" TO ").map_or(line.clone(), |(head, _)| format!("{head} TO `r`@`%`"));
            let lines: Vec<String> =
                answer.rows.iter().filter_map(|r| r.first()).map(|v| whose(crate::args::text(v))).collect();
            mysql_privs::shown(lines.iter().map(String::as_str).filter(|l| l.contains(" ON ")))?
        } else {
            server.privileges(&host)?
        };
        if grants.is_empty() {
            server.ctx.warn(format!("No privileges found for {user} on host {host}"));
            continue;
        }
        let one = |(object, privileges): (&String, &Vec<String>)| {
            // PROXY is granted by no task.
            let proxy =
                privileges.iter().all(|p| p == "PROXY" || p == "GRANT") && privileges.iter().any(|p| p == "PROXY");
            (!proxy).then(|| format!("{}:{}", object.replace(['`', '\''], ""), privileges.join(",")))
        };
        let mut privileges: Vec<String> = grants.iter().filter_map(one).collect();
        if privileges.len() > 1 {
            privileges.retain(|p| p != "*.*:USAGE");
        }
        let mut about = json!({"name": user, "host": host, "priv": privileges.join("/")});
        let limits = limits(&row);
        if !limits.is_empty() {
            about["resource_limits"] = limits.into();
        }
        match if role { Tls::None } else { server.tls(&host)? } {
            Tls::None => {}
            Tls::Word(word) => about["tls_requires"] = json!({word: null}),
            Tls::All(all) => {
                about["tls_requires"] = all.into_iter().map(|(k, v)| (k, json!(v))).collect::<Map<_, _>>().into()
            }
        }
        let hash =
            [of("authentication_string"), of("Password")].into_iter().find(|h| !h.is_empty()).unwrap_or_default();
        about["plugin"] = json!(of("plugin"));
        about["plugin_auth_string"] = json!(hash);
        about["plugin_hash_string"] = json!(hash);
        if !role {
            about["locked"] = json!(server.on(&host, "SHOW CREATE USER %s@%s", &[])?.text().contains("ACCOUNT LOCK"));
        }
        out.push(about);
    }
    Ok(out.into())
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let (mut client, _) = mysql_login::connect(ctx, args.str("login_db").as_deref())?;
    let full = client.query("SELECT VERSION()")?.text();
    let maria = full.to_lowercase().contains("mariadb");
    let number = version::numbers(full.split('-').next().unwrap_or_default());
    // MySQL has given these new names, and taken the old ones away.
    let newer = |since: [u64; 3], new: &'static str, old: &'static str| {
        if !maria && number.as_slice() >= since.as_slice() { new } else { old }
    };
    let primary = newer([8, 2, 0], "SHOW BINARY LOG STATUS", "SHOW MASTER STATUS");
    let replica = newer([8, 0, 22], "SHOW REPLICA STATUS", "SHOW SLAVE STATUS");
    let replicas = newer([8, 0, 22], "SHOW REPLICAS", "SHOW SLAVE HOSTS");
    let mut server = Server { ctx, client, maria, number, user: String::new() };
    let server = &mut server;
    let mut out = crate::out! {
        "changed": false, "server_engine": if maria { "MariaDB" } else { "MySQL" }, "connector_name": "Unknown",
        "connector_version": "Unknown",
    };
    let filter: Vec<String> = args.strs("filter").iter().map(|f| f.trim().to_string()).collect();
    for subset in wanted(ctx, &filter) {
        let found = match subset {
            "version" => parts(&full),
            "databases" => databases(server)?,
            "settings" => pairs(server, "SHOW GLOBAL VARIABLES")?.into(),
            "global_status" => pairs(server, "SHOW GLOBAL STATUS")?.into(),
            "engines" => nested(rows(server, "SHOW ENGINES")?, &[&["Engine"]], false),
            "users" => nested(rows(server, "SELECT * FROM mysql.user")?, &[&["Host"], &["User"]], true),
            "users_info" => accounts(server)?,
            "master_status" => {
                rows(server, primary)?.into_iter().flatten().map(|(k, v)| (k, typed(v))).collect::<Map<_, _>>().into()
            }
            "slave_hosts" => nested(rows(server, replicas)?, &[&["Server_id", "Server_Id"]], true),
            _ => nested(
                rows(server, replica)?,
                &[&["Master_Host", "Source_Host"], &["Master_Port", "Source_Port"], &["Master_User", "Source_User"]],
                true,
            ),
        };
        out.insert(subset.into(), found);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::mysql_server::Server as Real;

    #[test]
    fn filters_and_versions() {
        let ctx = Ctx::test("mysql_info", json!({}));
        let of = |words: &[&str]| wanted(&ctx, &words.iter().map(|w| w.to_string()).collect::<Vec<_>>());
        assert_eq!(of(&["users", "!version", "nonesuch"]), ["users"]);
        assert_eq!(of(&["!users", "!version"]).len(), SUBSETS.len() - 2);
        assert_eq!(ctx.warnings.lock().unwrap().len(), 1);
        let maria = parts("10.11.6-MariaDB-0+deb12u1-log");
        assert_eq!((&maria["release"], &maria["suffix"]), (&json!(6), &json!("MariaDB-0+deb12u1-log")));
        assert_eq!(
            (typed(json!("16")), typed(json!("1.5")), typed(json!("ON"))),
            (json!(16), json!("1.5"), json!("ON"))
        );
        assert_eq!(typed(json!("18446744073709551615")), json!(u64::MAX));
        let row = Map::from_iter([("a".into(), json!("x")), ("b".into(), json!(1)), ("c".into(), json!("2"))]);
        assert_eq!(nested(vec![row], &[&["a"], &["B", "b"]], true), json!({"x": {"1": {"c": 2}}}));
    }

    #[test]
    fn a_server_tells_of_itself() {
        let Some(server) = Real::start() else { return };
        server.sql("CREATE DATABASE empty");
        server.sql("CREATE DATABASE shop");
        server.sql("CREATE TABLE shop.t (x int)");
        server.sql(
            "CREATE USER bob@localhost IDENTIFIED BY 'secret' REQUIRE SSL WITH MAX_USER_CONNECTIONS 5 ACCOUNT LOCK",
        );
        server.sql("GRANT SELECT, INSERT ON shop.* TO bob@localhost WITH GRANT OPTION");
        server.sql("CREATE ROLE team");
        server.sql("GRANT SELECT ON shop.t TO team");
        let all = run(&server.ctx("mysql_info", json!({}), false)).unwrap();
        assert_eq!(all["server_engine"], "MariaDB");
        assert_eq!(all["databases"]["shop"]["tables"], 1);
        assert!(all["databases"].get("empty").is_none());
        assert_eq!(all["engines"]["InnoDB"]["Support"], "DEFAULT");
        assert!(all["settings"]["max_connections"].is_i64() && all["global_status"]["Uptime"].is_i64());
        assert_eq!(all["users"]["localhost"]["bob"]["Select_priv"], "N");
        let account = |name: &str| all["users_info"].as_array().unwrap().iter().find(|a| a["name"] == name).unwrap();
        assert_eq!(all["users"]["localhost"]["bob"]["max_statement_time"], 0.0);
        let bob = account("bob");
        assert_eq!(bob["priv"], "shop.*:SELECT,INSERT,GRANT");
        assert_eq!(bob["resource_limits"], json!({"MAX_USER_CONNECTIONS": 5}));
        assert_eq!((&bob["tls_requires"], &bob["locked"]), (&json!({"SSL": null}), &json!(true)));
        assert!(bob["plugin_hash_string"].as_str().unwrap().starts_with('*'));
        assert_eq!(account("team")["priv"], "shop.t:SELECT");
        let some = json!({"filter": ["databases"], "return_empty_dbs": true, "exclude_fields": ["db_size"]});
        let some = run(&server.ctx("mysql_info", some, false)).unwrap();
        assert_eq!((&some["databases"]["empty"], some.get("users")), (&json!({"tables": 0}), None));
    }
}
