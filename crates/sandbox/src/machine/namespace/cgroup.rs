//! A machine's place in the host's control groups: `imgbuild/<instance>` in every hierarchy (version 1) or in the one
//! (version 2), so that the machine can have its own view and its own groups below.

use std::io;
use std::path::{Path, PathBuf};

use super::fault::{Fault, Step};

/// A mounted hierarchy of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// Where the host has it.
    pub mount_point: PathBuf,
    /// Controllers or `name=…` of a version 1 hierarchy; `None` is version 2.
    pub v1_options: Option<String>,
}

/// The hierarchies that this host has mounted.
pub fn hierarchies() -> Result<Vec<Hierarchy>, Fault> {
    let mounts = fs_err::read_to_string("/proc/self/mounts").step("reading the mount table")?;
    Ok(parse_mounts(&mounts))
}

fn parse_mounts(mounts: &str) -> Vec<Hierarchy> {
    const NOT_CONTROLLERS: [&str; 12] = [
        "rw",
        "ro",
        "relatime",
        "noatime",
        "nosuid",
        "nodev",
        "noexec",
        "xattr",
        "noprefix",
        "clone_children",
        "nsdelegate",
        "memory_recursiveprot",
    ];
    let mut found: Vec<Hierarchy> = Vec::new();
    for line in mounts.lines() {
        let mut fields = line.split(' ').skip(1);
        let (Some(mount_point), Some(kind), Some(options)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let v1_options = match kind {
            "cgroup2" => None,
            "cgroup" => Some(
                options
                    .split(',')
                    .filter(|option| !NOT_CONTROLLERS.contains(option) && !option.starts_with("release_agent="))
                    .collect::<Vec<_>>()
                    .join(","),
            ),
            _ => continue,
        };
        if found.iter().all(|other| other.v1_options != v1_options) {
            found.push(Hierarchy { mount_point: PathBuf::from(mount_point), v1_options });
        }
    }
    found
}

/// Puts the calling process into the machine's group of every hierarchy. A hierarchy that refuses is left out: the
/// machine then has no such controller.
pub fn enter(instance_id: &str, hierarchies: &[Hierarchy]) -> Vec<Hierarchy> {
    let joined = hierarchies.iter().filter(|hierarchy| join(hierarchy, instance_id).is_ok());
    joined.cloned().collect()
}

fn join(hierarchy: &Hierarchy, instance_id: &str) -> io::Result<()> {
    let parent = hierarchy.mount_point.join("imgbuild");
    let own = parent.join(instance_id);
    fs_err::create_dir_all(&parent)?;
    match hierarchy.v1_options.as_deref() {
        None => {
            delegate(&hierarchy.mount_point);
            delegate(&parent);
        }
        // A new cpuset is empty and takes no process before it has processors and memory nodes.
        Some(options) if options.split(',').any(|option| option == "cpuset") => {
            inherit_cpuset(&hierarchy.mount_point, &parent)?;
        }
        Some(_) => {}
    }
    fs_err::create_dir_all(&own)?;
    if hierarchy.v1_options.as_deref().is_some_and(|options| options.split(',').any(|option| option == "cpuset")) {
        inherit_cpuset(&parent, &own)?;
    }
    fs_err::write(own.join("cgroup.procs"), "0")
}

fn inherit_cpuset(parent: &Path, child: &Path) -> io::Result<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let value = fs_err::read_to_string(parent.join(file))?;
        if fs_err::read_to_string(child.join(file))?.trim().is_empty() {
            fs_err::write(child.join(file), value.trim())?;
        }
    }
    // The machine's own groups below then need no such care.
    fs_err::write(child.join("cgroup.clone_children"), "1")
}

/// Hands every controller of a version 2 group down to its children; one that cannot be handed down stays.
fn delegate(group: &Path) {
    let Ok(controllers) = fs_err::read_to_string(group.join("cgroup.controllers")) else { return };
    for controller in controllers.split_whitespace() {
        // Busy controllers (real-time tasks, a process in the group) are refused one by one.
        let _ = fs_err::write(group.join("cgroup.subtree_control"), format!("+{controller}"));
    }
}

/// On version 2 a group with processes cannot have controllers for its children: the machine's processes live one
/// level down, as under systemd. Called with the machine's own view mounted at `mount_point`.
pub fn leave_top(mount_point: &Path) {
    let scope = mount_point.join("init.scope");
    if fs_err::create_dir_all(&scope).is_ok() && fs_err::write(scope.join("cgroup.procs"), "0").is_ok() {
        delegate(mount_point);
    }
}

/// Removes what [`enter`] made, when all its processes are gone.
pub fn remove(instance_id: &str) {
    let Ok(hierarchies) = hierarchies() else { return };
    for hierarchy in hierarchies {
        let parent = hierarchy.mount_point.join("imgbuild");
        remove_tree(&parent.join(instance_id));
        // The last machine takes the parent with it; with others left this is refused.
        let _ = std::fs::remove_dir(&parent);
    }
}

/// Control groups are removed from the leaves up; their files go by themselves.
fn remove_tree(group: &Path) {
    let Ok(entries) = std::fs::read_dir(group) else { return };
    for entry in entries.filter_map(Result::ok) {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path());
        }
    }
    // Refused while a process is still on its way out; the next destroy or sweep of this machine finds it again.
    let _ = std::fs::remove_dir(group);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_found_in_the_mount_table() {
        let table = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
                     cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,nosuid,nodev,noexec,relatime,cpu,cpuacct 0 0\n\
                     cgroup /sys/fs/cgroup/systemd cgroup rw,xattr,release_agent=/x,name=systemd 0 0\n\
                     cgroup2 /sys/fs/cgroup/unified cgroup2 rw,nsdelegate 0 0\n";
        let found: Vec<Option<String>> = parse_mounts(table).into_iter().map(|found| found.v1_options).collect();
        assert_eq!(found, [Some("cpu,cpuacct".into()), Some("name=systemd".into()), None]);
    }
}
