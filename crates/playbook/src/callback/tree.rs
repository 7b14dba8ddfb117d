//! `ansible --tree`: each host's result as JSON in a file of its own, named as the host.

use super::default::LineSink;
use super::{Callback, Event, dump};
use std::path::PathBuf;
use std::sync::Arc;

/// Writes results below a folder, which is made.
pub struct TreeCallback {
    dir: PathBuf,
    sink: Arc<dyn LineSink>,
}

impl TreeCallback {
    /// What can't be written is told to `sink`.
    pub fn new(dir: PathBuf, sink: Arc<dyn LineSink>) -> Self {
        TreeCallback { dir, sink }
    }
}

impl Callback for TreeCallback {
    fn event(&self, event: &Event) {
        let Event::Result(ended) = event else { return };
        // A name that would leave the folder has no file.
        if ended.host.contains('/') || ended.host.starts_with('.') {
            self.sink.err(&format!("[WARNING]: the result of {} has no file: its name is none", ended.host));
            return;
        }
        let text = dump::json(&dump::abridged(&ended.result, 0), None);
        let path = self.dir.join(&ended.host);
        if let Err(why) = fs_err::create_dir_all(&self.dir).and_then(|()| fs_err::write(&path, text)) {
            self.sink.err(&format!("[WARNING]: Unable to write to {}'s file: {why}", ended.host));
        }
    }
}
