//! `ping`: answers what it is told; `crash` fails.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let data = ctx.args.text("data");
    if data == "crash" {
        crate::fail!("boom");
    }
    Ok(crate::out! {"changed": false, "ping": data})
}
