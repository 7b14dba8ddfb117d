//! Instance types, by family (EC2 instance types guide). What matters to a build is here: architecture, hypervisor (which
//! decides device names), sizes, and whether ENA is required.

use std::sync::OnceLock;

/// The virtualization underneath.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hypervisor {
    /// `/dev/sdb` is `/dev/xvdb`.
    Xen,
    /// Volumes are NVMe devices; ENA is required.
    Nitro,
}

/// An instance type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceType {
    /// `t3.micro`
    pub name: String,
    /// `x86_64`, `arm64`
    pub architecture: &'static str,
    /// Xen or Nitro.
    pub hypervisor: Hypervisor,
    /// Of the newest generation of its kind.
    pub current: bool,
    /// CPU credits.
    pub burstable: bool,
    /// Number of virtual CPUs.
    pub vcpus: u32,
    /// Memory.
    pub memory_mib: u64,
    /// Instance store: number of disks and GB of each.
    pub storage: Option<(u32, u32)>,
    /// Also 32-bit images.
    pub i386: bool,
}

struct Family {
    name: &'static str,
    architecture: &'static str,
    hypervisor: Hypervisor,
    current: bool,
    /// size, vCPUs, MiB
    sizes: &'static [(&'static str, u32, u64)],
}

const fn family(
    name: &'static str,
    architecture: &'static str,
    hypervisor: Hypervisor,
    current: bool,
    sizes: &'static [(&'static str, u32, u64)],
) -> Family {
    Family { name, architecture, hypervisor, current, sizes }
}

const X86: &str = "x86_64";
const ARM: &str = "arm64";

const T: &[(&str, u32, u64)] = &[
    ("nano", 2, 512),
    ("micro", 2, 1024),
    ("small", 2, 2048),
    ("medium", 2, 4096),
    ("large", 2, 8192),
    ("xlarge", 4, 16384),
    ("2xlarge", 8, 32768),
];
const T2: &[(&str, u32, u64)] = &[
    ("nano", 1, 512),
    ("micro", 1, 1024),
    ("small", 1, 2048),
    ("medium", 2, 4096),
    ("large", 2, 8192),
    ("xlarge", 4, 16384),
    ("2xlarge", 8, 32768),
];
const M3: &[(&str, u32, u64)] = &[("medium", 1, 3840), ("large", 2, 7680), ("xlarge", 4, 15360), ("2xlarge", 8, 30720)];
const M4: &[(&str, u32, u64)] = &[
    ("large", 2, 8192),
    ("xlarge", 4, 16384),
    ("2xlarge", 8, 32768),
    ("4xlarge", 16, 65536),
    ("10xlarge", 40, 163_840),
    ("16xlarge", 64, 262_144),
];
const M: &[(&str, u32, u64)] = &[
    ("large", 2, 8192),
    ("xlarge", 4, 16384),
    ("2xlarge", 8, 32768),
    ("4xlarge", 16, 65536),
    ("8xlarge", 32, 131_072),
    ("12xlarge", 48, 196_608),
    ("16xlarge", 64, 262_144),
    ("24xlarge", 96, 393_216),
];
const M_ARM: &[(&str, u32, u64)] = &[
    ("medium", 1, 4096),
    ("large", 2, 8192),
    ("xlarge", 4, 16384),
    ("2xlarge", 8, 32768),
    ("4xlarge", 16, 65536),
    ("8xlarge", 32, 131_072),
    ("12xlarge", 48, 196_608),
    ("16xlarge", 64, 262_144),
];
const C3: &[(&str, u32, u64)] =
    &[("large", 2, 3840), ("xlarge", 4, 7680), ("2xlarge", 8, 15360), ("4xlarge", 16, 30720), ("8xlarge", 32, 61440)];
const C4: &[(&str, u32, u64)] =
    &[("large", 2, 3840), ("xlarge", 4, 7680), ("2xlarge", 8, 15360), ("4xlarge", 16, 30720), ("8xlarge", 36, 61440)];
