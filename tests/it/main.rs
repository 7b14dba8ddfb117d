//! The one integration binary: the built program against real parts (OpenSSH's sshd, the sandbox's machines, moto, Packer,
//! cloud-init). Tests that need root or a package say so and print why they were left out; `cargo xtask test` installs all.

mod support;

mod build_sandbox;
mod collections;
mod communicator;
mod console;
mod crash;
mod credentials;
mod exit_codes;
mod fix;
mod flow;
mod fmt;
mod hcl2_upgrade;
mod hcl_mutations;
mod if_changed;
mod init;
mod moto;
mod options;
mod packer_cases;
mod packer_client;
mod packer_ways;
mod playbook;
mod policy;
mod prune;
mod secrets;
mod session_manager;
mod trust;
mod user_data;
mod userdata;
mod validate;
mod volumes;
mod wait_for;
