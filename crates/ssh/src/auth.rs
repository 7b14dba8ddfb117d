//! Authentication: the ways of a spec in order, as far as the server takes them.

use crate::connect::Outside;
use crate::error::{Failed, SessionError, comm_error};
use crate::handler::Client;
use imgbuild_engine::communicator::CommError;
use imgbuild_engine::connect::{Auth, SshSpec};
use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse as Answer};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Algorithm, Certificate, HashAlg, PrivateKey, PrivateKeyWithHashAlg};
use russh::{MethodKind, MethodSet};
use std::sync::Arc;

/// Questions that a server may ask in one keyboard-interactive round before we stop answering.
const MOST_ROUNDS: usize = 10;

/// Authenticates, or says what was tried.
pub(crate) async fn authenticate(handle: &mut Handle<Client>, spec: &SshSpec, outside: &Outside) -> Result<(), Failed> {
    let mut attempt = Attempt { handle, spec, outside, allowed: None, tried: Vec::new(), rsa: None };
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
    rsa: Option<Option<HashAlg>>,
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
                    Ok(text) => text,
                    Err(e) if *optional && e.kind() == std::io::ErrorKind::NotFound => return Ok(false),
                    Err(e) => {
                        return Err(Failed::Fatal(CommError::Local(format!("the private key can't be read: {e}"))));
                    }
                };
                let key = match decode(&text, passphrase.as_ref().map(|p| p.expose().as_str()), &name) {
                    Ok(key) => key,
                    // A default identity that has a passphrase is passed over, as ssh does in batch mode.
                    Err(_) if *optional => {
                        self.tried.push(format!("{name} (can't be used)"));
                        return Ok(false);
                    }
                    Err(e) => return Err(e),
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
                Some(socket) => self.agent(socket).await,
                None => Err(Failed::Fatal(CommError::Local(
                    "authentication by the SSH agent is asked for, but SSH_AUTH_SOCK names none".into(),
                ))),
            },
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

    /// The signature algorithm for RSA keys: what the server says it takes, SHA-2 where it says nothing. SHA-1 only where
    /// the server offers nothing better (OpenSSH before 7.2).
    async fn rsa_hash(&mut self) -> Result<Option<HashAlg>, Failed> {
        if let Some(hash) = self.rsa {
            return Ok(hash);
        }
        let hash = match self.handle.best_supported_rsa_hash().await {
            Ok(Some(hash)) => hash,
            // No server-sig-algs extension: OpenSSH before 7.2 has SHA-1 only, and all later ones send it.
            Ok(None) => None,
            Err(e) => return Err(Failed::Handshake(comm_error(e))),
        };
        self.rsa = Some(hash);
        Ok(hash)
    }

    async fn key(&mut self, key: PrivateKey, certificate: Option<Certificate>, name: &str) -> Result<bool, Failed> {
        if !self.takes(MethodKind::PublicKey) {
            return Ok(false);
        }
        let user = self.spec.username.as_str();
        let key = Arc::new(key);
        if let Some(certificate) = certificate {
            let result = self.handle.authenticate_openssh_cert(user, Arc::clone(&key), certificate).await;
            if self.outcome(&format!("{name} with its certificate"), result)? {
                return Ok(true);
            }
        }
        let hash = if key.algorithm().is_rsa() { self.rsa_hash().await? } else { None };
        let result = self.handle.authenticate_publickey(user, PrivateKeyWithHashAlg::new(key, hash)).await;
        self.outcome(name, result)
    }

    async fn agent(&mut self, socket: &std::path::Path) -> Result<bool, Failed> {
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
        if identities.is_empty() {
            self.tried.push("agent (it holds no key)".into());
        }
        for identity in identities {
            let user = self.spec.username.as_str();
            let (result, name) = match identity {
                AgentIdentity::PublicKey { key, comment } => {
                    let hash = if key.algorithm().is_rsa() { self.rsa_hash().await? } else { None };
                    (self.handle.authenticate_publickey_with(user, key, hash, &mut agent).await, comment)
                }
                AgentIdentity::Certificate { certificate, comment } => {
                    let rsa = matches!(certificate.algorithm(), Algorithm::Rsa { .. });
                    let hash = if rsa { self.rsa_hash().await? } else { None };
                    (self.handle.authenticate_certificate_with(user, certificate, hash, &mut agent).await, comment)
                }
            };
            let name = format!("agent key {name}");
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
