//! Whom the temporary security group admits: the addresses that connections can come from, also when those change in the middle
//! (a laptop that moves, a provider that gives a new address every night).

use crate::amazon::caller::{CallerAddress, only};
use crate::amazon::ec2::Ec2;
use crate::amazon::failure::Failure;
use crate::amazon::ids::SecurityGroupId;
use crate::amazon::is_loopback;
use crate::amazon::options::Interface;
use crate::amazon::types::Ingress;
use crate::ssh_options::Ssh;
use async_trait::async_trait;
use imgbuild_engine::communicator::{CommError, Command, Communicator, Process, Progress};
use imgbuild_engine::connect::Route;
use imgbuild_engine::event::Reporter;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// A connection that has not been made for so many pauses makes us ask for our address again, and then each time as many later.
const PATIENCE: u32 = 8;

/// What this machine's address depends on.
#[derive(Clone)]
pub struct Source {
    /// Finds it.
    pub caller: Arc<dyn CallerAddress>,
    /// The endpoint that the template or the account names.
    pub endpoint: Option<String>,
    /// The kind of address that is connected to.
    pub interface: Interface,
    /// The instance has no public address.
    pub private: bool,
}

/// The blocks that a temporary group admits where the template names none: the addresses that connections can come from.
pub async fn blocks(from: &Source, ssh: &Ssh) -> Result<Vec<String>, Failure> {
    const REMEDY: &str = "set \"temporary_security_group_source_cidrs\" to the addresses that you build from";
    if let Some(place) = from.endpoint.as_deref().filter(|e| is_loopback(e) && !from.caller.is_chosen()) {
        tracing::debug!("the endpoint {place} is this machine's own: it sees us as this");
        return Ok(vec![only(Ipv4Addr::LOCALHOST.into())]);
    }
    match &ssh.spec.route {
        Route::Bastion(bastion) => return Ok(through(&bastion.host).await),
        Route::Socks5(proxy) | Route::Http(proxy) => return Ok(through(&proxy.host).await),
        _ => {}
    }
    let mut cidrs = Vec::new();
    let public_v6 = IpAddr::V6(Ipv6Addr::new(0x2600, 0, 0, 0, 0, 0, 0, 1));
    if from.interface == Interface::Ipv6 {
        let own = from.caller.toward(public_v6).map_err(|why| Failure::new(why).help(REMEDY))?;
        return Ok(vec![only(own)]);
    }
    if from.private
        && let Ok(own) = from.caller.toward(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)))
    {
        cidrs.push(only(own));
    }
    match from.caller.public().await {
        Ok(address) => cidrs.push(only(address)),
        Err(_) if !cidrs.is_empty() => {}
        Err(why) => {
            return Err(Failure::new(format!("this machine's public address could not be found: {why}")).help(REMEDY));
        }
    }
    cidrs.dedup();
    Ok(cidrs)
}

/// Where connections through another host come from: its public address, or one inside a private network that only it knows.
async fn through(host: &str) -> Vec<String> {
    let mut cidrs = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"].map(str::to_owned).to_vec();
    if let Ok(found) = tokio::net::lookup_host((host, 22)).await {
        cidrs.extend(found.map(|address| only(address.ip())));
    }
    cidrs
}

/// A temporary group that follows this machine. Clones are the same one.
#[derive(Clone)]
pub struct Admission(Arc<Inner>);

struct Inner {
    ec2: Arc<dyn Ec2>,
    ui: Reporter,
    from: Source,
    ssh: Ssh,
    group: SecurityGroupId,
    admitted: Mutex<Vec<String>>,
    pause: Duration,
}

impl Admission {
    /// A group that admits these blocks now. `pause` is the shortest between two looks.
    pub fn new(
        ec2: Arc<dyn Ec2>,
        ui: Reporter,
        from: Source,
        ssh: Ssh,
        group: SecurityGroupId,
        admitted: Vec<String>,
        pause: Duration,
    ) -> Self {
        Admission(Arc::new(Inner { ec2, ui, from, ssh, group, admitted: Mutex::new(admitted), pause }))
    }

