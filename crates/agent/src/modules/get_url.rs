//! `get_url`: a file from an address stands at a path.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::attrs::Attrs;
use crate::sys::http::{Follow, Request, Response, unquote};
use crate::sys::{clock, files, hash};
use serde_json::json;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let url = args.req("url")?.trim().to_string();
    let mut dest = args.req_path("dest")?;
    let dest_is_dir = dest.is_dir();
    let started = Instant::now();
    let elapsed = || started.elapsed().as_secs();
    let force = args.bool("force");
    let wanted = match args.str("checksum").filter(|c| !c.is_empty()) {
        Some(text) => Some(checksum(ctx, &text, &url)?),
        None => None,
    };
    let mut request = Request::from_args(ctx)?;
    // Without a name and a password in it.
    let url = request.url.clone();
    request.follow = Follow::Urllib;
    if !dest_is_dir && dest.exists() {
        let matches = match &wanted {
            Some((algorithm, sum)) => hash::file(algorithm, &dest).is_ok_and(|have| have.eq_ignore_ascii_case(sum)),
            None => false,
        };
        if matches && !force {
            let changed = files::apply_attrs(ctx, args, &dest)?;
            let mut out = crate::out! {
                "msg": "file already exists", "dest": dest.to_string_lossy(), "url": url, "changed": changed, "elapsed": 0,
            };
            if changed {
                out.insert("msg".into(), "file already exists but file attributes changed".into());
            }
            files::add_info(&mut out, &dest);
            return Ok(out);
        }
        if wanted.is_none() && !force {
            request = since(request, &dest);
        }
    }
    if ctx.check {
        request.method = "HEAD".into();
    }
    let unreached = |fail: Fail, dest: &Path| {
        Fail::new(fail.msg).with("dest", dest.to_string_lossy()).with("url", url.as_str()).with("elapsed", elapsed())
    };
    let mut response = request.send(ctx).map_err(|f| unreached(f, &dest))?;
    if dest_is_dir {
        dest.push(file_name(&response, &url));
        if dest.exists() && !force && wanted.is_none() && !ctx.check {
            // Now that the name is known, the server can say that ours is as new.
            let mut again = Request::from_args(ctx)?;
            again.url = url.clone();
            response = since(again, &dest).send(ctx).map_err(|f| unreached(f, &dest))?;
        }
    }
    let message = response.message();
    let local = response.url.starts_with("file:");
    if response.status == 304 {
        let changed = files::apply_attrs(ctx, args, &dest)?;
        let mut out = crate::out! {
            "url": url, "dest": dest.to_string_lossy(), "changed": changed, "msg": message, "status_code": 304,
            "elapsed": elapsed(),
        };
        files::add_info(&mut out, &dest);
        return Ok(out);
    }
    if response.status != 200 && !local {
        return Err(Fail::new("Request failed")
            .with("dest", dest.to_string_lossy())
            .with("url", response.url)
            .with("status_code", response.status)
            .with("response", message)
            .with("elapsed", elapsed()));
    }
    let mut out = crate::out! {
        "url": url, "dest": dest.to_string_lossy(), "msg": message, "status_code": (!local).then_some(response.status), "elapsed": elapsed(),
        "changed": true, "checksum_dest": null, "checksum_src": null,
    };
    if let Some(parent) = dest.parent().filter(|p| !p.as_os_str().is_empty() && !p.is_dir()) {
        crate::fail!("Destination {} does not exist", parent.display());
    }
    if ctx.check {
        return Ok(out);
    }
    let temp = fetch_to(ctx, &mut response)?;
    let outcome = settle(ctx, &temp, &dest, wanted, &mut out);
    let _ = std::fs::remove_file(&temp);
    outcome?;
    out.insert("elapsed".into(), elapsed().into());
    files::add_info(&mut out, &dest);
    Ok(out)
}

fn since(mut request: Request, dest: &Path) -> Request {
    if let Ok(meta) = dest.metadata() {
        let date = clock::format_utc(meta.mtime(), "%a, %d %b %Y %H:%M:%S GMT");
        request.headers.push(("If-Modified-Since".into(), date));
    }
    request
}

