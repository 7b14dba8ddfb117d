//! What `shell` and `shell-local` have in common: scripts, inline lines, exit codes; and `shell`'s options.

use super::block::{Block, error, strings, text};
use imgbuild_diag::{Diagnostic, Diagnostics};
use imgbuild_template::{Kind, Opt, Reader, Table};
use std::path::PathBuf;

/// The exit code by which Packer calls a lost connection.
pub(crate) const DISCONNECTED: i64 = 2_300_218;

/// Where scripts come from.
pub(crate) const SCRIPTS: &[Opt] = &[
    Opt::new("inline", Kind::Strings, "Lines of one script."),
    Opt::new("script", Kind::String, "A script file."),
    Opt::new("scripts", Kind::Strings, "Script files, run in order."),
    Opt::new("inline_shebang", Kind::String, "First line of the script made of `inline`.").default("/bin/sh -e"),
    Opt::new("environment_vars", Kind::Strings, "Variables, each `NAME=value`."),
    Opt::new("env", Kind::Map, "Variables; wins over environment_vars."),
    Opt::new("env_var_format", Kind::String, "How a variable is written, with two %s.").default("%s='%s' "),
    Opt::new("valid_exit_codes", Kind::Ints, "Exit codes that are no failure.").default("[0]"),
];

const SHELL: &[Opt] = &[
    Opt::new("execute_command", Kind::String, "How a script is run: {{ .Path }}, {{ .Vars }}, {{ .EnvVarFile }}.")
        .default("chmod +x {{.Path}}; {{.Vars}} {{.Path}}")
        .later(),
    Opt::new("use_env_var_file", Kind::Bool, "Put the variables into a file that is sourced.").default("false"),
    Opt::new("binary", Kind::Bool, "Leave line ends as they are.").default("false"),
    Opt::new("remote_folder", Kind::String, "Folder for the script on the machine.").default("/tmp"),
    Opt::new("remote_file", Kind::String, "Its name there.").default("script_<random>.sh"),
    Opt::new("remote_path", Kind::String, "Its whole path there.").default("remote_folder/remote_file"),
    Opt::new("skip_clean", Kind::Bool, "Leave the script on the machine.").default("false"),
    Opt::new("expect_disconnect", Kind::Bool, "A lost connection is no failure.").default("false"),
    Opt::new("start_retry_timeout", Kind::Duration, "How long to try to start a script.").default("5m"),
    Opt::new("pause_after", Kind::Duration, "Wait this long afterwards.").default("0"),
];

/// All options of `shell`.
pub(crate) static TABLE: Table = Table::new("shell", &[SCRIPTS, SHELL]);

/// Scripts to run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scripts {
    /// Lines of one script.
    Inline(Vec<String>),
    /// Files: as written, and where they are.
    Files(Vec<(String, PathBuf)>),
}

/// Reads the script options; what is wrong with them is reported.
pub(crate) fn check_scripts(reader: &Reader, block: &Block, diags: &mut Diagnostics) -> Scripts {
    let inline: Vec<String> = strings(reader, "inline").into_iter().map(|line| line.value).collect();
    let mut files = strings(reader, "scripts");
    let script = reader.text("script");
    if script.is_some() && !files.is_empty() {
        error(diags, &reader.place("script"), "Only one of script or scripts can be specified.");
    }
    files.splice(0..0, script);
    let told = ["inline", "script", "scripts"].iter().any(|name| reader.unread(name));
    if files.is_empty() && inline.is_empty() && !told {
        let message = "Either a script file or inline script must be specified.";
        diags.push(Diagnostic::error(message).at(reader.span()).help("write one of inline, script and scripts"));
    }
    if !files.is_empty() && !inline.is_empty() {
        error(diags, &reader.place("inline"), "Only a script file or an inline script can be specified, not both.");
    }
    let mut found = Vec::new();
    for file in files {
        let path = block.path(&file);
        match fs_err::metadata(&path) {
            Ok(meta) if meta.is_dir() => {
                error(diags, &file.span, format!("Bad script '{}': it is a directory", file.value))
            }
            Err(e) => error(diags, &file.span, format!("Bad script '{}': {}", file.value, reason(&e))),
            Ok(_) => {}
        }
        found.push((file.value, path));
    }
    if inline.is_empty() { Scripts::Files(found) } else { Scripts::Inline(inline) }
}

/// The reason of an I/O error without the path, which stands before it.
pub(crate) fn reason(e: &std::io::Error) -> String {
    match e.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".into(),
        std::io::ErrorKind::PermissionDenied => "permission denied".into(),
        _ => e.to_string(),
    }
}

/// The script made of inline lines. A first line that is a shebang already is respected where the option is not written.
pub(crate) fn inline_script(lines: &[String], shebang: Option<&str>) -> Vec<u8> {
    let own = lines.first().is_some_and(|line| line.starts_with("#!"));
    let mut script = String::new();
    if shebang.is_some() || !own {
        script.push_str(&format!("#!{}\n", shebang.unwrap_or("/bin/sh -e")));
    }
    for line in lines {
        script.push_str(line);
        script.push('\n');
    }
    script.into_bytes()
}

/// `valid_exit_codes`.
pub(crate) fn exit_codes(reader: &Reader) -> Vec<i64> {
    match reader.ints("valid_exit_codes") {
        Some(codes) if !codes.value.is_empty() => codes.value.iter().map(|code| code.value).collect(),
        _ => vec![0],
    }
}

/// `env_var_format` or its default.
pub(crate) fn env_var_format(reader: &Reader) -> String {
    text(reader, "env_var_format").unwrap_or_else(|| "%s='%s' ".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inline_scripts() {
        let lines = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        assert_eq!(inline_script(&lines(&["a", "b"]), None), b"#!/bin/sh -e\na\nb\n");
        assert_eq!(inline_script(&lines(&["#!/bin/bash", "b"]), None), b"#!/bin/bash\nb\n");
        assert_eq!(inline_script(&lines(&["#!/bin/bash"]), Some("/bin/sh -x")), b"#!/bin/sh -x\n#!/bin/bash\n");
    }
}