const C5: &[(&str, u32, u64)] = &[
    ("large", 2, 4096),
    ("xlarge", 4, 8192),
    ("2xlarge", 8, 16384),
    ("4xlarge", 16, 32768),
    ("9xlarge", 36, 73728),
    ("12xlarge", 48, 98304),
    ("18xlarge", 72, 147_456),
    ("24xlarge", 96, 196_608),
];
const C5N: &[(&str, u32, u64)] = &[
    ("large", 2, 5376),
    ("xlarge", 4, 10752),
    ("2xlarge", 8, 21504),
    ("4xlarge", 16, 43008),
    ("9xlarge", 36, 98304),
    ("18xlarge", 72, 196_608),
];
const C: &[(&str, u32, u64)] = &[
    ("large", 2, 4096),
    ("xlarge", 4, 8192),
    ("2xlarge", 8, 16384),
    ("4xlarge", 16, 32768),
    ("8xlarge", 32, 65536),
    ("12xlarge", 48, 98304),
    ("16xlarge", 64, 131_072),
    ("24xlarge", 96, 196_608),
];
const C_ARM: &[(&str, u32, u64)] = &[
    ("medium", 1, 2048),
    ("large", 2, 4096),
    ("xlarge", 4, 8192),
    ("2xlarge", 8, 16384),
    ("4xlarge", 16, 32768),
    ("8xlarge", 32, 65536),
    ("12xlarge", 48, 98304),
    ("16xlarge", 64, 131_072),
];
const R4: &[(&str, u32, u64)] = &[
    ("large", 2, 15616),
    ("xlarge", 4, 31232),
    ("2xlarge", 8, 62464),
    ("4xlarge", 16, 124_928),
    ("8xlarge", 32, 249_856),
    ("16xlarge", 64, 499_712),
];
const R: &[(&str, u32, u64)] = &[
    ("large", 2, 16384),
    ("xlarge", 4, 32768),
    ("2xlarge", 8, 65536),
    ("4xlarge", 16, 131_072),
    ("8xlarge", 32, 262_144),
    ("12xlarge", 48, 393_216),
    ("16xlarge", 64, 524_288),
    ("24xlarge", 96, 786_432),
];
const R_ARM: &[(&str, u32, u64)] = &[
    ("medium", 1, 8192),
    ("large", 2, 16384),
    ("xlarge", 4, 32768),
    ("2xlarge", 8, 65536),
    ("4xlarge", 16, 131_072),
    ("8xlarge", 32, 262_144),
    ("12xlarge", 48, 393_216),
    ("16xlarge", 64, 524_288),
];

use Hypervisor::{Nitro, Xen};

const FAMILIES: &[Family] = &[
    family("t1", X86, Xen, false, &[("micro", 1, 627)]),
    family("t2", X86, Xen, true, T2),
    family("t3", X86, Nitro, true, T),
    family("t3a", X86, Nitro, true, T),
    family("t4g", ARM, Nitro, true, T),
    family("m3", X86, Xen, false, M3),
    family("m4", X86, Xen, true, M4),
    family("m5", X86, Nitro, true, M),
    family("m5a", X86, Nitro, true, M),
    family("m5d", X86, Nitro, true, M),
    family("m5n", X86, Nitro, true, M),
    family("m6a", X86, Nitro, true, M),
    family("m6i", X86, Nitro, true, M),
    family("m6g", ARM, Nitro, true, M_ARM),
    family("m7a", X86, Nitro, true, M),
    family("m7i", X86, Nitro, true, M),
    family("m7g", ARM, Nitro, true, M_ARM),
    family("m8g", ARM, Nitro, true, M_ARM),
    family("c3", X86, Xen, false, C3),
    family("c4", X86, Xen, true, C4),
    family("c5", X86, Nitro, true, C5),
    family("c5a", X86, Nitro, true, C),
    family("c5d", X86, Nitro, true, C5),
    family("c5n", X86, Nitro, true, C5N),
    family("c6a", X86, Nitro, true, C),
    family("c6i", X86, Nitro, true, C),
    family("c6g", ARM, Nitro, true, C_ARM),
    family("c7a", X86, Nitro, true, C),
    family("c7i", X86, Nitro, true, C),
    family("c7g", ARM, Nitro, true, C_ARM),
    family("c8g", ARM, Nitro, true, C_ARM),
    family("r3", X86, Xen, false, &[("large", 2, 15360), ("xlarge", 4, 31232), ("2xlarge", 8, 62464)]),
    family("r4", X86, Xen, true, R4),
    family("r5", X86, Nitro, true, R),
    family("r5a", X86, Nitro, true, R),
    family("r6i", X86, Nitro, true, R),
    family("r6g", ARM, Nitro, true, R_ARM),
    family("r7i", X86, Nitro, true, R),
    family("r7g", ARM, Nitro, true, R_ARM),
];

