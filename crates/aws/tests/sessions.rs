//! Data channels over the real SDK and a real WebSocket, to the sandbox's agent: on a good network, on a bad one, with an old
//! agent, encrypted, refused, and over a reboot. The machine is this one's loopback, its port a server that greets and echoes.

use async_trait::async_trait;
use imgbuild_aws::AwsAccounts;
use imgbuild_builders::amazon::ec2::{Account, Accounts};
use imgbuild_builders::amazon::ids::InstanceId;
use imgbuild_builders::amazon::options::access::Polling;
use imgbuild_builders::amazon::pollers::Pollers;
use imgbuild_builders::amazon::releaser::AmazonReleaser;
use imgbuild_builders::amazon::ssm::{NOT_CONNECTED, NewSession, SessionChannel, Ssm, StreamError};
use imgbuild_builders::amazon::tunnel::{Ends, Tunnel};
use imgbuild_diag::Redactor;
use imgbuild_engine::connect::{Dial, Stream};
use imgbuild_engine::event::{Event, Reporter, Sink};
use imgbuild_engine::journal::{Begin, Journal, Place};
use imgbuild_engine::run::{BuildRun, Cancel, Run};
use imgbuild_sandbox::image::{BaseImage, Catalogue};
use imgbuild_sandbox::machine::{Launch, MachineError, MachineKind, Metadata, Running, Status, VolumeAttachment};
use imgbuild_sandbox::{Channel, Endpoint, Fault, FaultKind, Latencies, Options, Sandbox};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const GREETING: &[u8] = b"good day\n";
const REGION: &str = "us-east-1";

/// A machine whose address is the loopback's; booted as often as it is told. 0: it is down.
struct Loopback(AtomicU32);

#[async_trait]
impl MachineKind for Loopback {
    async fn reserve_address(&self, _: &str) -> Result<Ipv4Addr, MachineError> {
        Ok(Ipv4Addr::LOCALHOST)
    }
    async fn start(&self, _: &Launch) -> Result<Running, MachineError> {
        self.0.store(1, Ordering::Relaxed);
        Ok(Running { pid: 1, address: Ipv4Addr::LOCALHOST })
    }
    async fn stop(&self, _: &str) -> Result<(), MachineError> {
        Ok(())
    }
    async fn status(&self, _: &str) -> Status {
        Status::Running
    }
    async fn boot(&self, _: &str) -> Option<String> {
        Some(self.0.load(Ordering::Relaxed)).filter(|n| *n > 0).map(|n| n.to_string())
    }
    async fn console(&self, _: &str) -> Vec<u8> {
        Vec::new()
    }
    async fn attach_volume(&self, _: &str, _: &VolumeAttachment) -> Result<(), MachineError> {
        Ok(())
    }
    async fn detach_volume(&self, _: &str, _: &str, _: bool) -> Result<(), MachineError> {
        Ok(())
    }
    async fn update_metadata(&self, _: &str, _: &Metadata) -> Result<(), MachineError> {
        Ok(())
    }
    async fn destroy(&self, _: &str) -> Result<(), MachineError> {
        Ok(())
    }
}

struct OneImage(Vec<BaseImage>, PathBuf);

#[async_trait]
impl Catalogue for OneImage {
    fn images(&self) -> &[BaseImage] {
        &self.0
    }
    async fn prepare(&self, _: &str) -> Result<PathBuf, MachineError> {
        Ok(self.1.clone())
    }
}

struct World {
    machine: Arc<Loopback>,
    sandbox: Sandbox,
    _endpoint: Endpoint,
    account: Arc<dyn Account>,
    ssm: Arc<dyn Ssm>,
    instance: InstanceId,
    port: u16,
    dir: tempfile::TempDir,
}

impl World {
    /// A running instance with a profile, and the server behind its port.
    async fn new() -> Self {
        Self::with(&[("IamInstanceProfile.Name", "ssm")]).await
    }

