//! `-machine-readable`: one comma-separated record a line, as Packer writes them (facts: packer/ui.go of 1.16).

use imgbuild_engine::event::{Event, Sink};
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

/// `time,target,type,data…`, the data escaped.
pub fn record(target: &str, kind: &str, data: &[&str]) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let mut out = format!("{now},{},{kind}", escape(target));
    for item in data {
        out.push(',');
        out.push_str(&escape(item));
    }
    out
}

fn escape(text: &str) -> String {
    text.replace(',', "%!(PACKER_COMMA)").replace('\r', "\\r").replace('\n', "\\n")
}

/// Writes events as records. Waits and transfers are for eyes only and are left out.
#[derive(Default)]
pub struct Machine {
    failed: Mutex<u64>,
    artifacts: Mutex<std::collections::BTreeMap<String, u64>>,
}

impl Sink for Machine {
    fn emit(&self, event: Event) {
        let put = |target: &str, kind: &str, data: &[&str]| super::line(record(target, kind, data));
        match event {
            Event::Say { build, text } => put(&build, "ui", &["say", &text]),
            Event::Message { build, text } => put(&build, "ui", &["message", &text]),
            Event::Error { build, text } => put(&build, "ui", &["error", &text]),
            Event::BuildFinished { build, error: Some(error), .. } => {
                *self.failed.lock().unwrap_or_else(|e| e.into_inner()) += 1;
                put(&build, "error", &[&error]);
            }
            Event::Artifact { build, builder_id, id, description, files } => {
                let mut counts = self.artifacts.lock().unwrap_or_else(|e| e.into_inner());
                let index = counts.entry(build.clone()).or_insert(0);
                let at = index.to_string();
                *index += 1;
                let item = |data: &[&str]| {
                    let mut all = vec![at.as_str()];
                    all.extend(data);
                    put(&build, "artifact", &all);
                };
                item(&["builder-id", &builder_id]);
                item(&["id", &id]);
                item(&["string", &description]);
                item(&["files-count", &files.len().to_string()]);
                for (n, file) in files.iter().enumerate() {
                    item(&["file", &n.to_string(), file]);
                }
                item(&["end"]);
                put(&build, "artifact-count", &[&index.to_string()]);
            }
            Event::BuildFinished { error: None, .. }
            | Event::Phase { .. }
            | Event::Waiting { .. }
            | Event::Transfer { .. } => {}
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let failed = *self.failed.lock().unwrap_or_else(|e| e.into_inner());
        if failed > 0 {
            super::line(record("", "error-count", &[&failed.to_string()]));
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn data_is_escaped() {
        let line = super::record("b", "ui", &["say", "a,b\nc"]);
        assert!(line.ends_with(",b,ui,say,a%!(PACKER_COMMA)b\\nc"), "{line}");
    }
}
