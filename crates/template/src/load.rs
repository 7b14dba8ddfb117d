//! From a file to a [`Template`]: reading, parsing, variables, selection.

use crate::interpolate::Ambient;
use crate::model::Template;
use imgbuild_diag::Diagnostics;
use std::path::PathBuf;
use std::sync::Arc;

/// What the command line says about a template.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// `-var name=value`, in order; the last one of a name wins.
    pub vars: Vec<(String, String)>,
    /// `-var-file`, in order; later files win over earlier ones, `-var` over all.
    pub var_files: Vec<PathBuf>,
    /// `-only`, already split at commas. Empty: all.
    pub only: Vec<String>,
    /// `-except`, already split at commas: builds and post-processors.
    pub except: Vec<String>,
    /// Clock, environment, working directory.
    pub ambient: Arc<Ambient>,
}

impl LoadOptions {
    /// No variables, all builds.
    pub fn new(ambient: Arc<Ambient>) -> Self {
        LoadOptions { vars: Vec::new(), var_files: Vec::new(), only: Vec::new(), except: Vec::new(), ambient }
    }
}

/// A template and what is questionable about it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The template.
    pub template: Template,
    /// Warnings only.
    pub warnings: Diagnostics,
}
