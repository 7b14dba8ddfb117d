//! XPath 1.0 (the W3C recommendation): paths over all axes that trees have, predicates, operators and the core functions, on
//! [`crate::sys::xml`]. Bounded in depth; an expression that can't be read says why.

use super::xml::{Document, Id, Kind};
use std::collections::BTreeMap;

pub use super::xpath_parse::Expression;
use super::xpath_parse::{Axis, Expr, Step, Test};

/// One thing that a path finds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hit {
    /// A node.
    Node(Id),
    /// An attribute of an element, by its place.
    Attribute(Id, usize),
}

/// What an expression comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A set, in document order.
    Set(Vec<Hit>),
    /// Text.
    Text(String),
    /// A number.
    Number(f64),
    /// A boolean.
    Boolean(bool),
}

/// A document and the prefixes of an expression.
pub struct Evaluator<'a> {
    document: &'a Document,
    prefixes: &'a BTreeMap<String, String>,
    /// Places in document order.
    order: BTreeMap<Id, usize>,
}

#[derive(Clone, Copy)]
struct Context<'h> {
    hit: &'h Hit,
    position: usize,
    size: usize,
}

impl<'a> Evaluator<'a> {
    /// For a document as it is now.
    pub fn new(document: &'a Document, prefixes: &'a BTreeMap<String, String>) -> Self {
        let mut order = BTreeMap::new();
        let mut stack = vec![0];
        while let Some(id) = stack.pop() {
            order.insert(id, order.len());
            stack.extend(document.nodes[id].children.iter().rev());
        }
        Evaluator { document, prefixes, order }
    }

    /// The value of an expression at a node.
    pub fn evaluate(&self, expression: &Expression, at: Id) -> Result<Value, String> {
        let hit = Hit::Node(at);
        self.eval(&expression.0, Context { hit: &hit, position: 1, size: 1 })
    }

    fn sort(&self, set: &mut Vec<Hit>) {
        let key = |hit: &Hit| match hit {
            Hit::Node(id) => (self.order.get(id).copied().unwrap_or(usize::MAX), 0),
            Hit::Attribute(id, n) => (self.order.get(id).copied().unwrap_or(usize::MAX), n + 1),
        };
        set.sort_by_key(key);
        set.dedup();
    }

    fn strings(&self, id: Id, out: &mut String) {
        match &self.document.nodes[id].kind {
            Kind::Text(text) | Kind::Cdata(text) => out.push_str(text),
            Kind::Root | Kind::Element(_) => {
                for child in &self.document.nodes[id].children {
                    self.strings(*child, out);
                }
            }
            _ => {}
        }
    }

    /// The string value of a hit.
    pub fn string(&self, hit: &Hit) -> String {
        match hit {
            Hit::Attribute(id, n) => self
                .document
                .element(*id)
                .and_then(|e| e.attributes.get(*n))
                .map(|a| a.value.clone())
                .unwrap_or_default(),
            Hit::Node(id) => match &self.document.nodes[*id].kind {
                Kind::Comment(text) | Kind::Instruction(text) => text.clone(),
                _ => {
                    let mut out = String::new();
                    self.strings(*id, &mut out);
                    out
                }
            },
        }
    }

    fn text(&self, value: &Value) -> String {
        match value {
            Value::Set(set) => set.first().map(|h| self.string(h)).unwrap_or_default(),
            Value::Text(text) => text.clone(),
            Value::Number(n) if n.is_infinite() => if *n > 0.0 { "Infinity" } else { "-Infinity" }.into(),
            Value::Number(n) => n.to_string(),
            Value::Boolean(on) => on.to_string(),
        }
    }

    fn number(&self, value: &Value) -> f64 {
        match value {
            Value::Number(n) => *n,
            Value::Boolean(on) => f64::from(u8::from(*on)),
            other => {
                let text = self.text(other);
                let text = text.trim();
                // Python's and Rust's numbers have more forms than XPath's.
                if text.chars().all(|c| c.is_ascii_digit() || "-.".contains(c)) {
                    text.parse().unwrap_or(f64::NAN)
                } else {
                    f64::NAN
                }
            }
        }
    }

