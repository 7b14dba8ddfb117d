//! `gather_facts` and `setup`.

use super::{Call, Problem};
use crate::exec::result::{Res, as_map, flag, get, set};
use imgbuild_jinja::{Key, Value};

pub async fn run(call: &Call<'_>) -> Result<Res, Problem> {
    let mut args = call.args.clone();
    if call.action.name == "gather_facts" {
        // It has the defaults of the module that it runs as well.
        call.fill_defaults("ansible.builtin.setup", &mut args)?;
    }
    args.shift_remove(&Key::from("parallel"));
    let mut checked = call.checked("setup", &args)?;
    // Nothing of ours needs it, but facts tell of it.
    if let Some(python) = call.var_there("ansible_python_interpreter")?.map(|v| crate::text::of(&v))
        && !python.starts_with("auto")
    {
        checked.insert("_python".into(), python.into());
    }
    let mut res = call.module("setup", checked, None).await?;
    if call.action.name == "gather_facts" && !flag(&res, "failed") {
        let mut facts = get(&res, "ansible_facts").map(as_map).unwrap_or_default();
        facts.insert("module_setup".into(), Value::Bool(true));
        let subset =
            args.get(&Key::from("gather_subset")).cloned().unwrap_or_else(|| Value::list(vec![Value::str("all")]));
        facts.entry("gather_subset".into()).or_insert(subset);
        facts.insert(crate::exec::engine::GATHERED.into(), Value::Bool(true));
        set(&mut res, "ansible_facts", Value::map(facts));
    }
    set(&mut res, "_ansible_verbose_override", true);
    Ok(res)
}
