//! `mysql_user`: accounts of MySQL and MariaDB: password or plugin, privileges, limits, TLS, locks.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::mysql::{Answer, Client, Trouble, format};
use crate::sys::{mysql_login, version};
use serde_json::{Map, Value, json};

use super::mysql_privs::{self, Privileges};
use super::mysql_user_change::{limits, modify};

/// What an account must prove on its connection.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tls {
    None,
    /// `SSL` or `X509`.
    Word(&'static str),
    /// CIPHER, ISSUER, SUBJECT.
    All(Vec<(String, String)>),
}

impl Tls {
    fn of(wanted: &Map<String, Value>) -> Self {
        let upper: Vec<(String, String)> =
            wanted.iter().map(|(k, v)| (k.to_uppercase(), crate::args::text(v))).collect();
        let named = |k: &str| matches!(k, "CIPHER" | "ISSUER" | "SUBJECT");
        if upper.iter().any(|(k, _)| named(k)) {
            let mut all: Vec<_> = upper.into_iter().filter(|(k, _)| k != "SSL" && k != "X509").collect();
            all.sort();
            return Tls::All(all);
        }
        match upper.iter().any(|(k, _)| k == "X509") {
            true => Tls::Word("X509"),
            false if upper.is_empty() => Tls::None,
            false => Tls::Word("SSL"),
        }
    }

    /// ` REQUIRE …` with its values.
    pub(super) fn clause(&self) -> (String, Vec<Value>) {
        match self {
            Tls::None => (String::new(), Vec::new()),
            Tls::Word(word) => (format!(" REQUIRE {word}"), Vec::new()),
            Tls::All(all) => {
                let parts: Vec<String> = all.iter().map(|(k, _)| format!("{k} %s")).collect();
                (format!(" REQUIRE {}", parts.join(" AND ")), all.iter().map(|(_, v)| json!(v)).collect())
            }
        }
    }
}

pub(super) struct Server<'a> {
    pub(super) ctx: &'a Ctx,
    pub(super) client: Client,
    pub(super) maria: bool,
    /// Its version's numbers.
    pub(super) number: Vec<u64>,
    pub(super) user: String,
}