    fn truth(value: &Value) -> bool {
        match value {
            Value::Set(set) => !set.is_empty(),
            Value::Text(text) => !text.is_empty(),
            Value::Number(n) => *n != 0.0 && !n.is_nan(),
            Value::Boolean(on) => *on,
        }
    }

    fn compare(&self, op: &str, a: &Value, b: &Value) -> bool {
        let numbers = |x: f64, y: f64| match op {
            "=" => x == y,
            "!=" => x != y,
            "<" => x < y,
            "<=" => x <= y,
            ">" => x > y,
            _ => x >= y,
        };
        let equality = matches!(op, "=" | "!=");
        match (a, b) {
            (Value::Set(x), Value::Set(y)) => x.iter().any(|x| {
                y.iter().any(|y| {
                    let (x, y) = (Value::Text(self.string(x)), Value::Text(self.string(y)));
                    self.compare(op, &x, &y)
                })
            }),
            (Value::Set(_), Value::Boolean(_)) | (Value::Boolean(_), Value::Set(_)) => {
                let (x, y) = (Value::Boolean(Self::truth(a)), Value::Boolean(Self::truth(b)));
                self.compare(op, &x, &y)
            }
            (Value::Set(x), y) => x.iter().any(|x| self.compare(op, &Value::Text(self.string(x)), y)),
            (x, Value::Set(y)) => y.iter().any(|y| self.compare(op, x, &Value::Text(self.string(y)))),
            (Value::Boolean(_), _) | (_, Value::Boolean(_)) if equality => {
                (Self::truth(a) == Self::truth(b)) == (op == "=")
            }
            (Value::Text(x), Value::Text(y)) if equality => (x == y) == (op == "="),
            _ => numbers(self.number(a), self.number(b)),
        }
    }

    fn eval(&self, expr: &Expr, context: Context<'_>) -> Result<Value, String> {
        Ok(match expr {
            Expr::Literal(text) => Value::Text(text.clone()),
            Expr::Number(n) => Value::Number(*n),
            Expr::Or(a, b) => {
                Value::Boolean(Self::truth(&self.eval(a, context)?) || Self::truth(&self.eval(b, context)?))
            }
            Expr::And(a, b) => {
                Value::Boolean(Self::truth(&self.eval(a, context)?) && Self::truth(&self.eval(b, context)?))
            }
            Expr::Compare(op, a, b) => {
                Value::Boolean(self.compare(op, &self.eval(a, context)?, &self.eval(b, context)?))
            }
            Expr::Arithmetic(op, a, b) => {
                let (a, b) = (self.number(&self.eval(a, context)?), self.number(&self.eval(b, context)?));
                Value::Number(match *op {
                    "+" => a + b,
                    "-" => a - b,
                    "*" => a * b,
                    "div" => a / b,
                    _ => a % b,
                })
            }
            Expr::Negate(a) => Value::Number(-self.number(&self.eval(a, context)?)),
            Expr::Union(a, b) => match (self.eval(a, context)?, self.eval(b, context)?) {
                (Value::Set(mut a), Value::Set(b)) => {
                    a.extend(b);
                    self.sort(&mut a);
                    Value::Set(a)
                }
                _ => return Err("only sets of nodes can be united".into()),
            },
            Expr::Call(name, args) => self.call(name, args, context)?,
            Expr::Path { absolute, start, filters, steps } => {
                let mut set = match start {
                    Some(start) => match self.eval(start, context)? {
                        Value::Set(set) => set,
                        other if filters.is_empty() && steps.is_empty() => return Ok(other),
                        _ => return Err("a path begins with something that is no set of nodes".into()),
                    },
                    None if *absolute => vec![Hit::Node(0)],
                    None => vec![context.hit.clone()],
                };
                for filter in filters {
                    set = self.filter(set, filter)?;
                }
                for step in steps {
                    let mut next = Vec::new();
                    for hit in &set {
                        next.extend(self.step(hit, step)?);
                    }
                    self.sort(&mut next);
                    set = next;
                }
                Value::Set(set)
            }
        })
    }

