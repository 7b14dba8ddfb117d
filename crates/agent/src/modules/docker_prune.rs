//! `docker_prune`: what Docker keeps and nobody uses is removed. Source: community.docker's DOCUMENTATION and the Engine API's
//! `/containers/prune`, `/images/prune`, `/networks/prune`, `/volumes/prune` and `/build/prune`.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::docker::{Docker, bytes};
use serde_json::{Map, Value, json};

/// What can be pruned: the option and its filters, Docker's path, the list in its answer, whether space is told of.
const KINDS: &[(&str, &str, &str, &str, bool)] = &[
    ("containers", "containers_filters", "/containers/prune", "ContainersDeleted", true),
    ("images", "images_filters", "/images/prune", "ImagesDeleted", true),
    ("networks", "networks_filters", "/networks/prune", "NetworksDeleted", false),
    ("volumes", "volumes_filters", "/volumes/prune", "VolumesDeleted", true),
    ("builder_cache", "builder_cache_filters", "/build/prune", "CachesDeleted", true),
];

/// Filters as Docker takes them: a list of texts for each name.
fn filters(given: Option<&Value>) -> Value {
    let text = |value: &Value| match value {
        Value::Bool(on) => Value::from(on.to_string()),
        other => crate::args::text(other).into(),
    };
    let mut out = Map::new();
    for (name, value) in given.and_then(Value::as_object).into_iter().flatten() {
        let list = match value {
            Value::Array(items) => items.iter().map(text).collect(),
            one => vec![text(one)],
        };
        out.insert(name.clone(), list.into());
    }
    out.into()
}

fn query(value: &str) -> String {
    value
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let keep = match args.str("builder_cache_keep_storage") {
        None => None,
        Some(text) => Some(bytes(&text).ok_or_else(|| {
            Fail::new(format!("Error while parsing value of builder_cache_keep_storage: {text:?} is no size"))
        })?),
    };
    let docker = Docker::new(ctx)?;
    let mut out = crate::out! {};
    let mut changed = false;
    for (option, chosen, path, list, space) in KINDS {
        if !args.bool(option) {
            continue;
        }
        let mut path = format!("{path}?filters={}", query(&filters(args.given(chosen)).to_string()));
        if *option == "builder_cache" {
            if args.bool("builder_cache_all") {
                path.push_str("&all=true");
            }
            if let Some(keep) = keep {
                path.push_str(&format!("&keep-storage={keep}"));
            }
        }
        let answer = docker.act("POST", &path, None)?;
        let gone = answer.get(*list).filter(|v| v.is_array()).cloned();
        changed |= gone.as_ref().and_then(Value::as_array).is_some_and(|list| !list.is_empty());
        // Docker before API 1.39 lists no caches.
        if let Some(gone) = gone.or_else(|| (*option != "builder_cache").then(|| json!([]))) {
            let name = if *option == "builder_cache" { "builder_cache_caches_deleted" } else { option };
            out.insert(name.to_owned(), gone);
        }
        if *space {
            let reclaimed = answer["SpaceReclaimed"].as_i64().unwrap_or(0);
            changed |= reclaimed > 0;
            out.insert(format!("{option}_space_reclaimed"), reclaimed.into());
        }
    }
    out.insert("changed".into(), changed.into());
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixListener;

    #[test]
    fn filters_are_lists_of_texts() {
        let given = json!({"until": "24h", "label": ["a=b", "c"], "dangling": false, "n": 1});
        assert_eq!(
            filters(Some(&given)),
            json!({"until": ["24h"], "label": ["a=b", "c"], "dangling": ["false"], "n": ["1"]})
        );
        assert_eq!(filters(None), json!({}));
    }

    #[test]
    fn asks_docker_and_tells_what_went() {
        let dir = Scratch::new();
        let socket = dir.path("docker.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let server = std::thread::spawn(move || {
            let mut asked = Vec::new();
            for body in [r#"{"ImagesDeleted":[{"Deleted":"sha256:1"}],"SpaceReclaimed":7}"#, r#"{"SpaceReclaimed":0}"#]
            {
                let (mut peer, _) = listener.accept().unwrap();
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && peer.read(&mut byte).unwrap() == 1 {
                    head.push(byte[0]);
                }
                asked.push(String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned());
                let length = body.len();
                write!(peer, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}").unwrap();
            }
            asked
        });
        let args = json!({
            "docker_host": format!("unix://{socket}"), "images": true, "images_filters": {"dangling": false},
            "builder_cache": true, "builder_cache_all": true, "builder_cache_keep_storage": "1K",
        });
        let out = run(&Ctx::test("docker_prune", args)).unwrap();
        assert_eq!(
            Value::Object(out),
            json!({
                "images": [{"Deleted": "sha256:1"}], "images_space_reclaimed": 7, "builder_cache_space_reclaimed": 0,
                "changed": true,
            })
        );
        let asked = server.join().unwrap();
        assert!(
            asked[0].starts_with("POST /images/prune?filters=%7B%22dangling%22%3A%5B%22false%22%5D%7D "),
            "{asked:?}"
        );
        assert!(asked[1].starts_with("POST /build/prune?filters=%7B%7D&all=true&keep-storage=1024 "), "{asked:?}");
    }
}
