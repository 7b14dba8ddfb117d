//! `imgbuild plan`: what a build would make, what it needs to be allowed, and what it costs. No network call, unless
//! `--preflight` asks the account.

use super::args::TemplateArgs;
use super::prepare;
use crate::failure::{self, Outcome};
use crate::settings::Settings;
use crate::ui::{self, Style};
use crate::wire;
use anyhow::Context;
use imgbuild_builders::amazon::check::Verdict;
use imgbuild_builders::plan::{Cost, Item, Prices, policy};
use imgbuild_diag::Redactor;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    template: TemplateArgs,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Ask the account: names, keys, types, subnet, permissions, in all target regions at once. Nothing is made
    #[arg(long)]
    preflight: bool,
    /// Print a least-privilege IAM policy for this template and nothing else
    #[arg(long)]
    iam_policy: bool,
    /// A price list (JSON: instance_hour, volume_gib_month, snapshot_gib_month) to say what a run costs
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// With --preflight: ask the sandbox instead of AWS
    #[arg(long)]
    sandbox: bool,
    /// The sandbox's state directory
    #[arg(long, value_name = "DIR")]
    sandbox_dir: Option<PathBuf>,
    /// The template; - is standard input
    #[arg(value_name = "TEMPLATE")]
    path: PathBuf,
}

/// Prints it.
pub async fn run(args: Args, settings: &Settings, style: Style) -> Outcome {
    let redactor = Redactor::new();
    let loaded = prepare::prepare(&args.path, &args.template, false, None, settings, &redactor, Default::default())?;
    if args.iam_policy {
        let plans: Vec<_> = loaded.builds.iter().map(|b| b.builder.plan()).collect();
        ui::line(format!("{:#}", policy(&plans)));
        return Ok(failure::OK);
    }
    let prices = args.prices.as_ref().map(|path| read_prices(&settings.cwd.join(path))).transpose()?;
    if args.json {
        let plans: serde_json::Map<String, serde_json::Value> = loaded
            .builds
            .iter()
            .map(|b| (b.name.clone(), serde_json::to_value(b.builder.plan()).unwrap_or_default()))
            .collect();
        ui::line(redactor.redact(&format!("{:#}", serde_json::Value::Object(plans))));
        return Ok(failure::OK);
    }
    ui::redacted_diagnostics(style, &loaded.warnings, &redactor);
    let say = |text: String| ui::say(style, &redactor.redact(&text));
    for build in &loaded.builds {
        say(format!("{} ({})", build.name, build.kind));
        let plan = build.builder.plan();
        for (title, items) in [
            ("made, and removed again", &plan.temporary),
            ("made, and kept", &plan.lasting),
            ("removed", &plan.removed),
        ] {
            if !items.is_empty() {
                say(format!("  {title}:"));
                items.iter().for_each(|item| say(shown(item)));
            }
        }
        let steps: Vec<&str> = build.provision.steps.iter().map(|s| s.kind.as_str()).collect();
        if !steps.is_empty() {
            say(format!("  provisioned by: {}", steps.join(", ")));
        }
        if !plan.actions.is_empty() {
            say(format!("  IAM actions:\n    {}", plan.actions.join("\n    ")));
        }
        if let Some(prices) = prices.as_ref().filter(|_| !plan.actions.is_empty()) {
            costs(&prices.cost(&plan.usage), &prices.currency).into_iter().for_each(&say);
        }
    }
    if !args.preflight {
        return Ok(failure::OK);
    }
    let dir = (args.sandbox || args.sandbox_dir.is_some()).then(|| settings.sandbox_dir(args.sandbox_dir.as_deref()));
    let (amazon, accounts) = wire::amazon(settings, dir.as_deref());
    let mut good = true;
    for build in &loaded.builds {
        say(format!("{}: what the account says", build.name));
        match build.builder.check(&amazon).await {
            Ok(findings) => {
                for finding in findings {
                    let (mark, text) = match finding.verdict {
                        Verdict::Good(text) => ("ok", text),
                        Verdict::Unknown(why) => ("not known", why),
                        Verdict::Bad(why) => {
                            good = false;
                            ("WRONG", why)
                        }
                    };
                    say(format!("  {mark}: {}: {text}", finding.what));
                }
            }
            Err(why) => {
                good = false;
                say(format!("  WRONG: {why}"));
            }
        }
    }
    accounts.shutdown().await;
    Ok(if good { failure::OK } else { failure::FAILED })
}

fn read_prices(path: &std::path::Path) -> anyhow::Result<Prices> {
    let text = std::fs::read_to_string(path).with_context(|| format!("the price list {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("the price list {}", path.display()))
}

fn costs(cost: &Cost, currency: &str) -> Vec<String> {
    let mut lines = vec!["  costs:".to_owned()];
    let amount = |n: f64| format!("{n:.4} {currency}").trim_end().to_owned();
    lines.extend(cost.per_hour.map(|n| format!("    {} an hour while it builds", amount(n))));
    lines.extend(
        cost.snapshots_per_month
            .map(|n| format!("    at most {} a month for the snapshots of the template's own volumes", amount(n))),
    );
    lines.extend(cost.unknown.iter().map(|what| format!("    no price is given for {what}")));
    lines
}

fn shown(item: &Item) -> String {
    let mut text = format!("    {}", item.what);
    if let Some(name) = &item.name {
        text.push_str(&format!(" {name:?}"));
    }
    if !item.region.is_empty() {
        text.push_str(&format!(" in {}", item.region));
    }
    for note in &item.notes {
        text.push_str(&format!("\n      {note}"));
    }
    text
}
