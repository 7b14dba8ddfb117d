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
        if !provisioner.body.options().any(|(name, _)| name == "galaxy_file") {
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