    /// `connecting`'s output. While it takes its time, the address is asked for again, and the group follows it.
    pub async fn follow<T>(&self, connecting: impl Future<Output = T>) -> T {
        tokio::select! {
            output = connecting => output,
            never = self.keep_up() => match never {},
        }
    }

    async fn keep_up(&self) -> Infallible {
        loop {
            // Tests have no pause; they wait for nobody.
            tokio::time::sleep((self.0.pause * PATIENCE).max(Duration::from_millis(50))).await;
            self.renew().await;
        }
    }

    /// Admits the address of today in the place of the one before. What fails is tried again at the next look.
    async fn renew(&self) {
        let Inner { ec2, ui, from, ssh, group, admitted, .. } = &*self.0;
        let Ok(now) = blocks(from, ssh).await else { return };
        let before = admitted.lock().unwrap_or_else(|e| e.into_inner()).clone();
        let minus = |a: &[String], b: &[String]| a.iter().filter(|c| !b.contains(c)).cloned().collect::<Vec<_>>();
        let (new, old) = (minus(&now, &before), minus(&before, &now));
        if new.is_empty() {
            return;
        }
        ui.say(format!(
            "This machine's address has changed: admitting [{}] instead of [{}]",
            new.join(", "),
            old.join(", ")
        ));
        let rule = |cidrs: Vec<String>| Ingress { port: ssh.spec.port, cidrs };
        match ec2.authorize_ingress(group, &rule(new)).await {
            Err(error) if error.code != "InvalidPermission.Duplicate" => {
                ui.error(format!("The new address could not be admitted, trying again: {error}"));
                return;
            }
            _ => *admitted.lock().unwrap_or_else(|e| e.into_inner()) = now,
        }
        // Somebody else may have the old address by now. The group goes with the build anyway.
        if !old.is_empty()
            && let Err(error) = ec2.revoke_ingress(group, &rule(old)).await
        {
            ui.message(format!("The old address stays admitted until the group is deleted: {error}"));
        }
    }
}

/// A communicator whose new connections are followed, too.
pub struct Followed {
    /// What connects.
    pub inner: Arc<dyn Communicator>,
    /// What follows.
    pub admission: Admission,
}

#[async_trait]
impl Communicator for Followed {
    async fn start(&self, command: Command) -> Result<Process, CommError> {
        self.inner.start(command).await
    }
    async fn upload(
        &self,
        source: &mut (dyn AsyncRead + Send + Unpin),
        size: Option<u64>,
        destination: &str,
        mode: Option<u32>,
        progress: Option<Progress>,
    ) -> Result<(), CommError> {
        self.inner.upload(source, size, destination, mode, progress).await
    }
    async fn upload_dir(
        &self,
        source: &Path,
        contents_only: bool,
        destination: &str,
        exclude: &[String],
        progress: Option<Progress>,
    ) -> Result<(), CommError> {
        self.inner.upload_dir(source, contents_only, destination, exclude, progress).await
    }
    async fn download(
        &self,
        source: &str,
        into: &mut (dyn AsyncWrite + Send + Unpin),
        progress: Option<Progress>,
    ) -> Result<u64, CommError> {
        self.inner.download(source, into, progress).await
    }
    async fn download_dir(&self, source: &str, contents_only: bool, destination: &Path) -> Result<(), CommError> {
        self.inner.download_dir(source, contents_only, destination).await
    }
    fn connected(&self) -> bool {
        self.inner.connected()
    }
    async fn reconnect(&self, within: Duration) -> Result<(), CommError> {
        self.admission.follow(self.inner.reconnect(within)).await
    }
    async fn close(&self) {
        self.inner.close().await;
    }
}
