//! Tools that do one thing: transfers, terminals, working copies, builds.
//!
//! Names, types and defaults only; what the options do is the business of the modules.

use super::{Module, Opt, Type, opt, spec};

/// The family.
pub const MODULES: &[Module] = &[
    Module {
        ..spec(
            "synchronize",
            "ansible.posix.synchronize",
            &[
                Opt { no_log: true, ..opt("_local_rsync_password", Type::Str) },
                Opt { default: Some("\"rsync\""), ..opt("_local_rsync_path", Type::Path) },
                opt("_relay", Type::Path),
                opt("_ssh_args", Type::Str),
                Opt { default: Some("false"), ..opt("_substitute_controller", Type::Bool) },
                Opt { default: Some("true"), ..opt("archive", Type::Bool) },
                Opt { default: Some("false"), ..opt("checksum", Type::Bool) },
                Opt { default: Some("true"), ..opt("compress", Type::Bool) },
                Opt { default: Some("false"), ..opt("copy_links", Type::Bool) },
                Opt { default: Some("true"), ..opt("delay_updates", Type::Bool) },
                Opt { default: Some("false"), ..opt("delete", Type::Bool) },
                Opt { required: true, ..opt("dest", Type::Path) },
                opt("dest_port", Type::Int),
                Opt { default: Some("false"), ..opt("dirs", Type::Bool) },
                Opt { default: Some("false"), ..opt("existing_only", Type::Bool) },
                opt("group", Type::Bool),
                Opt { elements: Some(Type::Path), ..opt("link_dest", Type::List) },
                opt("links", Type::Bool),
                Opt { default: Some("\"push\""), choices: &["pull", "push"], ..opt("mode", Type::Str) },
                opt("owner", Type::Bool),
                Opt { default: Some("false"), ..opt("partial", Type::Bool) },
                opt("perms", Type::Bool),
                opt("private_key", Type::Path),
                opt("recursive", Type::Bool),
                Opt { elements: Some(Type::Str), default: Some("[]"), ..opt("rsync_opts", Type::List) },
                opt("rsync_path", Type::Str),
                Opt { default: Some("0"), ..opt("rsync_timeout", Type::Int) },
                Opt { default: Some("true"), ..opt("set_remote_user", Type::Bool) },
                Opt { required: true, ..opt("src", Type::Path) },
                Opt { default: Some("false"), ..opt("ssh_connection_multiplexing", Type::Bool) },
                opt("times", Type::Bool),
                Opt { default: Some("false"), ..opt("use_ssh_args", Type::Bool) },
                Opt { default: Some("false"), ..opt("verify_host", Type::Bool) },
            ],
        )
    },
    Module {
        check_mode: false,
        ..spec(
            "expect",
            "ansible.builtin.expect",
            &[
                opt("chdir", Type::Path),
                Opt { required: true, ..opt("command", Type::Str) },
                opt("creates", Type::Path),
                Opt { default: Some("false"), ..opt("echo", Type::Bool) },
                opt("removes", Type::Path),
                Opt { required: true, ..opt("responses", Type::Dict) },
                Opt { default: Some("30"), ..opt("timeout", Type::Raw) },
            ],
        )
    },
    Module {
        ..spec(
            "subversion",
            "ansible.builtin.subversion",
            &[
                Opt { default: Some("true"), ..opt("checkout", Type::Bool) },
                opt("dest", Type::Path),
                opt("executable", Type::Path),
                Opt { default: Some("false"), ..opt("export", Type::Bool) },
                Opt { default: Some("false"), ..opt("force", Type::Bool) },
                Opt { default: Some("false"), ..opt("in_place", Type::Bool) },
                Opt { no_log: true, ..opt("password", Type::Str) },
                Opt { aliases: &["name", "repository"], required: true, ..opt("repo", Type::Str) },
                Opt { aliases: &["rev", "version"], default: Some("\"HEAD\""), ..opt("revision", Type::Str) },
                Opt { default: Some("true"), ..opt("switch", Type::Bool) },
                Opt { default: Some("true"), ..opt("update", Type::Bool) },
                opt("username", Type::Str),
                Opt { default: Some("false"), ..opt("validate_certs", Type::Bool) },
            ],
        )
    },
    Module {
        ..spec(
            "acl",
            "ansible.posix.acl",
            &[
                Opt { default: Some("false"), ..opt("default", Type::Bool) },
                Opt { default: Some("\"\""), ..opt("entity", Type::Str) },
                opt("entry", Type::Str),
                Opt { choices: &["group", "mask", "other", "user"], ..opt("etype", Type::Str) },
                Opt { default: Some("true"), ..opt("follow", Type::Bool) },
                Opt { aliases: &["name"], required: true, ..opt("path", Type::Path) },
                opt("permissions", Type::Str),
                Opt {
                    default: Some("\"default\""),
                    choices: &["default", "mask", "no_mask"],
                    ..opt("recalculate_mask", Type::Str)
                },
                Opt { aliases: &["recurse"], default: Some("false"), ..opt("recursive", Type::Bool) },
                Opt { default: Some("\"query\""), choices: &["absent", "present", "query"], ..opt("state", Type::Str) },
                Opt { default: Some("false"), ..opt("use_nfsv4_acls", Type::Bool) },
            ],
        )
    },
    Module {
        mutually_exclusive: &[&["command", "script_file"]],
        required_one_of: &[&["command", "script_file"]],
        check_mode: false,
        ..spec(
            "at",
            "ansible.posix.at",
            &[
                opt("command", Type::Str),
                opt("count", Type::Int),
                opt("script_file", Type::Str),
                Opt { default: Some("\"present\""), choices: &["absent", "present"], ..opt("state", Type::Str) },
                Opt { default: Some("false"), ..opt("unique", Type::Bool) },
                Opt { choices: &["minutes", "hours", "days", "weeks"], ..opt("units", Type::Str) },
            ],
        )
    },
    Module {
        required_one_of: &[&["dest", "basedir"]],
        ..spec(
            "patch",
            "ansible.posix.patch",
            &[
                Opt { default: Some("false"), ..opt("backup", Type::Bool) },
                opt("basedir", Type::Path),
                Opt { default: Some("false"), ..opt("binary", Type::Bool) },
                Opt { aliases: &["originalfile"], ..opt("dest", Type::Path) },
                Opt { default: Some("false"), ..opt("ignore_whitespace", Type::Bool) },
                Opt { default: Some("false"), ..opt("remote_src", Type::Bool) },
                Opt { aliases: &["patchfile"], required: true, ..opt("src", Type::Path) },
                Opt { default: Some("\"present\""), choices: &["absent", "present"], ..opt("state", Type::Str) },
                Opt { default: Some("0"), ..opt("strip", Type::Int) },
            ],
        )
    },
    Module {
        mutually_exclusive: &[&["target", "targets"]],
        ..spec(
            "make",
            "community.general.make",
            &[
                Opt { required: true, ..opt("chdir", Type::Path) },
                opt("file", Type::Path),
                opt("jobs", Type::Int),
                opt("make", Type::Path),
                opt("params", Type::Dict),
                opt("target", Type::Str),
                Opt { elements: Some(Type::Str), ..opt("targets", Type::List) },
            ],
        )
    },
    Module {
        required_if: &[("global_command", "false", &["working_dir"])],
        ..spec(
            "composer",
            "community.general.composer",
            &[
                Opt { default: Some("false"), ..opt("apcu_autoloader", Type::Bool) },
                Opt { default: Some("\"\""), ..opt("arguments", Type::Str) },
                Opt { default: Some("false"), ..opt("classmap_authoritative", Type::Bool) },
                Opt { default: Some("\"install\""), ..opt("command", Type::Str) },
                opt("composer_executable", Type::Path),
                Opt { aliases: &["php_path"], ..opt("executable", Type::Path) },
                Opt { default: Some("false"), ..opt("global_command", Type::Bool) },
                Opt { default: Some("false"), ..opt("ignore_platform_reqs", Type::Bool) },
                Opt { default: Some("true"), ..opt("no_dev", Type::Bool) },
                Opt { default: Some("false"), ..opt("no_plugins", Type::Bool) },
                Opt { default: Some("false"), ..opt("no_scripts", Type::Bool) },
                Opt { default: Some("true"), ..opt("optimize_autoloader", Type::Bool) },
                Opt { default: Some("false"), ..opt("prefer_dist", Type::Bool) },
                Opt { default: Some("false"), ..opt("prefer_source", Type::Bool) },
                opt("working_dir", Type::Path),
            ],
        )
    },
    Module {
        ..spec(
            "apache2_module",
            "community.general.apache2_module",
            &[
                Opt { default: Some("false"), ..opt("force", Type::Bool) },
                opt("identifier", Type::Str),
                Opt { default: Some("false"), ..opt("ignore_configcheck", Type::Bool) },
                Opt { required: true, ..opt("name", Type::Str) },
                Opt { default: Some("\"present\""), choices: &["absent", "present"], ..opt("state", Type::Str) },
                Opt { default: Some("true"), ..opt("warn_mpm_absent", Type::Bool) },
            ],
        )
    },
    Module {
        mutually_exclusive: &[
            &["add_children", "content", "count", "print_match", "set_children", "value"],
            &["path", "xmlstring"],
            &["insertbefore", "insertafter"],
        ],
        required_one_of: &[
            &["path", "xmlstring"],
            &["add_children", "content", "count", "pretty_print", "print_match", "set_children", "value"],
        ],
        required_if: &[
            ("count", "true", &["xpath"]),
            ("print_match", "true", &["xpath"]),
            ("insertbefore", "true", &["xpath"]),
            ("insertafter", "true", &["xpath"]),
        ],
        required_by: &[
            ("add_children", &["xpath"]),
            ("attribute", &["value"]),
            ("content", &["xpath"]),
            ("set_children", &["xpath"]),
            ("value", &["xpath"]),
        ],
        ..spec(
            "xml",
            "community.general.xml",
            &[
                opt("add_children", Type::List),
                opt("attribute", Type::Raw),
                Opt { default: Some("false"), ..opt("backup", Type::Bool) },
                Opt { choices: &["attribute", "text"], ..opt("content", Type::Str) },
                Opt { default: Some("false"), ..opt("count", Type::Bool) },
                Opt { default: Some("\"yaml\""), choices: &["xml", "yaml"], ..opt("input_type", Type::Str) },
                Opt { default: Some("false"), ..opt("insertafter", Type::Bool) },
                Opt { default: Some("false"), ..opt("insertbefore", Type::Bool) },
                Opt { default: Some("{}"), ..opt("namespaces", Type::Dict) },
                Opt { aliases: &["dest", "file"], ..opt("path", Type::Path) },
                Opt { default: Some("false"), ..opt("pretty_print", Type::Bool) },
                Opt { default: Some("false"), ..opt("print_match", Type::Bool) },
                opt("set_children", Type::List),
                Opt {
                    aliases: &["ensure"],
                    default: Some("\"present\""),
                    choices: &["absent", "present"],
                    ..opt("state", Type::Str)
                },
                Opt { default: Some("false"), ..opt("strip_cdata_tags", Type::Bool) },
                opt("value", Type::Raw),
                opt("xmlstring", Type::Str),
                opt("xpath", Type::Str),
            ],
        )
    },
];
