//! The console's log: everything that is written to the machine's terminal, appended to a file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread::JoinHandle;

use super::super::namespace::fault::{Fault, Step};

/// EC2 keeps this much of a console's output; so does the log, roughly (it is cut when it has twice as much).
const KEPT: usize = 64 * 1024;

/// The thread that copies; it ends with the process.
pub struct Log {
    _thread: JoinHandle<()>,
}

impl Log {
    /// Starts a new log (a machine that is started again has a new console, as in EC2).
    pub fn start(terminal: &File, path: &Path) -> Result<Self, Fault> {
        let mut terminal = terminal.try_clone().step("reading the console")?;
        let mut log = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
            .step("writing the console's log")?;
        let thread = std::thread::Builder::new()
            .name("console".into())
            .spawn(move || {
                let mut written = 0;
                let mut buffer = [0; 8192];
                loop {
                    match terminal.read(&mut buffer) {
                        // EIO: nobody has the machine's end open at this moment.
                        Err(error) if error.raw_os_error() == Some(libc::EIO) => {
                            std::thread::sleep(std::time::Duration::from_millis(50));
                        }
                        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                        Err(_) | Ok(0) => return,
                        Ok(length) => {
                            // A full disk must not stop the machine.
                            if log.write_all(&buffer[..length]).is_ok() {
                                written += length;
                            }
                            if written > 2 * KEPT && cut(&mut log).is_ok() {
                                written = KEPT;
                            }
                        }
                    }
                }
            })
            .step("reading the console")?;
        Ok(Self { _thread: thread })
    }
}

/// Keeps the end of the log.
fn cut(log: &mut File) -> io::Result<()> {
    use std::io::{Seek, SeekFrom};
    let mut end = Vec::with_capacity(KEPT);
    log.seek(SeekFrom::End(-(KEPT as i64)))?;
    log.read_to_end(&mut end)?;
    log.set_len(0)?;
    log.seek(SeekFrom::Start(0))?;
    log.write_all(&end)
}
