//! `imgbuild fix`: prints a legacy JSON template with what older versions of Packer knew put into today's words.

use super::args::{Unused, go_bool};
use crate::failure::{self, Failure, Outcome};
use crate::settings::Settings;
use crate::ui::{self, Style};
use imgbuild_diag::Source;
use imgbuild_template::fix;
use std::path::PathBuf;

#[derive(clap::Args)]
#[command(after_help = fixers())]
pub struct Args {
    /// Check the fixed template
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", value_parser = go_bool)]
    validate: bool,
    #[command(flatten)]
    unused: Unused,
    /// The template, in JSON; - is standard input
    #[arg(value_name = "TEMPLATE")]
    path: PathBuf,
}

fn fixers() -> String {
    let width = fix::FIXERS.iter().map(|fixer| fixer.name.len()).max().unwrap_or(0);
    let mut text = String::from("Fixers, in the order in which they run:\n");
    for fixer in fix::FIXERS {
        text.push_str(&format!("  {:width$}  {}\n", fixer.name, fixer.about));
    }
    text
}

/// Prints the fixed template.
pub fn run(args: &Args, settings: &Settings, style: Style) -> Outcome {
    let name = args.path.to_string_lossy();
    if name.ends_with(".pkr.hcl") || name.ends_with(".pkr.json") || args.path.is_dir() {
        return Err(Failure::Error(anyhow::anyhow!("{name}: only legacy JSON templates are fixed; this is HCL2")));
    }
    let text = imgbuild_template::read_text(&args.path)?;
    let fixed = fix::fix(&Source::new(name.as_ref(), text))?;
    ui::say(style, &fixed);
    if args.validate {
        let source = Source::new(format!("{name} (fixed)"), fixed);
        let path = settings.ambient().cwd.join(&args.path);
        let warnings = imgbuild_template::parse_text(&source, Some(path))?.check()?;
        // Not on standard output: that is the template.
        warnings.iter().for_each(|warning| ui::note(warning.to_string()));
    }
    Ok(failure::OK)
}
