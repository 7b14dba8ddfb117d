//! `openssl_csr` and `openssl_csr_pipe`: certificate signing requests. The request that is wanted is made each time and compared
//! with the one that is there: subject, extensions, key.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::openssl_file::Product;
use crate::sys::x509::{self, About, Temps};
use serde_json::{Value, json};
use std::path::Path;

/// Options of single subject fields, in the order in which they stand in a subject.
const FIELDS: &[(&str, &str)] = &[
    ("country_name", "C"),
    ("state_or_province_name", "ST"),
    ("locality_name", "L"),
    ("organization_name", "O"),
    ("organizational_unit_name", "OU"),
    ("common_name", "CN"),
    ("email_address", "emailAddress"),
];

/// Key usages that have two names.
const USAGES: &[(&str, &str)] = &[
    ("Digital Signature", "digitalSignature"),
    ("Non Repudiation", "nonRepudiation"),
    ("Content Commitment", "nonRepudiation"),
    ("contentCommitment", "nonRepudiation"),
    ("Key Encipherment", "keyEncipherment"),
    ("Data Encipherment", "dataEncipherment"),
    ("Key Agreement", "keyAgreement"),
    ("Certificate Sign", "keyCertSign"),
    ("CRL Sign", "cRLSign"),
    ("Encipher Only", "encipherOnly"),
    ("Decipher Only", "decipherOnly"),
];

type Pairs = Vec<(String, String)>;

fn subject(ctx: &Ctx) -> Result<Pairs, Fail> {
    let args = &ctx.args;
    let mut out: Pairs = FIELDS
        .iter()
        .filter_map(|(option, name)| args.str(option).filter(|v| !v.is_empty()).map(|v| (name.to_string(), v)))
        .collect();
    let mut add = |name: &str, value: &Value| match value {
        Value::Array(all) => out.extend(all.iter().map(|v| (name.to_string(), crate::args::text(v)))),
        one => out.push((name.to_string(), crate::args::text(one))),
    };
    if let Some(Value::Object(fields)) = args.given("subject") {
        fields.iter().for_each(|(name, value)| add(name, value));
    }
    for entry in args.list("subject_ordered").unwrap_or_default() {
        match entry.as_object().map(|o| o.iter().collect::<Vec<_>>()).as_deref() {
            Some([(name, value)]) => add(name, value),
            _ => crate::fail!("subject_ordered must be a list of dictionaries with one key-value pair each"),
        }
    }
    match out.iter().find(|(name, value)| name.is_empty() || value.contains('\n')) {
        Some((name, _)) => Err(Fail::new(format!("the subject's field {name:?} can't be written"))),
        None => Ok(out),
    }
}

