//! Functions that read files, and those whose results are never the same twice. The values are what Packer 1.6.6's console prints
//! beside these files, where it knows the function.

use super::*;
use crate::hcl::scope::{Callable, Env, Surroundings};
use crate::hcl::syntax;
use imgbuild_diag::{Diagnostics, Source};
use std::sync::Arc;

/// Made for this test by openssl; it opens nothing.
const KEY: &str = "\
-----BEGIN RSA PRIVATE KEY-----\n\
MIICXQIBAAKBgQC2XSMp9XRaJVfcDp6tON8aPJ02409ABqpfKU1na+80rSvexpMk\n\
7oR/srTxExNFhSIIarbIlEElO4XKi3EOkn5bu5+4N2dBWGgo7YyTtOWg7LzxC0PN\n\
6TQ/WRyKq9qFhcNguo70GbAnh/K8XA+cFDYdizADmus13lR3SnQtVKB3kQIDAQAB\n\
AoGAH5xFXCCP6pBOinZ+Sshw47teBQWh1xdQsO4X3LV44UijMhp5pw0xKnFvq9oC\n\
nSpWm97jkCEiqbGHn3RMRJpgDHuNTb/GdQQQ+ES9O+OuhjsmDw/PyHn+kcXl2p05\n\
+UaPCMWXSA0cR83nTcbtj+ZUYj6SaJlIjv70HNdn6xSehYECQQDlugTf2VwJyrmb\n\
jVsaaatFM0uLusSTZAF9YggYQwZglWbC0agCBl1z/wW+FXqOdBtEZivsVqDr128t\n\
ncyOtydXAkEAyzhrp9145qNJVR43I/wYxYxNByIW0Pejb7+L4bsLwMF2QgOpBND6\n\
4pMuAOBgiIu7Lc4B9wcN7V7W0QMIJwwPVwJBAKZvXAK13om1lz2Mbxm2vwA2xp/o\n\
Y20Jgk7NzGGPhbpJ45Z4AQnehKx6cjWiKBW3Jt4qS95BcPsNLR5WehJXvacCQCUw\n\
QPsqG0rRjMTnz51lL79O6nWotlYtSxpTCi0XxpHSlWqFMvPvrkmyN1Pvu5qhP3Kl\n\
ZVSoVNMgbN042dATc+cCQQDFuvr5fxwPfFEmG8U7e2ztgfJeiwhO4IoiGILA+TIH\n\
5i8AL1FwX2HgX13+kkEUGtTSir+NLON7xEsh7Ybx+8y0\n\
-----END RSA PRIVATE KEY-----\n\
";
/// `a secret` for that key.
const CIPHERTEXT: &str = "m+0o2FIXAp2nVzISv3wHWiXuX/UDi4AN24PH2y8xUBfm5zQ9EiRAMdBRxLamiwTNp0diXDELL8ZbVFEa9z5thK+W++SW88OY8m2mRuz72a3uGPIoXs7ETMDNaD4zYe3ZC8epRe1bRAcAl3Oe0eKW7JgQlbKCynbAXV873vqXc8U=";

fn call_in(folder: &Path, name: &str, args: &[Value]) -> Result<Value, String> {
    let mut ambient = Ambient::new("2026-11-05T20:08:09Z".parse().unwrap(), "/srv/templates");
    ambient.env.insert("HOME".into(), "/home/me".into());
    let ctx = Ctx::new(&ambient, folder);
    call(name, args, &ctx).map_err(|e| e.to_string())
}

/// What an expression gives in a configuration in this folder.
fn evaluated(folder: &Path, text: &str) -> Result<Value, String> {
    let ambient = Arc::new(Ambient::new("2026-11-05T20:08:09Z".parse().unwrap(), "/srv/templates"));
    let mut env = Env::empty();
    env.callable = Callable::All(Arc::new(Surroundings { ambient, base: folder.to_owned() }));
    let mut diags = Diagnostics::new();
    let expression = syntax::parse_expression(&Source::new("v", text)).map_err(|e| e.to_string())?;
    let value = expression.value(&env.scope(), &mut diags);
    if diags.has_errors() { Err(diags.to_string()) } else { Ok(value) }
}

#[test]
fn files() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("t.tpl", b"Hello ${name}%{ for x in list ~} ${x}%{ endfor ~}\n");
    write("bin", b"\xff\0a");
    write("k.pem", KEY.as_bytes());
    let go = |name: &str, args: &[Value]| call_in(folder.path(), name, args);
    let text = |text: &str| Value::string(text);
    let found = |name: &str, args: &[Value]| go(name, args).unwrap().as_str().unwrap().to_owned();
    assert_eq!(found("file", &[text("t.tpl")]), "Hello ${name}%{ for x in list ~} ${x}%{ endfor ~}\n");
    assert!(go("file", &[text("bin")]).is_err(), "not UTF-8");
    // Beside the working directory, not the configuration, as in Packer.
    let bin = folder.path().join("bin");
    assert_eq!(found("filebase64", &[text(bin.to_str().unwrap())]), "/wBh");
    assert_eq!(go("fileexists", &[text("t.tpl")]).unwrap(), true.into());
    assert!(go("fileexists", &[text(".")]).is_err(), "a folder");
    assert_eq!(
        go("fileset", &[text("."), text("*.{tpl,pem}")]).unwrap(),
        Value::set(Type::String, vec![text("k.pem"), text("t.tpl")])
    );
    let rendered = |text: &str| evaluated(folder.path(), text);
    let good = rendered(r#"templatefile("t.tpl", { name = "me", list = ["a", "b"] })"#).unwrap();
    assert_eq!(good.as_str(), Some("Hello meab"));
    let error = rendered(r#"templatefile("t.tpl", { name = "me" })"#).unwrap_err();
    assert!(error.contains("list"), "{error}");
    assert_eq!(found("rsadecrypt", &[text(CIPHERTEXT), text(KEY)]), "a secret");
    assert!(go("rsadecrypt", &[text("YWJj"), text(KEY)]).is_err(), "not for this key");
}

#[test]
fn hashes_of_passwords() {
    let folder = Path::new("/");
    let hash = call_in(folder, "bcrypt", &[Value::string("x"), Value::int(5)]).unwrap();
    let hash = hash.as_str().unwrap();
    assert!(hash.starts_with("$2a$05$") && hash.len() == 60, "{hash}");
    assert!(bcrypt_verifies("x", hash) && !bcrypt_verifies("y", hash));
}

fn bcrypt_verifies(password: &str, hash: &str) -> bool {
    bcrypt::verify(password, hash).unwrap()
}
