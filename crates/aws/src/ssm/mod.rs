//! Session Manager: `trait Ssm` over the SDK's client, and the data channel, which no SDK has.
//!
//! ```text
//! channel.rs  the task that owns a session ── streams.rs  its callers' pipes
//!    ├─ websocket.rs  the connection            ├─ reliable.rs  once and in order
//!    ├─ handshake.rs, cipher.rs                 ├─ frame.rs     messages
//!    └─ mux.rs        several streams in one session
//! ```
//! Learned from session-manager-plugin and amazon-ssm-agent, both of AWS and Apache-2.0; no code is theirs.

mod channel;
mod cipher;
mod frame;
mod handshake;
mod mux;
mod reliable;
mod streams;
mod websocket;

use crate::error;
use crate::retry::{Creating, once};
use async_trait::async_trait;
use aws_sdk_kms::Client as Kms;
use aws_sdk_ssm::Client as Sdk;
use aws_sdk_ssm::config::retry::RetryConfig;
use aws_sdk_ssm::types as sdk;
use channel::{DataChannel, DataKey, NotResumed, Service, Ticket};
use imgbuild_builders::amazon::ec2::Ec2Result;
use imgbuild_builders::amazon::ids::InstanceId;
use imgbuild_builders::amazon::ssm::{ActiveSession, DOCUMENT, NewSession, SessionChannel, Ssm, StreamError};
use imgbuild_diag::Secret;
use imgbuild_engine::connect::Stream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Connecting and shaking hands; the agent itself gives up after 15 s.
const HANDSHAKE: Duration = Duration::from_secs(20);
/// How long an SSH server may take to say who it is before the stream is handed over without that.
const FIRST_WORD: Duration = Duration::from_secs(3);

/// Session Manager in one region.
pub struct SsmClient {
    pub sdk: Sdk,
    pub kms: Kms,
    pub creating: Creating,
}

fn no_retry() -> aws_sdk_ssm::config::Builder {
    aws_sdk_ssm::config::Builder::new().retry_config(RetryConfig::disabled())
}

#[async_trait]
impl Ssm for SsmClient {
    async fn start_session(&self, instance: &InstanceId, port: u16, reason: &str) -> Ec2Result<NewSession> {
        let call = self
            .sdk
            .start_session()
            .target(instance.as_str())
            .document_name(DOCUMENT)
            .parameters("portNumber", vec![port.to_string()])
            .reason(reason);
        let send = || call.clone().customize().config_override(no_retry()).send();
        let out = once(self.creating, send, "StartSession").await?;
        match (out.session_id, out.stream_url, out.token_value) {
            (Some(id), Some(url), Some(token)) => Ok(NewSession { id, url, token: Secret::new(token) }),
            _ => Err(crate::ec2::lacking("StartSession", "session")),
        }
    }

    async fn active_sessions(&self, instance: &InstanceId) -> Ec2Result<Vec<ActiveSession>> {
        let filter = sdk::SessionFilter::builder().key(sdk::SessionFilterKey::TargetId).value(instance.as_str());
        let filter = filter.build().map_err(|e| imgbuild_builders::amazon::ec2::Ec2Error {
            operation: "DescribeSessions",
            code: "Request".into(),
            message: e.to_string(),
            request_id: None,
            kind: imgbuild_builders::amazon::ec2::ErrorKind::Certain,
        })?;
        let call = self.sdk.describe_sessions().state(sdk::SessionState::Active).filters(filter);
        let mut pages = call.into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| error::ec2("DescribeSessions", e))?;
            found.extend(page.sessions().iter().filter_map(|session| {
                let reason = session.reason().unwrap_or_default().to_owned();
                Some(ActiveSession { id: session.session_id()?.to_owned(), reason })
            }));
        }
        Ok(found)
    }

    async fn terminate_session(&self, id: &str) -> Ec2Result<()> {
        match self.sdk.terminate_session().session_id(id).send().await.map_err(|e| error::ec2("TerminateSession", e)) {
            Err(error) if error.is_not_found() => Ok(()),
            other => other.map(drop),
        }
    }

    async fn connect(&self, instance: &InstanceId, session: NewSession) -> Result<Arc<dyn SessionChannel>, String> {
        let service = Calls {
            sdk: self.sdk.clone(),
            kms: self.kms.clone(),
            session: session.id,
            target: instance.to_string(),
            url: session.url.clone(),
        };
        let ticket = Ticket { url: session.url, token: session.token };
        let channel = DataChannel::open(ticket, Arc::new(service), HANDSHAKE).await?;
        Ok(Arc::new(Channel { channel, used: AtomicBool::new(false) }))
    }
}

struct Channel {
    channel: DataChannel,
    used: AtomicBool,
}

#[async_trait]
impl SessionChannel for Channel {
    async fn stream(&self) -> Result<Box<dyn Stream>, StreamError> {
        self.used.store(true, Ordering::Relaxed);
        let opened = self.channel.stream().await.map_err(StreamError::Session)?;
        match tokio::time::timeout(FIRST_WORD, opened.first).await {
            Ok(Ok(Err(why))) => Err(match self.channel.ended() {
                Some(why) => StreamError::Session(why),
                None => StreamError::Port(why),
            }),
            Ok(Err(_)) => Err(StreamError::Session("the session has ended".into())),
            Ok(Ok(Ok(()))) | Err(_) => Ok(Box::new(opened.stream)),
        }
    }

    fn takes_more(&self) -> bool {
        self.channel.forwarding.multiplexed || !self.used.load(Ordering::Relaxed)
    }

    fn ended(&self) -> bool {
        self.channel.ended().is_some()
    }
}

/// What a channel asks of the account.
struct Calls {
    sdk: Sdk,
    kms: Kms,
    session: String,
    target: String,
    url: String,
}

#[async_trait]
impl Service for Calls {
    async fn resume(&self) -> Result<Ticket, NotResumed> {
        let ended = |why: &str| NotResumed { ended: true, why: why.to_owned() };
        match self.sdk.resume_session().session_id(&self.session).send().await {
            Ok(out) => {
                // The reference client takes an answer without a token for the session's end.
                let token =
                    out.token_value.filter(|token| !token.is_empty()).ok_or_else(|| ended("the session timed out"))?;
                let url = out.stream_url.filter(|url| !url.is_empty()).unwrap_or_else(|| self.url.clone());
                Ok(Ticket { url, token: Secret::new(token) })
            }
            Err(error) => {
                let error = error::ec2("ResumeSession", error);
                Err(NotResumed { ended: error.is_not_found(), why: error.to_string() })
            }
        }
    }

    async fn data_key(&self, key: &str, challenge: Option<&str>) -> Result<DataKey, String> {
        let length = i32::try_from(cipher::KEY_LENGTH).unwrap_or(i32::MAX);
        let mut call = self
            .kms
            .generate_data_key()
            .key_id(key)
            .number_of_bytes(length)
            .encryption_context("aws:ssm:SessionId", &self.session)
            .encryption_context("aws:ssm:TargetId", &self.target);
        if let Some(challenge) = challenge {
            call = call.encryption_context("aws:ssm:RandomChallenge", challenge);
        }
        let out = call.send().await.map_err(|e| error::ec2("GenerateDataKey", e).to_string())?;
        match (out.plaintext, out.ciphertext_blob) {
            (Some(plain), Some(sealed)) => {
                Ok(DataKey { plain: Secret::new(plain.into_inner()), sealed: sealed.into_inner() })
            }
            _ => Err("GenerateDataKey: the answer holds no key".into()),
        }
    }
}
