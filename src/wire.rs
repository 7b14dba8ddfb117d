//! The one place where the crates are joined: AWS or the sandbox behind `Accounts`, SSH behind `Connect`, agents behind both.

use crate::agent_binaries::AGENTS;
use crate::settings::Settings;
use crate::ui;
use async_trait::async_trait;
use imgbuild_aws::AwsAccounts;
use imgbuild_builders::amazon::caller::{CallerAddress, CheckIp};
use imgbuild_builders::amazon::chroot::here::Imds;
use imgbuild_builders::amazon::ec2::{Account, Accounts, Ec2, Ec2Result};
use imgbuild_builders::amazon::env::Amazon;
use imgbuild_builders::amazon::iam::Iam;
use imgbuild_builders::amazon::ids::Region;
use imgbuild_builders::amazon::options::access::{Access, StaticKeys};
use imgbuild_builders::amazon::secrets::{Parameter, SecretValue, SecretVersion};
use imgbuild_builders::amazon::ssm::Ssm;
use imgbuild_diag::Secret;
use imgbuild_engine::agent_link::HostConnector;
use imgbuild_engine::connect::Connect;
use imgbuild_engine::journal::Place;
use imgbuild_engine::openssh::LocalUser;
use imgbuild_engine::provision::Ask;
use imgbuild_engine::url_client::HttpUrlClient;
use imgbuild_playbook::UrlClient;
use imgbuild_playbook::target::Connector;
use imgbuild_sandbox::image::{HostCatalogue, Mirrors};
use imgbuild_sandbox::machine::{Namespace, Supervisor};
use imgbuild_sandbox::{Endpoint, Latencies, Sandbox};
use imgbuild_ssh::SshConnect;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::Mutex;

/// Asks on the terminal.
pub struct Terminal;

#[async_trait]
impl Ask for Terminal {
    async fn ask(&self, question: &str) -> Option<String> {
        ui::ask(question.to_owned()).await
    }

    fn is_there(&self) -> bool {
        ui::interactive()
    }

    async fn ask_secret(&self, question: &str) -> Option<String> {
        ui::ask_secret(question.to_owned()).await
    }
}

fn agent_socket(settings: &Settings) -> Option<PathBuf> {
    settings.var("SSH_AUTH_SOCK").map(PathBuf::from)
}

/// Makes SSH connections.
pub fn connect(settings: &Settings) -> Arc<dyn Connect> {
    Arc::new(SshConnect::new(agent_socket(settings), Arc::new(Terminal)))
}

/// Connects to the hosts of an inventory.
pub fn connector(settings: &Settings) -> Arc<dyn Connector> {
    let name = settings.var("USER").or(settings.var("LOGNAME")).unwrap_or("root").to_owned();
    let user = LocalUser {
        home: settings.home.clone(),
        name,
        agent_socket: agent_socket(settings),
        shell: settings.var("SHELL").unwrap_or("/bin/sh").into(),
    };
    Arc::new(HostConnector::new(connect(settings), AGENTS, user))
}

/// The network of the `url` lookup.
pub fn url_client(settings: &Settings) -> Arc<dyn UrlClient> {
    Arc::new(HttpUrlClient::new(settings.env.clone()))
}

/// What the amazon builders of a run share. With a sandbox directory, every account is the sandbox.
pub fn amazon(settings: &Settings, sandbox: Option<&Path>) -> (Arc<Amazon>, Arc<AnyAccounts>) {
    let accounts = Arc::new(AnyAccounts {
        aws: AwsAccounts::with_env(settings.env.clone()),
        sandbox: sandbox.map(Path::to_path_buf),
        settings: settings.clone(),
        endpoints: Mutex::default(),
    });
    let caller: Arc<dyn CallerAddress> = match sandbox {
        Some(_) => Arc::new(ThisHost(CheckIp::default())),
        // Networks that can't reach Amazon's service may have one of their own.
        None if settings.var("IMGBUILD_CHECKIP_URL").is_some() => {
            Arc::new(CheckIp::at(settings.var("IMGBUILD_CHECKIP_URL").unwrap_or_default()))
        }
        None => Arc::new(CheckIp::default()),
    };
    let mut amazon = Amazon::new(Arc::clone(&accounts) as Arc<dyn Accounts>, caller);
    if let Some(endpoint) = settings.var("AWS_EC2_METADATA_SERVICE_ENDPOINT") {
        amazon.here = Arc::new(Imds::at(endpoint));
    }
    (Arc::new(amazon), accounts)
}

/// The sandbox's machines are reached from this very host: nobody out there has to be asked for its address.
struct ThisHost(CheckIp);

#[async_trait]
impl CallerAddress for ThisHost {
    async fn public(&self) -> Result<IpAddr, String> {
        Ok(Ipv4Addr::LOCALHOST.into())
    }
    fn toward(&self, target: IpAddr) -> Result<IpAddr, String> {
        self.0.toward(target)
    }
}

/// AWS, and sandboxes by their directories.
pub struct AnyAccounts {
    aws: AwsAccounts,
    sandbox: Option<PathBuf>,
    settings: Settings,
    endpoints: Mutex<HashMap<PathBuf, Endpoint>>,
}

