//! What EC2's calls take and return, reduced to what the builders use. The only user of the SDK turns its types into these.

mod fleet;

pub use fleet::{Fleet, InstanceType, LaunchTemplate, NewLaunchTemplate, NewSnapshot, Registration};

use super::ids::{AmiId, InstanceId, SecurityGroupId, SnapshotId, SubnetId, VolumeId, VpcId};
use imgbuild_diag::Secret;
use std::collections::BTreeMap;

/// Tags, by key.
pub type Tags = BTreeMap<String, String>;

/// A filter of a Describe call: any of the values; `*` and `?` are wildcards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// As the API names it: `name`, `tag:Name`, `virtualization-type`.
    pub name: String,
    /// Alternatives.
    pub values: Vec<String>,
}

impl Filter {
    /// A filter with one value.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Filter { name: name.into(), values: vec![value.into()] }
    }

    /// A filter with alternatives.
    pub fn any<S: ToString>(name: impl Into<String>, values: impl IntoIterator<Item = S>) -> Self {
        Filter { name: name.into(), values: values.into_iter().map(|v| v.to_string()).collect() }
    }
}

/// What DescribeImages is asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImageQuery {
    /// These; one that is not there is an error of kind `NotFound`.
    pub ids: Vec<AmiId>,
    /// Account ids, `self`, `amazon`, `aws-marketplace`.
    pub owners: Vec<String>,
    /// All must match.
    pub filters: Vec<Filter>,
    /// Deprecated images too.
    pub include_deprecated: bool,
}

/// An image's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageState {
    /// Its snapshots are being made.
    Pending,
    /// Ready.
    Available,
    /// `failed`, `error`, `invalid`, `deregistered`, … with EC2's word.
    Bad(String),
}

/// An AMI.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// Id.
    pub id: AmiId,
    /// Name; unique in its owner's account and region.
    pub name: String,
    /// Description.
    pub description: String,
    /// State.
    pub state: ImageState,
    /// Why, where the state is bad.
    pub state_reason: Option<String>,
    /// RFC 3339; these sort as texts.
    pub creation_date: String,
    /// Account id.
    pub owner_id: String,
    /// `amazon`, `self`, …
    pub owner_alias: Option<String>,
    /// `x86_64`, `arm64`, …
    pub architecture: String,
    /// `ebs` or `instance-store`.
    pub root_device_type: String,
    /// `/dev/sda1`.
    pub root_device_name: String,
    /// `hvm` or `paravirtual`.
    pub virtualization_type: String,
    /// Enhanced networking with ENA.
    pub ena_support: bool,
    /// `aki-…` of a paravirtual image.
    pub kernel_id: Option<String>,
    /// `ari-…` of a paravirtual image.
    pub ramdisk_id: Option<String>,
    /// How it is protected from being deregistered, in EC2's words; none where it is not.
    pub protection: Option<String>,
    /// Device mappings.
    pub mappings: Vec<ImageMapping>,
    /// Tags.
    pub tags: Tags,
}

/// A device that an image maps.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImageMapping {
    /// `/dev/sdb`.
    pub device_name: String,
    /// `ephemeral0`: an instance store volume.
    pub virtual_name: Option<String>,
    /// `gp3`, …
    pub volume_type: Option<String>,
    /// I/O operations per second.
    pub iops: Option<i32>,
    /// MiB/s.
    pub throughput: Option<i32>,
    /// KMS key of the snapshot.
    pub kms_key_id: Option<String>,
    /// The snapshot behind it; a pending image may not know it yet.
    pub snapshot: Option<SnapshotId>,
    /// GiB.
    pub volume_size: Option<i32>,
    /// Whether the snapshot is encrypted.
    pub encrypted: Option<bool>,
    /// Whether instances delete the volume when they end.
    pub delete_on_termination: Option<bool>,
}

/// An instance's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceState {
    /// Starting.
    Pending,
    /// Up.
    Running,
    /// Going down to stopped.
    Stopping,
    /// Down.
    Stopped,
    /// Going away.
    ShuttingDown,
    /// Gone.
    Terminated,
    /// A word that we do not know.
    Unknown,
}

impl InstanceState {
    /// EC2's word.
    pub fn as_str(self) -> &'static str {
        match self {
            InstanceState::Pending => "pending",
            InstanceState::Running => "running",
            InstanceState::Stopping => "stopping",
            InstanceState::Stopped => "stopped",
            InstanceState::ShuttingDown => "shutting-down",
            InstanceState::Terminated => "terminated",
            InstanceState::Unknown => "unknown",
        }
    }

    /// From EC2's word.
    pub fn from_name(name: &str) -> Self {
        use InstanceState::*;
        [Pending, Running, Stopping, Stopped, ShuttingDown, Terminated]
            .into_iter()
            .find(|state| state.as_str() == name)
            .unwrap_or(Unknown)
    }
}

