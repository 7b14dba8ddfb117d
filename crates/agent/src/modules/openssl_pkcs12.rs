//! `openssl_pkcs12`: a key, its certificate and their chain in one PKCS#12 file, by openssl, or taken out of one as PEM.
//! Passphrases go through the environment of the processes that need them. What is in a file decides whether it is made anew; how it
//! is encrypted does not.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::files;
use crate::sys::openssl_file::Product;
use crate::sys::run::Ran;
use crate::sys::x509::Temps;
use base64::Engine as _;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What a file holds: PEM blocks as openssl writes them.
#[derive(Debug, Default, PartialEq)]
struct Content {
    key: Option<String>,
    certificate: Option<String>,
    others: BTreeSet<String>,
    name: Option<String>,
}

/// The blocks of a PEM text of one kind.
fn blocks(text: &str, kind: &str) -> Vec<String> {
    let (begin, end) = (format!("-----BEGIN {kind}-----"), format!("-----END {kind}-----"));
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(&begin) {
        let Some(length) = rest[start..].find(&end) else { break };
        let stop = start + length + end.len();
        // Line ends and their places say nothing.
        let body: String = rest[start + begin.len()..stop - end.len()].split_whitespace().collect();
        let lines: Vec<&str> = body.as_bytes().chunks(64).filter_map(|c| std::str::from_utf8(c).ok()).collect();
        out.push(format!("{begin}\n{}\n{end}\n", lines.join("\n")));
        rest = &rest[stop..];
    }
    out
}

/// Runs openssl with the file's passphrase and the key's in its environment.
fn openssl(ctx: &Ctx, words: &[&str]) -> Result<Ran, Fail> {
    ctx.cmd(ctx.need("openssl")?)
        .args(words)
        .env("IMGBUILD_PASSPHRASE", ctx.args.text("passphrase"))
        .env("IMGBUILD_KEY_PASSPHRASE", ctx.args.text("privatekey_passphrase"))
        .english()
        .run()
}

/// A private key without passphrase in the form in which keys are compared.
fn plain_key(ctx: &Ctx, path: &str, traditional: bool) -> Result<String, Fail> {
    let mut words = vec!["pkey", "-in", path, "-passin", "env:IMGBUILD_KEY_PASSPHRASE"];
    if traditional {
        words.push("-traditional");
    }
    let ran = openssl(ctx, &words)?;
    if ran.ok() { Ok(ran.stdout) } else { Err(ran.fail(format!("can't read the private key: {}", ran.complaint()))) }
}

/// What a PKCS#12 file holds; `None` where the passphrase does not open it, with openssl's words.
fn read(ctx: &Ctx, path: &str) -> Result<Result<Content, String>, Fail> {
    let ran = openssl(ctx, &["pkcs12", "-in", path, "-passin", "env:IMGBUILD_PASSPHRASE", "-nodes"])?;
    if !ran.ok() {
        return Ok(Err(ran.complaint().to_owned()));
    }
    let mut content = Content { key: blocks(&ran.stdout, "PRIVATE KEY").into_iter().next(), ..Content::default() };
    // Attributes stand before their block; the certificate of the key has the key's identifier.
    let bags: Vec<&str> = ran.stdout.split("-----END CERTIFICATE-----").collect();
    for bag in &bags[..bags.len().saturating_sub(1)] {
        let whole = format!("{bag}-----END CERTIFICATE-----");
        let Some(certificate) = blocks(&whole, "CERTIFICATE").pop() else { continue };
        let about = whole.rfind("-----BEGIN CERTIFICATE-----").map_or("", |at| &whole[..at]);
        let about = about.rfind("-----END").map_or(about, |at| &about[at..]);
        let own = about.contains("localKeyID:");
        if content.certificate.is_none() && (own || content.key.is_none()) {
            content.certificate = Some(certificate);
            content.name = attribute(about, "friendlyName");
        } else {
            content.others.insert(certificate);
        }
    }
    content.name = content.name.or_else(|| attribute(&ran.stdout, "friendlyName"));
    Ok(Ok(content))
}

fn attribute(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| Some(line.trim().strip_prefix(name)?.strip_prefix(':')?.trim().to_owned()))
}

