//! `imgbuild prune`: removes old images of a name pattern, on request only.

use crate::failure::{self, Outcome};
use crate::settings::Settings;
use crate::ui::{self, Style};
use crate::wire;
use imgbuild_builders::amazon::ids::Region;
use imgbuild_builders::amazon::options::access::Access;
use imgbuild_builders::prune::{self, Fate, Wanted};
use std::path::PathBuf;
use std::time::Duration;

#[derive(clap::Args)]
pub struct Args {
    /// Names of the images, with * and ? as in EC2's filters
    #[arg(long, value_name = "PATTERN")]
    name: String,
    /// In each region this many of the newest stay; 0 needs --older-than
    #[arg(long, value_name = "N")]
    keep: usize,
    /// Keep that many of each value of this tag, where a pattern covers several families
    #[arg(long, value_name = "TAG")]
    per: Option<String>,
    /// Younger ones stay, too, such as 720h
    #[arg(long, value_name = "TIME", value_parser = time)]
    older_than: Option<Duration>,
    /// Only images with this tag; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = tag)]
    tag: Vec<(String, String)>,
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
    /// Look in this region; may be repeated. The default region otherwise
    #[arg(long, value_name = "REGION")]
    region: Vec<String>,
    /// A profile of the shared configuration files
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Look in the sandbox instead of AWS
    #[arg(long)]
    sandbox: bool,
    /// The sandbox's state directory
    #[arg(long, value_name = "DIR")]
    sandbox_dir: Option<PathBuf>,
}

/// A time as templates write them.
pub fn time(text: &str) -> Result<Duration, String> {
    imgbuild_template::decode::parse_duration(text).map_err(|_| "write a time such as 720h".to_owned())
}

fn tag(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Removes them, and says what becomes of each.
pub async fn run(args: Args, settings: &Settings, style: Style) -> Outcome {
    if args.keep == 0 && args.older_than.is_none_or(|age| age.is_zero()) {
        return Err(
            anyhow::anyhow!("--keep 0 would remove every image of the pattern: say with --older-than which").into()
        );
    }
    let sandbox =
        (args.sandbox || args.sandbox_dir.is_some()).then(|| settings.sandbox_dir(args.sandbox_dir.as_deref()));
    let (amazon, accounts) = wire::amazon(settings, sandbox.as_deref());
    let regions: Vec<Region> = args.region.iter().map(|r| Region::new(r.as_str())).collect();
    let access = Access {
        region: regions.first().cloned(),
        profile: args.profile.clone(),
        endpoint: settings.var("AWS_ENDPOINT_URL").map(str::to_owned),
        max_attempts: 10,
        ..Access::default()
    };
    let account = amazon.accounts.open(&access).await.map_err(anyhow::Error::msg)?;
    let home = || {
        let home = account.default_region();
        home.ok_or_else(|| anyhow::anyhow!("no region is set: name one with --region, or set AWS_REGION"))
    };
    let regions = if regions.is_empty() { vec![home()?] } else { regions };
    let before = args.older_than.map(|age| {
        let at = settings.start.checked_sub(age).unwrap_or(jiff::Timestamp::MIN);
        at.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
    });
    let wanted =
        Wanted { name: args.name.clone(), tags: args.tag.clone(), keep: args.keep, per: args.per.clone(), before };
    let (mut failed, mut told) = (0, 0);
    let mut unasked = Vec::new();
    for region in &regions {
        let tell = |item: &prune::Item| {
            told += 1;
            failed += usize::from(matches!(item.fate, Fate::Failed(_) | Fate::Half(_)));
            ui::say(style, &item.to_string());
        };
        if let Err(error) = prune::prune(&account, region, &wanted, args.dry_run, tell).await {
            unasked.push(format!("{region}: {error}"));
        }
    }
    accounts.shutdown().await;
    if !unasked.is_empty() {
        return Err(anyhow::anyhow!("{}", unasked.join("\n")).into());
    }
    if told == 0 {
        ui::say(style, "No image of this account matches.");
    }
    Ok(if failed > 0 { failure::FAILED } else { failure::OK })
}
