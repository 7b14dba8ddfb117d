//! `ansible-local`: playbooks whose hosts are all the machine itself. Source of the behaviour: packer-plugin-ansible,
//! `provisioner/ansible-local`.
//!
//! Packer copies playbooks and roles to the machine and runs the machine's own ansible-playbook there. Here nothing is copied
//! and the machine needs no Ansible: the engine runs on this side and every connection, `local` included, means the machine.
//! Files that tasks name are read here, from the same folders that Packer would have copied. Lookups run on this side, too.

use super::ansible::build_variables;
use super::ansible_common;
use super::ansible_options::{Galaxy, SHARED, assignments, stands_in};
use super::ansible_words::{self, Command};
use super::block::{Block, check_file, error, strings, text};
use super::{ProvisionError, Provisioner, Session};
use crate::agent_link::OneHost;
use async_trait::async_trait;
use imgbuild_diag::{Diagnostic, Diagnostics};
use imgbuild_template::{Body, Context, Kind, Opt, Reader, Spanned, Table};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const STAGED: &str = "Nothing is copied to the machine, so this only names what is not made.";

const LOCAL: &[Opt] = &[
    Opt::new("command", Kind::String, "ansible-playbook, with `NAME=value` and `sudo` before it if wanted.")
        .default("ansible-playbook"),
    Opt::new("playbook_file", Kind::String, "The playbook."),
    Opt::new("playbook_files", Kind::Strings, "Playbooks, run one after the other."),
    Opt::new("playbook_dir", Kind::String, "The folder that playbooks, roles and variables are in."),
    Opt::new("playbook_paths", Kind::Strings, "Further folders or files that playbooks use."),
    Opt::new("role_paths", Kind::Strings, "Folders of single roles."),
    Opt::new("collection_paths", Kind::Strings, "Folders that hold ansible_collections."),
    Opt::new("group_vars", Kind::String, "A folder of group variables."),
    Opt::new("host_vars", Kind::String, "A folder of host variables."),
    Opt::new("inventory_file", Kind::String, "The inventory; all of its hosts are the machine."),
    Opt::new("inventory_groups", Kind::Strings, "Groups that the machine is in, where there is no inventory_file."),
    Opt::new("staging_directory", Kind::String, STAGED),
    Opt::new("clean_staging_directory", Kind::Bool, STAGED),
    Opt::new("galaxy_roles_path", Kind::String, "Where roles are looked for and installed."),
    Opt::new("galaxy_collections_path", Kind::String, "Where collections are looked for."),
    Opt::new("ansible_env_vars", Kind::Strings, "Environment, each NAME=value."),
];

pub(crate) static TABLE: Table = Table::new("ansible-local", &[LOCAL, SHARED]);

/// A prepared `ansible-local`.
pub(crate) struct AnsibleLocal {
    block: Block,
}

