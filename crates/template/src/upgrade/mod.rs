//! What `packer hcl2_upgrade` makes of a legacy JSON template: one HCL2 file with the same variables, sources and build.
//!
//! The mapping is Packer's. Beyond it: `override` is kept, `vault`, `consul_key` and `aws_secretsmanager_raw` become locals,
//! `build_name` stays readable in sources, the arguments of `replace` keep their order, and an expression that can't be translated
//! leaves the rest of its block alone.

mod amazon;
mod body;
mod calls;
mod plugins;
#[cfg(test)]
mod tests;
mod weak;
mod words;

use crate::decode::Table;
use crate::hcl::format;
use crate::json::{self, Duplicates, JsonBuilder, JsonPostProcessor, JsonProvisioner, JsonTemplate, OnlyExcept};
use crate::value::{Entry, Map, Node, Spanned, Value};
use body::{attribute, options, value};
pub(crate) use calls::references;
use calls::{Place, Used, quoted};
use imgbuild_diag::{Diagnostic, Diagnostics, Source, Span};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// An upgraded template.
#[derive(Debug)]
pub struct Upgraded {
    /// The HCL2 file, laid out.
    pub text: String,
    /// What does not mean the same any more, with its place in the JSON file.
    pub warnings: Diagnostics,
    /// Types of builders that no known plugin has: Packer ends with an error then, although the file is written.
    pub unknown_builders: Vec<String>,
}

/// The option tables of the plugins that are known: they tell blocks from arguments.
#[derive(Debug, Default)]
pub struct Plugins {
    /// Of builders.
    pub builders: Vec<&'static Table>,
    /// Of provisioners.
    pub provisioners: Vec<&'static Table>,
    /// Of post-processors.
    pub post_processors: Vec<&'static Table>,
}

impl Plugins {
    fn builder(&self, kind: &str) -> Option<&'static Table> {
        self.builders.iter().find(|table| table.name == kind).copied()
    }

    fn provisioner(&self, kind: &str) -> Vec<&'static Table> {
        self.provisioners.iter().filter(|table| table.name == kind).copied().collect()
    }

    fn post_processor(&self, kind: &str) -> Vec<&'static Table> {
        self.post_processors.iter().filter(|table| table.name == kind).copied().collect()
    }
}

/// Upgrades a template. `annotations` adds comments that explain the blocks.
///
/// # Errors
/// The text is no template.
pub fn upgrade(source: &Arc<Source>, annotations: bool, plugins: &Plugins) -> Result<Upgraded, Diagnostics> {
    let root = json::parse(source, Duplicates::Refuse)?;
    let mut diags = Diagnostics::new();
    let template = json::read(&root, &mut diags);
    let (template, mut warnings) = diags.into_result(template)?;
    let mut referenced = BTreeMap::new();
    strings(&root, &mut |text, at| {
        let mut names = BTreeSet::new();
        calls::references(text, &mut names);
        for name in names {
            referenced.entry(name).or_insert_with(|| at.clone());
        }
    });
    let used = Used { names: renamed(&template, &referenced, &mut warnings), ..Used::default() };
    let mut file = File { annotations, plugins, used, sources: sources(&template, &mut warnings) };
    for provisioner in template.provisioners.iter().chain(&template.cleanup) {
        file.warn_of_names(&provisioner.builds, &mut warnings);
    }
    for post in template.post_processors.iter().flatten() {
        file.warn_of_names(&post.builds, &mut warnings);
    }
    let text = format::format(&file.write(&template, &root, referenced.into_keys().collect()));
    warnings.extend(std::mem::take(&mut file.used.warnings));
    Ok(Upgraded { text, warnings, unknown_builders: plugins::unknown(&template) })
}

/// Every string of a file, with its place.
fn strings(node: &Node, see: &mut dyn FnMut(&str, &Span)) {
    match &node.value {
        Value::String(text) => see(text, &node.span),
        Value::List(list) => list.iter().for_each(|item| strings(item, see)),
        Value::Map(map) => map.iter().for_each(|(key, entry)| {
            see(key, &entry.key);
            strings(&entry.node, see);
        }),
        _ => {}
    }
}

