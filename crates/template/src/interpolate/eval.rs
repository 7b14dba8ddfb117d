//! Renders a syntax tree, with the rules and the messages of Go's text/template.

use super::ast::{Branch, Command, Kind, List, Operand, Part, Pipe};
use super::builtin::{self, Arg, Call, truth};
use super::context::{Context, Data};
use super::lex::{Fault, Number};
use super::parse::Parsed;
use super::printf::{plain, type_name};
use super::{Datum, functions};
use std::collections::BTreeMap;
use std::sync::Arc;

/// More output than this is a template gone wild.
const LONGEST: usize = 64 << 20;
/// So are more steps than this.
const STEPS: u32 = 1_000_000;
/// Blocks and templates inside each other: deeper ones call themselves for ever.
const DEEPEST: usize = 200;

struct Evaluator<'a> {
    parsed: &'a Parsed,
    context: &'a Context,
    out: String,
    variables: Vec<(String, Datum)>,
    steps: u32,
    depth: usize,
}

/// What a loop does after a part.
#[derive(PartialEq)]
enum Flow {
    On,
    Break,
    Continue,
}

/// Renders a string that has been read.
pub(super) fn execute(parsed: &Parsed, context: &Context) -> Result<String, Fault> {
    let data = match &context.data {
        Data::None => Datum::Nil,
        Data::Later(fields) | Data::Fields(fields) => Datum::Map(Arc::clone(fields)),
    };
    let mut evaluator = Evaluator {
        parsed,
        context,
        out: String::new(),
        variables: vec![("$".into(), data.clone())],
        steps: 0,
        depth: 0,
    };
    evaluator.list(&parsed.root, &data)?;
    Ok(evaluator.out)
}

/// The parameters of any function that this context has.
pub(super) fn signature(name: &str, context: &Context) -> Option<&'static [Arg]> {
    builtin::signature(name).or_else(|| functions::signature(name, context))
}

