//! What `mysql_user` changes on an account that is there.

use super::mysql_privs::{self, Mode, Privileges};
use super::mysql_user::{Done, Server, Tls, proof};
use crate::outcome::{Fail, OrFail};
use crate::sys::mysql::Trouble;
use serde_json::{Map, Value, json};

fn is_hash(text: &str) -> bool {
    text.len() == 41 && text.strip_prefix('*').is_some_and(|h| h.chars().all(|c| c.is_ascii_hexdigit()))
}

/// Makes an account that is there as it is wanted.
pub(super) fn modify(
    server: &mut Server<'_>,
    host: &str,
    privileges: Option<&Privileges>,
    tls: &Tls,
    done: &mut Done,
) -> Result<(), Fail> {
    let ctx = server.ctx;
    let args = &ctx.args;
    if args.text("update_password") == "always" {
        if let Some(password) = args.str("password").filter(|p| !p.is_empty()) {
            set_password(server, host, &password, done)?;
        }
        set_plugin(server, host, done)?;
    }
    if let Some(how) = args.str("password_expire") {
        server.needs_expiry()?;
        let sql = if server.maria {
            "SELECT IFNULL(JSON_EXTRACT(Priv, '$.password_lifetime'), -1), JSON_EXTRACT(Priv, '$.password_last_changed') FROM mysql.global_priv WHERE User = %s AND Host = %s"
        } else {
            "SELECT IFNULL(password_lifetime, -1), password_expired FROM mysql.user WHERE User = %s AND Host = %s"
        };
        let rows = server.on(host, sql, &[])?.rows;
        let row: Vec<String> = rows.first().map(|r| r.iter().map(crate::args::text).collect()).unwrap_or_default();
        let policy: i64 = row.first().and_then(|p| p.parse().ok()).unwrap_or(-1);
        let expired = row.get(1).is_some_and(|v| v == "Y" || server.maria && v == "0");
        let same = match how.as_str() {
            "default" => policy == -1,
            "never" => policy == 0,
            "interval" => Some(policy) == args.int("password_expire_interval"),
            _ => expired,
        };
        if !same && !ctx.check {
            server.expire(host, &how)?;
            done.changed = true;
            done.password = json!(true);
        }
    }
    if let Some(want) = privileges {
        set_privileges(server, host, want, tls, done)?;
    }
    set_attributes(server, host, done)?;
    if let Some(locked) = args.opt_bool("locked") {
        let is = server.on(host, "SHOW CREATE USER %s@%s", &[])?.text().contains("ACCOUNT LOCK");
        if is != locked {
            let word = if locked { "LOCK" } else { "UNLOCK" };
            let said = word.to_lowercase() + "ed";
            done.msg = format!("User {}{said}", if ctx.check { "will be " } else { "" });
            done.changed = true;
            if !ctx.check {
                server.on(host, &format!("ALTER USER %s@%s ACCOUNT {word}"), &[])?;
            }
        }
    }
    if server.tls(host)? != *tls {
        done.msg = "TLS requires updated".into();
        done.changed = true;
        if !ctx.check {
            let (clause, values) = match tls {
                Tls::None => (" REQUIRE NONE".to_string(), Vec::new()),
                tls => tls.clause(),
            };
            let sql = if server.old() { "GRANT USAGE ON *.* TO %s@%s" } else { "ALTER USER %s@%s" };
            server.on(host, &format!("{sql}{clause}"), &values)?;
        }
    }
    Ok(())
}

