//! `postgresql_user`: roles that log in: passwords, attributes, limits, settings.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::postgres::{Answer, Client, md5_password, name, quote, scram_matches};
use crate::sys::postgres_login;
use serde_json::{Map, Value, json};

/// Attributes and their columns in `pg_authid`.
const FLAGS: &[(&str, &str)] = &[
    ("SUPERUSER", "rolsuper"),
    ("CREATEROLE", "rolcreaterole"),
    ("CREATEDB", "rolcreatedb"),
    ("INHERIT", "rolinherit"),
    ("LOGIN", "rolcanlogin"),
    ("REPLICATION", "rolreplication"),
    ("BYPASSRLS", "rolbypassrls"),
];

/// `CREATEDB,nosuperuser` as `(column, on, word)`.
fn flags(text: &str) -> Result<Vec<(&'static str, bool, String)>, Fail> {
    let mut out: Vec<(&'static str, bool, String)> = Vec::new();
    for word in text.split(',').map(|w| w.trim().to_uppercase()).filter(|w| !w.is_empty()) {
        let known = FLAGS.iter().find_map(|(flag, column)| {
            (word == *flag).then_some((*column, true)).or((word == format!("NO{flag}")).then_some((*column, false)))
        });
        let Some((column, on)) = known else { crate::fail!("Invalid role_attr_flags specified: {word}") };
        if !out.iter().any(|(_, _, w)| *w == word) {
            out.push((column, on, word));
        }
    }
    Ok(out)
}

/// Whether a password has to be set. `None` for the stored one: it can't be seen, or there is none.
fn password_differs(password: &str, user: &str, stored: Option<&str>, default: &str, visible: bool) -> bool {
    if !visible {
        return true;
    }
    if password.is_empty() {
        return stored.is_some();
    }
    let hashed = password.starts_with("SCRAM-SHA-256$") || password.len() == 35 && password.starts_with("md5");
    if hashed {
        return stored != Some(password);
    }
    match stored.and_then(|s| scram_matches(password, s)) {
        Some(same) => !same,
        None if default == "md5" => stored != Some(md5_password(password, user).as_str()),
        None => true,
    }
}

struct Roles<'a> {
    ctx: &'a Ctx,
    client: Client,
    user: String,
    queries: Vec<String>,
}

impl Roles<'_> {
    /// Runs a statement; `shown` goes to the result, without the password.
    fn execute(&mut self, sql: &str, shown: &str) -> Result<(), Fail> {
        self.queries.push(shown.to_string());
        self.client.query(sql)?;
        Ok(())
    }

    /// `pg_authid` where it may be read, else `pg_roles`, which hides passwords.
    fn attributes(&mut self) -> Result<(Answer, bool), Fail> {
        let of = |table: &str, user: &str| format!("SELECT * FROM {table} WHERE rolname = {}", quote(user));
        self.client.query("SAVEPOINT looks")?;
        match self.client.query(&of("pg_authid", &self.user)) {
            Ok(found) => {
                self.client.query("RELEASE SAVEPOINT looks")?;
                Ok((found, true))
            }
            Err(_) => {
                self.client.query("ROLLBACK TO SAVEPOINT looks")?;
                Ok((self.client.query(&of("pg_roles", &self.user))?, false))
            }
        }
    }

    /// The words behind CREATE USER or ALTER USER, with the password and without.
    fn words(&self, password: Option<&str>, flags: &str) -> (String, String) {
        let args = &self.ctx.args;
        let (mut sql, mut shown) = (String::new(), String::new());
        match password {
            Some("") => {
                sql.push_str(" WITH PASSWORD NULL");
                shown.push_str(" WITH PASSWORD NULL");
            }
            Some(password) => {
                let how = if args.bool("encrypted") { "ENCRYPTED" } else { "UNENCRYPTED" };
                // Since PostgreSQL 10 every password is.
                let how = if self.client.version >= vec![10] { "" } else { how };
                sql.push_str(&format!(" WITH {how} PASSWORD {}", quote(password)));
                shown.push_str(&format!(" WITH {how} PASSWORD %(password)s").replace("  ", " "));
            }
            None => {}
        }
        let mut more = String::new();
        if let Some(until) = args.str("expires") {
            more.push_str(&format!(" VALID UNTIL {}", quote(&until)));
        }
        if let Some(limit) = args.int("conn_limit") {
            more.push_str(&format!(" CONNECTION LIMIT {limit}"));
        }
        if !flags.is_empty() {
            more.push_str(&format!(" {flags}"));
        }
        (sql + &more, shown + &more)
    }
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let user = args.req("user")?;
    if user.starts_with('"') != user.ends_with('"') || user.is_empty() {
        crate::fail!(
            "The value of the user-field can't contain a double-quote in the end if it doesn't start with one and vice-versa."
        );
    }
    postgres_login::check_input(ctx, &["user", "password", "expires", "role_attr_flags", "comment", "session_role"])?;
    let flags = flags(&args.text("role_attr_flags"))?;
    let login = postgres_login::login(ctx, "postgres")?;
    let client = postgres_login::connect(ctx, &login)?;
    let plain = user.trim_matches('"').to_string();
    let mut roles = Roles { ctx, client, user: plain, queries: Vec::new() };
    let mut out = crate::out! {"user": user};
    let exists = user == "PUBLIC"
        || !roles
            .client
            .query(&format!("SELECT rolname FROM pg_roles WHERE rolname = {}", quote(&roles.user)))?
            .rows
            .is_empty();
    roles.client.query("BEGIN")?;
    let changed = if args.text("state") == "absent" {
        remove(&mut roles, exists, &mut out)?
    } else {
        let made = if exists { alter(&mut roles, &flags)? } else { create(&mut roles, &flags)? };
        let commented = match args.str("comment") {
            Some(text) if postgres_login::comment(&mut roles.client, "role", &roles.user)? != text => {
                let of = roles.user.clone();
                let sql = postgres_login::set_comment(&mut roles.client, "role", &of, &text, ctx.check)?;
                roles.queries.push(sql);
                true
            }
            _ => false,
        };
        let configured = user != "PUBLIC" && configure(&mut roles)?;
        made || commented || configured
    };
    roles.client.query(if ctx.check { "ROLLBACK" } else { "COMMIT" })?;
    out.insert("changed".into(), changed.into());
    out.insert("queries".into(), json!(roles.queries));
    Ok(out)
}

