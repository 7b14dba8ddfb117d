//! The stacks, their templates and their variables.

use imgbuild_diag::{Diagnostic, Diagnostics};
use std::collections::BTreeMap;

/// The shell functions that every node script starts with.
pub const LIB: &str = include_str!("../../templates/userdata/_lib.sh.j2");

/// The roles that every stack has.
#[cfg(test)]
pub const ROLES: &[&str] = &["server", "agent"];

/// What a variable holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One line of any text; always quoted where it is used.
    Text,
    /// A name, path, version or image reference.
    Name,
    /// An http(s) address, or nothing.
    Url,
    /// A port.
    Port,
    /// true or false.
    Bool,
    /// Names, separated by commas.
    List,
}

/// A variable of a stack.
#[derive(Debug)]
pub struct Variable {
    /// Name.
    pub name: &'static str,
    /// Roles that use it.
    pub roles: &'static [&'static str],
    /// What it holds.
    pub kind: Kind,
    /// Default; `None` means that it must be given.
    pub default: Option<&'static str>,
    /// One line for people.
    pub about: &'static str,
}

/// A stack.
#[derive(Debug)]
pub struct Stack {
    /// Its name on the command line.
    pub name: &'static str,
    /// One line for people.
    pub about: &'static str,
    /// Role and template.
    pub templates: &'static [(&'static str, &'static str)],
    /// Variables.
    pub variables: &'static [Variable],
    /// Names that people will try, which would put a secret into the user data, and what to do instead.
    pub refused: &'static [(&'static str, &'static str)],
}

const SERVER: &[&str] = &["server"];
const AGENT: &[&str] = &["agent"];
const BOTH: &[&str] = &["server", "agent"];

const fn v(
    name: &'static str,
    roles: &'static [&'static str],
    kind: Kind,
    default: Option<&'static str>,
    about: &'static str,
) -> Variable {
    Variable { name, roles, kind, default, about }
}

const ADVERTISE: &str = "metadata path of the address that other nodes use (local-ipv4)";

