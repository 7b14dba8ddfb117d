//! The modules, one file each: `run(&Ctx)` reads arguments and facts, plans, and applies unless in check mode.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};

mod acl;
mod alternatives;
mod apache2_module;
mod apk;
mod apt;
mod apt_deb;
mod apt_key;
mod apt_repository;
mod archive;
mod assemble;
pub mod async_job;
mod at;
mod authorized_key;
mod blockinfile;
mod capabilities;
mod cargo;
mod command;
mod composer;
mod copr;
mod copy;
mod copy_tree;
mod cron;
mod cronvar;
mod custom;
mod dconf;
mod deb822_repository;
mod debconf;
mod dnf;
mod docker_compose_v2;
mod docker_compose_v2_pull;
mod docker_container;
mod docker_container_map;
mod docker_image;
mod docker_login;
mod docker_network;
mod docker_prune;
mod docker_volume;
mod dpkg_selections;
pub mod expect;
mod facts_of;
mod file;
mod filesystem;
mod find;
mod firewalld;
mod flatpak;
mod flatpak_remote;
mod gem;
mod get_url;
mod getent;
mod git;
mod git_cmd;
mod git_config;
mod group;
mod hostname;
mod htpasswd;
mod ini_file;
mod interfaces_file;
mod iptables;
mod java_cert;
mod kernel_blacklist;
mod known_hosts;
mod lineinfile;
mod locale_gen;
mod lvg;
mod lvol;
mod make;
mod modprobe;
mod mount;
mod mysql_db;
mod mysql_info;
mod mysql_privs;
mod mysql_query;
mod mysql_user;
mod mysql_user_change;
mod mysql_variables;
mod nmcli;
mod nmcli_settings;
mod npm;
mod openssh_keypair;
mod openssl_csr;
mod openssl_dhparam;
mod openssl_pkcs12;
mod openssl_privatekey;
mod package;
mod pacman;
mod pam_limits;
mod pamd;
mod parted;
mod patch;
mod ping;
mod pip;
mod pip_version;
mod pipx;
mod postgresql_db;
mod postgresql_ext;
mod postgresql_info;
mod postgresql_owner;
mod postgresql_ping;
mod postgresql_privs;
mod postgresql_query;
mod postgresql_schema;
mod postgresql_set;
mod postgresql_user;
mod rabbitmq_plugin;
mod rabbitmq_policy;
mod rabbitmq_user;
mod rabbitmq_vhost;
mod read;
mod replace;
mod rpm_key;
mod script;
mod seboolean;
mod sefcontext;
mod selinux;
mod seport;
mod service;
mod setup;
mod slurp;
mod snap;
mod ssh_config;
mod stat;
mod subversion;
mod sudoers;
mod supervisorctl;
mod synchronize;
mod sysctl;
mod systemd;
mod tempfile;
mod timezone;
mod ufw;
mod unarchive;
mod uri;
mod user;
mod user_key;
mod wait_for;
mod x509_certificate;
mod xml;
mod yarn;
mod yum_repository;
mod zypper;
mod zypper_repository;

type Run = fn(&Ctx) -> Result<Outcome, Fail>;

