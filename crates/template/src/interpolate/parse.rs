//! From tokens to a syntax tree, with the grammar and the messages of Go's text/template.

use super::ast::{Branch, Command, Kind, List, Operand, Part, Pipe};
use super::lex::{Fault, Tok, Token, lex, parse_number};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A string that has been read: its parts and the templates that it defines.
#[derive(Debug, Clone)]
pub(crate) struct Parsed {
    pub(crate) root: List,
    pub(crate) defined: BTreeMap<String, List>,
}

/// Deeper nesting is refused; no person writes it, and it would exhaust the stack.
const DEEPEST: usize = 100;

const KEYWORDS: [&str; 11] =
    ["block", "break", "continue", "define", "else", "end", "if", "range", "template", "with", "nil"];

struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    next: usize,
    end: usize,
    /// Names of variables in scope, with the dollar.
    variables: Vec<Cow<'a, str>>,
    defined: BTreeMap<String, List>,
    range_depth: usize,
    depth: usize,
    known: &'a dyn Fn(&str) -> bool,
}

/// What ended a list of parts.
enum Ended {
    End,
    Else(usize),
}

/// Reads a string. `known` says which functions exist.
pub(crate) fn parse(text: &str, known: &dyn Fn(&str) -> bool) -> Result<Parsed, Fault> {
    let mut parser = Parser {
        tokens: lex(text),
        next: 0,
        end: text.len(),
        variables: vec!["$".into()],
        defined: BTreeMap::new(),
        range_depth: 0,
        depth: 0,
        known,
    };
    let mut root = List::new();
    while let Some(token) = parser.advance() {
        match token.kind {
            Tok::Text(text) => root.push(Part::Text(text.to_owned())),
            Tok::Broken(message) => return Err(Fault::new(token.at, message)),
            _ if parser.peek_word() == Some("define") => parser.define()?,
            _ => match parser.action(token.at)? {
                Ok(part) => root.push(part),
                Err(Ended::End) => return Err(Fault::new(token.at, "unexpected {{end}}")),
                Err(Ended::Else(at)) => return Err(Fault::new(at, "unexpected {{else}}")),
            },
        }
    }
    Ok(Parsed { root, defined: parser.defined })
}

