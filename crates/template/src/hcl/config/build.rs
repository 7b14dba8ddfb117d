//! `source` and `build` blocks: who is built from what, provisioned and post-processed how. The plugins' own options stay unread.

use super::{blocks, registry};
use crate::hcl::body::{Block, Body, Schema};
use crate::hcl::node;
use crate::hcl::own::Own;
use crate::hcl::scope::Env;
use crate::hcl::types::Type;
use crate::hcl::value::{Data, Value};
use crate::json::OnlyExcept;
use crate::value::{Map, Spanned};
use imgbuild_diag::{Diagnostic, Diagnostics, Span};
use indexmap::IndexMap;
use std::sync::Arc;
use std::time::Duration;

/// A `source` block, by type and name.
pub(in crate::hcl) type Sources = IndexMap<(String, String), Block>;

/// A `build` block.
#[derive(Debug)]
pub(in crate::hcl) struct BuildBlock {
    pub(in crate::hcl) name: String,
    pub(in crate::hcl) description: String,
    pub(in crate::hcl) uses: Vec<Use>,
    pub(in crate::hcl) provisioners: Vec<ProvisionerBlock>,
    pub(in crate::hcl) cleanup: Option<ProvisionerBlock>,
    pub(in crate::hcl) chains: Vec<Vec<PostProcessorBlock>>,
}

/// A source as a build uses it.
#[derive(Debug)]
pub(in crate::hcl) struct Use {
    pub(in crate::hcl) kind: String,
    pub(in crate::hcl) source: String,
    /// The name that the build gives it.
    pub(in crate::hcl) local_name: Option<String>,
    /// Further options.
    pub(in crate::hcl) body: Option<Body>,
    pub(in crate::hcl) span: Span,
}

impl Use {
    /// Its name in this build.
    pub(in crate::hcl) fn name(&self) -> &str {
        self.local_name.as_deref().unwrap_or(&self.source)
    }

    /// `type.name`: what `only` and `except` of the file mean.
    pub(in crate::hcl) fn full(&self) -> String {
        format!("{}.{}", self.kind, self.name())
    }
}

/// A provisioner of a build.
#[derive(Debug)]
pub(in crate::hcl) struct ProvisionerBlock {
    pub(in crate::hcl) kind: Spanned<String>,
    pub(in crate::hcl) name: Option<Spanned<String>>,
    pub(in crate::hcl) builds: OnlyExcept,
    pub(in crate::hcl) pause_before: Duration,
    pub(in crate::hcl) timeout: Option<Duration>,
    pub(in crate::hcl) max_retries: u32,
    pub(in crate::hcl) continue_on_error: bool,
    /// Options by the source's name.
    pub(in crate::hcl) overrides: Vec<(Spanned<String>, Map)>,
    pub(in crate::hcl) body: Body,
}

/// A post-processor of a build.
#[derive(Debug)]
pub(in crate::hcl) struct PostProcessorBlock {
    pub(in crate::hcl) kind: Spanned<String>,
    pub(in crate::hcl) name: Option<String>,
    pub(in crate::hcl) builds: OnlyExcept,
    pub(in crate::hcl) keep_input_artifact: Option<bool>,
    pub(in crate::hcl) body: Body,
}

impl PostProcessorBlock {
    /// Its name; its type if none is given.
    pub(in crate::hcl) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.kind.value)
    }
}

/// The sources of all files.
pub(in crate::hcl) fn sources(files: &[Body], diags: &mut Diagnostics) -> Sources {
    let mut all = Sources::new();
    for block in blocks(files, "source") {
        let [kind, name] = block.labels.as_slice() else { continue };
        let key = (kind.value.clone(), name.value.clone());
        if let Some(first) = all.get(&key) {
            let message = format!("Duplicate source block: {}.{} is declared more than once", key.0, key.1);
            let help = format!(
                "the first one stands at {}; a source has a name of its own among those of its type",
                first.span
            );
            diags.push(Diagnostic::error(message).at(&block.span).help(help));
            continue;
        }
        all.insert(key, block);
    }
    all
}

fn schema() -> Schema<'static> {
    Schema {
        attributes: ["name", "description", "sources"].map(|name| (name, false)).to_vec(),
        blocks: vec![
            ("source", &["reference"]),
            ("provisioner", &["type"]),
            ("error-cleanup-provisioner", &["type"]),
            ("post-processor", &["type"]),
            ("post-processors", &[]),
            ("hcp_packer_registry", &[]),
        ],
    }
}