/// Instance stores: type, disks, GB of each.
const STORAGE: &[(&str, u32, u32)] = &[
    ("m3.medium", 1, 4),
    ("m3.large", 1, 32),
    ("m3.xlarge", 2, 40),
    ("m3.2xlarge", 2, 80),
    ("c3.large", 2, 16),
    ("c3.xlarge", 2, 40),
    ("c3.2xlarge", 2, 80),
    ("c3.4xlarge", 2, 160),
    ("c3.8xlarge", 2, 320),
    ("r3.large", 1, 32),
    ("r3.xlarge", 1, 80),
    ("r3.2xlarge", 1, 160),
    ("m5d.large", 1, 75),
    ("m5d.xlarge", 1, 150),
    ("m5d.2xlarge", 1, 300),
    ("m5d.4xlarge", 2, 300),
    ("m5d.8xlarge", 2, 600),
    ("m5d.12xlarge", 2, 900),
    ("m5d.16xlarge", 4, 600),
    ("m5d.24xlarge", 4, 900),
    ("c5d.large", 1, 50),
    ("c5d.xlarge", 1, 100),
    ("c5d.2xlarge", 1, 200),
    ("c5d.4xlarge", 1, 400),
    ("c5d.9xlarge", 1, 900),
    ("c5d.12xlarge", 2, 900),
    ("c5d.18xlarge", 2, 900),
    ("c5d.24xlarge", 4, 900),
];

/// All types, in alphabetical order.
pub fn instance_types() -> &'static [InstanceType] {
    static TYPES: OnceLock<Vec<InstanceType>> = OnceLock::new();
    TYPES.get_or_init(|| {
        let mut types: Vec<InstanceType> = FAMILIES
            .iter()
            .flat_map(|f| {
                f.sizes.iter().map(|(size, vcpus, memory_mib)| {
                    let name = format!("{}.{size}", f.name);
                    InstanceType {
                        architecture: f.architecture,
                        hypervisor: f.hypervisor,
                        current: f.current,
                        burstable: f.name.starts_with('t') && f.name != "t1",
                        vcpus: *vcpus,
                        memory_mib: *memory_mib,
                        storage: STORAGE.iter().find(|s| s.0 == name).map(|s| (s.1, s.2)),
                        i386: matches!(name.as_str(), "t1.micro" | "t2.nano" | "t2.micro" | "t2.small" | "t2.medium"),
                        name,
                    }
                })
            })
            .collect();
        types.sort_by(|a, b| a.name.cmp(&b.name));
        types
    })
}

/// The type of this name.
pub fn instance_type(name: &str) -> Option<&'static InstanceType> {
    let types = instance_types();
    types.binary_search_by(|t| t.name.as_str().cmp(name)).ok().and_then(|i| types.get(i))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_found_and_stores_belong_to_types() {
        assert_eq!(instance_type("m3.medium").map(|t| (t.hypervisor, t.storage)), Some((Xen, Some((1, 4)))));
        assert_eq!(instance_type("t4g.small").map(|t| t.architecture), Some(ARM));
        assert_eq!(instance_type("t9.small"), None);
        for (name, ..) in STORAGE {
            assert!(instance_type(name).is_some(), "{name}");
        }
    }
}
