//! Flatpak, dconf, Copr; programs of other languages' package managers; processes of supervisord.
//!
//! Names, types and defaults only; what the options do is the business of the modules.

use super::{Module, Opt, Type, opt, spec};

/// The family.
pub const MODULES: &[Module] = &[
    Module {
        ..spec(
            "flatpak",
            "community.general.flatpak",
            &[
                Opt { required: true, elements: Some(Type::Str), ..opt("name", Type::List) },
                Opt { default: Some("\"flathub\""), ..opt("remote", Type::Str) },
                Opt { default: Some("\"system\""), choices: &["user", "system"], ..opt("method", Type::Str) },
                Opt {
                    default: Some("\"present\""),
                    choices: &["absent", "present", "latest"],
                    ..opt("state", Type::Str)
                },
                Opt { default: Some("false"), ..opt("no_dependencies", Type::Bool) },
                Opt { default: Some("\"flatpak\""), ..opt("executable", Type::Path) },
            ],
        )
    },
    Module {
        ..spec(
            "flatpak_remote",
            "community.general.flatpak_remote",
            &[
                Opt { required: true, ..opt("name", Type::Str) },
                opt("flatpakrepo_url", Type::Str),
                Opt { default: Some("\"system\""), choices: &["user", "system"], ..opt("method", Type::Str) },
                Opt { default: Some("\"present\""), choices: &["absent", "present"], ..opt("state", Type::Str) },
                Opt { default: Some("true"), ..opt("enabled", Type::Bool) },
                Opt { default: Some("\"flatpak\""), ..opt("executable", Type::Str) },
            ],
        )
    },
    Module {
        required_if: &[("state", "present", &["value"])],
        ..spec(
            "dconf",
            "community.general.dconf",
            &[
                Opt {
                    default: Some("\"present\""),
                    choices: &["present", "absent", "read"],
                    ..opt("state", Type::Str)
                },
                Opt { required: true, ..opt("key", Type::Str) },
                opt("value", Type::Raw),
            ],
        )
    },
    Module {
        ..spec(
            "copr",
            "community.general.copr",
            &[
                Opt { default: Some("\"copr.fedorainfracloud.org\""), ..opt("host", Type::Str) },
                Opt { default: Some("\"https\""), ..opt("protocol", Type::Str) },
                Opt { required: true, ..opt("name", Type::Str) },
                Opt {
                    default: Some("\"enabled\""),
                    choices: &["enabled", "disabled", "absent"],
                    ..opt("state", Type::Str)
                },
                opt("chroot", Type::Str),
                Opt { elements: Some(Type::Str), ..opt("includepkgs", Type::List) },
                Opt { elements: Some(Type::Str), ..opt("excludepkgs", Type::List) },
            ],
        )
    },
    Module {
        required_if: &[("state", "signalled", &["signal"])],
        ..spec(
            "supervisorctl",
            "community.general.supervisorctl",
            &[
                Opt { required: true, ..opt("name", Type::Str) },
                opt("config", Type::Path),
                opt("server_url", Type::Str),
                opt("username", Type::Str),
                Opt { no_log: true, ..opt("password", Type::Str) },
                opt("supervisorctl_path", Type::Path),
                Opt {
                    required: true,
                    choices: &["present", "started", "restarted", "stopped", "absent", "signalled"],
                    ..opt("state", Type::Str)
                },
                Opt { default: Some("false"), ..opt("stop_before_removing", Type::Bool) },
                opt("signal", Type::Str),
            ],
        )
    },
    Module {
        ..spec(
            "yarn",
            "community.general.yarn",
            &[
                opt("name", Type::Str),
                opt("path", Type::Path),
                opt("version", Type::Str),
                Opt { default: Some("false"), ..opt("production", Type::Bool) },
                opt("executable", Type::Path),
                opt("registry", Type::Str),
                Opt {
                    default: Some("\"present\""),
                    choices: &["present", "absent", "latest"],
                    ..opt("state", Type::Str)
                },
                Opt { default: Some("false"), ..opt("ignore_scripts", Type::Bool) },
                Opt { default: Some("false"), ..opt("global", Type::Bool) },
            ],
        )
    },
    Module {
        ..spec(
            "cargo",
            "community.general.cargo",
            &[
                opt("executable", Type::Path),
                Opt { required: true, elements: Some(Type::Str), ..opt("name", Type::List) },
                opt("path", Type::Path),
                Opt {
                    default: Some("\"present\""),
                    choices: &["present", "absent", "latest"],
                    ..opt("state", Type::Str)
                },
                opt("version", Type::Str),
                Opt { default: Some("false"), ..opt("locked", Type::Bool) },
                opt("directory", Type::Path),
                Opt { default: Some("[]"), elements: Some(Type::Str), ..opt("features", Type::List) },
            ],
        )
    },
];
