//! `goss`: installs goss on the machine, uploads its tests and runs them. Options and order are those of the community plugin.
//!
//! Secrets: the plugin writes the download's password and `vars_env` into command lines, where everyone on the machine can read
//! them. Here they travel on standard input.

use super::block::{Block, error, strings, text};
use super::lines::{Ended, show};
use super::shell_options::reason;
use super::{ProvisionError, Provisioner, Session};
use crate::communicator::{Command, Communicator, Process};
use crate::shell_quote::quote;
use async_trait::async_trait;
use imgbuild_diag::Diagnostics;
use imgbuild_template::{Body, Context, Kind, Opt, Reader, Spanned, Table};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use tokio::io::AsyncWriteExt as _;

/// The version that the plugin installs where none is named.
const VERSION: &str = "0.4.2";
const FORMATS: &[&str] =
    &["documentation", "json", "json_oneline", "junit", "nagios", "nagios_verbose", "rspecish", "silent", "tap"];
const FORMAT_OPTIONS: &[&str] = &["perfdata", "pretty", "verbose"];
/// What is rendered on the machine and downloaded afterwards.
const SPECS: [(&str, &str, &str); 2] =
    [("render", "render", "/tmp/goss-spec.yaml"), ("render debug", "render -d", "/tmp/debug-goss-spec.yaml")];

pub(super) static TABLE: Table = Table::new(
    "goss",
    &[&[
        Opt::new("tests", Kind::Strings, "Files and folders of tests.").default("required"),
        Opt::new("version", Kind::String, "Version of goss to install.").default(VERSION),
        Opt::new("arch", Kind::String, "Its architecture.").default("amd64"),
        Opt::new("url", Kind::String, "Where it is downloaded from.").default("its release page"),
        Opt::new("download_path", Kind::String, "Where it is put.").default("/tmp/goss-<version>-linux-<arch>"),
        Opt::new("username", Kind::String, "For the download."),
        Opt::new("password", Kind::String, "For the download."),
        Opt::new("skip_install", Kind::Bool, "It is at download_path already.").default("false"),
        Opt::new("skip_ssl", Kind::Bool, "Do not check the download's certificate.").default("false"),
        Opt::new("inspect", Kind::Bool, "A failed test is no failure.").default("false"),
        Opt::new("target_os", Kind::String, "\"Linux\".").default("Linux"),
        Opt::new("retry_timeout", Kind::String, "How long goss tries again.").default("0s"),
        Opt::new("sleep", Kind::String, "Between its tries.").default("1s"),
        Opt::new("use_sudo", Kind::Bool, "Run the tests as root.").default("false"),
        Opt::new("goss_file", Kind::String, "Its --gossfile."),
        Opt::new("vars_file", Kind::String, "Its --vars: a file of this machine."),
        Opt::new("vars_inline", Kind::Map, "Its --vars-inline."),
        Opt::new("vars_env", Kind::Map, "Environment of goss."),
        Opt::new("remote_folder", Kind::String, "Folder for the tests; must be there.").default("/tmp"),
        Opt::new("remote_path", Kind::String, "The tests' own folder.").default("remote_folder/goss"),
        Opt::new("skip_download", Kind::Bool, "Do not fetch the rendered tests.").default("false"),
        Opt::new("format", Kind::String, "Output format of goss."),
        Opt::new("format_options", Kind::String, "perfdata, pretty or verbose."),
    ]],
);

/// A prepared `goss`.
pub(crate) struct Goss {
    block: Block,
}

struct Settings {
    tests: Vec<Spanned<String>>,
    url: String,
    program: String,
    folder: String,
    vars_file: Option<Spanned<String>>,
    /// What stands between the program and its command.
    options: String,
    /// What follows `validate`.
    validate: String,
    /// `NAME='value'` lines.
    environment: String,
}

impl Goss {
    /// Reads and checks the options.
    pub(crate) fn prepare(body: &Body, context: &Context, promised: &[&str], diags: &mut Diagnostics) -> Self {
        let (block, reader) = Block::prepare(body, &TABLE, context, promised, diags);
        let settings = Settings::read(&reader, diags);
        for test in settings.tests.iter().chain(&settings.vars_file) {
            if let Err(e) = fs_err::metadata(block.path(test)) {
                error(diags, &test.span, format!("Bad test '{}': {}", test.value, reason(&e)));
            }
        }
        Goss { block }
    }
}

