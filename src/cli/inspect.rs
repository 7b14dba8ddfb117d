//! `imgbuild inspect`: variables, builders and provisioners of a template, as Packer lists them.

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
    /// The template; - is standard input
    #[arg(value_name = "TEMPLATE")]
    path: PathBuf,
}

/// Prints it.
pub fn run(args: &Args, settings: &Settings, style: Style) -> Outcome {
    let redactor = Redactor::new();
    let loaded = prepare::load(&args.path, &args.template, settings, &redactor)?;
    let template = &loaded.template;
    if let Some(description) = &template.description {
        ui::say(style, &format!("Description:\n\n{description}\n"));
    }
    ui::say(style, &redactor.redact(&template.list_variables()));
    ui::say(style, "Builders:\n");
    for build in &template.builds {
        let kind = build.builder.kind.as_str();
        let name = if build.name == kind { format!("  {kind}") } else { format!("  {} ({kind})", build.name) };
        ui::say(style, &name);
    }
    ui::say(style, "\nProvisioners:\n");
    let first = template.builds.first().map(|b| b.provisioners.as_slice()).unwrap_or_default();
    if first.is_empty() {
        ui::say(style, "  <No provisioners>");
    }
    for provisioner in first {
        ui::say(style, &format!("  {}", provisioner.kind.as_str()));
    }
    Ok(failure::OK)
}
