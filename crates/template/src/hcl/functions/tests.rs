//! The table `table.tsv`: a call, a tab, and what it gives as JSON (`!` for an error). Rows without a mark hold what Packer 1.6.6's
//! console prints; those under `# documented` are of functions that it doesn't have, with values from their documents.
//!
//! The small evaluator below knows literals and calls: the table needs no more, and functions are tested without the real one.

use super::*;
use crate::hcl::json;
use hcl_edit::expr::{Expression, ObjectKey, UnaryOperator};

fn eval(expression: &Expression, ctx: &Ctx<'_>) -> Result<Value, FunctionError> {
    let all = |items: &mut dyn Iterator<Item = &Expression>| -> Result<Vec<Value>, FunctionError> {
        items.map(|item| eval(item, ctx)).collect()
    };
    match expression {
        Expression::Null(_) => Ok(Value::null()),
        Expression::Bool(value) => Ok((*value.value()).into()),
        Expression::Number(number) => {
            let text = number.as_repr().map_or_else(|| number.to_string(), |raw| raw.to_string());
            Ok(Number::parse(text.trim()).unwrap().into())
        }
        Expression::String(text) => Ok(text.as_str().into()),
        Expression::Array(items) => Ok(Value::tuple(all(&mut items.iter())?)),
        Expression::Object(items) => {
            let mut out = Vec::new();
            for (key, value) in items.iter() {
                let key = match key {
                    ObjectKey::Ident(name) => name.to_string(),
                    ObjectKey::Expression(Expression::Variable(name)) => name.to_string(),
                    ObjectKey::Expression(other) => eval(other, ctx)?.as_str().unwrap_or_default().to_owned(),
                };
                out.push((key, eval(value.expr(), ctx)?));
            }
            Ok(Value::object(out))
        }
        Expression::UnaryOp(op) if *op.operator.value() == UnaryOperator::Neg => {
            Ok(eval(&op.expr, ctx)?.as_number().unwrap().neg().into())
        }
        Expression::StringTemplate(template) => {
            let text: String = template
                .iter()
                .map(|element| match element {
                    hcl_edit::template::Element::Literal(text) => text.to_string(),
                    other => panic!("not in the table's language: {other:?}"),
                })
                .collect();
            Ok(text.into())
        }
        Expression::FuncCall(function) => {
            let args = all(&mut function.args.iter())?;
            call(function.name.name.as_str(), &args, ctx)
        }
        other => panic!("not in the table's language: {other:?}"),
    }
}

fn with_ctx(test: impl Fn(&Ctx<'_>)) {
    let start: jiff::Timestamp = "2026-11-05T20:08:09Z".parse().unwrap();
    let mut ambient = Ambient::new(start, "/srv/templates");
    ambient.env.insert("HOME".into(), "/home/me".into());
    ambient.env.insert("COLOUR".into(), "blue".into());
    let mut ctx = Ctx::new(&ambient, Path::new("/base"));
    ctx.random = &|bytes| bytes.fill(7);
    ctx.now = &|| "2026-11-06T01:02:03.5Z".parse().unwrap();
    test(&ctx);
}

fn shown(text: &str, ctx: &Ctx<'_>) -> String {
    let expression: Expression = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
    match eval(&expression, ctx) {
        Ok(value) => json::encode(&value).unwrap_or_else(|| "unknown".to_owned()),
        Err(_) => "!".to_owned(),
    }
}

#[test]
fn every_row_of_the_table() {
    with_ctx(|ctx| {
        let mut wrong = Vec::new();
        for line in include_str!("table.tsv").lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let (text, want) = line.split_once('\t').unwrap();
            let got = shown(text, ctx);
            if got != want {
                wrong.push(format!("{text}\n   want {want}\n    got {got}"));
            }
        }
        assert!(wrong.is_empty(), "{} rows differ:\n{}", wrong.len(), wrong.join("\n"));
    });
}

#[test]
fn every_function_is_in_the_table() {
    let tested: Vec<&str> = include_str!("table.tsv").lines().chain(include_str!("tests.rs").lines()).collect();
    for name in names() {
        let call = format!("{name}(");
        assert!(
            OF_THE_EVALUATOR.contains(&name) || tested.iter().any(|line| line.contains(&call)),
            "{name} is tested nowhere"
        );
    }
    // Packer's 103 and `env`.
    assert_eq!(names().len(), 104);
}
