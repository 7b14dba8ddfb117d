//! The IAM operations that a temporary instance profile needs. IAM is one for all regions; errors are those of [`super::ec2`].

use super::ec2::Ec2Result;
use super::types::Tags;
use async_trait::async_trait;

/// Path of the roles and profiles that builds make: a policy can name them by it, and `gc` finds them under it.
pub const PATH: &str = "/imgbuild/";

/// The trust policy of a role for instances.
pub const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// Name of the inline policy of a temporary role.
pub const POLICY: &str = "imgbuild";

/// A role or an instance profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Name; unique in the account.
    pub name: String,
    /// Tags.
    pub tags: Tags,
    /// The roles of an instance profile.
    pub roles: Vec<String>,
}

/// IAM of one account.
#[async_trait]
pub trait Iam: Send + Sync {
    /// CreateRole under [`PATH`] with [`TRUST`].
    async fn create_role(&self, name: &str, tags: &Tags) -> Ec2Result<()>;
    /// PutRolePolicy under the name [`POLICY`].
    async fn put_role_policy(&self, role: &str, document: &str) -> Ec2Result<()>;
    /// CreateInstanceProfile under [`PATH`].
    async fn create_instance_profile(&self, name: &str, tags: &Tags) -> Ec2Result<()>;
    /// AddRoleToInstanceProfile.
    async fn add_role(&self, profile: &str, role: &str) -> Ec2Result<()>;
    /// GetInstanceProfile; none if there is none.
    async fn instance_profile(&self, name: &str) -> Ec2Result<Option<Named>>;
    /// GetRole; none if there is none.
    async fn role(&self, name: &str) -> Ec2Result<Option<Named>>;
    /// RemoveRoleFromInstanceProfile; not there is success.
    async fn remove_role(&self, profile: &str, role: &str) -> Ec2Result<()>;
    /// DeleteInstanceProfile; not there is success.
    async fn delete_instance_profile(&self, name: &str) -> Ec2Result<()>;
    /// DeleteRolePolicy of [`POLICY`], then DeleteRole; not there is success.
    async fn delete_role(&self, name: &str) -> Ec2Result<()>;
    /// ListRoles and ListInstanceProfiles under [`PATH`]: names of roles, names of profiles.
    async fn temporary(&self) -> Ec2Result<(Vec<String>, Vec<String>)>;
}
