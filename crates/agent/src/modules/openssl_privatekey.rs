//! `openssl_privatekey`: a private key in PEM, by openssl. A passphrase goes through the environment of that one process.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::openssl_file::Product;
use crate::sys::run::Ran;
use crate::sys::{files, hash};
use serde_json::{Map, Value, json};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Ansible's names of curves and OpenSSL's, where they differ.
const CURVES: &[(&str, &str)] = &[("secp256r1", "prime256v1"), ("secp192r1", "prime192v1")];

/// Runs openssl with the passphrase in its environment.
fn openssl(ctx: &Ctx, words: &[String]) -> Result<Ran, Fail> {
    let phrase = ctx.args.text("passphrase");
    ctx.cmd(ctx.need("openssl")?).args(words).env("IMGBUILD_PASSPHRASE", phrase).english().run()
}

fn words(text: &[&str]) -> Vec<String> {
    text.iter().map(|w| w.to_string()).collect()
}

/// `(type, bits, curve)` of `openssl pkey -text`.
fn about(text: &str) -> Option<(&'static str, i64, String)> {
    let curve = text.lines().find_map(|l| l.trim().strip_prefix("ASN1 OID: ")).unwrap_or_default().to_string();
    let bits = text.split_once("Private-Key: (").and_then(|(_, r)| r.split(' ').next()?.parse().ok()).unwrap_or(0);
    let first = text.lines().next()?.to_uppercase();
    let kind = ["ED25519", "ED448", "X25519", "X448"].iter().position(|k| first.starts_with(k));
    let kind = match kind {
        Some(at) => ["Ed25519", "Ed448", "X25519", "X448"][at],
        None if !curve.is_empty() => "ECC",
        None if text.contains("modulus:") || first.starts_with("RSA") => "RSA",
        None if text.contains("\nP:") || text.contains("pub:") => "DSA",
        None => return None,
    };
    Some((kind, bits, curve))
}

/// The key's public part under all digests, as `ab:cd:…`.
fn fingerprints(ctx: &Ctx, path: &Path) -> Result<Value, Fail> {
    let der = ctx.temp()?;
    let mut line = words(&["pkey", "-pubout", "-outform", "DER", "-passin", "env:IMGBUILD_PASSPHRASE"]);
    line.extend(["-in".into(), path.to_string_lossy().into_owned(), "-out".into(), der.to_string_lossy().into_owned()]);
    let ran = openssl(ctx, &line)?;
    let bytes = std::fs::read(&der).unwrap_or_default();
    let _ = std::fs::remove_file(&der);
    if !ran.ok() {
        return Ok(Value::Null);
    }
    let mut out = Map::new();
    for name in ["md5", "sha1", "sha224", "sha256", "sha384", "sha512"] {
        if let Some(Ok(hex)) = hash::of(name, bytes.as_slice()) {
            let pairs: Vec<&str> = (0..hex.len()).step_by(2).filter_map(|i| hex.get(i..i + 2)).collect();
            out.insert(name.into(), pairs.join(":").into());
        }
    }
    Ok(out.into())
}

/// The form of a PEM file.
fn form(pem: &str) -> &'static str {
    if pem.contains("BEGIN PRIVATE KEY") || pem.contains("BEGIN ENCRYPTED PRIVATE KEY") { "pkcs8" } else { "pkcs1" }
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let (kind, size) = (args.text("type"), args.int("size").unwrap_or(4096));
    let curve = args.str("curve");
    let short = curve.as_ref().map(|c| CURVES.iter().find(|(a, _)| a == c).map_or(c.as_str(), |(_, o)| *o).to_string());
    let mut out = crate::out! {"size": size, "type": kind};
    if let Some(curve) = curve.as_ref().filter(|_| kind == "ECC") {
        out.insert("curve".into(), curve.as_str().into());
    }
    let product = Product::new(ctx, &mut out)?;
    if product.absent(&mut out)? {
        return Ok(out);
    }
    let path = args.req_path("path")?;
    let locked = !args.text("passphrase").is_empty();
    let cipher = args.text("cipher");
    if locked && cipher != "auto" {
        crate::fail!("Cipher must be 'auto', which is AES-256");
    }
    let mut look = words(&["pkey", "-noout", "-text", "-passin", "env:IMGBUILD_PASSPHRASE", "-in"]);
    look.push(path.to_string_lossy().into_owned());
    let existing = if path.exists() { openssl(ctx, &look)? } else { Ran { rc: 1, ..Ran::default() } };
    let pem = files::read_text(&path)?.unwrap_or_default();
    // A key without a passphrase is not the key that was asked for, if one was given, and the other way round.
    let readable = existing.ok() && pem.contains("ENCRYPTED") == locked;
    let same = readable
        && about(&existing.stdout).is_some_and(|(have, bits, named)| {
            have == kind
                && match kind.as_str() {
                    "RSA" | "DSA" => bits == size,
                    "ECC" => short.as_ref() == Some(&named),
                    _ => true,
                }
        });
    let traditional = !matches!(kind.as_str(), "Ed25519" | "Ed448" | "X25519" | "X448");
    let wanted_form = match args.text("format").as_str() {
        "auto" | "auto_ignore" => {
            if traditional {
                "pkcs1"
            } else {
                "pkcs8"
            }
        }
        "pkcs1" => "pkcs1",
        "pkcs8" => "pkcs8",
        other => crate::fail!("format {other} is not supported by imgbuild: it writes PEM"),
    };
    let regenerate = args.text("regenerate");
    let force = args.bool("force") || regenerate == "always";
    let make = force
        || !path.exists()
        || match regenerate.as_str() {
            "never" => false,
            "fail" if !readable || !same => crate::fail!(
                "Unable to read the key, or it has another type or size. Will not proceed. To force regeneration, call the module with `generate` set to `partial_idempotence`, `full_idempotence` or `always`, or with `force=true`."
            ),
            "partial_idempotence" if !readable => crate::fail!(
                "Unable to read the key. The key is protected with a another passphrase / no passphrase or broken. Will not proceed."
            ),
            _ => !readable || !same,
        };
    let convert = !make && readable && args.text("format") != "auto_ignore" && form(&pem) != wanted_form && !locked;
    let make = make || convert && args.text("format_mismatch") == "regenerate";
    let mut changed = make || convert;
    if changed && !ctx.check {
        product.backup(&path, &mut out)?;
        let fresh = ctx.temp()?;
        let done = (|| -> Result<(), Fail> {
            // Readable by nobody else from its first byte.
            std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&fresh)
                .at("can't write", &fresh)?;
            let place = fresh.to_string_lossy().into_owned();
            let steps = if make { generate(&kind, size, short.as_deref(), &place)? } else { Vec::new() };
            for step in steps {
                let ran = openssl(ctx, &step)?;
                if !ran.ok() {
                    return Err(ran.fail(format!("openssl can't make the key: {}", ran.complaint())));
                }
            }
            let source = if make { place.clone() } else { path.to_string_lossy().into_owned() };
            let mut line = words(&["pkey", "-passin", "env:IMGBUILD_PASSPHRASE", "-in"]);
            line.push(source);
            if locked {
                line.extend(words(&["-aes-256-cbc", "-passout", "env:IMGBUILD_PASSPHRASE"]));
            }
            if wanted_form == "pkcs1" {
                line.push("-traditional".into());
            }
            let ran = openssl(ctx, &line)?;
            if !ran.ok() {
                return Err(ran.fail(format!("openssl can't write the key: {}", ran.complaint())));
            }
            let new = !path.exists();
            files::write(ctx, &path, ran.stdout.as_bytes(), false)?;
            if new {
                std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).at("can't set the mode of", &path)?;
            }
            Ok(())
        })();
        let _ = std::fs::remove_file(&fresh);
        done?;
    }
    if path.exists() {
        changed |= files::apply_attrs(ctx, args, &path)?;
        out.insert("fingerprint".into(), fingerprints(ctx, &path)?);
        if args.bool("return_content") {
            out.insert("privatekey".into(), json!(files::read_text(&path)?));
        }
    }
    out.insert("changed".into(), changed.into());
    Ok(out)
}

