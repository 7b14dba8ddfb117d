//! `postgresql_query`: statements, with arguments, in one transaction or each by itself; taken back in check mode.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::postgres::{format, name};
use crate::sys::postgres_login;
use serde_json::{Value, json};
use std::time::Instant;

/// Whether what a statement reports is a change.
fn changes(tag: &str) -> bool {
    if tag.contains("SELECT") || tag.contains("SHOW") {
        return false;
    }
    if !["UPDATE", "INSERT", "DELETE"].iter().any(|w| tag.contains(w)) {
        return true;
    }
    let words: Vec<&str> = tag.split_whitespace().collect();
    match words.len() {
        2 | 3 => words.last() != Some(&"0"),
        _ => true,
    }
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let queries: Vec<String> = match args.given("query") {
        Some(Value::Array(all)) => all.iter().map(crate::args::text).collect(),
        Some(Value::String(one)) => vec![one.clone()],
        _ => crate::fail!("query argument must be of type string or list"),
    };
    postgres_login::check_input(ctx, &["session_role"])?;
    let autocommit = args.bool("autocommit");
    if autocommit && ctx.check {
        crate::fail!("Using autocommit is mutually exclusive with check_mode");
    }
    let full =
        |v: &&Value| !matches!(v, Value::Array(a) if a.is_empty()) && !matches!(v, Value::Object(o) if o.is_empty());
    let values = ["positional_args", "named_args"].iter().find_map(|n| args.given(n).filter(full));
    let login = postgres_login::login(ctx, "postgres")?;
    let mut client = postgres_login::connect(ctx, &login)?;
    if let Some(encoding) = args.str("encoding").filter(|e| !e.is_empty()) {
        client.query(&format!("SET client_encoding TO {}", crate::sys::postgres::quote(&encoding)))?;
    }
    let path: Vec<String> = args.strs("search_path").iter().map(|s| name(s.trim())).collect();
    if !path.is_empty() {
        client.query(&format!("SET search_path TO {}", path.join(",")))?;
    }
    if !autocommit {
        client.query("BEGIN")?;
    }
    let (mut changed, mut count, mut tag, mut sql) = (false, 0, String::new(), String::new());
    let (mut all, mut times) = (Vec::new(), Vec::new());
    for query in &queries {
        let started = Instant::now();
        let done = match values {
            Some(values) => format(query, values),
            None => Ok(query.clone()),
        }
        .and_then(|text| {
            sql = text;
            client.query(&sql).map_err(|why| why.to_string())
        });
        let answer = match done {
            Ok(answer) => answer,
            Err(why) => {
                if !autocommit {
                    let _ = client.query("ROLLBACK");
                }
                let shown = values.map_or("None".into(), crate::args::text);
                crate::fail!("Cannot execute SQL '{query}' {shown}: {why}, query list: {queries:?}");
            }
        };
        times.push((started.elapsed().as_secs_f64() * 1e7).round() / 1e4);
        count += if answer.rows.is_empty() { answer.count() } else { answer.rows.len() as u64 };
        changed |= changes(&answer.tag);
        tag = answer.tag.clone();
        let rows = answer.objects();
        all.push(if rows.is_empty() { json!({}) } else { json!(rows) });
    }
    if !autocommit {
        client.query(if ctx.check { "ROLLBACK" } else { "COMMIT" })?;
    }
    Ok(crate::out! {
        "changed": changed, "query": sql, "query_list": queries, "statusmessage": tag,
        "query_result": all.last().cloned().unwrap_or(json!({})), "query_all_results": all, "rowcount": count,
        "execution_time_ms": times,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes() {
        for (tag, want) in [
            ("SELECT 3", false),
            ("SHOW", false),
            ("INSERT 0 1", true),
            ("INSERT 0 0", false),
            ("UPDATE 0", false),
            ("DELETE 2", true),
            ("CREATE TABLE", true),
        ] {
            assert_eq!(changes(tag), want, "{tag}");
        }
        assert!(run(&Ctx::test("postgresql_query", json!({"query": 1}))).is_err());
    }
}
