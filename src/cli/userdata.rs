//! `imgbuild userdata server|agent`.

use crate::failure::{self, Outcome};
use crate::{ui, userdata};
use imgbuild_diag::Diagnostic;
use std::collections::BTreeMap;

#[derive(clap::Args)]
pub struct Args {
    /// server or agent
    #[arg(value_parser = ["server", "agent"])]
    role: String,
    /// rancher1, rke2 or k3s
    #[arg(long, default_value = "rancher1")]
    stack: String,
    /// A variable of the stack; may be repeated. Without any, those that are needed are listed
    #[arg(long = "var", value_name = "NAME=VALUE")]
    vars: Vec<String>,
}

/// Renders it to standard output.
pub fn run(args: &Args) -> Outcome {
    let mut vars = BTreeMap::new();
    for var in &args.vars {
        let Some((name, value)) = var.split_once('=') else {
            return Err(Diagnostic::error(format!("--var {var:?} must be name=value")).into());
        };
        vars.insert(name.to_owned(), value.to_owned());
    }
    let text = userdata::render(&args.stack, &args.role, &vars)?;
    ui::data(text.as_bytes());
    Ok(failure::OK)
}
