//! Facts that outlive a run: the `jsonfile` cache, one file per host. Without it facts live as long as the run (`memory`).

use imgbuild_jinja::{Map, Value};
use std::path::PathBuf;
use std::time::Duration;

/// Where facts are kept. What can't be read is as good as not there; what can't be written is a warning.
#[derive(Debug, Clone, Default)]
pub struct FactCache {
    /// `jsonfile`; otherwise nothing is kept.
    pub json: bool,
    /// Folder of the files; without it nothing is kept.
    pub dir: PathBuf,
    /// What file names start with.
    pub prefix: String,
    /// How long they hold; `None`: for ever.
    pub lasts: Option<Duration>,
}

impl FactCache {
    /// Whether anything is kept.
    pub fn keeps(&self) -> bool {
        self.json && !self.dir.as_os_str().is_empty()
    }

    /// A host's file, named as Ansible 2.19 names it (`s1_` is the form of what is in it); a name with a slash in it has none.
    fn file(&self, host: &str) -> Option<PathBuf> {
        self.named(&format!("{}s1_{host}", self.prefix))
    }

    /// As versions before called it.
    fn former(&self, host: &str) -> Option<PathBuf> {
        self.named(&format!("{}{host}", self.prefix))
    }

    fn named(&self, name: &str) -> Option<PathBuf> {
        (self.keeps() && !name.contains('/') && !name.starts_with('.')).then(|| self.dir.join(name))
    }

    /// What is kept of a host.
    pub fn load(&self, host: &str) -> Option<Map> {
        let path = [self.file(host)?, self.former(host)?].into_iter().find(|p| p.exists())?;
        let written = fs_err::metadata(&path).ok()?.modified().ok()?;
        if self.lasts.is_some_and(|lasts| written.elapsed().is_ok_and(|age| age > lasts)) {
            return None;
        }
        let text = fs_err::read_to_string(&path).ok()?;
        let mut json: serde_json::Value = serde_json::from_str(&text).ok()?;
        // Ansible 2.19 wraps the facts in a text of their own.
        if let Some(inner) = json.get("__payload__").and_then(serde_json::Value::as_str) {
            json = untagged(serde_json::from_str(inner).ok()?);
        }
        match Value::from_json(json, false) {
            Value::Map(facts) => Some(Map::clone(&facts)),
            _ => None,
        }
    }

    /// Keeps a host's facts: written beside the file and put in its place, so that a reader never sees half of them.
    pub fn save(&self, host: &str, facts: &Map) -> std::io::Result<()> {
        let Some(path) = self.file(host) else { return Ok(()) };
        fs_err::create_dir_all(&self.dir)?;
        let inner = serde_json::to_string(&Value::map(facts.clone()).to_json())?;
        let text = serde_json::to_string(&serde_json::json!({"__payload__": inner}))?;
        let beside = self.dir.join(format!(".{}.{}", host.replace('/', "_"), std::process::id()));
        fs_err::write(&beside, text)?;
        fs_err::rename(&beside, &path)
    }

    /// Forgets a host.
    pub fn forget(&self, host: &str) {
        for path in [self.file(host), self.former(host)].into_iter().flatten() {
            // Not there is forgotten, too.
            let _ = fs_err::remove_file(path);
        }
    }
}

/// Without what Ansible remembers of a value beside it: where it was written, whether it may be a template.
fn untagged(json: serde_json::Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match json {
        Json::Array(items) => Json::Array(items.into_iter().map(untagged).collect()),
        Json::Object(mut map) if map.contains_key("__ansible_type") => {
            match map.remove("value").or_else(|| map.remove("iso8601")) {
                Some(inner) => untagged(inner),
                None => Json::Object(map),
            }
        }
        Json::Object(map) => Json::Object(map.into_iter().map(|(k, v)| (k, untagged(v))).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgbuild_jinja::Key;

    #[test]
    fn keeps_and_forgets() {
        let dir = tempfile::tempdir().unwrap();
        let cache = FactCache { json: true, dir: dir.path().join("facts"), prefix: "p_".into(), lasts: None };
        assert!(cache.load("a").is_none());
        let facts = Map::from_iter([(Key::from("ansible_x"), Value::list(vec![Value::Int(1)]))]);
        cache.save("a", &facts).unwrap();
        assert_eq!(cache.load("a"), Some(facts.clone()));
        assert!(dir.path().join("facts/p_s1_a").exists());
        std::fs::write(dir.path().join("facts/p_b"), r#"{"__payload__": "{\"ansible_x\": [1]}"}"#).unwrap();
        assert_eq!(cache.load("b"), Some(facts.clone()));
        // As Ansible writes values that a playbook has set.
        let tagged = r#"{"ansible_x": {"value": [{"value": 1, "tags": [], "__ansible_type": "_AnsibleTaggedInt"}], "tags": [], "__ansible_type": "_AnsibleTaggedList"}}"#;
        std::fs::write(dir.path().join("facts/p_s1_c"), serde_json::json!({"__payload__": tagged}).to_string())
            .unwrap();
        assert_eq!(cache.load("c"), Some(facts.clone()));
        let stale = FactCache { lasts: Some(Duration::ZERO), ..cache.clone() };
        std::fs::File::options()
            .write(true)
            .open(dir.path().join("facts/p_s1_a"))
            .unwrap()
            .set_modified(std::time::SystemTime::UNIX_EPOCH)
            .unwrap();
        assert!(stale.load("a").is_none());
        cache.forget("a");
        assert!(cache.load("a").is_none());
        // A name that would leave the folder has no file.
        cache.save("../../x", &facts).unwrap();
        assert!(!dir.path().join("x").exists());
    }
}
