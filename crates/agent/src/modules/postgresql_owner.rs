//! `postgresql_owner`: whose an object is; everything of some roles for another. Source: community.postgresql's DOCUMENTATION and
//! PostgreSQL's catalogs.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::postgres::{Client, name, quote};
use crate::sys::postgres_login;
use serde_json::json;

/// How a kind of object is found: the kind, its words in `ALTER`, the catalog, the columns of name and owner, what else must be
/// so, and how its name is written.
type Kind = (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str, Name);

/// How a name stands in `ALTER`.
#[derive(Clone, Copy, PartialEq)]
enum Name {
    /// One name.
    One,
    /// Names with dots between them: schema and object.
    Dotted,
    /// As it is: with arguments, or a number.
    Plain,
}

const KINDS: &[Kind] = &[
    ("aggregate", "AGGREGATE", "pg_proc", "proname", "proowner", "true", Name::Plain),
    ("collation", "COLLATION", "pg_collation", "collname", "collowner", "true", Name::Dotted),
    ("conversion", "CONVERSION", "pg_conversion", "conname", "conowner", "true", Name::Dotted),
    ("database", "DATABASE", "pg_database", "datname", "datdba", "true", Name::One),
    ("domain", "DOMAIN", "pg_type", "typname", "typowner", "true", Name::Dotted),
    ("event_trigger", "EVENT TRIGGER", "pg_event_trigger", "evtname", "evtowner", "true", Name::One),
    (
        "foreign_data_wrapper",
        "FOREIGN DATA WRAPPER",
        "pg_foreign_data_wrapper",
        "fdwname",
        "fdwowner",
        "true",
        Name::One,
    ),
    ("foreign_table", "FOREIGN TABLE", "pg_class", "relname", "relowner", "relkind = 'f'", Name::Dotted),
    ("function", "FUNCTION", "pg_proc", "proname", "proowner", "true", Name::Plain),
    ("language", "LANGUAGE", "pg_language", "lanname", "lanowner", "true", Name::One),
    ("large_object", "LARGE OBJECT", "pg_largeobject_metadata", "oid::text", "lomowner", "true", Name::Plain),
    ("matview", "MATERIALIZED VIEW", "pg_class", "relname", "relowner", "relkind = 'm'", Name::Dotted),
    ("procedure", "PROCEDURE", "pg_proc", "proname", "proowner", "true", Name::Plain),
    ("publication", "PUBLICATION", "pg_publication", "pubname", "pubowner", "true", Name::One),
    ("routine", "ROUTINE", "pg_proc", "proname", "proowner", "true", Name::Plain),
    ("schema", "SCHEMA", "pg_namespace", "nspname", "nspowner", "true", Name::One),
    ("sequence", "SEQUENCE", "pg_class", "relname", "relowner", "relkind = 'S'", Name::Dotted),
    ("server", "SERVER", "pg_foreign_server", "srvname", "srvowner", "true", Name::One),
    ("statistics", "STATISTICS", "pg_statistic_ext", "stxname", "stxowner", "true", Name::Dotted),
    ("table", "TABLE", "pg_class", "relname", "relowner", "relkind IN ('r', 'p')", Name::Dotted),
    ("tablespace", "TABLESPACE", "pg_tablespace", "spcname", "spcowner", "true", Name::One),
    (
        "text_search_configuration",
        "TEXT SEARCH CONFIGURATION",
        "pg_ts_config",
        "cfgname",
        "cfgowner",
        "true",
        Name::Dotted,
    ),
    ("text_search_dictionary", "TEXT SEARCH DICTIONARY", "pg_ts_dict", "dictname", "dictowner", "true", Name::Dotted),
    ("type", "TYPE", "pg_type", "typname", "typowner", "true", Name::Dotted),
    ("view", "VIEW", "pg_class", "relname", "relowner", "relkind = 'v'", Name::Dotted),
];

/// `schema.object` as its parts; quotes keep dots together.
fn parts(text: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let last = out.len() - 1;
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => out[last].extend(chars.next()),
            '"' if quoted || out[last].is_empty() => quoted = !quoted,
            '.' if !quoted => out.push(String::new()),
            c => out[last].push(c),
        }
    }
    out
}

fn role_exists(client: &mut Client, role: &str) -> Result<bool, Fail> {
    let sql = format!("SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = {}", quote(role));
    Ok(!client.query(&sql)?.rows.is_empty())
}

