//! The front door: renders values, evaluates expressions and conditions, renders files, checks names before anything runs.

use crate::eval::access::defined;
use crate::eval::finish::is_finished;
use crate::eval::{Cx, has_marks, keep_newlines};
use crate::syntax::{self, At, Body, Mode, Program, Syntax};
use crate::val::repr::value_str;
use crate::val::{R, Val};
use crate::{
    ErrorKind, Extensions, FileOptions, Host, Limits, Loader, Lookups, NoLoader, Str, TemplateError, Value, VarSource,
    Warning,
};
use imgbuild_diag::{Diagnostic, Source, Span, did_you_mean};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

/// Parsed texts are kept up to this number; then all are forgotten.
const MOST_PROGRAMS: usize = 8192;

/// What a text is, for [`Templar::check`] and [`Templar::references`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckKind {
    /// An expression without braces: `when`, `until`, `that`, `var`.
    Expression,
    /// A string with `{{ }}`.
    Template,
}

/// Renders templates. One per run; cheap to clone; scopes are the `vars` arguments.
#[derive(Clone)]
pub struct Templar {
    shared: Arc<Shared>,
    /// Conditionals without a boolean result are errors.
    strict: bool,
}

struct Shared {
    lookups: Arc<dyn Lookups>,
    host: Arc<dyn Host>,
    limits: Limits,
    inline: Arc<FileOptions>,
    extensions: Extensions,
    /// Parsed strings and expressions of playbooks, by mode and text.
    programs: Mutex<HashMap<(Mode, Arc<str>), Body>>,
}

impl Templar {
    /// With default [`Limits`].
    pub fn new(lookups: Arc<dyn Lookups>, host: Arc<dyn Host>) -> Self {
        Self::with_limits(lookups, host, Limits::default(), Extensions::default())
    }

    /// With tags beyond Jinja's own.
    pub fn with_extensions(lookups: Arc<dyn Lookups>, host: Arc<dyn Host>, extensions: Extensions) -> Self {
        Self::with_limits(lookups, host, Limits::default(), extensions)
    }

    /// With limits of the caller's choice.
    pub fn with_limits(lookups: Arc<dyn Lookups>, host: Arc<dyn Host>, limits: Limits, extensions: Extensions) -> Self {
        let inline = Arc::new(FileOptions::default());
        Templar {
            shared: Arc::new(Shared { lookups, host, limits, inline, extensions, programs: Mutex::default() }),
            strict: false,
        }
    }

