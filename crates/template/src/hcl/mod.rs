//! HCL2: its values and types, and the functions that expressions may call.
//!
//! Nothing here reads a clock or the environment by itself: they enter through the contexts that callers make.

pub mod constraint;
pub mod convert;
pub mod format;
pub mod functions;
pub mod json;
pub mod number;
pub mod required;
pub mod types;
pub mod unify;
pub mod value;

pub use constraint::{TypeError, constraint};
pub use convert::{ConvertError, convert};
pub use number::Number;
pub use types::Type;
pub use value::{Data, Value};
