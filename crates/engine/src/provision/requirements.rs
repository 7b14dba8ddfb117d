//! Requirements files of ansible-galaxy: a list of roles, or a mapping with `roles` and `collections`.

use saphyr_parser::{Event, Parser};
use std::path::Path;

/// One thing that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requirement {
    /// A role.
    Role {
        /// Its name once it is installed.
        name: String,
        /// Where it comes from.
        source: Option<String>,
        /// Version, tag, branch or commit.
        version: Option<String>,
        /// `git`, or nothing.
        scm: Option<String>,
    },
    /// A collection.
    Collection {
        /// `namespace.name`; empty where only its source is known.
        name: String,
        /// URL, file, or nothing for Galaxy.
        source: Option<String>,
        /// A version or a range.
        version: Option<String>,
        /// `git`, `url`, `file`, `galaxy`.
        scm: Option<String>,
    },
}

impl Requirement {
    /// `role` or `collection`.
    pub fn kind(&self) -> &'static str {
        match self {
            Requirement::Role { .. } => "role",
            Requirement::Collection { .. } => "collection",
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Requirement::Role { name, .. } | Requirement::Collection { name, .. } => name,
        }
    }

    /// What it is called in messages: its name, else its source.
    pub fn label(&self) -> &str {
        if self.name().is_empty() { self.source().unwrap_or_default() } else { self.name() }
    }

    /// Where it comes from.
    pub fn source(&self) -> Option<&str> {
        match self {
            Requirement::Role { source, .. } | Requirement::Collection { source, .. } => source.as_deref(),
        }
    }

    /// The version that is asked for.
    pub fn version(&self) -> Option<&str> {
        match self {
            Requirement::Role { version, .. } | Requirement::Collection { version, .. } => version.as_deref(),
        }
    }

    /// How it is fetched.
    pub fn scm(&self) -> Option<&str> {
        match self {
            Requirement::Role { scm, .. } | Requirement::Collection { scm, .. } => scm.as_deref(),
        }
    }
}

/// Reads a requirements file.
pub fn read_file(file: &Path) -> Result<Vec<Requirement>, String> {
    requirements(file)
}

/// A role as the command line names it: `src[,version[,name]]`.
pub fn role(text: &str) -> Result<Requirement, String> {
    role_of(&Node::Text(text.to_owned()))
}

/// A collection as the command line names it: `namespace.name[:version]`, a URL, an archive.
pub fn collection(text: &str) -> Requirement {
    if is_source(text) {
        let (source, version) = text.split_once(',').map_or((text, None), |(s, v)| (s, Some(v.to_owned())));
        return Requirement::Collection { name: String::new(), source: Some(source.to_owned()), version, scm: None };
    }
    let (name, version) = text.split_once(':').map_or((text, None), |(n, v)| (n, Some(v.to_owned())));
    Requirement::Collection { name: name.to_owned(), source: None, version, scm: None }
}

fn is_source(text: &str) -> bool {
    text.contains("://")
        || text.starts_with("git@")
        || text.starts_with("git+")
        || text.contains(".tar.gz")
        || text.contains('/')
}

/// The roles that a role's `meta/main.yml` depends on.
pub(crate) fn dependencies(meta: &str) -> Result<Vec<Requirement>, String> {
    let Some(root) = parse(meta)? else { return Ok(Vec::new()) };
    match root.get("dependencies") {
        Some(Node::List(entries)) => entries.iter().map(role_of).collect(),
        _ => Ok(Vec::new()),
    }
}

/// A text field at the top of a YAML mapping.
pub(crate) fn top_field(text: &str, name: &str) -> Option<String> {
    parse(text).ok()??.text(name)
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
    for entry in collections {
        found.push(match entry {
            Node::Text(text) => collection(text),
            other => {
                let name = other.text("name").ok_or("a collection has no name")?;
                let scm = other.text("type");
                // Galaxy's `source` is a server; for the others the name may be the source.
                let from = other.text("source").filter(|_| scm.as_deref() != Some("galaxy"));
                let (name, own) = if is_source(&name) { (String::new(), Some(name)) } else { (name, None) };
                let (name, inline) = match name.split_once(':') {
                    Some((n, v)) => (n.to_owned(), Some(v.to_owned())),
                    None => (name, None),
                };
                Requirement::Collection { name, source: own.or(from), version: other.text("version").or(inline), scm }
            }
        });
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
    let (source, version, name, scm) = match node {
        // `src[,version[,name]]`
        Node::Text(text) => {
            let mut parts = text.split(',').map(str::trim).map(str::to_owned);
            (parts.next(), parts.next().filter(|v| !v.is_empty()), parts.next(), None)
        }
        other => {
            if other.get("include").is_some() {
                return Err("include of further files is not supported: write their roles into this one".into());
            }
            let name = other.text("name").or(other.text("role"));
            (other.text("src"), other.text("version"), name, other.text("scm"))
        }
    };
    let name = name.or_else(|| source.as_deref().map(name_of)).filter(|name| !name.is_empty());
    Ok(Requirement::Role { name: name.ok_or("a role has neither name nor src")?, source, version, scm })
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

    fn role(name: &str, source: Option<&str>, version: Option<&str>) -> Requirement {
        let text = |t: Option<&str>| t.map(str::to_owned);
        Requirement::Role { name: name.into(), source: text(source), version: text(version), scm: None }
    }

    fn galaxy(name: &str) -> Requirement {
        Requirement::Collection { name: name.into(), source: None, version: None, scm: None }
    }

    #[test]
    fn both_shapes() {
        let old = "---\n- src: geerlingguy.docker\n  version: 1.2\n- name: mine\n  src: https://x/y/ansible-role-nginx.git\n- git+https://x/y/z.git,v1,short\n- name: only\n";
        assert_eq!(
            read(old).unwrap(),
            [
                role("geerlingguy.docker", Some("geerlingguy.docker"), Some("1.2")),
                role("mine", Some("https://x/y/ansible-role-nginx.git"), None),
                role("short", Some("git+https://x/y/z.git"), Some("v1")),
                role("only", None, None),
            ]
        );
        let new = "roles:\n  - src: ./app.tar.gz\ncollections:\n  - community.general\n  - name: ansible.posix\n";
        assert_eq!(
            read(new).unwrap(),
            [role("app", Some("./app.tar.gz"), None), galaxy("community.general"), galaxy("ansible.posix"),]
        );
        assert_eq!(read("").unwrap(), []);
        assert!(read("rolls: []").unwrap_err().contains("\"rolls\""));
        assert!(read("- include: more.yml").unwrap_err().contains("include"));
    }
}
