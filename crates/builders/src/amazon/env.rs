//! What all phases of one build share: the session, the configuration, the clients; and creating things with the right tags.

use super::caller::CallerAddress;
use super::chroot::here::{Here, Imds};
use super::ec2::{Account, Accounts, Ec2, Ec2Result, ErrorKind};
use super::failure::Failure;
use super::ids::Region;
use super::options::{Config, DATA_NAMES, Interface};
use super::phase::launch::admission::Source;
use super::pollers::Pollers;
use super::releaser::AmazonReleaser;
use super::sources::Sources;
use super::types::{Image, Tags};
use super::wait::{Poller, Wait};
use crate::read::LateTags;
use imgbuild_diag::Diagnostics;
use imgbuild_engine::build::BuildSession;
use imgbuild_engine::event::Reporter;
use imgbuild_engine::journal::Intent;
use imgbuild_engine::run::{CallFailed, Held, Releaser};
use imgbuild_template::{Context, Datum};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// What the amazon builders of a run share.
pub struct Amazon {
    /// Opens accounts.
    pub accounts: Arc<dyn Accounts>,
    /// Finds this machine's address.
    pub caller: Arc<dyn CallerAddress>,
    /// Tells which instance this program runs on.
    pub here: Arc<dyn Here>,
    /// One poller for all builds.
    pub pollers: Arc<Pollers>,
    /// What builds ask alike.
    pub sources: Sources,
    /// The shortest pause before something is tried again; tests set it to nothing.
    pub pause: Duration,
}

impl Amazon {
    /// With the defaults for real use.
    pub fn new(accounts: Arc<dyn Accounts>, caller: Arc<dyn CallerAddress>) -> Self {
        Amazon {
            accounts,
            caller,
            here: Arc::new(Imds::default()),
            pollers: Arc::default(),
            sources: Sources::default(),
            pause: Duration::from_secs(1),
        }
    }
}

/// One build.
pub struct Env<'a> {
    /// The build's session.
    pub session: &'a BuildSession,
    /// Its configuration.
    pub config: &'a Config,
    /// What is shared with other builds.
    pub shared: &'a Amazon,
    /// The account.
    pub account: Arc<dyn Account>,
    /// The build region.
    pub region: Region,
    /// EC2 there.
    pub ec2: Arc<dyn Ec2>,
    /// Polls it.
    pub poller: Poller,
    /// Removes what was made.
    pub releaser: AmazonReleaser,
}

impl<'a> Env<'a> {
    /// Opens the account.
    pub async fn open(session: &'a BuildSession, config: &'a Config, shared: &'a Amazon) -> Result<Env<'a>, Failure> {
        let open = shared.accounts.open(&config.access);
        let account = match session.run.cancel().guard(open).await {
            Some(account) => account.map_err(Failure::new)?,
            None => return Err(Failure::cancelled()),
        };
        let region = config.access.region.clone().or_else(|| account.default_region()).ok_or_else(|| {
            Failure::new("no region is set")
                .help("set \"region\" in the template, or AWS_REGION, or a region in the profile")
        })?;
        let ec2 = account.ec2(&region);
        let poller = shared.pollers.of(&ec2);
        let pollers = Arc::clone(&shared.pollers);
        let releaser = AmazonReleaser::new(Arc::clone(&account), pollers, config.polling.clone(), shared.pause);
        Ok(Env { session, config, shared, account, region, ec2, poller, releaser })
    }

    /// The same in another session of the same build.
    pub fn with_session<'b>(&'b self, session: &'b BuildSession) -> Env<'b> {
        let (account, config) = (&self.account, self.config);
        let pollers = Arc::clone(&self.shared.pollers);
        Env {
            session,
            config,
            shared: self.shared,
            account: Arc::clone(account),
            region: self.region.clone(),
            ec2: Arc::clone(&self.ec2),
            poller: self.poller.clone(),
            releaser: AmazonReleaser::new(Arc::clone(account), pollers, config.polling.clone(), self.shared.pause),
        }
    }

    /// Tells the person.
    pub fn ui(&self) -> &Reporter {
        self.session.run.reporter()
    }

    /// What this machine's address depends on.
    pub fn caller(&self) -> Source {
        let config = self.config;
        Source {
            caller: Arc::clone(&self.shared.caller),
            endpoint: config.access.endpoint.clone().or_else(|| self.account.place(&self.region).endpoint),
            interface: config.interface,
            private: matches!(config.interface, Interface::PrivateIp | Interface::PrivateDns)
                || config.run.public_ip == Some(false),
        }
    }

    /// A call that changes nothing: given up on cancellation.
    pub async fn read<T>(&self, what: &str, call: impl Future<Output = Ec2Result<T>>) -> Result<T, Failure> {
        match self.session.run.cancel().guard(call).await {
            Some(result) => result.map_err(|e| Failure::call(what, &e)),
            None => Err(Failure::cancelled()),
        }
    }

    /// Sleeps, unless cancelled.
    pub async fn sleep(&self, time: Duration) -> Result<(), Failure> {
        self.session.run.cancel().guard(tokio::time::sleep(time)).await.ok_or_else(Failure::cancelled)
    }

    /// Fails if the run was cancelled meanwhile.
    pub fn go_on(&self) -> Result<(), Failure> {
        if self.session.run.cancel().is_cancelled() { Err(Failure::cancelled()) } else { Ok(()) }
    }

    /// A wait that tells how far it is and ends on cancellation.
    pub fn wait(&self, what: impl Into<String>, limit: Duration) -> Wait<'_> {
        Wait::new(what, limit, &self.config.polling).reporting(self.ui()).cancelled_by(self.session.run.cancel())
    }

