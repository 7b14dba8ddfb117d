//! Ansible's `minimal` and `oneline` outputs, those of ad-hoc commands: a line or a block for each host, nothing else.

use super::default::{DefaultCallback, DisplayOptions, LineSink};
use super::{Callback, Color, Ended, Event, Status, diff, dump};
use imgbuild_jinja::{Key, Map, Value};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Modules whose output is shown as it is.
const PLAIN: [&str; 5] = ["command", "win_command", "shell", "win_shell", "raw"];

/// Renders events as `ansible` does.
pub struct MinimalCallback {
    options: DisplayOptions,
    sink: Arc<dyn LineSink>,
    one_line: bool,
    warned: Mutex<HashSet<String>>,
}

impl MinimalCallback {
    /// Renders to `sink`; `one_line` is `-o`.
    pub fn new(options: DisplayOptions, sink: Arc<dyn LineSink>, one_line: bool) -> Self {
        MinimalCallback { options, sink, one_line, warned: Mutex::default() }
    }

    fn line(&self, color: Color, text: &str) {
        let text = if self.options.color { color.paint(text) } else { text.to_owned() };
        self.sink.out(text.strip_suffix('\n').unwrap_or(&text));
    }

    fn warn(&self, text: &str) {
        self.once(format!("[WARNING]: {text}"), Color::Warn);
    }

    fn deprecated(&self, text: &str) {
        if self.options.display.deprecation_warnings {
            self.once(format!("[DEPRECATION WARNING]: {text}"), Color::Deprecate);
        }
    }

    fn once(&self, text: String, color: Color) {
        if self.warned.lock().unwrap_or_else(PoisonError::into_inner).insert(text.clone()) {
            self.sink.err(&if self.options.color { color.paint(&text) } else { text });
        }
    }

    fn dump(&self, result: &Value) -> String {
        let mut shown = dump::abridged(result, self.options.verbosity);
        // With --diff the difference was shown already.
        if let (true, Value::Map(map)) = (self.options.verbosity >= 3, &mut shown) {
            Arc::make_mut(map).shift_remove(&Key::from("diff"));
        }
        let yaml = matches!(self.options.display.result_format, crate::settings::ResultFormat::Yaml);
        if yaml && !self.one_line {
            return super::dump_yaml::block(&shown);
        }
        if self.one_line { dump::json(&shown, Some(0)).replace('\n', "") } else { dump::json(&shown, Some(4)) }
    }

    fn ended(&self, ended: &Ended) {
        let (host, result) = (&ended.host, &ended.result);
        let told = |key: &str| result.get(key).and_then(Value::as_list).unwrap_or_default().iter();
        let text =
            |entry: &'_ Value| entry.as_str().or_else(|| entry.get("msg").and_then(Value::as_str)).map(str::to_owned);
        told("warnings").filter_map(text).for_each(|warning| self.warn(&warning));
        told("deprecations").filter_map(text).for_each(|old| self.deprecated(&old));
        let action = ended.task.action.rsplit('.').next().unwrap_or_default();
        let plain = PLAIN.contains(&action);
        let shown = DefaultCallback::clean(&ended.task, result);
        match ended.status {
            Status::Ok | Status::Changed => {
                let changed = result.get("changed").is_some_and(Value::is_true);
                let (word, color) = if changed { ("CHANGED", Color::Changed) } else { ("SUCCESS", Color::Ok) };
                if ended.diff
                    && let Some(found) = result.get("diff").filter(|d| d.is_true())
                {
                    self.sink.out(&diff::render(found, self.options.color, self.options.display.diff_context));
                }
                if plain && result.get("ansible_job_id").is_none() {
                    self.line(color, &self.command(host, word, result));
                } else {
                    self.line(color, &format!("{host} | {word} => {}", self.dump(&shown)));
                }
            }
            Status::Failed if plain && !self.one_line && result.get("module_stderr").is_none() => {
                self.line(Color::Error, &self.command(host, "FAILED", result));
            }
            Status::Failed => self.line(Color::Error, &format!("{host} | FAILED! => {}", self.dump(result))),
            Status::Skipped => self.line(Color::Skip, &format!("{host} | SKIPPED")),
            Status::Unreachable if self.one_line => {
                let message = result.get("msg").map(crate::text::of).unwrap_or_default();
                self.line(Color::Unreachable, &format!("{host} | UNREACHABLE!: {message}"));
            }
            Status::Unreachable => {
                self.line(Color::Unreachable, &format!("{host} | UNREACHABLE! => {}", self.dump(result)));
            }
        }
    }

