//! `mem*`, `swap*`, `memory_mb`.

use super::{Facts, put, read};
use crate::ctx::Ctx;
use serde_json::{Value, json};

/// Gathers them.
pub fn collect(_: &Ctx, out: &mut Facts) {
    for (name, value) in parse(&read("/proc/meminfo").unwrap_or_default()) {
        put(out, name, value);
    }
}

fn parse(text: &str) -> Vec<(&'static str, Value)> {
    let mb = |key: &str| {
        let line = text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(':'));
        line.and_then(|v| v.split_whitespace().next()?.parse::<i64>().ok()).unwrap_or(0) / 1024
    };
    let (total, free, swap_total, swap_free) = (mb("MemTotal"), mb("MemFree"), mb("SwapTotal"), mb("SwapFree"));
    let cached = mb("Cached") + mb("Buffers");
    let unused = free + cached;
    vec![
        ("memtotal_mb", json!(total)),
        ("memfree_mb", json!(free)),
        ("swaptotal_mb", json!(swap_total)),
        ("swapfree_mb", json!(swap_free)),
        (
            "memory_mb",
            json!({
                "real": {"total": total, "used": total - free, "free": free},
                "nocache": {"free": unused, "used": total - unused},
                "swap": {"total": swap_total, "free": swap_free, "used": swap_total - swap_free, "cached": mb("SwapCached")},
            }),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn megabytes() {
        let text = "MemTotal: 4096000 kB\nMemFree: 1024000 kB\nBuffers: 102400 kB\nCached: 204800 kB\nSwapTotal: 0 kB\nSwapCached: 0 kB\n";
        let facts = parse(text);
        assert_eq!(facts[0].1, json!(4000));
        assert_eq!(facts[4].1["nocache"], json!({"free": 1300, "used": 2700}));
        assert_eq!(facts[4].1["real"], json!({"total": 4000, "used": 3000, "free": 1000}));
    }
}
