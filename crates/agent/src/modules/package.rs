//! `package`: the module of the host's package manager does it.

use crate::ctx::Ctx;
use crate::facts;
use crate::outcome::{Fail, Outcome};

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let mut args = ctx.args.map().clone();
    let named = args.remove("use").and_then(|u| u.as_str().map(str::to_string)).filter(|u| u != "auto");
    let manager = match named {
        Some(name) => name.rsplit('.').next().unwrap_or_default().to_string(),
        None => {
            let mut found = facts::Facts::new();
            facts::distribution::collect(ctx, &mut found);
            facts::managers::package(ctx, &mut found);
            found.get("ansible_pkg_mgr").and_then(|m| m.as_str()).unwrap_or("unknown").to_string()
        }
    };
    let run = match manager.as_str() {
        "apt" => super::apt::run,
        "dnf" | "dnf5" | "yum" => super::dnf::run,
        other => crate::fail!("Could not find a matching action for the \"{other}\" package manager."),
    };
    run(&ctx.sub(&manager, args))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_managers_are_named() {
        let ctx = Ctx::test("package", serde_json::json!({"name": "x", "state": "present", "use": "chocolatey"}));
        assert!(run(&ctx).unwrap_err().msg.contains("chocolatey"));
    }
}