/// An instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// Id.
    pub id: InstanceId,
    /// State.
    pub state: InstanceState,
    /// Why it left the state before, in EC2's words (`Client.VolumeLimitExceeded: …`).
    pub state_reason: Option<String>,
    /// The image that it was launched from.
    pub image: Option<AmiId>,
    /// `m3.medium`.
    pub instance_type: String,
    /// Zone it runs in.
    pub availability_zone: Option<String>,
    /// Its VPC; none in EC2-Classic and some emulators.
    pub vpc: Option<VpcId>,
    /// Its subnet.
    pub subnet: Option<SubnetId>,
    /// Public IPv4 address.
    pub public_ip: Option<String>,
    /// Private IPv4 address.
    pub private_ip: Option<String>,
    /// Public DNS name.
    pub public_dns: Option<String>,
    /// Private DNS name.
    pub private_dns: Option<String>,
    /// First IPv6 address.
    pub ipv6: Option<String>,
    /// Attached volumes.
    pub volumes: Vec<AttachedVolume>,
    /// Tags.
    pub tags: Tags,
}

/// A volume attached to an instance.
#[derive(Debug, Clone, PartialEq)]
pub struct AttachedVolume {
    /// `/dev/sdb`.
    pub device_name: String,
    /// Id.
    pub id: VolumeId,
    /// Whether it goes with the instance.
    pub delete_on_termination: bool,
}

/// A snapshot.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Id.
    pub id: SnapshotId,
    /// Free text; EC2 writes the AMI's id into those that it makes for one.
    pub description: String,
    /// `pending`, `completed`, `error`, …
    pub state: String,
    /// Why, where it failed.
    pub state_reason: Option<String>,
    /// Percent.
    pub progress: Option<u8>,
    /// Tags.
    pub tags: Tags,
}

/// A volume.
#[derive(Debug, Clone, PartialEq)]
pub struct Volume {
    /// Id.
    pub id: VolumeId,
    /// `available`, `in-use`, …
    pub state: String,
    /// Whose it is.
    pub attachment: Option<Attachment>,
    /// Tags.
    pub tags: Tags,
}

/// That a volume belongs to an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The instance.
    pub instance: InstanceId,
    /// `/dev/sdf`.
    pub device: String,
    /// `attaching`, `attached`, `detaching`, `busy`.
    pub state: String,
}

/// CreateVolume.
#[derive(Debug, Clone, PartialEq)]
pub struct NewVolume {
    /// Idempotency token.
    pub client_token: String,
    /// Zone to make it in.
    pub zone: String,
    /// What it is like.
    pub ebs: EbsVolume,
    /// Tags.
    pub tags: Tags,
}

/// A VPC.
#[derive(Debug, Clone, PartialEq)]
pub struct Vpc {
    /// Id.
    pub id: VpcId,
    /// Whether it is the region's default.
    pub is_default: bool,
}

/// A subnet.
#[derive(Debug, Clone, PartialEq)]
pub struct Subnet {
    /// Id.
    pub id: SubnetId,
    /// Its VPC.
    pub vpc: VpcId,
    /// Its zone.
    pub availability_zone: String,
    /// Free IPv4 addresses.
    pub free_addresses: i32,
}

/// A security group.
#[derive(Debug, Clone, PartialEq)]
pub struct SecurityGroup {
    /// Id.
    pub id: SecurityGroupId,
    /// Name.
    pub name: String,
    /// Tags.
    pub tags: Tags,
}

/// A key pair.
#[derive(Debug, Clone, PartialEq)]
pub struct KeyPair {
    /// Name.
    pub name: String,
    /// Tags.
    pub tags: Tags,
}

/// A device mapping of RunInstances or CreateImage.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeviceMapping {
    /// `/dev/sdb`.
    pub device_name: String,
    /// Suppress this device of the source image.
    pub no_device: bool,
    /// `ephemeral0`: an instance store volume.
    pub virtual_name: Option<String>,
    /// Settings of an EBS volume; none with the two above.
    pub ebs: Option<EbsVolume>,
}

/// An EBS volume to be made.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EbsVolume {
    /// Delete it with the instance.
    pub delete_on_termination: Option<bool>,
    /// Encrypt it; unset leaves it to the snapshot and the account.
    pub encrypted: Option<bool>,
    /// KMS key.
    pub kms_key_id: Option<String>,
    /// I/O operations per second.
    pub iops: Option<i32>,
    /// MiB/s.
    pub throughput: Option<i32>,
    /// Made from this snapshot.
    pub snapshot: Option<SnapshotId>,
    /// `gp3`, …
    pub volume_type: Option<String>,
    /// GiB.
    pub volume_size: Option<i32>,
}

/// `metadata_options` of RunInstances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataOptions {
    /// `enabled` or `disabled`.
    pub http_endpoint: String,
    /// `optional` or `required`.
    pub http_tokens: String,
    /// 1 to 64.
    pub hop_limit: i32,
    /// `enabled` or `disabled`; unset is not sent.
    pub instance_tags: Option<String>,
}