/// The certificates that go with it: the first of each text, or all.
fn others(ctx: &Ctx) -> Result<BTreeSet<String>, Fail> {
    let mut texts = ctx.args.strs("other_certificates_content");
    for path in ctx.args.strs("other_certificates") {
        let path = ctx.args.expand(&path);
        texts.push(std::fs::read_to_string(&path).at("can't read the certificate", &path)?);
    }
    let all = ctx.args.bool("other_certificates_parse_all");
    let mut out = BTreeSet::new();
    for text in texts {
        let found = blocks(&text, "CERTIFICATE");
        if found.is_empty() && !all {
            crate::fail!("one of other_certificates holds no certificate in PEM");
        }
        out.extend(found.into_iter().take(if all { usize::MAX } else { 1 }));
    }
    Ok(out)
}

/// A PKCS#12 file with what is wanted, and what that is.
fn export(ctx: &Ctx, temps: &mut Temps<'_>) -> Result<(String, Content), Fail> {
    let args = &ctx.args;
    let Some(name) = args.str("friendly_name") else { crate::fail!("Friendly_name is required") };
    let key = temps.given("privatekey_path", "privatekey_content")?;
    let certificate = temps.given("certificate_path", "certificate_content")?;
    let mut content = Content { others: others(ctx)?, name: Some(name.clone()), ..Content::default() };
    let fresh = temps.name()?;
    // Without a key the name is the first certificate's.
    let named = if key.is_some() { "-name" } else { "-caname" };
    let mut words = vec!["pkcs12", "-export", "-passout", "env:IMGBUILD_PASSPHRASE", named, &name, "-out", &fresh];
    match &key {
        Some(key) => {
            content.key = blocks(&plain_key(ctx, key, false)?, "PRIVATE KEY").into_iter().next();
            words.extend(["-inkey", key, "-passin", "env:IMGBUILD_KEY_PASSPHRASE"]);
        }
        None => words.push("-nokeys"),
    }
    match &certificate {
        Some(certificate) => {
            let text = std::fs::read_to_string(certificate).at("can't read the certificate", Path::new(certificate))?;
            content.certificate = blocks(&text, "CERTIFICATE").into_iter().next();
            if content.certificate.is_none() {
                crate::fail!("{certificate} holds no certificate in PEM");
            }
        }
        None if key.is_none() => crate::fail!("a PKCS#12 file needs a private key or a certificate"),
        None => {}
    }
    // Only the first certificate of its file is the key's.
    let own = content.certificate.clone().map(|text| temps.file(&text)).transpose()?;
    match &own {
        Some(own) => words.extend(["-in", own]),
        None => words.extend(["-nocerts", "-in", key.as_deref().unwrap_or_default()]),
    }
    let chain: String = content.others.iter().map(String::as_str).collect();
    let chain = if chain.is_empty() { None } else { Some(temps.file(&chain)?) };
    if let Some(chain) = &chain {
        words.extend(["-certfile", chain]);
    }
    let rounds = args.int("iter_size").unwrap_or(50_000).to_string();
    if args.text("encryption_level") == "compatibility2022" {
        words.extend(["-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES", "-macalg", "sha1", "-iter", &rounds]);
    }
    if args.given("maciter_size").is_some() {
        ctx.warn("maciter_size is not used");
    }
    let ran = openssl(ctx, &words)?;
    if !ran.ok() {
        return Err(ran.fail(format!("openssl can't make the PKCS#12 file: {}", ran.complaint())));
    }
    Ok((fresh, content))
}

