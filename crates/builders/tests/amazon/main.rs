//! Tests of the amazon builder against the fake EC2 of the test kit: options, whole builds, faults at every call, crashes at
//! every journal write.

mod build;
mod crash;
mod faults;
mod harness;
mod known_options;
mod options;
mod packer_rows;
mod replace;
mod strays;
mod unchanged;
mod volumes;