impl Evaluator<'_> {
    fn list(&mut self, list: &List, dot: &Datum) -> Result<Flow, Fault> {
        if self.depth == DEEPEST {
            return Err(Fault::new(0, "exceeded maximum template depth"));
        }
        self.depth += 1;
        let flow = self.parts(list, dot);
        self.depth -= 1;
        flow
    }

    fn parts(&mut self, list: &List, dot: &Datum) -> Result<Flow, Fault> {
        for part in list {
            self.step()?;
            let flow = match part {
                Part::Text(text) => {
                    self.out.push_str(text);
                    Flow::On
                }
                Part::Action(pipe) => {
                    let value = self.pipeline(pipe, dot)?;
                    if pipe.variables.is_empty() {
                        match value {
                            Datum::Nil => self.out.push_str("<no value>"),
                            value => self.out.push_str(&plain(&value)),
                        }
                    }
                    Flow::On
                }
                Part::If(branch) => self.choose(branch, dot, false)?,
                Part::With(branch) => self.choose(branch, dot, true)?,
                Part::Range(branch) => self.range(branch, dot)?,
                Part::Template { at, name, pipe } => {
                    self.template(*at, name, pipe.as_ref(), dot)?;
                    Flow::On
                }
                Part::Break => Flow::Break,
                Part::Continue => Flow::Continue,
            };
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn step(&mut self) -> Result<(), Fault> {
        self.steps += 1;
        if self.steps > STEPS || self.out.len() > LONGEST {
            return Err(Fault::new(0, "the expression produces too much"));
        }
        Ok(())
    }

    fn choose(&mut self, branch: &Branch, dot: &Datum, with: bool) -> Result<Flow, Fault> {
        let scope = self.variables.len();
        let value = self.pipeline(&branch.pipe, dot)?;
        let flow = if truth(&value) {
            self.list(&branch.list, if with { &value } else { dot })
        } else {
            branch.otherwise.as_ref().map_or(Ok(Flow::On), |list| self.list(list, dot))
        };
        self.variables.truncate(scope);
        flow
    }

    fn range(&mut self, branch: &Branch, dot: &Datum) -> Result<Flow, Fault> {
        let scope = self.variables.len();
        let value = self.pipeline(&branch.pipe, dot)?;
        let names = &branch.pipe.variables;
        let inner = self.variables.len();
        let items: Box<dyn Iterator<Item = (Datum, Datum)>> = match value {
            Datum::Nil => Box::new(std::iter::empty()),
            Datum::List(list) => Box::new(list.into_iter().enumerate().map(|(i, v)| (Datum::Int(i as i64), v))),
            Datum::Map(map) => Box::new(Arc::unwrap_or_clone(map).into_iter().map(|(k, v)| (Datum::String(k), v))),
            Datum::Int(_) if names.len() > 1 => {
                let at = branch.pipe.at;
                return Err(Fault::new(at, "can't use an integer to iterate over more than one variable"));
            }
            Datum::Int(count) => Box::new((0..count).map(|i| (Datum::Int(i), Datum::Int(i)))),
            other => {
                return Err(Fault::new(branch.pipe.at, format!("range can't iterate over {}", plain(&other))));
            }
        };
        let mut any = false;
        for (key, item) in items {
            any = true;
            self.step()?;
            match (names.as_slice(), branch.pipe.assign) {
                ([one], assign) => self.bind(one, &item, assign, inner, 1),
                ([first, second], assign) => {
                    self.bind(first, &key, assign, inner, 2);
                    self.bind(second, &item, assign, inner, 1);
                }
                _ => {}
            }
            let flow = self.list(&branch.list, &item)?;
            self.variables.truncate(inner);
            if flow == Flow::Break {
                break;
            }
        }
        self.variables.truncate(scope);
        match &branch.otherwise {
            Some(list) if !any => self.list(list, dot),
            _ => Ok(Flow::On),
        }
    }

    /// Sets a variable of a range: one that exists already, or the n-th from the top of its own scope.
    fn bind(&mut self, name: &str, value: &Datum, assign: bool, inner: usize, from_top: usize) {
        if assign {
            self.assign(name, value);
        } else if let Some(slot) = inner.checked_sub(from_top).and_then(|i| self.variables.get_mut(i)) {
            slot.1 = value.clone();
        }
    }

    fn assign(&mut self, name: &str, value: &Datum) {
        if let Some(slot) = self.variables.iter_mut().rev().find(|(n, _)| n == name) {
            slot.1 = value.clone();
        }
    }

    fn template(&mut self, at: usize, name: &str, pipe: Option<&Pipe>, dot: &Datum) -> Result<(), Fault> {
        let parsed = self.parsed;
        let list = match parsed.defined.get(name) {
            Some(list) => list,
            None if name == "root" => &parsed.root,
            None => return Err(Fault::new(at, format!("template {name:?} not defined"))),
        };
        let data = match pipe {
            Some(pipe) => self.pipeline(pipe, dot)?,
            None => Datum::Nil,
        };
        let outer = std::mem::replace(&mut self.variables, vec![("$".into(), data.clone())]);
        self.list(list, &data)?;
        self.variables = outer;
        Ok(())
    }

    fn pipeline(&mut self, pipe: &Pipe, dot: &Datum) -> Result<Datum, Fault> {
        let mut value = None;
        for command in &pipe.commands {
            value = Some(self.command(command, dot, value)?);
        }
        let value = value.unwrap_or(Datum::Nil);
        for name in &pipe.variables {
            if pipe.assign {
                self.assign(name, &value);
            } else {
                self.variables.push((name.clone(), value.clone()));
            }
        }
        Ok(value)
    }

    /// `piped` is the result of the stage before.
    fn command(&mut self, command: &Command, dot: &Datum, piped: Option<Datum>) -> Result<Datum, Fault> {
        let Some((first, args)) = command.args.split_first() else {
            return Err(Fault::new(command.at, "empty command"));
        };
        let has_args = !args.is_empty() || piped.is_some();
        match &first.kind {
            Kind::Function(name) => return self.call(first.at, name, args, dot, piped),
            Kind::Field(names) => return self.fields(first.at, dot, names, has_args),
            Kind::Variable(name, names) if !names.is_empty() => {
                let value = self.variable(first.at, name)?;
                return self.fields(first.at, &value, names, has_args);
            }
            Kind::Chain(inner, names) => {
                let value = self.value(inner, dot)?;
                return self.fields(first.at, &value, names, has_args);
            }
            Kind::Nil if !has_args => return Err(Fault::new(first.at, "nil is not a command")),
            _ => {}
        }
        if has_args {
            let message = format!("can't give argument to non-function {}", first.shown());
            return Err(Fault::new(first.at, message));
        }
        self.value(first, dot)
    }

    /// An operand by itself.
    fn value(&mut self, operand: &Operand, dot: &Datum) -> Result<Datum, Fault> {
        Ok(match &operand.kind {
            Kind::Dot => dot.clone(),
            Kind::Nil => Datum::Nil,
            Kind::Bool(b) => Datum::Bool(*b),
            Kind::Number { value: Number::Int(i), .. } => Datum::Int(*i),
            Kind::Number { value: Number::Float(f), .. } => Datum::Float(*f),
            Kind::Text { value, .. } => Datum::String(value.clone()),
            Kind::Field(names) => self.fields(operand.at, dot, names, false)?,
            Kind::Variable(name, names) => {
                let value = self.variable(operand.at, name)?;
                self.fields(operand.at, &value, names, false)?
            }
            Kind::Chain(inner, names) => {
                let value = self.value(inner, dot)?;
                self.fields(operand.at, &value, names, false)?
            }
            Kind::Function(name) => self.call(operand.at, name, &[], dot, None)?,
            Kind::Pipe(pipe) => {
                let scope = self.variables.len();
                let value = self.pipeline(pipe, dot)?;
                self.variables.truncate(scope);
                value
            }
        })
    }

    fn variable(&self, at: usize, name: &str) -> Result<Datum, Fault> {
        let found = self.variables.iter().rev().find(|(n, _)| n == name);
        found.map(|(_, value)| value.clone()).ok_or_else(|| Fault::new(at, format!("undefined variable: {name}")))
    }

    /// `.a.b` of a value. What a map lacks has no value; there are no methods.
    fn fields(&self, at: usize, value: &Datum, names: &[String], has_args: bool) -> Result<Datum, Fault> {
        let mut value = value;
        for (i, name) in names.iter().enumerate() {
            value = match value {
                Datum::Nil => return Ok(Datum::Nil),
                Datum::Map(_) if has_args && i + 1 == names.len() => {
                    return Err(Fault::new(at, format!("{name} is not a method but has arguments")));
                }
                Datum::Map(map) if i == 0 && self.is_no_field(map, name) => {
                    return Err(Fault::new(at, format!("can't evaluate field {name}: there is none of that name")));
                }
                Datum::Map(map) => map.get(name).unwrap_or(&Datum::Nil),
                other => {
                    return Err(Fault::new(at, format!("can't evaluate field {name} in type {}", type_name(other))));
                }
            };
        }
        Ok(value.clone())
    }

    /// Whether the data itself, not a map in it, is asked for a field that it can't have.
    fn is_no_field(&self, map: &Arc<BTreeMap<String, Datum>>, name: &str) -> bool {
        let data = matches!(&self.context.data, Data::Fields(fields) if Arc::ptr_eq(fields, map));
        data && self.context.fields.is_some_and(|known| !known(name))
    }

    fn call(
        &mut self,
        at: usize,
        name: &str,
        operands: &[Operand],
        dot: &Datum,
        piped: Option<Datum>,
    ) -> Result<Datum, Fault> {
        let Some(wanted) = signature(name, self.context) else {
            return Err(Fault::new(at, format!("function {name:?} not defined")));
        };
        let given = operands.len() + usize::from(piped.is_some());
        let variadic = matches!(wanted.last(), Some(Arg::Texts | Arg::Anys));
        let fixed = wanted.len() - usize::from(variadic);
        if given < fixed || (given > fixed && !variadic) {
            let least = if variadic { "at least " } else { "" };
            let message = format!("wrong number of args for {name}: want {least}{fixed} got {given}");
            return Err(Fault::new(at, message));
        }
        if matches!(name, "and" | "or") {
            return self.logic(name == "or", operands, dot, piped);
        }
        let mut args = Vec::with_capacity(given);
        for (i, operand) in operands.iter().enumerate() {
            let value = self.value(operand, dot)?;
            check_arg(wanted[i.min(wanted.len() - 1)], operand, &value)?;
            args.push(value);
        }
        if let Some(value) = piped {
            let kind = wanted[(given - 1).min(wanted.len() - 1)];
            if let Some(expected) = mismatch(kind, &value) {
                return Err(Fault::new(at, wrong_type(expected, &value)));
            }
            args.push(value);
        }
        let result = match builtin::signature(name) {
            Some(_) => builtin::call(name, &args),
            None => functions::call(name, &Call(&args), self.context),
        };
        result.map_err(|why| Fault::new(at, format!("error calling {name}: {why}")))
    }

    /// `and` and `or` stop at the argument that decides, and give it.
    fn logic(&mut self, or: bool, operands: &[Operand], dot: &Datum, piped: Option<Datum>) -> Result<Datum, Fault> {
        let mut value = Datum::Nil;
        for operand in operands {
            value = self.value(operand, dot)?;
            if truth(&value) == or {
                return Ok(value);
            }
        }
        Ok(piped.unwrap_or(value))
    }
}

/// The type that was wanted, if the value has another.
fn mismatch(wanted: Arg, value: &Datum) -> Option<&'static str> {
    match (wanted, value) {
        (Arg::Text | Arg::Texts, Datum::String(_)) | (Arg::Int, Datum::Int(_)) | (Arg::Any | Arg::Anys, _) => None,
        (Arg::Text | Arg::Texts, _) => Some("string"),
        (Arg::Int, _) => Some("int"),
    }
}

fn wrong_type(expected: &str, value: &Datum) -> String {
    match value {
        Datum::Nil => format!("invalid value; expected {expected}"),
        value => format!("wrong type for value; expected {expected}; got {}", type_name(value)),
    }
}

fn check_arg(wanted: Arg, operand: &Operand, value: &Datum) -> Result<(), Fault> {
    let Some(expected) = mismatch(wanted, value) else { return Ok(()) };
    let message = match &operand.kind {
        Kind::Nil => format!("cannot assign nil to {expected}"),
        Kind::Bool(_) | Kind::Number { .. } | Kind::Text { .. } => {
            let expected = if expected == "int" { "integer" } else { expected };
            format!("expected {expected}; found {}", operand.shown())
        }
        _ => wrong_type(expected, value),
    };
    Err(Fault::new(operand.at, message))
}
