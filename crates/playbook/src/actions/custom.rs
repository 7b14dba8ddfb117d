//! Modules of the user (`library/`).

use super::{Call, Problem, refuse};
use crate::exec::result::Res;
use std::path::Path;

pub async fn run(call: &Call<'_>, path: &Path) -> Result<Res, Problem> {
    Err(refuse(format!(
        "the module '{}' is a program of the playbook's own ({}): imgbuild can't run such modules yet",
        call.action.written,
        path.display()
    )))
}
