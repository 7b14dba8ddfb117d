//! What modules share: commands, files and their properties, accounts, mounts, text in Python's ways. Knows no module.

pub mod attrs;
pub mod clock;
pub mod files;
pub mod fnmatch;
pub mod hash;
pub mod lock;
pub mod mode;
pub mod mounts;
pub mod pyregex;
pub mod random;
pub mod run;
pub mod selinux;
pub mod shlex;
pub mod signals;
pub mod text;
pub mod users;
pub mod version;
