//! Sets: `setintersection`, `setproduct`, `setunion`.

use super::{Call, FunctionError, Kind, Spec, p};
use crate::hcl::convert::convert;
use crate::hcl::types::Type;
use crate::hcl::unify::{set_order, unify};
use crate::hcl::value::{Data, Value};

type Result = std::result::Result<Value, FunctionError>;

/// As many tuples as `setproduct` makes.
const LARGEST_PRODUCT: usize = 1 << 17;

pub(super) const FUNCTIONS: &[Spec] = &[
    Spec::new("setintersection", &[p("first_set", Kind::Set)], Kind::Set, |c| {
        combine(c, |all, next| all.retain(|v| next.binary_search_by(|w| set_order(w, v)).is_ok()))
    })
    .rest(p("other_sets", Kind::Set)),
    Spec::new("setproduct", &[], Kind::Any, setproduct).rest(p("sets", Kind::Any)),
    Spec::new("setunion", &[p("first_set", Kind::Set)], Kind::Set, |c| {
        combine(c, |all, next| all.extend(next.iter().cloned()))
    })
    .rest(p("other_sets", Kind::Set)),
];

fn combine(c: &Call<'_>, how: fn(&mut Vec<Value>, &[Value])) -> Result {
    let mut types = Vec::new();
    for arg in &c.args {
        if let Data::Set(ty, elements) = arg.data()
            && !(elements.is_empty() && *ty == Type::Any)
        {
            types.push(ty.clone());
        }
    }
    let element = match types.is_empty() {
        true => Type::Any,
        false => match unify(&types) {
            Some(ty) => ty,
            None => return c.fail("the elements of all sets must have types that go together"),
        },
    };
    let wanted = Type::set(element.clone());
    let mut all: Option<Vec<Value>> = None;
    for (index, arg) in c.args.iter().enumerate() {
        let set = match convert(arg, &wanted) {
            Ok(set) => set,
            Err(error) => return c.bad(index, error.to_string()),
        };
        let next = set.as_elements().unwrap_or_default();
        match &mut all {
            None => all = Some(next.to_vec()),
            Some(all) => how(all, next),
        }
    }
    Ok(Value::set(element, all.unwrap_or_default()))
}

fn setproduct(c: &Call<'_>) -> Result {
    if c.args.len() < 2 {
        return c.fail("at least two arguments are required");
    }
    let mut types = Vec::new();
    let mut sides: Vec<Vec<Value>> = Vec::new();
    let (mut ordered, mut total) = (true, 1usize);
    for (index, arg) in c.args.iter().enumerate() {
        let ty = match arg.data() {
            Data::Set(ty, _) => {
                ordered = false;
                ty.clone()
            }
            Data::List(ty, _) => ty.clone(),
            Data::Tuple(elements) if elements.is_empty() => Type::Any,
            Data::Tuple(elements) => match unify(&elements.iter().map(Value::ty).collect::<Vec<_>>()) {
                Some(ty) => ty,
                None => return c.bad(index, "all elements must be of the same type"),
            },
            _ => return c.bad(index, format!("a set or a list is required, not {}", arg.kind())),
        };
        let mut side = Vec::new();
        for element in arg.as_elements().unwrap_or_default() {
            match convert(element, &ty) {
                Ok(element) => side.push(element),
                Err(error) => return c.bad(index, error.to_string()),
            }
        }
        total = total.saturating_mul(side.len());
        types.push(ty);
        sides.push(side);
    }
    if total > LARGEST_PRODUCT {
        return c.fail(format!("the product has {total} elements, more than {LARGEST_PRODUCT}"));
    }
    let element = Type::tuple(types);
    let mut product: Vec<Vec<Value>> = vec![Vec::new()];
    for side in &sides {
        product = product
            .iter()
            .flat_map(|head| side.iter().map(move |v| head.iter().cloned().chain([v.clone()]).collect()))
            .collect();
    }
    let product = product.into_iter().map(Value::tuple).collect();
    Ok(if ordered { Value::list(element, product) } else { Value::set(element, product) })
}
