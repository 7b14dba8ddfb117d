//! What is known of each module's arguments before anything runs: names, aliases, types, defaults, exclusions.
//!
//! Source: the DOCUMENTATION and argument specs of ansible-core 2.19 (facts only). One file per family under `spec/`;
//! [`module`] finds a spec by short or full name. The controller checks a task's arguments with it; the agent relies on that.

use std::fmt;

/// The type of an option, as Ansible's argument specs name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Text; numbers and booleans are turned into text.
    Str,
    /// Whole number; text that is one is accepted.
    Int,
    /// Number.
    Float,
    /// Ansible's booleans: true/false, yes/no, on/off, 1/0, y/n, t/f in any case.
    Bool,
    /// List; text is split at commas, anything else becomes a list of one.
    List,
    /// Mapping; `k=v` text and JSON text are accepted.
    Dict,
    /// A path: text with `~` and `$VAR` expanded on the host.
    Path,
    /// Anything.
    Raw,
    /// JSON: text that is JSON, or a container that is turned into JSON text.
    Json,
    /// A size in bytes: `10M`, `1Gi`.
    Bytes,
}

/// One option of a module.
#[derive(Debug, Clone, Copy)]
pub struct Opt {
    /// Canonical name.
    pub name: &'static str,
    /// Other names.
    pub aliases: &'static [&'static str],
    /// Type.
    pub kind: Type,
    /// Type of elements where `kind` is a list.
    pub elements: Option<Type>,
    /// Must be given.
    pub required: bool,
    /// Default, as JSON text (`"\"present\""`, `"false"`).
    pub default: Option<&'static str>,
    /// The only values allowed; empty means any.
    pub choices: &'static [&'static str],
    /// Sub-options of a dict (or of the dicts in a list); empty means free keys.
    pub options: &'static [Opt],
    /// Never shown, as Ansible's `no_log`.
    pub no_log: bool,
    /// Documented, but what it asks for can't be done: refused by name when it is given.
    pub unsupported: bool,
}

/// Starting point for option tables: `Opt { aliases: &["dest"], ..opt("path", Type::Path) }`.
pub const fn opt(name: &'static str, kind: Type) -> Opt {
    Opt {
        name,
        aliases: &[],
        kind,
        elements: None,
        required: false,
        default: None,
        choices: &[],
        options: &[],
        no_log: false,
        unsupported: false,
    }
}

/// Two tables of options as one, at compile time. `N` is the number of both.
const fn joined<const N: usize>(first: &[Opt], second: &[Opt]) -> [Opt; N] {
    let mut all = [opt("", Type::Raw); N];
    let mut at = 0;
    while at < N {
        all[at] = if at < first.len() { first[at] } else { second[at - first.len()] };
        at += 1;
    }
    all
}

/// A module's interface.
#[derive(Debug, Clone, Copy)]
pub struct Module {
    /// Short name.
    pub name: &'static str,
    /// Full name in its collection.
    pub fqcn: &'static str,
    /// Other short names that mean the same module (`systemd` and `systemd_service`).
    pub aliases: &'static [&'static str],
    /// The options.
    pub options: &'static [Opt],
    /// Takes free-form text (`command: echo hi`), which arrives as the option `_raw_params`.
    pub free_form: bool,
    /// Also takes owner, group, mode, attributes, the SELinux options and unsafe_writes ([`FILE_COMMON`]).
    pub file_common: bool,
    /// Groups of options of which at most one may be given.
    pub mutually_exclusive: &'static [&'static [&'static str]],
    /// Groups of options of which at least one must be given.
    pub required_one_of: &'static [&'static [&'static str]],
    /// Groups of options that must be given together.
    pub required_together: &'static [&'static [&'static str]],
    /// `(option, value, needed options)`.
    pub required_if: &'static [(&'static str, &'static str, &'static [&'static str])],
    /// `(option, value, options of which at least one is needed)`.
    pub required_if_any: &'static [(&'static str, &'static str, &'static [&'static str])],
    /// `(option, options that must be given with it)`.
    pub required_by: &'static [(&'static str, &'static [&'static str])],
    /// Takes any further option (`set_fact`, `add_host`).
    pub free_keys: bool,
    /// Runs on the controller, not on the host (`debug`, `set_fact`, …).
    pub on_controller: bool,
    /// Has a check mode.
    pub check_mode: bool,
}

impl fmt::Display for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.fqcn)
    }
}

/// Starting point for module tables.
pub const fn spec(name: &'static str, fqcn: &'static str, options: &'static [Opt]) -> Module {
    Module {
        name,
        fqcn,
        aliases: &[],
        options,
        free_form: false,
        file_common: false,
        mutually_exclusive: &[],
        required_one_of: &[],
        required_together: &[],
        required_if: &[],
        required_if_any: &[],
        required_by: &[],
        free_keys: false,
        on_controller: false,
        check_mode: true,
    }
}

