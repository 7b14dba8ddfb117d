//! Lists and mappings: shared, changeable in place, and lazy while nobody has looked inside.

use super::Val;
use crate::{Key, Map, Value};
use indexmap::IndexMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// The entries of a mapping.
pub(crate) type Entries = IndexMap<Key, Val>;

enum Data<Raw, Own> {
    /// As it came from a variable.
    Raw(Arc<Raw>),
    /// Opened.
    Own(Arc<Own>),
}

/// A list. Clones are the same list.
#[derive(Clone)]
pub(crate) struct List(Arc<Mutex<Data<Vec<Value>, Vec<Val>>>>);

/// A mapping. Clones are the same mapping.
#[derive(Clone)]
pub(crate) struct Dict(Arc<Mutex<Data<Map, Entries>>>);

/// A panic while a container is held leaves the container whole, so poisoning means nothing here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}

impl List {
    pub fn new(items: Vec<Val>) -> List {
        List(Arc::new(Mutex::new(Data::Own(Arc::new(items)))))
    }

    pub fn raw(items: Arc<Vec<Value>>) -> List {
        List(Arc::new(Mutex::new(Data::Raw(items))))
    }

    pub fn len(&self) -> usize {
        match &*lock(&self.0) {
            Data::Raw(r) => r.len(),
            Data::Own(o) => o.len(),
        }
    }

    /// The variable's own list, if nobody has opened it.
    pub fn unopened(&self) -> Option<Arc<Vec<Value>>> {
        match &*lock(&self.0) {
            Data::Raw(r) => Some(r.clone()),
            Data::Own(_) => None,
        }
    }

    /// The items now. Strings may still be templates.
    pub fn items(&self) -> Arc<Vec<Val>> {
        let mut data = lock(&self.0);
        match &*data {
            Data::Own(o) => o.clone(),
            Data::Raw(r) => {
                let own = Arc::new(r.iter().cloned().map(Val::from).collect::<Vec<_>>());
                *data = Data::Own(own.clone());
                own
            }
        }
    }

    pub fn get(&self, index: usize) -> Option<Val> {
        self.items().get(index).cloned()
    }

    /// Changes the list in place.
    pub fn change<T>(&self, change: impl FnOnce(&mut Vec<Val>) -> T) -> T {
        self.items();
        match &mut *lock(&self.0) {
            Data::Own(o) => change(Arc::make_mut(o)),
            // Unreachable: `items` has opened it; an empty list keeps this total.
            Data::Raw(_) => change(&mut Vec::new()),
        }
    }

    /// Stores a rendered item in place of its template.
    pub fn store(&self, index: usize, value: Val) {
        self.change(|items| {
            if let Some(slot) = items.get_mut(index) {
                *slot = value;
            }
        });
    }

    pub fn same(&self, other: &List) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Dict {
    pub fn new(entries: Entries) -> Dict {
        Dict(Arc::new(Mutex::new(Data::Own(Arc::new(entries)))))
    }

    pub fn raw(map: Arc<Map>) -> Dict {
        Dict(Arc::new(Mutex::new(Data::Raw(map))))
    }

    pub fn len(&self) -> usize {
        match &*lock(&self.0) {
            Data::Raw(r) => r.len(),
            Data::Own(o) => o.len(),
        }
    }

    /// The variable's own mapping, if nobody has opened it.
    pub fn unopened(&self) -> Option<Arc<Map>> {
        match &*lock(&self.0) {
            Data::Raw(r) => Some(r.clone()),
            Data::Own(_) => None,
        }
    }

    /// The entries now. Strings may still be templates.
    pub fn entries(&self) -> Arc<Entries> {
        let mut data = lock(&self.0);
        match &*data {
            Data::Own(o) => o.clone(),
            Data::Raw(r) => {
                let own = Arc::new(r.iter().map(|(k, v)| (k.clone(), Val::from(v.clone()))).collect::<Entries>());
                *data = Data::Own(own.clone());
                own
            }
        }
    }

    /// An entry; `1`, `1.0` and `true` are the same key, as in Python.
    pub fn get(&self, key: &Key) -> Option<Val> {
        let entries = self.entries();
        entries.get(key).or_else(|| entries.get(&twin(key)?)).cloned()
    }

    pub fn contains(&self, key: &Key) -> bool {
        let found = |has: &dyn Fn(&Key) -> bool| has(key) || twin(key).is_some_and(|k| has(&k));
        match &*lock(&self.0) {
            Data::Raw(r) => found(&|k| r.contains_key(k)),
            Data::Own(o) => found(&|k| o.contains_key(k)),
        }
    }

    pub fn keys(&self) -> Vec<Val> {
        match &*lock(&self.0) {
            Data::Raw(r) => r.keys().map(Val::from).collect(),
            Data::Own(o) => o.keys().map(Val::from).collect(),
        }
    }

    /// Changes the mapping in place.
    pub fn change<T>(&self, change: impl FnOnce(&mut Entries) -> T) -> T {
        self.entries();
        match &mut *lock(&self.0) {
            Data::Own(o) => change(Arc::make_mut(o)),
            // Unreachable: `entries` has opened it; an empty mapping keeps this total.
            Data::Raw(_) => change(&mut Entries::new()),
        }
    }

    pub fn same(&self, other: &Dict) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// The other spelling of a key that Python takes for equal.
fn twin(key: &Key) -> Option<Key> {
    match key {
        Key::Bool(b) => Some(Key::Int(i64::from(*b))),
        Key::Int(i @ 0..=1) => Some(Key::Bool(*i == 1)),
        _ => None,
    }
}
