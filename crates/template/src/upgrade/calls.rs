//! Strings: what is `{{ … }}` in JSON becomes `${ … }` in HCL2, as far as it has the same meaning there.
//!
//! `upper`, `replace` and the like become calls of HCL2 where a variable of the user's is what they work on; with anything else they
//! stay expressions of the old kind, as with Packer: plugins render those still.

use super::body::is_identifier;
use crate::interpolate::ast::{Kind, List, Operand, Part, Pipe};
use crate::interpolate::parse;
use imgbuild_diag::{Diagnostic, Diagnostics, Span};
use std::collections::{BTreeMap, BTreeSet};

/// Where a string stands: not every reference exists everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The default of a variable: the environment only.
    Variable,
    /// A local value or a data source.
    Local,
    /// A source: the build that uses it is not known.
    Source,
    /// A provisioner or post-processor.
    Build,
}

/// What the strings so far need elsewhere in the file.
#[derive(Debug, Default)]
pub(super) struct Used {
    /// Variables that have become locals.
    pub locals: BTreeSet<String>,
    /// Variables that have another name in HCL2, where theirs can't be one.
    pub names: BTreeMap<String, String>,
    /// `local.timestamp`.
    pub timestamp: bool,
    /// Old layouts of times.
    pub layouts: bool,
    /// Secrets by name and key, in the order in which they came up.
    pub secrets: Vec<(String, Option<String>)>,
    /// What the reader has to do by hand in the present block, one sentence each.
    pub by_hand: Vec<String>,
    /// The same of all blocks, with places.
    pub warnings: Diagnostics,
}

/// Functions that give the same in HCL2, so that a variable that calls one has to become a local.
const CALLS: &[&str] = &[
    "aws_secretsmanager",
    "aws_secretsmanager_raw",
    "consul_key",
    "isotime",
    "lower",
    "packer_version",
    "pwd",
    "replace",
    "replace_all",
    "split",
    "strftime",
    "template_dir",
    "timestamp",
    "upper",
    "user",
    "uuid",
    "vault",
];
/// Functions for use inside of builds.
const BUILD: &[&str] = &["build", "build_name", "build_type", "clean_ami_name", "clean_resource_name"];
/// What `clean_resource_name` leaves as it is, as a class of what it doesn't. It counts bytes where a pattern counts letters: of
/// letters beyond ASCII, which no name in AWS may have, two or more dashes become one.
const UNCLEAN: &str = r"[^a-zA-Z0-9()\[\] ./'@_-]";

/// A value on its way through a pipeline.
enum Datum {
    /// A text that the user wrote.
    Text(String),
    Number(String),
    /// An expression of HCL2, and whether a variable of the user's is in it.
    Hcl {
        expression: String,
        user: bool,
    },
    /// An expression of the old kind.
    Stays(String),
}

impl Datum {
    /// The inside of an HCL string.
    fn hcl(&self) -> String {
        match self {
            Datum::Text(text) => escape(text),
            Datum::Number(text) => text.clone(),
            Datum::Hcl { expression, .. } => format!("${{{expression}}}"),
            Datum::Stays(expression) => format!("{{{{ {expression} }}}}"),
        }
    }

    /// A text that is known here.
    fn text(&self) -> Result<&str, String> {
        match self {
            Datum::Text(text) => Ok(text),
            Datum::Number(n) => Err(format!("{n} is no text")),
            Datum::Hcl { .. } | Datum::Stays(_) => Err("an argument is known only when the template is read".into()),
        }
    }

    /// As an argument of a call in HCL2.
    fn expression(&self) -> Result<String, String> {
        match self {
            Datum::Text(text) => Ok(quoted(text)),
            Datum::Number(n) => Ok(n.clone()),
            Datum::Hcl { expression, .. } => Ok(expression.clone()),
            Datum::Stays(expression) => Err(format!("{{{{ {expression} }}}} is rendered by the plugin, after HCL2")),
        }
    }

    fn number(&self) -> Result<&str, String> {
        match self {
            Datum::Number(n) => Ok(n),
            _ => Err("a number is missing".into()),
        }
    }

    fn of_user(&self) -> bool {
        matches!(self, Datum::Hcl { user: true, .. })
    }

