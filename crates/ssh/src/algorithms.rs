//! Which algorithms are offered.

use imgbuild_engine::communicator::CommError;
use russh::keys::Algorithm;
use russh::{Preferred, cipher, compression, kex};
use std::borrow::Cow;

/// Key exchanges beside russh's own choice: servers that know neither curve25519 nor the large groups.
const MORE_KEX: [kex::Name; 3] = [kex::ECDH_SHA2_NISTP256, kex::ECDH_SHA2_NISTP384, kex::ECDH_SHA2_NISTP521];
/// The names by which both sides say what else they can do; they belong to every list.
const EXTENSIONS: [kex::Name; 2] = [kex::EXTENSION_SUPPORT_AS_CLIENT, kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT];

/// The offer for these options; `known` are the algorithms of the keys that we hold for the host. They come first, so that
/// the server shows a key that we can compare.
pub(crate) fn preferred(
    ciphers: &[String],
    kexes: &[String],
    compress: bool,
    known: &[Algorithm],
    only_known: bool,
) -> Result<Preferred, CommError> {
    let mut preferred = Preferred::DEFAULT;
    if !ciphers.is_empty() {
        let unknown =
            |name: &String| CommError::Local(format!("the cipher {name:?} (ssh_ciphers) is not one that imgbuild has"));
        let list: Result<Vec<_>, _> =
            ciphers.iter().map(|name| cipher::Name::try_from(name.as_str()).map_err(|()| unknown(name))).collect();
        preferred.cipher = Cow::Owned(list?);
    }
    let mut exchange: Vec<kex::Name>;
    if kexes.is_empty() {
        let is_extension =
            |name: &kex::Name| name.as_ref().starts_with("ext-info") || name.as_ref().contains("kex-strict");
        exchange = preferred.kex.iter().filter(|name| !is_extension(name)).copied().collect();
        exchange.extend(MORE_KEX);
    } else {
        let unknown = |name: &String| {
            let text = "(ssh_key_exchange_algorithms) is not one that imgbuild has";
            CommError::Local(format!("the key exchange {name:?} {text}"))
        };
        let list: Result<Vec<_>, _> =
            kexes.iter().map(|name| kex::Name::try_from(name.as_str()).map_err(|()| unknown(name))).collect();
        exchange = list?;
    }
    exchange.extend(EXTENSIONS);
    preferred.kex = Cow::Owned(exchange);
    let same = |a: &Algorithm, b: &Algorithm| a == b || (a.clone().is_rsa() && b.clone().is_rsa());
    let (mut first, rest): (Vec<_>, Vec<_>) =
        preferred.key.iter().cloned().partition(|a| known.iter().any(|k| same(a, k)));
    if !only_known || first.is_empty() {
        first.extend(rest);
    }
    preferred.key = Cow::Owned(first);
    preferred.compression = if compress {
        Cow::Owned(vec![compression::ZLIB_LEGACY, compression::ZLIB, compression::NONE])
    } else {
        Cow::Owned(vec![compression::NONE])
    };
    Ok(preferred)
}

/// Changes the host keys that are asked for as `HostKeyAlgorithms` says (ssh_config(5)): the list as it is, or our own with names
/// added (`+`), taken out (`-`, with wildcards) or put first (`^`). Names of certificates and of keys in hardware, which we
/// ask for nowhere, are passed over; an error where none is left.
pub(crate) fn host_keys(preferred: &mut Preferred, list: &str) -> Result<(), CommError> {
    let own = preferred.key.to_vec();
    let (sign, names) = match list.chars().next() {
        Some(sign @ ('+' | '-' | '^')) => (Some(sign), &list[1..]),
        _ => (None, list),
    };
    let names: Vec<&str> = names.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let all = Preferred::DEFAULT.key;
    let named = || names.iter().filter_map(|name| all.iter().find(|a| a.as_str() == *name).cloned());
    let listed = |a: &Algorithm| names.iter().any(|name| wildcard(name, a.as_str()));
    let keys: Vec<Algorithm> = match sign {
        None => named().collect(),
        Some('-') => own.into_iter().filter(|a| !listed(a)).collect(),
        Some('^') => named().chain(own.into_iter().filter(|a| !listed(a))).collect(),
        // Ours has every name already.
        Some(_) => own,
    };
    if keys.is_empty() {
        let have: Vec<_> = all.iter().map(Algorithm::as_str).collect();
        let have = have.join(", ");
        return Err(CommError::Local(format!("HostKeyAlgorithms {list:?} leaves none that imgbuild has: {have}")));
    }
    preferred.key = Cow::Owned(keys);
    Ok(())
}

