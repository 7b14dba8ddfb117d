//! What `ansible` and `ansible-local` begin with alike.

use super::ansible_options::Galaxy;
use super::ansible_words;
use super::block::{Block, error};
use super::galaxy;
use super::{ProvisionError, Session};
use imgbuild_diag::{Diagnostic, Diagnostics};
use imgbuild_template::{Reader, Spanned};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Checks `extra_arguments` as ansible-playbook would.
pub(crate) fn check_words(extra: &[Spanned<String>], reader: &Reader, diags: &mut Diagnostics) {
    let words: Vec<String> = extra.iter().map(|word| word.value.clone()).collect();
    let place = reader.place("extra_arguments");
    match ansible_words::check(&words) {
        Ok(args) => {
            let told = args.without_effect().into_iter().map(|text| Diagnostic::warning(text).at(&place));
            told.for_each(|warning| diags.push(warning));
        }
        Err(why) => error(diags, &place, format!("extra_arguments: {}", why.trim_end())),
    }
}

/// The settings once more, now that the build's data are there.
pub(crate) fn settings<S>(
    block: &Block,
    session: &Session,
    read: impl Fn(&Block, &Reader, &mut Diagnostics) -> S,
) -> Result<S, ProvisionError> {
    let reader = block.read(&session.data)?;
    let mut diags = Diagnostics::new();
    let settings = read(block, &reader, &mut diags);
    if diags.has_errors() { Err(diags.to_string().into()) } else { Ok(settings) }
}

/// The environment that a playbook runs in, and the home directory. Its requirements are there afterwards.
pub(crate) fn surroundings(
    block: &Block,
    defaults: &[(&str, &str)],
    own: &[(String, String)],
    galaxy: &Galaxy,
    session: &Session,
) -> Result<(BTreeMap<String, String>, PathBuf), ProvisionError> {
    let home = block.home();
    let mut env = block.context().ambient().env.clone();
    env.extend(defaults.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    env.extend(own.iter().cloned());
    if let Some((file, _)) = &galaxy.file {
        galaxy::satisfy(file, galaxy, &env, &home, &session.reporter)?;
    }
    Ok((env, home))
}
