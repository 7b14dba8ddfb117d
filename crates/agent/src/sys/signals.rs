//! Termination signals, taken on a thread of their own. Children start with an empty mask (the standard library sees to that).

#![expect(unsafe_code, reason = "pthread_sigmask, sigwait and setsid have no safe wrapper here")]

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
