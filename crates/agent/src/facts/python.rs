//! The host's Python, where it has one: nothing here needs it, playbooks ask about it.

use super::{Facts, put};
use crate::ctx::Ctx;
use serde_json::Value;
use std::time::Duration;

/// Ansible's order: the newest version by name, then whatever is called `python3`; then what old hosts have.
const NAMES: [&str; 13] = [
    "python3.14",
    "python3.13",
    "python3.12",
    "python3.11",
    "python3.10",
    "python3.9",
    "python3.8",
    "python3.7",
    "python3.6",
    "/usr/bin/python3",
    "python3",
    "/usr/libexec/platform-python",
    "python",
];

/// Without site packages and the user's environment: it says what it is in a few milliseconds.
const ASK: &str = "import sys, json; v = sys.version_info; print(json.dumps({'version': dict(zip(('major', 'minor', \
                   'micro', 'releaselevel', 'serial'), v)), 'version_info': list(v), 'executable': sys.executable, \
                   'has_sslcontext': v >= (2, 7, 9), 'type': sys.implementation.name if hasattr(sys, 'implementation') else \
                   sys.subversion[0]}))";

/// Gathers them.
pub fn collect(ctx: &Ctx, out: &mut Facts) {
    // The one that `ansible_python_interpreter` names comes first.
    let named = ctx.args.str("_python");
    for name in named.as_deref().into_iter().chain(NAMES) {
        let Some(program) = ctx.which(name) else { continue };
        let limit = Duration::from_secs(5);
        // One that is only called so (a version manager's shim) is passed over.
        let Ok(ran) = ctx.cmd(&program).arg("-SE").arg("-c").arg(ASK).limit(limit).run() else { continue };
        let Ok(Value::Object(python)) = serde_json::from_str::<Value>(&ran.stdout) else { continue };
        let number = |i: usize| python.get("version_info").and_then(|v| v.get(i)).and_then(Value::as_u64);
        if let (Some(major), Some(minor), Some(micro)) = (number(0), number(1), number(2)) {
            put(out, "python_version", format!("{major}.{minor}.{micro}"));
        }
        put(out, "python", Value::Object(python));
        return;
    }
}
