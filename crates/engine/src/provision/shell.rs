//! `shell`: scripts on the machine. Source of the behaviour: Packer's shell provisioner (options, order, messages, retries).
//!
//! Secrets: Packer writes all variables into the command line, where everyone on the machine can read them. Here variables of
//! the template travel in a file of mode 0600 that the command reads and the provisioner removes, as `use_env_var_file` does; also
//! where an `execute_command` of the template's own says `{{ .Vars }}`, if they can stand there by reference ([`super::shell_vars`]).

use super::block::{Block, error, text};
use super::environment::Environment;
use super::lines::{Ended, show};
use super::shell_options::{DISCONNECTED, Scripts, TABLE, check_scripts, exit_codes, inline_script};
use super::shell_vars::by_reference;
use super::{ProvisionError, Provisioner, Session, human, sleep};
use crate::agent_link::token;
use crate::communicator::{CommError, Command, Communicator};
use crate::shell_quote::quote;
use async_trait::async_trait;
use imgbuild_diag::Diagnostics;
use imgbuild_template::{Body, Context, Reader, Spanned};
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::Instant;

/// Between tries to start a script.
const RETRY: Duration = Duration::from_secs(2);

/// A prepared `shell`.
pub(crate) struct Shell {
    block: Block,
}

impl Shell {
    /// Reads and checks the options.
    pub(crate) fn prepare(body: &Body, context: &Context, promised: &[&str], diags: &mut Diagnostics) -> Self {
        let (block, reader) = Block::prepare(body, &TABLE, context, promised, diags);
        Settings::read(&reader, diags);
        check_scripts(&reader, &block, diags);
        Shell { block }
    }
}

struct Settings {
    environment: Environment,
    env_var_format: String,
    /// The format is Packer's default.
    plain_format: bool,
    use_env_var_file: bool,
    /// The template's own; `None` means the default.
    execute_command: Option<Spanned<String>>,
    inline_shebang: Option<String>,
    remote_path: String,
    remote_folder: String,
    skip_clean: bool,
    binary: bool,
    expect_disconnect: bool,
    valid_exit_codes: Vec<i64>,
    start_retry_timeout: Duration,
    pause_after: Duration,
}

impl Settings {
    fn read(reader: &Reader, diags: &mut Diagnostics) -> Self {
        let use_env_var_file = reader.is_true("use_env_var_file");
        let format = if use_env_var_file { "export %s='%s'\n" } else { "%s='%s' " };
        let env_var_format = text(reader, "env_var_format").unwrap_or_else(|| format.to_owned());
        if env_var_format.matches("%s").count() + env_var_format.matches("%q").count() != 2 {
            error(
                diags,
                &reader.place("env_var_format"),
                "env_var_format must have two places for values: %s for the name and %s for the value",
            );
        }
        let remote_folder = text(reader, "remote_folder").unwrap_or_else(|| "/tmp".into());
        // Unlike Packer's script_<0-9998>.sh, nobody can have made this file before us.
        let remote_file = text(reader, "remote_file").unwrap_or_else(|| format!("script_{}.sh", token()));
        let remote_path = text(reader, "remote_path").unwrap_or_else(|| format!("{remote_folder}/{remote_file}"));
        let duration = |name: &str| reader.duration(name).map(|d| d.value);
        Settings {
            environment: Environment::read(reader, diags),
            plain_format: text(reader, "env_var_format").is_none(),
            env_var_format,
            use_env_var_file,
            execute_command: reader.text("execute_command"),
            inline_shebang: text(reader, "inline_shebang"),
            remote_path,
            remote_folder,
            skip_clean: reader.is_true("skip_clean"),
            binary: reader.is_true("binary"),
            expect_disconnect: reader.is_true("expect_disconnect"),
            valid_exit_codes: exit_codes(reader),
            start_retry_timeout: duration("start_retry_timeout")
                .filter(|d| !d.is_zero())
                .unwrap_or(Duration::from_secs(300)),
            pause_after: duration("pause_after").unwrap_or_default(),
        }
    }
}

#[async_trait]
impl Provisioner for Shell {
    async fn provision(&self, session: &Session) -> Result<(), ProvisionError> {
        let reader = self.block.read(&session.data)?;
        let mut diags = Diagnostics::new();
        let mut settings = Settings::read(&reader, &mut diags);
        let scripts = check_scripts(&reader, &self.block, &mut diags);
        if diags.has_errors() {
            return Err(diags.to_string().into());
        }
        let comm = session.communicator()?;
        let http = session.data.get("PackerHTTPAddr").map(String::as_str).filter(|http| !http.is_empty());
        let name = self.block.build_name(&session.build_name);
        settings.environment = settings.environment.with_build(name, &session.builder_type, http);
        let run = Run { block: &self.block, settings, session, comm: &*comm };
        let result = run.all(scripts).await;
        run.clean_env_file().await;
        result?;
        if !run.settings.pause_after.is_zero() {
            session.reporter.say(format!("Pausing {} after this provisioner...", human(run.settings.pause_after)));
            sleep(session, run.settings.pause_after).await?;
        }
        Ok(())
    }
}