/// Variables whose names can't be names in HCL2, with those that they get there.
fn renamed(
    template: &JsonTemplate,
    referenced: &BTreeMap<String, Span>,
    warnings: &mut Diagnostics,
) -> BTreeMap<String, String> {
    let declared = template.variables.iter().map(|(name, variable)| (name.as_str(), &variable.name.span));
    let mut all: BTreeMap<&str, &Span> = referenced.iter().map(|(name, span)| (name.as_str(), span)).collect();
    all.extend(declared);
    let mut taken: BTreeSet<String> =
        all.keys().filter(|name| body::is_identifier(name)).map(|name| (*name).to_owned()).collect();
    let mut names = BTreeMap::new();
    for (name, span) in all.into_iter().filter(|(name, _)| !body::is_identifier(name)) {
        let new = body::identifier(name, &mut taken);
        let message = format!("{name:?} can't be the name of a variable in HCL2: it is {new:?} there");
        let help = format!("give its value with -var {new}=…, and by this name in variable files");
        warnings.push(Diagnostic::warning(message).at(span).help(help));
        names.insert(name.to_owned(), new);
    }
    names
}

/// A builder on its way to a source block.
struct SourceBlock<'a> {
    builder: &'a JsonBuilder,
    /// The second label.
    name: String,
    options: Map,
}

/// In the order of type and name, as Packer writes them.
fn sources<'a>(template: &'a JsonTemplate, warnings: &mut Diagnostics) -> Vec<SourceBlock<'a>> {
    let mut builders: Vec<&JsonBuilder> = template.builders.iter().collect();
    builders.sort_by_key(|b| format!("{}{}", b.kind.value, b.name.value));
    let own = |builder: &JsonBuilder| builder.name.value.trim().replace(' ', "_");
    let mut taken: BTreeSet<String> =
        builders.iter().map(|b| own(b)).filter(|name| body::is_identifier(name)).collect();
    let mut name = |(i, builder): (usize, &'a JsonBuilder)| {
        let mut name = own(builder);
        if builder.name.value == builder.kind.value {
            name = format!("autogenerated_{i}");
        } else if !body::is_identifier(&name) {
            let new = body::identifier(&name, &mut taken);
            let message = format!("the builder's name becomes the name of a source, and {name:?} can't be one");
            warnings.push(Diagnostic::warning(message).at(&builder.name.span).help(format!("it is {new:?} there")));
            name = new;
        }
        let options = builder.body.options().map(|(k, e)| (k.clone(), e.clone())).collect();
        SourceBlock { builder, name, options }
    };
    (1..).zip(builders).map(&mut name).collect()
}

struct File<'a> {
    annotations: bool,
    plugins: &'a Plugins,
    used: Used,
    sources: Vec<SourceBlock<'a>>,
}

