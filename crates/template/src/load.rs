//! From a file to a [`Template`]: the entry point of this crate, and the only part of it that reads files.

use crate::hcl;
use crate::interpolate::Ambient;
use crate::json::{self, Duplicates, JsonTemplate};
use crate::model::Template;
use crate::value::{Node, Spanned, Value};
use crate::variables::{self, Given};
use crate::{build, interpolate, upgrade};
use imgbuild_diag::{Diagnostic, Diagnostics, Redactor, Source, Span};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the command line says about a template.
#[derive(Clone)]
pub struct LoadOptions {
    /// `-var name=value`, in order; the last one of a name wins.
    pub vars: Vec<(String, String)>,
    /// `-var-file`, in order; later files win over earlier ones, `-var` over all.
    pub var_files: Vec<PathBuf>,
    /// `-only`, already split at commas. Empty: all.
    pub only: Vec<String>,
    /// `-except`, already split at commas: builds and post-processors.
    pub except: Vec<String>,
    /// The template is HCL2 whatever its name (`-config-type=hcl2`): standard input, a file of another name.
    pub hcl: bool,
    /// HCL2: warn of variables that a variable file sets and nobody declares.
    pub warn_undeclared: bool,
    /// HCL2: a configuration without builds is good enough (console, inspect).
    pub no_builds_needed: bool,
    /// HCL2: the data sources that there are.
    pub data_sources: Option<Arc<dyn hcl::DataSources>>,
    /// HCL2: ask the data sources. Else what they would say stays unknown.
    pub ask_data_sources: bool,
    /// Clock, environment, working directory.
    pub ambient: Arc<Ambient>,
    /// Learns the values of sensitive variables before any diagnostic is made: show diagnostics through it.
    pub redactor: Redactor,
}

impl LoadOptions {
    /// No variables, all builds.
    pub fn new(ambient: Arc<Ambient>) -> Self {
        LoadOptions {
            vars: Vec::new(),
            var_files: Vec::new(),
            only: Vec::new(),
            except: Vec::new(),
            hcl: false,
            warn_undeclared: true,
            no_builds_needed: false,
            data_sources: None,
            ask_data_sources: false,
            ambient,
            redactor: Redactor::new(),
        }
    }

    /// Whether a template is read as HCL2. As in Packer its name decides if it says anything.
    pub fn is_hcl(&self, path: &Path) -> bool {
        self.hcl || hcl::is_hcl(path)
    }
}

/// Values of variables may be secrets: only names are shown.
impl std::fmt::Debug for LoadOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.vars.iter().map(|(name, _)| name).collect();
        write!(
            f,
            "LoadOptions {{ vars: {names:?}, var_files: {:?}, only: {:?}, except: {:?} }}",
            self.var_files, self.only, self.except
        )
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

/// A template that has been read but not resolved: enough for `validate -syntax-only` and `inspect`.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The file, absolute; for standard input the working directory's `-`, as in Packer; none without a template.
    pub path: Option<PathBuf>,
    /// Its parts.
    pub json: JsonTemplate,
    /// `{{user "x"}}` outside of `variables`: each name with the first string that has it.
    pub(crate) users: BTreeMap<String, Span>,
    /// Warnings only.
    pub warnings: Diagnostics,
}

/// The template that the console has when it is given none.
const TINIEST: &str = r#"{"builders": [{"type": "null"}]}"#;

/// Reads, parses and resolves a template. `path` is a file, a folder of HCL2 files, or `-` for standard input.
///
/// # Errors
/// Everything that is wrong with the template, its variable files and its selection.
pub fn load(path: &Path, options: &LoadOptions) -> Result<Loaded, Diagnostics> {
    if options.is_hcl(path) {
        return hcl::parse(path, &options.ambient)?.resolve(options);
    }
    parse_file(path, &options.ambient)?.resolve(options)
}

/// Reads a configuration in HCL2 to list what it holds, whatever can't be worked out; the diagnostics may hold errors.
///
/// # Errors
/// Its syntax, its declarations, or a value that was given.
pub fn inspect(path: &Path, options: &LoadOptions) -> Result<(Template, Diagnostics), Diagnostics> {
    hcl::parse(path, &options.ambient)?.inspect(options)
}

/// Checks that a template in either language can be read: its syntax, and which parts stand at its top.
///
/// # Errors
/// The file can't be read, or it is not a template.
pub fn check_syntax(path: &Path, options: &LoadOptions) -> Result<(), Diagnostics> {
    if options.is_hcl(path) {
        return hcl::parse(path, &options.ambient).map(|_| ());
    }
    parse_file(path, &options.ambient).map(|_| ())
}

/// Reads and parses a template in JSON; `-` is standard input.
///
/// # Errors
/// The file can't be read, or it is not a template: all that is wrong with its structure.
pub fn parse_file(path: &Path, ambient: &Ambient) -> Result<Parsed, Diagnostics> {
    let name = path.to_string_lossy().into_owned();
    if hcl::is_hcl(path) {
        return Err(Diagnostic::error(format!("{name}: a template in JSON is wanted here, this is HCL2")).into());
    }
    let source = Source::new(name, read_text(path)?);
    let absolute = ambient.cwd.join(path);
    parse_text(&source, Some(clean(&absolute)))
}

/// The text of a file; `-` is standard input. Bytes that aren't UTF-8 become U+FFFD, as in Go.
///
/// # Errors
/// It can't be read.
pub fn read_text(path: &Path) -> Result<String, Diagnostics> {
    let read = if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    Ok(text_of(read.map_err(|error| unreadable(&path.to_string_lossy(), &error))?))
}

