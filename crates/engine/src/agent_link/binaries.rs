//! The agents that are uploaded.

use crate::communicator::CommError;
use sha2::Digest as _;
use std::io::Read as _;

/// The agents that come with the program, compressed with gzip; an empty slice means that this build of the program lacks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentBinaries {
    /// For `x86_64`.
    pub x86_64: &'static [u8],
    /// For `aarch64`.
    pub aarch64: &'static [u8],
}

impl AgentBinaries {
    /// The compressed agent for a machine as `uname -m` names it.
    pub fn for_machine(&self, machine: &str) -> Result<&'static [u8], CommError> {
        let bytes = match machine {
            "x86_64" | "amd64" => self.x86_64,
            "aarch64" | "arm64" => self.aarch64,
            other => {
                return Err(CommError::Remote(format!(
                    "the host is a {other}: imgbuild has agents for x86_64 and aarch64 only (raw and the shell provisioner work without)"
                )));
            }
        };
        if bytes.is_empty() {
            return Err(CommError::Local(format!(
                "this build of imgbuild has no agent for {machine}: the target's compiler was missing when it was built"
            )));
        }
        Ok(bytes)
    }

    /// A short name for what is in both, so that another version's file is never taken for this one's.
    pub(crate) fn tag(&self) -> String {
        let mut hash = sha2::Sha256::new();
        hash.update(self.x86_64);
        hash.update(self.aarch64);
        hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Unpacks one, for hosts without gzip.
pub(crate) fn unpack(compressed: &[u8]) -> Result<Vec<u8>, CommError> {
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(compressed)
        .read_to_end(&mut plain)
        .map_err(|e| CommError::Local(format!("the embedded agent is damaged: {e}")))?;
    Ok(plain)
}