    fn filter(&self, set: Vec<Hit>, filter: &Expr) -> Result<Vec<Hit>, String> {
        let size = set.len();
        let mut out = Vec::new();
        for (n, hit) in set.into_iter().enumerate() {
            let value = self.eval(filter, Context { hit: &hit, position: n + 1, size })?;
            let keep = match value {
                Value::Number(number) => number == (n + 1) as f64,
                other => Self::truth(&other),
            };
            if keep {
                out.push(hit);
            }
        }
        Ok(out)
    }

    fn descend(&self, id: Id, out: &mut Vec<Hit>) {
        for child in &self.document.nodes[id].children {
            out.push(Hit::Node(*child));
            self.descend(*child, out);
        }
    }

    fn above(&self, hit: &Hit) -> Option<Id> {
        match hit {
            Hit::Node(id) => self.document.nodes[*id].parent,
            Hit::Attribute(id, _) => Some(*id),
        }
    }

    fn axis(&self, hit: &Hit, axis: Axis) -> Vec<Hit> {
        let node = match hit {
            Hit::Node(id) => Some(*id),
            Hit::Attribute(..) => None,
        };
        let siblings = |after: bool| -> Vec<Hit> {
            let Some((id, parent)) = node.and_then(|id| Some((id, self.document.nodes[id].parent?))) else {
                return Vec::new();
            };
            let all = &self.document.nodes[parent].children;
            let at = all.iter().position(|c| *c == id).unwrap_or_default();
            match after {
                true => all[at + 1..].iter().map(|c| Hit::Node(*c)).collect(),
                false => all[..at].iter().rev().map(|c| Hit::Node(*c)).collect(),
            }
        };
        let ancestors = |start: Option<Id>| -> Vec<Hit> {
            std::iter::successors(start, |id| self.document.nodes[*id].parent).map(Hit::Node).collect()
        };
        let mut out = Vec::new();
        match axis {
            Axis::Child => {
                out.extend(node.iter().flat_map(|id| &self.document.nodes[*id].children).map(|c| Hit::Node(*c)))
            }
            Axis::Descendant => node.iter().for_each(|id| self.descend(*id, &mut out)),
            Axis::DescendantOrSelf => {
                out.push(hit.clone());
                node.iter().for_each(|id| self.descend(*id, &mut out));
            }
            Axis::Own => out.push(hit.clone()),
            Axis::Parent => out.extend(self.above(hit).map(Hit::Node)),
            Axis::Ancestor => out = ancestors(self.above(hit)),
            Axis::AncestorOrSelf => {
                out.push(hit.clone());
                out.extend(ancestors(self.above(hit)));
            }
            Axis::FollowingSibling => out = siblings(true),
            Axis::PrecedingSibling => out = siblings(false),
            Axis::Following | Axis::Preceding => {
                let after = axis == Axis::Following;
                for above in std::iter::once(hit.clone()).chain(ancestors(self.above(hit))) {
                    for sibling in
                        self.axis(&above, if after { Axis::FollowingSibling } else { Axis::PrecedingSibling })
                    {
                        let mut all = self.axis(&sibling, Axis::DescendantOrSelf);
                        if !after {
                            all.reverse();
                        }
                        out.extend(all);
                    }
                }
            }
            Axis::Attribute => {
                if let Some(element) = node.and_then(|id| self.document.element(id)) {
                    out.extend((0..element.attributes.len()).map(|n| Hit::Attribute(node.unwrap_or_default(), n)));
                }
            }
        }
        out
    }

    fn prefix(&self, prefix: &str) -> Result<&str, String> {
        self.prefixes.get(prefix).map(String::as_str).ok_or_else(|| "Undefined namespace prefix".to_string())
    }