    /// As an argument of an expression that stays.
    fn argument(&self) -> String {
        match self {
            Datum::Number(n) => n.clone(),
            Datum::Text(text) if text.contains('`') => escape(&quoted(text)),
            Datum::Stays(expression) => format!("({expression})"),
            other => format!("`{}`", other.hcl()),
        }
    }
}

/// Whether a variable with this default has to become a local: it calls more than the environment.
pub(super) fn is_local(default: &str) -> bool {
    let Ok(parsed) = parse::parse(default, &|name| name == "env" || CALLS.contains(&name)) else { return false };
    let mut functions = Vec::new();
    let plain = parsed.root.iter().all(|part| match part {
        Part::Text(_) => true,
        Part::Action(pipe) => {
            walk(pipe, &mut |name, _| functions.push(name.to_owned()));
            true
        }
        _ => false,
    });
    plain && functions.iter().any(|name| name != "env")
}

/// The variables that a string refers to.
pub(crate) fn references(text: &str, out: &mut BTreeSet<String>) {
    let Ok(parsed) = parse::parse(text, &|_| true) else { return };
    parts(&parsed.root, &mut |name, argument| {
        if let ("user", Some(Kind::Text { value, .. })) = (name, argument) {
            out.insert(value.clone());
        }
    });
}

fn parts(list: &List, see: &mut dyn FnMut(&str, Option<&Kind>)) {
    for part in list {
        match part {
            Part::Text(_) | Part::Break | Part::Continue => {}
            Part::Action(pipe) => walk(pipe, see),
            Part::Template { pipe, .. } => pipe.iter().for_each(|pipe| walk(pipe, see)),
            Part::If(branch) | Part::With(branch) | Part::Range(branch) => {
                walk(&branch.pipe, see);
                parts(&branch.list, see);
                branch.otherwise.iter().for_each(|list| parts(list, see));
            }
        }
    }
}

/// Shows every function with its argument, that of a pipeline included.
fn walk(pipe: &Pipe, see: &mut dyn FnMut(&str, Option<&Kind>)) {
    let mut before: Option<&Kind> = None;
    for command in &pipe.commands {
        for (i, operand) in command.args.iter().enumerate() {
            match &operand.kind {
                Kind::Function(name) => {
                    let own = command.args.get(1).filter(|_| i == 0).map(|o| &o.kind);
                    see(name, own.or(before.filter(|_| i == 0)));
                }
                Kind::Pipe(inner) => walk(inner, see),
                Kind::Chain(inner, _) => {
                    if let Kind::Pipe(inner) = &inner.kind {
                        walk(inner, see);
                    }
                }
                _ => {}
            }
        }
        before = command.args.first().filter(|_| command.args.len() == 1).map(|o| &o.kind);
    }
}

impl Used {
    /// What has to be done by hand, as comments before the block; empty if there is nothing.
    pub(super) fn notes(&mut self) -> String {
        let lines = self.by_hand.drain(..).map(|note| format!("# {}\n", note.replace(['\n', '\r'], " ")));
        let lines: String = lines.collect();
        if lines.is_empty() { lines } else { format!("\n{lines}") }
    }

    /// Something to do by hand: a comment in the file, and a warning.
    pub(super) fn note(&mut self, note: String, at: &Span) {
        self.warnings.push(Diagnostic::warning(note.clone()).at(at));
        if !self.by_hand.contains(&note) {
            self.by_hand.push(note);
        }
    }

    /// The inside of an HCL string that means what `text` means in JSON.
    pub(super) fn string(&mut self, text: &str, at: &Span, place: Place) -> String {
        if !text.contains("{{") {
            return escape(text);
        }
        match self.upgrade(text, place) {
            Ok(out) => out,
            Err(why) => {
                let shown = text.chars().take(60).collect::<String>().replace(['\n', '\r'], " ");
                self.note(format!("{shown:?} stays as it is: {why}"), at);
                escape(text)
            }
        }
    }

    fn upgrade(&mut self, text: &str, place: Place) -> Result<String, String> {
        let known = |name: &str| match place {
            Place::Variable => name == "env",
            _ => name == "env" || name == "data" || CALLS.contains(&name) || BUILD.contains(&name),
        };
        let parsed = parse::parse(text, &known).map_err(|fault| fault.message)?;
        let mut out = String::new();
        for part in &parsed.root {
            match part {
                Part::Text(text) => join(&mut out, &escape(text)),
                Part::Action(pipe) => join(&mut out, &self.action(pipe, place)?),
                Part::If(_) | Part::With(_) | Part::Range(_) => {
                    return Err("conditions and loops are written otherwise in HCL2".into());
                }
                Part::Template { .. } | Part::Break | Part::Continue => {
                    return Err("HCL2 has no templates inside of strings".into());
                }
            }
        }
        Ok(out)
    }

