//! `rpm_key`: a key is in rpm's database, or isn't.

use crate::ctx::Ctx;
use crate::outcome::{Fail, OrFail, Outcome};
use crate::sys::openpgp::{self, Key};

/// Runs it.
pub fn run(ctx: &Ctx) -> Result<Outcome, Fail> {
    let args = &ctx.args;
    let key = args.req("key")?;
    let present = args.text("state") != "absent";
    ctx.need("rpm")?;
    let mut file = None;
    let id = if key.contains("://") {
        let temp = ctx.temp()?;
        crate::sys::http::download(ctx, &key, &temp)?;
        file = Some((temp, true));
        None
    } else if std::path::Path::new(&key).exists() {
        file = Some((args.expand(&key), false));
        None
    } else {
        let hex = key.trim_start_matches("0x").trim_start_matches("0X").replace(' ', "").to_uppercase();
        if hex.len() < 8 || !hex.chars().all(|c| c.is_ascii_hexdigit()) {
            crate::fail!("Not a valid key {key}");
        }
        if present {
            crate::fail!("When importing a key, a valid file must be given");
        }
        Some(hex)
    };
    let outcome = settle(ctx, file.as_ref().map(|(p, _)| p.as_path()), id.as_deref(), present);
    if let Some((path, true)) = file {
        let _ = std::fs::remove_file(path);
    }
    let changed = outcome?;
    Ok(crate::out! {"changed": changed})
}

fn settle(ctx: &Ctx, file: Option<&std::path::Path>, id: Option<&str>, present: bool) -> Result<bool, Fail> {
    let keys: Vec<Key> = match file {
        Some(path) => {
            let bytes = std::fs::read(path).at("can't read", path)?;
            openpgp::keys(&bytes).map_err(|e| Fail::new(format!("Unexpected gpg output: {e}")))?
        }
        None => Vec::new(),
    };
    if file.is_some() && keys.is_empty() {
        crate::fail!("Not a valid key: the file holds none");
    }
    check_fingerprints(&keys, &ctx.args.strs("fingerprint"))?;
    let installed = ctx.run(&["rpm", "-q", "gpg-pubkey", "--qf", "%{version}-%{release}\\n"])?.stdout.to_lowercase();
    let short =
        |id: &str| id.to_lowercase().chars().rev().take(8).collect::<Vec<_>>().into_iter().rev().collect::<String>();
    let ids: Vec<String> = match id {
        Some(id) => vec![short(id)],
        None => keys.iter().map(|k| short(&k.fingerprint)).collect(),
    };
    let there = |id: &String| installed.lines().any(|l| l.split('-').next().is_some_and(|v| short(v) == *id));
    let todo: Vec<&String> = ids.iter().filter(|id| there(id) != present).collect();
    if todo.is_empty() || ctx.check {
        return Ok(!todo.is_empty());
    }
    if let Some(path) = file.filter(|_| present) {
        let ran = ctx.cmd("rpm").arg("--import").arg(path).english().run()?;
        if !ran.ok() {
            return Err(ran.fail(ran.complaint()));
        }
        return Ok(true);
    }
    for id in todo {
        for line in installed.lines().filter(|l| l.split('-').next().is_some_and(|v| short(v) == *id)) {
            let ran = ctx.run(&["rpm", "--erase", "--allmatches", &format!("gpg-pubkey-{line}")])?;
            if !ran.ok() {
                return Err(ran.fail(ran.complaint()));
            }
        }
    }
    Ok(true)
}

/// The key is one of those that were asked for.
fn check_fingerprints(keys: &[Key], wanted: &[String]) -> Result<(), Fail> {
    let wanted: Vec<String> =
        wanted.iter().map(|f| f.replace([' ', ':'], "").to_uppercase()).filter(|f| !f.is_empty()).collect();
    let have: Vec<&String> = keys.iter().flat_map(|k| std::iter::once(&k.fingerprint).chain(&k.subkeys)).collect();
    if wanted.is_empty() || wanted.iter().all(|w| have.contains(&w)) {
        return Ok(());
    }
    let primary: Vec<&str> = keys.iter().map(|k| k.fingerprint.as_str()).collect();
    crate::fail!(
        "The specified fingerprint, '{}', does not match any key fingerprints in '{}'",
        wanted.join("', '"),
        primary.join("', '")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints() {
        let keys = openpgp::keys(&openpgp::tests::sample()).unwrap();
        let right = keys[0].fingerprint.to_lowercase();
        assert!(check_fingerprints(&keys, &[]).is_ok());
        assert!(check_fingerprints(&keys, &[right]).is_ok());
        assert!(check_fingerprints(&keys, &["AB".into()]).is_err());
    }
}
