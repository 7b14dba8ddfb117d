//! The directory: the volume is mounted, then what a chroot needs besides, and files of this machine are lent to it.

use super::shell::Shell;
use super::volume::Attached;
use super::{Mounted, device, own_directory};
use crate::amazon::env::Env;
use crate::amazon::failure::Failure;
use crate::amazon::options::chroot::Chroot;
use crate::amazon::types::Image;
use imgbuild_engine::shell_quote::quote;
use imgbuild_template::{Context, Spanned, interpolate};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;

/// Mounts everything and copies the files.
pub async fn mount(
    env: &Env<'_>,
    chroot: &Chroot,
    shell: &Shell,
    source: Option<&Image>,
    attached: Attached,
) -> Result<Mounted, Failure> {
    let Attached { id, held, device } = attached;
    let context = env.config.context.clone();
    let with_device = context.clone().with_field("Device", device.as_str());
    if !chroot.pre_mount.is_empty() {
        env.ui().say("Running device setup commands...");
        commands(env, shell, &chroot.pre_mount, &with_device).await?;
    }
    let mounted_device = chroot.nvme_device_path.clone().unwrap_or_else(|| device.clone());
    let virtualization = env.config.ami.virtualization_type.as_deref();
    let virtualization = virtualization.or(source.map(|image| image.virtualization_type.as_str())).unwrap_or("hvm");
    // A paravirtual image's volume has no partitions.
    let partition = chroot.partition.as_deref().filter(|_| virtualization == "hvm");
    let file = there(env, &device::partition(&mounted_device, partition)).await?;
    let path = path(chroot, &context, &mounted_device)?;
    run(shell, format!("mkdir -p {}", quote(&path)), "making the mount directory").await?;
    if !super::mounts::mounted(&path).is_empty() {
        return Err(Failure::new(format!("something is mounted at {path} already")).help(
            "another build, or one that died: imgbuild gc removes what that left; or set another \"mount_path\"",
        ));
    }
    let root = own_directory(env, &path).await?;
    env.ui().say("Mounting the root device...");
    let options: String = chroot.mount_options.iter().map(|option| format!("-o {} ", quote(option))).collect();
    let line = format!("mount {options}{} {}", quote(&file.display().to_string()), quote(&path));
    run(shell, line, "mounting the root device").await?;
    if !chroot.post_mount.is_empty() {
        env.ui().say("Running post-mount commands...");
        let context = with_device.with_field("MountPath", path.as_str());
        commands(env, shell, &chroot.post_mount, &context).await?;
    }
    env.ui().say("Mounting additional paths within the chroot...");
    for [kind, what, target] in &chroot.mounts {
        env.go_on()?;
        env.ui().message(format!("Mounting: {target}"));
        let to = quote(&format!("{path}{target}"));
        run(shell, format!("mkdir -p {to}"), "making a mount directory").await?;
        let how = if kind == "bind" { "--bind".to_owned() } else { format!("-t {}", quote(kind)) };
        run(shell, format!("mount {how} {} {to}", quote(what)), "mounting").await?;
        if kind == "bind" {
            // Else what is mounted on it in here is mounted on this machine's own directory, too.
            run(shell, format!("mount --make-private {to}"), "mounting").await?;
        }
    }
    lend(env, chroot, shell, &path).await?;
    Ok(Mounted { volume: id, held, root, path, device })
}

/// Where the volume is mounted.
fn path(chroot: &Chroot, context: &Context, device: &str) -> Result<String, Failure> {
    let name = Path::new(device).file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let context = context.clone().with_field("Device", name);
    let path = interpolate::render(&chroot.mount_path, &context).map_err(|d| Failure::new(d.to_string()))?;
    let path = std::path::absolute(&path).map_err(|e| Failure::new(format!("\"mount_path\": {e}")))?;
    // Without a slash at the end, and as the kernel's table of mounts will have it.
    let path: PathBuf = path.components().collect();
    if path.parent().is_none() {
        return Err(Failure::new("\"mount_path\" can't be the root directory of this machine"));
    }
    Ok(path.display().to_string())
}

/// Runs the template's own commands.
async fn commands(
    env: &Env<'_>,
    shell: &Shell,
    commands: &[Spanned<String>],
    context: &Context,
) -> Result<(), Failure> {
    for command in commands {
        let command = interpolate::render(command, context).map_err(|d| Failure::new(d.to_string()))?;
        let line = shell.line(&command).map_err(Failure::new)?;
        env.ui().say(format!("Executing command: {line}"));
        let told = shell.tell(&line, |text| env.ui().message(text));
        let done = env.session.run.cancel().guard(told).await.ok_or_else(Failure::cancelled)?;
        done.map_err(Failure::new)?;
    }
    Ok(())
}

async fn run(shell: &Shell, line: String, what: &str) -> Result<(), Failure> {
    shell.run(&line).await.map(drop).map_err(|why| Failure::new(format!("{what}: {why}")))
}

/// The first of the files that is there; partitions may need a moment.
async fn there(env: &Env<'_>, candidates: &[PathBuf]) -> Result<PathBuf, Failure> {
    let start = Instant::now();
    loop {
        if let Some(found) = candidates.iter().find(|path| path.exists()) {
            return Ok(found.clone());
        }
        if start.elapsed() > Duration::from_secs(15) {
            let names: Vec<String> = candidates.iter().map(|path| path.display().to_string()).collect();
            return Err(Failure::new(format!("there is no {}", names.join(" or ")))
                .help("\"mount_partition\" names the partition with the root file system; \"0\" is the whole device"));
        }
        env.sleep(Duration::from_millis(100)).await?;
    }
}

/// What a file of the image that is in the way of a lent one is called meanwhile.
const ASIDE: &str = ".imgbuild-aside";

/// Copies files of this machine into the image; its own of the same name are put aside.
async fn lend(env: &Env<'_>, chroot: &Chroot, shell: &Shell, path: &str) -> Result<(), Failure> {
    if chroot.copy_files.is_empty() {
        return Ok(());
    }
    env.ui().say("Copying files from host to chroot...");
    for file in &chroot.copy_files {
        env.ui().message(file.as_str());
        let (from, to) = (quote(file), quote(&inside(path, file)));
        let script =
            format!("if [ -e {to} ] || [ -L {to} ]; then mv -f {to} {to}{ASIDE} || exit 1; fi; exec cp {from} {to}");
        let done = shell.script(&script).await;
        done.map_err(|why| Failure::new(format!("copying {file} into the chroot: {why}")))?;
    }
    Ok(())
}

/// Takes the lent files out again and puts the image's own back. (Packer leaves an image without them.)
pub async fn leave(env: &Env<'_>, chroot: &Chroot, shell: &Shell, path: &str) -> Result<(), Failure> {
    for file in &chroot.copy_files {
        env.go_on()?;
        let to = quote(&inside(path, file));
        let script = format!(
            "rm -f {to} || exit 1; if [ -e {to}{ASIDE} ] || [ -L {to}{ASIDE} ]; then exec mv -f {to}{ASIDE} {to}; fi"
        );
        let done = shell.script(&script).await;
        done.map_err(|why| Failure::new(format!("taking {file} out of the chroot: {why}")))?;
    }
    Ok(())
}

fn inside(path: &str, file: &str) -> String {
    format!("{path}/{}", file.trim_start_matches('/'))
}
