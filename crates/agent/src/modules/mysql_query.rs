//! `mysql_query`: statements, with arguments, in one transaction or each by itself.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::mysql::{Answer, format};
use crate::sys::mysql_login;
use serde_json::{Map, Value, json};
use std::time::Instant;

const DML: &[&str] = &["INSERT", "UPDATE", "DELETE", "REPLACE"];
/// TRUNCATE is none of these, but says of no rows that it changed them as they do.
const DDL: &[&str] = &["CREATE", "DROP", "ALTER", "RENAME", "TRUNCATE"];

/// Whether a statement changes something: by the word that it begins with.
fn changes(sql: &str, rows: u64) -> bool {
    let start: String = sql.trim_start().chars().take(8).collect::<String>().to_uppercase();
    rows > 0 && DML.iter().any(|w| start.contains(w)) || DDL.iter().any(|w| start.contains(w))
}

fn rows(answer: &Answer) -> Value {
    let row = |values: &Vec<Value>| -> Map<String, Value> {
        answer.columns.iter().cloned().zip(values.iter().cloned()).collect()
    };
    json!(answer.rows.iter().map(row).collect::<Vec<_>>())
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let queries = match args.given("query") {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(all)) => {
            let mut out = Vec::new();
            for item in all {
                let Value::String(text) = item else {
                    crate::fail!("the elements in query list must be strings, passed '{}'", crate::args::text(item));
                };
                out.push(text.clone());
            }
            out
        }
        _ => crate::fail!("the query option value must be a string or list"),
    };
    let full =
        |v: &&Value| !matches!(v, Value::Array(a) if a.is_empty()) && !matches!(v, Value::Object(o) if o.is_empty());
    let values = ["positional_args", "named_args"].iter().find_map(|n| args.given(n).filter(full));
    let single = args.bool("single_transaction");
    let (mut client, _) = mysql_login::connect(ctx, args.str("login_db").as_deref())?;
    if single {
        client.query("SET AUTOCOMMIT = 0")?;
    }
    mysql_login::prepare(ctx, &mut client)?;
    let (mut changed, mut done) = (false, [const { Vec::<Value>::new() }; 4]);
    for query in &queries {
        let started = Instant::now();
        let answer = match values {
            Some(values) => format(query, values).map_err(|why| why.to_string()),
            None => Ok(query.clone()),
        }
        .and_then(|sql| client.query(&sql).map(|answer| (sql, answer)).map_err(|why| why.to_string()));
        let (sql, answer) = match answer {
            Ok(done) => done,
            Err(why) => {
                if single {
                    let _ = client.query("ROLLBACK");
                }
                let shown = values.map_or("None".into(), crate::args::text);
                crate::fail!("Cannot execute SQL '{query}' args [{shown}]: {why}");
            }
        };
        changed |= changes(query, answer.count);
        let took = (started.elapsed().as_secs_f64() * 1e7).round() / 1e4;
        let all = [json!(sql), rows(&answer), json!(answer.count), json!(took)];
        done.iter_mut().zip(all).for_each(|(list, value)| list.push(value));
    }
    if single {
        client.query("COMMIT")?;
    }
    let [executed, result, counts, times] = done;
    Ok(crate::out! {
        "changed": changed, "executed_queries": executed, "query_result": result, "rowcount": counts,
        "execution_time_ms": times,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes() {
        for (sql, rows, want) in [
            (" insert into t", 1, true),
            ("INSERT INTO t", 0, false),
            ("create table t", 0, true),
            ("truncate t", 0, true),
            ("SELECT 1", 5, false),
            ("SET x = 'DROP'", 0, false),
        ] {
            assert_eq!(changes(sql, rows), want, "{sql}");
        }
        let answer = Answer { columns: vec!["a".into()], rows: vec![vec![json!(1)]], ..Answer::default() };
        assert_eq!(rows(&answer), json!([{"a": 1}]));
    }
}
