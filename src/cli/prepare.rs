//! From a template to prepared builds: everything that can be checked without the network, all errors at once.

use super::args::TemplateArgs;
use super::wait_for::{self, WaitFor};
use crate::data_sources;
use crate::failure::Failure;
use crate::settings::Settings;
use imgbuild_builders::{Flags, Prepared};
use imgbuild_diag::{Diagnostic, Diagnostics, Redactor, Source, Span};
use imgbuild_engine::postprocess::PostPlan;
use imgbuild_engine::provision::Plan;
use imgbuild_template::value::{Entry, Map};
use imgbuild_template::{Ambient, Body, Build, LoadOptions, Node, Provisioner, Spanned, Template, Value};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A build whose blocks were all read and checked.
pub struct PreparedBuild {
    pub name: String,
    pub kind: String,
    pub builder: Prepared,
    pub provision: Plan,
    pub post: PostPlan,
    /// What proves the image on an instance of it (`--verify`).
    pub verify: Option<Plan>,
}

/// A template and its builds.
pub struct Loaded {
    pub template: Template,
    pub builds: Vec<PreparedBuild>,
    pub warnings: Diagnostics,
}

/// How a template is read; only HCL2 knows the difference.
#[derive(Debug, Clone, Default)]
pub struct How {
    /// Warn of variables that a variable file sets and nobody declares.
    pub warn_undeclared: bool,
    /// A configuration without builds is good enough.
    pub no_builds_needed: bool,
    /// Ask the data sources; else what they would say stays unknown.
    pub ask_data_sources: bool,
    /// The sandbox in which the data sources of amazon are asked.
    pub sandbox: Option<PathBuf>,
    /// What the machine must have come to the end of before the first provisioner.
    pub wait_for: Vec<WaitFor>,
    /// No time passes and no two ids differ, to compare what two runs would make.
    pub still: bool,
}

/// The template: a file, a folder of HCL2 files, or `-` for standard input.
pub fn load(
    path: &Path,
    args: &TemplateArgs,
    settings: &Settings,
    redactor: &Redactor,
    how: How,
) -> Result<imgbuild_template::Loaded, Failure> {
    let mut options: LoadOptions = args.load_options(settings, redactor)?;
    if how.still {
        options.ambient = Arc::new(Ambient::clone(&options.ambient).still());
    }
    options.warn_undeclared = how.warn_undeclared;
    options.no_builds_needed = how.no_builds_needed;
    options.ask_data_sources = how.ask_data_sources;
    options.data_sources = Some(data_sources::all(settings, how.sandbox));
    imgbuild_template::load(path, &options).map_err(|all| Failure::from(all).hiding(redactor))
}

