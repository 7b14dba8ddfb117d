//! `--relay SOCKET [-l USER] HOST COMMAND…`: what rsync takes for a remote shell. It hands the command to the controller's process,
//! which runs it on the host over the connection that the play has.

use imgbuild_proto::relay::{COMMAND, EXIT, STDERR, STDOUT, frame, head};
use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

/// The command-line flag that marks such a process.
pub const FLAG: &str = "--relay";

/// The command line in a remote shell's arguments: behind `-l USER` and the host's name, joined as ssh does.
fn command(args: &[String]) -> Option<String> {
    let rest = match args {
        [flag, _, rest @ ..] if flag == "-l" => rest,
        rest => rest,
    };
    rest.split_first().map(|(_, words)| words.join(" ")).filter(|line| !line.is_empty())
}

/// Runs until the remote command has ended. The exit status.
pub fn main(args: Vec<OsString>) -> i32 {
    let args: Vec<String> = args.into_iter().map(|a| a.to_string_lossy().into_owned()).collect();
    let done = args
        .split_first()
        .and_then(|(socket, rest)| Some((socket, command(rest)?)))
        .ok_or_else(|| std::io::Error::other("a socket, a host and a command are needed"))
        .and_then(|(socket, line)| serve(socket, &line));
    match done {
        Ok(status) => status,
        Err(e) => {
            let _ = writeln!(std::io::stderr(), "the relay to the host: {e}");
            255
        }
    }
}

fn serve(socket: &str, line: &str) -> std::io::Result<i32> {
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(&frame(COMMAND, line.as_bytes()))?;
    let mut up = stream.try_clone()?;
    std::thread::Builder::new().name("stdin".into()).spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut up);
        let _ = up.shutdown(Shutdown::Write);
    })?;
    let mut first = [0; 5];
    let (mut stdout, mut stderr) = (std::io::stdout().lock(), std::io::stderr().lock());
    loop {
        stream.read_exact(&mut first)?;
        let (kind, length) = head(first);
        let mut bytes = vec![0; length];
        stream.read_exact(&mut bytes)?;
        match kind {
            STDOUT => {
                stdout.write_all(&bytes)?;
                stdout.flush()?;
            }
            STDERR => stderr.write_all(&bytes)?,
            EXIT => return Ok(<[u8; 4]>::try_from(bytes.as_slice()).map_or(255, i32::from_le_bytes)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_shells_arguments() {
        for (args, want) in [
            (&["-l", "u", "h", "rsync", "--server", "."][..], Some("rsync --server .")),
            (&["h", "sudo -u root rsync", "--server"], Some("sudo -u root rsync --server")),
            (&["h"], None),
            (&[], None),
        ] {
            let args: Vec<String> = args.iter().map(|a| a.to_string()).collect();
            assert_eq!(command(&args).as_deref(), want, "{args:?}");
        }
    }
}
