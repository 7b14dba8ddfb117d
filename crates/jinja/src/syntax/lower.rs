//! From minijinja's tree to ours. The only file that knows minijinja.

use super::{
    Arg, At, Block, Body, Cmp, Expr, ExprKind, For, Macro, Mode, Stmt, StmtKind, Syntax, Target, literal, repair,
};
use crate::eval::object::Op;
use crate::eval::with_stack;
use crate::val::Val;
use crate::{ErrorKind, FileOptions, TemplateError};
use minijinja::machinery::{ast, parse as parse_template, parse_expr};
use minijinja::syntax::SyntaxConfig;
use std::cell::Cell;
use std::sync::Arc;

/// Parses a text. Errors carry the range of the offending token.
pub(crate) fn parse(text: &str, syntax: &Syntax) -> Result<Body, (TemplateError, At)> {
    let parsed = parse_once(text, syntax);
    match parsed {
        // Two forms that minijinja's parser lacks: `{{ a, b }}` and unary `+`.
        Err(first) => match repair::repair(text, syntax.mode) {
            Some(repaired) => parse_once(&repaired, syntax).map_err(|_| first),
            None => Err(first),
        },
        ok => ok,
    }
}

/// Nodes inside of nodes, at most: a chain of as many operators, filters or `elif`s.
const DEEPEST: u32 = 1000;

/// minijinja's tree of a long chain is as deep as the chain is long, and so is its destruction.
fn parse_once(text: &str, syntax: &Syntax) -> Result<Body, (TemplateError, At)> {
    match text.len() {
        0..=4096 => with_stack(|| parse_here(text, syntax)),
        n => stacker::grow((n * 512).clamp(4 << 20, 1 << 30), || parse_here(text, syntax)),
    }
}

fn parse_here(text: &str, syntax: &Syntax) -> Result<Body, (TemplateError, At)> {
    let lower = Lower { text, syntax, depth: Cell::new(0), loops: Cell::new(0) };
    let what = if syntax.mode == Mode::Expression { "expression" } else { "template" };
    let syntax_error = |e: minijinja::Error| {
        let at = e.range().map_or(At::default(), |r| At { start: r.start as u32, end: r.end as u32 });
        let detail = jinja_words(e.detail().unwrap_or("it can't be parsed"));
        let (detail, at) = match repair::unclosed(text, &syntax.options)
            .filter(|_| detail.starts_with("unexpected end of template"))
        {
            Some((tag, start)) if syntax.mode != Mode::Expression => {
                (never_closed(&tag, tags_of(&tag)), At { start, end: start + tag.len() as u32 })
            }
            _ => (detail, at),
        };
        (TemplateError::new(ErrorKind::Syntax, format!("Syntax error in {what}: {detail}")), at)
    };
    let placed =
        |e: Box<(String, At)>| (TemplateError::new(ErrorKind::Syntax, format!("Syntax error in {what}: {}", e.0)), e.1);
    if syntax.mode == Mode::Expression {
        let tree = parse_expr(text).map_err(syntax_error)?;
        let expr = lower.expr(&tree).map_err(placed)?;
        let at = expr.at;
        return Ok(Arc::from([Stmt { at, kind: StmtKind::Emit(expr) }]));
    }
    let config = config(&syntax.options).map_err(syntax_error)?;
    let tree = parse_template(text, "<template>", config).map_err(syntax_error)?;
    match &tree {
        ast::Stmt::Template(t) => lower.body(&t.children).map_err(placed),
        other => lower.body(std::slice::from_ref(other)).map_err(placed),
    }
}

