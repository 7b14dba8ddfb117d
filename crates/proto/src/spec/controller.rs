//! What runs on the controller.
//!
//! Names, types and defaults only; what the options do is the business of the modules.

use super::{Module, Opt, Type, opt, spec};

/// The family.
pub const MODULES: &[Module] = &[
    Module {
        free_form: true,
        free_keys: true,
        on_controller: true,
        ..spec(
            "add_host",
            "ansible.builtin.add_host",
            &[
                Opt { aliases: &["host", "hostname"], required: true, ..opt("name", Type::Str) },
                Opt { aliases: &["group", "groupname"], elements: Some(Type::Str), ..opt("groups", Type::List) },
            ],
        )
    },
    Module {
        on_controller: true,
        ..spec(
            "assert",
            "ansible.builtin.assert",
            &[
                Opt { elements: Some(Type::Str), required: true, ..opt("that", Type::List) },
                Opt { aliases: &["msg"], ..opt("fail_msg", Type::Str) },
                opt("success_msg", Type::Str),
                Opt { default: Some("false"), ..opt("quiet", Type::Bool) },
            ],
        )
    },
    Module {
        on_controller: true,
        ..spec(
            "debug",
            "ansible.builtin.debug",
            &[
                Opt { default: Some("\"Hello world!\""), ..opt("msg", Type::Str) },
                opt("var", Type::Str),
                Opt { default: Some("0"), ..opt("verbosity", Type::Int) },
            ],
        )
    },
    Module {
        on_controller: true,
        ..spec(
            "fail",
            "ansible.builtin.fail",
            &[Opt { default: Some("\"Failed as requested from task\""), ..opt("msg", Type::Str) }],
        )
    },
    Module {
        free_form: true,
        on_controller: true,
        ..spec(
            "group_by",
            "ansible.builtin.group_by",
            &[
                Opt { required: true, ..opt("key", Type::Str) },
                Opt { elements: Some(Type::Str), default: Some("\"all\""), ..opt("parents", Type::List) },
            ],
        )
    },
    Module {
        free_form: true,
        on_controller: true,
        ..spec(
            "include_vars",
            "ansible.builtin.include_vars",
            &[
                opt("file", Type::Path),
                opt("dir", Type::Path),
                opt("name", Type::Str),
                Opt { default: Some("0"), ..opt("depth", Type::Int) },
                opt("files_matching", Type::Str),
                Opt { elements: Some(Type::Str), ..opt("ignore_files", Type::List) },
                Opt {
                    elements: Some(Type::Str),
                    default: Some("[\"json\", \"yaml\", \"yml\"]"),
                    ..opt("extensions", Type::List)
                },
                Opt { default: Some("false"), ..opt("ignore_unknown_extensions", Type::Bool) },
                Opt { choices: &["replace", "merge"], ..opt("hash_behaviour", Type::Str) },
            ],
        )
    },
    Module {
        on_controller: true,
        ..spec(
            "pause",
            "ansible.builtin.pause",
            &[
                opt("minutes", Type::Str),
                opt("seconds", Type::Str),
                opt("prompt", Type::Str),
                Opt { default: Some("\"yes\""), ..opt("echo", Type::Bool) },
            ],
        )
    },
    Module {
        free_form: true,
        free_keys: true,
        on_controller: true,
        ..spec(
            "set_fact",
            "ansible.builtin.set_fact",
            &[Opt { default: Some("false"), ..opt("cacheable", Type::Bool) }],
        )
    },
    Module {
        on_controller: true,
        ..spec(
            "set_stats",
            "ansible.builtin.set_stats",
            &[
                Opt { required: true, ..opt("data", Type::Dict) },
                Opt { default: Some("false"), ..opt("per_host", Type::Bool) },
                Opt { default: Some("true"), ..opt("aggregate", Type::Bool) },
            ],
        )
    },
    Module {
        on_controller: true,
        ..spec(
            "validate_argument_spec",
            "ansible.builtin.validate_argument_spec",
            &[Opt { required: true, ..opt("argument_spec", Type::Str) }, opt("provided_arguments", Type::Str)],
        )
    },
    Module {
        free_form: true,
        on_controller: true,
        ..spec(
            "include_role",
            "ansible.builtin.include_role",
            &[
                opt("apply", Type::Str),
                Opt { required: true, ..opt("name", Type::Str) },
                Opt { default: Some("\"main\""), ..opt("tasks_from", Type::Str) },
                Opt { default: Some("\"main\""), ..opt("vars_from", Type::Str) },
                Opt { default: Some("\"main\""), ..opt("defaults_from", Type::Str) },
                Opt { default: Some("true"), ..opt("allow_duplicates", Type::Bool) },
                Opt { default: Some("false"), ..opt("public", Type::Bool) },
                Opt { default: Some("\"main\""), ..opt("handlers_from", Type::Str) },
                Opt { default: Some("true"), ..opt("rolespec_validate", Type::Bool) },
            ],
        )
    },
    Module {
        free_form: true,
        on_controller: true,
        ..spec(
            "import_role",
            "ansible.builtin.import_role",
            &[
                Opt { required: true, ..opt("name", Type::Str) },
                Opt { default: Some("\"main\""), ..opt("tasks_from", Type::Str) },
                Opt { default: Some("\"main\""), ..opt("vars_from", Type::Str) },
                Opt { default: Some("\"main\""), ..opt("defaults_from", Type::Str) },
                Opt { default: Some("true"), ..opt("allow_duplicates", Type::Bool) },
                Opt { default: Some("\"main\""), ..opt("handlers_from", Type::Str) },
                Opt { default: Some("true"), ..opt("rolespec_validate", Type::Bool) },
                Opt { default: Some("true"), ..opt("public", Type::Bool) },
            ],
        )
    },
    Module {
        free_form: true,
        on_controller: true,
        ..spec("include_tasks", "ansible.builtin.include_tasks", &[opt("file", Type::Str), opt("apply", Type::Str)])
    },
    Module {
        free_form: true,
        on_controller: true,
        ..spec("import_tasks", "ansible.builtin.import_tasks", &[opt("file", Type::Str)])
    },
    Module { free_form: true, on_controller: true, ..spec("meta", "ansible.builtin.meta", &[]) },
    Module { free_form: true, on_controller: true, ..spec("import_playbook", "ansible.builtin.import_playbook", &[]) },
];