impl Settings {
    fn read(reader: &Reader, diags: &mut Diagnostics) -> Self {
        let tests = strings(reader, "tests");
        if tests.is_empty() && !reader.unread("tests") {
            error(diags, &reader.place("tests"), "tests must be specified");
        }
        for (option, known) in [("format", FORMATS), ("format_options", FORMAT_OPTIONS), ("target_os", &["Linux"])] {
            if let Some(written) = reader.text(option)
                && !known.contains(&written.as_str())
            {
                error(diags, &written.span, format!("{option} is {:?}, it may be {}", written.value, known.join(", ")));
            }
        }
        let environment: Vec<(String, String)> =
            reader.map("vars_env").map(|m| m.value).into_iter().flatten().map(|(k, v)| (k, v.value)).collect();
        let version = text(reader, "version").unwrap_or_else(|| VERSION.into());
        let arch = text(reader, "arch").unwrap_or_else(|| "amd64".into());
        let alpha = environment.iter().any(|(name, value)| name == "GOSS_USE_ALPHA" && value == "1");
        let url = text(reader, "url").unwrap_or_else(|| {
            let alpha = if alpha { "alpha-" } else { "" };
            format!("https://github.com/goss-org/goss/releases/download/v{version}/goss-{alpha}linux-{arch}")
        });
        let folder = text(reader, "remote_path").unwrap_or_else(|| {
            format!("{}/goss", text(reader, "remote_folder").unwrap_or_else(|| "/tmp".into()).trim_end_matches('/'))
        });
        let mut options = String::new();
        if let Some(file) = text(reader, "goss_file") {
            options.push_str(&format!(" --gossfile {}", quote(&file)));
        }
        let vars_file = reader.text("vars_file");
        if let Some(file) = &vars_file {
            options.push_str(&format!(" --vars {}", quote(&format!("{folder}/{}", base(file)))));
        }
        let inline: serde_json::Map<String, serde_json::Value> = reader
            .map("vars_inline")
            .map(|m| m.value)
            .into_iter()
            .flatten()
            .map(|(k, v)| (k, v.value.into()))
            .collect();
        if !inline.is_empty() {
            options.push_str(&format!(" --vars-inline {}", quote(&serde_json::Value::Object(inline).to_string())));
        }
        let or = |name: &str, default: &str| quote(&text(reader, name).unwrap_or_else(|| default.into()));
        let mut validate = format!("--retry-timeout {} --sleep {}", or("retry_timeout", "0s"), or("sleep", "1s"));
        for (flag, name) in [("-f", "format"), ("-o", "format_options")] {
            if let Some(value) = text(reader, name) {
                validate.push_str(&format!(" {flag} {}", quote(&value)));
            }
        }
        Settings {
            tests,
            program: text(reader, "download_path").unwrap_or_else(|| format!("/tmp/goss-{version}-linux-{arch}")),
            url,
            folder,
            vars_file,
            options,
            validate,
            environment: environment.iter().map(|(name, value)| format!("{name}={}\n", quote(value))).collect(),
        }
    }
}

