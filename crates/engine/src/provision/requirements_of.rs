//! What a build's Ansible provisioners ask for before they run: their requirements files, for `imgbuild init`.

use super::ansible_options::{self, Galaxy};
use super::block::Block;
use super::{ansible_local, galaxy};
use crate::event::Reporter;
use imgbuild_diag::{Diagnostic, Diagnostics};
use imgbuild_template::{Build, Context};
use std::path::PathBuf;

/// A requirements file that was looked at, and where it had its roles and collections looked for.
pub type Seen = (PathBuf, Option<PathBuf>, Option<PathBuf>);

/// Satisfies the requirements files of a build as the build itself would: what is there is said, archives on this machine are
/// unpacked (`force`: again), and what would have to be downloaded is an error. `seen` files are passed over.
pub fn install(
    build: &Build,
    context: &Context,
    force: bool,
    seen: &mut Vec<Seen>,
    reporter: &Reporter,
    diags: &mut Diagnostics,
) {
    for provisioner in build.provisioners.iter().chain(&build.cleanup) {
        if !provisioner.body.names().iter().any(|name| name == "galaxy_file") {
            continue;
        }
        // Its other options are for `validate`.
        let mut own = Diagnostics::new();
        let read = match provisioner.kind.as_str() {
            "ansible" => {
                let table = &ansible_options::TABLE;
                let (block, reader) = Block::prepare(&provisioner.body, table, context, &[], &mut own);
                let settings = ansible_options::Settings::read(&block, &reader, &mut own);
                (block, settings.galaxy, settings.env)
            }
            "ansible-local" => {
                let table = &ansible_local::TABLE;
                let (block, reader) = Block::prepare(&provisioner.body, table, context, &[], &mut own);
                let (galaxy, env) = ansible_local::requirements(&block, &reader, &mut own);
                (block, galaxy, env)
            }
            _ => continue,
        };
        let (block, galaxy, variables) = read;
        let Some((file, span)) = galaxy.file.clone() else {
            diags.extend(own);
            continue;
        };
        let key = (file.clone(), galaxy.roles_path.clone(), galaxy.collections_path.clone());
        if seen.contains(&key) {
            continue;
        }
        seen.push(key);
        let mut env = block.context().ambient().env.clone();
        env.extend(variables);
        let galaxy = Galaxy { force: galaxy.force || force, ..galaxy };
        if let Err(why) = galaxy::satisfy(&file, &galaxy, &env, &block.home(), reporter) {
            diags.push(Diagnostic::error(why).at(&span));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Sink};
    use imgbuild_diag::{Redactor, Source};
    use imgbuild_template::{Ambient, LoadOptions, parse_text};
    use std::sync::{Arc, Mutex};

    #[derive(Default)]
    struct Said(Mutex<String>);

    impl Sink for Said {
        fn emit(&self, event: Event) {
            self.0.lock().unwrap().push_str(&format!("{event:?}\n"));
        }
    }

    /// Installs what the provisioners of a template ask for: what was said, what was wrong.
    fn install_for(folder: &std::path::Path, provisioners: &str) -> (String, Vec<String>) {
        let mut ambient = Ambient::new("2026-01-02T03:04:05Z".parse().unwrap(), folder);
        ambient.env.insert("HOME".into(), folder.join("home").display().to_string());
        let text =
            format!(r#"{{"builders": [{{"type": "null"}}, {{"type": "file"}}], "provisioners": [{provisioners}]}}"#);
        let loaded = parse_text(&Source::new("t.json", text), None)
            .and_then(|parsed| parsed.resolve(&LoadOptions::new(Arc::new(ambient))))
            .unwrap();
        let said = Arc::new(Said::default());
        let reporter = Reporter::new(Arc::clone(&said) as Arc<dyn Sink>, Redactor::new());
        let (mut seen, mut diags) = (Vec::new(), Diagnostics::new());
        for build in &loaded.template.builds {
            let context = loaded.template.context(build);
            install(build, &context, false, &mut seen, &reporter, &mut diags);
        }
        let text = said.0.lock().unwrap().clone();
        (text, diags.iter().map(|d| format!("{} @{}", d.message, d.span.as_ref().unwrap())).collect())
    }

    #[test]
    fn what_is_there_and_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        std::fs::create_dir_all(at.join("roles/docker")).unwrap();
        std::fs::write(at.join("have.yml"), "- name: docker\n").unwrap();
        std::fs::write(at.join("want.yml"), "roles:\n  - name: web\ncollections:\n  - community.general\n").unwrap();

        let have =
            r#"{"type": "ansible", "playbook_file": "later.yml", "galaxy_file": "have.yml", "roles_path": "roles"}"#;
        let (said, wrong) = install_for(at, have);
        assert!(wrong.is_empty(), "{wrong:?}");
        assert_eq!(said.matches("docker is installed").count(), 1, "once for both builds: {said}");

        let want = r#"{"type": "ansible-local", "playbook_file": "later.yml", "galaxy_file": "want.yml"}"#;
        let (_, wrong) = install_for(at, want);
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        assert!(wrong[0].contains("role web, collection community.general"), "{wrong:?}");
        assert!(wrong[0].contains("@t.json:1:"), "{wrong:?}");

        let (_, wrong) =
            install_for(at, r#"{"type": "ansible", "galaxy_file": "no.yml"}, {"type": "shell", "inline": ["x"]}"#);
        assert!(wrong.iter().any(|w| w.contains("no.yml")), "{wrong:?}");
        let (_, wrong) = install_for(at, r#"{"type": "ansible", "galaxy_file": "{{user `x`}}"}"#);
        assert!(!wrong.is_empty());
    }
}
