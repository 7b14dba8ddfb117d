//! An EC2 that is not there: accounts, regions and things in memory, strict where EC2 is, failing where it is told to.
//!
//! States go on by one step at each look, so a wait polls at least twice. It knows no time.

mod calls;
mod iam;
mod ssm;
mod state;

pub use calls::image;

use async_trait::async_trait;
use imgbuild_builders::amazon::ec2::{Account, Accounts, Ec2, Ec2Error, Ec2Result, ErrorKind};
use imgbuild_builders::amazon::ids::Region;
use imgbuild_builders::amazon::options::access::Access;
use imgbuild_builders::amazon::secrets::{Parameter, SecretValue, SecretVersion};
use imgbuild_builders::amazon::types::Image;
use imgbuild_engine::journal::Place;
use state::State;
use std::sync::{Arc, Mutex, MutexGuard};

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Refused: nothing is done.
    Refused,
    /// The request is lost: nothing is done, but the caller can't know.
    LostRequest,
    /// The reply is lost: it is done, and the caller can't know.
    LostReply,
    /// Refused for the number of calls: nothing is done.
    Throttled,
}

/// The whole cloud. Clones are the same one.
#[derive(Clone, Default)]
pub struct FakeCloud {
    inner: Arc<Inner>,
    clients: Arc<Mutex<Vec<Arc<Client>>>>,
}

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    calls: Mutex<Vec<String>>,
    fault: Mutex<Option<(usize, Fault)>>,
    named: Mutex<Option<(String, Fault)>>,
}

impl FakeCloud {
    /// Empty.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts an image there that belongs to someone else.
    pub fn publish(&self, region: &str, image: Image) {
        self.state().images.push((region.into(), image));
    }

    /// The call of this number (from 1) fails.
    pub fn fail_at(&self, call: usize, fault: Fault) {
        *self.inner.fault.lock().unwrap_or_else(|e| e.into_inner()) = Some((call, fault));
    }

    /// The next call of this operation (`us-east-1 CopyImage`) fails.
    pub fn fail_next(&self, call: &str, fault: Fault) {
        *self.inner.named.lock().unwrap_or_else(|e| e.into_inner()) = Some((call.to_owned(), fault));
    }

    /// The operations that were called, in order: `us-east-1 RunInstances`.
    pub fn calls(&self) -> Vec<String> {
        self.inner.calls.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// All that is there beyond what was published: `image ami-1`, `instance i-2`, sorted.
    pub fn left(&self) -> Vec<String> {
        self.state().left()
    }

    /// This account's images.
    pub fn own_images(&self) -> Vec<Image> {
        self.state().images.iter().filter(|(_, i)| i.owner_id == OWNER).map(|(_, i)| i.clone()).collect()
    }

    /// The tags of a thing, by id.
    pub fn tags(&self, id: &str) -> imgbuild_builders::amazon::types::Tags {
        self.state().tags_of(id)
    }

    /// The launch requests that were accepted.
    pub fn launches(&self) -> Vec<imgbuild_builders::amazon::types::Launch> {
        self.state().launches.clone()
    }

    /// EC2 has no capacity for these types.
    pub fn no_capacity(&self, types: &[&str]) {
        self.state().no_capacity = types.iter().map(|t| (*t).to_owned()).collect();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// The account's number.
pub const OWNER: &str = "123456789012";

/// One region.
pub struct Client {
    cloud: FakeCloud,
    region: Region,
}

impl Client {
    /// Records a call, and fails it if its turn has come. `act` is what it does.
    fn call<T>(&self, operation: &'static str, act: impl FnOnce(&mut State, &Region) -> Ec2Result<T>) -> Ec2Result<T> {
        let name = format!("{} {operation}", self.region);
        let named = self.cloud.inner.named.lock().unwrap_or_else(|e| e.into_inner()).take_if(|(call, _)| *call == name);
        let number = {
            let mut calls = self.cloud.inner.calls.lock().unwrap_or_else(|e| e.into_inner());
            calls.push(name);
            calls.len()
        };
        let fault = *self.cloud.inner.fault.lock().unwrap_or_else(|e| e.into_inner());
        let fault = fault.filter(|(at, _)| *at == number).map(|(_, fault)| fault).or(named.map(|(_, fault)| fault));
        let error = |code: &str, kind| Ec2Error {
            operation,
            code: code.into(),
            message: "injected".into(),
            request_id: None,
            kind,
        };
        match fault {
            None => act(&mut self.cloud.state(), &self.region),
            Some(Fault::Refused) => Err(error("UnauthorizedOperation", ErrorKind::Auth)),
            Some(Fault::Throttled) => Err(error("RequestLimitExceeded", ErrorKind::Throttled)),
            Some(Fault::LostRequest) => Err(error("Connection", ErrorKind::Uncertain)),
            Some(Fault::LostReply) => {
                // Whether it went well or not, nobody hears of it.
                let _ = act(&mut self.cloud.state(), &self.region);
                Err(error("Timeout", ErrorKind::Uncertain))
            }
        }
    }
}

#[async_trait]
impl Accounts for FakeCloud {
    async fn open(&self, _: &Access) -> Result<Arc<dyn Account>, String> {
        Ok(Arc::new(self.clone()))
    }

    async fn reopen(&self, _: &Place) -> Result<Arc<dyn Account>, String> {
        Ok(Arc::new(self.clone()))
    }
}

#[async_trait]
impl Account for FakeCloud {
    fn default_region(&self) -> Option<Region> {
        None
    }

    fn ec2(&self, region: &Region) -> Arc<dyn Ec2> {
        let mut clients = self.clients.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(client) = clients.iter().find(|c| c.region == *region) {
            return Arc::clone(client) as Arc<dyn Ec2>;
        }
        // The clients' own list would keep the cloud alive for ever; theirs is another one.
        let cloud = FakeCloud { inner: Arc::clone(&self.inner), clients: Arc::default() };
        let client = Arc::new(Client { cloud, region: region.clone() });
        clients.push(Arc::clone(&client));
        client
    }

    fn iam(&self) -> Arc<dyn imgbuild_builders::amazon::iam::Iam> {
        let cloud = FakeCloud { inner: Arc::clone(&self.inner), clients: Arc::default() };
        Arc::new(Client { cloud, region: "global".into() })
    }

    fn ssm(&self, region: &Region) -> Arc<dyn imgbuild_builders::amazon::ssm::Ssm> {
        let cloud = FakeCloud { inner: Arc::clone(&self.inner), clients: Arc::default() };
        Arc::new(Client { cloud, region: region.clone() })
    }

    async fn check_key(&self, region: &Region, key: &str) -> Ec2Result<()> {
        let client = Client { cloud: self.clone(), region: region.clone() };
        client.call("DescribeKey", |_, _| match key.contains("disabled") {
            true => state::refuse("DescribeKey", "KeyUnusable"),
            false => Ok(()),
        })
    }

    async fn decode_authorization(&self, encoded: &str) -> Ec2Result<String> {
        Ok(format!("{{\"allowed\":false,\"encoded\":\"{encoded}\"}}"))
    }

    async fn secret(&self, _: &str, _: &SecretVersion) -> Ec2Result<SecretValue> {
        state::refuse("GetSecretValue", "ResourceNotFoundException")
    }

    async fn parameter(&self, _: &str, _: bool) -> Ec2Result<Parameter> {
        state::refuse("GetParameter", "ParameterNotFound")
    }

    fn place(&self, region: &Region) -> Place {
        Place { region: region.to_string(), ..Place::default() }
    }
}