fn fetch_to(ctx: &Ctx, response: &mut Response) -> Result<PathBuf, Fail> {
    let temp = match ctx.args.path("tmp_dest") {
        Some(dir) if !dir.is_dir() => crate::fail!("{} is not a directory", dir.display()),
        Some(dir) => dir.join(format!(".ansible_tmp{}", crate::sys::random::token())),
        None => ctx.temp()?,
    };
    let mut file = std::fs::File::create(&temp).at("can't write", &temp)?;
    let mut buffer = vec![0u8; 64 << 10];
    loop {
        if ctx.control.ended() {
            let _ = std::fs::remove_file(&temp);
            crate::fail!("the call was ended");
        }
        let read = std::io::Read::read(&mut response.body, &mut buffer).and_then(|n| {
            std::io::Write::write_all(&mut file, &buffer[..n])?;
            Ok(n)
        });
        match read {
            Ok(0) => return Ok(temp),
            Ok(_) => {}
            Err(e) => {
                let _ = std::fs::remove_file(&temp);
                if e.kind() == std::io::ErrorKind::UnexpectedEof {
                    crate::fail!("Incomplete read, the answer broke off: {e}");
                }
                crate::fail!("failed to create temporary content file: {e}");
            }
        }
    }
}

/// Compares, checks, replaces and sets properties.
fn settle(
    ctx: &Ctx,
    temp: &Path,
    dest: &Path,
    wanted: Option<(String, String)>,
    out: &mut Outcome,
) -> Result<(), Fail> {
    let new = hash::file("sha1", temp)?;
    let old = if dest.exists() {
        if dest.is_dir() {
            crate::fail!("Destination {} is a directory", dest.display());
        }
        Some(hash::file("sha1", dest)?)
    } else {
        None
    };
    if let Some((algorithm, sum)) = wanted {
        let have = hash::file(&algorithm, temp)?;
        if !have.eq_ignore_ascii_case(&sum) {
            return Err(Fail::new(format!("The checksum for {} did not match {sum}; it was {have}.", temp.display()))
                .with("checksum_src", new)
                .with("checksum_dest", old)
                .with("dest", dest.to_string_lossy()));
        }
    }
    let mut changed = old.as_ref() != Some(&new);
    if changed {
        if ctx.args.bool("backup")
            && let Some(copy) = files::backup(dest)?
        {
            out.insert("backup_file".into(), copy.into());
        }
        let content = std::fs::File::open(temp).at("can't read", temp)?;
        files::write(ctx, &files::real_path(dest), content, ctx.args.bool("unsafe_writes"))?;
    }
    out.insert("md5sum".into(), json!(hash::file("md5", temp).ok()));
    out.insert("checksum_src".into(), new.into());
    out.insert("checksum_dest".into(), json!(old));
    out.insert("src".into(), temp.to_string_lossy().into());
    changed |= Attrs::from_args(&ctx.args)?.apply(ctx, dest, false)?.changed();
    out.insert("changed".into(), changed.into());
    Ok(())
}

/// `sha256:HEX` or `sha256:ADDRESS` of a list of checksums.
fn checksum(ctx: &Ctx, text: &str, url: &str) -> Result<(String, String), Fail> {
    let Some((algorithm, value)) = text.split_once(':') else {
        crate::fail!("The checksum parameter has to be in format <algorithm>:<checksum>");
    };
    let (algorithm, value) = (algorithm.trim().to_ascii_lowercase(), value.trim());
    if hash::of(&algorithm, std::io::empty()).is_none() {
        crate::fail!(
            "Could not hash with algorithm '{algorithm}'. Available algorithms: md5, sha1, sha224, sha256, sha384, sha512, sha3_224, sha3_256, sha3_384, sha3_512"
        );
    }
    let sum = if ["http://", "https://", "ftp://", "file://"].iter().any(|p| value.starts_with(p)) {
        let mut request = Request::from_args(ctx)?;
        request.url = value.to_string();
        let mut response = request.send(ctx)?;
        if response.status != 200 {
            crate::fail!("Unable to fetch the checksum list {value}: {}", response.message());
        }
        let mut list = String::new();
        std::io::Read::read_to_string(&mut response.body, &mut list).or_fail(format!("can't read {value}"))?;
        let name = url.split(['?', '#']).next().and_then(|u| u.rsplit('/').next()).unwrap_or_default();
        find_checksum(&list, &unquote(name))
            .ok_or_else(|| Fail::new(format!("Unable to find a checksum for file '{name}' in '{value}'")))?
    } else {
        value.to_ascii_lowercase()
    };
    let sum: String = sum.chars().filter(char::is_ascii_alphanumeric).collect();
    if !sum.chars().all(|c| c.is_ascii_hexdigit()) {
        crate::fail!("The checksum format is invalid");
    }
    Ok((algorithm, sum))
}

