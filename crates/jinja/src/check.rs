//! What can be said about a template before anything runs: unknown names, and which variables it reads.

use crate::syntax::{Arg, At, Expr, ExprKind, Mode, Program, Stmt, StmtKind, Target};
use crate::{PluginKind, Templar};
use imgbuild_diag::Diagnostic;
use std::collections::BTreeSet;

/// Visits every expression.
struct Walk<'a> {
    on_expr: &'a mut dyn FnMut(&Expr),
    on_set: &'a mut dyn FnMut(&str),
}

impl Walk<'_> {
    fn body(&mut self, body: &[Stmt]) {
        for stmt in body {
            self.stmt(stmt);
        }
    }

    fn target(&mut self, target: &Target) {
        match target {
            Target::Name(name) => (self.on_set)(name),
            Target::Attr(..) => {}
            Target::Many(all) => all.iter().for_each(|t| self.target(t)),
        }
    }

    fn make(&mut self, m: &crate::syntax::Macro) {
        (self.on_set)(&m.name);
        for (param, default) in &m.params {
            (self.on_set)(param);
            default.iter().for_each(|e| self.expr(e));
        }
        for name in ["varargs", "kwargs", "caller"] {
            (self.on_set)(name);
        }
        self.body(&m.body);
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::Text(_) | StmtKind::Break | StmtKind::Continue => {}
            StmtKind::Emit(e) | StmtKind::Do(e) | StmtKind::Extends(e) => self.expr(e),
            StmtKind::For(f) => {
                (self.on_set)("loop");
                self.target(&f.target);
                self.expr(&f.iter);
                f.filter.iter().for_each(|e| self.expr(e));
                self.body(&f.body);
                self.body(&f.otherwise);
            }
            StmtKind::If { test, yes, no } => {
                self.expr(test);
                self.body(yes);
                self.body(no);
            }
            StmtKind::With { sets, body } => {
                for (target, value) in sets {
                    self.target(target);
                    self.expr(value);
                }
                self.body(body);
            }
            StmtKind::Set(target, value) => {
                self.target(target);
                self.expr(value);
            }
            StmtKind::SetBlock { target, filter, body } => {
                self.target(target);
                filter.iter().for_each(|e| self.expr(e));
                self.body(body);
            }
            StmtKind::FilterBlock { filter, body } => {
                self.expr(filter);
                self.body(body);
            }
            StmtKind::Block(b) => {
                (self.on_set)("super");
                (self.on_set)("self");
                self.body(&b.body);
            }
            StmtKind::Include { name, .. } => self.expr(name),
            StmtKind::Import { name, target, .. } => {
                (self.on_set)(target);
                self.expr(name);
            }
            StmtKind::FromImport { name, names, .. } => {
                names.iter().for_each(|(_, alias)| (self.on_set)(alias));
                self.expr(name);
            }
            StmtKind::Macro(m) => self.make(m),
            StmtKind::CallBlock { call, caller } => {
                self.expr(call);
                self.make(caller);
            }
            StmtKind::Scope(body) => self.body(body),
        }
    }

    fn args(&mut self, args: &[Arg]) {
        for arg in args {
            match arg {
                Arg::Pos(e) | Arg::Kw(_, e) | Arg::Splat(e) | Arg::KwSplat(e) => self.expr(e),
            }
        }
    }

    fn expr(&mut self, e: &Expr) {
        crate::eval::with_stack(|| self.expr_here(e));
    }

    fn expr_here(&mut self, e: &Expr) {
        (self.on_expr)(e);
        match &*e.kind {
            ExprKind::Const(_) | ExprKind::Embedded(_) | ExprKind::Var(_) => {}
            ExprKind::List(items) | ExprKind::Tuple(items) => items.iter().for_each(|i| self.expr(i)),
            ExprKind::Dict(pairs) => pairs.iter().for_each(|(k, v)| {
                self.expr(k);
                self.expr(v);
            }),
            ExprKind::Not(a) | ExprKind::Neg(a) | ExprKind::Attr(a, _) => self.expr(a),
            ExprKind::And(a, b) | ExprKind::Or(a, b) | ExprKind::Math(_, a, b) | ExprKind::Concat(a, b) => {
                self.expr(a);
                self.expr(b);
            }
            ExprKind::Item(a, b) => {
                self.expr(a);
                self.expr(b);
            }
            ExprKind::Compare(a, rest) => {
                self.expr(a);
                rest.iter().for_each(|(_, b)| self.expr(b));
            }
            ExprKind::If { test, yes, no } => {
                self.expr(test);
                self.expr(yes);
                no.iter().for_each(|e| self.expr(e));
            }
            ExprKind::Filter { input, args, .. } => {
                input.iter().for_each(|e| self.expr(e));
                self.args(args);
            }
            ExprKind::Test { input, args, .. } => {
                self.expr(input);
                self.args(args);
            }
            ExprKind::Slice(a, parts) => {
                self.expr(a);
                parts.iter().flatten().for_each(|e| self.expr(e));
            }
            ExprKind::Call(a, args) => {
                self.expr(a);
                self.args(args);
            }
        }
    }
}

