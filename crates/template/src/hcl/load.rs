//! From files to a [`Template`]: everything is declared, variables get their values, locals and data sources theirs, and each
//! source that a build uses becomes one [`Build`].

use super::body::Body;
use super::config::build::{BuildBlock, PostProcessorBlock, ProvisionerBlock, Sources, Use};
use super::config::depend::Work;
use super::config::variable::Variables;
use super::config::{self, assign, build, core, data, depend, registry, variable};
use super::files::{self, Found};
use super::options::Options;
use super::overview::Overview;
use super::scope::{Callable, Env, Surroundings};
use super::syntax;
use super::types::Type;
use super::value::Value;
use crate::interpolate::{Ambient, Context};
use crate::load::{LoadOptions, Loaded};
use crate::model::{Body as Options_, Build, Builder, Format, PostProcessor, Provisioner, Template};
use crate::select::Selection;
use crate::value::Spanned;
use imgbuild_diag::{Diagnostic, Diagnostics, Redactor};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A configuration whose files were read.
#[derive(Debug, Clone)]
pub struct Config {
    /// As the user named it.
    path: PathBuf,
    found: Arc<Found>,
    bodies: Vec<Body>,
    warnings: Diagnostics,
}

/// Reads the files of a folder, or one file, and checks their syntax and which blocks stand at their top.
///
/// # Errors
/// A file can't be read, or has a mistake in its syntax or its top level.
pub(crate) fn parse(path: &Path, ambient: &Ambient) -> Result<Config, Diagnostics> {
    let mut diags = Diagnostics::new();
    let found = files::find(path, &ambient.cwd, &mut diags);
    let mut bodies = Vec::new();
    for (source, syntax) in found.iter().flat_map(|found| &found.config) {
        match syntax::parse(source, *syntax) {
            Ok(body) => bodies.push(body),
            Err(errors) => diags.extend(errors),
        }
    }
    if !diags.has_errors() && core::check_version(&bodies, &ambient.packer_version, &mut diags) {
        for body in &bodies {
            body.content(&config::schema(), &mut diags);
        }
    }
    match found {
        Some(found) if !diags.has_errors() => {
            Ok(Config { path: path.to_owned(), found: Arc::new(found), bodies, warnings: diags })
        }
        _ => Err(diags),
    }
}

impl Config {
    /// A configuration without files: the console that was given none.
    pub(crate) fn none() -> Config {
        let found = Found { config: Vec::new(), automatic: Vec::new(), base: PathBuf::from(".") };
        Config { path: PathBuf::from("."), found: Arc::new(found), bodies: Vec::new(), warnings: Diagnostics::new() }
    }

    /// Resolves variables, locals and data sources and makes the selected builds.
    ///
    /// # Errors
    /// Everything that is wrong outside the plugins' own options.
    pub(crate) fn resolve(self, options: &LoadOptions) -> Result<Loaded, Diagnostics> {
        let (template, diags) = self.resolve_anyway(options);
        let (template, warnings) = diags.into_result(template)?;
        Ok(Loaded { template, warnings })
    }

    /// For a listing: what is wrong with declarations and given values is an error, what can't be worked out is shown as unknown
    /// and told in the diagnostics.
    ///
    /// # Errors
    /// A declaration, or a value that was given.
    pub(crate) fn inspect(self, options: &LoadOptions) -> Result<(Template, Diagnostics), Diagnostics> {
        let surroundings = Arc::new(Surroundings {
            ambient: Arc::clone(&options.ambient),
            base: options.ambient.cwd.join(&self.found.base),
        });
        let mut diags = Diagnostics::new();
        core::plugins(&self.bodies, &mut diags);
        variables(&self.bodies, &self.found, &surroundings, options, &mut diags);
        if diags.has_errors() {
            return Err(diags);
        }
        Ok(self.resolve_anyway(options))
    }

    /// The same whatever is wrong: with errors among the diagnostics the template is not fit for a build.
    pub(crate) fn resolve_anyway(self, options: &LoadOptions) -> (Template, Diagnostics) {
        let (template, _, diags) = self.resolve_with_env(options);
        (template, diags)
    }

