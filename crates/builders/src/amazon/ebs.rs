//! `amazon-ebs`, `amazon-ebssurrogate` and `amazon-ebsvolume`: launch, provision, stop, make an image or keep the volumes. One
//! straight line of phases; what is undone, and when, is decided here.

use super::artifact::{AmiArtifact, VolumesArtifact};
use super::env::{Amazon, Env, data};
use super::failure::Failure;
use super::options::{Config, Product};
use super::phase::connect::Reached;
use super::phase::image::{Imaged, Labels};
use super::phase::interruption::recognise;
use super::phase::launch::{HeldLaunch, Launched, Subject};
use super::phase::{
    connect, copy, image, interruption, launch, network, preflight, provision, publish, register, replace, source,
    stop, unchanged, verify, volumes,
};
use super::types::Image;
use crate::inputs::Inputs;
use async_trait::async_trait;
use futures_util::TryFutureExt as _;
use imgbuild_engine::artifact::{Artifact, SharedArtifact};
use imgbuild_engine::build::{BuildError, BuildSession, Builder, Built, OnError};
use imgbuild_engine::provision::{BuildData, Plan, Session};
use imgbuild_engine::run::Leak;
use std::future::Future;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long unwinding may take: terminating an instance takes minutes at worst.
const UNWIND: Duration = Duration::from_secs(1200);

/// The builder, prepared.
pub struct AmazonEbs {
    /// Options.
    pub config: Config,
    /// What the builds of a run share.
    pub shared: Arc<Amazon>,
    /// Steps that prove the image on an instance of it, before anyone gets to see it.
    pub verify: Option<Arc<Plan>>,
    /// What the image is made of: one that was made of the same before is taken instead.
    pub inputs: Option<Inputs>,
}

#[async_trait]
impl Builder for AmazonEbs {
    async fn build(&self, session: &BuildSession) -> Result<Built, BuildError> {
        let redactor = session.run.reporter().redactor();
        self.config.secrets().into_iter().for_each(|secret| redactor.add(secret));
        let env = Env::open(session, &self.config, &self.shared).await.map_err(unopened)?;
        let progress = Progress::default();
        let done = self.phases(&env, &progress).await;
        conclude(&env, &progress, done).await
    }
}

/// The account can't be used: nothing was begun.
pub(super) fn unopened(failure: Failure) -> BuildError {
    build_error(failure, Vec::new())
}

/// What is left to do when the phases are through, or one has failed.
pub(super) async fn conclude(
    env: &Env<'_>,
    progress: &Progress,
    done: Result<Done, Failure>,
) -> Result<Built, BuildError> {
    match done {
        Ok(done) => {
            let leaks = env.session.run.unwind(&env.releaser, UNWIND).await;
            Ok(Built { artifact: done.artifact, data: done.data, leaks })
        }
        Err(failure) => Err(fail(env, progress, failure).await),
    }
}

/// How far a build came, for what has to be done when it fails.
#[derive(Default)]
pub(super) struct Progress(Mutex<Option<Session>>);

impl Progress {
    /// Its machine is there.
    pub(super) fn reached(&self, session: &Session) {
        *self.0.lock().unwrap_or_else(|e| e.into_inner()) = Some(session.clone());
    }

    /// The machine is gone: an error-cleanup-provisioner has nothing to run on.
    pub(super) fn gone(&self) -> Option<Session> {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).take()
    }

    fn session(&self) -> Option<Session> {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }
}

/// What the phases leave.
pub(super) struct Done {
    /// The artifact.
    pub(super) artifact: Option<SharedArtifact>,
    /// Fields for the post-processors.
    pub(super) data: BuildData,
}

