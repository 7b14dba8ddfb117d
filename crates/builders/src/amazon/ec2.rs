//! The EC2 operations that the builders use, and nothing more. `imgbuild-aws` implements [`Ec2`] with the SDK, the test kit
//! with a fake that fails where it is told to.
//!
//! Invariant: no SDK type appears here, and every creating operation carries its tags and, where the API has one, its
//! idempotency token.

use super::ids::{AmiId, InstanceId, Region, SecurityGroupId, SnapshotId, VolumeId, VpcId};
use super::secrets::{Parameter, SecretValue, SecretVersion};
use super::types::*;
use async_trait::async_trait;
use imgbuild_engine::journal::Place;
use std::fmt;
use std::sync::Arc;

/// What kind of failure it was: what the caller may conclude from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The service refused: nothing was done.
    Certain,
    /// The reply was lost, or the service failed: it may have been done.
    Uncertain,
    /// Too many requests, after all tries: nothing was done.
    Throttled,
    /// What the call named is not there (or not visible yet).
    NotFound,
    /// No credentials, wrong ones, or no permission: nothing was done.
    Auth,
}

/// A failed call.
#[derive(Debug, Clone, PartialEq)]
pub struct Ec2Error {
    /// The API's name of the operation: `RunInstances`.
    pub operation: &'static str,
    /// The API's error code, or a word of ours (`Timeout`, `Connection`) where no answer came.
    pub code: String,
    /// What the service or the transport said.
    pub message: String,
    /// The service's id of the request, for its support.
    pub request_id: Option<String>,
    /// What may be concluded.
    pub kind: ErrorKind,
}

impl Ec2Error {
    /// Certainly nothing was done.
    pub fn certain(&self) -> bool {
        self.kind != ErrorKind::Uncertain
    }

    /// What the call named is not there.
    pub fn is_not_found(&self) -> bool {
        self.kind == ErrorKind::NotFound
    }

    /// No capacity for this type or market now: another type or zone may have it.
    pub fn is_no_capacity(&self) -> bool {
        const CODES: [&str; 8] = [
            "InsufficientInstanceCapacity",
            "InsufficientHostCapacity",
            "InsufficientReservedInstanceCapacity",
            "InsufficientCapacity",
            "SpotMaxPriceTooLow",
            "MaxSpotInstanceCountExceeded",
            "Unsupported",
            "InstanceLimitExceeded",
        ];
        CODES.contains(&self.code.as_str())
    }
}

