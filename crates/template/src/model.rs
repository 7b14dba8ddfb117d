//! The one model of a template, whatever language it was written in.
//!
//! A [`Build`] is one builder with what belongs to it: `only`, `except`, `override` and the command line's selection are already
//! applied. Option bodies stay unrendered ([`Body`]): a plugin reads its own with a table of [`crate::decode`].

use crate::decode::{Reader, Table};
use crate::interpolate::{Ambient, Context};
use crate::value::{Entry, Map, Node, Spanned};
use crate::variables::Variables;
use imgbuild_diag::{Diagnostics, Span};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The language that a template was written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Packer's legacy JSON.
    Json,
    /// HCL2, in native or JSON syntax.
    Hcl,
}

/// A template, its variables resolved and its builds selected.
#[derive(Debug, Clone)]
pub struct Template {
    /// The language of the file.
    pub format: Format,
    /// The file, absolute; for standard input the working directory's `-`, as in Packer; none for a console without template.
    pub path: Option<PathBuf>,
    /// `description`.
    pub description: Option<String>,
    /// `min_packer_version`, already checked.
    pub min_packer_version: Option<Spanned<String>>,
    /// Declared variables and the values of all.
    pub variables: Variables,
    /// The builds that `-only` and `-except` leave, ordered by name as Packer orders them.
    pub builds: Vec<Build>,
    /// The names of all builds, selected or not, in the same order.
    pub build_names: Vec<String>,
    /// The plugins that a configuration in HCL2 requires.
    pub required_plugins: Vec<crate::hcl::RequiredPlugin>,
    /// What `inspect` shows of a configuration in HCL2; none in JSON.
    pub overview: Option<Arc<crate::hcl::Overview>>,
    pub(crate) ambient: Arc<Ambient>,
}

/// One builder with its provisioners and post-processors.
#[derive(Debug, Clone)]
pub struct Build {
    /// The name people see and `-only` matches, rendered: `amazon-ebs`; in HCL2 `name.amazon-ebs.ubuntu`.
    pub name: String,
    /// The name as written; `only`, `except` and `override` of the file mean this one.
    pub raw_name: Spanned<String>,
    /// The builder's type and options.
    pub builder: Builder,
    /// What runs on the machine, in order.
    pub provisioners: Vec<Provisioner>,
    /// `error-cleanup-provisioner`: runs once if a step failed.
    pub cleanup: Option<Provisioner>,
    /// Chains of post-processors: each chain starts from the builder's artifact. No chain is empty.
    pub post_processors: Vec<Vec<PostProcessor>>,
}

/// A builder block.
#[derive(Debug, Clone)]
pub struct Builder {
    /// `amazon-ebs`, `null`, …
    pub kind: Spanned<String>,
    /// In HCL2 the source block's label; none in JSON.
    pub source: Option<Spanned<String>>,
    /// Its options, without `type` and `name`.
    pub body: Body,
}

/// A provisioner block as it applies to one build.
#[derive(Debug, Clone)]
pub struct Provisioner {
    /// `shell`, `file`, `ansible`, …
    pub kind: Spanned<String>,
    /// In HCL2 its `name`, if it has one; none in JSON.
    pub name: Option<Spanned<String>>,
    /// Wait this long before it starts.
    pub pause_before: Duration,
    /// Give each try this long. None: as long as it takes.
    pub timeout: Option<Duration>,
    /// Try again this often after a failure.
    pub max_retries: u32,
    /// HCL2: a failure is reported and the build goes on.
    pub continue_on_error: bool,
    /// Its options, this build's `override` on top.
    pub body: Body,
}

/// A post-processor block.
#[derive(Debug, Clone)]
pub struct PostProcessor {
    /// `manifest`, `shell-local`, …
    pub kind: Spanned<String>,
    /// Its `name`; its type if none is given.
    pub name: String,
    /// `keep_input_artifact`; unset leaves it to the post-processor.
    pub keep_input_artifact: Option<bool>,
    /// Its options.
    pub body: Body,
}

