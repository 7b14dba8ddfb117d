//! Passwords: asked for, read from files, printed by programs.

use crate::ui;
use imgbuild_diag::{Diagnostic, Diagnostics, Secret};
use imgbuild_playbook::settings::{self, Args as PlaybookArgs, Settings, VaultSecret};

/// Where vault passwords come from.
#[derive(clap::Args, Debug, Clone, Default)]
pub struct VaultArgs {
    /// A vault id and where its password comes from: id@file or id@prompt
    #[arg(long = "vault-id", value_name = "ID@SOURCE")]
    pub vault_id: Vec<String>,
    /// Read the vault password from a file (or run it, if it can be executed)
    #[arg(
        long = "vault-password-file",
        visible_alias = "vault-pass-file",
        value_name = "FILE",
        conflicts_with = "ask"
    )]
    pub password_files: Vec<String>,
    /// Ask for the vault password
    #[arg(short = 'J', long = "ask-vault-password", visible_alias = "ask-vault-pass")]
    pub ask: bool,
}

fn missing(what: &str) -> Diagnostics {
    Diagnostics::from(Diagnostic::error(format!(
        "{what}: there is no terminal to ask on, and nothing on the standard input"
    )))
}

/// Passwords of connections, of becoming, and of vaults.
pub async fn of_playbook(args: &PlaybookArgs, settings: &mut Settings) -> Result<(), Diagnostics> {
    let prompts = settings.prompts.clone();
    let file = |given: &Option<String>, configured: &Option<std::path::PathBuf>| {
        given.clone().or_else(|| configured.as_ref().map(|p| p.display().to_string()))
    };
    if args.ask_pass || prompts.connection && args.connection_password_file.is_none() {
        let text = ui::ask_password("SSH password: ".into()).await.ok_or_else(|| missing("--ask-pass"))?;
        settings.connection.password = Some(Secret::new(text));
    } else if let Some(file) = file(&args.connection_password_file, &prompts.connection_password_file) {
        settings.connection.password = Some(read(&file, None, settings)?);
    }
    if args.ask_become_pass || prompts.become_ && args.become_password_file.is_none() {
        let same = settings.connection.password.clone();
        let default = if same.is_some() { "[defaults to SSH password]" } else { "" };
        let text = ui::ask_password(format!("BECOME password{default}: ")).await;
        let text = text.ok_or_else(|| missing("--ask-become-pass"))?;
        settings.become_.password = if text.is_empty() { same } else { Some(Secret::new(text)) };
    } else if let Some(file) = file(&args.become_password_file, &prompts.become_password_file) {
        settings.become_.password = Some(read(&file, None, settings)?);
    }
    let vault = VaultArgs {
        vault_id: args.vault_id.clone(),
        password_files: args.vault_password_file.clone(),
        ask: args.ask_vault_pass || prompts.vault,
    };
    settings.vault_secrets = of_vaults(&vault, settings, false, false).await?;
    Ok(())
}

/// Vault passwords in the order in which they are tried: ids of the configuration, of the command line, files, prompts.
/// `new`: a password that is asked for is asked for twice. `always`: ask where nothing else is said. A file that can't be read is a
/// warning as long as there is another password, as for Ansible.
pub async fn of_vaults(
    args: &VaultArgs,
    settings: &Settings,
    new: bool,
    always: bool,
) -> Result<Vec<VaultSecret>, Diagnostics> {
    let mut sources: Vec<(String, String)> = Vec::new();
    for id in settings.prompts.vault_identities.iter().chain(&args.vault_id) {
        let (name, source) = id.split_once('@').unwrap_or(("default", id));
        sources.push((if name.is_empty() { "default" } else { name }.to_owned(), source.to_owned()));
    }
    let configured = settings.prompts.vault_password_file.as_ref().map(|p| p.display().to_string());
    sources.extend(args.password_files.iter().cloned().chain(configured).map(|file| ("default".to_owned(), file)));
    if args.ask || always && sources.is_empty() {
        sources.push(("default".into(), "prompt_ask_vault_pass".into()));
    }
    let mut secrets = Vec::new();
    let mut unread = None;
    for (id, source) in sources {
        let password = match source.as_str() {
            "prompt" => typed(&format!("ault password ({id}): "), new).await?,
            "prompt_ask_vault_pass" => typed("ault password: ", new).await?,
            file => match read(file, Some(&id), settings) {
                Ok(password) => password,
                Err(problem) => {
                    let there = file == "-" || settings::expand_home(file, settings).exists();
                    let what = if there { "in vault password file loading" } else { "getting vault password file" };
                    let why = problem.errors().next().map(|e| e.message.clone()).unwrap_or_default();
                    ui::note(format!("[WARNING]: Error {what} ({id}): {why}"));
                    unread = Some(problem);
                    continue;
                }
            },
        };
        secrets.push(VaultSecret { id, password });
    }
    match unread {
        Some(problem) if secrets.is_empty() => Err(problem),
        _ => Ok(secrets),
    }
}

/// `rest` is the question without the first letter of "vault".
async fn typed(rest: &str, new: bool) -> Result<Secret, Diagnostics> {
    let ask =
        |question: String| async move { ui::ask_password(question).await.ok_or_else(|| missing("the vault password")) };
    let first = ask(if new { format!("New v{rest}") } else { format!("V{rest}") }).await?;
    if new && ask(format!("Confirm new v{rest}")).await? != first {
        return Err(Diagnostics::from(Diagnostic::error("Passwords do not match")));
    }
    let first = first.trim().to_owned();
    if first.is_empty() {
        return Err(Diagnostics::from(Diagnostic::error("Invalid vault password was provided: it is empty")));
    }
    Ok(Secret::new(first))
}

/// A file's text; a program's output where the file can be executed, which learns the vault id if its name ends in `-client`.
fn read(file: &str, id: Option<&str>, settings: &Settings) -> Result<Secret, Diagnostics> {
    use std::os::unix::fs::PermissionsExt;
    let path = settings::expand_home(file, settings);
    let problem = |why: &dyn std::fmt::Display| {
        Diagnostics::from(Diagnostic::error(format!("the password file {} can't be used: {why}", path.display())))
    };
    let bytes = if file == "-" {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut bytes).map_err(|e| problem(&e))?;
        bytes
    } else if std::fs::metadata(&path).map_err(|e| problem(&e))?.permissions().mode() & 0o111 != 0 {
        let mut program = std::process::Command::new(&path);
        if let Some(id) = id.filter(|_| path.file_stem().is_some_and(|s| s.to_string_lossy().ends_with("-client"))) {
            program.args(["--vault-id", id]);
        }
        let output = program.stderr(std::process::Stdio::inherit()).output().map_err(|e| problem(&e))?;
        if !output.status.success() {
            return Err(problem(&format!("it ended with {}", output.status)));
        }
        output.stdout
    } else {
        std::fs::read(&path).map_err(|e| problem(&e))?
    };
    let text = String::from_utf8(bytes).map_err(|e| problem(&e))?;
    let text = text.trim();
    if text.is_empty() {
        return Err(problem(&"it is empty"));
    }
    Ok(Secret::new(text.to_owned()))
}
