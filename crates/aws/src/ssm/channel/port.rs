//! The far side's port: streams over it, with smux where the agent knows it.

use super::{Command, Driver, Left, PIECE};
use crate::ssm::frame::{flag, payload};
use crate::ssm::mux::{Command as Mux, LARGEST, MuxFrame};
use crate::ssm::streams::{End, Opened};
use bytes::Bytes;
use tokio::sync::oneshot;

impl Driver {
    /// Bytes of the far side's port, to the streams.
    pub(super) fn take_from_port(&mut self, bytes: Bytes) -> Result<(), Left> {
        if !self.forwarding.is_some_and(|f| f.multiplexed) {
            match self.streams.get_mut(&0) {
                Some(stream) => stream.give(bytes),
                None if self.next_stream == 3 => self.early.push(bytes),
                // Its caller is gone.
                None => {}
            }
            return Ok(());
        }
        self.mux.feed(&bytes);
        while let Some(frame) = self.mux.next().map_err(Left::Over)? {
            let Some(stream) = self.streams.get_mut(&frame.stream) else { continue };
            match frame.command {
                Mux::Data => stream.give(frame.data),
                Mux::Close => stream.finish("the port closed the connection"),
                Mux::Open | Mux::Nothing => {}
            }
        }
        Ok(())
    }

    /// What a caller wants.
    pub(super) fn command(&mut self, command: Command) {
        let multiplexed = self.forwarding.is_some_and(|f| f.multiplexed);
        let outcome = match command {
            Command::Open(reply) => return self.open(reply, multiplexed),
            // A stream that the far side has finished may still be written to, to no end.
            Command::Data { number, .. } if !self.streams.contains_key(&number) => Ok(0),
            Command::Data { bytes, .. } if !multiplexed => self.send(&bytes),
            Command::Data { number, bytes } => {
                let mut sent = Ok(0);
                for part in bytes.chunks(LARGEST) {
                    let data = bytes.slice_ref(part);
                    sent = self.send_mux(&MuxFrame { command: Mux::Data, stream: number, data });
                }
                sent
            }
            Command::Closed { number } => {
                self.streams.remove(&number);
                match multiplexed {
                    true => self.send_mux(&MuxFrame::bare(Mux::Close, number)),
                    false => {
                        let flag = Bytes::copy_from_slice(&flag::DISCONNECT_TO_PORT.to_be_bytes());
                        Ok(self.sender.push(payload::FLAG, flag))
                    }
                }
            }
        };
        if let Err(Left::Over(why) | Left::Broken(why)) = outcome {
            tracing::debug!("a stream's data could not be sent: {why}");
        }
    }

    fn open(&mut self, reply: oneshot::Sender<Result<Opened, String>>, multiplexed: bool) {
        let Some(commands) = self.commands.upgrade() else { return };
        let number = if multiplexed { self.next_stream } else { 0 };
        if !multiplexed && self.next_stream != 3 {
            let _ = reply.send(Err("this agent forwards one connection in a session".into()));
            return;
        }
        self.next_stream += 2;
        let (mut end, opened) = End::new(number, commands, &self.unread);
        self.early.drain(..).for_each(|bytes| end.give(bytes));
        self.streams.insert(number, end);
        if !multiplexed {
            // The agent connected to the port before it completed the handshake.
            let _ = reply.send(Ok(opened));
            return;
        }
        match self.send_mux(&MuxFrame::bare(Mux::Open, number)) {
            Ok(sequence) => self.opening.push((sequence, reply, opened)),
            Err(Left::Over(why) | Left::Broken(why)) => drop(reply.send(Err(why))),
        }
    }

    /// Hands over the streams that the agent has taken note of.
    pub(super) fn opened(&mut self) {
        let (sender, waiting) = (&self.sender, std::mem::take(&mut self.opening));
        let (done, waiting): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(n, ..)| sender.has_arrived(*n));
        self.opening = waiting;
        for (_, reply, opened) in done {
            let _ = reply.send(Ok(opened));
        }
    }

    pub(super) fn send_mux(&mut self, frame: &MuxFrame) -> Result<i64, Left> {
        self.send(&frame.encode())
    }

    /// Bytes for the port; the number of the last message.
    fn send(&mut self, bytes: &Bytes) -> Result<i64, Left> {
        let mut last = 0;
        for piece in bytes.chunks(PIECE) {
            let payload = match &self.cipher {
                Some(cipher) => cipher.seal(piece).map_err(Left::Over)?.into(),
                None => bytes.slice_ref(piece),
            };
            last = self.sender.push(payload::OUTPUT, payload);
        }
        Ok(last)
    }
}
