//! `null`: provisions a host that is there already. It makes nothing, so it has nothing to undo.

use crate::paths::Paths;
use crate::read::{Diags, text};
use crate::ssh_options::{self, COMMUNICATOR, Communicator, KeySource};
use async_trait::async_trait;
use imgbuild_diag::Diagnostics;
use imgbuild_engine::artifact::Artifact;
use imgbuild_engine::build::{BuildError, BuildSession, Builder, Built, OnError};
use imgbuild_engine::connect::{HostKeys, UnknownKey};
use imgbuild_engine::provision::{BuildData, ProvisionError, Session};
use imgbuild_template::{Body, Context, Table};
use std::path::PathBuf;
use std::sync::Arc;

/// Its options are the communicator's.
pub static NULL: Table = Table::new("null", &[COMMUNICATOR]);

/// The builder, prepared.
pub struct Null {
    communicator: Communicator,
    known_hosts: PathBuf,
}

impl Null {
    /// Reads and checks.
    pub fn read(body: &Body, context: &Context) -> Result<(Null, Diagnostics), Diagnostics> {
        let mut found = Diagnostics::new();
        let reader = body.reader(&NULL, context, &mut found);
        let mut diags = Diags::new(found, body);
        let paths = Paths::new(context);
        let communicator = ssh_options::read(&reader, false, &paths, &mut diags);
        if let Some(ssh) = communicator.ssh() {
            if ssh.host.is_none() {
                diags.missing(&reader, &["ssh_host"], "a \"ssh_host\" must be specified");
            }
            let agent = reader.is_true("ssh_agent_auth");
            let key = matches!(ssh.key, KeySource::File { .. });
            if !agent && ssh.password.is_none() && !key {
                let message = "one authentication method must be specified: \"ssh_password\", \"ssh_private_key_file\" or \
                               \"ssh_agent_auth\"";
                diags.missing(&reader, &["ssh_password", "ssh_private_key_file"], message);
            }
            if !agent && ssh.password.is_some() && key {
                let message = "only one of \"ssh_password\" and \"ssh_private_key_file\" can be specified";
                diags.error(&reader.place("ssh_password"), message);
            }
            if text(&reader, "temporary_key_pair_name").is_some() {
                let message = "the null builder can't put a temporary key onto the host";
                diags.error(&reader.place("temporary_key_pair_name"), message);
            }
        }
        let known_hosts = paths.resolve("~/.ssh/known_hosts");
        diags.found.into_result(Null { communicator, known_hosts })
    }
}

impl Null {
    /// Whether it connects.
    pub fn connects(&self) -> bool {
        self.communicator.ssh().is_some()
    }

    /// Secrets of its options.
    pub fn secrets(&self) -> Vec<&str> {
        let Some(ssh) = self.communicator.ssh() else { return Vec::new() };
        ssh.password.iter().map(|p| p.expose().as_str()).chain(ssh.route_secrets()).collect()
    }
}

