//! ansible-playbook's command line. Used by `imgbuild playbook` and for the `extra_arguments` of Packer's `ansible` provisioner.
//!
//! Flags of ansible-core 2.19 that have no meaning here are refused by name when they are used ([`Args::unsupported`]).

use super::{Settings, expand_home, parse_extra_vars};
use clap::{ArgAction, Parser};
use imgbuild_diag::{Diagnostic, Diagnostics};
use std::path::PathBuf;

/// What was typed.
#[derive(Parser, Debug, Clone, Default)]
#[command(name = "ansible-playbook", disable_version_flag = true, no_binary_name = true)]
pub struct Args {
    /// Playbooks
    #[arg(value_name = "PLAYBOOK")]
    pub playbooks: Vec<PathBuf>,
    /// Inventory: a file, a folder, or hosts separated by commas
    #[arg(short = 'i', long = "inventory", visible_alias = "inventory-file", value_name = "INVENTORY")]
    pub inventory: Vec<String>,
    /// Only these hosts
    #[arg(short = 'l', long = "limit", value_name = "PATTERN")]
    pub limit: Option<String>,
    /// Variables: k=v, JSON or YAML, @file
    #[arg(short = 'e', long = "extra-vars", value_name = "VARS")]
    pub extra_vars: Vec<String>,
    /// Only tasks with these tags
    #[arg(short = 't', long = "tags", value_name = "TAGS")]
    pub tags: Vec<String>,
    /// No tasks with these tags
    #[arg(long = "skip-tags", value_name = "TAGS")]
    pub skip_tags: Vec<String>,
    /// Start at the task of this name
    #[arg(long = "start-at-task", value_name = "NAME")]
    pub start_at_task: Option<String>,
    /// Ask before each task
    #[arg(long)]
    pub step: bool,
    /// Change nothing, say what would change
    #[arg(short = 'C', long)]
    pub check: bool,
    /// Show differences
    #[arg(short = 'D', long)]
    pub diff: bool,
    /// Hosts at the same time
    #[arg(short = 'f', long, value_name = "N")]
    pub forks: Option<usize>,
    /// Say more; may be repeated
    #[arg(short = 'v', long = "verbose", action = ArgAction::Count)]
    pub verbose: u8,
    /// Run notified handlers even if a task failed
    #[arg(long = "force-handlers")]
    pub force_handlers: bool,
    /// Forget cached facts
    #[arg(long = "flush-cache")]
    pub flush_cache: bool,
    /// List hosts, run nothing
    #[arg(long = "list-hosts")]
    pub list_hosts: bool,
    /// List tasks, run nothing
    #[arg(long = "list-tasks")]
    pub list_tasks: bool,
    /// List tags, run nothing
    #[arg(long = "list-tags")]
    pub list_tags: bool,
    /// Check the playbooks, run nothing
    #[arg(long = "syntax-check")]
    pub syntax_check: bool,
    /// Connection type
    #[arg(short = 'c', long = "connection", value_name = "TYPE")]
    pub connection: Option<String>,
    /// Connect as this user
    #[arg(short = 'u', long = "user", value_name = "USER")]
    pub user: Option<String>,
    /// Seconds for connecting
    #[arg(short = 'T', long, value_name = "SECONDS")]
    pub timeout: Option<u64>,
    /// Private key file
    #[arg(long = "private-key", visible_alias = "key-file", value_name = "FILE")]
    pub private_key: Option<String>,
    /// Options for every SSH connection
    #[arg(long = "ssh-common-args", value_name = "ARGS", allow_hyphen_values = true)]
    pub ssh_common_args: Option<String>,
    /// Options for SSH
    #[arg(long = "ssh-extra-args", value_name = "ARGS", allow_hyphen_values = true)]
    pub ssh_extra_args: Option<String>,
    /// Options for sftp (without effect: transfers go over the SSH connection itself)
    #[arg(long = "sftp-extra-args", value_name = "ARGS", allow_hyphen_values = true)]
    pub sftp_extra_args: Option<String>,
    /// Options for scp (without effect: transfers go over the SSH connection itself)
    #[arg(long = "scp-extra-args", value_name = "ARGS", allow_hyphen_values = true)]
    pub scp_extra_args: Option<String>,
    /// Ask for the connection's password
    #[arg(short = 'k', long = "ask-pass")]
    pub ask_pass: bool,
    /// Read the connection's password from a file
    #[arg(long = "connection-password-file", visible_alias = "conn-pass-file", value_name = "FILE")]
    pub connection_password_file: Option<String>,
    /// Become another user
    #[arg(short = 'b', long = "become")]
    pub become_: bool,
    /// How: sudo, su, doas
    #[arg(long = "become-method", value_name = "METHOD")]
    pub become_method: Option<String>,
    /// Whom
    #[arg(long = "become-user", value_name = "USER")]
    pub become_user: Option<String>,
    /// Ask for the password of becoming
    #[arg(short = 'K', long = "ask-become-pass")]
    pub ask_become_pass: bool,
    /// Read the password of becoming from a file
    #[arg(long = "become-password-file", visible_alias = "become-pass-file", value_name = "FILE")]
    pub become_password_file: Option<String>,
    /// Ask for the vault password
    #[arg(short = 'J', long = "ask-vault-password", visible_alias = "ask-vault-pass")]
    pub ask_vault_pass: bool,
    /// Read the vault password from a file (or run it, if it can be executed)
    #[arg(long = "vault-password-file", visible_alias = "vault-pass-file", value_name = "FILE")]
    pub vault_password_file: Vec<String>,
    /// A vault id and where its password comes from: id@file or id@prompt
    #[arg(long = "vault-id", value_name = "ID@SOURCE")]
    pub vault_id: Vec<String>,
    /// Where modules are looked for first
    #[arg(short = 'M', long = "module-path", value_name = "PATH")]
    pub module_path: Option<String>,
    /// Print the version
    #[arg(long)]
    pub version: bool,
}