impl<'a> Parser<'a> {
    fn advance(&mut self) -> Option<Token<'a>> {
        let token = self.tokens.get(self.next).cloned();
        self.next += 1;
        token
    }

    fn skip_space(&mut self) {
        while matches!(self.tokens.get(self.next), Some(Token { kind: Tok::Space, .. })) {
            self.next += 1;
        }
    }

    fn advance_past_space(&mut self) -> Option<Token<'a>> {
        self.skip_space();
        self.advance()
    }

    fn peek(&self) -> Option<&Tok<'a>> {
        self.tokens.get(self.next).map(|t| &t.kind)
    }

    fn peek_past_space(&mut self) -> Option<&Tok<'a>> {
        self.skip_space();
        self.peek()
    }

    fn peek_word(&mut self) -> Option<&'a str> {
        match self.peek_past_space() {
            Some(Tok::Word(word)) => Some(*word),
            _ => None,
        }
    }

    fn here(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |t| t.at)
    }

    fn unexpected<T>(&self, token: Option<&Token<'_>>, context: &str) -> Result<T, Fault> {
        let (at, text) = match token {
            None => return Err(Fault::new(self.end, "unexpected EOF")),
            Some(Token { at, kind: Tok::Broken(message) }) => return Err(Fault::new(*at, message.clone())),
            Some(token) => (token.at, shown(&token.kind)),
        };
        Err(Fault::new(at, format!("unexpected {text} in {context}")))
    }

    fn deeper(&mut self) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(Fault::new(self.here(), "expression is nested too deeply"));
        }
        Ok(())
    }

    fn close(&mut self, context: &str) -> Result<(), Fault> {
        match self.advance_past_space() {
            Some(Token { kind: Tok::Close, .. }) => Ok(()),
            token => self.unexpected(token.as_ref(), context),
        }
    }

    /// What stands between delimiters, after the opening one at `open`.
    fn action(&mut self, open: usize) -> Result<Result<Part, Ended>, Fault> {
        let keyword = self.peek_word().filter(|w| KEYWORDS.contains(w));
        if keyword.is_some_and(|w| w != "nil" && w != "define") {
            self.next += 1;
        }
        Ok(Ok(match keyword {
            Some("end") => {
                self.close("end")?;
                return Ok(Err(Ended::End));
            }
            Some("else") => {
                if !matches!(self.peek_word(), Some("if" | "with")) {
                    self.close("else")?;
                }
                return Ok(Err(Ended::Else(open)));
            }
            Some("if") => Part::If(self.branch("if")?),
            Some("with") => Part::With(self.branch("with")?),
            Some("range") => Part::Range(self.branch("range")?),
            Some(word @ ("break" | "continue")) => {
                self.close(word)?;
                if self.range_depth == 0 {
                    return Err(Fault::new(open, format!("{{{{{word}}}}} outside {{{{range}}}}")));
                }
                if word == "break" { Part::Break } else { Part::Continue }
            }
            Some("template") => {
                let (at, name) = self.name("template clause")?;
                let pipe = if self.peek_past_space() == Some(&Tok::Close) {
                    self.next += 1;
                    None
                } else {
                    Some(self.pipeline("template clause", &Tok::Close)?)
                };
                Part::Template { at, name, pipe }
            }
            Some("block") => {
                let (at, name) = self.name("block clause")?;
                let pipe = self.pipeline("block clause", &Tok::Close)?;
                let list = self.body_of("block clause", &name)?;
                self.add(at, name.clone(), list)?;
                Part::Template { at, name, pipe: Some(pipe) }
            }
            _ => Part::Action(self.pipeline("command", &Tok::Close)?),
        }))
    }

    fn name(&mut self, context: &str) -> Result<(usize, String), Fault> {
        match self.advance_past_space() {
            Some(Token { at, kind: Tok::Quoted { value, .. } }) => Ok((at, value.into_owned())),
            token => self.unexpected(token.as_ref(), context),
        }
    }

    fn define(&mut self) -> Result<(), Fault> {
        self.next += 1;
        let (at, name) = self.name("define clause")?;
        self.close("define clause")?;
        let list = self.body_of("define clause", &name)?;
        self.add(at, name, list)
    }

    /// The body of a definition: it sees no variables of its surroundings.
    fn body_of(&mut self, context: &str, _name: &str) -> Result<List, Fault> {
        let variables = std::mem::replace(&mut self.variables, vec!["$".into()]);
        let range_depth = std::mem::take(&mut self.range_depth);
        let (list, ended) = self.list()?;
        self.variables = variables;
        self.range_depth = range_depth;
        match ended {
            Ended::End => Ok(list),
            Ended::Else(at) => Err(Fault::new(at, format!("unexpected {{{{else}}}} in {context}"))),
        }
    }

    fn add(&mut self, at: usize, name: String, list: List) -> Result<(), Fault> {
        let empty = |list: &List| list.iter().all(|p| matches!(p, Part::Text(text) if text.trim().is_empty()));
        match self.defined.get(&name) {
            Some(old) if !empty(old) && !empty(&list) => {
                Err(Fault::new(at, format!("multiple definition of template {name:?}")))
            }
            Some(old) if !empty(old) => Ok(()),
            _ => {
                self.defined.insert(name, list);
                Ok(())
            }
        }
    }

    /// Parts up to `{{end}}` or `{{else}}`.
    fn list(&mut self) -> Result<(List, Ended), Fault> {
        self.deeper()?;
        let mut list = List::new();
        while let Some(token) = self.advance() {
            match token.kind {
                Tok::Text(text) => {
                    list.push(Part::Text(text.to_owned()));
                    continue;
                }
                Tok::Broken(message) => return Err(Fault::new(token.at, message)),
                _ => {}
            }
            match self.action(token.at)? {
                Ok(part) => list.push(part),
                Err(ended) => {
                    self.depth -= 1;
                    return Ok((list, ended));
                }
            }
        }
        Err(Fault::new(self.end, "unexpected EOF"))
    }

    fn branch(&mut self, context: &str) -> Result<Branch, Fault> {
        self.deeper()?;
        let scope = self.variables.len();
        let pipe = self.pipeline(context, &Tok::Close)?;
        let range = usize::from(context == "range");
        self.range_depth += range;
        let (list, ended) = self.list()?;
        self.range_depth -= range;
        let otherwise = match ended {
            Ended::End => None,
            Ended::Else(at) => {
                // `{{else if}}` and `{{else with}}` share the end of what they belong to.
                let chained = self.peek_word().filter(|w| matches!(*w, "if" | "with"));
                match chained {
                    Some(word) if word == context => {
                        self.next += 1;
                        let branch = self.branch(word)?;
                        Some(vec![if word == "if" { Part::If(branch) } else { Part::With(branch) }])
                    }
                    Some(_) => {
                        let token = self.advance_past_space();
                        return self.unexpected(token.as_ref(), "else");
                    }
                    None => match self.list()? {
                        (list, Ended::End) => Some(list),
                        (_, Ended::Else(_)) => return Err(Fault::new(at, "expected end; found {{else}}")),
                    },
                }
            }
        };
        self.variables.truncate(scope);
        self.depth -= 1;
        Ok(Branch { pipe, list, otherwise })
    }

    fn pipeline(&mut self, context: &str, end: &Tok<'_>) -> Result<Pipe, Fault> {
        self.deeper()?;
        self.skip_space();
        let at = self.here();
        let (variables, assign) = self.declarations(context)?;
        // In scope from here on; its own pipeline may name it, though it has no value there.
        if !assign {
            self.variables.extend(variables.iter().map(|name| Cow::Owned(name.clone())));
        }
        let mut commands = Vec::new();
        loop {
            let token = self.advance_past_space();
            match token.as_ref().map(|t| &t.kind) {
                Some(kind) if kind == end => break,
                Some(kind) if starts_operand(kind) => {
                    self.next -= 1;
                    commands.push(self.command()?);
                }
                _ => return self.unexpected(token.as_ref(), context),
            }
        }
        if commands.is_empty() {
            return Err(Fault::new(at, format!("missing value for {context}")));
        }
        for (i, command) in commands.iter().enumerate().skip(1) {
            use Kind::{Bool, Dot, Nil, Number, Text};
            if let Some(Bool(_) | Dot | Nil | Number { .. } | Text { .. }) = command.args.first().map(|a| &a.kind) {
                return Err(Fault::new(command.at, format!("non executable command in pipeline stage {}", i + 1)));
            }
        }
        self.depth -= 1;
        Ok(Pipe { at, variables, assign, commands })
    }

    /// `$x :=`, `$x =`, and in a range `$i, $x :=`.
    fn declarations(&mut self, context: &str) -> Result<(Vec<String>, bool), Fault> {
        let mut names = Vec::new();
        let start = self.next;
        loop {
            let at = self.here();
            let Some(Tok::Variable(name)) = self.peek_past_space() else {
                self.next = start;
                return Ok((Vec::new(), false));
            };
            let name = (*name).to_owned();
            self.next += 1;
            match self.peek_past_space() {
                Some(Tok::Declare | Tok::Assign) => {
                    let assign = self.peek() == Some(&Tok::Assign);
                    self.next += 1;
                    names.push(name);
                    if assign {
                        for name in &names {
                            self.in_scope(at, name)?;
                        }
                    }
                    return Ok((names, assign));
                }
                Some(Tok::Comma) => {
                    names.push(name);
                    self.next += 1;
                    if context != "range" || names.len() > 1 {
                        return Err(Fault::new(at, format!("too many declarations in {context}")));
                    }
                    if !matches!(self.peek_past_space(), Some(Tok::Variable(_))) {
                        return Err(Fault::new(self.here(), "range can only initialize variables"));
                    }
                }
                _ => {
                    self.next = start;
                    return Ok((Vec::new(), false));
                }
            }
        }
    }

    fn in_scope(&self, at: usize, name: &str) -> Result<(), Fault> {
        if self.variables.iter().any(|v| v == name) {
            return Ok(());
        }
        Err(Fault::new(at, format!("undefined variable {name:?}")))
    }

    fn command(&mut self) -> Result<Command, Fault> {
        self.skip_space();
        let at = self.here();
        let mut args = Vec::new();
        loop {
            self.skip_space();
            if let Some(operand) = self.operand()? {
                args.push(operand);
            }
            let token = self.advance();
            match token.as_ref().map(|t| &t.kind) {
                Some(Tok::Space) => {}
                Some(Tok::Close | Tok::CloseParen) => {
                    self.next -= 1;
                    break;
                }
                // Nothing need follow: `{{1|}}` is 1.
                Some(Tok::Pipe) => break,
                _ => return self.unexpected(token.as_ref(), "operand"),
            }
        }
        if args.is_empty() {
            return Err(Fault::new(at, "empty command"));
        }
        Ok(Command { at, args })
    }

    fn operand(&mut self) -> Result<Option<Operand>, Fault> {
        let at = self.here();
        let Some(kind) = self.term(at)? else { return Ok(None) };
        let mut fields = Vec::new();
        while let Some(Tok::Field(name)) = self.peek() {
            fields.push((*name).to_owned());
            self.next += 1;
        }
        let operand = Operand { at, kind };
        if fields.is_empty() {
            return Ok(Some(operand));
        }
        let kind = match operand.kind {
            Kind::Field(mut names) => {
                names.extend(fields);
                Kind::Field(names)
            }
            Kind::Variable(name, mut names) => {
                names.extend(fields);
                Kind::Variable(name, names)
            }
            Kind::Bool(_) | Kind::Text { .. } | Kind::Number { .. } | Kind::Nil | Kind::Dot => {
                return Err(Fault::new(at, format!("unexpected . after term {:?}", operand.shown())));
            }
            _ => Kind::Chain(Box::new(operand), fields),
        };
        Ok(Some(Operand { at, kind }))
    }

    fn term(&mut self, at: usize) -> Result<Option<Kind>, Fault> {
        let Some(token) = self.peek().cloned() else { return Ok(None) };
        let kind = match token {
            Tok::Word(word) => match word {
                "true" => Kind::Bool(true),
                "false" => Kind::Bool(false),
                "nil" => Kind::Nil,
                name if KEYWORDS.contains(&name) => return Ok(None),
                name if (self.known)(name) => Kind::Function(name.to_owned()),
                name => return Err(Fault::new(at, format!("function {name:?} not defined"))),
            },
            Tok::Dot => Kind::Dot,
            Tok::Field(name) => Kind::Field(vec![name.to_owned()]),
            Tok::Variable(name) => {
                self.in_scope(at, name)?;
                Kind::Variable(name.to_owned(), Vec::new())
            }
            Tok::Number(text) => match parse_number(text) {
                Some(value) => Kind::Number { value, text: text.to_owned() },
                None => return Err(Fault::new(at, format!("malformed character constant: {text}"))),
            },
            Tok::Quoted { value, raw } => Kind::Text { value: value.into_owned(), raw: raw.to_owned() },
            Tok::OpenParen => {
                self.next += 1;
                let pipe = self.pipeline("parenthesized pipeline", &Tok::CloseParen)?;
                return Ok(Some(Kind::Pipe(Box::new(pipe))));
            }
            _ => return Ok(None),
        };
        self.next += 1;
        Ok(Some(kind))
    }
}

