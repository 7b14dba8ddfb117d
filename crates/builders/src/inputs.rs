//! What an image is made of, as one digest: `build --if-changed` (complaint 5 of docs/pains.md).
//!
//! In it: the options of the builder and its provisioners, rendered with a clock that stands still, the values of user variables,
//! and the content of the files of this machine that they name; of playbooks also what they use ([`playbooks`]). Not in it: secrets (only that there are some), post-processors, and what the world outside gives (packages,
//! downloads, what a `shell-local` reads by itself): for those there is `--max-age`. The builder adds the source image.

mod playbooks;

use crate::amazon::options::DATA_NAMES;
use crate::registry;
use imgbuild_diag::{Diagnostics, Redactor};
use imgbuild_engine::provision;
use imgbuild_template::{Body, Build, Context, Table, Template};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

/// Options that name files and folders of this machine.
const LOCAL: &[(&str, &[&str])] = &[
    (
        "ansible",
        &["playbook_file", "galaxy_file", "inventory_directory", "inventory_file", "roles_path", "extra_arguments"],
    ),
    (
        "ansible-local",
        &[
            "playbook_file",
            "playbook_files",
            "playbook_dir",
            "playbook_paths",
            "role_paths",
            "collection_paths",
            "group_vars",
            "host_vars",
            "inventory_file",
            "galaxy_file",
            "extra_arguments",
        ],
    ),
    ("shell", &["script", "scripts"]),
    ("shell-local", &["script", "scripts"]),
    ("file", &["source", "sources"]),
    ("goss", &["tests", "vars_file"]),
    ("amazon-ebs", &["user_data_file"]),
    ("amazon-ebssurrogate", &["user_data_file"]),
];

/// What an image is made of, and how old one may be that was made of the same.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// The digest; the source image is not in it yet.
    pub digest: String,
    /// Older images do not count.
    pub max_age: Option<Duration>,
}

/// The digest of each build, in the order of the template's. `template` was loaded with [`imgbuild_template::Ambient::still`].
///
/// # Errors
/// A file can't be read.
pub fn digests(
    template: &Template,
    verify: Option<&Path>,
    cwd: &Path,
    redactor: &Redactor,
) -> std::io::Result<Vec<String>> {
    let of = |build| digest(template, build, verify, cwd, redactor).map(hex);
    template.builds.iter().map(of).collect()
}

/// A digest in which the source image is, too.
pub(crate) fn with_source(digest: &str, source: &str) -> String {
    hex(Sha256::new().chain_update(digest).chain_update(source))
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digest(
    template: &Template,
    build: &Build,
    verify: Option<&Path>,
    cwd: &Path,
    redactor: &Redactor,
) -> std::io::Result<Sha256> {
    let mut hash = Sha256::new();
    // Options that are rendered later name them still.
    let variables = template.variables.values();
    let variables: std::collections::BTreeMap<_, _> = variables.iter().collect();
    hash.update(redactor.redact(&json!(variables).to_string()));
    if let Some(playbook) = verify {
        // What was not proved by this playbook is not the same.
        hash.update("verify");
        playbooks::add(&mut hash, playbook, cwd, &[])?;
    }
    let kind = build.builder.kind.as_str();
    let context = template.context(build);
    let own = context.clone().with_amazon_functions(kind.starts_with("amazon-"));
    let tables = registry::tables();
    part(&mut hash, kind, &build.builder.body, tables.into_iter().find(|t| t.name == kind), &own, cwd, redactor)?;
    let promised = context.with_promised(DATA_NAMES);
    for provisioner in &build.provisioners {
        let kind = provisioner.kind.as_str();
        let table = provision::tables().into_iter().find(|table| table.name == kind);
        part(&mut hash, kind, &provisioner.body, table, &promised, cwd, redactor)?;
    }
    Ok(hash)
}

/// Adds a block: its options, and what they name. What has none (breakpoint, sleep) changes no image.
fn part(
    hash: &mut Sha256,
    kind: &str,
    body: &Body,
    table: Option<&'static Table>,
    context: &Context,
    cwd: &Path,
    redactor: &Redactor,
) -> std::io::Result<()> {
    let Some(table) = table else { return Ok(()) };
    // What is wrong with it is told when the build is prepared.
    let outline = body.reader(table, context, &mut Diagnostics::new()).outline();
    hash.update(redactor.redact(&json!([kind, outline]).to_string()).as_bytes());
    let names = LOCAL.iter().find(|(of, _)| *of == kind).map_or(&[][..], |(_, names)| names);
    let names = names.iter().filter(|_| kind != "file" || outline["direction"] != "download");
    for name in names {
        for path in paths(name, &outline[*name]) {
            content(hash, &cwd.join(path), 0)?;
            if name.starts_with("playbook_file") {
                playbooks::add(hash, &cwd.join(path), cwd, &paths("ansible_env_vars", &outline["ansible_env_vars"]))?;
            }
        }
    }
    Ok(())
}

/// The paths in an option's value: a text, a list, and `@file` among the arguments of a program.
fn paths<'a>(name: &str, value: &'a Value) -> Vec<&'a str> {
    let texts = match value {
        Value::String(text) => vec![text.as_str()],
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let file = |text: &'a str| match name {
        "extra_arguments" => text.rsplit_once('@').map(|(_, file)| file),
        _ => Some(text),
    };
    texts.into_iter().filter_map(file).filter(|text| !text.is_empty()).collect()
}

