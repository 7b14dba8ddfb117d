//! Facts.
//!
//! Names, types and defaults only; what the options do is the business of the modules.

use super::{Module, Opt, Type, opt, spec};

/// The family.
pub const MODULES: &[Module] = &[
    Module {
        ..spec(
            "setup",
            "ansible.builtin.setup",
            &[
                Opt { elements: Some(Type::Str), default: Some("[\"all\"]"), ..opt("gather_subset", Type::List) },
                Opt { default: Some("10"), ..opt("gather_timeout", Type::Int) },
                Opt { elements: Some(Type::Str), default: Some("[]"), ..opt("filter", Type::List) },
                Opt { default: Some("\"/etc/ansible/facts.d\""), ..opt("fact_path", Type::Path) },
            ],
        )
    },
    Module {
        on_controller: true,
        ..spec("gather_facts", "ansible.builtin.gather_facts", &[opt("parallel", Type::Bool)])
    },
    Module {
        ..spec(
            "package_facts",
            "ansible.builtin.package_facts",
            &[
                Opt { elements: Some(Type::Str), default: Some("[\"auto\"]"), ..opt("manager", Type::List) },
                Opt { default: Some("\"first\""), choices: &["first", "all"], ..opt("strategy", Type::Str) },
            ],
        )
    },
    Module { ..spec("service_facts", "ansible.builtin.service_facts", &[]) },
    Module {
        ..spec(
            "mount_facts",
            "ansible.builtin.mount_facts",
            &[
                Opt { elements: Some(Type::Str), ..opt("sources", Type::List) },
                Opt { default: Some("\"mount\""), ..opt("mount_binary", Type::Raw) },
                Opt { elements: Some(Type::Str), ..opt("devices", Type::List) },
                Opt { elements: Some(Type::Str), ..opt("fstypes", Type::List) },
                opt("timeout", Type::Float),
                Opt {
                    default: Some("\"error\""),
                    choices: &["error", "warn", "ignore"],
                    ..opt("on_timeout", Type::Str)
                },
                opt("include_aggregate_mounts", Type::Bool),
            ],
        )
    },
];
