//! `imgbuild gc`: finishes the job of runs that died.

use crate::failure::{self, Failure, Outcome};
use crate::settings::Settings;
use crate::ui::{self, Style};
use crate::wire;
use imgbuild_builders::amazon::ids::Region;
use imgbuild_builders::amazon::options::access::{Access, Polling};
use imgbuild_builders::amazon::releaser::AmazonReleaser;
use imgbuild_builders::gc;
use imgbuild_builders::strays::{self, Search};
use imgbuild_engine::journal::live_runs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

#[derive(clap::Args)]
pub struct Args {
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Also look in the account for what carries the tag of a run whose journal is gone with its machine
    #[arg(long)]
    from_tags: bool,
    /// With --from-tags: leave runs alone that began less long ago; longer than your longest build
    #[arg(long, value_name = "TIME", default_value = "6h", value_parser = time)]
    older_than: Duration,
    /// With --from-tags: look in this region; may be repeated. All regions of the account otherwise
    #[arg(long, value_name = "REGION")]
    region: Vec<String>,
    /// With --from-tags: a profile of the shared configuration files
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// With --from-tags: look in the sandbox instead of AWS
    #[arg(long)]
    sandbox: bool,
    /// The sandbox's state directory
    #[arg(long, value_name = "DIR")]
    sandbox_dir: Option<PathBuf>,
}

/// `90m`, `6h`, `2h30m`.
fn time(text: &str) -> Result<Duration, String> {
    imgbuild_template::decode::parse_duration(text).map_err(|_| "write a time such as 90m or 6h".to_owned())
}

/// Removes what the journals of dead runs owe; with `--from-tags` what their tags tell.
pub async fn run(args: Args, settings: &Settings, style: Style) -> Outcome {
    let sandbox =
        (args.sandbox || args.sandbox_dir.is_some()).then(|| settings.sandbox_dir(args.sandbox_dir.as_deref()));
    let (amazon, accounts) = wire::amazon(settings, sandbox.as_deref());
    let dir = settings.journals();
    let mut told = 0;
    let mut tell = |item: &gc::Item| {
        told += 1;
        ui::say(style, &item.to_string());
    };
    let report = gc::collect(&dir, amazon.as_ref(), args.dry_run, &mut tell).await;
    let report = report.map_err(|e| Failure::Error(e.into()))?;
    let mut leaks = report.leaks().count();
    let strays = if args.from_tags { by_tags(&args, settings, &amazon, &mut tell).await } else { Ok(Vec::new()) };
    accounts.shutdown().await;
    leaks += strays.map_err(anyhow::Error::msg)?.iter().filter(|i| matches!(i.outcome, gc::Outcome::Left(_))).count();
    for (path, why) in &report.broken {
        ui::note(format!("Warning: the journal {} can't be read and is left alone: {why}", path.display()));
    }
    if told == 0 {
        ui::say(style, "There is nothing to remove.");
    } else if leaks > 0 {
        ui::note(format!("{leaks} thing(s) could not be removed; gc will try again."));
    }
    Ok(if leaks > 0 || !report.broken.is_empty() { failure::LEAKED } else { failure::OK })
}

async fn by_tags(
    args: &Args,
    settings: &Settings,
    amazon: &imgbuild_builders::amazon::env::Amazon,
    tell: impl FnMut(&gc::Item) + Send,
) -> Result<Vec<gc::Item>, String> {
    let regions: Vec<Region> = args.region.iter().map(|r| Region::new(r.as_str())).collect();
    let access = Access {
        region: regions.first().cloned(),
        profile: args.profile.clone(),
        endpoint: settings.var("AWS_ENDPOINT_URL").map(str::to_owned),
        max_attempts: 10,
        ..Access::default()
    };
    let account = amazon.accounts.open(&access).await?;
    let releaser =
        AmazonReleaser::new(Arc::clone(&account), Arc::clone(&amazon.pollers), Polling::default(), amazon.pause);
    let search = Search {
        regions,
        older_than: args.older_than,
        now: u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(0),
        alive: live_runs(&settings.journals()).into_iter().collect(),
    };
    strays::collect(&account, &releaser, &search, args.dry_run, tell).await
}