    fn passes(&self, hit: &Hit, test: &Test) -> Result<bool, String> {
        let named = match hit {
            Hit::Attribute(id, n) => self
                .document
                .element(*id)
                .and_then(|e| e.attributes.get(*n))
                .map(|a| (a.namespace.as_str(), a.name.as_str())),
            Hit::Node(id) => self.document.element(*id).map(|e| (e.namespace.as_str(), e.name.as_str())),
        };
        let kind = match hit {
            Hit::Node(id) => Some(&self.document.nodes[*id].kind),
            Hit::Attribute(..) => None,
        };
        Ok(match test {
            Test::Node => true,
            Test::Text => matches!(kind, Some(Kind::Text(_) | Kind::Cdata(_))),
            Test::Comment => matches!(kind, Some(Kind::Comment(_))),
            Test::Instruction => matches!(kind, Some(Kind::Instruction(_))),
            Test::Any => named.is_some(),
            Test::AnyOf(prefix) => {
                let uri = self.prefix(prefix)?;
                named.is_some_and(|(n, _)| n == uri)
            }
            Test::Name(prefix, name) => {
                let uri = if prefix.is_empty() { "" } else { self.prefix(prefix)? };
                named == Some((uri, name.as_str()))
            }
        })
    }

    fn step(&self, hit: &Hit, step: &Step) -> Result<Vec<Hit>, String> {
        let mut set = Vec::new();
        for found in self.axis(hit, step.axis) {
            if self.passes(&found, &step.test)? {
                set.push(found);
            }
        }
        // Positions count along the axis.
        for filter in &step.filters {
            set = self.filter(set, filter)?;
        }
        Ok(set)
    }

