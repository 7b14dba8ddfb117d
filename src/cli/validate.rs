//! `imgbuild validate`: Packer's command; makes no network call.

use super::args::TemplateArgs;
use super::prepare;
use crate::failure::{self, Outcome};
use crate::settings::Settings;
use crate::ui::{self, Style};
use imgbuild_diag::Redactor;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    template: TemplateArgs,
    /// Check the syntax only
    #[arg(long)]
    syntax_only: bool,
    /// The template; - is standard input
    #[arg(value_name = "TEMPLATE")]
    path: PathBuf,
}

/// Checks a template.
pub fn run(args: &Args, settings: &Settings, style: Style) -> Outcome {
    let redactor = Redactor::new();
    if args.syntax_only {
        imgbuild_template::parse_file(&args.path, &settings.ambient())?;
        ui::say(style, "Syntax-only check passed. Everything looks okay.");
        return Ok(failure::OK);
    }
    let loaded = prepare::prepare(&args.path, &args.template, false, None, settings, &redactor)?;
    ui::diagnostics(style, &loaded.warnings);
    ui::say(style, "The configuration is valid.");
    Ok(failure::OK)
}
