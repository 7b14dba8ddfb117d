//! Instances.
//!
//! ```text
//!             RunInstances            StopInstances            StartInstances
//!                 │                        │                        │
//!                 ▼                        ▼                        ▼
//!              pending ───▶ running ──▶ stopping ──▶ stopped ──▶ pending …
//!                 │            │                        │
//!                 └────────────┴───── Terminate ────────┴──▶ shutting-down ──▶ terminated (visible for an hour)
//! ```

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::Time;

/// An instance's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceState {
    /// Being started.
    Pending,
    /// Its init runs.
    Running,
    /// Being terminated.
    ShuttingDown,
    /// Gone, still listed.
    Terminated,
    /// Being stopped.
    Stopping,
    /// Can be started again.
    Stopped,
}

impl InstanceState {
    /// As EC2 writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }

    /// EC2's number for it.
    pub fn code(self) -> u16 {
        match self {
            Self::Pending => 0,
            Self::Running => 16,
            Self::ShuttingDown => 32,
            Self::Terminated => 48,
            Self::Stopping => 64,
            Self::Stopped => 80,
        }
    }
}

/// Why an instance is in its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateReason {
    /// `Client.UserInitiatedShutdown`, …
    pub code: String,
    /// For people.
    pub message: String,
}

/// `MetadataOptions`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetadataOptions {
    /// `HttpEndpoint`
    pub enabled: bool,
    /// `HttpTokens=required`
    pub tokens_required: bool,
    /// `HttpPutResponseHopLimit`
    pub hop_limit: u8,
    /// `InstanceMetadataTags`
    pub tags: bool,
}

/// `Placement`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// `us-east-1a`
    pub availability_zone: String,
    /// `default`, `dedicated`, `host`
    pub tenancy: String,
    /// May be empty.
    pub group_name: String,
}

/// The network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// `eni-…`
    pub id: String,
    /// `eni-attach-…`
    pub attachment_id: String,
    /// May be empty.
    pub description: String,
    /// `02:…`
    pub mac: String,
    /// Where it is.
    pub subnet_id: String,
    /// Whose network it is.
    pub vpc_id: String,
    /// Group ids.
    pub groups: Vec<String>,
    /// Whether a public address was asked for, or follows from the subnet.
    pub public_ip: bool,
    /// The machine's own address on this host; known once it starts.
    pub address: Option<Ipv4Addr>,
    /// Goes with the instance.
    pub delete_on_termination: bool,
}

/// An instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// `i-…`
    pub id: String,
    /// `r-…`
    pub reservation_id: String,
    /// Index in its reservation.
    pub launch_index: u32,
    /// The token of the call that made it.
    pub client_token: Option<String>,
    /// `ami-…`
    pub image_id: String,
    /// Of the image, which may be gone.
    pub architecture: String,
    /// Of the image.
    pub root_device_name: String,
    /// Of the image.
    pub ena_support: bool,
    /// Of the image.
    pub sriov_net_support: Option<String>,
    /// Of the image.
    pub boot_mode: Option<String>,
    /// Of the image.
    pub platform_details: String,
    /// `t3.micro`
    pub instance_type: String,
    /// Its life.
    pub state: InstanceState,
    /// `User initiated (2026-11-20 20:00:00 GMT)`, or empty.
    pub transition_reason: String,
    /// Why.
    pub state_reason: Option<StateReason>,
    /// When it was last started.
    pub launched: Time,
    /// When it was terminated.
    pub terminated: Option<Time>,
    /// Name and public key, as they were at launch.
    pub key: Option<(String, String)>,
    /// Base64, as sent.
    pub user_data: Option<String>,
    /// `stop` or `terminate`
    pub shutdown_behavior: String,
    /// Metadata service.
    pub metadata: MetadataOptions,
    /// Placement.
    pub placement: Placement,
    /// Its one interface.
    pub interface: Interface,
    /// ARN of the profile.
    pub iam_profile: Option<String>,
    /// Reported.
    pub ebs_optimized: bool,
    /// Reported.
    pub monitoring: bool,
    /// Reported.
    pub source_dest_check: bool,
    /// TerminateInstances refuses.
    pub disable_termination: bool,
    /// StopInstances refuses.
    pub disable_stop: bool,
    /// `standard`, `unlimited`
    pub cpu_credits: Option<String>,
    /// Reported.
    pub enclave: bool,
    /// `open`, `none`
    pub capacity_reservation: String,
    /// `spot`
    pub lifecycle: Option<String>,
    /// RebootInstances was called and not yet done.
    #[serde(default)]
    pub reboot: bool,
    /// Metadata changed while it runs and was not yet handed to the machine.
    #[serde(default)]
    pub refresh_metadata: bool,
}