impl Args {
    /// Reads a command line without the program's name. The error is clap's text: what is wrong and the usage.
    pub fn parse_words<S: Into<std::ffi::OsString> + Clone>(words: &[S]) -> Result<Self, String> {
        Args::try_parse_from(words.iter().cloned()).map_err(|e| e.render().to_string())
    }

    /// Flags that have nothing to do here, in sentences: their users gave them for a program that does not run.
    pub fn without_effect(&self) -> Vec<String> {
        let filled = |text: &Option<String>| text.as_deref().is_some_and(|t| !t.trim().is_empty());
        let flags = [
            ("--sftp-extra-args", filled(&self.sftp_extra_args), "sftp"),
            ("--scp-extra-args", filled(&self.scp_extra_args), "scp"),
        ];
        let used = flags.iter().filter(|(_, used, _)| *used);
        used.map(|(flag, _, program)| {
            format!("{flag} has no effect: files travel over the SSH connection itself, no {program} program runs")
        })
        .collect()
    }

    /// Sets what was typed. Passwords that must be asked for are the caller's to ask. All problems are reported at once; what is
    /// only doubtful comes back.
    pub fn apply(&self, settings: &mut Settings) -> Result<Diagnostics, Diagnostics> {
        let mut problems = Diagnostics::new();
        if !self.inventory.is_empty() {
            settings.inventory = self.inventory.clone();
        }
        let words = |given: &[String]| -> Vec<String> {
            given.iter().flat_map(|t| t.split(',')).map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()).collect()
        };
        if !self.tags.is_empty() {
            settings.tags = words(&self.tags);
        }
        if !self.skip_tags.is_empty() {
            settings.skip_tags = words(&self.skip_tags);
        }
        if let Some(paths) = &self.module_path {
            let paths: Vec<_> = paths.split(':').filter(|p| !p.is_empty()).map(|p| expand_home(p, settings)).collect();
            settings.module_paths.splice(0..0, paths);
        }
        set(&mut settings.limit, &self.limit);
        set(&mut settings.start_at_task, &self.start_at_task);
        settings.step |= self.step;
        settings.check |= self.check;
        settings.diff |= self.diff;
        settings.force_handlers |= self.force_handlers;
        settings.flush_cache |= self.flush_cache;
        settings.verbosity = settings.verbosity.saturating_add(self.verbose);
        match self.forks {
            Some(0) => problems.push(Diagnostic::error("The number of processes (--forks) must be >= 1")),
            Some(n) => settings.forks = n,
            None => {}
        }
        let connection = &mut settings.connection;
        if let Some(plugin) = &self.connection {
            connection.plugin.clone_from(plugin);
        }
        set(&mut connection.remote_user, &self.user);
        if let Some(timeout) = self.timeout {
            connection.timeout = timeout;
        }
        if let Some(args) = &self.ssh_common_args {
            connection.ssh_common_args.clone_from(args);
        }
        if let Some(args) = &self.ssh_extra_args {
            connection.ssh_extra_args.clone_from(args);
        }
        if let Some(key) = &self.private_key {
            let key = expand_home(key, settings);
            settings.connection.private_key_file = Some(key);
        }
        settings.become_.enabled |= self.become_;
        if let Some(method) = &self.become_method {
            settings.become_.method.clone_from(method);
        }
        if let Some(user) = &self.become_user {
            settings.become_.user.clone_from(user);
        }
        // Files first: -e @file may be a vault, but what opens it is the caller's to bring.
        match parse_extra_vars(&self.extra_vars, settings) {
            Ok((vars, doubts)) => {
                settings.extra_vars.extend(vars);
                problems.extend(doubts);
            }
            Err(more) => problems.extend(more),
        }
        problems.into_result(()).map(|((), doubts)| doubts)
    }
}

fn set(to: &mut Option<String>, from: &Option<String>) {
    if from.is_some() {
        to.clone_from(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgbuild_jinja::{Key, Value};

    #[test]
    fn flags_land_in_settings() {
        let words =
            ["-i", "a,", "-vv", "-e", "x=1", "--extra-vars", "{\"y\": 2}", "-t", "a,b", "-b", "-l", "web", "site.yml"];
        let args = Args::parse_words(&words).unwrap();
        let mut settings = Settings::new("/", "/root");
        args.apply(&mut settings).unwrap();
        assert_eq!(settings.verbosity, 2);
        assert_eq!(settings.tags, ["a", "b"]);
        assert!(settings.become_.enabled);
        assert_eq!(settings.extra_vars.get(&Key::from("y")), Some(&Value::Int(2)));
        assert_eq!(args.playbooks, [PathBuf::from("site.yml")]);
        assert!(args.without_effect().is_empty());
        let args = Args::parse_words(&["--scp-extra-args", "'-O'", "site.yml"]).unwrap();
        args.apply(&mut settings).unwrap();
        assert_eq!(args.without_effect().len(), 1);
        assert!(Args::parse_words(&["--no-such-flag"]).unwrap_err().contains("--no-such-flag"));
    }
}
