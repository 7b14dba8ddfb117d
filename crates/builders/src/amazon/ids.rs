//! Names of EC2's things as types of their own, so that an AMI id can't stand where an instance id belongs.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes an id as the service wrote it.
            pub fn new(id: impl Into<String>) -> Self {
                $name(id.into())
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                $name(id.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                $name(id)
            }
        }
    )+};
}

id! {
    /// `us-east-1`.
    Region,
    /// `ami-…`.
    AmiId,
    /// `i-…`.
    InstanceId,
    /// `snap-…`.
    SnapshotId,
    /// `vol-…`.
    VolumeId,
    /// `sg-…`.
    SecurityGroupId,
    /// `subnet-…`.
    SubnetId,
    /// `vpc-…`.
    VpcId,
}
