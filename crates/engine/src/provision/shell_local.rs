//! `shell-local`: scripts on this machine, as a provisioner and as a post-processor. Source of the behaviour: the plugin SDK's
//! shell-local.
//!
//! Secrets: Packer writes the variables into the command line of `/bin/sh -c`. With the default command they are given as the
//! process's environment here; only an `execute_command` of the template's own that says `{{ .Vars }}` gets them as text.

use super::block::{Block, error, strings, text};
use super::environment::Environment;
use super::lines::Lines;
use super::shell_options::{SCRIPTS, Scripts, check_scripts, env_var_format, exit_codes, inline_script};
use super::{BuildData, ProvisionError, Provisioner, Session};
use crate::event::Reporter;
use crate::run::Cancel;
use async_trait::async_trait;
use imgbuild_diag::Diagnostics;
use imgbuild_template::{Body, Context, Kind, Opt, Reader, Spanned, Table};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};

const LOCAL: &[Opt] = &[
    Opt::new("command", Kind::String, "One command line; use inline."),
    Opt::new(
        "execute_command",
        Kind::Strings,
        "Program and arguments that run a script: {{ .Script }}, {{ .Vars }}, {{ .Command }}.",
    )
    .default("[\"/bin/sh\", \"-c\", \"{{.Vars}} {{.Script}}\"]")
    .later(),
    Opt::new("only_on", Kind::Strings, "Operating systems to run on (`linux`)."),
    Opt::new("tempfile_extension", Kind::String, "Extension of the script made of `inline`."),
    Opt::new("use_linux_pathing", Kind::Bool, "For Windows.")
        .refused("it is for Windows, which imgbuild does not run on"),
];

pub(crate) static TABLE: Table = Table::new("shell-local", &[SCRIPTS, LOCAL]);

/// The systems that Packer knows by name.
const SYSTEMS: &[&str] = &["darwin", "freebsd", "linux", "openbsd", "solaris", "windows"];

/// The options.
pub(crate) fn table() -> &'static Table {
    &TABLE
}

/// A prepared `shell-local`.
pub(crate) struct ShellLocal {
    block: Block,
}

struct Settings {
    environment: Environment,
    env_var_format: String,
    execute_command: Vec<Spanned<String>>,
    scripts: Scripts,
    inline_shebang: Option<String>,
    valid_exit_codes: Vec<i64>,
    only_on: Vec<String>,
    extension: String,
}

/// What a run of the scripts belongs to.
pub(crate) struct On<'a> {
    pub build_name: &'a str,
    pub builder_type: &'a str,
    pub data: &'a BuildData,
    pub reporter: &'a Reporter,
    pub cancel: &'a Cancel,
    /// Further variables.
    pub more: &'a [(&'a str, String)],
}

impl ShellLocal {
    /// Reads and checks the options.
    pub(crate) fn prepare(body: &Body, context: &Context, promised: &[&str], diags: &mut Diagnostics) -> Self {
        let (block, reader) = Block::prepare(body, &TABLE, context, promised, diags);
        Settings::read(&block, &reader, diags);
        ShellLocal { block }
    }

    /// Runs the scripts.
    pub(crate) async fn run(&self, on: &On<'_>) -> Result<(), ProvisionError> {
        let reader = self.block.read(on.data)?;
        let mut diags = Diagnostics::new();
        let mut settings = Settings::read(&self.block, &reader, &mut diags);
        if diags.has_errors() {
            return Err(diags.to_string().into());
        }
        if !settings.only_on.is_empty() && !settings.only_on.iter().any(|os| os == "linux") {
            on.reporter.say("Skipping shell-local due to runtime OS");
            return Ok(());
        }
        let http = on.data.get("PackerHTTPAddr").map(String::as_str).filter(|http| !http.is_empty());
        let name = self.block.build_name(on.build_name);
        settings.environment = settings.environment.with_build(name, on.builder_type, http);
        for (name, value) in on.more {
            settings.environment.give(name, value.as_str());
        }
        let failed = |e: std::io::Error| format!("the script can't be written: {e}");
        match &settings.scripts {
            Scripts::Inline(lines) => {
                let text = inline_script(lines, settings.inline_shebang.as_deref());
                // In a folder of its own: see `write`.
                let dir = tempfile::Builder::new().prefix("packer-shell").tempdir().map_err(failed)?;
                let path = dir.path().join(format!("script{}", settings.extension));
                write(&text, &path).await.map_err(failed)?;
                self.script(&settings, &path.display().to_string(), &path, on).await
            }
            Scripts::Files(files) => {
                for (written, path) in files {
                    self.script(&settings, written, path, on).await?;
                }
                Ok(())
            }
        }
    }

