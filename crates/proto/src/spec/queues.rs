//! Queues: RabbitMQ.
//!
//! Names, types and defaults only; what the options do is the business of the modules.

use super::{Module, Opt, Type, opt, spec};

/// The family.
pub const MODULES: &[Module] = &[
    Module {
        check_mode: false,
        ..spec(
            "rabbitmq_user",
            "community.rabbitmq.rabbitmq_user",
            &[
                Opt { aliases: &["username", "name"], required: true, ..opt("user", Type::Str) },
                Opt { no_log: true, ..opt("password", Type::Str) },
                opt("tags", Type::Str),
                Opt { default: Some("[]"), elements: Some(Type::Dict), ..opt("permissions", Type::List) },
                Opt { default: Some("\"/\""), ..opt("vhost", Type::Str) },
                Opt { default: Some("\"^$\""), ..opt("configure_priv", Type::Str) },
                Opt { default: Some("\"^$\""), ..opt("write_priv", Type::Str) },
                Opt { default: Some("\"^$\""), ..opt("read_priv", Type::Str) },
                Opt { default: Some("[]"), elements: Some(Type::Dict), ..opt("topic_permissions", Type::List) },
                Opt { default: Some("false"), ..opt("force", Type::Bool) },
                Opt { default: Some("\"present\""), choices: &["present", "absent"], ..opt("state", Type::Str) },
                Opt { default: Some("\"rabbit\""), ..opt("node", Type::Str) },
                Opt {
                    default: Some("\"on_create\""),
                    choices: &["on_create", "always"],
                    ..opt("update_password", Type::Str)
                },
                Opt { default: Some("\"http\""), choices: &["http", "https"], ..opt("login_protocol", Type::Str) },
                opt("login_host", Type::Str),
                Opt { default: Some("\"15672\""), ..opt("login_port", Type::Str) },
                Opt { no_log: true, ..opt("login_user", Type::Str) },
                Opt { no_log: true, ..opt("login_password", Type::Str) },
            ],
        )
    },
    Module {
        ..spec(
            "rabbitmq_vhost",
            "community.rabbitmq.rabbitmq_vhost",
            &[
                Opt { aliases: &["vhost"], required: true, ..opt("name", Type::Str) },
                Opt { aliases: &["trace"], default: Some("false"), ..opt("tracing", Type::Bool) },
                Opt { default: Some("\"present\""), choices: &["present", "absent"], ..opt("state", Type::Str) },
                Opt { default: Some("\"rabbit\""), ..opt("node", Type::Str) },
                Opt { no_log: true, ..opt("login_user", Type::Str) },
                Opt { no_log: true, ..opt("login_password", Type::Str) },
                opt("login_host", Type::Str),
                Opt { default: Some("\"15672\""), ..opt("login_port", Type::Str) },
                Opt { default: Some("\"http\""), choices: &["http", "https"], ..opt("login_protocol", Type::Str) },
                opt("ca_cert", Type::Path),
                opt("client_cert", Type::Path),
                opt("client_key", Type::Path),
            ],
        )
    },
    Module {
        ..spec(
            "rabbitmq_plugin",
            "community.rabbitmq.rabbitmq_plugin",
            &[
                Opt { aliases: &["name"], required: true, ..opt("names", Type::Str) },
                Opt { default: Some("false"), ..opt("new_only", Type::Bool) },
                Opt { default: Some("\"enabled\""), choices: &["enabled", "disabled"], ..opt("state", Type::Str) },
                Opt { default: Some("\"online\""), choices: &["online", "offline"], ..opt("broker_state", Type::Str) },
                opt("prefix", Type::Str),
            ],
        )
    },
    Module {
        ..spec(
            "rabbitmq_policy",
            "community.rabbitmq.rabbitmq_policy",
            &[
                Opt { required: true, ..opt("name", Type::Str) },
                Opt { default: Some("\"/\""), ..opt("vhost", Type::Str) },
                opt("pattern", Type::Str),
                Opt {
                    default: Some("\"all\""),
                    choices: &["all", "exchanges", "queues", "classic_queues", "quorum_queues", "streams"],
                    ..opt("apply_to", Type::Str)
                },
                opt("tags", Type::Dict),
                Opt { default: Some("\"0\""), ..opt("priority", Type::Str) },
                Opt { default: Some("\"rabbit\""), ..opt("node", Type::Str) },
                Opt { default: Some("\"present\""), choices: &["present", "absent"], ..opt("state", Type::Str) },
                Opt { no_log: true, ..opt("login_user", Type::Str) },
                Opt { no_log: true, ..opt("login_password", Type::Str) },
                opt("login_host", Type::Str),
                Opt { default: Some("\"15672\""), ..opt("login_port", Type::Str) },
                Opt { default: Some("\"http\""), choices: &["http", "https"], ..opt("login_protocol", Type::Str) },
                opt("ca_cert", Type::Path),
                opt("client_cert", Type::Path),
                opt("client_key", Type::Path),
            ],
        )
    },
];
