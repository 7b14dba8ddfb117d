//! Builders for Amazon EC2, over [`ec2::Ec2`]. No SDK type is named here.

pub mod caller;
pub mod ebs;
pub mod ec2;
pub mod env;
pub mod failure;
pub mod ids;
pub mod options;
pub mod phase;
pub mod pollers;
pub mod releaser;
pub mod types;
pub mod user_data;
pub mod wait;
