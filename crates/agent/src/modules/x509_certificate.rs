//! `x509_certificate` and `x509_certificate_pipe`: certificates that a key signs for itself (`selfsigned`) or a CA of one's own
//! signs (`ownca`), by `openssl ca`, which takes any dates and copies the request's extensions.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::openssl_file::Product;
use crate::sys::x509::{self, About, Temps};
use crate::sys::{clock, random};
use serde_json::json;
use std::path::Path;

const KEY_ID: &str = "X509v3 Subject Key Identifier";
const AUTHORITY: &str = "X509v3 Authority Key Identifier";

struct Maker<'a> {
    ctx: &'a Ctx,
    temps: Temps<'a>,
    /// `selfsigned` or `ownca`.
    provider: String,
    /// Signs.
    key: String,
    passphrase: String,
    /// The CA's certificate.
    ca: Option<String>,
    /// What is signed.
    request: String,
}

impl<'a> Maker<'a> {
    fn new(ctx: &'a Ctx) -> Result<Self, Fail> {
        let args = &ctx.args;
        let provider = args.text("provider");
        let mut temps = Temps::new(ctx);
        let csr = temps.given("csr_path", "csr_content")?;
        let exists = |what: &str, path: &Option<String>| match path {
            Some(path) if !Path::new(path).is_file() => Err(Fail::new(format!("The {what} {path} does not exist"))),
            _ => Ok(()),
        };
        exists("certificate signing request file", &csr)?;
        let needs = |what: &str| Fail::new(format!("{what} must be specified for {provider} provider"));
        let (key, passphrase, ca, request) = match provider.as_str() {
            "selfsigned" => {
                let key = temps.given("privatekey_path", "privatekey_content")?;
                exists("private key file", &key)?;
                let key = key.ok_or_else(|| needs("One of privatekey_path and privatekey_content"))?;
                let passphrase = args.text("privatekey_passphrase");
                let request = match csr {
                    Some(csr) => csr,
                    None => {
                        // A certificate of nobody's: an empty subject.
                        let config = temps.file("[req]\nprompt = no\ndistinguished_name = dn\n[dn]\n")?;
                        let out = temps.name()?;
                        let words = [
                            "req",
                            "-new",
                            "-config",
                            &config,
                            "-subj",
                            "/",
                            "-key",
                            &key,
                            "-passin",
                            "env:IMGBUILD_PASSPHRASE",
                            "-out",
                            &out,
                        ];
                        x509::must(ctx, &passphrase, &words, "can't make a request")?;
                        out
                    }
                };
                (key, passphrase, None, request)
            }
            "ownca" => {
                let csr = csr.ok_or_else(|| needs("csr_path or csr_content"))?;
                let ca = temps.given("ownca_path", "ownca_content")?;
                exists("CA certificate", &ca)?;
                let ca = ca.ok_or_else(|| needs("One of ownca_path and ownca_content"))?;
                let key = temps.given("ownca_privatekey_path", "ownca_privatekey_content")?;
                exists("CA private key", &key)?;
                let key = key.ok_or_else(|| needs("One of ownca_privatekey_path and ownca_privatekey_content"))?;
                (key, args.text("ownca_privatekey_passphrase"), Some(ca), csr)
            }
            other => crate::fail!("the provider {other} is not supported by imgbuild: selfsigned and ownca are"),
        };
        Ok(Maker { ctx, temps, provider, key, passphrase, ca, request })
    }

    /// An option of the provider's own.
    fn own(&self, name: &str) -> String {
        self.ctx.args.text(&format!("{}_{name}", self.provider))
    }

    /// How the certificate gets the identifier of its key: `create_if_not_provided`, `always_create`, `never_create`.
    fn key_id(&self) -> String {
        self.own("create_subject_key_identifier")
    }

    fn authority(&self) -> bool {
        self.ca.is_some() && self.ctx.args.bool("ownca_create_authority_key_identifier")
    }

