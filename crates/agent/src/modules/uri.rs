//! `uri`: one HTTP request and its answer.

use crate::args::text;
use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::http::{Follow, Request, Response, quote};
use crate::sys::{files, fnmatch, hash, random};
use base64::Engine;
use serde_json::{Map, Value};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    for (name, wanted) in [("creates", true), ("removes", false)] {
        if let Some(path) = args.path(name)
            && fnmatch::glob(&path.to_string_lossy()).is_empty() != wanted
        {
            let (path, what) = (path.to_string_lossy().into_owned(), if wanted { "exists" } else { "does not exist" });
            return Ok(
                crate::out! {"changed": false, "stdout": format!("skipped, since '{path}' {what}"), "skipped": true},
            );
        }
    }
    let mut request = Request::from_args(ctx)?;
    request.method = args.text("method").to_uppercase();
    if request.method.is_empty() || !request.method.chars().all(|c| c.is_ascii_uppercase()) {
        crate::fail!("Parameter 'method' needs to be a single word in uppercase, like GET or POST.");
    }
    request.follow = match args.text("follow_redirects").as_str() {
        "all" | "yes" | "true" | "True" => Follow::All,
        "none" | "no" | "false" | "False" => Follow::None,
        _ => Follow::Safe,
    };
    if let Some((body, content_type)) = body(ctx)? {
        if let Some(kind) = content_type
            && !request.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("content-type"))
        {
            request.headers.push(("Content-Type".into(), kind));
        }
        request.body = Some(body.into());
    }
    let dest = args.path("dest");
    if let Some(dest) = dest.as_ref().filter(|d| d.is_file() && !args.bool("force")) {
        // The server may say that ours is as new.
        if let Ok(meta) = dest.metadata() {
            let seconds = std::os::unix::fs::MetadataExt::mtime(&meta);
            let date = crate::sys::clock::format_utc(seconds, "%a, %d %b %Y %H:%M:%S GMT");
            request.headers.push(("If-Modified-Since".into(), date));
        }
    }
    let (url, started) = (request.url.clone(), Instant::now());
    let wanted: Vec<u16> =
        args.list("status_code").unwrap_or_default().iter().filter_map(|s| text(s).parse().ok()).collect();
    let mut response = request.send(ctx).map_err(|f| {
        let msg = format!("Status code was -1 and not [{}]: {}", join(&wanted), f.msg);
        f.with("elapsed", started.elapsed().as_secs()).with("redirected", false).with("msg", msg)
    })?;
    let mut content = Vec::new();
    response.body.read_to_end(&mut content).or_fail(format!("can't read the answer of {url}"))?;
    let mut out = describe(&response, &url);
    out.insert("elapsed".into(), started.elapsed().as_secs().into());
    out.insert("changed".into(), false.into());
    let textual = String::from_utf8_lossy(&content).into_owned();
    let kind = response.header("content-type").unwrap_or_default().to_lowercase();
    if kind.contains("json")
        && let Ok(value) = serde_json::from_str::<Value>(&textual)
    {
        out.insert("json".into(), value);
    }
    if let Some(dest) = dest.filter(|_| response.status != 304) {
        store(ctx, dest, &response, &content, &mut out)?;
    }
    if wanted.contains(&response.status) {
        if args.bool("return_content") {
            out.insert("content".into(), textual.into());
        }
        return Ok(out);
    }
    out.insert("content".into(), textual.into());
    let msg = format!("Status code was {} and not [{}]: {}", response.status, join(&wanted), response.message());
    out.remove("msg");
    Err(Fail { msg, fields: out })
}

fn join(codes: &[u16]) -> String {
    codes.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
}

/// A body and its type.
type Body = (Vec<u8>, Option<String>);

fn body(ctx: &Ctx) -> Result<Option<Body>, Fail> {
    let args = &ctx.args;
    if let Some(blob) = &ctx.blob {
        return Ok(Some((blob.bytes()?, None)));
    }
    if let Some(src) = args.path("src") {
        return Ok(Some((std::fs::read(&src).at("Unable to open source file", &src)?, None)));
    }
    let Some(body) = args.given("body") else { return Ok(None) };
    Ok(Some(match args.text("body_format").as_str() {
        "json" => {
            let encoded = match body {
                Value::String(text) if serde_json::from_str::<Value>(text).is_ok() => text.clone(),
                other => other.to_string(),
            };
            (encoded.into_bytes(), Some("application/json".into()))
        }
        "form-urlencoded" => (form(body).into_bytes(), Some("application/x-www-form-urlencoded".into())),
        "form-multipart" => {
            let boundary = format!("==============={}==", random::token());
            (multipart(ctx, body, &boundary)?, Some(format!("multipart/form-data; boundary=\"{boundary}\"")))
        }
        _ => (text(body).into_bytes(), None),
    }))
}