impl Server<'_> {
    /// `%s` of the statement are replaced by the values.
    pub(super) fn ask(&mut self, sql: &str, values: &[Value]) -> Result<Answer, Trouble> {
        let sql = format(sql, &json!(values)).map_err(Trouble::Lost)?;
        self.client.query(&sql)
    }

    /// As [`Server::ask`], with user and host in front of the values.
    pub(super) fn on(&mut self, host: &str, sql: &str, values: &[Value]) -> Result<Answer, Trouble> {
        let mut all = vec![json!(self.user), json!(host)];
        all.extend_from_slice(values);
        self.ask(sql, &all)
    }

    /// Accounts as they were before ALTER USER could do all.
    pub(super) fn old(&self) -> bool {
        self.number < if self.maria { vec![10, 2] } else { vec![5, 7] }
    }

    pub(super) fn privileges(&mut self, host: &str) -> Result<Privileges, Fail> {
        let answer = self.on(host, "SHOW GRANTS FOR %s@%s", &[])?;
        let lines: Vec<String> = answer.rows.iter().filter_map(|r| r.first()).map(crate::args::text).collect();
        mysql_privs::shown(lines.iter().map(String::as_str))
    }

    pub(super) fn grant(&mut self, host: &str, object: &str, privileges: &[String], tls: &Tls) -> Result<(), Fail> {
        let words: Vec<&str> = privileges.iter().map(String::as_str).filter(|p| *p != "GRANT").collect();
        let mut sql = format!("GRANT {} ON {} TO %s@%s", words.join(","), object.replace('%', "%%"));
        let mut values = Vec::new();
        if self.old() {
            let (clause, more) = tls.clause();
            sql.push_str(&clause);
            values = more;
        }
        if privileges.iter().any(|p| p == "GRANT") {
            sql.push_str(" WITH GRANT OPTION");
        }
        self.on(host, &sql, &values).map(drop).map_err(|why| {
            Fail::new(format!(
                "Error granting privileges, invalid priv string: {} , params: ('{}', '{host}'), query: {sql} , exception: {why}.",
                words.join(","),
                self.user
            ))
        })
    }

    pub(super) fn revoke(&mut self, host: &str, object: &str, privileges: &[String], option: bool) -> Result<(), Fail> {
        let object = object.replace('%', "%%");
        if option {
            self.on(host, &format!("REVOKE GRANT OPTION ON {object} FROM %s@%s"), &[])?;
        }
        let words: Vec<&str> = privileges.iter().map(String::as_str).filter(|p| *p != "GRANT").collect();
        let words = words.join(",");
        if !(words.is_empty() || option && words == "USAGE") {
            self.on(host, &format!("REVOKE {words} ON {object} FROM %s@%s"), &[])?;
        }
        self.client.query("FLUSH PRIVILEGES")?;
        Ok(())
    }

    /// The hash of mysql_native_password.
    pub(super) fn hash(&mut self, password: &str) -> Result<String, Fail> {
        let sql = "SELECT CONCAT('*', UCASE(SHA1(UNHEX(SHA1(%s)))))";
        Ok(self.ask(sql, &[json!(password)])?.text())
    }

    pub(super) fn attributes(&mut self, host: &str) -> Result<Value, Fail> {
        let sql = "SELECT attribute FROM INFORMATION_SCHEMA.USER_ATTRIBUTES WHERE user = %s AND host = %s";
        let text = self.on(host, sql, &[])?.text();
        let found: Value = serde_json::from_str(&text).unwrap_or_default();
        Ok(if found.as_object().is_some_and(|o| !o.is_empty()) { found } else { Value::Null })
    }

    pub(super) fn has_attributes(&mut self) -> bool {
        self.client.query("SELECT attribute FROM INFORMATION_SCHEMA.USER_ATTRIBUTES LIMIT 0").is_ok()
    }

    pub(super) fn tls(&mut self, host: &str) -> Result<Tls, Fail> {
        if self.maria {
            let sql =
                "SELECT ssl_type, ssl_cipher, x509_issuer, x509_subject FROM mysql.user WHERE User = %s AND Host = %s";
            let answer = self.on(host, sql, &[])?;
            let row: Vec<String> =
                answer.rows.first().map(|r| r.iter().map(crate::args::text).collect()).unwrap_or_default();
            let mut found = Map::new();
            match row.first().map(String::as_str) {
                Some("ANY") => drop(found.insert("SSL".into(), Value::Null)),
                Some("X509") => drop(found.insert("X509".into(), Value::Null)),
                _ => {}
            }
            for (name, at) in [("CIPHER", 1), ("ISSUER", 2), ("SUBJECT", 3)] {
                if let Some(value) = row.get(at).filter(|v| !v.is_empty()) {
                    found.insert(name.into(), value.as_str().into());
                }
            }
            return Ok(Tls::of(&found));
        }
        let sql = if self.old() { "SHOW GRANTS FOR %s@%s" } else { "SHOW CREATE USER %s@%s" };
        let text = self.on(host, sql, &[])?.text();
        let Some((_, rest)) = text.split_once(" REQUIRE ") else { return Ok(Tls::None) };
        let rest = rest.split(" PASSWORD").next().unwrap_or_default().trim();
        let mut found = Map::new();
        let words = crate::sys::shlex::split(rest).unwrap_or_default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "SSL" | "X509" => drop(found.insert(word.clone(), Value::Null)),
                "CIPHER" | "ISSUER" | "SUBJECT" => {
                    found.insert(word.clone(), words.next().cloned().into());
                }
                "AND" => {}
                _ => break,
            }
        }
        Ok(Tls::of(&found))
    }

    pub(super) fn expire(&mut self, host: &str, how: &str) -> Result<(), Fail> {
        let clause = match how {
            "never" => "PASSWORD EXPIRE NEVER".to_string(),
            "default" => "PASSWORD EXPIRE DEFAULT".to_string(),
            "interval" => {
                let days = self.ctx.args.int("password_expire_interval").unwrap_or_default();
                format!("PASSWORD EXPIRE INTERVAL {days} DAY")
            }
            _ => "PASSWORD EXPIRE".to_string(),
        };
        self.on(host, &format!("ALTER USER %s@%s {clause}"), &[])?;
        Ok(())
    }

    pub(super) fn needs_expiry(&self) -> Result<(), Fail> {
        if self.number < if self.maria { vec![10, 4, 3] } else { vec![5, 7] } {
            crate::fail!(
                "The server version does not match the requirements for password_expire parameter. See module's documentation."
            );
        }
        Ok(())
    }
}