/// Reads one `build` block.
pub(in crate::hcl) fn read(block: &Block, env: &Arc<Env>, diags: &mut Diagnostics) -> BuildBlock {
    let content = block.body.content(&schema(), diags);
    let scope = env.scope();
    let own = Own { content: &content, scope: &scope };
    let name = own.text("name", diags).map_or_else(String::new, |name| name.value);
    let description = own.text("description", diags).map_or_else(String::new, |text| text.value);
    let named = Value::object([("name", Value::string(&name))]);
    let unknown = || Value::unknown(Type::String);
    let inner =
        (**env).clone().with("build", named).with("source", Value::object([("type", unknown()), ("name", unknown())]));
    let mut build =
        BuildBlock { name, description, uses: Vec::new(), provisioners: Vec::new(), cleanup: None, chains: Vec::new() };
    let (mut had_source, mut registries) = (false, 0);
    for reference in own.texts("sources", diags) {
        had_source = true;
        build.uses.extend(reference_of(&reference, None, None, diags));
    }
    for part in &content.blocks {
        match part.kind.as_str() {
            "source" => {
                had_source = true;
                let schema = Schema { attributes: vec![("name", false)], blocks: Vec::new() };
                let (content, rest) = part.body.partial(&schema, diags);
                let nothing = Env::empty();
                let local =
                    Own { content: &content, scope: &nothing.scope() }.text("name", diags).map(|name| name.value);
                if let Some(reference) = part.labels.first() {
                    build.uses.extend(reference_of(reference, local, Some(rest), diags));
                }
            }
            "provisioner" => build.provisioners.extend(provisioner(part, &inner, diags)),
            "error-cleanup-provisioner" if build.cleanup.is_some() => {
                diags.push(Diagnostic::error("Only one error-cleanup-provisioner is allowed").at(&part.span));
            }
            "error-cleanup-provisioner" => build.cleanup = provisioner(part, &inner, diags),
            "post-processor" => {
                let one = post_processor(part, &inner, diags);
                build.chains.push(one.into_iter().collect());
            }
            "post-processors" => {
                let schema = Schema { attributes: Vec::new(), blocks: vec![("post-processor", &["type"])] };
                let inside = part.body.content(&schema, diags);
                build.chains.push(inside.blocks.iter().filter_map(|p| post_processor(p, &inner, diags)).collect());
            }
            "hcp_packer_registry" => {
                registry::check(part, registries == 0, &inner, diags);
                registries += 1;
            }
            _ => {}
        }
    }
    strangers(&build, diags);
    if !had_source {
        let message = "Missing source reference: a build block must reference at least one source";
        diags.push(Diagnostic::error(message).at(&block.span).help("write sources = [\"source.TYPE.NAME\"]"));
    }
    build
}

/// Names in `only`, `except` and `override` that no source of the build has. Packer passes over them without a word.
fn strangers(build: &BuildBlock, diags: &mut Diagnostics) {
    let full: Vec<String> = build.uses.iter().map(Use::full).collect();
    let mut check = |what: &str, name: &Spanned<String>, known: &[&str]| {
        if !known.is_empty() && !known.contains(&name.as_str()) {
            let message = format!("{what} names {:?}: the build has no such source", name.value);
            let warning = Diagnostic::warning(message).at(&name.span).suggest(name, known.iter().copied());
            diags.push(warning.help(format!("there are: {}", known.join(", "))));
        }
    };
    let provisioners = || build.provisioners.iter().chain(&build.cleanup);
    let post_processors = build.chains.iter().flatten().map(|p| &p.builds);
    let known: Vec<&str> = full.iter().map(String::as_str).collect();
    for builds in provisioners().map(|p| &p.builds).chain(post_processors) {
        for (what, names) in [("\"only\"", &builds.only), ("\"except\"", &builds.except)] {
            names.iter().for_each(|name| check(what, name, &known));
        }
    }
    let known: Vec<&str> = build.uses.iter().map(Use::name).collect();
    for (name, _) in provisioners().flat_map(|p| &p.overrides) {
        check("\"override\"", name, &known);
    }
}

