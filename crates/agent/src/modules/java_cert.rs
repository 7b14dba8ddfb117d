//! `java_cert`: a certificate, or a key with its certificate, in a Java keystore, by keytool. Passwords go through the environment of
//! that one process (`-storepass:env`), never on its command line.

use crate::ctx::Ctx;
use crate::outcome::{Fail, Outcome};
use crate::sys::files;
use crate::sys::run::Ran;
use crate::sys::x509::Temps;
use serde_json::json;
use std::path::PathBuf;

struct Store<'a> {
    ctx: &'a Ctx,
    keytool: PathBuf,
    path: PathBuf,
}

impl Store<'_> {
    fn keytool(&self, words: &[&str]) -> Result<Ran, Fail> {
        let args = &self.ctx.args;
        self.ctx
            .cmd(&self.keytool)
            .args(words)
            .env("IMGBUILD_STOREPASS", args.text("keystore_pass"))
            .env("IMGBUILD_SOURCEPASS", args.text("pkcs12_password"))
            .english()
            .run()
    }

    /// A command on the keystore; with it comes the command line, for the result.
    fn on_store(&self, words: &[&str]) -> Result<(Vec<String>, Ran), Fail> {
        let path = self.path.to_string_lossy().into_owned();
        let kind = self.ctx.args.str("keystore_type");
        let mut all = words.to_vec();
        all.extend(["-keystore", &path, "-storepass:env", "IMGBUILD_STOREPASS"]);
        if let Some(kind) = &kind {
            all.extend(["-storetype", kind]);
        }
        let ran = self.keytool(&all)?;
        let shown = [self.keytool.to_string_lossy().into_owned()];
        Ok((shown.into_iter().chain(all.iter().map(|w| w.to_string())).collect(), ran))
    }

    /// The certificate under an alias, in PEM.
    fn certificate(&self, alias: &str) -> Result<Option<String>, Fail> {
        if !self.path.exists() {
            return Ok(None);
        }
        let (_, ran) = self.on_store(&["-list", "-rfc", "-alias", alias])?;
        if ran.ok() {
            return Ok(Some(ran.stdout));
        }
        // Another reason than that it is not there must not make a second one.
        if ran.stdout.contains("does not exist") || ran.stderr.contains("does not exist") {
            return Ok(None);
        }
        Err(ran.fail(format!("keytool can't read {}: {}", self.path.display(), said(&ran))))
    }

    /// What is to be there, in a file.
    fn wanted(&self, temps: &mut Temps<'_>) -> Result<String, Fail> {
        let args = &self.ctx.args;
        if let Some(path) = args.path("pkcs12_path") {
            let path = path.to_string_lossy().into_owned();
            let mut words = vec!["-list", "-rfc", "-storetype", "pkcs12", "-keystore", &path];
            words.extend(["-storepass:env", "IMGBUILD_SOURCEPASS"]);
            let alias = args.str("pkcs12_alias");
            if let Some(alias) = &alias {
                words.extend(["-alias", alias]);
            }
            let ran = self.keytool(&words)?;
            if !ran.ok() {
                let why = format!("cannot extract public certificate from PKCS12, message: {}", said(&ran));
                return Err(ran.fail(why));
            }
            return temps.file(&ran.stdout);
        }
        if let Some(path) = args.path("cert_path") {
            return Ok(path.to_string_lossy().into_owned());
        }
        if let Some(content) = args.str("cert_content") {
            return temps.file(&content);
        }
        let server = format!("{}:{}", args.text("cert_url"), args.int("cert_port").unwrap_or(443));
        let env = |name: &str| self.ctx.env(name).or_else(|| self.ctx.env(&name.to_uppercase()));
        let proxy = proxy(env("https_proxy"), env("no_proxy"));
        let mut words = vec!["-printcert", "-rfc", "-sslserver", &server];
        words.extend(proxy.iter().map(String::as_str));
        let ran = self.keytool(&words)?;
        if !ran.ok() {
            let why = format!("cannot download certificate from {server}, error: {}", said(&ran));
            return Err(ran.fail(why));
        }
        temps.file(&ran.stdout)
    }

    fn import(&self, alias: &str, certificate: &str) -> Result<(Vec<String>, Ran), Fail> {
        let args = &self.ctx.args;
        let Some(pkcs12) = args.path("pkcs12_path") else {
            let mut words = vec!["-importcert", "-noprompt", "-file", certificate, "-alias", alias];
            if args.bool("trust_cacert") {
                words.push("-trustcacerts");
            }
            return self.on_store(&words);
        };
        let (source, dest) = (pkcs12.to_string_lossy().into_owned(), self.path.to_string_lossy().into_owned());
        let mut words = vec!["-importkeystore", "-noprompt", "-srcstoretype", "pkcs12", "-srckeystore", &source];
        words.extend(["-destkeystore", &dest, "-srcstorepass:env", "IMGBUILD_SOURCEPASS"]);
        words.extend(["-deststorepass:env", "IMGBUILD_STOREPASS"]);
        let (kind, from) = (args.str("keystore_type"), args.str("pkcs12_alias"));
        if let Some(kind) = &kind {
            words.extend(["-deststoretype", kind]);
        }
        let from = match from {
            Some(from) => from,
            // An alias at the other end needs one here; a file with one entry leaves no choice.
            None => self.only_alias(&source)?,
        };
        words.extend(["-srcalias", &from, "-destalias", alias]);
        let ran = self.keytool(&words)?;
        let shown = [self.keytool.to_string_lossy().into_owned()];
        Ok((shown.into_iter().chain(words.iter().map(|w| w.to_string())).collect(), ran))
    }

    fn only_alias(&self, pkcs12: &str) -> Result<String, Fail> {
        let words =
            ["-list", "-rfc", "-storetype", "pkcs12", "-keystore", pkcs12, "-storepass:env", "IMGBUILD_SOURCEPASS"];
        let ran = self.keytool(&words)?;
        let mut names = ran.stdout.lines().filter_map(|line| line.strip_prefix("Alias name: "));
        match (names.next(), names.next()) {
            (Some(only), None) => Ok(only.trim().to_owned()),
            _ => Err(Fail::new("pkcs12_alias is needed: the PKCS#12 file does not hold exactly one entry")),
        }
    }
}