fn set_password(server: &mut Server<'_>, host: &str, password: &str, done: &mut Done) -> Result<(), Fail> {
    let sql = "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'mysql' AND TABLE_NAME = 'user' AND COLUMN_NAME IN ('Password', 'authentication_string') ORDER BY COLUMN_NAME DESC";
    let columns: Vec<String> =
        server.client.query(sql)?.rows.iter().filter_map(|r| r.first()).map(crate::args::text).collect();
    let parts: Vec<String> = columns.iter().map(|c| format!("NULLIF({c}, '')")).collect();
    let sql = format!("SELECT COALESCE({}) FROM mysql.user WHERE user = %s AND host = %s", parts.join(", "));
    let now = server.on(host, &sql, &[])?.text();
    let wanted = if server.ctx.args.bool("encrypted") {
        if !is_hash(password) {
            crate::fail!(
                "encrypted was specified however it does not appear to be a valid hash expecting: *SHA1(SHA1(your_password))"
            );
        }
        password.to_string()
    } else {
        server.hash(password)?
    };
    if now == wanted {
        return Ok(());
    }
    done.changed = true;
    done.password = json!(true);
    done.msg = "Password updated".into();
    if server.ctx.check {
        return Ok(());
    }
    let hash = [json!(wanted)];
    if server.old() {
        server.on(host, "SET PASSWORD FOR %s@%s = %s", &hash)?;
        done.msg = "Password updated (old style)".into();
        return Ok(());
    }
    match server.on(host, "ALTER USER %s@%s IDENTIFIED WITH mysql_native_password AS %s", &hash) {
        Ok(_) => done.msg = "Password updated (new style)".into(),
        // An empty password of root can't be replaced by another plugin's that way.
        Err(Trouble::Refused(no)) if no.code == 1396 => {
            let user = json!(server.user);
            let sql = "UPDATE mysql.user SET plugin = 'mysql_native_password', authentication_string = %s, Password = '' WHERE User = %s AND Host = %s";
            server.ask(sql, &[json!(wanted), user, json!(host)])?;
            server.client.query("FLUSH PRIVILEGES")?;
            done.msg = "Password forced update".into();
        }
        Err(why) => return Err(why.into()),
    }
    Ok(())
}

fn set_plugin(server: &mut Server<'_>, host: &str, done: &mut Done) -> Result<(), Fail> {
    let Some((clause, values)) = proof(server.ctx) else { return Ok(()) };
    let sql = "SELECT plugin, authentication_string FROM mysql.user WHERE user = %s AND host = %s";
    let rows = server.on(host, sql, &[])?.rows;
    let now: Vec<String> = rows.first().map(|r| r.iter().map(crate::args::text).collect()).unwrap_or_default();
    // Text that the plugin hashes in its own way can't be compared and is set again, as documented.
    let wanted: Vec<String> = values.iter().map(crate::args::text).collect();
    if wanted.iter().zip(&now).all(|(a, b)| a == b) {
        return Ok(());
    }
    done.changed = true;
    done.password = json!(true);
    if !server.ctx.check {
        server.on(host, &format!("ALTER USER %s@%s {clause}"), &values)?;
    }
    Ok(())
}

fn set_privileges(
    server: &mut Server<'_>,
    host: &str,
    want: &Privileges,
    tls: &Tls,
    done: &mut Done,
) -> Result<(), Fail> {
    let (args, check) = (&server.ctx.args, server.ctx.check);
    let mode = match (args.bool("append_privs"), args.bool("subtract_privs")) {
        (true, _) => Mode::Append,
        (_, true) => Mode::Subtract,
        _ => Mode::Replace,
    };
    let have = server.privileges(host)?;
    if mode == Mode::Replace {
        for (object, privileges) in &have {
            let proxy = privileges.iter().any(|p| p == "PROXY");
            if !want.contains_key(object) && server.user != "root" && !proxy {
                done.msg = "Privileges updated".into();
                done.changed = true;
                if !check {
                    let own = privileges.iter().any(|p| p == "GRANT");
                    server.revoke(host, object, privileges, own)?;
                }
            }
        }
    }
    for (object, privileges) in want {
        let Some(now) = have.get(object) else {
            if mode != Mode::Subtract {
                done.msg = "New privileges granted".into();
                done.changed = true;
                if !check {
                    server.grant(host, object, privileges, tls)?;
                }
            }
            continue;
        };
        let difference = mysql_privs::difference(now, privileges, mode);
        if difference.grant.is_empty() && difference.revoke.is_empty() {
            continue;
        }
        let list = |l: &[String]| format!("[{}]", l.iter().map(|p| format!("'{p}'")).collect::<Vec<_>>().join(", "));
        done.msg =
            format!("Privileges updated: granted {}, revoked {}", list(&difference.grant), list(&difference.revoke));
        if check {
            done.changed = true;
            continue;
        }
        if !difference.revoke.is_empty() {
            let own = difference.revoke.iter().any(|p| p == "GRANT");
            server.revoke(host, object, &difference.revoke, own)?;
        }
        if !difference.grant.is_empty() {
            server.grant(host, object, &difference.grant, tls)?;
        }
    }
    done.changed |= server.privileges(host)? != have;
    Ok(())
}

