//! What a running module knows of its call, and the ways in which it can talk while it runs.

use crate::args::Args;
use crate::blob::Blob;
use crate::workdir::Workdir;
use imgbuild_proto::{Reply, Stream};
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Takes frames to the controller. Implemented by the link, and by tests.
pub trait Replies: Send + Sync {
    /// Sends one frame.
    fn send(&self, head: &Reply, body: &[u8]);
}

/// Drops everything: for calls whose frames nobody reads.
pub struct Nowhere;
impl Replies for Nowhere {
    fn send(&self, _: &Reply, _: &[u8]) {}
}

/// The hold that the link has on a running call.
#[derive(Debug, Default)]
pub struct Control {
    ended: AtomicBool,
    timed_out: AtomicBool,
    groups: Mutex<HashSet<i32>>,
    input: Mutex<VecDeque<Vec<u8>>>,
}

impl Control {
    /// Ends the call: its processes are killed and loops that wait stop.
    pub fn end(&self, timed_out: bool) {
        self.timed_out.fetch_or(timed_out, Ordering::SeqCst);
        self.ended.store(true, Ordering::SeqCst);
        for group in self.groups.lock().unwrap_or_else(|e| e.into_inner()).iter() {
            crate::sys::run::kill_group(*group);
        }
    }

    /// Whether the call is to end.
    pub fn ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// Whether it ends because its time is up.
    pub fn timed_out(&self) -> bool {
        self.timed_out.load(Ordering::SeqCst)
    }

    /// Notes a process group of the call.
    pub fn add_group(&self, group: i32) {
        self.groups.lock().unwrap_or_else(|e| e.into_inner()).insert(group);
        if self.ended() {
            crate::sys::run::kill_group(group);
        }
    }

    /// Forgets a process group that has ended.
    pub fn drop_group(&self, group: i32) {
        self.groups.lock().unwrap_or_else(|e| e.into_inner()).remove(&group);
    }

    /// Queues bytes for the standard input of the call's command; empty bytes close it.
    pub fn push_input(&self, bytes: Vec<u8>) {
        self.input.lock().unwrap_or_else(|e| e.into_inner()).push_back(bytes);
    }

    /// The next queued input.
    pub fn pop_input(&self) -> Option<Vec<u8>> {
        self.input.lock().unwrap_or_else(|e| e.into_inner()).pop_front()
    }
}

/// A call that runs.
pub struct Ctx {
    /// The call's id.
    pub id: u64,
    /// The module's short name.
    pub module: String,
    /// Arguments.
    pub args: Args,
    /// Check mode.
    pub check: bool,
    /// Report differences.
    pub diff: bool,
    /// Stream the output of commands.
    pub stream: bool,
    /// Content that came with the call.
    pub blob: Option<Blob>,
    /// The call's environment variables.
    pub env: BTreeMap<String, String>,
    /// The link's hold.
    pub control: Arc<Control>,
    /// Where frames go.
    pub replies: Arc<dyn Replies>,
    /// Private files.
    pub workdir: Arc<Workdir>,
    /// Warnings for the result.
    pub warnings: Arc<Mutex<Vec<String>>>,
}

impl Ctx {
    /// Sends output of a command as it comes.
    pub fn output(&self, stream: Stream, bytes: &[u8]) {
        if self.stream {
            for piece in bytes.chunks(imgbuild_proto::MAX_BODY) {
                self.replies.send(&Reply::Output { id: self.id, stream }, piece);
            }
        }
    }

    /// Sends a piece of a file.
    pub fn chunk(&self, bytes: &[u8]) {
        self.replies.send(&Reply::Chunk { id: self.id }, bytes);
    }

    /// Adds a warning to the result.
    pub fn warn(&self, text: impl Into<String>) {
        self.warnings.lock().unwrap_or_else(|e| e.into_inner()).push(text.into());
    }

    /// A variable of the call's environment, else of the agent's.
    pub fn env(&self, name: &str) -> Option<String> {
        self.env.get(name).cloned().or_else(|| std::env::var(name).ok())
    }

    /// Sleeps, in steps so that an ended call stops; false when it is to end.
    pub fn sleep(&self, seconds: f64) -> bool {
        let until = std::time::Instant::now() + std::time::Duration::from_secs_f64(seconds.max(0.0));
        while !self.control.ended() {
            let left = until.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(std::time::Duration::from_millis(50)));
        }
        false
    }

    /// The same call with other arguments for another module.
    pub fn sub(&self, module: &str, args: serde_json::Map<String, serde_json::Value>) -> Ctx {
        Ctx {
            id: self.id,
            module: module.to_string(),
            args: Args::new(module, args, self.env.clone()),
            check: self.check,
            diff: self.diff,
            stream: self.stream,
            blob: None,
            env: self.env.clone(),
            control: self.control.clone(),
            replies: self.replies.clone(),
            workdir: self.workdir.clone(),
            warnings: self.warnings.clone(),
        }
    }

    /// A private temporary file's name.
    pub fn temp(&self) -> Result<PathBuf, crate::outcome::Fail> {
        self.workdir.file_name(false)
    }

    /// For tests: a call with these arguments.
    #[cfg(test)]
    pub fn test(module: &str, args: serde_json::Value) -> Ctx {
        let serde_json::Value::Object(args) = args else { panic!("arguments are an object") };
        Ctx {
            id: 1,
            module: module.to_string(),
            args: Args::new(module, args, BTreeMap::new()),
            check: false,
            diff: true,
            stream: false,
            blob: None,
            env: BTreeMap::new(),
            control: Arc::default(),
            replies: Arc::new(Nowhere),
            workdir: Arc::new(Workdir::new(None)),
            warnings: Arc::default(),
        }
    }
}
