//! `ansible`: its options. Source: packer-plugin-ansible, `provisioner/ansible`.

use super::block::{Block, check_file, error, strings, text};
use imgbuild_diag::{Diagnostic, Diagnostics, Span};
use imgbuild_template::{Kind, Opt, Reader, Spanned, Table};
use std::path::PathBuf;

/// Options about Packer's SSH server between Ansible and the machine. There is none here: the playbook runs over the build's
/// own connection, so these are checked and then have nothing to act on.
const PROXY: &[Opt] = &[
    Opt::new("use_proxy", Kind::Trilean, "There is no proxy: the build's own connection is used either way."),
    Opt::new("local_port", Kind::UInt(65535), "Port of the proxy; a host of inventory_file with it is the machine."),
    Opt::new("ssh_host_key_file", Kind::String, "Host key of the proxy."),
    Opt::new("ssh_authorized_key_file", Kind::String, "Who may use the proxy."),
    Opt::new("ansible_proxy_key_type", Kind::String, "Type of the proxy's key (ECDSA or RSA)."),
    Opt::new("sftp_command", Kind::String, "The proxy's SFTP server on the machine."),
    Opt::new("use_sftp", Kind::Bool, "How Ansible sends files through the proxy."),
    Opt::new("skip_version_check", Kind::Bool, "No ansible-playbook is run, so there is no version to check."),
    Opt::new("ansible_winrm_use_http", Kind::Bool, "Windows.").refused("Windows is not supported"),
];

/// What both provisioners have.
pub(crate) const SHARED: &[Opt] = &[
    Opt::new("extra_arguments", Kind::Strings, "More of ansible-playbook's command line."),
    Opt::new("galaxy_file", Kind::String, "Requirements: roles and collections that must be there."),
    Opt::new("galaxy_command", Kind::String, "ansible-galaxy; requirements are handled without it.")
        .default("ansible-galaxy"),
    Opt::new("galaxy_force_install", Kind::Bool, "Install role archives again.").default("false"),
];

const ANSIBLE: &[Opt] = &[
    Opt::new("command", Kind::String, "ansible-playbook; playbooks are run without it.").default("ansible-playbook"),
    Opt::new("playbook_file", Kind::String, "The playbook.").default("required"),
    Opt::new("ansible_env_vars", Kind::Strings, "Environment, each NAME=value (ANSIBLE_…)."),
    Opt::new("ansible_ssh_extra_args", Kind::Strings, "Arguments of ssh for other hosts."),
    Opt::new("groups", Kind::Strings, "Groups that the machine is in."),
    Opt::new("empty_groups", Kind::Strings, "Groups without hosts."),
    Opt::new("host_alias", Kind::String, "The machine's name in the inventory.").default("default"),
    Opt::new("user", Kind::String, "ansible_user.").default("the user that the build connects as"),
    Opt::new("inventory_directory", Kind::String, "Where the inventory is written: group_vars beside it count.")
        .default("a temporary directory"),
    Opt::new("inventory_file", Kind::String, "Your own inventory instead."),
    Opt::new(
        "inventory_file_template",
        Kind::String,
        "How the machine's line looks: {{ .HostAlias }} {{ .Host }} {{ .User }} {{ .Port }}.",
    )
    .later(),
    Opt::new("keep_inventory_file", Kind::Bool, "Leave the inventory that was written.").default("false"),
    Opt::new("galaxy_force_with_deps", Kind::Bool, "Install role archives again.").default("false"),
    Opt::new("roles_path", Kind::String, "Where roles are looked for and installed."),
    Opt::new("collections_path", Kind::String, "Where collections are looked for."),
];

pub(crate) static TABLE: Table = Table::new("ansible", &[ANSIBLE, SHARED, PROXY]);

/// The options, resolved.
pub(crate) struct Settings {
    pub playbook: PathBuf,
    pub extra_arguments: Vec<Spanned<String>>,
    pub env: Vec<(String, String)>,
    pub ssh_extra_args: Vec<String>,
    pub groups: Vec<String>,
    pub empty_groups: Vec<String>,
    pub host_alias: String,
    pub user: Option<String>,
    pub inventory_directory: Option<PathBuf>,
    pub inventory_file: Option<PathBuf>,
    pub inventory_template: Option<Spanned<String>>,
    pub keep_inventory: bool,
    pub local_port: Option<u16>,
    pub galaxy: Galaxy,
}

