//! Global functions and `omit`.

use crate::eval::object::{Object, downcast};
use crate::eval::{Args, Cx, fail, int, undefined};
use crate::val::compare::equal;
use crate::val::repr::to_repr;
use crate::val::{Entries, R, Val};
use crate::{ErrorKind, Key, LookupError, Map, TemplateError, Value};
use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// The names of the functions: for "did you mean".
pub const NAMES: &[&str] =
    &["cycler", "dict", "joiner", "lipsum", "lookup", "namespace", "now", "omit", "q", "query", "range", "undef"];

/// A global by its name.
pub(crate) fn global(name: &str) -> Option<Val> {
    Some(match name {
        "omit" => Val::Omit,
        "lookup" => Val::obj(Lookup { list: false }),
        "query" | "q" => Val::obj(Lookup { list: true }),
        "range" => function("range", range),
        "dict" => function("dict", dict),
        "namespace" => function("namespace", namespace),
        "cycler" => function("cycler", cycler),
        "joiner" => function("joiner", joiner),
        "lipsum" => function("lipsum", lipsum),
        "now" => function("now", crate::filters::time::now),
        "undef" => function("undef", undef),
        _ => return None,
    })
}

type Body = fn(&Cx<'_>, Args) -> R;

struct Function {
    name: &'static str,
    body: Body,
}

fn function(name: &'static str, body: Body) -> Val {
    Val::obj(Function { name, body })
}

impl Object for Function {
    fn type_name(&self) -> &'static str {
        "function"
    }
    fn str(&self) -> String {
        format!("<function {}>", self.name)
    }
    fn callable(&self) -> bool {
        true
    }
    fn call(&self, cx: &Cx<'_>, args: Args) -> R {
        (self.body)(cx, args)
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `lookup`, `query` and `q`.
pub(crate) struct Lookup {
    list: bool,
}

impl Object for Lookup {
    fn type_name(&self) -> &'static str {
        "function"
    }
    fn callable(&self) -> bool {
        true
    }
    fn takes_markers(&self) -> bool {
        true
    }
    fn call(&self, cx: &Cx<'_>, args: Args) -> R {
        run_lookup(cx, args, self.list)
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn run_lookup(cx: &Cx<'_>, mut args: Args, list: bool) -> R {
    if args.pos.is_empty() {
        return Err(fail("lookup() missing 1 required positional argument: 'plugin_name'"));
    }
    let plugin = args.pos.remove(0);
    if let Some(m) = plugin.marker() {
        return Err((**m).clone());
    }
    let plugin = cx.text(&plugin)?;
    let name = crate::lookups::short(&plugin).to_owned();
    if !crate::lookups::known(cx.templar, &name) {
        return Err(TemplateError::new(ErrorKind::UnknownName, format!("The lookup plugin '{plugin}' was not found.")));
    }
    // `env` takes an undefined default; for all others one such argument is the result.
    if name != "env"
        && let Some(m) = args.marker()
        && !cx.templar.lookups().takes_undefined(&name)
    {
        return Ok(m.clone());
    }
    let list = args.take("wantlist").map_or(list, |v| v.truth());
    let errors = args.take("errors").map_or_else(|| "strict".to_owned(), |v| crate::val::repr::to_str(&v));
    let mut terms = Vec::new();
    for term in &args.pos {
        terms.push(match term.marker() {
            Some(missing) => Value::undefined(&missing.message),
            None => cx.finish(term)?,
        });
    }
    let mut kwargs = Map::new();
    for (key, value) in &args.kw {
        if value.marker().is_none() || name != "env" {
            kwargs.insert(Key::Str(key.clone()), cx.finish(value)?);
        }
    }
    let found = match crate::lookups::run(cx.templar, &name, terms, kwargs, cx.vars, None) {
        Ok(found) => found,
        Err(LookupError::Template(e)) if e.is_undefined() => return Ok(Val::Marker(Arc::new(e))),
        Err(error) => {
            let unknown = matches!(error, LookupError::Unknown(_));
            match errors.as_str() {
                "ignore" => {}
                "warn" => cx.warn(format!("An error occurred while running the lookup plugin '{plugin}': {error}")),
                _ if unknown => {
                    return Err(TemplateError::new(
                        ErrorKind::UnknownName,
                        format!("The lookup plugin '{plugin}' was not found."),
                    ));
                }
                _ => {
                    let mut failed = match error {
                        LookupError::Template(e) => e,
                        other => TemplateError::new(ErrorKind::Lookup, other.to_string()),
                    };
                    let message = format!("The lookup plugin '{plugin}' failed: {}", failed.message);
                    failed.detail_mut().message = message;
                    return Err(failed);
                }
            }
            return Ok(if list { Val::list(Vec::new()) } else { Val::None });
        }
    };
    let back = |value: Value| match value.as_undefined() {
        Some(message) => Val::Marker(Arc::new(TemplateError::new(ErrorKind::Undefined, message))),
        None => Val::from(crate::lookups::as_data(value)),
    };
    let mut found: Vec<Val> = found.into_iter().map(back).collect();
    if list {
        return Ok(Val::list(found));
    }
    match found.len() {
        1 => Ok(found.swap_remove(0)),
        0 => Ok(Val::list(found)),
        _ if found.iter().all(|v| matches!(v, Val::Str(_))) => {
            let texts: Vec<&str> = found.iter().filter_map(Val::as_str).collect();
            Ok(Val::str(texts.join(",")))
        }
        _ => Ok(Val::list(found)),
    }
}

fn undef(_: &Cx<'_>, args: Args) -> R {
    let bound = args.bind(["hint"])?;
    let hint = bound.text_or(0, "");
    let hint = if hint.is_empty() { "Mandatory variable has not been overridden".to_owned() } else { hint };
    Ok(undefined(hint, None))
}

fn dict(cx: &Cx<'_>, args: Args) -> R {
    let mut out = Entries::new();
    match args.pos.as_slice() {
        [] => {}
        [Val::Dict(d)] => out.extend(d.entries().iter().map(|(k, v)| (k.clone(), v.clone()))),
        [Val::Obj(o)] if o.is_mapping() => out.extend(cx.pairs(&args.pos[0])?),
        [pairs] => {
            for (i, pair) in cx.each(pairs)?.iter().enumerate() {
                let pair = cx.items(pair).map_err(|_| {
                    fail(format!("cannot convert dictionary update sequence element #{i} to a sequence"))
                })?;
                let [key, value] = pair.as_slice() else {
                    return Err(fail(format!(
                        "dictionary update sequence element #{i} has length {}; 2 is required",
                        pair.len()
                    )));
                };
                let key = key.to_key().ok_or_else(|| fail(format!("unhashable type: '{}'", key.type_name())))?;
                out.insert(key, value.clone());
            }
        }
        more => return Err(fail(format!("dict expected at most 1 argument, got {}", more.len()))),
    }
    out.extend(args.kw.into_iter().map(|(k, v)| (Key::Str(k), v)));
    Ok(Val::dict(out))
}

/// `range`: never a list in memory until it is walked.
pub(crate) struct Range {
    start: i64,
    stop: i64,
    step: i64,
}

fn range(_: &Cx<'_>, args: Args) -> R {
    args.no_kw()?;
    let numbers = args.pos.iter().map(int).collect::<R<Vec<i64>>>()?;
    let (start, stop, step) = match numbers.as_slice() {
        [stop] => (0, *stop, 1),
        [start, stop] => (*start, *stop, 1),
        [_, _, 0] => return Err(fail("range() arg 3 must not be zero")),
        [start, stop, step] => (*start, *stop, *step),
        _ => return Err(fail(format!("range expected 1 to 3 arguments, got {}", numbers.len()))),
    };
    Ok(Val::obj(Range { start, stop, step }))
}

impl Range {
    fn count(&self) -> usize {
        let (a, b, s) = (i128::from(self.start), i128::from(self.stop), i128::from(self.step));
        let n = if s > 0 { (b - a + s - 1).div_euclid(s) } else { (a - b - s - 1).div_euclid(-s) };
        usize::try_from(n.max(0)).unwrap_or(usize::MAX)
    }
    pub fn at(&self, i: usize) -> Val {
        Val::int(i128::from(self.start) + i as i128 * i128::from(self.step))
    }
}

impl Object for Range {
    fn type_name(&self) -> &'static str {
        "range"
    }
    fn str(&self) -> String {
        match self.step {
            1 => format!("range({}, {})", self.start, self.stop),
            step => format!("range({}, {}, {step})", self.start, self.stop),
        }
    }
    fn len(&self) -> Option<usize> {
        Some(self.count())
    }
    fn item(&self, _: &Cx<'_>, key: &Val) -> Option<R> {
        let n = self.count() as i128;
        let i = key.as_int()?;
        let i = if i < 0 { i + n } else { i };
        (0..n).contains(&i).then(|| Ok(self.at(i as usize)))
    }
    fn iter(&self, cx: &Cx<'_>) -> Option<R<Vec<Val>>> {
        let n = self.count();
        Some(cx.spend(n).map(|()| (0..n).map(|i| self.at(i)).collect()))
    }
    fn contains(&self, key: &Val) -> Option<bool> {
        let Some(i) = key.as_int() else { return Some(false) };
        let (a, s) = (i128::from(self.start), i128::from(self.step));
        let inside = if s > 0 { i >= a && i < i128::from(self.stop) } else { i <= a && i > i128::from(self.stop) };
        Some(inside && (i - a) % s == 0)
    }
    fn equal(&self, other: &Val) -> bool {
        downcast::<Range>(other).is_some_and(|o| {
            o.count() == self.count()
                && (self.count() == 0 || equal(&self.at(0), &o.at(0)))
                && (self.count() < 2 || self.step == o.step)
        })
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `namespace`.
pub(crate) struct Namespace(Mutex<HashMap<Arc<str>, Val>>);

fn namespace(cx: &Cx<'_>, args: Args) -> R {
    let Val::Dict(d) = dict(cx, args)? else { return Err(fail("namespace() takes mappings")) };
    let names = d.entries().iter().map(|(k, v)| (crate::val::repr::key_str(k).into(), v.clone())).collect();
    Ok(Val::obj(Namespace(Mutex::new(names))))
}

impl Object for Namespace {
    fn type_name(&self) -> &'static str {
        "Namespace"
    }
    fn str(&self) -> String {
        let names = self.0.lock().unwrap_or_else(|e| e.into_inner());
        let mut shown: Vec<String> = names.iter().map(|(k, v)| format!("'{k}': {}", to_repr(v))).collect();
        shown.sort();
        format!("<Namespace {{{}}}>", shown.join(", "))
    }
    fn attr(&self, _: &Cx<'_>, name: &str) -> Option<R> {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).get(name).cloned().map(Ok)
    }
    fn item(&self, cx: &Cx<'_>, key: &Val) -> Option<R> {
        self.attr(cx, key.as_str()?)
    }
    fn set_attr(&self, name: &str, value: Val) -> bool {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).insert(name.into(), value);
        true
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `cycler`.
struct Cycler {
    items: Vec<Val>,
    next: Mutex<usize>,
}

fn cycler(_: &Cx<'_>, args: Args) -> R {
    if args.pos.is_empty() {
        return Err(fail("at least one item has to be provided"));
    }
    Ok(Val::obj(Cycler { items: args.pos, next: Mutex::new(0) }))
}

impl Object for Cycler {
    fn type_name(&self) -> &'static str {
        "Cycler"
    }
    fn attr(&self, _: &Cx<'_>, name: &str) -> Option<R> {
        let at = *self.next.lock().unwrap_or_else(|e| e.into_inner());
        (name == "current").then(|| Ok(self.items[at % self.items.len()].clone()))
    }
    fn method(&self, _: &Cx<'_>, name: &str, _: &Args) -> Option<R> {
        let mut next = self.next.lock().unwrap_or_else(|e| e.into_inner());
        match name {
            "next" => {
                let found = self.items[*next % self.items.len()].clone();
                *next += 1;
                Some(Ok(found))
            }
            "reset" => {
                *next = 0;
                Some(Ok(Val::None))
            }
            _ => None,
        }
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `joiner`.
struct Joiner {
    separator: Val,
    used: Mutex<bool>,
}

fn joiner(_: &Cx<'_>, args: Args) -> R {
    let bound = args.bind(["sep"])?;
    let separator = bound.get(0).cloned().unwrap_or_else(|| Val::str(", "));
    Ok(Val::obj(Joiner { separator, used: Mutex::new(false) }))
}

impl Object for Joiner {
    fn type_name(&self) -> &'static str {
        "Joiner"
    }
    fn callable(&self) -> bool {
        true
    }
    fn call(&self, _: &Cx<'_>, _: Args) -> R {
        let mut used = self.used.lock().unwrap_or_else(|e| e.into_inner());
        Ok(if std::mem::replace(&mut *used, true) { self.separator.clone() } else { Val::str("") })
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

const WORDS: &str = "a ac accumsan ad adipiscing aenean aliquam aliquet amet ante aptent arcu at auctor augue bibendum \
    blandit class commodo condimentum congue consectetuer consequat conubia convallis cras cubilia cum curabitur curae \
    cursus dapibus diam dictum dictumst dignissim dis dolor donec dui duis egestas eget eleifend elementum elit enim erat \
    eros est et etiam eu euismod facilisi facilisis fames faucibus felis fermentum feugiat fringilla fusce gravida \
    habitant habitasse hac hendrerit hymenaeos iaculis id imperdiet in inceptos integer interdum ipsum justo lacinia \
    lacus laoreet lectus leo libero ligula litora lobortis lorem luctus maecenas magna magnis malesuada massa mattis \
    mauris metus mi molestie mollis montes morbi mus nam nascetur natoque nec neque netus nibh nisi nisl non nonummy \
    nostra nulla nullam nunc odio orci ornare parturient pede pellentesque penatibus per pharetra phasellus placerat \
    platea porta porttitor posuere potenti praesent pretium primis proin pulvinar purus quam quis quisque rhoncus \
    ridiculus risus rutrum sagittis sapien scelerisque sed sem semper senectus sit sociis sociosqu sodales sollicitudin \
    suscipit suspendisse taciti tellus tempor tempus tincidunt torquent tortor tristique turpis ullamcorper ultrices \
    ultricies urna ut varius vehicula vel velit venenatis vestibulum vitae vivamus viverra volutpat vulputate";

/// Filler text of `n` paragraphs.
fn lipsum(cx: &Cx<'_>, args: Args) -> R {
    let bound = args.bind(["n", "html", "min", "max"])?;
    let (n, html) = (bound.int_or(0, 5)?.clamp(0, 1000), bound.flag(1, true));
    let (low, high) = (bound.int_or(2, 20)?.max(1), bound.int_or(3, 100)?);
    if high <= low || high > 10_000 {
        return Err(fail("max must be greater than min, and at most 10000"));
    }
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let mut random = crate::filters::random::Generator::fresh(cx);
    let mut paragraphs = Vec::new();
    for _ in 0..n {
        let count = low + random.below((high - low) as u64) as i64;
        let mut text = String::new();
        let mut start = true;
        let mut until_stop = 3 + random.below(15);
        for _ in 0..count {
            let word = words[random.below(words.len() as u64) as usize];
            if !text.is_empty() {
                text.push(' ');
            }
            if start {
                text.push_str(&word[..1].to_uppercase());
                text.push_str(&word[1..]);
            } else {
                text.push_str(word);
            }
            until_stop = until_stop.saturating_sub(1);
            start = until_stop == 0;
            if start {
                text.push('.');
                until_stop = 3 + random.below(15);
            }
        }
        if !text.ends_with('.') {
            text.push('.');
        }
        paragraphs.push(if html { format!("<p>{text}</p>") } else { text });
    }
    Ok(Val::str(paragraphs.join(if html { "\n" } else { "\n\n" })))
}

/// For filters that walk a range without listing it.
pub(crate) fn as_range(value: &Val) -> Option<&Range> {
    downcast::<Range>(value)
}
