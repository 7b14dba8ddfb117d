//! The phases of `amazon-ebs`, one file each, in the order in which [`super::ebs`] goes through them. What a phase needs is in
//! its arguments, what it leaves in its result.

pub mod connect;
pub mod copy;
pub mod image;
pub mod launch;
pub mod network;
pub mod preflight;
pub mod provision;
pub mod publish;
pub mod source;
pub mod stop;
pub mod verify;