/// Requirements.
pub(crate) struct Galaxy {
    pub file: Option<(PathBuf, Span)>,
    pub force: bool,
    pub roles_path: Option<PathBuf>,
    pub collections_path: Option<PathBuf>,
}

/// A program that we stand in for: its name may come with a path, another program is refused.
pub(crate) fn stands_in(diags: &mut Diagnostics, reader: &Reader, option: &str, program: &str) {
    let Some(command) = reader.text(option) else { return };
    if command.rsplit('/').next() != Some(program) {
        diags.push(
            Diagnostic::error(format!(
                "{option} can't be {:?}: the work of {program} is done by imgbuild itself",
                command.value
            ))
            .at(&command.span)
            .help("for another program use \"shell-local\""),
        );
    }
}

/// `NAME=value` entries.
pub(crate) fn assignments(reader: &Reader, option: &str, diags: &mut Diagnostics) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in strings(reader, option) {
        match entry.split_once('=') {
            Some((name, value)) if !name.is_empty() => found.push((name.to_owned(), value.to_owned())),
            // It may be a password that lost its name: it is not repeated.
            _ => error(diags, &entry.span, format!("an entry of {option} is not in the format 'key=value'")),
        }
    }
    found
}

impl Settings {
    pub(crate) fn read(block: &Block, reader: &Reader, diags: &mut Diagnostics) -> Self {
        stands_in(diags, reader, "command", "ansible-playbook");
        stands_in(diags, reader, "galaxy_command", "ansible-galaxy");
        let file = |name: &str, diags: &mut Diagnostics| {
            let written = reader.text(name)?;
            let path = block.path(&written);
            check_file(diags, &written.span, name, &written, &path);
            Some((path, written.span))
        };
        let playbook = file("playbook_file", diags);
        if playbook.is_none() && !reader.unread("playbook_file") {
            error(diags, &reader.place("playbook_file"), "playbook_file must be specified.");
        }
        for name in ["ssh_host_key_file", "ssh_authorized_key_file"] {
            file(name, diags);
        }
        if let Some(kind) = reader.text("ansible_proxy_key_type")
            && !["ECDSA", "RSA"].contains(&kind.as_str())
        {
            error(diags, &kind.span, format!("ansible_proxy_key_type is {:?}; ECDSA and RSA are allowed", kind.value));
        }
        let inventory_directory = reader.text("inventory_directory").map(|dir| {
            let path = block.path(&dir);
            if !path.is_dir() {
                error(diags, &dir.span, format!("inventory_directory: {} must point to a directory", dir.value));
            }
            path
        });
        let inventory_file = reader.text("inventory_file").map(|written| {
            let path = block.path(&written);
            // A directory and a program are inventories, too.
            if !path.exists() {
                error(
                    diags,
                    &written.span,
                    format!("inventory_file: {} is invalid: no such file or directory", written.value),
                );
            }
            path
        });
        let words = |name: &str| strings(reader, name).into_iter().map(|word| word.value).collect::<Vec<_>>();
        let galaxy_file = file("galaxy_file", diags);
        let force = reader.is_true("galaxy_force_install") || reader.is_true("galaxy_force_with_deps");
        Settings {
            playbook: playbook.map(|(path, _)| path).unwrap_or_default(),
            extra_arguments: strings(reader, "extra_arguments"),
            env: assignments(reader, "ansible_env_vars", diags),
            ssh_extra_args: words("ansible_ssh_extra_args"),
            groups: words("groups"),
            empty_groups: words("empty_groups"),
            host_alias: text(reader, "host_alias").unwrap_or_else(|| "default".into()),
            user: text(reader, "user"),
            inventory_directory,
            inventory_file,
            inventory_template: reader.text("inventory_file_template"),
            keep_inventory: reader.is_true("keep_inventory_file"),
            local_port: reader
                .int("local_port")
                .and_then(|port| u16::try_from(port.value).ok())
                .filter(|port| *port != 0),
            galaxy: Galaxy {
                file: galaxy_file,
                force,
                roles_path: text(reader, "roles_path").map(|path| block.path(&path)),
                collections_path: text(reader, "collections_path").map(|path| block.path(&path)),
            },
        }
    }
}
