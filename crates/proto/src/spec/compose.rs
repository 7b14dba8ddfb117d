//! Docker Compose, by its command line.
//!
//! Names, types and defaults only; what the options do is the business of the modules.

use super::{Module, Opt, Type, opt, spec};

/// How Docker's program is called, and which project is meant: options that all modules of Compose have.
pub(super) const PROJECT: &[Opt] = &[
    opt("docker_cli", Type::Path),
    Opt { aliases: &["docker_url"], ..opt("docker_host", Type::Str) },
    opt("tls_hostname", Type::Str),
    Opt { aliases: &["docker_api_version"], default: Some("\"auto\""), ..opt("api_version", Type::Str) },
    Opt { aliases: &["ca_cert", "tls_ca_cert", "cacert_path"], ..opt("ca_path", Type::Path) },
    Opt { aliases: &["tls_client_cert", "cert_path"], ..opt("client_cert", Type::Path) },
    Opt { aliases: &["tls_client_key", "key_path"], ..opt("client_key", Type::Path) },
    Opt { default: Some("false"), ..opt("tls", Type::Bool) },
    Opt { aliases: &["tls_verify"], default: Some("false"), ..opt("validate_certs", Type::Bool) },
    opt("cli_context", Type::Str),
    Opt { elements: Some(Type::Str), ..opt("services", Type::List) },
    opt("project_src", Type::Path),
    opt("project_name", Type::Str),
    Opt { elements: Some(Type::Path), ..opt("files", Type::List) },
    opt("definition", Type::Dict),
    Opt { elements: Some(Type::Path), ..opt("env_files", Type::List) },
    Opt { elements: Some(Type::Str), ..opt("profiles", Type::List) },
    Opt { default: Some("true"), ..opt("check_files_existing", Type::Bool) },
];

/// The options of a project, and these.
macro_rules! project_and {
    ($($own:expr),* $(,)?) => {{
        const OWN: &[Opt] = &[$($own),*];
        const ALL: [Opt; crate::spec::compose::PROJECT.len() + OWN.len()] =
            crate::spec::joined(crate::spec::compose::PROJECT, OWN);
        &ALL
    }};
}

/// What is true of all of them.
const BASE: Module = Module {
    mutually_exclusive: &[&["docker_host", "cli_context"], &["definition", "project_src"], &["definition", "files"]],
    required_one_of: &[&["definition", "project_src"]],
    required_together: &[&["client_cert", "client_key"]],
    required_by: &[("definition", &["project_name"])],
    ..spec("", "", &[])
};

/// The family.
pub const MODULES: &[Module] = &[
    Module {
        name: "docker_compose_v2",
        fqcn: "community.docker.docker_compose_v2",
        options: project_and![
            Opt {
                default: Some("\"present\""),
                choices: &["absent", "present", "stopped", "restarted"],
                ..opt("state", Type::Str)
            },
            Opt { default: Some("true"), ..opt("dependencies", Type::Bool) },
            Opt {
                default: Some("\"policy\""),
                choices: &["always", "missing", "never", "policy"],
                ..opt("pull", Type::Str)
            },
            Opt { default: Some("\"policy\""), choices: &["always", "never", "policy"], ..opt("build", Type::Str) },
            Opt { default: Some("\"auto\""), choices: &["always", "never", "auto"], ..opt("recreate", Type::Str) },
            Opt { default: Some("false"), ..opt("renew_anon_volumes", Type::Bool) },
            Opt { choices: &["all", "local"], ..opt("remove_images", Type::Str) },
            Opt { default: Some("false"), ..opt("remove_volumes", Type::Bool) },
            Opt { default: Some("false"), ..opt("remove_orphans", Type::Bool) },
            opt("timeout", Type::Int),
            opt("scale", Type::Dict),
            Opt { default: Some("false"), ..opt("wait", Type::Bool) },
            opt("wait_timeout", Type::Int),
            Opt { default: Some("true"), ..opt("ignore_build_events", Type::Bool) },
            Opt { default: Some("false"), ..opt("assume_yes", Type::Bool) },
        ],
        ..BASE
    },
    Module {
        name: "docker_compose_v2_pull",
        fqcn: "community.docker.docker_compose_v2_pull",
        options: project_and![
            Opt { default: Some("\"always\""), choices: &["always", "missing"], ..opt("policy", Type::Str) },
            Opt { default: Some("false"), ..opt("ignore_buildable", Type::Bool) },
            Opt { default: Some("false"), ..opt("include_deps", Type::Bool) },
        ],
        ..BASE
    },
];
