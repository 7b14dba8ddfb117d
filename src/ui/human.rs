//! For people: prefixed lines, one colour a build, and on a terminal spinners with the elapsed time and bars.

use super::Style;
use imgbuild_engine::event::{Event, Sink};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Packer's order: green, cyan, magenta, yellow, blue.
const COLORS: [&str; 5] = ["32", "36", "35", "33", "34"];

/// `text` in a colour, each of its lines by itself so that a pager shows them all.
pub fn paint(color: bool, code: &str, text: &str) -> String {
    if !color || text.is_empty() {
        return text.to_owned();
    }
    text.lines().map(|line| format!("\x1b[{code}m{line}\x1b[0m")).collect::<Vec<_>>().join("\n")
}

/// Shows events as lines.
pub struct Human {
    style: Style,
    timings: bool,
    bars: MultiProgress,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Colour of each build, in order of appearance.
    colors: HashMap<String, usize>,
    live: HashMap<(String, String), ProgressBar>,
    /// The phase that each build is in, and since when.
    phases: HashMap<String, (&'static str, Instant)>,
}

impl Human {
    /// For this style.
    pub fn new(style: Style, timings: bool) -> Self {
        let target = if style.live { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Human { style, timings, bars: MultiProgress::with_draw_target(target), state: Mutex::default() }
    }

    fn print(&self, text: &str) {
        let mut out = String::new();
        for line in text.lines() {
            if self.style.timestamps {
                out.push_str(&jiff_now());
                out.push_str(": ");
            }
            out.push_str(line);
            out.push('\n');
        }
        if out.is_empty() {
            out.push('\n');
        }
        self.bars.suspend(|| super::data(out.as_bytes()));
    }

    fn code(&self, build: &str) -> &'static str {
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        let next = state.colors.len();
        // A post-processor of a build speaks in its colour.
        let build = build.split(" (").next().unwrap_or(build);
        COLORS[*state.colors.entry(build.to_owned()).or_insert(next) % COLORS.len()]
    }

    /// Every line of `text` behind `head` and the build's name.
    pub(super) fn prefixed(build: &str, head: &str, text: &str) -> String {
        let text = text.trim_end_matches(['\r', '\n']);
        if build.is_empty() {
            return format!("{head}{text}");
        }
        // A carriage return inside a line would write over the prefix.
        text.split('\n')
            .map(|line| format!("{head}{build}: {}", line.trim_end_matches('\r')))
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn live(&self, build: &str, what: &str, make: impl FnOnce() -> ProgressBar) -> ProgressBar {
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        state.live.entry((build.to_owned(), what.to_owned())).or_insert_with(|| self.bars.add(make())).clone()
    }

    /// Ends a build's phase and begins the next; `--timings` prints how long it took.
    fn phase(&self, build: &str, next: Option<&'static str>) {
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        let last = match next {
            Some(phase) => state.phases.insert(build.to_owned(), (phase, Instant::now())),
            None => state.phases.remove(build),
        };
        drop(state);
        if let (true, Some((phase, since))) = (self.timings, last) {
            let text = format!("phase {phase}: {:.2} s", since.elapsed().as_secs_f64());
            self.print(&Self::prefixed(build, "    ", &text));
        }
    }

    fn done(&self, build: &str, what: &str) {
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(bar) = state.live.remove(&(build.to_owned(), what.to_owned())) {
            bar.finish_and_clear();
        }
    }
}

impl Sink for Human {
    fn emit(&self, event: Event) {
        let color = self.style.color;
        match event {
            Event::Say { build, text } => {
                let code = format!("1;{}", self.code(&build));
                self.print(&paint(color, &code, &Self::prefixed(&build, "==> ", &text)));
            }
            Event::Message { build, text } => {
                let code = self.code(&build);
                self.print(&paint(color, code, &Self::prefixed(&build, "    ", &text)));
            }
            Event::Error { build, text } => {
                self.print(&paint(color, "1;31", &Self::prefixed(&build, "==> ", &text)));
            }
            Event::Phase { build, phase } => self.phase(&build, Some(phase)),
            Event::Waiting { build, what, elapsed, percent, done } => {
                if !self.style.live {
                    return;
                }
                if done {
                    return self.done(&build, &what);
                }
                let bar = self.live(&build, &what, || {
                    let bar = ProgressBar::new_spinner().with_elapsed(elapsed);
                    bar.set_style(style("    {prefix}: {spinner} {msg} ({elapsed})"));
                    bar.set_prefix(build.clone());
                    bar.enable_steady_tick(Duration::from_millis(120));
                    bar
                });
                bar.set_message(match percent {
                    Some(percent) => format!("{what}: {percent} %"),
                    None => what.clone(),
                });
            }
            Event::Transfer { build, what, done, total } => {
                if !self.style.live {
                    return;
                }
                if total.is_some_and(|total| done >= total) {
                    return self.done(&build, &what);
                }
                let bar = self.live(&build, &what, || {
                    let bar = ProgressBar::new(total.unwrap_or(0));
                    let shape = if total.is_some() {
                        "    {prefix}: {msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}"
                    } else {
                        "    {prefix}: {spinner} {msg} {bytes}"
                    };
                    bar.set_style(style(shape).progress_chars("=> "));
                    bar.set_prefix(build.clone());
                    bar.set_message(what.clone());
                    bar
                });
                bar.set_position(done);
            }
            Event::BuildFinished { build, elapsed, error } => {
                self.phase(&build, None);
                let elapsed = super::words(elapsed);
                match error {
                    Some(error) => {
                        let text = format!("Build '{build}' errored after {elapsed}: {error}");
                        self.print(&paint(color, "1;31", &text));
                    }
                    None => self.print(&format!("Build '{build}' finished after {elapsed}.")),
                }
            }
            Event::Artifact { build, description, .. } => {
                self.print(&format!("--> {build}: {}", description.trim_end()));
            }
        }
    }
}

fn style(shape: &str) -> ProgressStyle {
    // A shape that can't be read would be our own mistake; the default is no reason to fail a build.
    ProgressStyle::with_template(shape).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn jiff_now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_its_prefix() {
        assert_eq!(Human::prefixed("b", "==> ", "x\ny\n"), "==> b: x\n==> b: y");
        assert_eq!(Human::prefixed("", "==> ", "x"), "==> x");
        assert_eq!(paint(true, "31", "a\nb"), "\x1b[31ma\x1b[0m\n\x1b[31mb\x1b[0m");
    }
}
