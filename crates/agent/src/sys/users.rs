//! Accounts, read from /etc/passwd and /etc/group, else asked of `getent` (LDAP and the like). No NSS in a static program.

use std::fs;
use std::process::{Command, Stdio};

/// A line of passwd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Comment.
    pub gecos: String,
    /// Home directory.
    pub home: String,
    /// Login shell.
    pub shell: String,
}

/// A line of group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Name.
    pub name: String,
    /// Group id.
    pub gid: u32,
    /// Members other than by primary group.
    pub members: Vec<String>,
}

/// Parses passwd text; lines that make no sense are passed over.
pub fn parse_passwd(text: &str) -> Vec<User> {
    text.lines()
        .filter_map(|line| {
            let f: Vec<&str> = line.split(':').collect();
            let [name, _, uid, gid, gecos, home, shell] = f[..] else { return None };
            Some(User {
                name: name.into(),
                uid: uid.parse().ok()?,
                gid: gid.parse().ok()?,
                gecos: gecos.into(),
                home: home.into(),
                shell: shell.into(),
            })
        })
        .collect()
}

/// Parses group text.
pub fn parse_group(text: &str) -> Vec<Group> {
    text.lines()
        .filter_map(|line| {
            let f: Vec<&str> = line.split(':').collect();
            let [name, _, gid, members] = f[..] else { return None };
            let members = members.split(',').filter(|m| !m.is_empty()).map(str::to_string).collect();
            Some(Group { name: name.into(), gid: gid.parse().ok()?, members })
        })
        .collect()
}

fn getent(database: &str, key: &str) -> Option<String> {
    // A key that looks like an option would be taken for one.
    if key.is_empty() || key.starts_with('-') {
        return None;
    }
    let out = Command::new("getent").args([database, key]).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).into_owned())
}

fn read(path: &str) -> String {
    fs::read(path).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default()
}

/// The local users.
pub fn users() -> Vec<User> {
    parse_passwd(&read("/etc/passwd"))
}

/// The local groups.
pub fn groups() -> Vec<Group> {
    parse_group(&read("/etc/group"))
}

/// The user of this name.
pub fn user_by_name(name: &str) -> Option<User> {
    let local = users().into_iter().find(|u| u.name == name);
    local.or_else(|| parse_passwd(&getent("passwd", name)?).into_iter().find(|u| u.name == name))
}

/// The user of this id.
pub fn user_by_id(uid: u32) -> Option<User> {
    let local = users().into_iter().find(|u| u.uid == uid);
    local.or_else(|| parse_passwd(&getent("passwd", &uid.to_string())?).into_iter().find(|u| u.uid == uid))
}

/// The group of this name.
pub fn group_by_name(name: &str) -> Option<Group> {
    let local = groups().into_iter().find(|g| g.name == name);
    local.or_else(|| parse_group(&getent("group", name)?).into_iter().find(|g| g.name == name))
}

/// The group of this id.
pub fn group_by_id(gid: u32) -> Option<Group> {
    let local = groups().into_iter().find(|g| g.gid == gid);
    local.or_else(|| parse_group(&getent("group", &gid.to_string())?).into_iter().find(|g| g.gid == gid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_parsed_and_nonsense_passed_over() {
        let users = parse_passwd("root:x:0:0:root:/root:/bin/bash\n+::::::\n# x\na:x:1000:100:A,B:/home/a:\n");
        assert_eq!(users.len(), 2);
        assert_eq!(
            (users[1].uid, users[1].gid, users[1].gecos.as_str(), users[1].shell.as_str()),
            (1000, 100, "A,B", "")
        );
        let groups = parse_group("root:x:0:\ndocker:x:999:a,b\nbad:x\n");
        assert_eq!(groups[1].members, ["a", "b"]);
        assert_eq!(groups.len(), 2);
        assert_eq!(user_by_id(0).map(|u| u.name).as_deref(), Some("root"));
        assert_eq!(user_by_name("no-such-user-here"), None);
    }
}