    /// The same with what an expression outside of all blocks sees: for the console.
    pub(crate) fn resolve_with_env(self, options: &LoadOptions) -> (Template, Arc<Env>, Diagnostics) {
        let mut diags = self.warnings;
        let ambient = &options.ambient;
        let surroundings =
            Arc::new(Surroundings { ambient: Arc::clone(ambient), base: ambient.cwd.join(&self.found.base) });
        let plugins = core::plugins(&self.bodies, &mut diags);
        let variables = variables(&self.bodies, &self.found, &surroundings, options, &mut diags);
        let mut env = Env::empty();
        env.callable = Callable::All(Arc::clone(&surroundings));
        variable::check(&variables, &env, &mut diags);
        let env = roots(env, &variables, &self.found.base, ambient);
        let context = Context::new(Arc::clone(ambient));
        let locals = depend::locals(&self.bodies, &mut diags);
        let data = data::declared(&self.bodies, &mut diags);
        let work = Work {
            locals: &locals,
            data: &data,
            sources: options.data_sources.as_deref(),
            ask: options.ask_data_sources && !diags.has_errors(),
            env: env.clone(),
            context,
            plugins: &plugins,
        };
        let values = work.run(&mut diags);
        // What was made up to here is no reason to refuse the blocks.
        let env = Arc::new(env.afresh().with("local", values.local()).with("data", values.data()));
        register(&values.local(), &options.redactor);
        register(&values.data(), &options.redactor);
        let bodies: Vec<Body> = self.bodies.iter().map(|body| body.expanded(&env)).collect();
        for (i, block) in config::blocks(&bodies, "hcp_packer_registry").iter().enumerate() {
            registry::check(block, i == 0, &env, &mut diags);
        }
        for block in config::blocks(&bodies, "communicator") {
            let message = "a communicator block has no effect: Packer reads none of it either";
            diags.push(Diagnostic::warning(message).at(&block.span));
        }
        let sources = build::sources(&bodies, &mut diags);
        let blocks: Vec<BuildBlock> =
            config::blocks(&bodies, "build").iter().map(|block| build::read(block, &env, &mut diags)).collect();
        if blocks.is_empty() && !options.no_builds_needed {
            let message = "Missing build block: a build block with one or more sources is required";
            diags.push(Diagnostic::error(message));
        }
        let overview = Overview::new(&variables, &values.locals, &blocks);
        let selection = Selection::new(options, true, &mut diags);
        let post_processors: Vec<&str> =
            blocks.iter().flat_map(|b| b.chains.iter().flatten()).map(|p| p.name()).collect();
        for name in &post_processors {
            // All are asked for, also those behind one that cuts their chain.
            selection.drops_post_processor(name);
        }
        let mut maker = Maker { sources: &sources, env: &env, selection: &selection };
        let mut builds = Vec::new();
        let mut names = Vec::new();
        for block in &blocks {
            for used in &block.uses {
                names.extend(maker.one(block, used, &mut builds, &mut diags));
            }
        }
        selection.report(&names, &post_processors, &mut diags);
        let template = Template {
            format: Format::Hcl,
            path: Some(crate::load::clean(&ambient.cwd.join(&self.path))),
            description: None,
            min_packer_version: None,
            variables: super::overview::model_variables(&variables),
            builds,
            build_names: names,
            required_plugins: plugins,
            overview: Some(Arc::new(overview)),
            ambient: Arc::clone(ambient),
        };
        (template, env, diags)
    }
}

/// Declarations and values of input variables. Sensitive values are known to the redactor before any message shows them.
fn variables(
    bodies: &[Body],
    found: &Found,
    surroundings: &Arc<Surroundings>,
    options: &LoadOptions,
    diags: &mut Diagnostics,
) -> Variables {
    let mut defaults = Env::empty();
    defaults.callable = Callable::Environment(Arc::clone(surroundings));
    let ambient = &options.ambient;
    let mut variables = variable::declared(bodies, &defaults, diags);
    assign::environment(&mut variables, &ambient.env, diags);
    let given: Vec<_> =
        options.var_files.iter().filter_map(|path| files::variables(path, &ambient.cwd, diags)).collect();
    let all: Vec<_> = found.automatic.iter().chain(&given).cloned().collect();
    assign::files(&mut variables, &all, options.warn_undeclared, diags);
    assign::arguments(&mut variables, &options.vars, diags);
    for variable in variables.values_mut().filter(|v| v.sensitive) {
        if let Some(assigned) = &mut variable.assigned {
            assigned.value = assigned.value.clone().sensitive();
            register(&assigned.value, &options.redactor);
        }
    }
    variables
}

/// Makes the redactor take sensitive strings out of all output.
fn register(value: &Value, redactor: &Redactor) {
    for text in value.sensitive_texts() {
        redactor.add(&text);
    }
}

