//! `amazon-chroot`: a volume is made, attached to the instance that this program runs on, mounted and provisioned by chroot(8);
//! an image is registered from its snapshot. Nothing is launched.

pub mod device;
pub mod here;
pub mod inside;
pub mod mounts;
mod register;
pub mod shell;
mod volume;

use super::ebs::{self, Done, Progress};
use super::ec2::Ec2Error;
use super::env::{Amazon, Env, data};
use super::failure::Failure;
use super::ids::VolumeId;
use super::options::chroot::Chroot;
use super::options::{Config, Product};
use super::phase::image::Labels;
use super::phase::{preflight, snapshot, source};
use super::releaser::kind;
use super::types::{Filter, Image, Instance, Tags};
use async_trait::async_trait;
use imgbuild_engine::build::{BuildError, BuildSession, Builder, Built};
use imgbuild_engine::provision::Session;
use imgbuild_engine::run::{CallFailed, Held};
use shell::{ChrootCommunicator, Shell};
use std::sync::Arc;

/// The builder, prepared.
pub struct AmazonChroot {
    /// Options.
    pub config: Config,
    /// What the builds of a run share.
    pub shared: Arc<Amazon>,
}

#[async_trait]
impl Builder for AmazonChroot {
    async fn build(&self, session: &BuildSession) -> Result<Built, BuildError> {
        let redactor = session.run.reporter().redactor();
        self.config.secrets().into_iter().for_each(|secret| redactor.add(secret));
        let mut env = Env::open(session, &self.config, &self.shared).await.map_err(ebs::unopened)?;
        let Product::Chroot(chroot) = &self.config.product else {
            return Err(ebs::unopened(Failure::new("this is no chroot builder")));
        };
        let shell = Shell::wrapped(chroot.wrapper.clone(), self.config.context.clone());
        env.releaser = env.releaser.with_shell(shell.clone());
        let progress = Progress::default();
        let done = phases(&env, chroot, &shell, &progress).await;
        ebs::conclude(&env, &progress, done).await
    }
}

/// The volume, mounted.
pub struct Mounted {
    /// The volume.
    pub volume: VolumeId,
    /// Its size in GiB.
    pub held: Held<()>,
    /// The directory, with all that is mounted in it.
    pub root: Held<()>,
    /// The directory.
    pub path: String,
    /// `{{ .Device }}`.
    pub device: String,
}

async fn phases(env: &Env<'_>, chroot: &Chroot, shell: &Shell, progress: &Progress) -> Result<Done, Failure> {
    ebs::phase(env, "preflight").await?;
    let instance = own_instance(env).await?;
    let found = async { if chroot.from_scratch { Ok(None) } else { source::run(env).await.map(Some) } };
    let (checked, source) = tokio::try_join!(preflight::run(env), found)?;
    let source = source.as_ref();
    let labels = Labels::render(env, source)?;
    let wanted = volume::wanted(env, chroot, source)?;
    ebs::phase(env, "volume").await?;
    let attached = volume::attach(env, chroot, &instance, source, wanted).await?;
    ebs::phase(env, "mount").await?;
    let mounted = inside::mount(env, chroot, shell, source, attached).await?;
    let session = session(env, source, shell, &mounted);
    progress.reached(&session);
    ebs::phase(env, "provision").await?;
    ebs::attempt(env, || async { Ok(env.session.provision.run(&session).await?) }).await?;
    let data = session.data.clone();
    progress.gone();
    ebs::phase(env, "unmount").await?;
    let Mounted { volume, held, root, path, .. } = mounted;
    inside::leave(env, chroot, shell, &path).await?;
    env.ui().say("Unmounting the root device...");
    let unmounted = env.session.run.release(root, &env.releaser).await;
    unmounted.map_err(|leak| Failure::new(format!("the volume is still mounted: {leak}")))?;
    volume::detach(env, &volume).await?;
    ebs::phase(env, "snapshot").await?;
    let part = snapshot::take(env, "the root volume", &volume, &labels.name, &labels.snapshots).await?;
    snapshot::completed(env, &[part.id.as_str().into()]).await?;
    env.ui().say("Deleting the created EBS volume...");
    if let Err(leak) = env.session.run.release(held, &env.releaser).await {
        env.ui().error(format!("Error deleting the volume, trying again: {leak}"));
    }
    ebs::phase(env, "image").await?;
    let interim = ebs::is_interim(env, &checked);
    let image = register::run(env, &checked, chroot, source, &labels, ebs::name(&labels, interim), part).await?;
    let images = ebs::to_all_regions(env, &checked, &labels, image, None).await?;
    Ok(Done { artifact: Some(ebs::keep(env, images)?), data })
}

/// The instance that this program runs on, as EC2 knows it.
async fn own_instance(env: &Env<'_>) -> Result<Instance, Failure> {
    env.ui().say("Gathering information about this EC2 instance...");
    let identity = env.session.run.cancel().guard(env.shared.here.identity()).await.ok_or_else(Failure::cancelled)?;
    let identity = identity.map_err(|why| {
        Failure::new(format!(
            "amazon-chroot builds on an EC2 instance, and this machine does not seem to be one: {why}"
        ))
        .help("run it on an instance of the region, or use amazon-ebs")
    })?;
    if identity.region != env.region.as_str() {
        let here = &identity.region;
        return Err(Failure::new(format!("this instance is in {here}, and the template builds in {}", env.region))
            .help("a volume can only be attached in its own region: set \"region\" to this one; \"ami_regions\" gets copies"));
    }
    let filters = vec![Filter::new("instance-id", &identity.instance_id)];
    let found = env.read("asking EC2 for this instance", env.ec2.instances(filters)).await?;
    found.into_iter().next().ok_or_else(|| {
        Failure::new(format!("this machine says that it is {}, which EC2 does not know", identity.instance_id))
            .help("the credentials may be of another account than the instance")
    })
}

fn session(env: &Env<'_>, source: Option<&Image>, shell: &Shell, mounted: &Mounted) -> Session {
    let mut fields = data(&env.region, source);
    fields.insert("PackerRunUUID".into(), env.session.run.run().id().to_owned());
    fields.insert("Device".into(), mounted.device.clone());
    fields.insert("MountPath".into(), mounted.path.clone());
    fields.insert("ConnType".into(), "chroot".into());
    Session {
        build_name: env.ui().build().to_owned(),
        builder_type: env.config.product.builder_type().into(),
        communicator: Some(Arc::new(ChrootCommunicator::new(shell.clone(), &mounted.path))),
        pty: false,
        username: "root".into(),
        data: fields,
        reporter: env.ui().clone(),
        cancel: env.session.run.cancel().clone(),
        ask: Arc::clone(&env.session.ask),
        agents: env.session.agents,
        connect: Some(Arc::clone(&env.session.connect)),
    }
}

/// Writes into the journal that a directory is ours to unmount.
async fn own_directory(env: &Env<'_>, path: &str) -> Result<Held<()>, Failure> {
    let intent = env.intent(kind::CHROOT, &env.region, Some(path.to_owned()), None, Tags::new());
    let id = path.to_owned();
    let held = env.session.run.acquire(intent, |_| async move { Ok::<_, CallFailed<Ec2Error>>((id, ())) }).await;
    held.map_err(|e| Failure::acquire("noting what will be mounted", e))
}
