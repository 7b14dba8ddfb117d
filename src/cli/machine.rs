//! `imgbuild __machine SPEC`: the supervisor of one machine of the sandbox. Started by the sandbox, outlives it.

use crate::failure::Outcome;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Args {
    spec: PathBuf,
}

/// Ends when the machine ends.
pub fn run(args: &Args) -> Outcome {
    let code = imgbuild_sandbox::machine::supervisor_main(&args.spec);
    // An ExitCode can't be read back; success is all that anybody asks of a supervisor.
    Ok(u8::from(code != std::process::ExitCode::SUCCESS))
}