/// `a=1&b=2` of a mapping or of a list of pairs; lists repeat their key.
fn form(body: &Value) -> String {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut add = |key: String, value: &Value| match value {
        Value::Array(items) => items.iter().for_each(|v| pairs.push((key.clone(), text(v)))),
        value => pairs.push((key, text(value))),
    };
    match body {
        Value::Object(map) => map.iter().for_each(|(k, v)| add(k.clone(), v)),
        Value::Array(list) => {
            list.iter().filter_map(Value::as_array).filter(|p| p.len() == 2).for_each(|p| add(text(&p[0]), &p[1]))
        }
        other => return text(other),
    }
    pairs.iter().map(|(k, v)| format!("{}={}", quote(k), quote(v))).collect::<Vec<_>>().join("&")
}

fn multipart(ctx: &Ctx, body: &Value, boundary: &str) -> Result<Vec<u8>, Fail> {
    let Value::Object(fields) = body else { crate::fail!("body must be a mapping for form-multipart") };
    let mut out = Vec::new();
    for (name, value) in fields {
        let empty = Map::new();
        let part = value.as_object().unwrap_or(&empty);
        let get = |key: &str| part.get(key).and_then(Value::as_str);
        let mut content = match (value, get("content")) {
            (Value::Object(_), Some(content)) => content.as_bytes().to_vec(),
            (Value::Object(_), None) => {
                let Some(file) = get("filename") else {
                    crate::fail!("at least one of filename or content must be provided for {name}")
                };
                let path = ctx.args.expand(file);
                std::fs::read(&path).at("can't read", &path)?
            }
            (plain, _) => text(plain).into_bytes(),
        };
        let mut head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"");
        let file = get("filename").map(|f| Path::new(f).file_name().unwrap_or_default().to_string_lossy().into_owned());
        if let Some(file) = &file {
            head.push_str(&format!("; filename=\"{file}\""));
        }
        head.push_str("\r\n");
        let kind = get("mime_type").unwrap_or(if file.is_some() { "application/octet-stream" } else { "text/plain" });
        head.push_str(&format!("Content-Type: {kind}\r\n"));
        if get("multipart_encoding") == Some("base64") {
            head.push_str("Content-Transfer-Encoding: base64\r\n");
            content = base64::engine::general_purpose::STANDARD.encode(content).into_bytes();
        }
        out.extend(head.as_bytes());
        out.extend(b"\r\n");
        out.extend(content);
        out.extend(b"\r\n");
    }
    out.extend(format!("--{boundary}--\r\n").as_bytes());
    Ok(out)
}

/// Headers as the module returns them, with cookies taken apart.
fn describe(response: &Response, asked: &str) -> Outcome {
    let mut out = Outcome::new();
    for (name, value) in &response.headers {
        let name = name.replace('-', "_");
        match out.get_mut(&name) {
            Some(Value::String(all)) => *all = format!("{all}, {value}"),
            _ => {
                out.insert(name, value.as_str().into());
            }
        }
    }
    let mut cookies = Map::new();
    for (_, value) in response.headers.iter().filter(|(n, _)| n == "set-cookie") {
        if let Some((name, value)) = value.split(';').next().and_then(|c| c.split_once('=')) {
            cookies.insert(name.trim().into(), value.trim().into());
        }
    }
    let line: Vec<String> = cookies.iter().map(|(k, v)| format!("{k}={}", text(v))).collect();
    out.insert("cookies_string".into(), line.join("; ").into());
    out.insert("cookies".into(), cookies.into());
    out.insert("status".into(), response.status.into());
    out.insert("url".into(), response.url.as_str().into());
    out.insert("redirected".into(), (response.url != asked).into());
    out.insert("msg".into(), response.message().into());
    out
}

