//! `file`: files and directories to or from the machine. Source of the behaviour: Packer's file provisioner.

use super::block::{Block, error, strings, text};
use super::shell_options::reason;
use super::{ProvisionError, Provisioner, Session};
use crate::communicator::{CommError, Command, Communicator, Progress, run};
use crate::event::Reporter;
use crate::shell_quote::quote_path;
use async_trait::async_trait;
use imgbuild_diag::{Diagnostic, Diagnostics};
use imgbuild_template::{Body, Context, Kind, Opt, Reader, Spanned, Table};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

static TABLE: Table = Table::new(
    "file",
    &[&[
        Opt::new("content", Kind::String, "Text to write."),
        Opt::new("source", Kind::String, "File or directory; a trailing slash means its contents."),
        Opt::new("sources", Kind::Strings, "Several."),
        Opt::new("destination", Kind::String, "Where to; a trailing slash means into.").default("required"),
        Opt::new("direction", Kind::String, "\"upload\" or \"download\".").default("upload"),
        Opt::new("generated", Kind::Bool, "The source is made by another provisioner: it need not be there yet.")
            .default("false"),
    ]],
);

/// The options.
pub(crate) fn table() -> &'static Table {
    &TABLE
}

/// A prepared `file`.
pub(crate) struct File {
    block: Block,
}

struct Settings {
    content: Option<String>,
    sources: Vec<Spanned<String>>,
    destination: String,
    download: bool,
}

impl File {
    /// Reads and checks the options.
    pub(crate) fn prepare(body: &Body, context: &Context, promised: &[&str], diags: &mut Diagnostics) -> Self {
        let (block, reader) = Block::prepare(body, &TABLE, context, promised, diags);
        let settings = Settings::read(&reader, diags);
        if !settings.download && !reader.is_true("generated") {
            for source in &settings.sources {
                let path = block.path(source);
                match fs_err::metadata(&path) {
                    Err(e) => error(diags, &source.span, format!("Bad source '{}': {}", source.value, reason(&e))),
                    Ok(meta) if meta.is_dir() => broken_links(source, &path, diags),
                    Ok(_) => {}
                }
            }
        }
        File { block }
    }
}

/// A directory that can't be uploaded as a whole is told before a machine is paid for.
fn broken_links(source: &Spanned<String>, path: &Path, diags: &mut Diagnostics) {
    let links = walkdir::WalkDir::new(path).into_iter().filter_map(Result::ok).filter(|e| e.path_is_symlink());
    let broken: Vec<PathBuf> = links.map(walkdir::DirEntry::into_path).filter(|link| !link.exists()).collect();
    for link in broken.iter().take(3) {
        let target = std::fs::read_link(link).unwrap_or_default();
        let message = format!(
            "Bad source '{}': {} is a symbolic link to {}, which is not there",
            source.value,
            link.display(),
            target.display()
        );
        let help = "links are followed when a directory is uploaded; \"generated\": true if it will be made by then";
        diags.push(Diagnostic::error(message).at(&source.span).help(help));
    }
}

impl Settings {
    fn read(reader: &Reader, diags: &mut Diagnostics) -> Self {
        let download = match text(reader, "direction").as_deref() {
            None | Some("upload") => false,
            Some("download") => true,
            Some(_) => {
                error(diags, &reader.place("direction"), "Direction must be one of: download, upload.");
                false
            }
        };
        let mut sources = strings(reader, "sources");
        sources.extend(reader.text("source"));
        let content = text(reader, "content");
        let told = ["content", "source", "sources"].iter().any(|name| reader.unread(name));
        if sources.is_empty() && content.is_none() && !told {
            error(diags, &reader.place("source"), "Source must be specified.");
        }
        if content.is_some() && !sources.is_empty() {
            error(diags, &reader.place("content"), "Only one of content and source can be specified.");
        }
        if content.is_some() && download {
            error(diags, &reader.place("content"), "content can be uploaded only.");
        }
        let destination = text(reader, "destination");
        if destination.is_none() && !reader.unread("destination") {
            error(diags, &reader.place("destination"), "Destination must be specified.");
        }
        Settings { content, sources, destination: destination.unwrap_or_default(), download }
    }
}

#[async_trait]
impl Provisioner for File {
    async fn provision(&self, session: &Session) -> Result<(), ProvisionError> {
        let reader = self.block.read(&session.data)?;
        let mut diags = Diagnostics::new();
        let settings = Settings::read(&reader, &mut diags);
        if diags.has_errors() {
            return Err(diags.to_string().into());
        }
        if let Some(content) = &settings.content {
            let to = &settings.destination;
            session.reporter.say(format!("Uploading content => {to}"));
            if to.ends_with('/') {
                return Err(format!("the destination of content must be a file, {to} is a directory").into());
            }
            let mut bytes = content.as_bytes();
            // Packer goes by way of a temporary file, which only its owner can read.
            let size = bytes.len() as u64;
            return Ok(session.communicator()?.upload(&mut bytes, Some(size), to, Some(0o600), None).await?);
        }
        for source in &settings.sources {
            if settings.download {
                self.download(session, source, &settings.destination).await?;
            } else {
                self.upload(session, source, &settings.destination).await?;
            }
        }
        Ok(())
    }
}

