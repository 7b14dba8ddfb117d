//! What Packer's commands share: single-dash flags and the template's options.

use crate::failure::Failure;
use crate::lookup;
use crate::settings::Settings;
use imgbuild_diag::Redactor;
use imgbuild_template::LoadOptions;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

/// Commands whose flags follow getopt (`-i`, `-vvv`), not Go.
const GETOPT: &[&str] = &["playbook", "inventory", "vault", "adhoc", "galaxy", "completions", "man", "__machine"];

/// Names of Ansible's programs, and the commands that they are here.
const ANSIBLE: &[(&str, &str)] = &[
    ("ansible", "adhoc"),
    ("ansible-playbook", "playbook"),
    ("ansible-inventory", "inventory"),
    ("ansible-vault", "vault"),
    ("ansible-galaxy", "galaxy"),
];

/// Makes of Packer's command line one that clap reads: `-var` is `--var`, `-machine-readable` may stand anywhere. Called by the
/// name of one of Ansible's programs, everything is for that command. Returns whether `-machine-readable` was there.
pub fn normalise(arguments: Vec<OsString>) -> (Vec<OsString>, bool) {
    let mut arguments = arguments.into_iter();
    let program = arguments.next().unwrap_or_else(|| "imgbuild".into());
    let called = PathBuf::from(&program);
    let name = called.file_name().unwrap_or_default();
    if let Some((_, command)) = ANSIBLE.iter().find(|(known, _)| name == *known) {
        return ([program, (*command).into()].into_iter().chain(arguments).collect(), false);
    }
    let rest: Vec<OsString> = arguments.collect();
    let command = rest.iter().find(|a| !a.to_string_lossy().starts_with('-')).map(|a| a.to_string_lossy().into_owned());
    if command.as_deref().is_some_and(|c| GETOPT.contains(&c)) {
        return (std::iter::once(program).chain(rest).collect(), false);
    }
    let mut machine_readable = false;
    let mut out = vec![program];
    let mut literal = false;
    // What follows `sandbox ssh INSTANCE` is a command of its own.
    let ssh = command.as_deref() == Some("sandbox") && rest.iter().any(|a| a == "ssh");
    for argument in rest {
        let text = argument.to_string_lossy();
        literal |= ssh && text.starts_with("i-");
        if literal || text == "-" || !text.starts_with('-') {
            out.push(argument);
            continue;
        }
        if text == "--" {
            literal = true;
            out.push(argument);
            continue;
        }
        let name = text.trim_start_matches('-');
        match name {
            "machine-readable" | "machine-readable=true" => machine_readable = true,
            "machine-readable=false" => machine_readable = false,
            "h" => out.push("--help".into()),
            "v" => out.push("--version".into()),
            _ => out.push(format!("--{name}").into()),
        }
    }
    (out, machine_readable)
}

/// A flag as Go's flag package has it: `-x`, `-x=true`, `-x=false`.
pub fn go_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("must be true or false".into()),
    }
}

/// The options that every command on a template takes.
#[derive(clap::Args, Debug, Clone, Default)]
pub struct TemplateArgs {
    /// Set a variable; may be repeated
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub vars: Vec<String>,
    /// Read variables from a file; may be repeated
    #[arg(long = "var-file", value_name = "FILE")]
    pub var_files: Vec<PathBuf>,
    /// Only these builds; * and ? stand for any characters
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    pub only: Vec<String>,
    /// All builds but these; also post-processors, with the rest of their chains
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    pub except: Vec<String>,
    /// json or hcl2: the language where the name of the template doesn't tell
    #[arg(long, value_name = "LANGUAGE", value_parser = ["json", "hcl2"])]
    pub config_type: Option<String>,
    /// Taken for the sake of Packer's command line; locals are always evaluated in the order of their dependencies
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", value_parser = go_bool)]
    pub use_sequential_evaluation: bool,
    /// Refuse what is accepted with a warning: an AMI filter without owners
    #[arg(long)]
    pub strict: bool,
    /// Connect to instances whose host key can't be known beforehand: whoever is on the way can then read the build
    #[arg(long)]
    pub accept_any_host_key: bool,
}

impl TemplateArgs {
    /// For the template crate. The redactor learns every secret that the template gets.
    pub fn load_options(&self, settings: &Settings, redactor: &Redactor) -> Result<LoadOptions, Failure> {
        let mut ambient = settings.ambient();
        ambient.lookup = Some(lookup::all(settings, redactor));
        let mut options = LoadOptions::new(Arc::new(ambient));
        options.redactor = redactor.clone();
        for var in &self.vars {
            let (name, value) = var
                .split_once('=')
                .filter(|(name, _)| !name.is_empty())
                .ok_or_else(|| anyhow::anyhow!("-var {var:?} must be of the form name=value"))?;
            options.vars.push((name.to_owned(), value.to_owned()));
        }
        options.var_files = self.var_files.clone();
        options.only = self.only.clone();
        options.except = self.except.clone();
        options.hcl = self.config_type.as_deref() == Some("hcl2");
        Ok(options)
    }
}

/// Options that all of Packer's commands on a template take. Commands that have these have no use for them, nor has Packer.
#[derive(clap::Args, Debug, Clone, Default)]
pub struct Unused {
    /// As in build; without effect here
    #[arg(long = "var", value_name = "NAME=VALUE", hide = true)]
    vars: Vec<String>,
    /// As in build; without effect here
    #[arg(long = "var-file", value_name = "FILE", hide = true)]
    var_files: Vec<PathBuf>,
    /// As in build; without effect here
    #[arg(long, value_delimiter = ',', value_name = "NAME,…", hide = true)]
    only: Vec<String>,
    /// As in build; without effect here
    #[arg(long, value_delimiter = ',', value_name = "NAME,…", hide = true)]
    except: Vec<String>,
    /// As in build; without effect here
    #[arg(long, value_name = "LANGUAGE", value_parser = ["json", "hcl2"], hide = true)]
    config_type: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> (Vec<String>, bool) {
        let (out, machine) = normalise(text.split(' ').map(OsString::from).collect());
        (out.into_iter().map(|a| a.into_string().unwrap()).collect(), machine)
    }

    #[test]
    fn single_dashes_are_double_dashes() {
        assert_eq!(
            words("imgbuild build -machine-readable -var a=-b --only=x -color=false t.json"),
            (
                ["imgbuild", "build", "--var", "a=-b", "--only=x", "--color=false", "t.json"]
                    .map(String::from)
                    .to_vec(),
                true
            )
        );
        assert_eq!(words("imgbuild validate -").0, ["imgbuild", "validate", "-"]);
        assert_eq!(words("imgbuild playbook -vvv -i x").0, ["imgbuild", "playbook", "-vvv", "-i", "x"]);
        assert_eq!(words("/usr/bin/ansible-playbook -i x").0, ["/usr/bin/ansible-playbook", "playbook", "-i", "x"]);
    }
}
