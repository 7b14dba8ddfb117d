//! `uri`: one HTTP request and its answer.

use crate::args::text;
use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::http::{Follow, Request, Response, join as join_address, quote};
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
        "urllib2" => Follow::Urllib,
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
        let f = if args.bool("return_content") { f.with("content", "") } else { f };
        f.with("elapsed", started.elapsed().as_secs()).with("redirected", false).with("msg", msg)
    })?;
    let mut content = Vec::new();
    let read = response.body.read_to_end(&mut content);
    read.map_err(|e| Fail::new(format!("HTTP Error while fetching {url}: {e}")))?;
    let mut out = describe(&response, &url);
    out.insert("elapsed".into(), started.elapsed().as_secs().into());
    out.insert("changed".into(), false.into());
    let textual = String::from_utf8_lossy(&content).into_owned();
    let kind = response.header("content-type").unwrap_or_default().to_lowercase();
    if (kind.contains("json") || kind.contains("javascript"))
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
    if args.bool("return_content") {
        out.insert("content".into(), textual.into());
    }
    let msg = format!("Status code was {} and not [{}]: {}", response.status, join(&wanted), response.message());
    out.remove("msg");
    Err(Fail { msg, fields: out })
}

/// An address seen from another; as it is where it can't be read.
fn join_url(base: &str, address: &str) -> String {
    join_address(base, address).unwrap_or_else(|_| address.to_owned())
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
        "form-urlencoded" => {
            let failed = |why| Fail::new(format!("failed to parse body as form_urlencoded: {why}")).with("elapsed", 0);
            (form(body).map_err(failed)?.into_bytes(), Some("application/x-www-form-urlencoded".into()))
        }
        "form-multipart" => {
            let boundary = format!("==============={}==", random::token());
            let failed = |why| Fail::new(format!("failed to parse body as form-multipart: {why}"));
            (
                multipart(ctx, body, &boundary).map_err(failed)?,
                Some(format!("multipart/form-data; boundary=\"{boundary}\"")),
            )
        }
        _ => (text(body).into_bytes(), None),
    }))
}

/// `a=1&b=2` of a mapping or of a list of pairs; lists repeat their key. Errors are those of Python's unpacking.
fn form(body: &Value) -> Result<String, String> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut add = |key: String, value: &Value| match value {
        Value::Array(items) => items.iter().filter(|v| !v.is_null()).for_each(|v| pairs.push((key.clone(), text(v)))),
        Value::Null => {}
        value => pairs.push((key, text(value))),
    };
    match body {
        Value::Object(map) => map.iter().for_each(|(k, v)| add(k.clone(), v)),
        Value::Array(list) => {
            for item in list {
                let length = match item {
                    Value::Array(pair) => pair.len(),
                    Value::String(text) => text.chars().count(),
                    Value::Object(map) => map.len(),
                    other => return Err(format!("cannot unpack non-iterable {} object", python_type(other))),
                };
                match item {
                    Value::Array(pair) if length == 2 => add(text(&pair[0]), &pair[1]),
                    _ if length > 2 => return Err("too many values to unpack (expected 2)".into()),
                    _ => return Err(format!("not enough values to unpack (expected 2, got {length})")),
                }
            }
        }
        other => return Ok(text(other)),
    }
    Ok(pairs.iter().map(|(k, v)| format!("{}={}", quote(k), quote(v))).collect::<Vec<_>>().join("&"))
}

fn python_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(n) if n.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}

/// Fields by name. A file goes as base64 unless `multipart_encoding` says otherwise; lines end as mail's do.
fn multipart(ctx: &Ctx, body: &Value, boundary: &str) -> Result<Vec<u8>, String> {
    let Value::Object(fields) = body else {
        return Err(format!("Mapping is required, cannot be type {}", python_type(body)));
    };
    let mut names: Vec<&String> = fields.keys().collect();
    names.sort();
    let mut out = Vec::new();
    for name in names {
        let value = &fields[name];
        let empty = Map::new();
        let part = match value {
            Value::Object(part) => part,
            Value::String(_) => &empty,
            other => {
                return Err(format!("value must be a string, or mapping, cannot be type {}", python_type(other)));
            }
        };
        let get = |key: &str| part.get(key).and_then(Value::as_str).filter(|t| !t.is_empty());
        let mut encoding = None;
        let content = match (value, get("content"), get("filename")) {
            (Value::String(plain), ..) => lines(plain.as_bytes()),
            (_, Some(content), _) => lines(content.as_bytes()),
            (_, None, Some(file)) => {
                let bytes = match get(FROM_CONTROLLER) {
                    Some(text) => base64::engine::general_purpose::STANDARD.decode(text).map_err(|e| e.to_string())?,
                    None => {
                        let path = ctx.args.expand(file);
                        std::fs::read(&path).map_err(|e| format!("can't read {}: {e}", path.display()))?
                    }
                };
                match get("multipart_encoding").unwrap_or("base64") {
                    "base64" => {
                        encoding = Some("base64");
                        let text = base64::engine::general_purpose::STANDARD.encode(bytes);
                        let rows: Vec<&[u8]> = text.as_bytes().chunks(76).collect();
                        [rows.join(&b"\r\n"[..]), b"\r\n".to_vec()].concat()
                    }
                    "7or8bit" => {
                        encoding = Some(if bytes.is_ascii() { "7bit" } else { "8bit" });
                        lines(&bytes)
                    }
                    other => return Err(format!("multipart_encoding must be one of base64, 7or8bit, not {other}")),
                }
            }
            (_, None, None) => return Err("at least one of filename or content must be provided".into()),
        };
        let file = get("filename").map(|f| Path::new(f).file_name().unwrap_or_default().to_string_lossy().into_owned());
        let kind = match (value, get("mime_type")) {
            (Value::String(_), _) => "text/plain",
            (_, Some(kind)) => kind,
            (_, None) => media_type(file.as_deref().unwrap_or_default()),
        };
        let mut head = format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"");
        if let Some(file) = &file {
            head.push_str(&format!("; filename=\"{file}\""));
        }
        head.push_str(&format!("\r\nContent-Type: {kind}\r\n"));
        if let Some(encoding) = encoding {
            head.push_str(&format!("Content-Transfer-Encoding: {encoding}\r\n"));
        }
        out.extend(head.as_bytes());
        out.extend(b"\r\n");
        out.extend(content);
        out.extend(b"\r\n");
    }
    out.extend(format!("--{boundary}--\r\n").as_bytes());
    Ok(out)
}

