//! What tests share, for development only: real servers on this machine, in temporary directories.

pub mod agent;
pub mod comm;
pub mod ec2;
pub mod sshd;