/// `*` and `?`, as OpenSSH's `match_pattern`.
fn wildcard(pattern: &str, text: &str) -> bool {
    match (pattern.chars().next(), text.chars().next()) {
        (None, None) => true,
        (Some('*'), _) => {
            wildcard(&pattern[1..], text)
                || text.chars().next().is_some_and(|c| wildcard(pattern, &text[c.len_utf8()..]))
        }
        (Some(p), Some(t)) => (p == '?' || p == t) && wildcard(&pattern[p.len_utf8()..], &text[t.len_utf8()..]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgbuild_engine::ssh_algorithms::{CIPHERS, KEY_EXCHANGES};
    use std::collections::BTreeSet;

    #[test]
    fn keys_that_we_can_compare_come_first() {
        let rsa = [Algorithm::Rsa { hash: None }];
        let first = preferred(&[], &[], false, &rsa, false).unwrap().key.into_owned();
        assert!(first[0].clone().is_rsa() && first.contains(&Algorithm::Ed25519));
        let only = preferred(&[], &[], false, &[Algorithm::Ed25519], true).unwrap().key.into_owned();
        assert_eq!(only, [Algorithm::Ed25519]);
    }

    #[test]
    fn host_key_algorithms() {
        let of = |list: &str| {
            let mut preferred = preferred(&[], &[], false, &[], false).unwrap();
            host_keys(&mut preferred, list).map(|()| preferred.key.iter().map(|a| a.to_string()).collect::<Vec<_>>())
        };
        assert_eq!(of("ssh-rsa").unwrap(), ["ssh-rsa"]);
        assert_eq!(of("ssh-ed25519-cert-v01@openssh.com,rsa-sha2-256").unwrap(), ["rsa-sha2-256"]);
        assert_eq!(of("+ssh-rsa").unwrap().len(), 7);
        assert_eq!(of("^ssh-rsa").unwrap()[..2], ["ssh-rsa", "ssh-ed25519"]);
        assert_eq!(of("-ssh-*,ecdsa-sha2-nistp???").unwrap(), ["rsa-sha2-512", "rsa-sha2-256"]);
        assert!(of("rot13").unwrap_err().to_string().contains("\"rot13\""));
    }

    #[test]
    fn templates_may_name_what_there_is() {
        let ciphers: BTreeSet<&str> = cipher::ALL_CIPHERS.iter().map(|name| name.as_ref()).collect();
        let secret: BTreeSet<&str> = ciphers.into_iter().filter(|name| !["none", "clear"].contains(name)).collect();
        assert_eq!(secret, CIPHERS.iter().copied().collect());
        let exchanges = kex::ALL_KEX_ALGORITHMS.iter().map(|name| name.as_ref());
        let real: BTreeSet<&str> = exchanges.filter(|name| *name != "none").collect();
        assert_eq!(real, KEY_EXCHANGES.iter().copied().collect());
    }

    #[test]
    fn unknown_names_are_refused() {
        let error = preferred(&["rot13".into()], &[], false, &[], false).unwrap_err();
        assert!(error.to_string().contains("\"rot13\""));
        assert!(preferred(&[], &["guess".into()], false, &[], false).is_err());
        let chosen = preferred(&["aes256-ctr".into()], &["curve25519-sha256".into()], false, &[], false).unwrap();
        assert_eq!(chosen.cipher.len(), 1);
        assert_eq!(chosen.kex.len(), 3);
    }
}
