//! Files that may be encrypted with ansible-vault.

use crate::settings::Settings;
use std::path::Path;

/// What an encrypted file starts with.
pub const HEADER: &str = "$ANSIBLE_VAULT;";

/// The text of a file, decrypted where it is a vault.
pub fn read_text(path: &Path, settings: &Settings) -> Result<String, String> {
    let text = fs_err::read_to_string(path).map_err(|e| e.to_string())?;
    if text.starts_with(HEADER) {
        let _ = &settings.vault_secrets;
        return Err(format!("{}: vaults can't be decrypted yet", path.display()));
    }
    Ok(text)
}