impl File<'_> {
    fn header(&self, text: &str, out: &mut String) {
        if self.annotations {
            out.push_str(text);
        }
    }

    fn write(&mut self, template: &JsonTemplate, root: &Node, referenced: BTreeSet<String>) -> String {
        let (variables, locals) = self.variables(template, referenced);
        let data = amazon::sources(&mut self.sources, self.plugins, &mut self.used);
        let sources = self.source_blocks();
        let build = self.build(template);
        let mut out = String::new();
        self.header(words::FILE, &mut out);
        for (key, entry) in root.as_map().into_iter().flatten() {
            if let (true, Some(text)) = (key.starts_with('_'), entry.node.as_str()) {
                text.lines().for_each(|line| out.push_str(&format!("# {line}\n")));
            }
        }
        let packer = plugins::block(template);
        if !packer.is_empty() {
            self.header(words::PACKER, &mut out);
            out.push_str(&packer);
        }
        let parts = [
            (variables, words::VARIABLES),
            (amazon::secrets(&self.used.secrets), words::SECRETS),
            (data, words::IMAGES),
        ];
        for (text, header) in parts.iter().filter(|(text, _)| !text.is_empty()) {
            self.header(header, &mut out);
            out.push_str(text);
        }
        if self.used.timestamp {
            out.push('\n');
            self.header(words::TIMESTAMP, &mut out);
            out.push_str("locals { timestamp = regex_replace(timestamp(), \"[- TZ:]\", \"\") }\n");
        }
        if self.used.layouts {
            out.push_str(words::LAYOUTS);
        }
        for (text, header) in [(locals, words::LOCALS), (sources, words::SOURCES)] {
            if !text.is_empty() {
                self.header(header, &mut out);
                out.push_str(&text);
            }
        }
        if !build.is_empty() {
            out.push_str(if self.annotations { words::BUILD } else { "\n" });
            out.push_str(&build);
        }
        out
    }

    /// Variables, and those that have to be locals because HCL2 variables are constants.
    fn variables(&mut self, template: &JsonTemplate, referenced: BTreeSet<String>) -> (String, String) {
        let mut all: BTreeMap<&str, (Option<&Spanned<String>>, bool)> =
            referenced.iter().map(|name| (name.as_str(), (None, false))).collect();
        for (name, variable) in &template.variables {
            all.insert(name, (variable.default.as_ref(), variable.sensitive));
        }
        let local = |default: &Option<&Spanned<String>>| default.is_some_and(|text| calls::is_local(text));
        let locals = all.iter().filter(|(_, (default, _))| local(default));
        self.used.locals = locals.map(|(name, _)| (*name).to_owned()).collect();
        let (mut variables, mut single, mut shared) = (String::new(), String::new(), String::new());
        for (name, (default, sensitive)) in &all {
            let place = if local(default) { Place::Local } else { Place::Variable };
            let text = default.map(|d| format!("\"{}\"", self.used.string(d, &d.span, place)));
            let name = self.used.names.get(*name).map_or(*name, String::as_str).to_owned();
            match (place, sensitive) {
                (Place::Local, true) => {
                    single.push_str(&self.used.notes());
                    let (name, text) = (quoted(&name), text.unwrap_or_default());
                    single.push_str(&format!("\nlocal {name} {{\nsensitive = true\nexpression = {text}\n}}\n"));
                }
                (Place::Local, false) => shared.push_str(&format!("{name} = {}\n", text.unwrap_or_default())),
                _ => {
                    variables.push_str(&self.used.notes());
                    variables.push_str(&format!("\nvariable {} {{\ntype = string\n", quoted(&name)));
                    if let Some(text) = text {
                        variables.push_str(&format!("default = {text}\n"));
                    }
                    variables.push_str(if *sensitive { "sensitive = true\n}\n" } else { "}\n" });
                }
            }
        }
        if !shared.is_empty() {
            single.push_str(&self.used.notes());
            single.push_str(&format!("\nlocals {{\n{shared}}}\n"));
        }
        (variables, single)
    }

    fn source_blocks(&mut self) -> String {
        let mut out = String::new();
        for source in &self.sources {
            let mut text = String::new();
            let tables: Vec<_> = self.plugins.builder(&source.builder.kind).into_iter().collect();
            options(&source.options, &tables, Place::Source, &mut self.used, &mut text);
            out.push_str(&self.used.notes());
            let (kind, name) = (quoted(&source.builder.kind), quoted(&source.name));
            out.push_str(&format!("\nsource {kind} {name} {{\n{text}}}\n"));
        }
        out
    }

    fn build(&mut self, template: &JsonTemplate) -> String {
        if self.sources.is_empty() {
            return String::new();
        }
        let mut out = String::from("build {\n");
        if let Some(description) = &template.description {
            out.push_str(&format!("description = {}\n\n", quoted(description)));
        }
        let names = self.sources.iter().map(|s| quoted(&format!("source.{}.{}", s.builder.kind.value, s.name)));
        out.push_str(&format!("sources = [{}]\n\n", names.collect::<Vec<_>>().join(", ")));
        for provisioner in &template.provisioners {
            self.provisioner("provisioner", provisioner, &mut out);
        }
        if let Some(provisioner) = &template.cleanup {
            self.provisioner("error-cleanup-provisioner", provisioner, &mut out);
        }
        for chain in &template.post_processors {
            self.chain(chain, &mut out);
        }
        out.push_str("}\n");
        out
    }

    fn provisioner(&mut self, block: &str, provisioner: &JsonProvisioner, out: &mut String) {
        let span = &provisioner.kind.span;
        let mut all: Map = provisioner.body.options().map(|(k, e)| (k.clone(), e.clone())).collect();
        only_except(&provisioner.builds, span, &mut all);
        let mut add = |key: &str, text: String| {
            all.insert(key.into(), Entry { key: span.clone(), node: text_node(text, span) });
        };
        if let Some(retries) = &provisioner.max_retries {
            add("max_retries", retries.value.clone());
        }
        for (key, time) in [("timeout", &provisioner.timeout), ("pause_before", &provisioner.pause_before)] {
            if let Some(time) = time.as_ref().filter(|t| !t.value.is_zero()) {
                add(key, go_duration(time.value));
            }
        }
        let mut text = String::new();
        options(&all, &self.plugins.provisioner(&provisioner.kind), Place::Build, &mut self.used, &mut text);
        if !provisioner.overrides.is_empty() {
            text.push_str("override = {\n");
            for (name, node) in &provisioner.overrides {
                // JSON means a build by its name, HCL2 by its source's.
                let source = self.sources.iter().find(|s| s.builder.name.value == name.value);
                text.push_str(&quoted(source.map_or(name.as_str(), |s| s.name.as_str())));
                text.push_str(" = ");
                value(node, Place::Build, &mut self.used, &mut text);
                text.push('\n');
            }
            text.push_str("}\n");
        }
        out.push_str(&self.used.notes());
        out.push_str(&format!("{block} {} {{\n{text}}}\n\n", quoted(&provisioner.kind)));
    }

    fn chain(&mut self, chain: &[JsonPostProcessor], out: &mut String) {
        let mut text = String::new();
        for post in chain {
            let span = &post.kind.span;
            text.push_str(&format!("post-processor {} {{\n", quoted(&post.kind)));
            if let Some(keep) = post.keep_input_artifact {
                let node = Node::new(Value::Bool(keep), span.clone());
                attribute("keep_input_artifact", &node, Place::Build, &mut self.used, &mut text);
            }
            let mut all: Map = post.body.options().map(|(k, e)| (k.clone(), e.clone())).collect();
            only_except(&post.builds, span, &mut all);
            if post.name != post.kind.value {
                let node = text_node(post.name.clone(), span);
                all.insert("name".into(), Entry { key: span.clone(), node });
            }
            options(&all, &self.plugins.post_processor(&post.kind), Place::Build, &mut self.used, &mut text);
            text.push_str("}\n");
        }
        out.push_str(&self.used.notes());
        match chain.len() {
            0 => {}
            1 => out.push_str(&text),
            _ => out.push_str(&format!("post-processors {{\n{text}}}\n")),
        }
    }

    /// `only` and `except` are taken over as they are, as by Packer, but they name builds otherwise in HCL2.
    fn warn_of_names(&self, builds: &OnlyExcept, warnings: &mut Diagnostics) {
        for name in builds.only.iter().chain(&builds.except) {
            let Some(source) = self.sources.iter().find(|s| s.builder.name.value == name.value) else { continue };
            let message =
                format!("{:?} is the name of a build in JSON; the HCL2 file takes it over as it is", name.value);
            let help = format!("its name there is \"{}.{}\"", source.builder.kind.value, source.name);
            warnings.push(Diagnostic::warning(message).at(&name.span).help(help));
        }
    }
}

