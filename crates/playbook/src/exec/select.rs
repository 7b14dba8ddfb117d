//! Which hosts a play runs on, in which order, in which batches.

use super::engine::{Engine, Fatal, Host};
use crate::callback::Event;
use crate::play::model::Play;
use crate::play::scope::items;
use crate::settings::Reaction;
use imgbuild_jinja::{Value, VarSource};
use std::sync::{Arc, PoisonError};

impl Engine {
    /// The host patterns of a play, rendered.
    pub fn patterns(&self, play: &Play, vars: &Arc<dyn VarSource>) -> Result<Vec<String>, Fatal> {
        let Some(value) = self.play_keyword(play, "hosts", vars)? else { return Ok(Vec::new()) };
        // A pattern that renders to `omit` is none at all: no host matches.
        Ok(items(&value).iter().filter(|v| !matches!(v, Value::Omit)).map(crate::text::of).collect())
    }

    /// The hosts of patterns, reduced by `--limit`, in the inventory's order.
    pub fn hosts(&self, patterns: &[String]) -> Result<Vec<Host>, String> {
        let selection = {
            let mut inventory = self.inventory.write().unwrap_or_else(PoisonError::into_inner);
            inventory.select(patterns, self.limit.as_deref())
        };
        for pattern in &selection.unmatched {
            let message = format!("Could not match supplied host pattern, ignoring: {pattern}");
            match self.settings.host_pattern_mismatch {
                Reaction::Error => return Err(message),
                Reaction::Warn => self.emit(Event::Warning(message)),
                Reaction::Ignore => {}
            }
        }
        Ok(selection.hosts.iter().map(|h| Host::from(h.as_str())).collect())
    }
}

/// Hosts in a play's `order`.
pub fn ordered(mut hosts: Vec<Host>, order: &str) -> Vec<Host> {
    match order {
        "reverse_inventory" => hosts.reverse(),
        "sorted" => hosts.sort(),
        "reverse_sorted" => {
            hosts.sort();
            hosts.reverse();
        }
        "shuffle" => shuffle(&mut hosts),
        _ => {}
    }
    hosts
}

/// Fisher and Yates, with the system's random numbers.
fn shuffle(hosts: &mut [Host]) {
    use std::hash::{BuildHasher, Hasher, RandomState};
    for end in (1..hosts.len()).rev() {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_usize(end);
        hosts.swap(end, (hasher.finish() % (end as u64 + 1)) as usize);
    }
}

/// `serial`: numbers and percentages; the last one goes on until all hosts are in a batch.
pub fn batches(hosts: Vec<Host>, serial: &[Value]) -> Result<Vec<Vec<Host>>, String> {
    let mut sizes = Vec::new();
    for value in serial {
        let text = crate::text::of(value);
        let text = text.trim();
        let size = match text.strip_suffix('%') {
            Some(percent) => {
                let percent: f64 = percent.trim().parse().map_err(|_| format!("serial: {text:?} is no percentage"))?;
                ((percent / 100.0 * hosts.len() as f64) as usize).max(1)
            }
            None => text.parse::<f64>().map_err(|_| format!("serial: {text:?} is no number"))?.max(0.0) as usize,
        };
        sizes.push(size);
    }
    if sizes.is_empty() || hosts.is_empty() {
        return Ok(if hosts.is_empty() { Vec::new() } else { vec![hosts] });
    }
    let mut batches = Vec::new();
    let mut rest = hosts;
    let mut sizes = sizes.into_iter();
    let mut size = sizes.next().unwrap_or(0);
    while !rest.is_empty() {
        let take = if size == 0 { rest.len() } else { size.min(rest.len()) };
        let tail = rest.split_off(take);
        batches.push(std::mem::replace(&mut rest, tail));
        size = sizes.next().unwrap_or(size);
    }
    Ok(batches)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial() {
        let hosts = || (0..10).map(|i| Host::from(format!("h{i}"))).collect::<Vec<_>>();
        let sizes = |serial: &[&str]| {
            let serial: Vec<Value> = serial.iter().map(|s| Value::str(*s)).collect();
            batches(hosts(), &serial).unwrap().iter().map(Vec::len).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&[]), [10]);
        assert_eq!(sizes(&["3"]), [3, 3, 3, 1]);
        assert_eq!(sizes(&["1", "5"]), [1, 5, 4]);
        assert_eq!(sizes(&["30%"]), [3, 3, 3, 1]);
        assert!(batches(hosts(), &[Value::str("x")]).is_err());
    }
}