/// How a task says what proves an account: statement and values behind user and host.
pub(super) fn proof(ctx: &Ctx) -> Option<(String, Vec<Value>)> {
    let args = &ctx.args;
    let given = |name: &str| args.str(name).filter(|v| !v.is_empty());
    let plugin = given("plugin")?;
    let (clause, value) = match (given("plugin_hash_string"), given("plugin_auth_string")) {
        (Some(hash), _) => ("IDENTIFIED WITH %s AS %s", Some(hash)),
        (None, Some(auth)) => (
            match plugin.as_str() {
                // MariaDB's own words.
                "pam" => "IDENTIFIED WITH %s USING %s",
                "ed25519" => "IDENTIFIED WITH %s USING PASSWORD(%s)",
                _ => "IDENTIFIED WITH %s BY %s",
            },
            Some(auth),
        ),
        (None, None) => ("IDENTIFIED WITH %s", None),
    };
    Some((clause.into(), std::iter::once(plugin).chain(value).map(Value::String).collect()))
}

/// What has been done.
pub(super) struct Done {
    pub(super) changed: bool,
    pub(super) msg: String,
    pub(super) password: Value,
    pub(super) attributes: Value,
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let (user, state) = (args.req("name")?, args.text("state"));
    let host = args.text("host").to_lowercase();
    let host_all = args.bool("host_all");
    if args.int("password_expire_interval").is_some_and(|d| d < 1) {
        crate::fail!("password_expire_interval value should be positive number");
    }
    let privileges = match args.given("priv") {
        None => None,
        Some(Value::Object(all)) => {
            let parts: Vec<String> = all.iter().map(|(k, v)| format!("{k}:{}", crate::args::text(v))).collect();
            Some(parts.join("/"))
        }
        Some(Value::String(text)) => Some(text.clone()),
        Some(other) => crate::fail!("priv parameter must be str or dict but {other} was passed"),
    };
    let database = if args.bool("force_context") { "mysql" } else { "" };
    let (client, _) = mysql_login::connect(ctx, Some(database).filter(|d| !d.is_empty()))?;
    let maria = client.version.to_lowercase().contains("mariadb");
    let number = version::numbers(client.version.trim_start_matches("5.5.5-"));
    let mut server = Server { ctx, client, maria, number, user: user.clone() };
    if args.opt_bool("column_case_sensitive").is_none() {
        ctx.warn(
            "column_case_sensitive is not given: names of columns are taken in upper case, from community.mysql 4.0.0 on as they are written",
        );
    }
    mysql_login::prepare(ctx, &mut server.client)?;
    let privileges = match privileges.filter(|p| !p.is_empty()) {
        None => None,
        Some(text) => {
            let ansi = server.client.query("SELECT @@sql_mode")?.text().contains("ANSI");
            let quote = if ansi { '"' } else { '`' };
            let (case, usage) = (args.bool("column_case_sensitive"), !args.bool("subtract_privs"));
            Some(mysql_privs::unpack(&text, quote, case, usage)?)
        }
    };
    let hosts: Vec<String> = if host_all {
        let answer = server.ask("SELECT Host FROM mysql.user WHERE user = %s", &[json!(user)])?;
        answer.rows.iter().filter_map(|r| r.first()).map(crate::args::text).collect()
    } else {
        let answer = server.on(&host, "SELECT Host FROM mysql.user WHERE user = %s AND host = %s", &[])?;
        answer.rows.iter().map(|_| host.clone()).take(1).collect()
    };
    let tls = match args.given("tls_requires") {
        Some(Value::Object(wanted)) => Tls::of(wanted),
        _ => Tls::None,
    };
    let mut done =
        Done { changed: false, msg: "User doesn't exist".into(), password: json!(false), attributes: Value::Null };
    if state == "absent" {
        if !hosts.is_empty() {
            done.changed = true;
            done.msg = "User deleted".into();
            for host in hosts.iter().filter(|_| !ctx.check) {
                let old = server.old();
                server.on(host, if old { "DROP USER %s@%s" } else { "DROP USER IF EXISTS %s@%s" }, &[])?;
            }
        }
    } else if hosts.is_empty() {
        if host_all {
            crate::fail!("host_all parameter cannot be used when adding a user");
        }
        let privileges = privileges.filter(|_| !args.bool("subtract_privs"));
        add(&mut server, &host, privileges, &tls, &mut done)?;
        limits(&mut server, &host, &mut done)?;
    } else {
        done.msg = "User unchanged".into();
        for host in &hosts {
            modify(&mut server, host, privileges.as_ref(), &tls, &mut done)?;
        }
        limits(&mut server, &host, &mut done)?;
    }
    Ok(crate::out! {
        "changed": done.changed, "user": user, "msg": done.msg, "password_changed": done.password,
        "attributes": done.attributes,
    })
}