#[async_trait]
impl Builder for Null {
    async fn build(&self, session: &BuildSession) -> Result<Built, BuildError> {
        let ui = session.run.reporter();
        let mut data = BuildData::new();
        data.insert("ID".into(), "Null".into());
        data.insert("PackerRunUUID".into(), session.run.run().id().to_owned());
        let mut reached = Session {
            build_name: ui.build().to_owned(),
            builder_type: "null".into(),
            communicator: None,
            pty: false,
            username: String::new(),
            data,
            reporter: ui.clone(),
            cancel: session.run.cancel().clone(),
            ask: Arc::clone(&session.ask),
            agents: session.agents,
            connect: Some(Arc::clone(&session.connect)),
        };
        match self.communicator.ssh() {
            None => {
                reached.data.insert("ConnType".into(), "none".into());
            }
            Some(ssh) => {
                let redactor = ui.redactor();
                ssh.route_secrets().into_iter().for_each(|secret| redactor.add(secret));
                let password = ssh.password.as_ref().map(|p| p.expose().clone()).unwrap_or_default();
                redactor.add(&password);
                let mut spec = ssh.spec.clone();
                spec.host = ssh.host.clone().unwrap_or_default();
                // Someone else's machine: a host that is known must still be itself. Packer knows none and takes any.
                spec.host_keys =
                    HostKeys::Known { files: vec![self.known_hosts.clone()], unknown: UnknownKey::Accept, alias: None };
                ui.message(format!("Using SSH communicator to connect: {}", spec.host));
                ui.say("Waiting for SSH to become available...");
                ui.phase("connect");
                stop(session, "connect").await?;
                let connect = || async {
                    let connecting = session.run.cancel().guard(session.connect.connect(&spec)).await;
                    connecting.ok_or_else(cancelled)?.map_err(|e| failed(e.to_string()))
                };
                let mut communicator = connect().await?;
                if !ssh.pause.is_zero() {
                    ui.say(format!("Pausing {} s before connecting...", ssh.pause.as_secs_f64()));
                    communicator.close().await;
                    let pause = session.run.cancel().guard(tokio::time::sleep(ssh.pause)).await;
                    pause.ok_or_else(cancelled)?;
                    communicator = connect().await?;
                }
                ui.say("Connected to SSH!");
                for (name, value) in [
                    ("ConnType", "ssh".to_owned()),
                    ("Host", spec.host.clone()),
                    ("Port", spec.port.to_string()),
                    ("User", spec.username.clone()),
                    ("Password", password),
                ] {
                    reached.data.insert(name.into(), value);
                }
                (reached.pty, reached.username) = (spec.pty, spec.username);
                reached.communicator = Some(communicator);
            }
        }
        ui.phase("provision");
        stop(session, "provision").await?;
        let mut policy = session.on_error;
        let outcome = loop {
            let outcome = session.provision.run(&reached).await;
            let asked = session.on_error == OnError::Ask;
            match &outcome {
                Err(error) if asked && *error != ProvisionError::Cancelled => match ask(session, error).await {
                    None => continue,
                    Some(answer) => policy = answer,
                },
                _ => {}
            }
            break outcome;
        };
        match policy {
            _ if outcome.is_ok() => {}
            OnError::Abort => ui.say("Step \"provision\" was aborted: nothing is cleaned up"),
            _ => session.provision.clean_up(&reached).await,
        }
        if let Some(communicator) = &reached.communicator {
            communicator.close().await;
        }
        match outcome {
            Ok(()) => Ok(Built { artifact: Some(Arc::new(NullArtifact)), data: reached.data, leaks: Vec::new() }),
            Err(ProvisionError::Cancelled) => Err(cancelled()),
            Err(error) => Err(failed(error.to_string())),
        }
    }
}

/// `-debug`: waits for Enter before a phase.
async fn stop(session: &BuildSession, phase: &str) -> Result<(), BuildError> {
    if session.debug {
        let question = format!("Pausing before phase {phase:?}. Press enter to continue. ");
        session.run.cancel().guard(session.ask.ask(&question)).await.ok_or_else(cancelled)?;
    }
    Ok(())
}

/// `-on-error=ask`: what becomes of the failed build; none: it is tried again. Where there is nobody it is cleaned up.
async fn ask(session: &BuildSession, error: &ProvisionError) -> Option<OnError> {
    session.run.reporter().error(format!("Step \"provision\" failed: {error}"));
    let question =
        "[c] Clean up and exit, [a] abort without cleanup, or [r] retry step (build may fail even if retry succeeds)? ";
    loop {
        let answer = session.run.cancel().guard(session.ask.ask(question)).await.flatten();
        match answer.as_deref().map(|a| a.trim().to_ascii_lowercase()).as_deref() {
            None | Some("c") => return Some(OnError::Cleanup),
            Some("a") => return Some(OnError::Abort),
            Some("r") => return None,
            Some(_) => {}
        }
    }
}

fn failed(message: String) -> BuildError {
    BuildError { message, help: Vec::new(), leaks: Vec::new(), cancelled: false }
}

fn cancelled() -> BuildError {
    BuildError { cancelled: true, ..failed("cancelled".into()) }
}

/// Nothing was made, but a build that ends has an artifact.
struct NullArtifact;

#[async_trait]
impl Artifact for NullArtifact {
    fn builder_id(&self) -> &str {
        "fnoeding.null"
    }
    fn id(&self) -> String {
        "Null".into()
    }
    fn description(&self) -> String {
        "Did not export anything. This is the null builder".into()
    }
    fn files(&self) -> Vec<PathBuf> {
        Vec::new()
    }
    async fn destroy(&self) -> Result<(), String> {
        Ok(())
    }
}
