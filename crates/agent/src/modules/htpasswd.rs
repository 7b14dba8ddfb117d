//! `htpasswd`: users of a web server's password file.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::{files, random};
use base64::Engine;
use md5::Md5;
use sha1::Sha1;
use sha1::digest::Digest;

const ITOA64: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The schemes that are written here.
const SCHEMES: &[&str] = &["apr_md5_crypt", "md5_crypt", "bcrypt", "ldap_sha1", "plaintext"];

/// `$apr1$salt$…` or `$1$salt$…`.
fn md5_crypt(magic: &str, password: &[u8], salt: &str) -> String {
    let inner = Md5::new().chain_update(password).chain_update(salt).chain_update(password).finalize();
    let mut outer = Md5::new().chain_update(password).chain_update(magic).chain_update(salt);
    outer.update(inner.iter().copied().cycle().take(password.len()).collect::<Vec<u8>>());
    let mut bits = password.len();
    while bits > 0 {
        outer.update(if bits & 1 == 1 { &[0][..] } else { &password[..1] });
        bits >>= 1;
    }
    let mut digest = outer.finalize();
    for round in 0..1000 {
        let mut hash = Md5::new();
        if round % 2 == 1 {
            hash.update(password)
        } else {
            hash.update(digest)
        }
        if round % 3 != 0 {
            hash.update(salt);
        }
        if round % 7 != 0 {
            hash.update(password);
        }
        if round % 2 == 1 {
            hash.update(digest)
        } else {
            hash.update(password)
        }
        digest = hash.finalize();
    }
    let mut out = format!("{magic}{salt}$");
    let mut put = |mut value: u32, chars: usize| {
        for _ in 0..chars {
            out.push(char::from(ITOA64[(value & 0x3f) as usize]));
            value >>= 6;
        }
    };
    let at = |i: usize| u32::from(digest[i]);
    for (a, b, c) in [(0, 6, 12), (1, 7, 13), (2, 8, 14), (3, 9, 15), (4, 10, 5)] {
        put(at(a) << 16 | at(b) << 8 | at(c), 4);
    }
    put(at(11), 2);
    out
}

fn ldap_sha1(password: &str) -> String {
    let digest = Sha1::new().chain_update(password).finalize();
    format!("{{SHA}}{}", base64::engine::general_purpose::STANDARD.encode(digest))
}

fn hash(scheme: &str, password: &str) -> Result<String, Fail> {
    let salt: String = random::bytes::<8>().iter().map(|b| char::from(ITOA64[usize::from(b & 63)])).collect();
    Ok(match scheme {
        "apr_md5_crypt" => md5_crypt("$apr1$", password.as_bytes(), &salt),
        "md5_crypt" => md5_crypt("$1$", password.as_bytes(), &salt),
        "bcrypt" => bcrypt::hash_with_salt(password, 12, random::bytes::<16>())
            .or_fail("can't hash the password")?
            .format_for_version(bcrypt::Version::TwoY),
        "ldap_sha1" => ldap_sha1(password),
        _ => password.to_string(),
    })
}

