//! `cargo xtask demo`.
#[derive(clap::Args)]
pub struct Options {}
/// Entry.
pub fn run(_: &Options) -> anyhow::Result<u8> { Ok(0) }