fn starts_operand(kind: &Tok<'_>) -> bool {
    match kind {
        Tok::Word(word) => *word == "nil" || !KEYWORDS.contains(word),
        Tok::Dot | Tok::Field(_) | Tok::Variable(_) | Tok::Number(_) | Tok::Quoted { .. } | Tok::OpenParen => true,
        _ => false,
    }
}

/// A token as messages show it.
fn shown(kind: &Tok<'_>) -> String {
    let text = match kind {
        Tok::Word(word) if KEYWORDS.contains(word) => return format!("<{word}>"),
        Tok::Text(text) | Tok::Word(text) | Tok::Number(text) | Tok::Variable(text) => (*text).to_owned(),
        Tok::Broken(text) => text.clone(),
        Tok::Quoted { raw, .. } => (*raw).to_owned(),
        Tok::Field(name) => format!(".{name}"),
        Tok::Char(c) => c.to_string(),
        Tok::Open => "{{".into(),
        Tok::Close => "}}".into(),
        Tok::Space => " ".into(),
        Tok::Dot => ".".into(),
        Tok::Declare => ":=".into(),
        Tok::Assign => "=".into(),
        Tok::Pipe => "|".into(),
        Tok::Comma => ",".into(),
        Tok::OpenParen => "(".into(),
        Tok::CloseParen => ")".into(),
    };
    if text.chars().count() > 10 {
        return format!("{:?}...", text.chars().take(10).collect::<String>());
    }
    format!("{text:?}")
}