/// The key of a field under which the controller hands on a file's content, in base64.
const FROM_CONTROLLER: &str = "_content_base64";

/// Text with the line ends of mail.
fn lines(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for (index, byte) in bytes.iter().enumerate() {
        if *byte == b'\n' && (index == 0 || bytes[index - 1] != b'\r') {
            out.push(b'\r');
        }
        out.push(*byte);
    }
    out
}

/// A file's type by its name, for the endings that are usual in uploads (of Python's mimetypes).
fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase()).as_deref() {
        Some("txt" | "log" | "text" | "conf" | "c" | "h") => "text/plain",
        Some("html" | "htm") => "text/html",
        Some("csv") => "text/csv",
        Some("css") => "text/css",
        Some("xml") => "text/xml",
        Some("js") => "text/javascript",
        Some("json") => "application/json",
        Some("pdf") => "application/pdf",
        Some("zip") => "application/zip",
        Some("tar" | "tgz") => "application/x-tar",
        Some("sh") => "application/x-sh",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

/// Headers as the module returns them, with cookies taken apart.
fn describe(response: &Response, asked: &str) -> Outcome {
    let mut out = Outcome::new();
    for (name, value) in &response.headers {
        let name = name.replace('-', "_");
        let value = if name == "location" { &join_url(asked, value) } else { value };
        match out.get_mut(&name) {
            Some(Value::String(all)) => *all = format!("{all}, {value}"),
            _ => {
                out.insert(name, value.as_str().into());
            }
        }
    }
    let line: Vec<String> = response.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let cookies: Map<String, Value> = response.cookies.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect();
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
        dest.push(super::get_url::file_name(response, &response.url));
    }
    if let Some(parent) = dest.parent().filter(|p| !p.as_os_str().is_empty() && !p.is_dir()) {
        crate::fail!("Could not replace file: {}: there is no folder {}", dest.display(), parent.display());
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
        let fail = call(json!({"url": address, "use_netrc": false, "return_content": true})).unwrap_err();
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
        assert_eq!(form(&json!({"a": "x y", "b": [1, 2], "c": null})).unwrap(), "a=x+y&b=1&b=2");
        assert_eq!(form(&json!([["a", 1], ["a", "&"]])).unwrap(), "a=1&a=%26");
        assert!(form(&json!(["foo", {"bar": "baz"}])).unwrap_err().starts_with("too many values to unpack"));
        let ctx = Ctx::test("uri", json!({"url": "x"}));
        let sent = multipart(
            &ctx,
            &json!({"t": "v", "f": {"content": "c", "filename": "d/n.txt", "mime_type": "text/x"}}),
            "B",
        )
        .unwrap();
        let sent = String::from_utf8(sent).unwrap();
        assert!(sent.contains("name=\"t\"\r\nContent-Type: text/plain\r\n\r\nv\r\n"), "{sent}");
        let sent = |encoding: &str| {
            let file = json!({"filename": "a/f.txt", "_content_base64": "eAo=", "multipart_encoding": encoding});
            String::from_utf8(multipart(&ctx, &json!({ "f": file }), "B").unwrap()).unwrap()
        };
        assert!(sent("").contains("text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\neAo=\r\n"), "{}", sent(""));
        assert!(sent("7or8bit").contains("Encoding: 7bit\r\n\r\nx\r\n"), "{}", sent("7or8bit"));
        let sent = multipart(&ctx, &json!({"n": 1}), "B").unwrap_err();
        assert_eq!(sent, "value must be a string, or mapping, cannot be type int");
        let sent = multipart(
            &ctx,
            &json!({"t": "v", "f": {"content": "c", "filename": "d/n.txt", "mime_type": "text/x"}}),
            "B",
        );
        let sent = String::from_utf8(sent.unwrap()).unwrap();
        assert!(sent.contains("name=\"f\"; filename=\"n.txt\"\r\nContent-Type: text/x\r\n\r\nc\r\n--B\r\n"), "{sent}");
    }
}
