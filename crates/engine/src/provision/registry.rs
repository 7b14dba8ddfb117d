//! The provisioners by name, and a build's plan.

use super::ansible::Ansible;
use super::ansible_local::AnsibleLocal;
use super::file::File;
use super::goss::Goss;
use super::shell::Shell;
use super::shell_local::ShellLocal;
use super::simple::{Breakpoint, Sleep};
use super::{Plan, Provisioner, Step};
use imgbuild_diag::{Diagnostic, Diagnostics};
use imgbuild_template::{Build, Context, Table, model};

/// Names that can be written.
pub const NAMES: &[&str] = &["ansible", "ansible-local", "breakpoint", "file", "goss", "shell", "shell-local", "sleep"];

/// Names that Packer has and we don't, and what to do instead.
const REFUSED: &[(&str, &str)] = &[
    ("powershell", "Windows is not supported"),
    ("windows-shell", "Windows is not supported"),
    ("windows-restart", "Windows is not supported"),
    ("hcp-sbom", "HCP Packer is not supported"),
    ("chef-client", "use \"ansible\" or \"shell\""),
    ("chef-solo", "use \"ansible\" or \"shell\""),
    ("puppet-masterless", "use \"ansible\" or \"shell\""),
    ("puppet-server", "use \"ansible\" or \"shell\""),
    ("salt-masterless", "use \"ansible\" or \"shell\""),
    ("converge", "use \"ansible\" or \"shell\""),
    ("inspec", "use \"shell-local\""),
    ("inspec.io", "use \"shell-local\""),
    ("windows-update", "Windows is not supported"),
    ("comment", "it belongs to a plugin"),
    ("lxc", "it belongs to a plugin"),
    ("salt", "use \"ansible\" or \"shell\""),
    ("serverspec", "use \"shell-local\""),
    ("testinfra", "use \"shell-local\""),
    ("wait-for", "use \"shell\""),
];

/// The options of every provisioner, for printed tables.
pub fn tables() -> Vec<&'static Table> {
    vec![
        &super::ansible_options::TABLE,
        &super::ansible_local::TABLE,
        &super::shell_options::TABLE,
        &super::shell_local::TABLE,
        super::file::table(),
        &super::goss::TABLE,
    ]
}

/// Reads one provisioner block. `promised` are the data names of the builder (`SourceAMI`, …). What is wrong with its options
/// goes to `diags`; a step is only fit to run if that holds no error.
pub fn prepare(
    block: &model::Provisioner,
    context: &Context,
    promised: &[&str],
    diags: &mut Diagnostics,
) -> Option<Step> {
    let body = &block.body;
    let provisioner: Box<dyn Provisioner> = match block.kind.as_str() {
        "ansible" => Box::new(Ansible::prepare(body, context, promised, diags)),
        "ansible-local" => Box::new(AnsibleLocal::prepare(body, context, promised, diags)),
        "breakpoint" => Box::new(Breakpoint::prepare(body, context, promised, diags)),
        "file" => Box::new(File::prepare(body, context, promised, diags)),
        "goss" => Box::new(Goss::prepare(body, context, promised, diags)),
        "shell" => Box::new(Shell::prepare(body, context, promised, diags)),
        "shell-local" => Box::new(ShellLocal::prepare(body, context, promised, diags)),
        "sleep" => Box::new(Sleep::prepare(body, context, promised, diags)),
        other => {
            let refused = REFUSED.iter().find(|(name, _)| *name == other);
            diags.push(match refused {
                Some((_, advice)) => Diagnostic::error(format!("the provisioner {other:?} is not supported: {advice}"))
                    .at(&block.kind.span)
                    .help("with \"only\" and \"except\" it may belong to builds that -only and -except leave out"),
                None => Diagnostic::error(format!("unknown provisioner type {other:?}"))
                    .at(&block.kind.span)
                    .suggest(other, NAMES.iter().copied()),
            });
            return None;
        }
    };
    Some(Step {
        kind: block.kind.value.clone(),
        place: block.kind.span.clone(),
        pause_before: block.pause_before,
        timeout: block.timeout,
        max_retries: block.max_retries,
        continue_on_error: block.continue_on_error,
        provisioner,
    })
}

impl Plan {
    /// Reads all provisioners of a build. `context` is the template's for this build ([`imgbuild_template::Template::context`]).
    pub fn prepare(build: &Build, context: &Context, promised: &[&str], diags: &mut Diagnostics) -> Self {
        let steps = build.provisioners.iter().filter_map(|block| prepare(block, context, promised, diags)).collect();
        let cleanup = build.cleanup.as_ref().and_then(|block| prepare(block, context, promised, diags));
        Plan { steps, cleanup }
    }
}
