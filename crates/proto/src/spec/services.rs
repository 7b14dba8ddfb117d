//! Further modules for services: Docker's accounts and tidying, interfaces of ifupdown.
//!
//! Facts from the DOCUMENTATION of community.docker and community.general.

use super::docker::client_and;
use super::{Module, Opt, Type, opt, spec};

/// The family.
pub const MODULES: &[Module] = &[
    Module {
        check_mode: false,
        required_together: &[&["client_cert", "client_key"]],
        ..spec(
            "docker_prune",
            "community.docker.docker_prune",
            client_and![
                Opt { default: Some("false"), ..opt("containers", Type::Bool) },
                opt("containers_filters", Type::Dict),
                Opt { default: Some("false"), ..opt("images", Type::Bool) },
                opt("images_filters", Type::Dict),
                Opt { default: Some("false"), ..opt("networks", Type::Bool) },
                opt("networks_filters", Type::Dict),
                Opt { default: Some("false"), ..opt("volumes", Type::Bool) },
                opt("volumes_filters", Type::Dict),
                Opt { default: Some("false"), ..opt("builder_cache", Type::Bool) },
                opt("builder_cache_filters", Type::Dict),
                Opt { default: Some("false"), ..opt("builder_cache_all", Type::Bool) },
                opt("builder_cache_keep_storage", Type::Str),
            ],
        )
    },
    Module {
        required_together: &[&["client_cert", "client_key"]],
        required_if: &[("state", "present", &["username", "password"])],
        ..spec(
            "docker_login",
            "community.docker.docker_login",
            client_and![
                Opt {
                    aliases: &["registry", "url"],
                    default: Some("\"https://index.docker.io/v1/\""),
                    ..opt("registry_url", Type::Str)
                },
                opt("username", Type::Str),
                Opt { no_log: true, ..opt("password", Type::Str) },
                Opt { aliases: &["reauth"], default: Some("false"), ..opt("reauthorize", Type::Bool) },
                Opt { default: Some("\"present\""), choices: &["present", "absent"], ..opt("state", Type::Str) },
                Opt {
                    aliases: &["dockercfg_path"],
                    default: Some("\"~/.docker/config.json\""),
                    ..opt("config_path", Type::Path)
                },
            ],
        )
    },
    Module {
        file_common: true,
        required_by: &[("option", &["iface"])],
        ..spec(
            "interfaces_file",
            "community.general.interfaces_file",
            &[
                Opt { default: Some("\"/etc/network/interfaces\""), ..opt("dest", Type::Path) },
                opt("iface", Type::Str),
                opt("address_family", Type::Str),
                opt("option", Type::Str),
                opt("value", Type::Str),
                Opt { default: Some("false"), ..opt("backup", Type::Bool) },
                Opt { default: Some("\"present\""), choices: &["absent", "present"], ..opt("state", Type::Str) },
            ],
        )
    },
];
