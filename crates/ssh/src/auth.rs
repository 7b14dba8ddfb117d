//! Authentication: the ways of a spec in order, as far as the server takes them.

use crate::connect::Outside;
use crate::error::{Failed, SessionError, comm_error};
use crate::handler::Client;
use imgbuild_engine::communicator::CommError;
use imgbuild_engine::connect::{Auth, SshSpec};
use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse as Answer};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, Certificate, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey};
use russh::{MethodKind, MethodSet};
use std::path::Path;
use std::sync::Arc;

/// Questions that a server may ask in one keyboard-interactive round before we stop answering.
const MOST_ROUNDS: usize = 10;

/// Authenticates, or says what was tried.
pub(crate) async fn authenticate(handle: &mut Handle<Client>, spec: &SshSpec, outside: &Outside) -> Result<(), Failed> {
    let mut attempt = Attempt { handle, spec, outside, allowed: None, tried: Vec::new(), shown: Vec::new(), rsa: None };
    for auth in &spec.auth {
        if attempt.one(auth).await? {
            return Ok(());
        }
    }
    let tried = if attempt.tried.is_empty() { "nothing to offer".to_owned() } else { attempt.tried.join(", ") };
    let allowed = match &attempt.allowed {
        Some(methods) if !methods.is_empty() => {
            let names: Vec<&str> = methods.iter().map(Into::into).collect();
            format!("; the server takes {}", names.join(", "))
        }
        _ => String::new(),
    };
    Err(Failed::Handshake(CommError::Authentication(format!(
        "{} did not let us in (tried: {tried}{allowed})",
        spec.address()
    ))))
}

struct Attempt<'a> {
    handle: &'a mut Handle<Client>,
    spec: &'a SshSpec,
    outside: &'a Outside,
    /// What the server says it still takes; unknown before the first try.
    allowed: Option<MethodSet>,
    tried: Vec<String>,
    /// Keys that the server has refused: an agent may hold them, too.
    shown: Vec<KeyData>,
    rsa: Option<Vec<Option<HashAlg>>>,
}