/// The last name of a path.
fn base(path: &str) -> String {
    Path::new(path).file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

#[async_trait]
impl Provisioner for Goss {
    async fn provision(&self, session: &Session) -> Result<(), ProvisionError> {
        let reader = self.block.read(&session.data)?;
        let mut diags = Diagnostics::new();
        let settings = Settings::read(&reader, &mut diags);
        if diags.has_errors() {
            return Err(diags.to_string().into());
        }
        let comm = session.communicator()?;
        let ui = &session.reporter;
        ui.say("Provisioning with Goss");
        ui.say("Configured to run on Linux");
        ui.message(format!("Creating directory: {}", settings.folder));
        must(&*comm, session, &format!("mkdir -p {}", quote(&settings.folder)), "", "the tests' folder can't be made")
            .await?;
        if reader.is_true("skip_install") {
            ui.message("Skipping Goss installation");
        } else {
            install(&*comm, session, &settings, &reader).await?;
        }
        ui.say("Uploading goss tests...");
        for (what, file) in
            settings.vars_file.iter().map(|f| ("vars file ", f)).chain(settings.tests.iter().map(|t| ("", t)))
        {
            self.upload(&*comm, session, what, file, &settings.folder).await?;
        }
        ui.say("Running goss tests...");
        let goss = |command: &str| -> String {
            // The environment comes on standard input, before goss takes the shell's place.
            format!(
                "sh -c 'set -a; . /dev/stdin; set +a; exec \"$0\" \"$@\"' {}{} {command}",
                quote(&settings.program),
                settings.options
            )
        };
        let cd = format!("cd {} &&", quote(&settings.folder));
        let sudo = if reader.is_true("use_sudo") { " sudo" } else { "" };
        let mut commands: Vec<(&str, String)> =
            SPECS.iter().map(|(name, command, file)| (*name, format!("{cd} {} > {file}", goss(command)))).collect();
        commands.push(("validate", format!("{cd}{sudo} {}", goss(&format!("validate {}", settings.validate)))));
        for (name, line) in commands {
            ui.say(format!("Running GOSS {name} command: {line}"));
            match execute(&*comm, session, &line, &settings.environment).await? {
                Ended::Status(0) => ui.say(format!("Goss {name} ran successfully")),
                _ if reader.is_true("inspect") => {
                    ui.say(format!("Goss {name} failed"));
                    ui.say("Inspect mode on : proceeding without failing Packer");
                }
                ended => return Err(format!("Error running Goss: goss {name} {}", how(ended)).into()),
            }
        }
        if reader.is_true("skip_download") {
            ui.message("Skipping Goss spec file and debug info download");
            return Ok(());
        }
        ui.say("Downloading spec file and debug info");
        for (_, _, from) in SPECS {
            let mut bytes = Vec::new();
            comm.download(from, &mut bytes, None).await?;
            let to = self.block.path(&base(from));
            fs_err::tokio::write(&to, bytes).await.map_err(|e| e.to_string())?;
        }
        Ok(())
    }
}

impl Goss {
    async fn upload(
        &self,
        comm: &dyn Communicator,
        session: &Session,
        what: &str,
        source: &Spanned<String>,
        folder: &str,
    ) -> Result<(), ProvisionError> {
        let path = self.block.path(source);
        let bad = |e: std::io::Error| format!("Bad test '{}': {}", source.value, reason(&e));
        let meta = fs_err::metadata(&path).map_err(bad)?;
        let to = format!("{folder}/{}", base(source));
        if meta.is_dir() {
            session.reporter.message(format!("Uploading Dir {}", source.value));
            return Ok(comm.upload_dir(&path, true, &to, &[], None).await?);
        }
        session.reporter.message(format!("Uploading {what}{}", source.value));
        let mut file = fs_err::tokio::File::open(&path).await.map_err(bad)?;
        let mode = meta.permissions().mode() & 0o777;
        Ok(comm.upload(&mut file, Some(meta.len()), &to, Some(mode), None).await?)
    }
}

/// Downloads goss on the machine: curl, or wget where that fails.
async fn install(
    comm: &dyn Communicator,
    session: &Session,
    settings: &Settings,
    reader: &Reader,
) -> Result<(), ProvisionError> {
    let ui = &session.reporter;
    ui.message(format!("Installing Goss from, {}", settings.url));
    ui.message(format!("Downloading Goss to {}", settings.program));
    let (program, url) = (quote(&settings.program), quote(&settings.url));
    let (no_check, no_check_wget) =
        if reader.is_true("skip_ssl") { (" -k", " --no-check-certificate") } else { ("", "") };
    let (user, password) = (text(reader, "username"), text(reader, "password").unwrap_or_default());
    ui.redactor().add(&password);
    // Each reads its own kind of settings file; what they read is on standard input.
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"");
    let tries = [
        (
            format!("curl -fL -K -{no_check} -o {program} {url}"),
            user.as_ref().map(|user| format!("user = \"{}:{}\"\n", escaped(user), escaped(&password))),
        ),
        (
            format!("wget --config=/dev/stdin{no_check_wget} -O {program} {url}"),
            user.as_ref().map(|user| format!("user={user}\npassword={password}\n")),
        ),
    ];
    let mut last = Ended::Disconnected;
    for (line, input) in tries {
        last = execute(comm, session, &line, &input.unwrap_or_default()).await?;
        if last == Ended::Status(0) {
            let line = format!("chmod 555 {program} && {program} --version");
            return must(comm, session, &line, "", "Error installing Goss: it can't be run").await;
        }
    }
    Err(format!("Error installing Goss: the download {} (neither curl nor wget got {})", how(last), settings.url)
        .into())
}

fn how(ended: Ended) -> String {
    match ended {
        Ended::Status(status) => format!("ended with status {status}"),
        Ended::Disconnected => "lost its connection".into(),
    }
}

/// Runs a command with this standard input and shows its output.
async fn execute(comm: &dyn Communicator, session: &Session, line: &str, input: &str) -> Result<Ended, ProvisionError> {
    let Process { mut stdin, output, exit, reached } = comm.start(Command::new(line)).await?;
    // A command that ends without reading is no error here: its exit status tells.
    let _ = stdin.write_all(input.as_bytes()).await;
    let _ = stdin.shutdown().await;
    show(Process { stdin, output, exit, reached }, &session.reporter).await
}

async fn must(
    comm: &dyn Communicator,
    session: &Session,
    line: &str,
    input: &str,
    what: &str,
) -> Result<(), ProvisionError> {
    match execute(comm, session, line, input).await? {
        Ended::Status(0) => Ok(()),
        ended => Err(format!("{what}: the command {}", how(ended)).into()),
    }
}
