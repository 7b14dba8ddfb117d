//! Commands, waiting and reachability.
//!
//! Names, types and defaults only; what the options do is the business of the modules.

use super::{Module, Opt, Type, opt, spec};

/// The family.
pub const MODULES: &[Module] = &[
    Module {
        free_form: true,
        mutually_exclusive: &[&["_raw_params", "cmd", "argv"]],
        required_one_of: &[&["_raw_params", "cmd", "argv"]],
        ..spec(
            "command",
            "ansible.builtin.command",
            &[
                opt("cmd", Type::Str),
                Opt { elements: Some(Type::Str), ..opt("argv", Type::List) },
                opt("chdir", Type::Path),
                opt("executable", Type::Str),
                Opt { default: Some("true"), ..opt("expand_argument_vars", Type::Bool) },
                opt("creates", Type::Path),
                opt("removes", Type::Path),
                opt("stdin", Type::Str),
                Opt { default: Some("true"), ..opt("stdin_add_newline", Type::Bool) },
                Opt { default: Some("true"), ..opt("strip_empty_ends", Type::Bool) },
            ],
        )
    },
    Module {
        free_form: true,
        ..spec(
            "shell",
            "ansible.builtin.shell",
            &[
                opt("cmd", Type::Str),
                opt("creates", Type::Path),
                opt("removes", Type::Path),
                opt("chdir", Type::Path),
                opt("executable", Type::Path),
                opt("stdin", Type::Str),
                Opt { default: Some("true"), ..opt("stdin_add_newline", Type::Bool) },
                Opt { default: Some("true"), ..opt("strip_empty_ends", Type::Bool) },
                Opt { default: Some("true"), ..opt("expand_argument_vars", Type::Bool) },
                Opt { elements: Some(Type::Str), ..opt("argv", Type::List) },
            ],
        )
    },
    Module {
        free_form: true,
        ..spec(
            "script",
            "ansible.builtin.script",
            &[
                opt("cmd", Type::Str),
                opt("creates", Type::Str),
                opt("removes", Type::Str),
                opt("chdir", Type::Str),
                opt("executable", Type::Str),
                Opt { default: Some("true"), ..opt("decrypt", Type::Bool) },
            ],
        )
    },
    Module {
        free_form: true,
        on_controller: true,
        ..spec("raw", "ansible.builtin.raw", &[opt("executable", Type::Str)])
    },
    Module { ..spec("ping", "ansible.builtin.ping", &[Opt { default: Some("\"pong\""), ..opt("data", Type::Str) }]) },
    Module {
        ..spec(
            "async_status",
            "ansible.builtin.async_status",
            &[
                Opt { required: true, ..opt("jid", Type::Str) },
                Opt { default: Some("\"status\""), choices: &["cleanup", "status"], ..opt("mode", Type::Str) },
                Opt { default: Some("\"~/.ansible_async\""), ..opt("_async_dir", Type::Path) },
            ],
        )
    },
    Module {
        check_mode: false,
        ..spec(
            "wait_for",
            "ansible.builtin.wait_for",
            &[
                Opt { default: Some("\"127.0.0.1\""), ..opt("host", Type::Str) },
                Opt { default: Some("300"), ..opt("timeout", Type::Int) },
                Opt { default: Some("5"), ..opt("connect_timeout", Type::Int) },
                Opt { default: Some("0"), ..opt("delay", Type::Int) },
                opt("port", Type::Int),
                Opt {
                    elements: Some(Type::Str),
                    default: Some(
                        "[\"ESTABLISHED\", \"FIN_WAIT1\", \"FIN_WAIT2\", \"SYN_RECV\", \"SYN_SENT\", \"TIME_WAIT\"]",
                    ),
                    ..opt("active_connection_states", Type::List)
                },
                opt("path", Type::Path),
                opt("search_regex", Type::Str),
                Opt {
                    default: Some("\"started\""),
                    choices: &["absent", "drained", "present", "started", "stopped"],
                    ..opt("state", Type::Str)
                },
                Opt { elements: Some(Type::Str), ..opt("exclude_hosts", Type::List) },
                Opt { default: Some("1"), ..opt("sleep", Type::Int) },
                opt("msg", Type::Str),
            ],
        )
    },
    Module {
        on_controller: true,
        ..spec(
            "wait_for_connection",
            "ansible.builtin.wait_for_connection",
            &[
                Opt { default: Some("5"), ..opt("connect_timeout", Type::Int) },
                Opt { default: Some("0"), ..opt("delay", Type::Int) },
                Opt { default: Some("1"), ..opt("sleep", Type::Int) },
                Opt { default: Some("600"), ..opt("timeout", Type::Int) },
            ],
        )
    },
    Module {
        on_controller: true,
        ..spec(
            "reboot",
            "ansible.builtin.reboot",
            &[
                Opt { default: Some("0"), ..opt("pre_reboot_delay", Type::Int) },
                Opt { default: Some("0"), ..opt("post_reboot_delay", Type::Int) },
                Opt { default: Some("600"), ..opt("reboot_timeout", Type::Int) },
                opt("connect_timeout", Type::Int),
                Opt { default: Some("\"whoami\""), ..opt("test_command", Type::Str) },
                Opt { default: Some("\"Reboot initiated by Ansible\""), ..opt("msg", Type::Str) },
                Opt {
                    elements: Some(Type::Str),
                    default: Some("[\"/sbin\", \"/bin\", \"/usr/sbin\", \"/usr/bin\", \"/usr/local/sbin\"]"),
                    ..opt("search_paths", Type::List)
                },
                Opt { default: Some("\"cat /proc/sys/kernel/random/boot_id\""), ..opt("boot_time_command", Type::Str) },
                Opt { default: Some("\"[determined based on target OS]\""), ..opt("reboot_command", Type::Str) },
            ],
        )
    },
];