/// The roots that all expressions outside declarations see.
fn roots(env: Env, variables: &Variables, base: &Path, ambient: &Ambient) -> Env {
    let unset = |ty: &Type| Value::unknown(ty.clone());
    let vars = variables.values().map(|variable| {
        let value = variable.assigned.as_ref().map_or_else(|| unset(&variable.constraint.ty), |a| a.value.clone());
        (variable.name.as_str(), value)
    });
    let unknown = || Value::unknown(Type::String);
    let slashes = |path: &Path| Value::string(path.to_string_lossy().replace('\\', "/"));
    env.with("var", Value::object(vars))
        .with("path", Value::object([("cwd", slashes(&ambient.cwd)), ("root", slashes(base))]))
        .with(
            "packer",
            Value::object([
                ("version", Value::string(&ambient.packer_version)),
                ("iterationID", unknown()),
                ("versionFingerprint", unknown()),
            ]),
        )
        .with("source", Value::object([("type", unknown()), ("name", unknown())]))
}

/// Makes builds.
struct Maker<'a> {
    sources: &'a Sources,
    env: &'a Arc<Env>,
    selection: &'a Selection,
}

impl Maker<'_> {
    /// One source of one build: its name, and the build itself if it is selected.
    fn one(
        &mut self,
        block: &BuildBlock,
        used: &Use,
        builds: &mut Vec<Build>,
        diags: &mut Diagnostics,
    ) -> Option<String> {
        let Some(source) = self.sources.get(&(used.kind.clone(), used.source.clone())) else {
            let full = format!("{}.{}", used.kind, used.source);
            let known: Vec<String> = self.sources.keys().map(|(kind, name)| format!("{kind}.{name}")).collect();
            let error = Diagnostic::error(format!("Unknown source {full}")).at(&used.span);
            let error = error.suggest(&full, known.iter().map(String::as_str));
            diags.push(match known.as_slice() {
                [] => error.help("no source is declared"),
                _ => error.help(format!("known: {}", known.join(", "))),
            });
            return None;
        };
        let full = used.full();
        let name = if block.name.is_empty() { full.clone() } else { format!("{}.{full}", block.name) };
        if !self.selection.takes_build(&name) {
            return Some(name);
        }
        let itself = Value::object([("type", Value::string(&used.kind)), ("name", Value::string(used.name()))]);
        let env = Arc::new((**self.env).clone().with("source", itself));
        let bodies = std::iter::once(source.body.clone()).chain(used.body.clone()).collect();
        let kind = source.labels.first().cloned().unwrap_or_else(|| Spanned::new(used.kind.clone(), used.span.clone()));
        let label = source.labels.get(1).cloned();
        let body = Options_::from_hcl(Options::new(bodies, Arc::clone(&env), None), source.span.clone());
        let body_of = |body: &Body| {
            let options = Options::new(vec![body.clone()], Arc::clone(&env), Some(block.name.clone()));
            Options_::from_hcl(options, body.span().clone())
        };
        let provisioners = block.provisioners.iter().filter(|p| !p.builds.skips(&full));
        let mut build = Build {
            raw_name: Spanned::new(full.clone(), used.span.clone()),
            builder: Builder { kind, source: label, body },
            provisioners: provisioners.map(|p| provisioner(p, used, body_of(&p.body))).collect(),
            cleanup: block
                .cleanup
                .as_ref()
                .filter(|p| !p.builds.skips(&full))
                .map(|p| provisioner(p, used, body_of(&p.body))),
            post_processors: Vec::new(),
            name: name.clone(),
        };
        for chain in &block.chains {
            let kept = self.chain(chain, &full, &body_of);
            if !kept.is_empty() {
                build.post_processors.push(kept);
            }
        }
        builds.push(build);
        Some(name)
    }

    /// A chain of post-processors as it applies to one build; `-except` cuts it.
    fn chain(
        &mut self,
        chain: &[PostProcessorBlock],
        full: &str,
        body_of: &dyn Fn(&Body) -> Options_,
    ) -> Vec<PostProcessor> {
        let mut kept = Vec::new();
        for block in chain.iter().filter(|p| !p.builds.skips(full)) {
            let name = block.name().to_owned();
            if self.selection.drops_post_processor(&name) {
                break;
            }
            kept.push(PostProcessor {
                kind: block.kind.clone(),
                name,
                keep_input_artifact: block.keep_input_artifact,
                body: body_of(&block.body),
            });
        }
        kept
    }
}

fn provisioner(block: &ProvisionerBlock, used: &Use, mut body: Options_) -> Provisioner {
    if let Some((_, options)) = block.overrides.iter().find(|(name, _)| name.value == used.name()) {
        body = body.with_override(options.clone());
    }
    Provisioner {
        kind: block.kind.clone(),
        name: block.name.clone(),
        pause_before: block.pause_before,
        // As in Packer, only one of them has an effect.
        timeout: block.timeout.filter(|_| block.pause_before.is_zero()),
        max_retries: block.max_retries,
        continue_on_error: block.continue_on_error,
        body,
    }
}