/// Tells how far a file is.
pub(crate) fn progress(reporter: &Reporter, what: &str) -> Progress {
    let (reporter, what) = (reporter.clone(), what.to_owned());
    Arc::new(move |done, total| reporter.transfer(&what, done, total))
}

impl File {
    async fn upload(&self, session: &Session, source: &str, to: &str) -> Result<(), ProvisionError> {
        let what = format!("Uploading {source} => {to}");
        session.reporter.say(&what);
        let path = self.block.path(source);
        let bad = |e: std::io::Error| format!("Bad source '{source}': {}", reason(&e));
        let meta = fs_err::metadata(&path).map_err(bad)?;
        let comm = session.communicator()?;
        let progress = Some(progress(&session.reporter, &what));
        if meta.is_dir() {
            return Ok(comm.upload_dir(&path, source.ends_with('/'), to, &[], progress).await?);
        }
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let to = if to.ends_with('/') { format!("{to}{name}") } else { to.to_owned() };
        let mut file = fs_err::tokio::File::open(&path).await.map_err(bad)?;
        let mode = meta.permissions().mode() & 0o777;
        Ok(comm.upload(&mut file, Some(meta.len()), &to, Some(mode), progress).await?)
    }

    async fn download(&self, session: &Session, source: &str, to: &str) -> Result<(), ProvisionError> {
        let what = format!("Downloading {source} => {to}");
        session.reporter.say(&what);
        let comm = session.communicator()?;
        let local = |e: std::io::Error| ProvisionError::Failed(e.to_string());
        let is_dir = source.ends_with('/') || source.ends_with("/*");
        let (dir, file) = landing(source, to, is_dir);
        fs_err::tokio::create_dir_all(self.block.path(&dir)).await.map_err(local)?;
        let target = self.block.path(&file);
        if is_dir {
            let from = source.strip_suffix('*').unwrap_or(source);
            return Ok(comm.download_dir(from, true, &target).await?);
        }
        // A download that fails must not cost the file that is there: it is written beside it and moved in its place.
        let beside = target.parent().unwrap_or(Path::new("/"));
        let everyone = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        let mut builder = tempfile::Builder::new();
        let temporary = builder.prefix(".download").permissions(everyone).tempfile_in(beside).map_err(local)?;
        let mut out = tokio::fs::File::from_std(temporary.reopen().map_err(local)?);
        if let Err(error) = comm.download(source, &mut out, Some(progress(&session.reporter, &what))).await {
            return Err(not_a_file(comm.as_ref(), source, error).await);
        }
        tokio::io::AsyncWriteExt::flush(&mut out).await.map_err(local)?;
        temporary.persist(&target).map_err(|e| local(e.error))?;
        Ok(())
    }
}

/// Why a download failed; a directory is told from a file by its slash, as in Packer.
async fn not_a_file(comm: &dyn Communicator, source: &str, error: CommError) -> ProvisionError {
    let line = format!("test -d {}", quote_path(source));
    let is_dir = run(comm, Command { line, pty: false }, b"").await.is_ok_and(|done| done.exit.success());
    if is_dir {
        format!("{source} is a directory on the machine: write \"{source}/\" to download what is in it").into()
    } else {
        error.into()
    }
}

/// The directory that must be there, and the path that is written, for a download.
fn landing(source: &str, to: &str, source_is_dir: bool) -> (String, String) {
    if !to.ends_with('/') {
        let dir = Path::new(to).parent().filter(|dir| !dir.as_os_str().is_empty());
        return (dir.map_or_else(|| ".".into(), |dir| dir.display().to_string()), to.to_owned());
    }
    let name = source.rsplit('/').next().unwrap_or_default();
    let file = if source_is_dir { PathBuf::from(to) } else { Path::new(to).join(name) };
    (to.to_owned(), file.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_downloads_land() {
        for (source, to, dir, file) in [
            ("/etc/motd", "out", ".", "out"),
            ("/etc/motd", "a/out", "a", "a/out"),
            ("/etc/motd", "a/", "a/", "a/motd"),
            ("/etc/", "a/", "a/", "a/"),
            ("/etc/", "a/b", "a", "a/b"),
        ] {
            assert_eq!(landing(source, to, source.ends_with('/')), (dir.to_owned(), file.to_owned()), "{source} {to}");
        }
    }
}