    async fn with(launch: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        std::fs::create_dir(&tree).unwrap();
        let image = BaseImage {
            name: "debian-12-amd64-20260101".into(),
            description: "a test".into(),
            owner_id: "136693071363".into(),
            owner_alias: None,
            architecture: "x86_64".into(),
            platform_details: "Linux/UNIX".into(),
            creation_date: "2026-01-01T00:00:00.000Z".into(),
            root_device_name: "/dev/xvda".into(),
            root_volume_size: 8,
            root_volume_type: "gp2".into(),
            ephemeral: Vec::new(),
            ena_support: true,
            boot_mode: None,
            imds_v2: false,
            stand_in: false,
            unavailable: None,
        };
        let machine = Arc::new(Loopback(AtomicU32::new(0)));
        let options = Options {
            dir: dir.path().join("sandbox"),
            machines: machine.clone(),
            catalogue: Arc::new(OneImage(vec![image], tree)),
            latencies: Latencies::default(),
        };
        let sandbox = Sandbox::open(options).unwrap();
        let endpoint = sandbox.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
        sandbox.call(REGION, "DescribeImages", &[]).await.unwrap();
        let image = sandbox.state().unwrap().regions[REGION].images.keys().next().unwrap().clone();
        let mut run =
            vec![("ImageId", image.as_str()), ("InstanceType", "t3.micro"), ("MinCount", "1"), ("MaxCount", "1")];
        run.extend(launch);
        sandbox.call(REGION, "RunInstances", &run).await.unwrap();
        let instance = loop {
            let state = sandbox.state().unwrap();
            let instance = state.regions[REGION].instances.values().next().unwrap();
            if instance.state.name() == "running" {
                break InstanceId::new(instance.id.clone());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        let place = Place {
            region: REGION.into(),
            endpoint: Some(endpoint.url.clone()),
            access_key_id: Some("AKIATEST".into()),
            ..Place::default()
        };
        let account = AwsAccounts::new().reopen(&place).await.unwrap();
        let ssm = account.ssm(&REGION.into());
        World { machine, sandbox, _endpoint: endpoint, account, ssm, instance, port: serve().await, dir }
    }

    fn channel(&self, channel: Channel) {
        let fault = Fault { action: "StartSession".into(), skip: 0, times: None, kind: FaultKind::Channel(channel) };
        self.sandbox.set_faults(vec![fault]);
    }

    async fn start(&self) -> NewSession {
        self.ssm.start_session(&self.instance, self.port, "a test").await.unwrap()
    }

    async fn connect(&self) -> Arc<dyn SessionChannel> {
        self.ssm.connect(&self.instance, self.start().await).await.unwrap()
    }

    async fn active(&self) -> usize {
        self.ssm.active_sessions(&self.instance).await.unwrap().len()
    }

    /// A tunnel of a build.
    fn tunnel(&self) -> (Tunnel, BuildRun) {
        let begin = Begin { run: "r".into(), started: 1, version: "0".into(), pid: 1, template: "t".into() };
        let journal = Journal::create(self.dir.path(), begin, None).unwrap();
        let run = Run::new("r".into(), journal, Cancel::new());
        let run = run.build(Reporter::new(Arc::new(Silence), Redactor::new()).for_build("b"));
        let pause = Duration::from_millis(10);
        let releaser =
            AmazonReleaser::new(Arc::clone(&self.account), Arc::new(Pollers::default()), Polling::default(), pause);
        let ends = Ends {
            run: run.clone(),
            ssm: Arc::clone(&self.ssm),
            place: self.account.place(&REGION.into()),
            releaser,
            instance: self.instance.clone(),
            port: self.port,
            pause,
        };
        (Tunnel::new(ends), run)
    }
}

struct Silence;
impl Sink for Silence {
    fn emit(&self, _: Event) {}
}

/// Greets, then echoes.
async fn serve() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = client.write_all(GREETING).await;
                let (mut read, mut write) = client.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    port
}

/// Sends so many bytes, no two blocks alike, and reads them back.
async fn echo(mut stream: Box<dyn Stream>, length: usize) {
    let mut greeting = [0; GREETING.len()];
    stream.read_exact(&mut greeting).await.unwrap();
    assert_eq!(greeting, GREETING);
    let byte = |n: usize| u8::try_from((n ^ (n >> 8) ^ (n >> 16)) & 0xff).unwrap();
    let (mut read, mut write) = tokio::io::split(stream);
    let writing = async {
        let data: Vec<u8> = (0..length).map(byte).collect();
        for part in data.chunks(10_000) {
            write.write_all(part).await.unwrap();
        }
    };
    let reading = async {
        let mut back = vec![0; length];
        read.read_exact(&mut back).await.unwrap();
        let wrong = back.iter().enumerate().find(|(n, b)| **b != byte(*n));
        assert_eq!(wrong, None, "of {length} bytes");
    };
    let both = async { tokio::join!(writing, reading) };
    tokio::time::timeout(Duration::from_secs(300), both).await.expect("it stalls");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_transfers_and_several_streams_in_one_session() {
    let world = World::new().await;
    let channel = world.connect().await;
    assert!(channel.takes_more());
    let streams = (channel.stream().await.unwrap(), channel.stream().await.unwrap(), channel.stream().await.unwrap());
    tokio::join!(echo(streams.0, 16 << 20), echo(streams.1, 1 << 20), echo(streams.2, 100));
    assert_eq!(world.active().await, 1);
    assert!(channel.takes_more() && !channel.ended());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_doubled_or_mixed_on_a_bad_network() {
    let world = World::new().await;
    world.channel(Channel { loss: 3, duplicate: 5, reorder: 10, ..Channel::default() });
    let channel = world.connect().await;
    echo(channel.stream().await.unwrap(), 3 << 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_cut_is_resumed() {
    let world = World::new().await;
    world.channel(Channel { cut_after: Some(700), cuts: Some(5), loss: 1, ..Channel::default() });
    let channel = world.connect().await;
    echo(channel.stream().await.unwrap(), 3 << 20).await;
    let resumed = world.sandbox.calls().iter().filter(|call| call.action == "ResumeSession").count();
    assert_eq!(resumed, 5);
    assert_eq!(world.active().await, 1, "it is the same session");
}

#[tokio::test]
async fn a_cut_in_the_handshake_is_resumed() {
    let world = World::new().await;
    world.channel(Channel { cut_after: Some(2), cuts: Some(2), ..Channel::default() });
    echo(world.connect().await.stream().await.unwrap(), 5000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_agent_forwards_one_connection_a_session() {
    let world = World::new().await;
    world.channel(Channel { agent_version: Some("2.3.1569.0".into()), loss: 1, ..Channel::default() });
    let (tunnel, _) = world.tunnel();
    let (one, two) = (tunnel.dial().await.unwrap(), tunnel.dial().await.unwrap());
    assert_eq!(world.active().await, 2, "the second connection has a session of its own");
    tokio::join!(echo(one, 2 << 20), echo(two, 100_000));
    tunnel.close().await;
    assert_eq!(world.active().await, 0);
}

#[tokio::test]
async fn an_agent_that_wants_keep_alives_gets_its_data_too() {
    let world = World::new().await;
    world.channel(Channel { agent_version: Some("3.1.1260.0".into()), ..Channel::default() });
    echo(world.connect().await.stream().await.unwrap(), 50_000).await;
}

#[tokio::test]
async fn sessions_are_encrypted_where_the_account_wants_it() {
    let world = World::new().await;
    world.channel(Channel { kms_key: Some("alias/sessions".into()), reorder: 5, ..Channel::default() });
    echo(world.connect().await.stream().await.unwrap(), 300_000).await;
    assert!(world.sandbox.calls().iter().any(|call| call.action == "GenerateDataKey" && call.status == 200));
}

#[tokio::test]
async fn a_key_that_may_not_be_used_is_said_so() {
    let world = World::new().await;
    let channel = Channel { kms_key: Some("alias/sessions".into()), ..Channel::default() };
    let denied = FaultKind::Error { code: "AccessDeniedException".into(), message: "no".into(), status: 400 };
    let fault = |action: &str, kind| Fault { action: action.into(), skip: 0, times: None, kind };
    world
        .sandbox
        .set_faults(vec![fault("StartSession", FaultKind::Channel(channel)), fault("GenerateDataKey", denied)]);
    let why = world.ssm.connect(&world.instance, world.start().await).await.err().unwrap();
    assert!(why.contains("alias/sessions") && why.contains("AccessDeniedException"), "{why}");
}

#[tokio::test]
async fn a_port_without_a_server_is_told_from_a_dead_session() {
    let mut world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let free = listener.local_addr().unwrap().port();
    drop(listener);
    world.port = free;
    let channel = world.connect().await;
    assert!(matches!(channel.stream().await, Err(StreamError::Port(why)) if why.contains("can't connect")));
    assert!(channel.takes_more() && !channel.ended(), "the session is still good");
    world.channel(Channel { agent_version: Some("2.3.1569.0".into()), loss: 1, ..Channel::default() });
    let channel = world.connect().await;
    assert!(matches!(channel.stream().await, Err(StreamError::Session(why)) if why.contains("Unable to connect")));
}

#[tokio::test]
async fn an_instance_needs_a_profile_that_allows_it() {
    let world = World::with(&[]).await;
    let error = world.ssm.start_session(&world.instance, 22, "a test").await.err().unwrap();
    assert_eq!((error.code.as_str(), error.certain()), (NOT_CONNECTED, true));
}

#[tokio::test]
async fn a_terminated_session_ends_its_streams_and_its_token_opens_nothing() {
    let world = World::new().await;
    let session = world.start().await;
    let (id, url) = (session.id.clone(), session.url.clone());
    let channel = world.ssm.connect(&world.instance, session).await.unwrap();
    let mut stream = channel.stream().await.unwrap();
    world.ssm.terminate_session(&id).await.unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, GREETING);
    assert!(matches!(channel.stream().await, Err(StreamError::Session(_))));
    assert!(channel.ended());
    world.ssm.terminate_session(&id).await.unwrap();
    let again = NewSession { id, url, token: "guessed".to_owned().into() };
    assert!(world.ssm.connect(&world.instance, again).await.is_err());
}

#[tokio::test]
async fn a_new_session_replaces_the_one_that_a_reboot_took() {
    let world = World::new().await;
    let (tunnel, run) = world.tunnel();
    echo(tunnel.dial().await.unwrap(), 1000).await;
    echo(tunnel.dial().await.unwrap(), 1000).await;
    assert_eq!(world.sandbox.calls().iter().filter(|c| c.action == "StartSession").count(), 1, "it is used again");
    world.machine.0.store(0, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let down = tunnel.dial().await.err().unwrap().to_string();
    assert!(down.contains(NOT_CONNECTED), "{down}");
    world.machine.0.store(2, Ordering::Relaxed);
    echo(tunnel.dial().await.unwrap(), 1000).await;
    assert_eq!(world.active().await, 1, "the old one was ended");
    assert_eq!(run.held().len(), 1);
    let local = tunnel.listen(0).await.unwrap();
    let client = tokio::net::TcpStream::connect(("127.0.0.1", local.port)).await.unwrap();
    echo(Box::new(client), 1000).await;
    tunnel.close().await;
    assert_eq!((world.active().await, run.held().len()), (0, 0));
    assert!(tunnel.dial().await.is_err(), "closed is closed");
}

#[tokio::test]
async fn a_lost_reply_leaves_a_session_that_unwinding_finds() {
    let world = World::new().await;
    let (tunnel, run) = world.tunnel();
    world.sandbox.set_faults(vec![Fault {
        action: "StartSession".into(),
        skip: 0,
        times: Some(1),
        kind: FaultKind::DropAfter,
    }]);
    assert!(tunnel.dial().await.is_err());
    echo(tunnel.dial().await.unwrap(), 1000).await;
    assert_eq!(world.active().await, 2);
    let pause = Duration::from_millis(10);
    let releaser = AmazonReleaser::new(Arc::clone(&world.account), Arc::default(), Polling::default(), pause);
    let leaks = run.unwind(&releaser, Duration::from_secs(30)).await;
    assert_eq!((leaks, world.active().await), (Vec::new(), 0));
}
