//! Reads what stands in a `type` argument, and applies the defaults that `optional(T, default)` gave.

use super::convert::{convert, mismatch};
use super::types::{Attribute, Attributes, Constraint, Defaults, Type};
use super::value::{Data, Entries, Value};
use hcl_edit::Span as _;
use hcl_edit::expr::{Expression, FuncCall, Object, ObjectKey};
use std::ops::Range;
use std::sync::Arc;

/// How deep types may nest.
const DEEPEST: usize = 64;

/// A `type` argument that isn't one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TypeError {
    /// What is wrong and what may be there.
    pub message: String,
    /// Where, in bytes of the file that was parsed.
    pub span: Option<Range<usize>>,
}

impl TypeError {
    fn at(expression: &Expression, message: impl Into<String>) -> Self {
        TypeError { message: message.into(), span: expression.span() }
    }
}

/// Reads a type. `evaluate` gives the value of an `optional` attribute's default.
///
/// # Errors
/// It isn't a type, or a default doesn't fit its attribute.
pub fn constraint<E: From<TypeError>>(
    expression: &Expression,
    evaluate: &mut dyn FnMut(&Expression) -> Result<Value, E>,
) -> Result<Constraint, E> {
    let (ty, defaults) = read(expression, evaluate, 0)?;
    Ok(Constraint { ty, defaults: (!defaults.is_empty()).then_some(defaults) })
}

type Eval<'a, E> = dyn FnMut(&Expression) -> Result<Value, E> + 'a;

fn read<E: From<TypeError>>(
    expression: &Expression,
    evaluate: &mut Eval<'_, E>,
    depth: usize,
) -> Result<(Type, Defaults), E> {
    if depth > DEEPEST {
        return Err(TypeError::at(expression, format!("types nest deeper than {DEEPEST} levels")).into());
    }
    match expression {
        Expression::Variable(name) => Ok((keyword(expression, name.as_str())?, Defaults::default())),
        Expression::Parenthesis(inner) => read(inner.inner(), evaluate, depth + 1),
        Expression::FuncCall(call) if !call.name.is_namespaced() => constructor(expression, call, evaluate, depth),
        _ => Err(TypeError::at(
            expression,
            "a type is a keyword (string, number, bool, any) or a constructor such as list(string)",
        )
        .into()),
    }
}

fn keyword(expression: &Expression, name: &str) -> Result<Type, TypeError> {
    Ok(match name {
        "any" => Type::Any,
        "bool" => Type::Bool,
        "number" => Type::Number,
        "string" => Type::String,
        "list" | "set" | "map" => {
            let message = format!("\"{name}\" needs the type of its elements in parentheses, as in {name}(string)");
            return Err(TypeError::at(expression, message));
        }
        "object" => {
            let message = "\"object\" needs its attributes in parentheses, as in object({ name = string })";
            return Err(TypeError::at(expression, message));
        }
        "tuple" => {
            let message = "\"tuple\" needs the types of its elements in parentheses, as in tuple([string, number])";
            return Err(TypeError::at(expression, message));
        }
        other => {
            const TYPES: [&str; 9] = ["string", "number", "bool", "any", "list", "set", "map", "object", "tuple"];
            let mut message = format!("\"{other}\" is not a type: {}", TYPES.join(", "));
            if let Some(right) = imgbuild_diag::did_you_mean(other, TYPES) {
                message.push_str(&format!("; did you mean {right:?}?"));
            }
            return Err(TypeError::at(expression, message));
        }
    })
}

