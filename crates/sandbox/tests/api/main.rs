//! The endpoint, called over HTTP by a client that shares nothing with it, with machines that only pretend.

mod client;
mod faults;
mod images;
mod instances;
mod keys_and_groups;
mod machines;
mod persistence;
mod strict;
mod volumes;
