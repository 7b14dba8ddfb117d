//! AWS itself: implements `Accounts`, `Account` and `Ec2` of `imgbuild-builders` with the AWS SDK.
//!
//! Invariant: no SDK type leaves this crate.

mod account;
mod convert;
mod describe;
mod ec2;
mod error;
mod fleet;
mod iam;
mod modify;
mod pace;
mod renew;
mod retry;
mod services;
mod session;
mod ssm;
mod vault;
mod volume;

pub use account::AwsAccounts;
