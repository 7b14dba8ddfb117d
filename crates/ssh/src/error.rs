//! russh's errors as the communicator's.

use imgbuild_engine::communicator::CommError;

/// Why a try to connect failed, and so whether another one may help.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The host did not answer as it should: it may be starting.
    NotYet(CommError),
    /// The handshake or authentication failed: counted against `handshake_attempts`, as a first boot may still be making
    /// the account.
    Handshake(CommError),
    /// No new try can help.
    Fatal(CommError),
}

impl Failed {
    /// The same, said of a bastion: whose key or user is wrong must be known.
    pub(crate) fn at_bastion(self) -> Self {
        let told = |error: CommError| match error {
            CommError::Unreachable(why) => CommError::Unreachable(format!("the bastion: {why}")),
            CommError::Authentication(why) => CommError::Authentication(format!("the bastion: {why}")),
            // Nothing comes that could make it known: this side's files lack it.
            CommError::HostKey(why) => CommError::Local(format!("the bastion: {why}")),
            other => other,
        };
        match self {
            Failed::NotYet(e) => Failed::NotYet(told(e)),
            Failed::Handshake(e) => Failed::Handshake(told(e)),
            Failed::Fatal(e) => Failed::Fatal(told(e)),
        }
    }

    pub(crate) fn into_inner(self) -> CommError {
        match self {
            Failed::NotYet(e) | Failed::Handshake(e) | Failed::Fatal(e) => e,
        }
    }
}

/// What ends a session from inside the handler.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    /// russh's own.
    #[error(transparent)]
    Russh(#[from] russh::Error),
    /// The host key is wrong; the sentence is for people.
    #[error("{0}")]
    HostKey(String),
}

/// An error of an established connection.
pub(crate) fn comm_error(error: russh::Error) -> CommError {
    use russh::Error as E;
    match error {
        E::ChannelOpenFailure(reason) => CommError::Remote(format!("the server refused to open a channel: {reason:?}")),
        E::RequestDenied => CommError::Remote("the server refused the request".into()),
        E::KeepaliveTimeout => CommError::Disconnected("the host stopped answering keep-alives".into()),
        E::InactivityTimeout => CommError::Disconnected("nothing came from the host for too long".into()),
        E::SendError | E::RecvError | E::HUP | E::Disconnect => {
            CommError::Disconnected("the host closed the connection".into())
        }
        other => CommError::Disconnected(other.to_string()),
    }
}
