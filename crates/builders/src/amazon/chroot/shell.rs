//! Commands on this machine, through the template's `command_wrapper`, and in the chroot.

use async_trait::async_trait;
use imgbuild_diag::Span;
use imgbuild_engine::communicator::{CommError, Command, Communicator, Exit, Output, Process, Progress, run};
use imgbuild_engine::local::LocalCommunicator;
use imgbuild_engine::shell_quote::{quote, quote_path};
use imgbuild_engine::tree;
use imgbuild_template::{Context, Spanned, interpolate};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Runs command lines on this machine.
#[derive(Clone)]
pub struct Shell {
    local: LocalCommunicator,
    wrapper: Wrapper,
}

#[derive(Clone)]
enum Wrapper {
    /// `command_wrapper` with the context to render it in.
    Template(Spanned<String>, Box<Context>),
    /// As this user, or by sudo where that is not root: for `gc`, which knows no template.
    Sudo,
}

impl Shell {
    /// With a template's wrapper.
    pub fn wrapped(wrapper: Spanned<String>, context: Context) -> Self {
        Shell { local: LocalCommunicator::new("/root"), wrapper: Wrapper::Template(wrapper, Box::new(context)) }
    }

    /// As root.
    pub fn as_root() -> Self {
        Shell { local: LocalCommunicator::new("/root"), wrapper: Wrapper::Sudo }
    }

    /// The line that runs `command`, which is a simple command: a program and its arguments.
    pub fn line(&self, command: &str) -> Result<String, String> {
        match &self.wrapper {
            // Once only: what the command holds is no template.
            Wrapper::Template(text, context) => {
                let context = (**context).clone().with_field("Command", command);
                interpolate::render_once(&text.value, &text.span, &context).map_err(|d| d.to_string())
            }
            Wrapper::Sudo => Ok(format!("if [ \"$(id -u)\" = 0 ]; then {command}; else sudo -n {command}; fi")),
        }
    }

    /// Runs a simple command; its standard output. The error says what it wrote.
    pub async fn run(&self, command: &str) -> Result<String, String> {
        let line = self.line(command)?;
        let done = run(&self.local, Command::new(line), b"").await.map_err(|e| e.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if done.exit.success() {
            return Ok(text(&done.stdout));
        }
        let said = [text(&done.stderr), text(&done.stdout)].into_iter().find(|t| !t.is_empty()).unwrap_or_default();
        Err(match done.exit {
            Exit::Status(code) => format!("`{command}` ended with {code}: {said}"),
            Exit::Signal(name) => format!("`{command}` was ended by SIG{name}: {said}"),
            Exit::Unknown => format!("`{command}` ended: {said}"),
        })
    }

    /// Runs a script of the shell.
    pub async fn script(&self, script: &str) -> Result<String, String> {
        self.run(&format!("/bin/sh -c {}", quote(script))).await
    }

    /// Runs a line as the user wrote it, wrapped; each line of its output is told as it comes.
    pub async fn tell(&self, line: &str, tell: impl Fn(&str)) -> Result<(), String> {
        let Process { stdin, mut output, exit, .. } =
            self.local.start(Command::new(line)).await.map_err(|e| e.to_string())?;
        drop(stdin);
        while let Some(Output::Stdout(bytes) | Output::Stderr(bytes)) = output.recv().await {
            String::from_utf8_lossy(&bytes).lines().for_each(&tell);
        }
        match exit.await {
            Ok(Ok(exit)) if exit.success() => Ok(()),
            Ok(Ok(Exit::Status(code))) => Err(format!("received non-zero exit code {code} from command: {line}")),
            Ok(Ok(other)) => Err(format!("the command ended by {other:?}: {line}")),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("the command was given up: {line}")),
        }
    }
}

/// The inside of a directory, by chroot(8).
pub struct ChrootCommunicator {
    shell: Shell,
    root: String,
}

