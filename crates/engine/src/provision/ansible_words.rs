//! Runs playbooks for `ansible` and `ansible-local`: a command line of ansible-playbook's, an inventory, a connector.

use super::{Ask, ProvisionError, Session};
use crate::event::Reporter;
use async_trait::async_trait;
use imgbuild_diag::{Diagnostics, Secret};
use imgbuild_playbook::callback::{DefaultCallback, DisplayOptions, LineSink};
use imgbuild_playbook::settings::{Args, ConfigFile, VaultSecret, find_config_file};
use imgbuild_playbook::target::Connector;
use imgbuild_playbook::{Inventory, Playbook, Prompt, Prompter, Settings};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Everything about one run of ansible-playbook.
pub(crate) struct Command<'a> {
    /// Environment, the provisioner's own variables included.
    pub env: BTreeMap<String, String>,
    /// Working directory.
    pub cwd: &'a Path,
    /// Home directory.
    pub home: &'a Path,
    /// Words after the program's name, the inventory included, the playbook not.
    pub words: Vec<String>,
    /// The playbook.
    pub playbook: PathBuf,
    /// Where roles are looked for besides.
    pub roles_path: Vec<PathBuf>,
    /// Where collections are looked for first.
    pub collections_path: Vec<PathBuf>,
    /// Directories with `group_vars` and `host_vars` besides.
    pub vars_dirs: Vec<PathBuf>,
    /// Changes settings last.
    pub adjust: &'a (dyn Fn(&mut Settings) + Sync),
}

/// Checks a command line without running it. The error is for people.
pub(crate) fn check(words: &[String]) -> Result<Args, String> {
    let args = Args::parse_words(words)?;
    let asks = [
        (args.ask_pass, "--ask-pass"),
        (args.ask_become_pass, "--ask-become-pass"),
        (args.ask_vault_pass, "--ask-vault-pass"),
        (args.list_hosts, "--list-hosts"),
        (args.list_tasks, "--list-tasks"),
        (args.list_tags, "--list-tags"),
        (args.version, "--version"),
    ];
    if let Some((_, flag)) = asks.iter().find(|(used, _)| *used) {
        let what =
            if flag.starts_with("--ask") { "nobody can be asked in a build" } else { "a build runs its playbooks" };
        return Err(format!("{flag} can't be used in extra_arguments: {what}"));
    }
    if !args.playbooks.is_empty() {
        let extra: Vec<_> = args.playbooks.iter().map(|path| path.display().to_string()).collect();
        return Err(format!("extra_arguments hold what is no option: {}", extra.join(" ")));
    }
    Ok(args)
}

/// Runs it. Output goes to the build's reporter line by line.
pub(crate) async fn run(
    command: Command<'_>,
    connector: Arc<dyn Connector>,
    session: &Session,
) -> Result<(), ProvisionError> {
    let Command { env, cwd, home, words, playbook, roles_path, collections_path, vars_dirs, adjust } = command;
    let config = find_config_file(&env, cwd, home).map(|path| ConfigFile::read(&path)).transpose()?;
    let (mut settings, unknown) = Settings::resolve(env, config.as_ref(), cwd, home);
    for option in unknown {
        session.reporter.message(format!("[WARNING]: {}: {}", option.name, option.why));
    }
    let args = check(&words)?;
    for warning in args.without_effect() {
        session.reporter.message(format!("[WARNING]: {warning}"));
    }
    settings.vault_secrets.extend(vault_secrets(&args, cwd, home)?);
    settings.connection.password = password_file(args.connection_password_file.as_deref(), cwd, home)?;
    settings.become_.password = password_file(args.become_password_file.as_deref(), cwd, home)?;
    for doubt in args.apply(&mut settings).map_err(failed)? {
        session.reporter.message(format!("[WARNING]: {}", doubt.message));
    }
    settings.roles_path.extend(roles_path);
    settings.collections_path.splice(0..0, collections_path);
    adjust(&mut settings);
    let (mut inventory, warnings) = Inventory::load(&settings).map_err(failed)?;
    inventory.vars_dirs.extend(vars_dirs);
    for warning in warnings {
        session.reporter.message(format!("[WARNING]: {}", warning.message));
    }
    let display = DisplayOptions::new(&settings, false, None);
    let syntax_check = args.syntax_check;
    let url_client = Arc::new(crate::url_client::HttpUrlClient::new(settings.env.clone()));
    let loaded = Playbook::load(&[playbook], settings, inventory).map_err(failed)?.with_url_client(url_client);
    if syntax_check {
        session.reporter.message(loaded.syntax_check().trim_end());
        return Ok(());
    }
    let sink = Arc::new(ReporterLines(session.reporter.clone()));
    let cancel = tokio_util::sync::CancellationToken::new();
    let playbook_session = imgbuild_playbook::Session {
        connector,
        callback: Arc::new(DefaultCallback::new(display, sink)),
        prompter: Arc::new(AskPrompts(Arc::clone(&session.ask))),
        cancel: cancel.clone(),
    };
    let work = imgbuild_playbook::run(loaded, playbook_session);
    tokio::pin!(work);
    let outcome = tokio::select! {
        outcome = &mut work => outcome,
        () = session.cancel.cancelled() => {
            // The run ends its calls and agents by itself: nothing may be left on the machine.
            cancel.cancel();
            work.await
        }
    };
    if session.cancel.is_cancelled() {
        return Err(ProvisionError::Cancelled);
    }
    match (outcome.exit_code, outcome.error) {
        (0, _) => Ok(()),
        (code, Some(why)) => Err(format!("Error executing Ansible: {why} (exit status {code})").into()),
        (code, None) => Err(format!("Error executing Ansible: Non-zero exit status: exit status {code}").into()),
    }
}