impl Attempt<'_> {
    async fn one(&mut self, auth: &Auth) -> Result<bool, Failed> {
        match auth {
            Auth::None => {
                let result = self.handle.authenticate_none(self.spec.username.as_str()).await;
                self.outcome("none", result)
            }
            Auth::Password(password) => {
                if !self.takes(MethodKind::Password) {
                    return self.questions(Some(password.expose())).await;
                }
                let user = self.spec.username.as_str();
                let result = self.handle.authenticate_password(user, password.expose().as_str()).await;
                if self.outcome("password", result)? {
                    return Ok(true);
                }
                // Packer answers keyboard-interactive with it, too, where the server asks that way.
                match &self.allowed {
                    Some(allowed) if allowed.contains(&MethodKind::KeyboardInteractive) => {
                        self.questions(Some(password.expose())).await
                    }
                    _ => Ok(false),
                }
            }
            Auth::Ask => self.questions(None).await,
            Auth::Key { pem, passphrase, certificate } => {
                let key = decode(pem.expose(), passphrase.as_ref().map(|p| p.expose().as_str()), "the private key")?;
                let certificate =
                    certificate.as_deref().map(|text| parse_certificate(text, "the certificate")).transpose()?;
                self.key(key, certificate, "key").await
            }
            Auth::KeyFile { path, passphrase, certificate, optional } => {
                let name = path.display().to_string();
                let text = match fs_err::tokio::read_to_string(path).await {
                    Ok(text) if PublicKey::from_openssh(text.trim()).is_ok() => {
                        self.tried.push(format!("{name} is a public key, and an agent must hold the private one"));
                        return Ok(false);
                    }
                    Ok(text) => text,
                    Err(e) if *optional && e.kind() == std::io::ErrorKind::NotFound => return Ok(false),
                    // The agent of a token or a password manager holds it.
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound && public_part(path).is_some() => {
                        return Ok(false);
                    }
                    Err(e) => {
                        return Err(Failed::Fatal(CommError::Local(format!("the private key can't be read: {e}"))));
                    }
                };
                let key = match decode(&text, passphrase.as_ref().map(|p| p.expose().as_str()), &name) {
                    Ok(key) => key,
                    // A key with a passphrase may be in the agent, too; the only way there is must work.
                    Err(e) if self.spec.auth.len() == 1 && !optional => return Err(e),
                    Err(e) => {
                        self.tried.push(e.into_inner().to_string());
                        return Ok(false);
                    }
                };
                let certificate = match certificate {
                    None => None,
                    Some(file) => {
                        let text = fs_err::tokio::read_to_string(file).await.map_err(|e| {
                            Failed::Fatal(CommError::Local(format!("the certificate can't be read: {e}")))
                        })?;
                        Some(parse_certificate(&text, &file.display().to_string())?)
                    }
                };
                self.key(key, certificate, &name).await
            }
            Auth::Agent { socket } => match socket.as_deref().or(self.outside.agent_socket.as_deref()) {
                Some(socket) => self.agent(socket, None).await,
                None => Err(Failed::Fatal(CommError::Local(
                    "authentication by the SSH agent is asked for, but SSH_AUTH_SOCK names none".into(),
                ))),
            },
            Auth::AgentKeys { socket, files } => {
                let wanted: Vec<_> = files.iter().filter_map(|file| public_part(file)).collect();
                if wanted.is_empty() { Ok(false) } else { self.agent(socket, Some(&wanted)).await }
            }
        }
    }

    fn takes(&self, kind: MethodKind) -> bool {
        self.allowed.as_ref().is_none_or(|methods| methods.contains(&kind))
    }

    fn outcome(&mut self, what: &str, result: Result<AuthResult, russh::Error>) -> Result<bool, Failed> {
        match result {
            Ok(AuthResult::Success) => Ok(true),
            Ok(AuthResult::Failure { remaining_methods, .. }) if remaining_methods.is_empty() => {
                // The session is over (sshd's MaxAuthTries, or the host went away).
                self.tried.push(what.to_owned());
                Err(Failed::Handshake(CommError::Authentication(format!(
                    "{} closed the connection during authentication (tried: {})",
                    self.spec.address(),
                    self.tried.join(", ")
                ))))
            }
            Ok(AuthResult::Failure { remaining_methods, partial_success }) => {
                self.tried.push(if partial_success {
                    format!("{what} (accepted, more is asked for)")
                } else {
                    what.to_owned()
                });
                self.allowed = Some(remaining_methods);
                Ok(false)
            }
            Err(e) => Err(Failed::Handshake(comm_error(e))),
        }
    }

    /// The signature algorithms to try for a key. For RSA what the server says it takes; where it says nothing (OpenSSH
    /// before 7.2, which has SHA-1 only; some other servers, which have SHA-2) SHA-2 first, then SHA-1.
    async fn hashes(&mut self, algorithm: &Algorithm) -> Result<Vec<Option<HashAlg>>, Failed> {
        if !matches!(algorithm, Algorithm::Rsa { .. }) {
            return Ok(vec![None]);
        }
        if let Some(hashes) = &self.rsa {
            return Ok(hashes.clone());
        }
        let hashes = match self.handle.best_supported_rsa_hash().await {
            Ok(Some(hash)) => vec![hash],
            Ok(None) => vec![Some(HashAlg::Sha512), None],
            Err(e) => return Err(Failed::Handshake(comm_error(e))),
        };
        self.rsa = Some(hashes.clone());
        Ok(hashes)
    }

    async fn key(&mut self, key: PrivateKey, certificate: Option<Certificate>, name: &str) -> Result<bool, Failed> {
        if !self.takes(MethodKind::PublicKey) {
            return Ok(false);
        }
        let user = self.spec.username.as_str();
        let key = Arc::new(key);
        let public = key.public_key().key_data().clone();
        if let Some(certificate) = certificate {
            let result = self.handle.authenticate_openssh_cert(user, Arc::clone(&key), certificate).await;
            if self.outcome(&format!("{name} with its certificate"), result)? {
                return Ok(true);
            }
        }
        for hash in self.hashes(&key.algorithm()).await? {
            let key = PrivateKeyWithHashAlg::new(Arc::clone(&key), hash);
            let result = self.handle.authenticate_publickey(user, key).await;
            if self.outcome(name, result)? {
                return Ok(true);
            }
        }
        self.shown.push(public);
        Ok(false)
    }

    /// The agent's keys, or those of them that are wanted.
    async fn agent(&mut self, socket: &Path, wanted: Option<&[KeyData]>) -> Result<bool, Failed> {
        if !self.takes(MethodKind::PublicKey) {
            return Ok(false);
        }
        // An agent that is gone is no reason not to try what else there is.
        let listed = async {
            let mut agent = AgentClient::connect_uds(socket).await?;
            let identities = agent.request_identities().await?;
            Ok::<_, russh::keys::Error>((agent, identities))
        };
        let (mut agent, identities) = match listed.await {
            Ok(listed) => listed,
            Err(e) => {
                self.tried.push(format!("agent (the one at {} does not answer: {e})", socket.display()));
                return Ok(false);
            }
        };
        if identities.is_empty() && wanted.is_none() {
            self.tried.push("agent (it holds no key)".into());
        }
        for identity in identities {
            let (public, bare) = match &identity {
                AgentIdentity::PublicKey { key, .. } => (key.key_data().clone(), true),
                AgentIdentity::Certificate { certificate, .. } => (certificate.public_key().clone(), false),
            };
            if wanted.is_some_and(|wanted| !wanted.contains(&public)) || (bare && self.shown.contains(&public)) {
                continue;
            }
            let user = self.spec.username.as_str();
            let (algorithm, comment) = match &identity {
                AgentIdentity::PublicKey { key, comment } => (key.algorithm(), comment.clone()),
                AgentIdentity::Certificate { certificate, comment } => (certificate.algorithm(), comment.clone()),
            };
            let name = format!("agent key {comment}");
            for hash in self.hashes(&algorithm).await? {
                let result = match &identity {
                    AgentIdentity::PublicKey { key, .. } => {
                        self.handle.authenticate_publickey_with(user, key.clone(), hash, &mut agent).await
                    }
                    AgentIdentity::Certificate { certificate, .. } => {
                        self.handle.authenticate_certificate_with(user, certificate.clone(), hash, &mut agent).await
                    }
                };
                match result {
                    Ok(result) => {
                        if self.outcome(&name, Ok(result))? {
                            return Ok(true);
                        }
                    }
                    // The agent declined to sign with this one (a confirmation was refused): the next may do.
                    Err(e) => self.tried.push(format!("{name} (the agent did not sign: {e})")),
                }
            }
            if bare {
                self.shown.push(public);
            }
        }
        Ok(false)
    }

    async fn questions(&mut self, password: Option<&str>) -> Result<bool, Failed> {
        if !self.takes(MethodKind::KeyboardInteractive) {
            return Ok(false);
        }
        let broken = |e| Failed::Handshake(comm_error(e));
        let user = self.spec.username.as_str();
        let mut answer =
            self.handle.authenticate_keyboard_interactive_start(user, None::<String>).await.map_err(broken)?;
        for _ in 0..MOST_ROUNDS {
            match answer {
                Answer::Success => return Ok(true),
                Answer::Failure { remaining_methods, partial_success } => {
                    let result = AuthResult::Failure { remaining_methods, partial_success };
                    return self.outcome("keyboard-interactive", Ok(result));
                }
                Answer::InfoRequest { prompts, .. } => {
                    let mut answers = Vec::new();
                    for prompt in &prompts {
                        let answer = match password {
                            Some(password) => Some(password.to_owned()),
                            None if prompt.echo => self.outside.ask.ask(&prompt.prompt).await,
                            None => self.outside.ask.ask_secret(&prompt.prompt).await,
                        };
                        let Some(answer) = answer else {
                            let text = format!(
                                "{} asks {:?}, and nobody is there to answer",
                                self.spec.address(),
                                prompt.prompt
                            );
                            return Err(Failed::Fatal(CommError::Authentication(text)));
                        };
                        answers.push(answer);
                    }
                    answer = self.handle.authenticate_keyboard_interactive_respond(answers).await.map_err(broken)?;
                }
            }
        }
        self.tried.push("keyboard-interactive (it never stops asking)".into());
        Ok(false)
    }
}

