//! Lists: `chunklist`, `coalescelist`, `compact`, `concat`, `contains`, `distinct`, `element`, `flatten`, `index`, `range`,
//! `reverse`, `slice`, `sort`, `alltrue`, `anytrue`.

use super::{Call, FunctionError, Kind, Spec, nullable, p};
use crate::hcl::convert::convert;
use crate::hcl::number::Number;
use crate::hcl::types::Type;
use crate::hcl::unify::{set_order, unify};
use crate::hcl::value::{Data, Value};

type Result = std::result::Result<Value, FunctionError>;

/// As many values as `range` makes; Packer's limit.
const LONGEST_RANGE: usize = 1024;

pub(super) const FUNCTIONS: &[Spec] = &[
    Spec::new("alltrue", &[p("list", Kind::Bools)], Kind::Bool, |c| {
        Ok(c.elements(0).iter().all(|v| v.as_bool() == Some(true)).into())
    }),
    Spec::new("anytrue", &[p("list", Kind::Bools)], Kind::Bool, |c| {
        Ok(c.elements(0).iter().any(|v| v.as_bool() == Some(true)).into())
    }),
    Spec::new("chunklist", &[p("list", Kind::List), p("size", Kind::Number)], Kind::Any, chunklist).structural(),
    Spec::new("coalescelist", &[], Kind::Any, coalescelist).rest(nullable("vals", Kind::Any)).structural(),
    Spec::new("compact", &[p("list", Kind::Strings)], Kind::Strings, |c| {
        Ok(Value::strings(c.elements(0).iter().filter_map(Value::as_str).filter(|s| !s.is_empty())))
    }),
    Spec::new("concat", &[], Kind::Any, concat).rest(p("seqs", Kind::Any)).structural(),
    Spec::new("contains", &[p("list", Kind::Any), nullable("value", Kind::Any)], Kind::Bool, contains),
    Spec::new("distinct", &[p("list", Kind::List)], Kind::Any, distinct),
    Spec::new("element", &[p("list", Kind::Any), p("index", Kind::Number)], Kind::Any, element).structural(),
    Spec::new("flatten", &[p("list", Kind::Any)], Kind::Any, flatten).structural(),
    Spec::new("index", &[p("list", Kind::Any), p("value", Kind::Any)], Kind::Number, index),
    Spec::new("range", &[], Kind::Numbers, range).rest(p("params", Kind::Number)),
    Spec::new("reverse", &[p("list", Kind::Any)], Kind::Any, reverse).structural(),
    Spec::new(
        "slice",
        &[p("list", Kind::Any), p("start_index", Kind::Number), p("end_index", Kind::Number)],
        Kind::Any,
        slice,
    )
    .structural(),
    Spec::new("sort", &[p("list", Kind::Strings)], Kind::Strings, |c| {
        let mut all = c.strings(0)?;
        all.sort_unstable();
        Ok(Value::strings(all))
    }),
];

/// A list of the same type or a tuple, by what the original was.
fn like(original: &Value, elements: Vec<Value>) -> Value {
    match original.data() {
        Data::List(ty, _) | Data::Set(ty, _) => Value::list(ty.clone(), elements),
        _ => Value::tuple(elements),
    }
}

fn is_sequence(value: &Value) -> bool {
    matches!(value.data(), Data::List(..) | Data::Tuple(_))
}

fn chunklist(c: &Call<'_>) -> Result {
    let list = &c.args[0];
    let Ok(size) = usize::try_from(c.int(1)?) else {
        return c.bad(1, "the size must not be negative");
    };
    let elements = c.elements(0);
    if elements.is_empty() {
        return Ok(Value::list(list.ty(), Vec::new()));
    }
    let size = if size == 0 { elements.len() } else { size };
    Ok(Value::list(list.ty(), elements.chunks(size).map(|chunk| like(list, chunk.to_vec())).collect()))
}

fn coalescelist(c: &Call<'_>) -> Result {
    if c.args.is_empty() {
        return c.fail("at least one argument is required");
    }
    if let Some(index) = c.args.iter().position(|v| !matches!(v.ty(), Type::List(_) | Type::Tuple(_))) {
        return c.bad(index, format!("a list or a tuple is required, not {}", c.args[index].kind()));
    }
    match c.args.iter().find(|v| v.as_elements().is_some_and(|e| !e.is_empty())) {
        Some(value) => Ok(value.clone()),
        None => c.fail("every list is empty or null"),
    }
}

fn concat(c: &Call<'_>) -> Result {
    if c.args.is_empty() {
        return c.fail("at least one argument is required");
    }
    if let Some(index) = c.args.iter().position(|v| !is_sequence(v)) {
        return c.bad(index, format!("all arguments must be lists or tuples; this is {}", c.args[index].kind()));
    }
    let types: Vec<Type> = c.args.iter().map(Value::ty).collect();
    if types.iter().all(|ty| matches!(ty, Type::List(_)))
        && let Some(Type::List(element)) = unify(&types)
    {
        let wanted = Type::List(element.clone());
        let mut all = Vec::new();
        for (index, list) in c.args.iter().enumerate() {
            match convert(list, &wanted) {
                Ok(list) => all.extend(list.as_elements().unwrap_or_default().iter().cloned()),
                Err(error) => return c.bad(index, error.to_string()),
            }
        }
        return Ok(Value::list((*element).clone(), all));
    }
    Ok(Value::tuple(c.args.iter().flat_map(|v| v.as_elements().unwrap_or_default().iter().cloned()).collect()))
}

