//! The program that runs on the target: takes module calls as frames on standard input and answers on standard output.
//!
//! Owns start, signals and the end. It leaves nothing behind: children are killed, private files and its own executable are
//! removed when standard input closes, on `Bye` and on a signal.
//!
//! ```text
//! main -> link (frames, chains) -> modules/<name> (plan, apply) -> sys/ (files, users, commands, ...), facts/
//! ```

mod args;
mod blob;
mod chain;
mod ctx;
mod facts;
mod link;
mod modules;
mod no_log;
mod outcome;
mod relay;
mod sys;
mod workdir;

use std::path::PathBuf;
use std::sync::Arc;

fn main() {
    let mut remove_self = None;
    let mut args = std::env::args_os().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--remove-self" {
            remove_self = args.next().map(PathBuf::from);
        } else if arg == relay::FLAG {
            std::process::exit(relay::main(args.collect()));
        } else if arg == modules::expect::FLAG {
            std::process::exit(modules::expect::terminal_main(args.collect()));
        } else if arg == modules::async_job::FLAG {
            std::process::exit(modules::async_job::child_main(args.collect()));
        }
    }
    let workdir = Arc::new(workdir::Workdir::new(remove_self));
    sys::signals::on_termination({
        let workdir = workdir.clone();
        move |signal| {
            sys::run::kill_everything();
            workdir.remove();
            std::process::exit(128 + signal);
        }
    });
    let status = link::serve(std::io::stdin().lock(), workdir.clone());
    sys::run::kill_everything();
    workdir.remove();
    std::process::exit(status);
}
