//! `cargo xtask test`: installs what the tests need and runs them all.

use crate::{cargo, conformance, run as go, setup, target_dir};
use anyhow::Result;

#[derive(clap::Args)]
pub struct Options {
    /// Install what the tests need, then stop
    #[arg(long)]
    setup_only: bool,
    /// Passed to `cargo test`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

/// Runs them.
pub fn run_all(options: &Options) -> Result<()> {
    setup::packages(&[setup::BUILD, setup::SANDBOX, setup::TEST])?;
    setup::rust_targets()?;
    // Third parties from PyPI: an EC2 endpoint that is not ours, and the program whose playbooks we run.
    let moto = setup::venv("moto", &["moto[ec2,server]==5.2.5"])?;
    let ansible = setup::venv("ansible", &["ansible-core==2.19.14", "passlib"])?;
    if options.setup_only {
        return Ok(());
    }
    // Everything at once and first: another choice of packages would be another choice of features, and compile the SDK twice.
    go(cargo().args(["test", "--workspace", "--no-run"]))?;
    let program = target_dir().join("debug/imgbuild");
    if setup::is_root() {
        println!("Preparing the sandbox's base images (once; they are kept)");
        go(std::process::Command::new(&program).args(["sandbox", "prepare", "debian-12", "trusty"]))?;
    } else {
        println!("Not root: the tests that start machines will be skipped, each with its reason");
    }
    let mut test = cargo();
    test.args(["test", "--workspace", "--no-fail-fast"]).args(&options.rest);
    test.env("IMGBUILD_TEST_PYTHON", moto.join("bin/python")).env("IMGBUILD_TEST_MOTO", moto);
    test.env("IMGBUILD_TEST_ANSIBLE", ansible);
    go(&mut test)?;
    if options.rest.is_empty() && setup::is_root() {
        println!("ansible-core's own suite, tier A, beside the recorded results (tests/conformance/ansible.txt)");
        let differs = conformance::run(&conformance::Options::Ansible(conformance::Ansible::for_tests()))?;
        anyhow::ensure!(differs == 0, "the results differ from the recorded ones");
    }
    Ok(())
}

/// Entry.
pub fn run(options: &Options) -> Result<u8> {
    run_all(options).map(|()| 0)
}