    /// Whether a conditional without a boolean result is an error, as Ansible 2.19 has it, or counts by Python's truth with a
    /// warning.
    pub fn with_strict_conditionals(self, strict: bool) -> Self {
        Templar { strict, ..self }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    pub(crate) fn host(&self) -> &Arc<dyn Host> {
        &self.shared.host
    }

    pub(crate) fn lookups(&self) -> &Arc<dyn Lookups> {
        &self.shared.lookups
    }

    /// Renders a value deeply: strings that are templates are rendered with native result types, containers recursively.
    /// Keys of mappings are not rendered (as in Ansible). Entries of mappings and lists that render to `omit` are removed; a
    /// whole value that renders to it is [`Value::Omit`]. The result is data: no string of it will be rendered again.
    pub fn template(&self, value: &Value, vars: &Arc<dyn VarSource>) -> Result<Value, TemplateError> {
        self.template_with(value, vars, &NoLoader)
    }

    /// As [`Templar::template`], with files for `{% include %}` and `{% import %}`.
    pub fn template_with(
        &self,
        value: &Value,
        vars: &Arc<dyn VarSource>,
        loader: &dyn Loader,
    ) -> Result<Value, TemplateError> {
        if is_finished(value) {
            return Ok(value.clone());
        }
        let cx = Cx::new(self, vars, loader);
        let rendered = cx.resolve(Val::from(value.clone())).and_then(|v| cx.finish(&v));
        rendered.map_err(|e| self.hint(e, vars, "template").or_at(|| value.span().cloned()))
    }

    /// Renders the outermost value only: a string that is a template is rendered, a container stays as it is. For values of
    /// which only a part may be needed.
    pub fn template_shallow(&self, value: &Value, vars: &Arc<dyn VarSource>) -> Result<Value, TemplateError> {
        match value {
            Value::Str(_) | Value::Vault(_) => self.template(value, vars),
            other => Ok(other.clone()),
        }
    }

    /// Evaluates an expression without braces (`when`, `until`, `changed_when`, `that`, `var`).
    pub fn evaluate(
        &self,
        expression: &str,
        span: Option<&Span>,
        vars: &Arc<dyn VarSource>,
    ) -> Result<Value, TemplateError> {
        let cx = Cx::new(self, vars, &NoLoader);
        self.evaluate_in(&cx, expression, span)
            .and_then(|v| cx.finish(&v))
            .map_err(|e| self.hint(e, vars, "expression").or_at(|| span.cloned()))
    }

    fn evaluate_in(&self, cx: &Cx<'_>, expression: &str, span: Option<&Span>) -> R {
        let text = Str { text: expression.trim().into(), template: true, span: span.cloned() };
        let (program, _) = self.program(&text, Mode::Expression)?;
        crate::eval::caught(cx.run(&program))
    }

    /// Evaluates one conditional: a boolean, an expression, a template. A list is true where all its entries are (checked in
    /// order, stopping at the first false one). Results that are no booleans count by Python's truth, with a warning, or are
    /// errors ([`Templar::with_strict_conditionals`]).
    pub fn condition(
        &self,
        value: &Value,
        vars: &Arc<dyn VarSource>,
    ) -> Result<(bool, Option<Warning>), TemplateError> {
        match self.lenient_condition(value, vars)? {
            (_, Some(warning)) if self.strict && !warning.deprecated => {
                Err(TemplateError::new(ErrorKind::Value, warning.message).or_at(|| warning.span))
            }
            judged => Ok(judged),
        }
    }

    fn lenient_condition(
        &self,
        value: &Value,
        vars: &Arc<dyn VarSource>,
    ) -> Result<(bool, Option<Warning>), TemplateError> {
        let warn = |message: String| Some(Warning { message, span: value.span().cloned(), deprecated: false });
        match value {
            Value::Bool(b) => Ok((*b, None)),
            Value::List(items) => {
                let mut warning = None;
                for item in items.iter() {
                    let (holds, w) = self.lenient_condition(item, vars)?;
                    warning = warning.or(w);
                    if !holds {
                        return Ok((false, warning));
                    }
                }
                Ok((true, warning))
            }
            Value::Null => Ok((true, warn("Empty conditional expression was evaluated as True.".into()))),
            Value::Str(s) if s.text.trim().is_empty() => {
                Ok((true, warn("Empty conditional expression was evaluated as True.".into())))
            }
            Value::Str(s) if !s.template => Err(untrusted(s.span.clone())),
            Value::Str(s) => self.condition_text(s, vars).map_err(|e| {
                let mut e = self.hint(e, vars, "expression").or_at(|| s.span.clone());
                if e.is_undefined() {
                    let message = format!("Error while evaluating conditional: {}", e.message);
                    e.detail_mut().message = message;
                }
                e
            }),
            other => {
                let rendered = self.template(other, vars)?;
                let holds = rendered.is_true();
                Ok((holds, warn(not_boolean(&Val::from(rendered)))))
            }
        }
    }

    fn condition_text(&self, s: &Str, vars: &Arc<dyn VarSource>) -> Result<(bool, Option<Warning>), TemplateError> {
        let cx = Cx::new(self, vars, &NoLoader);
        let warn = |message: String| Some(Warning { message, span: s.span.clone(), deprecated: false });
        let text = s.text.trim();
        let mut warning = None;
        let mut expression: Arc<str> = text.into();
        // A conditional that is all template gives a result, or the text of an expression.
        let opens = ["{{", "{%", "{#"].iter().any(|m| text.starts_with(m));
        if opens && ["}}", "%}", "#}"].iter().any(|m| text.ends_with(m)) {
            warning = Some(Warning {
                message: "Conditionals should not be surrounded by templating delimiters such as {{ }} or {% %}."
                    .to_owned(),
                span: s.span.clone(),
                deprecated: true,
            });
            let inner = Str { text: text.into(), template: true, span: s.span.clone() };
            match defined(cx.render_str(&inner)?)? {
                Val::Bool(b) => return Ok((b, warning)),
                Val::Str(found) if found.template => {
                    if found.text.trim().is_empty() {
                        return Ok((true, warning));
                    }
                    expression = found.text.clone();
                }
                // Text that a template made is no expression.
                Val::Str(found) if found.text.trim().is_empty() => {
                    return Ok((true, warn("Empty conditional expression was evaluated as True.".into())));
                }
                Val::Str(_) => return Err(untrusted(s.span.clone())),
                other => return Ok((other.truth(), warn(not_boolean(&other)))),
            }
        }
        cx.embedded.set(true);
        match defined(self.evaluate_in(&cx, &expression, s.span.as_ref())?)? {
            Val::Bool(b) => Ok((b, warning)),
            other => {
                let other = cx.open(&other)?;
                Ok((other.truth(), warn(not_boolean(&other))))
            }
        }
    }

    /// Renders a template file's text as [`Templar::render_file`] does, to a native value: one that is no text stays what it is.
    pub fn evaluate_file(
        &self,
        name: &str,
        text: &str,
        options: &FileOptions,
        vars: &Arc<dyn VarSource>,
        loader: &dyn Loader,
    ) -> Result<Value, TemplateError> {
        let render = || {
            let program = self.file_program(name, text, &Arc::new(options.clone()))?;
            let cx = Cx::new(self, vars, loader);
            let value = keep_newlines_as(&program, defined(cx.run(&program)?)?);
            cx.finish(&value)
        };
        render().map_err(|e: TemplateError| self.hint(e, vars, "template"))
    }

    /// Renders a template file's text. `name` is shown in messages; a `#jinja2:` header line overrides `options`.
    pub fn render_file(
        &self,
        name: &str,
        text: &str,
        options: &FileOptions,
        vars: &Arc<dyn VarSource>,
        loader: &dyn Loader,
    ) -> Result<String, TemplateError> {
        let render = || {
            let program = self.file_program(name, text, &Arc::new(options.clone()))?;
            let cx = Cx::new(self, vars, loader);
            let value = keep_newlines_as(&program, defined(cx.run(&program)?)?);
            Ok(match cx.finish(&value)? {
                Value::Omit => {
                    return Err(TemplateError::new(ErrorKind::Value, "A template was resolved to an Omit scalar."));
                }
                Value::Null => String::new(),
                done => value_str(&done),
            })
        };
        render().map_err(|e: TemplateError| self.hint(e, vars, "template"))
    }

    /// Whether a string would be rendered: it is marked as a template and holds `{{`, `{%` or `{#`.
    pub fn is_template(&self, text: &Str) -> bool {
        text.template && has_marks(&text.text)
    }

    /// Syntax errors and unknown filters, tests and lookups, with their places. Runs nothing.
    pub fn check(&self, text: &Str, kind: CheckKind) -> Vec<Diagnostic> {
        if kind == CheckKind::Template && !has_marks(&text.text) {
            return Vec::new();
        }
        match self.program(text, mode_of(kind)) {
            Err(e) => vec![e.diagnostic()],
            Ok((program, _)) => crate::check::unknown_names(self, &program),
        }
    }

    /// As [`Templar::check`] for a template file.
    pub fn check_file(&self, name: &str, text: &str, options: &FileOptions) -> Vec<Diagnostic> {
        match self.file_program(name, text, &Arc::new(options.clone())) {
            Err(e) => vec![e.diagnostic()],
            Ok(program) => crate::check::unknown_names(self, &program),
        }
    }

    /// The variables that a template or an expression reads (not those that it sets itself). Names that `vars` and `varnames`
    /// lookups find at run time are not seen. A text that does not parse reads none.
    pub fn references(&self, text: &str, kind: CheckKind) -> BTreeSet<String> {
        if kind == CheckKind::Template && !has_marks(text) {
            return BTreeSet::new();
        }
        let text = Str { text: text.into(), template: true, span: None };
        self.program(&text, mode_of(kind)).map(|(p, _)| crate::check::references(&p)).unwrap_or_default()
    }

    /// As [`Templar::references`] for a template file.
    pub fn file_references(&self, text: &str, options: &FileOptions) -> BTreeSet<String> {
        self.file_program("template", text, &Arc::new(options.clone()))
            .map(|p| crate::check::references(&p))
            .unwrap_or_default()
    }

    /// Runs a lookup as `with_*` and `lookup()` do: the pure ones of this crate first, then the engine's.
    pub fn lookup(
        &self,
        name: &str,
        terms: Vec<Value>,
        kwargs: crate::Map,
        vars: &Arc<dyn VarSource>,
        span: Option<&Span>,
    ) -> Result<Vec<Value>, crate::LookupError> {
        crate::lookups::run(self, name, terms, kwargs, vars, span)
    }

    /// Tells the person something, as templates do.
    pub fn warn(&self, warning: Warning) {
        self.shared.host.warn(warning);
    }

    /// A playbook's or role's folder was read: the user's plugins in it count from now on.
    pub fn plugins_in(&self, folder: &std::path::Path) {
        self.shared.lookups.plugins_in(folder);
    }

    /// Whether there is a lookup of this name.
    pub fn knows_lookup(&self, name: &str) -> bool {
        crate::lookups::known(self, name)
    }

    /// A parsed string, and the text without its `#jinja2:` line.
    pub(crate) fn program(&self, s: &Str, mode: Mode) -> R<(Arc<Program>, Arc<str>)> {
        if mode == Mode::Inline && s.text.starts_with("#jinja2:") {
            let (options, rest) = header(&s.text, &self.shared.inline)?;
            let rest: Arc<str> = rest.into();
            let program = self.parse("<template>".into(), rest.clone(), s.span.clone(), mode, Arc::new(options))?;
            return Ok((program, rest));
        }
        let key = (mode, s.text.clone());
        let known = self.shared.programs.lock().unwrap_or_else(|e| e.into_inner()).get(&key).cloned();
        let program = match known {
            Some(body) => Arc::new(Program {
                name: "<template>".into(),
                text: s.text.clone(),
                span: s.span.clone(),
                options: self.shared.inline.clone(),
                body,
            }),
            None => {
                let options = self.shared.inline.clone();
                let program = self.parse("<template>".into(), s.text.clone(), s.span.clone(), mode, options)?;
                let mut programs = self.shared.programs.lock().unwrap_or_else(|e| e.into_inner());
                if programs.len() >= MOST_PROGRAMS {
                    programs.clear();
                }
                programs.insert(key, program.body.clone());
                program
            }
        };
        Ok((program, s.text.clone()))
    }

    /// A parsed file.
    pub(crate) fn file_program(&self, name: &str, text: &str, options: &Arc<FileOptions>) -> R<Arc<Program>> {
        let source = Source::new(name, text);
        let (options, rest) = if text.starts_with("#jinja2:") {
            let (options, rest) = header(text, options)?;
            (Arc::new(options), rest)
        } else {
            (options.clone(), text)
        };
        let span = Span::new(&source, text.len() - rest.len()..text.len());
        self.parse(name.into(), rest.into(), Some(span), Mode::File, options)
    }

    fn parse(
        &self,
        name: Arc<str>,
        text: Arc<str>,
        span: Option<Span>,
        mode: Mode,
        options: Arc<FileOptions>,
    ) -> R<Arc<Program>> {
        // Jinja reads all line ends as newlines.
        let text = if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n").into() } else { text };
        let mut program = Program { name, text, span, options, body: Arc::from([]) };
        let syntax = Syntax { mode, options: (*program.options).clone(), extensions: self.shared.extensions };
        match syntax::parse(&program.text, &syntax) {
            Ok(body) => {
                program.body = body;
                Ok(Arc::new(program))
            }
            Err((error, at)) => {
                let at = if at == At::default() { At { start: 0, end: program.text.len() as u32 } } else { at };
                let mut error = error.or_at(|| program.span_of(at));
                error.detail_mut().expression = Some(program.snippet(at).to_owned());
                Err(error)
            }
        }
    }

    /// Adds what the outermost place knows: Ansible's opening words, and names in scope that are close to the undefined one.
    fn hint(&self, mut error: TemplateError, vars: &Arc<dyn VarSource>, what: &str) -> TemplateError {
        let opening = match error.kind {
            ErrorKind::Value if !error.message.starts_with("The ") => format!("Error rendering {what}: "),
            ErrorKind::UnknownName if error.message.starts_with("No ") => format!("Syntax error in {what}: "),
            _ => String::new(),
        };
        if !opening.is_empty() && !error.message.starts_with("Error rendering") {
            let message = format!("{opening}{}", error.message);
            error.detail_mut().message = message;
        }
        if !error.is_undefined() || !error.similar.is_empty() {
            return error;
        }
        let Some(name) = error.message.strip_prefix('\'').and_then(|m| m.strip_suffix("' is undefined")) else {
            return error;
        };
        let names = vars.names();
        if let Some(close) = did_you_mean(name, names.iter().map(String::as_str)) {
            let close = close.to_owned();
            error.detail_mut().similar.push(close);
        }
        error
    }
}

fn mode_of(kind: CheckKind) -> Mode {
    match kind {
        CheckKind::Expression => Mode::Expression,
        CheckKind::Template => Mode::Inline,
    }
}

fn untrusted(span: Option<Span>) -> TemplateError {
    TemplateError::new(ErrorKind::Condition, "Encountered untrusted template or expression.").or_at(|| span)
}

fn not_boolean(value: &Val) -> String {
    let truth = if value.truth() { "True" } else { "False" };
    format!(
        "Conditional result ({truth}) was derived from value of type '{}'. Conditionals must have a boolean result.",
        value.type_name()
    )
}

fn keep_newlines_as(program: &Program, value: Val) -> Val {
    match keep_newlines(&program.text, value) {
        Val::Str(s) if program.options.newline_sequence != "\n" => {
            // The newlines that were put back are the only bare ones left at the end.
            let body = s.text.trim_end_matches('\n');
            let ends = s.text.len() - body.len();
            if body.ends_with('\r') && ends > 0 && program.options.newline_sequence == "\r\n" {
                let rest = program.options.newline_sequence.repeat(ends - 1);
                return Val::str(format!("{body}\n{rest}"));
            }
            Val::str(format!("{body}{}", program.options.newline_sequence.repeat(ends)))
        }
        other => other,
    }
}

/// The `#jinja2: name: value, …` line.
fn header<'t>(text: &'t str, base: &FileOptions) -> R<(FileOptions, &'t str)> {
    let bad = |message: String| TemplateError::new(ErrorKind::Syntax, message);
    let Some((line, rest)) = text.split_once('\n') else {
        return Err(bad("Missing newline after '#jinja2:' override.".into()));
    };
    let mut options = base.clone();
    for pair in line.trim_start_matches("#jinja2:").trim_end_matches('\r').split(',') {
        if pair.trim().is_empty() {
            return Err(bad("Empty '#jinja2:' override pair not allowed.".into()));
        }
        let Some((key, value)) = pair.split_once(':') else {
            return Err(bad(format!("Missing key-value separator `:` in '#jinja2:' override pair {pair:?}.")));
        };
        let key = key.trim();
        options.set(key, value.trim()).map_err(|e| bad(format!("Syntax error in template: {e}")))?;
    }
    Ok((options, rest))
}
