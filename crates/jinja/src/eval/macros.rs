//! `{% macro %}`, `{% call %}` and `caller`.

use super::object::{Object, downcast};
use super::{Args, Cx, Env, expr, fail, stmt, undefined};
use crate::Key;
use crate::syntax::{Expr, ExprKind, Macro};
use crate::val::{Entries, R, Val};
use std::any::Any;
use std::sync::Arc;

/// A macro with the scope that it was defined in.
pub(crate) struct MacroObject {
    pub def: Arc<Macro>,
    pub env: Env,
    pub caller: Option<Val>,
}

/// Calls the macro of a `{% call %}` with its body as `caller`.
pub(crate) fn call_with_caller(cx: &Cx<'_>, env: &Env, call: &Expr, caller: Val) -> R {
    let ExprKind::Call(callee, args) = &*call.kind else { return Err(fail("expected a call")) };
    let function = expr::eval(cx, env, callee)?;
    let mut args = expr::arguments(cx, env, args)?;
    match downcast::<MacroObject>(&function) {
        Some(m) => m.invoke(cx, args, Some(caller)),
        None => {
            args.kw.push(("caller".into(), caller));
            expr::invoke(cx, &function, args, env.program.snippet(callee.at))
        }
    }
}

impl MacroObject {
    fn invoke(&self, cx: &Cx<'_>, mut args: Args, caller: Option<Val>) -> R {
        let name = &self.def.name;
        let inner = self.env.inner();
        let mut rest = args.pos.split_off(args.pos.len().min(self.def.params.len())).into_iter();
        let mut given = args.pos.drain(..).map(Some).collect::<Vec<_>>();
        given.resize_with(self.def.params.len(), || None);
        let caller = args.take("caller").or(caller).or_else(|| self.caller.clone());
        for ((param, default), value) in self.def.params.iter().zip(given) {
            let keyword = args.take(param);
            let value = match (value, keyword) {
                (Some(_), Some(_)) => {
                    return Err(fail(format!("macro '{name}' got multiple values for argument '{param}'")));
                }
                (Some(v), None) | (None, Some(v)) => v,
                // Defaults see the parameters before them.
                (None, None) => match default {
                    Some(default) => expr::eval(cx, &inner, default)?,
                    None => undefined(format!("parameter '{param}' was not provided"), Some(param.to_string())),
                },
            };
            inner.scope.set(param.clone(), value);
        }
        if self.def.uses_varargs {
            inner.scope.set("varargs".into(), Val::tuple(rest.by_ref().collect()));
        } else if rest.next().is_some() {
            return Err(fail(format!("macro '{name}' takes not more than {} argument(s)", self.def.params.len())));
        }
        if self.def.uses_kwargs {
            let all: Entries = args.kw.drain(..).map(|(k, v)| (Key::Str(k), v)).collect();
            inner.scope.set("kwargs".into(), Val::dict(all));
        } else if let Some((keyword, _)) = args.kw.first() {
            return Err(fail(format!("macro '{name}' takes no keyword argument '{keyword}'")));
        }
        let caller = caller.unwrap_or_else(|| undefined("No caller defined", Some("caller".into())));
        inner.scope.set("caller".into(), caller);
        // A macro prints wherever it is called, also below `{% extends %}`.
        let inner = Env { parent: Arc::default(), ..inner };
        let mut nodes = Vec::new();
        stmt::exec(cx, &inner, &self.def.body, &mut nodes)?;
        cx.concat(nodes)
    }
}

impl Object for MacroObject {
    fn type_name(&self) -> &'static str {
        "Macro"
    }
    fn str(&self) -> String {
        format!("<Macro '{}'>", self.def.name)
    }
    fn attr(&self, _: &Cx<'_>, name: &str) -> Option<R> {
        Some(Ok(match name {
            "name" => Val::str(self.def.name.clone()),
            "arguments" => Val::tuple(self.def.params.iter().map(|(p, _)| Val::str(p.clone())).collect()),
            "catch_varargs" => Val::Bool(self.def.uses_varargs),
            "catch_kwargs" => Val::Bool(self.def.uses_kwargs),
            "caller" => Val::Bool(self.caller.is_some()),
            _ => return None,
        }))
    }
    fn callable(&self) -> bool {
        true
    }
    fn takes_markers(&self) -> bool {
        true
    }
    fn call(&self, cx: &Cx<'_>, args: Args) -> R {
        self.invoke(cx, args, None)
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}