impl AmazonEbs {
    async fn phases(&self, env: &Env<'_>, progress: &Progress) -> Result<Done, Failure> {
        phase(env, "preflight").await?;
        let (source, made_of) = match &self.inputs {
            None => (None, None),
            Some(inputs) => {
                let source = source::run(env).await?;
                let digest = unchanged::digest(inputs, &source);
                if let Some(images) = unchanged::find(env, inputs, &digest).await? {
                    let data = data(&env.region, Some(&source));
                    return Ok(Done { artifact: Some(keep(env, images)?), data });
                }
                (Some(source), Some(digest))
            }
        };
        let found = async {
            match source {
                Some(source) => Ok(source),
                None => source::run(env).await,
            }
        };
        let (checked, source) = tokio::try_join!(preflight::run(env), found)?;
        let mut labels = Labels::render(env, Some(&source))?;
        labels.image.extend(made_of.map(|digest| (unchanged::INPUTS_TAG.to_owned(), digest)));
        let volumes = match &self.config.product {
            Product::Volumes(wanted) => Some((wanted, volumes::Labels::render(env, &source, wanted)?)),
            _ => None,
        };
        preflight::fit(env, &source).await?;
        let (launched, reached) = self.machine(env, &source, progress).await?;
        if let Some((wanted, labels)) = &volumes {
            volumes::tag(env, &launched, wanted, labels).await?;
        }
        let data = reached.session.data.clone();
        if let Some((wanted, labels)) = volumes {
            phase(env, "stop").await?;
            close(&reached).await;
            stop::run(env, &launched).await?;
            progress.gone();
            phase(env, "snapshot").await?;
            let filled = volumes::finish(env, launched, wanted, &labels).await?;
            let artifact = VolumesArtifact::new(env, filled);
            env.ui().say(format!("Created Volumes: {}", artifact.description()));
            return Ok(Done { artifact: Some(Arc::new(artifact)), data });
        }
        if self.config.skip_create_ami {
            env.ui().say("Skipping AMI creation...");
            close(&reached).await;
            end(env, launched.held).await;
            return Ok(Done { artifact: None, data });
        }
        let images = self.image(env, &checked, &source, &labels, launched, reached, progress).await?;
        let artifact = keep(env, images)?;
        Ok(Done { artifact: Some(artifact), data })
    }

    /// A provisioned instance. Where EC2 takes a spot instance back in the middle, another one, as far as the template allows it
    /// (docs/decisions/0060).
    async fn machine(
        &self,
        env: &Env<'_>,
        source: &Image,
        progress: &Progress,
    ) -> Result<(Launched, Reached), Failure> {
        phase(env, "network").await?;
        let network = network::run(env).await?;
        let mut before = 0;
        loop {
            phase(env, "launch").await?;
            let launched = launch::run(env, Subject::Source(source), &network).await?;
            let begun = AtomicUsize::new(0);
            let work = async {
                phase(env, "connect").await?;
                let connect = || connect::run(env, source, &launched).or_else(|f| recognise(env, &launched, f));
                let reached = attempt(env, connect).await?;
                progress.reached(&reached.session);
                phase(env, "provision").await?;
                let provision =
                    || provision::run(env, &launched, &reached, &begun).or_else(|f| recognise(env, &launched, f));
                match attempt(env, provision).await {
                    Ok(()) => Ok(reached),
                    Err(failure) => {
                        if failure.interrupted {
                            progress.gone();
                            close(&reached).await;
                        }
                        Err(failure)
                    }
                }
            };
            let failure: Failure = match work.await {
                Ok(reached) => return Ok((launched, reached)),
                Err(failure) => failure,
            };
            if !failure.interrupted {
                return Err(failure);
            }
            before += 1;
            interruption::again(env, &failure, begun.into_inner(), before)?;
            end(env, launched.held).await;
        }
    }

    /// From a provisioned instance to images in all regions. The instance goes while copies are made.
    #[expect(clippy::too_many_arguments, reason = "each is another phase's result")]
    async fn image(
        &self,
        env: &Env<'_>,
        checked: &preflight::Checked,
        source: &Image,
        labels: &Labels,
        launched: Launched,
        reached: Reached,
        progress: &Progress,
    ) -> Result<Vec<Imaged>, Failure> {
        phase(env, "stop").await?;
        close(&reached).await;
        stop::run(env, &launched).await?;
        phase(env, "image").await?;
        let name = name(labels, is_interim(env, checked));
        let image = match &self.config.product {
            Product::Surrogate(surrogate) => register::run(env, checked, surrogate, &launched, labels, name).await?,
            _ => {
                let make = async |name: String| image::run(env, &launched, labels, &name).await;
                replace::named(env, checked, &env.region, name, make).await?
            }
        };
        progress.gone();
        let proof = self.verify.as_deref().map(|plan| (source, plan));
        let rest = to_all_regions(env, checked, labels, image, proof);
        // A machine that is no longer needed keeps nobody waiting.
        let ((), images) = tokio::join!(end(env, launched.held), rest);
        images
    }
}

/// Whether the first image is not the one that stays.
pub(super) fn is_interim(env: &Env<'_>, checked: &preflight::Checked) -> bool {
    env.config.ami.skip_build_region || checked.replaces(&env.region)
}

