//! `postgresql_privs`: privileges on objects, memberships, default privileges. What has changed is told by the access lists before
//! and after, inside a transaction that is taken back where nothing has, and in check mode. Source: community.postgresql's
//! DOCUMENTATION and PostgreSQL's chapters on GRANT, REVOKE and ALTER DEFAULT PRIVILEGES.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::postgres::{Client, quote};
use crate::sys::postgres_login;
use serde_json::{Value, json};

const PRIVILEGES: &[&str] = &[
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "TRUNCATE",
    "REFERENCES",
    "TRIGGER",
    "CREATE",
    "CONNECT",
    "TEMPORARY",
    "TEMP",
    "EXECUTE",
    "USAGE",
    "ALL",
    "SET",
    "ALTER_SYSTEM",
    "MAINTAIN",
];
/// What there are default privileges of, and which.
const DEFAULTS: &[(&str, &[&str])] = &[
    ("TABLES", &["ALL", "SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"]),
    ("SEQUENCES", &["ALL", "SELECT", "UPDATE", "USAGE"]),
    ("FUNCTIONS", &["ALL", "EXECUTE"]),
    ("TYPES", &["ALL", "USAGE"]),
    ("SCHEMAS", &["CREATE", "USAGE"]),
];
/// Roles that need not exist, and the version that has them.
const IMPLICIT: &[(&str, [u64; 2])] =
    &[("PUBLIC", [0, 0]), ("CURRENT_USER", [9, 5]), ("SESSION_USER", [9, 5]), ("CURRENT_ROLE", [14, 0])];
const TABLE_KINDS: &str = "c.relkind IN ('r', 'v', 'm', 'p', 'f')";

/// A name in quotes, whatever it looks like.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Without the same thing twice, in order.
fn unique(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for item in text.split(',').map(str::to_uppercase) {
        if !out.contains(&item) {
            out.push(item);
        }
    }
    out
}

struct Grants<'a> {
    ctx: &'a Ctx,
    client: Client,
    kind: String,
    schema: Option<String>,
}

