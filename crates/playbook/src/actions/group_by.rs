//! `group_by`.

use super::{Call, Problem, refuse};
use crate::exec::result::{Res, set};
use crate::play::scope::items;
use imgbuild_jinja::Value;

pub fn run(call: &Call<'_>) -> Result<Res, Problem> {
    call.only(&["key", "parents", "_raw_params"])?;
    let Some(key) = call.text("key") else { return Err(refuse("the 'key' param is required when using group_by")) };
    let clean = |text: String| text.replace(' ', "-");
    let parents = call.arg("parents").map_or_else(|| vec![Value::str("all")], items);
    let group = clean(key);
    let inventory = call.run.engine.inventory.read().unwrap_or_else(std::sync::PoisonError::into_inner);
    let known = inventory.groups.get(&group).is_some_and(|g| g.hosts.contains(&**call.host));
    drop(inventory);
    let mut res = Call::done(!known);
    set(&mut res, "add_group", group);
    let parents = Value::list(parents.iter().map(|p| Value::str(clean(crate::text::of(p)))).collect());
    set(&mut res, "parent_groups", parents);
    Ok(res)
}
