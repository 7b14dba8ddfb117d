//! `processor*`.

use super::{Facts, put, read};
use crate::ctx::Ctx;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Gathers them.
pub fn collect(_: &Ctx, out: &mut Facts) {
    let usable = rustix::thread::sched_getaffinity(None).map(|set| set.count() as usize).unwrap_or(0);
    for (name, value) in parse(&read("/proc/cpuinfo").unwrap_or_default(), usable) {
        put(out, name, value);
    }
}

fn parse(text: &str, usable: usize) -> Vec<(&'static str, Value)> {
    let mut described: Vec<String> = Vec::new();
    let mut flags = None;
    let mut processors = 0usize;
    let mut socket = String::new();
    let (mut sockets, mut cores): (BTreeSet<String>, BTreeMap<String, usize>) = (BTreeSet::new(), BTreeMap::new());
    let mut siblings: BTreeMap<String, usize> = BTreeMap::new();
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let (key, value) = (key.trim(), value.trim());
        match key {
            "flags" | "Features" | "features" if flags.is_none() => {
                flags = Some(value.split_whitespace().map(str::to_string).collect::<Vec<_>>());
            }
            "processor" => {
                processors += 1;
                described.push(value.to_string());
            }
            "model name" | "Model" | "vendor_id" | "cpu" | "Vendor" | "Processor" | "cpu model" => {
                described.push(value.to_string())
            }
            "physical id" => {
                socket = value.to_string();
                sockets.insert(socket.clone());
            }
            "cpu cores" => {
                cores.insert(socket.clone(), value.parse().unwrap_or(1));
            }
            "siblings" => {
                siblings.insert(socket.clone(), value.parse().unwrap_or(1));
            }
            _ => {}
        }
    }
    let online = if processors == 0 { 1 } else { processors };
    let count = if sockets.is_empty() { online } else { sockets.len() };
    let per_socket = cores.values().next().copied().unwrap_or(1).max(1);
    let threads = siblings.values().next().copied().unwrap_or(per_socket) / per_socket;
    let threads = threads.max(1);
    vec![
        ("processor", json!(described)),
        ("processor_count", json!(count)),
        ("processor_cores", json!(per_socket)),
        ("processor_threads_per_core", json!(threads)),
        ("processor_vcpus", json!(threads * count * per_socket)),
        ("processor_nproc", json!(if usable > 0 { usable } else { online })),
        ("flags", json!(flags.unwrap_or_default())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_cores_and_threads() {
        let one = |n: usize, socket: usize| {
            format!(
                "processor : {n}\nvendor_id : GenuineIntel\nmodel name : Xeon\nphysical id : {socket}\nsiblings : 4\ncpu cores : 2\nflags : fpu vme\n\n"
            )
        };
        let text: String = (0..8).map(|n| one(n, n / 4)).collect();
        let facts: BTreeMap<_, _> = parse(&text, 8).into_iter().collect();
        assert_eq!(
            [
                &facts["processor_count"],
                &facts["processor_cores"],
                &facts["processor_threads_per_core"],
                &facts["processor_vcpus"]
            ],
            [&json!(2), &json!(2), &json!(2), &json!(8)]
        );
        assert_eq!(facts["processor"].as_array().map(Vec::len), Some(24));
        let arm: BTreeMap<_, _> =
            parse("processor\t: 0\nBogoMIPS : 1\nFeatures : fp asimd\nCPU part : 0xd0c\n\nprocessor : 1\n", 2)
                .into_iter()
                .collect();
        assert_eq!(
            (&arm["processor_count"], &arm["processor_vcpus"], &arm["flags"]),
            (&json!(2), &json!(2), &json!(["fp", "asimd"]))
        );
    }
}