    /// Makes the certificate; its file.
    fn make(&mut self, request: &About) -> Result<String, Fail> {
        let now = clock::now() as i64;
        let date = |name: &str| {
            let text = self.own(name);
            x509::moment(&text, now)
                .ok_or_else(|| Fail::new(format!("The time spec \"{text}\" for {}_{name} is invalid", self.provider)))
        };
        let (begin, end) = (date("not_before")?, date("not_after")?);
        let mut extensions = String::new();
        let has = |name: &str| request.extensions.contains_key(name);
        match self.key_id().as_str() {
            "always_create" => extensions.push_str("subjectKeyIdentifier = hash\n"),
            "create_if_not_provided" if !has(KEY_ID) => extensions.push_str("subjectKeyIdentifier = hash\n"),
            // An empty section has openssl 3 add what nobody asked for.
            _ if !has(KEY_ID) => extensions.push_str("subjectKeyIdentifier = none\n"),
            _ => {}
        }
        if self.authority() {
            extensions.push_str("authorityKeyIdentifier = keyid\n");
        }
        let (database, new_certs) = (self.temps.file("")?, self.temps.name()?);
        let attributes = self.temps.file("unique_subject = no\n")?;
        std::fs::rename(&attributes, format!("{database}.attr")).or_fail("the CA's files")?;
        std::fs::create_dir(&new_certs).or_fail("the CA's files")?;
        // Twenty octets, positive, as cryptography's.
        let mut serial: [u8; 20] = random::bytes();
        serial[0] = serial[0] & 0x7f | 0x01;
        let serial: String = serial.iter().map(|b| format!("{b:02X}")).collect();
        let serial = self.temps.file(&format!("{serial}\n"))?;
        let config = self.temps.file(&format!(
            "[ca]\ndefault_ca = own\n[own]\ndatabase = {database}\nnew_certs_dir = {new_certs}\nserial = {serial}\npolicy = any\nemail_in_dn = yes\npreserve = yes\ncopy_extensions = copy\nx509_extensions = ext\nunique_subject = no\nstring_mask = utf8only\n[any]\ncountryName = optional\nstateOrProvinceName = optional\nlocalityName = optional\norganizationName = optional\norganizationalUnitName = optional\ncommonName = optional\nemailAddress = optional\n[ext]\n{extensions}"
        ))?;
        let out = self.temps.name()?;
        let digest = self.own("digest");
        let text = x509::must(
            self.ctx,
            &self.passphrase,
            &["pkey", "-noout", "-text", "-passin", "env:IMGBUILD_PASSPHRASE", "-in", &self.key],
            &format!("can't read the private key {}", self.key),
        )?;
        let edwards = text.starts_with("ED");
        let mut words = vec![
            "ca",
            "-config",
            &config,
            "-batch",
            "-notext",
            "-preserveDN",
            "-utf8",
            "-startdate",
            &begin,
            "-enddate",
            &end,
            "-keyfile",
            &self.key,
            "-passin",
            "env:IMGBUILD_PASSPHRASE",
            "-in",
            &self.request,
            "-out",
            &out,
            "-md",
            if edwards { "default" } else { &digest },
        ];
        match &self.ca {
            Some(ca) => words.extend(["-cert", ca]),
            None => words.push("-selfsign"),
        }
        let made = x509::must(self.ctx, &self.passphrase, &words, "can't make the certificate");
        let _ = std::fs::remove_dir_all(&new_certs);
        for ending in [".attr", ".attr.old", ".old"] {
            let _ = std::fs::remove_file(format!("{database}{ending}"));
            let _ = std::fs::remove_file(format!("{serial}{ending}"));
        }
        made?;
        Ok(out)
    }

