//! What surrounds a machine in its own small network: the metadata service, a resolver, the fixture repository, and the
//! holder of its volumes. One process per machine, in the fabric namespace (see `namespace::network`).

mod api;
mod console;
mod control;
mod dns;
mod fixtures;
mod imds;

use std::fs::File;
use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpSocket, UdpSocket};

use super::namespace::fault::{Fault, Step};
use super::namespace::files::RunFiles;
use super::namespace::network::{self, API, Links, METADATA, RESOLVER};
use super::namespace::spec::Spec;
use super::namespace::sys;

/// What a fork of the supervisor needs to become the services of a machine.
pub struct Birth<'a> {
    /// The machine.
    pub spec: &'a Spec,
    /// Its addresses.
    pub links: Links,
    /// The console's log side.
    pub terminal: File,
    /// The supervisor's "go on" byte.
    pub from_supervisor: File,
    /// "n" when the namespace is there, "r" when everything is served; or an error's text.
    pub to_supervisor: File,
}

/// Becomes the services process; does not return.
pub fn become_services(mut birth: Birth<'_>) -> ! {
    let outcome = prepare(&mut birth)
        .and_then(|volumes| serve(birth.spec, birth.links, &birth.terminal, volumes, &mut birth.to_supervisor));
    if let Err(fault) = outcome {
        let _ = birth.to_supervisor.write_all(fault.chain().as_bytes());
        let _ = writeln!(std::io::stderr(), "services: {}", fault.chain());
    }
    sys::exit_now(1)
}

fn prepare(birth: &mut Birth<'_>) -> Result<control::Volumes, Fault> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .step("tying the services to their supervisor")?;
    rustix::thread::set_name(c"ib-services").step("naming the services process")?;
    sys::unshare(libc::CLONE_NEWNET).step("making the fabric's namespace")?;
    birth.to_supervisor.write_all(b"n").step("reporting to the supervisor")?;
    birth.from_supervisor.read_exact(&mut [0]).step("waiting for the supervisor's network")?;
    network::wire_fabric(birth.links)?;
    control::Volumes::attach(RunFiles { dir: birth.spec.dir.clone() }, &birth.spec.launch.volumes)
}

fn serve(spec: &Spec, links: Links, terminal: &File, volumes: control::Volumes, ready: &mut File) -> Result<(), Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().step("starting the services")?;
    let console = console::Log::start(terminal, &RunFiles { dir: spec.dir.clone() }.console())?;
    runtime.block_on(async {
        let metadata = Arc::new(Mutex::new(imds::tree::Tree::new(&spec.launch, links, &spec.launch.metadata)));
        let resolver = UdpSocket::bind((RESOLVER, 53)).await.step("serving DNS")?;
        let resolver_stream = TcpListener::bind((RESOLVER, 53)).await.step("serving DNS")?;
        let names = Arc::new(dns::Names::new(spec, links));
        tokio::spawn(dns::serve_datagrams(resolver, Arc::clone(&names)));
        tokio::spawn(dns::serve_streams(resolver_stream, names));
        if let Some(dir) = spec.fixtures.as_deref().filter(|dir| dir.join("names").exists()) {
            fixtures::start(dir).await?;
        }
        if let Some(endpoints) = spec.endpoints.clone() {
            let listener = TcpListener::bind((API, 80)).await.step("serving the endpoint")?;
            tokio::spawn(api::serve(listener, endpoints, spec.launch.instance_id.clone()));
        }
        let socket = control::listen(&RunFiles { dir: spec.dir.clone() })?;
        let control = control::Control { spec: spec.clone(), links, metadata: Arc::clone(&metadata), volumes };
        tokio::spawn(control::serve(socket, control));
        let listener = metadata_listener().step("serving instance metadata")?;
        ready.write_all(b"r").step("reporting to the supervisor")?;
        imds::serve(listener, metadata).await;
        drop(console);
        Ok(())
    })
}

fn metadata_listener() -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind((METADATA, 80).into())?;
    socket.listen(64)
}