    fn action(&mut self, pipe: &Pipe, place: Place) -> Result<String, String> {
        // A field or a value alone is for the plugin that renders it.
        if let [command] = pipe.commands.as_slice()
            && let [alone] = command.args.as_slice()
            && !matches!(alone.kind, Kind::Function(_) | Kind::Pipe(_))
        {
            return Ok(format!("{{{{ {} }}}}", escape(&alone.shown())));
        }
        Ok(self.pipe(pipe, place)?.hcl())
    }

    fn pipe(&mut self, pipe: &Pipe, place: Place) -> Result<Datum, String> {
        if !pipe.variables.is_empty() {
            return Err("HCL2 has no variables inside of strings".into());
        }
        let mut last: Option<Datum> = None;
        for command in &pipe.commands {
            let Some((first, rest)) = command.args.split_first() else { continue };
            let mut arguments = Vec::new();
            for operand in rest {
                arguments.push(self.operand(operand, place)?);
            }
            arguments.extend(last.take());
            last = Some(match &first.kind {
                Kind::Function(name) => self.call(name, &arguments, place)?,
                _ if arguments.is_empty() => self.operand(first, place)?,
                _ => return Err(format!("{} is no function", first.shown())),
            });
        }
        last.ok_or_else(|| "an expression is empty".into())
    }

    fn operand(&mut self, operand: &Operand, place: Place) -> Result<Datum, String> {
        match &operand.kind {
            Kind::Text { value, .. } => Ok(Datum::Text(value.clone())),
            Kind::Number { text, .. } => Ok(Datum::Number(text.clone())),
            Kind::Function(name) => self.call(name, &[], place),
            Kind::Pipe(inner) => self.pipe(inner, place),
            _ => Err(format!("{} is known to the plugin only", operand.shown())),
        }
    }

