//! Termination signals, taken on a thread of their own. Children would start with them blocked: the standard library hands
//! the mask on, and so do most programs, down to a daemon that SIGTERM never reaches.

#![expect(unsafe_code, reason = "pthread_sigmask, sigwait and pre_exec have no safe wrapper here")]

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Lets a command's process start with no signal blocked.
pub fn unblocked(command: &mut Command) -> &mut Command {
    // SAFETY: between fork and exec only sigemptyset and pthread_sigmask are called, which are async-signal-safe, on a set of this
    // stack.
    unsafe {
        command.pre_exec(|| {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&mut set);
            libc::pthread_sigmask(libc::SIG_SETMASK, &set, std::ptr::null_mut());
            Ok(())
        })
    }
}

/// Blocks SIGHUP, SIGINT and SIGTERM for all threads started later and calls `then` when one arrives.
pub fn on_termination(then: impl Fn(i32) + Send + 'static) {
    // SAFETY: the set is initialised by sigemptyset before use; the calls take valid pointers.
    let set = unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGTERM] {
            libc::sigaddset(&mut set, signal);
        }
        libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut());
        set
    };
    let _ = std::thread::Builder::new().name("signals".into()).spawn(move || {
        let mut signal = 0;
        // SAFETY: both pointers are valid for the call.
        if unsafe { libc::sigwait(&set, &mut signal) } == 0 {
            then(signal);
        }
    });
}