    /// Whether a certificate is what is wanted. Its dates count only if they are absolute and `ignore_timestamps` is off.
    fn fits(&self, have: &About, path: &str, request: &About) -> Result<bool, Fail> {
        let ctx = self.ctx;
        let signer = match &self.ca {
            Some(ca) => Some(
                About::certificate(ctx, ca)?
                    .ok_or_else(|| Fail::new(format!("The CA certificate {ca} can't be read")))?,
            ),
            None => None,
        };
        let public = |verb: &str, path: &str| {
            x509::must(ctx, "", &[verb, "-noout", "-pubkey", "-in", path], &format!("can't read {path}"))
        };
        if public("x509", path)? != public("req", &self.request)? || have.subject != request.subject {
            return Ok(false);
        }
        let issued = match &signer {
            Some(signer) => {
                // The keys' signature; what is no CA by its own words still signs here.
                let Some(ca) = &self.ca else { return Ok(false) };
                let ran =
                    x509::openssl(ctx, "", &["verify", "-no_check_time", "-partial_chain", "-trusted", ca, path])?;
                have.issuer == signer.subject
                    && !ran.stderr.contains("signature failure")
                    && !ran.stdout.contains("signature failure")
            }
            None => {
                have.issuer == have.subject
                    && x509::public_key(ctx, &self.key, &self.passphrase)? == public("x509", path)?
            }
        };
        // Extensions of both must be the request's; identifiers have rules of their own.
        let own = [KEY_ID, AUTHORITY];
        let same = have.extensions_but(&own) == request.extensions_but(&own);
        let id = match self.key_id().as_str() {
            "never_create" => have.extension(KEY_ID) == request.extension(KEY_ID),
            "create_if_not_provided" => {
                request.extension(KEY_ID).is_none() || have.extension(KEY_ID) == request.extension(KEY_ID)
            }
            _ => have.extension(KEY_ID).is_some(),
        };
        let authority = match signer.as_ref().filter(|_| self.authority()).and_then(|s| s.extension(KEY_ID)) {
            Some(id) => have.extension(AUTHORITY).is_some_and(|a| a.trim_start_matches("keyid:").trim() == id),
            None => true,
        };
        let mut dates = true;
        if !ctx.args.bool("ignore_timestamps") {
            for (name, now) in [("not_before", &have.begin), ("not_after", &have.end)] {
                let wanted = self.own(name);
                dates &= wanted.starts_with(['+', '-']) || wanted == x509::stamp(now);
            }
        }
        Ok(issued && same && id && authority && dates)
    }
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let mut out = Outcome::new();
    let product = Product::new(ctx, &mut out)?;
    for (key, option) in [("privatekey", "privatekey_path"), ("csr", "csr_path")] {
        out.insert(key.into(), args.str(option).into());
    }
    if args.text("provider") == "ownca" {
        out.insert("ca_cert".into(), args.str("ownca_path").into());
        out.insert("ca_privatekey".into(), args.str("ownca_privatekey_path").into());
    }
    if product.absent(&mut out)? {
        return Ok(out);
    }
    let mut maker = Maker::new(ctx)?;
    let request = About::request(ctx, &maker.request)?
        .ok_or_else(|| Fail::new(format!("The request {} can't be read", maker.request)))?;
    let there = product.there(&mut maker.temps)?;
    let have = match &there {
        Some(there) => About::certificate(ctx, there)?,
        None => None,
    };
    let mut changed = args.bool("force");
    if !changed {
        changed = match (&have, &there) {
            (Some(have), Some(there)) => !maker.fits(have, there, &request)?,
            _ => true,
        };
    }
    let fresh = if changed { Some(maker.make(&request)?) } else { None };
    let now = match &fresh {
        Some(fresh) => About::certificate(ctx, fresh)?,
        None => have.clone(),
    };
    if let Some(now) = &now {
        out.insert("notBefore".into(), x509::stamp(&now.begin).into());
        out.insert("notAfter".into(), x509::stamp(&now.end).into());
        // Up to 160 bits, which no number of JSON holds without loss: its digits.
        out.insert("serial_number".into(), x509::decimal(&now.serial).into());
    }
    if ctx.diff {
        let shown = |about: &Option<About>| about.as_ref().map_or(json!({}), About::shown);
        out.insert("diff".into(), json!({"before": shown(&have), "after": shown(&now)}));
    }
    let content = match &fresh {
        Some(fresh) => Some(std::fs::read_to_string(fresh).or_fail("the certificate")?),
        None => None,
    };
    product.keep(content.as_deref(), "certificate", &mut out)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::Value;

