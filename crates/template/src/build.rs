//! Makes the builds of a legacy JSON template: checks references, renders names, selects, and gives each builder its
//! provisioners and post-processors.

use crate::interpolate::{self, Context};
use crate::json::{JsonProvisioner, JsonTemplate, OnlyExcept};
use crate::load::LoadOptions;
use crate::model::{Body, Build, Builder, Format, PostProcessor, Provisioner, Template};
use crate::select::Selection;
use crate::value::{Map, Spanned, Value};
use crate::variables::{self, Given};
use crate::version::Version;
use imgbuild_diag::{Diagnostic, Diagnostics};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The whole template. What is wrong goes into `diags`, and the result is then not to be used.
pub(crate) fn template(
    json: JsonTemplate,
    path: Option<PathBuf>,
    given: &Given,
    context: Context,
    options: &LoadOptions,
    diags: &mut Diagnostics,
) -> Template {
    check(&json, diags);
    check_version(&json, &context, diags);
    warn_of_strangers(&json, options, diags);
    let variables = variables::resolve(json.variables.clone(), given, &context, diags);
    let context = context.with_user(variables.values());
    let retries: Vec<u32> = json.provisioners.iter().map(|p| max_retries(p, &context, diags)).collect();
    let cleanup_retries = json.cleanup.as_ref().map_or(0, |p| max_retries(p, &context, diags));

    let selection = Selection::new(options, false, diags);
    let post_processors: Vec<&str> = json.post_processors.iter().flatten().map(|p| p.name.as_str()).collect();
    for name in &post_processors {
        // All are asked for, also those behind one that cuts their chain.
        selection.drops_post_processor(name);
    }
    let mut builds: Vec<Build> = Vec::new();
    let mut rendered: HashMap<String, usize> = HashMap::new();
    for builder in &json.builders {
        let name = match interpolate::render(&builder.name, &context) {
            Ok(name) => name,
            Err(mut error) => {
                error.message = format!("Error interpolating builder '{}': {}", builder.name, error.message);
                diags.push(error);
                continue;
            }
        };
        if let Some(first) = rendered.get(&name).and_then(|i: &usize| builds.get(*i)) {
            let message = format!("two builders have the name '{name}' once it is rendered");
            diags.push(
                Diagnostic::error(message)
                    .at(&builder.name.span)
                    .help(format!("the first stands at {}", first.raw_name.span)),
            );
            continue;
        }
        rendered.insert(name.clone(), builds.len());
        let raw = builder.name.value.as_str();
        let provisioners = json.provisioners.iter().zip(&retries).filter(|(p, _)| !p.builds.skips(raw));
        builds.push(Build {
            name,
            raw_name: builder.name.clone(),
            builder: Builder { kind: builder.kind.clone(), source: None, body: builder.body.clone() },
            provisioners: provisioners.map(|(p, retries)| provisioner(p, raw, *retries)).collect(),
            cleanup: json.cleanup.as_ref().map(|p| provisioner(p, raw, cleanup_retries)),
            post_processors: chains(&json, raw, &selection),
        });
    }
    builds.sort_by(|a, b| a.name.cmp(&b.name));
    let build_names: Vec<String> = builds.iter().map(|b| b.name.clone()).collect();
    builds.retain(|b| selection.takes_build(&b.name));
    selection.report(&build_names, &post_processors, diags);
    Template {
        format: Format::Json,
        path,
        description: json.description,
        min_packer_version: json.min_packer_version,
        variables,
        builds,
        build_names,
        required_plugins: Vec::new(),
        overview: None,
        ambient: Arc::clone(&options.ambient),
    }
}