fn constructor<E: From<TypeError>>(
    expression: &Expression,
    call: &FuncCall,
    evaluate: &mut Eval<'_, E>,
    depth: usize,
) -> Result<(Type, Defaults), E> {
    let name = call.name.name.as_str();
    let fail = |message: String| -> Result<(Type, Defaults), E> { Err(TypeError::at(expression, message).into()) };
    let mut arguments = call.args.iter();
    let (argument, more) = (arguments.next(), arguments.next());
    match name {
        "any" | "bool" | "number" | "string" => fail(format!("\"{name}\" takes no arguments")),
        "list" | "set" | "map" => {
            let (Some(argument), None) = (argument, more) else {
                return fail(format!("\"{name}\" takes one argument: the type of its elements"));
            };
            let (element, inner) = read(argument, evaluate, depth + 1)?;
            let mut defaults = Defaults::default();
            defaults.add("", inner);
            let make = match name {
                "list" => Type::list,
                "set" => Type::set,
                _ => Type::map,
            };
            Ok((make(element), defaults))
        }
        "tuple" => {
            let (Some(Expression::Array(types)), None) = (argument, more) else {
                return fail("\"tuple\" takes one argument: a list of types in square brackets".to_owned());
            };
            let mut defaults = Defaults::default();
            let mut elements = Vec::new();
            for (i, ty) in types.iter().enumerate() {
                let (ty, inner) = read(ty, evaluate, depth + 1)?;
                elements.push(ty);
                defaults.add(&i.to_string(), inner);
            }
            Ok((Type::tuple(elements), defaults))
        }
        "object" => {
            let (Some(Expression::Object(attributes)), None) = (argument, more) else {
                return fail(
                    "\"object\" takes one argument: the attributes in braces, as in { name = string }".to_owned(),
                );
            };
            object(attributes, expression, evaluate, depth)
        }
        "optional" => fail("\"optional\" is only for the attributes of an object type".to_owned()),
        other => fail(format!("\"{other}\" is not a type: list, set, map, object and tuple take arguments")),
    }
}

fn object<E: From<TypeError>>(
    attributes: &Object,
    whole: &Expression,
    evaluate: &mut Eval<'_, E>,
    depth: usize,
) -> Result<(Type, Defaults), E> {
    let mut types = Attributes::new();
    let mut defaults = Defaults::default();
    for (key, value) in attributes.iter() {
        let name: Arc<str> = match key {
            ObjectKey::Ident(name) => name.as_str().into(),
            ObjectKey::Expression(Expression::Variable(name)) => name.as_str().into(),
            ObjectKey::Expression(Expression::String(name)) => name.as_str().into(),
            ObjectKey::Expression(other) => {
                return Err(TypeError::at(other, "the attributes of an object type have plain names").into());
            }
        };
        let expression = value.expr();
        let (attribute, inner, default) = match expression {
            Expression::FuncCall(call) if !call.name.is_namespaced() && call.name.name.as_str() == "optional" => {
                optional(call, expression, evaluate, depth)?
            }
            plain => {
                let (ty, inner) = read(plain, evaluate, depth + 1)?;
                (Attribute::required(ty), inner, None)
            }
        };
        if types.insert(name.clone(), attribute).is_some() {
            return Err(TypeError::at(whole, format!("the attribute \"{name}\" is there twice")).into());
        }
        defaults.add(&name, inner);
        if let Some(default) = default {
            defaults.values.insert(name, default);
        }
    }
    Ok((Type::Object(Arc::new(types)), defaults))
}

fn optional<E: From<TypeError>>(
    call: &FuncCall,
    expression: &Expression,
    evaluate: &mut Eval<'_, E>,
    depth: usize,
) -> Result<(Attribute, Defaults, Option<Value>), E> {
    let arguments: Vec<&Expression> = call.args.iter().collect();
    let (ty, default) = match arguments.as_slice() {
        [ty] => (*ty, None),
        [ty, default] => (*ty, Some(*default)),
        _ => {
            let message = "\"optional\" takes the attribute's type and, if wanted, its default";
            return Err(TypeError::at(expression, message).into());
        }
    };
    let (ty, inner) = read(ty, evaluate, depth + 1)?;
    let value = match default {
        None => None,
        Some(at) => {
            let value = evaluate(at)?;
            let fits = convert(&value, &ty);
            let fits =
                fits.map_err(|e| TypeError::at(at, format!("the default doesn't fit the attribute's type: {e}")))?;
            Some(fits)
        }
    };
    Ok((Attribute { ty, optional: true }, inner, value))
}