    fn call(&mut self, name: &str, arguments: &[Datum], place: Place) -> Result<Datum, String> {
        let at = |i: usize| arguments.get(i).ok_or_else(|| format!("{name} lacks an argument"));
        let text = |i: usize| at(i)?.text();
        let expression = |i: usize| at(i)?.expression();
        let user = arguments.iter().any(Datum::of_user);
        let hcl = |expression: String| Ok(Datum::Hcl { expression, user });
        let stays = |expression: String| Ok(Datum::Stays(expression));
        match (name, arguments.len()) {
            ("user", 1) => {
                let given = text(0)?;
                let kind = if self.locals.contains(given) { "local" } else { "var" };
                let variable = name_of(self.names.get(given).map_or(given, String::as_str))?;
                Ok(Datum::Hcl { expression: format!("{kind}.{variable}"), user: true })
            }
            ("env", 1) => hcl(format!("env({})", quoted(text(0)?))),
            ("consul_key" | "aws_secretsmanager_raw", 1) => hcl(format!("{name}({})", expression(0)?)),
            ("vault", 2) => hcl(format!("vault({}, {})", expression(0)?, expression(1)?)),
            ("aws_secretsmanager", 1 | 2) => {
                let key = arguments.get(1).map(|_| text(1).map(str::to_owned)).transpose()?;
                let number = self.secret((text(0)?.to_owned(), key));
                hcl(format!("data.amazon-secretsmanager.autogenerated_{number}.value"))
            }
            ("timestamp", 0) => {
                self.timestamp = true;
                hcl("local.timestamp".into())
            }
            ("isotime" | "strftime", 0) => hcl("timestamp()".into()),
            ("isotime" | "strftime", 1) => {
                self.layouts = true;
                hcl(format!("legacy_{name}({})", expression(0)?))
            }
            ("build", 1) => hcl(format!("build.{}", name_of(text(0)?)?)),
            ("data", 1) => hcl(format!("data.{}", text(0)?)),
            // A source does not know its builds, but its plugin does.
            ("build_name" | "build_type", 0) if place == Place::Source => stays(name.to_owned()),
            ("build_name", 0) => hcl("build.name".into()),
            ("build_type", 0) => hcl("build.type".into()),
            ("template_dir", 0) => hcl("path.root".into()),
            ("pwd", 0) => hcl("path.cwd".into()),
            ("packer_version", 0) => hcl("packer.version".into()),
            ("uuid", 0) => hcl("uuidv4()".into()),
            ("lower" | "upper", 1) if user => hcl(format!("{name}({})", expression(0)?)),
            ("lower" | "upper", 1) => {
                self.stays(name, &format!("{name}(var.example)"));
                stays(format!("{name} {}", arguments[0].argument()))
            }
            ("clean_resource_name" | "clean_ami_name", 1) if user => {
                hcl(format!("regex_replace({}, {}, \"-\")", expression(0)?, quoted(UNCLEAN)))
            }
            // The older name is gone from Packer.
            ("clean_resource_name" | "clean_ami_name", 1) => {
                self.stays(
                    name,
                    "a validation of the variable, replace(text, old, new) or regex_replace(text, pattern, new)",
                );
                stays(format!("clean_resource_name {}", arguments[0].argument()))
            }
            ("split", 3) if user && arguments[2].number().is_ok_and(is_count) => {
                hcl(format!("split({}, {})[{}]", expression(1)?, expression(0)?, arguments[2].number()?))
            }
            ("split", 3) => {
                self.stays(name, "split(separator, text)[index]");
                let (a, b) = (arguments[0].argument(), arguments[1].argument());
                stays(format!("split {a} {b} {}", arguments[2].number()?))
            }
            ("replace", 4) if user && arguments[2].number().is_ok_and(|n| n.starts_with('-')) => {
                hcl(format!("replace({}, {}, {})", expression(3)?, expression(0)?, expression(1)?))
            }
            ("replace", 4) => {
                self.stays(name, "replace(text, old, new) or regex_replace(text, pattern, new)");
                let (a, b) = (arguments[0].argument(), arguments[1].argument());
                stays(format!("replace {a} {b} {} {}", arguments[2].number()?, arguments[3].argument()))
            }
            ("replace_all", 3) if user => {
                hcl(format!("replace({}, {}, {})", expression(2)?, expression(0)?, expression(1)?))
            }
            ("replace_all", 3) => {
                self.stays(name, "replace(text, old, new) or regex_replace(text, pattern, new)");
                let all: Vec<String> = arguments.iter().map(Datum::argument).collect();
                stays(format!("replace_all {}", all.join(" ")))
            }
            (_, many) => Err(format!("{name} does not take {many} arguments")),
        }
    }

    /// The number of the data source of a secret.
    fn secret(&mut self, secret: (String, Option<String>)) -> usize {
        let known = self.secrets.iter().position(|s| *s == secret);
        known.unwrap_or_else(|| {
            self.secrets.push(secret);
            self.secrets.len() - 1
        }) + 1
    }

    fn stays(&mut self, name: &str, instead: &str) {
        let note = format!("{{{{ {name} … }}}} has no equal in HCL2 and stays: write {instead} in its place");
        if !self.by_hand.contains(&note) {
            self.by_hand.push(note);
        }
    }
}

/// Appends a piece of an HCL string: a `$` before it must not become the beginning of an expression, nor hide that of its own.
fn join(out: &mut String, piece: &str) {
    if piece.starts_with("${") && out.ends_with('$') {
        let dollars = out.len() - out.trim_end_matches('$').len();
        out.truncate(out.len() - dollars);
        out.push_str(&format!("${{\"{}\"}}", "$".repeat(dollars)));
    } else if piece.starts_with('{')
        && let Some(sign @ ('$' | '%')) = out.chars().next_back()
    {
        out.push(sign);
    }
    out.push_str(piece);
}

/// Whether a number is written as an index of HCL2 can be.
fn is_count(number: &str) -> bool {
    number == "0" || (!number.starts_with('0') && number.len() < 6 && number.bytes().all(|b| b.is_ascii_digit()))
}

/// A name that an expression can refer to.
fn name_of(name: &str) -> Result<&str, String> {
    if is_identifier(name) { Ok(name) } else { Err(format!("{name:?} can't be a name in HCL2")) }
}

/// A text as the inside of an HCL string: nothing in it is an expression.
pub(super) fn escape(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '$' | '%' => {
                out.push(c);
                if chars.peek() == Some(&'{') {
                    out.push(c);
                }
            }
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

/// A text as an HCL string.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", escape(text))
}