/// Modules by short name. Names with an underscore in front are the engine's own.
const TABLE: &[(&str, Run)] = &[
    ("_async", async_job::start),
    ("_custom", custom::run),
    ("_read", read::run),
    ("acl", acl::run),
    ("alternatives", alternatives::run),
    ("apache2_module", apache2_module::run),
    ("apk", apk::run),
    ("apt", apt::run),
    ("apt_key", apt_key::run),
    ("apt_repository", apt_repository::run),
    ("archive", archive::run),
    ("assemble", assemble::run),
    ("async_status", async_job::status),
    ("at", at::run),
    ("authorized_key", authorized_key::run),
    ("blockinfile", blockinfile::run),
    ("capabilities", capabilities::run),
    ("cargo", cargo::run),
    ("command", command::run),
    ("composer", composer::run),
    ("copr", copr::run),
    ("copy", copy::run),
    ("cron", cron::run),
    ("cronvar", cronvar::run),
    ("dconf", dconf::run),
    ("deb822_repository", deb822_repository::run),
    ("debconf", debconf::run),
    ("dnf", dnf::run),
    ("dnf5", dnf::run),
    ("docker_compose_v2", docker_compose_v2::run),
    ("docker_compose_v2_pull", docker_compose_v2_pull::run),
    ("docker_container", docker_container::run),
    ("docker_image", docker_image::run),
    ("docker_login", docker_login::run),
    ("docker_network", docker_network::run),
    ("docker_prune", docker_prune::run),
    ("docker_volume", docker_volume::run),
    ("dpkg_selections", dpkg_selections::run),
    ("expect", expect::run),
    ("file", file::run),
    ("filesystem", filesystem::run),
    ("find", find::run),
    ("firewalld", firewalld::run),
    ("flatpak", flatpak::run),
    ("flatpak_remote", flatpak_remote::run),
    ("gem", gem::run),
    ("get_url", get_url::run),
    ("getent", getent::run),
    ("git", git::run),
    ("git_config", git_config::run),
    ("group", group::run),
    ("hostname", hostname::run),
    ("htpasswd", htpasswd::run),
    ("ini_file", ini_file::run),
    ("interfaces_file", interfaces_file::run),
    ("iptables", iptables::run),
    ("java_cert", java_cert::run),
    ("kernel_blacklist", kernel_blacklist::run),
    ("known_hosts", known_hosts::run),
    ("lineinfile", lineinfile::run),
    ("locale_gen", locale_gen::run),
    ("lvg", lvg::run),
    ("lvol", lvol::run),
    ("make", make::run),
    ("modprobe", modprobe::run),
    ("mount", mount::run),
    ("mount_facts", facts_of::mounts),
    ("mysql_db", mysql_db::run),
    ("mysql_info", mysql_info::run),
    ("mysql_query", mysql_query::run),
    ("mysql_user", mysql_user::run),
    ("mysql_variables", mysql_variables::run),
    ("nmcli", nmcli::run),
    ("npm", npm::run),
    ("openssh_keypair", openssh_keypair::run),
    ("openssl_csr", openssl_csr::run),
    ("openssl_csr_pipe", openssl_csr::run),
    ("openssl_dhparam", openssl_dhparam::run),
    ("openssl_pkcs12", openssl_pkcs12::run),
    ("openssl_privatekey", openssl_privatekey::run),
    ("package", package::run),
    ("package_facts", facts_of::packages),
    ("pacman", pacman::run),
    ("pam_limits", pam_limits::run),
    ("pamd", pamd::run),
    ("parted", parted::run),
    ("patch", patch::run),
    ("ping", ping::run),
    ("pip", pip::run),
    ("pipx", pipx::run),
    ("postgresql_db", postgresql_db::run),
    ("postgresql_ext", postgresql_ext::run),
    ("postgresql_info", postgresql_info::run),
    ("postgresql_owner", postgresql_owner::run),
    ("postgresql_ping", postgresql_ping::run),
    ("postgresql_privs", postgresql_privs::run),
    ("postgresql_query", postgresql_query::run),
    ("postgresql_schema", postgresql_schema::run),
    ("postgresql_set", postgresql_set::run),
    ("postgresql_user", postgresql_user::run),
    ("rabbitmq_plugin", rabbitmq_plugin::run),
    ("rabbitmq_policy", rabbitmq_policy::run),
    ("rabbitmq_user", rabbitmq_user::run),
    ("rabbitmq_vhost", rabbitmq_vhost::run),
    ("replace", replace::run),
    ("rpm_key", rpm_key::run),
    ("script", script::run),
    ("seboolean", seboolean::run),
    ("sefcontext", sefcontext::run),
    ("selinux", selinux::run),
    ("seport", seport::run),
    ("service", service::run),
    ("service_facts", facts_of::services),
    ("setup", setup::run),
    ("shell", command::run),
    ("slurp", slurp::run),
    ("snap", snap::run),
    ("ssh_config", ssh_config::run),
    ("stat", stat::run),
    ("subversion", subversion::run),
    ("sudoers", sudoers::run),
    ("supervisorctl", supervisorctl::run),
    ("synchronize", synchronize::run),
    ("sysctl", sysctl::run),
    ("systemd_service", systemd::run),
    ("sysvinit", service::sysvinit),
    ("tempfile", tempfile::run),
    ("timezone", timezone::run),
    ("ufw", ufw::run),
    ("unarchive", unarchive::run),
    ("uri", uri::run),
    ("user", user::run),
    ("wait_for", wait_for::run),
    ("x509_certificate", x509_certificate::run),
    ("x509_certificate_pipe", x509_certificate::run),
    ("xml", xml::run),
    ("yarn", yarn::run),
    ("yum_repository", yum_repository::run),
    ("zypper", zypper::run),
    ("zypper_repository", zypper_repository::run),
];

/// Runs a call's module.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let name = imgbuild_proto::spec::module(&ctx.module).map_or(ctx.module.as_str(), |m| m.name);
    let Some((_, run)) = TABLE.iter().find(|(n, _)| *n == name) else {
        crate::fail!("the agent has no module {}", ctx.module);
    };
    let mut outcome = run(ctx);
    describe_path(match &mut outcome {
        Ok(outcome) => outcome,
        Err(fail) => &mut fail.fields,
    });
    let warnings: Vec<String> = ctx.warnings.lock().unwrap_or_else(|e| e.into_inner()).drain(..).collect();
    if !warnings.is_empty() {
        let fields = match &mut outcome {
            Ok(outcome) => outcome,
            Err(fail) => &mut fail.fields,
        };
        fields.insert("warnings".into(), warnings.into());
    }
    // Whatever has output has its lines, too.
    add_lines(match &mut outcome {
        Ok(outcome) => outcome,
        Err(fail) => &mut fail.fields,
    });
    crate::no_log::hide(ctx, &mut outcome);
    outcome
}