fn reference_of(
    reference: &Spanned<String>,
    local_name: Option<String>,
    body: Option<Body>,
    diags: &mut Diagnostics,
) -> Option<Use> {
    let parts: Vec<&str> = reference.value.split('.').collect();
    let (kind, source) = match parts.as_slice() {
        [kind, source] => (*kind, *source),
        [_, kind, source, ..] => (*kind, *source),
        _ => ("", ""),
    };
    if !super::is_identifier(kind) || !super::is_identifier(source) {
        let message = format!("Invalid source reference: {:?} is none", reference.value);
        diags.push(Diagnostic::error(message).at(&reference.span).help("a source is referred to as source.TYPE.NAME"));
        return None;
    }
    let (kind, source) = (kind.to_owned(), source.to_owned());
    Some(Use { kind, source, local_name, body, span: reference.span.clone() })
}

/// `only` and `except`, of which there may be one.
fn only_except(own: &Own<'_>, diags: &mut Diagnostics) -> OnlyExcept {
    let builds = OnlyExcept { only: own.texts("only", diags), except: own.texts("except", diags) };
    if let (false, Some(first)) = (builds.only.is_empty(), builds.except.first()) {
        diags.push(Diagnostic::error("only one of 'only' or 'except' may be specified").at(&first.span));
    }
    builds
}

fn provisioner(block: &Block, env: &Env, diags: &mut Diagnostics) -> Option<ProvisionerBlock> {
    let own = ["name", "pause_before", "max_retries", "timeout", "continue_on_error", "only", "except", "override"];
    let schema = Schema { attributes: own.map(|name| (name, false)).to_vec(), blocks: Vec::new() };
    let (content, body) = block.body.partial(&schema, diags);
    let scope = env.scope();
    let own = Own { content: &content, scope: &scope };
    let pause_before = own.duration("pause_before", diags).unwrap_or_default();
    let timeout = own.duration("timeout", diags).filter(|timeout| !timeout.is_zero());
    if let (false, Some(_), Some(attribute)) = (pause_before.is_zero(), timeout, content.attributes.get("timeout")) {
        let message = "\"timeout\" has no effect beside \"pause_before\": Packer knows only one of them";
        diags.push(Diagnostic::warning(message).at(&attribute.name.span));
    }
    Some(ProvisionerBlock {
        kind: block.labels.first()?.clone(),
        name: own.text("name", diags).filter(|name| !name.value.is_empty()),
        builds: only_except(&own, diags),
        pause_before,
        timeout,
        max_retries: own.count("max_retries", diags).unwrap_or(0),
        continue_on_error: own.flag("continue_on_error", diags).unwrap_or(false),
        overrides: overrides(&own, diags),
        body,
    })
}

/// `override = { name = { option = value } }`.
fn overrides(own: &Own<'_>, diags: &mut Diagnostics) -> Vec<(Spanned<String>, Map)> {
    let Some(attribute) = own.content.attributes.get("override") else { return Vec::new() };
    let before = diags.errors().count();
    let value = attribute.expr.value(own.scope, diags);
    if diags.errors().count() > before || value.is_null() || !value.is_known() {
        return Vec::new();
    }
    let Data::Object(entries) = value.data() else {
        let message = "a provisioner's override must be an object of objects: override = { name = { … } }";
        diags.push(Diagnostic::error(message).at(attribute.expr.span()));
        return Vec::new();
    };
    for (name, options) in entries.iter().filter(|(_, v)| v.is_known() && !matches!(v.data(), Data::Object(_))) {
        let message = format!("override of {name:?} must be an object, not {}", options.kind());
        diags.push(Diagnostic::error(message).at(attribute.expr.span()));
    }
    let nodes = node::of_value(&value, &attribute.expr);
    let Some(map) = nodes.as_map() else { return Vec::new() };
    let options = map.iter().filter_map(|(name, entry)| {
        Some((Spanned::new(name.clone(), entry.key.clone()), entry.node.as_map()?.clone()))
    });
    options.collect()
}

fn post_processor(block: &Block, env: &Env, diags: &mut Diagnostics) -> Option<PostProcessorBlock> {
    let own = ["name", "only", "except", "keep_input_artifact"];
    let schema = Schema { attributes: own.map(|name| (name, false)).to_vec(), blocks: Vec::new() };
    let (content, body) = block.body.partial(&schema, diags);
    let scope = env.scope();
    let own = Own { content: &content, scope: &scope };
    Some(PostProcessorBlock {
        kind: block.labels.first()?.clone(),
        name: own.text("name", diags).map(|name| name.value).filter(|name| !name.is_empty()),
        builds: only_except(&own, diags),
        keep_input_artifact: own.flag("keep_input_artifact", diags),
        body,
    })
}
