//! Stores of keys and certificates, the SSH client's configuration, programs in environments of their own.
//!
//! Facts from the DOCUMENTATION of community.general 12 and community.crypto 3.

use super::{Module, Opt, Type, opt, spec};

/// The family.
pub const MODULES: &[Module] = &[
    Module {
        mutually_exclusive: &[&["user", "ssh_config_file"], &["proxycommand", "proxyjump"]],
        ..spec(
            "ssh_config",
            "community.general.ssh_config",
            &[
                Opt { default: Some("\"present\""), choices: &["present", "absent"], ..opt("state", Type::Str) },
                opt("user", Type::Str),
                opt("group", Type::Str),
                Opt { required: true, ..opt("host", Type::Str) },
                opt("hostname", Type::Str),
                opt("port", Type::Str),
                opt("remote_user", Type::Str),
                opt("identity_file", Type::Path),
                opt("identities_only", Type::Bool),
                opt("user_known_hosts_file", Type::Str),
                Opt { choices: &["yes", "no", "ask", "accept-new"], ..opt("strict_host_key_checking", Type::Str) },
                opt("proxycommand", Type::Str),
                opt("proxyjump", Type::Str),
                opt("forward_agent", Type::Bool),
                opt("add_keys_to_agent", Type::Bool),
                opt("ssh_config_file", Type::Path),
                opt("host_key_algorithms", Type::Str),
                Opt { choices: &["yes", "no", "ask", "auto", "autoask"], ..opt("controlmaster", Type::Str) },
                opt("controlpath", Type::Str),
                opt("controlpersist", Type::Str),
                opt("dynamicforward", Type::Str),
                opt("other_options", Type::Dict),
            ],
        )
    },
    Module {
        file_common: true,
        mutually_exclusive: &[&["cert_url", "cert_path", "cert_content", "pkcs12_path"]],
        required_if_any: &[
            ("state", "present", &["cert_path", "cert_url", "cert_content", "pkcs12_path"]),
            ("state", "absent", &["cert_url", "cert_alias"]),
        ],
        required_together: &[&["keystore_path", "keystore_pass"]],
        ..spec(
            "java_cert",
            "community.general.java_cert",
            &[
                opt("cert_url", Type::Str),
                opt("cert_path", Type::Path),
                opt("cert_content", Type::Str),
                opt("pkcs12_path", Type::Path),
                Opt { no_log: true, ..opt("pkcs12_password", Type::Str) },
                opt("pkcs12_alias", Type::Str),
                opt("cert_alias", Type::Str),
                Opt { default: Some("443"), ..opt("cert_port", Type::Int) },
                opt("keystore_path", Type::Path),
                Opt { required: true, no_log: true, ..opt("keystore_pass", Type::Str) },
                Opt { default: Some("false"), ..opt("trust_cacert", Type::Bool) },
                Opt { default: Some("false"), ..opt("keystore_create", Type::Bool) },
                opt("keystore_type", Type::Str),
                Opt { default: Some("\"keytool\""), ..opt("executable", Type::Str) },
                Opt { default: Some("\"present\""), choices: &["absent", "present"], ..opt("state", Type::Str) },
            ],
        )
    },
    Module {
        file_common: true,
        mutually_exclusive: &[
            &["privatekey_path", "privatekey_content"],
            &["certificate_path", "certificate_content"],
            &["other_certificates", "other_certificates_content"],
        ],
        required_if: &[("action", "parse", &["src"])],
        ..spec(
            "openssl_pkcs12",
            "community.crypto.openssl_pkcs12",
            &[
                Opt { default: Some("\"export\""), choices: &["export", "parse"], ..opt("action", Type::Str) },
                Opt {
                    aliases: &["ca_certificates"],
                    elements: Some(Type::Path),
                    ..opt("other_certificates", Type::List)
                },
                Opt { elements: Some(Type::Str), ..opt("other_certificates_content", Type::List) },
                Opt { default: Some("false"), ..opt("other_certificates_parse_all", Type::Bool) },
                opt("certificate_path", Type::Path),
                opt("certificate_content", Type::Str),
                Opt { default: Some("false"), ..opt("force", Type::Bool) },
                Opt { aliases: &["name"], ..opt("friendly_name", Type::Str) },
                opt("iter_size", Type::Int),
                opt("maciter_size", Type::Int),
                Opt {
                    default: Some("\"auto\""),
                    choices: &["auto", "compatibility2022"],
                    ..opt("encryption_level", Type::Str)
                },
                Opt { no_log: true, ..opt("passphrase", Type::Str) },
                Opt { required: true, ..opt("path", Type::Path) },
                Opt { no_log: true, ..opt("privatekey_passphrase", Type::Str) },
                opt("privatekey_path", Type::Path),
                Opt { no_log: true, ..opt("privatekey_content", Type::Str) },
                Opt { default: Some("\"present\""), choices: &["absent", "present"], ..opt("state", Type::Str) },
                opt("src", Type::Path),
                Opt { default: Some("false"), ..opt("backup", Type::Bool) },
                Opt { default: Some("false"), ..opt("return_content", Type::Bool) },
                Opt {
                    default: Some("\"auto\""),
                    choices: &["auto", "cryptography"],
                    ..opt("select_crypto_backend", Type::Str)
                },
            ],
        )
    },
    Module {
        required_if: &[
            ("state", "present", &["name"]),
            ("state", "install", &["name"]),
            ("state", "install_all", &["spec_metadata"]),
            ("state", "absent", &["name"]),
            ("state", "uninstall", &["name"]),
            ("state", "upgrade", &["name"]),
            ("state", "reinstall", &["name"]),
            ("state", "latest", &["name"]),
            ("state", "inject", &["name", "inject_packages"]),
            ("state", "uninject", &["name", "inject_packages"]),
            ("state", "pin", &["name"]),
            ("state", "unpin", &["name"]),
        ],
        required_by: &[("suffix", &["name"])],
        ..spec(
            "pipx",
            "community.general.pipx",
            &[
                Opt {
                    default: Some("\"install\""),
                    choices: &[
                        "present",
                        "absent",
                        "install",
                        "install_all",
                        "uninstall",
                        "uninstall_all",
                        "inject",
                        "uninject",
                        "upgrade",
                        "upgrade_shared",
                        "upgrade_all",
                        "reinstall",
                        "reinstall_all",
                        "latest",
                        "pin",
                        "unpin",
                    ],
                    ..opt("state", Type::Str)
                },
                opt("name", Type::Str),
                opt("source", Type::Str),
                Opt { default: Some("false"), ..opt("install_apps", Type::Bool) },
                Opt { default: Some("false"), ..opt("install_deps", Type::Bool) },
                Opt { elements: Some(Type::Str), ..opt("inject_packages", Type::List) },
                Opt { default: Some("false"), ..opt("force", Type::Bool) },
                Opt { default: Some("false"), ..opt("include_injected", Type::Bool) },
                opt("index_url", Type::Str),
                opt("python", Type::Str),
                Opt { default: Some("false"), ..opt("system_site_packages", Type::Bool) },
                opt("executable", Type::Path),
                Opt { default: Some("false"), ..opt("editable", Type::Bool) },
                opt("pip_args", Type::Str),
                opt("suffix", Type::Str),
                opt("spec_metadata", Type::Path),
                Opt { default: Some("false"), ..opt("global", Type::Bool) },
            ],
        )
    },
];