fn failed(diags: Diagnostics) -> ProvisionError {
    ProvisionError::Failed(diags.to_string())
}

fn expand(file: &str, cwd: &Path, home: &Path) -> PathBuf {
    match file.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None => cwd.join(file),
    }
}

/// A password from a file, or from what the file prints if it can be executed (Ansible's rule for vault password files).
fn password_of(path: &Path) -> Result<Secret, String> {
    use std::os::unix::fs::PermissionsExt as _;
    let meta = fs_err::metadata(path).map_err(|e| e.to_string())?;
    let text = if meta.permissions().mode() & 0o111 != 0 {
        let name = path.display();
        let output = std::process::Command::new(path)
            .stdin(std::process::Stdio::null())
            .output()
            .map_err(|e| format!("the password program {name} can't be run: {e}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(format!("the password program {name} failed ({}): {said}", output.status));
        }
        String::from_utf8_lossy(&output.stdout).into_owned()
    } else {
        fs_err::read_to_string(path).map_err(|e| e.to_string())?
    };
    Ok(Secret::new(text.trim().to_owned()))
}

fn password_file(file: Option<&str>, cwd: &Path, home: &Path) -> Result<Option<Secret>, String> {
    file.map(|file| password_of(&expand(file, cwd, home))).transpose()
}

fn vault_secrets(args: &Args, cwd: &Path, home: &Path) -> Result<Vec<VaultSecret>, String> {
    let mut secrets = Vec::new();
    for file in &args.vault_password_file {
        secrets.push(VaultSecret { id: "default".into(), password: password_of(&expand(file, cwd, home))? });
    }
    for given in &args.vault_id {
        let (id, source) = given.rsplit_once('@').unwrap_or(("default", given));
        if source.starts_with("prompt") {
            return Err(format!("--vault-id {given}: nobody can be asked in a build; name a file"));
        }
        let id = if id.is_empty() { "default" } else { id };
        secrets.push(VaultSecret { id: id.into(), password: password_of(&expand(source, cwd, home))? });
    }
    Ok(secrets)
}

/// Lines of a playbook's output as the build's messages.
struct ReporterLines(Reporter);

impl LineSink for ReporterLines {
    fn out(&self, line: &str) {
        self.0.message(line);
    }
    fn err(&self, line: &str) {
        self.0.message(line);
    }
}

/// A playbook's questions, asked as the build asks.
struct AskPrompts(Arc<dyn Ask>);

#[async_trait]
impl Prompter for AskPrompts {
    fn interactive(&self) -> bool {
        self.0.is_there()
    }

    async fn ask(&self, prompt: Prompt) -> Option<String> {
        let answer = async {
            if prompt.private { self.0.ask_secret(&prompt.text).await } else { self.0.ask(&prompt.text).await }
        };
        match prompt.seconds {
            Some(seconds) => tokio::time::timeout(std::time::Duration::from_secs(seconds), answer).await.ok().flatten(),
            None => answer.await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_make_no_sense_in_a_build() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert!(check(&words("-v --diff -e a=b --tags x")).is_ok());
        assert_eq!(check(&words("--scp-extra-args '-O'")).unwrap().without_effect().len(), 1);
        for (text, expected) in [("-K", "--ask-become-pass"), ("--no-such", "--no-such"), ("other.yml", "other.yml")] {
            let error = check(&words(text)).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn passwords_from_files_and_programs() {
        let dir = tempfile::tempdir().unwrap();
        let (file, program) = (dir.path().join("file"), dir.path().join("program"));
        std::fs::write(&file, "one\n").unwrap();
        imgbuild_testkit::executable(&program, "#!/bin/sh\necho two\n");
        let args =
            check(&["--vault-password-file".into(), "file".into(), "--vault-id".into(), "x@program".into()]).unwrap();
        let secrets = vault_secrets(&args, dir.path(), Path::new("/")).unwrap();
        let seen: Vec<_> = secrets.iter().map(|s| (s.id.as_str(), s.password.expose().as_str())).collect();
        assert_eq!(seen, [("default", "one"), ("x", "two")]);
    }
}
