//! Random names. Reads the kernel's device, so that kernels without getrandom do.

use std::io::Read;

/// Random bytes.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0u8; N];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut f| f.read_exact(&mut out));
    if read.is_err() {
        // Without the device (a bare chroot), names only need to be unlikely: O_EXCL guards against clashes.
        let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let mut state = seed as u64 ^ (u64::from(std::process::id()) << 32) ^ out.as_ptr() as u64;
        for byte in &mut out {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (state >> 33) as u8;
        }
    }
    out
}

/// A random name of 12 letters and digits.
pub fn token() -> String {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    bytes::<12>().iter().map(|b| LETTERS[*b as usize % LETTERS.len()] as char).collect()
}

/// A random number below `limit`.
pub fn below(limit: u64) -> u64 {
    u64::from_le_bytes(bytes::<8>()) % limit.max(1)
}