pub(super) fn config(o: &FileOptions) -> Result<SyntaxConfig, minijinja::Error> {
    let mut builder = SyntaxConfig::builder();
    builder
        .block_delimiters(o.block_start_string.clone(), o.block_end_string.clone())
        .variable_delimiters(o.variable_start_string.clone(), o.variable_end_string.clone())
        .comment_delimiters(o.comment_start_string.clone(), o.comment_end_string.clone())
        .trim_blocks(o.trim_blocks)
        .lstrip_blocks(o.lstrip_blocks)
        .keep_trailing_newline(o.keep_trailing_newline);
    if let Some(prefix) = &o.line_statement_prefix {
        builder.line_statement_prefix(prefix.clone());
    }
    if let Some(prefix) = &o.line_comment_prefix {
        builder.line_comment_prefix(prefix.clone());
    }
    builder.build()
}

fn never_closed(tag: &str, looked_for: &'static str) -> String {
    format!(
        "Unexpected end of template. Jinja was looking for the following tags: {looked_for}. \
         The innermost block that needs to be closed is '{tag}'."
    )
}

fn tags_of(tag: &str) -> &'static str {
    match tag {
        "if" => "'elif' or 'else' or 'endif'",
        "for" => "'endfor' or 'else'",
        "macro" => "'endmacro'",
        "call" => "'endcall'",
        "block" => "'endblock'",
        "filter" => "'endfilter'",
        "with" => "'endwith'",
        "autoescape" => "'endautoescape'",
        _ => "'endset'",
    }
}

/// The most common of minijinja's messages in Jinja's own words.
fn jinja_words(detail: &str) -> String {
    if let Some(tag) = detail.strip_prefix("unknown statement ") {
        return format!("Encountered unknown tag '{tag}'.");
    }
    match detail {
        "unexpected end of input, expected end of variable block" => {
            "unexpected end of template, expected 'end of print statement'.".into()
        }
        "unexpected end of input, expected end of block" => {
            "unexpected end of template, expected 'end of statement block'.".into()
        }
        "unexpected end of input, expected expression" => "unexpected 'end of template'".into(),
        "unexpected end of variable block" => "Expected an expression, got 'end of print statement'".into(),
        "unexpected end of block" => "Expected an expression, got 'end of statement block'".into(),
        "unexpected end of comment" => "Missing end of comment tag".into(),
        other => other.to_owned(),
    }
}

type L<T> = Result<T, Box<(String, At)>>;

struct Lower<'s> {
    text: &'s str,
    syntax: &'s Syntax,
    depth: Cell<u32>,
    /// `for` loops around.
    loops: Cell<u32>,
}

fn at(span: minijinja::machinery::Span) -> At {
    At { start: span.start_offset, end: span.end_offset }
}