/// Names that the template gives itself.
fn own_names(program: &Program) -> BTreeSet<String> {
    let mut own = BTreeSet::new();
    let mut on_set = |name: &str| {
        own.insert(name.to_owned());
    };
    Walk { on_expr: &mut |_| {}, on_set: &mut on_set }.body(&program.body);
    own
}

/// The variables that it reads.
pub(crate) fn references(program: &Program) -> BTreeSet<String> {
    let own = own_names(program);
    let mut found = BTreeSet::new();
    let mut nested = Vec::new();
    let mut on_expr = |e: &Expr| match &*e.kind {
        ExprKind::Var(name) if !own.contains(&**name) && !crate::functions::NAMES.contains(&&**name) => {
            found.insert(name.to_string());
        }
        ExprKind::Embedded(text) => nested.push(text.clone()),
        _ => {}
    };
    Walk { on_expr: &mut on_expr, on_set: &mut |_| {} }.body(&program.body);
    for text in nested {
        let syntax = crate::syntax::Syntax {
            mode: Mode::Inline,
            options: (*program.options).clone(),
            extensions: crate::Extensions::default(),
        };
        if let Ok(body) = crate::syntax::parse(&text, &syntax) {
            let inner = Program { name: "".into(), text, span: None, options: program.options.clone(), body };
            found.extend(references(&inner));
        }
    }
    found
}

/// Filters whose argument is the name of a filter or test.
const NAMING: [&str; 5] = ["map", "select", "reject", "selectattr", "rejectattr"];

/// Filters, tests, lookups and functions that do not exist.
pub(crate) fn unknown_names(templar: &Templar, program: &Program) -> Vec<Diagnostic> {
    let own = own_names(program);
    let mut found: Vec<Diagnostic> = Vec::new();
    let mut report = |kind: &str, name: &str, at: At, known: Vec<&'static str>| {
        let place = program.span_of(at);
        found.push(Diagnostic::error(format!("No {kind} named '{name}'")).at_opt(place.as_ref()).suggest(name, known));
    };
    // Why one of the user's that may be meant can't be used.
    let mut unusable: Vec<(String, At)> = Vec::new();
    let mut brought = |kind: PluginKind, name: &str, at: At| match templar.lookups().brought(kind, name) {
        Ok(there) => there,
        Err(why) => {
            unusable.push((why, at));
            true
        }
    };
    let mut on_expr = |e: &Expr| match &*e.kind {
        ExprKind::Filter { name, .. }
            if crate::filters::find(name).is_none()
                && !crate::filters::test_as_filter(name)
                && !brought(PluginKind::Filter, name, e.at) =>
        {
            report("filter", name, e.at, crate::filters::names());
        }
        ExprKind::Test { name, .. } if crate::tests::find(name).is_none() && !brought(PluginKind::Test, name, e.at) => {
            report("test", name, e.at, crate::tests::names());
        }
        // `map('name')` and its kin name filters and tests, too.
        ExprKind::Filter { name, args, .. } if NAMING.contains(&&**name) => {
            let position = usize::from(name.ends_with("attr"));
            let mut positional = args.iter().filter_map(|a| if let Arg::Pos(e) = a { Some(e) } else { None });
            let Some(given) = positional.nth(position) else { return };
            let ExprKind::Const(crate::val::Val::Str(inner)) = &*given.kind else { return };
            let inner = &*inner.text;
            if &**name == "map" {
                if crate::filters::find(inner).is_none()
                    && !crate::filters::test_as_filter(inner)
                    && !brought(PluginKind::Filter, inner, given.at)
                {
                    report("filter", inner, given.at, crate::filters::names());
                }
            } else if crate::tests::find(inner).is_none() && !brought(PluginKind::Test, inner, given.at) {
                report("test", inner, given.at, crate::tests::names());
            }
        }
        ExprKind::Call(callee, args) => {
            let ExprKind::Var(name) = &*callee.kind else { return };
            if ["lookup", "query", "q"].contains(&&**name)
                && !own.contains(&**name)
                && let Some(Arg::Pos(plugin)) = args.first()
                && let ExprKind::Const(crate::val::Val::Str(plugin_name)) = &*plugin.kind
                && !crate::lookups::known(templar, crate::lookups::short(&plugin_name.text))
            {
                report("lookup plugin", &plugin_name.text, plugin.at, crate::lookups::PURE.to_vec());
            }
        }
        _ => {}
    };
    Walk { on_expr: &mut on_expr, on_set: &mut |_| {} }.body(&program.body);
    for (why, at) in unusable {
        found.push(Diagnostic::error(why).at_opt(program.span_of(at).as_ref()));
    }
    found
}