/// A file's checksum in a list: `HEX  name`, `HEX *name`, `NAME (file) = HEX`, or the only HEX.
fn find_checksum(list: &str, name: &str) -> Option<String> {
    let lines: Vec<&str> = list.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    if let [only] = lines[..]
        && !only.contains(char::is_whitespace)
    {
        return Some(only.to_string());
    }
    lines.iter().find_map(|line| {
        if let Some((left, hex)) = line.split_once(") = ") {
            return (left.split_once('(').is_some_and(|(_, f)| f.rsplit('/').next() == Some(name)))
                .then(|| hex.trim().to_string());
        }
        let (hex, file) = line.split_once(char::is_whitespace)?;
        let file = file.trim().trim_start_matches(['*', '.']).trim_start_matches('/');
        (file == name || file.rsplit('/').next() == Some(name)).then(|| hex.to_string())
    })
}

/// The name for a download into a directory.
pub fn file_name(response: &Response, url: &str) -> String {
    let disposed = response.header("content-disposition").and_then(|h| {
        let name = h.split(';').map(str::trim).find_map(|p| p.strip_prefix("filename="))?;
        name.trim_matches(['"', '\'']).rsplit('/').next().map(str::to_string)
    });
    let from_url = || {
        let address = if response.url.is_empty() { url } else { &response.url };
        let path = address.split_once("://").map_or(address, |(_, r)| r).split(['?', '#']).next().unwrap_or_default();
        path.split_once('/').and_then(|(_, p)| p.rsplit('/').next()).map(unquote)
    };
    disposed.or_else(from_url).filter(|n| !n.is_empty() && n != "." && n != "..").unwrap_or_else(|| "index.html".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;

    #[test]
    fn checksum_lists() {
        let (a, b) = ("aa11", "bb22");
        let list = format!("{a}  x.tar.gz\n{b} *./y.tar.gz\n");
        for (list, name, want) in [
            (list.as_str(), "y.tar.gz", Some(b)),
            (list.as_str(), "x.tar.gz", Some(a)),
            (list.as_str(), "z", None),
            ("aa11\n", "any", Some("aa11")),
            ("SHA256 (d/x) = cc33", "x", Some("cc33")),
        ] {
            assert_eq!(find_checksum(list, name).as_deref(), want, "{name}");
        }
    }

    #[test]
    fn files_by_address() {
        let dir = Scratch::new();
        let src = dir.file("src.txt", "content");
        let url = format!("file://{src}");
        let call = |args: serde_json::Value| run(&Ctx::test("get_url", args));
        let args = json!({"url": url, "dest": dir.path("d"), "mode": "0600"});
        let out = call(args.clone()).unwrap();
        assert_eq!(
            (&out["changed"], &out["mode"], &out["checksum_src"]),
            (&json!(true), &json!("0600"), &json!(hash::sha1(b"content")))
        );
        assert_eq!(call(args).unwrap()["changed"], false);
        let sum = hash::file("sha256", Path::new(&src)).unwrap();
        let out = call(json!({"url": url, "dest": dir.0, "checksum": format!("sha256:{sum}")})).unwrap();
        assert_eq!(out["dest"], src);
        dir.file("SUMS", &format!("{sum}  src.txt\n"));
        let list = format!("sha256:file://{}", dir.path("SUMS"));
        let out = call(json!({"url": url, "dest": dir.path("e"), "checksum": list})).unwrap();
        assert_eq!((&out["changed"], dir.read("e").as_str()), (&json!(true), "content"));
        let fail = call(json!({"url": url, "dest": dir.path("f"), "checksum": "md5:00"})).unwrap_err();
        assert!(fail.msg.contains("did not match"), "{}", fail.msg);
        assert!(!dir.0.join("f").exists());
        assert!(call(json!({"url": url, "dest": dir.path("f"), "checksum": "crc32:00"})).is_err());
        let fail = call(json!({"url": "http://127.0.0.1:1/", "dest": dir.path("f"), "timeout": 2})).unwrap_err();
        assert!(fail.msg.contains("Connection refused"), "{}", fail.msg);
    }
}
