//! Statements.

use super::object::{Object, downcast};
use super::{Args, Cx, Env, Scope, expr, fail, file, loops, macros};
use crate::syntax::{Block, Body, Expr, Program, Stmt, StmtKind, Target};
use crate::val::{R, Val};
use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// The blocks of a template and of those that it extends: the most derived first.
#[derive(Default)]
pub(crate) struct Blocks(Mutex<HashMap<Arc<str>, Vec<Definition>>>);

/// A block and the template that it stands in.
type Definition = (Arc<Block>, Arc<Program>);

impl Blocks {
    fn any(&self) -> bool {
        !self.0.lock().unwrap_or_else(|e| e.into_inner()).is_empty()
    }

    fn get(&self, name: &str, level: usize) -> Option<Definition> {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).get(name).and_then(|b| b.get(level)).cloned()
    }

    fn collect(&self, body: &Body, program: &Arc<Program>) {
        for stmt in body.iter() {
            match &stmt.kind {
                StmtKind::Block(block) => {
                    self.0
                        .lock()
                        .unwrap_or_else(|e| e.into_inner())
                        .entry(block.name.clone())
                        .or_default()
                        .push((block.clone(), program.clone()));
                    self.collect(&block.body, program);
                }
                StmtKind::If { yes, no, .. } => {
                    self.collect(yes, program);
                    self.collect(no, program);
                }
                StmtKind::For(f) => {
                    self.collect(&f.body, program);
                    self.collect(&f.otherwise, program);
                }
                StmtKind::With { body, .. } | StmtKind::Scope(body) | StmtKind::FilterBlock { body, .. } => {
                    self.collect(body, program);
                }
                _ => {}
            }
        }
    }
}

/// Runs a template and those that it extends.
pub(crate) fn run_root(cx: &Cx<'_>, env: &Env, out: &mut Vec<Val>) -> R<()> {
    let mut env = env.clone();
    let mut seen = vec![env.program.name.clone()];
    loop {
        env.blocks.collect(&env.program.body, &env.program);
        exec(cx, &env, &env.program.body, out)?;
        let Some(parent) = env.extended() else { return Ok(()) };
        if seen.len() > cx.templar.limits().depth as usize {
            return Err(fail(format!("'{}' extends itself", seen[0])));
        }
        seen.push(parent.name.clone());
        env = Env { program: parent, parent: Arc::default(), ..env };
    }
}

/// Runs statements one after the other.
pub(crate) fn exec(cx: &Cx<'_>, env: &Env, body: &[Stmt], out: &mut Vec<Val>) -> R<()> {
    for stmt in body {
        cx.step()?;
        let before = out.len();
        super::limits::with_stack(|| exec_one(cx, env, stmt, out)).map_err(|e| env.program.locate(e, stmt.at))?;
        // What follows `{% extends %}` sets names and defines blocks, but prints nothing.
        if !matches!(stmt.kind, StmtKind::Extends(_)) && env.extended().is_some() {
            out.truncate(before);
        }
        if cx.leaving.get().is_some() {
            return Ok(());
        }
    }
    Ok(())
}

fn exec_one(cx: &Cx<'_>, env: &Env, stmt: &Stmt, out: &mut Vec<Val>) -> R<()> {
    match &stmt.kind {
        StmtKind::Text(text) => out.push(Val::str(text.clone())),
        StmtKind::Emit(e) => out.push(expr::eval(cx, env, e)?),
        StmtKind::Do(e) => _ = expr::used(cx, env, e)?,
        StmtKind::Break => cx.leaving.set(Some(super::Leave::Break)),
        StmtKind::Continue => cx.leaving.set(Some(super::Leave::Continue)),
        StmtKind::For(f) => loops::run(cx, env, f, out)?,
        StmtKind::If { test, yes, no } => {
            let body = if expr::truth(cx, env, test)? { yes } else { no };
            exec(cx, env, body, out)?;
        }
        StmtKind::With { sets, body } => {
            let inner = env.inner();
            // Every value is computed in the outer scope.
            for (target, value) in sets {
                let value = expr::eval(cx, env, value)?;
                assign(cx, &inner, target, value)?;
            }
            exec(cx, &inner, body, out)?;
        }
        StmtKind::Set(target, value) => {
            let value = expr::eval(cx, env, value)?;
            assign(cx, env, target, value)?;
        }
        StmtKind::SetBlock { target, filter, body } => {
            let value = capture(cx, env, body)?;
            let value = match filter {
                Some(filter) => filtered(cx, env, filter, value)?,
                None => value,
            };
            assign(cx, env, target, value)?;
        }
        StmtKind::FilterBlock { filter, body } => {
            let value = capture(cx, env, body)?;
            out.push(filtered(cx, env, filter, value)?);
        }
        StmtKind::Block(block) => {
            if env.extended().is_none() {
                out.push(render_block(cx, env, &block.name, 0)?);
            }
        }
        StmtKind::Extends(name) => {
            if env.extended().is_some() {
                return Err(fail("extended multiple times"));
            }
            let name = expr::used(cx, env, name)?;
            let program = file::load_one(cx, env, &name)?;
            *env.parent.lock().unwrap_or_else(|e| e.into_inner()) = Some(program);
        }
        StmtKind::Include { name, ignore_missing, context } => {
            let name = expr::used(cx, env, name)?;
            file::include(cx, env, &name, *ignore_missing, *context, out)?;
        }
        StmtKind::Import { name, target, context } => {
            let name = expr::used(cx, env, name)?;
            let module = file::import(cx, env, &name, *context)?;
            env.scope.set(target.clone(), Val::obj(module));
        }
        StmtKind::FromImport { name, names, context } => {
            let file = expr::used(cx, env, name)?;
            let module = file::import(cx, env, &file, *context)?;
            for (name, alias) in names {
                env.scope.set(alias.clone(), module.export(name));
            }
        }
        StmtKind::Macro(m) => {
            let value = Val::obj(macros::MacroObject { def: m.clone(), env: env.clone(), caller: None });
            env.scope.set(m.name.clone(), value);
            cx.tie(&env.scope);
        }
        StmtKind::CallBlock { call, caller } => {
            let inner = env.inner();
            let caller = Val::obj(macros::MacroObject { def: caller.clone(), env: inner.clone(), caller: None });
            out.push(macros::call_with_caller(cx, env, call, caller)?);
        }
        StmtKind::Scope(body) => exec(cx, &env.inner(), body, out)?,
    }
    Ok(())
}