    /// A command's result as its output.
    fn command(&self, host: &str, word: &str, result: &Value) -> String {
        let text = |name: &str| result.get(name).map(crate::text::of).unwrap_or_default();
        let rc = result.get("rc").map_or_else(|| "-1".into(), crate::text::of);
        if !self.one_line {
            return format!("{host} | {word} | rc={rc} >>\n{}{}{}\n", text("stdout"), text("stderr"), text("msg"));
        }
        let flat = |name: &str| text(name).replace('\n', "\\n").replace('\r', "\\r");
        let errors = match flat("stderr") {
            none if none.is_empty() => String::new(),
            some => format!(" (stderr) {some}"),
        };
        format!("{host} | {word} | rc={rc} | (stdout) {}{errors}", flat("stdout"))
    }
}

impl Callback for MinimalCallback {
    fn event(&self, event: &Event) {
        match event {
            Event::Result(ended) if !ended.task.include => self.ended(ended),
            Event::Warning(text) => self.warn(text),
            Event::Deprecated(text) => self.deprecated(text),
            Event::Error(text) => self.sink.err(&format!("[ERROR]: {text}")),
            Event::Verbose { level, text, host } if self.options.verbosity >= *level => {
                let text = host.as_ref().map_or_else(|| text.clone(), |h| format!("<{h}> {text}"));
                self.line(Color::Verbose, &text);
            }
            Event::End(stats) if self.options.display.custom_stats && !stats.custom.is_empty() => {
                for (host, map) in &stats.custom {
                    let map: &Map = map;
                    self.sink.out(&format!("\t{host}: {}", dump::json(&Value::map(map.clone()), None)));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::callback::TaskInfo;
    use crate::settings::Settings;

    #[derive(Default)]
    struct Kept(Mutex<Vec<String>>);

    impl LineSink for Kept {
        fn out(&self, line: &str) {
            self.0.lock().unwrap().push(line.to_owned());
        }
        fn err(&self, line: &str) {
            self.out(line);
        }
    }

    fn shown(one_line: bool, action: &str, status: Status, result: serde_json::Value) -> String {
        let kept = Arc::new(Kept::default());
        let options = DisplayOptions::new(&Settings::new("/", "/root"), false, None);
        let callback = MinimalCallback::new(options, Arc::clone(&kept) as Arc<dyn LineSink>, one_line);
        callback.event(&Event::Result(Ended {
            task: Arc::new(TaskInfo { action: action.into(), ..TaskInfo::default() }),
            host: "h".into(),
            delegated_to: None,
            status,
            ignored: false,
            diff: false,
            label: None,
            result: Value::from_json(result, false),
        }));
        kept.0.lock().unwrap().join("\n")
    }

    #[test]
    fn as_ansible_prints() {
        let output = serde_json::json!({"changed": true, "rc": 3, "stdout": "a\nb", "stderr": "c", "msg": "m"});
        assert_eq!(shown(false, "shell", Status::Failed, output.clone()), "h | FAILED | rc=3 >>\na\nbcm");
        assert_eq!(shown(false, "command", Status::Changed, output.clone()), "h | CHANGED | rc=3 >>\na\nbcm");
        assert_eq!(shown(true, "raw", Status::Changed, output), "h | CHANGED | rc=3 | (stdout) a\\nb (stderr) c");
        let ping = serde_json::json!({"ping": "pong", "changed": false, "invocation": {}});
        assert_eq!(
            shown(false, "ansible.builtin.ping", Status::Ok, ping.clone()),
            "h | SUCCESS => {\n    \"changed\": false,\n    \"ping\": \"pong\"\n}"
        );
        assert_eq!(shown(true, "ping", Status::Ok, ping), "h | SUCCESS => {\"changed\": false,\"ping\": \"pong\"}");
        assert_eq!(shown(false, "ping", Status::Skipped, serde_json::json!({})), "h | SKIPPED");
    }
}
