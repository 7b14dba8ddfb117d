//! From the text of an XPath expression to its tree.

/// An expression, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression(pub(super) Expr);

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expr {
    Literal(String),
    Number(f64),
    Or(Box<Expr>, Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Compare(&'static str, Box<Expr>, Box<Expr>),
    Arithmetic(&'static str, Box<Expr>, Box<Expr>),
    Negate(Box<Expr>),
    Union(Box<Expr>, Box<Expr>),
    Call(String, Vec<Expr>),
    Path { absolute: bool, start: Option<Box<Expr>>, filters: Vec<Expr>, steps: Vec<Step> },
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    pub axis: Axis,
    pub test: Test,
    pub filters: Vec<Expr>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Axis {
    Child,
    Descendant,
    DescendantOrSelf,
    Own,
    Parent,
    Ancestor,
    AncestorOrSelf,
    FollowingSibling,
    PrecedingSibling,
    Following,
    Preceding,
    Attribute,
}

const AXES: &[(&str, Axis)] = &[
    ("child", Axis::Child),
    ("descendant", Axis::Descendant),
    ("descendant-or-self", Axis::DescendantOrSelf),
    ("self", Axis::Own),
    ("parent", Axis::Parent),
    ("ancestor", Axis::Ancestor),
    ("ancestor-or-self", Axis::AncestorOrSelf),
    ("following-sibling", Axis::FollowingSibling),
    ("preceding-sibling", Axis::PrecedingSibling),
    ("following", Axis::Following),
    ("preceding", Axis::Preceding),
    ("attribute", Axis::Attribute),
];

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    Node,
    Text,
    Comment,
    Instruction,
    Any,
    AnyOf(String),
    Name(String, String),
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Literal(String),
    Number(f64),
    /// A name, with its prefix.
    Name(String),
    /// An operator or a mark.
    Sign(&'static str),
}

const SIGNS: &[&str] =
    &["//", "::", "..", "!=", "<=", ">=", "/", "@", ".", "(", ")", "[", "]", ",", "|", "+", "-", "=", "<", ">", "*"];

const MAX_DEPTH: usize = 64;

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut out: Vec<Token> = Vec::new();
    let mut rest = text.trim_start();
    while let Some(c) = rest.chars().next() {
        if c == '"' || c == '\'' {
            let end = rest[1..].find(c).ok_or("Invalid expression: a text has no end")?;
            out.push(Token::Literal(rest[1..=end].to_string()));
            rest = &rest[end + 2..];
        } else if c.is_ascii_digit() || c == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
            let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
            out.push(Token::Number(rest[..end].parse().map_err(|_| "Invalid expression: a number")?));
            rest = &rest[end..];
        } else if c.is_alphabetic() || c == '_' {
            let part = |c: char| !(c.is_alphanumeric() || "_-.".contains(c));
            let mut end = rest.find(part).unwrap_or(rest.len());
            // A prefix, unless the colons are an axis's.
            if rest[end..].starts_with(':') && !rest[end..].starts_with("::") {
                let after = &rest[end + 1..];
                let more = if after.starts_with('*') { 1 } else { after.find(part).unwrap_or(after.len()) };
                if more == 0 {
                    return Err("Invalid expression: a prefix without a name".into());
                }
                end += 1 + more;
            }
            out.push(Token::Name(rest[..end].to_string()));
            rest = &rest[end..];
        } else {
            let sign = SIGNS
                .iter()
                .find(|s| rest.starts_with(**s))
                .ok_or_else(|| format!("Invalid expression at {rest:?}"))?;
            out.push(Token::Sign(sign));
            rest = &rest[sign.len()..];
        }
        rest = rest.trim_start();
    }
    Ok(out)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Expression {
    /// Reads an expression.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
        let expr = parser.or()?;
        match parser.tokens.get(parser.at) {
            None => Ok(Expression(expr)),
            Some(_) => Err("Invalid expression: something stands behind its end".into()),
        }
    }
}

impl Parser {
    fn peek(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead)
    }

    fn is(&self, sign: &str) -> bool {
        matches!(self.peek(0), Some(Token::Sign(s)) if *s == sign)
    }

    fn take(&mut self, sign: &str) -> bool {
        let is = self.is(sign);
        self.at += usize::from(is);
        is
    }

    fn need(&mut self, sign: &str) -> Result<(), String> {
        if self.take(sign) { Ok(()) } else { Err(format!("Invalid expression: {sign} is missing")) }
    }

    /// A word between two operands.
    fn word(&mut self, word: &str) -> bool {
        let is = matches!(self.peek(0), Some(Token::Name(n)) if n == word);
        self.at += usize::from(is);
        is
    }

    fn or(&mut self) -> Result<Expr, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("the expression is nested too deeply".into());
        }
        let mut left = self.and()?;
        while self.word("or") {
            left = Expr::Or(left.into(), self.and()?.into());
        }
        self.depth -= 1;
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr, String> {
        let mut left = self.compare(&["=", "!="])?;
        while self.word("and") {
            left = Expr::And(left.into(), self.compare(&["=", "!="])?.into());
        }
        Ok(left)
    }

    fn compare(&mut self, signs: &[&'static str]) -> Result<Expr, String> {
        let next = |parser: &mut Self| match signs.len() {
            2 => parser.compare(&["<=", ">=", "<", ">"]),
            _ => parser.sum(),
        };
        let mut left = next(self)?;
        while let Some(sign) = signs.iter().find(|s| self.is(s)) {
            self.at += 1;
            left = Expr::Compare(sign, left.into(), next(self)?.into());
        }
        Ok(left)
    }

    fn sum(&mut self) -> Result<Expr, String> {
        let mut left = self.product()?;
        loop {
            let sign = if self.take("+") {
                "+"
            } else if self.take("-") {
                "-"
            } else {
                return Ok(left);
            };
            left = Expr::Arithmetic(sign, left.into(), self.product()?.into());
        }
    }

    fn product(&mut self) -> Result<Expr, String> {
        let mut left = self.unary()?;
        loop {
            let sign = if self.take("*") {
                "*"
            } else if self.word("div") {
                "div"
            } else if self.word("mod") {
                "mod"
            } else {
                return Ok(left);
            };
            left = Expr::Arithmetic(sign, left.into(), self.unary()?.into());
        }
    }

    fn unary(&mut self) -> Result<Expr, String> {
        let mut minus = false;
        while self.take("-") {
            minus = !minus;
        }
        let mut left = self.path()?;
        while self.take("|") {
            left = Expr::Union(left.into(), self.path()?.into());
        }
        Ok(if minus { Expr::Negate(left.into()) } else { left })
    }

    fn starts_step(&self) -> bool {
        matches!(self.peek(0), Some(Token::Name(_) | Token::Sign("*" | "@" | "." | "..")))
    }

    fn path(&mut self) -> Result<Expr, String> {
        let every = || Step { axis: Axis::DescendantOrSelf, test: Test::Node, filters: Vec::new() };
        let (mut start, mut filters, mut steps, mut absolute) = (None, Vec::new(), Vec::new(), false);
        let is_call = matches!((self.peek(0), self.peek(1)), (Some(Token::Name(n)), Some(Token::Sign("(")))
            if !["node", "text", "comment", "processing-instruction"].contains(&n.as_str()));
        if is_call || matches!(self.peek(0), Some(Token::Literal(_) | Token::Number(_) | Token::Sign("("))) {
            start = Some(Box::new(self.primary()?));
            filters = self.filters()?;
        } else if self.take("//") {
            absolute = true;
            steps.push(every());
            steps.push(self.step()?);
        } else if self.take("/") {
            absolute = true;
            if self.starts_step() {
                steps.push(self.step()?);
            }
        } else {
            steps.push(self.step()?);
        }
        loop {
            if self.take("//") {
                steps.push(every());
                steps.push(self.step()?);
            } else if self.take("/") {
                steps.push(self.step()?);
            } else {
                return Ok(match start {
                    Some(start) if filters.is_empty() && steps.is_empty() => *start,
                    start => Expr::Path { absolute, start, filters, steps },
                });
            }
        }
    }

    fn primary(&mut self) -> Result<Expr, String> {
        let token = self.peek(0).cloned();
        self.at += 1;
        match token {
            Some(Token::Literal(text)) => Ok(Expr::Literal(text)),
            Some(Token::Number(n)) => Ok(Expr::Number(n)),
            Some(Token::Sign("(")) => {
                let inner = self.or()?;
                self.need(")")?;
                Ok(inner)
            }
            Some(Token::Name(name)) => {
                self.need("(")?;
                let mut args = Vec::new();
                while !self.take(")") {
                    if !args.is_empty() {
                        self.need(",")?;
                    }
                    args.push(self.or()?);
                }
                Ok(Expr::Call(name, args))
            }
            _ => Err("Invalid expression".into()),
        }
    }

    fn filters(&mut self) -> Result<Vec<Expr>, String> {
        let mut out = Vec::new();
        while self.take("[") {
            out.push(self.or()?);
            self.need("]")?;
        }
        Ok(out)
    }

    fn step(&mut self) -> Result<Step, String> {
        for (sign, axis) in [("..", Axis::Parent), (".", Axis::Own)] {
            if self.take(sign) {
                return Ok(Step { axis, test: Test::Node, filters: self.filters()? });
            }
        }
        let mut axis = Axis::Child;
        if self.take("@") {
            axis = Axis::Attribute;
        } else if let (Some(Token::Name(name)), Some(Token::Sign("::"))) = (self.peek(0), self.peek(1)) {
            let known = AXES.iter().find(|(n, _)| n == name);
            axis = known.map(|(_, a)| *a).ok_or_else(|| format!("the axis {name} is not supported"))?;
            self.at += 2;
        }
        let test = if self.take("*") {
            Test::Any
        } else if let Some(Token::Name(name)) = self.peek(0).cloned() {
            self.at += 1;
            let kind = ["node", "text", "comment", "processing-instruction"].iter().position(|k| *k == name);
            match (kind, self.is("(")) {
                (Some(kind), true) => {
                    self.at += 1;
                    self.need(")")?;
                    [Test::Node, Test::Text, Test::Comment, Test::Instruction][kind].clone()
                }
                _ => match name.split_once(':') {
                    Some((prefix, "*")) => Test::AnyOf(prefix.to_string()),
                    Some((prefix, name)) => Test::Name(prefix.to_string(), name.to_string()),
                    None => Test::Name(String::new(), name),
                },
            }
        } else {
            return Err("Invalid expression: a step is missing".into());
        };
        Ok(Step { axis, test, filters: self.filters()? })
    }
}
