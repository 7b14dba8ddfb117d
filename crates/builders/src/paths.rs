//! Paths that a template names: `~` and what is relative.

use imgbuild_template::Context;
use std::path::{Path, PathBuf};

/// What paths are resolved against.
#[derive(Debug, Clone)]
pub struct Paths {
    cwd: PathBuf,
    home: Option<PathBuf>,
}

impl Paths {
    /// From the surroundings of a run.
    pub fn new(context: &Context) -> Self {
        let ambient = context.ambient();
        let home = ambient.env.get("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        Paths { cwd: ambient.cwd.clone(), home }
    }

    /// Absolute; `~/x` is under the home directory.
    pub fn resolve(&self, path: &str) -> PathBuf {
        match (path.strip_prefix('~'), &self.home) {
            (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => {
                home.join(rest.trim_start_matches('/'))
            }
            _ => self.cwd.join(Path::new(path)),
        }
    }
}
