//! Orders to a running machine: volumes come and go, metadata changes. One JSON line each way per connection.

use std::io::{self, Write as _};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use super::super::namespace::fault::{Fault, Step};
use super::super::namespace::files::{RunFiles, remove_if_there, write_atomic};
use super::super::namespace::loopdev::{Attached, Loop};
use super::super::namespace::network::Links;
use super::super::namespace::process::ProcessId;
use super::super::namespace::spec::{Reply, Request, Spec};
use super::super::namespace::{devices, sysview};
use super::imds::tree::Tree;
use crate::machine::VolumeAttachment;

/// The most that one order may say (user data has 16 KiB, which JSON makes about four times longer).
const LONGEST_ORDER: u64 = 1024 * 1024;

/// The machine's volumes, held by this process.
#[derive(Debug)]
pub struct Volumes {
    files: RunFiles,
    held: Vec<(Attached, Loop)>,
}

impl Volumes {
    /// Binds the volumes that the machine starts with and writes down where they are.
    pub fn attach(files: RunFiles, volumes: &[VolumeAttachment]) -> Result<Self, Fault> {
        let mut held = Vec::new();
        for volume in volumes {
            held.push(bind(volume).step(format!("attaching {} ({})", volume.volume_id, volume.file.display()))?);
        }
        let volumes = Self { files, held };
        volumes.write().step("writing volumes.json")?;
        Ok(volumes)
    }

    fn write(&self) -> io::Result<()> {
        let attached: Vec<&Attached> = self.held.iter().map(|(attached, _)| attached).collect();
        write_atomic(&self.files.volumes(), &serde_json::to_vec(&attached)?, 0o600)
    }

    fn add(&mut self, volume: &VolumeAttachment) -> Result<(), Fault> {
        let what = || format!("attaching {} as {}", volume.volume_id, volume.guest_device);
        let place = self.machine_root()?;
        if self.held.iter().any(|(held, _)| held.volume.guest_device == volume.guest_device) {
            return Err(Fault::new(format!("{} is already in use in the machine", volume.guest_device)));
        }
        let (attached, device) = bind(volume).step(what())?;
        devices::add_volume(&place.join("dev"), &attached).step(what())?;
        sysview::add_volume(&place.join("sys"), &attached).step(what())?;
        self.held.push((attached, device));
        self.show_partitions(&place).step(what())?;
        self.write().step(what())
    }

    fn remove(&mut self, volume_id: &str, force: bool) -> Result<(), Fault> {
        let what = || format!("detaching {volume_id}");
        let Some(at) = self.held.iter().position(|(held, _)| held.volume.volume_id == volume_id) else {
            return Ok(());
        };
        if !force && self.held[at].1.in_use().step(what())? {
            return Err(Fault::new(format!("{volume_id} is mounted in the machine: unmount it first")));
        }
        let (attached, device) = self.held.remove(at);
        let place = self.machine_root()?;
        devices::remove_volume(&place.join("dev"), &attached).step(what())?;
        sysview::remove_volume(&place.join("sys"), &attached).step(what())?;
        device.detach().step(what())?;
        self.show_partitions(&place).step(what())?;
        self.write().step(what())
    }

    /// Shows the partitions that the volumes' tables have now: partitioning programs write a table, and the machine's kernel
    /// and udev do the rest.
    fn look(&mut self) -> io::Result<()> {
        let mut changed = false;
        for at in 0..self.held.len() {
            let now = self.held[at].1.partitions()?;
            if now == self.held[at].0.partitions {
                continue;
            }
            // Between two boots nobody sees them; the next one is told.
            let place = self.machine_root().map_err(io::Error::other)?;
            let (dev, sys) = (place.join("dev"), place.join("sys"));
            let attached = &mut self.held[at].0;
            for old in std::mem::take(&mut attached.partitions) {
                devices::remove_partition(&dev, &attached.volume, old.partition)?;
                sysview::remove_partition(&sys, attached, &old)?;
            }
            for new in &now {
                devices::add_partition(&dev, &attached.volume, new)?;
                sysview::add_partition(&sys, attached, new)?;
            }
            attached.partitions = now;
            self.show_partitions(&place)?;
            changed = true;
        }
        if changed { self.write() } else { Ok(()) }
    }

