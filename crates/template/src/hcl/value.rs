//! HCL's values: what an expression is while it is evaluated.
//!
//! Every value has a type, also `null` and what is not known yet. A value can be sensitive; what is made from it then is too.
//! Conversions are in [`super::convert`], types in [`super::types`]. No place in a file is kept here.

use super::number::Number;
use super::types::{Attribute, Type};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use unicode_normalization::UnicodeNormalization;

/// A value and whether it is sensitive. Cheap to clone. Equality is of type and content; sensitivity doesn't count.
#[derive(Clone)]
pub struct Value {
    data: Data,
    sensitive: bool,
}

/// What a value holds.
#[derive(Clone, PartialEq)]
pub enum Data {
    /// Not known yet, of this type (`Type::Any` if that isn't known either).
    Unknown(Type),
    /// Absent. A literal `null` has `Type::Any`.
    Null(Type),
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string in Unicode's normal form C.
    String(Arc<str>),
    /// Elements of one type.
    List(Type, Arc<Vec<Value>>),
    /// Different elements of one type, in the order of [`Value::set`].
    Set(Type, Arc<Vec<Value>>),
    /// Values of one type by key.
    Map(Type, Arc<Entries>),
    /// Elements, each of its own type: what `[...]` makes.
    Tuple(Arc<Vec<Value>>),
    /// Attributes, each of its own type: what `{...}` makes.
    Object(Arc<Entries>),
}

/// Values by key, sorted by the key's bytes, as HCL goes through them.
pub type Entries = BTreeMap<Arc<str>, Value>;

impl From<Data> for Value {
    fn from(data: Data) -> Self {
        Value { data, sensitive: false }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Data::Bool(value).into()
    }
}

impl From<Number> for Value {
    fn from(value: Number) -> Self {
        Data::Number(value).into()
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Value::string(value)
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Value::string(value)
    }
}

impl Value {
    /// A `null` without a type.
    pub fn null() -> Self {
        Data::Null(Type::Any).into()
    }

    /// A `null` of a type.
    pub fn null_of(ty: Type) -> Self {
        Data::Null(ty).into()
    }

    /// A value of this type that is not known yet.
    pub fn unknown(ty: Type) -> Self {
        Data::Unknown(ty).into()
    }

    /// A string; it is brought to Unicode's normal form C, as HCL does everywhere.
    pub fn string(text: impl AsRef<str>) -> Self {
        let text = text.as_ref();
        let text: Arc<str> = if text.is_ascii() { text.into() } else { text.nfc().collect::<String>().into() };
        Data::String(text).into()
    }

    /// An integer.
    pub fn int(value: i64) -> Self {
        Number::from_i64(value).into()
    }

    /// A length or an index.
    pub fn count(value: usize) -> Self {
        Number::from_u64(value as u64).into()
    }

    /// A tuple.
    pub fn tuple(elements: Vec<Value>) -> Self {
        Data::Tuple(Arc::new(elements)).into()
    }

    /// An object.
    pub fn object<K: Into<Arc<str>>>(attributes: impl IntoIterator<Item = (K, Value)>) -> Self {
        Data::Object(Arc::new(attributes.into_iter().map(|(k, v)| (k.into(), v)).collect())).into()
    }

    /// A list of elements that are already of this type.
    pub fn list(element: Type, elements: Vec<Value>) -> Self {
        Data::List(element, Arc::new(elements)).into()
    }

    /// A list of strings.
    pub fn strings<S: AsRef<str>>(elements: impl IntoIterator<Item = S>) -> Self {
        Value::list(Type::String, elements.into_iter().map(Value::string).collect())
    }

    /// A map of values that are already of this type.
    pub fn map(element: Type, entries: Entries) -> Self {
        Data::Map(element, Arc::new(entries)).into()
    }

    /// A set of values that are already of this type: duplicates go; strings are in the order of their bytes, numbers ascend,
    /// `false` is before `true`; anything else has an order that is only the same each time. Unknown and null come last.
    pub fn set(element: Type, mut elements: Vec<Value>) -> Self {
        elements.sort_by(super::unify::set_order);
        elements.dedup_by(|b, a| a.equals(b) == Some(true));
        Data::Set(element, Arc::new(elements)).into()
    }

    /// Sets an attribute of an object; in place if no other value shares it.
    pub(super) fn put(&mut self, name: &str, value: Value) {
        if let Data::Object(entries) = &mut self.data {
            Arc::make_mut(entries).insert(name.into(), value);
        }
    }