fn add(
    server: &mut Server<'_>,
    host: &str,
    privileges: Option<Privileges>,
    tls: &Tls,
    done: &mut Done,
) -> Result<(), Fail> {
    let args = &server.ctx.args;
    let attributes = args.given("attributes").filter(|a| a.as_object().is_some_and(|o| !o.is_empty()));
    if attributes.is_some() && !server.has_attributes() {
        crate::fail!("user attributes were specified but the server does not support user attributes");
    }
    done.changed = true;
    done.msg = "User added".into();
    done.password = json!(true);
    if server.ctx.check {
        done.password = Value::Null;
        done.attributes = attributes.cloned().unwrap_or_default();
        return Ok(());
    }
    let mut identified = proof(server.ctx);
    let mut password = args.str("password").filter(|p| !p.is_empty());
    if args.text("update_password") == "on_new_username" {
        let column = if server.maria { "password" } else { "authentication_string" };
        let sql = format!(
            "SELECT plugin, {column} FROM mysql.user WHERE user = %s UNION SELECT plugin, authentication_string FROM mysql.user WHERE user = %s"
        );
        let user = json!(server.user);
        let rows = server.ask(&sql, &[user.clone(), user])?.rows;
        match rows.as_slice() {
            [] => {}
            [one] => {
                password = None;
                identified = Some(("IDENTIFIED WITH %s AS %s".into(), one.clone()));
                done.password = json!(false);
            }
            _ => server.ctx.warn(format!(
                "accounts named {} have different passwords: on_new_username can't tell which one to take, the task's own is set (none, if it has none)",
                server.user
            )),
        }
    }
    if let Some(password) = password {
        let plain = !args.bool("encrypted");
        identified = Some(if plain && server.old() {
            ("IDENTIFIED BY %s".into(), vec![json!(password)])
        } else {
            let hash = if plain { server.hash(&password)? } else { password };
            if !plain && (server.maria || server.number < vec![8]) {
                ("IDENTIFIED BY PASSWORD %s".into(), vec![json!(hash)])
            } else {
                ("IDENTIFIED WITH mysql_native_password AS %s".into(), vec![json!(hash)])
            }
        });
    }
    let (clause, mut values) = identified.unwrap_or_default();
    let mut sql = format!("CREATE USER %s@%s {clause}");
    if !server.old() {
        let (require, more) = tls.clause();
        sql.push_str(&require);
        values.extend(more);
    }
    server.on(host, sql.trim_end(), &values)?;
    if let Some(how) = args.str("password_expire") {
        server.needs_expiry()?;
        server.expire(host, &how)?;
    }
    for (object, privileges) in privileges.into_iter().flatten() {
        server.grant(host, &object, &privileges, tls)?;
    }
    if *tls != Tls::None && server.old() {
        let all = server.privileges(host)?.remove("*.*").unwrap_or_default();
        server.grant(host, "*.*", &all, tls)?;
    }
    if let Some(attributes) = attributes {
        server.on(host, "ALTER USER %s@%s ATTRIBUTE %s", &[json!(attributes.to_string())])?;
        done.attributes = server.attributes(host)?;
    }
    if args.bool("locked") {
        server.on(host, "ALTER USER %s@%s ACCOUNT LOCK", &[])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_and_proofs() {
        let tls = |v: Value| Tls::of(v.as_object().unwrap());
        assert_eq!(tls(json!({})), Tls::None);
        assert_eq!(tls(json!({"ssl": null})).clause().0, " REQUIRE SSL");
        assert_eq!(tls(json!({"x509": null, "SSL": null})), Tls::Word("X509"));
        let (clause, values) = tls(json!({"subject": "/CN=a", "ISSUER": "/CN=b", "SSL": null})).clause();
        assert_eq!(
            (clause.as_str(), values),
            (" REQUIRE ISSUER %s AND SUBJECT %s", vec![json!("/CN=b"), json!("/CN=a")])
        );
        for (args, want) in [
            (json!({"name": "u"}), None),
            (json!({"name": "u", "plugin": "unix_socket"}), Some(("IDENTIFIED WITH %s", 1))),
            (
                json!({"name": "u", "plugin": "pam", "plugin_auth_string": "x"}),
                Some(("IDENTIFIED WITH %s USING %s", 2)),
            ),
            (json!({"name": "u", "plugin": "p", "plugin_hash_string": "x"}), Some(("IDENTIFIED WITH %s AS %s", 2))),
        ] {
            let found = proof(&Ctx::test("mysql_user", args));
            assert_eq!(found.as_ref().map(|(c, v)| (c.as_str(), v.len())), want);
        }
    }
}
