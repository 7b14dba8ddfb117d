//! The functions that HCL expressions may call: Packer's, a file per family.
//!
//! What is common to all stands here: arguments are counted, converted to what the parameters ask for and checked for `null`;
//! what is unknown gives an unknown result, what is sensitive a sensitive one. Clock, randomness, files and services come in
//! through [`Ctx`]. `try`, `can` and `convert` get expressions instead of values: the evaluator calls them itself.

mod bytes;
mod clock;
mod collection;
mod data;
#[cfg(test)]
mod file_tests;
mod files;
mod format;
mod hash;
mod lists;
mod net;
mod number;
mod pattern;
mod service;
mod sets;
#[cfg(test)]
mod tests;
mod text;
mod yaml;

use super::convert::convert;
use super::number::Number;
use super::types::Type;
use super::value::{Entries, Value};
use crate::interpolate::Ambient;
use crate::interpolate::Lookup;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

/// Renders a template's text with these variables; on behalf of `templatefile`. The first argument is the file's name for messages.
pub type Render<'a> = dyn Fn(&str, &str, &Entries) -> Result<Value, String> + 'a;

/// What functions take from outside.
pub struct Ctx<'a> {
    /// The folder of the configuration: what the paths of `file`, `fileexists`, `fileset` and `templatefile` start from.
    pub base: &'a Path,
    /// The working directory: what the paths of `filebase64` and `abspath` start from, as in Packer.
    pub cwd: &'a Path,
    /// The instant at which the run started: what `legacy_isotime` and `legacy_strftime` show.
    pub start: jiff::Timestamp,
    /// The time of now, for `timestamp`.
    pub now: &'a dyn Fn() -> jiff::Timestamp,
    /// Fills in random bytes.
    pub random: &'a dyn Fn(&mut [u8]),
    /// The environment; `HOME` for `pathexpand`.
    pub env: &'a BTreeMap<String, String>,
    /// Whether `env` may be called: in the default of a variable only.
    pub in_variable_default: bool,
    /// Where `vault`, `consul_key` and `aws_secretsmanager` are looked up. Without it they are refused.
    pub lookup: Option<&'a dyn Lookup>,
    /// Renders the file of `templatefile`; `None` inside of one, where it must not be called again.
    pub render: Option<&'a Render<'a>>,
}

impl<'a> Ctx<'a> {
    /// What a run has around it; for a variable's default and for `templatefile` set the fields.
    pub fn new(ambient: &'a Ambient, base: &'a Path) -> Self {
        Ctx {
            base,
            cwd: &ambient.cwd,
            start: ambient.start,
            now: &*ambient.now,
            random: &*ambient.random,
            env: &ambient.env,
            in_variable_default: false,
            lookup: ambient.lookup.as_deref(),
            render: None,
        }
    }
}

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FunctionError {
    /// There is no such function.
    #[error("there is no function \"{0}\"")]
    Unknown(String),
    /// Too few or too many arguments.
    #[error("function \"{name}\" expects {expected}, but {given} {} given", if *given == 1 { "is" } else { "are" })]
    Count {
        /// The function.
        name: &'static str,
        /// How many it takes, in words.
        expected: String,
        /// How many there are.
        given: usize,
    },
    /// One argument is at fault.
    #[error("the argument \"{name}\": {message}")]
    Argument {
        /// Its position, from 0.
        index: usize,
        /// The parameter's name.
        name: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// The call failed as a whole.
    #[error("{0}")]
    Failed(String),
}

impl FunctionError {
    /// The position of the argument at fault, if it is one.
    pub fn argument(&self) -> Option<usize> {
        match self {
            FunctionError::Argument { index, .. } => Some(*index),
            _ => None,
        }
    }
}

/// What a parameter takes and a function gives.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Any,
    Bool,
    Number,
    String,
    Bools,
    Strings,
    List,
    Set,
    Numbers,
}

impl Kind {
    fn ty(self) -> Type {
        match self {
            Kind::Any => Type::Any,
            Kind::Bool => Type::Bool,
            Kind::Number => Type::Number,
            Kind::String => Type::String,
            Kind::Bools => Type::list(Type::Bool),
            Kind::Strings => Type::list(Type::String),
            Kind::List => Type::list(Type::Any),
            Kind::Set => Type::set(Type::Any),
            Kind::Numbers => Type::list(Type::Number),
        }
    }
}

/// One parameter.
#[derive(Clone, Copy)]
struct Param {
    name: &'static str,
    kind: Kind,
    null: bool,
}

/// A parameter that must not be null.
const fn p(name: &'static str, kind: Kind) -> Param {
    Param { name, kind, null: false }
}

/// A parameter that may be null.
const fn nullable(name: &'static str, kind: Kind) -> Param {
    Param { name, kind, null: true }
}

/// One function.
struct Spec {
    name: &'static str,
    params: &'static [Param],
    /// What any further arguments are.
    rest: Option<Param>,
    returns: Kind,
    /// It moves values around without looking into them: what is unknown or sensitive inside its arguments goes along, and only an
    /// argument that is itself unknown makes the result so.
    structural: bool,
    run: fn(&Call<'_>) -> Result<Value, FunctionError>,
}

impl Spec {
    const fn new(
        name: &'static str,
        params: &'static [Param],
        returns: Kind,
        run: fn(&Call<'_>) -> Result<Value, FunctionError>,
    ) -> Spec {
        Spec { name, params, rest: None, returns, structural: false, run }
    }

    const fn rest(mut self, param: Param) -> Spec {
        self.rest = Some(param);
        self
    }

    const fn structural(mut self) -> Spec {
        self.structural = true;
        self
    }

    fn param(&self, index: usize) -> Option<Param> {
        self.params.get(index).copied().or(self.rest)
    }
}

/// One call: converted arguments and the surroundings.
struct Call<'a> {
    spec: &'static Spec,
    args: Vec<Value>,
    ctx: &'a Ctx<'a>,
}

impl Call<'_> {
    /// A failure of the call as a whole.
    fn fail<T>(&self, message: impl Into<String>) -> Result<T, FunctionError> {
        Err(FunctionError::Failed(message.into()))
    }