/// Where and on what an instance runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Placement {
    /// `us-east-1a`.
    pub availability_zone: Option<String>,
    /// `default`, `dedicated`, `host`.
    pub tenancy: Option<String>,
    /// Dedicated host.
    pub host_id: Option<String>,
    /// Host resource group.
    pub host_resource_group_arn: Option<String>,
}

/// Which capacity reservation an instance uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CapacityReservation {
    /// `open` or `none`.
    Preference(String),
    /// This one.
    Id(String),
    /// One of this resource group.
    GroupArn(String),
}

/// Spot market options of RunInstances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpotMarket {
    /// Highest price per hour in dollars; none: the on-demand price.
    pub max_price: Option<String>,
    /// Tags of the spot request.
    pub tags: Tags,
}

/// RunInstances.
#[derive(Debug, Clone, PartialEq)]
pub struct Launch {
    /// Idempotency token.
    pub client_token: String,
    /// Source image.
    pub image: AmiId,
    /// Type.
    pub instance_type: String,
    /// Key pair.
    pub key_name: Option<String>,
    /// Security groups.
    pub security_groups: Vec<SecurityGroupId>,
    /// Subnet.
    pub subnet: Option<SubnetId>,
    /// Public address; unset leaves it to the subnet.
    pub associate_public_ip: Option<bool>,
    /// Instance profile, by name.
    pub iam_instance_profile: Option<String>,
    /// User data, base64.
    pub user_data: Option<Secret>,
    /// Device mappings.
    pub mappings: Vec<DeviceMapping>,
    /// EBS optimisation.
    pub ebs_optimized: bool,
    /// `stop` or `terminate`.
    pub shutdown_behavior: String,
    /// Metadata service; none: not sent.
    pub metadata: Option<MetadataOptions>,
    /// Placement.
    pub placement: Placement,
    /// `standard` or `unlimited`; none: not sent.
    pub cpu_credits: Option<String>,
    /// Nitro enclave.
    pub enclave: bool,
    /// Capacity reservation.
    pub capacity_reservation: Option<CapacityReservation>,
    /// Licence configurations, by ARN.
    pub licenses: Vec<String>,
    /// Spot instead of on demand.
    pub spot: Option<SpotMarket>,
    /// Tags of the instance and its network interfaces.
    pub instance_tags: Tags,
    /// Tags of its volumes.
    pub volume_tags: Tags,
}

/// CreateImage.
#[derive(Debug, Clone, PartialEq)]
pub struct NewImage {
    /// From this instance.
    pub instance: InstanceId,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Device mappings that override the instance's.
    pub mappings: Vec<DeviceMapping>,
    /// Tags of the image.
    pub image_tags: Tags,
    /// Tags of its snapshots.
    pub snapshot_tags: Tags,
}

/// CopyImage. Called in the region that gets the copy.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageCopy {
    /// Idempotency token.
    pub client_token: String,
    /// Region of the source.
    pub source_region: String,
    /// Source.
    pub source: AmiId,
    /// Name.
    pub name: String,
    /// Description.
    pub description: String,
    /// Encrypt the copy; unset leaves it as the source is.
    pub encrypted: Option<bool>,
    /// KMS key of the copy.
    pub kms_key_id: Option<String>,
    /// Minutes that the copy of each snapshot may take (time-based copy).
    pub completion_minutes: Option<i64>,
    /// Tags of the image.
    pub image_tags: Tags,
    /// Tags of its snapshots.
    pub snapshot_tags: Tags,
}

/// Who may launch an image or use a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grant {
    /// Account ids.
    pub users: Vec<String>,
    /// `all`.
    pub groups: Vec<String>,
    /// Organization ARNs; images only.
    pub organization_arns: Vec<String>,
    /// Organizational unit ARNs; images only.
    pub ou_arns: Vec<String>,
}

impl Grant {
    /// Grants nothing.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.groups.is_empty() && self.organization_arns.is_empty() && self.ou_arns.is_empty()
    }
}

/// A change of ModifyImageAttribute: one attribute a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageChange {
    /// Description.
    Description(String),
    /// More who may launch it.
    Launch(Grant),
    /// Product codes.
    ProductCodes(Vec<String>),
    /// `imdsSupport`: new instances require metadata v2.
    ImdsV2,
}

/// Which attribute ModifyInstanceAttribute sets on a stopped instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceChange {
    /// ENA on or off.
    Ena(bool),
    /// `sriovNetSupport=simple`; it can't be taken back.
    Sriov,
}

/// An ingress rule of a security group: TCP from these blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ingress {
    /// Port.
    pub port: u16,
    /// CIDR blocks, IPv4 and IPv6.
    pub cidrs: Vec<String>,
}