impl ChrootCommunicator {
    /// Of a directory.
    pub fn new(shell: Shell, root: &str) -> Self {
        ChrootCommunicator { shell, root: root.to_owned() }
    }

    /// The line that runs a shell's line inside.
    fn line(&self, line: &str) -> Result<String, CommError> {
        let command = format!("chroot {} /bin/sh -c {}", quote(&self.root), quote(line));
        self.shell.line(&command).map_err(CommError::Local)
    }
}

fn failed(exit: &Exit, said: &[u8]) -> CommError {
    let said = String::from_utf8_lossy(said).trim().to_owned();
    CommError::Remote(if said.is_empty() { format!("the command in the chroot ended with {exit:?}") } else { said })
}

#[async_trait]
impl Communicator for ChrootCommunicator {
    async fn start(&self, command: Command) -> Result<Process, CommError> {
        self.shell.local.start(Command::new(self.line(&command.line)?)).await
    }

    /// From inside: a link in the image must not lead out of it.
    async fn upload(
        &self,
        source: &mut (dyn AsyncRead + Send + Unpin),
        size: Option<u64>,
        destination: &str,
        mode: Option<u32>,
        progress: Option<Progress>,
    ) -> Result<(), CommError> {
        let to = quote_path(destination);
        let line = match mode {
            Some(mode) => format!("umask 077; : > {to} && chmod {mode:o} {to} && exec cat > {to}"),
            None => format!("exec cat > {to}"),
        };
        let Process { mut stdin, mut output, exit, .. } = self.start(Command::new(line)).await?;
        let mut buffer = vec![0; 64 << 10];
        let mut done = 0;
        let sent = loop {
            match source.read(&mut buffer).await {
                Ok(0) => break Ok(()),
                Ok(n) => {
                    if stdin.write_all(&buffer[..n]).await.is_err() {
                        // What the far side says about it is told below.
                        break Ok(());
                    }
                    done += n as u64;
                    if let Some(progress) = &progress {
                        progress(done, size);
                    }
                }
                Err(error) => break Err(CommError::Local(error.to_string())),
            }
        };
        let _ = stdin.shutdown().await;
        drop(stdin);
        let mut said = Vec::new();
        while let Some(Output::Stdout(bytes) | Output::Stderr(bytes)) = output.recv().await {
            said.extend_from_slice(&bytes);
        }
        let exit = exit.await.map_err(|_| CommError::Disconnected("the command was given up".into()))??;
        sent?;
        if exit.success() { Ok(()) } else { Err(failed(&exit, &said)) }
    }

    async fn upload_dir(
        &self,
        source: &Path,
        contents_only: bool,
        destination: &str,
        exclude: &[String],
        progress: Option<Progress>,
    ) -> Result<(), CommError> {
        let base = tree::landing(source, contents_only, destination);
        let entries = tree::list(source, exclude)?;
        let within = |relative: &str| quote_path(&format!("{}/{relative}", base.trim_end_matches('/')));
        let mut dirs = vec![quote_path(&base)];
        dirs.extend(entries.iter().filter(|e| e.is_dir).map(|e| within(&e.relative)));
        for some in dirs.chunks(200) {
            let done = run(self, Command::new(format!("mkdir -p {}", some.join(" "))), b"").await?;
            if !done.exit.success() {
                return Err(failed(&done.exit, &done.stderr));
            }
        }
        let total: u64 = entries.iter().map(|e| e.size).sum();
        let mut sent = 0;
        for entry in entries.iter().filter(|e| !e.is_dir) {
            let mut file = tokio::fs::File::open(&entry.path).await.map_err(|e| CommError::Local(format!("{e}")))?;
            let to = format!("{}/{}", base.trim_end_matches('/'), entry.relative);
            self.upload(&mut file, Some(entry.size), &to, Some(entry.mode), None).await?;
            sent += entry.size;
            if let Some(progress) = &progress {
                progress(sent, Some(total));
            }
        }
        Ok(())
    }