impl AnyAccounts {
    /// Ends the endpoints of sandboxes once their work is done (machines go on running). To be called before the program ends:
    /// what is under way would be left to the next one.
    pub async fn shutdown(&self) {
        for (_, endpoint) in self.endpoints.lock().await.drain() {
            endpoint.shutdown().await;
        }
        for failed in self.aws.close().await {
            ui::note(format!("Warning: {failed}"));
        }
    }

    /// The account of a sandbox: the same client that talks to AWS, with the endpoint that runs in this process.
    async fn in_sandbox(&self, dir: &Path, access: &Access) -> Result<Arc<dyn Account>, String> {
        let mut endpoints = self.endpoints.lock().await;
        if !endpoints.contains_key(dir) {
            let sandbox = open_sandbox(&self.settings, dir, Latencies::default())?;
            let endpoint = sandbox.serve(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.map_err(|e| chain(&e))?;
            endpoints.insert(dir.to_owned(), endpoint);
        }
        let url = endpoints.get(dir).map(|e| e.url.clone());
        let keys = StaticKeys { id: "sandbox".into(), secret: Secret::new("sandbox".into()), token: None };
        let access = Access {
            keys: Some(keys),
            region: access.region.clone().or_else(|| Some(Region::new("us-east-1"))),
            endpoint: url,
            skip_metadata: true,
            max_attempts: access.max_attempts,
            ..Access::default()
        };
        let inner = self.aws.open(&access).await?;
        Ok(Arc::new(InSandbox { inner, dir: dir.display().to_string() }))
    }
}

#[async_trait]
impl Accounts for AnyAccounts {
    async fn open(&self, access: &Access) -> Result<Arc<dyn Account>, String> {
        match &self.sandbox {
            Some(dir) => self.in_sandbox(dir, access).await,
            None => self.aws.open(access).await,
        }
    }

    async fn reopen(&self, place: &Place) -> Result<Arc<dyn Account>, String> {
        match &place.sandbox {
            Some(dir) => self.in_sandbox(Path::new(dir), &Access::of_place(place)).await,
            None => self.aws.reopen(place).await,
        }
    }
}

/// An account whose places name the sandbox's directory, not the port of today.
struct InSandbox {
    inner: Arc<dyn Account>,
    dir: String,
}

#[async_trait]
impl Account for InSandbox {
    fn default_region(&self) -> Option<Region> {
        self.inner.default_region()
    }
    fn ec2(&self, region: &Region) -> Arc<dyn Ec2> {
        self.inner.ec2(region)
    }
    fn iam(&self) -> Arc<dyn Iam> {
        self.inner.iam()
    }
    fn ssm(&self, region: &Region) -> Arc<dyn Ssm> {
        self.inner.ssm(region)
    }
    async fn check_key(&self, region: &Region, key: &str) -> Ec2Result<()> {
        self.inner.check_key(region, key).await
    }
    async fn decode_authorization(&self, encoded: &str) -> Ec2Result<String> {
        self.inner.decode_authorization(encoded).await
    }
    async fn secret(&self, name: &str, version: &SecretVersion) -> Ec2Result<SecretValue> {
        self.inner.secret(name, version).await
    }
    async fn parameter(&self, name: &str, decrypt: bool) -> Ec2Result<Parameter> {
        self.inner.parameter(name, decrypt).await
    }
    fn place(&self, region: &Region) -> Place {
        Place { region: region.to_string(), sandbox: Some(self.dir.clone()), ..Place::default() }
    }
}

/// The base images: their trees are in the cache.
pub fn catalogue(settings: &Settings) -> HostCatalogue {
    let tell = |text: &str| ui::note(format!("sandbox: {text}"));
    HostCatalogue::new(settings.cache().join("sandbox"), Mirrors::of_host(), Arc::new(tell))
}

/// Opens a sandbox whose machines are supervised by this very program.
pub fn open_sandbox(settings: &Settings, dir: &Path, latencies: Latencies) -> Result<Sandbox, String> {
    Namespace::check_host().map_err(|e| chain(&e))?;
    let supervisor = Supervisor { program: settings.program.clone(), arguments: vec!["__machine".into()] };
    let fixtures = settings.cache().join("sandbox/fixture");
    let machines = Namespace::new(dir.join("run"), supervisor).map_err(|e| chain(&e))?.with_fixtures(Some(fixtures));
    let machines = machines.with_endpoints(dir.join(imgbuild_sandbox::ENDPOINTS));
    let options = imgbuild_sandbox::Options {
        dir: dir.to_owned(),
        machines: Arc::new(machines),
        catalogue: Arc::new(catalogue(settings)),
        latencies,
    };
    let sandbox = Sandbox::open(options).map_err(|e| chain(&e))?;
    // The endpoint takes the connections of root, and of who is behind sudo.
    if let Some(user) = settings.var("SUDO_UID").and_then(|uid| uid.parse().ok()) {
        sandbox.admit_user(user);
    }
    Ok(sandbox)
}

/// An error and its causes, one sentence.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
