//! Which keys are offered, and in which order. Source: ssh_config(5), `IdentityFile`, `IdentitiesOnly`, `IdentityAgent`, and
//! `pubkey_prepare` of OpenSSH's sshconnect2.c: keys of the agent that a file names come before its others.

use super::LocalUser;
use super::options::Options;
use crate::connect::Auth;
use std::path::{Path, PathBuf};

/// Keys that OpenSSH tries where none is named.
const DEFAULT_KEYS: [&str; 3] = ["id_rsa", "id_ecdsa", "id_ed25519"];

/// The ways to show a key.
pub(super) fn auth(
    options: &Options,
    local: &LocalUser,
    path: &dyn Fn(&str) -> Result<PathBuf, String>,
) -> Result<Vec<Auth>, String> {
    if !options.on("pubkeyauthentication", true) {
        return Ok(Vec::new());
    }
    let only = options.on("identitiesonly", false);
    let named = options.all("identityfile");
    let default = || DEFAULT_KEYS.iter().map(|name| local.home.join(".ssh").join(name)).collect::<Vec<_>>();
    let files = named.iter().filter(|file| file.as_str() != "none").map(|file| path(file));
    let files = files.collect::<Result<Vec<_>, _>>()?;
    // Keys that are named come first: servers stop listening after a few that they don't know.
    let mut auth: Vec<_> = files.iter().map(|file| key_file(file.clone(), true)).collect();
    let socket = match options.get("identityagent") {
        Some("none") => None,
        Some("SSH_AUTH_SOCK") | None => local.agent_socket.clone(),
        Some(text) => Some(path(text)?),
    };
    if let Some(socket) = socket {
        let files = if named.is_empty() { default() } else { files };
        auth.push(Auth::AgentKeys { socket: socket.clone(), files });
        if !only {
            auth.push(Auth::Agent { socket: Some(socket) });
        }
    }
    if named.is_empty() {
        auth.extend(default().into_iter().map(|file| key_file(file, true)));
    }
    Ok(auth)
}

/// Puts a key before all others, as Ansible's `-o IdentityFile=…` on ssh's command line does.
pub(super) fn first(auth: &mut Vec<Auth>, key: &Path) {
    for way in auth.iter_mut() {
        if let Auth::AgentKeys { files, .. } = way {
            files.insert(0, key.to_owned());
        }
    }
    auth.insert(0, key_file(key.to_owned(), false));
}

pub(super) fn key_file(path: PathBuf, optional: bool) -> Auth {
    let certificate = certificate_beside(&path);
    Auth::KeyFile { path, passphrase: None, certificate, optional }
}

/// OpenSSH looks for `KEY-cert.pub` by itself.
fn certificate_beside(key: &Path) -> Option<PathBuf> {
    let mut name = key.as_os_str().to_owned();
    name.push("-cert.pub");
    Some(PathBuf::from(name)).filter(|path| path.exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn under_identities_only_the_agent_shows_what_files_name() {
        let user = LocalUser {
            home: "/h".into(),
            name: "me".into(),
            agent_socket: Some("/s".into()),
            shell: "/bin/sh".into(),
        };
        let path = |text: &str| Ok(PathBuf::from(text));
        let mut options = Options::default();
        options.set("IdentitiesOnly", "yes");
        options.set("IdentityFile", "/k");
        let keys = |files: &[&str]| Auth::AgentKeys {
            socket: "/s".into(),
            files: files.iter().map(|file| PathBuf::from(*file)).collect(),
        };
        let mut found = auth(&options, &user, &path).unwrap();
        assert_eq!(found, [key_file("/k".into(), true), keys(&["/k"])]);
        first(&mut found, Path::new("/given"));
        assert_eq!(found[0], key_file("/given".into(), false));
        assert_eq!(found[2], keys(&["/given", "/k"]));
        options.set("IdentityAgent", "none");
        assert_eq!(auth(&options, &user, &path).unwrap(), [key_file("/k".into(), true)]);
        let all = auth(&Options::default(), &user, &path).unwrap();
        assert_eq!(all[0], keys(&["/h/.ssh/id_rsa", "/h/.ssh/id_ecdsa", "/h/.ssh/id_ed25519"]));
        assert_eq!(all[1], Auth::Agent { socket: Some("/s".into()) });
    }
}