fn words_of(flags: &[(&str, bool, String)]) -> String {
    flags.iter().map(|(_, _, w)| w.as_str()).collect::<Vec<_>>().join(" ")
}

fn create(roles: &mut Roles<'_>, flags: &[(&str, bool, String)]) -> Result<bool, Fail> {
    let password = roles.ctx.args.str("password").filter(|p| !p.is_empty());
    let (sql, shown) = roles.words(password.as_deref(), &words_of(flags));
    let start = format!("CREATE USER {}", name(&roles.user));
    roles
        .execute(&format!("{start}{sql}"), &format!("{start}{shown}"))
        .map_err(|why| Fail::new(format!("Unable to add user with given requirement due to : {}", why.msg)))?;
    Ok(true)
}

fn alter(roles: &mut Roles<'_>, flags: &[(&str, bool, String)]) -> Result<bool, Fail> {
    let args = &roles.ctx.args;
    let (password, expires, limit) = (args.str("password"), args.str("expires"), args.int("conn_limit"));
    if roles.user == "PUBLIC" {
        if password.is_some() {
            crate::fail!("cannot change the password for PUBLIC user");
        }
        if !flags.is_empty() {
            crate::fail!("cannot change the role_attr_flags for PUBLIC user");
        }
        return Ok(false);
    }
    let keep = args.bool("no_password_changes");
    let nothing = password.is_none() && expires.is_none() && limit.is_none();
    if flags.is_empty() && (nothing || keep) {
        return Ok(false);
    }
    let (now, visible) = roles.attributes()?;
    let flagged = flags.iter().any(|(column, on, _)| now.at(0, column) != Some(&json!(on)));
    let start = format!("ALTER USER {}", name(&roles.user));
    let words = words_of(flags);
    if keep {
        if flagged {
            let sql = format!("{start} WITH {words}");
            roles.execute(&sql, &sql)?;
        }
        return Ok(flagged);
    }
    let mut stale = false;
    if let Some(password) = &password {
        let default = roles.client.query("SHOW password_encryption")?;
        let default = default.at(0, "password_encryption").map(crate::args::text).unwrap_or_default();
        let stored = now.at(0, "rolpassword").filter(|v| !v.is_null()).map(crate::args::text);
        stale = password_differs(password, &roles.user, stored.as_deref(), &default, visible);
    }
    let mut expired = false;
    if let Some(until) = &expires {
        let sql = format!(
            "SELECT ({}::timestamptz IS DISTINCT FROM rolvaliduntil) AS differs FROM pg_roles WHERE rolname = {}",
            quote(until),
            quote(&roles.user)
        );
        expired = roles.client.query(&sql)?.at(0, "differs") == Some(&json!(true));
    }
    let limited = limit.is_some_and(|l| now.at(0, "rolconnlimit") != Some(&json!(l)));
    if !stale && !flagged && !expired && !limited {
        return Ok(false);
    }
    let (sql, shown) = roles.words(password.as_deref().filter(|_| stale), &words);
    roles.execute(&format!("{start}{sql}"), &format!("{start}{shown}"))?;
    Ok(true)
}