/// The statement that makes an object the new owner's; `None`: it is so.
fn change(client: &mut Client, kind: &str, object: &str, owner: &str) -> Result<Option<String>, Fail> {
    let Some((_, words, catalog, column, owned, also, style)) = KINDS.iter().find(|k| k.0 == kind) else {
        crate::fail!("obj_name needs obj_type");
    };
    let needs_11 = matches!(kind, "routine" | "procedure" | "event_trigger" | "publication" | "statistics");
    if needs_11 && client.version.as_slice() < [11].as_slice() {
        crate::fail!("PostgreSQL version must be >= 11 for obj_type={kind}.");
    }
    // A function's arguments are no part of the name that is looked for.
    let (head, arguments) = object.find('(').map_or((object, ""), |at| object.split_at(at));
    let path = if *style == Name::One { vec![head.to_string()] } else { parts(head) };
    let (schema, base) = match path.as_slice() {
        [.., schema, base] => (Some(schema), base),
        [base] => (None, base),
        [] => (None, &path[0]),
    };
    // Only what can stand in several schemas has the column that names one.
    let namespace = column.strip_suffix("name").map(|p| format!("{p}namespace"));
    let here = match (schema, namespace) {
        (Some(schema), Some(column)) => format!(
            " AND o.{column} = (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = {})",
            quote(schema)
        ),
        _ => String::new(),
    };
    let sql = format!(
        "SELECT 1 FROM pg_catalog.{catalog} o JOIN pg_catalog.pg_roles r ON o.{owned} = r.oid \
         WHERE o.{column} = {} AND r.rolname = {} AND {also}{here}",
        quote(base),
        quote(owner)
    );
    if !client.query(&sql)?.rows.is_empty() {
        return Ok(None);
    }
    let written = match style {
        Name::One => name(head),
        Name::Dotted => path.iter().map(|p| name(p)).collect::<Vec<_>>().join("."),
        Name::Plain if kind == "large_object" => {
            if head.is_empty() || !head.bytes().all(|b| b.is_ascii_digit()) {
                crate::fail!("obj_name \"{object}\" is not the number of a large object");
            }
            head.to_string()
        }
        // Written as it is: types of arguments are no names.
        Name::Plain => format!("{head}{arguments}"),
    };
    Ok(Some(format!("ALTER {words} {written} OWNER TO {}", name(owner))))
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let owner = args.req("new_owner")?;
    postgres_login::check_input(ctx, &["new_owner", "obj_name", "reassign_owned_by", "session_role"])?;
    let login = postgres_login::login(ctx, "postgres")?;
    let mut client = postgres_login::connect(ctx, &login)?;
    if !role_exists(&mut client, &owner)? {
        crate::fail!("Role '{owner}' does not exist");
    }
    let object = args.str("obj_name").filter(|o| !o.is_empty());
    let mut query = None;
    let mut changed = false;
    if let Some(object) = object {
        query = change(&mut client, &args.text("obj_type"), &object, &owner)?;
        changed = query.is_some();
    } else {
        let mut olds = Vec::new();
        for old in args.strs("reassign_owned_by") {
            if role_exists(&mut client, &old)? {
                olds.push(name(&old));
            } else if args.bool("fail_on_role") {
                crate::fail!("Role '{old}' does not exist");
            } else {
                ctx.warn(format!("Role '{old}' does not exist, pass"));
            }
        }
        if !olds.is_empty() {
            query = Some(format!("REASSIGN OWNED BY {} TO {}", olds.join(","), name(&owner)));
            // PostgreSQL does not say whether there was anything; its catalogs do, for this database and what all share.
            let names: Vec<String> = args.strs("reassign_owned_by").iter().map(|r| quote(r)).collect();
            let sql = format!(
                "SELECT 1 FROM pg_catalog.pg_shdepend d JOIN pg_catalog.pg_roles r ON r.oid = d.refobjid \
                 WHERE d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass AND d.deptype = 'o' AND d.dbid IN (0, \
                 (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())) \
                 AND r.rolname IN ({}) AND r.rolname <> {} LIMIT 1",
                names.join(", "),
                quote(&owner)
            );
            changed = !client.query(&sql)?.rows.is_empty();
            query = query.filter(|_| changed);
        }
    }
    if let Some(sql) = &query {
        // In check mode it is tried and taken back.
        client.query("BEGIN")?;
        client.query(sql).map_err(|why| Fail::new(format!("Cannot execute SQL '{sql}': {why}")))?;
        client.query(if ctx.check { "ROLLBACK" } else { "COMMIT" })?;
    }
    Ok(crate::out! {"changed": changed, "queries": json!(query.into_iter().collect::<Vec<_>>())})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::postgres_server::Server;
    use serde_json::Value;

    #[test]
    fn names_have_parts() {
        for (text, want) in
            [("a.b", vec!["a", "b"]), ("\"a.b\".c", vec!["a.b", "c"]), ("\"a\"\"b\"", vec!["a\"b"]), ("t", vec!["t"])]
        {
            assert_eq!(parts(text), want, "{text}");
        }
    }

    #[test]
    fn objects_change_hands_once() {
        let Some(server) = Server::start() else { return };
        server.sql(
            "postgres",
            "CREATE ROLE bob; CREATE ROLE eve; CREATE SCHEMA s; CREATE TABLE s.t (x int, y int); CREATE TABLE t (x int);
             CREATE SEQUENCE s.q; CREATE VIEW s.v AS SELECT 1 AS one; CREATE MATERIALIZED VIEW s.m AS SELECT 1 AS one;
             CREATE FUNCTION s.f(int) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE DOMAIN s.d AS int;
             CREATE PROCEDURE s.p() LANGUAGE sql AS 'SELECT 1'; CREATE TYPE s.e AS ENUM ('a');
             CREATE AGGREGATE s.g(int) (sfunc = int4pl, stype = int); CREATE COLLATION s.c FROM \"C\";
             CREATE FOREIGN DATA WRAPPER w; CREATE SERVER far FOREIGN DATA WRAPPER w; CREATE PUBLICATION pub;
             CREATE FOREIGN TABLE s.ft (x int) SERVER far; CREATE STATISTICS s.st ON x, y FROM s.t;
             CREATE TEXT SEARCH CONFIGURATION s.cfg (parser = default); CREATE TEXT SEARCH DICTIONARY s.dict (template = simple);
             CREATE FUNCTION s.tr() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; SELECT lo_create(4711);
             ALTER ROLE bob SUPERUSER; CREATE EVENT TRIGGER et ON ddl_command_start EXECUTE FUNCTION s.tr();
             CREATE CONVERSION s.conv FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8",
        );
        server.sql("postgres", "CREATE DATABASE db");
        let call = |args: Value, check| run(&server.ctx("postgresql_owner", args, check));
        let given = [
            ("table", "s.t"),
            ("sequence", "s.q"),
            ("view", "s.v"),
            ("matview", "s.m"),
            ("function", "s.f(int)"),
            ("domain", "s.d"),
            ("procedure", "s.p()"),
            ("type", "s.e"),
            ("aggregate", "s.g(int)"),
            ("collation", "s.c"),
            ("foreign_data_wrapper", "w"),
            ("server", "far"),
            ("publication", "pub"),
            ("foreign_table", "s.ft"),
            ("statistics", "s.st"),
            ("text_search_configuration", "s.cfg"),
            ("text_search_dictionary", "s.dict"),
            ("event_trigger", "et"),
            ("large_object", "4711"),
            ("conversion", "s.conv"),
            ("schema", "s"),
            ("database", "db"),
            ("language", "plpgsql"),
            ("tablespace", "pg_default"),
            ("routine", "s.tr()"),
        ];
        for (kind, object) in given {
            let args = json!({"new_owner": "bob", "obj_name": object, "obj_type": kind});
            let of = |check| {
                call(args.clone(), check).unwrap_or_else(|why| panic!("{kind}: {}", why.msg))["changed"].clone()
            };
            assert_eq!(of(true), true, "{kind}: check mode");
            assert_eq!(of(false), true, "{kind}");
            assert_eq!(of(false), false, "{kind}: again");
        }
        assert_eq!(server.one("postgres", "SELECT tableowner FROM pg_tables WHERE schemaname = 's'"), json!("bob"));
        // Another schema's table of that name is another's still.
        assert_eq!(
            server.one("postgres", "SELECT tableowner FROM pg_tables WHERE schemaname = 'public'"),
            json!("postgres")
        );
        let all = |more: Value| {
            let mut args = json!({"new_owner": "eve", "reassign_owned_by": ["bob", "nobody"]});
            args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            call(args, false)
        };
        assert_eq!(all(json!({})).unwrap_err().msg, "Role 'nobody' does not exist");
        server.sql("postgres", "ALTER ROLE eve SUPERUSER");
        assert_eq!(all(json!({"fail_on_role": false})).unwrap()["changed"], true);
        assert_eq!(server.one("postgres", "SELECT tableowner FROM pg_tables WHERE schemaname = 's'"), json!("eve"));
        assert_eq!(all(json!({"fail_on_role": false})).unwrap()["changed"], false);
        let nobody = json!({"new_owner": "nobody", "obj_name": "t", "obj_type": "table"});
        assert_eq!(call(nobody, false).unwrap_err().msg, "Role 'nobody' does not exist");
    }
}
