//! Docker: containers, images, networks, volumes.
//!
//! Names, types and defaults only; what the options do is the business of the modules.

use super::{Module, Opt, Type, opt, spec};

/// How Docker's engine is reached: options that all modules of the collection have.
pub(super) const CLIENT: &[Opt] = &[
    Opt { aliases: &["docker_url"], default: Some("\"unix:///var/run/docker.sock\""), ..opt("docker_host", Type::Str) },
    Opt { unsupported: true, ..opt("tls_hostname", Type::Str) },
    Opt { aliases: &["docker_api_version"], default: Some("\"auto\""), ..opt("api_version", Type::Str) },
    Opt { default: Some("60"), ..opt("timeout", Type::Int) },
    Opt { aliases: &["ca_cert", "cacert_path", "tls_ca_cert"], unsupported: true, ..opt("ca_path", Type::Path) },
    Opt { aliases: &["cert_path", "tls_client_cert"], unsupported: true, ..opt("client_cert", Type::Path) },
    Opt { aliases: &["key_path", "tls_client_key"], unsupported: true, ..opt("client_key", Type::Path) },
    Opt { default: Some("false"), unsupported: true, ..opt("tls", Type::Bool) },
    Opt { default: Some("false"), unsupported: true, ..opt("use_ssh_client", Type::Bool) },
    Opt { aliases: &["tls_verify"], default: Some("false"), unsupported: true, ..opt("validate_certs", Type::Bool) },
    Opt { default: Some("false"), ..opt("debug", Type::Bool) },
];

/// The options of Docker's client, and these.
macro_rules! client_and {
    ($($own:expr),* $(,)?) => {{
        const OWN: &[Opt] = &[$($own),*];
        const ALL: [Opt; crate::spec::docker::CLIENT.len() + OWN.len()] =
            crate::spec::joined(crate::spec::docker::CLIENT, OWN);
        &ALL
    }};
}
pub(super) use client_and;

