//! `-machine-readable`: one comma-separated record a line, as Packer writes them (facts: packer/ui.go of 1.16).

use super::Human;
use imgbuild_engine::event::{Event, Sink};
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

/// Writes events as records. Texts of a build have its name before them and no target, as Packer's have. Waits and transfers are
/// for eyes only and are left out.
pub struct Machine;

impl Sink for Machine {
    fn emit(&self, event: Event) {
        let put = |target: &str, kind: &str, data: &[&str]| super::line(record(target, kind, data));
        match event {
            Event::Say { build, text } => put("", "ui", &["say", &Human::prefixed(&build, "==> ", &text)]),
            Event::Message { build, text } => put("", "ui", &["message", &Human::prefixed(&build, "    ", &text)]),
            Event::Error { build, text } => put("", "ui", &["error", &Human::prefixed(&build, "==> ", &text)]),
            Event::BuildFinished { build, elapsed, error } => {
                let elapsed = super::words(elapsed);
                match error {
                    Some(error) => {
                        put("", "ui", &["error", &format!("Build '{build}' errored after {elapsed}: {error}")]);
                    }
                    None => put("", "ui", &["say", &format!("Build '{build}' finished after {elapsed}.")]),
                }
            }
            Event::Artifact { build, builder_id, id, description, files, index, count } => {
                if index == 0 {
                    put(&build, "artifact-count", &[&count.to_string()]);
                }
                let at = index.to_string();
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
                put("", "ui", &["say", &format!("--> {build}: {description}")]);
            }
            Event::Phase { .. } | Event::Waiting { .. } | Event::Transfer { .. } => {}
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