impl Grants<'_> {
    fn ask(&mut self, sql: &str) -> Result<Vec<Vec<Value>>, Fail> {
        let answer = self.client.query(sql);
        answer.map(|a| a.rows).map_err(|why| Fail::new(format!("Cannot execute SQL '{sql}': {why}")))
    }

    /// The roles as they stand in a statement; those that there are not are passed over, where that is wanted.
    fn roles(&mut self) -> Result<Vec<String>, Fail> {
        let mut out = Vec::new();
        for role in self.ctx.args.text("roles").split(',') {
            let upper = role.to_uppercase();
            let version = &self.client.version;
            if IMPLICIT.iter().any(|(name, since)| *name == upper && version.as_slice() >= since.as_slice()) {
                out.push(upper);
                continue;
            }
            let sql = format!("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = {}", quote(role));
            if !self.ask(&sql)?.is_empty() {
                out.push(quoted(role));
            } else if self.ctx.args.bool("fail_on_role") {
                crate::fail!("Role '{role}' does not exist");
            } else {
                self.ctx.warn(format!("Role '{role}' does not exist, pass it"));
            }
        }
        Ok(out)
    }

    /// All objects of the kind in the schema.
    fn all_in_schema(&mut self) -> Result<Vec<String>, Fail> {
        let schema = self.schema.clone();
        let here = schema.as_ref().map_or("true".to_string(), |s| format!("n.nspname = {}", quote(s)));
        if let Some(schema) = &schema {
            let sql = format!("SELECT 1 FROM pg_catalog.pg_namespace n WHERE {here}");
            if self.ask(&sql)?.is_empty() {
                crate::fail!("Schema \"{schema}\" does not exist.");
            }
        }
        let sql = match self.kind.as_str() {
            "table" | "sequence" => {
                let kinds = if self.kind == "table" { TABLE_KINDS } else { "c.relkind = 'S'" };
                format!(
                    "SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
                     WHERE {here} AND {kinds}"
                )
            }
            kind => {
                let old = self.client.version.as_slice() < [11].as_slice();
                let kinds = match (kind, old) {
                    ("procedure", true) => crate::fail!("PostgreSQL version must be >= 11 for type=procedure. Exit"),
                    ("procedure", false) => "p.prokind = 'p'",
                    (_, true) => "true",
                    (_, false) => "p.prokind = 'f'",
                };
                format!(
                    "SELECT p.proname || '(' || pg_catalog.oidvectortypes(p.proargtypes) || ')' FROM pg_catalog.pg_proc p \
                     JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE {here} AND {kinds}"
                )
            }
        };
        Ok(self.ask(&sql)?.iter().filter_map(|row| row.first()).map(crate::args::text).collect())
    }

    /// Who may what, in an order that says nothing.
    fn status(&mut self, objects: &[String]) -> Result<Vec<String>, Fail> {
        let names: Vec<String> = objects.iter().map(|o| quote(o.split('(').next().unwrap_or_default())).collect();
        let among = format!("IN ({})", names.join(", "));
        let here = self.schema.as_ref().map_or(String::new(), |s| format!(" AND n.nspname = {}", quote(s)));
        let join = |key: &str| format!("JOIN pg_catalog.pg_namespace n ON n.oid = {key}");
        let plain = |table: &str, list: &str, name: &str| {
            format!("SELECT {name}, {list}::text FROM pg_catalog.{table} WHERE {name} {among}")
        };
        let sql = match self.kind.as_str() {
            "table" | "sequence" => {
                let kinds = if self.kind == "table" { TABLE_KINDS } else { "c.relkind = 'S'" };
                let join = join("c.relnamespace");
                format!(
                    "SELECT c.oid, c.relacl::text FROM pg_catalog.pg_class c {join} WHERE {kinds} AND c.relname {among}{here}"
                )
            }
            "function" | "procedure" => {
                let join = join("p.pronamespace");
                format!("SELECT p.oid, p.proacl::text FROM pg_catalog.pg_proc p {join} WHERE p.proname {among}{here}")
            }
            "type" => {
                let join = join("t.typnamespace");
                format!("SELECT t.oid, t.typacl::text FROM pg_catalog.pg_type t {join} WHERE t.typname {among}{here}")
            }
            "schema" => plain("pg_namespace", "nspacl", "nspname"),
            "language" => plain("pg_language", "lanacl", "lanname"),
            "tablespace" => plain("pg_tablespace", "spcacl", "spcname"),
            "database" => plain("pg_database", "datacl", "datname"),
            "foreign_data_wrapper" => plain("pg_foreign_data_wrapper", "fdwacl", "fdwname"),
            "foreign_server" => plain("pg_foreign_server", "srvacl", "srvname"),
            "parameter" if self.client.version.as_slice() < [15].as_slice() => {
                crate::fail!("PostgreSQL version must be >= 15 for type=parameter. Exit")
            }
            "parameter" => plain("pg_parameter_acl", "paracl", "parname"),
            "group" => format!(
                "SELECT roleid, grantor, member, admin_option FROM pg_catalog.pg_auth_members am \
                 JOIN pg_catalog.pg_roles r ON r.oid = am.roleid WHERE r.rolname {among}"
            ),
            _ => format!(
                "SELECT a.defaclrole, a.defaclobjtype, a.defaclnamespace, a.defaclacl::text \
                 FROM pg_catalog.pg_default_acl a LEFT {} WHERE true{here}",
                join("a.defaclnamespace")
            ),
        };
        let row = |row: &Vec<Value>| {
            // What is revoked and granted again stands last in its list, and means the same.
            let texts = row.iter().map(|value| {
                let text = crate::args::text(value);
                let mut items: Vec<&str> = text.split(',').map(|i| i.trim_matches(['{', '}'])).collect();
                items.sort_unstable();
                items.join(",")
            });
            texts.collect::<Vec<_>>().join("|")
        };
        let mut out: Vec<String> = self.ask(&sql)?.iter().map(row).collect();
        out.sort();
        Ok(out)
    }
}

/// What is set, for whom and how.
struct Wish {
    present: bool,
    kind: String,
    privileges: Vec<String>,
    objects: Vec<String>,
    /// All objects of a schema are meant.
    all: bool,
    schema: Option<String>,
    whom: String,
    as_who: Option<String>,
    option: Option<bool>,
}