/// The family.
pub const MODULES: &[Module] = &[
    Module {
        aliases: &["community.general.docker_container"],
        required_together: &[&["client_cert", "client_key"]],
        required_if: &[("state", "present", &["image"])],
        required_by: &[("log_options", &["log_driver"]), ("restart_retries", &["restart_policy"])],
        ..spec(
            "docker_container",
            "community.docker.docker_container",
            client_and![
                Opt { default: Some("false"), ..opt("cleanup", Type::Bool) },
                opt("comparisons", Type::Dict),
                Opt {
                    default: Some("\"no_defaults\""),
                    choices: &["compatibility", "no_defaults"],
                    unsupported: true,
                    ..opt("container_default_behavior", Type::Str)
                },
                Opt {
                    default: Some("\"correct\""),
                    choices: &["compatibility", "correct"],
                    unsupported: true,
                    ..opt("command_handling", Type::Str)
                },
                opt("default_host_ip", Type::Str),
                Opt { aliases: &["forcekill"], default: Some("false"), ..opt("force_kill", Type::Bool) },
                opt("image", Type::Str),
                Opt {
                    default: Some("\"desired-image\""),
                    choices: &["desired-image", "current-image"],
                    ..opt("image_comparison", Type::Str)
                },
                Opt {
                    default: Some("\"ignore\""),
                    choices: &["ignore", "fail"],
                    unsupported: true,
                    ..opt("image_label_mismatch", Type::Str)
                },
                Opt {
                    default: Some("\"recreate\""),
                    choices: &["ignore", "recreate"],
                    ..opt("image_name_mismatch", Type::Str)
                },
                Opt { default: Some("true"), ..opt("keep_volumes", Type::Bool) },
                opt("kill_signal", Type::Str),
                Opt { required: true, ..opt("name", Type::Str) },
                Opt { default: Some("true"), ..opt("networks_cli_compatible", Type::Bool) },
                Opt { default: Some("false"), ..opt("output_logs", Type::Bool) },
                opt("paused", Type::Bool),
                Opt {
                    default: Some("\"missing\""),
                    choices: &["never", "missing", "always", "True", "False"],
                    ..opt("pull", Type::Raw)
                },
                Opt {
                    default: Some("\"image_not_present\""),
                    choices: &["image_not_present", "always"],
                    ..opt("pull_check_mode_behavior", Type::Str)
                },
                Opt { default: Some("false"), ..opt("recreate", Type::Bool) },
                opt("removal_wait_timeout", Type::Float),
                Opt { default: Some("false"), ..opt("restart", Type::Bool) },
                Opt {
                    default: Some("\"started\""),
                    choices: &["absent", "present", "healthy", "started", "stopped"],
                    ..opt("state", Type::Str)
                },
                Opt { default: Some("300"), ..opt("healthy_wait_timeout", Type::Float) },
                opt("auto_remove", Type::Bool),
                opt("blkio_weight", Type::Int),
                Opt { elements: Some(Type::Str), ..opt("capabilities", Type::List) },
                Opt { elements: Some(Type::Str), ..opt("cap_drop", Type::List) },
                Opt { choices: &["private", "host"], ..opt("cgroupns_mode", Type::Str) },
                opt("cgroup_parent", Type::Str),
                opt("command", Type::Raw),
                opt("cpu_period", Type::Int),
                opt("cpu_quota", Type::Int),
                opt("cpuset_cpus", Type::Str),
                opt("cpuset_mems", Type::Str),
                opt("cpu_shares", Type::Int),
                Opt { elements: Some(Type::Str), ..opt("entrypoint", Type::List) },
                opt("cpus", Type::Float),
                opt("detach", Type::Bool),
                opt("interactive", Type::Bool),
                Opt { elements: Some(Type::Str), ..opt("devices", Type::List) },
                Opt {
                    elements: Some(Type::Dict),
                    options: &[
                        Opt { required: true, ..opt("path", Type::Str) },
                        Opt { required: true, ..opt("rate", Type::Str) },
                    ],
                    ..opt("device_read_bps", Type::List)
                },
                Opt {
                    elements: Some(Type::Dict),
                    options: &[
                        Opt { required: true, ..opt("path", Type::Str) },
                        Opt { required: true, ..opt("rate", Type::Str) },
                    ],
                    ..opt("device_write_bps", Type::List)
                },
                Opt {
                    elements: Some(Type::Dict),
                    options: &[
                        Opt { required: true, ..opt("path", Type::Str) },
                        Opt { required: true, ..opt("rate", Type::Int) },
                    ],
                    ..opt("device_read_iops", Type::List)
                },
                Opt {
                    elements: Some(Type::Dict),
                    options: &[
                        Opt { required: true, ..opt("path", Type::Str) },
                        Opt { required: true, ..opt("rate", Type::Int) },
                    ],
                    ..opt("device_write_iops", Type::List)
                },
                Opt {
                    elements: Some(Type::Dict),
                    options: &[
                        Opt { elements: Some(Type::List), ..opt("capabilities", Type::List) },
                        opt("count", Type::Int),
                        Opt { elements: Some(Type::Str), ..opt("device_ids", Type::List) },
                        opt("driver", Type::Str),
                        opt("options", Type::Dict),
                    ],
                    ..opt("device_requests", Type::List)
                },
                Opt { elements: Some(Type::Str), ..opt("device_cgroup_rules", Type::List) },
                Opt { elements: Some(Type::Str), ..opt("dns_servers", Type::List) },
                Opt { elements: Some(Type::Str), ..opt("dns_opts", Type::List) },
                Opt { elements: Some(Type::Str), ..opt("dns_search_domains", Type::List) },
                opt("domainname", Type::Str),
                opt("env", Type::Dict),
                opt("env_file", Type::Path),
                opt("etc_hosts", Type::Dict),
                Opt { elements: Some(Type::Str), ..opt("groups", Type::List) },
                Opt {
                    options: &[
                        opt("test", Type::Raw),
                        Opt { default: Some("false"), unsupported: true, ..opt("test_cli_compatible", Type::Bool) },
                        opt("interval", Type::Str),
                        opt("timeout", Type::Str),
                        opt("start_period", Type::Str),
                        opt("start_interval", Type::Str),
                        opt("retries", Type::Int),
                    ],
                    ..opt("healthcheck", Type::Dict)
                },
                opt("hostname", Type::Str),
                opt("init", Type::Bool),
                opt("ipc_mode", Type::Str),
                opt("kernel_memory", Type::Str),
                opt("labels", Type::Dict),
                Opt { elements: Some(Type::Str), ..opt("links", Type::List) },
                opt("log_driver", Type::Str),
                Opt { aliases: &["log_opt"], ..opt("log_options", Type::Dict) },
                opt("mac_address", Type::Str),
                opt("memory", Type::Str),
                opt("memory_reservation", Type::Str),
                opt("memory_swap", Type::Str),
                opt("memory_swappiness", Type::Int),
                opt("stop_timeout", Type::Int),
                opt("network_mode", Type::Str),
                Opt {
                    elements: Some(Type::Dict),
                    options: &[
                        Opt { required: true, ..opt("name", Type::Str) },
                        opt("ipv4_address", Type::Str),
                        opt("ipv6_address", Type::Str),
                        Opt { elements: Some(Type::Str), ..opt("aliases", Type::List) },
                        Opt { elements: Some(Type::Str), ..opt("links", Type::List) },
                        opt("mac_address", Type::Str),
                    ],
                    ..opt("networks", Type::List)
                },
                opt("oom_killer", Type::Bool),
                opt("oom_score_adj", Type::Int),
                opt("pid_mode", Type::Str),
                opt("pids_limit", Type::Int),
                opt("platform", Type::Str),
                opt("privileged", Type::Bool),
                opt("read_only", Type::Bool),
                Opt { choices: &["no", "on-failure", "always", "unless-stopped"], ..opt("restart_policy", Type::Str) },
                opt("restart_retries", Type::Int),
                opt("runtime", Type::Str),
                Opt { elements: Some(Type::Str), ..opt("security_opts", Type::List) },
                opt("shm_size", Type::Str),
                opt("stop_signal", Type::Str),
                opt("storage_opts", Type::Dict),
                opt("sysctls", Type::Dict),
                Opt { elements: Some(Type::Str), ..opt("tmpfs", Type::List) },
                opt("tty", Type::Bool),
                Opt { elements: Some(Type::Str), ..opt("ulimits", Type::List) },
                opt("user", Type::Str),
                opt("userns_mode", Type::Str),
                opt("uts", Type::Str),
                opt("volume_driver", Type::Str),
                Opt { elements: Some(Type::Str), ..opt("volumes_from", Type::List) },
                opt("working_dir", Type::Str),
                Opt {
                    elements: Some(Type::Dict),
                    options: &[
                        Opt { required: true, ..opt("target", Type::Str) },
                        opt("source", Type::Str),
                        Opt {
                            default: Some("\"volume\""),
                            choices: &["bind", "volume", "tmpfs", "npipe", "cluster", "image"],
                            ..opt("type", Type::Str)
                        },
                        opt("read_only", Type::Bool),
                        Opt {
                            choices: &["default", "consistent", "cached", "delegated"],
                            ..opt("consistency", Type::Str)
                        },
                        Opt {
                            choices: &["private", "rprivate", "shared", "rshared", "slave", "rslave"],
                            ..opt("propagation", Type::Str)
                        },
                        opt("no_copy", Type::Bool),
                        opt("labels", Type::Dict),
                        opt("volume_driver", Type::Str),
                        opt("volume_options", Type::Dict),
                        opt("tmpfs_size", Type::Str),
                        opt("tmpfs_mode", Type::Str),
                        opt("non_recursive", Type::Bool),
                        opt("create_mountpoint", Type::Bool),
                        opt("read_only_non_recursive", Type::Bool),
                        opt("read_only_force_recursive", Type::Bool),
                        opt("subpath", Type::Str),
                        Opt { elements: Some(Type::Dict), ..opt("tmpfs_options", Type::List) },
                    ],
                    ..opt("mounts", Type::List)
                },
                Opt { elements: Some(Type::Str), ..opt("volumes", Type::List) },
                Opt { aliases: &["expose", "exposed"], elements: Some(Type::Str), ..opt("exposed_ports", Type::List) },
                opt("publish_all_ports", Type::Bool),
                Opt { aliases: &["ports"], elements: Some(Type::Str), ..opt("published_ports", Type::List) },
            ],
        )
    },
    Module {
        aliases: &["community.general.docker_image"],
        required_together: &[&["client_cert", "client_key"]],
        required_if: &[
            ("state", "present", &["source"]),
            ("source", "build", &["build"]),
            ("source", "load", &["load_path"]),
        ],
        ..spec(
            "docker_image",
            "community.docker.docker_image",
            client_and![
                Opt { choices: &["build", "load", "pull", "local"], ..opt("source", Type::Str) },
                Opt {
                    options: &[
                        Opt { elements: Some(Type::Str), ..opt("cache_from", Type::List) },
                        Opt {
                            options: &[
                                opt("memory", Type::Str),
                                opt("memswap", Type::Str),
                                opt("cpushares", Type::Int),
                                opt("cpusetcpus", Type::Str),
                            ],
                            ..opt("container_limits", Type::Dict)
                        },
                        opt("dockerfile", Type::Str),
                        opt("http_timeout", Type::Int),
                        opt("network", Type::Str),
                        Opt { default: Some("false"), ..opt("nocache", Type::Bool) },
                        Opt { required: true, ..opt("path", Type::Path) },
                        Opt { default: Some("false"), ..opt("pull", Type::Bool) },
                        Opt { default: Some("true"), ..opt("rm", Type::Bool) },
                        opt("args", Type::Dict),
                        opt("use_config_proxy", Type::Bool),
                        opt("target", Type::Str),
                        opt("etc_hosts", Type::Dict),
                        opt("platform", Type::Str),
                        opt("shm_size", Type::Str),
                        opt("labels", Type::Dict),
                    ],
                    unsupported: true,
                    ..opt("build", Type::Dict)
                },
                opt("archive_path", Type::Path),
                Opt { default: Some("false"), ..opt("force_source", Type::Bool) },
                Opt { default: Some("false"), ..opt("force_absent", Type::Bool) },
                Opt { default: Some("false"), ..opt("force_tag", Type::Bool) },
                opt("load_path", Type::Path),
                Opt { required: true, ..opt("name", Type::Str) },
                Opt { options: &[opt("platform", Type::Str)], ..opt("pull", Type::Dict) },
                Opt { default: Some("false"), unsupported: true, ..opt("push", Type::Bool) },
                opt("repository", Type::Str),
                Opt { default: Some("\"present\""), choices: &["absent", "present"], ..opt("state", Type::Str) },
                Opt { default: Some("\"latest\""), ..opt("tag", Type::Str) },
            ],
        )
    },
    Module {
        aliases: &["community.general.docker_network"],
        required_together: &[&["client_cert", "client_key"]],
        ..spec(
            "docker_network",
            "community.docker.docker_network",
            client_and![
                Opt { aliases: &["network_name"], required: true, ..opt("name", Type::Str) },
                opt("config_from", Type::Str),
                opt("config_only", Type::Bool),
                Opt {
                    aliases: &["containers"],
                    elements: Some(Type::Str),
                    default: Some("[]"),
                    ..opt("connected", Type::List)
                },
                Opt { default: Some("\"present\""), choices: &["present", "absent"], ..opt("state", Type::Str) },
                Opt { default: Some("\"bridge\""), ..opt("driver", Type::Str) },
                Opt { default: Some("{}"), ..opt("driver_options", Type::Dict) },
                Opt { default: Some("false"), ..opt("force", Type::Bool) },
                Opt { aliases: &["incremental"], default: Some("false"), ..opt("appends", Type::Bool) },
                opt("ipam_driver", Type::Str),
                opt("ipam_driver_options", Type::Dict),
                Opt {
                    elements: Some(Type::Dict),
                    options: &[
                        opt("subnet", Type::Str),
                        opt("iprange", Type::Str),
                        opt("gateway", Type::Str),
                        opt("aux_addresses", Type::Dict),
                    ],
                    ..opt("ipam_config", Type::List)
                },
                opt("enable_ipv4", Type::Bool),
                opt("enable_ipv6", Type::Bool),
                opt("internal", Type::Bool),
                Opt { default: Some("{}"), ..opt("labels", Type::Dict) },
                Opt { choices: &["local", "global", "swarm"], ..opt("scope", Type::Str) },
                opt("attachable", Type::Bool),
                opt("ingress", Type::Bool),
            ],
        )
    },
    Module {
        aliases: &["community.general.docker_volume"],
        required_together: &[&["client_cert", "client_key"]],
        ..spec(
            "docker_volume",
            "community.docker.docker_volume",
            client_and![
                Opt { aliases: &["name"], required: true, ..opt("volume_name", Type::Str) },
                Opt { default: Some("\"present\""), choices: &["present", "absent"], ..opt("state", Type::Str) },
                Opt { default: Some("\"local\""), ..opt("driver", Type::Str) },
                Opt { default: Some("{}"), ..opt("driver_options", Type::Dict) },
                opt("labels", Type::Dict),
                Opt {
                    default: Some("\"never\""),
                    choices: &["always", "never", "options-changed"],
                    ..opt("recreate", Type::Str)
                },
            ],
        )
    },
];
