//! `cargo xtask demo`: from a fresh machine to a proven image and its nodes' user data, in one command.

use crate::{cargo, root, run as go, setup, show, target_dir};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[derive(clap::Args)]
pub struct Options {
    /// The template to build
    #[arg(long, default_value = "templates/ubuntu_1404_aufs3.json")]
    template: String,
    /// Where the sandbox keeps its machines and images
    #[arg(long)]
    sandbox_dir: Option<PathBuf>,
}

/// Runs it.
pub fn run(options: &Options) -> Result<u8> {
    setup::packages(&[setup::BUILD, setup::SANDBOX])?;
    setup::rust_targets()?;
    go(cargo().args(["build", "-p", "imgbuild"]))?;
    let dir = options.sandbox_dir.clone().unwrap_or_else(|| target_dir().join("demo"));
    std::fs::create_dir_all(&dir)?;
    let demo = Demo { program: target_dir().join("debug/imgbuild"), dir };

    heading("1. The sandbox's base image (made once, then cached)");
    go(&mut demo.imgbuild(&["sandbox", "prepare"]))?;

    heading("2. Check the template: no network call");
    go(&mut demo.imgbuild(&["validate", &options.template]))?;

    heading("3. Build the image, and verify an instance that is started from it");
    let manifest = demo.dir.join("packer-manifest.json");
    let manifest_text = manifest.display().to_string();
    go(&mut demo.sandboxed(
        &["build"],
        &["--manifest", &manifest_text, "--verify", "playbooks/verify_docker.yml", &options.template],
    ))?;
    let image = newest_image(&manifest)?;

    heading("4. User data for the nodes that run it");
    let server = demo.render(
        "server",
        &[
            "database_endpoint=db.internal:3306",
            "database_username=rancher",
            "database_password_parameter=/demo/rancher/database",
        ],
    )?;
    demo.render("agent", &["registration_url_parameter=/demo/rancher/registration"])?;

    heading("5. Start a node from the image with its user data");
    let inventory = demo.dir.join("inventory.ini");
    let server_text = server.display().to_string();
    let inventory_text = inventory.display().to_string();
    go(&mut demo
        .sandboxed(&["sandbox", "run"], &[&image, "--user-data", &server_text, "--inventory", &inventory_text]))?;

    heading("6. The playbook once more, on that node: nothing may change");
    let mut again = demo.imgbuild(&["playbook", "-i", &inventory_text, "playbooks/docker.yml"]);
    again.args(["-e", "docker_pkg_name=docker-engine=1.12.3-0~ubuntu-trusty"]);
    let output = show(&mut again).stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}");
    ensure!(output.status.success(), "the second run of the playbook failed");
    let recap = text.lines().rfind(|l| l.contains("changed=")).context("the playbook printed no recap")?;
    ensure!(recap.contains("changed=0"), "the second run changed something: {recap}");

    heading("7. What is there now");
    go(&mut demo.sandboxed(&["sandbox", "images"], &[]))?;
    go(&mut demo.sandboxed(&["sandbox", "instances"], &[]))?;
    println!("\nLog in:      {} sandbox ssh --sandbox-dir {} INSTANCE", demo.program.display(), demo.dir.display());
    println!("Remove all:  {} sandbox rm --sandbox-dir {} --all", demo.program.display(), demo.dir.display());
    Ok(0)
}

struct Demo {
    program: PathBuf,
    dir: PathBuf,
}

impl Demo {
    /// The program as root, in the repository.
    fn imgbuild(&self, args: &[&str]) -> Command {
        let mut command = setup::as_root(&self.program.display().to_string());
        command.current_dir(root()).args(args);
        command
    }

    /// The same over this demo's sandbox.
    fn sandboxed(&self, command: &[&str], args: &[&str]) -> Command {
        let mut all = command.to_vec();
        let dir = self.dir.display().to_string();
        if command[0] == "build" {
            all.push("--sandbox");
        }
        all.extend(["--sandbox-dir", &dir]);
        all.extend(args);
        self.imgbuild(&all)
    }

    fn render(&self, role: &str, vars: &[&str]) -> Result<PathBuf> {
        let mut command = self.imgbuild(&["userdata", role, "--stack", "rancher1"]);
        for var in vars {
            command.args(["--var", var]);
        }
        let output = show(&mut command).stderr(Stdio::inherit()).output()?;
        ensure!(output.status.success(), "the user data of the {role} could not be rendered");
        println!("{}", String::from_utf8_lossy(&output.stdout));
        let file = self.dir.join(format!("{role}.yaml"));
        std::fs::write(&file, output.stdout)?;
        Ok(file)
    }
}

/// The AMI of the last build in a manifest: `us-east-1:ami-…`.
fn newest_image(manifest: &Path) -> Result<String> {
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(manifest).context("the build wrote no manifest")?)?;
    let id = json["builds"].as_array().and_then(|b| b.last()).and_then(|b| b["artifact_id"].as_str());
    let id = id.context("the manifest names no artifact")?;
    Ok(id.rsplit(':').next().unwrap_or(id).to_owned())
}

fn heading(text: &str) {
    println!("\n\x1b[1m{text}\x1b[0m");
}