    /// The running machine's root directory as seen from here.
    fn machine_root(&self) -> Result<PathBuf, Fault> {
        ProcessId::read(&self.files.init_pid())
            .filter(ProcessId::alive)
            .map(|init| PathBuf::from(format!("/proc/{}/root", init.pid)))
            .ok_or_else(|| Fault::new("the machine does not run"))
    }

    fn show_partitions(&self, machine: &Path) -> io::Result<()> {
        let attached: Vec<Attached> = self.held.iter().map(|(attached, _)| attached.clone()).collect();
        fs_err::write(machine.join("proc/partitions"), sysview::partition_table(&attached)?)
    }
}

fn bind(volume: &VolumeAttachment) -> io::Result<(Attached, Loop)> {
    let device = Loop::attach(&volume.file)?;
    let partitions = device.partitions()?;
    Ok((Attached { volume: volume.clone(), number: device.number, partitions }, device))
}

/// What orders change.
pub struct Control {
    /// What the machine was started with.
    pub spec: Spec,
    /// Its addresses.
    pub links: Links,
    /// What the metadata service serves now.
    pub metadata: Arc<Mutex<Tree>>,
    /// Its volumes.
    pub volumes: Volumes,
}

/// Opens the control socket. Socket addresses have 107 bytes, run directories may have longer names: the address goes
/// through a descriptor of the directory.
pub fn listen(files: &RunFiles) -> Result<UnixListener, Fault> {
    remove_if_there(&files.control()).step("opening the control socket")?;
    let dir = fs_err::File::open(&files.dir).step("opening the control socket")?;
    let short = format!("/proc/self/fd/{}/control.sock", dir.as_raw_fd());
    UnixListener::bind(short).step("opening the control socket")
}

/// How soon a partition that was made is there. Programs are started slower.
const LOOK: Duration = Duration::from_millis(50);

/// Obeys, one order after the other, and looks after the volumes' partitions.
pub async fn serve(socket: UnixListener, mut control: Control) {
    loop {
        tokio::select! {
            accepted = socket.accept() => {
                let Ok((stream, _)) = accepted else { return };
                // A caller that goes away before its answer has its order carried out all the same.
                let _ = answer(stream, &mut control).await;
            }
            () = tokio::time::sleep(LOOK), if !control.volumes.held.is_empty() => {
                if let Err(error) = control.volumes.look() {
                    let _ = writeln!(io::stderr(), "looking at the volumes' partitions: {error}");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

async fn answer(mut stream: UnixStream, control: &mut Control) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut line = String::new();
    BufReader::new(reader.take(LONGEST_ORDER)).read_line(&mut line).await?;
    let reply: Reply = match serde_json::from_str(&line) {
        Ok(request) => control.obey(request).map_err(|fault| fault.chain()),
        Err(error) => Err(format!("an order that is none: {error}")),
    };
    let mut text = serde_json::to_vec(&reply)?;
    text.push(b'\n');
    writer.write_all(&text).await
}

impl Control {
    fn obey(&mut self, request: Request) -> Result<(), Fault> {
        match request {
            Request::Attach(volume) => self.volumes.add(&volume),
            Request::Detach { volume_id, force } => self.volumes.remove(&volume_id, force),
            // Packets of a host that may not come in are dropped without a word, as by a security group.
            Request::Admit(open) => {
                fs_err::write("/proc/sys/net/ipv4/conf/h0/forwarding", if open { "1" } else { "0" })
                    .step("letting connections in or not")
            }
            Request::Metadata(metadata) => {
                let tree = Tree::new(&self.spec.launch, self.links, &metadata);
                let mut served = self.metadata.lock().map_err(|_| Fault::new("the metadata service has failed"))?;
                served.replace(tree);
                Ok(())
            }
        }
    }
}