struct Settings {
    playbooks: Vec<PathBuf>,
    extra_arguments: Vec<Spanned<String>>,
    env: Vec<(String, String)>,
    sudo: bool,
    more_words: Vec<String>,
    roles: Vec<PathBuf>,
    collections: Vec<PathBuf>,
    vars: Vec<(&'static str, PathBuf)>,
    inventory: Option<PathBuf>,
    groups: Vec<String>,
    galaxy: Galaxy,
}

impl AnsibleLocal {
    /// Reads and checks the options.
    pub(crate) fn prepare(body: &Body, context: &Context, promised: &[&str], diags: &mut Diagnostics) -> Self {
        let (block, reader) = Block::prepare(body, &TABLE, context, promised, diags);
        let settings = Settings::read(&block, &reader, diags);
        ansible_common::check_words(&settings.extra_arguments, &reader, diags);
        AnsibleLocal { block }
    }
}

/// What it asks ansible-galaxy for, and the environment for that.
pub(crate) fn requirements(block: &Block, reader: &Reader, diags: &mut Diagnostics) -> (Galaxy, Vec<(String, String)>) {
    let settings = Settings::read(block, reader, diags);
    (settings.galaxy, settings.env)
}

impl Settings {
    fn read(block: &Block, reader: &Reader, diags: &mut Diagnostics) -> Self {
        stands_in(diags, reader, "galaxy_command", "ansible-galaxy");
        let mut written = strings(reader, "playbook_files");
        let single = reader.text("playbook_file");
        if single.is_some() && !written.is_empty() {
            error(
                diags,
                &reader.place("playbook_file"),
                "Either playbook_file or playbook_files can be specified, not both",
            );
        }
        written.extend(single);
        if written.is_empty() && !reader.unread("playbook_file") && !reader.unread("playbook_files") {
            error(diags, reader.span(), "Either playbook_file or playbook_files must be specified");
        }
        let mut playbooks = Vec::new();
        for file in written {
            let path = block.path(&file);
            check_file(diags, &file.span, "playbook_file", &file, &path);
            playbooks.push(path);
        }
        let dirs = |name: &str, diags: &mut Diagnostics, listed: Vec<Spanned<String>>| -> Vec<PathBuf> {
            let check = |dir: Spanned<String>| {
                let path = block.path(&dir);
                if !path.is_dir() {
                    error(diags, &dir.span, format!("{name}: {} must point to a directory", dir.value));
                }
                path
            };
            listed.into_iter().map(check).collect()
        };
        let one = |name: &str| reader.text(name).into_iter().collect::<Vec<_>>();
        let roles = dirs("role_paths", diags, strings(reader, "role_paths"));
        let collections = dirs("collection_paths", diags, strings(reader, "collection_paths"));
        let base = dirs("playbook_dir", diags, one("playbook_dir"));
        let mut vars = Vec::new();
        for name in ["group_vars", "host_vars"] {
            vars.extend(dirs(name, diags, one(name)).into_iter().map(|path| (name, path)));
        }
        for path in strings(reader, "playbook_paths") {
            if !block.path(&path).exists() {
                error(
                    diags,
                    &path.span,
                    format!("playbook_paths: {} is invalid: no such file or directory", path.value),
                );
            }
        }
        let file = |name: &str, diags: &mut Diagnostics| {
            reader.text(name).map(|file| {
                let path = block.path(&file);
                check_file(diags, &file.span, name, &file, &path);
                (path, file.span)
            })
        };
        let inventory = file("inventory_file", diags).map(|(path, _)| path);
        let galaxy_file = file("galaxy_file", diags);
        let (sudo, mut env, more_words) = command(reader, diags);
        env.extend(assignments(reader, "ansible_env_vars", diags));
        let path = |name: &str| text(reader, name).map(|path| block.path(&path));
        let mut roles_path: Vec<PathBuf> = roles.iter().filter_map(|role| role.parent().map(Path::to_owned)).collect();
        roles_path.extend(base.iter().map(|base| base.join("roles")));
        Settings {
            playbooks,
            extra_arguments: strings(reader, "extra_arguments"),
            env,
            sudo,
            more_words,
            roles: roles_path,
            collections,
            vars,
            inventory,
            groups: strings(reader, "inventory_groups").into_iter().map(|group| group.value).collect(),
            galaxy: Galaxy {
                file: galaxy_file,
                force: reader.is_true("galaxy_force_install"),
                roles_path: path("galaxy_roles_path"),
                collections_path: path("galaxy_collections_path"),
            },
        }
    }
}

/// `command`: variables, `sudo` with its flags, ansible-playbook, more words.
fn command(reader: &Reader, diags: &mut Diagnostics) -> (bool, Vec<(String, String)>, Vec<String>) {
    let (mut sudo, mut env) = (false, Vec::new());
    let Some(command) = reader.text("command") else { return (sudo, env, Vec::new()) };
    let words = match crate::openssh::split(&command) {
        Ok(words) => words,
        Err(why) => {
            error(diags, &command.span, format!("command: {why}"));
            return (sudo, env, Vec::new());
        }
    };
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        if let Some((name, value)) = word.split_once('=').filter(|(name, _)| !name.is_empty() && !name.starts_with('-'))
        {
            env.push((name.to_owned(), value.to_owned()));
        } else if word.rsplit('/').next() == Some("sudo") {
            sudo = true;
            while words
                .next_if(|flag| ["-E", "-H", "-n", "-S", "--preserve-env", "--set-home"].contains(&flag.as_str()))
                .is_some()
            {}
        } else if word.rsplit('/').next() == Some("ansible-playbook") {
            return (sudo, env, words.collect());
        } else {
            break;
        }
    }
    diags.push(
        Diagnostic::error(format!("command can't be {:?}: playbooks are run by imgbuild itself", command.value))
            .at(&command.span)
            .help("write ansible-playbook, with NAME=value and sudo before it if wanted"),
    );
    (sudo, env, Vec::new())
}

#[async_trait]
impl Provisioner for AnsibleLocal {
    fn ends_in_order(&self) -> bool {
        true
    }

    async fn provision(&self, session: &Session) -> Result<(), ProvisionError> {
        let settings = ansible_common::settings(&self.block, session, Settings::read)?;
        let ambient = self.block.context().ambient();
        let (env, home) = ansible_common::surroundings(&self.block, &[], &settings.env, &settings.galaxy, session)?;
        // One folder with links, as Packer has one on the machine: group_vars and host_vars lie beside the inventory.
        let failed = |e: std::io::Error| format!("the inventory can't be written: {e}");
        let staging = tempfile::Builder::new().prefix("packer-provisioner-ansible-local").tempdir().map_err(failed)?;
        for (name, path) in &settings.vars {
            std::os::unix::fs::symlink(path, staging.path().join(name)).map_err(failed)?;
        }
        let inventory = match &settings.inventory {
            Some(own) => own.clone(),
            None => {
                let path = staging.path().join("inventory.ini");
                let mut file = fs_err::File::create(&path).map_err(failed)?;
                file.write_all(inventory_text(&settings.groups).as_bytes()).map_err(failed)?;
                path
            }
        };
        for playbook in &settings.playbooks {
            session.reporter.say(format!("Executing Ansible: {}", playbook.display()));
            let mut words = build_variables(session, self.block.build_name(&session.build_name));
            words.extend(settings.more_words.iter().cloned());
            words.extend(settings.extra_arguments.iter().map(|word| word.value.clone()));
            words.extend(["-c", "local", "-i"].map(str::to_owned));
            words.push(inventory.display().to_string());
            let connector = OneHost {
                is_machine: Box::new(|_| true),
                communicator: session.communicator()?,
                agents: session.agents,
                home: home.clone(),
                others: None,
            };
            let command = Command {
                env: env.clone(),
                cwd: &ambient.cwd,
                home: &home,
                words,
                playbook: playbook.clone(),
                roles_path: settings.roles.iter().chain(&settings.galaxy.roles_path).cloned().collect(),
                collections_path: settings
                    .collections
                    .iter()
                    .chain(&settings.galaxy.collections_path)
                    .cloned()
                    .collect(),
                vars_dirs: vec![staging.path().to_owned()],
                adjust: &|playbook| playbook.become_.enabled |= settings.sudo,
            };
            ansible_words::run(command, Arc::new(connector), session).await?;
        }
        Ok(())
    }
}

fn inventory_text(groups: &[String]) -> String {
    if groups.is_empty() {
        return "127.0.0.1\n".into();
    }
    groups.iter().map(|group| format!("[{group}]\n127.0.0.1\n")).collect()
}
