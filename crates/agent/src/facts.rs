//! Facts about the host, under the names that `setup` gives them. One file per group under `facts/`; this one knows which
//! groups a `gather_subset` asks for.

pub mod cpu;
pub mod devices;
pub mod distribution;
pub mod dmi;
pub mod local;
pub mod managers;
pub mod memory;
pub mod mounts;
pub mod network;
pub mod platform;
pub mod python;
pub mod security;
pub mod system;
pub mod user;
pub mod virtualization;

use crate::ctx::Ctx;
use crate::outcome::Fail;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Facts by name, with the `ansible_` prefix.
pub type Facts = Map<String, Value>;

type Collect = fn(&Ctx, &mut Facts);

struct Group {
    name: &'static str,
    /// Other words of `gather_subset` that mean this group.
    aliases: &'static [&'static str],
    /// Gathered unless `!min`.
    minimal: bool,
    collect: Collect,
}

const fn group(name: &'static str, minimal: bool, aliases: &'static [&'static str], collect: Collect) -> Group {
    Group { name, aliases, minimal, collect }
}

/// In the order in which they are gathered: later ones look at earlier ones.
const GROUPS: &[Group] = &[
    group(
        "platform",
        true,
        &["system", "kernel", "kernel_version", "machine", "architecture", "machine_id"],
        platform::collect,
    ),
    group(
        "distribution",
        true,
        &["distribution_version", "distribution_release", "distribution_major_version", "os_family"],
        distribution::collect,
    ),
    group("lsb", true, &[], distribution::lsb),
    group(
        "user",
        true,
        &[
            "user_id",
            "user_uid",
            "user_gid",
            "user_gecos",
            "user_dir",
            "user_shell",
            "real_user_id",
            "effective_user_id",
            "effective_group_ids",
        ],
        user::collect,
    ),
    group("env", true, &[], user::env),
    group("date_time", true, &[], system::date_time),
    group("cmdline", true, &[], system::cmdline),
    group("dns", true, &[], system::dns),
    group(
        "ssh_pub_keys",
        true,
        &[
            "ssh_host_pub_keys",
            "ssh_host_key_dsa_public",
            "ssh_host_key_rsa_public",
            "ssh_host_key_ecdsa_public",
            "ssh_host_key_ed25519_public",
        ],
        system::ssh_keys,
    ),
    group("selinux", true, &[], security::selinux),
    group("apparmor", true, &[], security::apparmor),
    group("caps", true, &["system_capabilities", "system_capabilities_enforced"], security::caps),
    group("fips", true, &[], security::fips),
    group("pkg_mgr", true, &[], managers::package),
    group("service_mgr", true, &[], managers::service),
    group("local", true, &[], local::collect),
    group("python", true, &["python_version"], python::collect),
    group("chroot", false, &["is_chroot"], system::chroot),
    group("loadavg", false, &[], system::loadavg),
    group("systemd", false, &[], system::systemd),
    group("iscsi", false, &[], system::iscsi),
    group("nvme", false, &[], system::nvme),
    group("fibre_channel_wwn", false, &[], devices::fibre_channel),
    group("hardware", false, &["processor", "processor_cores", "processor_count", "devices", "mounts"], hardware),
    group("virtual", false, &["virtualization_type", "virtualization_role"], virtualization::collect),
    group(
        "network",
        false,
        &["interfaces", "default_ipv4", "default_ipv6", "all_ipv4_addresses", "all_ipv6_addresses"],
        network::collect,
    ),
    // Other programs' facts: gathered by those programs where they are installed.
    group("facter", false, &[], local::facter),
    group("ohai", false, &[], local::ohai),
];

fn hardware(ctx: &Ctx, out: &mut Facts) {
    cpu::collect(ctx, out);
    memory::collect(ctx, out);
    dmi::collect(ctx, out);
    devices::collect(ctx, out);
    mounts::collect(ctx, out);
    system::uptime(ctx, out);
}

/// The groups that a `gather_subset` asks for. Fails on a word that is none.
pub fn chosen(words: &[String]) -> Result<BTreeSet<&'static str>, Fail> {
    let all: BTreeSet<&'static str> = GROUPS.iter().map(|g| g.name).collect();
    let minimal: BTreeSet<&'static str> = GROUPS.iter().filter(|g| g.minimal).map(|g| g.name).collect();
    let find = |word: &str| -> Result<BTreeSet<&'static str>, Fail> {
        match word {
            "all" => Ok(all.clone()),
            "min" => Ok(minimal.clone()),
            word => match GROUPS.iter().find(|g| g.name == word || g.aliases.contains(&word)) {
                Some(group) => Ok(BTreeSet::from([group.name])),
                None => {
                    let mut names: Vec<&str> = all.iter().copied().chain(["all", "min"]).collect();
                    names.sort_unstable();
                    crate::fail!(
                        "Bad subset '{word}' given to Ansible. gather_subset options allowed: {}",
                        names.join(", ")
                    )
                }
            },
        }
    };
    let (mut wanted, mut excluded) = (BTreeSet::new(), BTreeSet::new());
    let mut inclusive = false;
    let (mut no_min, mut any_all) = (false, words.is_empty());
    for word in words.iter().map(|w| w.trim()).filter(|w| !w.is_empty()) {
        match word.strip_prefix('!') {
            Some("min") => no_min = true,
            Some("all") => excluded.extend(all.difference(&minimal).copied()),
            Some(word) => excluded.extend(find(word)?),
            None => {
                inclusive = true;
                any_all |= word == "all";
                // What is named outright stays, whatever a general word excludes.
                let found = find(word)?;
                wanted.extend(&found);
            }
        }
    }
    let mut out: BTreeSet<&'static str> = if any_all || !inclusive { all } else { wanted.clone() };
    if !no_min {
        out.extend(&minimal);
    }
    let general: BTreeSet<&'static str> = if any_all { BTreeSet::new() } else { wanted };
    out.retain(|name| !excluded.contains(name) || general.contains(name));
    if no_min {
        out.retain(|name| !minimal.contains(name) || general.contains(name));
    } else {
        let named: BTreeSet<&str> = words.iter().filter_map(|w| w.strip_prefix('!')).collect();
        out.extend(minimal.iter().filter(|m| !named.contains(*m)));
    }
    Ok(out)
}