impl Lower<'_> {
    fn slice(&self, at: At) -> &str {
        self.text.get(at.start as usize..at.end as usize).unwrap_or("")
    }

    fn body(&self, stmts: &[ast::Stmt<'_>]) -> L<Body> {
        let mut out = Vec::with_capacity(stmts.len());
        for stmt in stmts {
            out.push(self.stmt(stmt)?);
        }
        Ok(out.into())
    }

    /// minijinja takes the end of the text for the end of every open block; Jinja does not.
    fn closed(&self, at: At, tag: &str) -> L<()> {
        // The tag may be followed by the block's name (`endblock name`).
        let tail = self.slice(at).trim_end();
        let end = format!("end{tag}");
        if tail.ends_with(&end) || (tag == "block" && tail.split_whitespace().rev().nth(1) == Some(&*end)) {
            return Ok(());
        }
        Err(Box::new((never_closed(tag, tags_of(tag)), At { start: at.start, end: at.start + tag.len() as u32 })))
    }

    /// One level deeper.
    fn nested<T>(&self, f: impl FnOnce() -> L<T>) -> L<T> {
        let depth = self.depth.get();
        if depth >= DEEPEST {
            return Err(Box::new((
                format!("more than {DEEPEST} expressions or blocks inside of each other"),
                At::default(),
            )));
        }
        self.depth.set(depth + 1);
        let result = with_stack(f);
        self.depth.set(depth);
        result
    }

    fn stmt(&self, stmt: &ast::Stmt<'_>) -> L<Stmt> {
        self.nested(|| self.stmt_here(stmt))
    }

    fn stmt_here(&self, stmt: &ast::Stmt<'_>) -> L<Stmt> {
        let stmt_at;
        let kind = match stmt {
            ast::Stmt::Template(t) => {
                stmt_at = at(t.span());
                StmtKind::Scope(self.body(&t.children)?)
            }
            ast::Stmt::EmitRaw(raw) => {
                stmt_at = at(raw.span());
                let newline = &self.syntax.options.newline_sequence;
                let text = if newline == "\n" { raw.raw.to_owned() } else { raw.raw.replace('\n', newline) };
                StmtKind::Text(text.into())
            }
            ast::Stmt::EmitExpr(e) => {
                stmt_at = at(e.span());
                StmtKind::Emit(self.expr(&e.expr)?)
            }
            ast::Stmt::ForLoop(f) => {
                stmt_at = at(f.span());
                self.closed(stmt_at, "for")?;
                StmtKind::For(Arc::new(For {
                    target: self.target(&f.target)?,
                    iter: self.expr(&f.iter)?,
                    filter: f.filter_expr.as_ref().map(|e| self.expr(e)).transpose()?,
                    recursive: f.recursive,
                    body: self.body_in(&f.body, self.loops.get() + 1)?,
                    otherwise: self.body(&f.else_body)?,
                }))
            }
            ast::Stmt::IfCond(c) => {
                stmt_at = at(c.span());
                self.closed(stmt_at, "if")?;
                StmtKind::If { test: self.expr(&c.expr)?, yes: self.body(&c.true_body)?, no: self.body(&c.false_body)? }
            }
            ast::Stmt::WithBlock(w) => {
                stmt_at = at(w.span());
                self.closed(stmt_at, "with")?;
                let mut sets = Vec::new();
                for (target, value) in &w.assignments {
                    sets.push((self.target(target)?, self.expr(value)?));
                }
                StmtKind::With { sets, body: self.body(&w.body)? }
            }
            ast::Stmt::Set(s) => {
                stmt_at = at(s.span());
                StmtKind::Set(self.target(&s.target)?, self.expr(&s.expr)?)
            }
            ast::Stmt::SetBlock(s) => {
                stmt_at = at(s.span());
                self.closed(stmt_at, "set")?;
                StmtKind::SetBlock {
                    target: self.target(&s.target)?,
                    filter: s.filter.as_ref().map(|e| self.expr(e)).transpose()?,
                    body: self.body(&s.body)?,
                }
            }
            ast::Stmt::AutoEscape(a) => {
                stmt_at = at(a.span());
                self.closed(stmt_at, "autoescape")?;
                StmtKind::Scope(self.body(&a.body)?)
            }
            ast::Stmt::FilterBlock(f) => {
                stmt_at = at(f.span());
                self.closed(stmt_at, "filter")?;
                StmtKind::FilterBlock { filter: self.expr(&f.filter)?, body: self.body(&f.body)? }
            }
            ast::Stmt::Block(b) => {
                stmt_at = at(b.span());
                self.closed(stmt_at, "block")?;
                StmtKind::Block(Arc::new(Block {
                    name: b.name.into(),
                    required: b.required,
                    body: self.body_in(&b.body, 0)?,
                }))
            }
            ast::Stmt::Extends(e) => {
                stmt_at = at(e.span());
                StmtKind::Extends(self.expr(&e.name)?)
            }
            ast::Stmt::Include(i) => {
                stmt_at = at(i.span());
                StmtKind::Include {
                    name: self.expr(&i.name)?,
                    ignore_missing: i.ignore_missing,
                    context: self.context(stmt_at, true),
                }
            }
            ast::Stmt::Import(i) => {
                stmt_at = at(i.span());
                StmtKind::Import {
                    name: self.expr(&i.expr)?,
                    target: self.name(&i.name)?,
                    context: self.context(stmt_at, false),
                }
            }
            ast::Stmt::FromImport(i) => {
                stmt_at = at(i.span());
                let mut names = Vec::new();
                for (name, alias) in &i.names {
                    let name = self.name(name)?;
                    let alias = alias.as_ref().map(|a| self.name(a)).transpose()?.unwrap_or_else(|| name.clone());
                    names.push((name, alias));
                }
                StmtKind::FromImport { name: self.expr(&i.expr)?, names, context: self.context(stmt_at, false) }
            }
            ast::Stmt::Macro(m) => {
                stmt_at = at(m.span());
                self.closed(stmt_at, "macro")?;
                StmtKind::Macro(Arc::new(self.make_macro(m, stmt_at)?))
            }
            ast::Stmt::CallBlock(c) => {
                stmt_at = at(c.span());
                self.closed(stmt_at, "call")?;
                let call_at = at(c.call.span());
                let call = Expr { at: call_at, kind: Box::new(self.call(&c.call)?) };
                StmtKind::CallBlock { call, caller: Arc::new(self.make_macro(&c.macro_decl, stmt_at)?) }
            }
            ast::Stmt::Do(d) => {
                stmt_at = at(d.span());
                if !self.syntax.extensions.do_ {
                    return Err(self.unknown("do", stmt_at));
                }
                StmtKind::Do(Expr { at: at(d.call.span()), kind: Box::new(self.call(&d.call)?) })
            }
            ast::Stmt::Continue(c) => {
                stmt_at = at(c.span());
                self.in_loop("continue", stmt_at)?;
                StmtKind::Continue
            }
            ast::Stmt::Break(b) => {
                stmt_at = at(b.span());
                self.in_loop("break", stmt_at)?;
                StmtKind::Break
            }
        };
        Ok(Stmt { at: stmt_at, kind })
    }

    fn in_loop(&self, tag: &str, at: At) -> L<()> {
        if !self.syntax.extensions.loop_controls {
            return Err(self.unknown(tag, at));
        }
        match self.loops.get() {
            0 => Err(Box::new((format!("'{tag}' outside loop"), at))),
            _ => Ok(()),
        }
    }

    /// A body with so many loops around it.
    fn body_in(&self, body: &[ast::Stmt<'_>], loops: u32) -> L<Body> {
        let outer = self.loops.replace(loops);
        let body = self.body(body);
        self.loops.set(outer);
        body
    }

    /// A tag of a Jinja extension that is not loaded.
    fn unknown(&self, tag: &str, at: At) -> Box<(String, At)> {
        Box::new((format!("Encountered unknown tag '{tag}'."), at))
    }

    /// minijinja's tree has no place for `with context`.
    fn context(&self, at: At, default: bool) -> bool {
        let words: Vec<&str> = self.slice(at).split_whitespace().collect();
        let pair = |first: &str| words.windows(2).any(|w| w[0] == first && w[1] == "context");
        if default { !pair("without") } else { pair("with") }
    }

    fn make_macro(&self, m: &ast::Macro<'_>, at: At) -> L<Macro> {
        let mut params = Vec::new();
        let required = m.args.len() - m.defaults.len();
        for (i, arg) in m.args.iter().enumerate() {
            let default = i.checked_sub(required).and_then(|d| m.defaults.get(d));
            params.push((self.name(arg)?, default.map(|d| self.expr(d)).transpose()?));
        }
        let text = self.slice(at);
        Ok(Macro {
            name: m.name.into(),
            params,
            body: self.body_in(&m.body, 0)?,
            uses_varargs: text.contains("varargs"),
            uses_kwargs: text.contains("kwargs"),
        })
    }

    fn name(&self, expr: &ast::Expr<'_>) -> L<Arc<str>> {
        match expr {
            ast::Expr::Var(v) => Ok(v.id.into()),
            other => Err(Box::new((format!("can't assign to {:?}", other.description()), at(other.span())))),
        }
    }

    fn target(&self, expr: &ast::Expr<'_>) -> L<Target> {
        match expr {
            ast::Expr::GetAttr(a) => Ok(Target::Attr(self.name(&a.expr)?, a.name.into())),
            ast::Expr::List(l) => Ok(Target::Many(l.items.iter().map(|i| self.target(i)).collect::<L<_>>()?)),
            other => Ok(Target::Name(self.name(other)?)),
        }
    }

    fn args(&self, args: &[ast::CallArg<'_>]) -> L<Vec<Arg>> {
        args.iter()
            .map(|arg| {
                Ok(match arg {
                    ast::CallArg::Pos(e) => Arg::Pos(self.expr(e)?),
                    ast::CallArg::Kwarg(name, e) => Arg::Kw((*name).into(), self.expr(e)?),
                    ast::CallArg::PosSplat(e) => Arg::Splat(self.expr(e)?),
                    ast::CallArg::KwargSplat(e) => Arg::KwSplat(self.expr(e)?),
                })
            })
            .collect()
    }

    fn call(&self, call: &ast::Call<'_>) -> L<ExprKind> {
        Ok(ExprKind::Call(self.expr(&call.expr)?, self.args(&call.args)?))
    }

    fn exprs(&self, items: &[ast::Expr<'_>]) -> L<Vec<Expr>> {
        items.iter().map(|e| self.expr(e)).collect()
    }

    fn maybe(&self, e: &Option<ast::Expr<'_>>) -> L<Option<Expr>> {
        e.as_ref().map(|e| self.expr(e)).transpose()
    }

    fn expr(&self, expr: &ast::Expr<'_>) -> L<Expr> {
        self.nested(|| self.expr_here(expr))
    }

    fn expr_here(&self, expr: &ast::Expr<'_>) -> L<Expr> {
        let kind = match expr {
            ast::Expr::Var(v) => ExprKind::Var(v.id.into()),
            ast::Expr::Const(c) => self.constant(&c.value, at(c.span())),
            ast::Expr::List(l) => ExprKind::List(self.exprs(&l.items)?),
            ast::Expr::Tuple(t) => ExprKind::Tuple(self.exprs(&t.items)?),
            ast::Expr::Map(m) => {
                let mut pairs = Vec::new();
                for (k, v) in m.keys.iter().zip(&m.values) {
                    pairs.push((self.expr(k)?, self.expr(v)?));
                }
                ExprKind::Dict(pairs)
            }
            ast::Expr::UnaryOp(u) => match u.op {
                // `a not in b` and `a is not b` come as `not (…)`; that is what they mean.
                ast::UnaryOpKind::Not => ExprKind::Not(self.expr(&u.expr)?),
                ast::UnaryOpKind::Neg => ExprKind::Neg(self.expr(&u.expr)?),
            },
            ast::Expr::BinOp(b) => self.binary(b)?,
            ast::Expr::Compare(c) => {
                let mut ops = Vec::new();
                for op in &c.ops {
                    let kind = match op.op {
                        ast::CompareOpKind::Eq => Cmp::Eq,
                        ast::CompareOpKind::Ne => Cmp::Ne,
                        ast::CompareOpKind::Lt => Cmp::Lt,
                        ast::CompareOpKind::Lte => Cmp::Le,
                        ast::CompareOpKind::Gt => Cmp::Gt,
                        ast::CompareOpKind::Gte => Cmp::Ge,
                        ast::CompareOpKind::In => Cmp::In,
                        ast::CompareOpKind::NotIn => Cmp::NotIn,
                    };
                    ops.push((kind, self.expr(&op.expr)?));
                }
                ExprKind::Compare(self.expr(&c.expr)?, ops)
            }
            ast::Expr::IfExpr(i) => ExprKind::If {
                test: self.expr(&i.test_expr)?,
                yes: self.expr(&i.true_expr)?,
                no: self.maybe(&i.false_expr)?,
            },
            ast::Expr::Filter(f) => {
                ExprKind::Filter { name: f.name.into(), input: self.maybe(&f.expr)?, args: self.args(&f.args)? }
            }
            ast::Expr::Test(t) => {
                ExprKind::Test { name: t.name.into(), input: self.expr(&t.expr)?, args: self.args(&t.args)? }
            }
            ast::Expr::GetAttr(a) => ExprKind::Attr(self.expr(&a.expr)?, a.name.into()),
            ast::Expr::GetItem(i) => ExprKind::Item(self.expr(&i.expr)?, self.expr(&i.subscript_expr)?),
            ast::Expr::Slice(s) => ExprKind::Slice(
                self.expr(&s.expr)?,
                [self.maybe(&s.start)?, self.maybe(&s.stop)?, self.maybe(&s.step)?],
            ),
            ast::Expr::Call(c) => self.call(c)?,
        };
        let mut place = at(expr.span());
        // minijinja starts filters and tests at their name.
        if let ExprKind::Filter { input: Some(input), .. } | ExprKind::Test { input, .. } = &kind {
            place.start = place.start.min(input.at.start);
        }
        Ok(Expr { at: place, kind: Box::new(kind) })
    }

    fn binary(&self, b: &ast::BinOp<'_>) -> L<ExprKind> {
        use ast::BinOpKind as B;
        let (left, right) = (self.expr(&b.left)?, self.expr(&b.right)?);
        let compare = |op, left, right| ExprKind::Compare(left, vec![(op, right)]);
        Ok(match b.op {
            B::Eq => compare(Cmp::Eq, left, right),
            B::Ne => compare(Cmp::Ne, left, right),
            B::Lt => compare(Cmp::Lt, left, right),
            B::Lte => compare(Cmp::Le, left, right),
            B::Gt => compare(Cmp::Gt, left, right),
            B::Gte => compare(Cmp::Ge, left, right),
            B::In => compare(Cmp::In, left, right),
            B::ScAnd => ExprKind::And(left, right),
            B::ScOr => ExprKind::Or(left, right),
            B::Add => ExprKind::Math(Op::Add, left, right),
            B::Sub => ExprKind::Math(Op::Sub, left, right),
            B::Mul => ExprKind::Math(Op::Mul, left, right),
            B::Div => ExprKind::Math(Op::Div, left, right),
            B::FloorDiv => ExprKind::Math(Op::FloorDiv, left, right),
            B::Rem => ExprKind::Math(Op::Mod, left, right),
            B::Pow => ExprKind::Math(Op::Pow, left, right),
            B::Concat => ExprKind::Concat(left, right),
        })
    }

    fn constant(&self, value: &minijinja::Value, at: At) -> ExprKind {
        use minijinja::value::ValueKind;
        let constant = match value.kind() {
            ValueKind::Bool => Val::Bool(value.is_true()),
            ValueKind::None | ValueKind::Undefined => Val::None,
            ValueKind::String => {
                let text = literal::strings(self.slice(at), self.syntax.mode == Mode::Inline)
                    .unwrap_or_else(|| value.as_str().unwrap_or("").to_owned());
                let marks = &self.syntax.options;
                let starts = [&marks.variable_start_string, &marks.block_start_string, &marks.comment_start_string];
                if starts.iter().any(|mark| text.contains(mark.as_str())) {
                    return ExprKind::Embedded(text.into());
                }
                Val::str(text)
            }
            _ if value.is_integer() => match i128::try_from(value.clone()) {
                Ok(i) => Val::int(i),
                Err(_) => Val::Float(f64::try_from(value.clone()).unwrap_or(f64::INFINITY)),
            },
            _ => Val::Float(f64::try_from(value.clone()).unwrap_or(f64::NAN)),
        };
        ExprKind::Const(constant)
    }
}
