//! Facts of EC2 that are the same for everyone: regions with their zones, and instance types.

mod instance_types;
mod regions;

pub use instance_types::{Hypervisor, InstanceType, instance_type, instance_types};
pub use regions::{REGIONS, is_region, zones};
