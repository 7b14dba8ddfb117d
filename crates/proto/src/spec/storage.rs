//! Filesystems and mounts.
//!
//! Names, types and defaults only; what the options do is the business of the modules.

use super::{Module, Opt, Type, opt, spec};

/// The family.
pub const MODULES: &[Module] = &[
    Module {
        required_if: &[
            ("state", "mounted", &["src", "fstype"]),
            ("state", "present", &["src", "fstype"]),
            ("state", "ephemeral", &["src", "fstype"]),
        ],
        ..spec(
            "mount",
            "ansible.posix.mount",
            &[
                Opt { default: Some("true"), ..opt("boot", Type::Bool) },
                Opt { default: Some("\"0\""), ..opt("dump", Type::Str) },
                opt("fstab", Type::Str),
                opt("fstype", Type::Str),
                Opt { aliases: &["name"], required: true, ..opt("path", Type::Path) },
                opt("opts", Type::Str),
                Opt { default: Some("false"), ..opt("opts_no_log", Type::Bool) },
                Opt { default: Some("\"0\""), ..opt("passno", Type::Str) },
                opt("src", Type::Path),
                Opt { default: Some("false"), ..opt("backup", Type::Bool) },
                Opt {
                    required: true,
                    choices: &[
                        "absent",
                        "absent_from_fstab",
                        "mounted",
                        "present",
                        "unmounted",
                        "remounted",
                        "ephemeral",
                    ],
                    ..opt("state", Type::Str)
                },
            ],
        )
    },
    Module {
        mutually_exclusive: &[&["resizefs", "uuid"]],
        required_if: &[("state", "present", &["fstype"])],
        ..spec(
            "filesystem",
            "community.general.filesystem",
            &[
                Opt { default: Some("\"present\""), choices: &["present", "absent"], ..opt("state", Type::Str) },
                Opt {
                    aliases: &["type"],
                    choices: &[
                        "ext2", "reiserfs", "ext4", "btrfs", "lvm", "ext3", "ext4dev", "ufs", "ocfs2", "swap", "xfs",
                        "vfat", "f2fs", "bcachefs",
                    ],
                    ..opt("fstype", Type::Str)
                },
                Opt { aliases: &["device"], required: true, ..opt("dev", Type::Path) },
                opt("opts", Type::Str),
                Opt { default: Some("false"), ..opt("force", Type::Bool) },
                Opt { default: Some("false"), ..opt("resizefs", Type::Bool) },
                opt("uuid", Type::Str),
            ],
        )
    },
];