    /// A failure that one argument is to blame for.
    fn bad<T>(&self, index: usize, message: impl Into<String>) -> Result<T, FunctionError> {
        let name = self.spec.param(index).map_or("", |p| p.name);
        Err(FunctionError::Argument { index, name, message: message.into() })
    }

    /// An argument that is a string by its parameter.
    fn text(&self, index: usize) -> &str {
        self.args.get(index).and_then(Value::as_str).unwrap_or_default()
    }

    /// An argument that is a number by its parameter.
    fn number(&self, index: usize) -> Result<&Number, FunctionError> {
        match self.args.get(index).and_then(Value::as_number) {
            Some(number) => Ok(number),
            None => self.bad(index, "a number is required"),
        }
    }

    /// A number that must be an integer.
    fn int(&self, index: usize) -> Result<i64, FunctionError> {
        match self.number(index)?.to_i64() {
            Some(number) => Ok(number),
            None => self.bad(index, "a whole number is required"),
        }
    }

    /// The elements of a list, set or tuple.
    fn elements(&self, index: usize) -> &[Value] {
        self.args.get(index).and_then(Value::as_elements).unwrap_or_default()
    }

    /// The strings of a list of strings; null ones are at fault.
    fn strings(&self, index: usize) -> Result<Vec<&str>, FunctionError> {
        let mut out = Vec::new();
        for (i, element) in self.elements(index).iter().enumerate() {
            match element.as_str() {
                Some(text) => out.push(text),
                None => return self.bad(index, format!("element {i} is null")),
            }
        }
        Ok(out)
    }
}

const FAMILIES: &[&[Spec]] = &[
    bytes::FUNCTIONS,
    clock::FUNCTIONS,
    collection::FUNCTIONS,
    data::FUNCTIONS,
    files::FUNCTIONS,
    format::FUNCTIONS,
    hash::FUNCTIONS,
    lists::FUNCTIONS,
    net::FUNCTIONS,
    number::FUNCTIONS,
    pattern::FUNCTIONS,
    service::FUNCTIONS,
    sets::FUNCTIONS,
    text::FUNCTIONS,
];

/// The functions that the evaluator calls itself, because they take expressions or a type.
pub const OF_THE_EVALUATOR: [&str; 3] = ["can", "convert", "try"];

fn table() -> &'static BTreeMap<&'static str, &'static Spec> {
    static TABLE: OnceLock<BTreeMap<&'static str, &'static Spec>> = OnceLock::new();
    TABLE.get_or_init(|| FAMILIES.iter().flat_map(|f| f.iter()).map(|spec| (spec.name, spec)).collect())
}

/// Every function's name, sorted; `env`, which only the defaults of variables have, is among them.
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = table().keys().copied().chain(OF_THE_EVALUATOR).collect();
    names.sort_unstable();
    names
}

/// Whether there is such a function here.
pub fn exists(name: &str) -> bool {
    table().contains_key(name)
}

/// Calls a function.
///
/// # Errors
/// There is none of that name, the arguments don't fit, or it failed.
pub fn call(name: &str, args: &[Value], ctx: &Ctx<'_>) -> Result<Value, FunctionError> {
    let spec = match table().get(name) {
        Some(spec) if name != "env" || ctx.in_variable_default => *spec,
        _ => return Err(FunctionError::Unknown(name.to_owned())),
    };
    let least = spec.params.len();
    if args.len() < least || (args.len() > least && spec.rest.is_none()) {
        let expected = match (least, spec.rest.is_some()) {
            (0, _) => "no arguments".to_owned(),
            (n, more) => {
                let at_least = if more { "at least " } else { "" };
                let names: Vec<&str> = spec.params.iter().map(|p| p.name).collect();
                format!("{at_least}{n} argument{} ({})", if n == 1 { "" } else { "s" }, names.join(", "))
            }
        };
        return Err(FunctionError::Count { name: spec.name, expected, given: args.len() });
    }
    let mut given = Vec::with_capacity(args.len());
    let (mut sensitive, mut unknown) = (false, false);
    for (index, arg) in args.iter().enumerate() {
        let Some(param) = spec.param(index) else { continue };
        sensitive |= if spec.structural { arg.is_sensitive() } else { arg.has_sensitive() };
        let value = if spec.structural { arg.clone().unmarked() } else { arg.unmarked_deep() };
        let bad = |message: String| FunctionError::Argument { index, name: param.name, message };
        if value.is_null() && !param.null {
            return Err(bad("must not be null".to_owned()));
        }
        let value = match param.kind {
            Kind::Any => value,
            kind => convert(&value, &kind.ty()).map_err(|e| bad(e.to_string()))?,
        };
        unknown |= if spec.structural { !value.is_known() } else { !value.is_wholly_known() };
        given.push(value);
    }
    if unknown {
        return Ok(Value::unknown(spec.returns.ty()).sensitive_if(sensitive));
    }
    let call = Call { spec, args: given, ctx };
    Ok((spec.run)(&call)?.sensitive_if(sensitive))
}