/// What the first image is called.
pub(super) fn name(labels: &Labels, interim: bool) -> String {
    if interim { copy::interim_name(&labels.name) } else { labels.name.clone() }
}

/// From an image in the build region to those in all regions, shared and ready. `proof`: the source image, and the steps that
/// prove the new one on an instance of it.
pub(super) async fn to_all_regions(
    env: &Env<'_>,
    checked: &preflight::Checked,
    labels: &Labels,
    image: Imaged,
    proof: Option<(&Image, &Plan)>,
) -> Result<Vec<Imaged>, Failure> {
    if let Some((source, plan)) = proof {
        phase(env, "verify").await?;
        verify::run(env, source, &image, plan).await?;
    }
    phase(env, "copy").await?;
    let mut images = copy::run(env, checked, &image, labels).await?;
    match image.held {
        Some(held) if env.config.ami.skip_build_region => {
            release(env, "the interim AMI", held).await?;
            for snapshot in image.parts {
                release(env, "its snapshot", snapshot).await?;
            }
        }
        _ => images.insert(0, image),
    }
    // Once old images go there is no way back: a cancellation comes too late.
    let swaps = images.iter().any(|image| checked.replaces(&image.region));
    if swaps {
        env.go_on()?;
    }
    let session = env.session.to_the_end();
    let deaf = env.with_session(&session);
    let env = if swaps { &deaf } else { env };
    let images = copy::swap(env, checked, labels, images).await?;
    phase(env, "share").await?;
    // Those that have replaced others are.
    let new: Vec<&Imaged> = images.iter().filter(|image| !checked.replaces(&image.region)).collect();
    publish::share(env, &new).await?;
    publish::settle(env, &new).await?;
    for image in &images {
        env.ui().message(format!("AMI {} is available in {}", image.id, image.region));
    }
    Ok(images)
}

/// Begins a phase: `-debug` waits for Enter, a cancelled run goes no further.
pub(super) async fn phase(env: &Env<'_>, name: &'static str) -> Result<(), Failure> {
    env.go_on()?;
    env.ui().phase(name);
    if env.session.debug {
        let question = format!("Pausing before phase {name:?}. Press enter to continue. ");
        let asked = env.session.run.cancel().guard(env.session.ask.ask(&question)).await;
        asked.ok_or_else(Failure::cancelled)?;
    }
    Ok(())
}

