//! What modules share: commands, files and their properties, accounts, mounts, text in Python's ways. Knows no module.

pub mod attrs;
pub mod clock;
pub mod compose;
pub mod docker;
pub mod dpkg;
pub mod encoding;
pub mod files;
pub mod fnmatch;
pub mod hash;
pub mod http;
pub mod http_digest;
pub mod http_transport;
pub mod ini;
pub mod init;
pub mod lock;
pub mod mode;
pub mod mounts;
pub mod mysql;
pub mod mysql_login;
#[cfg(test)]
pub mod mysql_server;
pub mod openpgp;
pub mod openssl_file;
pub mod postgres;
pub mod postgres_login;
#[cfg(test)]
pub mod postgres_server;
pub mod pyregex;
pub mod rabbitmq;
pub mod random;
pub mod run;
pub mod selinux;
pub mod shlex;
pub mod signals;
pub mod text;
pub mod users;
pub mod version;
pub mod x509;
pub mod xml;
pub mod xpath;
mod xpath_parse;
pub mod zip;
pub mod zip_write;
