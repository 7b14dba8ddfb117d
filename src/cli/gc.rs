//! `imgbuild gc`: finishes the job of runs that died.

use crate::failure::{self, Failure, Outcome};
use crate::settings::Settings;
use crate::ui::{self, Style};
use crate::wire;
use imgbuild_builders::gc;

#[derive(clap::Args)]
pub struct Args {
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
}

/// Removes what the journals of dead runs owe.
pub async fn run(args: Args, settings: &Settings, style: Style) -> Outcome {
    let (amazon, accounts) = wire::amazon(settings, None);
    let dir = settings.journals();
    let report = gc::collect(&dir, amazon.as_ref(), args.dry_run, |item| ui::say(style, &item.to_string()))
        .await
        .map_err(|e| Failure::Error(e.into()))?;
    accounts.shutdown().await;
    for (path, why) in &report.broken {
        ui::note(format!("Warning: the journal {} can't be read and is left alone: {why}", path.display()));
    }
    let leaks = report.leaks().count();
    if report.items.is_empty() {
        ui::say(style, "There is nothing to remove.");
    } else if leaks > 0 {
        ui::note(format!("{leaks} thing(s) could not be removed; gc will try again."));
    }
    Ok(if leaks > 0 || !report.broken.is_empty() { failure::LEAKED } else { failure::OK })
}