/// Gathers the groups.
pub fn collect(ctx: &Ctx, groups: &BTreeSet<&'static str>) -> Result<Facts, Fail> {
    let mut out = Facts::new();
    for group in GROUPS.iter().filter(|g| groups.contains(g.name)) {
        if ctx.control.ended() {
            crate::fail!("the call was ended");
        }
        (group.collect)(ctx, &mut out);
    }
    Ok(out)
}

/// A file's text without white space at its ends; `None` if it can't be read or is empty.
pub fn read(path: impl AsRef<std::path::Path>) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    Some(String::from_utf8_lossy(&bytes).trim().to_string()).filter(|t| !t.is_empty())
}

/// Puts a fact in, with the prefix.
pub fn put(out: &mut Facts, name: &str, value: impl Into<Value>) {
    out.insert(format!("ansible_{name}"), value.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subsets() {
        let choose = |words: &[&str]| chosen(&words.iter().map(|w| w.to_string()).collect::<Vec<_>>()).unwrap();
        let all = choose(&["all"]);
        assert!(all.contains("hardware") && all.contains("platform"));
        assert_eq!(choose(&[]), all);
        let min = choose(&["!all"]);
        assert!(min.contains("distribution") && !min.contains("hardware"));
        assert_eq!(choose(&["min"]), min);
        assert!(choose(&["network"]).is_superset(&min) && choose(&["network"]).contains("network"));
        assert_eq!(choose(&["!all", "!min", "network"]), BTreeSet::from(["network"]));
        assert_eq!(choose(&["!all", "!min"]), BTreeSet::new());
        assert!(!choose(&["!hardware"]).contains("hardware") && choose(&["!hardware"]).contains("network"));
        assert!(!choose(&["!env"]).contains("env"));
        assert_eq!(choose(&["!all", "!min", "default_ipv4"]), BTreeSet::from(["network"]));
        assert!(chosen(&["nonsense".into()]).unwrap_err().msg.contains("Bad subset 'nonsense'"));
    }
}
