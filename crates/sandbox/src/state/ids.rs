//! Resource ids: their prefixes, how new ones are made, and the errors for wrong and unknown ones.

use sha2::{Digest, Sha256};

use crate::wire::ApiError;

/// What an id names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `ami-`
    Image,
    /// `i-`
    Instance,
    /// `vol-`
    Volume,
    /// `snap-`
    Snapshot,
    /// `sg-`
    SecurityGroup,
    /// `subnet-`
    Subnet,
    /// `vpc-`
    Vpc,
    /// `key-`
    KeyPair,
    /// `lt-`
    LaunchTemplate,
    /// `eni-`
    NetworkInterface,
    /// `fleet-`
    Fleet,
    /// `sir-`
    SpotRequest,
}

impl Kind {
    /// The id's prefix with its hyphen.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Image => "ami-",
            Self::Instance => "i-",
            Self::Volume => "vol-",
            Self::Snapshot => "snap-",
            Self::SecurityGroup => "sg-",
            Self::Subnet => "subnet-",
            Self::Vpc => "vpc-",
            Self::KeyPair => "key-",
            Self::LaunchTemplate => "lt-",
            Self::NetworkInterface => "eni-",
            Self::Fleet => "fleet-",
            Self::SpotRequest => "sir-",
        }
    }

    /// The kind by an id's prefix.
    pub fn of(id: &str) -> Option<Self> {
        [
            Self::Image,
            Self::Instance,
            Self::Volume,
            Self::Snapshot,
            Self::SecurityGroup,
            Self::Subnet,
            Self::Vpc,
            Self::KeyPair,
            Self::LaunchTemplate,
            Self::NetworkInterface,
            Self::Fleet,
            Self::SpotRequest,
        ]
        .into_iter()
        .find(|k| id.starts_with(k.prefix()))
    }

    /// The resource type in tag specifications and DescribeTags.
    pub fn resource_type(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Instance => "instance",
            Self::Volume => "volume",
            Self::Snapshot => "snapshot",
            Self::SecurityGroup => "security-group",
            Self::Subnet => "subnet",
            Self::Vpc => "vpc",
            Self::KeyPair => "key-pair",
            Self::LaunchTemplate => "launch-template",
            Self::NetworkInterface => "network-interface",
            Self::Fleet => "fleet",
            Self::SpotRequest => "spot-instances-request",
        }
    }

    /// The error for an id that no resource has.
    pub fn not_found(self, id: &str) -> ApiError {
        let (code, message) = match self {
            Self::Image => ("InvalidAMIID.NotFound", format!("The image id '[{id}]' does not exist")),
            Self::Instance => ("InvalidInstanceID.NotFound", format!("The instance ID '{id}' does not exist")),
            Self::Volume => ("InvalidVolume.NotFound", format!("The volume '{id}' does not exist.")),
            Self::Snapshot => ("InvalidSnapshot.NotFound", format!("The snapshot '{id}' does not exist.")),
            Self::SecurityGroup => ("InvalidGroup.NotFound", format!("The security group '{id}' does not exist")),
            Self::Subnet => ("InvalidSubnetID.NotFound", format!("The subnet ID '{id}' does not exist")),
            Self::Vpc => ("InvalidVpcID.NotFound", format!("The vpc ID '{id}' does not exist")),
            Self::KeyPair => ("InvalidKeyPair.NotFound", format!("The key pair '{id}' does not exist")),
            Self::LaunchTemplate => (
                "InvalidLaunchTemplateId.NotFound",
                format!("The specified launch template, with template ID {id}, does not exist."),
            ),
            Self::NetworkInterface => {
                ("InvalidNetworkInterfaceID.NotFound", format!("The networkInterface ID '{id}' does not exist"))
            }
            Self::Fleet => ("InvalidFleetId.NotFound", format!("The fleet ID '{id}' does not exist")),
            Self::SpotRequest => {
                ("InvalidSpotInstanceRequestID.NotFound", format!("The spot instance request ID '{id}' does not exist"))
            }
        };
        ApiError::new(code, message)
    }

    /// Refuses what is not an id of this kind: the prefix and 8 or 17 hexadecimal digits.
    pub fn check(self, id: &str) -> Result<(), ApiError> {
        let well_formed = id.strip_prefix(self.prefix()).is_some_and(|hex| {
            matches!(hex.len(), 8 | 17) && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        });
        if well_formed {
            return Ok(());
        }
        let code = match self {
            Self::Image => "InvalidAMIID.Malformed",
            Self::Instance => "InvalidInstanceID.Malformed",
            Self::Snapshot => "InvalidSnapshotID.Malformed",
            Self::SecurityGroup => "InvalidGroupId.Malformed",
            Self::LaunchTemplate => "InvalidLaunchTemplateId.Malformed",
            Self::Volume => {
                return Err(ApiError::value("volumeId", id, "Expected: 'vol-...'."));
            }
            Self::Subnet => "InvalidSubnetID.Malformed",
            Self::Vpc => "InvalidVpcID.Malformed",
            Self::KeyPair => "InvalidKeyPair.Format",
            Self::NetworkInterface => "InvalidNetworkInterfaceId.Malformed",
            Self::Fleet => "InvalidFleetId.Malformed",
            Self::SpotRequest => "InvalidSpotInstanceRequestID.Malformed",
        };
        Err(ApiError::new(code, format!("Invalid id: \"{id}\" (expecting \"{}...\")", self.prefix())))
    }
}

/// A new random id.
pub fn new_id(kind: Kind) -> String {
    format!("{}{}", kind.prefix(), new_hex(17))
}

/// Random hexadecimal digits.
pub fn new_hex(digits: usize) -> String {
    let mut hex = uuid::Uuid::new_v4().simple().to_string();
    // Digit 13 of a version 4 UUID is always 4: leave the fixed digits out.
    hex.replace_range(12..20, "");
    while hex.len() < digits {
        hex.push_str(&uuid::Uuid::new_v4().simple().to_string()[..12]);
    }
    hex.truncate(digits);
    hex
}

/// The id that a thing with these names always has (catalogue images, default networks).
pub fn derived_id(kind: Kind, names: &[&str]) -> String {
    let mut hash = Sha256::new();
    hash.update(kind.prefix());
    for name in names {
        hash.update(name);
        hash.update([0]);
    }
    let hex: String = hash.finalize().iter().map(|b| format!("{b:02x}")).collect();
    format!("{}{}", kind.prefix(), &hex[..17])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_checked_by_form() {
        for (id, ok) in [
            ("ami-0123456789abcdef0", true),
            ("ami-12345678", true),
            ("ami-", false),
            ("ami-123", false),
            ("ami-0123456789ABCDEF0", false),
            ("i-12345678", false),
        ] {
            assert_eq!(Kind::Image.check(id).is_ok(), ok, "{id}");
        }
        assert_eq!(Kind::Image.check("x").unwrap_err().code, "InvalidAMIID.Malformed");
    }

    #[test]
    fn new_ids_are_well_formed_and_derived_ones_stable() {
        let id = new_id(Kind::Volume);
        assert!(Kind::Volume.check(&id).is_ok(), "{id}");
        assert_eq!(Kind::of(&id), Some(Kind::Volume));
        assert_eq!(derived_id(Kind::Image, &["us-east-1", "x"]), derived_id(Kind::Image, &["us-east-1", "x"]));
        assert_ne!(derived_id(Kind::Image, &["us-east-1", "x"]), derived_id(Kind::Image, &["us-east-2", "x"]));
    }
}
