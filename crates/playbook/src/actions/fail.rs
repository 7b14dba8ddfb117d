//! `fail`.

use super::{Call, Problem};
use crate::exec::result::{Res, set};

pub fn run(call: &Call<'_>) -> Result<Res, Problem> {
    call.only(&["msg"])?;
    let mut res = Call::done(false);
    set(&mut res, "failed", true);
    set(&mut res, "msg", call.text("msg").unwrap_or_else(|| "Failed as requested from task".into()));
    Ok(res)
}
