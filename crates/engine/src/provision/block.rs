//! A block's options, read twice: at prepare with the names that a builder promises, and at run with their values.

use super::{BuildData, ProvisionError};
use imgbuild_diag::{Diagnostic, Diagnostics, Span};
use imgbuild_template::interpolate::render;
use imgbuild_template::{Body, Context, Reader, Spanned, Table};
use std::path::{Path, PathBuf};

/// A block with the table that reads it.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    body: Body,
    table: &'static Table,
    context: Context,
}

impl Block {
    /// Reads the block for the first time. `promised` are the builder's own data names (`SourceAMI`, …).
    pub(crate) fn prepare(
        body: &Body,
        table: &'static Table,
        context: &Context,
        promised: &[&str],
        diags: &mut Diagnostics,
    ) -> (Self, Reader) {
        let reader = body.reader(table, &context.clone().with_promised(promised), diags);
        (Block { body: body.clone(), table, context: context.clone() }, reader)
    }

    /// Reads it again with data. What was right at prepare can only be wrong now if an expression came out wrong.
    pub(crate) fn read(&self, data: &BuildData) -> Result<Reader, String> {
        let mut diags = Diagnostics::new();
        let reader = self.body.reader(self.table, &self.data(data), &mut diags);
        if diags.has_errors() { Err(diags.to_string()) } else { Ok(reader) }
    }

    /// The context of the second pass.
    pub(crate) fn data(&self, data: &BuildData) -> Context {
        self.context.clone().with_data(data.iter().map(|(k, v)| (k.as_str(), v.as_str())))
    }

    /// The context without data.
    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    /// Renders an option marked `later` with these further fields.
    pub(crate) fn render(
        &self,
        text: &Spanned<String>,
        data: &BuildData,
        fields: &[(&str, &str)],
    ) -> Result<String, String> {
        let mut context = self.data(data);
        for (name, value) in fields {
            context = context.with_field(*name, *value);
        }
        render(text, &context).map_err(|e| e.to_string())
    }

    /// The name that a plugin knows its build by: in HCL2 the source's name, else that of the build.
    pub(crate) fn build_name<'a>(&'a self, whole: &'a str) -> &'a str {
        self.context.build_name().unwrap_or(whole)
    }

    /// A path of this machine, relative ones to the working directory.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.context.ambient().cwd.join(path)
    }

    /// The home directory, for `~` where Packer expands it.
    pub(crate) fn home(&self) -> PathBuf {
        self.context.ambient().env.get("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from)
    }
}

impl From<String> for ProvisionError {
    fn from(text: String) -> Self {
        ProvisionError::Failed(text)
    }
}

/// A text that is not empty.
pub(crate) fn text(reader: &Reader, name: &str) -> Option<String> {
    reader.text(name).map(|s| s.value)
}

/// A list of texts.
pub(crate) fn strings(reader: &Reader, name: &str) -> Vec<Spanned<String>> {
    reader.strings(name).map(|list| list.value).unwrap_or_default()
}

/// An error at a place.
pub(crate) fn error(diags: &mut Diagnostics, at: &Span, message: impl Into<String>) {
    diags.push(Diagnostic::error(message).at(at));
}

/// Reports a file that is not there or not a file.
pub(crate) fn check_file(diags: &mut Diagnostics, at: &Span, what: &str, written: &str, path: &Path) {
    match fs_err::metadata(path) {
        Ok(meta) if meta.is_file() => {}
        Ok(_) => error(diags, at, format!("{what}: {written} must point to a file")),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            error(diags, at, format!("{what}: {written} is invalid: no such file or directory"));
        }
        Err(e) => error(diags, at, format!("{what}: {written} is invalid: {}", e.kind())),
    }
}
