//! `imgbuild`: the command line. Everything that a run takes from outside enters here ([`settings::Settings`]).

mod agent_binaries;
mod cli;
mod data_sources;
mod failure;
mod lookup;
mod settings;
mod ui;
mod userdata;
mod wire;

use std::process::ExitCode;

fn main() -> ExitCode {
    let settings = match settings::Settings::from_process() {
        Ok(settings) => settings,
        Err(error) => {
            ui::note(format!("Error: {error:#}"));
            return ExitCode::from(failure::FAILED);
        }
    };
    if let Err(error) = log(&settings) {
        ui::note(format!("Error: PACKER_LOG_PATH: the log can't be written: {error}"));
        return ExitCode::from(failure::FAILED);
    }
    tracing::info!("imgbuild {} in {}", env!("CARGO_PKG_VERSION"), settings.cwd.display());
    ExitCode::from(cli::main(settings, std::env::args_os().collect()))
}

/// `PACKER_LOG` (not empty, not 0) logs to standard error, or to `PACKER_LOG_PATH`. `IMGBUILD_LOG` narrows it
/// (tracing's filter syntax). A log never holds secrets: they are a type that does not print.
fn log(settings: &settings::Settings) -> std::io::Result<()> {
    let wanted = settings.var("PACKER_LOG").is_some_and(|v| v != "0");
    if !wanted {
        return Ok(());
    }
    let filter = settings.var("IMGBUILD_LOG").unwrap_or("imgbuild=debug,info");
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false);
    match settings.var("PACKER_LOG_PATH") {
        Some(path) => builder.with_writer(std::sync::Mutex::new(std::fs::File::create(path)?)).init(),
        None => builder.with_writer(std::io::stderr).init(),
    }
    Ok(())
}
