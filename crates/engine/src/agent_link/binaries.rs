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

    /// KiB that a host must have room for: the larger of the two, unpacked. gzip's last four bytes tell.
    pub(crate) fn room(&self) -> u64 {
        let size = |packed: &[u8]| packed.last_chunk::<4>().map_or(0, |tail| u64::from(u32::from_le_bytes(*tail)));
        size(self.x86_64).max(size(self.aarch64)).div_ceil(1024)
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn room_is_that_of_the_larger_one() {
        let packed = |size: usize| -> &'static [u8] {
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packer.write_all(&vec![0; size]).unwrap();
            Box::leak(packer.finish().unwrap().into_boxed_slice())
        };
        assert_eq!(AgentBinaries { x86_64: packed(5000), aarch64: packed(2048) }.room(), 5);
        assert_eq!(AgentBinaries { x86_64: &[], aarch64: &[] }.room(), 0);
    }
}
