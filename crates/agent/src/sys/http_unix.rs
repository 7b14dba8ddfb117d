//! One HTTP request over a unix socket (`unix_socket` of `uri`), closed after the answer.

use super::http::{Request, Response};
use crate::outcome::{Fail, OrFail};
use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Sends a request and reads the whole response.
pub fn send(socket: &Path, request: &Request, headers: &[(String, String)]) -> Result<Response, Fail> {
    let mut stream = UnixStream::connect(socket).at("can't connect to", socket)?;
    let timeout = Some(Duration::from_secs_f64(request.timeout.max(0.001)));
    stream.set_read_timeout(timeout).or_fail("can't set a time limit")?;
    stream.set_write_timeout(timeout).or_fail("can't set a time limit")?;
    let (_, rest) = request.url.split_once("://").unwrap_or(("", &request.url));
    let (host, path) = rest.split_once('/').map_or((rest, String::new()), |(h, p)| (h, p.to_string()));
    let mut head = format!("{} /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n", request.method);
    for (name, value) in headers {
        if [name, value].iter().any(|t| t.contains(['\r', '\n'])) {
            crate::fail!("a header holds a line end: {name}");
        }
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let body = request.body.as_deref().unwrap_or_default();
    if request.body.is_some() {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).at("can't write to", socket)?;
    read(BufReader::new(stream), &request.url, request.method == "HEAD").at("no HTTP answer from", socket)
}

fn read(mut stream: impl BufRead, url: &str, no_body: bool) -> std::io::Result<Response> {
    let bad = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_string());
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|s| s.trim().parse().ok()).ok_or_else(|| bad("no status line"))?;
    let mut headers: Vec<(String, String)> = Vec::new();
    loop {
        line.clear();
        stream.read_line(&mut line)?;
        let trimmed = line.trim_end();
        if trimmed.is_empty() {
            break;
        }
        let (name, value) = trimmed.split_once(':').ok_or_else(|| bad("a header without a colon"))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_string()));
    }
    let find = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    let mut body = Vec::new();
    if no_body || matches!(status, 204 | 304) {
    } else if find("transfer-encoding").is_some_and(|t| t.eq_ignore_ascii_case("chunked")) {
        loop {
            line.clear();
            stream.read_line(&mut line)?;
            let size = line
                .trim()
                .split(';')
                .next()
                .and_then(|s| u64::from_str_radix(s, 16).ok())
                .ok_or_else(|| bad("a chunk without size"))?;
            if size == 0 {
                break;
            }
            stream.by_ref().take(size).read_to_end(&mut body)?;
            line.clear();
            stream.read_line(&mut line)?;
        }
    } else if let Some(length) = find("content-length").and_then(|l| l.parse().ok()) {
        stream.take(length).read_to_end(&mut body)?;
    } else {
        stream.read_to_end(&mut body)?;
    }
    Ok(Response { status, headers, url: url.to_string(), body: Box::new(Cursor::new(body)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies() {
        for (text, want) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc", "ab"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x\r\nc\r\n0\r\n\r\n", "abc"),
            ("HTTP/1.0 404 No\r\n\r\nrest", "rest"),
        ] {
            let mut response = read(text.as_bytes(), "http://x/", false).unwrap();
            let mut body = String::new();
            response.body.read_to_string(&mut body).unwrap();
            assert_eq!(body, want);
        }
        assert!(read(&b"garbage"[..], "", false).is_err());
    }
}