/// Keeps the answer in a file.
fn store(ctx: &Ctx, mut dest: PathBuf, response: &Response, content: &[u8], out: &mut Outcome) -> Result<(), Fail> {
    if dest.is_dir() {
        let path = response.url.split_once("://").map_or("", |(_, r)| r).split(['?', '#']).next().unwrap_or_default();
        let name = path
            .split_once('/')
            .and_then(|(_, p)| p.rsplit('/').next())
            .filter(|n| !n.is_empty())
            .unwrap_or("index.html");
        dest.push(name);
    }
    let same = dest.is_file() && hash::file("sha1", &dest)? == hash::sha1(content);
    let mut changed = !same;
    if !same && !ctx.check {
        files::write(ctx, &dest, content, ctx.args.bool("unsafe_writes"))?;
    }
    if dest.exists() {
        changed |= files::apply_attrs(ctx, &ctx.args, &dest)?;
    }
    out.insert("changed".into(), changed.into());
    out.insert("path".into(), dest.to_string_lossy().into());
    files::add_info(out, &dest);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::json;
    use std::io::{BufRead, BufReader, Write};

    /// Answers one request after the other; returns what it was sent.
    fn server(answers: Vec<&'static str>) -> (String, std::thread::JoinHandle<Vec<String>>) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            answers
                .into_iter()
                .map(|answer| {
                    let (mut stream, _) = listener.accept().unwrap();
                    let mut reader = BufReader::new(stream.try_clone().unwrap());
                    let (mut seen, mut length) = (String::new(), 0);
                    loop {
                        let mut line = String::new();
                        reader.read_line(&mut line).unwrap();
                        if let Some(l) = line.to_lowercase().strip_prefix("content-length:") {
                            length = l.trim().parse().unwrap();
                        }
                        seen.push_str(&line);
                        if line == "\r\n" {
                            break;
                        }
                    }
                    let mut body = vec![0u8; length];
                    reader.read_exact(&mut body).unwrap();
                    stream.write_all(answer.as_bytes()).unwrap();
                    seen + &String::from_utf8_lossy(&body)
                })
                .collect()
        });
        (address, thread)
    }

    #[test]
    fn requests_and_answers() {
        let (address, thread) = server(vec![
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 7\r\nConnection: close\r\n\r\n{\"x\":1}",
            "HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nConnection: close\r\n\r\ngone",
            "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi",
        ]);
        let call = |args: Value| run(&Ctx::test("uri", args));
        let out = call(
            json!({"url": address, "method": "post", "body": {"k": [1]}, "body_format": "json", "use_netrc": false}),
        )
        .unwrap();
        assert_eq!((&out["status"], &out["json"]["x"], &out["cookies"]["a"]), (&json!(200), &json!(1), &json!("b")));
        assert!(out.get("content").is_none());
        let fail = call(json!({"url": address, "use_netrc": false})).unwrap_err();
        assert_eq!((&fail.fields["content"], &fail.fields["redirected"]), (&json!("gone"), &json!(true)));
        assert_eq!(fail.msg, "Status code was 404 and not [200]: HTTP Error 404: Not Found");
        let dir = Scratch::new();
        let out = call(json!({"url": address, "url_username": "u", "url_password": "p", "dest": dir.path("f"), "return_content": true})).unwrap();
        assert_eq!((dir.read("f").as_str(), &out["changed"], &out["content"]), ("hi", &json!(true), &json!("hi")));
        let seen = thread.join().unwrap();
        assert!(seen[0].starts_with("POST / HTTP/1.1") && seen[0].ends_with("{\"k\":[1]}"), "{}", seen[0]);
        assert!(seen[2].starts_with("GET /next"));
        assert!(
            !seen[3].to_lowercase().contains("authorization")
                && seen[4].to_lowercase().contains("authorization: basic dtpw")
        );
        let fail =
            call(json!({"url": "http://127.0.0.1:1/", "timeout": 2, "use_netrc": false})).unwrap_err().into_outcome();
        assert_eq!(fail["status"], -1);
        assert!(call(json!({"url": "http://x/", "ciphers": ["A"]})).is_err());
    }

    #[test]
    fn forms() {
        assert_eq!(form(&json!({"a": "x y", "b": [1, 2]})), "a=x+y&b=1&b=2");
        assert_eq!(form(&json!([["a", 1], ["a", "&"]])), "a=1&a=%26");
        let ctx = Ctx::test("uri", json!({"url": "x"}));
        let sent = multipart(
            &ctx,
            &json!({"t": "v", "f": {"content": "c", "filename": "d/n.txt", "mime_type": "text/x"}}),
            "B",
        )
        .unwrap();
        let sent = String::from_utf8(sent).unwrap();
        assert!(sent.contains("name=\"t\"\r\nContent-Type: text/plain\r\n\r\nv\r\n"), "{sent}");
        assert!(sent.contains("name=\"f\"; filename=\"n.txt\"\r\nContent-Type: text/x\r\n\r\nc\r\n--B--"), "{sent}");
    }
}