/// The commands that make a key.
fn generate(kind: &str, size: i64, curve: Option<&str>, to: &str) -> Result<Vec<Vec<String>>, Fail> {
    let mut line = words(&["genpkey", "-out", to, "-algorithm"]);
    match (kind, curve) {
        ("RSA", _) => line.extend(["RSA".into(), "-pkeyopt".into(), format!("rsa_keygen_bits:{size}")]),
        ("ECC", Some(curve)) => {
            line.extend(words(&[
                "EC",
                "-pkeyopt",
                &format!("ec_paramgen_curve:{curve}"),
                "-pkeyopt",
                "ec_param_enc:named_curve",
            ]));
        }
        ("ECC", None) => crate::fail!("type is ECC but all of the following are missing: curve"),
        ("DSA", _) => {
            let file = format!("{to}.params");
            let params = words(&[
                "genpkey",
                "-genparam",
                "-algorithm",
                "DSA",
                "-pkeyopt",
                &format!("dsa_paramgen_bits:{size}"),
                "-out",
                &file,
            ]);
            return Ok(vec![params, words(&["genpkey", "-out", to, "-paramfile", &file])]);
        }
        (other, _) => line.push(other.to_uppercase()),
    }
    Ok(vec![line])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn keys_are_made_once() {
        if Ctx::test("openssl_privatekey", json!({})).which("openssl").is_none() {
            crate::sys::files::skipped("no openssl");
            return;
        }
        let dir = Scratch::new();
        let call = |name: &str, more: &Value| {
            let mut args = json!({"path": dir.path(name)});
            args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let ctx = Ctx::test("openssl_privatekey", args);
            let out = run(&ctx).unwrap();
            ctx.workdir.remove();
            out
        };
        for (name, args, start) in [
            ("rsa", json!({"size": 1024}), "-----BEGIN RSA PRIVATE KEY"),
            ("ec", json!({"type": "ECC", "curve": "secp256r1"}), "-----BEGIN EC PRIVATE KEY"),
            ("ed", json!({"type": "Ed25519"}), "-----BEGIN PRIVATE KEY"),
            ("p8", json!({"size": 1024, "format": "pkcs8"}), "-----BEGIN PRIVATE KEY"),
            ("locked", json!({"size": 1024, "format": "pkcs8", "passphrase": "x y z"}), "-----BEGIN ENCRYPTED"),
        ] {
            let first = call(name, &args);
            assert_eq!(first["changed"], true, "{name}");
            assert!(dir.read(name).starts_with(start), "{name}: {}", dir.read(name));
            assert_eq!(dir.0.join(name).metadata().unwrap().mode() & 0o777, 0o600);
            let second = call(name, &args);
            assert_eq!((&second["changed"], &second["fingerprint"]), (&json!(false), &first["fingerprint"]), "{name}");
            assert!(first["fingerprint"]["sha256"].as_str().is_some_and(|f| f.len() == 95));
        }
        assert_eq!(call("rsa", &json!({"size": 1032}))["changed"], true);
        assert_eq!(call("rsa", &json!({"state": "absent"}))["changed"], true);
    }
}