/// A value in openssl's configuration.
fn escaped(value: &str) -> String {
    let mut out = String::new();
    for c in value.chars() {
        if "\\\"'#$;".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Names in a section of their own: `DNS.1 = b`.
fn names(section: &str, all: &[String], text: &mut String) -> Result<(), Fail> {
    text.push_str(&format!("[{section}]\n"));
    for (n, name) in all.iter().enumerate() {
        let Some((kind, value)) = name.split_once(':') else {
            crate::fail!("Cannot parse Subject Alternative Name \"{name}\" (forgot \"DNS:\" prefix?)");
        };
        let kind = match kind {
            "DNS" | "IP" | "URI" | "RID" | "email" | "otherName" => kind,
            "dirName" => crate::fail!("dirName in {name:?} is not supported by imgbuild"),
            _ => crate::fail!(
                "Cannot parse Subject Alternative Name \"{name}\" (potentially unsupported by cryptography backend)"
            ),
        };
        text.push_str(&format!("{kind}.{n} = {}\n", escaped(value)));
    }
    Ok(())
}

/// What a request is made of.
struct Wanted {
    subject: Pairs,
    alt: Option<Vec<String>>,
    config: String,
}

fn wanted(ctx: &Ctx) -> Result<Wanted, Fail> {
    let args = &ctx.args;
    let subject = subject(ctx)?;
    let mut alt = args.opt_strs("subject_alt_name").filter(|a| !a.is_empty());
    if alt.is_none() && args.bool("use_common_name_for_san") {
        let name = subject.iter().find(|(name, _)| name == "CN" || name == "commonName");
        alt = name.map(|(_, value)| vec![format!("DNS:{value}")]);
    }
    let mut extensions = String::new();
    let mut sections = String::new();
    let critical = |option: &str| if args.bool(option) { "critical," } else { "" };
    let mut add = |name: &str, option: &str, value: &str| {
        extensions.push_str(&format!("{name} = {}{value}\n", critical(option)));
    };
    if let Some(alt) = &alt {
        names("alt", alt, &mut sections)?;
        add("subjectAltName", "subject_alt_name_critical", "@alt");
    }
    let usages = args.strs("key_usage");
    if !usages.is_empty() {
        let words: Vec<&str> = usages
            .iter()
            .map(|u| USAGES.iter().find(|(long, _)| long == u).map_or(u.as_str(), |(_, short)| *short))
            .collect();
        add("keyUsage", "key_usage_critical", &words.join(","));
    }
    for (name, option, flag) in [
        ("extendedKeyUsage", "extended_key_usage", "extended_key_usage_critical"),
        ("basicConstraints", "basic_constraints", "basic_constraints_critical"),
    ] {
        let words = args.strs(option);
        if !words.is_empty() {
            add(name, flag, &words.join(","));
        }
    }
    if args.bool("ocsp_must_staple") {
        add("tlsfeature", "ocsp_must_staple_critical", "status_request");
    }
    let (mut permitted, excluded) = (args.strs("name_constraints_permitted"), args.strs("name_constraints_excluded"));
    if !permitted.is_empty() || !excluded.is_empty() {
        permitted = permitted.iter().map(|n| format!("permitted;{n}")).collect();
        permitted.extend(excluded.iter().map(|n| format!("excluded;{n}")));
        sections.push_str("[constraints]\n");
        for (n, name) in permitted.iter().enumerate() {
            let (kind, value) = name.split_once(':').unwrap_or((name, ""));
            sections.push_str(&format!("{kind}.{n} = {}\n", escaped(value)));
        }
        add("nameConstraints", "name_constraints_critical", "@constraints");
    }
    if args.bool("create_subject_key_identifier") {
        if args.str("subject_key_identifier").is_some() {
            crate::fail!("subject_key_identifier cannot be specified if create_subject_key_identifier is true");
        }
        add("subjectKeyIdentifier", "", "hash");
    } else if let Some(id) = args.str("subject_key_identifier") {
        add("subjectKeyIdentifier", "", &id.replace(':', ""));
    }
    if let Some(id) = args.str("authority_key_identifier") {
        let hex: String = id.chars().filter(|c| *c != ':').collect();
        if !hex.len().is_multiple_of(2) || hex.len() > 200 || !hex.chars().all(|c| c.is_ascii_hexdigit()) {
            crate::fail!("Cannot parse authority_key_identifier: {id}");
        }
        // A sequence with the key's identifier ([0]) alone.
        let length = hex.len() / 2;
        add("authorityKeyIdentifier", "", &format!("DER:30{:02x}80{length:02x}{hex}", length + 2));
    }
    let mut config = String::from("[req]\nprompt = no\nutf8 = yes\nstring_mask = utf8only\ndistinguished_name = dn\n");
    if !extensions.is_empty() {
        config.push_str("req_extensions = ext\n");
    }
    config.push_str("[dn]\n");
    for (n, (name, value)) in subject.iter().enumerate() {
        config.push_str(&format!("{n}.{name} = {}\n", escaped(value)));
    }
    if !extensions.is_empty() {
        config.push_str(&format!("[ext]\n{extensions}"));
    }
    config.push_str(&sections);
    Ok(Wanted { subject, alt, config })
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let wanted = wanted(ctx)?;
    let mut out = crate::out! {
        "privatekey": args.str("privatekey_path"), "subject": wanted.subject, "subjectAltName": wanted.alt,
        "keyUsage": args.opt_strs("key_usage"), "extendedKeyUsage": args.opt_strs("extended_key_usage"),
        "basicConstraints": args.opt_strs("basic_constraints"), "ocspMustStaple": args.bool("ocsp_must_staple"),
        "name_constraints_permitted": args.strs("name_constraints_permitted"),
        "name_constraints_excluded": args.strs("name_constraints_excluded"),
    };
    let product = Product::new(ctx, &mut out)?;
    if product.absent(&mut out)? {
        return Ok(out);
    }
    let mut temps = Temps::new(ctx);
    let Some(key) = temps.given("privatekey_path", "privatekey_content")? else {
        crate::fail!("state is present but any of the following are missing: privatekey_path, privatekey_content");
    };
    if !Path::new(&key).is_file() {
        crate::fail!("The private key {key} does not exist");
    }
    let passphrase = args.text("privatekey_passphrase");
    let (config, fresh) = (temps.file(&wanted.config)?, temps.name()?);
    let digest = format!("-{}", args.text("digest"));
    let mut words = vec!["req", "-new", "-config", &config, "-key", &key, "-passin", "env:IMGBUILD_PASSPHRASE"];
    // Edwards keys have no digest of one's choice.
    let text = x509::must(
        ctx,
        &passphrase,
        &["pkey", "-noout", "-text", "-passin", "env:IMGBUILD_PASSPHRASE", "-in", &key],
        &format!("can't read the private key {key}"),
    )?;
    if !text.starts_with("ED") {
        words.push(&digest);
    }
    words.extend(["-out", &fresh]);
    if wanted.subject.is_empty() {
        words.extend(["-subj", "/"]);
    }
    x509::must(ctx, &passphrase, &words, "can't make the request")?;
    let made = About::request(ctx, &fresh)?.ok_or_else(|| Fail::new("openssl made a request that it can't read"))?;
    let there = product.there(&mut temps)?;
    let have = match &there {
        Some(there) => About::request(ctx, there)?,
        None => None,
    };
    let changed = args.bool("force") || have.as_ref() != Some(&made);
    if ctx.diff {
        let shown = |about: Option<&About>| about.map_or(json!({}), About::shown);
        let after = if changed { shown(Some(&made)) } else { shown(have.as_ref()) };
        out.insert("diff".into(), json!({"before": shown(have.as_ref()), "after": after}));
    }
    let content = std::fs::read_to_string(&fresh).or_fail("the request")?;
    product.keep(changed.then_some(content.as_str()), "csr", &mut out)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;

    #[test]
    fn requests_are_made_once() {
        let dir = Scratch::new();
        let probe = Ctx::test("openssl_csr", json!({}));
        if probe.which("openssl").is_none() {
            crate::sys::files::skipped("openssl is not installed");
            return;
        }
        let key = dir.path("k");
        probe
            .must(&["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-out", &key])
            .unwrap();
        let call = |more: Value| {
            let mut args = json!({"path": dir.path("c"), "privatekey_path": key, "common_name": "a.example"});
            args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let ctx = Ctx::test("openssl_csr", args);
            let out = run(&ctx);
            ctx.workdir.remove();
            out
        };
        for more in [
            json!({}),
            json!({"organization_name": "a \"b\" $c; #d", "subject_alt_name": ["DNS:b", "IP:1.2.3.4", "email:x@y"],
                "key_usage": ["Digital Signature", "keyCertSign"], "key_usage_critical": true,
                "extended_key_usage": ["serverAuth", "1.2.3.4"], "basic_constraints": ["CA:TRUE", "pathlen:0"],
                "ocsp_must_staple": true, "create_subject_key_identifier": true,
                "name_constraints_permitted": ["DNS:example.com"], "authority_key_identifier": "01:02:03"}),
            json!({"subject_ordered": [{"OU": "x"}, {"OU": "y"}], "use_common_name_for_san": false}),
        ] {
            let first = call(more.clone()).unwrap();
            assert_eq!(first["changed"], true, "{more}");
            assert_eq!(call(more.clone()).unwrap()["changed"], false, "{more}");
        }
        let text = probe.must(&["openssl", "req", "-noout", "-subject", "-in", &dir.path("c")]).unwrap().stdout;
        assert_eq!(text.trim().replace(' ', ""), "subject=CN=a.example,OU=x,OU=y");
        // The order of names and of usages says nothing.
        let names = |a: &str, b: &str| json!({"subject_alt_name": [a, b]});
        assert_eq!(call(names("DNS:a", "DNS:b")).unwrap()["changed"], true);
        assert_eq!(call(names("DNS:b", "DNS:a")).unwrap()["changed"], false);
        assert!(call(json!({"subject_alt_name": ["b"]})).unwrap_err().msg.contains("forgot \"DNS:\""));
        assert!(call(json!({"privatekey_path": "/no/such"})).is_err());
        assert_eq!(call(json!({"state": "absent"})).unwrap()["changed"], true);
    }
}
