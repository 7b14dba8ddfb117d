//! `postgresql_ping`: whether a server answers, and which version it is.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::version::numbers;
use crate::sys::{postgres::Client, postgres_login};
use serde_json::{Value, json};

/// The version that a server tells of itself, as numbers.
pub(super) fn version(raw: &str) -> Value {
    let full = raw.split_whitespace().nth(1).unwrap_or_default();
    let numbers = numbers(full.split(|c: char| c != '.' && !c.is_ascii_digit()).next().unwrap_or_default());
    let mut out = json!({"major": numbers.first(), "minor": numbers.get(1), "full": full, "raw": raw});
    if let Some(patch) = numbers.get(2) {
        out["patch"] = json!(patch);
    }
    out
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    postgres_login::check_input(ctx, &["session_role"])?;
    let login = postgres_login::login(ctx, "postgres")?;
    // A server that is not there is an answer; a role that can't be taken on is none.
    if let Err(why) = Client::connect(&login) {
        ctx.warn(format!("PostgreSQL server is unavailable: {why}"));
        return Ok(crate::out! {
            "changed": false, "is_available": false, "server_version": {}, "conn_err_msg": why.to_string(),
        });
    }
    let mut client = postgres_login::connect(ctx, &login)?;
    let answer = client.query("SELECT version()")?;
    let raw = answer.at(0, "version").map(crate::args::text).unwrap_or_default();
    Ok(crate::out! {
        "changed": false, "is_available": true, "server_version": version(&raw), "conn_err_msg": "",
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::postgres_server::Server;

    #[test]
    fn a_server_answers_or_not() {
        assert_eq!(version("PostgreSQL 9.6.24 on x")["patch"], json!(24));
        let beta = version("PostgreSQL 17beta1 on x");
        assert_eq!((&beta["major"], &beta["full"]), (&json!(17), &json!("17beta1")));
        let none = json!({"login_host": "127.0.0.1", "login_port": 1});
        let none = run(&Ctx::test("postgresql_ping", none)).unwrap();
        assert!(none["is_available"] == false && none["conn_err_msg"] != "", "{none:?}");
        let Some(server) = Server::start() else { return };
        let there = run(&server.ctx("postgresql_ping", json!({}), false)).unwrap();
        assert!(there["is_available"] == true && there["server_version"]["major"].is_u64(), "{there:?}");
        assert!(run(&server.ctx("postgresql_ping", json!({"session_role": "nobody"}), false)).is_err());
    }
}
