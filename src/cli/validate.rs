//! `imgbuild validate`: Packer's command; makes no network call.

use super::args::{TemplateArgs, go_bool};
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
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool)]
    syntax_only: bool,
    /// Don't warn of variables that a variable file sets and no file declares
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool)]
    no_warn_undeclared_var: bool,
    /// Ask the data sources, over the network
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool)]
    evaluate_datasources: bool,
    /// Taken for the sake of Packer's command line: plugins are built in, and none is a prerelease
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool)]
    ignore_prerelease_plugins: bool,
    /// The template; - is standard input
    #[arg(value_name = "TEMPLATE")]
    path: PathBuf,
}

/// Checks a template.
pub fn run(args: &Args, settings: &Settings, style: Style) -> Outcome {
    let redactor = Redactor::new();
    if args.syntax_only {
        imgbuild_template::check_syntax(&args.path, &args.template.load_options(settings, &redactor)?)?;
        ui::say(style, "Syntax-only check passed. Everything looks okay.");
        return Ok(failure::OK);
    }
    let how = prepare::How {
        warn_undeclared: !args.no_warn_undeclared_var,
        ask_data_sources: args.evaluate_datasources,
        ..Default::default()
    };
    let loaded = prepare::prepare(&args.path, &args.template, false, None, settings, &redactor, how)?;
    ui::redacted_diagnostics(style, &loaded.warnings, &redactor);
    ui::say(style, "The configuration is valid.");
    Ok(failure::OK)
}
