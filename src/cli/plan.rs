//! `imgbuild plan`: what a build would make, and what it needs to be allowed. No network call.

use super::args::TemplateArgs;
use super::prepare;
use crate::failure::{self, Outcome};
use crate::settings::Settings;
use crate::ui::{self, Style};
use imgbuild_builders::plan::Item;
use imgbuild_diag::Redactor;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    template: TemplateArgs,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// The template; - is standard input
    #[arg(value_name = "TEMPLATE")]
    path: PathBuf,
}

/// Prints it.
pub async fn run(args: Args, settings: &Settings, style: Style) -> Outcome {
    let redactor = Redactor::new();
    let loaded = prepare::prepare(&args.path, &args.template, false, None, settings, &redactor)?;
    if args.json {
        let plans: serde_json::Map<String, serde_json::Value> = loaded
            .builds
            .iter()
            .map(|b| (b.name.clone(), serde_json::to_value(b.builder.plan()).unwrap_or_default()))
            .collect();
        ui::line(redactor.redact(&format!("{:#}", serde_json::Value::Object(plans))));
        return Ok(failure::OK);
    }
    ui::diagnostics(style, &loaded.warnings);
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
    }
    Ok(failure::OK)
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
