//! `imgbuild vault`, which is ansible-vault: encrypts, decrypts, shows, edits and re-keys files, and encrypts strings.

use super::secrets::{VaultArgs, of_vaults};
use super::{Words, error, fail, parse, settings, version};
use crate::failure::Outcome;
use crate::settings::Settings as Process;
use crate::ui;
use clap::{Parser, Subcommand};
use imgbuild_diag::{Diagnostic, Diagnostics};
use imgbuild_playbook::settings::{Settings, VaultSecret, exit};
use imgbuild_playbook::vault;
use std::io::{IsTerminal, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Encrypts and decrypts files and strings
#[derive(Parser, Debug)]
#[command(name = "ansible-vault", disable_version_flag = true, no_binary_name = true, arg_required_else_help = true)]
pub(super) struct Args {
    /// Print the version
    #[arg(long)]
    version: bool,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(clap::Args, Debug)]
pub(super) struct Common {
    #[command(flatten)]
    vault: VaultArgs,
    /// Say more; may be repeated
    #[arg(short = 'v', long = "verbose", action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(clap::Args, Debug)]
pub(super) struct To {
    /// Write to this file; `-` is the standard output
    #[arg(long, value_name = "FILE")]
    output: Option<String>,
}

#[derive(clap::Args, Debug)]
pub(super) struct With {
    /// The vault id to encrypt with, where there are several
    #[arg(long, value_name = "ID")]
    encrypt_vault_id: Option<String>,
}

#[derive(Subcommand, Debug)]
pub(super) enum Action {
    /// Make a file in an editor and encrypt it
    Create {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        with: With,
        /// Start the editor although the output is no terminal
        #[arg(long)]
        skip_tty_check: bool,
        files: Vec<String>,
    },
    /// Encrypt files
    Encrypt {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        to: To,
        #[command(flatten)]
        with: With,
        files: Vec<String>,
    },
    /// Decrypt files
    Decrypt {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        to: To,
        files: Vec<String>,
    },
    /// Show encrypted files
    View {
        #[command(flatten)]
        common: Common,
        files: Vec<String>,
    },
    /// Edit encrypted files
    Edit {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        with: With,
        files: Vec<String>,
    },
    /// Encrypt files with another password
    Rekey {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        with: With,
        /// Read the new password from a file
        #[arg(long, value_name = "FILE", conflicts_with = "new_vault_id")]
        new_vault_password_file: Option<String>,
        /// The new vault id and where its password comes from
        #[arg(long, value_name = "ID@SOURCE")]
        new_vault_id: Option<String>,
        files: Vec<String>,
    },
    /// Encrypt strings, as YAML
    #[command(name = "encrypt_string")]
    EncryptString {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        to: To,
        #[command(flatten)]
        with: With,
        /// Ask for the string
        #[arg(short = 'p', long)]
        prompt: bool,
        /// Show what is typed
        #[arg(long)]
        show_input: bool,
        /// The variable's name; one for each string
        #[arg(short = 'n', long = "name", value_name = "NAME")]
        names: Vec<String>,
        /// The name of the variable whose value comes from the standard input
        #[arg(long, value_name = "NAME")]
        stdin_name: Option<String>,
        /// Strings; `-` reads the standard input
        strings: Vec<String>,
    },
}

/// Why a command ends: wrong options, or all else.
enum Stop {
    Usage(String),
    Problem(String),
    Diagnostics(Diagnostics),
}

impl From<Diagnostics> for Stop {
    fn from(all: Diagnostics) -> Self {
        Stop::Diagnostics(all)
    }
}

type Done = Result<(), Stop>;

/// Runs it; the exit code is ansible-vault's.
pub async fn run(words: Words, process: &Process) -> Outcome {
    let args: Args = match parse(&words.words) {
        Ok(args) => args,
        Err(code) => return Ok(code),
    };
    let Some(action) = args.action else { return Ok(version("ansible-vault", process)) };
    Ok(match act(action, process).await {
        Ok(()) => exit::OK,
        Err(Stop::Usage(why)) => error(why, exit::USAGE),
        Err(Stop::Problem(why)) => error(why, exit::ERROR),
        Err(Stop::Diagnostics(all)) => fail(&all, exit::ERROR),
    })
}

async fn act(action: Action, process: &Process) -> Done {
    let settings = settings(process)?;
    match action {
        Action::Create { common, with, skip_tty_check, files } => {
            let [file] = &files[..] else {
                return Err(Stop::Usage("ansible-vault create can take only one filename argument".into()));
            };
            let secret = to_encrypt(&common.vault, &with, &settings).await?;
            if !std::io::stdout().is_terminal() && !skip_tty_check {
                return Err(Stop::Usage("not a tty, editor cannot be opened".into()));
            }
            let path = settings.cwd.join(file);
            if path.exists() {
                return Err(Stop::Problem(format!("{} exists, please use 'edit' instead", path.display())));
            }
            let text = edited(&[], &path, process)?;
            write(&path, sealed(&text, &secret, Some(&secret.id), &settings)?.as_bytes(), None)
        }
        Action::Encrypt { common, to, with, files } => {
            one_output(&to, &files)?;
            let secret = to_encrypt(&common.vault, &with, &settings).await?;
            for file in inputs(&files, "plaintext") {
                let plain = read(&file, &settings)?;
                if vault::is_encrypted(&plain) {
                    return Err(Stop::Problem("input is already encrypted".into()));
                }
                put(&to, &file, sealed(&plain, &secret, Some(&secret.id), &settings)?.as_bytes(), &settings)?;
            }
            say("Encryption successful");
            Ok(())
        }
        Action::Decrypt { common, to, files } => {
            one_output(&to, &files)?;
            let secrets = to_decrypt(&common.vault, &settings).await?;
            for file in inputs(&files, "ciphertext") {
                let (plain, ..) = opened(&file, &secrets, &settings)?;
                put(&to, &file, &plain, &settings)?;
            }
            say("Decryption successful");
            Ok(())
        }
        Action::View { common, files } => {
            let secrets = to_decrypt(&common.vault, &settings).await?;
            for file in &files {
                let (plain, ..) = opened(file, &secrets, &settings)?;
                ui::data(&plain);
                if !plain.ends_with(b"\n") {
                    ui::data(b"\n");
                }
            }
            Ok(())
        }
        Action::Edit { common, with: _, files } => {
            let secrets = to_decrypt(&common.vault, &settings).await?;
            for file in &files {
                let (plain, secret, label) = opened(file, &secrets, &settings)?;
                let path = real(file, &settings);
                let text = edited(&plain, &path, process)?;
                if text != plain {
                    write(&path, sealed(&text, &secret, label.as_deref(), &settings)?.as_bytes(), None)?;
                }
            }
            Ok(())
        }
        Action::Rekey { common, with, new_vault_password_file, new_vault_id, files } => {
            let secrets = to_decrypt(&common.vault, &settings).await?;
            let chosen = with.encrypt_vault_id.clone().or_else(|| settings.prompts.vault_encrypt_identity.clone());
            let ask =
                common.vault.ask || new_vault_password_file.is_none() && new_vault_id.is_none() && chosen.is_none();
            let new = VaultArgs {
                vault_id: new_vault_id.into_iter().collect(),
                password_files: new_vault_password_file.into_iter().collect(),
                ask: ask && chosen.is_none(),
            };
            let mut configured = settings.clone();
            configured.prompts.vault_password_file = None;
            if chosen.is_none() {
                configured.prompts.vault_identities.clear();
            }
            let all = of_vaults(&new, &configured, true, true).await?;
            let secret = choose(&all, chosen.as_deref())?;
            for file in &files {
                let (plain, ..) = opened(file, &secrets, &settings)?;
                let path = real(file, &settings);
                let before = std::fs::metadata(&path).map_err(|e| problem(&path, &e))?;
                write(&path, sealed(&plain, &secret, Some(&secret.id), &settings)?.as_bytes(), Some(&before))?;
            }
            // Said always, unlike the others.
            ui::note("Rekey successful");
            Ok(())
        }
        Action::EncryptString { common, to, with, prompt, show_input, names, stdin_name, strings } => {
            one_output(&to, &strings)?;
            let stdin = strings.iter().any(|s| s == "-") || stdin_name.is_some() || strings.is_empty() && !prompt;
            if prompt && stdin {
                let why = "The --prompt option is not supported if also reading input from stdin";
                return Err(Stop::Usage(why.into()));
            }
            let secret = to_encrypt(&common.vault, &with, &settings).await?;
            let mut all: Vec<(Vec<u8>, &str, Option<String>)> = Vec::new();
            if prompt {
                all.push(prompted(show_input).await?);
            }
            if stdin {
                let mut text = Vec::new();
                std::io::stdin().lock().read_to_end(&mut text).map_err(|e| Stop::Problem(e.to_string()))?;
                if text.is_empty() {
                    return Err(Stop::Usage("stdin was empty, not encrypting".into()));
                }
                all.push((text, "stdin", stdin_name));
            }
            let arguments: Vec<&String> = strings.iter().filter(|s| *s != "-").collect();
            if let Some(last) = names.last().filter(|_| arguments.len() > names.len()) {
                ui::note("The number of --name options do not match the number of args.");
                ui::note(format!("The last named variable will be \"{last}\". The rest will not have names."));
            }
            for (index, text) in arguments.into_iter().enumerate() {
                if text.is_empty() {
                    let why = "The plaintext provided from the command line args was empty, not encrypting";
                    return Err(Stop::Usage(why.into()));
                }
                all.push((text.clone().into_bytes(), "the command line args", names.get(index).cloned()));
            }
            let several = all.len() > 1;
            let mut out = String::new();
            for (index, (text, from, name)) in all.iter().enumerate() {
                let number = index + 1;
                match name {
                    Some(name) if several => ui::note(format!(
                        "# The encrypted version of variable (\"{name}\", the string #{number} from {from})."
                    )),
                    None if several => {
                        ui::note(format!("# The encrypted version of the string #{number} from {from}.)"))
                    }
                    _ => {}
                }
                out.push_str(&name.as_ref().map(|n| format!("{n}: ")).unwrap_or_default());
                out.push_str("!vault |\n");
                for line in sealed(text, &secret, Some(&secret.id), &settings)?.lines() {
                    out.push_str(&format!("          {line}\n"));
                }
            }
            put(&to, "-", out.as_bytes(), &settings)?;
            say("Encryption successful");
            Ok(())
        }
    }
}

/// Said only to a person, as Ansible does.
fn say(text: &str) {
    if std::io::stdout().is_terminal() {
        ui::note(text);
    }
}

async fn prompted(show: bool) -> Result<(Vec<u8>, &'static str, Option<String>), Stop> {
    let missing = || Stop::Problem("--prompt: there is no terminal to ask on".into());
    let name = ui::ask("Variable name (enter for no name): ".into()).await.ok_or_else(missing)?;
    let text = match show {
        true => ui::ask("String to encrypt: ".into()).await,
        false => ui::ask_secret("String to encrypt (hidden): ".into()).await,
    };
    let text = text.ok_or_else(missing)?;
    if text.is_empty() {
        return Err(Stop::Usage("The plaintext provided from the prompt was empty, not encrypting".into()));
    }
    Ok((text.into_bytes(), "the interactive prompt", Some(name).filter(|n| !n.is_empty())))
}

fn one_output(to: &To, files: &[String]) -> Done {
    if to.output.is_some() && files.len() > 1 {
        return Err(Stop::Usage("At most one input file may be used with the --output option".into()));
    }
    Ok(())
}

fn inputs(files: &[String], what: &str) -> Vec<String> {
    if !files.is_empty() {
        return files.to_vec();
    }
    if std::io::stdin().is_terminal() {
        ui::note(format!("Reading {what} input from stdin"));
    }
    vec!["-".into()]
}

async fn to_decrypt(args: &VaultArgs, settings: &Settings) -> Result<Vec<VaultSecret>, Stop> {
    check_ids(args)?;
    Ok(of_vaults(args, settings, false, true).await?)
}

async fn to_encrypt(args: &VaultArgs, with: &With, settings: &Settings) -> Result<VaultSecret, Stop> {
    check_ids(args)?;
    let all = of_vaults(args, settings, true, true).await?;
    let chosen = with.encrypt_vault_id.as_deref().or(settings.prompts.vault_encrypt_identity.as_deref());
    if all.len() > 1 && chosen.is_none() {
        let ids: Vec<&str> = all.iter().map(|s| s.id.as_str()).collect();
        return Err(Stop::Usage(format!(
            "The vault-ids {} are available to encrypt. Specify the vault-id to encrypt with --encrypt-vault-id",
            ids.join(",")
        )));
    }
    choose(&all, chosen)
}

fn check_ids(args: &VaultArgs) -> Done {
    match args.vault_id.iter().find(|id| id.contains(';')) {
        Some(id) => {
            Err(Stop::Usage(format!("'{id}' is not a valid vault id. The character ';' is not allowed in vault ids")))
        }
        None => Ok(()),
    }
}

fn choose(all: &[VaultSecret], id: Option<&str>) -> Result<VaultSecret, Stop> {
    let found = match id {
        Some(id) => all.iter().find(|s| s.id == id),
        None => all.first(),
    };
    found.cloned().ok_or_else(|| {
        let known: Vec<String> = all.iter().map(|s| format!("'{}'", s.id)).collect();
        Stop::Problem(format!(
            "Did not find a match for --encrypt-vault-id={} in the known vault-ids [{}]",
            id.unwrap_or("default"),
            known.join(", ")
        ))
    })
}

fn sealed(plain: &[u8], secret: &VaultSecret, label: Option<&str>, settings: &Settings) -> Result<String, Stop> {
    // The salt comes from the operating system: two version 4 UUIDs hold 244 random bits.
    let random = |salt: &mut [u8]| {
        for chunk in salt.chunks_mut(16) {
            chunk.copy_from_slice(&uuid::Uuid::new_v4().into_bytes()[..chunk.len()]);
        }
    };
    let salt = settings.vault_encrypt_salt.as_ref().map(String::as_bytes);
    vault::encrypt(plain, secret.password.expose(), label, salt, random).map_err(Stop::Problem)
}

/// A file's plain content, the secret that opened it, and its label.
fn opened(
    file: &str,
    secrets: &[VaultSecret],
    settings: &Settings,
) -> Result<(Vec<u8>, VaultSecret, Option<String>), Stop> {
    let bytes = read(file, settings)?;
    let named = |why: &str| Stop::Problem(format!("{why} for {}", real(file, settings).display()));
    if !vault::is_encrypted(&bytes) {
        return Err(named("Input is not vault encrypted data."));
    }
    let text = String::from_utf8(bytes).map_err(|_| named("the vault is damaged: it is no text"))?;
    let label = vault::label(&text).map_err(|why| named(&why))?;
    let (plain, secret) = vault::open(&text, None, secrets, settings.vault_id_match).map_err(|why| named(&why))?;
    Ok((plain, secret.clone(), label))
}

fn real(file: &str, settings: &Settings) -> PathBuf {
    let path = imgbuild_playbook::settings::expand_home(file, settings);
    path.canonicalize().unwrap_or(path)
}

fn problem(path: &Path, why: &dyn std::fmt::Display) -> Stop {
    Stop::Diagnostics(Diagnostics::from(Diagnostic::error(format!("{}: {why}", path.display()))))
}

fn read(file: &str, settings: &Settings) -> Result<Vec<u8>, Stop> {
    if file == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).map_err(|e| Stop::Problem(e.to_string()))?;
        return Ok(bytes);
    }
    let path = real(file, settings);
    std::fs::read(&path).map_err(|e| problem(&path, &e))
}

