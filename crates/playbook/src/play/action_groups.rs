//! `module_defaults: {group/NAME: …}`: which modules belong to a group.
//!
//! Names and what they extend come from ansible-core 2.19's runtime metadata and that of the collections of its time. A
//! collection's group holds its modules of that family, which have one beginning.

/// Groups of ansible-core: each stands for those of collections.
const BUILTIN: &[(&str, &[&str])] = &[
    ("aws", &["amazon.aws.aws", "community.aws.aws"]),
    ("acme", &["community.crypto.acme"]),
    ("azure", &["azure.azcollection.azure"]),
    ("cpm", &["wti.remote.cpm"]),
    ("docker", &["community.general.docker", "community.docker.docker"]),
    ("gcp", &["google.cloud.gcp"]),
    ("k8s", &["kubernetes.core.k8s", "community.okd.k8s", "community.kubernetes.k8s", "community.general.k8s"]),
    ("os", &["openstack.cloud.os"]),
    ("ovirt", &["ovirt.ovirt.ovirt", "community.general.ovirt"]),
    ("vmware", &["community.vmware.vmware"]),
];

/// Groups of collections, and what the full names of their modules begin with.
const OF_COLLECTIONS: &[(&str, &str)] = &[
    ("amazon.aws.aws", "amazon.aws."),
    ("community.aws.aws", "community.aws."),
    ("community.crypto.acme", "community.crypto.acme_"),
    ("community.docker.docker", "community.docker."),
    ("community.general.docker", "community.general.docker_"),
    ("community.mongodb.mongodb", "community.mongodb."),
    ("community.mysql.mysql", "community.mysql."),
    ("community.postgresql.postgresql", "community.postgresql."),
    ("community.rabbitmq.rabbitmq", "community.rabbitmq."),
    ("community.zabbix.zabbix", "community.zabbix."),
    ("kubernetes.core.helm", "kubernetes.core.helm"),
    ("kubernetes.core.k8s", "kubernetes.core."),
    ("openstack.cloud.openstack", "openstack.cloud."),
    ("openstack.cloud.os", "openstack.cloud."),
];

/// Without `ansible.builtin.` or `ansible.legacy.`.
fn short(name: &str) -> &str {
    name.strip_prefix("ansible.builtin.").or_else(|| name.strip_prefix("ansible.legacy.")).unwrap_or(name)
}

/// Whether there is such a group. Those of collections that are not here may exist.
pub fn known(group: &str) -> bool {
    let group = short(group);
    group.matches('.').count() >= 2 || BUILTIN.iter().any(|(name, _)| *name == group)
}

/// The names of ansible-core's groups.
pub fn names() -> impl Iterator<Item = &'static str> {
    BUILTIN.iter().map(|(name, _)| *name)
}

/// Whether a module, by its full name, belongs to a group.
pub fn holds(group: &str, module: &str) -> bool {
    let group = short(group);
    let of_collection =
        |group: &str| OF_COLLECTIONS.iter().any(|(name, start)| *name == group && module.starts_with(start));
    match BUILTIN.iter().find(|(name, _)| *name == group) {
        Some((_, extended)) => extended.iter().any(|g| of_collection(g)),
        None => of_collection(group),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups() {
        assert!(holds("docker", "community.docker.docker_container"));
        assert!(holds("ansible.builtin.docker", "community.docker.docker_container"));
        assert!(holds("community.docker.docker", "community.docker.docker_network"));
        assert!(!holds("aws", "community.docker.docker_network"));
        assert!(!holds("docker", "ansible.builtin.file"));
        assert!(known("aws") && known("some.where.group") && !known("dokcer"));
    }
}