struct Run<'a> {
    block: &'a Block,
    settings: Settings,
    session: &'a Session,
    comm: &'a dyn Communicator,
}

impl Run<'_> {
    async fn all(&self, scripts: Scripts) -> Result<(), ProvisionError> {
        if self.shows_secrets()? {
            self.session.reporter.say(
                "Warning: a secret of \"environment_vars\" is on the machine's command line, where all its users can read it. In \"execute_command\", \
                 write {{ .Vars }} where a command begins: {{ .Vars }} sudo -E sh '{{ .Path }}'",
            );
        }
        match scripts {
            Scripts::Inline(lines) => {
                let text = inline_script(&lines, self.settings.inline_shebang.as_deref());
                self.one(&format!("{} inline lines", lines.len()), &text).await
            }
            Scripts::Files(files) => {
                for (written, path) in files {
                    let text = self.read(&path)?;
                    self.one(&written, &text).await?;
                }
                Ok(())
            }
        }
    }

    fn read(&self, path: &PathBuf) -> Result<Vec<u8>, ProvisionError> {
        let bytes = fs_err::read(path).map_err(|e| format!("Error opening shell script: {e}"))?;
        if self.settings.binary {
            return Ok(bytes);
        }
        Ok(unix_lines(&bytes))
    }

    /// The file for variables, if one is needed.
    fn env_file(&self) -> Option<String> {
        let needed = self.settings.use_env_var_file
            || self.by_reference()
            || (self.settings.execute_command.is_none() && self.settings.environment.has_own());
        // Its name follows from the script's, which is known before.
        needed.then(|| {
            let name = self.settings.remote_path.rsplit('/').next().unwrap_or("script");
            format!("{}/varfile_{name}", self.settings.remote_folder)
        })
    }

    /// Whether the template's own command gets references to the variables in the place of their values.
    fn by_reference(&self) -> bool {
        let settings = &self.settings;
        let own = settings.execute_command.as_ref().filter(|_| !settings.use_env_var_file && settings.plain_format);
        settings.environment.has_own() && own.is_some_and(|own| by_reference(own))
    }

    /// Whether the template's own command holds the value of a variable that is a secret.
    fn shows_secrets(&self) -> Result<bool, ProvisionError> {
        let vars = self.settings.environment.flatten(&self.settings.env_var_format);
        let secret = self.session.reporter.redactor().redact(&vars) != vars;
        Ok(secret && self.command(self.env_file().as_deref())?.contains(&vars))
    }

    fn command(&self, env_file: Option<&str>) -> Result<String, ProvisionError> {
        let vars = self.settings.environment.flatten(&self.settings.env_var_format);
        let path = self.settings.remote_path.as_str();
        let Some(own) = &self.settings.execute_command else {
            return Ok(match env_file {
                Some(file) => format!("chmod +x {path}; . {file} && {path}"),
                None => format!("chmod +x {path}; {vars} {path}"),
            });
        };
        if let Some(file) = env_file.filter(|_| self.by_reference()) {
            let (_, vars) = self.settings.environment.by_reference();
            let fields = [("Vars", vars.as_str()), ("Path", path), ("EnvVarFile", file)];
            return Ok(format!(". {}; {}", quote(file), self.block.render(own, &self.session.data, &fields)?));
        }
        let fields = [("Vars", vars.as_str()), ("Path", path), ("EnvVarFile", env_file.unwrap_or_default())];
        Ok(self.block.render(own, &self.session.data, &fields)?)
    }

    /// Uploads and starts as one unit, again and again until it starts: the machine may be rebooting.
    async fn one(&self, name: &str, script: &[u8]) -> Result<(), ProvisionError> {
        let reporter = &self.session.reporter;
        reporter.say(format!("Provisioning with shell script: {name}"));
        let env_file = self.env_file();
        let command = Command { line: self.command(env_file.as_deref())?, pty: self.session.pty };
        let end = Instant::now() + self.settings.start_retry_timeout;
        let process = loop {
            let started = async {
                self.connected(end).await?;
                if let Some(file) = env_file.as_ref().filter(|_| self.by_reference()) {
                    let (text, _) = self.settings.environment.by_reference();
                    self.upload(text.as_bytes(), file, 0o600).await?;
                } else if let Some(file) = &env_file {
                    let format = if self.settings.use_env_var_file {
                        self.settings.env_var_format.as_str()
                    } else {
                        "export %s='%s'\n"
                    };
                    let vars = self.settings.environment.flatten(format);
                    self.upload(vars.as_bytes(), file, 0o600).await?;
                }
                // With a command of the template's own another user may have to read it (`sudo -u app`): Packer's mode.
                let mode = if self.settings.execute_command.is_some() { 0o755 } else { 0o700 };
                self.upload(script, &self.settings.remote_path, mode).await?;
                self.comm.start(command.clone()).await
            };
            match tokio::time::timeout_at(end, started).await {
                Ok(Ok(process)) => break process,
                Ok(Err(e)) if Instant::now() + RETRY >= end => {
                    return Err(format!("Error starting the script: {e}").into());
                }
                Err(_) => {
                    let limit = human(self.settings.start_retry_timeout);
                    return Err(format!("the script could not be started within {limit} (start_retry_timeout)").into());
                }
                Ok(Err(e)) => tracing::debug!("the script can't be started yet: {e}"),
            }
            tokio::time::sleep(RETRY).await;
        };
        self.judge(show(process, reporter).await?)?;
        if !self.settings.skip_clean {
            self.remove(&self.settings.remote_path).await?;
        }
        Ok(())
    }

    fn judge(&self, ended: Ended) -> Result<(), ProvisionError> {
        let valid = &self.settings.valid_exit_codes;
        match ended {
            Ended::Disconnected if self.settings.expect_disconnect || valid.contains(&DISCONNECTED) => {
                self.session.reporter.message("The connection was lost, as expected");
                Ok(())
            }
            Ended::Disconnected => Err(ProvisionError::Failed(
                "Script disconnected unexpectedly. If you expected your script to disconnect, i.e. from a restart, you can try \
                 adding `\"expect_disconnect\": true` or `\"valid_exit_codes\": [0, 2300218]` to the shell provisioner parameters."
                    .into(),
            )),
            Ended::Status(status) if valid.contains(&status) => Ok(()),
            Ended::Status(status) => {
                let allowed: Vec<String> = valid.iter().map(i64::to_string).collect();
                Err(format!(
                    "Script exited with non-zero exit status: {status}. Allowed exit codes are: [{}]",
                    allowed.join(" ")
                )
                .into())
            }
        }
    }

    async fn upload(&self, mut bytes: &[u8], to: &str, mode: u32) -> Result<(), CommError> {
        let size = bytes.len() as u64;
        self.comm.upload(&mut bytes, Some(size), to, Some(mode), None).await
    }

    /// The connection, made again if it was lost.
    async fn connected(&self, end: Instant) -> Result<(), CommError> {
        if self.comm.connected() {
            return Ok(());
        }
        self.comm.reconnect(end.saturating_duration_since(Instant::now())).await
    }

    /// Removes a file of ours, also on a machine that is just coming back.
    async fn remove(&self, path: &str) -> Result<(), ProvisionError> {
        let end = Instant::now() + self.settings.start_retry_timeout;
        let line = format!("rm -f {}", quote(path));
        loop {
            let tried = async {
                self.connected(end).await?;
                crate::communicator::run(self.comm, Command::new(line.as_str()), b"").await
            };
            let why = match tokio::time::timeout_at(end, tried).await {
                Ok(Ok(done)) if done.exit.success() => return Ok(()),
                Ok(Ok(done)) => {
                    let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
                    return Err(format!("the script {path} could not be removed: {said}").into());
                }
                Ok(Err(e)) => e.to_string(),
                Err(_) => "the machine did not come back".into(),
            };
            if Instant::now() + RETRY >= end {
                return Err(format!("the script {path} could not be removed: {why}").into());
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn clean_env_file(&self) {
        let Some(file) = self.env_file() else { return };
        if self.settings.skip_clean || !self.comm.connected() {
            return;
        }
        let line = format!("rm -f {}", quote(&file));
        if let Err(e) = crate::communicator::run(self.comm, Command::new(line), b"").await {
            self.session
                .reporter
                .error(format!("the file with the script's variables, {file}, could not be removed: {e}"));
        }
    }
}

fn unix_lines(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter().peekable();
    while let Some(byte) = rest.next() {
        if *byte == b'\r' && rest.peek() == Some(&&b'\n') {
            continue;
        }
        out.push(*byte);
    }
    out
}
