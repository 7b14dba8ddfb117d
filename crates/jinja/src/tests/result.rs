//! Results of tasks: `failed`, `changed`, `skipped`, …

use super::{Call, Table};
use crate::Key;
use crate::eval::fail;
use crate::val::R;

pub(super) const TABLE: Table = &[
    ("change", |c| changed(&c)),
    ("changed", |c| changed(&c)),
    ("failed", |c| flag(&c, "failed")),
    ("failure", |c| flag(&c, "failed")),
    ("finished", |c| job(&c, "finished", true)),
    ("reachable", |c| flag(&c, "unreachable").map(|b| !b)),
    ("skip", |c| flag(&c, "skipped")),
    ("skipped", |c| flag(&c, "skipped")),
    ("started", |c| job(&c, "started", true)),
    ("succeeded", |c| flag(&c, "failed").map(|b| !b)),
    ("success", |c| flag(&c, "failed").map(|b| !b)),
    ("successful", |c| flag(&c, "failed").map(|b| !b)),
    ("timedout", timedout),
    ("unreachable", |c| flag(&c, "unreachable")),
];

fn need(c: &Call<'_, '_>) -> R<()> {
    c.args.bind::<0>([])?;
    if crate::filters::is_mapping(&c.input) {
        return Ok(());
    }
    Err(fail(format!("The '{}' test expects a dictionary", c.name)))
}

fn entry(c: &Call<'_, '_>, key: &str) -> R<Option<bool>> {
    Ok(c.cx.entry(&c.input, &Key::from(key))?.map(|v| v.truth()))
}

fn flag(c: &Call<'_, '_>, key: &str) -> R<bool> {
    need(c)?;
    Ok(entry(c, key)?.unwrap_or(false))
}

/// A loop's result is changed where one of its items is.
fn changed(c: &Call<'_, '_>) -> R<bool> {
    need(c)?;
    if let Some(changed) = entry(c, "changed")? {
        return Ok(changed);
    }
    if let Some(results) = c.cx.entry(&c.input, &Key::from("results"))?
        && crate::filters::is_sequence(&results)
    {
        for result in c.cx.each(&results)? {
            if c.cx.entry(&result, &Key::from("changed"))?.is_some_and(|v| v.truth()) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// `started` and `finished` of asynchronous tasks; a result that says nothing is of a task that ran at once.
fn job(c: &Call<'_, '_>, key: &str, default: bool) -> R<bool> {
    need(c)?;
    Ok(entry(c, key)?.unwrap_or(default))
}

fn timedout(c: Call<'_, '_>) -> R<bool> {
    need(&c)?;
    let Some(timed) = c.cx.entry(&c.input, &Key::from("timedout"))? else { return Ok(false) };
    if !timed.truth() {
        return Ok(false);
    }
    Ok(c.cx.entry(&timed, &Key::from("period"))?.is_some_and(|p| p.truth()))
}