/// What a body prints, in a scope of its own.
pub(crate) fn capture(cx: &Cx<'_>, env: &Env, body: &[Stmt]) -> R {
    let mut nodes = Vec::new();
    exec(cx, &env.inner(), body, &mut nodes)?;
    cx.concat(nodes)
}

/// Applies a `{% filter %}` chain.
fn filtered(cx: &Cx<'_>, env: &Env, filter: &Expr, value: Val) -> R {
    let crate::syntax::ExprKind::Filter { name, input, args } = &*filter.kind else {
        return Err(fail("expected a filter"));
    };
    let value = match input {
        Some(inner) => filtered(cx, env, inner, value)?,
        None => value,
    };
    let args = expr::arguments(cx, env, args)?;
    crate::filters::apply(cx, env, name, value, args)
}

/// Assigns, unpacking where the target has several names.
pub(crate) fn assign(cx: &Cx<'_>, env: &Env, target: &Target, value: Val) -> R<()> {
    match target {
        Target::Name(name) => env.scope.set(name.clone(), value),
        Target::Attr(object, name) => {
            let found = super::vars::lookup(cx, env, object)?;
            let done = downcast::<crate::functions::Namespace>(&found).is_some_and(|ns| ns.set_attr(name, value));
            if !done {
                return Err(fail("cannot assign attribute on non-namespace object"));
            }
        }
        Target::Many(targets) => {
            let items = cx.items(&value).map_err(|e| {
                if e.message.ends_with("is not iterable") {
                    fail(format!("cannot unpack non-iterable {} object", value.type_name()))
                } else {
                    e
                }
            })?;
            let (want, got) = (targets.len(), items.len());
            if got < want {
                return Err(fail(format!("not enough values to unpack (expected {want}, got {got})")));
            }
            if got > want {
                return Err(fail(format!("too many values to unpack (expected {want})")));
            }
            for (target, item) in targets.iter().zip(items) {
                assign(cx, env, target, item)?;
            }
        }
    }
    Ok(())
}

/// Renders the `level`-th definition of a block.
fn render_block(cx: &Cx<'_>, env: &Env, name: &str, level: usize) -> R {
    let Some((block, program)) = env.blocks.get(name, level) else {
        return Ok(super::undefined(format!("there is no parent block called '{name}'."), None));
    };
    if block.required && level == 0 && env.blocks.get(name, 1).is_none() {
        return Err(fail(format!("Required block '{name}' not found")));
    }
    let _guard = super::limits::deeper(cx.templar.limits().depth)?;
    let inner = Env { program, scope: Scope::child(&env.scope), parent: Arc::default(), ..env.clone() };
    inner.scope.set("super".into(), Val::obj(BlockRef { name: name.to_owned(), level: level + 1, env: env.clone() }));
    let mut nodes = Vec::new();
    exec(cx, &inner, &block.body, &mut nodes)?;
    cx.concat(nodes)
}

/// `super` and `self.name`.
struct BlockRef {
    name: String,
    level: usize,
    env: Env,
}

impl Object for BlockRef {
    fn type_name(&self) -> &'static str {
        "BlockReference"
    }
    fn callable(&self) -> bool {
        true
    }
    fn call(&self, cx: &Cx<'_>, _: Args) -> R {
        render_block(cx, &self.env, &self.name, self.level)
    }
    fn attr(&self, _: &Cx<'_>, name: &str) -> Option<R> {
        (name == "super")
            .then(|| Ok(Val::obj(BlockRef { name: self.name.clone(), level: self.level + 1, env: self.env.clone() })))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `self` where a template has blocks.
pub(crate) fn self_ref(env: &Env) -> Option<Val> {
    env.blocks.any().then(|| Val::obj(SelfRef { env: env.clone() }))
}

/// The blocks by name: `self.title()`.
struct SelfRef {
    env: Env,
}

impl Object for SelfRef {
    fn type_name(&self) -> &'static str {
        "TemplateReference"
    }
    fn attr(&self, _: &Cx<'_>, name: &str) -> Option<R> {
        self.env.blocks.get(name, 0)?;
        Some(Ok(Val::obj(BlockRef { name: name.to_owned(), level: 0, env: self.env.clone() })))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}
