//! The connection: frames in from standard input, frames out to standard output. Knows nothing of modules.

use crate::args::Args;
use crate::blob::Blobs;
use crate::chain::Chains;
use crate::ctx::{Ctx, Replies};
use crate::outcome::Fail;
use crate::workdir::Workdir;
use imgbuild_proto::{Decoder, Hello, Reply, Request};
use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

struct Out(Mutex<std::io::Stdout>);

impl Replies for Out {
    fn send(&self, head: &Reply, body: &[u8]) {
        let bytes = imgbuild_proto::encode(head, body).or_else(|e| match head {
            // A result that is too large for a frame must not leave the controller waiting.
            Reply::Done { id, .. } => {
                let result = Fail::new(format!("the module's result can't be sent: {e}")).into_outcome();
                imgbuild_proto::encode(&Reply::Done { id: *id, result }, &[])
            }
            _ => Err(e),
        });
        let Ok(bytes) = bytes else { return };
        let mut out = self.0.lock().unwrap_or_else(|e| e.into_inner());
        // A closed output means that the controller is gone; standard input closes too, and that ends the agent.
        let _ = out.write_all(&bytes).and_then(|()| out.flush());
    }
}

/// Serves until the input closes or `Bye` has been followed. Returns the exit status.
pub fn serve(mut input: impl Read, workdir: Arc<Workdir>) -> i32 {
    let replies: Arc<dyn Replies> = Arc::new(Out(Mutex::new(std::io::stdout())));
    let uname = rustix::system::uname();
    replies.send(
        &Reply::Hello(Hello {
            version: env!("CARGO_PKG_VERSION").to_string(),
            pid: std::process::id(),
            uid: rustix::process::geteuid().as_raw(),
            machine: uname.machine().to_string_lossy().into_owned(),
        }),
        &[],
    );
    let chains = Chains::default();
    let watchdog = chains.clone();
    let _ = std::thread::Builder::new().name("watchdog".into()).spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(100));
            watchdog.end_overdue();
        }
    });
    let mut blobs = Blobs::new(workdir.clone());
    let mut decoder = Decoder::new();
    let mut buffer = vec![0u8; 64 << 10];
    loop {
        let read = match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        decoder.push(&buffer[..read]);
        loop {
            let frame = match decoder.next_frame::<Request>() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(_) => {
                    chains.kill_all();
                    return 3;
                }
            };
            match frame.head {
                Request::Call(call) => {
                    let blob = call.blob.map(|id| blobs.take(id));
                    let ctx = Ctx {
                        id: call.id,
                        module: call.module.clone(),
                        args: Args::new(&call.module, call.args.clone(), call.environment.clone()),
                        check: call.check,
                        diff: call.diff,
                        stream: call.stream,
                        blob,
                        env: call.environment.clone(),
                        control: Arc::default(),
                        replies: replies.clone(),
                        workdir: workdir.clone(),
                        warnings: Arc::default(),
                    };
                    chains.push(call, ctx);
                }
                Request::Blob { blob } => blobs.push(blob, frame.body),
                Request::Input { id } => chains.input(id, frame.body),
                Request::CancelChain { chain } => chains.cancel(chain),
                Request::Kill { id } => chains.kill(id),
                Request::Bye => {
                    let (chains, workdir) = (chains.clone(), workdir.clone());
                    let ended = std::thread::Builder::new().name("bye".into()).spawn(move || {
                        chains.wait_idle();
                        workdir.remove();
                        std::process::exit(0);
                    });
                    if ended.is_err() {
                        return 0;
                    }
                }
            }
        }
    }
    chains.kill_all();
    0
}
