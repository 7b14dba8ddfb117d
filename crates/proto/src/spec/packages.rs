//! Packages, their repositories and keys.
//!
//! Names, types and defaults only; what the options do is the business of the modules.

use super::{Module, Opt, Type, opt, spec};

/// The family.
pub const MODULES: &[Module] = &[
    Module {
        mutually_exclusive: &[&["deb", "name", "upgrade"]],
        // One of these has to be there, which for Ansible `autoremove` is by its default: nothing is ever missing.
        required_one_of: &[],
        ..spec(
            "apt",
            "ansible.builtin.apt",
            &[
                Opt {
                    default: Some("\"present\""),
                    choices: &["absent", "build-dep", "fixed", "latest", "present"],
                    ..opt("state", Type::Str)
                },
                Opt { aliases: &["update-cache"], ..opt("update_cache", Type::Bool) },
                Opt { default: Some("5"), ..opt("update_cache_retries", Type::Int) },
                Opt { default: Some("12"), ..opt("update_cache_retry_max_delay", Type::Int) },
                Opt { default: Some("0"), ..opt("cache_valid_time", Type::Int) },
                Opt { default: Some("false"), ..opt("purge", Type::Bool) },
                Opt { aliases: &["package", "pkg"], elements: Some(Type::Str), ..opt("name", Type::List) },
                opt("deb", Type::Path),
                Opt { aliases: &["default-release"], ..opt("default_release", Type::Str) },
                Opt { aliases: &["install-recommends"], ..opt("install_recommends", Type::Bool) },
                Opt { default: Some("false"), ..opt("force", Type::Bool) },
                Opt {
                    default: Some("\"no\""),
                    choices: &["dist", "full", "no", "safe", "yes"],
                    ..opt("upgrade", Type::Str)
                },
                Opt { default: Some("\"force-confdef,force-confold\""), ..opt("dpkg_options", Type::Str) },
                Opt { default: Some("false"), ..opt("autoremove", Type::Bool) },
                Opt { default: Some("false"), ..opt("autoclean", Type::Bool) },
                Opt { default: Some("false"), ..opt("fail_on_autoremove", Type::Bool) },
                opt("policy_rc_d", Type::Int),
                Opt { default: Some("false"), ..opt("only_upgrade", Type::Bool) },
                Opt { default: Some("false"), ..opt("force_apt_get", Type::Bool) },
                Opt { default: Some("false"), ..opt("clean", Type::Bool) },
                Opt {
                    aliases: &["allow-unauthenticated"],
                    default: Some("false"),
                    ..opt("allow_unauthenticated", Type::Bool)
                },
                Opt {
                    aliases: &["allow-downgrade", "allow_downgrades", "allow-downgrades"],
                    default: Some("false"),
                    ..opt("allow_downgrade", Type::Bool)
                },
                Opt { default: Some("false"), ..opt("allow_change_held_packages", Type::Bool) },
                Opt { default: Some("60"), ..opt("lock_timeout", Type::Int) },
                Opt { default: Some("true"), ..opt("auto_install_module_deps", Type::Bool) },
            ],
        )
    },
    Module {
        mutually_exclusive: &[&["data", "file", "keyserver", "url"]],
        ..spec(
            "apt_key",
            "ansible.builtin.apt_key",
            &[
                opt("id", Type::Str),
                opt("url", Type::Str),
                opt("data", Type::Str),
                opt("file", Type::Path),
                opt("keyring", Type::Path),
                Opt { default: Some("true"), ..opt("validate_certs", Type::Bool) },
                opt("keyserver", Type::Str),
                Opt { default: Some("\"present\""), choices: &["absent", "present"], ..opt("state", Type::Str) },
            ],
        )
    },
    Module {
        ..spec(
            "apt_repository",
            "ansible.builtin.apt_repository",
            &[
                Opt { required: true, ..opt("repo", Type::Str) },
                Opt { default: Some("\"present\""), choices: &["absent", "present"], ..opt("state", Type::Str) },
                opt("mode", Type::Raw),
                Opt { aliases: &["update-cache"], default: Some("true"), ..opt("update_cache", Type::Bool) },
                Opt { default: Some("5"), ..opt("update_cache_retries", Type::Int) },
                Opt { default: Some("12"), ..opt("update_cache_retry_max_delay", Type::Int) },
                opt("filename", Type::Str),
                Opt { default: Some("true"), ..opt("install_python_apt", Type::Bool) },
                Opt { default: Some("true"), ..opt("validate_certs", Type::Bool) },
                opt("codename", Type::Str),
            ],
        )
    },
    Module {
        ..spec(
            "deb822_repository",
            "ansible.builtin.deb822_repository",
            &[
                opt("allow_downgrade_to_insecure", Type::Bool),
                opt("allow_insecure", Type::Bool),
                opt("allow_weak", Type::Bool),
                Opt { elements: Some(Type::Str), ..opt("architectures", Type::List) },
                opt("by_hash", Type::Bool),
                opt("check_date", Type::Bool),
                opt("check_valid_until", Type::Bool),
                Opt { elements: Some(Type::Str), ..opt("components", Type::List) },
                opt("date_max_future", Type::Int),
                opt("enabled", Type::Bool),
                opt("inrelease_path", Type::Str),
                Opt { elements: Some(Type::Str), ..opt("languages", Type::List) },
                Opt { required: true, ..opt("name", Type::Str) },
                opt("pdiffs", Type::Bool),
                opt("signed_by", Type::Str),
                Opt { elements: Some(Type::Str), ..opt("suites", Type::List) },
                Opt { elements: Some(Type::Str), ..opt("targets", Type::List) },
                opt("trusted", Type::Bool),
                Opt {
                    elements: Some(Type::Str),
                    default: Some("[\"deb\"]"),
                    choices: &["deb", "deb-src"],
                    ..opt("types", Type::List)
                },
                Opt { elements: Some(Type::Str), ..opt("uris", Type::List) },
                Opt { default: Some("\"0644\""), ..opt("mode", Type::Raw) },
                Opt { default: Some("\"present\""), choices: &["present", "absent"], ..opt("state", Type::Str) },
            ],
        )
    },
    Module {
        ..spec(
            "dpkg_selections",
            "ansible.builtin.dpkg_selections",
            &[
                Opt { required: true, ..opt("name", Type::Str) },
                Opt {
                    required: true,
                    choices: &["install", "hold", "deinstall", "purge"],
                    ..opt("selection", Type::Str)
                },
            ],
        )
    },
    Module {
        required_together: &[&["question", "vtype", "value"]],
        ..spec(
            "debconf",
            "ansible.builtin.debconf",
            &[
                Opt { aliases: &["pkg"], required: true, ..opt("name", Type::Str) },
                Opt { aliases: &["selection", "setting"], ..opt("question", Type::Str) },
                Opt {
                    choices: &[
                        "boolean",
                        "error",
                        "multiselect",
                        "note",
                        "password",
                        "seen",
                        "select",
                        "string",
                        "text",
                        "title",
                    ],
                    ..opt("vtype", Type::Str)
                },
                Opt { aliases: &["answer"], ..opt("value", Type::Raw) },
                Opt { default: Some("false"), ..opt("unseen", Type::Bool) },
            ],
        )
    },
    Module {
        aliases: &["yum"],
        mutually_exclusive: &[&["name", "list"], &["best", "nobest"]],
        required_one_of: &[&["name", "list", "update_cache"]],
        ..spec(
            "dnf",
            "ansible.builtin.dnf",
            &[
                Opt { default: Some("false"), ..opt("allow_downgrade", Type::Bool) },
                Opt { default: Some("false"), ..opt("allowerasing", Type::Bool) },
                Opt { default: Some("false"), ..opt("autoremove", Type::Bool) },
                opt("best", Type::Bool),
                Opt { default: Some("false"), ..opt("bugfix", Type::Bool) },
                Opt { default: Some("false"), ..opt("cacheonly", Type::Bool) },
                opt("conf_file", Type::Str),
                opt("disable_excludes", Type::Str),
                Opt { default: Some("false"), ..opt("disable_gpg_check", Type::Bool) },
                Opt { elements: Some(Type::Str), default: Some("[]"), ..opt("disable_plugin", Type::List) },
                Opt { elements: Some(Type::Str), default: Some("[]"), ..opt("disablerepo", Type::List) },
                Opt { default: Some("false"), ..opt("download_only", Type::Bool) },
                opt("download_dir", Type::Str),
                Opt { elements: Some(Type::Str), default: Some("[]"), ..opt("enable_plugin", Type::List) },
                Opt { elements: Some(Type::Str), default: Some("[]"), ..opt("enablerepo", Type::List) },
                Opt { elements: Some(Type::Str), default: Some("[]"), ..opt("exclude", Type::List) },
                Opt { default: Some("\"/\""), ..opt("installroot", Type::Str) },
                Opt { default: Some("true"), ..opt("install_repoquery", Type::Bool) },
                Opt { default: Some("true"), ..opt("install_weak_deps", Type::Bool) },
                opt("list", Type::Str),
                Opt { aliases: &["pkg"], elements: Some(Type::Str), default: Some("[]"), ..opt("name", Type::List) },
                opt("nobest", Type::Bool),
                opt("releasever", Type::Str),
                Opt { default: Some("false"), ..opt("security", Type::Bool) },
                Opt { default: Some("false"), ..opt("skip_broken", Type::Bool) },
                Opt { choices: &["absent", "installed", "latest", "present", "removed"], ..opt("state", Type::Str) },
                Opt { aliases: &["expire-cache"], default: Some("false"), ..opt("update_cache", Type::Bool) },
                Opt { default: Some("\"no\""), ..opt("update_only", Type::Bool) },
                Opt { default: Some("true"), ..opt("validate_certs", Type::Bool) },
                Opt { default: Some("true"), ..opt("sslverify", Type::Bool) },
                Opt { default: Some("30"), ..opt("lock_timeout", Type::Int) },
                Opt {
                    default: Some("\"auto\""),
                    choices: &["auto", "dnf", "yum", "yum4", "dnf4", "dnf5"],
                    ..opt("use_backend", Type::Str)
                },
            ],
        )
    },
    Module {
        mutually_exclusive: &[&["name", "list"], &["best", "nobest"]],
        required_one_of: &[&["name", "list", "update_cache"]],
        ..spec(
            "dnf5",
            "ansible.builtin.dnf5",
            &[
                Opt { default: Some("false"), ..opt("allow_downgrade", Type::Bool) },
                Opt { default: Some("false"), ..opt("allowerasing", Type::Bool) },
                Opt { default: Some("false"), ..opt("autoremove", Type::Bool) },
                opt("best", Type::Bool),
                Opt { default: Some("false"), ..opt("bugfix", Type::Bool) },
                Opt { default: Some("false"), ..opt("cacheonly", Type::Bool) },
                opt("conf_file", Type::Str),
                opt("disable_excludes", Type::Str),
                Opt { default: Some("false"), ..opt("disable_gpg_check", Type::Bool) },
                Opt { elements: Some(Type::Str), default: Some("[]"), ..opt("disable_plugin", Type::List) },
                Opt { elements: Some(Type::Str), default: Some("[]"), ..opt("disablerepo", Type::List) },
                Opt { default: Some("false"), ..opt("download_only", Type::Bool) },
                opt("download_dir", Type::Str),
                Opt { elements: Some(Type::Str), default: Some("[]"), ..opt("enable_plugin", Type::List) },
                Opt { elements: Some(Type::Str), default: Some("[]"), ..opt("enablerepo", Type::List) },
                Opt { elements: Some(Type::Str), default: Some("[]"), ..opt("exclude", Type::List) },
                Opt { default: Some("\"/\""), ..opt("installroot", Type::Str) },
                Opt { default: Some("true"), ..opt("install_repoquery", Type::Bool) },
                Opt { default: Some("true"), ..opt("install_weak_deps", Type::Bool) },
                opt("list", Type::Str),
                Opt { aliases: &["pkg"], elements: Some(Type::Str), default: Some("[]"), ..opt("name", Type::List) },
                opt("nobest", Type::Bool),
                opt("releasever", Type::Str),
                Opt { default: Some("false"), ..opt("security", Type::Bool) },
                Opt { default: Some("false"), ..opt("skip_broken", Type::Bool) },
                Opt { choices: &["absent", "installed", "latest", "present", "removed"], ..opt("state", Type::Str) },
                Opt { aliases: &["expire-cache"], default: Some("false"), ..opt("update_cache", Type::Bool) },
                Opt { default: Some("\"no\""), ..opt("update_only", Type::Bool) },
                Opt { default: Some("true"), ..opt("validate_certs", Type::Bool) },
                Opt { default: Some("true"), ..opt("sslverify", Type::Bool) },
                Opt { default: Some("30"), ..opt("lock_timeout", Type::Int) },
                Opt {
                    default: Some("\"auto\""),
                    choices: &["auto", "dnf", "yum", "yum4", "dnf4", "dnf5"],
                    ..opt("use_backend", Type::Str)
                },
                Opt { default: Some("true"), ..opt("auto_install_module_deps", Type::Bool) },
            ],
        )
    },
    Module {
        file_common: true,
        required_if: &[("state", "present", &["description"])],
        required_if_any: &[("state", "present", &["baseurl", "mirrorlist", "metalink"])],
        ..spec(
            "yum_repository",
            "ansible.builtin.yum_repository",
            &[
                opt("bandwidth", Type::Str),
                Opt { elements: Some(Type::Str), ..opt("baseurl", Type::List) },
                opt("cost", Type::Str),
                opt("countme", Type::Bool),
                opt("deltarpm_metadata_percentage", Type::Str),
                opt("deltarpm_percentage", Type::Str),
                opt("description", Type::Str),
                opt("enabled", Type::Bool),
                opt("enablegroups", Type::Bool),
                Opt { aliases: &["excludepkgs"], elements: Some(Type::Str), ..opt("exclude", Type::List) },
                Opt { choices: &["roundrobin", "priority"], ..opt("failovermethod", Type::Str) },
                opt("file", Type::Str),
                opt("gpgcakey", Type::Str),
                opt("gpgcheck", Type::Bool),
                Opt { elements: Some(Type::Str), ..opt("gpgkey", Type::List) },
                opt("module_hotfixes", Type::Bool),
                Opt { choices: &["all", "packages", "none"], ..opt("http_caching", Type::Str) },
                opt("include", Type::Str),
                Opt { elements: Some(Type::Str), ..opt("includepkgs", Type::List) },
                Opt { choices: &["4", "6", "IPv4", "IPv6", "whatever"], ..opt("ip_resolve", Type::Str) },
                opt("keepalive", Type::Bool),
                Opt { choices: &["0", "1"], ..opt("keepcache", Type::Str) },
                opt("metadata_expire", Type::Str),
                Opt {
                    choices: &["never", "read-only:past", "read-only:present", "read-only:future"],
                    ..opt("metadata_expire_filter", Type::Str)
                },
                opt("metalink", Type::Str),
                opt("mirrorlist", Type::Str),
                opt("mirrorlist_expire", Type::Str),
                Opt { required: true, ..opt("name", Type::Str) },
                Opt { no_log: true, ..opt("password", Type::Str) },
                opt("priority", Type::Str),
                opt("protect", Type::Bool),
                opt("proxy", Type::Str),
                Opt { no_log: true, ..opt("proxy_password", Type::Str) },
                opt("proxy_username", Type::Str),
                opt("repo_gpgcheck", Type::Bool),
                Opt { default: Some("\"/etc/yum.repos.d\""), ..opt("reposdir", Type::Path) },
                opt("retries", Type::Str),
                opt("s3_enabled", Type::Bool),
                opt("skip_if_unavailable", Type::Bool),
                Opt { aliases: &["ca_cert"], ..opt("sslcacert", Type::Str) },
                opt("ssl_check_cert_permissions", Type::Bool),
                Opt { aliases: &["client_cert"], ..opt("sslclientcert", Type::Str) },
                Opt { aliases: &["client_key"], ..opt("sslclientkey", Type::Str) },
                Opt { aliases: &["validate_certs"], ..opt("sslverify", Type::Bool) },
                Opt { default: Some("\"present\""), choices: &["present", "absent"], ..opt("state", Type::Str) },
                opt("throttle", Type::Str),
                opt("timeout", Type::Str),
                opt("ui_repoid_vars", Type::Str),
                opt("username", Type::Str),
                opt("async", Type::Bool),
            ],
        )
    },
    Module {
        ..spec(
            "rpm_key",
            "ansible.builtin.rpm_key",
            &[
                Opt { default: Some("\"present\""), choices: &["absent", "present"], ..opt("state", Type::Str) },
                Opt { required: true, ..opt("key", Type::Str) },
                Opt { elements: Some(Type::Str), ..opt("fingerprint", Type::List) },
                Opt { default: Some("true"), ..opt("validate_certs", Type::Bool) },
            ],
        )
    },
    Module {
        ..spec(
            "package",
            "ansible.builtin.package",
            &[
                Opt { required: true, ..opt("name", Type::Str) },
                Opt { required: true, ..opt("state", Type::Str) },
                Opt { default: Some("\"auto\""), ..opt("use", Type::Str) },
            ],
        )
    },
    Module {
        mutually_exclusive: &[&["name", "requirements"], &["executable", "virtualenv"]],
        required_one_of: &[&["name", "requirements"]],
        ..spec(
            "pip",
            "ansible.builtin.pip",
            &[
                Opt {
                    default: Some("\"present\""),
                    choices: &["present", "absent", "latest", "forcereinstall"],
                    ..opt("state", Type::Str)
                },
                Opt { elements: Some(Type::Str), ..opt("name", Type::List) },
                opt("version", Type::Str),
                opt("requirements", Type::Str),
                opt("virtualenv", Type::Path),
                Opt { default: Some("false"), ..opt("virtualenv_site_packages", Type::Bool) },
                Opt { default: Some("\"virtualenv\""), ..opt("virtualenv_command", Type::Path) },
                opt("virtualenv_python", Type::Str),
                opt("extra_args", Type::Str),
                Opt { default: Some("false"), ..opt("editable", Type::Bool) },
                opt("chdir", Type::Path),
                opt("executable", Type::Path),
                opt("umask", Type::Str),
                Opt { default: Some("false"), ..opt("break_system_packages", Type::Bool) },
            ],
        )
    },
    Module {
        ..spec(
            "snap",
            "community.general.snap",
            &[
                opt("channel", Type::Str),
                Opt { default: Some("false"), ..opt("classic", Type::Bool) },
                Opt { default: Some("false"), ..opt("dangerous", Type::Bool) },
                Opt { elements: Some(Type::Str), required: true, ..opt("name", Type::List) },
                Opt { elements: Some(Type::Str), ..opt("options", Type::List) },
                Opt {
                    default: Some("\"present\""),
                    choices: &["absent", "present", "enabled", "disabled"],
                    ..opt("state", Type::Str)
                },
            ],
        )
    },
];
