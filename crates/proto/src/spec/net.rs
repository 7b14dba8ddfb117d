//! Downloads, HTTP and version control.
//!
//! Names, types and defaults only; what the options do is the business of the modules.

use super::{Module, Opt, Type, opt, spec};

/// The family.
pub const MODULES: &[Module] = &[
    Module {
        file_common: true,
        ..spec(
            "get_url",
            "ansible.builtin.get_url",
            &[
                Opt { required: true, ..opt("url", Type::Str) },
                Opt { default: Some("false"), ..opt("force", Type::Bool) },
                Opt { default: Some("\"ansible-httpget\""), ..opt("http_agent", Type::Str) },
                Opt { default: Some("true"), ..opt("use_proxy", Type::Bool) },
                Opt { default: Some("true"), ..opt("validate_certs", Type::Bool) },
                Opt { aliases: &["username"], ..opt("url_username", Type::Str) },
                Opt { aliases: &["password"], no_log: true, ..opt("url_password", Type::Str) },
                Opt { default: Some("false"), ..opt("force_basic_auth", Type::Bool) },
                opt("client_cert", Type::Path),
                opt("client_key", Type::Path),
                Opt { default: Some("false"), ..opt("use_gssapi", Type::Bool) },
                Opt { required: true, ..opt("dest", Type::Path) },
                Opt { default: Some("false"), ..opt("backup", Type::Bool) },
                Opt { default: Some("\"\""), ..opt("checksum", Type::Str) },
                Opt { default: Some("10"), ..opt("timeout", Type::Int) },
                opt("headers", Type::Dict),
                opt("tmp_dest", Type::Path),
                Opt { elements: Some(Type::Str), default: Some("[]"), ..opt("unredirected_headers", Type::List) },
                Opt { default: Some("true"), ..opt("decompress", Type::Bool) },
                Opt { elements: Some(Type::Str), ..opt("ciphers", Type::List) },
                Opt { default: Some("true"), ..opt("use_netrc", Type::Bool) },
            ],
        )
    },
    Module {
        file_common: true,
        mutually_exclusive: &[&["body", "src"]],
        check_mode: false,
        ..spec(
            "uri",
            "ansible.builtin.uri",
            &[
                Opt { required: true, ..opt("url", Type::Str) },
                Opt { default: Some("false"), ..opt("force", Type::Bool) },
                Opt { default: Some("\"ansible-httpget\""), ..opt("http_agent", Type::Str) },
                Opt { default: Some("true"), ..opt("use_proxy", Type::Bool) },
                Opt { default: Some("true"), ..opt("validate_certs", Type::Bool) },
                Opt { aliases: &["user"], ..opt("url_username", Type::Str) },
                Opt { aliases: &["password"], no_log: true, ..opt("url_password", Type::Str) },
                Opt { default: Some("false"), ..opt("force_basic_auth", Type::Bool) },
                opt("client_cert", Type::Path),
                opt("client_key", Type::Path),
                Opt { default: Some("false"), ..opt("use_gssapi", Type::Bool) },
                Opt {
                    default: Some("\"safe\""),
                    choices: &["all", "no", "none", "safe", "urllib2", "yes"],
                    ..opt("follow_redirects", Type::Str)
                },
                opt("dest", Type::Path),
                opt("body", Type::Raw),
                Opt {
                    default: Some("\"raw\""),
                    choices: &["form-urlencoded", "json", "raw", "form-multipart"],
                    ..opt("body_format", Type::Str)
                },
                opt("src", Type::Path),
                Opt { default: Some("\"GET\""), ..opt("method", Type::Str) },
                Opt { default: Some("false"), ..opt("return_content", Type::Bool) },
                opt("creates", Type::Path),
                opt("removes", Type::Path),
                Opt { elements: Some(Type::Int), default: Some("[200]"), ..opt("status_code", Type::List) },
                Opt { default: Some("30"), ..opt("timeout", Type::Int) },
                Opt { default: Some("{}"), ..opt("headers", Type::Dict) },
                opt("unix_socket", Type::Path),
                Opt { default: Some("false"), ..opt("remote_src", Type::Bool) },
                opt("ca_path", Type::Path),
                Opt { elements: Some(Type::Str), default: Some("[]"), ..opt("unredirected_headers", Type::List) },
                Opt { default: Some("true"), ..opt("decompress", Type::Bool) },
                Opt { elements: Some(Type::Str), ..opt("ciphers", Type::List) },
                Opt { default: Some("true"), ..opt("use_netrc", Type::Bool) },
            ],
        )
    },
    Module {
        mutually_exclusive: &[&["separate_git_dir", "bare"], &["accept_hostkey", "accept_newhostkey"]],
        required_by: &[("archive_prefix", &["archive"])],
        ..spec(
            "git",
            "ansible.builtin.git",
            &[
                opt("dest", Type::Path),
                Opt { aliases: &["name"], required: true, ..opt("repo", Type::Str) },
                Opt { default: Some("\"HEAD\""), ..opt("version", Type::Str) },
                Opt { default: Some("\"origin\""), ..opt("remote", Type::Str) },
                opt("refspec", Type::Str),
                opt("reference", Type::Str),
                Opt { default: Some("\"no\""), ..opt("force", Type::Bool) },
                opt("depth", Type::Int),
                Opt { default: Some("\"yes\""), ..opt("clone", Type::Bool) },
                Opt { default: Some("\"yes\""), ..opt("update", Type::Bool) },
                Opt { default: Some("\"no\""), ..opt("verify_commit", Type::Bool) },
                Opt {
                    aliases: &["gpg_whitelist"],
                    elements: Some(Type::Str),
                    default: Some("[]"),
                    ..opt("gpg_allowlist", Type::List)
                },
                Opt { default: Some("\"no\""), ..opt("accept_hostkey", Type::Bool) },
                Opt { default: Some("\"no\""), ..opt("accept_newhostkey", Type::Bool) },
                opt("key_file", Type::Path),
                opt("ssh_opts", Type::Str),
                opt("executable", Type::Path),
                Opt { default: Some("\"no\""), ..opt("bare", Type::Bool) },
                Opt { default: Some("\"yes\""), ..opt("recursive", Type::Bool) },
                Opt { default: Some("false"), ..opt("single_branch", Type::Bool) },
                Opt { default: Some("\"no\""), ..opt("track_submodules", Type::Bool) },
                opt("umask", Type::Raw),
                opt("archive", Type::Path),
                opt("archive_prefix", Type::Str),
                opt("separate_git_dir", Type::Path),
            ],
        )
    },
];