/// keytool's complaint: it writes most of them to its standard output.
fn said(ran: &Ran) -> String {
    let text = if ran.stdout.trim().is_empty() { &ran.stderr } else { &ran.stdout };
    text.trim().to_owned()
}

/// `https_proxy` and `no_proxy` in keytool's words.
fn proxy(address: Option<String>, none: Option<String>) -> Vec<String> {
    let Some(address) = address.filter(|a| !a.is_empty()) else { return Vec::new() };
    let rest = address.split_once("://").map_or(address.as_str(), |(_, rest)| rest).trim_end_matches('/');
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let (host, port) = rest.rsplit_once(':').unwrap_or((rest, "443"));
    let mut out = vec![format!("-J-Dhttps.proxyHost={host}"), format!("-J-Dhttps.proxyPort={port}")];
    if let Some(none) = none {
        let names = none.split(',').map(str::trim).filter(|n| !n.is_empty());
        let names: Vec<String> =
            names.map(|n| if n.starts_with('.') { format!("*{n}") } else { n.to_owned() }).collect();
        out.push(format!("-J-Dhttp.nonProxyHosts={}", names.join("|")));
    }
    out
}

/// The first certificate of a file, PEM or DER, as openssl writes it.
fn first(ctx: &Ctx, path: &str) -> Result<String, Fail> {
    let openssl = ctx.need("openssl")?;
    let words = ["x509", "-in", path];
    let ran = ctx.cmd(&openssl).args(words).english().run()?;
    let ran = if ran.ok() { ran } else { ctx.cmd(&openssl).args(words).args(["-inform", "der"]).english().run()? };
    if ran.ok() {
        Ok(ran.stdout)
    } else {
        Err(ran.fail(format!("cannot extract certificate, error: {}", ran.complaint())))
    }
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let path = args.path("keystore_path").unwrap_or_default();
    let Some(alias) = args.str("cert_alias").or_else(|| args.str("cert_url")) else {
        crate::fail!("Using local path import from {} requires alias argument.", path.display());
    };
    let keytool = ctx.need(&args.text("executable"))?;
    if !args.bool("keystore_create") && !path.is_file() {
        crate::fail!("Module require existing keystore at keystore_path '{}'", path.display());
    }
    if path.as_os_str().is_empty() {
        crate::fail!("keystore_path is needed");
    }
    let store = Store { ctx, keytool, path };
    let have = store.certificate(&alias)?;
    let mut temps = Temps::new(ctx);
    let mut steps: Vec<(Vec<String>, Ran)> = Vec::new();
    let absent = args.text("state") == "absent";
    let mut fresh = None;
    let mut changed = if absent {
        have.is_some()
    } else {
        let wanted = store.wanted(&mut temps)?;
        let now = have.as_ref().map(|text| temps.file(text)).transpose()?;
        let now = now.map(|file| first(ctx, &file)).transpose()?;
        let differs = now != Some(first(ctx, &wanted)?);
        fresh = Some(wanted);
        differs
    };
    if changed && !ctx.check {
        if have.is_some() {
            steps.push(store.on_store(&["-delete", "-noprompt", "-alias", &alias])?);
        }
        if let Some(fresh) = &fresh
            && steps.iter().all(|(_, ran)| ran.ok())
        {
            steps.push(store.import(&alias, fresh)?);
        }
        if let Some((cmd, ran)) = steps.iter().find(|(_, ran)| !ran.ok()) {
            return Err(ran.fail(said(ran)).with("cmd", json!(cmd)).with("error", ran.stderr.as_str()));
        }
    }
    let mut out = Outcome::new();
    if changed {
        let line = |there: bool| if there { format!("{alias}\n") } else { "\n".into() };
        out.insert("diff".into(), json!({"before": line(have.is_some()), "after": line(!absent)}));
    }
    if let Some((cmd, ran)) = steps.pop() {
        for (key, value) in [
            ("cmd", json!(cmd)),
            ("msg", json!(ran.stdout)),
            ("stdout", json!(ran.stdout)),
            ("error", json!(ran.stderr)),
            ("rc", json!(ran.rc)),
        ] {
            out.insert(key.into(), value);
        }
    }
    if store.path.exists() {
        changed |= files::apply_attrs(ctx, args, &store.path)?;
    }
    out.insert("changed".into(), changed.into());
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::Value;

    #[test]
    fn in_and_out_of_a_keystore() {
        let dir = Scratch::new();
        let probe = Ctx::test("java_cert", json!({}));
        if probe.which("openssl").is_none() || probe.which("keytool").is_none() {
            crate::sys::files::skipped("openssl or keytool is not installed");
            return;
        }
        for name in ["a", "b"] {
            let (key, certificate) = (dir.path(&format!("{name}.key")), dir.path(&format!("{name}.crt")));
            let subject = format!("/CN={name}");
            let words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "10", "-subj", &subject];
            probe.must(&[&["openssl"], &words[..], &["-keyout", &key, "-out", &certificate]].concat()).unwrap();
        }
        let (p12, key, certificate) = (dir.path("p12"), dir.path("a.key"), dir.path("a.crt"));
        let words = ["pkcs12", "-export", "-passout", "pass:secret2", "-name", "own", "-inkey", &key, "-in"];
        probe.must(&[&["openssl"], &words[..], &[&certificate, "-out", &p12]].concat()).unwrap();
        let call = |more: Value| {
            let mut args = json!({"keystore_path": dir.path("store"), "keystore_pass": "secret1", "cert_alias": "x",
                "keystore_create": true});
            args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let ctx = Ctx::test("java_cert", args);
            let out = run(&ctx);
            ctx.workdir.remove();
            out
        };
        let file = |name: &str| json!({"cert_path": dir.path(&format!("{name}.crt"))});
        let missing = call(json!({"cert_path": certificate, "keystore_create": false})).unwrap_err();
        assert!(missing.msg.contains("existing keystore"), "{}", missing.msg);
        for (more, changed) in [
            (file("a"), true),
            (file("a"), false),
            (file("b"), true),
            (json!({"cert_content": dir.read("b.crt")}), false),
            (json!({"cert_content": dir.read("a.crt"), "trust_cacert": true}), true),
            (json!({"state": "absent"}), true),
            (json!({"state": "absent"}), false),
            (json!({"pkcs12_path": p12, "pkcs12_password": "secret2"}), true),
            (json!({"pkcs12_path": p12, "pkcs12_password": "secret2", "pkcs12_alias": "own"}), false),
        ] {
            let out = call(more.clone()).unwrap_or_else(|f| panic!("{more}: {}", f.msg));
            assert_eq!(out["changed"], changed, "{more}");
            let shown = serde_json::to_string(&out).unwrap();
            assert!(!shown.contains("secret1") && !shown.contains("secret2"), "{shown}");
        }
        // A wrong password is no missing certificate.
        let wrong = call(json!({"cert_path": certificate, "keystore_pass": "wrong1"})).unwrap_err();
        assert!(wrong.msg.contains("password"), "{}", wrong.msg);
        assert!(call(json!({"cert_path": "/no/such", "cert_alias": "y"})).is_err());
    }

    #[test]
    fn proxies() {
        for (address, none, want) in [
            (None, None, ""),
            (Some(""), Some("a"), ""),
            (Some("http://u:p@h:3128/"), None, "-J-Dhttps.proxyHost=h -J-Dhttps.proxyPort=3128"),
            (Some("h:1"), Some("a, .b"), "-J-Dhttps.proxyHost=h -J-Dhttps.proxyPort=1 -J-Dhttp.nonProxyHosts=a|*.b"),
        ] {
            assert_eq!(proxy(address.map(str::to_owned), none.map(str::to_owned)).join(" "), want);
        }
    }
}
