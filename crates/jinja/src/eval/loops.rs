//! `{% for %}` and `loop`.

use super::object::Object;
use super::{Args, Cx, Env, expr, fail, stmt, undefined};
use crate::syntax::For;
use crate::val::compare::equal;
use crate::val::{R, Val};
use std::any::Any;
use std::sync::{Arc, Mutex};

/// Runs a loop.
pub(crate) fn run(cx: &Cx<'_>, env: &Env, f: &Arc<For>, out: &mut Vec<Val>) -> R<()> {
    let over = expr::used(cx, env, &f.iter)?;
    let items = cx.items(&over).map_err(|e| env.program.locate(e, f.iter.at))?;
    turns(cx, env, f, items, 0, out)
}

fn turns(cx: &Cx<'_>, env: &Env, f: &Arc<For>, items: Vec<Val>, depth: usize, out: &mut Vec<Val>) -> R<()> {
    let mut chosen = Vec::with_capacity(items.len());
    for item in items {
        if let Some(filter) = &f.filter {
            let inner = env.inner();
            stmt::assign(cx, &inner, &f.target, item.clone())?;
            if !expr::truth(cx, &inner, filter)? {
                continue;
            }
        }
        chosen.push(item);
    }
    if chosen.is_empty() {
        return stmt::exec(cx, &env.inner(), &f.otherwise, out);
    }
    let chosen = Arc::new(chosen);
    let changed = Arc::new(Mutex::new(None));
    for (index, item) in chosen.iter().enumerate() {
        cx.step()?;
        let inner = env.inner();
        let state = LoopObject {
            items: chosen.clone(),
            index,
            depth,
            changed: changed.clone(),
            recursive: f.recursive.then(|| (f.clone(), env.clone())),
        };
        inner.scope.set("loop".into(), Val::obj(state));
        stmt::assign(cx, &inner, &f.target, item.clone())?;
        stmt::exec(cx, &inner, &f.body, out)?;
        if cx.leaving.take() == Some(super::Leave::Break) {
            break;
        }
    }
    Ok(())
}

/// `loop`.
struct LoopObject {
    items: Arc<Vec<Val>>,
    index: usize,
    depth: usize,
    /// What `loop.changed` saw last.
    changed: Arc<Mutex<Option<Val>>>,
    recursive: Option<(Arc<For>, Env)>,
}

impl Object for LoopObject {
    fn type_name(&self) -> &'static str {
        "LoopContext"
    }
    fn str(&self) -> String {
        format!("<LoopContext {}/{}>", self.index + 1, self.items.len())
    }
    fn len(&self) -> Option<usize> {
        Some(self.items.len())
    }
    fn attr(&self, _: &Cx<'_>, name: &str) -> Option<R> {
        let n = self.items.len();
        Some(Ok(match name {
            "index" => Val::from(self.index + 1),
            "index0" => Val::from(self.index),
            "revindex" => Val::from(n - self.index),
            "revindex0" => Val::from(n - self.index - 1),
            "first" => Val::Bool(self.index == 0),
            "last" => Val::Bool(self.index + 1 == n),
            "length" => Val::from(n),
            "depth" => Val::from(self.depth + 1),
            "depth0" => Val::from(self.depth),
            "previtem" => match self.index.checked_sub(1).and_then(|i| self.items.get(i)) {
                Some(item) => item.clone(),
                None => undefined("there is no previous item", None),
            },
            "nextitem" => match self.items.get(self.index + 1) {
                Some(item) => item.clone(),
                None => undefined("there is no next item", None),
            },
            _ => return None,
        }))
    }
    fn method(&self, cx: &Cx<'_>, name: &str, args: &Args) -> Option<R> {
        match name {
            "cycle" if args.pos.is_empty() => Some(Err(fail("no items for cycling given"))),
            "cycle" => Some(Ok(args.pos[self.index % args.pos.len()].clone())),
            "changed" => {
                let now = match cx.open(&Val::tuple(args.pos.clone())) {
                    Ok(now) => now,
                    Err(e) => return Some(Err(e)),
                };
                let mut last = self.changed.lock().unwrap_or_else(|e| e.into_inner());
                let changed = !last.as_ref().is_some_and(|last| equal(last, &now));
                *last = Some(now);
                Some(Ok(Val::Bool(changed)))
            }
            _ => None,
        }
    }
    fn callable(&self) -> bool {
        true
    }
    fn call(&self, cx: &Cx<'_>, args: Args) -> R {
        let Some((f, env)) = &self.recursive else {
            return Err(fail("The loop must have the 'recursive' marker to be called recursively."));
        };
        let bound = args.bind(["iterable"])?;
        let items = cx.items(bound.need(0)?)?;
        let mut nodes = Vec::new();
        turns(cx, env, f, items, self.depth + 1, &mut nodes)?;
        cx.concat(nodes)
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}
