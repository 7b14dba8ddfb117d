//! `imgbuild init`: which of the plugins that an HCL2 template requires are built in; roles and collections that its Ansible
//! provisioners ask for. Nothing is downloaded.

use super::args::{TemplateArgs, go_bool};
use super::{plugins, prepare};
use crate::failure::{self, Failure, Outcome};
use crate::settings::Settings;
use crate::ui::{self, Style};
use imgbuild_diag::{Diagnostic, Diagnostics, Redactor};
use imgbuild_engine::event::Reporter;
use imgbuild_engine::provision::requirements_of;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    template: TemplateArgs,
    /// Look for newer plugins: there are none beside those built in, which is said
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool)]
    upgrade: bool,
    /// Unpack role archives again
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool)]
    force: bool,
    /// The template: a file, or a folder
    #[arg(value_name = "TEMPLATE")]
    path: PathBuf,
}

/// Says what is there and installs what can be.
pub fn run(args: &Args, settings: &Settings, style: Style) -> Outcome {
    let required = plugins::required(&args.path)?;
    if required.is_empty() {
        ui::say(style, plugins::NONE);
    }
    let mut diags = Diagnostics::new();
    for plugin in &required {
        let parts = plugins::parts(&plugin.source);
        if parts.is_empty() {
            let message = format!("the plugin {} is not built in, and none can be installed", plugin.source);
            let help = "builds that use its parts are refused; leave them out with -only or -except";
            diags.push(Diagnostic::warning(message).at(&plugin.name.span).help(help));
        } else {
            ui::say(style, &format!("{} is built in: {}", plugin.source, parts.join(", ")));
        }
    }
    if args.upgrade {
        ui::say(style, "Plugins are part of imgbuild: a newer imgbuild brings newer ones.");
    }
    ui::diagnostics(style, &diags);
    let redactor = Redactor::new();
    let how = prepare::How { no_builds_needed: true, ..Default::default() };
    let loaded = match prepare::load(&args.path, &args.template, settings, &redactor, how) {
        Ok(loaded) => loaded,
        Err(Failure::Diagnostics(errors, redactor)) => {
            // Plugins are known before variables have values; requirements files are not. Packer's init needs no values.
            ui::say(
                style,
                "Requirements files of Ansible provisioners were not looked for, because the template can't be read to its end yet:\n",
            );
            ui::redacted_diagnostics(style, &errors, &redactor);
            return Ok(failure::OK);
        }
        Err(other) => return Err(other),
    };
    let reporter = Reporter::new(style.sink(false), redactor);
    let (mut seen, mut problems) = (Vec::new(), Diagnostics::new());
    for build in &loaded.template.builds {
        let context = loaded.template.context(build);
        let reporter = reporter.for_build(&build.name);
        requirements_of::install(build, &context, args.force, &mut seen, &reporter, &mut problems);
    }
    if problems.has_errors() {
        return Err(problems.into());
    }
    Ok(failure::OK)
}