impl Wish {
    fn statement(&self) -> Result<String, Fail> {
        if self.kind == "default_privs" {
            return Ok(self.defaults());
        }
        let what = self.what()?;
        let whom = &self.whom;
        if !self.present {
            return Ok(format!("REVOKE {what} FROM {whom};"));
        }
        let option = if self.kind == "group" { "ADMIN OPTION" } else { "GRANT OPTION" };
        Ok(match self.option {
            Some(true) => format!("GRANT {what} TO {whom} WITH {option};"),
            Some(false) => format!("GRANT {what} TO {whom};\nREVOKE {option} FOR {what} FROM {whom};"),
            None => format!("GRANT {what} TO {whom};"),
        })
    }

    fn what(&self) -> Result<String, Fail> {
        let schema = self.schema.as_deref().map(quoted);
        let inside = |name: String| schema.as_ref().map_or(name.clone(), |s| format!("{s}.{name}"));
        let mut names = Vec::new();
        for object in &self.objects {
            names.push(match self.kind.as_str() {
                "function" | "procedure" => match object.split_once('(') {
                    Some((name, rest)) => inside(format!("{}({rest}", quoted(name))),
                    None => crate::fail!("Illegal function / procedure signature: \"{object}\"."),
                },
                "table" | "sequence" | "type" => inside(quoted(object)),
                _ => quoted(object),
            });
        }
        if self.kind == "group" {
            return Ok(names.join(","));
        }
        let privileges = self.privileges.join(",").replace('_', " ");
        Ok(if self.all {
            let all = format!("ALL {}S IN SCHEMA", self.kind.to_uppercase());
            format!("{privileges} ON {all} {}", schema.unwrap_or_default())
        } else {
            format!("{privileges} ON {} {}", self.kind.replace('_', " "), names.join(","))
        })
    }

    /// Default privileges: what there was goes first.
    fn defaults(&self) -> String {
        let whose = self.as_who.as_ref().map_or(String::new(), |r| format!(" FOR ROLE {r}"));
        let place = self.schema.as_ref().map_or(String::new(), |s| format!(" IN SCHEMA {}", quoted(s)));
        let start = format!("ALTER DEFAULT PRIVILEGES{whose}{place}");
        let revoke = |of: &str| format!("{start} REVOKE ALL ON {of} FROM {};", self.whom);
        if !self.present {
            return ["TABLES", "FUNCTIONS", "SEQUENCES", "TYPES"].map(revoke).join("\n");
        }
        let end = if self.option == Some(true) { " WITH GRANT OPTION;" } else { ";" };
        let grant = |of: &String| format!("{start} GRANT {} ON {of} TO {}{end}", self.privileges.join(","), self.whom);
        let lines: Vec<String> = self.objects.iter().map(|o| revoke(o)).chain(self.objects.iter().map(grant)).collect();
        lines.join("\n")
    }
}