fn set_attributes(server: &mut Server<'_>, host: &str, done: &mut Done) -> Result<(), Fail> {
    let supported = server.has_attributes();
    let wanted = match server.ctx.args.given("attributes") {
        Some(Value::Object(wanted)) if !wanted.is_empty() => wanted,
        _ => {
            // Where the server has none, Ansible answers an empty set.
            done.attributes = if supported { server.attributes(host)? } else { json!({}) };
            return Ok(());
        }
    };
    if !supported {
        crate::fail!("user attributes were specified but the server does not support user attributes");
    }
    let mut now = server.attributes(host)?.as_object().cloned().unwrap_or_default();
    let changes: Map<String, Value> =
        wanted.iter().filter(|(k, v)| now.get(*k) != Some(v)).map(|(k, v)| (k.clone(), v.clone())).collect();
    if !changes.is_empty() {
        let said: Vec<String> = changes.iter().map(|(k, v)| format!("{k}: {}", crate::args::text(v))).collect();
        done.msg = format!("Attributes updated: {}", said.join(", "));
        done.changed = true;
        if server.ctx.check {
            now.extend(changes);
            now.retain(|_, v| !v.is_null());
        } else {
            let text = Value::Object(changes).to_string();
            server.on(host, "ALTER USER %s@%s ATTRIBUTE %s", &[json!(text)])?;
            now = server.attributes(host)?.as_object().cloned().unwrap_or_default();
        }
    }
    done.attributes = if now.is_empty() { Value::Null } else { Value::Object(now) };
    Ok(())
}

/// `resource_limits`.
pub(super) fn limits(server: &mut Server<'_>, host: &str, done: &mut Done) -> Result<(), Fail> {
    let Some(Value::Object(wanted)) = server.ctx.args.given("resource_limits") else { return Ok(()) };
    if wanted.is_empty() {
        return Ok(());
    }
    let mut columns = vec![
        ("MAX_QUERIES_PER_HOUR", "max_questions"),
        ("MAX_UPDATES_PER_HOUR", "max_updates"),
        ("MAX_CONNECTIONS_PER_HOUR", "max_connections"),
        ("MAX_USER_CONNECTIONS", "max_user_connections"),
    ];
    if server.maria {
        columns.push(("MAX_STATEMENT_TIME", "max_statement_time"));
    } else if wanted.contains_key("MAX_STATEMENT_TIME") {
        crate::fail!("MAX_STATEMENT_TIME resource limit is only supported by MariaDB.");
    }
    let names: Vec<&str> = columns.iter().map(|(_, c)| *c).collect();
    let sql = format!("SELECT {} FROM mysql.user WHERE User = %s AND Host = %s", names.join(", "));
    let now = server.on(host, &sql, &[])?.rows.into_iter().next();
    let mut clauses = Vec::new();
    for (key, value) in wanted {
        let Some(at) = columns.iter().position(|(k, _)| k == key) else {
            crate::fail!("resource_limits: key '{key}' is unsupported.");
        };
        let text = crate::args::text(value);
        let number: i64 = text.trim().parse().or_fail(format!("Can't convert value '{text}' to integer."))?;
        let have = now.as_ref().and_then(|r| crate::args::text(&r[at]).parse::<f64>().ok());
        if have != Some(number as f64) {
            clauses.push(format!("{key} {number}"));
        }
    }
    if clauses.is_empty() {
        return Ok(());
    }
    done.changed = true;
    if !server.ctx.check {
        server.on(host, &format!("ALTER USER %s@%s WITH {}", clauses.join(" ")), &[])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes() {
        assert!(is_hash(&format!("*{}", "A".repeat(40))) && !is_hash("*A") && !is_hash(&"A".repeat(41)));
    }
}