/// What can be said without variables: there is a builder, and names in `only`, `except` and `override` exist.
pub(crate) fn check(json: &JsonTemplate, diags: &mut Diagnostics) {
    if json.builders.is_empty() {
        diags.push(Diagnostic::error("at least one builder must be defined").at(&json.span));
    }
    let names = || json.builders.iter().map(|b| b.name.value.as_str());
    let exists = |name: &str| names().any(|n| n == name);
    let only_except = |builds: &OnlyExcept, context: &str, diags: &mut Diagnostics| {
        if let (false, Some(first)) = (builds.only.is_empty(), builds.except.first()) {
            let message = format!("{context}: only one of 'only' or 'except' may be specified");
            diags.push(Diagnostic::error(message).at(&first.span));
            return;
        }
        for (key, list) in [("only", &builds.only), ("except", &builds.except)] {
            for name in list.iter().filter(|n| !exists(n)) {
                let message = format!("{context}: '{key}' specified builder '{name}' not found");
                diags.push(Diagnostic::error(message).at(&name.span).suggest(name, names()));
            }
        }
    };
    // The cleanup provisioner comes last; its `only`, `except` and `override` names mean nothing to Packer.
    for (i, provisioner) in (1..).zip(json.provisioners.iter().chain(&json.cleanup)) {
        let cleanup = i > json.provisioners.len();
        if !cleanup {
            only_except(&provisioner.builds, &format!("provisioner {i}"), diags);
        }
        for (name, options) in &provisioner.overrides {
            if !exists(name) && !cleanup {
                let message = format!("provisioner {i}: override '{name}' doesn't exist");
                diags.push(Diagnostic::error(message).at(&name.span).suggest(name, names()));
            }
            if !matches!(options.value, Value::Map(_) | Value::Null) {
                let message = format!("provisioner {i}: override '{name}' expected a map, got {}", options.kind());
                diags.push(Diagnostic::error(message).at(&options.span));
            }
        }
        if let (Some(pause), Some(timeout)) = (&provisioner.pause_before, &provisioner.timeout)
            && !pause.value.is_zero()
            && !timeout.value.is_zero()
        {
            let message =
                "\"timeout\" has no effect beside \"pause_before\": Packer's JSON templates know only one of them";
            diags.push(Diagnostic::warning(message).at(&timeout.span));
        }
    }
    for (i, chain) in (1..).zip(&json.post_processors) {
        for (j, post_processor) in (1..).zip(chain) {
            only_except(&post_processor.builds, &format!("post-processor {i}.{j}"), diags);
        }
    }
}

fn check_version(json: &JsonTemplate, context: &Context, diags: &mut Diagnostics) {
    let Some(wanted) = &json.min_packer_version else { return };
    let Some(least) = Version::parse(wanted) else {
        let message = format!("min_version is invalid: Malformed version: {wanted}");
        diags.push(Diagnostic::error(message).at(&wanted.span));
        return;
    };
    let ours = &context.ambient().packer_version;
    if Version::parse(ours).is_some_and(|actual| actual < least) {
        let message = format!("This template requires Packer version {least} or higher; using {ours}");
        diags.push(
            Diagnostic::error(message).at(&wanted.span).help("this is the version whose behaviour is followed here"),
        );
    }
}

/// A `-var` that the template does not declare is fine for Packer; one that looks like a declared name is likely a slip.
fn warn_of_strangers(json: &JsonTemplate, options: &LoadOptions, diags: &mut Diagnostics) {
    for (name, _) in &options.vars {
        if json.variables.contains_key(name) {
            continue;
        }
        if let Some(near) = imgbuild_diag::did_you_mean(name, json.variables.keys().map(String::as_str)) {
            let message = format!("-var {name}: the template declares no such variable");
            diags.push(Diagnostic::warning(message).help(format!("did you mean {near:?}?")));
        }
    }
}

/// `max_retries`: a string, for it may hold expressions.
fn max_retries(provisioner: &JsonProvisioner, context: &Context, diags: &mut Diagnostics) -> u32 {
    let Some(text) = &provisioner.max_retries else { return 0 };
    match interpolate::render(text, context) {
        Ok(rendered) => match rendered.parse::<u32>() {
            Ok(count) => return count,
            Err(_) => {
                let message = format!("`max_retries` must be a valid integer: {rendered:?}");
                diags.push(Diagnostic::error(message).at(&text.span));
            }
        },
        Err(mut error) => {
            error.message = format!("failed to interpolate `max_retries`: {}", error.message);
            diags.push(error);
        }
    }
    0
}

fn provisioner(json: &JsonProvisioner, builder: &str, max_retries: u32) -> Provisioner {
    let duration = |d: &Option<Spanned<Duration>>| d.as_ref().map_or(Duration::ZERO, |d| d.value);
    let pause_before = duration(&json.pause_before);
    let timeout = Some(duration(&json.timeout)).filter(|t| !t.is_zero() && pause_before.is_zero());
    let mut body: Body = json.body.clone();
    if let Some((_, options)) = json.overrides.iter().find(|(name, _)| name.value == builder) {
        body = body.with_override(options.as_map().cloned().unwrap_or_else(Map::new));
    }
    Provisioner {
        kind: json.kind.clone(),
        name: None,
        pause_before,
        timeout,
        max_retries,
        continue_on_error: false,
        body,
    }
}

/// The chains of one build. `-except` with a post-processor's name cuts its chain there.
fn chains(json: &JsonTemplate, builder: &str, selection: &Selection) -> Vec<Vec<PostProcessor>> {
    let chain = |chain: &Vec<crate::json::JsonPostProcessor>| {
        let belongs = chain.iter().filter(|p| !p.builds.skips(builder));
        let kept = belongs.take_while(|p| !selection.drops_post_processor(&p.name));
        kept.map(|p| PostProcessor {
            kind: p.kind.clone(),
            name: p.name.clone(),
            keep_input_artifact: p.keep_input_artifact,
            body: p.body.clone(),
        })
        .collect::<Vec<_>>()
    };
    json.post_processors.iter().map(chain).filter(|chain| !chain.is_empty()).collect()
}
