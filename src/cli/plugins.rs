//! `imgbuild plugins`: which of Packer's plugins are built in. None can be installed.

use crate::failure::{self, Failure, Outcome};
use crate::ui::{self, Style};
use imgbuild_template::hcl::required::{self, RequiredPlugin};
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List the plugins that are built in, and what they bring
    Installed,
    /// List the plugins that an HCL2 template requires
    Required {
        /// A file, or a folder
        #[arg(value_name = "TEMPLATE")]
        path: PathBuf,
    },
    /// Nothing is to be done for a plugin that is built in; others are refused
    Install {
        /// The plugin and its version
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// Refused: plugins are built in
    Remove {
        /// The plugin and its version
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
}

/// Plugins that are built in: their sources, and how the types of their parts begin.
const BUILT_IN: &[(&str, &str)] = &[
    ("github.com/hashicorp/amazon", "amazon"),
    ("github.com/hashicorp/ansible", "ansible"),
    ("github.com/YaleUniversity/goss", "goss"),
];

/// The parts of a plugin that are built in, by its source; empty if it is not.
pub fn parts(source: &str) -> Vec<&'static str> {
    let Some((_, prefix)) = BUILT_IN.iter().find(|(known, _)| known.eq_ignore_ascii_case(source)) else {
        return Vec::new();
    };
    let builders = imgbuild_builders::tables().into_iter().map(|table| table.name);
    let provisioners = imgbuild_engine::provision::NAMES.iter().copied();
    let post_processors = imgbuild_engine::postprocess::NAMES.iter().copied();
    let all = builders.chain(provisioners).chain(post_processors);
    all.filter(|name| name.starts_with(prefix)).collect()
}

/// Runs a subcommand.
pub fn run(args: &Args, style: Style) -> Outcome {
    match &args.command {
        None => Err(refused("plugins is followed by installed, required, install or remove")),
        Some(Command::Installed) => {
            for (source, _) in BUILT_IN {
                let parts = parts(source);
                if !parts.is_empty() {
                    ui::say(style, &format!("{source} (built in): {}", parts.join(", ")));
                }
            }
            Ok(failure::OK)
        }
        Some(Command::Required { path }) => {
            let plugins = required(path)?;
            for plugin in &plugins {
                let built_in = if parts(&plugin.source).is_empty() { "" } else { " (built in)" };
                ui::say(style, &format!("{} {} {:?}{built_in}", plugin.name.value, plugin.source, plugin.version));
            }
            if plugins.is_empty() {
                ui::say(style, NONE);
            }
            Ok(failure::OK)
        }
        // A pipeline that installs what it needs finds it here.
        Some(Command::Install { words }) if words.iter().any(|word| !parts(word).is_empty()) => {
            let source = words.iter().find(|word| !parts(word).is_empty()).map_or("", String::as_str);
            ui::say(style, &format!("{source} is built in: nothing to install"));
            Ok(failure::OK)
        }
        Some(Command::Install { .. } | Command::Remove { .. }) => Err(refused(
            "plugins are part of imgbuild: none is installed or removed; `imgbuild plugins installed` lists what there is",
        )),
    }
}

/// What is said of a template that requires no plugin.
pub const NONE: &str = "The template requires no plugins: it has no packer block with required_plugins.";

/// The plugins that a template requires.
///
/// # Errors
/// It can't be read, or is not HCL2.
pub fn required(path: &Path) -> Result<Vec<RequiredPlugin>, Failure> {
    let name = path.to_string_lossy();
    if !(path.is_dir() || name.ends_with(".pkr.hcl") || name.ends_with(".pkr.json")) {
        return Err(refused(&format!("{name}: only HCL2 templates require plugins; JSON templates need no init")));
    }
    Ok(required::plugins(path)?)
}

fn refused(why: &str) -> Failure {
    Failure::Error(anyhow::anyhow!("{why}"))
}