/// The options that every module which makes files takes.
pub const FILE_COMMON: &[Opt] = &[
    opt("mode", Type::Raw),
    opt("owner", Type::Str),
    opt("group", Type::Str),
    opt("seuser", Type::Str),
    opt("serole", Type::Str),
    opt("selevel", Type::Str),
    opt("setype", Type::Str),
    Opt { aliases: &["attr"], ..opt("attributes", Type::Str) },
    Opt { default: Some("false"), ..opt("unsafe_writes", Type::Bool) },
];

mod certificates;
mod commands;
mod compose;
mod controller;
mod crypto;
mod databases;
mod desktops;
mod distros;
mod docker;
mod files;
mod host;
mod info;
mod net;
mod network_manager;
mod packages;
mod postgres;
mod queues;
mod security;
mod services;
mod storage;
mod stores;
mod system;
mod tools;
mod trees;
mod volumes;

/// All modules, one slice per family.
const FAMILIES: &[&[Module]] = &[
    files::MODULES,
    commands::MODULES,
    packages::MODULES,
    system::MODULES,
    storage::MODULES,
    net::MODULES,
    info::MODULES,
    controller::MODULES,
    security::MODULES,
    distros::MODULES,
    volumes::MODULES,
    trees::MODULES,
    host::MODULES,
    crypto::MODULES,
    docker::MODULES,
    tools::MODULES,
    databases::MODULES,
    certificates::MODULES,
    services::MODULES,
    stores::MODULES,
    compose::MODULES,
    postgres::MODULES,
    network_manager::MODULES,
    desktops::MODULES,
    queues::MODULES,
];

/// The module of this name: short, full (`ansible.builtin.copy`, `ansible.legacy.copy`) or an alias.
pub fn module(name: &str) -> Option<&'static Module> {
    let short = name.strip_prefix("ansible.builtin.").or_else(|| name.strip_prefix("ansible.legacy.")).unwrap_or(name);
    all().find(|m| m.name == short || m.fqcn == name || m.aliases.contains(&short)).or_else(|| moved(name))
}

/// Collections whose modules went to others, as their routing tables say, and one that is another's new name.
const MOVED: &[(&str, &[&str])] = &[
    (
        "community.general.",
        &["ansible.posix.", "community.crypto.", "community.docker.", "community.mysql.", "community.postgresql."],
    ),
    ("ansible.mysql.", &["community.mysql."]),
];

/// The module that a collection sends this name to, or that has it as another name in its own collection
/// (`community.crypto.openssl_certificate`).
fn moved(name: &str) -> Option<&'static Module> {
    let (collection, short) = name.rsplit_once('.')?;
    let found = all().find(|m| m.name == short || m.aliases.contains(&short))?;
    let own = found.fqcn.rsplit_once('.').is_some_and(|(c, _)| c == collection);
    let sent = MOVED
        .iter()
        .any(|(from, to)| from.trim_end_matches('.') == collection && to.iter().any(|t| found.fqcn.starts_with(t)));
    (own || sent).then_some(found)
}

/// All modules.
pub fn all() -> impl Iterator<Item = &'static Module> {
    FAMILIES.iter().flat_map(|family| family.iter())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_lead_to_one_module_and_tables_name_known_options() {
        let mut names = BTreeSet::new();
        for module in all() {
            for name in module.aliases.iter().copied().chain([module.name]) {
                assert!(names.insert(name), "{name} stands twice");
            }
            let mut options = BTreeSet::new();
            if module.free_form {
                options.insert("_raw_params");
            }
            let common = if module.file_common { FILE_COMMON } else { &[] };
            for option in module.options.iter().chain(common) {
                for name in option.aliases.iter().copied().chain([option.name]) {
                    assert!(options.insert(name), "{module}: option {name} stands twice");
                }
                if let Some(default) = option.default {
                    assert!(serde_json::from_str::<serde_json::Value>(default).is_ok(), "{module}: {}", option.name);
                }
            }
            let groups = [module.mutually_exclusive, module.required_one_of, module.required_together];
            for name in groups.into_iter().flatten().copied().flatten() {
                assert!(options.contains(name), "{module}: {name} is in a group but no option");
            }
            for (option, _, needed) in module.required_if.iter().chain(module.required_if_any) {
                assert!(options.contains(option), "{module}: {option}");
                assert!(needed.iter().all(|n| options.contains(n)), "{module}: {needed:?}");
            }
        }
        assert_eq!(module("ansible.builtin.systemd").map(|m| m.name), Some("systemd_service"));
        assert_eq!(module("ansible.posix.mount").map(|m| m.name), Some("mount"));
        for (name, want) in [
            ("community.general.docker_container", Some("docker_container")),
            ("ansible.mysql.mysql_query", Some("mysql_query")),
            ("community.crypto.openssl_certificate", Some("x509_certificate")),
            ("community.docker.mysql_query", None),
            ("community.general.copy", None),
        ] {
            assert_eq!(module(name).map(|m| m.name), want, "{name}");
        }
        assert!(module("nonesuch").is_none());
    }
}
