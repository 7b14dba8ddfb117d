//! Galaxy servers: roles by API version 1, collections by version 3.

use super::version;
use serde_json::Value;
use std::time::Duration;

/// An HTTP client for one server.
pub struct Api {
    agent: ureq::Agent,
    base: String,
}

/// The body of a URL as bytes; at most a gigabyte.
pub fn download(url: &str) -> Result<Vec<u8>, String> {
    read(&agent(), url)
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(300))).build().into()
}

fn read(agent: &ureq::Agent, url: &str) -> Result<Vec<u8>, String> {
    let mut answer = agent.get(url).call().map_err(|e| format!("{url}: {e}"))?;
    answer.body_mut().with_config().limit(1 << 30).read_to_vec().map_err(|e| format!("{url}: {e}"))
}

impl Api {
    /// The server at this URL, with or without `/api`.
    pub fn new(server: &str) -> Self {
        let base = server.trim_end_matches('/').trim_end_matches("/api").to_owned();
        Api { agent: agent(), base }
    }

    fn json(&self, url: &str) -> Result<Value, String> {
        let url = if url.starts_with("http") { url.to_owned() } else { format!("{}{url}", self.base) };
        serde_json::from_slice(&read(&self.agent, &url)?).map_err(|e| format!("{url}: the answer is no JSON: {e}"))
    }

    /// All entries of a list with pages.
    fn pages(&self, first: &str) -> Result<Vec<Value>, String> {
        let mut all = Vec::new();
        let mut next = Some(first.to_owned());
        while let Some(url) = next.take() {
            let page = self.json(&url)?;
            let list = page.get("results").or_else(|| page.get("data")).and_then(Value::as_array);
            let list = list.ok_or_else(|| format!("{url}: the answer holds no list"))?;
            all.extend(list.iter().cloned());
            let link = page.get("next_link").or_else(|| page.get("links").and_then(|l| l.get("next")));
            next = link.and_then(Value::as_str).map(str::to_owned).filter(|_| !list.is_empty() && all.len() < 10_000);
        }
        Ok(all)
    }

    /// A role's exact version and the URL of its archive.
    pub fn role(&self, name: &str, wanted: Option<&str>) -> Result<(String, String), String> {
        let (owner, short) =
            name.split_once('.').ok_or("a role on Galaxy is named namespace.role; others need a src")?;
        let found = self.pages(&format!("/api/v1/roles/?owner__username={owner}&name={short}"))?;
        let role = found.first().ok_or_else(|| format!("{} has no role {name}", self.base))?;
        let text = |field: &str| role.get(field).and_then(Value::as_str).map(str::to_owned);
        let id = role.get("id").map(Value::to_string).unwrap_or_default();
        let versions = self.pages(&format!("/api/v1/roles/{id}/versions/?page_size=50"))?;
        let name_of = |v: &Value| v.get("name").and_then(Value::as_str).map(str::to_owned);
        let mut names: Vec<String> = versions.iter().filter_map(name_of).collect();
        names.sort_by(|a, b| version::loose(a, b));
        let chosen = match wanted {
            Some(wanted) if names.is_empty() || names.iter().any(|n| n == wanted) => wanted.to_owned(),
            Some(wanted) => {
                return Err(format!("the version {wanted} was not found; there are: {}", names.join(", ")));
            }
            None => names.last().cloned().or_else(|| text("github_branch")).unwrap_or_else(|| "master".into()),
        };
        let entry = versions.iter().find(|v| name_of(v).is_some_and(|n| n == chosen));
        let link = |v: &Value| ["source", "download_url"].iter().find_map(|k| v.get(k)?.as_str().map(str::to_owned));
        let url = match entry.and_then(link).filter(|l| !l.is_empty()) {
            Some(url) => url,
            None => {
                let (user, repo) = (text("github_user"), text("github_repo"));
                let (Some(user), Some(repo)) = (user, repo) else {
                    return Err(format!("{} does not say where the role is", self.base));
                };
                format!("https://github.com/{user}/{repo}/archive/{chosen}.tar.gz")
            }
        };
        Ok((chosen, url))
    }

    /// A collection's exact version, the URL of its archive, and its sha256.
    pub fn collection(&self, name: &str, range: &str, exact: bool) -> Result<(String, String, String), String> {
        let (namespace, short) = name.split_once('.').ok_or("a collection is named namespace.name")?;
        let root = format!("/api/v3/collections/{namespace}/{short}/versions/");
        let chosen = if exact {
            range.to_owned()
        } else {
            let found = self.pages(&format!("{root}?limit=100"))?;
            let mut names: Vec<String> =
                found.iter().filter_map(|v| v.get("version").and_then(Value::as_str).map(str::to_owned)).collect();
            names.sort_by(|a, b| version::order(a, b));
            // A pre-release is only taken where it is named.
            let wanted = |n: &&String| version::fits(n, range) && (!version::is_pre(n) || range.contains(n.as_str()));
            let best = names.iter().rev().find(wanted);
            best.cloned().ok_or_else(|| format!("no version fits {range}; there are: {}", names.join(", ")))?
        };
        let detail = self.json(&format!("{root}{chosen}/"))?;
        let url = detail.get("download_url").and_then(Value::as_str);
        let url = url.ok_or_else(|| format!("{} does not say where {name} {chosen} is", self.base))?.to_owned();
        let hash = detail.get("artifact").and_then(|a| a.get("sha256")).and_then(Value::as_str).unwrap_or_default();
        Ok((chosen, url, hash.to_owned()))
    }
}
