//! `imgbuild inspect`: what a template holds, laid out as Packer lays it out. Nothing is rendered and nothing is checked beyond the
//! structure: builders and provisioners that this program does not run are listed like all others.

use super::args::TemplateArgs;
use crate::data_sources;
use crate::failure::{self, Failure, Outcome};
use crate::settings::Settings;
use crate::ui::{self, Style};
use imgbuild_diag::Redactor;
use imgbuild_template::LoadOptions;
use imgbuild_template::json::JsonTemplate;
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
    // The flags are Packer's; a listing of JSON does not depend on them, but a malformed one is an error.
    let options = args.template.load_options(settings, &redactor)?;
    if options.is_hcl(&args.path) {
        return hcl(args, options, settings, style);
    }
    let parsed = imgbuild_template::parse_file(&args.path, &options.ambient)?;
    // A secret may stand in other variables, too.
    let secret = parsed.json.variables.values().filter(|v| v.sensitive).filter_map(|v| v.default.as_ref());
    secret.for_each(|value| redactor.add(&value.value));
    json(&parsed.json, style, &redactor);
    Ok(failure::OK)
}

/// An HCL2 configuration: values of variables and locals, sensitive ones hidden, and the builds.
fn hcl(args: &Args, mut options: LoadOptions, settings: &Settings, style: Style) -> Outcome {
    options.no_builds_needed = true;
    options.warn_undeclared = false;
    options.data_sources = Some(data_sources::all(settings, None));
    let redactor = options.redactor.clone();
    let read = imgbuild_template::inspect(&args.path, &options);
    let (template, problems) = read.map_err(|all| Failure::from(all).hiding(&redactor))?;
    // A listing goes on whatever can't be worked out, as Packer's does. Variables without values show for themselves.
    for problem in problems.errors().filter(|problem| !problem.message.starts_with("Unset variable")) {
        ui::note(redactor.redact(&problem.to_string()));
    }
    if let Some(overview) = &template.overview {
        ui::say(style, "Packer Inspect: HCL2 mode\n");
        ui::say(style, &redactor.redact(&overview.variables));
        ui::say(style, &redactor.redact(&overview.builds));
    }
    Ok(failure::OK)
}

/// A legacy JSON template: raw names and defaults, sensitive ones hidden.
fn json(template: &JsonTemplate, style: Style, redactor: &Redactor) {
    let say = |text: &str| ui::say(style, text);
    let machine = |kind: &str, data: &[&str]| {
        if style.machine_readable {
            ui::line(ui::record("", kind, data));
        }
    };
    say("Packer Inspect: JSON mode");
    if let Some(description) = &template.description {
        say("Description:\n");
        say(&format!("{description}\n"));
    }
    if template.variables.is_empty() {
        say("Variables:\n");
        say("  <No variables>");
    } else {
        let mut variables: Vec<_> = template.variables.values().collect();
        variables.sort_by(|a, b| a.name.value.cmp(&b.name.value));
        let width = variables.iter().map(|v| v.name.value.chars().count()).max().unwrap_or(0);
        let required: Vec<_> = variables.iter().filter(|v| v.default.is_none()).collect();
        if !required.is_empty() {
            say("Required variables:\n");
            for variable in required {
                machine("template-variable", &[&variable.name.value, "", "1"]);
                say(&format!("  {}", variable.name));
            }
            say("");
        }
        say("Optional variables and their defaults:\n");
        for variable in &variables {
            let Some(default) = &variable.default else { continue };
            let shown = if variable.sensitive { "<sensitive>".to_owned() } else { redactor.redact(&default.value) };
            machine("template-variable", &[&variable.name.value, &shown, "0"]);
            say(&format!("  {:width$} = {shown}", variable.name.value));
        }
    }
    say("");
    say("Builders:\n");
    let mut builders: Vec<_> = template.builders.iter().collect();
    builders.sort_by(|a, b| a.name.value.cmp(&b.name.value));
    let width = builders.iter().map(|b| b.name.value.chars().count()).max().unwrap_or(0);
    if builders.is_empty() {
        say("  <No builders>");
    }
    for builder in builders {
        let (name, kind) = (builder.name.value.as_str(), builder.kind.value.as_str());
        machine("template-builder", &[name, kind]);
        say(&if name == kind { format!("  {name:width$}") } else { format!("  {name:width$} ({kind})") });
    }
    say("");
    say("Provisioners:\n");
    if template.provisioners.is_empty() {
        say("  <No provisioners>");
    }
    for provisioner in &template.provisioners {
        machine("template-provisioner", &[&provisioner.kind.value]);
        say(&format!("  {}", provisioner.kind.value));
    }
    say(
        "\nNote: If your build names contain user variables or template\nfunctions such as 'timestamp', these are processed at \
         build time,\nand therefore only show in their raw form here.",
    );
}