    /// What is about to be made in a region.
    pub fn intent(
        &self,
        kind: &str,
        region: &Region,
        name: Option<String>,
        token: Option<String>,
        tags: Tags,
    ) -> Intent {
        Intent { build: String::new(), kind: kind.into(), place: self.account.place(region), token, name, tags }
    }

    /// Makes a thing through the journal. A reply that was lost is looked for and, if the thing is there, adopted; else the
    /// call is made once more.
    pub async fn acquire<F, Fut>(&self, what: &str, intent: Intent, call: F) -> Result<Held<()>, Failure>
    where
        F: Fn(Intent) -> Fut + Send,
        Fut: Future<Output = Ec2Result<String>> + Send,
    {
        self.go_on()?;
        let made = self.session.run.acquire(intent, |intent| async move {
            let mut again = true;
            loop {
                let error = match call(intent.clone()).await {
                    Ok(id) => return Ok((id, ())),
                    Err(error) => error,
                };
                // A refusal of the second call (the name is taken) says nothing about the first: the thing may just have
                // been invisible.
                if again && error.kind != ErrorKind::Uncertain {
                    return Err(CallFailed { certain: true, error });
                }
                match self.releaser.find(&intent).await {
                    Ok(found) if found.len() == 1 => return Ok((found[0].clone(), ())),
                    Ok(found) if found.is_empty() && again => again = false,
                    _ => return Err(CallFailed { certain: false, error }),
                }
            }
        });
        made.await.map_err(|e| Failure::acquire(what, e))
    }

    /// The second pass's context: what is known once the source image is.
    pub fn context(&self, source: Option<&Image>) -> Context {
        // Packer 1.16, amazon's BuildInfoTemplate: a struct.
        let known = |name: &str| name == "SourceAMITags" || DATA_NAMES.contains(&name);
        let context = self.config.context.clone().with_known_fields(known);
        let context = context.with_data([("BuildRegion", self.region.as_str())]);
        match source {
            None => context,
            Some(image) => data(&self.region, Some(image))
                .into_iter()
                .fold(context, |context, (name, value)| context.with_field(name, value))
                .with_field(
                    "SourceAMITags",
                    image.tags.iter().map(|(k, v)| (k.clone(), Datum::from(v.as_str()))).collect::<Datum>(),
                ),
        }
    }

    /// Renders tags.
    pub fn tags(&self, tags: &LateTags, context: &Context) -> Result<Tags, Failure> {
        let mut wrong = Diagnostics::new();
        let tags = tags.render(context, &mut wrong);
        if wrong.has_errors() { Err(wrong.into()) } else { Ok(tags) }
    }
}

/// The data that this builder adds to a build's. Without a source image its region is all.
pub fn data(region: &Region, source: Option<&Image>) -> BTreeMap<String, String> {
    let mut all = vec![("BuildRegion", region.as_str())];
    if let Some(source) = source {
        all.extend([
            ("SourceAMI", source.id.as_str()),
            ("SourceAMICreationDate", &source.creation_date),
            ("SourceAMIName", &source.name),
            ("SourceAMIOwner", &source.owner_id),
            ("SourceAMIOwnerName", source.owner_alias.as_deref().unwrap_or_default()),
        ]);
    }
    all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