    async fn script(&self, settings: &Settings, shown: &str, path: &Path, on: &On<'_>) -> Result<(), ProvisionError> {
        let script = path.display().to_string();
        on.reporter.say(format!("Running local shell script: {shown}"));
        let mut command = if settings.execute_command.is_empty() {
            let mut command = tokio::process::Command::new("/bin/sh");
            // A script that may not be executed fails here, as it does with Packer's command.
            command.args(["-c", "exec \"$0\"", &script]).envs(settings.environment.all());
            command
        } else {
            let vars = settings.environment.flatten(&settings.env_var_format);
            let fields = [("Vars", vars.as_str()), ("Script", script.as_str()), ("Command", script.as_str())];
            let mut words = Vec::new();
            for word in &settings.execute_command {
                words.push(self.block.render(word, on.data, &fields)?);
            }
            let mut command = tokio::process::Command::new(&words[0]);
            command.args(&words[1..]);
            command
        };
        command
            .current_dir(&self.block.context().ambient().cwd)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(|e| format!("Error executing script {script}: {e}"))?;
        // Ends what the script has started however this function is left: by cancellation, a time-out, an error.
        let mut group = Group(child.id());
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err("a started process has no pipes".to_owned().into());
        };
        let all = async {
            tokio::join!(pump(stdout, |line| on.reporter.message(line)), pump(stderr, |line| on.reporter.error(line)));
            child.wait().await
        };
        let status = on.cancel.guard(all).await.ok_or(ProvisionError::Cancelled)?.map_err(|e| e.to_string())?;
        // It ended by itself: what it left running in the background was meant to.
        group.0 = None;
        let code = status.code().map_or_else(|| 128 + i64::from(status.signal().unwrap_or(0)), i64::from);
        if settings.valid_exit_codes.contains(&code) {
            return Ok(());
        }
        let allowed: Vec<String> = settings.valid_exit_codes.iter().map(i64::to_string).collect();
        Err(format!("Script exited with non-zero exit status: {code}. Allowed exit codes are: [{}]", allowed.join(" "))
            .into())
    }
}

/// A script with all that it started.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let id = self.0.and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(id) = id
            && let Err(e) = rustix::process::kill_process_group(id, rustix::process::Signal::TERM)
        {
            tracing::debug!("the script's processes can't be ended: {e}");
        }
    }
}

/// Writes a script that can be run. A child does it: a file that this process has open for writing may be open in any other
/// child that is being forked at that moment, and then the kernel refuses to run it ("text file busy").
async fn write(text: &[u8], path: &Path) -> std::io::Result<()> {
    let mut child = tokio::process::Command::new("/bin/sh")
        .args(["-c", "umask 077; cat > \"$0\" && chmod 700 \"$0\""])
        .arg(path)
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(text).await?;
        stdin.shutdown().await?;
    }
    let status = child.wait().await?;
    if status.success() {
        Ok(())
    } else {
        Err(std::io::Error::other(format!("the shell that writes it ended with {status}")))
    }
}

async fn pump(mut from: impl AsyncRead + Unpin, line: impl Fn(&str)) {
    let mut lines = Lines::default();
    let mut buffer = vec![0; 16 << 10];
    loop {
        match from.read(&mut buffer).await {
            Ok(0) | Err(_) => break,
            Ok(n) => lines.push(&buffer[..n], &line),
        }
    }
    lines.finish(&line);
}

impl Settings {
    fn read(block: &Block, reader: &Reader, diags: &mut Diagnostics) -> Self {
        let only_on: Vec<_> = strings(reader, "only_on");
        for os in &only_on {
            if !SYSTEMS.contains(&os.as_str()) {
                error(
                    diags,
                    &os.span,
                    format!(
                        "Invalid OS specified in only_on: '{}'. Supported OS names: {}",
                        os.value,
                        SYSTEMS.join(", ")
                    ),
                );
            }
        }
        let scripts = match reader.text("command") {
            Some(command) => {
                for other in ["inline", "script", "scripts"] {
                    if reader.has(other) {
                        error(
                            diags,
                            &reader.place(other),
                            format!("Only one of command and {other} can be specified."),
                        );
                    }
                }
                Scripts::Inline(vec![command.value])
            }
            None => check_scripts(reader, block, diags),
        };
        Settings {
            environment: Environment::read(reader, diags),
            env_var_format: env_var_format(reader),
            execute_command: strings(reader, "execute_command"),
            scripts,
            inline_shebang: text(reader, "inline_shebang"),
            valid_exit_codes: exit_codes(reader),
            only_on: only_on.into_iter().map(|os| os.value).collect(),
            extension: text(reader, "tempfile_extension").unwrap_or_default(),
        }
    }
}

#[async_trait]
impl Provisioner for ShellLocal {
    /// What it does on this machine is done.
    fn repeatable(&self) -> bool {
        false
    }

    fn ends_in_order(&self) -> bool {
        true
    }

    async fn provision(&self, session: &Session) -> Result<(), ProvisionError> {
        let run_id = session.data.get("PackerRunUUID").map(|id| ("PACKER_RUN_UUID", id.clone()));
        self.run(&On {
            build_name: &session.build_name,
            builder_type: &session.builder_type,
            data: &session.data,
            reporter: &session.reporter,
            cancel: &session.cancel,
            more: run_id.as_slice(),
        })
        .await
    }
}
