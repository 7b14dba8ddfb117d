//! System calls of a machine that would reach the whole host: they are refused, as EC2's hypervisor would not.
//!
//! A filter and not fewer capabilities, because programs inside (`docker run --privileged`) hand on all capabilities
//! and fail when some are missing.

use std::io;

use libc::{c_long, sock_filter};

use super::sys;

/// Kernel modules, the host's clock, swap areas, its kernel log, another kernel: refused with EPERM.
const REFUSED: &[c_long] = &[
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_syslog,
    libc::SYS_acct,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
];

// Classic BPF over struct seccomp_data: nr at 0, arch at 4, the low and high halves of argument N at 16 + 8 N.
const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K
const ALLOW: u32 = 0x7fff_0000;
const ERROR: u32 = 0x0005_0000; // with the error number in the low half
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

/// Puts the filter on this process and everything that it starts.
///
/// On a host whose root may not raise resource limits (a container without CAP_SYS_RESOURCE), setting the limits of open
/// files and processes does nothing in the machine and says that it did: service scripts that begin with
/// `ulimit -n 1048576` would end there.
pub fn install() -> io::Result<()> {
    let status = fs_err::read_to_string("/proc/self/status")?;
    sys::install_filter(&mut program(may_raise_limits(&status)))
}

/// Whether CAP_SYS_RESOURCE (bit 24) is in the bounding set that /proc/PID/status tells.
fn may_raise_limits(status: &str) -> bool {
    let set = status.lines().find_map(|line| line.strip_prefix("CapBnd:")).map_or("", str::trim);
    u64::from_str_radix(set, 16).is_ok_and(|set| set & (1 << 24) != 0)
}

fn program(may_raise_limits: bool) -> Vec<sock_filter> {
    let step = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    let number = |call: c_long| u32::try_from(call).unwrap_or(u32::MAX);
    let mut program =
        vec![step(LOAD, 0, 0, 4), step(EQUAL, 1, 0, ARCHITECTURE), step(RETURN, 0, 0, ALLOW), step(LOAD, 0, 0, 0)];
    for &call in REFUSED {
        program.push(step(EQUAL, 0, 1, number(call)));
        program.push(step(RETURN, 0, 0, ERROR | 1)); // EPERM
    }
    if !may_raise_limits {
        program.extend([
            step(EQUAL, 9, 0, number(libc::SYS_setrlimit)),
            step(EQUAL, 0, 12, number(libc::SYS_prlimit64)),
            // prlimit that only reads (no new limit), or that also wants the old one, is the kernel's to answer.
            step(LOAD, 0, 0, 32),
            step(EQUAL, 0, 2, 0),
            step(LOAD, 0, 0, 36),
            step(EQUAL, 8, 0, 0),
            step(LOAD, 0, 0, 40),
            step(EQUAL, 0, 6, 0),
            step(LOAD, 0, 0, 24),
            step(EQUAL, 3, 2, libc::RLIMIT_NOFILE),
            step(LOAD, 0, 0, 16),
            step(EQUAL, 1, 0, libc::RLIMIT_NOFILE),
            step(EQUAL, 0, 1, libc::RLIMIT_NPROC),
            step(RETURN, 0, 0, ERROR),
        ]);
    }
    program.push(step(RETURN, 0, 0, ALLOW));
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel's interpreter for the few instructions that are used.
    fn decide(program: &[sock_filter], call: c_long, arguments: [u64; 4]) -> u32 {
        let mut data = Vec::new();
        data.extend_from_slice(&u32::try_from(call).unwrap().to_le_bytes());
        data.extend_from_slice(&ARCHITECTURE.to_le_bytes());
        data.extend_from_slice(&[0; 8]);
        for argument in arguments {
            data.extend_from_slice(&argument.to_le_bytes());
        }
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let step = program[at];
            at += 1;
            match step.code {
                LOAD => {
                    let from = step.k as usize;
                    accumulator = u32::from_le_bytes(data[from..from + 4].try_into().unwrap());
                }
                EQUAL => at += usize::from(if accumulator == step.k { step.jt } else { step.jf }),
                _ => return step.k,
            }
        }
    }

    #[test]
    fn what_reaches_the_host_is_refused() {
        for raise in [true, false] {
            let program = program(raise);
            for &call in REFUSED {
                assert_eq!(decide(&program, call, [0; 4]), ERROR | 1);
            }
            assert_eq!(decide(&program, libc::SYS_read, [0; 4]), ALLOW);
            assert_eq!(decide(&program, libc::SYS_reboot, [0; 4]), ALLOW);
        }
    }

    #[test]
    fn limits_are_the_kernels_business_where_root_may_raise_them() {
        let files = u64::from(libc::RLIMIT_NOFILE);
        let core = u64::from(libc::RLIMIT_CORE);
        let full = program(true);
        assert_eq!(decide(&full, libc::SYS_prlimit64, [0, files, 1, 0]), ALLOW);
        let poor = program(false);
        assert_eq!(decide(&poor, libc::SYS_prlimit64, [0, files, 1, 0]), ERROR);
        assert_eq!(decide(&poor, libc::SYS_prlimit64, [0, files, 1 << 32, 0]), ERROR);
        assert_eq!(decide(&poor, libc::SYS_setrlimit, [files, 1, 0, 0]), ERROR);
        // Reading, reading and setting at once, and other limits.
        assert_eq!(decide(&poor, libc::SYS_prlimit64, [0, files, 0, 1]), ALLOW);
        assert_eq!(decide(&poor, libc::SYS_prlimit64, [0, files, 1, 1]), ALLOW);
        assert_eq!(decide(&poor, libc::SYS_prlimit64, [0, core, 1, 0]), ALLOW);
        assert_eq!(decide(&poor, libc::SYS_setrlimit, [core, 1, 0, 0]), ALLOW);
    }
}
