//! `hash_behaviour = merge`.

use imgbuild_jinja::{Map, Value};
use std::sync::Arc;

/// Puts `over` on top of `into`: mappings are merged, everything else is replaced.
pub fn deep(into: &mut Map, over: Map) {
    for (key, value) in over {
        match (into.get_mut(&key), &value) {
            (Some(Value::Map(below)), Value::Map(above)) => {
                let mut merged = Map::clone(below);
                deep(&mut merged, Map::clone(above));
                *below = Arc::new(merged);
            }
            _ => {
                into.insert(key, value);
            }
        }
    }
}