    async fn download(
        &self,
        source: &str,
        into: &mut (dyn AsyncWrite + Send + Unpin),
        progress: Option<Progress>,
    ) -> Result<u64, CommError> {
        let line = format!("exec cat {}", quote_path(source));
        let Process { stdin, mut output, exit, .. } = self.start(Command::new(line)).await?;
        drop(stdin);
        let (mut done, mut said) = (0, Vec::new());
        while let Some(piece) = output.recv().await {
            match piece {
                Output::Stdout(bytes) => {
                    into.write_all(&bytes).await.map_err(|e| CommError::Local(e.to_string()))?;
                    done += bytes.len() as u64;
                    if let Some(progress) = &progress {
                        progress(done, None);
                    }
                }
                Output::Stderr(bytes) => said.extend_from_slice(&bytes),
            }
        }
        into.flush().await.map_err(|e| CommError::Local(e.to_string()))?;
        let exit = exit.await.map_err(|_| CommError::Disconnected("the command was given up".into()))??;
        if exit.success() { Ok(done) } else { Err(failed(&exit, &said)) }
    }

    async fn download_dir(&self, source: &str, contents_only: bool, destination: &Path) -> Result<(), CommError> {
        let base = tree::landing(Path::new(source), contents_only, &destination.to_string_lossy());
        // Names with line ends are not to be had this way; each path comes by itself, ended by a NUL byte.
        let list =
            format!("cd {} && find . ! -path . \\( -type d -o -type f \\) -printf '%y%P\\0'", quote_path(source));
        let listed = run(self, Command::new(list), b"").await?;
        if !listed.exit.success() {
            return Err(failed(&listed.exit, &listed.stderr));
        }
        let local = |e: std::io::Error| CommError::Local(e.to_string());
        tokio::fs::create_dir_all(&base).await.map_err(local)?;
        for entry in String::from_utf8_lossy(&listed.stdout).split('\0').filter(|entry| entry.len() > 1) {
            let (kind, relative) = entry.split_at(1);
            let target = Path::new(&base).join(relative);
            if kind == "d" {
                tokio::fs::create_dir_all(&target).await.map_err(local)?;
            } else {
                let mut file = tokio::fs::File::create(&target).await.map_err(local)?;
                self.download(&format!("{}/{relative}", source.trim_end_matches('/')), &mut file, None).await?;
            }
        }
        Ok(())
    }

    fn connected(&self) -> bool {
        true
    }

    async fn reconnect(&self, _: Duration) -> Result<(), CommError> {
        Err(CommError::Local("a chroot can't be rebooted: the machine is the one that this program runs on".into()))
    }

    async fn close(&self) {}
}

/// A template's text without a place of its own.
pub fn spanned(text: &str, span: &Span) -> Spanned<String> {
    Spanned::new(text.to_owned(), span.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use imgbuild_diag::Source;
    use imgbuild_template::Ambient;
    use std::sync::Arc;

    fn shell(wrapper: &str) -> Shell {
        let source = Source::new("t", wrapper);
        let span = Span::new(&source, 0..wrapper.len());
        let context = Context::new(Arc::new(Ambient::new(jiff::Timestamp::UNIX_EPOCH, "/")));
        Shell::wrapped(spanned(wrapper, &span), context)
    }

    #[tokio::test]
    async fn commands_go_through_the_wrapper_once() {
        let shell = shell("env WRAPPED=yes {{.Command}}");
        assert_eq!(shell.run("printenv WRAPPED").await.unwrap(), "yes");
        assert_eq!(
            shell.line("docker ps --format '{{.Names}}'").unwrap(),
            "env WRAPPED=yes docker ps --format '{{.Names}}'"
        );
        assert_eq!(shell.script("echo \"it's $WRAPPED\"").await.unwrap(), "it's yes");
        assert!(shell.script("echo why >&2; exit 4").await.unwrap_err().contains("ended with 4: why"));
    }
}
