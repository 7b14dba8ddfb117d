//! Files: their content, place and properties.
//!
//! Names, types and defaults only; what the options do is the business of the modules.

use super::{Module, Opt, Type, opt, spec};

/// The family.
pub const MODULES: &[Module] = &[
    Module {
        file_common: true,
        ..spec(
            "copy",
            "ansible.builtin.copy",
            &[
                opt("src", Type::Path),
                opt("_original_basename", Type::Str),
                Opt { no_log: true, ..opt("content", Type::Str) },
                Opt { required: true, ..opt("dest", Type::Path) },
                Opt { default: Some("false"), ..opt("backup", Type::Bool) },
                Opt { default: Some("true"), ..opt("force", Type::Bool) },
                opt("validate", Type::Str),
                opt("directory_mode", Type::Raw),
                Opt { default: Some("false"), ..opt("remote_src", Type::Bool) },
                opt("local_follow", Type::Bool),
                opt("checksum", Type::Str),
                Opt { default: Some("false"), ..opt("follow", Type::Bool) },
                Opt { default: Some("true"), ..opt("decrypt", Type::Bool) },
            ],
        )
    },
    Module {
        file_common: true,
        on_controller: true,
        ..spec(
            "template",
            "ansible.builtin.template",
            &[
                Opt { default: Some("false"), ..opt("follow", Type::Bool) },
                Opt { default: Some("false"), ..opt("backup", Type::Bool) },
                Opt { required: true, ..opt("src", Type::Path) },
                Opt { required: true, ..opt("dest", Type::Path) },
                Opt {
                    default: Some("\"\\\\n\""),
                    choices: &["\\n", "\\r", "\\r\\n"],
                    ..opt("newline_sequence", Type::Str)
                },
                Opt { default: Some("\"{%\""), ..opt("block_start_string", Type::Str) },
                Opt { default: Some("\"%}\""), ..opt("block_end_string", Type::Str) },
                Opt { default: Some("\"{{\""), ..opt("variable_start_string", Type::Str) },
                Opt { default: Some("\"}}\""), ..opt("variable_end_string", Type::Str) },
                opt("comment_start_string", Type::Str),
                opt("comment_end_string", Type::Str),
                Opt { default: Some("true"), ..opt("trim_blocks", Type::Bool) },
                Opt { default: Some("false"), ..opt("lstrip_blocks", Type::Bool) },
                Opt { default: Some("true"), ..opt("force", Type::Bool) },
                Opt { default: Some("\"utf-8\""), ..opt("output_encoding", Type::Str) },
                opt("validate", Type::Str),
            ],
        )
    },
    Module {
        file_common: true,
        ..spec(
            "file",
            "ansible.builtin.file",
            &[
                Opt { choices: &["absent", "directory", "file", "hard", "link", "touch"], ..opt("state", Type::Str) },
                Opt { aliases: &["dest", "name"], required: true, ..opt("path", Type::Path) },
                opt("_original_basename", Type::Str),
                Opt { default: Some("false"), ..opt("recurse", Type::Bool) },
                Opt { default: Some("false"), ..opt("force", Type::Bool) },
                Opt { default: Some("true"), ..opt("follow", Type::Bool) },
                opt("_diff_peek", Type::Bool),
                opt("src", Type::Path),
                opt("modification_time", Type::Str),
                Opt { default: Some("\"%Y%m%d%H%M.%S\""), ..opt("modification_time_format", Type::Str) },
                opt("access_time", Type::Str),
                Opt { default: Some("\"%Y%m%d%H%M.%S\""), ..opt("access_time_format", Type::Str) },
            ],
        )
    },
    Module {
        file_common: true,
        mutually_exclusive: &[
            &["insertbefore", "insertafter"],
            &["regexp", "search_string"],
            &["backrefs", "search_string"],
        ],
        ..spec(
            "lineinfile",
            "ansible.builtin.lineinfile",
            &[
                Opt { aliases: &["dest", "destfile", "name"], required: true, ..opt("path", Type::Path) },
                Opt { default: Some("\"present\""), choices: &["absent", "present"], ..opt("state", Type::Str) },
                Opt { aliases: &["regex"], ..opt("regexp", Type::Str) },
                opt("search_string", Type::Str),
                Opt { aliases: &["value"], ..opt("line", Type::Str) },
                opt("insertafter", Type::Str),
                opt("insertbefore", Type::Str),
                Opt { default: Some("false"), ..opt("backrefs", Type::Bool) },
                Opt { default: Some("false"), ..opt("create", Type::Bool) },
                Opt { default: Some("false"), ..opt("backup", Type::Bool) },
                Opt { default: Some("false"), ..opt("firstmatch", Type::Bool) },
                opt("validate", Type::Str),
            ],
        )
    },
    Module {
        file_common: true,
        mutually_exclusive: &[&["insertbefore", "insertafter"]],
        ..spec(
            "blockinfile",
            "ansible.builtin.blockinfile",
            &[
                Opt { aliases: &["dest", "destfile", "name"], required: true, ..opt("path", Type::Path) },
                Opt { default: Some("\"present\""), choices: &["absent", "present"], ..opt("state", Type::Str) },
                Opt { default: Some("\"# {mark} ANSIBLE MANAGED BLOCK\""), ..opt("marker", Type::Str) },
                Opt { aliases: &["content"], default: Some("\"\""), ..opt("block", Type::Str) },
                opt("insertafter", Type::Str),
                opt("insertbefore", Type::Str),
                Opt { default: Some("false"), ..opt("create", Type::Bool) },
                Opt { default: Some("false"), ..opt("backup", Type::Bool) },
                opt("validate", Type::Str),
                Opt { default: Some("\"BEGIN\""), ..opt("marker_begin", Type::Str) },
                Opt { default: Some("\"END\""), ..opt("marker_end", Type::Str) },
                Opt { default: Some("false"), ..opt("append_newline", Type::Bool) },
                Opt { default: Some("false"), ..opt("prepend_newline", Type::Bool) },
            ],
        )
    },
    Module {
        file_common: true,
        ..spec(
            "replace",
            "ansible.builtin.replace",
            &[
                Opt { aliases: &["dest", "destfile", "name"], required: true, ..opt("path", Type::Path) },
                Opt { required: true, ..opt("regexp", Type::Str) },
                Opt { default: Some("\"\""), ..opt("replace", Type::Str) },
                opt("after", Type::Str),
                opt("before", Type::Str),
                Opt { default: Some("false"), ..opt("backup", Type::Bool) },
                opt("validate", Type::Str),
                Opt { default: Some("\"utf-8\""), ..opt("encoding", Type::Str) },
            ],
        )
    },
    Module {
        ..spec(
            "stat",
            "ansible.builtin.stat",
            &[
                Opt { aliases: &["dest", "name"], required: true, ..opt("path", Type::Path) },
                Opt { default: Some("false"), ..opt("follow", Type::Bool) },
                Opt { default: Some("true"), ..opt("get_checksum", Type::Bool) },
                Opt {
                    aliases: &["mime", "mime_type", "mime-type"],
                    default: Some("true"),
                    ..opt("get_mime", Type::Bool)
                },
                Opt { aliases: &["attr", "attributes"], default: Some("true"), ..opt("get_attributes", Type::Bool) },
                Opt {
                    aliases: &["checksum", "checksum_algo"],
                    default: Some("\"sha1\""),
                    choices: &["md5", "sha1", "sha224", "sha256", "sha384", "sha512"],
                    ..opt("checksum_algorithm", Type::Str)
                },
            ],
        )
    },
    Module {
        ..spec(
            "slurp",
            "ansible.builtin.slurp",
            &[Opt { aliases: &["path"], required: true, ..opt("src", Type::Path) }],
        )
    },
    Module {
        on_controller: true,
        ..spec(
            "fetch",
            "ansible.builtin.fetch",
            &[
                Opt { required: true, ..opt("src", Type::Str) },
                Opt { required: true, ..opt("dest", Type::Str) },
                Opt { default: Some("true"), ..opt("fail_on_missing", Type::Bool) },
                Opt { default: Some("true"), ..opt("validate_checksum", Type::Bool) },
                Opt { default: Some("false"), ..opt("flat", Type::Bool) },
            ],
        )
    },
    Module {
        ..spec(
            "find",
            "ansible.builtin.find",
            &[
                Opt {
                    aliases: &["name", "path"],
                    elements: Some(Type::Path),
                    required: true,
                    ..opt("paths", Type::List)
                },
                Opt {
                    aliases: &["pattern"],
                    elements: Some(Type::Str),
                    default: Some("[]"),
                    ..opt("patterns", Type::List)
                },
                Opt { aliases: &["exclude"], elements: Some(Type::Str), ..opt("excludes", Type::List) },
                opt("contains", Type::Str),
                Opt { default: Some("false"), ..opt("read_whole_file", Type::Bool) },
                Opt {
                    default: Some("\"file\""),
                    choices: &["any", "directory", "file", "link"],
                    ..opt("file_type", Type::Str)
                },
                opt("age", Type::Str),
                Opt {
                    default: Some("\"mtime\""),
                    choices: &["atime", "ctime", "mtime"],
                    ..opt("age_stamp", Type::Str)
                },
                opt("size", Type::Str),
                Opt { default: Some("false"), ..opt("recurse", Type::Bool) },
                Opt { default: Some("false"), ..opt("hidden", Type::Bool) },
                Opt { default: Some("false"), ..opt("follow", Type::Bool) },
                Opt { default: Some("false"), ..opt("get_checksum", Type::Bool) },
                Opt {
                    aliases: &["checksum", "checksum_algo"],
                    default: Some("\"sha1\""),
                    choices: &["md5", "sha1", "sha224", "sha256", "sha384", "sha512"],
                    ..opt("checksum_algorithm", Type::Str)
                },
                Opt { default: Some("false"), ..opt("use_regex", Type::Bool) },
                opt("depth", Type::Int),
                opt("mode", Type::Raw),
                Opt { default: Some("true"), ..opt("exact_mode", Type::Bool) },
                opt("encoding", Type::Str),
                opt("limit", Type::Int),
            ],
        )
    },
    Module {
        check_mode: false,
        ..spec(
            "tempfile",
            "ansible.builtin.tempfile",
            &[
                Opt { default: Some("\"file\""), choices: &["file", "directory"], ..opt("state", Type::Str) },
                opt("path", Type::Path),
                Opt { default: Some("\"ansible.\""), ..opt("prefix", Type::Str) },
                Opt { default: Some("\"\""), ..opt("suffix", Type::Str) },
            ],
        )
    },
    Module {
        file_common: true,
        ..spec(
            "assemble",
            "ansible.builtin.assemble",
            &[
                Opt { required: true, ..opt("src", Type::Path) },
                opt("delimiter", Type::Str),
                Opt { required: true, ..opt("dest", Type::Path) },
                Opt { default: Some("false"), ..opt("backup", Type::Bool) },
                Opt { default: Some("true"), ..opt("remote_src", Type::Bool) },
                opt("regexp", Type::Str),
                Opt { default: Some("false"), ..opt("ignore_hidden", Type::Bool) },
                opt("validate", Type::Str),
                Opt { default: Some("true"), ..opt("decrypt", Type::Bool) },
            ],
        )
    },
    Module {
        file_common: true,
        mutually_exclusive: &[&["include", "exclude"]],
        ..spec(
            "unarchive",
            "ansible.builtin.unarchive",
            &[
                Opt { required: true, ..opt("src", Type::Path) },
                Opt { required: true, ..opt("dest", Type::Path) },
                Opt { default: Some("false"), ..opt("remote_src", Type::Bool) },
                opt("creates", Type::Path),
                Opt { default: Some("false"), ..opt("list_files", Type::Bool) },
                Opt { default: Some("false"), ..opt("keep_newer", Type::Bool) },
                Opt { elements: Some(Type::Str), default: Some("[]"), ..opt("exclude", Type::List) },
                Opt { elements: Some(Type::Str), default: Some("[]"), ..opt("include", Type::List) },
                Opt { elements: Some(Type::Str), default: Some("[]"), ..opt("extra_opts", Type::List) },
                Opt { default: Some("true"), ..opt("validate_certs", Type::Bool) },
                Opt { default: Some("65536"), ..opt("io_buffer_size", Type::Int) },
                Opt { default: Some("true"), ..opt("copy", Type::Bool) },
                Opt { default: Some("true"), ..opt("decrypt", Type::Bool) },
            ],
        )
    },
    Module {
        file_common: true,
        mutually_exclusive: &[&["value", "values"]],
        ..spec(
            "ini_file",
            "community.general.ini_file",
            &[
                Opt { aliases: &["dest"], required: true, ..opt("path", Type::Path) },
                opt("section", Type::Str),
                Opt {
                    elements: Some(Type::Dict),
                    options: &[
                        Opt { required: true, ..opt("option", Type::Str) },
                        opt("value", Type::Str),
                        Opt { elements: Some(Type::Str), ..opt("values", Type::List) },
                    ],
                    ..opt("section_has_values", Type::List)
                },
                opt("option", Type::Str),
                opt("value", Type::Str),
                Opt { elements: Some(Type::Str), ..opt("values", Type::List) },
                Opt { default: Some("false"), ..opt("backup", Type::Bool) },
                Opt { default: Some("\"present\""), choices: &["absent", "present"], ..opt("state", Type::Str) },
                Opt { default: Some("true"), ..opt("exclusive", Type::Bool) },
                Opt { default: Some("false"), ..opt("no_extra_spaces", Type::Bool) },
                Opt { default: Some("false"), ..opt("ignore_spaces", Type::Bool) },
                Opt { default: Some("false"), ..opt("allow_no_value", Type::Bool) },
                Opt { default: Some("true"), ..opt("modify_inactive_option", Type::Bool) },
                Opt { default: Some("true"), ..opt("create", Type::Bool) },
                Opt { default: Some("false"), ..opt("follow", Type::Bool) },
            ],
        )
    },
];
