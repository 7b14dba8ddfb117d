//! Why an image could not be made.

use std::io;

use crate::machine::MachineError;

/// A step of making an image that failed.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The host lacks something, or the image cannot be had here: a sentence for the person, with the remedy.
    #[error("{0}")]
    Unavailable(String),
    /// A program of the host failed; its last words are in the message.
    #[error("{program} failed while {doing}: {last_words}")]
    Program {
        /// Which.
        program: &'static str,
        /// What it was to do.
        doing: String,
        /// The end of what it said.
        last_words: String,
    },
    /// A file could not be read or written.
    #[error("{doing} failed")]
    Io {
        /// What was being done.
        doing: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl ImageError {
    /// The same for the control side, which knows machines and images by name.
    pub fn of(self, image: &str) -> MachineError {
        match self {
            Self::Unavailable(why) => MachineError::Unavailable(why),
            other => MachineError::Failed { step: "preparing", instance_id: image.to_owned(), source: Box::new(other) },
        }
    }
}

/// Names what was being done when an I/O error came.
pub trait Doing<T> {
    /// `doing` is a present participle: "writing /etc/fstab".
    fn doing(self, doing: impl Into<String>) -> Result<T, ImageError>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, doing: impl Into<String>) -> Result<T, ImageError> {
        self.map_err(|error| ImageError::Io { doing: doing.into(), source: error.into() })
    }
}