/// The options of one block, not rendered yet. Later layers (overrides) win key by key.
#[derive(Debug, Clone)]
pub struct Body {
    pub(crate) layers: Vec<Layer>,
    pub(crate) span: Span,
}

/// Options of one origin. Shared: every build has its own provisioners, but their options are the same.
#[derive(Debug, Clone)]
pub(crate) enum Layer {
    /// As they are.
    Written(Arc<Map>),
    /// Expressions of HCL2, evaluated whenever they are read.
    Hcl(Arc<crate::hcl::Options>),
}

impl Template {
    /// The context for a build's *builder* while it is prepared: variables, build name and type, no data fields.
    /// Provisioners and post-processors add `.with_promised(…)`; the second pass adds `.with_data(…)`.
    pub fn context(&self, build: &Build) -> Context {
        // In HCL2 a plugin knows its build by the source's name alone.
        let name = build.builder.source.as_ref().map_or(&build.name, |source| &source.value);
        self.plain_context().with_build(name, &build.builder.kind)
    }

    /// The context outside any build: build names, `max_retries`, the console.
    pub fn plain_context(&self) -> Context {
        let context = Context::new(Arc::clone(&self.ambient));
        match self.format {
            Format::Json => context.with_user(self.variables.values()).with_template(self.path.as_deref()),
            // Variables and paths are values of expressions there, not of templates.
            Format::Hcl => context.without_user(),
        }
    }

    /// The required plugin that a part of this type belongs to: `virtualbox-iso` to the one that is named `virtualbox`.
    pub fn plugin_of(&self, kind: &str) -> Option<&crate::hcl::RequiredPlugin> {
        crate::hcl::RequiredPlugin::of(&self.required_plugins, kind)
    }

    /// The template's file, if it has one.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

impl Body {
    /// A body of one object that was written at `span`.
    pub fn new(options: Map, span: Span) -> Self {
        Body { layers: vec![Layer::Written(Arc::new(options))], span }
    }

    /// A body whose options are expressions.
    pub(crate) fn from_hcl(options: crate::hcl::Options, span: Span) -> Self {
        Body { layers: vec![Layer::Hcl(Arc::new(options))], span }
    }

    /// A body of an object node; anything else has no options.
    pub fn from_node(node: Node) -> Self {
        let span = node.span;
        match node.value {
            crate::value::Value::Map(map) => Body::new(map, span),
            _ => Body::new(Map::new(), span),
        }
    }

    /// The same with another layer on top: its keys win.
    pub fn with_override(mut self, options: Map) -> Self {
        self.layers.push(Layer::Written(Arc::new(options)));
        self
    }

    /// Where the block was written.
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// The options as written, later layers last; those of HCL2 are not values yet and not among them.
    pub fn options(&self) -> impl Iterator<Item = (&String, &Entry)> {
        self.layers
            .iter()
            .flat_map(|layer| match layer {
                Layer::Written(map) => Some(map.iter()),
                Layer::Hcl(_) => None,
            })
            .flatten()
    }

    /// The names of all options that are written; null is as good as not written.
    pub fn names(&self) -> Vec<String> {
        let names = |layer: &Layer| match layer {
            Layer::Written(map) => {
                let set = map.iter().filter(|(_, entry)| !matches!(entry.node.value, crate::value::Value::Null));
                set.map(|(name, _)| name.clone()).collect()
            }
            Layer::Hcl(options) => options.names(),
        };
        self.layers.iter().flat_map(names).collect()
    }

    /// The first pass: renders every string but those of options marked `later`, decodes all options with `table`, and puts
    /// everything that is wrong into `diags`, unknown options included. What is wrong is missing in the reader.
    pub fn reader(&self, table: &'static Table, context: &Context, diags: &mut Diagnostics) -> Reader {
        crate::decode::read(self, table, context, diags)
    }
}
