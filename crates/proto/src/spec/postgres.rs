//! PostgreSQL: what there is beside users, databases, extensions and queries.
//!
//! Names, types and defaults only; what the options do is the business of the modules.

use super::{Module, Opt, Type, opt, spec};

/// How a server is reached: options that all modules of the collection have.
pub(super) const LOGIN: &[Opt] = &[
    Opt { aliases: &["ssl_rootcert"], unsupported: true, ..opt("ca_cert", Type::Str) },
    Opt { default: Some("{}"), ..opt("connect_params", Type::Dict) },
    Opt { aliases: &["host"], default: Some("\"\""), ..opt("login_host", Type::Str) },
    Opt { default: Some("\"\""), no_log: true, ..opt("login_password", Type::Str) },
    Opt { aliases: &["port"], default: Some("5432"), ..opt("login_port", Type::Int) },
    Opt { aliases: &["unix_socket"], default: Some("\"\""), ..opt("login_unix_socket", Type::Str) },
    Opt { aliases: &["login"], default: Some("\"postgres\""), ..opt("login_user", Type::Str) },
    Opt { unsupported: true, ..opt("ssl_cert", Type::Path) },
    Opt { unsupported: true, ..opt("ssl_key", Type::Path) },
    Opt {
        default: Some("\"prefer\""),
        choices: &["allow", "disable", "prefer", "require", "verify-ca", "verify-full"],
        ..opt("ssl_mode", Type::Str)
    },
    opt("session_role", Type::Str),
    Opt { default: Some("true"), ..opt("trust_input", Type::Bool) },
];

/// The options of a login, and these.
macro_rules! login_and {
    ($($own:expr),* $(,)?) => {{
        const OWN: &[Opt] = &[$($own),*];
        const ALL: [Opt; crate::spec::postgres::LOGIN.len() + OWN.len()] =
            crate::spec::joined(crate::spec::postgres::LOGIN, OWN);
        &ALL
    }};
}

/// The family.
pub const MODULES: &[Module] = &[
    Module {
        ..spec(
            "postgresql_privs",
            "community.postgresql.postgresql_privs",
            login_and![
                Opt { aliases: &["db", "database"], required: true, ..opt("login_db", Type::Str) },
                Opt { default: Some("\"present\""), choices: &["present", "absent"], ..opt("state", Type::Str) },
                Opt { aliases: &["priv"], ..opt("privs", Type::Str) },
                Opt {
                    default: Some("\"table\""),
                    choices: &[
                        "table",
                        "sequence",
                        "function",
                        "procedure",
                        "database",
                        "schema",
                        "language",
                        "tablespace",
                        "group",
                        "default_privs",
                        "foreign_data_wrapper",
                        "foreign_server",
                        "type",
                        "parameter"
                    ],
                    ..opt("type", Type::Str)
                },
                Opt { aliases: &["obj"], ..opt("objs", Type::Str) },
                opt("schema", Type::Str),
                Opt { aliases: &["role"], required: true, ..opt("roles", Type::Str) },
                opt("target_roles", Type::Str),
                Opt { aliases: &["admin_option"], ..opt("grant_option", Type::Bool) },
                Opt { default: Some("true"), ..opt("fail_on_role", Type::Bool) },
            ],
        )
    },
    Module {
        ..spec(
            "postgresql_schema",
            "community.postgresql.postgresql_schema",
            login_and![
                Opt { aliases: &["name"], required: true, ..opt("schema", Type::Str) },
                Opt { default: Some("\"\""), ..opt("owner", Type::Str) },
                Opt { aliases: &["db", "database"], default: Some("\"postgres\""), ..opt("login_db", Type::Str) },
                Opt { default: Some("false"), ..opt("cascade_drop", Type::Bool) },
                Opt { default: Some("\"present\""), choices: &["absent", "present"], ..opt("state", Type::Str) },
                opt("comment", Type::Str),
            ],
        )
    },
    Module {
        mutually_exclusive: &[
            &["obj_name", "reassign_owned_by"],
            &["obj_type", "reassign_owned_by"],
            &["obj_name", "fail_on_role"],
            &["obj_type", "fail_on_role"],
        ],
        ..spec(
            "postgresql_owner",
            "community.postgresql.postgresql_owner",
            login_and![
                Opt { required: true, ..opt("new_owner", Type::Str) },
                opt("obj_name", Type::Str),
                Opt {
                    aliases: &["type"],
                    choices: &[
                        "aggregate",
                        "collation",
                        "conversion",
                        "database",
                        "domain",
                        "event_trigger",
                        "foreign_data_wrapper",
                        "foreign_table",
                        "function",
                        "language",
                        "large_object",
                        "matview",
                        "procedure",
                        "publication",
                        "routine",
                        "schema",
                        "sequence",
                        "server",
                        "statistics",
                        "table",
                        "tablespace",
                        "text_search_configuration",
                        "text_search_dictionary",
                        "type",
                        "view"
                    ],
                    ..opt("obj_type", Type::Str)
                },
                Opt { elements: Some(Type::Str), ..opt("reassign_owned_by", Type::List) },
                Opt { default: Some("true"), ..opt("fail_on_role", Type::Bool) },
                Opt { aliases: &["db"], ..opt("login_db", Type::Str) },
            ],
        )
    },
    Module {
        ..spec(
            "postgresql_set",
            "community.postgresql.postgresql_set",
            login_and![
                Opt { required: true, ..opt("name", Type::Str) },
                Opt { aliases: &["db"], ..opt("login_db", Type::Str) },
                opt("value", Type::Str),
                Opt { default: Some("false"), ..opt("reset", Type::Bool) },
            ],
        )
    },
    Module {
        ..spec(
            "postgresql_info",
            "community.postgresql.postgresql_info",
            login_and![opt("login_db", Type::Str), Opt { elements: Some(Type::Str), ..opt("filter", Type::List) },],
        )
    },
    Module {
        ..spec(
            "postgresql_ping",
            "community.postgresql.postgresql_ping",
            login_and![Opt { aliases: &["db"], ..opt("login_db", Type::Str) },],
        )
    },
];
