//! What modules share: commands, files and their properties, accounts, mounts, text in Python's ways. Knows no module.

pub mod attrs;
pub mod clock;
pub mod docker;
pub mod dpkg;
pub mod files;
pub mod fnmatch;
pub mod hash;
pub mod http;
pub mod http_unix;
pub mod ini;
pub mod init;
pub mod lock;
pub mod mode;
pub mod mounts;
pub mod openpgp;
pub mod pyregex;
pub mod random;
pub mod run;
pub mod selinux;
pub mod shlex;
pub mod signals;
pub mod text;
pub mod users;
pub mod version;
pub mod zip;
pub mod zip_write;