/// Parses a template's text. `path` is where `template_dir` looks.
///
/// # Errors
/// All that is wrong with its structure.
pub fn parse_text(source: &Arc<Source>, path: Option<PathBuf>) -> Result<Parsed, Diagnostics> {
    let root = json::parse(source, Duplicates::Refuse)?;
    let mut diags = Diagnostics::new();
    let json = json::read(&root, &mut diags);
    let (json, warnings) = diags.into_result(json)?;
    let mut users = Users::default();
    for (key, entry) in root.as_map().into_iter().flatten() {
        if !key.eq_ignore_ascii_case("variables") {
            users.look(&entry.node);
        }
    }
    Ok(Parsed { path, json, users: users.first, warnings })
}

/// The user variables that strings name.
#[derive(Default)]
struct Users<'a> {
    first: BTreeMap<String, Span>,
    /// Expressions that were looked at: a template has many strings, but few that differ in these.
    seen: HashSet<&'a str>,
}

impl<'a> Users<'a> {
    fn look(&mut self, node: &'a Node) {
        match &node.value {
            Value::String(text) => {
                let Some(expressions) = interpolate::expressions(text) else { return };
                if !expressions.contains("user") || !self.seen.insert(expressions) {
                    return;
                }
                let mut names = BTreeSet::new();
                upgrade::references(expressions, &mut names);
                for name in names {
                    self.first.entry(name).or_insert_with(|| node.span.clone());
                }
            }
            Value::List(list) => list.iter().for_each(|item| self.look(item)),
            Value::Map(map) => map.values().for_each(|entry| self.look(&entry.node)),
            _ => {}
        }
    }
}

/// The template of a console that was given no file: one null builder.
pub(crate) fn tiny() -> Result<Parsed, Diagnostics> {
    parse_text(&Source::new("(no template)", TINIEST), None)
}

/// The same, resolved.
///
/// # Errors
/// The options: a variable file that can't be read, …
pub fn tiniest(options: &LoadOptions) -> Result<Loaded, Diagnostics> {
    tiny()?.resolve(options)
}

impl Parsed {
    /// Checks what needs no variables: there is a builder, and the names in `only`, `except` and `override` exist. Gives warnings.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(self) -> Result<Diagnostics, Diagnostics> {
        let mut diags = self.warnings;
        build::check(&self.json, &mut diags);
        diags.into_result(()).map(|((), warnings)| warnings)
    }

    /// Resolves variables, renders names and selects builds.
    ///
    /// # Errors
    /// Everything that is wrong with the template's references, its variables, the variable files and the selection.
    pub fn resolve(self, options: &LoadOptions) -> Result<Loaded, Diagnostics> {
        let (template, diags) = self.resolve_anyway(options);
        let (template, warnings) = diags.into_result(template)?;
        Ok(Loaded { template, warnings })
    }

    /// The same for the console, which works on whatever is wrong: what can't be resolved is missing or empty. The diagnostics are
    /// there to be shown; with errors among them the template is not fit for a build.
    pub fn resolve_anyway(self, options: &LoadOptions) -> (Template, Diagnostics) {
        let mut diags = self.warnings;
        let given = given(options, &mut diags);
        for variable in self.json.variables.values().filter(|v| v.sensitive) {
            let written = variable.default.iter().chain(given.get(&variable.name.value));
            // An expression alone is no secret; what it gives is one, and is known further below.
            let text = written.filter(|v| !(v.value.starts_with("{{") && v.value.ends_with("}}")));
            text.for_each(|value| options.redactor.add(value));
        }
        for (name, place) in &self.users {
            let declared = || self.json.variables.keys().map(String::as_str);
            if !given.contains_key(name) && declared().all(|known| known != name) {
                let message = format!("the user variable {name:?} is not declared: it is an empty text");
                diags.push(Diagnostic::warning(message).at(place).suggest(name, declared()));
            }
        }
        let context = interpolate::Context::new(Arc::clone(&options.ambient)).with_template(self.path.as_deref());
        let template = build::template(self.json, self.path, &given, context, options, &mut diags);
        template.variables.register(&options.redactor);
        (template, diags)
    }
}

/// Variable files in order, then `-var`.
fn given(options: &LoadOptions, diags: &mut Diagnostics) -> Given {
    let mut given = Given::new();
    for file in &options.var_files {
        let name = file.to_string_lossy().into_owned();
        if name.ends_with(".hcl") {
            let message = format!("{name}: variable files in HCL2 are for HCL2 templates; this one is in JSON");
            diags.push(Diagnostic::error(message));
            continue;
        }
        match std::fs::read(file) {
            Err(error) => diags.push(unreadable(&name, &error)),
            Ok(bytes) => match variables::read_json(&Source::new(name, text_of(bytes))) {
                Ok(values) => given.extend(values),
                Err(errors) => diags.extend(errors),
            },
        }
    }
    for (name, value) in &options.vars {
        let source = Source::new(format!("-var {name}"), value.clone());
        let span = Span::new(&source, 0..value.len());
        given.insert(name.clone(), Spanned::new(value.clone(), span));
    }
    given
}

pub(crate) fn unreadable(name: &str, error: &std::io::Error) -> Diagnostic {
    let why = match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    };
    Diagnostic::error(format!("open {name}: {why}"))
}

/// Bytes that aren't UTF-8 become U+FFFD, as in Go.
fn text_of(bytes: Vec<u8>) -> String {
    match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(bad) => String::from_utf8_lossy(bad.as_bytes()).into_owned(),
    }
}

/// `filepath.Clean` of an absolute path: no `.`, no `..`, links not followed.
pub(crate) fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}
