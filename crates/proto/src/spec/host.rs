//! Further settings of a host, and commands with a dialogue.
//!
//! Names, types and defaults only; what the options do is the business of the modules.

use super::{Module, Opt, Type, opt, spec};

/// The family.
pub const MODULES: &[Module] = &[
    Module {
        mutually_exclusive: &[&["insertbefore", "insertafter"]],
        check_mode: false,
        ..spec(
            "cronvar",
            "community.general.cronvar",
            &[
                Opt { required: true, ..opt("name", Type::Str) },
                opt("value", Type::Str),
                opt("user", Type::Str),
                opt("cron_file", Type::Str),
                opt("insertafter", Type::Str),
                opt("insertbefore", Type::Str),
                Opt { default: Some("\"present\""), choices: &["absent", "present"], ..opt("state", Type::Str) },
                Opt { default: Some("false"), ..opt("backup", Type::Bool) },
            ],
        )
    },
    spec(
        "kernel_blacklist",
        "community.general.kernel_blacklist",
        &[
            Opt { required: true, ..opt("name", Type::Str) },
            Opt { default: Some("\"present\""), choices: &["absent", "present"], ..opt("state", Type::Str) },
            Opt { default: Some("\"/etc/modprobe.d/blacklist-ansible.conf\""), ..opt("blacklist_file", Type::Str) },
        ],
    ),
];