/// Reads the template and prepares every selected build.
pub fn prepare(
    path: &Path,
    args: &TemplateArgs,
    force: bool,
    verify: Option<&Path>,
    settings: &Settings,
    redactor: &Redactor,
    how: How,
) -> Result<Loaded, Failure> {
    let wait_for = how.wait_for.clone();
    let imgbuild_template::Loaded { template, mut warnings } = load(path, args, settings, redactor, how)?;
    let flags = Flags { force, strict: args.strict, accept_any_host_key: args.accept_any_host_key };
    let mut problems = Diagnostics::new();
    let mut builds = Vec::new();
    for build in &template.builds {
        let context = template.context(build);
        let builder = match imgbuild_builders::prepare(&build.builder, &context, flags) {
            Ok((builder, more)) => {
                warnings.extend(more);
                Some(builder)
            }
            Err(more) => {
                more.into_iter().for_each(|problem| problems.push(of_plugin(problem, &template, build)));
                None
            }
        };
        let promised = builder.as_ref().map_or(&[][..], Prepared::data_names);
        let mut diags = Diagnostics::new();
        let waits = builder.as_ref().is_some_and(Prepared::connects);
        let waiting = wait_for::first(build, if waits { &wait_for } else { &[] });
        let provision = Plan::prepare(&waiting, &context, promised, &mut diags);
        let post = PostPlan::prepare(build, &context, promised, &mut diags);
        let verify =
            verify.map(|playbook| Plan::prepare(&verification(build, playbook), &context, promised, &mut diags));
        for diagnostic in diags.into_iter().map(|diagnostic| of_plugin(diagnostic, &template, build)) {
            match diagnostic.severity {
                imgbuild_diag::Severity::Error => problems.push(diagnostic),
                imgbuild_diag::Severity::Warning => warnings.push(diagnostic),
            }
        }
        let Some(builder) = builder else { continue };
        const BESIDE: [&str; 3] = ["breakpoint", "shell-local", "sleep"];
        if !builder.connects() && provision.steps.iter().any(|s| !BESIDE.contains(&s.kind.as_str())) {
            let message = format!("{}: there is no communicator: no provisioner can run on a machine", build.name);
            warnings.push(Diagnostic::warning(message));
        }
        for secret in builder.secrets() {
            redactor.add(secret);
        }
        builds.push(PreparedBuild {
            name: build.name.clone(),
            kind: build.builder.kind.value.clone(),
            builder,
            provision,
            post,
            verify,
        });
    }
    let mut taken: HashMap<String, String> = HashMap::new();
    for build in &builds {
        for (name, place) in build.builder.image_names() {
            if let Some(other) = taken.insert(name, build.name.clone()) {
                let message =
                    format!("the builds '{other}' and '{}' would make AMIs of one name in one region", build.name);
                let help = "put {{build_name}} into \"ami_name\"";
                problems.push(Diagnostic::error(message).at(place).help(help));
                break;
            }
        }
    }
    if problems.has_errors() {
        // Several builds share provisioners: what is wrong in one is said once.
        let mut once = Diagnostics::new();
        let mut told = HashSet::new();
        for problem in problems {
            if told.insert(problem.to_string()) {
                once.push(problem);
            }
        }
        return Err(Failure::from(once).hiding(redactor));
    }
    Ok(Loaded { template, builds, warnings })
}

/// Where a block's type is wrong, the plugin that it belongs to is named, if the template requires one that is not built in.
fn of_plugin(diagnostic: Diagnostic, template: &Template, build: &Build) -> Diagnostic {
    let provisioners = build.provisioners.iter().chain(&build.cleanup).map(|p| &p.kind);
    let post_processors = build.post_processors.iter().flatten().map(|p| &p.kind);
    let mut kinds = std::iter::once(&build.builder.kind).chain(provisioners).chain(post_processors);
    let kind = kinds.find(|kind| diagnostic.span.as_ref().is_some_and(|at| at.is_at(&kind.span)));
    let plugin = kind.and_then(|kind| template.plugin_of(kind)).filter(|p| super::plugins::parts(&p.source).is_empty());
    match plugin {
        Some(plugin) => diagnostic.help(format!("it is a part of the plugin {}, which is not built in", plugin.source)),
        None => diagnostic,
    }
}

/// The build with another playbook in the place of its provisioners: run with the options (variables, groups, user) of its first
/// `ansible` provisioner, so that what is verified is what was asked for.
fn verification(build: &Build, playbook: &Path) -> Build {
    let written = playbook.display().to_string();
    let source = Source::new("--verify", written.clone());
    let span = Span::new(&source, 0..written.len());
    let mut options = Map::new();
    options.insert(
        "playbook_file".into(),
        Entry { key: span.clone(), node: Node::new(Value::String(written), span.clone()) },
    );
    let like = build.provisioners.iter().find(|p| p.kind.as_str() == "ansible");
    let body = match like {
        Some(like) => like.body.clone().with_override(options),
        None => Body::new(options, span.clone()),
    };
    let provisioner = Provisioner {
        kind: Spanned::new("ansible".into(), span),
        name: None,
        pause_before: Default::default(),
        timeout: None,
        max_retries: 0,
        continue_on_error: false,
        body,
    };
    Build { provisioners: vec![provisioner], cleanup: None, post_processors: Vec::new(), ..build.clone() }
}
