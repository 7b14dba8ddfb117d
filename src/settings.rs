//! What enters at main and nowhere else: environment, working directory, home, time, randomness, this program's own path.

use imgbuild_template::Ambient;
use imgbuild_template::interpolate::PACKER_VERSION;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What the program was started with.
#[derive(Clone)]
pub struct Settings {
    /// The environment, as far as it is UTF-8.
    pub env: BTreeMap<String, String>,
    /// Working directory.
    pub cwd: PathBuf,
    /// Home directory.
    pub home: PathBuf,
    /// When the program started.
    pub start: jiff::Timestamp,
    /// This program's own file: the sandbox's supervisors are started from it.
    pub program: PathBuf,
    /// The name that it was called by.
    pub called: String,
}

impl Settings {
    /// From the process.
    pub fn from_process() -> anyhow::Result<Self> {
        let env: BTreeMap<String, String> =
            std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect();
        let home = env.get("HOME").filter(|h| !h.is_empty()).map_or_else(|| PathBuf::from("/root"), PathBuf::from);
        Ok(Settings {
            cwd: std::env::current_dir()?,
            home,
            start: jiff::Timestamp::now(),
            program: std::env::current_exe()?,
            called: called(),
            env,
        })
    }

    /// What `version` says: called as `packer`, the version of Packer whose behaviour this is, for scripts that compare it.
    pub fn called_version(&self) -> (&'static str, &'static str) {
        match self.called.as_str() {
            "packer" => ("Packer", PACKER_VERSION),
            _ => ("imgbuild", env!("CARGO_PKG_VERSION")),
        }
    }

    /// A variable that is set to something.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }

    /// NO_COLOR (no-color.org) or PACKER_NO_COLOR.
    pub fn no_color(&self) -> bool {
        self.var("NO_COLOR").is_some() || self.var("PACKER_NO_COLOR").is_some()
    }

    /// A folder of ours under an XDG base directory.
    fn xdg(&self, variable: &str, default: &str) -> PathBuf {
        let base = self.var(variable).map(PathBuf::from).filter(|p| p.is_absolute());
        base.unwrap_or_else(|| self.home.join(default)).join("imgbuild")
    }

    /// Where the journals of runs are.
    pub fn journals(&self) -> PathBuf {
        self.xdg("XDG_STATE_HOME", ".local/state").join("journals")
    }

    /// The sandbox's state, unless `--sandbox-dir` names another.
    pub fn sandbox_dir(&self, given: Option<&Path>) -> PathBuf {
        given.map_or_else(|| self.xdg("XDG_DATA_HOME", ".local/share").join("sandbox"), |dir| self.cwd.join(dir))
    }

    /// What can be made again: base images.
    pub fn cache(&self) -> PathBuf {
        self.xdg("XDG_CACHE_HOME", ".cache")
    }

    /// A new run's id: sorts by time, unique.
    pub fn run_id(&self) -> String {
        uuid::Uuid::now_v7().to_string()
    }

    /// For templates: clock, environment, working directory.
    pub fn ambient(&self) -> Ambient {
        let mut ambient = Ambient::new(self.start, &self.cwd);
        ambient.env = self.env.clone();
        ambient
    }
}

fn called() -> String {
    let program = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    program.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
