//! What the controller and the agent say to each other, and what both know of a module's arguments.
//!
//! A frame is `u32 length of head | u32 length of body | head | body`, both lengths little-endian; the head is one JSON
//! object ([`Request`] or [`Reply`]), the body raw bytes that belong to it (file contents, output). No I/O happens here:
//! [`encode`] and [`Decoder`] work on bytes.
//!
//! Invariants: the agent answers each `Call` with exactly one `Done`, in whatever order calls finish across chains and in
//! order within one chain; `Output` and `Chunk` frames of a call come before its `Done`. Nothing here is compatible across
//! versions: the agent that is uploaded always comes out of the same program.

mod frame;
mod message;
pub mod relay;
pub mod spec;

pub use frame::{Decoder, Frame, FrameError, MAX_BODY, MAX_HEAD, encode};
pub use message::{Call, Hello, Reply, Request, Stream};
