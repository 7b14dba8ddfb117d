//! Archives, trees, structured files and repositories of files.
//!
//! Names, types and defaults only; what the options do is the business of the modules.

use super::{Module, Opt, Type, opt, spec};

/// The family.
pub const MODULES: &[Module] = &[
    Module {
        file_common: true,
        ..spec(
            "archive",
            "community.general.archive",
            &[
                Opt { elements: Some(Type::Path), required: true, ..opt("path", Type::List) },
                Opt {
                    default: Some("\"gz\""),
                    choices: &["bz2", "gz", "tar", "xz", "zip"],
                    ..opt("format", Type::Str)
                },
                opt("dest", Type::Path),
                Opt { elements: Some(Type::Path), default: Some("[]"), ..opt("exclude_path", Type::List) },
                Opt { elements: Some(Type::Path), ..opt("exclusion_patterns", Type::List) },
                Opt { default: Some("false"), ..opt("force_archive", Type::Bool) },
                Opt { default: Some("false"), ..opt("remove", Type::Bool) },
            ],
        )
    },
    Module {
        required_if: &[("scope", "local", &["repo"]), ("scope", "file", &["file"]), ("state", "present", &["value"])],
        ..spec(
            "git_config",
            "community.general.git_config",
            &[
                Opt { required: true, ..opt("name", Type::Str) },
                opt("repo", Type::Path),
                opt("file", Type::Path),
                Opt {
                    default: Some("\"replace-all\""),
                    choices: &["add", "replace-all"],
                    ..opt("add_mode", Type::Str)
                },
                Opt { choices: &["file", "local", "global", "system"], ..opt("scope", Type::Str) },
                Opt { default: Some("\"present\""), choices: &["present", "absent"], ..opt("state", Type::Str) },
                opt("value", Type::Str),
            ],
        )
    },
];