/// Whether a hash is of this scheme and this password.
fn verify(scheme: &str, stored: &str, password: &str) -> bool {
    let salted = |magic: &str| {
        let salt = stored.strip_prefix(magic).and_then(|r| r.split('$').next());
        salt.is_some_and(|salt| md5_crypt(magic, password.as_bytes(), salt) == stored)
    };
    match stored {
        s if s.starts_with("$apr1$") => salted("$apr1$"),
        s if s.starts_with("$1$") => salted("$1$"),
        s if s.starts_with("$2") => bcrypt::verify(password, s).unwrap_or(false),
        s if s.starts_with("{SHA}") => ldap_sha1(password) == s,
        s => scheme == "plaintext" && s == password,
    }
}

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let (path, name, scheme) = (args.req_path("path")?, args.req("name")?, args.text("hash_scheme"));
    if !SCHEMES.contains(&scheme.as_str()) {
        crate::fail!("hash_scheme {scheme} is not supported by imgbuild: it knows {}", SCHEMES.join(", "));
    }
    let present = args.text("state") == "present";
    let text = files::read_text(&path)?;
    let lines: Vec<&str> = text.iter().flat_map(|t| t.lines()).filter(|l| !l.trim().is_empty()).collect();
    let stored = lines.iter().find_map(|l| l.split_once(':').filter(|(n, _)| *n == name).map(|(_, h)| h));
    let mut out: Vec<String> = lines.iter().map(|l| l.to_string()).collect();
    let (msg, mut changed) = if present {
        let password = args.req("password")?;
        if text.is_none() && !args.bool("create") {
            crate::fail!("Destination {} does not exist", path.display());
        }
        if stored.is_some_and(|s| verify(&scheme, s.trim_end(), &password)) {
            (format!("{name} already present"), false)
        } else {
            let line = format!("{name}:{}", hash(&scheme, &password)?);
            match lines.iter().position(|l| l.split(':').next() == Some(&name)) {
                Some(at) => out[at] = line,
                None => out.push(line),
            }
            let msg = if text.is_none() {
                format!("Created {} and added {name}", path.display())
            } else {
                format!("Add/update {name}")
            };
            (msg, true)
        }
    } else if text.is_none() {
        ctx.warn(format!("{} does not exist", path.display()));
        return Ok(crate::out! {"changed": false, "msg": format!("{name} not present")});
    } else if stored.is_some() {
        out.retain(|l| l.split(':').next() != Some(&name));
        (format!("Remove {name}"), true)
    } else {
        (format!("{name} not present"), false)
    };
    if changed && !ctx.check {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).at("can't make the directory", dir)?;
        }
        let new: String = out.iter().map(|l| format!("{l}\n")).collect();
        files::write(ctx, &path, new.as_bytes(), args.bool("unsafe_writes"))?;
    }
    let mut msg = msg;
    if path.exists() && files::apply_attrs(ctx, args, &path)? {
        msg.push_str(if changed { " and " } else { "" });
        msg.push_str("ownership, perms or SE linux context changed");
        changed = true;
    }
    Ok(crate::out! {"changed": changed, "msg": msg})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;
    use serde_json::json;

    #[test]
    fn users_come_and_go() {
        // `openssl passwd -apr1 -salt abcdefgh secret` and `openssl passwd -1 -salt abcdefgh secret`.
        assert_eq!(md5_crypt("$1$", b"secret", "abcdefgh"), "$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1");
        assert_eq!(md5_crypt("$apr1$", b"secret", "abcdefgh"), "$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/");
        assert_eq!(ldap_sha1("secret"), "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=");
        let dir = Scratch::new();
        let call = |name: &str, password: &str, scheme: &str, state: &str| {
            let args = json!({"path": dir.path("d/p"), "name": name, "password": password, "hash_scheme": scheme, "state": state});
            run(&Ctx::test("htpasswd", args)).map(|o| o["changed"] == true)
        };
        for (name, scheme) in [("a", "apr_md5_crypt"), ("b", "md5_crypt"), ("c", "ldap_sha1"), ("d", "plaintext")] {
            assert!(call(name, "x1", scheme, "present").unwrap(), "{scheme}");
            assert!(!call(name, "x1", scheme, "present").unwrap(), "{scheme}");
            assert!(call(name, "x2", scheme, "present").unwrap(), "{scheme}");
        }
        assert_eq!(dir.read("d/p").lines().count(), 4);
        assert!(
            call("a", "", "apr_md5_crypt", "absent").unwrap() && !call("a", "", "apr_md5_crypt", "absent").unwrap()
        );
        assert!(call("a", "x", "des_crypt", "present").is_err());
        let hashed = bcrypt::hash_with_salt("x", 4, [1; 16]).unwrap().format_for_version(bcrypt::Version::TwoY);
        assert!(verify("bcrypt", &hashed, "x") && !verify("bcrypt", &hashed, "y"));
    }
}