fn only_except(builds: &OnlyExcept, span: &Span, all: &mut Map) {
    for (key, names) in [("except", &builds.except), ("only", &builds.only)] {
        if !names.is_empty() {
            let list = names.iter().map(|name| text_node(name.value.clone(), span)).collect();
            all.insert(key.into(), Entry { key: span.clone(), node: Node::new(Value::List(list), span.clone()) });
        }
    }
}

/// A duration as Go writes it: `1h0m5s`, `1.5s`, `20ms`.
fn go_duration(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds == 0 {
        let nanos = time.subsec_nanos();
        return match nanos {
            0 => "0s".into(),
            1..1_000 => format!("{nanos}ns"),
            1_000..1_000_000 => format!("{}µs", f64::from(nanos) / 1e3),
            _ => format!("{}ms", f64::from(nanos) / 1e6),
        };
    }
    let fraction = match time.subsec_nanos() {
        0 => String::new(),
        nanos => format!(".{}", format!("{nanos:09}").trim_end_matches('0')),
    };
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}{fraction}s"),
        (0, _) => format!("{minutes}m{rest}{fraction}s"),
        _ => format!("{hours}h{minutes}m{rest}{fraction}s"),
    }
}

/// A plain text as a node, for what the template does not hold itself.
fn text_node(text: String, span: &Span) -> Node {
    Node::new(Value::String(text), span.clone())
}