/// The objects of default privileges, all of which know the privileges.
fn default_objects(objects: &str, privileges: &[String]) -> Result<Vec<String>, Fail> {
    let objects = match objects {
        "ALL_DEFAULT" => ["TABLES", "SEQUENCES", "FUNCTIONS", "TYPES"].map(String::from).into(),
        text => unique(text),
    };
    for object in &objects {
        let Some((_, known)) = DEFAULTS.iter().find(|(name, _)| name == object) else {
            crate::fail!("Invalid Object set specified: {object}");
        };
        if let Some(not) = privileges.iter().find(|p| !known.contains(&p.as_str())) {
            crate::fail!("Invalid priv specified. {object} have no privilege {not}; they have {}", known.join(", "));
        }
    }
    Ok(objects)
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let kind = args.text("type");
    let given = |name: &str| args.str(name).filter(|v| !v.is_empty());
    let mut objects = given("objs");
    let in_schemas =
        matches!(kind.as_str(), "table" | "sequence" | "function" | "procedure" | "type" | "default_privs");
    let schema = match given("schema") {
        Some(_) if !in_schemas => crate::fail!("Argument \"schema\" is not allowed for type \"{kind}\"."),
        _ if !in_schemas || objects.as_deref() == Some("schemas") => None,
        Some(schema) if schema == "not-specified" => None,
        Some(schema) => Some(schema),
        None => Some("public".to_string()),
    };
    let all = objects.as_deref() == Some("ALL_IN_SCHEMA");
    if all && !matches!(kind.as_str(), "table" | "sequence" | "function" | "procedure") {
        crate::fail!(
            "Argument \"objs\": ALL_IN_SCHEMA can be used only for type: table, sequence, function or procedure, {kind} was passed."
        );
    }
    if all && schema.is_none() {
        crate::fail!("objs ALL_IN_SCHEMA needs a schema, and schema is \"not-specified\"");
    }
    if kind == "database" {
        objects = objects.or_else(|| given("login_db"));
    }
    let Some(objects) = objects else { crate::fail!("Argument \"objs\" is required for type \"{kind}\".") };
    let privileges = match (given("privs"), kind.as_str()) {
        (Some(_), "group") => crate::fail!("Argument \"privs\" is not allowed for type \"group\"."),
        (None, "group") => Vec::new(),
        (None, _) => crate::fail!("Argument \"privs\" is required for type \"{kind}\"."),
        (Some(text), _) => unique(&text),
    };
    let unknown: Vec<&str> = privileges.iter().map(String::as_str).filter(|p| !PRIVILEGES.contains(p)).collect();
    if !unknown.is_empty() {
        crate::fail!("Invalid privileges specified: {}", unknown.join(", "));
    }
    postgres_login::check_input(ctx, &["roles", "target_roles", "session_role", "schema"])?;
    let login = postgres_login::login(ctx, "postgres")?;
    let client = postgres_login::connect(ctx, &login)?;
    let mut grants = Grants { ctx, client, kind: kind.clone(), schema: schema.clone() };
    let objects = match kind.as_str() {
        _ if all => grants.all_in_schema()?,
        "default_privs" => default_objects(&objects, &privileges)?,
        // Colons keep the arguments of one function from being taken for functions.
        "function" | "procedure" => objects.split(',').map(|o| o.replace(':', ",")).collect(),
        _ => objects.split(',').map(str::to_string).collect(),
    };
    let roles = grants.roles()?;
    if roles.is_empty() {
        ctx.warn("No valid roles provided, nothing to do");
        return Ok(crate::out! {"changed": false, "queries": []});
    }
    let as_who = given("target_roles");
    if as_who.is_some() && kind != "default_privs" {
        ctx.warn("\"target_roles\" will be ignored: Argument \"type: default_privs\" is required for usage of \"target_roles\".");
    }
    if objects.is_empty() {
        return Ok(crate::out! {"changed": false, "queries": []});
    }
    let wish = Wish {
        present: args.text("state") == "present",
        kind,
        privileges,
        objects,
        all,
        schema,
        whom: roles.join(","),
        as_who: as_who.map(|r| r.split(',').map(quoted).collect::<Vec<_>>().join(",")),
        option: args.opt_bool("grant_option"),
    };
    let statement = wish.statement()?;
    grants.ask("BEGIN")?;
    let before = grants.status(&wish.objects)?;
    grants.ask(&statement)?;
    let changed = grants.status(&wish.objects)? != before;
    grants.ask(if ctx.check || !changed { "ROLLBACK" } else { "COMMIT" })?;
    Ok(crate::out! {"changed": changed, "queries": json!([statement])})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::postgres_server::Server;

    #[test]
    fn what_is_refused_before_a_connection() {
        let why = |more: Value| {
            let mut args = json!({"login_db": "d", "roles": "r", "login_host": "127.0.0.1", "login_port": 1});
            args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            run(&Ctx::test("postgresql_privs", args)).unwrap_err().msg
        };
        assert!(why(json!({"objs": "t"})).contains("\"privs\" is required"));
        assert!(why(json!({"privs": "ALL"})).contains("\"objs\" is required"));
        assert!(why(json!({"objs": "t", "privs": "FLY,select"})).contains("Invalid privileges specified: FLY"));
        assert!(why(json!({"objs": "x", "type": "group", "privs": "ALL"})).contains("not allowed"));
        assert!(why(json!({"objs": "x", "type": "schema", "privs": "ALL", "schema": "s"})).contains("not allowed"));
        assert!(why(json!({"objs": "ALL_IN_SCHEMA", "type": "type", "privs": "ALL"})).contains("ALL_IN_SCHEMA"));
        let bad = default_objects("tables,types", &["SELECT".into()]).unwrap_err().msg;
        assert!(bad.contains("TYPES have no privilege SELECT"), "{bad}");
        assert!(default_objects("rooms", &[]).is_err());
    }

    /// Each step: what is asked for; then a query, and what it answers once that is so.
    #[test]
    fn privileges_come_and_go_once() {
        let Some(server) = Server::start() else { return };
        server.sql("postgres", "CREATE DATABASE shop");
        server.sql(
            "shop",
            "CREATE ROLE reader; CREATE ROLE \"wri\"\"ter\"; CREATE ROLE team; CREATE SCHEMA s; CREATE TABLE s.a (x int);
             CREATE TABLE \"Odd name\" (x int); CREATE SEQUENCE s.q; CREATE TYPE s.mood AS ENUM ('ok');
             CREATE FUNCTION s.f(int, text) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        );
        let may = |what: &str| format!("SELECT has_{what}_privilege('reader', ");
        let steps = [
            (json!({"objs": "a", "schema": "s", "privs": "select,INSERT"}), may("table") + "'s.a', 'INSERT')"),
            (json!({"objs": "Odd name", "privs": "ALL"}), may("table") + "'\"Odd name\"', 'DELETE')"),
            (json!({"objs": "ALL_IN_SCHEMA", "schema": "s", "privs": "UPDATE"}), may("table") + "'s.a', 'UPDATE')"),
            (
                json!({"type": "sequence", "objs": "q", "schema": "s", "privs": "USAGE"}),
                may("sequence") + "'s.q', 'USAGE')",
            ),
            (json!({"type": "schema", "objs": "s,public", "privs": "CREATE"}), may("schema") + "'s', 'CREATE')"),
            (json!({"type": "database", "privs": "CREATE"}), may("database") + "'shop', 'CREATE')"),
            (
                json!({"type": "function", "objs": "f(int:text)", "schema": "s", "privs": "EXECUTE", "grant_option": true}),
                may("function") + "'s.f(int, text)', 'EXECUTE WITH GRANT OPTION')",
            ),
            (
                json!({"type": "type", "objs": "mood", "schema": "s", "privs": "USAGE", "grant_option": true}),
                may("type") + "'s.mood', 'USAGE WITH GRANT OPTION')",
            ),
            (
                json!({"type": "group", "objs": "team", "admin_option": true}),
                "SELECT pg_has_role('reader', 'team', 'MEMBER WITH ADMIN OPTION')".into(),
            ),
            (
                json!({"type": "default_privs", "objs": "TABLES,SEQUENCES", "privs": "SELECT", "schema": "s"}),
                "SELECT count(*) = 2 FROM pg_default_acl WHERE defaclacl::text LIKE '%reader=r/%'".into(),
            ),
        ];
        for (args, question) in steps {
            let call = |state: &str, check: bool| {
                let mut all = json!({"login_db": "shop", "roles": "reader,wri\"ter", "state": state});
                for (key, value) in args.as_object().unwrap() {
                    // The option's other name is the controller's business.
                    let key = if key == "admin_option" { "grant_option" } else { key };
                    all[key] = value.clone();
                }
                run(&server.ctx("postgresql_privs", all, check)).unwrap_or_else(|why| panic!("{args}: {}", why.msg))
            };
            let so = || server.one("shop", &question) == json!(true);
            assert!(!so() && call("present", true)["changed"] == true && !so(), "{args}: check mode");
            let first = call("present", false);
            assert!(first["changed"] == true && so(), "{args}: {first:?}");
            assert_eq!(call("present", false)["changed"], false, "{args}: again");
            assert!(call("absent", false)["changed"] == true && !so(), "{args}: taken away");
            assert_eq!(call("absent", false)["changed"], false, "{args}: taken away again");
        }
        let run = |args: Value| run(&server.ctx("postgresql_privs", args, false));
        let nobody = json!({"login_db": "shop", "roles": "nobody", "objs": "a", "schema": "s", "privs": "ALL"});
        assert_eq!(run(nobody.clone()).unwrap_err().msg, "Role 'nobody' does not exist");
        let mut passed = nobody;
        passed["fail_on_role"] = json!(false);
        assert_eq!(run(passed).unwrap()["changed"], false);
        let public = json!({"login_db": "shop", "roles": "public", "objs": "a", "schema": "s", "privs": "SELECT"});
        assert_eq!(run(public).unwrap()["queries"], json!(["GRANT SELECT ON table \"s\".\"a\" TO PUBLIC;"]));
    }
}
