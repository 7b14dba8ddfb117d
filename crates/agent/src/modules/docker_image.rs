//! `docker_image`: Docker's images: pulled, loaded, archived, tagged, removed.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::docker::{Body, Docker, escape};
use serde_json::{Value, json};

/// Name and tag; a registry's port is no tag.
pub fn split(name: &str) -> (String, Option<String>) {
    if let Some((name, digest)) = name.split_once('@') {
        return (name.to_string(), Some(digest.to_string()));
    }
    match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name.to_string(), Some(tag.to_string())),
        _ => (name.to_string(), None),
    }
}

/// Both again.
pub fn join(name: &str, tag: &str) -> String {
    format!("{name}{}{tag}", if tag.starts_with("sha256:") { "@" } else { ":" })
}

/// An image by name, tag or id.
pub fn find(docker: &Docker<'_>, name: &str) -> Result<Option<Value>, Fail> {
    docker.find(&format!("/images/{}/json", escape(name)))
}

/// Pulls an image.
pub fn pull(docker: &Docker<'_>, name: &str, tag: &str, platform: Option<&str>) -> Result<(), Fail> {
    let mut path = format!("/images/create?fromImage={}&tag={}", escape(name), escape(tag));
    if let Some(platform) = platform {
        path.push_str(&format!("&platform={}", escape(platform)));
    }
    docker.stream(&path, None).map(|_| ())
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let docker = Docker::new(ctx)?;
    let (name, own_tag) = split(&args.req("name")?);
    let tag = own_tag.unwrap_or_else(|| args.text("tag"));
    let full = if name.starts_with("sha256:") { name.clone() } else { join(&name, &tag) };
    let existing = find(&docker, &full)?;
    let mut actions = Vec::new();
    let mut changed = false;
    if args.text("state") == "absent" {
        if let Some(image) = &existing {
            changed = true;
            actions.push(format!("Removed image {full}"));
            if !ctx.check {
                let force = args.bool("force_absent");
                docker.act("DELETE", &format!("/images/{}?force={force}", escape(&full)), None)?;
            }
            let _ = image;
        }
        return Ok(crate::out! {"changed": changed, "actions": actions, "image": existing.unwrap_or(json!({}))});
    }
    let source = args.str("source");
    let mut image = existing.clone();
    if existing.is_none() || args.bool("force_source") {
        match source.as_deref() {
            Some("pull") => {
                actions.push(format!("Pulled image {full}"));
                if !ctx.check {
                    let platform =
                        args.raw("pull").and_then(|p| p.get("platform").and_then(Value::as_str).map(str::to_string));
                    pull(&docker, &name, &tag, platform.as_deref())?;
                }
            }
            Some("load") => {
                let path = args.req_path("load_path")?;
                if !path.is_file() {
                    crate::fail!("Error loading image {name}. Specified path {} does not exist.", path.display());
                }
                actions.push(format!("Loaded image {full} from {}", path.display()));
                if !ctx.check {
                    docker.stream("/images/load", Some(Body::Tar(std::fs::read(&path).at("can't read", &path)?)))?;
                }
            }
            _ => crate::fail!("Cannot find the image {full} locally."),
        }
        if !ctx.check {
            image = find(&docker, &full)?;
            if image.is_none() {
                crate::fail!("Cannot find the image {full} after it was {}ed", source.unwrap_or_default());
            }
            changed = image.as_ref().map(|i| &i["Id"]) != existing.as_ref().map(|i| &i["Id"]);
        } else {
            changed = true;
        }
    }
    if let Some(path) = args.path("archive_path") {
        actions.push(format!("Archived image {full} to {}", path.display()));
        let marker = image.as_ref().and_then(|i| i["Id"].as_str()).map(|i| i.trim_start_matches("sha256:").to_string());
        // The archive names the image by its id.
        let known = std::fs::read(&path).ok().zip(marker);
        let same = known.is_some_and(|(bytes, id)| bytes.windows(id.len()).any(|w| w == id.as_bytes()));
        if !same {
            changed = true;
            if !ctx.check {
                match docker.send("GET", &format!("/images/{}/get", escape(&full)), None, true)? {
                    Ok(bytes) => std::fs::write(&path, bytes).at("can't write", &path)?,
                    Err(refused) => return Err(refused.fail()),
                }
            }
        }
    }
    if let Some(repository) = args.str("repository").filter(|r| !r.is_empty()) {
        let (to, to_tag) = split(&repository);
        let to_tag = to_tag.unwrap_or_else(|| tag.clone());
        let target = join(&to, &to_tag);
        let there = find(&docker, &target)?;
        let same = there.as_ref().map(|i| &i["Id"]) == image.as_ref().map(|i| &i["Id"]);
        if there.is_none() || args.bool("force_tag") || !same {
            actions.push(format!("Tagged image {full} to {target}"));
            changed |= !same;
            if !ctx.check {
                let path = format!("/images/{}/tag?repo={}&tag={}", escape(&full), escape(&to), escape(&to_tag));
                docker.act("POST", &path, None)?;
            }
        }
    }
    Ok(crate::out! {"changed": changed, "actions": actions, "image": image.unwrap_or(json!({}))})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (text, name, tag) in [
            ("redis", "redis", None),
            ("redis:7", "redis", Some("7")),
            ("localhost:5000/a/b", "localhost:5000/a/b", None),
            ("localhost:5000/a:1", "localhost:5000/a", Some("1")),
            ("a@sha256:00", "a", Some("sha256:00")),
        ] {
            assert_eq!(split(text), (name.to_string(), tag.map(str::to_string)), "{text}");
        }
        assert_eq!(join("a", "sha256:00"), "a@sha256:00");
    }
}