impl fmt::Display for Ec2Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.code)?;
        if !self.message.is_empty() && self.message != self.code {
            write!(f, ": {}", self.message)?;
        }
        match &self.request_id {
            Some(id) => write!(f, " (request id {id})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Ec2Error {}

/// What every operation returns.
pub type Ec2Result<T> = Result<T, Ec2Error>;

/// EC2 in one region. Describe operations follow pages to their end.
#[async_trait]
pub trait Ec2: Send + Sync {
    /// The region.
    fn region(&self) -> &Region;

    /// DescribeRegions: the names of those that the account can use.
    async fn regions(&self) -> Ec2Result<Vec<Region>>;
    /// DescribeImages.
    async fn images(&self, query: ImageQuery) -> Ec2Result<Vec<Image>>;
    /// DescribeInstances by filter: instances that are not there are just missing.
    async fn instances(&self, filters: Vec<Filter>) -> Ec2Result<Vec<Instance>>;
    /// DescribeSnapshots of this account, by filter.
    async fn snapshots(&self, filters: Vec<Filter>) -> Ec2Result<Vec<Snapshot>>;
    /// DescribeVolumes by filter.
    async fn volumes(&self, filters: Vec<Filter>) -> Ec2Result<Vec<Volume>>;
    /// DescribeVpcs by id or filter.
    async fn vpcs(&self, ids: Vec<VpcId>, filters: Vec<Filter>) -> Ec2Result<Vec<Vpc>>;
    /// DescribeSubnets by filter.
    async fn subnets(&self, filters: Vec<Filter>) -> Ec2Result<Vec<Subnet>>;
    /// DescribeSecurityGroups by filter.
    async fn security_groups(&self, filters: Vec<Filter>) -> Ec2Result<Vec<SecurityGroup>>;
    /// DescribeKeyPairs by filter.
    async fn key_pairs(&self, filters: Vec<Filter>) -> Ec2Result<Vec<KeyPair>>;
    /// DescribeInstanceTypeOfferings: the zones that offer a type.
    async fn zones_offering(&self, instance_type: &str) -> Ec2Result<Vec<String>>;
    /// DescribeInstanceTypes of these, of all where none is named; one that does not exist is an error.
    async fn instance_types(&self, names: &[String]) -> Ec2Result<Vec<InstanceType>>;
    /// DescribeLaunchTemplates by filter.
    async fn launch_templates(&self, filters: Vec<Filter>) -> Ec2Result<Vec<LaunchTemplate>>;
    /// DescribeLaunchTemplateVersions of all templates' latest and default versions: template and the image that it names.
    async fn launch_template_images(&self) -> Ec2Result<Vec<(String, AmiId)>>;
    /// GetConsoleOutput with the newest output; none if there is none yet.
    async fn console_output(&self, instance: &InstanceId) -> Ec2Result<Option<String>>;

    /// ImportKeyPair.
    async fn import_key_pair(&self, name: &str, public_key: &str, tags: &Tags) -> Ec2Result<()>;
    /// DeleteKeyPair; not there is success.
    async fn delete_key_pair(&self, name: &str) -> Ec2Result<()>;
    /// CreateSecurityGroup.
    async fn create_security_group(
        &self,
        name: &str,
        description: &str,
        vpc: Option<&VpcId>,
        tags: &Tags,
    ) -> Ec2Result<SecurityGroupId>;
    /// AuthorizeSecurityGroupIngress.
    async fn authorize_ingress(&self, group: &SecurityGroupId, rule: &Ingress) -> Ec2Result<()>;
    /// RevokeSecurityGroupIngress.
    async fn revoke_ingress(&self, group: &SecurityGroupId, rule: &Ingress) -> Ec2Result<()>;
    /// DeleteSecurityGroup.
    async fn delete_security_group(&self, group: &SecurityGroupId) -> Ec2Result<()>;

    /// RunInstances for one instance.
    async fn run_instance(&self, launch: &Launch) -> Ec2Result<Instance>;
    /// RunInstances with DryRun: the error is what EC2 would say, permissions included.
    async fn try_run_instance(&self, launch: &Launch) -> Ec2Result<()>;
    /// CreateLaunchTemplate.
    async fn create_launch_template(&self, template: &NewLaunchTemplate) -> Ec2Result<String>;
    /// DeleteLaunchTemplate.
    async fn delete_launch_template(&self, id: &str) -> Ec2Result<()>;
    /// CreateFleet of type `instant`; where nothing was launched, the first of its errors.
    async fn create_fleet(&self, fleet: &Fleet) -> Ec2Result<InstanceId>;
    /// StopInstances.
    async fn stop_instance(&self, instance: &InstanceId) -> Ec2Result<()>;
    /// TerminateInstances.
    async fn terminate_instance(&self, instance: &InstanceId) -> Ec2Result<()>;
    /// ModifyInstanceAttribute.
    async fn modify_instance(&self, instance: &InstanceId, change: InstanceChange) -> Ec2Result<()>;
    /// CreateVolume.
    async fn create_volume(&self, volume: &NewVolume) -> Ec2Result<VolumeId>;
    /// CreateVolume with DryRun: the error is what EC2 would say, permissions included.
    async fn try_create_volume(&self, volume: &NewVolume) -> Ec2Result<()>;
    /// AttachVolume.
    async fn attach_volume(&self, volume: &VolumeId, instance: &InstanceId, device: &str) -> Ec2Result<()>;
    /// DetachVolume; with `force` even where the instance still uses it.
    async fn detach_volume(&self, volume: &VolumeId, force: bool) -> Ec2Result<()>;
    /// DeleteVolume.
    async fn delete_volume(&self, volume: &VolumeId) -> Ec2Result<()>;

    /// CreateImage, without NoReboot.
    async fn create_image(&self, image: &NewImage) -> Ec2Result<AmiId>;
    /// CopyImage into this region.
    async fn copy_image(&self, copy: &ImageCopy) -> Ec2Result<AmiId>;
    /// DeregisterImage.
    async fn deregister_image(&self, image: &AmiId) -> Ec2Result<()>;
    /// DeregisterImage with DryRun: the error is what EC2 would say, permissions included.
    async fn try_deregister_image(&self, image: &AmiId) -> Ec2Result<()>;
    /// CopyImage with DryRun.
    async fn try_copy_image(&self, copy: &ImageCopy) -> Ec2Result<()>;
    /// DeleteSnapshot with DryRun.
    async fn try_delete_snapshot(&self, snapshot: &SnapshotId) -> Ec2Result<()>;
    /// DeleteSnapshot.
    async fn delete_snapshot(&self, snapshot: &SnapshotId) -> Ec2Result<()>;
    /// ModifyImageAttribute.
    async fn modify_image(&self, image: &AmiId, change: &ImageChange) -> Ec2Result<()>;
    /// ModifySnapshotAttribute: adds `createVolumePermission`.
    async fn share_snapshot(&self, snapshot: &SnapshotId, grant: &Grant) -> Ec2Result<()>;
    /// EnableImageDeprecation at an RFC 3339 instant.
    async fn deprecate_image(&self, image: &AmiId, at: &str) -> Ec2Result<()>;
    /// EnableImageDeregistrationProtection.
    async fn protect_image(&self, image: &AmiId, with_cooldown: bool) -> Ec2Result<()>;
    /// CreateSnapshot.
    async fn create_snapshot(&self, snapshot: &NewSnapshot) -> Ec2Result<SnapshotId>;
    /// RegisterImage.
    async fn register_image(&self, registration: &Registration) -> Ec2Result<AmiId>;
    /// CreateTags on anything.
    async fn create_tags(&self, resources: &[String], tags: &Tags) -> Ec2Result<()>;
    /// DeleteTags of these keys, whatever their values.
    async fn delete_tags(&self, resources: &[String], keys: &[String]) -> Ec2Result<()>;
}

/// One set of credentials, in any region.
#[async_trait]
pub trait Account: Send + Sync {
    /// The region that the template, the environment or the profile names.
    fn default_region(&self) -> Option<Region>;
    /// EC2 in a region. The same client each time.
    fn ec2(&self, region: &Region) -> Arc<dyn Ec2>;
    /// IAM of the account.
    fn iam(&self) -> Arc<dyn super::iam::Iam>;
    /// Session Manager in a region.
    fn ssm(&self, region: &Region) -> Arc<dyn super::ssm::Ssm>;
    /// KMS DescribeKey: the error says why images can't be encrypted with a key (id, alias or ARN) in a region.
    async fn check_key(&self, region: &Region, key: &str) -> Ec2Result<()>;
    /// STS DecodeAuthorizationMessage: what a refusal's encoded message says.
    async fn decode_authorization(&self, encoded: &str) -> Ec2Result<String>;
    /// Secrets Manager GetSecretValue in the default region.
    async fn secret(&self, name: &str, version: &SecretVersion) -> Ec2Result<SecretValue>;
    /// SSM GetParameter in the default region, a SecureString decrypted if asked for.
    async fn parameter(&self, name: &str, decrypt: bool) -> Ec2Result<Parameter>;
    /// Where things in a region live, for the journal.
    fn place(&self, region: &Region) -> Place;
}

/// Opens accounts.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// An account by how the template says to reach it: the same one for the same access. Makes no call beyond what finding
    /// credentials needs. The error is one or more sentences for the user.
    async fn open(&self, access: &super::options::access::Access) -> Result<Arc<dyn Account>, String>;
    /// An account by what the journal says of a place.
    async fn reopen(&self, place: &Place) -> Result<Arc<dyn Account>, String>;
}