    /// What it holds.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The same, sensitive.
    pub fn sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }

    /// The same, sensitive if asked for; what was sensitive stays so.
    pub fn sensitive_if(mut self, sensitive: bool) -> Self {
        self.sensitive |= sensitive;
        self
    }

    /// Whether this very value is marked as sensitive (its elements may be marked although it isn't).
    pub fn is_sensitive(&self) -> bool {
        self.sensitive
    }

    /// Whether it or anything in it is sensitive.
    pub fn has_sensitive(&self) -> bool {
        self.sensitive || self.children().any(Value::has_sensitive)
    }

    /// The same without its own mark.
    pub fn unmarked(mut self) -> Self {
        self.sensitive = false;
        self
    }

    /// The same without any mark, at any depth.
    pub fn unmarked_deep(&self) -> Self {
        if !self.has_sensitive() {
            return self.clone();
        }
        let strip = |elements: &[Value]| Arc::new(elements.iter().map(Value::unmarked_deep).collect::<Vec<_>>());
        let strip_map = |map: &Entries| Arc::new(map.iter().map(|(k, v)| (k.clone(), v.unmarked_deep())).collect());
        match &self.data {
            Data::List(ty, elements) => Data::List(ty.clone(), strip(elements)),
            Data::Set(ty, elements) => Data::Set(ty.clone(), strip(elements)),
            Data::Tuple(elements) => Data::Tuple(strip(elements)),
            Data::Map(ty, entries) => Data::Map(ty.clone(), strip_map(entries)),
            Data::Object(entries) => Data::Object(strip_map(entries)),
            plain => plain.clone(),
        }
        .into()
    }

    /// Every sensitive text in it, for the redactor: strings and numbers at any depth below a mark.
    pub fn sensitive_texts(&self) -> Vec<String> {
        fn walk(value: &Value, marked: bool, out: &mut Vec<String>) {
            let marked = marked || value.sensitive;
            match &value.data {
                Data::String(text) if marked => out.push(text.to_string()),
                Data::Number(number) if marked => out.push(number.to_string()),
                _ => value.children().for_each(|child| walk(child, marked, out)),
            }
        }
        let mut out = Vec::new();
        walk(self, false, &mut out);
        out
    }

    /// The values directly in it.
    pub fn children(&self) -> Box<dyn Iterator<Item = &Value> + '_> {
        match &self.data {
            Data::List(_, elements) | Data::Set(_, elements) | Data::Tuple(elements) => Box::new(elements.iter()),
            Data::Map(_, entries) | Data::Object(entries) => Box::new(entries.values()),
            _ => Box::new(std::iter::empty()),
        }
    }

    /// Its type.
    pub fn ty(&self) -> Type {
        match &self.data {
            Data::Unknown(ty) | Data::Null(ty) => ty.clone(),
            Data::Bool(_) => Type::Bool,
            Data::Number(_) => Type::Number,
            Data::String(_) => Type::String,
            Data::List(ty, _) => Type::List(Arc::new(ty.clone())),
            Data::Set(ty, _) => Type::Set(Arc::new(ty.clone())),
            Data::Map(ty, _) => Type::Map(Arc::new(ty.clone())),
            Data::Tuple(elements) => Type::Tuple(elements.iter().map(Value::ty).collect()),
            Data::Object(entries) => Type::Object(Arc::new(
                entries.iter().map(|(name, value)| (name.clone(), Attribute::required(value.ty()))).collect(),
            )),
        }
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self.data, Data::Null(_))
    }

    /// Whether it is known itself (its elements may not be).
    pub fn is_known(&self) -> bool {
        !matches!(self.data, Data::Unknown(_))
    }

    /// Whether it and everything in it is known.
    pub fn is_wholly_known(&self) -> bool {
        self.is_known() && self.children().all(Value::is_wholly_known)
    }

    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match &self.data {
            Data::String(text) => Some(text),
            _ => None,
        }
    }

    /// The boolean, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self.data {
            Data::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The number, if it is one.
    pub fn as_number(&self) -> Option<&Number> {
        match &self.data {
            Data::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The elements of a list, a set or a tuple.
    pub fn as_elements(&self) -> Option<&[Value]> {
        match &self.data {
            Data::List(_, elements) | Data::Set(_, elements) | Data::Tuple(elements) => Some(elements),
            _ => None,
        }
    }

    /// The entries of a map or an object.
    pub fn as_entries(&self) -> Option<&Entries> {
        match &self.data {
            Data::Map(_, entries) | Data::Object(entries) => Some(entries),
            _ => None,
        }
    }

    /// Keys and values as a `for` expression goes through them: positions of lists and tuples, keys of maps and objects, and for
    /// a set each element as both. `None` for what can't be gone through.
    pub fn pairs(&self) -> Option<Vec<(Value, Value)>> {
        Some(match &self.data {
            Data::List(_, elements) | Data::Tuple(elements) => {
                elements.iter().enumerate().map(|(i, v)| (Value::count(i), v.clone())).collect()
            }
            Data::Set(_, elements) => elements.iter().map(|v| (v.clone(), v.clone())).collect(),
            Data::Map(_, entries) | Data::Object(entries) => {
                entries.iter().map(|(k, v)| (Data::String(k.clone()).into(), v.clone())).collect()
            }
            _ => return None,
        })
    }

    /// Whether both are equal as `==` has it: values of different types never are, `null` equals any `null`. `None` where that
    /// depends on something unknown.
    pub fn equals(&self, other: &Value) -> Option<bool> {
        match (&self.data, &other.data) {
            (Data::Null(_), Data::Null(_)) => Some(true),
            (Data::Unknown(_), _) | (_, Data::Unknown(_)) => None,
            (Data::Null(_), _) | (_, Data::Null(_)) => Some(false),
            (Data::List(a, x), Data::List(b, y)) if a == b => all_equal(x, y),
            (Data::Tuple(x), Data::Tuple(y)) => all_equal(x, y),
            (Data::Set(a, x), Data::Set(b, y)) if a == b => {
                if !self.is_wholly_known() || !other.is_wholly_known() {
                    return None;
                }
                all_equal(x, y)
            }
            (Data::Map(a, x), Data::Map(b, y)) if a == b => entries_equal(x, y),
            (Data::Object(x), Data::Object(y)) => entries_equal(x, y),
            (Data::Bool(a), Data::Bool(b)) => Some(a == b),
            (Data::Number(a), Data::Number(b)) => Some(a == b),
            (Data::String(a), Data::String(b)) => Some(a == b),
            _ => Some(false),
        }
    }

    /// What it is called in messages: its type, or that it is null.
    pub fn kind(&self) -> String {
        if self.is_null() { "null".to_owned() } else { self.ty().to_string() }
    }
}

/// Equal elements in equal places; a difference counts more than what is unknown.
fn all_equal(a: &[Value], b: &[Value]) -> Option<bool> {
    if a.len() != b.len() {
        return Some(false);
    }
    merge(a.iter().zip(b).map(|(x, y)| x.equals(y)))
}

fn entries_equal(a: &Entries, b: &Entries) -> Option<bool> {
    if !a.keys().eq(b.keys()) {
        return Some(false);
    }
    merge(a.values().zip(b.values()).map(|(x, y)| x.equals(y)))
}

fn merge(results: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut known = Some(true);
    for result in results {
        match result {
            Some(false) => return Some(false),
            None => known = None,
            Some(true) => {}
        }
    }
    known
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.data == other.data
    }
}

