//! `debconf`: answers to the questions of Debian's packages.

use crate::args::text;
use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use serde_json::{Map, Value, json};

/// `* question: answer` lines of debconf-show.
fn parse(shown: &str) -> Map<String, Value> {
    shown
        .lines()
        .filter_map(|l| l.trim_start_matches(['*', ' ']).split_once(':'))
        .map(|(q, v)| (q.trim().to_string(), v.trim().into()))
        .collect()
}

/// `debconf`.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let name = args.req("name")?;
    ctx.need("debconf-show")?;
    let ran = ctx.run(&["debconf-show", &name])?;
    if !ran.ok() {
        return Err(ran.fail(ran.complaint()));
    }
    let before = parse(&ran.stdout);
    let Some(question) = args.str("question") else {
        return Ok(crate::out! {"changed": false, "msg": "", "current": before});
    };
    let (Some(kind), Some(value)) = (args.str("vtype"), args.given("value")) else {
        crate::fail!("when supplying a question you must supply a valid vtype and value");
    };
    let value = match (kind.as_str(), value) {
        ("boolean", value) => crate::args::boolean(value).map_or_else(|| text(value), |b| b.to_string()),
        ("multiselect", Value::Array(items)) if items.iter().any(|i| !i.is_string()) => {
            crate::fail!(
                "Invalid value provided for 'multiselect': all of it must be text, in quotes where it looks like a number"
            );
        }
        ("multiselect", Value::Array(items)) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        (_, value) => text(value),
    };
    let current = before.get(&question).and_then(Value::as_str).unwrap_or_default();
    let same = match kind.as_str() {
        // debconf-show hides passwords; the database is asked for the real one.
        "password" => stored_password(ctx, &name, &question)? == value,
        // Text is compared as it stands, a list whatever its order.
        "multiselect" if args.given("value").is_some_and(Value::is_array) => sorted(current) == sorted(&value),
        _ => before.contains_key(&question) && current == value,
    };
    let changed = !same;
    let mut after = before.clone();
    if changed {
        let shown = if kind == "password" { "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER" } else { &value };
        after.insert(question.clone(), shown.into());
        if !ctx.check {
            let mut cmd = ctx.cmd(ctx.need("debconf-set-selections")?).english();
            if args.bool("unseen") {
                cmd = cmd.arg("-u");
            }
            let ran = cmd.stdin(format!("{name} {question} {kind} {value}\n")).run()?;
            if !ran.ok() {
                return Err(ran.fail(ran.complaint()));
            }
        }
    }
    let mut out = crate::out! {"changed": changed, "msg": "", "current": after, "previous": before};
    if ctx.diff {
        out.insert("diff".into(), json!({"before": {question.clone(): before.get(&question)}, "after": {question.clone(): after.get(&question)}}));
    }
    Ok(out)
}

fn sorted(list: &str) -> Vec<String> {
    let mut items: Vec<String> = list.split(',').map(|i| i.trim().to_string()).filter(|i| !i.is_empty()).collect();
    items.sort();
    items
}

/// A password as debconf's own store has it.
fn stored_password(ctx: &Ctx, name: &str, question: &str) -> Result<String, Fail> {
    if ctx.which("debconf-communicate").is_none() {
        return Ok(String::new());
    }
    let ran = ctx.cmd("debconf-communicate").arg(name).english().stdin(format!("GET {question}\n")).run()?;
    Ok(ran.stdout.trim().strip_prefix("0 ").unwrap_or_default().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let shown = parse("* tzdata/Areas: Europe\n  tzdata/Zones/Etc: UTC\n  empty/one:\n");
        assert_eq!((&shown["tzdata/Areas"], &shown["empty/one"]), (&json!("Europe"), &json!("")));
        assert_eq!(sorted("b, a"), sorted("a,b"));
    }
}
