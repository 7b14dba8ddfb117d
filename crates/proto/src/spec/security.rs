//! Security: firewalls, SELinux, PAM, capabilities, sudo, password files.
//!
//! Names, types and defaults only; what the options do is the business of the modules.

use super::{Module, Opt, Type, opt, spec};

/// The family.
pub const MODULES: &[Module] = &[
    Module {
        mutually_exclusive: &[&[
            "icmp_block",
            "icmp_block_inversion",
            "service",
            "protocol",
            "port",
            "port_forward",
            "rich_rule",
            "interface",
            "forward",
            "masquerade",
            "source",
            "target",
        ]],
        required_by: &[("interface", &["zone"]), ("target", &["zone"]), ("source", &["permanent"])],
        ..spec(
            "firewalld",
            "ansible.posix.firewalld",
            &[
                opt("icmp_block", Type::Str),
                opt("icmp_block_inversion", Type::Bool),
                opt("service", Type::Str),
                opt("protocol", Type::Str),
                opt("port", Type::Str),
                Opt { elements: Some(Type::Dict), ..opt("port_forward", Type::List) },
                opt("rich_rule", Type::Str),
                opt("zone", Type::Str),
                Opt { default: Some("false"), ..opt("immediate", Type::Bool) },
                opt("source", Type::Str),
                Opt { default: Some("false"), ..opt("permanent", Type::Bool) },
                Opt {
                    required: true,
                    choices: &["absent", "disabled", "enabled", "present"],
                    ..opt("state", Type::Str)
                },
                Opt { default: Some("0"), ..opt("timeout", Type::Int) },
                opt("interface", Type::Str),
                opt("forward", Type::Bool),
                opt("masquerade", Type::Bool),
                Opt { default: Some("false"), ..opt("offline", Type::Bool) },
                Opt { choices: &["default", "ACCEPT", "DROP", "%%REJECT%%"], ..opt("target", Type::Str) },
            ],
        )
    },
    Module {
        mutually_exclusive: &[
            &["name", "proto", "logging"],
            &["direction", "interface_in"],
            &["direction", "interface_out"],
        ],
        required_one_of: &[&["state", "default", "rule", "logging"]],
        required_by: &[("interface", &["direction"])],
        ..spec(
            "ufw",
            "community.general.ufw",
            &[
                Opt { choices: &["enabled", "disabled", "reloaded", "reset"], ..opt("state", Type::Str) },
                Opt { aliases: &["policy"], choices: &["allow", "deny", "reject"], ..opt("default", Type::Str) },
                Opt { choices: &["full", "high", "low", "medium", "off", "on"], ..opt("logging", Type::Str) },
                Opt { choices: &["in", "incoming", "out", "outgoing", "routed"], ..opt("direction", Type::Str) },
                Opt { default: Some("false"), ..opt("delete", Type::Bool) },
                Opt { default: Some("false"), ..opt("route", Type::Bool) },
                opt("insert", Type::Int),
                Opt {
                    default: Some("\"zero\""),
                    choices: &["zero", "first-ipv4", "last-ipv4", "first-ipv6", "last-ipv6"],
                    ..opt("insert_relative_to", Type::Str)
                },
                Opt { choices: &["allow", "deny", "limit", "reject"], ..opt("rule", Type::Str) },
                Opt { aliases: &["if"], ..opt("interface", Type::Str) },
                Opt { aliases: &["if_in"], ..opt("interface_in", Type::Str) },
                Opt { aliases: &["if_out"], ..opt("interface_out", Type::Str) },
                Opt { default: Some("false"), ..opt("log", Type::Bool) },
                Opt { aliases: &["from", "src"], default: Some("\"any\""), ..opt("from_ip", Type::Str) },
                opt("from_port", Type::Str),
                Opt { aliases: &["dest", "to"], default: Some("\"any\""), ..opt("to_ip", Type::Str) },
                Opt { aliases: &["port"], ..opt("to_port", Type::Str) },
                Opt {
                    aliases: &["protocol"],
                    choices: &["ah", "any", "esp", "ipv6", "tcp", "udp", "gre", "igmp", "vrrp"],
                    ..opt("proto", Type::Str)
                },
                Opt { aliases: &["app"], ..opt("name", Type::Str) },
                opt("comment", Type::Str),
            ],
        )
    },
    spec(
        "selinux",
        "ansible.posix.selinux",
        &[
            opt("policy", Type::Str),
            Opt { required: true, choices: &["enforcing", "permissive", "disabled"], ..opt("state", Type::Str) },
            Opt {
                aliases: &["conf", "file"],
                default: Some("\"/etc/selinux/config\""),
                ..opt("configfile", Type::Str)
            },
            Opt { default: Some("false"), ..opt("update_kernel_param", Type::Bool) },
        ],
    ),
    spec(
        "seboolean",
        "ansible.posix.seboolean",
        &[
            Opt { default: Some("false"), ..opt("ignore_selinux_state", Type::Bool) },
            Opt { required: true, ..opt("name", Type::Str) },
            Opt { default: Some("false"), ..opt("persistent", Type::Bool) },
            Opt { required: true, ..opt("state", Type::Bool) },
        ],
    ),
    spec(
        "seport",
        "community.general.seport",
        &[
            Opt { default: Some("false"), ..opt("ignore_selinux_state", Type::Bool) },
            Opt { elements: Some(Type::Str), required: true, ..opt("ports", Type::List) },
            Opt { required: true, choices: &["tcp", "udp"], ..opt("proto", Type::Str) },
            Opt { required: true, ..opt("setype", Type::Str) },
            Opt { default: Some("\"present\""), choices: &["absent", "present"], ..opt("state", Type::Str) },
            Opt { default: Some("true"), ..opt("reload", Type::Bool) },
            Opt { default: Some("false"), ..opt("local", Type::Bool) },
        ],
    ),
    Module {
        mutually_exclusive: &[
            &["setype", "substitute"],
            &["substitute", "ftype"],
            &["substitute", "seuser"],
            &["substitute", "selevel"],
        ],
        required_if_any: &[("state", "present", &["setype", "substitute"])],
        ..spec(
            "sefcontext",
            "community.general.sefcontext",
            &[
                Opt { default: Some("false"), ..opt("ignore_selinux_state", Type::Bool) },
                Opt { aliases: &["path"], required: true, ..opt("target", Type::Str) },
                Opt {
                    default: Some("\"a\""),
                    choices: &["a", "b", "c", "d", "f", "l", "p", "s"],
                    ..opt("ftype", Type::Str)
                },
                opt("setype", Type::Str),
                Opt { aliases: &["equal"], ..opt("substitute", Type::Str) },
                opt("seuser", Type::Str),
                Opt { aliases: &["serange"], ..opt("selevel", Type::Str) },
                Opt { default: Some("\"present\""), choices: &["absent", "present"], ..opt("state", Type::Str) },
                Opt { default: Some("true"), ..opt("reload", Type::Bool) },
            ],
        )
    },
    spec(
        "capabilities",
        "community.general.capabilities",
        &[
            Opt { aliases: &["key"], required: true, ..opt("path", Type::Str) },
            Opt { aliases: &["cap"], required: true, ..opt("capability", Type::Str) },
            Opt { default: Some("\"present\""), choices: &["absent", "present"], ..opt("state", Type::Str) },
        ],
    ),
    Module {
        required_if: &[
            ("state", "args_present", &["module_arguments"]),
            ("state", "args_absent", &["module_arguments"]),
            ("state", "before", &["new_control", "new_type", "new_module_path"]),
            ("state", "after", &["new_control", "new_type", "new_module_path"]),
        ],
        ..spec(
            "pamd",
            "community.general.pamd",
            &[
                Opt { required: true, ..opt("name", Type::Str) },
                Opt {
                    required: true,
                    choices: &["account", "-account", "auth", "-auth", "password", "-password", "session", "-session"],
                    ..opt("type", Type::Str)
                },
                Opt { required: true, ..opt("control", Type::Str) },
                Opt { required: true, ..opt("module_path", Type::Str) },
                Opt {
                    choices: &["account", "-account", "auth", "-auth", "password", "-password", "session", "-session"],
                    ..opt("new_type", Type::Str)
                },
                opt("new_control", Type::Str),
                opt("new_module_path", Type::Str),
                Opt { elements: Some(Type::Str), ..opt("module_arguments", Type::List) },
                Opt {
                    default: Some("\"updated\""),
                    choices: &["absent", "after", "args_absent", "args_present", "before", "updated"],
                    ..opt("state", Type::Str)
                },
                Opt { default: Some("\"/etc/pam.d\""), ..opt("path", Type::Path) },
                Opt { default: Some("false"), ..opt("backup", Type::Bool) },
            ],
        )
    },
    spec(
        "pam_limits",
        "community.general.pam_limits",
        &[
            Opt { required: true, ..opt("domain", Type::Str) },
            Opt { required: true, choices: &["soft", "hard", "-"], ..opt("limit_type", Type::Str) },
            Opt {
                required: true,
                choices: &[
                    "core",
                    "data",
                    "fsize",
                    "memlock",
                    "nofile",
                    "rss",
                    "stack",
                    "cpu",
                    "nproc",
                    "as",
                    "maxlogins",
                    "maxsyslogins",
                    "priority",
                    "locks",
                    "sigpending",
                    "msgqueue",
                    "nice",
                    "rtprio",
                    "chroot",
                ],
                ..opt("limit_item", Type::Str)
            },
            Opt { required: true, ..opt("value", Type::Str) },
            Opt { default: Some("false"), ..opt("use_max", Type::Bool) },
            Opt { default: Some("false"), ..opt("use_min", Type::Bool) },
            Opt { default: Some("false"), ..opt("backup", Type::Bool) },
            Opt { default: Some("\"/etc/security/limits.conf\""), ..opt("dest", Type::Str) },
            Opt { default: Some("\"\""), ..opt("comment", Type::Str) },
        ],
    ),
    Module {
        file_common: true,
        ..spec(
            "htpasswd",
            "community.general.htpasswd",
            &[
                Opt { aliases: &["dest", "destfile"], required: true, ..opt("path", Type::Path) },
                Opt { aliases: &["username"], required: true, ..opt("name", Type::Str) },
                Opt { no_log: true, ..opt("password", Type::Str) },
                Opt { aliases: &["crypt_scheme"], default: Some("\"apr_md5_crypt\""), ..opt("hash_scheme", Type::Str) },
                Opt { default: Some("\"present\""), choices: &["present", "absent"], ..opt("state", Type::Str) },
                Opt { default: Some("true"), ..opt("create", Type::Bool) },
            ],
        )
    },
    Module {
        mutually_exclusive: &[&["user", "group"]],
        required_if: &[("state", "present", &["commands"])],
        ..spec(
            "sudoers",
            "community.general.sudoers",
            &[
                Opt { elements: Some(Type::Str), ..opt("commands", Type::List) },
                opt("group", Type::Str),
                Opt { required: true, ..opt("name", Type::Str) },
                Opt { default: Some("false"), ..opt("noexec", Type::Bool) },
                Opt { default: Some("true"), ..opt("nopassword", Type::Bool) },
                Opt { default: Some("false"), ..opt("setenv", Type::Bool) },
                Opt { default: Some("\"ALL\""), ..opt("host", Type::Str) },
                opt("runas", Type::Str),
                Opt { default: Some("\"/etc/sudoers.d\""), ..opt("sudoers_path", Type::Str) },
                Opt { default: Some("\"present\""), choices: &["present", "absent"], ..opt("state", Type::Str) },
                opt("user", Type::Str),
                Opt {
                    default: Some("\"detect\""),
                    choices: &["absent", "detect", "required"],
                    ..opt("validation", Type::Str)
                },
            ],
        )
    },
];
