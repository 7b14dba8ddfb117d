//! What requests go over where TCP alone does not do: a unix socket (`unix_socket` of `uri`), under TLS too; and a look at the status
//! line, whose reason the HTTP library drops and Ansible's messages repeat.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use ureq::Error;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport};

/// The reason of the last status line that came.
pub type Reason = Arc<Mutex<Option<String>>>;

/// Keeps the reason of the status lines that pass.
#[derive(Debug)]
pub struct Watch(pub Reason);

impl<In: Transport> Connector<In> for Watch {
    type Out = Watched<In>;

    fn connect(&self, _: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        Ok(chained.map(|inner| Watched { inner, reason: Arc::clone(&self.0) }))
    }
}

/// A transport that is watched.
#[derive(Debug)]
pub struct Watched<T> {
    inner: T,
    reason: Reason,
}

impl<T: Transport> Transport for Watched<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let more = self.inner.await_input(timeout)?;
        if let Some(reason) = reason(self.inner.buffers().input()) {
            *self.reason.lock().unwrap_or_else(|e| e.into_inner()) = Some(reason);
        }
        Ok(more)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

/// `HTTP/1.1 404 Not Found` and a line end.
fn reason(input: &[u8]) -> Option<String> {
    let line = input.strip_prefix(b"HTTP/1.")?;
    let line = &line[..line.iter().position(|b| *b == b'\n')?];
    let line = String::from_utf8_lossy(line);
    Some(line.trim_end().splitn(3, ' ').nth(2)?.to_owned())
}

/// Connects to a socket of this host, whatever the address says.
#[derive(Debug)]
pub struct Unix(pub PathBuf);

impl Connector for Unix {
    type Out = UnixTransport;

    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<Self::Out>, Error> {
        let stream = UnixStream::connect(&self.0)?;
        let buffers = LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(UnixTransport { stream, buffers }))
    }
}

/// A socket of this host.
#[derive(Debug)]
pub struct UnixTransport {
    stream: UnixStream,
    buffers: LazyBuffers,
}

impl Transport for UnixTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.stream.set_write_timeout(timeout.not_zero().map(|t| *t))?;
        Ok(self.stream.write_all(&self.buffers.output()[..amount])?)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.stream.set_read_timeout(timeout.not_zero().map(|t| *t))?;
        let amount = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        true
    }
}

/// Asks nobody: a socket needs no address.
#[derive(Debug)]
pub struct NoNames;

impl Resolver for NoNames {
    fn resolve(
        &self,
        _: &ureq::http::Uri,
        _: &ureq::config::Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let mut none = self.empty();
        none.push(([127, 0, 0, 1], 0).into());
        Ok(none)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn reasons() {
        for (input, expected) in [
            ("HTTP/1.1 405 METHOD NOT ALLOWED\r\nAllow: GET\r\n", Some("METHOD NOT ALLOWED")),
            ("HTTP/1.0 200\r\n", None),
            ("HTTP/1.1 200 O", None),
            ("{\"x\": 1}\n", None),
        ] {
            assert_eq!(super::reason(input.as_bytes()).as_deref(), expected, "{input}");
        }
    }
}
