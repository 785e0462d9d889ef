//! The requirements for requests, by method and path.

mod methods;
mod pattern;
pub(crate) mod permission;
mod requirements;
mod table;

pub use methods::Methods;
pub use pattern::{Pattern, PatternError};
pub use requirements::{Policy, PolicyConflict, Requirement};
pub(crate) use table::{Lookup, Target};
pub use table::{Policies, Route};