fn put(to: &To, input: &str, bytes: &[u8], settings: &Settings) -> Done {
    let file = to.output.as_deref().unwrap_or(input);
    if file == "-" {
        ui::data(bytes);
        return Ok(());
    }
    write(&real(file, settings), bytes, None)
}

/// Puts a new file in the place of the old one: readable by its owner only, or with the rights that `like` had.
fn write(path: &Path, bytes: &[u8], like: Option<&std::fs::Metadata>) -> Done {
    let beside = path.with_file_name(format!(
        ".{}.{}",
        path.file_name().unwrap_or_default().to_string_lossy(),
        uuid::Uuid::new_v4().simple()
    ));
    let all = || -> std::io::Result<()> {
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        if let Some(like) = like {
            std::os::unix::fs::fchown(&file, Some(like.uid()), Some(like.gid()))?;
            file.set_permissions(std::fs::Permissions::from_mode(like.mode() & 0o7777))?;
        }
        std::fs::rename(&beside, path)
    };
    all().map_err(|e| {
        let _ = std::fs::remove_file(&beside);
        problem(path, &e)
    })
}

/// A plain copy that a person edits; overwritten and removed when it is dropped.
struct Draft(PathBuf);

impl Drop for Draft {
    fn drop(&mut self) {
        if let Ok(meta) = std::fs::metadata(&self.0) {
            let _ = std::fs::write(&self.0, vec![0; usize::try_from(meta.len()).unwrap_or(0)]);
        }
        let _ = std::fs::remove_file(&self.0);
        if let Some(dir) = self.0.parent() {
            let _ = std::fs::remove_dir(dir);
        }
    }
}

fn edited(plain: &[u8], path: &Path, process: &Process) -> Result<Vec<u8>, Stop> {
    let editor = process.var("ANSIBLE_EDITOR").or(process.var("EDITOR")).unwrap_or("vi");
    let dir = std::env::temp_dir().join(format!("imgbuild-vault-{}", uuid::Uuid::new_v4().simple()));
    std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700)
        .create(&dir)
        .map_err(|e| problem(&dir, &e))?;
    // The name's end tells editors what it is.
    let draft = Draft(dir.join(path.file_name().unwrap_or_default()));
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft.0)
        .map_err(|e| problem(&draft.0, &e))?;
    file.write_all(plain).map_err(|e| problem(&draft.0, &e))?;
    drop(file);
    // An editor may have arguments of its own: `code --wait`.
    let status = std::process::Command::new("/bin/sh")
        .args(["-c", &format!("exec {editor} \"$1\""), "sh"])
        .arg(&draft.0)
        .status()
        .map_err(|e| Stop::Problem(format!("the editor {editor:?} can't be started: {e}")))?;
    if !status.success() {
        return Err(Stop::Problem(format!("the editor {editor:?} ended with {status}")));
    }
    std::fs::read(&draft.0).map_err(|e| problem(&draft.0, &e))
}
