//! Partitions and logical volumes.
//!
//! Names, types and defaults only; what the options do is the business of the modules.

use super::{Module, Opt, Type, opt, spec};

/// The family.
pub const MODULES: &[Module] = &[
    Module {
        required_if: &[("state", "present", &["number"]), ("state", "absent", &["number"])],
        ..spec(
            "parted",
            "community.general.parted",
            &[
                Opt { required: true, ..opt("device", Type::Str) },
                Opt {
                    default: Some("\"optimal\""),
                    choices: &["cylinder", "minimal", "none", "optimal", "undefined"],
                    ..opt("align", Type::Str)
                },
                opt("number", Type::Int),
                Opt {
                    default: Some("\"KiB\""),
                    choices: &[
                        "B", "KB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB", "s", "%", "cyl", "chs", "compact",
                    ],
                    ..opt("unit", Type::Str)
                },
                Opt {
                    default: Some("\"msdos\""),
                    choices: &["aix", "amiga", "bsd", "dvh", "gpt", "loop", "mac", "msdos", "pc98", "sun"],
                    ..opt("label", Type::Str)
                },
                Opt {
                    default: Some("\"primary\""),
                    choices: &["extended", "logical", "primary"],
                    ..opt("part_type", Type::Str)
                },
                Opt { default: Some("\"0%\""), ..opt("part_start", Type::Str) },
                Opt { default: Some("\"100%\""), ..opt("part_end", Type::Str) },
                opt("fs_type", Type::Str),
                opt("name", Type::Str),
                Opt { elements: Some(Type::Str), ..opt("flags", Type::List) },
                Opt { default: Some("\"info\""), choices: &["absent", "info", "present"], ..opt("state", Type::Str) },
                Opt { default: Some("false"), ..opt("resize", Type::Bool) },
            ],
        )
    },
    Module {
        required_if: &[("reset_pv_uuid", "true", &["pvs"])],
        ..spec(
            "lvg",
            "community.general.lvg",
            &[
                Opt { required: true, ..opt("vg", Type::Str) },
                Opt { elements: Some(Type::Str), ..opt("pvs", Type::List) },
                Opt { default: Some("\"4\""), ..opt("pesize", Type::Str) },
                Opt { default: Some("\"\""), ..opt("pv_options", Type::Str) },
                Opt { default: Some("false"), ..opt("pvresize", Type::Bool) },
                Opt { default: Some("\"\""), ..opt("vg_options", Type::Str) },
                Opt {
                    default: Some("\"present\""),
                    choices: &["absent", "present", "active", "inactive"],
                    ..opt("state", Type::Str)
                },
                Opt { default: Some("false"), ..opt("force", Type::Bool) },
                Opt { default: Some("false"), ..opt("reset_vg_uuid", Type::Bool) },
                Opt { default: Some("false"), ..opt("reset_pv_uuid", Type::Bool) },
                Opt { default: Some("true"), ..opt("remove_extra_pvs", Type::Bool) },
            ],
        )
    },
    Module {
        required_one_of: &[&["lv", "thinpool"]],
        ..spec(
            "lvol",
            "community.general.lvol",
            &[
                Opt { required: true, ..opt("vg", Type::Str) },
                opt("lv", Type::Str),
                opt("size", Type::Str),
                opt("opts", Type::Str),
                Opt { default: Some("\"present\""), choices: &["absent", "present"], ..opt("state", Type::Str) },
                Opt { default: Some("false"), ..opt("force", Type::Bool) },
                Opt { default: Some("true"), ..opt("shrink", Type::Bool) },
                Opt { default: Some("true"), ..opt("active", Type::Bool) },
                opt("snapshot", Type::Str),
                Opt { elements: Some(Type::Str), ..opt("pvs", Type::List) },
                Opt { default: Some("false"), ..opt("resizefs", Type::Bool) },
                opt("thinpool", Type::Str),
            ],
        )
    },
];
