//! Requirements files of ansible-galaxy: a list of roles, or a mapping with `roles` and `collections`.

use saphyr_parser::{Event, Parser};
use std::path::Path;

/// One thing that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Requirement {
    /// A role: its name once it is installed, and where it comes from.
    Role { name: String, source: Option<String> },
    /// A collection, `namespace.name`.
    Collection { name: String },
}

/// As much of YAML as a requirements file holds.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    fn get(&self, key: &str) -> Option<&Node> {
        match self {
            Node::Map(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, node)| node),
            _ => None,
        }
    }

    fn text(&self, key: &str) -> Option<String> {
        match self.get(key)? {
            Node::Text(text) if !text.is_empty() => Some(text.clone()),
            _ => None,
        }
    }
}

/// Reads a file.
pub(crate) fn requirements(file: &Path) -> Result<Vec<Requirement>, String> {
    let text = fs_err::read_to_string(file).map_err(|e| e.to_string())?;
    read(&text).map_err(|why| format!("the requirements file {}: {why}", file.display()))
}

fn read(text: &str) -> Result<Vec<Requirement>, String> {
    let Some(root) = parse(text)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    let (roles, collections) = match &root {
        Node::List(roles) => (roles.as_slice(), &[][..]),
        Node::Map(entries) => {
            if let Some((unknown, _)) = entries.iter().find(|(name, _)| name != "roles" && name != "collections") {
                return Err(format!("{unknown:?} is neither roles nor collections"));
            }
            (list(root.get("roles"), "roles")?, list(root.get("collections"), "collections")?)
        }
        Node::Text(text) => return Err(format!("{text:?} is no list of roles")),
    };
    for role in roles {
        found.push(role_of(role)?);
    }
    for collection in collections {
        let name = match collection {
            Node::Text(name) => Some(name.clone()),
            other => other.text("name"),
        };
        let name = name.ok_or("a collection has no name")?;
        // `namespace.name:version`
        let name = name.split(':').next().unwrap_or(&name).to_owned();
        found.push(Requirement::Collection { name });
    }
    Ok(found)
}

fn list<'a>(node: Option<&'a Node>, what: &str) -> Result<&'a [Node], String> {
    match node {
        None => Ok(&[]),
        Some(Node::List(items)) => Ok(items),
        Some(Node::Text(text)) if text.is_empty() || text == "~" => Ok(&[]),
        Some(_) => Err(format!("{what} must be a list")),
    }
}

fn role_of(node: &Node) -> Result<Requirement, String> {
    let (source, name) = match node {
        // `src[,version[,name]]`
        Node::Text(text) => {
            let mut parts = text.split(',').map(str::trim);
            let source = parts.next().unwrap_or_default().to_owned();
            (Some(source), parts.nth(1).map(str::to_owned))
        }
        other => {
            if other.get("include").is_some() {
                return Err("include of further files is not supported: write their roles into this one".into());
            }
            (other.text("src"), other.text("name").or(other.text("role")))
        }
    };
    let name = name.or_else(|| source.as_deref().map(name_of)).filter(|name| !name.is_empty());
    Ok(Requirement::Role { name: name.ok_or("a role has neither name nor src")?, source })
}

/// The name that ansible-galaxy gives to a role without one: the last part of its source.
fn name_of(source: &str) -> String {
    if !source.contains("://") && !source.contains('@') && !source.contains('/') && !source.ends_with(".tar.gz") {
        return source.to_owned();
    }
    let last = source.rsplit(['/', ':']).next().unwrap_or(source);
    let last = last.split(',').next().unwrap_or(last);
    last.trim_end_matches(".git").trim_end_matches(".tar.gz").to_owned()
}

fn parse(text: &str) -> Result<Option<Node>, String> {
    let mut parser = Parser::new_from_str(text);
    /// A container that is not closed yet.
    enum Open {
        List(Vec<Node>),
        Map(Vec<(String, Node)>, Option<String>),
    }
    let mut stack: Vec<Open> = Vec::new();
    let mut root = None;
    while let Some(event) = parser.next_event() {
        let (event, _) = event.map_err(|e| e.to_string())?;
        let node = match event {
            Event::Scalar(text, ..) => Node::Text(text.to_string()),
            Event::SequenceStart(..) => {
                stack.push(Open::List(Vec::new()));
                continue;
            }
            Event::MappingStart(..) => {
                stack.push(Open::Map(Vec::new(), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match stack.pop() {
                Some(Open::List(items)) => Node::List(items),
                Some(Open::Map(entries, _)) => Node::Map(entries),
                None => continue,
            },
            Event::Alias(_) => return Err("aliases (*name) are not supported here".into()),
            _ => continue,
        };
        match stack.last_mut() {
            None => root = Some(node),
            Some(Open::List(items)) => items.push(node),
            Some(Open::Map(entries, key)) => match (key.take(), node) {
                (Some(name), value) => entries.push((name, value)),
                (None, Node::Text(name)) => *key = Some(name),
                (None, _) => return Err("a key must be a text".into()),
            },
        }
    }
    Ok(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(name: &str, source: Option<&str>) -> Requirement {
        Requirement::Role { name: name.into(), source: source.map(str::to_owned) }
    }

    #[test]
    fn both_shapes() {
        let old = "---\n- src: geerlingguy.docker\n  version: 1.2\n- name: mine\n  src: https://x/y/ansible-role-nginx.git\n- git+https://x/y/z.git,v1,short\n- name: only\n";
        assert_eq!(
            read(old).unwrap(),
            [
                role("geerlingguy.docker", Some("geerlingguy.docker")),
                role("mine", Some("https://x/y/ansible-role-nginx.git")),
                role("short", Some("git+https://x/y/z.git")),
                role("only", None),
            ]
        );
        let new = "roles:\n  - src: ./app.tar.gz\ncollections:\n  - community.general\n  - name: ansible.posix\n";
        assert_eq!(
            read(new).unwrap(),
            [
                role("app", Some("./app.tar.gz")),
                Requirement::Collection { name: "community.general".into() },
                Requirement::Collection { name: "ansible.posix".into() },
            ]
        );
        assert_eq!(read("").unwrap(), []);
        assert!(read("rolls: []").unwrap_err().contains("\"rolls\""));
        assert!(read("- include: more.yml").unwrap_err().contains("include"));
    }
}
