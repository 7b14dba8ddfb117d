//! `getent`: an entry of a name service database, as facts.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use serde_json::{Map, Value, json};

/// Splits lines: the first field is the key, the rest its value; a key that comes twice becomes a list of lists.
fn parse(text: &str, split: Option<&str>) -> Map<String, Value> {
    let mut out: Map<String, Value> = Map::new();
    let mut seen: Vec<String> = Vec::new();
    for line in text.lines() {
        let fields: Vec<&str> = match split {
            Some(split) => line.split(split).collect(),
            None => line.split_whitespace().collect(),
        };
        let Some((key, rest)) = fields.split_first() else { continue };
        let rest = json!(rest);
        match out.get_mut(*key) {
            None => {
                out.insert(key.to_string(), rest);
            }
            Some(Value::Array(all)) if seen.iter().any(|s| s == key) => all.push(rest),
            Some(first) => {
                *first = json!([first.clone(), rest]);
                seen.push(key.to_string());
            }
        }
    }
    out
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let database = args.req("database")?;
    let key = args.str("key");
    let colon = matches!(database.as_str(), "passwd" | "shadow" | "group" | "gshadow");
    let split = args.str("split").or(colon.then(|| ":".to_string()));
    ctx.need("getent")?;
    let mut cmd = ctx.cmd("getent").english();
    if let Some(service) = args.str("service") {
        cmd = cmd.arg("-s").arg(service);
    }
    let ran = cmd.arg(&database).args(key.iter()).run()?;
    let name = format!("getent_{database}");
    let facts = |value: Value| crate::out! {"changed": false, "ansible_facts": {name.clone(): value}};
    match (ran.rc, key) {
        (0, _) => Ok(facts(Value::Object(parse(&ran.stdout, split.as_deref())))),
        (2, Some(key)) => {
            let msg = "One or more supplied key could not be found in the database.";
            if args.opt_bool("fail_key").unwrap_or(true) {
                return Err(Fail::new(msg));
            }
            let mut out = facts(json!({key: null}));
            out.insert("msg".into(), msg.into());
            Ok(out)
        }
        (1, _) => Err(ran.fail("Missing arguments, or database unknown.")),
        (3, _) => Err(ran.fail("Enumeration not supported on this database.")),
        _ => Err(ran.fail("Unexpected failure!")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries() {
        assert_eq!(parse("root:x:0:\n", Some(":"))["root"], json!(["x", "0", ""]));
        assert_eq!(
            Value::Object(parse("1.2.3.4 a b\n1.2.3.4 c\n1.2.3.4 d\n", None)),
            json!({"1.2.3.4": [["a", "b"], ["c"], ["d"]]})
        );
        let out = run(&Ctx::test("getent", json!({"database": "passwd", "key": "root"}))).unwrap();
        assert_eq!(out["ansible_facts"]["getent_passwd"]["root"][1], "0");
        assert!(run(&Ctx::test("getent", json!({"database": "passwd", "key": "no-such-user-here"}))).is_err());
        let out =
            run(&Ctx::test("getent", json!({"database": "passwd", "key": "nobody-here", "fail_key": false}))).unwrap();
        assert_eq!(out["ansible_facts"]["getent_passwd"]["nobody-here"], Value::Null);
    }
}
