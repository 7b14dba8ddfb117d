//! Packages of further distributions and of languages.
//!
//! Names, types and defaults only; what the options do is the business of the modules.

use super::{Module, Opt, Type, opt, spec};

/// The family.
pub const MODULES: &[Module] = &[
    spec(
        "zypper",
        "community.general.zypper",
        &[
            Opt { aliases: &["pkg"], elements: Some(Type::Str), required: true, ..opt("name", Type::List) },
            Opt {
                default: Some("\"present\""),
                choices: &["absent", "installed", "latest", "present", "removed", "dist-upgrade"],
                ..opt("state", Type::Str)
            },
            Opt {
                default: Some("\"package\""),
                choices: &["package", "patch", "pattern", "product", "srcpackage", "application"],
                ..opt("type", Type::Str)
            },
            opt("extra_args_precommand", Type::Str),
            Opt { default: Some("false"), ..opt("disable_gpg_check", Type::Bool) },
            Opt { default: Some("false"), ..opt("auto_import_keys", Type::Bool) },
            Opt { default: Some("true"), ..opt("disable_recommends", Type::Bool) },
            Opt { default: Some("false"), ..opt("force", Type::Bool) },
            Opt { default: Some("false"), ..opt("force_resolution", Type::Bool) },
            Opt { aliases: &["refresh"], default: Some("false"), ..opt("update_cache", Type::Bool) },
            Opt { default: Some("false"), ..opt("oldpackage", Type::Bool) },
            opt("extra_args", Type::Str),
            Opt { default: Some("false"), ..opt("allow_vendor_change", Type::Bool) },
            Opt { default: Some("false"), ..opt("replacefiles", Type::Bool) },
            Opt { default: Some("false"), ..opt("clean_deps", Type::Bool) },
            Opt { default: Some("false"), ..opt("simple_errors", Type::Bool) },
            Opt { default: Some("true"), ..opt("quiet", Type::Bool) },
            Opt { default: Some("false"), ..opt("skip_post_errors", Type::Bool) },
        ],
    ),
    Module {
        mutually_exclusive: &[&["name", "upgrade"]],
        required_one_of: &[&["name", "update_cache", "upgrade"]],
        ..spec(
            "apk",
            "community.general.apk",
            &[
                Opt {
                    default: Some("\"present\""),
                    choices: &["present", "installed", "absent", "removed", "latest"],
                    ..opt("state", Type::Str)
                },
                Opt { elements: Some(Type::Str), ..opt("name", Type::List) },
                Opt { default: Some("false"), ..opt("no_cache", Type::Bool) },
                Opt { elements: Some(Type::Str), ..opt("repository", Type::List) },
                Opt { default: Some("false"), ..opt("update_cache", Type::Bool) },
                Opt { default: Some("false"), ..opt("upgrade", Type::Bool) },
                Opt { default: Some("false"), ..opt("available", Type::Bool) },
                Opt { default: Some("\"/etc/apk/world\""), ..opt("world", Type::Str) },
            ],
        )
    },
    Module {
        mutually_exclusive: &[&["name", "upgrade"]],
        required_one_of: &[&["name", "update_cache", "upgrade"]],
        ..spec(
            "pacman",
            "community.general.pacman",
            &[
                Opt { aliases: &["package", "pkg"], elements: Some(Type::Str), ..opt("name", Type::List) },
                Opt {
                    default: Some("\"present\""),
                    choices: &["present", "installed", "latest", "absent", "removed"],
                    ..opt("state", Type::Str)
                },
                Opt { default: Some("false"), ..opt("force", Type::Bool) },
                Opt { default: Some("false"), ..opt("remove_nosave", Type::Bool) },
                Opt { default: Some("\"pacman\""), ..opt("executable", Type::Str) },
                Opt { default: Some("\"\""), ..opt("extra_args", Type::Str) },
                opt("upgrade", Type::Bool),
                Opt { default: Some("\"\""), ..opt("upgrade_extra_args", Type::Str) },
                opt("update_cache", Type::Bool),
                Opt { default: Some("\"\""), ..opt("update_cache_extra_args", Type::Str) },
                Opt { choices: &["explicit", "dependency"], ..opt("reason", Type::Str) },
                Opt { default: Some("\"new\""), choices: &["new", "all"], ..opt("reason_for", Type::Str) },
            ],
        )
    },
    Module {
        required_if: &[("state", "absent", &["name"])],
        ..spec(
            "npm",
            "community.general.npm",
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
                Opt { default: Some("false"), ..opt("unsafe_perm", Type::Bool) },
                Opt { default: Some("false"), ..opt("ci", Type::Bool) },
                Opt { default: Some("false"), ..opt("no_optional", Type::Bool) },
                Opt { default: Some("false"), ..opt("no_bin_links", Type::Bool) },
                Opt { default: Some("false"), ..opt("force", Type::Bool) },
                Opt { default: Some("false"), ..opt("global", Type::Bool) },
            ],
        )
    },
    Module {
        mutually_exclusive: &[&["gem_source", "repository"], &["gem_source", "version"]],
        ..spec(
            "gem",
            "community.general.gem",
            &[
                opt("executable", Type::Path),
                opt("gem_source", Type::Path),
                Opt { default: Some("true"), ..opt("include_dependencies", Type::Bool) },
                Opt { required: true, ..opt("name", Type::Str) },
                Opt { aliases: &["source"], ..opt("repository", Type::Str) },
                Opt {
                    default: Some("\"present\""),
                    choices: &["present", "absent", "latest"],
                    ..opt("state", Type::Str)
                },
                Opt { default: Some("true"), ..opt("user_install", Type::Bool) },
                opt("install_dir", Type::Path),
                opt("bindir", Type::Path),
                Opt { default: Some("true"), ..opt("norc", Type::Bool) },
                Opt { default: Some("false"), ..opt("pre_release", Type::Bool) },
                Opt { default: Some("false"), ..opt("include_doc", Type::Bool) },
                Opt { default: Some("false"), ..opt("env_shebang", Type::Bool) },
                opt("version", Type::Str),
                opt("build_flags", Type::Str),
                Opt { default: Some("false"), ..opt("force", Type::Bool) },
            ],
        )
    },
    Module {
        required_one_of: &[&["state", "runrefresh"]],
        check_mode: false,
        ..spec(
            "zypper_repository",
            "community.general.zypper_repository",
            &[
                Opt { default: Some("false"), ..opt("auto_import_keys", Type::Bool) },
                Opt { aliases: &["refresh"], default: Some("true"), ..opt("autorefresh", Type::Bool) },
                opt("description", Type::Str),
                Opt { default: Some("false"), ..opt("disable_gpg_check", Type::Bool) },
                Opt { default: Some("true"), ..opt("enabled", Type::Bool) },
                opt("name", Type::Str),
                Opt { default: Some("false"), ..opt("overwrite_multiple", Type::Bool) },
                opt("priority", Type::Int),
                opt("repo", Type::Str),
                Opt { default: Some("false"), ..opt("runrefresh", Type::Bool) },
                Opt { default: Some("\"present\""), choices: &["present", "absent"], ..opt("state", Type::Str) },
            ],
        )
    },
];
