//! `postgresql_schema`: schemas of a database, their owners and comments.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::postgres::{Client, name, quote};
use crate::sys::postgres_login;
use serde_json::json;

/// Owner and comment of a schema; `None`: there is none.
fn about(client: &mut Client, schema: &str) -> Result<Option<(String, String)>, Fail> {
    let sql = format!(
        "SELECT pg_catalog.pg_get_userbyid(nspowner)::text AS owner, pg_catalog.obj_description(oid, 'pg_namespace') AS comment \
         FROM pg_catalog.pg_namespace WHERE nspname = {}",
        quote(schema)
    );
    let answer = client.query(&sql)?;
    let of = |column: &str| answer.at(0, column).map(crate::args::text).unwrap_or_default();
    Ok((!answer.rows.is_empty()).then(|| (of("owner"), of("comment"))))
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let schema = args.req("schema")?;
    let owner = args.str("owner").filter(|o| !o.is_empty());
    postgres_login::check_input(ctx, &["schema", "owner", "session_role", "comment"])?;
    let login = postgres_login::login(ctx, "postgres")?;
    let mut client = postgres_login::connect(ctx, &login)?;
    let now = about(&mut client, &schema)?;
    let mut queries = Vec::new();
    let comment = |text: &str| format!("COMMENT ON SCHEMA {} IS {}", name(&schema), quote(text));
    let wanted = args.str("comment");
    match (args.text("state").as_str(), now) {
        ("absent", None) => {}
        ("absent", Some(_)) => {
            let cascade = if args.bool("cascade_drop") { " CASCADE" } else { "" };
            queries.push(format!("DROP SCHEMA {}{cascade}", name(&schema)));
        }
        (_, None) => {
            let whose = owner.map_or(String::new(), |o| format!(" AUTHORIZATION {}", name(&o)));
            queries.push(format!("CREATE SCHEMA {}{whose}", name(&schema)));
            queries.extend(wanted.filter(|c| !c.is_empty()).map(|c| comment(&c)));
        }
        (_, Some((owned, commented))) => {
            let other = owner.filter(|o| *o != owned);
            queries.extend(other.map(|o| format!("ALTER SCHEMA {} OWNER TO {}", name(&schema), name(&o))));
            queries.extend(wanted.filter(|c| *c != commented).map(|c| comment(&c)));
        }
    }
    for sql in queries.iter().filter(|_| !ctx.check) {
        client.query(sql).map_err(|why| Fail::new(format!("Database query failed: {why}")))?;
    }
    Ok(crate::out! {"changed": !queries.is_empty(), "schema": schema, "queries": json!(queries)})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::postgres_server::Server;
    use serde_json::Value;

    #[test]
    fn schemas_come_once() {
        let Some(server) = Server::start() else { return };
        server.sql("postgres", "CREATE ROLE bob");
        let call = |args: Value, check| run(&server.ctx("postgresql_schema", args, check));
        let (new, there) =
            (json!({"schema": "a\"b", "comment": "it's"}), "SELECT count(*) FROM pg_namespace WHERE nspname = 'a\"b'");
        assert_eq!(call(new.clone(), true).unwrap()["changed"], true);
        assert_eq!(server.one("postgres", there), json!(0));
        let made = call(new.clone(), false).unwrap();
        assert_eq!(made["queries"], json!(["CREATE SCHEMA \"a\"\"b\"", "COMMENT ON SCHEMA \"a\"\"b\" IS 'it''s'"]));
        assert_eq!(server.one("postgres", there), json!(1));
        assert_eq!(call(new, false).unwrap()["changed"], false);
        let owned = json!({"schema": "a\"b", "owner": "bob", "comment": ""});
        assert_eq!(call(owned.clone(), false).unwrap()["queries"].as_array().unwrap().len(), 2);
        assert_eq!(call(owned, false).unwrap()["changed"], false);
        server.sql("postgres", "CREATE TABLE \"a\"\"b\".t (x int)");
        let gone = |cascade: bool| json!({"schema": "a\"b", "state": "absent", "cascade_drop": cascade});
        assert!(call(gone(false), false).unwrap_err().msg.starts_with("Database query failed: "));
        assert_eq!(call(gone(true), false).unwrap()["changed"], true);
        assert_eq!(call(gone(true), false).unwrap()["changed"], false);
    }
}
