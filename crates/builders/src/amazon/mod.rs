//! Builders for Amazon EC2, over [`ec2::Ec2`]. No SDK type is named here.

pub mod ec2;
pub mod ids;
pub mod options;
pub mod types;
pub mod user_data;
pub mod wait;
