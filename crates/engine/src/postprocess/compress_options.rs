//! `compress`: its options, and what a file name says about the format.

use crate::provision::text;
use imgbuild_diag::{Diagnostic, Diagnostics};
use imgbuild_template::{Kind, Opt, Reader, Table};

pub(super) static TABLE: Table = Table::new(
    "compress",
    &[&[
        Opt::new(
            "output",
            Kind::String,
            "The file: {{.BuildName}}, {{.BuilderType}}. Its extensions choose the format.",
        )
        .default(OUTPUT)
        .later(),
        Opt::new("format", Kind::String, "tar, zip, gz, bgzf, lz4, xz, bz2, or an archive and one of these: tar.gz."),
        Opt::new("compression_level", Kind::Int, "1 (fast) to 9 (small); more is 9, less is the default.").default("6"),
    ]],
);

/// The default of `output`.
pub(super) const OUTPUT: &str = "packer_{{.BuildName}}_{{.BuilderType}}";

/// How many files become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Archive {
    /// Not at all: one file only.
    None,
    /// tar.
    Tar,
    /// zip.
    Zip,
}

/// How bytes become fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// They don't.
    None,
    /// gzip.
    Gzip,
    /// gzip in blocks that can be read one by one (the SAM format's specification, section 4.1).
    Bgzf,
    /// LZ4 frames.
    Lz4,
    /// xz.
    Xz,
    /// bzip2.
    Bzip2,
}

/// What an output name and `format` mean. The last extension counts, and `tar` before it. Source: Packer's compress.
pub(super) fn detect(output: &str, format: Option<&str>) -> Result<(Archive, Algorithm), String> {
    let whole = match format {
        Some(format) => format!("{output}.{format}"),
        None => output.to_owned(),
    };
    let extensions: Vec<&str> = whole.split('.').skip(1).map(extension).filter(|e| !e.is_empty()).collect();
    let Some(last) = extensions.last() else { return Ok((Archive::Tar, Algorithm::Gzip)) };
    let tar = extensions.len() > 1 && extensions[extensions.len() - 2] == "tar";
    let archive = if tar { Archive::Tar } else { Archive::None };
    Ok(match *last {
        "tar" => (Archive::Tar, Algorithm::None),
        "zip" => (Archive::Zip, Algorithm::None),
        "gz" => (archive, Algorithm::Gzip),
        "lz4" => (archive, Algorithm::Lz4),
        "xz" => (archive, Algorithm::Xz),
        "bz2" => (archive, Algorithm::Bzip2),
        "bgzf" => (archive, Algorithm::Bgzf),
        _ => (Archive::Tar, Algorithm::Gzip),
    })
}

/// The run of small letters and digits after a dot.
fn extension(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit()).unwrap_or(text.len());
    &text[..end]
}

/// Checks what can be known before a build.
pub(super) fn check(reader: &Reader, diags: &mut Diagnostics) {
    let output = text(reader, "output").unwrap_or_else(|| OUTPUT.into());
    if let Err(why) = detect(&without_expressions(&output), text(reader, "format").as_deref()) {
        let option = if reader.has("format") { "format" } else { "output" };
        diags.push(Diagnostic::error(why).at(&reader.place(option)));
    }
}

/// `{{ .BuildName }}` is no extension.
fn without_expressions(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        out.push_str(&rest[..start]);
        rest = rest[start..].find("}}").map_or("", |end| &rest[start + end + 2..]);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        for (output, format, expected) in [
            ("packer_a_b", None, (Archive::Tar, Algorithm::Gzip)),
            ("x.tar.gz", None, (Archive::Tar, Algorithm::Gzip)),
            ("x.tar", None, (Archive::Tar, Algorithm::None)),
            ("x.zip", None, (Archive::Zip, Algorithm::None)),
            ("one.gz", None, (Archive::None, Algorithm::Gzip)),
            ("x.tar.xz", None, (Archive::Tar, Algorithm::Xz)),
            ("x.img.lz4", None, (Archive::None, Algorithm::Lz4)),
            ("x.unknown", None, (Archive::Tar, Algorithm::Gzip)),
            ("x.tar.bgzf", None, (Archive::Tar, Algorithm::Bgzf)),
            ("foo", Some("zip"), (Archive::Zip, Algorithm::None)),
            ("foo", Some("tar.bz2"), (Archive::Tar, Algorithm::Bzip2)),
        ] {
            assert_eq!(detect(output, format), Ok(expected), "{output} {format:?}");
        }
        assert_eq!(without_expressions("a_{{.BuildName}}.tar.gz"), "a_.tar.gz");
    }
}
