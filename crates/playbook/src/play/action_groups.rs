//! `module_defaults: {group/NAME: …}`: which modules belong to a group.
//!
//! Names and what they extend come from ansible-core 2.19's runtime metadata and that of the collections of its time. A
//! collection's group holds its modules of that family, which have one beginning.

type Group = (&'static str, &'static [&'static str], &'static [&'static str]);

/// Groups of ansible-core: name, modules, groups of collections that it stands for. (Its metadata lists those of its own tests, too.)
const BUILTIN: &[Group] = &[
    ("aws", &[], &["amazon.aws.aws", "community.aws.aws"]),
    ("acme", &[], &["community.crypto.acme"]),
    ("azure", &[], &["azure.azcollection.azure"]),
    ("cpm", &[], &["wti.remote.cpm"]),
    ("docker", &[], &["community.general.docker", "community.docker.docker"]),
    ("gcp", &[], &["google.cloud.gcp"]),
    ("k8s", &[], &["kubernetes.core.k8s", "community.okd.k8s", "community.kubernetes.k8s", "community.general.k8s"]),
    ("os", &[], &["openstack.cloud.os"]),
    ("ovirt", &[], &["ovirt.ovirt.ovirt", "community.general.ovirt"]),
    ("vmware", &[], &["community.vmware.vmware"]),
    (
        "testgroup",
        &["ping", "legacy_ping", "formerly_core_ping"],
        &["testns.testcoll.testgroup", "testns.testcoll.anothergroup", "testns.boguscoll.testgroup"],
    ),
    ("testlegacy", &["ansible.legacy.legacy_ping"], &[]),
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

/// Whether ansible-core has such a group.
pub fn known(group: &str) -> bool {
    BUILTIN.iter().any(|(name, ..)| *name == group)
}

/// The names of ansible-core's groups.
pub fn names() -> impl Iterator<Item = &'static str> {
    BUILTIN.iter().map(|(name, ..)| *name)
}

/// The modules of ansible-core's group, and the groups that it stands for.
pub fn builtin(group: &str) -> (&'static [&'static str], &'static [&'static str]) {
    BUILTIN.iter().find(|(name, ..)| *name == group).map_or((&[], &[]), |(_, members, extended)| (members, extended))
}

/// Whether a module, by its full name, belongs to the group of a collection that is not installed.
pub fn of_collection(group: &str, module: &str) -> bool {
    OF_COLLECTIONS.iter().any(|(name, start)| *name == group && module.starts_with(start))
}

#[cfg(test)]
mod tests {
    use crate::collections::Collections;
    use std::path::Path;

    #[test]
    fn groups() {
        let nowhere = Path::new("/none");
        let all = Collections::new(&crate::Settings::new(nowhere, nowhere), nowhere);
        let holds = |group: &str, module: &str| all.group_holds(group, module);
        assert!(holds("docker", "community.docker.docker_container"));
        assert!(holds("ansible.builtin.docker", "community.docker.docker_container"));
        assert!(holds("community.docker.docker", "community.docker.docker_network"));
        assert!(!holds("aws", "community.docker.docker_network"));
        assert!(!holds("docker", "ansible.builtin.file"));
        assert!(all.group_known("aws") && all.group_known("some.where.group") && !all.group_known("dokcer"));
    }
}
