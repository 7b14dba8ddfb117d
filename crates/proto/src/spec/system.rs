//! Services, accounts and the settings of a system.
//!
//! Names, types and defaults only; what the options do is the business of the modules.

use super::{Module, Opt, Type, opt, spec};

/// The family.
pub const MODULES: &[Module] = &[
    Module {
        required_one_of: &[&["state", "enabled"]],
        ..spec(
            "service",
            "ansible.builtin.service",
            &[
                Opt { required: true, ..opt("name", Type::Str) },
                Opt { choices: &["started", "stopped", "reloaded", "restarted"], ..opt("state", Type::Str) },
                opt("sleep", Type::Int),
                opt("pattern", Type::Str),
                opt("enabled", Type::Bool),
                Opt { default: Some("\"default\""), ..opt("runlevel", Type::Str) },
                Opt { aliases: &["args"], default: Some("\"\""), ..opt("arguments", Type::Str) },
                Opt { default: Some("\"auto\""), ..opt("use", Type::Str) },
            ],
        )
    },
    Module {
        aliases: &["systemd"],
        required_one_of: &[&["state", "enabled", "masked", "daemon_reload", "daemon_reexec"]],
        required_by: &[("state", &["name"]), ("enabled", &["name"]), ("masked", &["name"])],
        ..spec(
            "systemd_service",
            "ansible.builtin.systemd_service",
            &[
                Opt { aliases: &["service", "unit"], ..opt("name", Type::Str) },
                Opt { choices: &["reloaded", "restarted", "started", "stopped"], ..opt("state", Type::Str) },
                opt("enabled", Type::Bool),
                opt("force", Type::Bool),
                opt("masked", Type::Bool),
                Opt { aliases: &["daemon-reload"], default: Some("false"), ..opt("daemon_reload", Type::Bool) },
                Opt { aliases: &["daemon-reexec"], default: Some("false"), ..opt("daemon_reexec", Type::Bool) },
                Opt { default: Some("\"system\""), choices: &["system", "user", "global"], ..opt("scope", Type::Str) },
                Opt { default: Some("false"), ..opt("no_block", Type::Bool) },
            ],
        )
    },
    Module {
        required_one_of: &[&["state", "enabled"]],
        ..spec(
            "sysvinit",
            "ansible.builtin.sysvinit",
            &[
                Opt { aliases: &["service"], required: true, ..opt("name", Type::Str) },
                Opt { choices: &["started", "stopped", "restarted", "reloaded"], ..opt("state", Type::Str) },
                opt("enabled", Type::Bool),
                Opt { default: Some("1"), ..opt("sleep", Type::Int) },
                opt("pattern", Type::Str),
                Opt { aliases: &["args"], ..opt("arguments", Type::Str) },
                Opt { elements: Some(Type::Str), ..opt("runlevels", Type::List) },
                Opt { default: Some("false"), ..opt("daemonize", Type::Bool) },
            ],
        )
    },
    Module {
        ..spec(
            "user",
            "ansible.builtin.user",
            &[
                Opt { default: Some("\"present\""), choices: &["absent", "present"], ..opt("state", Type::Str) },
                Opt { aliases: &["user"], required: true, ..opt("name", Type::Str) },
                opt("uid", Type::Int),
                Opt { default: Some("false"), ..opt("non_unique", Type::Bool) },
                opt("group", Type::Str),
                Opt { elements: Some(Type::Str), ..opt("groups", Type::List) },
                opt("comment", Type::Str),
                opt("home", Type::Path),
                opt("shell", Type::Path),
                Opt { no_log: true, ..opt("password", Type::Str) },
                opt("login_class", Type::Str),
                opt("password_expire_max", Type::Int),
                opt("password_expire_min", Type::Int),
                opt("password_expire_warn", Type::Int),
                opt("hidden", Type::Bool),
                opt("seuser", Type::Str),
                Opt { default: Some("false"), ..opt("force", Type::Bool) },
                Opt { default: Some("false"), ..opt("remove", Type::Bool) },
                Opt { aliases: &["createhome"], default: Some("true"), ..opt("create_home", Type::Bool) },
                opt("skeleton", Type::Str),
                Opt { default: Some("false"), ..opt("system", Type::Bool) },
                Opt { default: Some("false"), ..opt("move_home", Type::Bool) },
                Opt { default: Some("false"), ..opt("append", Type::Bool) },
                opt("generate_ssh_key", Type::Bool),
                Opt { default: Some("0"), ..opt("ssh_key_bits", Type::Int) },
                Opt { default: Some("\"rsa\""), ..opt("ssh_key_type", Type::Str) },
                opt("ssh_key_file", Type::Path),
                opt("ssh_key_comment", Type::Str),
                Opt { no_log: true, ..opt("ssh_key_passphrase", Type::Str) },
                Opt {
                    default: Some("\"always\""),
                    choices: &["always", "on_create"],
                    ..opt("update_password", Type::Str)
                },
                opt("expires", Type::Float),
                opt("password_lock", Type::Bool),
                opt("local", Type::Bool),
                opt("profile", Type::Str),
                opt("authorization", Type::Str),
                opt("role", Type::Str),
                opt("umask", Type::Str),
                opt("password_expire_account_disable", Type::Int),
                opt("uid_min", Type::Int),
                opt("uid_max", Type::Int),
            ],
        )
    },
    Module {
        required_if: &[("non_unique", "true", &["gid"])],
        ..spec(
            "group",
            "ansible.builtin.group",
            &[
                Opt { default: Some("\"present\""), choices: &["absent", "present"], ..opt("state", Type::Str) },
                Opt { required: true, ..opt("name", Type::Str) },
                Opt { default: Some("false"), ..opt("force", Type::Bool) },
                opt("gid", Type::Int),
                Opt { default: Some("false"), ..opt("system", Type::Bool) },
                Opt { default: Some("false"), ..opt("local", Type::Bool) },
                Opt { default: Some("false"), ..opt("non_unique", Type::Bool) },
                opt("gid_min", Type::Int),
                opt("gid_max", Type::Int),
            ],
        )
    },
    Module {
        ..spec(
            "getent",
            "ansible.builtin.getent",
            &[
                Opt { required: true, ..opt("database", Type::Str) },
                opt("key", Type::Str),
                opt("service", Type::Str),
                opt("split", Type::Str),
                Opt { default: Some("true"), ..opt("fail_key", Type::Bool) },
            ],
        )
    },
    Module {
        mutually_exclusive: &[&["insertafter", "insertbefore"]],
        ..spec(
            "cron",
            "ansible.builtin.cron",
            &[
                Opt { required: true, ..opt("name", Type::Str) },
                opt("user", Type::Str),
                Opt { aliases: &["value"], ..opt("job", Type::Str) },
                opt("cron_file", Type::Path),
                Opt { default: Some("\"present\""), choices: &["present", "absent"], ..opt("state", Type::Str) },
                Opt { default: Some("false"), ..opt("backup", Type::Bool) },
                Opt { default: Some("\"*\""), ..opt("minute", Type::Str) },
                Opt { default: Some("\"*\""), ..opt("hour", Type::Str) },
                Opt { aliases: &["dom"], default: Some("\"*\""), ..opt("day", Type::Str) },
                Opt { default: Some("\"*\""), ..opt("month", Type::Str) },
                Opt { aliases: &["dow"], default: Some("\"*\""), ..opt("weekday", Type::Str) },
                Opt {
                    choices: &["reboot", "yearly", "annually", "monthly", "weekly", "daily", "hourly"],
                    ..opt("special_time", Type::Str)
                },
                Opt { default: Some("false"), ..opt("disabled", Type::Bool) },
                Opt { default: Some("false"), ..opt("env", Type::Bool) },
                opt("insertafter", Type::Str),
                opt("insertbefore", Type::Str),
            ],
        )
    },
    Module {
        ..spec(
            "hostname",
            "ansible.builtin.hostname",
            &[
                Opt { required: true, ..opt("name", Type::Str) },
                Opt {
                    choices: &[
                        "alpine", "debian", "freebsd", "generic", "macos", "macosx", "darwin", "openbsd", "openrc",
                        "redhat", "sles", "solaris", "systemd",
                    ],
                    ..opt("use", Type::Str)
                },
            ],
        )
    },
    Module {
        ..spec(
            "authorized_key",
            "ansible.posix.authorized_key",
            &[
                Opt { required: true, ..opt("user", Type::Str) },
                Opt { required: true, ..opt("key", Type::Str) },
                opt("path", Type::Path),
                Opt { default: Some("true"), ..opt("manage_dir", Type::Bool) },
                Opt { default: Some("\"present\""), choices: &["absent", "present"], ..opt("state", Type::Str) },
                opt("key_options", Type::Str),
                Opt { default: Some("false"), ..opt("exclusive", Type::Bool) },
                opt("comment", Type::Str),
                Opt { default: Some("true"), ..opt("validate_certs", Type::Bool) },
                Opt { default: Some("false"), ..opt("follow", Type::Bool) },
            ],
        )
    },
    Module {
        ..spec(
            "known_hosts",
            "ansible.builtin.known_hosts",
            &[
                Opt { aliases: &["host"], required: true, ..opt("name", Type::Str) },
                opt("key", Type::Str),
                Opt { default: Some("\"~/.ssh/known_hosts\""), ..opt("path", Type::Path) },
                Opt { default: Some("false"), ..opt("hash_host", Type::Bool) },
                Opt { default: Some("\"present\""), choices: &["absent", "present"], ..opt("state", Type::Str) },
            ],
        )
    },
    Module {
        required_if: &[("state", "present", &["value"])],
        ..spec(
            "sysctl",
            "ansible.posix.sysctl",
            &[
                Opt { aliases: &["key"], required: true, ..opt("name", Type::Str) },
                Opt { aliases: &["val"], ..opt("value", Type::Str) },
                Opt { default: Some("\"present\""), choices: &["present", "absent"], ..opt("state", Type::Str) },
                Opt { default: Some("true"), ..opt("reload", Type::Bool) },
                Opt { default: Some("false"), ..opt("sysctl_set", Type::Bool) },
                Opt { default: Some("false"), ..opt("ignoreerrors", Type::Bool) },
                Opt { default: Some("\"/etc/sysctl.conf\""), ..opt("sysctl_file", Type::Path) },
            ],
        )
    },
    Module {
        ..spec(
            "modprobe",
            "community.general.modprobe",
            &[
                Opt { required: true, ..opt("name", Type::Str) },
                Opt { default: Some("\"present\""), choices: &["absent", "present"], ..opt("state", Type::Str) },
                Opt { default: Some("\"\""), ..opt("params", Type::Str) },
                Opt {
                    default: Some("\"disabled\""),
                    choices: &["disabled", "present", "absent"],
                    ..opt("persistent", Type::Str)
                },
            ],
        )
    },
    Module {
        required_one_of: &[&["path", "family"]],
        ..spec(
            "alternatives",
            "community.general.alternatives",
            &[
                Opt { required: true, ..opt("name", Type::Str) },
                opt("path", Type::Path),
                opt("family", Type::Str),
                opt("link", Type::Path),
                opt("priority", Type::Int),
                Opt {
                    default: Some("\"selected\""),
                    choices: &["present", "selected", "absent", "auto"],
                    ..opt("state", Type::Str)
                },
                Opt {
                    aliases: &["slaves"],
                    elements: Some(Type::Dict),
                    options: &[
                        Opt { required: true, ..opt("name", Type::Str) },
                        Opt { required: true, ..opt("path", Type::Path) },
                        Opt { required: true, ..opt("link", Type::Path) },
                    ],
                    ..opt("subcommands", Type::List)
                },
            ],
        )
    },
    Module {
        required_one_of: &[&["hwclock", "name"]],
        ..spec(
            "timezone",
            "community.general.timezone",
            &[
                Opt { aliases: &["rtc"], choices: &["local", "UTC"], ..opt("hwclock", Type::Str) },
                opt("name", Type::Str),
            ],
        )
    },
    Module {
        ..spec(
            "locale_gen",
            "community.general.locale_gen",
            &[
                Opt { elements: Some(Type::Str), required: true, ..opt("name", Type::List) },
                Opt { default: Some("\"present\""), choices: &["absent", "present"], ..opt("state", Type::Str) },
            ],
        )
    },
    Module {
        mutually_exclusive: &[&["set_dscp_mark", "set_dscp_mark_class"], &["flush", "policy"]],
        required_if: &[("jump", "TEE", &["gateway"]), ("jump", "tee", &["gateway"]), ("flush", "false", &["chain"])],
        required_by: &[("set_dscp_mark", &["jump"]), ("set_dscp_mark_class", &["jump"])],
        ..spec(
            "iptables",
            "ansible.builtin.iptables",
            &[
                Opt {
                    default: Some("\"filter\""),
                    choices: &["filter", "nat", "mangle", "raw", "security"],
                    ..opt("table", Type::Str)
                },
                Opt { default: Some("\"present\""), choices: &["absent", "present"], ..opt("state", Type::Str) },
                Opt { default: Some("\"append\""), choices: &["append", "insert"], ..opt("action", Type::Str) },
                Opt { default: Some("\"ipv4\""), choices: &["ipv4", "ipv6", "both"], ..opt("ip_version", Type::Str) },
                opt("chain", Type::Str),
                opt("rule_num", Type::Str),
                opt("protocol", Type::Str),
                opt("wait", Type::Str),
                opt("source", Type::Str),
                opt("to_source", Type::Str),
                opt("destination", Type::Str),
                opt("to_destination", Type::Str),
                Opt { elements: Some(Type::Str), default: Some("[]"), ..opt("match", Type::List) },
                Opt {
                    options: &[
                        Opt { elements: Some(Type::Str), ..opt("flags", Type::List) },
                        Opt { elements: Some(Type::Str), ..opt("flags_set", Type::List) },
                    ],
                    ..opt("tcp_flags", Type::Dict)
                },
                opt("jump", Type::Str),
                opt("gateway", Type::Str),
                opt("log_prefix", Type::Str),
                Opt {
                    choices: &[
                        "0", "1", "2", "3", "4", "5", "6", "7", "emerg", "alert", "crit", "error", "warning", "notice",
                        "info", "debug",
                    ],
                    ..opt("log_level", Type::Str)
                },
                opt("goto", Type::Str),
                opt("in_interface", Type::Str),
                opt("out_interface", Type::Str),
                opt("fragment", Type::Str),
                opt("set_counters", Type::Str),
                opt("source_port", Type::Str),
                opt("destination_port", Type::Str),
                Opt { elements: Some(Type::Str), default: Some("[]"), ..opt("destination_ports", Type::List) },
                opt("to_ports", Type::Str),
                opt("set_dscp_mark", Type::Str),
                opt("set_dscp_mark_class", Type::Str),
                opt("comment", Type::Str),
                Opt { elements: Some(Type::Str), default: Some("[]"), ..opt("ctstate", Type::List) },
                opt("src_range", Type::Str),
                opt("dst_range", Type::Str),
                opt("match_set", Type::Str),
                Opt {
                    choices: &["src", "dst", "src,dst", "dst,src", "src,src", "dst,dst"],
                    ..opt("match_set_flags", Type::Str)
                },
                opt("limit", Type::Str),
                opt("limit_burst", Type::Str),
                opt("uid_owner", Type::Str),
                opt("gid_owner", Type::Str),
                opt("reject_with", Type::Str),
                opt("icmp_type", Type::Str),
                Opt { default: Some("\"ignore\""), choices: &["ignore", "match", "negate"], ..opt("syn", Type::Str) },
                Opt { default: Some("false"), ..opt("flush", Type::Bool) },
                Opt { choices: &["ACCEPT", "DROP", "QUEUE", "RETURN"], ..opt("policy", Type::Str) },
                Opt { default: Some("false"), ..opt("chain_management", Type::Bool) },
                Opt { default: Some("false"), ..opt("numeric", Type::Bool) },
            ],
        )
    },
];