/// Adds a file with its mode, a link with its target, a folder with all that is in it but version control. What is not there adds
/// nothing: that is for the build to say.
fn content(hash: &mut Sha256, path: &Path, depth: usize) -> std::io::Result<()> {
    // A link may lead back up.
    if depth > 64 {
        return Ok(());
    }
    let Ok(meta) = std::fs::metadata(path) else { return Ok(()) };
    if meta.is_dir() {
        let mut names: Vec<_> = std::fs::read_dir(path)?.filter_map(|e| Some(e.ok()?.file_name())).collect();
        names.sort();
        for name in names.iter().filter(|name| *name != ".git") {
            hash.update(name.as_encoded_bytes());
            content(hash, &path.join(name), depth + 1)?;
        }
    } else if meta.is_file() {
        hash.update(meta.permissions().mode().to_le_bytes());
        hash.update(meta.len().to_le_bytes());
        std::io::copy(&mut std::fs::File::open(path)?, &mut Sink(hash))?;
    }
    Ok(())
}

struct Sink<'a>(&'a mut Sha256);

impl std::io::Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgbuild_template::{Ambient, LoadOptions};
    use std::sync::Arc;

    /// The digest of the only build of a template in this folder, as a run at this second would see it.
    fn digest_at(second: i64, folder: &Path, file: &str, vars: &[(&str, &str)]) -> String {
        let ambient = Ambient::new(jiff::Timestamp::from_second(second).unwrap(), folder).still();
        let mut options = LoadOptions::new(Arc::new(ambient));
        options.vars = vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let redactor = options.redactor.clone();
        let loaded = imgbuild_template::load(&folder.join(file), &options).unwrap_or_else(|d| panic!("{d}"));
        digests(&loaded.template, None, folder, &redactor).unwrap().remove(0)
    }

    const JSON: &str = r#"{
      "variables": {"how": "sh", "size": "8", "password": "", "at": "{{timestamp}}"},
      "sensitive-variables": ["password"],
      "builders": [{"type": "amazon-ebs", "ami_name": "a {{clean_resource_name isotime}} {{user `at`}} {{uuid}}", "region": "us-east-1",
        "source_ami": "ami-1", "instance_type": "t3.micro", "ssh_username": "admin", "ssh_password": "{{user `password`}}",
        "launch_block_device_mappings": [{"device_name": "/dev/sda1", "volume_size": "{{user `size`}}"}]}],
      "provisioners": [{"type": "shell", "scripts": ["set up.sh"], "execute_command": "{{user `how`}} {{.Path}}"}, {"type": "file", "sources": ["conf", "app@.service"], "destination": "/etc/conf/"},
        {"type": "ansible", "playbook_file": "site.yml", "extra_arguments": ["-e", "@extra.json"]}]
    }"#;
    const HCL: &str = r#"
      variable "size" { default = 8 }
      source "amazon-ebs" "x" {
        ami_name = "a ${timestamp()} ${uuidv4()} {{isotime}}"
        region = "us-east-1"
        source_ami = "ami-1"
        instance_type = "t3.micro"
        ssh_username = "admin"
        launch_block_device_mappings {
          device_name = "/dev/sda1"
          volume_size = var.size
        }
      }
      build {
        sources = ["amazon-ebs.x"]
        provisioner "shell" { inline = [file("set up.sh")] }
      }
    "#;

    #[test]
    fn time_and_secrets_change_nothing_but_content_does() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("t.json", JSON);
        write("t.pkr.hcl", HCL);
        write("set up.sh", "true");
        write("conf/a/b", "1");
        write("app@.service", "1");
        write(
            "site.yml",
            "- import_playbook: shared/imp.yml\n- hosts: all\n  vars_files: [vars/main.yml]\n  tasks:\n  - copy: {content: \"{{ lookup('template', 'x.j2') }}\", dest: /x}\n",
        );
        write("vars/main.yml", "a: 1");
        write("shared/imp.yml", "- hosts: all\n  tasks:\n  - include_tasks: tasks/t.yml\n");
        write("shared/tasks/t.yml", "[]");
        write("ansible.cfg", "[defaults]\nroles_path = more:roles\n");
        write("more/r2/tasks/main.yml", "[]");
        write("x.j2", "1");
        write("extra.json", "{}");
        write("roles/r/tasks/main.yml", "[]");
        let of = |vars: &[(&str, &str)]| digest_at(1, folder.path(), "t.json", vars);
        let hcl = |vars: &[(&str, &str)]| digest_at(1, folder.path(), "t.pkr.hcl", vars);
        let mut last = (of(&[]), hcl(&[]));
        assert_eq!(last.0.len(), 64);
        assert_eq!(digest_at(1_900_000_000, folder.path(), "t.json", &[]), last.0);
        assert_eq!(digest_at(1_900_000_000, folder.path(), "t.pkr.hcl", &[]), last.1);
        assert_eq!(of(&[("password", "correct horse")]), of(&[("password", "battery staple")]));
        assert_ne!(of(&[("size", "9")]), last.0);
        assert_ne!(of(&[("how", "bash")]), last.0, "an option that is rendered later");
        assert_ne!(hcl(&[("size", "9")]), last.1);
        // What a build leaves in the folder is no change.
        write("manifest.json", "{}");
        assert_eq!(of(&[]), last.0);
        for (name, text) in [
            ("conf/a/b", "2"),
            ("conf/a/c", ""),
            ("site.yml", "[ ]"),
            ("extra.json", "[]"),
            ("roles/r/tasks/main.yml", ""),
        ] {
            write(name, text);
            let now = of(&[]);
            assert_ne!(now, last.0, "{name}");
            last.0 = now;
        }
        write("set up.sh", "false");
        assert_ne!(of(&[]), last.0);
        assert_ne!(hcl(&[]), last.1, "the text of file()");
    }
}