fn contains(c: &Call<'_>) -> Result {
    match c.args[0].as_elements() {
        Some(elements) => Ok(elements.iter().any(|v| v.equals(&c.args[1]) == Some(true)).into()),
        None => c.bad(0, format!("a list, a tuple or a set is required, not {}", c.args[0].kind())),
    }
}

fn distinct(c: &Call<'_>) -> Result {
    // Those that are equal stand together in this order, the first of them first.
    let elements = c.elements(0);
    let mut order: Vec<usize> = (0..elements.len()).collect();
    order.sort_by(|a, b| set_order(&elements[*a], &elements[*b]));
    order.dedup_by(|b, a| elements[*a].equals(&elements[*b]) == Some(true));
    order.sort_unstable();
    Ok(like(&c.args[0], order.into_iter().map(|i| elements[i].clone()).collect()))
}

fn element(c: &Call<'_>) -> Result {
    if !is_sequence(&c.args[0]) {
        return c.bad(0, format!("elements can't be read from {}", c.args[0].kind()));
    }
    let elements = c.elements(0);
    let index = c.int(1)?;
    if elements.is_empty() {
        return c.fail("an empty list has no elements");
    }
    Ok(elements[index.rem_euclid(elements.len() as i64) as usize].clone())
}

fn flatten(c: &Call<'_>) -> Result {
    let Some(elements) = c.args[0].as_elements() else {
        return c.bad(0, format!("only lists, sets and tuples can be flattened, not {}", c.args[0].kind()));
    };
    let mut out = Vec::new();
    if !flatten_into(elements, false, &mut out) {
        return Ok(Value::unknown(Type::Any));
    }
    Ok(Value::tuple(out))
}

/// Whether everything needed is known.
fn flatten_into(elements: &[Value], sensitive: bool, out: &mut Vec<Value>) -> bool {
    elements.iter().all(|value| {
        let sensitive = sensitive || value.is_sensitive();
        match value.data() {
            Data::List(_, inner) | Data::Set(_, inner) | Data::Tuple(inner) => flatten_into(inner, sensitive, out),
            Data::Unknown(Type::Any | Type::List(_) | Type::Set(_) | Type::Tuple(_)) => false,
            _ => {
                out.push(value.clone().sensitive_if(sensitive));
                true
            }
        }
    })
}

fn index(c: &Call<'_>) -> Result {
    if !is_sequence(&c.args[0]) {
        return c.bad(0, format!("a list or a tuple is required, not {}", c.args[0].kind()));
    }
    if c.elements(0).is_empty() {
        return c.fail("an empty list can't be searched");
    }
    match c.elements(0).iter().position(|v| v.equals(&c.args[1]) == Some(true)) {
        Some(index) => Ok(Value::count(index)),
        None => c.fail("the list has no such item"),
    }
}

fn range(c: &Call<'_>) -> Result {
    let (zero, one) = (Number::from_i64(0), Number::from_i64(1));
    let (start, end) = match c.args.len() {
        1 => (&zero, c.number(0)?),
        2 | 3 => (c.number(0)?, c.number(1)?),
        _ => return c.fail("one, two or three arguments are required"),
    };
    let step = match c.args.len() {
        3 => c.number(2)?.clone(),
        _ if end < start => one.neg(),
        _ => one,
    };
    if step.is_zero() {
        return c.bad(2, "the step must not be zero");
    }
    let down = step.is_negative();
    if down && end > start {
        return c.bad(1, "the end must be less than the start when the step is negative");
    }
    if !down && end < start {
        return c.bad(1, "the end must be greater than the start when the step is positive");
    }
    let mut all = Vec::new();
    let mut number = start.clone();
    while if down { number > *end } else { number < *end } {
        if all.len() >= LONGEST_RANGE {
            return c.fail(format!(
                "more than {LONGEST_RANGE} values; bring start and end nearer together or take a larger step"
            ));
        }
        let next = number.add(&step);
        all.push(number.into());
        number = next;
    }
    Ok(Value::list(Type::Number, all))
}

fn reverse(c: &Call<'_>) -> Result {
    match c.args[0].as_elements() {
        Some(elements) => Ok(like(&c.args[0], elements.iter().rev().cloned().collect())),
        None => c.bad(0, format!("only a list or a tuple can be reversed, not {}", c.args[0].kind())),
    }
}

fn slice(c: &Call<'_>) -> Result {
    if matches!(c.args[0].data(), Data::Set(..)) {
        return c.bad(0, "the elements of a set have no positions; convert it to a list first");
    }
    if !is_sequence(&c.args[0]) {
        return c.bad(0, format!("a list or a tuple is required, not {}", c.args[0].kind()));
    }
    let elements = c.elements(0);
    let mut ends = [0; 2];
    for (i, end) in ends.iter_mut().enumerate() {
        *end = match usize::try_from(c.int(i + 1)?) {
            Ok(position) if position <= elements.len() => position,
            Ok(_) => return c.bad(i + 1, "it must not be greater than the length of the list"),
            Err(_) => return c.bad(i + 1, "it must not be less than zero"),
        };
    }
    if ends[0] > ends[1] {
        return c.bad(1, "the start must not be greater than the end");
    }
    Ok(like(&c.args[0], elements[ends[0]..ends[1]].to_vec()))
}