impl Defaults {
    fn is_empty(&self) -> bool {
        self.values.is_empty() && self.children.is_empty()
    }

    fn add(&mut self, key: &str, inner: Defaults) {
        if !inner.is_empty() {
            self.children.insert(key.into(), inner);
        }
    }

    /// The value with the defaults of attributes that are missing or null. To be called before the conversion to the type.
    pub fn apply(&self, value: &Value) -> Value {
        let applied = match value.data() {
            Data::Object(entries) => {
                // A value may be an object where the type is a map.
                let every = self.children.get("").filter(|_| self.values.is_empty());
                let mut out: Entries = entries
                    .iter()
                    .map(|(name, value)| {
                        let inner = every.or_else(|| self.children.get(name));
                        (name.clone(), inner.map_or_else(|| value.clone(), |d| d.apply(value)))
                    })
                    .collect();
                self.fill(&mut out);
                Data::Object(Arc::new(out)).into()
            }
            Data::Map(ty, entries) => match self.children.get("") {
                Some(inner) => Value::object(entries.iter().map(|(k, v)| (k.clone(), inner.apply(v)))),
                None if self.is_empty() => Value::map(ty.clone(), (**entries).clone()),
                None => {
                    let mut out = (**entries).clone();
                    self.fill(&mut out);
                    Data::Object(Arc::new(out)).into()
                }
            },
            Data::List(_, elements) | Data::Set(_, elements) | Data::Tuple(elements) => Value::tuple(
                elements
                    .iter()
                    .enumerate()
                    .map(|(i, value)| {
                        let inner = self.children.get("").or_else(|| self.children.get(i.to_string().as_str()));
                        inner.map_or_else(|| value.clone(), |d| d.apply(value))
                    })
                    .collect(),
            ),
            _ => value.clone(),
        };
        applied.sensitive_if(value.is_sensitive())
    }

    fn fill(&self, entries: &mut Entries) {
        for (name, default) in &self.values {
            if entries.get(name).is_none_or(Value::is_null) {
                let default = self.children.get(name).map_or_else(|| default.clone(), |d| d.apply(default));
                entries.insert(name.clone(), default);
            }
        }
    }
}

impl Constraint {
    /// The value with the defaults, as one of the type.
    ///
    /// # Errors
    /// It doesn't fit.
    pub fn apply(&self, value: &Value) -> Result<Value, super::ConvertError> {
        match &self.defaults {
            Some(defaults) => convert(&defaults.apply(value), &self.ty),
            None => convert(value, &self.ty),
        }
    }