impl fmt::Debug for Value {
    /// As HCL writes it, with the type where the text doesn't tell; nothing of a sensitive value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.sensitive {
            return f.write_str("(sensitive)");
        }
        match &self.data {
            Data::Unknown(ty) => write!(f, "unknown({ty})"),
            Data::Null(Type::Any) => f.write_str("null"),
            Data::Null(ty) => write!(f, "null({ty})"),
            Data::Bool(value) => write!(f, "{value}"),
            Data::Number(number) => write!(f, "{number}"),
            Data::String(text) => write!(f, "{text:?}"),
            Data::List(ty, elements) => write!(f, "list({ty}){elements:?}"),
            Data::Set(ty, elements) => write!(f, "set({ty}){elements:?}"),
            Data::Tuple(elements) => write!(f, "{elements:?}"),
            Data::Map(ty, entries) => write!(f, "map({ty}){entries:?}"),
            Data::Object(entries) => write!(f, "{entries:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equality_is_of_types_too() {
        let list = Value::list(Type::Number, vec![Value::int(1)]);
        let tuple = Value::tuple(vec![Value::int(1)]);
        let unknown = Value::tuple(vec![Value::unknown(Type::Number)]);
        for (a, b, want) in [
            (&list, &tuple, Some(false)),
            (&tuple, &tuple, Some(true)),
            (&tuple, &unknown, None),
            (&Value::int(1), &Value::string("1"), Some(false)),
            (&Value::null(), &Value::null_of(Type::String), Some(true)),
            (&Value::null(), &Value::int(0), Some(false)),
            (&Value::unknown(Type::Any), &Value::int(0), None),
        ] {
            assert_eq!(a.equals(b), want, "{a:?} == {b:?}");
            assert_eq!(b.equals(a), want, "{b:?} == {a:?}");
        }
    }

    #[test]
    fn sets_are_sorted_and_unique() {
        let set = Value::set(Type::String, ["b", "a", "b", "B"].map(Value::from).to_vec());
        assert_eq!(format!("{set:?}"), r#"set(string)["B", "a", "b"]"#);
        let set = Value::set(Type::Number, [10, 9, 10, -1].map(Value::int).to_vec());
        assert_eq!(format!("{set:?}"), "set(number)[-1, 9, 10]");
    }

    #[test]
    fn marks() {
        let inner = Value::object([("a", Value::string("secret").sensitive()), ("b", Value::int(1))]);
        assert!(inner.has_sensitive() && !inner.is_sensitive());
        assert_eq!(inner.sensitive_texts(), ["secret"]);
        assert!(!inner.unmarked_deep().has_sensitive());
        assert_eq!(format!("{inner:?}"), r#"{"a": (sensitive), "b": 1}"#);
        assert_eq!(Value::string("e\u{301}").as_str(), Some("é"));
    }
}