    #[test]
    fn selfsigned_and_of_ones_own_ca() {
        let dir = Scratch::new();
        let probe = Ctx::test("x509_certificate", json!({}));
        if probe.which("openssl").is_none() {
            crate::sys::files::skipped("openssl is not installed");
            return;
        }
        for name in ["k", "cak"] {
            let words = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-out"];
            probe.must(&[&words[..], &[&dir.path(name)]].concat()).unwrap();
        }
        let csr = |path: &str, key: &str, more: Value| {
            let mut args = json!({"path": dir.path(path), "privatekey_path": dir.path(key), "common_name": path,
                "organization_name": "Ö & Co"});
            args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let ctx = Ctx::test("openssl_csr", args);
            super::super::openssl_csr::run(&ctx).unwrap();
            ctx.workdir.remove();
        };
        csr(
            "ca.csr",
            "cak",
            json!({"basic_constraints": ["CA:TRUE"], "basic_constraints_critical": true,
            "key_usage": ["keyCertSign"]}),
        );
        csr("a.csr", "k", json!({"subject_alt_name": ["DNS:b"], "extended_key_usage": ["serverAuth"]}));
        let call = |args: Value| {
            let ctx = Ctx::test("x509_certificate", args);
            let out = run(&ctx);
            ctx.workdir.remove();
            out
        };
        let own = json!({"path": dir.path("ca.crt"), "csr_path": dir.path("ca.csr"), "privatekey_path": dir.path("cak"),
            "provider": "selfsigned", "selfsigned_not_after": "+10d"});
        let bare = json!({"path": dir.path("bare.crt"), "privatekey_path": dir.path("k"), "provider": "selfsigned"});
        let issued = json!({"path": dir.path("a.crt"), "csr_path": dir.path("a.csr"), "ownca_path": dir.path("ca.crt"),
            "ownca_privatekey_path": dir.path("cak"), "provider": "ownca", "ownca_not_after": "20400101000000Z"});
        for args in [&own, &bare, &issued] {
            let first = call(args.clone()).unwrap();
            assert_eq!(first["changed"], true, "{args}");
            let second = call(args.clone()).unwrap();
            assert_eq!(
                (&second["changed"], &second["serial_number"]),
                (&json!(false), &first["serial_number"]),
                "{args}"
            );
        }
        let about = About::certificate(&probe, &dir.path("a.crt")).unwrap().unwrap();
        assert_eq!(x509::stamp(&about.end), "20400101000000Z");
        assert_eq!(about.extension("X509v3 Subject Alternative Name"), Some("DNS:b"));
        assert!(about.extension(KEY_ID).is_some() && about.extension(AUTHORITY).is_some());
        probe.must(&["openssl", "verify", "-CAfile", &dir.path("ca.crt"), &dir.path("a.crt")]).unwrap();
        // Another request is another certificate.
        csr("a.csr", "k", json!({"subject_alt_name": ["DNS:c"], "common_name": "a.csr"}));
        assert_eq!(call(issued.clone()).unwrap()["changed"], true);
        let mut acme = own.clone();
        acme["provider"] = json!("acme");
        assert!(call(acme).unwrap_err().msg.contains("not supported"));
        let left: Vec<_> = std::fs::read_dir(&dir.0).unwrap().flatten().map(|e| e.file_name()).collect();
        assert_eq!(left.len(), 7, "{left:?}");
    }
}