/// Runs a phase that can be repeated; with `-on-error=ask` the person may.
pub(super) async fn attempt<T, F, Fut>(env: &Env<'_>, run: F) -> Result<T, Failure>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T, Failure>>,
{
    loop {
        let failure = match run().await {
            Err(failure) if env.session.on_error == OnError::Ask && !failure.cancelled && !failure.interrupted => {
                failure
            }
            other => return other,
        };
        env.ui().error(&failure.message);
        let question = "Retry this step? [y]es, or anything else to go on with the error: ";
        match env.session.ask.ask(question).await.as_deref().map(str::trim) {
            Some("y" | "Y" | "yes" | "r") => {}
            _ => return Err(failure),
        }
    }
}

/// Closes the connection and ends the sessions that led to the machine.
pub(super) async fn close(reached: &Reached) {
    if let Some(communicator) = &reached.session.communicator {
        communicator.close().await;
    }
    if let Some(way) = &reached.way {
        way.close().await;
    }
}

/// Terminates the instance and removes what only it needed. What can't be removed stays owed: unwinding tries again and tells.
pub(super) async fn end(env: &Env<'_>, held: HeldLaunch) {
    let run = &env.session.run;
    env.ui().say("Terminating the source AWS instance...");
    if let Err(leak) = run.release(held.instance, &env.releaser).await {
        env.ui().error(format!("Error terminating the instance, may still be around: {leak}"));
        return;
    }
    let group = async {
        if let Some(group) = held.group {
            env.ui().say("Deleting temporary security group...");
            if let Err(leak) = run.release(group, &env.releaser).await {
                env.ui().error(format!("Error cleaning up security group, trying again: {leak}"));
            }
        }
    };
    let key = async {
        if let Some(key) = held.key {
            env.ui().say("Deleting temporary keypair...");
            if let Err(leak) = run.release(key, &env.releaser).await {
                env.ui().error(format!("Error cleaning up keypair, trying again: {leak}"));
            }
        }
    };
    let profile = async {
        let Some(profile) = held.profile else { return };
        env.ui().say("Deleting temporary instance profile and role...");
        for (what, held) in [("instance profile", profile.profile), ("role", profile.role)] {
            if let Err(leak) = run.release(held, &env.releaser).await {
                env.ui().error(format!("Error deleting the temporary {what}, trying again: {leak}"));
            }
        }
    };
    tokio::join!(group, key, profile);
}

async fn release(env: &Env<'_>, what: &str, held: imgbuild_engine::run::Held<()>) -> Result<(), Failure> {
    env.ui().say(format!("Removing {what} {}", held.id));
    let released = env.session.run.release(held, &env.releaser).await;
    released.map_err(|leak| Failure::new(format!("{what} could not be removed: {leak}")))
}

/// The images are the user's now.
pub(super) fn keep(env: &Env<'_>, images: Vec<Imaged>) -> Result<SharedArtifact, Failure> {
    let mut kept = Vec::new();
    for image in images {
        // The snapshots first: a death in between leaves the image owed, and it takes its snapshots along.
        for held in image.parts.into_iter().chain(image.held) {
            env.session.run.keep(held)?;
        }
        kept.push((image.region, image.id, image.snapshots));
    }
    kept.sort_by(|a, b| a.0.cmp(&b.0));
    let builder_id = env.config.product.builder_id();
    Ok(Arc::new(AmiArtifact { builder_id, account: Arc::clone(&env.account), images: kept }))
}

/// What `-on-error` says becomes of a failed build.
async fn fail(env: &Env<'_>, progress: &Progress, failure: Failure) -> BuildError {
    let failure = decoded(env, failure).await.placed(&env.config.run.places);
    let policy = match env.session.on_error {
        OnError::Ask if !failure.cancelled => ask(env, &failure).await,
        OnError::Ask => OnError::Cleanup,
        other => other,
    };
    if policy != OnError::Abort
        && let Some(session) = progress.session()
    {
        env.session.provision.clean_up(&session).await;
    }
    if let Some(session) = progress.session()
        && let Some(communicator) = &session.communicator
    {
        communicator.close().await;
    }
    let leaks = match policy {
        OnError::Cleanup | OnError::Ask => env.session.run.unwind(&env.releaser, UNWIND).await,
        OnError::Abort | OnError::RunCleanupProvisioner => left(env),
    };
    build_error(failure, leaks)
}

/// EC2 says why it refused in a message that only STS can read (`decode_authorization_messages`).
async fn decoded(env: &Env<'_>, failure: Failure) -> Failure {
    const MARK: &str = "Encoded authorization failure message: ";
    let Some(at) = failure.message.find(MARK).filter(|_| env.config.access.decode_messages) else { return failure };
    let rest = &failure.message[at + MARK.len()..];
    let end = rest.find(|c: char| c.is_whitespace() || c == ')').unwrap_or(rest.len());
    match env.account.decode_authorization(&rest[..end]).await {
        Ok(text) => {
            let message = format!("{}{text}{}", &failure.message[..at], &rest[end..]);
            Failure { message, ..failure }
        }
        Err(error) => failure.help(format!("the refusal's reason could not be decoded: {error}")),
    }
}

/// What stays where it is, because the user wants it so.
fn left(env: &Env<'_>) -> Vec<Leak> {
    let held = env.session.run.held().into_iter();
    held.map(|entry| {
        let id = match entry.state {
            imgbuild_engine::journal::State::Created { id } => Some(id),
            _ => None,
        };
        Leak { intent: entry.intent, id, why: "left as -on-error says".into() }
    })
    .collect()
}

async fn ask(env: &Env<'_>, failure: &Failure) -> OnError {
    env.ui().error(&failure.message);
    let question = "[c] Clean up and exit, [a] abort without cleanup, or [x] run the cleanup provisioner and abort? ";
    loop {
        let Some(answer) = env.session.ask.ask(question).await else { return OnError::Cleanup };
        match answer.trim().to_ascii_lowercase().as_str() {
            "c" => return OnError::Cleanup,
            "a" => return OnError::Abort,
            "x" => return OnError::RunCleanupProvisioner,
            _ => {}
        }
    }
}

fn build_error(failure: Failure, leaks: Vec<Leak>) -> BuildError {
    BuildError { message: failure.message, help: failure.help, leaks, cancelled: failure.cancelled }
}
