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