/// The PEM text of a PKCS#12 file: key, certificate, the others.
fn parsed(ctx: &Ctx, temps: &mut Temps<'_>) -> Result<String, Fail> {
    let Some(src) = ctx.args.path("src") else {
        crate::fail!("action is parse but all of the following are missing: src")
    };
    let content = match read(ctx, &src.to_string_lossy())? {
        Ok(content) => content,
        Err(why) => crate::fail!("can't read {}: {why}", src.display()),
    };
    let key = match &content.key {
        Some(key) => plain_key(ctx, &temps.file(key)?, true)?,
        None => String::new(),
    };
    Ok([key].into_iter().chain(content.certificate).chain(content.others).collect())
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let mut out = crate::out! {"privatekey": args.str("privatekey_path")};
    let product = Product::new(ctx, &mut out)?;
    if product.absent(&mut out)? {
        return Ok(out);
    }
    let path = args.req_path("path")?;
    let there = path.to_string_lossy().into_owned();
    let mut temps = Temps::new(ctx);
    let (same, made) = if args.text("action") == "parse" {
        let text = parsed(ctx, &mut temps)?;
        (files::read_text(&path)?.as_deref() == Some(text.as_str()), text.into_bytes())
    } else {
        let (fresh, wanted) = export(ctx, &mut temps)?;
        // What the passphrase does not open is another file.
        let same = path.exists() && read(ctx, &there)?.is_ok_and(|have| have == wanted);
        (same, std::fs::read(&fresh).or_fail("the PKCS#12 file")?)
    };
    let mut changed = !same || args.bool("force");
    if changed && !ctx.check {
        let fresh = !path.exists();
        product.backup(&path, &mut out)?;
        files::write(ctx, &path, made.as_slice(), args.bool("unsafe_writes"))?;
        if fresh {
            // It holds a private key.
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).at("can't set the mode of", &path)?;
        }
    }
    if path.exists() {
        changed |= files::apply_attrs(ctx, args, &path)?;
        let mode = std::fs::metadata(&path).at("can't look at", &path)?.permissions().mode() & 0o7777;
        out.insert("mode".into(), format!("{mode:04o}").into());
        if args.bool("return_content") {
            let bytes = std::fs::read(&path).at("can't read", &path)?;
            out.insert("pkcs12".into(), base64::engine::general_purpose::STANDARD.encode(bytes).into());
        }
    }
    out.insert("changed".into(), changed.into());
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::{Value, json};

    #[test]
    fn made_once_and_taken_apart() {
        let dir = Scratch::new();
        let probe = Ctx::test("openssl_pkcs12", json!({}));
        if probe.which("openssl").is_none() {
            crate::sys::files::skipped("openssl is not installed");
            return;
        }
        for name in ["a", "b"] {
            let (key, certificate) = (dir.path(&format!("{name}.key")), dir.path(&format!("{name}.crt")));
            let subject = format!("/CN={name}");
            let words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "10", "-subj", &subject];
            probe.must(&[&["openssl"], &words[..], &["-keyout", &key, "-out", &certificate]].concat()).unwrap();
        }
        let call = |more: Value| {
            let mut args = json!({"path": dir.path("p12"), "friendly_name": "own", "passphrase": "one two",
                "privatekey_path": dir.path("a.key"), "certificate_path": dir.path("a.crt"),
                "other_certificates": [dir.path("b.crt")], "encryption_level": "auto"});
            args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let ctx = Ctx::test("openssl_pkcs12", args);
            let out = run(&ctx);
            ctx.workdir.remove();
            out
        };
        let first = call(json!({})).unwrap();
        assert_eq!((&first["changed"], &first["mode"]), (&json!(true), &json!("0600")));
        for (more, changed) in [
            (json!({}), false),
            (json!({"force": true}), true),
            (json!({"friendly_name": "other"}), true),
            (json!({"friendly_name": "other", "other_certificates": []}), true),
            (json!({"passphrase": "three"}), true),
            (json!({"passphrase": "three", "encryption_level": "compatibility2022", "iter_size": 2048}), false),
            (json!({"passphrase": "three", "privatekey_path": null, "certificate_path": dir.path("b.crt")}), true),
            (json!({"passphrase": "three", "privatekey_path": null, "certificate_path": dir.path("b.crt")}), false),
            (json!({"encryption_level": "compatibility2022", "iter_size": 2048, "return_content": true}), true),
            (json!({}), false),
        ] {
            let out = call(more.clone()).unwrap_or_else(|f| panic!("{more}: {}", f.msg));
            assert_eq!(out["changed"], changed, "{more}");
        }
        let parse = json!({"action": "parse", "src": dir.path("p12"), "path": dir.path("pem")});
        assert_eq!(call(parse.clone()).unwrap()["changed"], true);
        assert_eq!(call(parse).unwrap()["changed"], false);
        let pem = dir.read("pem");
        assert_eq!(blocks(&pem, "CERTIFICATE")[0], blocks(&dir.read("a.crt"), "CERTIFICATE")[0]);
        assert!(pem.starts_with("-----BEGIN RSA PRIVATE KEY-----") && blocks(&pem, "CERTIFICATE").len() == 2, "{pem}");
        assert!(call(json!({"friendly_name": null})).unwrap_err().msg.contains("Friendly_name"));
        assert!(call(json!({"privatekey_path": "/no/such"})).is_err());
        assert!(call(json!({"action": "parse", "src": dir.path("p12"), "passphrase": "x"})).is_err());
        assert_eq!(call(json!({"state": "absent"})).unwrap()["changed"], true);
        assert_eq!(call(json!({"state": "absent"})).unwrap()["changed"], false);
    }
}