fn remove(roles: &mut Roles<'_>, exists: bool, out: &mut Outcome) -> Result<bool, Fail> {
    if !exists {
        return Ok(false);
    }
    let mut removed = true;
    if !roles.ctx.check {
        roles.client.query("SAVEPOINT ansible_pgsql_user_delete")?;
        let sql = format!("DROP USER {}", name(&roles.user));
        if let Err(why) = roles.execute(&sql, &sql) {
            roles.client.query("ROLLBACK TO SAVEPOINT ansible_pgsql_user_delete")?;
            removed = false;
            if roles.ctx.args.bool("fail_on_user") {
                crate::fail!("Unable to remove user: {}", why.msg);
            }
        }
    }
    out.insert("user_removed".into(), removed.into());
    Ok(removed)
}

fn configure(roles: &mut Roles<'_>) -> Result<bool, Fail> {
    let args = &roles.ctx.args;
    let wanted: Map<String, Value> =
        args.given("configuration").and_then(Value::as_object).cloned().unwrap_or_default();
    let reset = args.bool("reset_unspecified_configuration");
    if wanted.is_empty() && !reset {
        return Ok(false);
    }
    let quoted = args.bool("quote_configuration_values");
    if let Some(key) = wanted.keys().find(|k| quoted && k.contains(['"', '\''])) {
        crate::fail!("The key of a configuration may not contain single or double quotes: {key}");
    }
    let sql = format!("SELECT rolconfig FROM pg_roles WHERE rolname = {}", quote(&roles.user));
    let found = roles.client.query(&sql)?;
    let now: Vec<(String, String)> = match found.at(0, "rolconfig") {
        Some(Value::Array(all)) => all
            .iter()
            .filter_map(|v| crate::args::text(v).split_once('=').map(|(k, v)| (k.to_string(), v.to_string())))
            .collect(),
        _ => Vec::new(),
    };
    let mut changed = false;
    let who = name(&roles.user);
    let mut run = |sql: String, changed: &mut bool| -> Result<(), Fail> {
        *changed = true;
        roles
            .execute(&sql, &sql)
            .map_err(|why| Fail::new(format!("Unable to update configuration due to: {}", why.msg)))
    };
    for (key, _) in now.iter().filter(|(k, _)| reset && !wanted.contains_key(k)) {
        run(format!("ALTER ROLE {who} RESET \"{key}\";"), &mut changed)?;
    }
    for (key, value) in &wanted {
        let text = crate::args::text(value);
        if now.iter().any(|(k, v)| k == key && *v == text) {
            continue;
        }
        let text = if quoted { quote(&text) } else { text };
        run(format!("ALTER ROLE {who} SET \"{key}\" TO {text};"), &mut changed)?;
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_and_passwords() {
        let found = flags("CREATEDB, nosuperuser,CREATEDB").unwrap();
        assert_eq!(found, [("rolcreatedb", true, "CREATEDB".to_string()), ("rolsuper", false, "NOSUPERUSER".into())]);
        assert!(flags("FLY").is_err() && flags("").unwrap().is_empty());
        let md5 = md5_password("p", "u");
        for (password, stored, default, visible, want) in [
            ("p", Some(md5.as_str()), "md5", true, false),
            ("q", Some(md5.as_str()), "md5", true, true),
            (md5.as_str(), Some(md5.as_str()), "scram-sha-256", true, false),
            ("p", Some(md5.as_str()), "scram-sha-256", true, true),
            ("", None, "md5", true, false),
            ("", Some("x"), "md5", true, true),
            ("p", None, "md5", false, true),
        ] {
            assert_eq!(
                password_differs(password, "u", stored, default, visible),
                want,
                "{password} {stored:?} {default}"
            );
        }
    }
}
