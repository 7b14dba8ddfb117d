//! `imgbuild hcl2_upgrade`: makes an HCL2 template of a legacy JSON one.

use super::args::{Unused, go_bool};
use crate::failure::{self, Failure, Outcome};
use crate::ui::{self, Style};
use anyhow::Context as _;
use imgbuild_diag::Source;
use imgbuild_template::upgrade;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Args {
    /// Where to write; TEMPLATE with .pkr.hcl at its end if not given
    #[arg(long, value_name = "FILE")]
    output_file: Option<PathBuf>,
    /// Add comments that explain the blocks
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool)]
    with_annotations: bool,
    #[command(flatten)]
    unused: Unused,
    /// The template, in JSON; - is standard input
    #[arg(value_name = "TEMPLATE")]
    path: PathBuf,
}

/// Writes the file.
pub fn run(args: &Args, style: Style) -> Outcome {
    let name = args.path.to_string_lossy();
    if name.ends_with(".pkr.hcl") || name.ends_with(".pkr.json") || args.path.is_dir() {
        return Err(Failure::Error(anyhow::anyhow!("{name}: this is HCL2 already")));
    }
    let text = imgbuild_template::read_text(&args.path)?;
    let plugins = upgrade::Plugins {
        builders: imgbuild_builders::tables().to_vec(),
        provisioners: imgbuild_engine::provision::tables(),
        post_processors: imgbuild_engine::postprocess::tables(),
    };
    let upgraded = upgrade::upgrade(&Source::new(name.as_ref(), text), args.with_annotations, &plugins)?;
    let file = args.output_file.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.pkr.hcl")));
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    }
    std::fs::write(&file, &upgraded.text).with_context(|| format!("write {}", file.display()))?;
    ui::diagnostics(style, &upgraded.warnings);
    let mut code = failure::OK;
    if !upgraded.unknown_builders.is_empty() {
        let kinds = upgraded.unknown_builders.join(", ");
        ui::say(
            style,
            &format!("Error: no known plugin has these builders: {kinds}; name their plugins in required_plugins"),
        );
        code = failure::FAILED;
    }
    ui::say(style, &format!("Successfully created {}. Exit {code}", file.display()));
    Ok(code)
}
