//! Small helpers over [`Reader`] that every option group uses: texts, lists, late maps, and errors with places.

use imgbuild_diag::{Diagnostic, Diagnostics, Span};
use imgbuild_template::interpolate::render;
use imgbuild_template::{Body, Context, Reader, Spanned};
use std::collections::BTreeMap;

/// Gathers what is wrong over one pass.
#[derive(Default)]
pub struct Diags {
    /// What was found.
    pub found: Diagnostics,
    /// Options that stand in the template, whether their values could be read or not.
    written: Vec<String>,
}

impl Diags {
    /// Goes on from what decoding `body` has found.
    pub fn new(found: Diagnostics, body: &Body) -> Self {
        Diags { found, written: body.names().iter().map(|name| name.to_ascii_lowercase()).collect() }
    }

    /// An option is missing, or written and empty: then it is shown. Says nothing where it was written and could not be read: that
    /// has been told.
    pub fn missing(&mut self, reader: &Reader, options: &[&str], message: impl Into<String>) {
        if !options.iter().any(|option| self.unread(reader, option)) {
            let written = options.iter().find(|option| reader.has(option));
            self.error(&written.map_or_else(|| reader.span().clone(), |option| reader.place(option)), message);
        }
    }

    /// Whether an option was written and could not be read.
    pub fn unread(&self, reader: &Reader, option: &str) -> bool {
        !reader.has(option) && self.written.iter().any(|name| name == option)
    }

    /// An error at a place.
    pub fn error(&mut self, at: &Span, message: impl Into<String>) {
        self.found.push(Diagnostic::error(message).at(at));
    }

    /// An error at a place, and what to do about it.
    pub fn error_help(&mut self, at: &Span, message: impl Into<String>, help: impl Into<String>) {
        self.found.push(Diagnostic::error(message).at(at).help(help));
    }

    /// A warning at a place.
    pub fn warning(&mut self, at: &Span, message: impl Into<String>, help: impl Into<String>) {
        self.found.push(Diagnostic::warning(message).at(at).help(help));
    }
}

/// A string that is not empty.
pub fn text(reader: &Reader, name: &str) -> Option<String> {
    reader.text(name).map(|s| s.value)
}

/// A list of strings; none where it was not written.
pub fn strings(reader: &Reader, name: &str) -> Vec<String> {
    reader.strings(name).map_or_else(Vec::new, |list| list.value.into_iter().map(|s| s.value).collect())
}

/// A map of strings, in the order of the file.
pub fn map(reader: &Reader, name: &str) -> Vec<(String, String)> {
    reader.map(name).map_or_else(Vec::new, |map| map.value.into_iter().map(|(k, v)| (k, v.value)).collect())
}

/// Tags as written, to be rendered once the source image is known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LateTags(Vec<(String, Spanned<String>)>);

impl LateTags {
    /// Reads a map option marked `later`.
    pub fn read(reader: &Reader, name: &str) -> Self {
        LateTags(reader.map(name).map_or_else(Vec::new, |map| map.value.into_iter().collect()))
    }

    /// No tags.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys as written.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.as_str())
    }

    /// Renders keys and values.
    pub fn render(&self, context: &Context, diags: &mut Diagnostics) -> BTreeMap<String, String> {
        let mut tags = BTreeMap::new();
        for (key, value) in &self.0 {
            let key = render(&Spanned::new(key.clone(), value.span.clone()), context);
            match (key, render(value, context)) {
                (Ok(key), Ok(value)) => {
                    tags.insert(key, value);
                }
                (key, value) => {
                    for error in [key.err(), value.err()].into_iter().flatten() {
                        diags.push(error);
                    }
                }
            }
        }
        tags
    }
}
