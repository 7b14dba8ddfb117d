//! The EC2 Query protocol: form parameters in, XML out.
//!
//! Invariant: nothing here knows a resource; internal types are turned into XML by the actions.

mod error;
mod filter;
mod page;
mod params;
mod xml;

pub use error::ApiError;
pub use filter::{Filters, glob};
pub use page::Page;
pub use params::Params;
pub use xml::Xml;

/// What an action answers, or why not.
pub type Result<T, E = ApiError> = std::result::Result<T, E>;