/// Whatever names a path tells of it too: owner, group, mode, state, size, as all of Ansible's modules do.
fn describe_path(result: &mut Outcome) {
    let path = result.get("path").filter(|p| !p.is_null()).or_else(|| result.get("dest"));
    if let Some(path) = path.and_then(serde_json::Value::as_str).map(std::path::PathBuf::from) {
        result.extend(crate::sys::attrs::path_info(&path));
    }
}

/// Adds `stdout_lines` and `stderr_lines` beside `stdout` and `stderr`.
pub fn add_lines(outcome: &mut Outcome) {
    for name in ["stdout", "stderr"] {
        if outcome.contains_key(&format!("{name}_lines")) {
            continue;
        }
        if let Some(serde_json::Value::String(text)) = outcome.get(name) {
            let lines: Vec<&str> = split_lines(text);
            let lines = serde_json::json!(lines);
            outcome.insert(format!("{name}_lines"), lines);
        }
    }
}

/// Python's `str.splitlines`, for the line ends that commands write.
pub fn split_lines(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['\n', '\r', '\x0b', '\x0c', '\u{85}', '\u{2028}', '\u{2029}']) {
        out.push(&rest[..at]);
        let end = &rest[at..];
        let width = if end.starts_with("\r\n") { 2 } else { end.chars().next().map_or(1, char::len_utf8) };
        rest = &end[width..];
    }
    if !rest.is_empty() {
        out.push(rest);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_of_the_specs_that_runs_on_hosts_is_here() {
        let missing: Vec<&str> = imgbuild_proto::spec::all()
            .filter(|m| !m.on_controller)
            .map(|m| m.name)
            .filter(|name| !TABLE.iter().any(|(n, _)| n == name))
            .collect();
        assert!(missing.is_empty(), "no code for {missing:?}");
    }

    /// Options that the controller sees to, or that say nothing to an agent.
    const NOT_OURS: &[&str] = &[
        "decrypt",
        "local_follow",
        "_diff_peek",
        "auto_install_module_deps",
        "io_buffer_size",
        "copy",
        "install_python_apt",
        "install_repoquery",
        // Which of Python's libraries does it.
        "select_crypto_backend",
        "backend",
        // Whom the controller connects as, and with which words.
        "set_remote_user",
        "use_ssh_args",
        // There is but one version of each.
        "ownca_version",
        "selfsigned_version",
        // How a program that unpacks is joined to one that reads.
        "use_shell",
    ];

    /// An option that no code names is an option that is taken and forgotten.
    #[test]
    fn every_option_is_read_by_its_module() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let read = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap_or_default();
        let all = |dir: &str| -> Vec<std::path::PathBuf> {
            std::fs::read_dir(root.join(dir)).unwrap().flatten().map(|e| e.path()).collect()
        };
        let shared: String = all("sys").into_iter().map(read).collect();
        let mut forgotten = Vec::new();
        for module in imgbuild_proto::spec::all().filter(|m| !m.on_controller) {
            let stem = match module.name {
                "dnf5" => "dnf",
                "shell" => "command",
                "sysvinit" => "service",
                "systemd_service" => "systemd",
                "async_status" => "async_job",
                "package_facts" | "service_facts" | "mount_facts" => "facts_of",
                "openssl_csr_pipe" => "openssl_csr",
                "x509_certificate_pipe" => "x509_certificate",
                "deb822_repository" | "yum_repository" => continue,
                name => name,
            };
            let mine: String = all("modules")
                .into_iter()
                .filter(|p| {
                    p.file_stem().is_some_and(|s| s == stem || s.to_string_lossy().starts_with(&format!("{stem}_")))
                })
                .map(read)
                .collect();
            let facts: String =
                if stem == "setup" { all("facts").into_iter().map(read).collect() } else { String::new() };
            for option in module.options.iter().filter(|o| !o.unsupported && !NOT_OURS.contains(&o.name)) {
                // The content of a file of the controller's arrives with the call.
                if matches!(
                    (module.name, option.name),
                    ("uri" | "patch", "remote_src") | ("openssl_csr" | "openssl_csr_pipe", "version")
                ) {
                    continue;
                }
                // Two providers of certificates have the same options under names of their own.
                let short = ["ownca_", "selfsigned_"].iter().find_map(|p| option.name.strip_prefix(p));
                let texts = [&mine, &shared, &facts];
                let named = |name: &str| texts.iter().any(|text| text.contains(&format!("\"{name}\"")));
                if !named(option.name) && !short.is_some_and(named) {
                    forgotten.push(format!("{}.{}", module.name, option.name));
                }
            }
        }
        assert!(forgotten.is_empty(), "no code reads {forgotten:?}");
    }

    #[test]
    fn lines_split_as_pythons() {
        for (text, want) in
            [("", &[] as &[&str]), ("a\n", &["a"]), ("a\r\nb", &["a", "b"]), ("\n\n", &["", ""]), ("a\rb", &["a", "b"])]
        {
            assert_eq!(split_lines(text), want, "{text:?}");
        }
    }
}
