//! HCL's types, and how they are written in a `type` argument: `string`, `list(number)`, `object({ a = optional(string, "x") })`.
//!
//! Converting values to types is in [`super::convert`].

use super::value::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A type.
#[derive(Clone, PartialEq, Eq)]
pub enum Type {
    /// Any type: `any` in a type argument, and what a literal `null` has.
    Any,
    /// `bool`
    Bool,
    /// `number`
    Number,
    /// `string`
    String,
    /// `list(T)`
    List(Arc<Type>),
    /// `set(T)`
    Set(Arc<Type>),
    /// `map(T)`
    Map(Arc<Type>),
    /// `tuple([T, U])`
    Tuple(Arc<[Type]>),
    /// `object({ name = T })`
    Object(Arc<Attributes>),
}

/// The attributes of an object type by name.
pub type Attributes = BTreeMap<Arc<str>, Attribute>;

/// One attribute of an object type.
#[derive(Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its type.
    pub ty: Type,
    /// Whether it may be left out; it is null then, or the default of a [`Constraint`].
    pub optional: bool,
}

impl Attribute {
    /// One that must be there.
    pub fn required(ty: Type) -> Self {
        Attribute { ty, optional: false }
    }
}

/// What a `type` argument says: the type, and the defaults that `optional(T, default)` gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Constraint {
    /// The type.
    pub ty: Type,
    /// The defaults, if there is one anywhere.
    pub defaults: Option<Defaults>,
}

/// Defaults of optional attributes, nested like the type.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Defaults {
    /// Of this object's attributes, already of the attribute's type.
    pub values: BTreeMap<Arc<str>, Value>,
    /// Of what is inside: by attribute name, by position (as text) for tuples, and under `""` for elements of collections.
    pub children: BTreeMap<Arc<str>, Defaults>,
}

impl Type {
    /// A list of this type.
    pub fn list(element: Type) -> Self {
        Type::List(Arc::new(element))
    }

    /// A set of this type.
    pub fn set(element: Type) -> Self {
        Type::Set(Arc::new(element))
    }

    /// A map of this type.
    pub fn map(element: Type) -> Self {
        Type::Map(Arc::new(element))
    }

    /// A tuple of these types.
    pub fn tuple(elements: impl IntoIterator<Item = Type>) -> Self {
        Type::Tuple(elements.into_iter().collect())
    }

    /// An object whose attributes must all be there.
    pub fn object<K: Into<Arc<str>>>(attributes: impl IntoIterator<Item = (K, Type)>) -> Self {
        Type::Object(Arc::new(attributes.into_iter().map(|(k, ty)| (k.into(), Attribute::required(ty))).collect()))
    }

    /// Whether it is a string, a number or a bool.
    pub fn is_primitive(&self) -> bool {
        matches!(self, Type::Bool | Type::Number | Type::String)
    }

    /// The element type of a list, a set or a map.
    pub fn element(&self) -> Option<&Type> {
        match self {
            Type::List(ty) | Type::Set(ty) | Type::Map(ty) => Some(ty),
            _ => None,
        }
    }

    /// Whether `any` is anywhere in it.
    pub fn has_any(&self) -> bool {
        match self {
            Type::Any => true,
            Type::List(ty) | Type::Set(ty) | Type::Map(ty) => ty.has_any(),
            Type::Tuple(types) => types.iter().any(Type::has_any),
            Type::Object(attributes) => attributes.values().any(|a| a.ty.has_any()),
            _ => false,
        }
    }

    /// The same with every optional attribute required: the type that values have.
    pub fn without_optional(&self) -> Type {
        match self {
            Type::List(ty) => Type::list(ty.without_optional()),
            Type::Set(ty) => Type::set(ty.without_optional()),
            Type::Map(ty) => Type::map(ty.without_optional()),
            Type::Tuple(types) => Type::tuple(types.iter().map(Type::without_optional)),
            Type::Object(attributes) => {
                Type::object(attributes.iter().map(|(k, a)| (k.clone(), a.ty.without_optional())))
            }
            plain => plain.clone(),
        }
    }

    /// What it is called where any type of its kind is meant: `list of any single type`, `object`.
    pub fn constraint_name(&self) -> String {
        match self {
            Type::Any => "any type".to_owned(),
            Type::List(ty) if **ty == Type::Any => "list of any single type".to_owned(),
            Type::Set(ty) if **ty == Type::Any => "set of any single type".to_owned(),
            Type::Map(ty) if **ty == Type::Any => "map of any single type".to_owned(),
            Type::List(ty) => format!("list of {}", ty.constraint_name()),
            Type::Set(ty) => format!("set of {}", ty.constraint_name()),
            Type::Map(ty) => format!("map of {}", ty.constraint_name()),
            plain => plain.to_string(),
        }
    }

    /// The type as it is written in a `type` argument.
    pub fn written(&self) -> String {
        match self {
            Type::Any => "any".to_owned(),
            Type::Bool => "bool".to_owned(),
            Type::Number => "number".to_owned(),
            Type::String => "string".to_owned(),
            Type::List(ty) => format!("list({})", ty.written()),
            Type::Set(ty) => format!("set({})", ty.written()),
            Type::Map(ty) => format!("map({})", ty.written()),
            Type::Tuple(types) => format!("tuple([{}])", types.iter().map(Type::written).collect::<Vec<_>>().join(",")),
            Type::Object(attributes) => {
                let all: Vec<String> = attributes
                    .iter()
                    .map(|(name, a)| match a.optional {
                        true => format!("{name}=optional({})", a.ty.written()),
                        false => format!("{name}={}", a.ty.written()),
                    })
                    .collect();
                format!("object({{{}}})", all.join(","))
            }
        }
    }
}

impl fmt::Display for Type {
    /// What it is called in messages: `list of string`, `object`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Any => f.write_str("dynamic"),
            Type::Bool => f.write_str("bool"),
            Type::Number => f.write_str("number"),
            Type::String => f.write_str("string"),
            Type::List(ty) => write!(f, "list of {ty}"),
            Type::Set(ty) => write!(f, "set of {ty}"),
            Type::Map(ty) => write!(f, "map of {ty}"),
            Type::Tuple(_) => f.write_str("tuple"),
            Type::Object(_) => f.write_str("object"),
        }
    }
}

impl fmt::Debug for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written())
    }
}
