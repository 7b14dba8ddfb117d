//! Names without a collection that moved into one: ansible-core still knows them, and so they are no mistakes.
//!
//! The table holds names only, from ansible-core 2.19's runtime metadata: kind, collection, names, and `OLD=NEW` where the name
//! changed on the way. Lines of the kind `package` are collections of the package `ansible` 12 that nothing moved into.

use std::collections::HashMap;
use std::sync::OnceLock;

const TABLE: &str = include_str!("redirects.txt");

/// Collection and new name, by kind and old name.
type Moves = HashMap<(&'static str, &'static str), (&'static str, &'static str)>;

fn moved(kind: &str, name: &str) -> Option<(&'static str, &'static str)> {
    static ALL: OnceLock<Moves> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let mut all = HashMap::new();
        for line in TABLE.lines() {
            let mut words = line.split(' ');
            if let (Some(kind), Some(collection)) = (words.next(), words.next()) {
                all.extend(words.map(|word| {
                    let (old, new) = word.split_once('=').unwrap_or((word, word));
                    ((kind, old), (collection, new))
                }));
            }
        }
        all
    });
    all.get(&(kind, name)).copied()
}

/// The collection that a name moved to. `kind`: `module`, `filter`, `test`, `lookup`.
pub fn collection(kind: &str, name: &str) -> Option<&'static str> {
    moved(kind, name).map(|(collection, _)| collection)
}

/// The full name that a module's old one stands for.
pub fn module(name: &str) -> Option<String> {
    moved("module", name).map(|(collection, name)| format!("{collection}.{name}"))
}

/// Whether a collection (`namespace.name`) is one that ansible-core knows of or that the package `ansible` brings along: its
/// modules are no mistakes where it is not installed.
pub fn is_known(collection: &str) -> bool {
    TABLE.lines().filter_map(|line| line.split(' ').nth(1)).any(|known| known == collection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moved_names() {
        assert_eq!(collection("module", "ec2_group"), Some("amazon.aws"));
        assert_eq!(collection("module", "docker_container"), Some("community.docker"));
        assert_eq!(collection("lookup", "hashi_vault"), Some("community.hashi_vault"));
        assert_eq!(collection("filter", "json_query"), Some("community.general"));
        assert_eq!(module("openssl_certificate").as_deref(), Some("community.crypto.x509_certificate"));
        assert_eq!(collection("module", "nothing_like_it"), None);
        assert!(is_known("community.general") && is_known("community.sops") && !is_known("a.b"));
    }
}