/// All stacks.
pub const STACKS: &[Stack] = &[
    Stack {
        name: "rancher1",
        about: "Rancher 1.2 to 1.6 on Docker, servers over an external database",
        templates: &[
            ("server", include_str!("../../templates/userdata/rancher1-server.yaml.j2")),
            ("agent", include_str!("../../templates/userdata/rancher1-agent.yaml.j2")),
        ],
        variables: &[
            v("rancher_version", SERVER, Kind::Name, Some("v1.6.30"), "for the heading"),
            v("server_image", SERVER, Kind::Name, Some("rancher/server:v1.6.30"), "the server's image"),
            v("http_port", SERVER, Kind::Port, Some("8080"), "the port of the web interface on the node"),
            v("database_host", SERVER, Kind::Name, None, "MySQL host (or database_endpoint=host:port)"),
            v("database_port", SERVER, Kind::Port, Some("3306"), "MySQL port"),
            v("database_name", SERVER, Kind::Name, Some("cattle"), "MySQL database"),
            v("database_username", SERVER, Kind::Name, None, "MySQL user"),
            v(
                "database_password_parameter",
                SERVER,
                Kind::Name,
                None,
                "the SSM parameter (SecureString) that holds the MySQL password",
            ),
            v("rancher_agent_version", AGENT, Kind::Name, Some("v1.2.11"), "tag of rancher/agent"),
            v(
                "registration_url_parameter",
                AGENT,
                Kind::Name,
                None,
                "the SSM parameter (SecureString) that holds the registration URL",
            ),
            v("host_labels", AGENT, Kind::Text, Some(""), "labels of the host, as key=value&key=value"),
            v("advertise_address", BOTH, Kind::Name, Some("local-ipv4"), ADVERTISE),
        ],
        refused: &[
            (
                "database_password",
                "put it into an SSM SecureString and give --var database_password_parameter=/its/name",
            ),
            ("rancher_reg_url", "put it into an SSM SecureString and give --var registration_url_parameter=/its/name"),
            ("registration_url", "put it into an SSM SecureString and give --var registration_url_parameter=/its/name"),
        ],
    },
    Stack {
        name: "rke2",
        about: "RKE2 (Kubernetes)",
        templates: &[
            ("server", include_str!("../../templates/userdata/rke2-server.yaml.j2")),
            ("agent", include_str!("../../templates/userdata/rke2-agent.yaml.j2")),
        ],
        variables: &[
            v("version", BOTH, Kind::Name, None, "release, as v1.31.4+rke2r1"),
            v(
                "token_parameter",
                BOTH,
                Kind::Name,
                None,
                "the SSM parameter (SecureString) that holds the cluster's token",
            ),
            v(
                "server_url",
                SERVER,
                Kind::Url,
                Some(""),
                "https://HOST:9345 of the first server; empty on the first server itself",
            ),
            v("server_url", AGENT, Kind::Url, None, "https://HOST:9345 of a server"),
            v("tls_san", SERVER, Kind::List, Some(""), "further names of the API server"),
            v("node_labels", BOTH, Kind::List, Some(""), "labels, as key=value,key=value"),
            v("node_taints", BOTH, Kind::List, Some(""), "taints, as key=value:NoSchedule"),
            v("install_url", BOTH, Kind::Url, Some("https://get.rke2.io"), "the install script"),
            v("advertise_address", BOTH, Kind::Name, Some("local-ipv4"), ADVERTISE),
        ],
        refused: &[("token", "put it into an SSM SecureString and give --var token_parameter=/its/name")],
    },
    Stack {
        name: "k3s",
        about: "K3s (Kubernetes)",
        templates: &[
            ("server", include_str!("../../templates/userdata/k3s-server.yaml.j2")),
            ("agent", include_str!("../../templates/userdata/k3s-agent.yaml.j2")),
        ],
        variables: &[
            v("version", BOTH, Kind::Name, None, "release, as v1.31.4+k3s1"),
            v(
                "token_parameter",
                BOTH,
                Kind::Name,
                None,
                "the SSM parameter (SecureString) that holds the cluster's token",
            ),
            v(
                "cluster_init",
                SERVER,
                Kind::Bool,
                Some("false"),
                "true on the first of several servers with embedded etcd",
            ),
            v(
                "server_url",
                SERVER,
                Kind::Url,
                Some(""),
                "https://HOST:6443 of the first server; empty on the first server itself",
            ),
            v("server_url", AGENT, Kind::Url, None, "https://HOST:6443 of a server"),
            v("tls_san", SERVER, Kind::List, Some(""), "further names of the API server"),
            v("node_labels", BOTH, Kind::List, Some(""), "labels, as key=value,key=value"),
            v("node_taints", BOTH, Kind::List, Some(""), "taints, as key=value:NoSchedule"),
            v("install_url", BOTH, Kind::Url, Some("https://get.k3s.io"), "the install script"),
            v("advertise_address", BOTH, Kind::Name, Some("local-ipv4"), ADVERTISE),
        ],
        refused: &[("token", "put it into an SSM SecureString and give --var token_parameter=/its/name")],
    },
];

/// The stacks' names.
pub fn names() -> impl Iterator<Item = &'static str> {
    STACKS.iter().map(|stack| stack.name)
}

impl Stack {
    /// RDS gives an endpoint as `host:port`; Rancher wants the two apart.
    pub(super) fn split_endpoint(&self, given: &mut BTreeMap<String, String>, problems: &mut Diagnostics) {
        if !self.variables.iter().any(|v| v.name == "database_host") {
            return;
        }
        let Some(endpoint) = given.remove("database_endpoint") else { return };
        let (host, port) = match endpoint.rsplit_once(':') {
            Some((host, port)) => (host.to_owned(), Some(port.to_owned())),
            None => (endpoint, None),
        };
        if given.contains_key("database_host") {
            problems.push(Diagnostic::error("give database_host or database_endpoint, not both"));
        }
        given.insert("database_host".into(), host);
        if let Some(port) = port {
            given.insert("database_port".into(), port);
        }
    }
}
