//! `imgbuild sandbox …`: machines on this host behind an EC2 endpoint. All commands share one state directory.
//!
//! Everything here goes through the same EC2 client that talks to AWS, over an endpoint inside this process.

mod list;
mod node;
mod serve;

use crate::failure::{Failure, Outcome};
use crate::settings::Settings;
use crate::ui::Style;
use crate::wire;
use imgbuild_builders::amazon::ec2::Ec2;
use imgbuild_builders::amazon::ids::Region;
use imgbuild_builders::amazon::options::access::Access;
use imgbuild_builders::amazon::ssm::Ssm;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Serve the endpoint on 127.0.0.1 until it is stopped
    Up(serve::Up),
    /// Make the base images ready (they are cached)
    Prepare(serve::Prepare),
    /// List images
    Images(list::Images),
    /// List instances
    Instances(list::Instances),
    /// Everything that this account has, as JSON
    State(list::State),
    /// Start an instance of an image and wait until it answers
    Run(node::Run),
    /// Log in to an instance, or run a command on it
    Ssh(node::Ssh),
    /// Stop instances
    Stop(node::Stop),
    /// Terminate instances, remove images
    Rm(node::Rm),
}

/// Where.
#[derive(clap::Args, Debug, Clone)]
pub struct Place {
    /// The sandbox's state directory
    #[arg(long, value_name = "DIR")]
    pub sandbox_dir: Option<PathBuf>,
    /// Region
    #[arg(long, default_value = "us-east-1")]
    pub region: String,
}

/// An open sandbox, as a client of it sees it.
pub struct Client {
    pub dir: PathBuf,
    pub ec2: Arc<dyn Ec2>,
    pub ssm: Arc<dyn Ssm>,
    pub accounts: Arc<wire::AnyAccounts>,
}

impl Place {
    /// Opens it.
    pub async fn open(&self, settings: &Settings) -> Result<Client, Failure> {
        let dir = settings.sandbox_dir(self.sandbox_dir.as_deref());
        let (amazon, accounts) = wire::amazon(settings, Some(&dir));
        let access = Access { region: Some(Region::new(self.region.clone())), max_attempts: 3, ..Access::default() };
        let account = amazon.accounts.open(&access).await.map_err(anyhow::Error::msg)?;
        let ec2 = account.ec2(&Region::new(self.region.clone()));
        let ssm = account.ssm(&Region::new(self.region.clone()));
        Ok(Client { dir, ec2, ssm, accounts })
    }
}

/// Runs a command of it.
pub fn run(command: Command, settings: &Settings, style: Style) -> Outcome {
    super::block_on(async {
        match command {
            Command::Up(args) => serve::up(args, settings).await,
            Command::Prepare(args) => serve::prepare(args, settings).await,
            Command::Images(args) => list::images(args, settings, style).await,
            Command::Instances(args) => list::instances(args, settings, style).await,
            Command::State(args) => list::state(args, settings).await,
            Command::Run(args) => node::run(args, settings).await,
            Command::Ssh(args) => node::ssh(args, settings).await,
            Command::Stop(args) => node::stop(args, settings).await,
            Command::Rm(args) => node::rm(args, settings).await,
        }
    })
}

/// A failed call as a failure of the command.
pub fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::Error(error.into())
}
