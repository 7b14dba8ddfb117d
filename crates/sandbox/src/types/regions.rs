//! Regions of the `aws` partition and their zones (AWS general reference, "Amazon EC2 endpoints").

/// Name, whether it is enabled in every account, and how many zones.
pub const REGIONS: &[(&str, bool, u8)] = &[
    ("af-south-1", false, 3),
    ("ap-east-1", false, 3),
    ("ap-east-2", false, 3),
    ("ap-northeast-1", true, 3),
    ("ap-northeast-2", true, 4),
    ("ap-northeast-3", true, 3),
    ("ap-south-1", true, 3),
    ("ap-south-2", false, 3),
    ("ap-southeast-1", true, 3),
    ("ap-southeast-2", true, 3),
    ("ap-southeast-3", false, 3),
    ("ap-southeast-4", false, 3),
    ("ap-southeast-5", false, 3),
    ("ap-southeast-7", false, 3),
    ("ca-central-1", true, 3),
    ("ca-west-1", false, 3),
    ("eu-central-1", true, 3),
    ("eu-central-2", false, 3),
    ("eu-north-1", true, 3),
    ("eu-south-1", false, 3),
    ("eu-south-2", false, 3),
    ("eu-west-1", true, 3),
    ("eu-west-2", true, 3),
    ("eu-west-3", true, 3),
    ("il-central-1", false, 3),
    ("me-central-1", false, 3),
    ("me-south-1", false, 3),
    ("mx-central-1", false, 3),
    ("sa-east-1", true, 3),
    ("us-east-1", true, 6),
    ("us-east-2", true, 3),
    ("us-west-1", true, 2),
    ("us-west-2", true, 4),
];

/// Whether EC2 has this region.
pub fn is_region(name: &str) -> bool {
    REGIONS.iter().any(|r| r.0 == name)
}

/// The region's zones: `us-east-1a`, ….
pub fn zones(region: &str) -> Vec<String> {
    let count = REGIONS.iter().find(|r| r.0 == region).map_or(0, |r| r.2);
    (0..count).map(|n| format!("{region}{}", char::from(b'a' + n))).collect()
}
