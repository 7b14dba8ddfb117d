//! The journal: nothing is created except through it, so whatever a killed run left behind can be found and removed.
//!
//! One file of JSON lines per run (`<run id>.jsonl`), locked with flock for as long as the run lives, each record fsynced
//! before the program goes on:
//!
//! ```text
//! begin ─ intent ─┬─ created ─┬─ released        the thing is gone again
//!                 │           └─ kept            the thing belongs to the artifact
//!                 └─ failed                      the call certainly had no effect
//! … end                                          the run is over; nothing is owed
//! ```
//!
//! Owed, and so the business of unwinding and of `imgbuild gc`: an entry that is `created` and neither released nor kept is
//! deleted; an `intent` without an outcome is looked up by token, tag or name, and deleted if it is there.
//!
//! Invariant: no secret is ever written here. Fields hold names, ids, tags and places only.

mod file;
mod record;
mod replay;

pub use file::{CrashPoint, Journal, JournalError, When};
pub use record::{Begin, Intent, Place, Record};
pub use replay::{DeadRun, Entry, State, Unreadable, dead_runs, live_runs, replay};
