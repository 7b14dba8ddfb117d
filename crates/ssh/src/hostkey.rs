//! Decides whether a host key is right, before anything of ours is sent.

use crate::known_hosts::{self, Entries};
use imgbuild_engine::communicator::CommError;
use imgbuild_engine::connect::{HostKeys, SshSpec, UnknownKey};
use russh::keys::{Algorithm, HashAlg, PublicKey};
use std::path::PathBuf;

/// What is known of a host's keys before connecting.
#[derive(Debug)]
pub(crate) enum Check {
    /// One of these.
    Expected(Vec<PublicKey>),
    /// What the files say.
    Known { entries: Entries, unknown: UnknownKey, name: String, port: u16, add_to: Option<PathBuf> },
    /// Any.
    Any,
}

impl Check {
    /// Reads expected lines or files. Done once per connection, before the first try.
    pub(crate) fn prepare(spec: &SshSpec) -> Result<Self, CommError> {
        match &spec.host_keys {
            HostKeys::Any(reason) => {
                tracing::debug!(host = %spec.address(), %reason, "the host key is not checked");
                Ok(Check::Any)
            }
            HostKeys::Expected(lines) => {
                let keys: Vec<_> = lines.iter().filter_map(|line| parse_line(line)).collect();
                if keys.is_empty() {
                    return Err(CommError::HostKey(format!(
                        "no host key is known for {}: none of the {} expected lines is a public key",
                        spec.address(),
                        lines.len()
                    )));
                }
                Ok(Check::Expected(keys))
            }
            HostKeys::Known { files, unknown, alias } => {
                let mut entries = Entries::default();
                // An alias stands for host and port, as HostKeyAlias does.
                let (name, port) = match alias {
                    Some(alias) => (alias.clone(), 22),
                    None => (spec.host.clone(), spec.port),
                };
                for file in files {
                    match fs_err::read(file) {
                        Ok(bytes) => {
                            let text = String::from_utf8_lossy(&bytes);
                            known_hosts::lookup(&text, &file.display().to_string(), &name, port, &mut entries);
                        }
                        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                        Err(e) => return Err(CommError::Local(e.to_string())),
                    }
                }
                Ok(Check::Known { entries, unknown: *unknown, name, port, add_to: files.first().cloned() })
            }
        }
    }

    /// Algorithms of the keys that we hold, and whether no other is of use.
    pub(crate) fn algorithms(&self) -> (Vec<Algorithm>, bool) {
        match self {
            Check::Expected(keys) => (keys.iter().map(PublicKey::algorithm).collect(), true),
            Check::Known { entries, .. } => (entries.keys.iter().map(|(key, _)| key.algorithm()).collect(), false),
            Check::Any => (Vec::new(), false),
        }
    }

    /// Whether the key is right; the error is the sentence for the person.
    pub(crate) fn check(&self, host: &str, key: &PublicKey) -> Result<(), String> {
        let shown = key.fingerprint(HashAlg::Sha256);
        let kind = key.algorithm();
        let same = |other: &PublicKey| other.key_data() == key.key_data();
        match self {
            Check::Any => Ok(()),
            Check::Expected(keys) if keys.iter().any(same) => Ok(()),
            Check::Expected(keys) => {
                let expected: Vec<_> = keys.iter().map(|k| k.fingerprint(HashAlg::Sha256).to_string()).collect();
                Err(format!(
                    "the host key of {host} is {kind} {shown}, but {} was expected: this is not the machine that was started, or someone is in between",
                    expected.join(" or ")
                ))
            }
            Check::Known { entries, .. } if entries.revoked.iter().any(same) => {
                Err(format!("the host key of {host} ({kind} {shown}) is marked as revoked"))
            }
            Check::Known { entries, .. } if entries.keys.iter().any(|(k, _)| same(k)) => Ok(()),
            Check::Known { entries, unknown, name, port, add_to } => {
                let changed = entries.keys.iter().find(|(k, _)| k.algorithm() == kind);
                if let (Some((_, place)), UnknownKey::AddAndAllowChanged) = (changed, unknown) {
                    tracing::warn!(
                        "the host key of {host} has changed ({place} has another): taken, as StrictHostKeyChecking=no says"
                    );
                    return Ok(());
                }
                if let Some((_, place)) = changed {
                    return Err(format!(
                        "the host key of {host} has changed: it is {kind} {shown}, but {place} has another. Remove that line if the machine was made anew (ssh-keygen -R '{}')",
                        known_hosts::host_name(name, *port)
                    ));
                }
                if let (Some(place), UnknownKey::Refuse) = (entries.authorities.first(), unknown) {
                    return Err(format!(
                        "the host key of {host} is vouched for by a certificate authority ({place}), which imgbuild can't check yet: add the key itself ({kind} {shown})"
                    ));
                }
                match unknown {
                    UnknownKey::Accept => Ok(()),
                    UnknownKey::Add | UnknownKey::AddAndAllowChanged => {
                        let Some(file) = add_to.as_deref().filter(|file| *file != std::path::Path::new("/dev/null"))
                        else {
                            return Ok(());
                        };
                        known_hosts::add(file, name, *port, key)
                            .map_err(|e| format!("the host key of {host} can't be written down: {e}"))
                    }
                    UnknownKey::Refuse => Err(format!(
                        "the host key of {host} ({kind} {shown}) is not known: connect once with ssh, so that it is in known_hosts (a bastion of a template: or set \"ssh_bastion_host_key\"; playbooks: or set host_key_checking to false)"
                    )),
                }
            }
        }
    }
}

/// A public key from `ssh-ed25519 AAAA… comment`, with or without host names before.
fn parse_line(line: &str) -> Option<PublicKey> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    fields.windows(2).find_map(|pair| PublicKey::from_openssh(&pair.join(" ")).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILIG2T/B0l0gaqj3puu510tu9N1OkQ4znY3LYuEm5zCF";
    const B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    fn key(line: &str) -> PublicKey {
        PublicKey::from_openssh(line).unwrap()
    }

    #[test]
    fn expected_lines_with_hosts_and_comments() {
        let lines = vec!["garbage".into(), format!("host,1.2.3.4 {A} root@host")];
        let spec = SshSpec::new("h", 22, "u", HostKeys::Expected(lines));
        let check = Check::prepare(&spec).unwrap();
        assert_eq!(check.check("h", &key(A)), Ok(()));
        assert!(check.check("h", &key(B)).unwrap_err().contains("was expected"));
        assert_eq!(check.algorithms(), (vec![Algorithm::Ed25519], true));
        let none = SshSpec::new("h", 22, "u", HostKeys::Expected(vec!["x".into()]));
        assert!(matches!(Check::prepare(&none), Err(CommError::HostKey(_))));
    }

    #[test]
    fn policies_for_unknown_and_changed_keys() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("known_hosts");
        let check = |unknown| {
            let keys = HostKeys::Known { files: vec![file.clone()], unknown, alias: None };
            Check::prepare(&SshSpec::new("h", 22, "u", keys)).unwrap()
        };
        assert!(check(UnknownKey::Refuse).check("h", &key(A)).unwrap_err().contains("is not known"));
        assert_eq!(check(UnknownKey::Accept).check("h", &key(A)), Ok(()));
        assert!(!file.exists());
        assert_eq!(check(UnknownKey::Add).check("h", &key(A)), Ok(()));
        assert_eq!(check(UnknownKey::Refuse).check("h", &key(A)), Ok(()));
        for unknown in [UnknownKey::Refuse, UnknownKey::Add, UnknownKey::Accept] {
            assert!(check(unknown).check("h", &key(B)).unwrap_err().contains("has changed"));
        }
    }
}