    fn call(&self, name: &str, args: &[Expr], context: Context<'_>) -> Result<Value, String> {
        let values: Vec<Value> = args.iter().map(|a| self.eval(a, context)).collect::<Result<_, _>>()?;
        let wanted = |counts: std::ops::RangeInclusive<usize>| {
            if counts.contains(&values.len()) {
                Ok(())
            } else {
                Err(format!("{name}() takes another number of arguments"))
            }
        };
        let set = |n: usize| match values.get(n) {
            Some(Value::Set(set)) => Ok(set.clone()),
            Some(_) => Err(format!("{name}() wants a set of nodes")),
            None => Ok(vec![context.hit.clone()]),
        };
        let text = |n: usize| values.get(n).map_or_else(|| self.string(context.hit), |v| self.text(v));
        let number = |n: usize| {
            values.get(n).map_or_else(|| self.number(&Value::Text(self.string(context.hit))), |v| self.number(v))
        };
        let names = |part: usize| -> Result<Value, String> {
            let of = |hit: &Hit| match hit {
                Hit::Attribute(id, n) => self
                    .document
                    .element(*id)
                    .and_then(|e| e.attributes.get(*n))
                    .map(|a| [a.name.clone(), a.namespace.clone(), a.qualified()]),
                Hit::Node(id) => {
                    self.document.element(*id).map(|e| [e.name.clone(), e.namespace.clone(), e.qualified()])
                }
            };
            let found = set(0)?.first().and_then(of).map(|all| all[part].clone());
            Ok(Value::Text(found.unwrap_or_default()))
        };
        Ok(match name {
            "last" => Value::Number(context.size as f64),
            "position" => Value::Number(context.position as f64),
            "count" => {
                wanted(1..=1)?;
                Value::Number(set(0)?.len() as f64)
            }
            "sum" => {
                wanted(1..=1)?;
                Value::Number(set(0)?.iter().map(|h| self.number(&Value::Text(self.string(h)))).sum())
            }
            "local-name" => names(0)?,
            "namespace-uri" => names(1)?,
            "name" => names(2)?,
            "string" => Value::Text(text(0)),
            "concat" => {
                wanted(2..=usize::MAX)?;
                Value::Text(values.iter().map(|v| self.text(v)).collect())
            }
            "starts-with" | "contains" | "substring-before" | "substring-after" => {
                wanted(2..=2)?;
                let (a, b) = (text(0), text(1));
                match name {
                    "starts-with" => Value::Boolean(a.starts_with(&b)),
                    "contains" => Value::Boolean(a.contains(&b)),
                    "substring-before" => Value::Text(a.split_once(&b).map(|(x, _)| x.to_string()).unwrap_or_default()),
                    _ => Value::Text(a.split_once(&b).map(|(_, x)| x.to_string()).unwrap_or_default()),
                }
            }
            "substring" => {
                wanted(2..=3)?;
                let start = number(1).round();
                let end = if values.len() == 3 { start + number(2).round() } else { f64::INFINITY };
                let inside = |n: &usize| (*n + 1) as f64 >= start && ((*n + 1) as f64) < end;
                Value::Text(text(0).chars().enumerate().filter(|(n, _)| inside(n)).map(|(_, c)| c).collect())
            }
            "string-length" => Value::Number(text(0).chars().count() as f64),
            "normalize-space" => Value::Text(text(0).split_whitespace().collect::<Vec<_>>().join(" ")),
            "translate" => {
                wanted(3..=3)?;
                let (from, to): (Vec<char>, Vec<char>) = (text(1).chars().collect(), text(2).chars().collect());
                let one = |c: char| match from.iter().position(|f| *f == c) {
                    Some(at) => to.get(at).copied(),
                    None => Some(c),
                };
                Value::Text(text(0).chars().filter_map(one).collect())
            }
            "not" => {
                wanted(1..=1)?;
                Value::Boolean(!Self::truth(&values[0]))
            }
            "boolean" => {
                wanted(1..=1)?;
                Value::Boolean(Self::truth(&values[0]))
            }
            "true" => Value::Boolean(true),
            "false" => Value::Boolean(false),
            "number" => Value::Number(number(0)),
            "floor" => Value::Number(number(0).floor()),
            "ceiling" => Value::Number(number(0).ceil()),
            "round" => Value::Number((number(0) + 0.5).floor()),
            other => return Err(format!("Unregistered function {other}")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::xml::Reading;
    use super::*;

    #[test]
    fn paths_and_predicates() {
        let text = "<r xmlns:p=\"u\"><a id=\"1\">x<b>1</b><b>2</b></a><a id=\"2\"><b c=\"d\">3</b></a><p:a>n</p:a><!-- c --></r>";
        let document = Document::parse(text, Reading::default()).unwrap();
        let prefixes = BTreeMap::from([("q".to_string(), "u".to_string())]);
        let evaluator = Evaluator::new(&document, &prefixes);
        let root = document.root_element().unwrap();
        let ask = |path: &str| match evaluator.evaluate(&Expression::parse(path).unwrap(), root) {
            Ok(Value::Set(set)) => set.iter().map(|h| evaluator.string(h)).collect::<Vec<_>>().join("|"),
            Ok(other) => evaluator.text(&other),
            Err(why) => format!("! {why}"),
        };
        for (path, want) in [
            ("/r/a/b", "1|2|3"),
            ("a[2]/b", "3"),
            ("//b[last()]", "2|3"),
            ("(//b)[last()]", "3"),
            ("/r/a[@id='1']/b[2]", "2"),
            ("/r/a[b=3]/@id", "2"),
            ("//@c", "d"),
            ("/r/q:a", "n"),
            ("/r/q:*", "n"),
            ("/r/z:a", "! Undefined namespace prefix"),
            ("//b[text()='2']/preceding-sibling::b", "1"),
            ("//b[@c]/..//b", "3"),
            ("//b[. > 1 and . < 3]", "2"),
            ("//b[not(@c) or @c='d']", "1|2|3"),
            ("count(//b)", "3"),
            ("sum(//b) * 2 - 1", "11"),
            ("//a[contains(@id, '2')]/b/@*", "d"),
            ("//b[position() = 1]", "1|3"),
            ("//a/text()", "x"),
            ("//comment()", " c "),
            ("string(//a/@id)", "1"),
            ("concat('a', \"b\", substring('12345', 2, 3))", "ab234"),
            ("//b[1] | //q:a", "1|3|n"),
            ("name(/r/q:a)", "p:a"),
            ("local-name(//*[starts-with(name(), 'p:')])", "a"),
            ("/r/a/b/ancestor::a/@id", "1|2"),
            ("//b[following::b]", "1|2"),
            ("-5 mod 2", "-1"),
            ("translate('abc', 'ab', 'x')", "xc"),
            ("/r/div", ""),
        ] {
            assert_eq!(ask(path), want, "{path}");
        }
        for wrong in ["/r/[1]", "a b", "//", "f(", "'x", "a[", "$x", "@"] {
            assert!(Expression::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Expression::parse(&"(".repeat(10_000)).is_err());
    }
}