    /// Why values of a type don't fit, in words.
    pub fn mismatch(&self, got: &Type) -> String {
        mismatch(got, &self.ty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Constraint, TypeError> {
        let expression: Expression = text.parse().unwrap();
        constraint(&expression, &mut |e| match e {
            Expression::String(s) => Ok(Value::string(s.as_str())),
            Expression::Number(n) => Ok(Number::parse(&n.to_string()).unwrap().into()),
            Expression::Object(_) => Ok(Value::object::<&str>([])),
            other => Err(TypeError::at(other, "test")),
        })
    }
    use super::super::number::Number;

    #[test]
    fn types_are_read() {
        for text in [
            "string",
            "any",
            "list(string)",
            "map(set(number))",
            "tuple([string,bool])",
            "object({a=list(any),b=optional(string)})",
        ] {
            assert_eq!(read(text).unwrap().ty.written(), text);
        }
        for text in [
            "str",
            "list",
            "list()",
            "list(string, string)",
            "\"string\"",
            "optional(string)",
            "tuple(string)",
            "object([])",
            "object({a = optional(number, \"x\")})",
            "1",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn defaults_fill_in() {
        let constraint = read(r#"list(object({ n = string, p = optional(number, 22), q = optional(object({ r = optional(string, "x") }), {}) }))"#).unwrap();
        let given = Value::tuple(vec![
            Value::object([("n", Value::string("a"))]),
            Value::object([
                ("n", Value::int(1)),
                ("p", Value::string("23")),
                ("q", Value::object([("r", Value::string("y"))])),
            ]),
        ]);
        let got = constraint.apply(&given).unwrap();
        assert_eq!(
            super::super::json::encode(&got).unwrap(),
            r#"[{"n":"a","p":22,"q":{"r":"x"}},{"n":"1","p":23,"q":{"r":"y"}}]"#
        );
    }

    #[test]
    fn conversions() {
        let tuple = |items: &[&str]| Value::tuple(items.iter().map(Value::string).collect());
        for (value, ty, want) in [
            (Value::int(5), "string", Ok("\"5\"")),
            (Value::string("5.50"), "number", Ok("5.5")),
            (Value::string("x"), "number", Err("a number is required")),
            (Value::string("1"), "bool", Ok("true")),
            (Value::string("True"), "bool", Err("a bool is required; to convert from string, use lowercase \"true\"")),
            (Value::int(1), "bool", Err("bool required, but have number")),
            (tuple(&["b", "a", "b"]), "set(string)", Ok("[\"a\",\"b\"]")),
            (tuple(&["1", "x"]), "list(number)", Err("[1]: a number is required")),
            (Value::tuple(vec![Value::int(1), Value::string("a")]), "list(any)", Ok("[\"1\",\"a\"]")),
            (
                Value::tuple(vec![Value::int(1), Value::tuple(vec![])]),
                "list(any)",
                Err("all list elements must have the same type"),
            ),
            (Value::tuple(vec![]), "list(string)", Ok("[]")),
            (Value::object([("a", Value::int(1))]), "map(string)", Ok("{\"a\":\"1\"}")),
            (
                Value::object([("a", Value::int(1))]),
                "object({a=string,b=optional(string)})",
                Ok("{\"a\":\"1\",\"b\":null}"),
            ),
            (Value::object([("a", Value::int(1))]), "object({b=string})", Err("attribute \"b\" is required")),
            (Value::object([("a", Value::int(1))]), "list(string)", Err("list of string required")),
            (Value::string("a"), "list(string)", Err("list of string required, but have string")),
            (Value::null(), "string", Ok("null")),
        ] {
            let ty = read(ty).unwrap().ty;
            let got = convert(&value, &ty);
            match want {
                Ok(want) => assert_eq!(super::super::json::encode(&got.unwrap()).unwrap(), want, "{value:?} {ty:?}"),
                Err(want) => assert_eq!(got.unwrap_err().to_string(), want, "{value:?} {ty:?}"),
            }
        }
    }

    #[test]
    fn one_type_for_several() {
        for (types, want) in [
            (&["string", "number"][..], Some("string")),
            (&["number", "bool"], None),
            (&["any", "number"], Some("number")),
            (&["list(string)", "tuple([number])"], Some("list(string)")),
            (&["tuple([string])", "tuple([number,bool])"], Some("list(string)")),
            (&["tuple([string])", "tuple([number])"], Some("tuple([string])")),
            (&["object({a=string})", "object({b=number})"], Some("map(string)")),
            (&["object({a=string})", "object({a=number})"], Some("object({a=string})")),
            (&["object({a=string})", "map(number)"], Some("map(string)")),
            (&["object({a=string})", "tuple([])"], None),
            (&["list(string)", "set(string)"], Some("list(string)")),
            (&["list(string)", "any"], Some("any")),
        ] {
            let types: Vec<Type> = types.iter().map(|t| read(t).unwrap().ty).collect();
            assert_eq!(super::super::unify::unify(&types).map(|t| t.written()).as_deref(), want, "{types:?}");
        }
    }
}