/// The public part of a key that is named by its file, as OpenSSH finds it: `FILE.pub`, the file itself.
fn public_part(file: &Path) -> Option<KeyData> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".pub");
    let public = |text: &str| PublicKey::from_openssh(text.trim()).ok().map(|key| key.key_data().clone());
    if let Some(found) = fs_err::read_to_string(Path::new(&beside)).ok().and_then(|text| public(&text)) {
        return Some(found);
    }
    let text = fs_err::read_to_string(file).ok()?;
    // Of OpenSSH's format only the private part is encrypted.
    public(&text).or_else(|| PrivateKey::from_openssh(&text).ok().map(|key| key.public_key().key_data().clone()))
}

fn decode(pem: &str, passphrase: Option<&str>, name: &str) -> Result<PrivateKey, Failed> {
    russh::keys::decode_secret_key(pem, passphrase).map_err(|e| {
        let why = match e {
            russh::keys::Error::KeyIsEncrypted => "it has a passphrase, and none was given".to_owned(),
            other => other.to_string(),
        };
        Failed::Fatal(CommError::Local(format!("{name} can't be used as a private key: {why}")))
    })
}

fn parse_certificate(text: &str, name: &str) -> Result<Certificate, Failed> {
    Certificate::from_openssh(text.trim())
        .map_err(|e| Failed::Fatal(CommError::Local(format!("{name} is no OpenSSH certificate: {e}"))))
}

impl From<SessionError> for Failed {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::HostKey(why) => Failed::Fatal(CommError::HostKey(why)),
            SessionError::Russh(e @ russh::Error::NoCommonAlgo { .. }) => {
                Failed::Fatal(CommError::Unreachable(e.to_string()))
            }
            SessionError::Russh(e) => Failed::NotYet(CommError::Unreachable(e.to_string())),
        }
    }
}
